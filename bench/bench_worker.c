/* Chooses operations. */
#include "bench_worker.h"

#include <stdio.h>
#include <time.h>

#define DELETE_PERCENT    20u
#define CHURN_GET_PERCENT 20u
/* Contents that workers share in BENCH_CHURN when duplicates are asked for. */
#define SHARED_CONTENTS 32u

uint64_t bench_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

void bench_worker_init(struct bench_worker *w, struct bench_run *run, unsigned number)
{
    *w = (struct bench_worker){
        .run = run,
        .number = number,
        .chance = (run->options->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + number + 1,
    };
}

static uint64_t next_chance(struct bench_worker *w)
{
    /* xorshift64: choices only, not data */
    w->chance ^= w->chance << 13;
    w->chance ^= w->chance >> 7;
    w->chance ^= w->chance << 17;
    return w->chance;
}

static void put_new(struct bench_run *run, uint64_t object, struct bench_operation *op)
{
    op->object = object;
    op->content = bench_content_of(run->payload, bench_original_of(run->options, object));
    bench_key_of(run->payload, object, op->key);
}

static void use_old(struct bench_worker *w, uint64_t object, struct bench_operation *op)
{
    op->object = object;
    bench_key_of(w->run->payload, object, op->key);
    op->check = op->verb == BENCH_VERB_GET && w->run->options->verify;
    if (op->check)
        op->content = bench_content_of(w->run->payload, bench_original_of(w->run->options, object));
}

/* Contents that aren't shared never repeat over a worker's life: what a key holds tells which put it came from. */
static void churn(struct bench_worker *w, struct bench_operation *op)
{
    const struct bench_options *o = w->run->options;
    uint64_t chance = next_chance(w);
    snprintf(op->key, sizeof op->key, "%sw%u/%llu", o->prefix, w->number,
             (unsigned long long)(chance >> 32) % o->slots);
    unsigned percent = (unsigned)(chance % 100);
    if (percent < DELETE_PERCENT) {
        op->verb = BENCH_VERB_DELETE;
    } else if (percent < DELETE_PERCENT + CHURN_GET_PERCENT) {
        op->verb = BENCH_VERB_GET;
    } else {
        op->verb = BENCH_VERB_PUT;
        bool shared = (chance >> 8) % 100 < o->duplicates_percent;
        uint64_t unique = ((uint64_t)w->number << 40) + SHARED_CONTENTS + w->turn;
        op->content = bench_content_of(w->run->payload, shared ? (chance >> 16) % SHARED_CONTENTS : unique);
    }
}

/* BENCH_GET to BENCH_DELETE. */
static bool choose_old(struct bench_worker *w, struct bench_operation *op)
{
    struct bench_run *run = w->run;
    const struct bench_options *o = run->options;
    static const enum bench_verb verbs[] = {
        [BENCH_GET] = BENCH_VERB_GET,
        [BENCH_HEAD] = BENCH_VERB_HEAD,
        [BENCH_LIST] = BENCH_VERB_LIST,
        [BENCH_DELETE] = BENCH_VERB_DELETE,
    };
    uint64_t objects = o->objects != 0 ? o->objects : run->payload->file_count;
    uint64_t turn = atomic_fetch_add(&run->next_object, 1);
    op->verb = verbs[o->mode];
    bool in_order = o->in_order || o->mode == BENCH_DELETE;
    use_old(w, in_order ? turn % objects : next_chance(w) % objects, op);
    bool repeats = o->seconds != 0 && o->mode != BENCH_DELETE;
    return repeats || turn < objects;
}

static enum bench_verb choose_verb(struct bench_worker *w)
{
    const unsigned *weights = w->run->options->weights;
    unsigned sum = 0;
    if (w->put_count == 0)
        return BENCH_VERB_PUT;
    for (unsigned v = 0; v < BENCH_VERBS; v++)
        sum += weights[v];
    uint64_t chance = next_chance(w) % sum;
    unsigned verb = 0;
    while (chance >= weights[verb])
        chance -= weights[verb++];
    return (enum bench_verb)verb;
}

/* false: enough objects were put. */
static bool choose_mixed(struct bench_worker *w, struct bench_operation *op)
{
    op->verb = choose_verb(w);
    if (op->verb != BENCH_VERB_PUT) {
        unsigned at = (unsigned)(next_chance(w) % w->put_count);
        use_old(w, w->put[at], op);
        /* whatever becomes of the delete, nobody may expect the object any more */
        if (op->verb == BENCH_VERB_DELETE)
            w->put[at] = w->put[--w->put_count];
        return true;
    }
    uint64_t object = atomic_fetch_add(&w->run->next_object, 1);
    put_new(w->run, object, op);
    return w->run->options->objects == 0 || object < w->run->options->objects;
}

bool bench_worker_choose(struct bench_worker *w, uint64_t now_ns, struct bench_operation *op)
{
    struct bench_run *run = w->run;
    const struct bench_options *o = run->options;
    op->verb = BENCH_VERB_PUT;
    op->check = false;
    op->content = (struct bench_content){.size = 0};
    if (atomic_load(&run->stop) || now_ns >= run->end_ns)
        return false;
    uint64_t object;
    switch (o->mode) {
    case BENCH_CHURN:
        churn(w, op);
        w->turn++;
        return o->objects == 0 || atomic_fetch_add(&run->next_object, 1) < o->objects;
    case BENCH_MIX:
        return choose_mixed(w, op);
    case BENCH_PUT:
        object = atomic_fetch_add(&run->next_object, 1);
        put_new(run, object, op);
        return o->objects == 0 || object < o->objects;
    default:
        return choose_old(w, op);
    }
}

void bench_worker_done(struct bench_worker *w, const struct bench_operation *op)
{
    if (op->verb != BENCH_VERB_PUT || w->run->options->mode != BENCH_MIX)
        return;
    if (w->put_count < BENCH_REMEMBERED_MAX)
        w->put[w->put_count++] = op->object;
    else
        w->put[next_chance(w) % BENCH_REMEMBERED_MAX] = op->object;
}
