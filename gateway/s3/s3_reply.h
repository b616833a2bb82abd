/*
 * Answers: headers gathered one by one, then a head alone, an XML document, or a head whose body the handler streams.
 * All return S3_ERR_NONE once the response has begun (a broken connection is then noted in reply_broken), or the error
 * to answer instead.
 */
#ifndef DOL_S3_REPLY_H
#define DOL_S3_REPLY_H

#include "s3_request.h"
#include "xml.h"

/* `value` is borrowed until the answer; NULL marks the reply as failed (the arena was full). */
void s3_reply_header(struct s3_request *rq, const char *name, const char *value);
/* Copies the value. */
void s3_reply_header_bytes(struct s3_request *rq, const char *name, struct bytes value);
void s3_reply_header_u64(struct s3_request *rq, const char *name, uint64_t value);

/* A version id, or "null"; nothing in buckets without versioning (an id of zero). */
void s3_reply_version(struct s3_request *rq, const char *name, const struct version_id *version, bool null_version);

/* How the object is encrypted; nothing in a pool that isn't. */
void s3_reply_encryption(struct s3_request *rq);

#define S3_NO_LENGTH UINT64_MAX

/* The head; the handler streams `content_length` bytes after it, or none (HEAD, or S3_NO_LENGTH). */
DOL_MUST_CHECK enum s3_error s3_reply_begin(struct s3_request *rq, unsigned status, uint64_t content_length);

/* Writes the document; called more than once, so it must write the same each time. */
typedef void s3_document_fn(struct xml_writer *w, const struct s3_request *rq, const void *arg);
DOL_MUST_CHECK enum s3_error s3_reply_xml(struct s3_request *rq, unsigned status, s3_document_fn *fn, const void *arg);

/* A body that is at hand. */
DOL_MUST_CHECK enum s3_error s3_reply_bytes(struct s3_request *rq, unsigned status, const char *content_type,
                                            struct bytes body);

/* The error's XML with everything in rq->fault; for HEAD no body. Always answers, or sets must_close. */
void s3_reply_error(struct s3_request *rq, enum s3_error error);

#endif
