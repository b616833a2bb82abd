/* Names and texts of the error codes, from the table in dolmen/err.h. */
#include <dolmen/err.h>

#include <stddef.h>

struct err_entry {
    const char *name;
    const char *text;
};

static const struct err_entry entries[] = {
#define ERR_ENTRY(code, words) [DOL_##code] = {#code, words},
    DOL_ERR_TABLE(ERR_ENTRY)
#undef ERR_ENTRY
};

static const struct err_entry unknown = {"EUNKNOWN", "unknown error"};

static const struct err_entry *entry_of(enum dol_err err)
{
    return (size_t)err < sizeof entries / sizeof entries[0] ? &entries[err] : &unknown;
}

const char *dol_err_name(enum dol_err err)
{
    return entry_of(err)->name;
}

const char *dol_err_text(enum dol_err err)
{
    return entry_of(err)->text;
}
