/* What all listings share: keys with a prefix, folded at a delimiter, walked by seeking. */
#ifndef DOL_LIST_FOLD_H
#define DOL_LIST_FOLD_H

#include <dolmen/object.h>

struct list_scope {
    struct bytes prefix;
    struct bytes delimiter; /* len 0: none */
};

/* Where the search goes on. */
struct list_position {
    uint8_t key[OBJECT_KEY_BYTES_MAX + 1];
    size_t len;
    bool inclusive;
    bool at_end; /* nothing sorts behind */
};

static inline struct bytes list_position_key(const struct list_position *p)
{
    return bytes_of(p->key, p->len);
}

bool list_has_prefix(struct bytes key, struct bytes prefix);
/* Length of the common prefix that a key of the scope folds into, or 0. */
size_t list_fold_length(const struct list_scope *scope, struct bytes key);
/* At the key itself, or behind it. */
void list_seek(struct list_position *p, struct bytes key, bool inclusive);
/* At the first key that sorts behind all that begin with prefix; perhaps at the end. */
void list_seek_past(struct list_position *p, struct bytes prefix);
/* Where a page begins that follows `after` (len 0: the first one): a common prefix there skips all of it. */
void list_start(struct list_position *p, const struct list_scope *scope, struct bytes after);

#endif
