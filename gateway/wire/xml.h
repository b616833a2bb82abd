/*
 * XML in and out, as far as S3 needs it: a streaming writer that escapes, and a bounded reader over expat that
 * refuses every document type declaration, so there are no entities, no external fetches and no expansion.
 */
#ifndef DOL_XML_H
#define DOL_XML_H

#include "arena.h"
#include <dolmen/err.h>
#include <dolmen/types.h>

#define XML_S3_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

/* ---- writer ---- */

/* Takes the bytes written so far; may [await]. An error ends the writing. */
typedef enum dol_err xml_flush_fn(void *ctx, const char *data, size_t len);

/* Errors stick: look at xml_writer_finish(). */
struct xml_writer {
    char *buf;
    size_t buf_bytes;
    size_t len;
    xml_flush_fn *flush; /* NULL: the buffer is all there is, ETOOLARGE when full */
    void *ctx;
    enum dol_err err;
};

void xml_writer_init(struct xml_writer *w, char *buf, size_t buf_bytes, xml_flush_fn *flush, void *ctx);
/* <?xml version="1.0" encoding="UTF-8"?> and a line feed. */
void xml_write_declaration(struct xml_writer *w);
void xml_write_open(struct xml_writer *w, const char *name);
/* With xmlns="ns". */
void xml_write_open_ns(struct xml_writer *w, const char *name, const char *ns);
void xml_write_close(struct xml_writer *w, const char *name);
/*
 * <name>text</name>. Characters XML 1.0 can't carry are written as numeric references, as S3 does (its clients ask for
 * encoding-type=url to avoid them); bytes that aren't UTF-8 become U+FFFD.
 */
void xml_write_text(struct xml_writer *w, const char *name, struct bytes text);
void xml_write_str(struct xml_writer *w, const char *name, const char *text);
void xml_write_u64(struct xml_writer *w, const char *name, uint64_t value);
void xml_write_bool(struct xml_writer *w, const char *name, bool value);
/* Escaped text alone, and markup as it is: for elements with attributes. */
void xml_write_escaped(struct xml_writer *w, struct bytes text);
void xml_write_raw(struct xml_writer *w, const char *markup);
/* Flushes (if there is a flush). First error of all. Without a flush, the document is buf[0..len). */
DOL_MUST_CHECK enum dol_err xml_writer_finish(struct xml_writer *w);

/* ---- reader ---- */

struct xml_limits {
    size_t bytes_max;
    unsigned depth_max;
    unsigned elements_max;
    unsigned attributes_max;
    size_t text_bytes_max; /* of one element */
};

/* For small settings documents (256 KiB, 16 deep), and for lists such as Delete and CompleteMultipartUpload (8 MiB). */
extern const struct xml_limits xml_limits_small;
extern const struct xml_limits xml_limits_list;

/* Names come without namespace prefix. Depth of the root is 1. `text` is what the element itself contains, unescaped.
 */
struct xml_handler {
    enum dol_err (*open)(void *ctx, const char *name, unsigned depth);
    enum dol_err (*close)(void *ctx, const char *name, unsigned depth, struct bytes text);
};

/* ESYNTAX: not well-formed, or a doctype; ETOOLARGE: a limit; ENOMEM; or what the handler returned. */
DOL_MUST_CHECK enum dol_err xml_parse(struct bytes document, const struct xml_limits *limits,
                                      const struct xml_handler *handler, void *ctx);

struct xml_node {
    const char *name; /* without namespace prefix */
    struct bytes text;
    struct xml_node *first_child;
    struct xml_node *next;
    /* private */
    struct xml_node *last_child;
    struct xml_node *parent;
};

/* The whole document as a tree in the arena. Errors as xml_parse(). */
DOL_MUST_CHECK enum dol_err xml_parse_tree(struct bytes document, const struct xml_limits *limits, struct arena *a,
                                           struct xml_node **root);
/* First child called `name`, or NULL (also for a NULL parent). */
const struct xml_node *xml_child(const struct xml_node *parent, const char *name);
/* Next sibling of the same name, or NULL. */
const struct xml_node *xml_next(const struct xml_node *node);
/* The text of the child, or empty bytes. */
struct bytes xml_child_text(const struct xml_node *parent, const char *name);

#endif
