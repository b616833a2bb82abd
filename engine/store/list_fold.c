/* See list_fold.h. Pure. */
#include "list_fold.h"

bool list_has_prefix(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

size_t list_fold_length(const struct list_scope *scope, struct bytes key)
{
    if (scope->delimiter.len == 0)
        return 0;
    const uint8_t *start = (const uint8_t *)key.data + scope->prefix.len;
    size_t rest = key.len - scope->prefix.len;
    const uint8_t *hit = memmem(start, rest, scope->delimiter.data, scope->delimiter.len);
    return hit ? (size_t)(hit - (const uint8_t *)key.data) + scope->delimiter.len : 0;
}

void list_seek(struct list_position *p, struct bytes key, bool inclusive)
{
    if (key.len > 0)
        memcpy(p->key, key.data, key.len);
    p->len = key.len;
    p->inclusive = inclusive;
}

void list_seek_past(struct list_position *p, struct bytes prefix)
{
    list_seek(p, prefix, true);
    while (p->len > 0 && p->key[p->len - 1] == 0xff)
        p->len--;
    if (p->len == 0)
        p->at_end = true;
    else
        p->key[p->len - 1]++;
}

void list_start(struct list_position *p, const struct list_scope *scope, struct bytes after)
{
    p->at_end = false;
    if (after.len == 0 || bytes_compare(after, scope->prefix) < 0)
        list_seek(p, scope->prefix, true);
    else if (list_has_prefix(after, scope->prefix) && list_fold_length(scope, after) == after.len)
        list_seek_past(p, after);
    else
        list_seek(p, after, false);
}
