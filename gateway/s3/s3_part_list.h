/* A page of parts: of an upload under way, or of a finished object. */
#ifndef DOL_S3_PART_LIST_H
#define DOL_S3_PART_LIST_H

#include "s3_page.h"

struct s3_part_page {
    uint64_t max_parts;
    uint64_t marker; /* parts with numbers above it */
    struct part_info *parts;
    unsigned count;
    bool truncated;
};

/* The two numbers, from wherever the operation has them. InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_part_page_read(struct s3_request *rq, struct s3_part_page *page,
                                               const struct bytes *max, const char *max_name,
                                               const struct bytes *marker, const char *marker_name);
/* Room for the parts, in the arena. */
DOL_MUST_CHECK enum s3_error s3_part_page_begin(struct s3_request *rq, struct s3_part_page *page);
/* A part_list_fn over struct s3_part_page; parts come in ascending order. */
bool s3_part_page_add(void *page, const struct part_info *part);
/* PartNumberMarker, NextPartNumberMarker, MaxParts, IsTruncated. */
void s3_part_page_write_position(struct xml_writer *w, const struct s3_part_page *page);

/* <ChecksumCRC32>value</ChecksumCRC32>, with "-N" when composite of N parts; nothing for none. */
void s3_write_checksum(struct xml_writer *w, const struct object_checksum *sum, uint32_t parts);

#endif
