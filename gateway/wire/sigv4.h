/*
 * AWS Signature Version 4, the verifying side: Authorization header and presigned query.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 *
 * In four steps, so that the caller can look up the secret in between and cache signing keys:
 *     sigv4_parse()    who claims to have signed, when, for what scope; the payload mode
 *     sigv4_check()    region, service, clock; headers that must be signed
 *     (the caller finds the secret of auth.access_key, else InvalidAccessKeyId; sigv4_derive_key() or its cache)
 *     sigv4_verify()   the signature itself, in constant time
 * Nothing may be believed before sigv4_verify() has said SIGV4_OK. Slices borrow from the request or the arena.
 */
#ifndef DOL_SIGV4_H
#define DOL_SIGV4_H

#include "uri.h"
#include "wire_header.h"

#define SIGV4_SKEW_MAX_S           (15 * 60)
#define SIGV4_EXPIRES_MAX_S        (7 * 24 * 3600)
#define SIGV4_SCOPE_BYTES_MAX      256u /* "20130524/us-east-1/s3/aws4_request" */
#define SIGV4_ACCESS_KEY_BYTES_MAX 128u
#define SIGV4_SIGNED_HEADERS_MAX   128u

/* X(name, S3 error code, what a person reads) */
#define SIGV4_RESULT_TABLE(X)                                                                                          \
    X(OK, "", "verified, or going on")                                                                                 \
    X(ANONYMOUS, "AccessDenied", "Access Denied")                                                                      \
    X(UNSUPPORTED, "InvalidRequest",                                                                                   \
      "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")                  \
    X(AMBIGUOUS, "InvalidArgument", "Only one auth mechanism allowed")                                                 \
    X(MALFORMED, "AuthorizationHeaderMalformed", "The authorization header is malformed")                              \
    X(QUERY_MALFORMED, "AuthorizationQueryParametersError", "Error parsing the X-Amz-* authorization parameters")      \
    X(WRONG_REGION, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region is wrong")      \
    X(WRONG_SERVICE, "AuthorizationHeaderMalformed", "The authorization header is malformed; incorrect service")       \
    X(WRONG_DATE, "AuthorizationHeaderMalformed",                                                                      \
      "The authorization header is malformed; the credential date does not match the request date")                    \
    X(MISSING_DATE, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")                   \
    X(SKEWED, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")    \
    X(EXPIRED, "AccessDenied", "Request has expired")                                                                  \
    X(NOT_YET_VALID, "AccessDenied", "Request is not valid yet")                                                       \
    X(UNSIGNED_HEADER, "AccessDenied", "There were headers present in the request which were not signed")              \
    X(MISSING_CONTENT_SHA256, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")      \
    X(BAD_CONTENT_SHA256, "InvalidArgument",                                                                           \
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "                            \
      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")       \
    X(MISMATCH, "SignatureDoesNotMatch",                                                                               \
      "The request signature we calculated does not match the signature you provided. Check your key and signing "     \
      "method.")                                                                                                       \
    X(NO_MEMORY, "SlowDown", "Please reduce your request rate.")

enum sigv4_result {
#define SIGV4_RESULT_ENUM(name, code, text) SIGV4_##name,
    SIGV4_RESULT_TABLE(SIGV4_RESULT_ENUM)
#undef SIGV4_RESULT_ENUM
};

/* "SignatureDoesNotMatch" and the like; "" for SIGV4_OK. */
const char *sigv4_result_code(enum sigv4_result result);
const char *sigv4_result_text(enum sigv4_result result);

enum sigv4_payload {
    SIGV4_PAYLOAD_SHA256,                  /* hex digest of the whole body: payload_hash */
    SIGV4_PAYLOAD_UNSIGNED,                /* UNSIGNED-PAYLOAD */
    SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
    SIGV4_PAYLOAD_STREAM_SIGNED,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,   /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
};

struct sigv4_request {
    struct bytes method; /* "GET" */
    struct bytes path;   /* raw, as sent */
    const struct uri_query *query;
    const struct wire_header *headers;
    unsigned header_count;
};

enum sigv4_kind { SIGV4_KIND_HEADER, SIGV4_KIND_PRESIGNED };

struct sigv4_auth {
    enum sigv4_kind kind;
    struct bytes access_key;
    struct bytes scope; /* date/region/service/aws4_request */
    struct bytes date;  /* yyyymmdd */
    struct bytes region;
    struct bytes service;
    struct bytes signed_headers; /* "host;x-amz-date" */
    struct bytes security_token; /* empty when there is none */
    bool signature_is_hex;       /* false: the text given cannot be a signature; verifying gives SIGV4_MISMATCH */
    uint8_t signature[32];
    char amz_date[17]; /* yyyymmddThhmmssZ */
    int64_t time_s;    /* the same, since 1970 */
    int64_t expires_s; /* presigned only */
    enum sigv4_payload payload;
    struct bytes payload_text; /* as it stands in the canonical request */
    struct sha256 payload_hash;
    /* Set by sigv4_verify(), for the body of SignatureDoesNotMatch. */
    struct bytes canonical_request;
    struct bytes string_to_sign;
};

#define SIGV4_SECRET_BYTES_MAX 256u

/* Good for one secret, date, region and service: worth caching, and as secret as the secret. */
struct sigv4_signing_key {
    uint8_t b[32];
};

/* Without Authorization header and X-Amz-* query: SIGV4_ANONYMOUS. Clears and fills *auth. */
/* Of x-amz-content-sha256: payload, payload_text, payload_hash. SIGV4_BAD_CONTENT_SHA256. */
DOL_MUST_CHECK enum sigv4_result sigv4_parse_payload(struct bytes text, struct sigv4_auth *auth);
DOL_MUST_CHECK enum sigv4_result sigv4_parse(const struct sigv4_request *req, struct sigv4_auth *auth);

/* `now_s` is UTC since 1970. SIGV4_WRONG_REGION: auth->region is what came, `region` what the error has to name. */
DOL_MUST_CHECK enum sigv4_result sigv4_check(const struct sigv4_request *req, const struct sigv4_auth *auth,
                                             struct bytes region, int64_t now_s);

/* The secret has at most SIGV4_SECRET_BYTES_MAX bytes. */
void sigv4_derive_key(struct bytes secret, struct bytes date, struct bytes region, struct bytes service,
                      struct sigv4_signing_key *key);

/* SIGV4_OK, SIGV4_MISMATCH or SIGV4_NO_MEMORY. */
DOL_MUST_CHECK enum sigv4_result sigv4_verify(const struct sigv4_request *req, struct sigv4_auth *auth,
                                              const struct sigv4_signing_key *key, struct arena *a);

/* ---- signed streaming: each chunk's signature covers the one before, the first one that of the request ---- */

struct sigv4_chunk_signer {
    struct sigv4_signing_key key;
    char amz_date[17];
    char scope[SIGV4_SCOPE_BYTES_MAX + 1];
    char previous[65]; /* signature before, lower-case hex */
};

/* Takes the request's signature as the seed. EINVAL: the scope is longer than SIGV4_SCOPE_BYTES_MAX. */
DOL_MUST_CHECK enum dol_err sigv4_chunk_signer_init(struct sigv4_chunk_signer *s, const struct sigv4_auth *auth,
                                                    const struct sigv4_signing_key *key);
/* Compares the signature given for a chunk with this digest, and on a match makes it the previous one. */
DOL_MUST_CHECK bool sigv4_chunk_verify(struct sigv4_chunk_signer *s, const struct sha256 *chunk,
                                       const uint8_t given[32]);
/* The same for the trailer section; the digest is over "name:value\n" of each trailer. */
DOL_MUST_CHECK bool sigv4_trailer_verify(struct sigv4_chunk_signer *s, const struct sha256 *trailers,
                                         const uint8_t given[32]);

#endif
