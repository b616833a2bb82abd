/*
 * GetObjectAttributes: what is known about an object, without its bytes and metadata.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
 */
#include "s3_handlers.h"

#include "checksum.h"
#include "http_date.h"
#include "s3_metadata.h"
#include "s3_object.h"
#include "s3_part_list.h"
#include "s3_reply.h"

enum {
    ATTRIBUTE_ETAG = 1,
    ATTRIBUTE_CHECKSUM = 2,
    ATTRIBUTE_OBJECT_PARTS = 4,
    ATTRIBUTE_STORAGE_CLASS = 8,
    ATTRIBUTE_OBJECT_SIZE = 16
};

static const struct {
    const char *name;
    unsigned bit;
} attribute_names[] = {
    {"ETag", ATTRIBUTE_ETAG},
    {"Checksum", ATTRIBUTE_CHECKSUM},
    {"ObjectParts", ATTRIBUTE_OBJECT_PARTS},
    {"StorageClass", ATTRIBUTE_STORAGE_CLASS},
    {"ObjectSize", ATTRIBUTE_OBJECT_SIZE},
};

struct attributes {
    unsigned wanted;
    const struct object *object;
    struct s3_part_page page;
};

static unsigned attribute_of(struct bytes name)
{
    for (size_t i = 0; i < sizeof attribute_names / sizeof attribute_names[0]; i++)
        if (bytes_equal_str(name, attribute_names[i].name))
            return attribute_names[i].bit;
    return 0;
}

/* "ETag, ObjectSize", in one header or several. */
static enum s3_error attributes_read_names(struct s3_request *rq, struct attributes *a)
{
    static const char header[] = "x-amz-object-attributes";
    struct bytes list;
    if (s3_header_joined(rq, header, &list) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    const char *text = list.data;
    for (size_t at = 0; at < list.len;) {
        const char *comma = memchr(text + at, ',', list.len - at);
        size_t end = comma != NULL ? (size_t)(comma - text) : list.len;
        size_t from = at;
        at = end + 1;
        while (from < end && (text[from] == ' ' || text[from] == '\t'))
            from++;
        while (end > from && (text[end - 1] == ' ' || text[end - 1] == '\t'))
            end--;
        if (from == end)
            continue;
        unsigned bit = attribute_of(bytes_of(text + from, end - from));
        if (bit == 0)
            return s3_fail_argument(rq, "Invalid attribute name specified.", header, list);
        a->wanted |= bit;
    }
    if (a->wanted != 0)
        return S3_ERR_NONE;
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or "
                   "empty");
}

static enum s3_error attributes_read(struct s3_request *rq, struct attributes *a)
{
    enum s3_error error = attributes_read_names(rq, a);
    return error != S3_ERR_NONE
               ? error
               : s3_part_page_read(rq, &a->page, s3_header(rq, "x-amz-max-parts"), "x-amz-max-parts",
                                   s3_header(rq, "x-amz-part-number-marker"), "x-amz-part-number-marker");
}

static enum s3_error attributes_collect_parts(struct s3_request *rq, struct attributes *a)
{
    struct part_info part;
    enum s3_error error = s3_part_page_begin(rq, &a->page);
    if (error != S3_ERR_NONE)
        return error;
    for (unsigned i = 0; store_object_part(a->object, i, &part); i++)
        if (!s3_part_page_add(&a->page, &part))
            break;
    return S3_ERR_NONE;
}

/* ---- the answer ---- */

static void attributes_write_parts(struct xml_writer *w, const struct attributes *a)
{
    xml_write_open(w, "ObjectParts");
    xml_write_u64(w, "PartsCount", store_object_info(a->object)->part_count);
    s3_part_page_write_position(w, &a->page);
    for (unsigned i = 0; i < a->page.count; i++) {
        const struct part_info *part = &a->page.parts[i];
        xml_write_open(w, "Part");
        xml_write_u64(w, "PartNumber", part->number);
        xml_write_u64(w, "Size", part->size);
        s3_write_checksum(w, &part->checksum, 0);
        xml_write_close(w, "Part");
    }
    xml_write_close(w, "ObjectParts");
}

static void attributes_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct attributes *a = arg;
    const struct object_info *info = store_object_info(a->object);
    char etag[S3_ETAG_TEXT_MAX];
    s3_etag_format(&info->etag, etag);
    xml_write_open_ns(w, "GetObjectAttributesResponse", XML_S3_NAMESPACE);
    if (a->wanted & ATTRIBUTE_ETAG)
        xml_write_str(w, "ETag", etag);
    if ((a->wanted & ATTRIBUTE_CHECKSUM) && info->checksum.alg != CHECKSUM_NONE) {
        xml_write_open(w, "Checksum");
        s3_write_checksum(w, &info->checksum, info->etag.parts);
        xml_write_str(w, "ChecksumType", checksum_type_name((enum checksum_type)info->checksum.type));
        xml_write_close(w, "Checksum");
    }
    if ((a->wanted & ATTRIBUTE_OBJECT_PARTS) && info->part_count > 0)
        attributes_write_parts(w, a);
    if (a->wanted & ATTRIBUTE_STORAGE_CLASS)
        xml_write_str(w, "StorageClass", s3_storage_class_name(info->storage_class));
    if (a->wanted & ATTRIBUTE_OBJECT_SIZE)
        xml_write_u64(w, "ObjectSize", info->size);
    xml_write_close(w, "GetObjectAttributesResponse");
}

static enum s3_error attributes_answer(struct s3_request *rq, struct attributes *a)
{
    const struct object_info *info = store_object_info(a->object);
    char date[HTTP_DATE_TEXT_MAX];
    enum s3_error error = S3_ERR_NONE;
    if (a->wanted & ATTRIBUTE_OBJECT_PARTS)
        error = attributes_collect_parts(rq, a);
    if (error != S3_ERR_NONE)
        return error;
    http_date_format(info->mtime_ns / 1000000000, date);
    s3_reply_header_bytes(rq, "Last-Modified", s3_bytes_of(date));
    s3_reply_version(rq, "x-amz-version-id", &info->version, info->null_version);
    return s3_reply_xml(rq, 200, attributes_document, a);
}

enum s3_error s3_get_object_attributes(struct s3_request *rq)
{
    struct attributes a = {.wanted = 0};
    struct object *object;
    enum s3_error error = attributes_read(rq, &a);
    if (error == S3_ERR_NONE)
        error = s3_object_open(rq, &object);
    if (error != S3_ERR_NONE)
        return error;
    a.object = object;
    error = attributes_answer(rq, &a);
    store_object_close(object);
    return error;
}
