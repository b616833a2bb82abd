/*
 * The codec. Input: codec id, 3 bytes plain length (17 bits count), data. The data are decoded as they are, into
 * exactly that much memory; then they are taken for plain bytes, which must come back from the codec that is chosen for
 * them and from planes, whatever the choice.
 */
#include "codec.h"
#include "dol_assert.h"

#include <stdlib.h>

#define HEAD_BYTES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct codec *codec_once(void)
{
    static struct codec *c;
    if (c == NULL)
        dol_assert(codec_new(&c) == DOL_OK);
    return c;
}

static void decode(const uint8_t *data, size_t size)
{
    size_t plain_len = (size_t)data[1] | (size_t)data[2] << 8 | (size_t)(data[3] & 1) << 16;
    uint8_t *out = malloc(plain_len ? plain_len : 1);
    dol_assert(out != NULL);
    enum dol_err err =
        codec_decode(codec_once(), data[0], bytes_of(data + HEAD_BYTES, size - HEAD_BYTES), out, plain_len);
    dol_assert(err == DOL_OK || err == DOL_ECORRUPT || err == DOL_EFORMAT);
    free(out);
}

static void round_trip(const uint8_t *plain, size_t len, bool planes)
{
    uint8_t *out = malloc(len ? len : 1);
    uint8_t *back = malloc(len ? len : 1);
    dol_assert(out != NULL && back != NULL);
    size_t out_len = 0;
    struct bytes in = bytes_of(plain, len);
    uint8_t id = planes ? codec_compress(codec_once(), FORMAT_CODEC_PLANES, in, out, len, &out_len)
                        : codec_encode(codec_once(), in, out, len, &out_len);
    if (id != FORMAT_CODEC_RAW) {
        dol_assert((id == FORMAT_CODEC_PLANES || (id == FORMAT_CODEC_ZSTD && !planes)) && out_len < len);
        dol_assert(codec_decode(codec_once(), id, bytes_of(out, out_len), back, len) == DOL_OK);
        dol_assert(memcmp(plain, back, len) == 0);
    }
    free(out);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_BYTES)
        return 0;
    decode(data, size);
    round_trip(data + HEAD_BYTES, size - HEAD_BYTES, false);
    round_trip(data + HEAD_BYTES, size - HEAD_BYTES, true);
    return 0;
}
