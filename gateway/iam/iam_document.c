/* The JSON of users, groups and access keys, written and read. A member this program doesn't know makes a document
 * unreadable: it could be one that takes rights away. */
#include "iam_picture.h"

#include <jansson.h>
#include <string.h>

static json_t *names_json(const struct iam_names *names)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < names->count; i++)
        if (json_array_append_new(list, json_string(names->list[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Takes doc. */
static char *dump(json_t *doc)
{
    char *text = doc != NULL ? json_dumps(doc, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(doc);
    return text;
}

char *iam_user_document(const struct iam_user *user)
{
    return dump(json_pack("{s:s, s:I, s:b, s:o, s:o}", "id", user->id, "created_ns", (json_int_t)user->created_ns,
                          "enabled", user->enabled, "policies", names_json(&user->policies), "groups",
                          names_json(&user->groups)));
}

char *iam_group_document(const struct iam_group *group)
{
    return dump(
        json_pack("{s:I, s:o}", "created_ns", (json_int_t)group->created_ns, "policies", names_json(&group->policies)));
}

char *iam_key_document(const struct iam_key *key)
{
    return dump(json_pack("{s:s, s:s, s:I}", "user", key->user_name, "secret", key->secret_key, "created_ns",
                          (json_int_t)key->created_ns));
}

/* ---- reading ---- */

static enum dol_err names_read(struct arena *arena, const json_t *list, struct iam_names *out)
{
    size_t count = json_array_size(list);
    const char **names = arena_alloc(arena, (count + 1) * sizeof *names);
    if (names == NULL)
        return DOL_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(list, i);
        if (!json_is_string(name))
            return DOL_ESYNTAX;
        names[i] = arena_strndup(arena, json_string_value(name), json_string_length(name));
        if (names[i] == NULL)
            return DOL_ENOMEM;
    }
    out->list = names;
    out->count = (unsigned)count;
    return DOL_OK;
}

static enum dol_err text_read(struct arena *arena, const char *text, const char **out)
{
    *out = arena_strndup(arena, text, strlen(text));
    return *out != NULL ? DOL_OK : DOL_ENOMEM;
}

enum dol_err iam_user_read(struct arena *arena, struct bytes document, struct iam_user *out)
{
    const char *id;
    json_int_t created;
    int enabled;
    json_t *policies;
    json_t *groups;
    json_t *doc = json_loadb(document.data, document.len, JSON_REJECT_DUPLICATES, NULL);
    enum dol_err err = DOL_ESYNTAX;
    if (json_unpack(doc, "{s:s, s:I, s:b, s:o, s:o !}", "id", &id, "created_ns", &created, "enabled", &enabled,
                    "policies", &policies, "groups", &groups) == 0) {
        out->created_ns = created;
        out->enabled = enabled != 0;
        err = text_read(arena, id, &out->id);
        if (err == DOL_OK)
            err = names_read(arena, policies, &out->policies);
        if (err == DOL_OK)
            err = names_read(arena, groups, &out->groups);
    }
    json_decref(doc);
    return err;
}

enum dol_err iam_group_read(struct arena *arena, struct bytes document, struct iam_group *out)
{
    json_int_t created;
    json_t *policies;
    json_t *doc = json_loadb(document.data, document.len, JSON_REJECT_DUPLICATES, NULL);
    enum dol_err err = DOL_ESYNTAX;
    if (json_unpack(doc, "{s:I, s:o !}", "created_ns", &created, "policies", &policies) == 0) {
        out->created_ns = created;
        err = names_read(arena, policies, &out->policies);
    }
    json_decref(doc);
    return err;
}

enum dol_err iam_key_read(struct arena *arena, struct bytes document, struct iam_key *out)
{
    const char *user;
    const char *secret;
    json_int_t created;
    json_t *doc = json_loadb(document.data, document.len, JSON_REJECT_DUPLICATES, NULL);
    enum dol_err err = DOL_ESYNTAX;
    if (json_unpack(doc, "{s:s, s:s, s:I !}", "user", &user, "secret", &secret, "created_ns", &created) == 0 &&
        strlen(secret) < IAM_SECRET_KEY_MAX) {
        out->created_ns = created;
        err = text_read(arena, user, &out->user_name);
        if (err == DOL_OK)
            err = text_read(arena, secret, &out->secret_key);
    }
    json_decref(doc);
    return err;
}
