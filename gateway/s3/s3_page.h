/*
 * What all paged lists share: their common parameters, copying entries out of the store's callbacks, and names in the
 * encoding that the client asked for.
 */
#ifndef DOL_S3_PAGE_H
#define DOL_S3_PAGE_H

#include "s3_request.h"
#include "xml.h"

#define S3_PAGE_ENTRIES_MAX 1000u

/* `text` as the parameter `name`: 0 .. S3_PAGE_ENTRIES_MAX, more counts as that; NULL or empty gives it, too.
 * InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_page_read_max(struct s3_request *rq, const char *name, const struct bytes *text,
                                              uint64_t *max);
/* A marker that is a number; NULL or empty gives 0. InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_page_read_number(struct s3_request *rq, const char *name, const struct bytes *text,
                                                 uint64_t *number);
/* ?encoding-type. InvalidArgument. */
DOL_MUST_CHECK enum s3_error s3_page_read_encoding(struct s3_request *rq, bool *url_encoded);
/* Query parameter `name`, or empty. Positions and prefixes beyond the longest key match nothing that could exist:
 * KeyTooLongError. */
DOL_MUST_CHECK enum s3_error s3_page_read_name(struct s3_request *rq, const char *name, struct bytes *out);
DOL_MUST_CHECK enum s3_error s3_page_check_length(struct s3_request *rq, struct bytes text);

/* Into the arena, of which enough is left for the answer itself. false: the page ends here. */
DOL_MUST_CHECK bool s3_page_copy(struct s3_request *rq, struct bytes from, struct bytes *to);
/* The same for what often comes several times on end: *seen is the copy, made anew when `from` is another. */
DOL_MUST_CHECK bool s3_page_copy_seen(struct s3_request *rq, struct bytes from, struct bytes *seen);

/* What the entries of every list begin with. */
struct s3_page_entry {
    struct s3_page_entry *next;
    struct bytes name; /* key or common prefix */
};
struct s3_page_chain {
    struct s3_page_entry *first;
    struct s3_page_entry *last;
    unsigned count;
};
void s3_page_append(struct s3_page_chain *chain, struct s3_page_entry *e);
/* <CommonPrefixes> for each entry. */
void s3_page_write_prefixes(struct xml_writer *w, const struct s3_page_chain *prefixes, bool url_encoded);

/* A key or what is part of one. */
void s3_page_write_name(struct xml_writer *w, const char *element, struct bytes name, bool url_encoded);

#endif
