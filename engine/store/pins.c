/* Pins: see pins.h. */
#include "pins.h"

#include <dolmen/runtime.h>

#include "dol_assert.h"

void pins_init(struct pins *p)
{
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->all);
}

void pins_fini(struct pins *p)
{
    dol_assert(list_is_empty(&p->all));
    pthread_mutex_destroy(&p->lock);
}

void pin_begin(struct pins *p, struct pin *pin, enum pin_kind kind)
{
    pin->kind = (uint8_t)kind;
    pin->began_ns = clock_monotonic_ns();
    pthread_mutex_lock(&p->lock);
    pin->since = index_applied(p->index);
    list_push_back(&p->all, &pin->node);
    pthread_mutex_unlock(&p->lock);
}

void pin_end(struct pins *p, struct pin *pin)
{
    pthread_mutex_lock(&p->lock);
    list_remove(&pin->node);
    pthread_mutex_unlock(&p->lock);
}

bool pin_revive(struct pins *p, struct pin *pin, struct lsn dead_since)
{
    struct lsn below = {dead_since.run, dead_since.counter - 1};
    pthread_mutex_lock(&p->lock);
    bool alive = lsn_compare(dead_since, p->dying) > 0;
    if (alive && lsn_compare(below, pin->since) < 0)
        pin->since = below;
    pthread_mutex_unlock(&p->lock);
    return alive;
}

struct lsn pins_take_dying(struct pins *p)
{
    uint64_t now = clock_monotonic_ns();
    pthread_mutex_lock(&p->lock);
    struct lsn lowest = index_applied(p->index);
    list_for_each(n, &p->all)
    {
        const struct pin *pin = container_of(n, struct pin, node);
        bool counts = pin->kind == PIN_WRITE || now - pin->began_ns <= PIN_READ_NS_MAX;
        if (counts && lsn_compare(pin->since, lowest) < 0)
            lowest = pin->since;
    }
    if (lsn_compare(lowest, p->dying) > 0)
        p->dying = lowest;
    lowest = p->dying;
    pthread_mutex_unlock(&p->lock);
    return lowest;
}
