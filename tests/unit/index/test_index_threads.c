/*
 * Publishers, readers and a committer at once, from a map that has to grow: every object that was published before a
 * view began is in it, with that or a newer version, whatever is applied, trimmed or grown meanwhile. Meant for the
 * thread sanitizer as well.
 */
#include "index_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "le.h"

#define B          5ull
#define PUBLISHERS 2u
#define READERS    3u
#define KEYS       150u /* of each publisher */
#define ROUNDS     40u  /* versions of each key */
#define ROW_KEYS   10u

struct world {
    struct index *ix;
    pthread_mutex_t lock; /* the order of LSNs */
    uint64_t counter;
    uint64_t in_flight[PUBLISHERS];       /* first LSN of the row being published; 0: none */
    atomic_uint rounds[PUBLISHERS][KEYS]; /* last published version of each key */
    atomic_bool done;
    atomic_uint errors;
};

struct actor {
    struct world *w;
    unsigned number;
};

#define CHECK(w, condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                                    \
            atomic_fetch_add(&(w)->errors, 1);                                                                         \
        }                                                                                                              \
    } while (0)

static size_t key_make(char out[64], unsigned publisher, unsigned key)
{
    return (size_t)snprintf(out, 64, "publisher-%u/key-%05u", publisher, key);
}

/* The version of key k in round r replaces the one of the round before: one version of each key at all times. */
static size_t body_make(uint8_t *out, size_t capacity, unsigned publisher, unsigned key, unsigned round)
{
    char name[64];
    struct manifest m = {.bucket = B, .flags = MANIFEST_NULL_VERSION, .version = fx_version(round)};
    m.key = bytes_of(name, key_make(name, publisher, key));
    if (round > 1)
        m.replaces = fx_version(round - 1);
    struct tlv_writer w;
    tlv_writer_init(&w, out, capacity);
    manifest_encode(&m, &w);
    return w.overflow ? 0 : w.len;
}

static void *publisher_run(void *arg)
{
    struct actor *a = arg;
    struct world *w = a->w;
    static _Thread_local uint8_t bodies[ROW_KEYS][512];
    struct index_record records[ROW_KEYS];
    uint64_t rows = 0;
    for (unsigned round = 1; round <= ROUNDS; round++)
        for (unsigned key = 0; key < KEYS; key += ROW_KEYS) {
            pthread_mutex_lock(&w->lock);
            uint64_t first = w->counter + 1;
            w->counter += ROW_KEYS;
            w->in_flight[a->number] = first;
            pthread_mutex_unlock(&w->lock);
            for (unsigned i = 0; i < ROW_KEYS; i++) {
                size_t len = body_make(bodies[i], sizeof bodies[i], a->number, key + i, round);
                CHECK(w, len > 0);
                records[i] = (struct index_record){
                    .kind = RECORD_MANIFEST,
                    .lsn = {1, first + i},
                    .place = {.slab = a->number + 1,
                              .row_block = 1,
                              .unit_blocks = 8,
                              .offset_bytes = i * 128,
                              .stored_bytes = 128},
                    .payload = bytes_of(bodies[i], len),
                };
            }
            struct index_row row = {
                .after = {.slab = a->number + 1,
                          .life = {{(uint8_t)(a->number + 1)}},
                          .state = SLAB_STATE_OPEN,
                          .rows = ++rows},
                .records = records,
                .record_count = ROW_KEYS,
            };
            CHECK(w, index_publish(w->ix, &row) == DOL_OK);
            for (unsigned i = 0; i < ROW_KEYS; i++)
                atomic_store(&w->rounds[a->number][key + i], round);
            pthread_mutex_lock(&w->lock);
            w->in_flight[a->number] = 0;
            pthread_mutex_unlock(&w->lock);
        }
    return NULL;
}

static struct lsn bound_of(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t bound = w->counter;
    for (unsigned i = 0; i < PUBLISHERS; i++)
        if (w->in_flight[i] != 0 && w->in_flight[i] - 1 < bound)
            bound = w->in_flight[i] - 1;
    pthread_mutex_unlock(&w->lock);
    return (struct lsn){1, bound};
}

static void *committer_run(void *arg)
{
    struct actor *a = arg;
    while (!atomic_load(&a->w->done)) {
        size_t applied;
        CHECK(a->w, index_commit(a->w->ix, bound_of(a->w), &applied) == DOL_OK);
    }
    return NULL;
}

static void reader_get(struct world *w, unsigned publisher, unsigned key)
{
    char name[64];
    size_t len = key_make(name, publisher, key);
    unsigned least = atomic_load(&w->rounds[publisher][key]);
    struct index_view *v;
    enum dol_err begun = index_view_begin(w->ix, &v);
    CHECK(w, begun == DOL_OK);
    if (begun != DOL_OK)
        return;
    struct index_object o;
    struct manifest m;
    enum dol_err err = index_object_get(v, B, bytes_of(name, len), NULL, &o);
    if (least > 0) {
        CHECK(w, err == DOL_OK);
        CHECK(w, err != DOL_OK || manifest_decode(o.body, &m) == DOL_OK);
        CHECK(w, err != DOL_OK || be64_get(m.version.b) >= least);
    } else {
        CHECK(w, err == DOL_OK || err == DOL_ENOTFOUND);
    }
    index_view_end(v);
}

static void reader_list(struct world *w)
{
    unsigned least = 0, listed = 0;
    for (unsigned p = 0; p < PUBLISHERS; p++)
        for (unsigned k = 0; k < KEYS; k++)
            least += atomic_load(&w->rounds[p][k]) > 0;
    struct index_view *v;
    enum dol_err begun = index_view_begin(w->ix, &v);
    CHECK(w, begun == DOL_OK);
    if (begun != DOL_OK)
        return;
    uint8_t key[OBJECT_KEY_BYTES_MAX];
    size_t len = 0;
    struct index_object o;
    while (index_object_next(v, B, bytes_of(key, len), false, key, &len, &o) == DOL_OK) {
        struct manifest m;
        CHECK(w, manifest_decode(o.body, &m) == DOL_OK && bytes_equal(m.key, bytes_of(key, len)));
        listed++;
    }
    CHECK(w, listed >= least && listed <= PUBLISHERS * KEYS);
    index_view_end(v);
}

static void *reader_run(void *arg)
{
    struct actor *a = arg;
    unsigned n = a->number;
    while (!atomic_load(&a->w->done)) {
        for (unsigned i = 0; i < 50; i++, n = n * 1103515245u + 12345u)
            reader_get(a->w, (n >> 16) % PUBLISHERS, (n >> 20) % KEYS);
        reader_list(a->w);
    }
    return NULL;
}

static void test_all_at_once(void **state)
{
    (void)state;
    struct fx fx;
    fx_open(&fx, 1);
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->ix = fx.ix;
    pthread_mutex_init(&w->lock, NULL);
    pthread_t publishers[PUBLISHERS], readers[READERS], committer;
    struct actor actors[PUBLISHERS + READERS + 1];
    for (unsigned i = 0; i < PUBLISHERS + READERS + 1; i++)
        actors[i] = (struct actor){w, i < PUBLISHERS ? i : i * 7919};
    assert_int_equal(pthread_create(&committer, NULL, committer_run, &actors[PUBLISHERS + READERS]), 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader_run, &actors[PUBLISHERS + i]), 0);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        assert_int_equal(pthread_create(&publishers[i], NULL, publisher_run, &actors[i]), 0);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i], NULL);
    atomic_store(&w->done, true);
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    pthread_join(committer, NULL);
    assert_int_equal(atomic_load(&w->errors), 0);
    size_t applied, bytes, records;
    assert_int_equal(index_commit(w->ix, bound_of(w), &applied), DOL_OK);
    index_pending(w->ix, &bytes, &records);
    assert_int_equal(bytes + records, 0);
    struct index_counts c;
    index_counts_get(w->ix, &c);
    assert_int_equal(c.objects, PUBLISHERS * KEYS);
    struct index_view *v = fx_view(&fx);
    char name[64];
    for (unsigned p = 0; p < PUBLISHERS; p++)
        for (unsigned k = 0; k < KEYS; k++)
            assert_int_equal(fx_newest(v, B, bytes_of(name, key_make(name, p, k))), ROUNDS);
    index_view_end(v);
    pthread_mutex_destroy(&w->lock);
    free(w);
    fx_close(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
