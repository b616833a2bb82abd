/*
 * The order-preserving code of object keys. Input: 2 bytes length of a first key, then two keys. Codes must come back,
 * sort as the keys do, and neither begin with the other; and whatever is accepted as a code must be the one code of its
 * key.
 */
#include "dol_assert.h"
#include "index_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct bytes key, const uint8_t *code, size_t len)
{
    uint8_t back[OBJECT_KEY_BYTES_MAX];
    size_t back_len;
    dol_assert(key_code_decode(code, len, back, &back_len) == DOL_OK);
    dol_assert(bytes_equal(key, bytes_of(back, back_len)));
}

static void check_any_code(const uint8_t *data, size_t size)
{
    uint8_t key[OBJECT_KEY_BYTES_MAX], code[KEY_CODE_BYTES_MAX];
    size_t key_len;
    if (key_code_decode(data, size, key, &key_len) != DOL_OK)
        return;
    size_t len = key_code_encode(bytes_of(key, key_len), code);
    dol_assert(bytes_equal(bytes_of(code, len), bytes_of(data, size)));
}

static int sign(int n)
{
    return n < 0 ? -1 : n > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_any_code(data, size);
    if (size < 2)
        return 0;
    size_t first = (size_t)(data[0] | data[1] << 8) % (OBJECT_KEY_BYTES_MAX + 1);
    data += 2;
    size -= 2;
    first = first < size ? first : size;
    size_t second = size - first < OBJECT_KEY_BYTES_MAX ? size - first : OBJECT_KEY_BYTES_MAX;
    struct bytes a = bytes_of(data, first), b = bytes_of(data + first, second);
    uint8_t code_a[KEY_CODE_BYTES_MAX], code_b[KEY_CODE_BYTES_MAX], after_a[KEY_CODE_BYTES_MAX];
    size_t len_a = key_code_encode(a, code_a), len_b = key_code_encode(b, code_b);
    check_round_trip(a, code_a, len_a);
    check_round_trip(b, code_b, len_b);
    size_t shorter = len_a < len_b ? len_a : len_b;
    dol_assert(sign(memcmp(code_a, code_b, shorter)) == sign(bytes_compare(a, b)));
    size_t after_len = key_code_encode_after(a, after_a);
    bool above = bytes_compare(bytes_of(code_b, len_b), bytes_of(after_a, after_len)) >= 0;
    dol_assert(above == (bytes_compare(b, a) > 0));
    return 0;
}
