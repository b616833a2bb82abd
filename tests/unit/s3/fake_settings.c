/* The in-memory store's settings of the appliance. */
#include <stdlib.h>

#include "fake_impl.h"

void fake_settings_free(struct store *s)
{
    for (unsigned i = 0; i < s->setting_count; i++) {
        free(s->settings[i].name.data);
        free(s->settings[i].value.data);
    }
}

/* The place of a name: of the setting that has it, or the first behind it. */
static unsigned setting_place(const struct store *s, enum store_setting_kind kind, struct bytes name, bool *found)
{
    unsigned i = 0;
    *found = false;
    for (; i < s->setting_count; i++) {
        const struct fake_setting *row = &s->settings[i];
        int order = row->kind != kind ? (row->kind < kind ? -1 : 1) : bytes_compare(fake_blob_bytes(&row->name), name);
        *found = order == 0;
        if (order >= 0)
            break;
    }
    return i;
}

enum dol_err store_setting_set(struct store *s, enum store_setting_kind kind, struct bytes name, struct bytes value)
{
    bool found;
    unsigned i = setting_place(s, kind, name, &found);
    struct fake_setting *row = &s->settings[i];
    if (found) {
        free(row->name.data);
        free(row->value.data);
        memmove(row, row + 1, (s->setting_count - i - 1) * sizeof *row);
        s->setting_count--;
    }
    if (value.data == NULL)
        return DOL_OK;
    if (s->setting_count == FAKE_SETTINGS_MAX)
        return DOL_EFULL;
    memmove(row + 1, row, (s->setting_count - i) * sizeof *row);
    *row = (struct fake_setting){kind, fake_blob_of(name), fake_blob_of(value)};
    s->setting_count++;
    return DOL_OK;
}

enum dol_err store_setting_list(struct store *s, enum store_setting_kind kind, store_setting_fn *fn, void *arg)
{
    for (unsigned i = 0; i < s->setting_count; i++)
        if (s->settings[i].kind == kind &&
            !fn(arg, fake_blob_bytes(&s->settings[i].name), fake_blob_bytes(&s->settings[i].value)))
            break;
    return DOL_OK;
}
