/*
 * Reed-Solomon by ISA-L.
 *
 * The generator matrix has k + m rows of k coefficients: the identity, then row k + i with inverse((k + i) xor j) at
 * column j (a Cauchy matrix: every square submatrix is invertible, so any k of the k + m units determine the others).
 * Multiplication tables of the parity rows are made once; those of a reconstruction are made on the stack per call, as
 * they depend on what is missing.
 *
 * The struct is immutable after ec_new(); threads share it without a lock.
 */
#include "ec.h"

#include <limits.h>
#include <stdlib.h>

#include <isa-l/erasure_code.h>

#include "dol_assert.h"
#include "ec_limits.h"

#define EC_MAGIC       0xec0dec0du
#define EC_TABLE_BYTES 32u /* ISA-L's expanded table of one coefficient */

struct ec {
    unsigned magic;
    unsigned k;
    unsigned m;
    uint8_t matrix[EC_UNITS_MAX * EC_DATA_MAX];
    uint8_t tables[EC_TABLE_BYTES * EC_DATA_MAX * EC_PARITY_MAX];
};

enum dol_err ec_new(unsigned k, unsigned m, struct ec **out)
{
    *out = NULL;
    if (k < 1 || k > EC_DATA_MAX || m > EC_PARITY_MAX)
        return DOL_EINVAL;
    struct ec *ec = calloc(1, sizeof *ec);
    if (ec == NULL)
        return DOL_ENOMEM;
    ec->magic = EC_MAGIC;
    ec->k = k;
    ec->m = m;
    gf_gen_cauchy1_matrix(ec->matrix, (int)(k + m), (int)k);
    if (m > 0)
        ec_init_tables((int)k, (int)m, ec->matrix + (size_t)k * k, ec->tables);
    *out = ec;
    return DOL_OK;
}

void ec_free(struct ec *ec)
{
    if (ec == NULL)
        return;
    dol_assert_magic(ec, EC_MAGIC);
    ec->magic = 0;
    free(ec);
}

unsigned ec_data_units(const struct ec *ec)
{
    return ec->k;
}

unsigned ec_parity_units(const struct ec *ec)
{
    return ec->m;
}

const uint8_t *ec_parity_rows(const struct ec *ec)
{
    return ec->matrix + (size_t)ec->k * ec->k;
}

/* ISA-L's prototypes lack const: it writes to the destinations' bytes only. */
static void multiply(unsigned k, unsigned rows, const uint8_t *tables, const uint8_t *const *in, uint8_t *const *out,
                     size_t len)
{
    dol_assert(len <= INT_MAX);
    if (rows == 0 || len == 0)
        return;
    ec_encode_data((int)len, (int)k, (int)rows, (unsigned char *)(uintptr_t)tables, (unsigned char **)(uintptr_t)in,
                   (unsigned char **)(uintptr_t)out);
}

void ec_encode(const struct ec *ec, const uint8_t *const *data, uint8_t *const *parity, size_t len)
{
    dol_assert_magic(ec, EC_MAGIC);
    multiply(ec->k, ec->m, ec->tables, data, parity, len);
}

/* What a reconstruction reads, in the order of its inputs: the data units at hand, then as many parity units as data
 * units are missing. */
struct plan {
    unsigned inputs[EC_DATA_MAX];
    unsigned missing[EC_PARITY_MAX]; /* data units, asked for or not */
    unsigned missing_count;
    /* missing[i] as a combination of the inputs */
    uint8_t rows[EC_PARITY_MAX][EC_DATA_MAX];
};

/* EINCOMPLETE: fewer than k units are present. */
static enum dol_err plan_inputs(const struct ec *ec, const bool *present, struct plan *plan)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ec->k; i++)
        if (present[i])
            plan->inputs[count++] = i;
    plan->missing_count = 0;
    if (ec->k - count > ec->m)
        return DOL_EINCOMPLETE;
    for (unsigned i = 0; i < ec->k; i++)
        if (!present[i])
            plan->missing[plan->missing_count++] = i;
    for (unsigned i = ec->k; i < ec->k + ec->m && count < ec->k; i++)
        if (present[i])
            plan->inputs[count++] = i;
    return count == ec->k ? DOL_OK : DOL_EINCOMPLETE;
}

static uint8_t coefficient(const struct ec *ec, unsigned unit, unsigned column)
{
    return ec->matrix[(size_t)unit * ec->k + column];
}

/*
 * Each chosen parity unit p is the sum of coefficient(p, j) * data[j]. With the data at hand moved to the other side
 * that is a system of missing_count equations, whose matrix is a square submatrix of the Cauchy part; its inverse gives
 * the missing units. So the matrix to invert is at most m by m, however large k is.
 */
static enum dol_err plan_solve(const struct ec *ec, struct plan *plan)
{
    unsigned n = plan->missing_count;
    unsigned at_hand = ec->k - n;
    const unsigned *parity = plan->inputs + at_hand;
    uint8_t system[EC_PARITY_MAX * EC_PARITY_MAX];
    uint8_t inverse[EC_PARITY_MAX * EC_PARITY_MAX];
    if (n == 0)
        return DOL_OK;
    for (unsigned p = 0; p < n; p++)
        for (unsigned d = 0; d < n; d++)
            system[p * n + d] = coefficient(ec, parity[p], plan->missing[d]);
    if (gf_invert_matrix(system, inverse, (int)n) != 0)
        return DOL_EUNSUPPORTED; /* a Cauchy matrix excludes it */
    for (unsigned d = 0; d < n; d++) {
        for (unsigned p = 0; p < n; p++)
            plan->rows[d][at_hand + p] = inverse[d * n + p];
        for (unsigned i = 0; i < at_hand; i++) {
            uint8_t sum = 0;
            for (unsigned p = 0; p < n; p++)
                sum ^= gf_mul(inverse[d * n + p], coefficient(ec, parity[p], plan->inputs[i]));
            plan->rows[d][i] = sum;
        }
    }
    return DOL_OK;
}

/* One unit as a combination of the inputs: a missing data unit directly, a parity unit by way of the data. */
static void plan_row(const struct ec *ec, const struct plan *plan, unsigned unit, uint8_t *row)
{
    unsigned at_hand = ec->k - plan->missing_count;
    if (unit < ec->k) {
        unsigned d = 0;
        while (plan->missing[d] != unit)
            d++;
        memcpy(row, plan->rows[d], ec->k);
        return;
    }
    for (unsigned i = 0; i < ec->k; i++) {
        uint8_t sum = i < at_hand ? coefficient(ec, unit, plan->inputs[i]) : 0;
        for (unsigned d = 0; d < plan->missing_count; d++)
            sum ^= gf_mul(coefficient(ec, unit, plan->missing[d]), plan->rows[d][i]);
        row[i] = sum;
    }
}

enum dol_err ec_reconstruct(const struct ec *ec, uint8_t *const *units, const bool *present, const unsigned *bad,
                            unsigned bad_count, size_t len)
{
    dol_assert_magic(ec, EC_MAGIC);
    struct plan plan;
    enum dol_err err = plan_inputs(ec, present, &plan);
    if (err != DOL_OK)
        return err;
    dol_assert(bad_count <= ec->m);
    if (bad_count == 0 || len == 0)
        return DOL_OK;
    err = plan_solve(ec, &plan);
    if (err != DOL_OK)
        return err;

    const uint8_t *in[EC_DATA_MAX];
    uint8_t *out[EC_PARITY_MAX];
    uint8_t rows[EC_PARITY_MAX * EC_DATA_MAX];
    uint8_t tables[EC_TABLE_BYTES * EC_DATA_MAX * EC_PARITY_MAX];
    for (unsigned i = 0; i < ec->k; i++)
        in[i] = units[plan.inputs[i]];
    for (unsigned b = 0; b < bad_count; b++) {
        dol_assert(bad[b] < ec->k + ec->m && !present[bad[b]]);
        out[b] = units[bad[b]];
        plan_row(ec, &plan, bad[b], rows + (size_t)b * ec->k);
    }
    ec_init_tables((int)ec->k, (int)bad_count, rows, tables);
    multiply(ec->k, bad_count, tables, in, out, len);
    return DOL_OK;
}
