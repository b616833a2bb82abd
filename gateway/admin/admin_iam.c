/*
 * Users, keys, groups and policies: POST /v1/iam with {"do": "user-create", "name": "alice", ...}. One table of what
 * can be done; what that means is iam's.
 */
#include "admin_private.h"
#include "hash.h"
#include "http_date.h"
#include "iam.h"

#include <stdlib.h>

#define IAM_BODY_BYTES_MAX (8 * POLICY_BYTES_MAX) /* a policy in a JSON string, escaped at its worst but for \\u */

struct asked {
    struct iam *iam;
    const char *name;
    const char *user;
    const char *group;
    const char *policy;
    const char *document;
    json_t *answer; /* members are added; the caller's */
    struct iam_why why;
};

typedef enum dol_err iam_do_fn(struct asked *a);

static void set(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static void tell_key(struct asked *a, struct credentials *key, enum dol_err err)
{
    if (err == DOL_OK) {
        set(a->answer, "access_key", json_string(key->access_key));
        set(a->answer, "secret_key", json_string(key->secret_key));
    }
    secret_wipe(key, sizeof *key);
}

/* ---- users and keys ---- */

static bool tell_id(void *arg, const struct iam_entry *entry)
{
    struct asked *a = arg;
    if (strcmp(entry->name, a->name) != 0)
        return true;
    set(a->answer, "user_id", json_string(entry->id));
    return false;
}

static enum dol_err do_user_create(struct asked *a)
{
    struct credentials key;
    enum dol_err err = iam_user_create(a->iam, a->name, a->policy, &key, &a->why);
    tell_key(a, &key, err);
    if (err == DOL_OK)
        iam_each(a->iam, IAM_KIND_USER, tell_id, a);
    return err;
}

static enum dol_err do_user_delete(struct asked *a)
{
    return iam_user_delete(a->iam, a->name, &a->why);
}

static enum dol_err do_user_enable(struct asked *a)
{
    return iam_user_set_state(a->iam, a->name, IAM_ENABLED, &a->why);
}

static enum dol_err do_user_disable(struct asked *a)
{
    return iam_user_set_state(a->iam, a->name, IAM_DISABLED, &a->why);
}

static enum dol_err do_key_create(struct asked *a)
{
    struct credentials key;
    enum dol_err err = iam_key_create(a->iam, a->name, &key, &a->why);
    tell_key(a, &key, err);
    return err;
}

static enum dol_err do_key_delete(struct asked *a)
{
    return iam_key_delete(a->iam, a->name, &a->why);
}

/* ---- groups ---- */

static enum dol_err do_group_create(struct asked *a)
{
    return iam_group_create(a->iam, a->name, &a->why);
}

static enum dol_err do_group_delete(struct asked *a)
{
    return iam_group_delete(a->iam, a->name, &a->why);
}

static enum dol_err lacks(struct asked *a, const char *what)
{
    snprintf(a->why.text, sizeof a->why.text, "the request lacks \"%s\"", what);
    return DOL_EINVAL;
}

static enum dol_err group_change(struct asked *a, enum iam_change change)
{
    return a->user != NULL ? iam_group_change(a->iam, a->name, a->user, change, &a->why) : lacks(a, "user");
}

static enum dol_err do_group_add(struct asked *a)
{
    return group_change(a, IAM_ADD);
}

static enum dol_err do_group_remove(struct asked *a)
{
    return group_change(a, IAM_REMOVE);
}

/* ---- policies ---- */

static enum dol_err do_policy_create(struct asked *a)
{
    if (a->document == NULL)
        return lacks(a, "document");
    return iam_policy_put(a->iam, a->name, bytes_of(a->document, strlen(a->document)), &a->why);
}

static enum dol_err do_policy_delete(struct asked *a)
{
    return iam_policy_delete(a->iam, a->name, &a->why);
}

static bool tell_document(void *arg, const struct iam_entry *entry)
{
    struct asked *a = arg;
    if (strcmp(entry->name, a->name) != 0)
        return true;
    set(a->answer, "document", json_stringn(entry->document.data, entry->document.len));
    return false;
}

static enum dol_err do_policy_show(struct asked *a)
{
    iam_each(a->iam, IAM_KIND_POLICY, tell_document, a);
    if (json_object_get(a->answer, "document") != NULL)
        return DOL_OK;
    snprintf(a->why.text, sizeof a->why.text, "there is no policy '%.64s'", a->name);
    return DOL_ENOTFOUND;
}

static enum dol_err policy_change(struct asked *a, enum iam_change change)
{
    if ((a->user == NULL) == (a->group == NULL)) {
        snprintf(a->why.text, sizeof a->why.text, "a policy is attached to one user or one group");
        return DOL_EINVAL;
    }
    enum iam_holder holder = a->user != NULL ? IAM_USER : IAM_GROUP;
    return iam_policy_attach(a->iam, a->name, holder, a->user != NULL ? a->user : a->group, change, &a->why);
}

static enum dol_err do_policy_attach(struct asked *a)
{
    return policy_change(a, IAM_ADD);
}

static enum dol_err do_policy_detach(struct asked *a)
{
    return policy_change(a, IAM_REMOVE);
}

/* ---- lists ---- */

static json_t *names_json(const struct iam_names *names)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < names->count; i++)
        (void)json_array_append_new(list, json_string(names->list[i]));
    return list;
}

static bool tell_entry(void *arg, const struct iam_entry *e)
{
    char date[HTTP_DATE_TEXT_MAX];
    json_t *entry = json_object();
    set(entry, "name", json_string(e->name));
    if (e->id != NULL)
        set(entry, "id", json_string(e->id));
    if (e->created_ns != 0) {
        http_date_format_iso(e->created_ns, date);
        set(entry, "created", json_string(date));
    }
    set(entry, "enabled", json_boolean(e->enabled));
    set(entry, "builtin", json_boolean(e->builtin));
    set(entry, "policies", names_json(&e->policies));
    set(entry, "groups", names_json(&e->groups));
    return json_array_append_new(arg, entry) == 0;
}

static enum dol_err tell_list(struct asked *a, enum iam_kind kind)
{
    json_t *list = json_array();
    iam_each(a->iam, kind, tell_entry, list);
    set(a->answer, "list", list);
    return DOL_OK;
}

static enum dol_err do_user_list(struct asked *a)
{
    return tell_list(a, IAM_KIND_USER);
}

static enum dol_err do_key_list(struct asked *a)
{
    return tell_list(a, IAM_KIND_KEY);
}

static enum dol_err do_group_list(struct asked *a)
{
    return tell_list(a, IAM_KIND_GROUP);
}

static enum dol_err do_policy_list(struct asked *a)
{
    return tell_list(a, IAM_KIND_POLICY);
}

/* ---- the request ---- */

static const struct {
    const char *name;
    iam_do_fn *fn;
    bool has_name;
} things[] = {
    {"user-create", do_user_create, true},     {"user-delete", do_user_delete, true},
    {"user-enable", do_user_enable, true},     {"user-disable", do_user_disable, true},
    {"user-list", do_user_list, false},        {"key-create", do_key_create, true},
    {"key-delete", do_key_delete, true},       {"key-list", do_key_list, false},
    {"group-create", do_group_create, true},   {"group-delete", do_group_delete, true},
    {"group-add", do_group_add, true},         {"group-remove", do_group_remove, true},
    {"group-list", do_group_list, false},      {"policy-create", do_policy_create, true},
    {"policy-delete", do_policy_delete, true}, {"policy-show", do_policy_show, true},
    {"policy-attach", do_policy_attach, true}, {"policy-detach", do_policy_detach, true},
    {"policy-list", do_policy_list, false},
};

static unsigned status_of(enum dol_err err)
{
    switch (err) {
    case DOL_OK:
        return 200;
    case DOL_ENOTFOUND:
        return 404;
    case DOL_EEXIST:
    case DOL_ENOTEMPTY:
        return 409;
    case DOL_EINVAL:
    case DOL_ESYNTAX:
    case DOL_ETOOLARGE:
        return 400;
    case DOL_EFULL:
        return 507;
    default:
        return 503;
    }
}

static enum dol_err perform(struct asked *a, const char *what)
{
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        if (strcmp(things[i].name, what) != 0)
            continue;
        return things[i].has_name && a->name == NULL ? lacks(a, "name") : things[i].fn(a);
    }
    snprintf(a->why.text, sizeof a->why.text, "there is no '%.32s'", what);
    return DOL_EINVAL;
}

/* The whole body in the arena; false: it is too long, or the connection broke. */
static bool read_body(struct exchange *x, struct bytes *out)
{
    char *text = arena_alloc(x->arena, IAM_BODY_BYTES_MAX);
    struct bytes part;
    *out = bytes_of(text, 0);
    while (text != NULL && exchange_body_read(x, &part) == DOL_OK) {
        if (part.len == 0)
            return true;
        if (part.len > IAM_BODY_BYTES_MAX - out->len)
            break;
        memcpy(text + out->len, part.data, part.len);
        out->len += part.len;
    }
    return false;
}

void admin_handle_iam(const struct admin *admin, struct exchange *x)
{
    struct bytes body = {NULL, 0};
    struct asked a = {.iam = admin->config.iam};
    const char *what;
    json_t *doc = NULL;
    x->operation = "AdminIam";
    a.answer = json_object();
    enum dol_err err = DOL_EINVAL;
    if (read_body(x, &body))
        doc = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_unpack(doc, "{s:s, s?s, s?s, s?s, s?s, s?s !}", "do", &what, "name", &a.name, "user", &a.user, "group",
                    &a.group, "policy", &a.policy, "document", &a.document) == 0)
        err = perform(&a, what);
    else
        snprintf(a.why.text, sizeof a.why.text, "the request is not as it should be");
    if (err != DOL_OK)
        set(a.answer, "error", json_string(a.why.text[0] != '\0' ? a.why.text : dol_err_text(err)));
    admin_reply_json(x, status_of(err), a.answer);
    json_decref(doc);
    if (body.data != NULL)
        secret_wipe((void *)(uintptr_t)body.data, body.len);
}
