/* The picture: read from the pool, put together, looked at. */
#include "iam_picture.h"

#include "hash.h"
#include "log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PICTURE_BYTES_MAX (256u << 20) /* of users, keys, groups and the texts of policies, at their maxima */

struct loading {
    struct iam_picture *picture;
    enum dol_err err;
};

/* ---- looking ---- */

/* Rows begin with their name. */
static const void *find(const void *rows, unsigned count, size_t row_bytes, struct bytes name)
{
    unsigned from = 0;
    while (from < count) {
        unsigned middle = from + (count - from) / 2;
        const char *const *row = (const void *)((const char *)rows + middle * row_bytes);
        int order = bytes_compare(bytes_of(*row, strlen(*row)), name);
        if (order == 0)
            return row;
        if (order < 0)
            from = middle + 1;
        else
            count = middle;
    }
    return NULL;
}

const struct iam_user *iam_picture_user(const struct iam_picture *p, struct bytes name)
{
    return find(p->users, p->user_count, sizeof *p->users, name);
}

const struct iam_group *iam_picture_group(const struct iam_picture *p, struct bytes name)
{
    return find(p->groups, p->group_count, sizeof *p->groups, name);
}

const struct iam_policy *iam_picture_policy(const struct iam_picture *p, struct bytes name)
{
    return find(p->policies, p->policy_count, sizeof *p->policies, name);
}

const struct iam_key *iam_picture_key(const struct iam_picture *p, struct bytes access_key)
{
    return find(p->keys, p->key_count, sizeof *p->keys, access_key);
}

bool iam_names_have(const struct iam_names *names, const char *name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

/* ---- reading ---- */

/* Room for one more row; its name. NULL: memory, or there are too many. */
static void *row_new(struct loading *l, void **rows, unsigned *count, unsigned max, size_t row_bytes, struct bytes name)
{
    char *copy = arena_strndup(&l->picture->arena, name.data, name.len);
    if (*rows == NULL)
        *rows = calloc(max, row_bytes);
    if (*count == max || copy == NULL || *rows == NULL) {
        l->err = *count == max ? DOL_ETOOLARGE : DOL_ENOMEM;
        return NULL;
    }
    char **row = (void *)((char *)*rows + (*count)++ * row_bytes);
    *row = copy;
    return row;
}

static void tell_unreadable(const char *kind, const char *name)
{
    log_error("iam", "%s '%s' can't be read: whoever depends on it has no rights. Was it written by a newer version?",
              kind, name);
}

static bool load_policy(void *arg, struct bytes name, struct bytes value)
{
    struct loading *l = arg;
    struct iam_picture *p = l->picture;
    struct policy_why why;
    struct iam_policy *row =
        row_new(l, (void **)&p->policies, &p->policy_count, IAM_POLICIES_MAX, sizeof *p->policies, name);
    char *copy = row != NULL ? arena_strndup(&p->arena, value.data, value.len) : NULL;
    if (copy == NULL) {
        l->err = l->err != DOL_OK ? l->err : DOL_ENOMEM;
        return false;
    }
    row->document = bytes_of(copy, value.len);
    enum dol_err err = policy_parse(row->document, POLICY_IDENTITY, bytes_of("", 0), &row->parsed, &why);
    if (err == DOL_ESYNTAX)
        tell_unreadable("policy", row->name);
    else
        l->err = err;
    return l->err == DOL_OK;
}

static bool load_group(void *arg, struct bytes name, struct bytes value)
{
    struct loading *l = arg;
    struct iam_picture *p = l->picture;
    size_t prefix = strlen(IAM_GROUP_PREFIX);
    if (name.len <= prefix || memcmp(name.data, IAM_GROUP_PREFIX, prefix) != 0)
        return true;
    name = bytes_of((const char *)name.data + prefix, name.len - prefix);
    struct iam_group *row = row_new(l, (void **)&p->groups, &p->group_count, IAM_GROUPS_MAX, sizeof *p->groups, name);
    if (row == NULL)
        return false;
    enum dol_err err = iam_group_read(&p->arena, value, row);
    if (err == DOL_ESYNTAX) {
        tell_unreadable("group", row->name);
        p->group_count--;
    } else {
        l->err = err;
    }
    return l->err == DOL_OK;
}

static bool load_user(void *arg, struct bytes name, struct bytes value)
{
    struct loading *l = arg;
    struct iam_picture *p = l->picture;
    struct iam_user *row = row_new(l, (void **)&p->users, &p->user_count, IAM_USERS_MAX, sizeof *p->users, name);
    if (row == NULL)
        return false;
    enum dol_err err = iam_user_read(&p->arena, value, row);
    if (err == DOL_ESYNTAX) {
        tell_unreadable("user", row->name);
        p->user_count--;
    } else {
        l->err = err;
    }
    return l->err == DOL_OK;
}

static bool load_key(void *arg, struct bytes name, struct bytes value)
{
    struct loading *l = arg;
    struct iam_picture *p = l->picture;
    struct iam_key *row = row_new(l, (void **)&p->keys, &p->key_count, IAM_KEYS_MAX, sizeof *p->keys, name);
    if (row == NULL)
        return false;
    enum dol_err err = iam_key_read(&p->arena, value, row);
    if (err == DOL_ESYNTAX) {
        tell_unreadable("access key", row->access_key);
        p->key_count--;
    } else {
        l->err = err;
    }
    return l->err == DOL_OK;
}

/* ---- putting together ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect(struct iam_picture *p, struct iam_user *user, const struct iam_names *names)
{
    for (unsigned i = 0; i < names->count; i++) {
        const struct iam_policy *policy = iam_picture_policy(p, bytes_of(names->list[i], strlen(names->list[i])));
        if (policy == NULL || policy->parsed == NULL || user->effective_count == IAM_IDENTITY_POLICIES_MAX)
            user->broken = true;
        else
            user->effective[user->effective_count++] = policy->parsed;
    }
}

static enum dol_err resolve_user(struct iam_picture *p, struct iam_user *user)
{
    unsigned most = user->policies.count;
    for (unsigned i = 0; i < user->groups.count; i++) {
        const struct iam_group *group =
            iam_picture_group(p, bytes_of(user->groups.list[i], strlen(user->groups.list[i])));
        user->broken = user->broken || group == NULL;
        most += group != NULL ? group->policies.count : 0;
    }
    user->effective = arena_alloc(&p->arena, (most + 1) * sizeof *user->effective);
    if (user->effective == NULL)
        return DOL_ENOMEM;
    collect(p, user, &user->policies);
    for (unsigned i = 0; i < user->groups.count; i++) {
        const struct iam_group *group =
            iam_picture_group(p, bytes_of(user->groups.list[i], strlen(user->groups.list[i])));
        if (group != NULL)
            collect(p, user, &group->policies);
    }
    return DOL_OK;
}

static enum dol_err resolve(struct iam_picture *p)
{
    enum dol_err err = DOL_OK;
    if (p->policy_count > 0)
        qsort(p->policies, p->policy_count, sizeof *p->policies, by_name);
    for (unsigned i = 0; i < p->user_count && err == DOL_OK; i++)
        err = resolve_user(p, &p->users[i]);
    for (unsigned i = 0; i < p->key_count; i++)
        p->keys[i].user = iam_picture_user(p, bytes_of(p->keys[i].user_name, strlen(p->keys[i].user_name)));
    return err;
}

static void load_builtins(struct loading *l)
{
    for (const struct iam_builtin *b = iam_builtins; b->name != NULL && l->err == DOL_OK; b++)
        if (load_policy(l, bytes_of(b->name, strlen(b->name)), bytes_of(b->document, strlen(b->document))))
            l->picture->policies[l->picture->policy_count - 1].builtin = true;
}

enum dol_err iam_picture_new(struct store *store, struct iam_picture **out)
{
    static const struct {
        enum store_setting_kind kind;
        store_setting_fn *fn;
    } loads[] = {{STORE_POLICY, load_policy},
                 {STORE_SETTING, load_group},
                 {STORE_USER, load_user},
                 {STORE_ACCESS_KEY, load_key}};
    struct loading l = {.picture = calloc(1, sizeof *l.picture)};
    if (l.picture == NULL)
        return DOL_ENOMEM;
    arena_init(&l.picture->arena, PICTURE_BYTES_MAX);
    atomic_init(&l.picture->holders, 1);
    load_builtins(&l);
    for (unsigned i = 0; i < sizeof loads / sizeof loads[0] && l.err == DOL_OK && store != NULL; i++) {
        enum dol_err err = store_setting_list(store, loads[i].kind, loads[i].fn, &l);
        l.err = l.err != DOL_OK ? l.err : err;
    }
    if (l.err == DOL_OK)
        l.err = resolve(l.picture);
    if (l.err == DOL_OK)
        *out = l.picture;
    else
        iam_picture_release(l.picture);
    return l.err;
}

void iam_picture_release(struct iam_picture *p)
{
    if (p == NULL || atomic_fetch_sub(&p->holders, 1) != 1)
        return;
    for (unsigned i = 0; i < p->policy_count; i++)
        policy_free(p->policies[i].parsed);
    for (unsigned i = 0; i < p->key_count && p->keys[i].secret_key != NULL; i++)
        secret_wipe((char *)(uintptr_t)p->keys[i].secret_key, strlen(p->keys[i].secret_key));
    free(p->policies);
    free(p->groups);
    free(p->users);
    free(p->keys);
    arena_fini(&p->arena);
    free(p);
}
