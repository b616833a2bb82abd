/*
 * One request on its way through the S3 API: what was parsed from it, who signed it, and what is being answered. Lives
 * on the fiber's stack; everything it points to lives in the exchange or its arena. Handlers get it, and return
 * S3_ERR_NONE when they have answered.
 */
#ifndef DOL_S3_REQUEST_H
#define DOL_S3_REQUEST_H

#include "s3.h"
#include "s3_error.h"
#include "sigv4.h"
#include "uri.h"

#define S3_FAULT_DETAILS_MAX   8u
#define S3_REPLY_HEADERS_MAX   192u         /* all stored metadata and the standard ones */
#define S3_OBJECT_BYTES_MAX    (5ull << 30) /* one PUT; AWS: 5 GiB */
#define S3_DOCUMENT_BYTES_MAX  (2u << 20)   /* XML bodies: 1,000 keys of 1,024 bytes, escaped a little */
#define S3_COMPLETE_BYTES_MAX  (4u << 20)   /* 10,000 parts of CompleteMultipartUpload, with a checksum each */
#define S3_USER_METADATA_MAX   2048u        /* bytes of names (without prefix) and values together; AWS: 2 KB */
#define S3_SYSTEM_METADATA_MAX 2048u        /* bytes of the standard headers' values; AWS: 2 KB */

struct s3_route;

/* What an error answer says beyond its code. */
struct s3_fault {
    const char *message; /* NULL: the table's */
    struct {
        const char *name;
        struct bytes value;
    } details[S3_FAULT_DETAILS_MAX];
    unsigned detail_count;
    bool delete_marker; /* it is one that the request came upon: its name is told */
    struct version_id version;
    bool null_version;
};

struct xml_node;

/* The rule about other origins that fits the request. */
struct s3_cors {
    const struct xml_node *rule; /* NULL: none */
    bool any_origin;
    struct bytes origin; /* of the request */
};

/* What is known of the request's bucket (s3_authorize.c). */
struct s3_access {
    struct bytes bucket;
    bool exists;
    bool restricted; /* RestrictPublicBuckets */
    char owner[65];
    struct policy *policy; /* NULL: none */
};

struct s3_request {
    struct s3 *s3;
    const struct s3_config *config;
    struct exchange *x;
    const struct http1_head *head;
    struct arena *arena;
    struct bytes path; /* raw */
    struct uri_query query;
    struct uri_place place;
    struct bytes bucket; /* place.bucket */
    struct bytes key;    /* place.key */
    const struct s3_route *route;
    struct sigv4_auth auth;
    struct sigv4_signing_key signing_key; /* wiped at the end */
    struct iam_identity identity;         /* secret wiped once the signature is verified */
    struct s3_access access;
    struct s3_fault fault;
    struct s3_cors cors;
    struct exchange_header *reply_headers;
    unsigned reply_header_count;
    enum s3_error reply_fault; /* sticky: a header could not be kept */
    bool reply_broken; /* the connection failed while the head was sent; must_close alone may also be the server's own
                          decision */
};

/* ---- looking at the request ---- */

/* Value of the first header `name` (lower case); NULL when absent. */
const struct bytes *s3_header(const struct s3_request *rq, const char *name);
/* All values of header `name`, joined with commas as RFC 9110 section 5.3 allows; data NULL when absent. ENOMEM. */
DOL_MUST_CHECK enum dol_err s3_header_joined(struct s3_request *rq, const char *name, struct bytes *out);
/* Value of query parameter `name`; NULL when absent. */
const struct bytes *s3_param(const struct s3_request *rq, const char *name);
/* Decimal digits only; false: malformed or above `max`. */
DOL_MUST_CHECK bool s3_parse_u64(struct bytes text, uint64_t max, uint64_t *out);
bool s3_bytes_have_prefix(struct bytes text, const char *prefix);
/* Empty for NULL. */
struct bytes s3_bytes_of(const char *text);

/* ---- refusing ---- */

/* Each returns `error`, so that a handler can end with it. */
enum s3_error s3_fail(struct s3_request *rq, enum s3_error error, const char *message);
enum s3_error s3_fail_argument(struct s3_request *rq, const char *message, const char *name, struct bytes value);
enum s3_error s3_fail_header(struct s3_request *rq, const char *name); /* NotImplemented, naming the header */
/* Adds an element to the error's XML; borrowed. */
void s3_fault_detail(struct s3_request *rq, const char *name, struct bytes value);
/* The formatted text lives in the arena; NULL when that is full. */
const char *s3_text(struct s3_request *rq, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ?versionId: *version NULL when absent, else points to *storage; "null" gives version_id_null. InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_version_of(struct s3_request *rq, struct version_id *storage,
                                           const struct version_id **version);
#define S3_VERSION_TEXT_MAX 33u
/* As clients see it: 32 hex digits; "null" for one without an id of its own (zero). */
void s3_version_format(const struct version_id *version, char out[S3_VERSION_TEXT_MAX]);
/* 32 hex digits, or "null". */
DOL_MUST_CHECK bool s3_version_parse(struct bytes text, struct version_id *out);

#endif
