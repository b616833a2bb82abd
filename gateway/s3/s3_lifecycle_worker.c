/* See s3_lifecycle_worker.h. A bucket's rules are read again for each step, so that a change counts at once. */
#include "s3_lifecycle_worker.h"

#include "dol_assert.h"
#include "log.h"
#include "s3_lifecycle.h"

#include <dolmen/runtime.h>
#include <stdlib.h>

#define WORKER_MAGIC    0x4c435957u
#define NS_PER_S        1000000000ull
#define INTERVAL_NS_MAX (3600ull * NS_PER_S)
#define STEP_PAUSE_NS   (5ull * 1000 * 1000)
#define RULES_ARENA_MAX (8u << 20)

struct s3_lifecycle_worker {
    unsigned magic;
    struct store *store;
    int64_t day_s;
    struct fiber *fiber;  /* NULL before it runs, and when it has ended */
    struct fiber *waiter; /* in stop */
    bool stopping;
    bool running;
    struct lifecycle_cursor cursor;
};

struct names {
    char (*at)[64];
    size_t count, room;
    bool no_memory;
};

static bool name_add(void *arg, const struct bucket_info *bucket)
{
    struct names *n = arg;
    if (n->count == n->room) {
        size_t room = n->room > 0 ? 2 * n->room : 64;
        char(*at)[64] = realloc(n->at, room * sizeof *at);
        if (at == NULL) {
            n->no_memory = true;
            return false;
        }
        n->at = at;
        n->room = room;
    }
    memcpy(n->at[n->count++], bucket->name, sizeof bucket->name);
    return true;
}

static int64_t now_s(const struct s3_lifecycle_worker *w)
{
    int64_t utc_s = clock_realtime_ns() / (int64_t)NS_PER_S;
    int64_t compliance_s = (int64_t)store_compliance_now_s(w->store);
    return utc_s < compliance_s ? utc_s : compliance_s;
}

/* ENOTFOUND: the bucket has no rules. */
static enum dol_err worker_step(struct s3_lifecycle_worker *w, struct bytes bucket)
{
    struct lifecycle lifecycle = {.now_s = now_s(w), .day_s = w->day_s};
    struct bytes document;
    struct arena arena;
    const char *why;
    void *memory;
    enum dol_err err = store_bucket_get_document(
        w->store, bucket, bytes_of(S3_LIFECYCLE_DOCUMENT, sizeof S3_LIFECYCLE_DOCUMENT - 1), &document, &memory);
    if (err != DOL_OK)
        return err;
    arena_init(&arena, RULES_ARENA_MAX);
    enum s3_error error = s3_lifecycle_parse(document, &arena, &lifecycle, &why);
    if (error == S3_ERR_NONE)
        err = store_lifecycle_step(w->store, bucket, &lifecycle, &w->cursor);
    else
        err = error == S3_ERR_SLOW_DOWN ? DOL_ENOMEM : DOL_ECORRUPT;
    arena_fini(&arena);
    free(memory);
    return err;
}

static void worker_bucket(struct s3_lifecycle_worker *w, const char *name)
{
    enum dol_err err = DOL_OK;
    memset(&w->cursor, 0, sizeof w->cursor);
    while (err == DOL_OK && !w->cursor.at_end && !w->stopping) {
        err = worker_step(w, bytes_of(name, strlen(name)));
        if (err == DOL_OK)
            fiber_sleep(STEP_PAUSE_NS);
    }
    if (err != DOL_OK && err != DOL_ENOTFOUND && err != DOL_ENOBUCKET && err != DOL_EREADONLY)
        log_warn("lifecycle", "the rules of bucket %s could not be carried out to the end: %s; tried again later", name,
                 dol_err_text(err));
}

static void worker_pass(struct s3_lifecycle_worker *w)
{
    struct names names = {.at = NULL};
    enum dol_err err = store_bucket_list(w->store, name_add, &names);
    if (err != DOL_OK || names.no_memory)
        log_warn("lifecycle", "the buckets can't be listed: %s; tried again later",
                 dol_err_text(err != DOL_OK ? err : DOL_ENOMEM));
    for (size_t i = 0; i < names.count && !w->stopping; i++)
        worker_bucket(w, names.at[i]);
    free(names.at);
}

static void worker_main(void *arg)
{
    struct s3_lifecycle_worker *w = arg;
    uint64_t interval_ns = (uint64_t)w->day_s * NS_PER_S / 4;
    dol_assert_magic(w, WORKER_MAGIC);
    w->fiber = fiber_self();
    if (interval_ns > INTERVAL_NS_MAX)
        interval_ns = INTERVAL_NS_MAX;
    while (!w->stopping) {
        (void)fiber_park_until(clock_monotonic_ns() + interval_ns);
        if (!w->stopping)
            worker_pass(w);
    }
    w->fiber = NULL;
    w->running = false;
    if (w->waiter != NULL)
        fiber_wake(w->waiter);
}

enum dol_err s3_lifecycle_worker_start(struct store *store, int64_t day_s, struct s3_lifecycle_worker **out)
{
    struct s3_lifecycle_worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return DOL_ENOMEM;
    w->magic = WORKER_MAGIC;
    w->store = store;
    w->day_s = day_s;
    w->running = true;
    enum dol_err err = fiber_spawn(worker_main, w, "lifecycle");
    if (err != DOL_OK)
        free(w);
    else
        *out = w;
    return err;
}

void s3_lifecycle_worker_stop(struct s3_lifecycle_worker *w)
{
    if (w == NULL)
        return;
    dol_assert_magic(w, WORKER_MAGIC);
    w->stopping = true;
    w->waiter = fiber_self();
    if (w->fiber != NULL)
        fiber_wake(w->fiber);
    while (w->running)
        fiber_park();
    free(w);
}
