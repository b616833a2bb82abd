/*
 * ListMultipartUploads. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
 *
 * A page begins after the uploads of key-marker; or, with upload-id-marker, among them, behind the upload so named. As
 * in other lists, a page may end early with IsTruncated when the request's memory is full.
 */
#include "s3_handlers.h"

#include "http_date.h"
#include "s3_metadata.h"
#include "s3_page.h"
#include "s3_reply.h"
#include "s3_upload.h"

struct upload_entry {
    struct s3_page_entry entry; /* first: of a chain */
    struct upload_id id;
    struct bytes owner;
    struct bytes initiator;
    int64_t created_ns;
    uint8_t checksum_alg;
    uint8_t checksum_type;
    uint8_t storage_class;
};

struct upload_page {
    struct s3_request *rq;
    bool url_encoded;
    uint64_t max_uploads;
    struct bytes prefix;
    struct bytes delimiter;
    struct bytes key_marker;
    struct bytes id_marker; /* as given */
    bool has_id;            /* it counts */
    struct upload_id id;
    struct s3_page_chain uploads;
    struct s3_page_chain prefixes;
    struct bytes owner_seen; /* most pages have one: copied once */
    const struct upload_entry *last;
    bool last_is_prefix;
    bool arena_full;
    bool truncated;
};

static enum s3_error uploads_read(struct upload_page *page)
{
    struct s3_request *rq = page->rq;
    const struct bytes *delimiter = s3_param(rq, "delimiter");
    const struct bytes *id = s3_param(rq, "upload-id-marker");
    page->delimiter = delimiter != NULL ? *delimiter : bytes_of("", 0);
    page->id_marker = id != NULL ? *id : bytes_of("", 0);
    enum s3_error error = s3_page_read_encoding(rq, &page->url_encoded);
    if (error == S3_ERR_NONE)
        error = s3_page_read_max(rq, "max-uploads", s3_param(rq, "max-uploads"), &page->max_uploads);
    if (error == S3_ERR_NONE)
        error = s3_page_read_name(rq, "prefix", &page->prefix);
    if (error == S3_ERR_NONE)
        error = s3_page_read_name(rq, "key-marker", &page->key_marker);
    /* Without a key-marker it is ignored, as AWS documents. */
    if (error != S3_ERR_NONE || page->key_marker.len == 0 || page->id_marker.len == 0)
        return error;
    page->has_id = s3_upload_id_parse(page->id_marker, &page->id);
    return page->has_id ? S3_ERR_NONE
                        : s3_fail_argument(rq, "Invalid uploadId marker", "upload-id-marker", page->id_marker);
}

static bool uploads_copy_owner(struct upload_page *page, struct bytes from, struct bytes *to)
{
    if (!s3_page_copy_seen(page->rq, from, &page->owner_seen))
        return false;
    *to = page->owner_seen;
    return true;
}

static bool uploads_add(void *arg, struct bytes key_or_prefix, const struct upload_info *upload)
{
    struct upload_page *page = arg;
    struct s3_page_chain *chain = upload != NULL ? &page->uploads : &page->prefixes;
    struct upload_entry *e = arena_alloc(page->rq->arena, sizeof *e);
    bool kept = e != NULL && s3_page_copy(page->rq, key_or_prefix, &e->entry.name);
    if (kept && upload != NULL)
        kept = uploads_copy_owner(page, upload->owner, &e->owner) &&
               uploads_copy_owner(page, upload->initiator, &e->initiator);
    if (!kept) {
        page->arena_full = true;
        return false;
    }
    if (upload != NULL) {
        e->id = upload->id;
        e->created_ns = upload->created_ns;
        e->checksum_alg = upload->checksum_alg;
        e->checksum_type = upload->checksum_type;
        e->storage_class = upload->storage_class;
    }
    s3_page_append(chain, &e->entry);
    page->last = e;
    page->last_is_prefix = upload == NULL;
    return true;
}

static enum s3_error uploads_collect(struct upload_page *page)
{
    struct s3_request *rq = page->rq;
    struct bucket_info bucket;
    if (page->max_uploads == 0)
        return s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
    struct upload_list_request request = {
        .bucket = rq->bucket,
        .prefix = page->prefix,
        .delimiter = page->delimiter,
        .after_key = page->key_marker,
        .after_id = page->has_id ? &page->id : NULL,
        .max_entries = (unsigned)page->max_uploads,
    };
    enum dol_err err = store_upload_list(rq->config->store, &request, uploads_add, page, &page->truncated);
    if (err != DOL_OK)
        return s3_error_of(err);
    return page->arena_full && page->last == NULL ? S3_ERR_SLOW_DOWN : S3_ERR_NONE;
}

static void uploads_write_id(struct xml_writer *w, const char *element, const struct upload_id *id)
{
    char text[S3_UPLOAD_ID_TEXT_MAX];
    s3_upload_id_format(id, text);
    xml_write_str(w, element, text);
}

static void uploads_write_upload(struct xml_writer *w, const struct upload_page *page, const struct upload_entry *e)
{
    char date[HTTP_DATE_TEXT_MAX];
    http_date_format_iso(e->created_ns, date);
    xml_write_open(w, "Upload");
    s3_page_write_name(w, "Key", e->entry.name, page->url_encoded);
    uploads_write_id(w, "UploadId", &e->id);
    s3_write_owner(w, page->rq, "Initiator", e->initiator);
    s3_write_owner(w, page->rq, "Owner", e->owner);
    xml_write_str(w, "StorageClass", s3_storage_class_name(e->storage_class));
    xml_write_str(w, "Initiated", date);
    if (e->checksum_alg != CHECKSUM_NONE) {
        xml_write_str(w, "ChecksumAlgorithm", checksum_name((enum checksum_alg)e->checksum_alg));
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)e->checksum_type));
    }
    xml_write_close(w, "Upload");
}

static void uploads_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct upload_page *page = arg;
    xml_write_open_ns(w, "ListMultipartUploadsResult", XML_S3_NAMESPACE);
    xml_write_text(w, "Bucket", rq->bucket);
    s3_page_write_name(w, "KeyMarker", page->key_marker, page->url_encoded);
    xml_write_text(w, "UploadIdMarker", page->id_marker);
    if (page->truncated && page->last != NULL) {
        s3_page_write_name(w, "NextKeyMarker", page->last->entry.name, page->url_encoded);
        if (page->last_is_prefix)
            xml_write_str(w, "NextUploadIdMarker", "");
        else
            uploads_write_id(w, "NextUploadIdMarker", &page->last->id);
    }
    s3_page_write_name(w, "Prefix", page->prefix, page->url_encoded);
    if (page->delimiter.len > 0)
        s3_page_write_name(w, "Delimiter", page->delimiter, page->url_encoded);
    if (page->url_encoded)
        xml_write_str(w, "EncodingType", "url");
    xml_write_u64(w, "MaxUploads", page->max_uploads);
    xml_write_bool(w, "IsTruncated", page->truncated);
    for (const struct s3_page_entry *e = page->uploads.first; e != NULL; e = e->next)
        uploads_write_upload(w, page, (const struct upload_entry *)e);
    s3_page_write_prefixes(w, &page->prefixes, page->url_encoded);
    xml_write_close(w, "ListMultipartUploadsResult");
}

enum s3_error s3_list_uploads(struct s3_request *rq)
{
    struct upload_page page = {.rq = rq};
    enum s3_error error = uploads_read(&page);
    if (error == S3_ERR_NONE)
        error = uploads_collect(&page);
    return error != S3_ERR_NONE ? error : s3_reply_xml(rq, 200, uploads_document, &page);
}
