/* See xml_shape.h. */
#include "xml_shape.h"

const char *const xml_shape_booleans[] = {"true", "false", "TRUE", "FALSE", "True", "False", NULL};

static bool text_is(struct bytes text, const char *value)
{
    return bytes_equal(text, bytes_of(value, strlen(value)));
}

static bool value_fits(struct bytes text, const char *const *values)
{
    if (values == NULL)
        return true;
    for (; *values != NULL; values++)
        if (text_is(text, *values))
            return true;
    return false;
}

static const struct xml_shape *shape_of(const struct xml_shape *shapes, const char *name)
{
    for (; shapes->name != NULL; shapes++)
        if (strcmp(shapes->name, name) == 0)
            return shapes;
    return NULL;
}

static unsigned count_of(const struct xml_node *parent, const char *name)
{
    unsigned count = 0;
    for (const struct xml_node *n = xml_child(parent, name); n != NULL; n = xml_next(n))
        count++;
    return count;
}

/* As deep as the table, whatever the document. */
static bool node_fits(const struct xml_node *node, const struct xml_shape *shape)
{
    if (shape->children == NULL)
        return node->first_child == NULL && value_fits(node->text, shape->values);
    for (const struct xml_node *child = node->first_child; child != NULL; child = child->next) {
        const struct xml_shape *s = shape_of(shape->children, child->name);
        if (s == NULL || !node_fits(child, s))
            return false;
    }
    for (const struct xml_shape *s = shape->children; s->name != NULL; s++) {
        unsigned count = count_of(node, s->name);
        if (count < s->min || count > s->max)
            return false;
    }
    return true;
}

enum dol_err xml_shape_parse(struct bytes document, const struct xml_shape *shape, struct arena *a,
                             struct xml_node **root)
{
    enum dol_err err = xml_parse_tree(document, &xml_limits_small, a, root);
    if (err != DOL_OK)
        return err;
    return strcmp((*root)->name, shape->name) == 0 && node_fits(*root, shape) ? DOL_OK : DOL_ESYNTAX;
}

bool xml_child_is_true(const struct xml_node *parent, const char *name)
{
    struct bytes text = xml_child_text(parent, name);
    return text_is(text, "true") || text_is(text, "TRUE") || text_is(text, "True");
}
