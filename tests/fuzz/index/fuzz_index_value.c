/* Values of the index's tables behind a good checksum: input is a table's number, then the payload. What is accepted
 * encodes to the same bytes. */
#include "dol_assert.h"
#include "index_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_state(struct bytes in)
{
    struct index_state s;
    uint8_t out[STATE_BYTES];
    if (state_decode(in, &s) != DOL_OK)
        return;
    state_encode(&s, out);
    struct index_state again;
    dol_assert(state_decode(bytes_of(out, sizeof out), &again) == DOL_OK && again.objects == s.objects &&
               lsn_compare(again.applied, s.applied) == 0);
}

static void check_slab(struct bytes in)
{
    static const uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, 9};
    struct slab_row s, again;
    uint8_t out[SLAB_ROW_BYTES];
    if (slab_row_decode(bytes_of(key, sizeof key), in, &s) != DOL_OK)
        return;
    slab_row_encode(&s, out);
    dol_assert(slab_row_decode(bytes_of(key, sizeof key), bytes_of(out, sizeof out), &again) == DOL_OK);
    dol_assert(again.slab.rows == s.slab.rows && again.end_rows == s.end_rows && again.slab.slab == 9);
}

static void check_ref(struct bytes in)
{
    struct ref_row r, again;
    uint8_t out[REF_ROW_BYTES];
    if (ref_row_decode(in, &r) != DOL_OK)
        return;
    ref_row_encode(&r, out);
    dol_assert(ref_row_decode(bytes_of(out, sizeof out), &again) == DOL_OK);
    dol_assert(again.refs == r.refs && again.flags == r.flags && lsn_compare(again.dead_since, r.dead_since) == 0);
}

static void check_body(struct bytes in)
{
    struct body_row r;
    uint8_t out[BODY_ROW_BYTES_MAX];
    if (body_row_decode(in, &r) != DOL_OK)
        return;
    size_t len = body_row_encode(&r, out);
    dol_assert(r.body.len == in.len - len);
    dol_assert(memcmp(out + 4, (const uint8_t *)in.data + 4, len - 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes payload = bytes_of(data + 1, size - 1);
    switch (data[0]) {
    case TABLE_STATE:
        check_state(payload);
        break;
    case TABLE_SLABS:
        check_slab(payload);
        break;
    case TABLE_CHUNKS:
    case TABLE_LISTS:
        check_ref(payload);
        break;
    default:
        check_body(payload);
        break;
    }
    MDB_val key = {1, (void *)(uintptr_t)data}, value = {size - 1, (void *)(uintptr_t)(data + 1)};
    struct bytes checked;
    (void)!table_check((enum index_table)data[0], &key, &value, &checked);
    return 0;
}
