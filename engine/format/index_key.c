/* The order-preserving code of object keys. Pure. */
#include "index_key.h"

#include "dol_assert.h"

/* The key with its zero bytes escaped, no terminator. Runs without zeros are copied whole. */
static size_t code_escape(struct bytes key, uint8_t *out)
{
    dol_assert(key.len <= OBJECT_KEY_BYTES_MAX);
    const uint8_t *in = key.data;
    size_t left = key.len;
    size_t n = 0;
    while (left > 0) {
        const uint8_t *zero = memchr(in, 0, left);
        size_t run = zero != NULL ? (size_t)(zero - in) : left;
        memcpy(out + n, in, run);
        n += run;
        in += run;
        left -= run;
        if (left > 0) {
            out[n++] = 0;
            out[n++] = 1;
            in++;
            left--;
        }
    }
    return n;
}

size_t key_code_encode(struct bytes key, uint8_t out[KEY_CODE_BYTES_MAX])
{
    size_t n = code_escape(key, out);
    out[n++] = 0;
    out[n++] = 0;
    return n;
}

size_t key_code_encode_after(struct bytes key, uint8_t out[KEY_CODE_BYTES_MAX])
{
    size_t n = code_escape(key, out);
    out[n++] = 0;
    out[n++] = 1;
    return n;
}

enum dol_err key_code_decode(const uint8_t *code, size_t len, uint8_t *key, size_t *key_len)
{
    if (len < KEY_TERMINATOR_BYTES || code[len - 1] != 0 || code[len - 2] != 0)
        return DOL_ECORRUPT;
    const uint8_t *end = code + len - KEY_TERMINATOR_BYTES;
    size_t n = 0;
    while (code < end) {
        const uint8_t *zero = memchr(code, 0, (size_t)(end - code));
        size_t run = zero != NULL ? (size_t)(zero - code) : (size_t)(end - code);
        if (run > OBJECT_KEY_BYTES_MAX - n)
            return DOL_ECORRUPT;
        memcpy(key + n, code, run);
        n += run;
        code += run;
        if (code == end)
            break;
        if (end - code < 2 || code[1] != 1 || n == OBJECT_KEY_BYTES_MAX)
            return DOL_ECORRUPT;
        key[n++] = 0;
        code += 2;
    }
    *key_len = n;
    return DOL_OK;
}

void key_version_invert(const uint8_t in[KEY_VERSION_BYTES], uint8_t out[KEY_VERSION_BYTES])
{
    for (unsigned i = 0; i < KEY_VERSION_BYTES; i++)
        out[i] = (uint8_t)~in[i];
}
