/*
 * Pins: what keeps void chunks from being reclaimed while somebody may be about to refer to them, or is reading them.
 *
 * A pin is an LSN: whatever lost its last reference after it stays. Writers take theirs before they look for any chunk,
 * at what the index has applied: a chunk that has references in any later view loses them, if at all, by a record above
 * the pin. Readers of an object likewise. Reclaiming asks for the lowest pin, and from then on all chunks without
 * references up to there are *dying*: a writer that finds one takes it for not there. One that finds a chunk without
 * references that isn't dying lowers its pin below it, and has it. Both happen under one lock.
 *
 * Pins cost nothing per chunk, so an upload of any size has one. They die with the process: a record that refers to a
 * chunk is all that outlives it. A reader's pin counts for PIN_READ_NS_MAX, so that a slow client can't hold space for
 * ever; a writer's as long as it is at work.
 */
#ifndef DOL_PINS_H
#define DOL_PINS_H

#include <dolmen/types.h>

#include <pthread.h>

#include "index.h"
#include "list.h"

#define PIN_READ_NS_MAX (3600ull * 1000 * 1000 * 1000)

enum pin_kind { PIN_WRITE, PIN_READ };

struct pin {
    struct list_node node;
    struct lsn since;
    uint64_t began_ns;
    uint8_t kind; /* enum pin_kind */
};

struct pins {
    pthread_mutex_t lock;
    struct index *index;
    struct list_node all;
    struct lsn dying; /* chunks without references since then, or longer */
};

void pins_init(struct pins *p);
void pins_fini(struct pins *p);
/* Any thread, as all of these. The struct stays where it is until pin_end(). */
void pin_begin(struct pins *p, struct pin *pin, enum pin_kind kind);
void pin_end(struct pins *p, struct pin *pin);
/* A chunk found without references since dead_since: true, and it stays; false: it is dying. */
bool pin_revive(struct pins *p, struct pin *pin, struct lsn dead_since);
/* Everything without references since the result, or longer, is dying from now on. */
struct lsn pins_take_dying(struct pins *p);

#endif
