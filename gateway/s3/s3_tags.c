/*
 * Tags of objects: GetObjectTagging, PutObjectTagging, DeleteObjectTagging, and x-amz-tagging of those that make
 * objects. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
 */
#include "s3_tags.h"

#include "s3_authorize.h"
#include "s3_body.h"
#include "s3_handlers.h"
#include "s3_object.h"
#include "s3_reply.h"
#include "xml_requests.h"

/* ---- what tags may be ---- */

static enum s3_error tags_fail(struct s3_request *rq, const char *message, struct bytes name)
{
    s3_fault_detail(rq, "TagKey", name);
    return s3_fail(rq, S3_ERR_INVALID_TAG, message);
}

static bool is_text(struct bytes text, size_t characters_max)
{
    const unsigned char *p = text.data;
    size_t characters = 0;
    for (size_t i = 0; i < text.len; i++)
        characters += (p[i] & 0xc0) != 0x80; /* not one of the later bytes of a character */
    return characters <= characters_max && uri_is_utf8(text);
}

enum s3_error s3_tags_check(struct s3_request *rq, const struct metadata_pair *tags, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct bytes name = tags[i].name;
        if (name.len == 0 || !is_text(name, S3_TAG_NAME_MAX))
            return tags_fail(rq, "The TagKey you have provided is invalid", name);
        if (!is_text(tags[i].value, S3_TAG_VALUE_MAX))
            return tags_fail(rq, "The TagValue you have provided is invalid", name);
        if (s3_bytes_have_prefix(name, "aws:"))
            return tags_fail(rq, "System tags cannot be added/updated by requester", name);
        for (unsigned j = 0; j < i; j++)
            if (bytes_equal(tags[j].name, name))
                return tags_fail(rq, "Cannot provide multiple Tags with the same key", name);
    }
    return S3_ERR_NONE;
}

static enum s3_error tags_check(struct s3_request *rq, const struct metadata_pair *tags, unsigned count)
{
    return count > S3_TAGS_MAX ? s3_fail(rq, S3_ERR_INVALID_TAG, "Object tags cannot be greater than 10")
                               : s3_tags_check(rq, tags, count);
}

/* ---- with the object ---- */

enum s3_error s3_tags_read(struct s3_request *rq, struct put_request *put)
{
    const struct bytes *text = s3_header(rq, "x-amz-tagging");
    struct uri_query query;
    if (text == NULL)
        return S3_ERR_NONE;
    enum dol_err err = uri_query_parse(*text, rq->arena, &query);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    if (err != DOL_OK)
        return s3_fail_argument(rq,
                                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                                "parameters without tag name duplicates.",
                                "x-amz-tagging", *text);
    struct metadata_pair *pairs = arena_alloc(rq->arena, (query.count + 1) * sizeof *pairs);
    if (pairs == NULL)
        return S3_ERR_SLOW_DOWN;
    for (unsigned i = 0; i < query.count; i++)
        pairs[i] = (struct metadata_pair){query.params[i].name, query.params[i].value};
    put->tags = pairs;
    put->tag_count = query.count;
    return tags_check(rq, pairs, query.count);
}

enum s3_error s3_tags_copy(struct s3_request *rq, const struct object *from, struct put_request *put)
{
    unsigned count = store_object_info(from)->tag_count;
    struct metadata_pair *pairs = arena_alloc(rq->arena, (count + 1) * sizeof *pairs);
    if (pairs == NULL)
        return S3_ERR_SLOW_DOWN;
    for (unsigned i = 0; i < count; i++)
        if (!store_object_tag(from, i, &pairs[i]))
            return S3_ERR_INTERNAL;
    put->tags = pairs;
    put->tag_count = count;
    return S3_ERR_NONE;
}

/* ---- about the object ---- */

static void tagging_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct object *object = arg;
    struct metadata_pair tag;
    (void)rq;
    xml_write_open_ns(w, "Tagging", XML_S3_NAMESPACE);
    xml_write_open(w, "TagSet");
    for (unsigned i = 0; store_object_tag(object, i, &tag); i++) {
        xml_write_open(w, "Tag");
        xml_write_text(w, "Key", tag.name);
        xml_write_text(w, "Value", tag.value);
        xml_write_close(w, "Tag");
    }
    xml_write_close(w, "TagSet");
    xml_write_close(w, "Tagging");
}

enum s3_error s3_get_object_tagging(struct s3_request *rq)
{
    struct object *object;
    enum s3_error error = s3_object_open(rq, &object);
    if (error != S3_ERR_NONE)
        return error;
    const struct object_info *info = store_object_info(object);
    s3_reply_version(rq, "x-amz-version-id", &info->version, info->null_version);
    error = s3_reply_xml(rq, 200, tagging_document, object);
    store_object_close(object);
    return error;
}

/* Delete markers and what isn't there are told as by GetObject. */
static enum s3_error tags_set(struct s3_request *rq, const struct metadata_pair *tags, unsigned count, unsigned status,
                              uint64_t content_length)
{
    struct version_id storage;
    struct object *object;
    struct tag_result result;
    struct tag_request request = {.bucket = rq->bucket, .key = rq->key, .tags = tags, .tag_count = count};
    enum s3_error error = s3_version_of(rq, &storage, &request.version);
    if (error == S3_ERR_NONE)
        error = s3_object_open(rq, &object);
    if (error != S3_ERR_NONE)
        return error;
    store_object_close(object);
    error = s3_error_of(store_object_set_tags(rq->config->store, &request, &result));
    if (error != S3_ERR_NONE)
        return error;
    s3_reply_version(rq, "x-amz-version-id", &result.version, result.null_version);
    return s3_reply_begin(rq, status, content_length);
}

/* Conditions may ask for the tags of the document, so the right is looked at when it has been read. */
static enum s3_error tags_authorize(struct s3_request *rq, const struct metadata_pair *tags, unsigned count)
{
    struct version_id storage;
    struct s3_right right = {
        .action = "s3:PutObjectTagging", .bucket = rq->bucket, .key = rq->key, .tags = tags, .tag_count = count};
    const struct bytes *version = s3_param(rq, "versionId");
    if (version != NULL) {
        right.action = "s3:PutObjectVersionTagging";
        if (s3_version_parse(*version, &storage))
            right.version = &storage;
    }
    return s3_authorize_right(rq, &right);
}

enum s3_error s3_put_object_tagging(struct s3_request *rq)
{
    struct bytes document;
    bool has_integrity;
    enum s3_error error = s3_body_document(rq, S3_DOCUMENT_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    struct xml_tagging *tagging = arena_alloc(rq->arena, sizeof *tagging);
    struct metadata_pair *pairs = arena_alloc(rq->arena, XML_TAGS_MAX * sizeof *pairs);
    if (tagging == NULL || pairs == NULL)
        return S3_ERR_SLOW_DOWN;
    enum dol_err err = xml_parse_tagging(document, rq->arena, tagging);
    if (err != DOL_OK)
        return err == DOL_ENOMEM ? S3_ERR_SLOW_DOWN : S3_ERR_MALFORMED_XML;
    for (unsigned i = 0; i < tagging->count; i++)
        pairs[i] = (struct metadata_pair){tagging->tags[i].name, tagging->tags[i].value};
    error = tags_authorize(rq, pairs, tagging->count);
    if (error == S3_ERR_NONE)
        error = tags_check(rq, pairs, tagging->count);
    return error != S3_ERR_NONE ? error : tags_set(rq, pairs, tagging->count, 200, 0);
}

enum s3_error s3_delete_object_tagging(struct s3_request *rq)
{
    return tags_set(rq, NULL, 0, 204, S3_NO_LENGTH);
}
