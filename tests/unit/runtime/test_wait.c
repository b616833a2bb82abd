/* Join, wait queue, gate on both runtimes; waiter lists, wakes and spawns across loops and threads. */
#include "runtime_testing.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void on_both(unsigned loops, unsigned fibers_max, fiber_fn *fn)
{
    for (enum testing_kind kind = TESTING_URING; kind <= TESTING_SIM; kind++) {
        struct runtime *rt = testing_runtime(kind, loops, fibers_max);
        testing_run(rt, fn, &kind);
        runtime_free(rt);
    }
}

/* ---- join ---- */

struct part {
    struct join *join;
    uint64_t sleep_ns;
    bool finished;
};

static void part_fiber(void *arg)
{
    struct part *p = arg;
    if (p->sleep_ns > 0)
        fiber_sleep(p->sleep_ns);
    p->finished = true;
    join_done(p->join);
}

static void join_main(void *arg)
{
    struct join join;
    struct part parts[4];
    (void)arg;
    join_init(&join);
    join_wait(&join); /* nothing pending: returns */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 4; i++) {
            parts[i] = (struct part){.join = &join, .sleep_ns = i * 100000};
            join_add(&join);
            assert_int_equal(fiber_spawn(part_fiber, &parts[i], "part"), DOL_OK);
        }
        fiber_wake(fiber_self()); /* a stray token doesn't end the wait */
        join_wait(&join);
        for (unsigned i = 0; i < 4; i++)
            assert_true(parts[i].finished);
    }
    runtime_stop(runtime_self());
}

static void test_join(void **state)
{
    (void)state;
    on_both(1, 8, join_main);
}

/* ---- wait queue ---- */

struct queued {
    struct waitq *q;
    char *log;
    unsigned *log_len;
    char letter;
    uint64_t timeout_ns; /* 0: none */
};

static void queued_fiber(void *arg)
{
    struct queued *e = arg;
    if (e->timeout_ns == 0)
        waitq_wait(e->q);
    else if (!waitq_wait_until(e->q, clock_monotonic_ns() + e->timeout_ns))
        e->log[(*e->log_len)++] = '!';
    e->log[(*e->log_len)++] = e->letter;
}

static void queue_up(struct queued *e)
{
    unsigned before = *e->log_len;
    struct waitq_entry *tail = e->q->tail;
    assert_int_equal(fiber_spawn(queued_fiber, e, "queued"), DOL_OK);
    while (e->q->tail == tail && *e->log_len == before)
        fiber_yield();
}

static void waitq_main(void *arg)
{
    char log[32] = {0};
    unsigned len = 0;
    struct waitq q;
    struct queued e[4];
    (void)arg;
    waitq_init(&q);
    assert_true(waitq_is_empty(&q));
    waitq_wake_one(&q);
    waitq_wake_all(&q);
    for (unsigned i = 0; i < 4; i++) {
        e[i] = (struct queued){&q, log, &len, (char)('a' + i), 0};
        queue_up(&e[i]);
    }
    assert_false(waitq_is_empty(&q));
    waitq_wake_one(&q);
    while (len < 1)
        fiber_yield();
    assert_string_equal(log, "a");
    waitq_wake_one(&q);
    while (len < 2)
        fiber_yield();
    assert_string_equal(log, "ab");
    waitq_wake_all(&q);
    assert_true(waitq_is_empty(&q));
    while (len < 4)
        fiber_yield();

    /* First, middle and last leave at their deadlines; the others stay in order. */
    static const unsigned leaving[] = {0, 1, 3};
    for (unsigned n = 0; n < 3; n++) {
        len = 0;
        memset(log, 0, sizeof log);
        for (unsigned i = 0; i < 4; i++) {
            e[i].timeout_ns = i == leaving[n] ? 200000 : 0;
            queue_up(&e[i]);
        }
        while (len < 2)
            fiber_yield();
        assert_int_equal(log[0], '!');
        assert_int_equal(log[1], 'a' + (char)leaving[n]);
        for (unsigned i = 0, done = 2; i < 4; i++) {
            if (i == leaving[n])
                continue;
            waitq_wake_one(&q);
            while (len == done)
                fiber_yield();
            assert_int_equal(log[done++], 'a' + (char)i);
        }
        assert_true(waitq_is_empty(&q));
    }
    e[0].timeout_ns = UINT64_C(1000000000000);
    len = 0;
    queue_up(&e[0]);
    waitq_wake_one(&q);
    while (len < 1)
        fiber_yield();
    assert_int_equal(log[0], 'a');
    runtime_stop(runtime_self());
}

static void test_waitq(void **state)
{
    (void)state;
    on_both(1, 8, waitq_main);
}

/* ---- gate ---- */

struct crowd {
    struct gate gate;
    bool in_order; /* those who are let in also run in that order */
    unsigned inside;
    unsigned most;
    unsigned arrived;
    unsigned entered;
    unsigned left;
};

static void visitor_fiber(void *arg)
{
    struct crowd *c = arg;
    unsigned number = c->arrived++;
    gate_enter(&c->gate);
    if (c->in_order)
        assert_int_equal(number, c->entered);
    c->entered++;
    c->inside++;
    if (c->inside > c->most)
        c->most = c->inside;
    for (int i = 0; i < 5; i++)
        fiber_yield();
    c->inside--;
    gate_leave(&c->gate);
    c->left++;
}

static void gate_main(void *arg)
{
    struct crowd c = {.in_order = *(enum testing_kind *)arg == TESTING_URING};
    gate_init(&c.gate, 3);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(fiber_spawn(visitor_fiber, &c, "visitor"), DOL_OK);
    while (c.left < 20)
        fiber_yield();
    assert_int_equal(c.most, 3);
    assert_int_equal(c.gate.inside, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(gate_try_enter(&c.gate));
    assert_false(gate_try_enter(&c.gate));
    gate_leave(&c.gate);
    assert_true(gate_try_enter(&c.gate));
    runtime_stop(runtime_self());
}

static void test_gate(void **state)
{
    (void)state;
    on_both(1, 32, gate_main);
}

/* ---- waiters: stray tokens, order ---- */

struct listed {
    struct waiter_list *list;
    char *log;
    struct fiber *fiber;
    char letter;
};

static void listed_fiber(void *arg)
{
    struct listed *l = arg;
    struct waiter w;
    l->fiber = fiber_self();
    waiter_enlist(l->list, &w);
    waiter_wait(&w);
    strncat(l->log, &l->letter, 1);
}

static void yield_some(void)
{
    for (int i = 0; i < 20; i++)
        fiber_yield();
}

static void waiter_main(void *arg)
{
    char log[8] = "";
    struct waiter_list list = {0};
    struct listed l[3];
    (void)arg;
    waiter_list_wake_one(&list);
    waiter_list_wake_all(&list);
    for (unsigned i = 0; i < 3; i++) {
        l[i] = (struct listed){&list, log, NULL, (char)('a' + i)};
        assert_int_equal(fiber_spawn(listed_fiber, &l[i], "listed"), DOL_OK);
        while (l[i].fiber == NULL)
            fiber_yield();
        fiber_wake(l[i].fiber);
    }
    yield_some();
    assert_string_equal(log, "");
    waiter_list_wake_one(&list);
    yield_some();
    assert_string_equal(log, "a");
    waiter_list_wake_one(&list);
    yield_some();
    assert_string_equal(log, "ab");
    waiter_list_wake_all(&list);
    yield_some();
    assert_string_equal(log, "abc");
    assert_null(list.head);
    assert_null(list.tail);
    runtime_stop(runtime_self());
}

static void test_waiters(void **state)
{
    (void)state;
    on_both(1, 8, waiter_main);
}

/* ---- a bounded buffer shared by all loops ---- */

#define LOOPS    3
#define ROUNDS   4000
#define PER_LOOP 3
#define BUFFER   4

struct shared {
    struct runtime *rt;
    pthread_mutex_t lock;
    struct waiter_list not_full;
    struct waiter_list not_empty;
    unsigned filled;
    uint64_t put_sum;
    uint64_t got_sum;
    unsigned values[BUFFER];
    unsigned left;
};

static void leave(struct shared *s)
{
    pthread_mutex_lock(&s->lock);
    unsigned left = --s->left;
    pthread_mutex_unlock(&s->lock);
    if (left == 0)
        runtime_stop(s->rt);
}

static void producer(void *arg)
{
    struct shared *s = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct waiter w;
        pthread_mutex_lock(&s->lock);
        while (s->filled == BUFFER) {
            waiter_enlist(&s->not_full, &w);
            pthread_mutex_unlock(&s->lock);
            waiter_wait(&w);
            pthread_mutex_lock(&s->lock);
        }
        s->values[s->filled++] = i;
        s->put_sum += i;
        waiter_list_wake_one(&s->not_empty);
        pthread_mutex_unlock(&s->lock);
    }
    leave(s);
}

static void consumer(void *arg)
{
    struct shared *s = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct waiter w;
        pthread_mutex_lock(&s->lock);
        while (s->filled == 0) {
            waiter_enlist(&s->not_empty, &w);
            pthread_mutex_unlock(&s->lock);
            waiter_wait(&w);
            pthread_mutex_lock(&s->lock);
        }
        s->got_sum += s->values[--s->filled];
        if (i % 64 == 0)
            waiter_list_wake_all(&s->not_full);
        else
            waiter_list_wake_one(&s->not_full);
        pthread_mutex_unlock(&s->lock);
    }
    leave(s);
}

static void test_waiters_across_loops(void **state)
{
    (void)state;
    for (enum testing_kind kind = TESTING_URING; kind <= TESTING_SIM; kind++) {
        struct shared s = {.left = 2 * LOOPS * PER_LOOP};
        pthread_mutex_init(&s.lock, NULL);
        s.rt = testing_runtime(kind, LOOPS, 2 * PER_LOOP);
        for (unsigned i = 0; i < LOOPS * PER_LOOP; i++) {
            assert_int_equal(runtime_spawn(s.rt, i % LOOPS, producer, &s, "producer"), DOL_OK);
            assert_int_equal(runtime_spawn(s.rt, (i + 1) % LOOPS, consumer, &s, "consumer"), DOL_OK);
        }
        runtime_run(s.rt);
        assert_int_equal(s.left, 0);
        assert_int_equal(s.filled, 0);
        assert_null(s.not_full.head);
        assert_null(s.not_empty.head);
        assert_int_equal(s.put_sum, (uint64_t)LOOPS * PER_LOOP * ROUNDS * (ROUNDS - 1) / 2);
        assert_int_equal(s.got_sum, s.put_sum);
        runtime_free(s.rt);
        pthread_mutex_destroy(&s.lock);
    }
}

/* ---- fibers that spawn on other loops, again and again ---- */

#define HOPS 3000

struct hops {
    struct runtime *rt;
    _Atomic unsigned count;
};

static void hop(void *arg)
{
    struct hops *h = arg;
    if (++h->count >= HOPS) {
        runtime_stop(h->rt);
        return;
    }
    /* The target may still hold the fibers of earlier hops. */
    while (runtime_spawn(h->rt, (loop_index() + 1) % LOOPS, hop, h, "hop") == DOL_EBUSY)
        fiber_yield();
}

static void test_spawn_across_loops(void **state)
{
    (void)state;
    for (enum testing_kind kind = TESTING_URING; kind <= TESTING_SIM; kind++) {
        struct hops h = {0};
        h.rt = testing_runtime(kind, LOOPS, 2);
        testing_run(h.rt, hop, &h);
        assert_int_equal(h.count, HOPS);
        runtime_free(h.rt);
    }
}

/* ---- wakes from a foreign thread, racing with the fiber's own timeouts and its end ---- */

#define PINGS 3000

struct ping {
    struct runtime *rt;
    _Atomic(struct fiber *) target;
    _Atomic unsigned sent;
    _Atomic unsigned received;
};

static void short_lived(void *arg)
{
    (void)arg;
    fiber_yield();
}

static void ping_fiber(void *arg)
{
    struct ping *p = arg;
    atomic_store(&p->target, fiber_self());
    while (p->received < PINGS) {
        if (p->received % 3 == 0)
            (void)fiber_park_until(clock_monotonic_ns() + 20000);
        else
            while (p->sent == p->received)
                fiber_park();
        p->received = p->sent;
        assert_int_equal(fiber_spawn(short_lived, NULL, "short"), DOL_OK);
        fiber_yield();
        fiber_yield();
    }
    runtime_stop(p->rt);
}

static void *ping_thread(void *arg)
{
    struct ping *p = arg;
    struct fiber *target;
    while ((target = atomic_load(&p->target)) == NULL)
        ;
    for (unsigned i = 1; i <= PINGS; i++) {
        atomic_store(&p->sent, i);
        fiber_wake(target);
    }
    return NULL;
}

static void test_wakes_from_thread(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct ping p = {0};
        pthread_t thread;
        p.rt = testing_runtime(TESTING_URING, 2, 8);
        assert_int_equal(runtime_spawn(p.rt, 1, ping_fiber, &p, "ping"), DOL_OK);
        assert_int_equal(pthread_create(&thread, NULL, ping_thread, &p), 0);
        runtime_run(p.rt);
        pthread_join(thread, NULL);
        assert_int_equal(p.received, PINGS);
        runtime_free(p.rt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_waitq),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_waiters),
        cmocka_unit_test(test_waiters_across_loops),
        cmocka_unit_test(test_spawn_across_loops),
        cmocka_unit_test(test_wakes_from_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
