/*
 * Cursor: the chunks of a range of an object, in order, each verified before it is handed out.
 *
 * While a chunk is being sent, the next ones are read ahead: each by a fiber of its own on the same loop, so that a
 * fill that others wait for never waits for this object's client. How far ahead grows with the chunks handed out, up to
 * CURSOR_AHEAD_MAX, and is bounded for the loop as a whole by STORE_AHEAD_MAX.
 */
#ifndef DOL_CURSOR_H
#define DOL_CURSOR_H

#include "fetch.h"

#define CURSOR_AHEAD_MAX 3u /* chunks behind the one that is being sent */
#define CURSOR_SLOTS     (CURSOR_AHEAD_MAX + 1)

struct cursor;

enum cursor_slot_state { SLOT_NEW, SLOT_READING, SLOT_READY };

/* One chunk of the window. */
struct cursor_slot {
    struct cursor *cursor;
    enum cursor_slot_state state;
    bool ahead;           /* counts in the loop's budget */
    uint64_t object_from; /* the bytes asked for, in the object */
    struct fetch fetch;
    enum dol_err err;
    struct cache_entry *entry;
};

/* Of one fiber, but for what its read-aheads do while it awaits. */
struct cursor {
    struct store *store;
    const struct manifest *manifest; /* borrowed */
    enum dol_err err;                /* sticky until the next seek */
    uint64_t at, end;                /* in the object; at: of the next reference to take */
    uint64_t given;                  /* in the object: end of what was handed out */
    /* references */
    uint64_t ref_at;          /* object offset of the next reference's first byte */
    size_t ref_next;          /* in refs */
    struct bytes refs;        /* of the manifest or of the current list */
    struct cache_entry *list; /* the current list, when lists are used */
    size_t list_next;         /* next list of the manifest */
    /* chunks */
    struct cache_entry *current; /* handed out last */
    struct cursor_slot slots[CURSOR_SLOTS];
    unsigned first, count; /* the window: a ring of slots */
    unsigned reach;        /* how many may be ahead by now */
    unsigned reading;      /* read-aheads under way */
    struct fiber *waiter;
};

void cursor_init(struct cursor *c, struct store *store, const struct manifest *manifest);
/* [await] */
void cursor_fini(struct cursor *c);
/* [await] The range lies in the object. */
void cursor_seek(struct cursor *c, uint64_t offset, uint64_t len);
/* [await] The next bytes, valid until the next call; len 0 at the end of the range. */
DOL_MUST_CHECK enum dol_err cursor_read(struct cursor *c, struct bytes *out);
/* Not [await]. All of the range was handed out. */
static inline bool cursor_is_at_end(const struct cursor *c)
{
    return c->given == c->end;
}

#endif
