/* Paged lists: parameters, copies, names. */
#include "s3_page.h"

#define PAGE_ARENA_SLACK_BYTES 65536u /* left to the answer's own needs */
#define PAGE_ENCODE_BYTES      64u

enum s3_error s3_page_read_number(struct s3_request *rq, const char *name, const struct bytes *text, uint64_t *number)
{
    *number = 0;
    if (text == NULL || text->len == 0 || s3_parse_u64(*text, INT32_MAX, number))
        return S3_ERR_NONE;
    return s3_fail_argument(rq, s3_text(rq, "Provided %s not an integer or within integer range", name), name, *text);
}

enum s3_error s3_page_read_max(struct s3_request *rq, const char *name, const struct bytes *text, uint64_t *max)
{
    enum s3_error error = s3_page_read_number(rq, name, text, max);
    if (text == NULL || text->len == 0 || *max > S3_PAGE_ENTRIES_MAX)
        *max = S3_PAGE_ENTRIES_MAX;
    return error;
}

enum s3_error s3_page_read_encoding(struct s3_request *rq, bool *url_encoded)
{
    const struct bytes *encoding = s3_param(rq, "encoding-type");
    *url_encoded = encoding != NULL && encoding->len > 0;
    if (*url_encoded && !bytes_equal_str(*encoding, "url"))
        return s3_fail_argument(rq, "Invalid Encoding Method specified in Request", "encoding-type", *encoding);
    return S3_ERR_NONE;
}

enum s3_error s3_page_check_length(struct s3_request *rq, struct bytes text)
{
    if (text.len <= OBJECT_KEY_BYTES_MAX)
        return S3_ERR_NONE;
    s3_fault_detail(rq, "MaxSizeAllowed", s3_bytes_of("1024"));
    return S3_ERR_KEY_TOO_LONG;
}

enum s3_error s3_page_read_name(struct s3_request *rq, const char *name, struct bytes *out)
{
    const struct bytes *value = s3_param(rq, name);
    *out = value != NULL ? *value : bytes_of("", 0);
    return s3_page_check_length(rq, *out);
}

bool s3_page_copy(struct s3_request *rq, struct bytes from, struct bytes *to)
{
    struct arena *a = rq->arena;
    if (a->max_bytes < PAGE_ARENA_SLACK_BYTES || a->used_bytes > a->max_bytes - PAGE_ARENA_SLACK_BYTES)
        return false;
    char *copy = arena_strndup(a, from.data, from.len);
    *to = bytes_of(copy, from.len);
    return copy != NULL;
}

bool s3_page_copy_seen(struct s3_request *rq, struct bytes from, struct bytes *seen)
{
    return bytes_equal(from, *seen) || s3_page_copy(rq, from, seen);
}

void s3_page_append(struct s3_page_chain *chain, struct s3_page_entry *e)
{
    if (chain->last != NULL)
        chain->last->next = e;
    else
        chain->first = e;
    chain->last = e;
    chain->count++;
}

void s3_page_write_prefixes(struct xml_writer *w, const struct s3_page_chain *prefixes, bool url_encoded)
{
    for (const struct s3_page_entry *e = prefixes->first; e != NULL; e = e->next) {
        xml_write_open(w, "CommonPrefixes");
        s3_page_write_name(w, "Prefix", e->name, url_encoded);
        xml_write_close(w, "CommonPrefixes");
    }
}

void s3_page_write_name(struct xml_writer *w, const char *element, struct bytes name, bool url_encoded)
{
    char text[3 * PAGE_ENCODE_BYTES];
    if (!url_encoded) {
        xml_write_text(w, element, name);
        return;
    }
    xml_write_open(w, element);
    for (size_t at = 0; at < name.len; at += PAGE_ENCODE_BYTES) {
        size_t len = name.len - at < PAGE_ENCODE_BYTES ? name.len - at : PAGE_ENCODE_BYTES;
        struct bytes piece = bytes_of((const char *)name.data + at, len);
        const char *end = uri_encode_to(piece, URI_ENCODE_PATH, text);
        xml_write_escaped(w, bytes_of(text, (size_t)(end - text)));
    }
    xml_write_close(w, element);
}
