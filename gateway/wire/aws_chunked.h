/*
 * Decoder of aws-chunked bodies: what lies inside the (perhaps also HTTP-chunked) body of STREAMING-* uploads.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
 *
 * Incremental, without copies: data spans point into the bytes fed. In the signed modes a span is handed out BEFORE the
 * signature of its chunk can be known; nothing may be acknowledged before AWS_CHUNKED_EV_END, which comes only after
 * every signature, the decoded length and the trailers are right.
 */
#ifndef DOL_AWS_CHUNKED_H
#define DOL_AWS_CHUNKED_H

#include "hash.h"
#include "sigv4.h"

#define AWS_CHUNKED_LINE_BYTES_MAX    256u  /* chunk size and signature */
#define AWS_CHUNKED_TRAILER_BYTES_MAX 1024u /* all trailer lines together */
#define AWS_CHUNKED_TRAILERS_MAX      8u
#define AWS_CHUNKED_CHUNK_BYTES_MIN   8192u /* signed modes, all but the last chunk */

/* X(name, S3 error code, HTTP status, what a person reads) */
#define AWS_CHUNKED_ERROR_TABLE(X)                                                                                     \
    X(NONE, "", 200, "no error")                                                                                       \
    X(INCOMPLETE, "IncompleteBody", 400,                                                                               \
      "The request body terminated unexpectedly, or has not the length of x-amz-decoded-content-length.")              \
    X(MALFORMED, "InvalidRequest", 400, "The aws-chunked body is malformed.")                                          \
    X(CHUNK_SIZE, "InvalidChunkSizeError", 403, "Only the last chunk is allowed to have a size less than 8192 bytes")  \
    X(SIGNATURE, "SignatureDoesNotMatch", 403,                                                                         \
      "The chunk signature we calculated does not match the one you provided.")                                        \
    X(TRAILER, "MalformedTrailerError", 400,                                                                           \
      "The request contained trailing data that was not well-formed or did not conform to our published schema.")      \
    X(NO_MEMORY, "SlowDown", 503, "Please reduce your request rate.")

enum aws_chunked_error {
#define AWS_CHUNKED_ERROR_ENUM(name, code, status, text) AWS_CHUNKED_ERR_##name,
    AWS_CHUNKED_ERROR_TABLE(AWS_CHUNKED_ERROR_ENUM)
#undef AWS_CHUNKED_ERROR_ENUM
};

const char *aws_chunked_error_code(enum aws_chunked_error error);
unsigned aws_chunked_error_status(enum aws_chunked_error error);
const char *aws_chunked_error_text(enum aws_chunked_error error);

enum aws_chunked_event { AWS_CHUNKED_EV_MORE, AWS_CHUNKED_EV_DATA, AWS_CHUNKED_EV_END, AWS_CHUNKED_EV_ERROR };

enum aws_chunked_state {
    AWS_CHUNKED_LINE,
    AWS_CHUNKED_DATA,
    AWS_CHUNKED_DATA_END,
    AWS_CHUNKED_TRAILER,
    AWS_CHUNKED_DONE,
    AWS_CHUNKED_FAILED,
};

struct aws_chunked {
    enum aws_chunked_error error;
    /* The trailers, once AWS_CHUNKED_EV_END has come: borrowed from `text` below; names lower-cased. */
    struct wire_header trailers[AWS_CHUNKED_TRAILERS_MAX];
    unsigned trailer_count;
    /* private */
    enum aws_chunked_state state;
    enum sigv4_payload payload;
    struct bytes announced;
    uint64_t decoded_bytes; /* declared */
    uint64_t done_bytes;    /* promised by chunk lines so far */
    uint64_t left_bytes;    /* of this chunk */
    unsigned end_seen;      /* bytes of the CR LF after the data */
    bool short_chunk_seen;
    bool trailer_signature_seen;
    unsigned gaps;     /* empty lines among the trailers */
    uint8_t given[32]; /* signature of this chunk, or of the trailer */
    struct sigv4_chunk_signer signer;
    struct hash_stream *hash; /* owned; signed modes */
    size_t text_bytes;
    size_t line_start;
    char text[AWS_CHUNKED_TRAILER_BYTES_MAX];
};

/*
 * `payload` is one of the three STREAM modes. `signer` is copied; NULL in the unsigned mode. `announced` is the value
 * of x-amz-trailer (borrowed; empty: none): only those names may come, and all of them must. ENOMEM.
 */
DOL_MUST_CHECK enum dol_err aws_chunked_init(struct aws_chunked *c, enum sigv4_payload payload,
                                             const struct sigv4_chunk_signer *signer, uint64_t decoded_bytes,
                                             struct bytes announced);
void aws_chunked_fini(struct aws_chunked *c);

/* As http1_feed(). Bytes after AWS_CHUNKED_EV_END are an error, but for one CR LF: feed them all the same. */
DOL_MUST_CHECK enum aws_chunked_event aws_chunked_feed(struct aws_chunked *c, const void *data, size_t len,
                                                       size_t *consumed, struct bytes *span);

/* To be called when the HTTP body has ended: AWS_CHUNKED_ERR_NONE only if the aws-chunked body had ended, too. */
DOL_MUST_CHECK enum aws_chunked_error aws_chunked_finish(struct aws_chunked *c);

#endif
