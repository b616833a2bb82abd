/* Settings of the appliance: users, access keys, policies and others, each its own record with its full state. */
#include <stdlib.h>

#include "hash.h"
#include "store_impl.h"

_Static_assert(STORE_SETTING_NAME_MAX == INDEX_SETTING_NAME_MAX, "they can be walked through");
_Static_assert(STORE_SETTING_VALUE_MAX == SETTING_VALUE_BYTES_MAX, "the format's");

static uint8_t record_kind_of(enum store_setting_kind kind)
{
    static const uint8_t kinds[] = {[STORE_USER] = RECORD_USER,
                                    [STORE_ACCESS_KEY] = RECORD_ACCESS_KEY,
                                    [STORE_POLICY] = RECORD_POLICY,
                                    [STORE_SETTING] = RECORD_SETTING};
    return kinds[kind];
}

enum dol_err store_setting_set(struct store *s, enum store_setting_kind kind, struct bytes name, struct bytes value)
{
    struct tlv_writer w;
    const struct setting_body body = {.name = name, .value = value};
    if (name.len == 0 || name.len > STORE_SETTING_NAME_MAX || value.len > STORE_SETTING_VALUE_MAX)
        return DOL_EINVAL;
    if (pool_is_read_only(s->pool))
        return DOL_EREADONLY;
    if (value.data != NULL && pool_is_full(s->pool))
        return DOL_EFULL;
    tlv_writer_init(&w, NULL, 0);
    setting_body_encode(&body, &w);
    size_t len = w.len;
    uint8_t *buf = malloc(len);
    if (buf == NULL)
        return DOL_ENOMEM;
    tlv_writer_init(&w, buf, len);
    setting_body_encode(&body, &w);
    enum dol_err err = w.overflow ? DOL_ETOOLARGE : store_append_body(s, record_kind_of(kind), bytes_of(buf, len));
    secret_wipe(buf, len);
    free(buf);
    return err;
}

enum dol_err store_setting_list(struct store *s, enum store_setting_kind kind, store_setting_fn *fn, void *arg)
{
    struct index_view *view;
    struct bytes name = {NULL, 0};
    struct bytes value;
    enum dol_err err = index_view_begin(s->index, &view);
    if (err != DOL_OK)
        return err;
    while ((err = index_setting_next(view, record_kind_of(kind), name, &name, &value)) == DOL_OK)
        if (!fn(arg, name, value))
            break;
    index_view_end(view);
    return err == DOL_ENOTFOUND ? DOL_OK : err;
}
