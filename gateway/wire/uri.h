/*
 * Request targets: splitting, percent-decoding, query parameters, AWS's URI encoding, and which bucket and key a
 * request means. Decoding is strict: a malformed escape is an error and never passes as itself. Results borrow from the
 * input where nothing had to be decoded, else from the arena.
 */
#ifndef DOL_URI_H
#define DOL_URI_H

#include "arena.h"
#include <dolmen/err.h>
#include <dolmen/types.h>

#define URI_PARAMS_MAX    100u
#define URI_KEY_BYTES_MAX 1024u

/* Splits at the first '?'. Without one the query is empty. */
void uri_split(struct bytes target, struct bytes *path, struct bytes *query);

enum uri_decode_as {
    URI_DECODE_PATH,  /* '+' is itself */
    URI_DECODE_QUERY, /* '+' is a space */
};

/* ESYNTAX: malformed escape; ENOMEM. */
DOL_MUST_CHECK enum dol_err uri_decode(struct bytes raw, enum uri_decode_as as, struct arena *a, struct bytes *out);

struct uri_param {
    struct bytes name;
    struct bytes value; /* empty for "name" and for "name=" */
    bool has_equals;    /* "name=" or "name=value" */
};

struct uri_query {
    struct uri_param *params; /* in the order of the request, empty pieces ("&&") left out */
    unsigned count;
};

/* ESYNTAX: malformed escape; ETOOLARGE: more than URI_PARAMS_MAX; ENOMEM. */
DOL_MUST_CHECK enum dol_err uri_query_parse(struct bytes query, struct arena *a, struct uri_query *out);
/* The first parameter called `name` (case matters), or NULL. */
const struct uri_param *uri_query_find(const struct uri_query *query, const char *name);

/*
 * AWS's UriEncode: unreserved A-Z a-z 0-9 - . _ ~ stay, all else becomes %XX in upper case.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
enum uri_encode_as {
    URI_ENCODE_ALL,  /* query names and values */
    URI_ENCODE_PATH, /* '/' stays: paths, and the answers to encoding-type=url */
};
size_t uri_encoded_bytes(struct bytes raw, enum uri_encode_as as);
/* Writes uri_encoded_bytes() bytes, no terminator; returns the end. */
char *uri_encode_to(struct bytes raw, enum uri_encode_as as, char *out);
DOL_MUST_CHECK enum dol_err uri_encode(struct bytes raw, enum uri_encode_as as, struct arena *a, struct bytes *out);

/* What a request is about. Both empty: the service (ListBuckets). */
struct uri_place {
    struct bytes bucket; /* decoded, not validated */
    struct bytes key;    /* decoded, not validated */
    bool virtual_host;   /* the bucket came from Host */
};

/*
 * Path style "/bucket/key", or virtual-host style where Host is "<bucket>.<domain>[:port]". An empty domain means path
 * style only. ESYNTAX: malformed escape, or the path doesn't begin with '/'; ENOMEM.
 */
DOL_MUST_CHECK enum dol_err uri_locate(struct bytes path, struct bytes host, struct bytes domain, struct arena *a,
                                       struct uri_place *out);

/* AWS's rules for general purpose buckets. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
bool uri_bucket_name_is_valid(struct bytes name);

enum uri_key_check { URI_KEY_OK, URI_KEY_EMPTY, URI_KEY_TOO_LONG, URI_KEY_NOT_UTF8 };
enum uri_key_check uri_key_check(struct bytes key);

/* Well-formed UTF-8 by RFC 3629: no overlong forms, no surrogates, at most U+10FFFF. */
bool uri_is_utf8(struct bytes text);

#endif
