/* If-Match and If-None-Match (RFC 9110 section 13.1): a list of entity tags, or "*". */
#ifndef DOL_HTTP_ETAG_H
#define DOL_HTTP_ETAG_H

#include <dolmen/types.h>

enum http_etag_compare {
    HTTP_ETAG_STRONG, /* If-Match: W/ never matches */
    HTTP_ETAG_WEAK,   /* If-None-Match: W/ is ignored */
};

/* true for a value that is "*". */
bool http_etag_is_any(struct bytes value);

/* Does the list name `etag` (given without quotes)? Unquoted tags count, as with S3. "*" matches everything. */
bool http_etag_matches(struct bytes value, struct bytes etag, enum http_etag_compare compare);

#endif
