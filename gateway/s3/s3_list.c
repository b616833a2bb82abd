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
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_page.h"
#include "s3_reply.h"
#include "s3_token.h"

#include <stdio.h>

struct list_entry {
    struct s3_page_entry entry; /* first: of a chain */
    uint64_t size;
    int64_t mtime_ns;
    struct etag etag;
    struct bytes owner;
    uint8_t checksum_alg;
    uint8_t checksum_type;
    uint8_t storage_class;
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
    struct s3_page_chain objects;
    struct s3_page_chain prefixes;
    struct bytes owner_seen; /* most pages have one owner: copied once */
    bool arena_full;
    bool truncated;
    struct bytes last; /* where the next page begins */
    const char *next_token;
};

/* ---- parameters ---- */

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
    return s3_page_check_length(rq, page->after);
}

static enum s3_error list_read(struct list_page *page)
{
    struct s3_request *rq = page->rq;
    const struct bytes *delimiter = s3_param(rq, "delimiter");
    enum s3_error error = s3_page_read_encoding(rq, &page->url_encoded);
    if (error == S3_ERR_NONE)
        error = s3_page_read_max(rq, "max-keys", s3_param(rq, "max-keys"), &page->max_keys);
    if (error == S3_ERR_NONE)
        error = s3_page_read_name(rq, "prefix", &page->prefix);
    if (error != S3_ERR_NONE)
        return error;
    page->delimiter = delimiter != NULL ? *delimiter : bytes_of("", 0);
    page->after = bytes_of("", 0);
    if (page->is_v2)
        return list_read_v2(page);
    page->with_owner = true;
    error = s3_page_read_name(rq, "marker", &page->marker);
    page->after = page->marker;
    return error;
}

/* ---- collecting ---- */

static bool list_add(void *arg, struct bytes key_or_prefix, const struct object_info *info)
{
    struct list_page *page = arg;
    struct s3_page_chain *chain = info != NULL ? &page->objects : &page->prefixes;
    struct list_entry *e = arena_alloc(page->rq->arena, sizeof *e);
    bool kept = e != NULL && s3_page_copy(page->rq, key_or_prefix, &e->entry.name);
    if (kept && info != NULL && page->with_owner)
        kept = s3_page_copy_seen(page->rq, info->owner, &page->owner_seen);
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
        e->storage_class = info->storage_class;
    }
    s3_page_append(chain, &e->entry);
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

static void list_write_object(struct xml_writer *w, const struct list_page *page, const struct list_entry *e)
{
    char date[HTTP_DATE_TEXT_MAX];
    char etag[S3_ETAG_TEXT_MAX];
    char quoted[S3_ETAG_TEXT_MAX + 2];
    http_date_format_iso(e->mtime_ns, date);
    s3_etag_format(&e->etag, etag);
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    xml_write_open(w, "Contents");
    s3_page_write_name(w, "Key", e->entry.name, page->url_encoded);
    xml_write_str(w, "LastModified", date);
    xml_write_str(w, "ETag", quoted);
    if (e->checksum_alg != CHECKSUM_NONE) {
        xml_write_str(w, "ChecksumAlgorithm", checksum_name((enum checksum_alg)e->checksum_alg));
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)e->checksum_type));
    }
    xml_write_u64(w, "Size", e->size);
    if (page->with_owner)
        s3_write_owner(w, page->rq, "Owner", e->owner);
    xml_write_str(w, "StorageClass", s3_storage_class_name(e->storage_class));
    xml_write_close(w, "Contents");
}

static void list_write_position(struct xml_writer *w, const struct list_page *page)
{
    if (!page->is_v2) {
        s3_page_write_name(w, "Marker", page->marker, page->url_encoded);
        if (page->truncated && page->delimiter.len > 0)
            s3_page_write_name(w, "NextMarker", page->last, page->url_encoded);
        return;
    }
    if (page->token != NULL)
        xml_write_text(w, "ContinuationToken", *page->token);
    if (page->next_token != NULL)
        xml_write_str(w, "NextContinuationToken", page->next_token);
    if (page->start_after != NULL)
        s3_page_write_name(w, "StartAfter", *page->start_after, page->url_encoded);
    xml_write_u64(w, "KeyCount", page->objects.count + page->prefixes.count);
}

static void list_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct list_page *page = arg;
    xml_write_open_ns(w, "ListBucketResult", XML_S3_NAMESPACE);
    xml_write_text(w, "Name", rq->bucket);
    s3_page_write_name(w, "Prefix", page->prefix, page->url_encoded);
    list_write_position(w, page);
    xml_write_u64(w, "MaxKeys", page->max_keys);
    if (page->delimiter.len > 0)
        s3_page_write_name(w, "Delimiter", page->delimiter, page->url_encoded);
    if (page->url_encoded)
        xml_write_str(w, "EncodingType", "url");
    xml_write_bool(w, "IsTruncated", page->truncated);
    for (const struct s3_page_entry *e = page->objects.first; e != NULL; e = e->next)
        list_write_object(w, page, (const struct list_entry *)e);
    s3_page_write_prefixes(w, &page->prefixes, page->url_encoded);
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
