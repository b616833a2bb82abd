/*
 * ListObjects, versions 1 and 2. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 *
 * A page is copied out of the store's callback into the request's arena, because the answer's length must be known
 * before it is sent. When the arena runs full the page ends early and says that it is truncated, as S3 allows itself at
 * any time: a client that goes on from there sees every key.
 */
#include "s3_handlers.h"

#include "checksum.h"
#include "http_date.h"
#include "s3_object.h"
#include "s3_reply.h"
#include "s3_token.h"

#include <stdio.h>

#define LIST_KEYS_MAX          1000u
#define LIST_ARENA_SLACK_BYTES 65536u /* left to the answer's own needs */
#define LIST_ENCODE_BYTES      64u

struct list_entry {
    struct list_entry *next;
    struct bytes name; /* key or common prefix */
    uint64_t size;
    int64_t mtime_ns;
    struct etag etag;
    struct bytes owner;
    uint8_t checksum_alg;
    uint8_t checksum_type;
};

struct list_chain {
    struct list_entry *first;
    struct list_entry *last;
    unsigned count;
};

struct list_page {
    struct s3_request *rq;
    bool is_v2;
    bool url_encoded;
    bool with_owner;
    uint64_t max_keys; /* as the client is told */
    struct bytes prefix;
    struct bytes delimiter;
    struct bytes marker;             /* V1 */
    const struct bytes *start_after; /* V2; NULL: not given */
    const struct bytes *token;       /* V2; NULL: not given */
    struct bytes after;              /* where to begin */
    struct list_chain objects;
    struct list_chain prefixes;
    struct bytes owner_seen; /* most pages have one owner: copied once */
    bool arena_full;
    bool truncated;
    struct bytes last; /* where the next page begins */
    const char *next_token;
};

/* ---- parameters ---- */

static enum s3_error list_read_max_keys(struct list_page *page)
{
    const struct bytes *text = s3_param(page->rq, "max-keys");
    page->max_keys = LIST_KEYS_MAX;
    if (text == NULL || text->len == 0)
        return S3_ERR_NONE;
    if (!s3_parse_u64(*text, INT32_MAX, &page->max_keys))
        return s3_fail_argument(page->rq, "Provided max-keys not an integer or within integer range", "max-keys",
                                *text);
    if (page->max_keys > LIST_KEYS_MAX)
        page->max_keys = LIST_KEYS_MAX;
    return S3_ERR_NONE;
}

/* Positions and prefixes beyond the longest key match nothing that could exist. */
static enum s3_error list_check_length(struct s3_request *rq, struct bytes text)
{
    if (text.len <= OBJECT_KEY_BYTES_MAX)
        return S3_ERR_NONE;
    s3_fault_detail(rq, "MaxSizeAllowed", s3_bytes_of("1024"));
    return S3_ERR_KEY_TOO_LONG;
}

static enum s3_error list_read_v2(struct list_page *page)
{
    struct s3_request *rq = page->rq;
    const struct bytes *fetch_owner = s3_param(rq, "fetch-owner");
    page->with_owner = fetch_owner != NULL && bytes_equal_str(*fetch_owner, "true");
    page->start_after = s3_param(rq, "start-after");
    page->token = s3_param(rq, "continuation-token");
    if (page->token != NULL) {
        if (!s3_token_read(rq->arena, rq->bucket, *page->token, &page->after))
            return s3_fail_argument(rq, "The continuation token provided is incorrect", "continuation-token",
                                    *page->token);
    } else if (page->start_after != NULL) {
        page->after = *page->start_after;
    }
    return list_check_length(rq, page->after);
}

static enum s3_error list_read(struct list_page *page)
{
    struct s3_request *rq = page->rq;
    const struct bytes *prefix = s3_param(rq, "prefix");
    const struct bytes *delimiter = s3_param(rq, "delimiter");
    const struct bytes *encoding = s3_param(rq, "encoding-type");
    const struct bytes *marker = s3_param(rq, "marker");
    if (encoding != NULL && encoding->len > 0) {
        if (!bytes_equal_str(*encoding, "url"))
            return s3_fail_argument(rq, "Invalid Encoding Method specified in Request", "encoding-type", *encoding);
        page->url_encoded = true;
    }
    page->prefix = prefix != NULL ? *prefix : bytes_of("", 0);
    page->delimiter = delimiter != NULL ? *delimiter : bytes_of("", 0);
    page->after = bytes_of("", 0);
    enum s3_error error = list_read_max_keys(page);
    if (error == S3_ERR_NONE)
        error = list_check_length(rq, page->prefix);
    if (error != S3_ERR_NONE)
        return error;
    if (page->is_v2)
        return list_read_v2(page);
    page->with_owner = true;
    if (marker != NULL)
        page->marker = page->after = *marker;
    return list_check_length(rq, page->after);
}

/* ---- collecting ---- */

static bool list_copy(struct list_page *page, struct bytes from, struct bytes *to)
{
    struct arena *a = page->rq->arena;
    if (a->max_bytes < LIST_ARENA_SLACK_BYTES || a->used_bytes > a->max_bytes - LIST_ARENA_SLACK_BYTES)
        return false;
    char *copy = arena_strndup(a, from.data, from.len);
    *to = bytes_of(copy, from.len);
    return copy != NULL;
}

static bool list_add(void *arg, struct bytes key_or_prefix, const struct object_info *info)
{
    struct list_page *page = arg;
    struct list_chain *chain = info != NULL ? &page->objects : &page->prefixes;
    struct list_entry *e = arena_alloc(page->rq->arena, sizeof *e);
    bool kept = e != NULL && list_copy(page, key_or_prefix, &e->name);
    if (kept && info != NULL && page->with_owner && !bytes_equal(info->owner, page->owner_seen))
        kept = list_copy(page, info->owner, &page->owner_seen);
    if (!kept) {
        page->arena_full = true;
        return false;
    }
    if (info != NULL) {
        e->size = info->size;
        e->mtime_ns = info->mtime_ns;
        e->etag = info->etag;
        e->owner = page->owner_seen;
        e->checksum_alg = info->checksum.alg;
        e->checksum_type = info->checksum.type;
    }
    if (chain->last != NULL)
        chain->last->next = e;
    else
        chain->first = e;
    chain->last = e;
    chain->count++;
    return true;
}

static enum s3_error list_collect(struct list_page *page)
{
    struct s3_request *rq = page->rq;
    struct bucket_info bucket;
    if (page->max_keys == 0)
        return s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
    uint8_t *last = arena_alloc(rq->arena, OBJECT_KEY_BYTES_MAX);
    size_t last_len = 0;
    struct list_request request = {
        .bucket = rq->bucket,
        .prefix = page->prefix,
        .delimiter = page->delimiter,
        .after = page->after,
        .max_entries = (unsigned)page->max_keys,
    };
    if (last == NULL)
        return S3_ERR_SLOW_DOWN;
    enum dol_err err =
        store_object_list(rq->config->store, &request, list_add, page, &page->truncated, last, &last_len);
    if (err != DOL_OK)
        return s3_error_of(err);
    if (page->arena_full && page->objects.count + page->prefixes.count == 0)
        return S3_ERR_SLOW_DOWN;
    page->last = bytes_of(last, last_len);
    if (page->truncated && page->is_v2) {
        page->next_token = s3_token_write(rq->arena, rq->bucket, page->last);
        if (page->next_token == NULL)
            return S3_ERR_SLOW_DOWN;
    }
    return S3_ERR_NONE;
}

/* ---- writing ---- */

/* A key or what is part of one: as it is, or in the URL encoding that the client asked for. */
static void list_write_name(struct xml_writer *w, const struct list_page *page, const char *element, struct bytes name)
{
    char text[3 * LIST_ENCODE_BYTES];
    if (!page->url_encoded) {
        xml_write_text(w, element, name);
        return;
    }
    xml_write_open(w, element);
    for (size_t at = 0; at < name.len; at += LIST_ENCODE_BYTES) {
        size_t len = name.len - at < LIST_ENCODE_BYTES ? name.len - at : LIST_ENCODE_BYTES;
        struct bytes piece = bytes_of((const char *)name.data + at, len);
        const char *end = uri_encode_to(piece, URI_ENCODE_PATH, text);
        xml_write_escaped(w, bytes_of(text, (size_t)(end - text)));
    }
    xml_write_close(w, element);
}

static void list_write_object(struct xml_writer *w, const struct list_page *page, const struct list_entry *e)
{
    char date[HTTP_DATE_TEXT_MAX];
    char etag[S3_ETAG_TEXT_MAX];
    char quoted[S3_ETAG_TEXT_MAX + 2];
    http_date_format_iso(e->mtime_ns, date);
    s3_etag_format(&e->etag, etag);
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    xml_write_open(w, "Contents");
    list_write_name(w, page, "Key", e->name);
    xml_write_str(w, "LastModified", date);
    xml_write_str(w, "ETag", quoted);
    if (e->checksum_alg != CHECKSUM_NONE) {
        xml_write_str(w, "ChecksumAlgorithm", checksum_name((enum checksum_alg)e->checksum_alg));
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)e->checksum_type));
    }
    xml_write_u64(w, "Size", e->size);
    if (page->with_owner)
        s3_write_owner(w, page->rq, "Owner", e->owner);
    xml_write_str(w, "StorageClass", "STANDARD");
    xml_write_close(w, "Contents");
}

static void list_write_position(struct xml_writer *w, const struct list_page *page)
{
    if (!page->is_v2) {
        list_write_name(w, page, "Marker", page->marker);
        if (page->truncated && page->delimiter.len > 0)
            list_write_name(w, page, "NextMarker", page->last);
        return;
    }
    if (page->token != NULL)
        xml_write_text(w, "ContinuationToken", *page->token);
    if (page->next_token != NULL)
        xml_write_str(w, "NextContinuationToken", page->next_token);
    if (page->start_after != NULL)
        list_write_name(w, page, "StartAfter", *page->start_after);
    xml_write_u64(w, "KeyCount", page->objects.count + page->prefixes.count);
}

static void list_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct list_page *page = arg;
    xml_write_open_ns(w, "ListBucketResult", XML_S3_NAMESPACE);
    xml_write_text(w, "Name", rq->bucket);
    list_write_name(w, page, "Prefix", page->prefix);
    list_write_position(w, page);
    xml_write_u64(w, "MaxKeys", page->max_keys);
    if (page->delimiter.len > 0)
        list_write_name(w, page, "Delimiter", page->delimiter);
    if (page->url_encoded)
        xml_write_str(w, "EncodingType", "url");
    xml_write_bool(w, "IsTruncated", page->truncated);
    for (const struct list_entry *e = page->objects.first; e != NULL; e = e->next)
        list_write_object(w, page, e);
    for (const struct list_entry *e = page->prefixes.first; e != NULL; e = e->next) {
        xml_write_open(w, "CommonPrefixes");
        list_write_name(w, page, "Prefix", e->name);
        xml_write_close(w, "CommonPrefixes");
    }
    xml_write_close(w, "ListBucketResult");
}

static enum s3_error list_objects(struct list_page *page)
{
    enum s3_error error = list_read(page);
    if (error == S3_ERR_NONE)
        error = list_collect(page);
    if (error != S3_ERR_NONE)
        return error;
    s3_reply_header(page->rq, "x-amz-bucket-region", page->rq->config->region);
    return s3_reply_xml(page->rq, 200, list_document, page);
}

enum s3_error s3_list_objects_v1(struct s3_request *rq)
{
    struct list_page page = {.rq = rq};
    return list_objects(&page);
}

enum s3_error s3_list_objects_v2(struct s3_request *rq)
{
    struct list_page page = {.rq = rq, .is_v2 = true};
    const struct bytes *type = s3_param(rq, "list-type");
    if (type == NULL || !bytes_equal_str(*type, "2"))
        return s3_fail_argument(rq, "Invalid List Type specified in Request", "list-type",
                                type != NULL ? *type : bytes_of("", 0));
    return list_objects(&page);
}
