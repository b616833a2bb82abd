/*
 * What a small XML document may look like: a table of elements, how often each comes, and what its text may be. S3
 * answers MalformedXML to all else. An element that isn't in the table would be ignored, and its sender not told.
 */
#ifndef DOL_XML_SHAPE_H
#define DOL_XML_SHAPE_H

#include "xml.h"

struct xml_shape {
    const char *name; /* NULL: the end of the table */
    unsigned min, max;
    const struct xml_shape *children; /* NULL: text */
    const char *const *values;        /* what the text may be, up to a NULL; NULL: anything */
};

/* Values of a boolean, as S3 takes them. */
extern const char *const xml_shape_booleans[];

/* Parses the document and holds it against the shape of its root (whose counts aren't looked at). ESYNTAX: it doesn't
 * fit. Errors as xml_parse(). */
DOL_MUST_CHECK enum dol_err xml_shape_parse(struct bytes document, const struct xml_shape *shape, struct arena *a,
                                            struct xml_node **root);
/* The text of a boolean child; false when it isn't there. */
bool xml_child_is_true(const struct xml_node *parent, const char *name);

#endif
