/* Continuation tokens: writing and checking. */
#include "s3_token.h"

#include "hash.h"
#include <dolmen/object.h>

#define TOKEN_VERSION    1u
#define TOKEN_HEAD_BYTES 5u
#define TOKEN_BYTES_MAX  (TOKEN_HEAD_BYTES + OBJECT_KEY_BYTES_MAX)
#define TOKEN_TEXT_MAX   (4u * ((TOKEN_BYTES_MAX + 2u) / 3u))

static void token_head(struct bytes bucket, struct bytes position, uint8_t head[TOKEN_HEAD_BYTES])
{
    uint32_t crc = crc32c(crc32c(0, bucket.data, bucket.len), position.data, position.len);
    head[0] = TOKEN_VERSION;
    for (unsigned i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(crc >> (8 * i));
}

const char *s3_token_write(struct arena *a, struct bytes bucket, struct bytes position)
{
    uint8_t raw[TOKEN_BYTES_MAX];
    if (position.len > OBJECT_KEY_BYTES_MAX)
        return NULL;
    size_t len = TOKEN_HEAD_BYTES + position.len;
    token_head(bucket, position, raw);
    memcpy(raw + TOKEN_HEAD_BYTES, position.data, position.len);
    char *text = arena_alloc(a, 4 * ((len + 2) / 3) + 1);
    if (text != NULL)
        base64_encode(raw, len, text);
    return text;
}

bool s3_token_read(struct arena *a, struct bytes bucket, struct bytes token, struct bytes *position)
{
    uint8_t head[TOKEN_HEAD_BYTES];
    size_t len = TOKEN_BYTES_MAX;
    if (token.len == 0 || token.len > TOKEN_TEXT_MAX)
        return false;
    uint8_t *raw = arena_alloc(a, TOKEN_BYTES_MAX);
    if (raw == NULL || !base64_decode(token.data, token.len, raw, &len) || len <= TOKEN_HEAD_BYTES)
        return false;
    *position = bytes_of(raw + TOKEN_HEAD_BYTES, len - TOKEN_HEAD_BYTES);
    token_head(bucket, *position, head);
    return memcmp(head, raw, sizeof head) == 0;
}
