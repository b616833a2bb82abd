/* DeleteObjects, CompleteMultipartUpload, CreateBucket, PutBucketVersioning and tagging bodies. */
#include "xml_requests.h"

#include "hash.h"

/* ---- <Delete> ---- */

struct delete_reader {
    struct arena *arena;
    struct xml_delete *out;
    struct xml_delete_object *object; /* the open <Object>, or NULL */
};

static enum dol_err delete_open(void *ctx, const char *name, unsigned depth)
{
    struct delete_reader *r = ctx;
    if (depth == 1)
        return strcmp(name, "Delete") == 0 ? DOL_OK : DOL_ESYNTAX;
    if (depth != 2 || strcmp(name, "Object") != 0)
        return DOL_OK;
    if (r->out->count == XML_DELETE_OBJECTS_MAX)
        return DOL_ESYNTAX;
    if (r->out->objects == NULL)
        r->out->objects = arena_alloc(r->arena, XML_DELETE_OBJECTS_MAX * sizeof *r->out->objects);
    if (r->out->objects == NULL)
        return DOL_ENOMEM;
    r->object = &r->out->objects[r->out->count++];
    return DOL_OK;
}

static enum dol_err take(struct arena *a, struct bytes text, struct bytes *to)
{
    if (to->data != NULL) /* the element came twice */
        return DOL_ESYNTAX;
    const char *copy = arena_strndup(a, text.data, text.len);
    if (copy == NULL)
        return DOL_ENOMEM;
    *to = bytes_of(copy, text.len);
    return DOL_OK;
}

static enum dol_err parse_bool(struct bytes text, bool *value)
{
    *value = bytes_equal(text, bytes_of("true", 4));
    return *value || bytes_equal(text, bytes_of("false", 5)) ? DOL_OK : DOL_ESYNTAX;
}

static enum dol_err delete_close(void *ctx, const char *name, unsigned depth, struct bytes text)
{
    struct delete_reader *r = ctx;
    if (depth == 2 && strcmp(name, "Quiet") == 0)
        return parse_bool(text, &r->out->quiet);
    if (r->object == NULL)
        return DOL_OK;
    if (depth == 2) {
        bool has_key = r->object->key.len > 0;
        r->object = NULL;
        return has_key ? DOL_OK : DOL_ESYNTAX;
    }
    if (depth != 3)
        return DOL_OK;
    if (strcmp(name, "Key") == 0)
        return take(r->arena, text, &r->object->key);
    if (strcmp(name, "VersionId") == 0)
        return take(r->arena, text, &r->object->version_id);
    if (strcmp(name, "ETag") == 0)
        return take(r->arena, text, &r->object->etag);
    if (strcmp(name, "LastModifiedTime") == 0 || strcmp(name, "Size") == 0)
        r->object->has_other_condition = true;
    return DOL_OK;
}

enum dol_err xml_parse_delete_objects(struct bytes body, struct arena *a, struct xml_delete *out)
{
    static const struct xml_handler handler = {delete_open, delete_close};
    struct delete_reader r = {.arena = a, .out = out};
    memset(out, 0, sizeof *out);
    enum dol_err err = xml_parse(body, &xml_limits_list, &handler, &r);
    return err == DOL_OK && out->count == 0 ? DOL_ESYNTAX : err;
}

/* ---- <CompleteMultipartUpload> ---- */

/* "<Part><PartNumber>1</PartNumber><ETag/></Part>": no part takes fewer bytes. */
#define PART_TEXT_BYTES_MIN 46u

struct complete_reader {
    struct xml_complete_upload *out;
    unsigned room;                /* parts that the document is long enough for */
    struct xml_upload_part *part; /* the open <Part>, or NULL */
    bool has_number, has_etag;    /* of it */
};

static enum dol_err complete_open(void *ctx, const char *name, unsigned depth)
{
    struct complete_reader *r = ctx;
    if (depth == 1)
        return strcmp(name, "CompleteMultipartUpload") == 0 ? DOL_OK : DOL_ESYNTAX;
    if (depth != 2 || strcmp(name, "Part") != 0)
        return DOL_OK;
    if (r->out->count == r->room)
        return DOL_ESYNTAX;
    r->part = &r->out->parts[r->out->count++];
    r->has_number = r->has_etag = false;
    return DOL_OK;
}

static enum dol_err part_take_number(struct complete_reader *r, struct bytes text)
{
    const char *s = text.data;
    uint32_t number = 0;
    if (r->has_number || text.len == 0)
        return DOL_ESYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return DOL_ESYNTAX;
        number = number * 10 + (uint32_t)(s[i] - '0');
        if (number > XML_UPLOAD_PARTS_MAX)
            number = XML_UPLOAD_PARTS_MAX + 1; /* stays beyond it, whatever follows */
    }
    r->has_number = true;
    r->part->number = number <= XML_UPLOAD_PARTS_MAX ? number : 0;
    return DOL_OK;
}

/* With or without quotes. */
static enum dol_err part_take_etag(struct complete_reader *r, struct bytes text)
{
    const char *s = text.data;
    if (r->has_etag)
        return DOL_ESYNTAX;
    r->has_etag = true;
    size_t from = text.len > 0 && s[0] == '"';
    size_t to = text.len > from && s[text.len - 1] == '"' ? text.len - 1 : text.len;
    r->part->has_md5 =
        to - from == 2 * sizeof r->part->md5 && hex_decode(s + from, to - from, r->part->md5, sizeof r->part->md5);
    return DOL_OK;
}

static enum dol_err complete_close(void *ctx, const char *name, unsigned depth, struct bytes text)
{
    struct complete_reader *r = ctx;
    if (r->part == NULL)
        return DOL_OK;
    if (depth == 2) {
        r->part = NULL;
        return r->has_number && r->has_etag ? DOL_OK : DOL_ESYNTAX;
    }
    if (depth != 3)
        return DOL_OK;
    if (strcmp(name, "PartNumber") == 0)
        return part_take_number(r, text);
    if (strcmp(name, "ETag") == 0)
        return part_take_etag(r, text);
    for (unsigned alg = CHECKSUM_CRC32; alg < CHECKSUM_ALGS; alg++) {
        if (strcmp(name, checksum_element((enum checksum_alg)alg)) != 0)
            continue;
        bool is_second = r->part->checksum.alg != CHECKSUM_NONE;
        if (!checksum_parse((enum checksum_alg)alg, text, &r->part->checksum) || is_second)
            r->part->bad_checksum = true;
    }
    return DOL_OK;
}

enum dol_err xml_parse_complete_upload(struct bytes body, struct arena *a, struct xml_complete_upload *out)
{
    static const struct xml_handler handler = {complete_open, complete_close};
    size_t room = body.len / PART_TEXT_BYTES_MIN + 1;
    memset(out, 0, sizeof *out);
    struct complete_reader r = {.out = out, .room = XML_UPLOAD_PARTS_MAX};
    if (room < r.room)
        r.room = (unsigned)room;
    out->parts = arena_alloc(a, r.room * sizeof *out->parts);
    if (out->parts == NULL)
        return DOL_ENOMEM;
    enum dol_err err = xml_parse(body, &xml_limits_list, &handler, &r);
    return err == DOL_OK && out->count == 0 ? DOL_ESYNTAX : err;
}

/* ---- <CreateBucketConfiguration> ---- */

enum dol_err xml_parse_create_bucket(struct bytes body, struct arena *a, struct xml_create_bucket *out)
{
    struct xml_node *root;
    memset(out, 0, sizeof *out);
    if (body.len == 0)
        return DOL_OK;
    enum dol_err err = xml_parse_tree(body, &xml_limits_small, a, &root);
    if (err != DOL_OK)
        return err;
    if (strcmp(root->name, "CreateBucketConfiguration") != 0)
        return DOL_ESYNTAX;
    out->location = xml_child_text(root, "LocationConstraint");
    return DOL_OK;
}

/* ---- <VersioningConfiguration> ---- */

enum dol_err xml_parse_versioning(struct bytes body, struct arena *a, struct xml_versioning *out)
{
    struct xml_node *root;
    memset(out, 0, sizeof *out);
    enum dol_err err = xml_parse_tree(body, &xml_limits_small, a, &root);
    if (err != DOL_OK)
        return err;
    if (strcmp(root->name, "VersioningConfiguration") != 0)
        return DOL_ESYNTAX;
    out->status = xml_child_text(root, "Status");
    out->mfa_delete = xml_child_text(root, "MfaDelete");
    return DOL_OK;
}

/* ---- <Tagging> ---- */

enum dol_err xml_parse_tagging(struct bytes body, struct arena *a, struct xml_tagging *out)
{
    struct xml_node *root;
    out->count = 0;
    enum dol_err err = xml_parse_tree(body, &xml_limits_small, a, &root);
    if (err != DOL_OK)
        return err;
    const struct xml_node *set = xml_child(root, "TagSet");
    if (strcmp(root->name, "Tagging") != 0 || set == NULL)
        return DOL_ESYNTAX;
    for (const struct xml_node *tag = xml_child(set, "Tag"); tag != NULL; tag = xml_next(tag)) {
        if (out->count == XML_TAGS_MAX || xml_child(tag, "Key") == NULL || xml_child(tag, "Value") == NULL)
            return DOL_ESYNTAX;
        out->tags[out->count++] = (struct xml_tag){xml_child_text(tag, "Key"), xml_child_text(tag, "Value")};
    }
    return DOL_OK;
}
