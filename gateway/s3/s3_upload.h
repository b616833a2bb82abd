/* What the verbs of multipart uploads share. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html */
#ifndef DOL_S3_UPLOAD_H
#define DOL_S3_UPLOAD_H

#include "checksum.h"
#include "s3_request.h"

#define S3_PART_BYTES_MIN (5ull << 20) /* all parts but the last; AWS: 5 MiB */

/* The upload that the request names; its bucket and key are borrowed from the request. [await] NoSuchUpload also for an
 * id that no upload could have, NoSuchBucket. */
DOL_MUST_CHECK enum s3_error s3_upload_ref_read(struct s3_request *rq, struct upload_ref *ref);

/* ?partNumber: 1 .. UPLOAD_PARTS_MAX. InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_part_number_read(struct s3_request *rq, uint32_t *number);

/* 32 hex digits. */
DOL_MUST_CHECK bool s3_upload_id_parse(struct bytes text, struct upload_id *id);
#define S3_UPLOAD_ID_TEXT_MAX 33u
void s3_upload_id_format(const struct upload_id *id, char out[S3_UPLOAD_ID_TEXT_MAX]);

/* What of an upload decides what its parts' checksums are. */
struct s3_upload_checksum {
    enum checksum_alg alg; /* never NONE */
    enum checksum_type type;
};
/* [await] */
DOL_MUST_CHECK enum s3_error s3_upload_checksum_get(struct s3_request *rq, const struct upload_ref *ref,
                                                    struct s3_upload_checksum *out);

/*
 * CRC64NVME over the whole object is what S3 keeps when the client asks for nothing. The parts of such an upload may
 * come with any checksum (JavaScript's SDK sends CRC32): it is verified, and CRC64NVME is kept.
 */
static inline bool s3_upload_takes_any_checksum(const struct s3_upload_checksum *c)
{
    return c->alg == CHECKSUM_CRC64NVME;
}

/* "crc32c", as S3 writes it in messages. */
const char *s3_checksum_lower_name(struct s3_request *rq, enum checksum_alg alg);
/* InvalidRequest: "Checksum Type mismatch occurred ..."; `actual` CHECKSUM_NONE: none came. */
enum s3_error s3_fail_checksum_mismatch(struct s3_request *rq, enum checksum_alg expected, enum checksum_alg actual);

#endif
