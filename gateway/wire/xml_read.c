/* The bounded XML reader over expat, as events and as a tree. */
#include "xml.h"
#include <expat.h>
#include <limits.h>
#include <stdlib.h>

const struct xml_limits xml_limits_small = {
    .bytes_max = 256u << 10,
    .depth_max = 16,
    .elements_max = 16384,
    .attributes_max = 16,
    .text_bytes_max = 16u << 10,
};

const struct xml_limits xml_limits_list = {
    .bytes_max = 8u << 20,
    .depth_max = 8,
    .elements_max = 100000,
    .attributes_max = 16,
    .text_bytes_max = 4u << 10,
};

struct reader {
    XML_Parser parser;
    const struct xml_limits *limits;
    const struct xml_handler *handler;
    void *ctx;
    enum dol_err err;
    unsigned depth;
    unsigned elements;
    /* Text since the last tag; only leaves have it handed over. */
    bool leaf;
    char *text;
    size_t text_len;
    size_t text_room;
};

static void stop(struct reader *r, enum dol_err err)
{
    if (r->err == DOL_OK)
        r->err = err;
    XML_StopParser(r->parser, XML_FALSE);
}

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? colon + 1 : name;
}

static void XMLCALL on_open(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = ctx;
    unsigned count = 0;
    if (r->err != DOL_OK)
        return;
    while (attributes[2 * count] != NULL)
        count++;
    if (++r->depth > r->limits->depth_max || ++r->elements > r->limits->elements_max ||
        count > r->limits->attributes_max) {
        stop(r, DOL_ETOOLARGE);
        return;
    }
    r->text_len = 0;
    r->leaf = true;
    enum dol_err err = r->handler->open(r->ctx, local_name(name), r->depth);
    if (err != DOL_OK)
        stop(r, err);
}

static void XMLCALL on_close(void *ctx, const XML_Char *name)
{
    struct reader *r = ctx;
    if (r->err != DOL_OK)
        return;
    struct bytes text = bytes_of(r->text, r->leaf ? r->text_len : 0);
    enum dol_err err = r->handler->close(r->ctx, local_name(name), r->depth, text);
    r->leaf = false;
    r->depth--;
    r->text_len = 0;
    if (err != DOL_OK)
        stop(r, err);
}

static void XMLCALL on_text(void *ctx, const XML_Char *s, int len)
{
    struct reader *r = ctx;
    size_t n = (size_t)len;
    if (r->err != DOL_OK)
        return;
    if (n > r->limits->text_bytes_max - r->text_len) {
        stop(r, DOL_ETOOLARGE);
        return;
    }
    if (n > r->text_room - r->text_len) {
        size_t room = r->text_room;
        while (room < r->text_len + n)
            room *= 2;
        char *text = realloc(r->text, room);
        if (text == NULL) {
            stop(r, DOL_ENOMEM);
            return;
        }
        r->text = text;
        r->text_room = room;
    }
    memcpy(r->text + r->text_len, s, n);
    r->text_len += n;
}

/* Any doctype ends the reading before its first declaration is looked at: no entity can ever exist. */
static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id,
                               int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    stop(ctx, DOL_ESYNTAX);
}

enum dol_err xml_parse(struct bytes document, const struct xml_limits *limits, const struct xml_handler *handler,
                       void *ctx)
{
    struct reader r = {.limits = limits, .handler = handler, .ctx = ctx, .text_room = 1024};
    if (document.len > limits->bytes_max || document.len > INT_MAX)
        return DOL_ETOOLARGE;
    r.text = malloc(r.text_room);
    r.parser = XML_ParserCreate("UTF-8");
    if (r.text == NULL || r.parser == NULL) {
        r.err = DOL_ENOMEM;
        goto out;
    }
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_open, on_close);
    XML_SetCharacterDataHandler(r.parser, on_text);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    if (XML_Parse(r.parser, document.data, (int)document.len, 1) != XML_STATUS_OK && r.err == DOL_OK)
        r.err = XML_GetErrorCode(r.parser) == XML_ERROR_NO_MEMORY ? DOL_ENOMEM : DOL_ESYNTAX;
out:
    if (r.parser != NULL)
        XML_ParserFree(r.parser);
    free(r.text);
    return r.err;
}

/* ---- tree ---- */

struct builder {
    struct arena *arena;
    struct xml_node *root;
    struct xml_node *current;
};

static enum dol_err tree_open(void *ctx, const char *name, unsigned depth)
{
    struct builder *b = ctx;
    (void)depth;
    struct xml_node *node = arena_alloc(b->arena, sizeof *node);
    char *copy = arena_strndup(b->arena, name, strlen(name));
    if (node == NULL || copy == NULL)
        return DOL_ENOMEM;
    node->name = copy;
    node->parent = b->current;
    if (b->current == NULL)
        b->root = node;
    else if (b->current->last_child == NULL)
        b->current->first_child = node;
    else
        b->current->last_child->next = node;
    if (b->current != NULL)
        b->current->last_child = node;
    b->current = node;
    return DOL_OK;
}

static enum dol_err tree_close(void *ctx, const char *name, unsigned depth, struct bytes text)
{
    struct builder *b = ctx;
    (void)name;
    (void)depth;
    if (text.len > 0) {
        const char *copy = arena_strndup(b->arena, text.data, text.len);
        if (copy == NULL)
            return DOL_ENOMEM;
        b->current->text = bytes_of(copy, text.len);
    }
    b->current = b->current->parent;
    return DOL_OK;
}

enum dol_err xml_parse_tree(struct bytes document, const struct xml_limits *limits, struct arena *a,
                            struct xml_node **root)
{
    static const struct xml_handler handler = {tree_open, tree_close};
    struct builder b = {.arena = a};
    enum dol_err err = xml_parse(document, limits, &handler, &b);
    *root = err == DOL_OK ? b.root : NULL;
    return err;
}

const struct xml_node *xml_child(const struct xml_node *parent, const char *name)
{
    const struct xml_node *node = parent != NULL ? parent->first_child : NULL;
    while (node != NULL && strcmp(node->name, name) != 0)
        node = node->next;
    return node;
}

const struct xml_node *xml_next(const struct xml_node *node)
{
    const struct xml_node *next = node->next;
    while (next != NULL && strcmp(next->name, node->name) != 0)
        next = next->next;
    return next;
}

struct bytes xml_child_text(const struct xml_node *parent, const char *name)
{
    const struct xml_node *node = xml_child(parent, name);
    return node != NULL ? node->text : bytes_of(NULL, 0);
}
