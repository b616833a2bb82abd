/* DeleteObjects and CreateBucket bodies. */
#include "xml_requests.h"

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
