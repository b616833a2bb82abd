/* Base64, RFC 4648 section 4: standard alphabet, padded. Decoding is strict, so that one value has one spelling. */
#include "hash.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *out)
{
    const uint8_t *in = data;
    size_t o = 0;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)in[i] << 16;
        if (left > 1)
            v |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            v |= in[i + 2];
        out[o++] = alphabet[v >> 18];
        out[o++] = alphabet[v >> 12 & 63];
        out[o++] = left > 1 ? alphabet[v >> 6 & 63] : '=';
        out[o++] = left > 2 ? alphabet[v & 63] : '=';
    }
    out[o] = '\0';
}

/* The value of one character; -1 when it is not of the alphabet. */
static int char_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    if (c == '/')
        return 63;
    return -1;
}

/* One group of four characters, the last `padding` of them '='. false when malformed or not canonical. */
static bool decode_group(const char *text, unsigned padding, uint8_t out[3])
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? char_value(text[i]) : 0;
        if (digit < 0)
            return false;
        v = v << 6 | (uint32_t)digit;
    }
    /* Bits that no output byte carries must be zero. */
    if ((padding == 1 && (v & 0xff) != 0) || (padding == 2 && (v & 0xffff) != 0))
        return false;
    out[0] = (uint8_t)(v >> 16);
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)v;
    return true;
}

bool base64_decode(const char *text, size_t text_len, void *out, size_t *out_len)
{
    uint8_t *bytes = out;
    if (text_len % 4 != 0)
        return false;
    unsigned padding = 0;
    if (text_len > 0 && text[text_len - 1] == '=')
        padding = text[text_len - 2] == '=' ? 2 : 1;
    size_t len = text_len / 4 * 3 - padding;
    if (len > *out_len)
        return false;
    for (size_t i = 0, o = 0; i < text_len; i += 4, o += 3) {
        uint8_t group[3];
        unsigned pad = i + 4 == text_len ? padding : 0;
        if (!decode_group(text + i, pad, group))
            return false;
        memcpy(bytes + o, group, 3 - pad);
    }
    *out_len = len;
    return true;
}
