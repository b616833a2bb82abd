/*
 * The parts of an upload (ListParts), and what lists of parts look like, which GetObjectAttributes needs, too.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
 */
#include "s3_part_list.h"

#include "http_date.h"
#include "s3_handlers.h"
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_reply.h"
#include "s3_upload.h"

#include <stdio.h>
#include <stdlib.h>

enum s3_error s3_part_page_read(struct s3_request *rq, struct s3_part_page *page, const struct bytes *max,
                                const char *max_name, const struct bytes *marker, const char *marker_name)
{
    enum s3_error error = s3_page_read_max(rq, max_name, max, &page->max_parts);
    return error != S3_ERR_NONE ? error : s3_page_read_number(rq, marker_name, marker, &page->marker);
}

enum s3_error s3_part_page_begin(struct s3_request *rq, struct s3_part_page *page)
{
    page->count = 0;
    page->truncated = false;
    page->parts = arena_alloc(rq->arena, (page->max_parts > 0 ? page->max_parts : 1) * sizeof *page->parts);
    return page->parts != NULL ? S3_ERR_NONE : S3_ERR_SLOW_DOWN;
}

bool s3_part_page_add(void *arg, const struct part_info *part)
{
    struct s3_part_page *page = arg;
    if (part->number <= page->marker)
        return true;
    if (page->count == page->max_parts) {
        page->truncated = page->max_parts > 0;
        return false;
    }
    page->parts[page->count++] = *part;
    return true;
}

void s3_part_page_write_position(struct xml_writer *w, const struct s3_part_page *page)
{
    xml_write_u64(w, "PartNumberMarker", page->marker);
    xml_write_u64(w, "NextPartNumberMarker", page->count > 0 ? page->parts[page->count - 1].number : 0);
    xml_write_u64(w, "MaxParts", page->max_parts);
    xml_write_bool(w, "IsTruncated", page->truncated);
}

void s3_write_checksum(struct xml_writer *w, const struct object_checksum *sum, uint32_t parts)
{
    struct checksum value = {.alg = (enum checksum_alg)sum->alg};
    char text[CHECKSUM_TEXT_MAX + 11];
    if (sum->alg == CHECKSUM_NONE)
        return;
    memcpy(value.b, sum->value, sizeof value.b);
    checksum_format(&value, text);
    if (sum->type == CHECKSUM_COMPOSITE && parts > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), "-%u", parts);
    xml_write_str(w, checksum_element(value.alg), text);
}

/* ---- ListParts ---- */

struct part_listing {
    struct upload_ref ref;
    struct upload_info upload;
    void *memory;
    bool url_encoded;
    struct s3_part_page page;
};

static enum s3_error parts_read(struct s3_request *rq, struct part_listing *l)
{
    enum s3_error error = s3_page_read_encoding(rq, &l->url_encoded);
    if (error == S3_ERR_NONE)
        error = s3_part_page_read(rq, &l->page, s3_param(rq, "max-parts"), "max-parts",
                                  s3_param(rq, "part-number-marker"), "part-number-marker");
    if (error == S3_ERR_NONE)
        error = s3_upload_ref_read(rq, &l->ref);
    if (error == S3_ERR_NONE)
        error = s3_part_page_begin(rq, &l->page);
    return error;
}

static enum s3_error parts_collect(struct s3_request *rq, struct part_listing *l)
{
    struct store *store = rq->config->store;
    enum dol_err err = store_upload_get(store, &l->ref, &l->upload, &l->memory);
    if (err != DOL_OK) {
        l->memory = NULL;
        return s3_error_of(err);
    }
    return s3_error_of(store_part_list(store, &l->ref, (uint32_t)l->page.marker, s3_part_page_add, &l->page));
}

static void parts_write_part(struct xml_writer *w, const struct part_info *part)
{
    struct etag etag = {.parts = 0};
    char text[S3_ETAG_TEXT_MAX];
    char quoted[S3_ETAG_TEXT_MAX + 2];
    char date[HTTP_DATE_TEXT_MAX];
    memcpy(etag.md5, part->md5, sizeof etag.md5);
    s3_etag_format(&etag, text);
    snprintf(quoted, sizeof quoted, "\"%s\"", text);
    http_date_format_iso(part->mtime_ns, date);
    xml_write_open(w, "Part");
    xml_write_u64(w, "PartNumber", part->number);
    xml_write_str(w, "LastModified", date);
    xml_write_str(w, "ETag", quoted);
    xml_write_u64(w, "Size", part->size);
    s3_write_checksum(w, &part->checksum, 0);
    xml_write_close(w, "Part");
}

static void parts_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct part_listing *l = arg;
    char id[S3_UPLOAD_ID_TEXT_MAX];
    s3_upload_id_format(&l->ref.id, id);
    xml_write_open_ns(w, "ListPartsResult", XML_S3_NAMESPACE);
    xml_write_text(w, "Bucket", rq->bucket);
    s3_page_write_name(w, "Key", rq->key, l->url_encoded);
    xml_write_str(w, "UploadId", id);
    if (l->url_encoded)
        xml_write_str(w, "EncodingType", "url");
    s3_write_owner(w, rq, "Initiator", l->upload.initiator);
    s3_write_owner(w, rq, "Owner", l->upload.owner);
    xml_write_str(w, "StorageClass", s3_storage_class_name(l->upload.storage_class));
    s3_part_page_write_position(w, &l->page);
    if (l->upload.checksum_alg != CHECKSUM_NONE) {
        xml_write_str(w, "ChecksumAlgorithm", checksum_name((enum checksum_alg)l->upload.checksum_alg));
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)l->upload.checksum_type));
    }
    for (unsigned i = 0; i < l->page.count; i++)
        parts_write_part(w, &l->page.parts[i]);
    xml_write_close(w, "ListPartsResult");
}

enum s3_error s3_list_parts(struct s3_request *rq)
{
    struct part_listing l = {.memory = NULL};
    enum s3_error error = parts_read(rq, &l);
    if (error == S3_ERR_NONE)
        error = parts_collect(rq, &l);
    if (error == S3_ERR_NONE)
        error = s3_reply_xml(rq, 200, parts_document, &l);
    free(l.memory);
    return error;
}
