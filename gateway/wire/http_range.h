/* Range: bytes=a-b, a-, -n against a size (RFC 9110 section 14). Several ranges, other units and malformed ones are
 * ignored, as S3 does. */
#ifndef DOL_HTTP_RANGE_H
#define DOL_HTTP_RANGE_H

#include <dolmen/types.h>

enum http_range_result {
    HTTP_RANGE_WHOLE,         /* no usable range: answer 200 */
    HTTP_RANGE_PART,          /* answer 206 */
    HTTP_RANGE_UNSATISFIABLE, /* answer 416 */
};

struct http_range {
    uint64_t offset;
    uint64_t len; /* at least 1 */
};

/* Sets *range to the whole or the part. */
enum http_range_result http_range_parse(struct bytes value, uint64_t size, struct http_range *range);

/* Strict form for x-amz-copy-source-range: "bytes=a-b" with both ends inside the size. */
bool http_range_parse_copy(struct bytes value, uint64_t size, struct http_range *range);

#endif
