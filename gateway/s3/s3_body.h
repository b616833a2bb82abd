/*
 * The body of a request, decoded and verified while it passes: aws-chunked framing, payload hash, x-amz-checksum-* in
 * header or trailer, length. What comes out is the client's bytes; only the end (an empty span) says that they are the
 * right ones, so nothing may be acknowledged before it.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
 */
#ifndef DOL_S3_BODY_H
#define DOL_S3_BODY_H

#include "aws_chunked.h"
#include "checksum.h"
#include "s3_request.h"

enum s3_body_use {
    S3_BODY_OBJECT,   /* length must be known; CRC64NVME is computed when the client gives no checksum; the store checks
                         Content-MD5 */
    S3_BODY_DOCUMENT, /* may be absent; Content-MD5 is checked here */
    S3_BODY_COMPLETE, /* a document whose request has x-amz-checksum-* headers about the object instead */
};

struct s3_body {
    struct s3_request *rq;
    enum s3_body_use use;
    uint64_t size_bytes; /* declared, decoded; UINT64_MAX: unknown (documents only) */
    uint64_t done_bytes;
    /* Content-MD5 */
    bool has_md5;
    uint8_t md5[16];
    /* the checksum: declared by header or trailer, or ours (client_checksum false); CHECKSUM_NONE: none */
    bool client_checksum;
    bool in_trailer;
    struct checksum declared; /* of the header */
    struct checksum computed; /* at the end */
    struct checksum kept;     /* at the end: what is to be kept with the part or object; mostly the same */
    /* private */
    bool is_chunked; /* aws-chunked inside the HTTP body */
    bool http_ended;
    struct bytes pending; /* of the last HTTP span, not decoded yet */
    struct aws_chunked decoder;
    struct hash_stream *payload_hash;
    struct hash_stream *md5_hash;
    struct checksum_stream checksum;
    struct checksum_stream kept_checksum; /* when its algorithm is another */
};

/* Reads the headers about the body and gets ready; not a byte of the body is read. Call s3_body_close() whatever comes
 * back. */
DOL_MUST_CHECK enum s3_error s3_body_open(struct s3_body *b, struct s3_request *rq, enum s3_body_use use);
/* As S3_BODY_OBJECT; what is kept has algorithm `keep`, whatever the client gives. */
DOL_MUST_CHECK enum s3_error s3_body_open_part(struct s3_body *b, struct s3_request *rq, enum checksum_alg keep);
/* [await] The next bytes, valid until the next call; len 0: the end, and all is verified. */
DOL_MUST_CHECK enum s3_error s3_body_next(struct s3_body *b, struct bytes *span);
void s3_body_close(struct s3_body *b);

/* [await] Opens, reads and closes a whole document of at most `max_bytes` into the arena. *has_integrity: it came with
 * Content-MD5 or a checksum. */
DOL_MUST_CHECK enum s3_error s3_body_document(struct s3_request *rq, size_t max_bytes, struct bytes *document,
                                              bool *has_integrity);
/* [await] The same for the list of CompleteMultipartUpload. */
DOL_MUST_CHECK enum s3_error s3_body_complete_document(struct s3_request *rq, size_t max_bytes, struct bytes *document);

/* As the store keeps it. */
struct object_checksum s3_checksum_kept(const struct checksum *sum, enum checksum_type type);

#endif
