/*
 * ListObjectVersions. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 *
 * A page begins after all versions of key-marker; or, with version-id-marker, among them, behind the version so named.
 * As in other lists, a page may end early with IsTruncated when the request's memory is full.
 */
#include "s3_handlers.h"

#include "checksum.h"
#include "http_date.h"
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_page.h"
#include "s3_reply.h"

#include <stdio.h>

struct version_entry {
    struct s3_page_entry entry; /* first: of a chain */
    struct version_id id;
    bool is_latest;
    bool delete_marker;
    uint64_t size;
    int64_t mtime_ns;
    struct etag etag;
    struct bytes owner;
    uint8_t checksum_alg;
    uint8_t checksum_type;
    uint8_t storage_class;
};

struct version_page {
    struct s3_request *rq;
    bool url_encoded;
    uint64_t max_keys;
    struct bytes prefix;
    struct bytes delimiter;
    struct bytes key_marker;
    struct bytes id_marker; /* as given */
    bool has_id;            /* it counts */
    struct version_id id;
    struct s3_page_chain versions; /* delete markers among them */
    struct s3_page_chain prefixes;
    struct bytes owner_seen; /* most pages have one: copied once */
    const struct version_entry *last;
    bool last_is_prefix;
    bool arena_full;
    bool truncated;
};

static enum s3_error versions_read(struct version_page *page)
{
    struct s3_request *rq = page->rq;
    const struct bytes *delimiter = s3_param(rq, "delimiter");
    const struct bytes *id = s3_param(rq, "version-id-marker");
    page->delimiter = delimiter != NULL ? *delimiter : bytes_of("", 0);
    page->id_marker = id != NULL ? *id : bytes_of("", 0);
    enum s3_error error = s3_page_read_encoding(rq, &page->url_encoded);
    if (error == S3_ERR_NONE)
        error = s3_page_read_max(rq, "max-keys", s3_param(rq, "max-keys"), &page->max_keys);
    if (error == S3_ERR_NONE)
        error = s3_page_read_name(rq, "prefix", &page->prefix);
    if (error == S3_ERR_NONE)
        error = s3_page_read_name(rq, "key-marker", &page->key_marker);
    if (error != S3_ERR_NONE || id == NULL)
        return error;
    if (id->len == 0)
        return s3_fail_argument(rq, "A version-id marker cannot be empty.", "version-id-marker", *id);
    if (page->key_marker.len == 0)
        return s3_fail_argument(rq, "A version-id marker cannot be specified without a key marker.",
                                "version-id-marker", *id);
    page->has_id = s3_version_parse(*id, &page->id);
    return page->has_id ? S3_ERR_NONE : s3_fail_argument(rq, "Invalid version id specified", "version-id-marker", *id);
}

static void entry_fill(struct version_entry *e, const struct object_info *info, bool is_latest, struct bytes owner)
{
    e->id = info->version;
    e->is_latest = is_latest;
    e->delete_marker = info->delete_marker;
    e->size = info->size;
    e->mtime_ns = info->mtime_ns;
    e->etag = info->etag;
    e->owner = owner;
    e->checksum_alg = info->checksum.alg;
    e->checksum_type = info->checksum.type;
    e->storage_class = info->storage_class;
}

static bool versions_add(void *arg, struct bytes key_or_prefix, const struct object_info *info, bool is_latest)
{
    struct version_page *page = arg;
    struct s3_page_chain *chain = info != NULL ? &page->versions : &page->prefixes;
    struct version_entry *e = arena_alloc(page->rq->arena, sizeof *e);
    bool kept = e != NULL;
    if (kept && page->last != NULL && info != NULL && bytes_equal(key_or_prefix, page->last->entry.name))
        e->entry.name = page->last->entry.name;
    else if (kept)
        kept = s3_page_copy(page->rq, key_or_prefix, &e->entry.name);
    if (kept && info != NULL)
        kept = s3_page_copy_seen(page->rq, info->owner, &page->owner_seen);
    if (!kept) {
        page->arena_full = true;
        return false;
    }
    if (info != NULL)
        entry_fill(e, info, is_latest, page->owner_seen);
    s3_page_append(chain, &e->entry);
    page->last = e;
    page->last_is_prefix = info == NULL;
    return true;
}

static enum s3_error versions_collect(struct version_page *page)
{
    struct s3_request *rq = page->rq;
    struct bucket_info bucket;
    if (page->max_keys == 0)
        return s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
    struct version_list_request request = {
        .bucket = rq->bucket,
        .prefix = page->prefix,
        .delimiter = page->delimiter,
        .after_key = page->key_marker,
        .after_version = page->has_id ? &page->id : NULL,
        .max_entries = (unsigned)page->max_keys,
    };
    enum dol_err err = store_version_list(rq->config->store, &request, versions_add, page, &page->truncated);
    if (err != DOL_OK)
        return s3_error_of(err);
    return page->arena_full && page->last == NULL ? S3_ERR_SLOW_DOWN : S3_ERR_NONE;
}

static void versions_write_id(struct xml_writer *w, const char *element, const struct version_id *id)
{
    char text[S3_VERSION_TEXT_MAX];
    s3_version_format(id, text);
    xml_write_str(w, element, text);
}

static void versions_write_content(struct xml_writer *w, const struct version_entry *e)
{
    char etag[S3_ETAG_TEXT_MAX];
    char quoted[S3_ETAG_TEXT_MAX + 2];
    s3_etag_format(&e->etag, etag);
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    xml_write_str(w, "ETag", quoted);
    if (e->checksum_alg != CHECKSUM_NONE) {
        xml_write_str(w, "ChecksumAlgorithm", checksum_name((enum checksum_alg)e->checksum_alg));
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)e->checksum_type));
    }
    xml_write_u64(w, "Size", e->size);
    xml_write_str(w, "StorageClass", s3_storage_class_name(e->storage_class));
}

static void versions_write_entry(struct xml_writer *w, const struct version_page *page, const struct version_entry *e)
{
    const char *element = e->delete_marker ? "DeleteMarker" : "Version";
    char date[HTTP_DATE_TEXT_MAX];
    http_date_format_iso(e->mtime_ns, date);
    xml_write_open(w, element);
    s3_page_write_name(w, "Key", e->entry.name, page->url_encoded);
    versions_write_id(w, "VersionId", &e->id);
    xml_write_bool(w, "IsLatest", e->is_latest);
    xml_write_str(w, "LastModified", date);
    if (!e->delete_marker)
        versions_write_content(w, e);
    s3_write_owner(w, page->rq, "Owner", e->owner);
    xml_write_close(w, element);
}

static void versions_write_position(struct xml_writer *w, const struct version_page *page)
{
    s3_page_write_name(w, "KeyMarker", page->key_marker, page->url_encoded);
    xml_write_text(w, "VersionIdMarker", page->id_marker);
    if (!page->truncated || page->last == NULL)
        return;
    s3_page_write_name(w, "NextKeyMarker", page->last->entry.name, page->url_encoded);
    if (!page->last_is_prefix)
        versions_write_id(w, "NextVersionIdMarker", &page->last->id);
}

static void versions_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct version_page *page = arg;
    xml_write_open_ns(w, "ListVersionsResult", XML_S3_NAMESPACE);
    xml_write_text(w, "Name", rq->bucket);
    s3_page_write_name(w, "Prefix", page->prefix, page->url_encoded);
    versions_write_position(w, page);
    xml_write_u64(w, "MaxKeys", page->max_keys);
    if (page->delimiter.len > 0)
        s3_page_write_name(w, "Delimiter", page->delimiter, page->url_encoded);
    if (page->url_encoded)
        xml_write_str(w, "EncodingType", "url");
    xml_write_bool(w, "IsTruncated", page->truncated);
    for (const struct s3_page_entry *e = page->versions.first; e != NULL; e = e->next)
        versions_write_entry(w, page, (const struct version_entry *)e);
    s3_page_write_prefixes(w, &page->prefixes, page->url_encoded);
    xml_write_close(w, "ListVersionsResult");
}

enum s3_error s3_list_versions(struct s3_request *rq)
{
    struct version_page page = {.rq = rq};
    enum s3_error error = versions_read(&page);
    if (error == S3_ERR_NONE)
        error = versions_collect(&page);
    return error != S3_ERR_NONE ? error : s3_reply_xml(rq, 200, versions_document, &page);
}
