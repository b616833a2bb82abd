/*
 * One drive does one thing wrong at the n-th write of a workload that fills and seals slabs, for every n: it says the
 * write failed, it loses it, or it puts it elsewhere. Whatever was answered OK is there at once, after the next open,
 * and after a rebuild of the index with any m drives away.
 */
#include "raw_pool.h"

#include <stdio.h>
#include <stdlib.h>

#define OPS 15u

enum fault { FAULT_FAIL, FAULT_LOSE, FAULT_MISDIRECT };

static enum fault fault;
static uint64_t fault_at, writes_seen, fault_elsewhere;
static struct sim_medium *faulty;
static bool answered[OPS];

static void on_write(void *arg, struct sim_medium *m)
{
    (void)arg;
    if (++writes_seen != fault_at)
        return;
    faulty = m;
    if (fault == FAULT_FAIL)
        sim_medium_fail_next_write(m);
    else if (fault == FAULT_LOSE)
        sim_medium_lose_next_write(m);
    else
        sim_medium_misdirect_next_write(m, fault_elsewhere);
}

/* Small and large objects, large settings (which make directories), and idle times. */
static size_t op_len(unsigned i)
{
    return i % 3 == 0 ? 3000 : 900000;
}

static void do_op(struct fixture *f, unsigned i)
{
    char key[16];
    snprintf(key, sizeof key, "op-%u", i);
    uint8_t *data = noise(i, op_len(i));
    enum dol_err err = try_put(f, key, data, op_len(i), NULL);
    answered[i] = err == DOL_OK;
    if (err != DOL_OK)
        assert_true(fault == FAULT_FAIL && (err == DOL_EREADONLY || err == DOL_EIO));
    free(data);
    if (i == 4 || i == 9)
        fiber_sleep(200 * 1000000ull);
}

static void check_ops(struct fixture *f)
{
    for (unsigned i = 0; i < OPS; i++) {
        char key[16];
        snprintf(key, sizeof key, "op-%u", i);
        if (answered[i])
            expect_noise(f, key, i, op_len(i));
        else
            expect_absent(f, key); /* with all drives there, what fails is not in doubt */
    }
}

static void tell_base(struct fixture *f)
{
    make_bucket(f);
}

static void tell_work(struct fixture *f)
{
    for (unsigned i = 0; i < OPS; i++)
        do_op(f, i);
    check_ops(f);
}

static void tell_check(struct fixture *f)
{
    check_ops(f);
}

static void one_fault(enum fault kind, uint64_t elsewhere, uint64_t stride, uint64_t begin)
{
    static const struct fixture shape = {.k = 2, .m = 1, .drives = 4, .drive_bytes = (1u << 20) + 12 * (8u << 20)};
    bool more = true;
    fault = kind;
    fault_elsewhere = elsewhere;
    for (fault_at = begin; more; fault_at += stride) {
        struct fixture f = shape;
        fixture_init(&f);
        fault_at += 1000000; /* none yet */
        fixture_write_session(&f, tell_base);
        fault_at -= 1000000;
        memset(answered, 0, sizeof answered);
        writes_seen = 0;
        faulty = f.media[fault_at % 4];
        for (unsigned i = 0; i < f.drives; i++)
            sim_medium_on_write(f.media[i], on_write, NULL);
        enum dol_err err = fixture_session(&f, tell_work);
        for (unsigned i = 0; i < f.drives; i++)
            sim_medium_on_write(f.media[i], NULL, NULL);
        more = writes_seen >= fault_at;
        assert_int_equal(err, DOL_OK);
        fixture_write_session(&f, tell_check);
        fixture_drop_index(&f);
        fixture_write_session(&f, tell_check);
        fixture_drop_index(&f);
        for (unsigned i = 0; i < f.drives && kind == FAULT_FAIL; i++)
            if (f.media[i] == faulty)
                f.given &= ~(1u << i); /* it has left, if it was told: nothing of it is missed */
        if (kind == FAULT_FAIL)
            fixture_read_session(&f, tell_check);
        fixture_fini(&f);
    }
    assert_true(fault_at > 100);
}

static uint64_t stride(void)
{
    const char *s = getenv("FAULT_STRIDE");
    return s != NULL ? strtoull(s, NULL, 10) : 61;
}

static void test_write_fails(void **state)
{
    (void)state;
    one_fault(FAULT_FAIL, 0, stride(), 1);
}

static void test_write_is_lost(void **state)
{
    (void)state;
    one_fault(FAULT_LOSE, 0, stride(), 3);
}

/* Over the oldest superblock copy, over an extent header, over the first row, into the middle of free space. */
static void test_write_goes_elsewhere(void **state)
{
    (void)state;
    static const uint64_t places[] = {65536, 1u << 20, (1u << 20) + 4096, (1u << 20) + (12u << 20)};
    for (unsigned i = 0; i < 4; i++)
        one_fault(FAULT_MISDIRECT, places[i], 4 * stride(), 2 + 31 * i);
}

int main(int argc, char **argv)
{
    fixture_choose(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_fails),
        cmocka_unit_test(test_write_is_lost),
        cmocka_unit_test(test_write_goes_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
