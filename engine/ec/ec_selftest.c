/*
 * Whether the erasure code can be trusted with data, asked of the library and processor at hand before a geometry is
 * used.
 *
 * Parity of a fixed pattern is compared with the sum of products computed byte by byte (another code path of the
 * library than the vector one), and each erasure pattern of 1..m units is undone and compared. Geometries with more
 * than EC_PATTERNS_MAX patterns (32+8 has a hundred million) get all patterns of one and two units, and EC_SAMPLES of
 * the larger ones, the same at every start.
 */
#include <stdlib.h>

#include <isa-l/erasure_code.h>

#include "ec_limits.h"

#define EC_PATTERNS_MAX 4096u
#define EC_SAMPLES      2048u
/* Several vector widths and a tail. */
#define EC_SELFTEST_BYTES 211u

struct selftest {
    const struct ec *ec;
    unsigned k;
    unsigned units;
    uint8_t good[EC_UNITS_MAX][EC_SELFTEST_BYTES];
    uint8_t tried[EC_UNITS_MAX][EC_SELFTEST_BYTES];
};

static uint64_t next_random(uint64_t *state)
{
    /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool parity_is_right(const struct selftest *t)
{
    const uint8_t *rows = ec_parity_rows(t->ec);
    for (unsigned p = 0; t->k + p < t->units; p++) {
        for (size_t i = 0; i < EC_SELFTEST_BYTES; i++) {
            uint8_t sum = 0;
            for (unsigned j = 0; j < t->k; j++)
                sum ^= gf_mul(rows[(size_t)p * t->k + j], t->good[j][i]);
            if (sum != t->good[t->k + p][i])
                return false;
        }
    }
    return true;
}

/* Erases bad[0..count), reconstructs, compares all units. */
static bool pattern_is_undone(struct selftest *t, const unsigned *bad, unsigned count)
{
    uint8_t *units[EC_UNITS_MAX];
    bool present[EC_UNITS_MAX];
    for (unsigned i = 0; i < t->units; i++) {
        units[i] = t->tried[i];
        present[i] = true;
        memcpy(t->tried[i], t->good[i], EC_SELFTEST_BYTES);
    }
    for (unsigned b = 0; b < count; b++) {
        present[bad[b]] = false;
        memset(t->tried[bad[b]], 0xee, EC_SELFTEST_BYTES);
    }
    if (ec_reconstruct(t->ec, units, present, bad, count, EC_SELFTEST_BYTES) != DOL_OK)
        return false;
    for (unsigned i = 0; i < t->units; i++)
        if (memcmp(t->tried[i], t->good[i], EC_SELFTEST_BYTES) != 0)
            return false;
    return true;
}

/* All subsets of `count` units, in lexicographic order. */
static bool all_patterns_are_undone(struct selftest *t, unsigned count)
{
    unsigned bad[EC_PARITY_MAX];
    for (unsigned i = 0; i < count; i++)
        bad[i] = i;
    for (;;) {
        if (!pattern_is_undone(t, bad, count))
            return false;
        unsigned i = count;
        while (i > 0 && bad[i - 1] == t->units - count + i - 1)
            i--;
        if (i == 0)
            return true;
        bad[i - 1]++;
        for (; i < count; i++)
            bad[i] = bad[i - 1] + 1;
    }
}

static bool sampled_patterns_are_undone(struct selftest *t, unsigned count_min, unsigned count_max)
{
    uint64_t state = 1;
    for (unsigned sample = 0; sample < EC_SAMPLES; sample++) {
        unsigned bad[EC_PARITY_MAX];
        unsigned count = count_min + (unsigned)(next_random(&state) % (count_max - count_min + 1));
        uint64_t taken = 0;
        for (unsigned b = 0; b < count;) {
            unsigned unit = (unsigned)(next_random(&state) % t->units);
            if ((taken >> unit & 1) == 0) {
                taken |= UINT64_C(1) << unit;
                bad[b++] = unit;
            }
        }
        if (!pattern_is_undone(t, bad, count))
            return false;
    }
    return true;
}

/* Patterns of 1..m of n units; stops counting beyond the limit. */
static uint64_t count_patterns(unsigned n, unsigned m)
{
    uint64_t total = 0;
    uint64_t subsets = 1;
    for (unsigned i = 1; i <= m && total <= EC_PATTERNS_MAX; i++) {
        subsets = subsets * (n - i + 1) / i;
        total += subsets;
    }
    return total;
}

enum dol_err ec_selftest(const struct ec *ec)
{
    unsigned k = ec_data_units(ec);
    unsigned m = ec_parity_units(ec);
    struct selftest *t = calloc(1, sizeof *t);
    if (t == NULL)
        return DOL_ENOMEM;
    t->ec = ec;
    t->k = k;
    t->units = k + m;

    uint64_t state = (uint64_t)k << 8 | m;
    const uint8_t *data[EC_DATA_MAX];
    uint8_t *parity[EC_PARITY_MAX];
    for (unsigned j = 0; j < k; j++) {
        data[j] = t->good[j];
        for (size_t i = 0; i < EC_SELFTEST_BYTES; i++)
            t->good[j][i] = (uint8_t)next_random(&state);
    }
    for (unsigned p = 0; p < m; p++)
        parity[p] = t->good[k + p];
    ec_encode(ec, data, parity, EC_SELFTEST_BYTES);

    bool ok = parity_is_right(t);
    bool all = count_patterns(k + m, m) <= EC_PATTERNS_MAX;
    unsigned exhaustive_max = all || m < 2 ? m : 2;
    for (unsigned count = 1; ok && count <= exhaustive_max; count++)
        ok = all_patterns_are_undone(t, count);
    if (ok && exhaustive_max < m)
        ok = sampled_patterns_are_undone(t, exhaustive_max + 1, m);
    free(t);
    return ok ? DOL_OK : DOL_EUNSUPPORTED;
}
