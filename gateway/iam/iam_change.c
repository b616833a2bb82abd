/*
 * Changes: one at a time, looked at in the picture of now, made durable as records, then the picture is made anew.
 *
 * A user's keys go before the user and come after it, so that a crash in between leaves no key that a later user of
 * that name would find.
 */
#include "iam_impl.h"

#include "hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct change {
    struct iam *iam;
    const struct iam_picture *now;
    struct iam_why *why;
};

static enum dol_err refuse(struct iam_why *why, enum dol_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum dol_err refuse(struct iam_why *why, enum dol_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return err;
}

static struct bytes text(const char *s)
{
    return bytes_of(s, strlen(s));
}

/* ---- one at a time ---- */

static void change_begin(struct iam *iam, struct iam_why *why, struct change *c)
{
    pthread_mutex_lock(&iam->lock);
    while (iam->changing) {
        struct waiter w;
        waiter_enlist(&iam->waiting, &w);
        pthread_mutex_unlock(&iam->lock);
        waiter_wait(&w);
        pthread_mutex_lock(&iam->lock);
    }
    iam->changing = true;
    pthread_mutex_unlock(&iam->lock);
    *c = (struct change){.iam = iam, .now = iam_picture_hold(iam), .why = why};
    why->text[0] = '\0';
}

/* What was written is in force, also when a later record failed. */
static enum dol_err change_end(struct change *c, enum dol_err err)
{
    struct iam *iam = c->iam;
    iam_picture_release((struct iam_picture *)(uintptr_t)c->now);
    if (err == DOL_OK || c->why->text[0] == '\0') {
        enum dol_err load = iam_load(iam, iam->store);
        err = err == DOL_OK ? load : err;
    }
    pthread_mutex_lock(&iam->lock);
    iam->changing = false;
    waiter_list_wake_one(&iam->waiting);
    pthread_mutex_unlock(&iam->lock);
    if (err != DOL_OK && c->why->text[0] == '\0')
        snprintf(c->why->text, sizeof c->why->text, "%s", dol_err_text(err));
    return err;
}

/* Takes document; NULL: memory was short. */
static enum dol_err write_document(struct change *c, enum store_setting_kind kind, const char *name, char *document)
{
    if (document == NULL)
        return DOL_ENOMEM;
    enum dol_err err = store_setting_set(c->iam->store, kind, text(name), text(document));
    secret_wipe(document, strlen(document));
    free(document);
    return err;
}

static enum dol_err remove_document(struct change *c, enum store_setting_kind kind, const char *name)
{
    return store_setting_set(c->iam->store, kind, text(name), bytes_of(NULL, 0));
}

static enum dol_err check_name(struct change *c, const char *what, const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-");
    if (len > 0 && len < IAM_NAME_MAX && name[len] == '\0')
        return DOL_OK;
    return refuse(c->why, DOL_EINVAL, "'%.64s' can't be the name of a %s: 1 to 64 letters, digits and +=,.@_-", name,
                  what);
}

/* ---- finding what is to be changed ---- */

static enum dol_err find_user(struct change *c, const char *name, const struct iam_user **out)
{
    *out = iam_picture_user(c->now, text(name));
    return *out != NULL ? DOL_OK : refuse(c->why, DOL_ENOTFOUND, "there is no user '%.64s'", name);
}

static enum dol_err find_group(struct change *c, const char *name, const struct iam_group **out)
{
    *out = iam_picture_group(c->now, text(name));
    return *out != NULL ? DOL_OK : refuse(c->why, DOL_ENOTFOUND, "there is no group '%.64s'", name);
}

static enum dol_err find_policy(struct change *c, const char *name, const struct iam_policy **out)
{
    *out = iam_picture_policy(c->now, text(name));
    return *out != NULL ? DOL_OK : refuse(c->why, DOL_ENOTFOUND, "there is no policy '%.64s'", name);
}

/* ---- keys ---- */

static enum dol_err key_write(struct change *c, const char *user, struct credentials *key)
{
    enum dol_err err = credentials_make(key);
    if (err != DOL_OK)
        return err;
    const struct iam_key row = {.access_key = key->access_key,
                                .secret_key = key->secret_key,
                                .user_name = user,
                                .created_ns = clock_realtime_ns()};
    err = write_document(c, STORE_ACCESS_KEY, key->access_key, iam_key_document(&row));
    if (err != DOL_OK)
        secret_wipe(key, sizeof *key);
    return err;
}

static enum dol_err check_key_count(struct change *c, const char *user)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->now->key_count; i++)
        count += strcmp(c->now->keys[i].user_name, user) == 0;
    if (count >= IAM_KEYS_PER_USER_MAX || c->now->key_count == IAM_KEYS_MAX)
        return refuse(c->why, DOL_ETOOLARGE, "user '%.64s' has %u access keys: no more can be made", user, count);
    return DOL_OK;
}

enum dol_err iam_key_create(struct iam *iam, const char *user, struct credentials *key, struct iam_why *why)
{
    struct change c;
    const struct iam_user *row;
    change_begin(iam, why, &c);
    enum dol_err err = find_user(&c, user, &row);
    if (err == DOL_OK)
        err = check_key_count(&c, user);
    if (err == DOL_OK)
        err = key_write(&c, user, key);
    return change_end(&c, err);
}

enum dol_err iam_key_delete(struct iam *iam, const char *access_key, struct iam_why *why)
{
    struct change c;
    enum dol_err err = DOL_OK;
    change_begin(iam, why, &c);
    if (iam_picture_key(c.now, text(access_key)) == NULL)
        err = refuse(why, DOL_ENOTFOUND, "there is no access key '%.128s'", access_key);
    if (err == DOL_OK)
        err = remove_document(&c, STORE_ACCESS_KEY, access_key);
    return change_end(&c, err);
}

/* ---- users ---- */

static enum dol_err user_write(struct change *c, const struct iam_user *user)
{
    return write_document(c, STORE_USER, user->name, iam_user_document(user));
}

static enum dol_err user_create(struct change *c, const char *name, const char *policy, struct credentials *key)
{
    const struct iam_policy *found;
    struct sha256 id;
    char id_text[2 * sizeof id.b + 1];
    enum dol_err err = check_name(c, "user", name);
    if (err != DOL_OK)
        return err;
    if (iam_picture_user(c->now, text(name)) != NULL || strcmp(name, c->iam->root.display_name) == 0)
        return refuse(c->why, DOL_EEXIST, "there is a user '%.64s' already", name);
    if (c->now->user_count == IAM_USERS_MAX)
        return refuse(c->why, DOL_ETOOLARGE, "there are %u users: no more can be made", IAM_USERS_MAX);
    if (policy != NULL && (err = find_policy(c, policy, &found)) != DOL_OK)
        return err;
    /* Never a name's hash: a later user of the same name must not own what this one did. */
    random_fill(id.b, sizeof id.b);
    hex_encode(id.b, sizeof id.b, id_text);
    const struct iam_user user = {.name = name,
                                  .id = id_text,
                                  .created_ns = clock_realtime_ns(),
                                  .enabled = true,
                                  .policies = {&policy, policy != NULL}};
    err = user_write(c, &user);
    return err == DOL_OK ? key_write(c, name, key) : err;
}

enum dol_err iam_user_create(struct iam *iam, const char *name, const char *policy, struct credentials *key,
                             struct iam_why *why)
{
    struct change c;
    change_begin(iam, why, &c);
    enum dol_err err = user_create(&c, name, policy, key);
    return change_end(&c, err);
}

enum dol_err iam_user_delete(struct iam *iam, const char *name, struct iam_why *why)
{
    struct change c;
    const struct iam_user *user;
    change_begin(iam, why, &c);
    enum dol_err err = find_user(&c, name, &user);
    for (unsigned i = 0; err == DOL_OK && i < c.now->key_count; i++)
        if (strcmp(c.now->keys[i].user_name, name) == 0)
            err = remove_document(&c, STORE_ACCESS_KEY, c.now->keys[i].access_key);
    if (err == DOL_OK)
        err = remove_document(&c, STORE_USER, name);
    return change_end(&c, err);
}

enum dol_err iam_user_set_state(struct iam *iam, const char *name, enum iam_state state, struct iam_why *why)
{
    struct change c;
    const struct iam_user *user;
    change_begin(iam, why, &c);
    enum dol_err err = find_user(&c, name, &user);
    if (err == DOL_OK) {
        struct iam_user changed = *user;
        changed.enabled = state == IAM_ENABLED;
        err = user_write(&c, &changed);
    }
    return change_end(&c, err);
}

/* ---- lists of names ---- */

/* The list with one name more or less; room for one more is there. */
static enum dol_err names_change(struct change *c, const struct iam_names *from, const char *name,
                                 enum iam_change change, const char *room[IAM_ATTACHED_MAX + 1], struct iam_names *out)
{
    *out = (struct iam_names){room, 0};
    if (from->count > IAM_ATTACHED_MAX)
        return DOL_ETOOLARGE;
    for (unsigned i = 0; i < from->count; i++)
        if (strcmp(from->list[i], name) != 0)
            room[out->count++] = from->list[i];
    if (change == IAM_REMOVE)
        return out->count < from->count ? DOL_OK : refuse(c->why, DOL_ENOTFOUND, "'%.64s' isn't there", name);
    if (out->count == IAM_ATTACHED_MAX)
        return refuse(c->why, DOL_ETOOLARGE, "there are %u already: no more can be added", IAM_ATTACHED_MAX);
    room[out->count++] = name;
    return DOL_OK;
}

/* ---- groups ---- */

static enum dol_err group_write(struct change *c, const struct iam_group *group)
{
    char name[sizeof IAM_GROUP_PREFIX + IAM_NAME_MAX];
    snprintf(name, sizeof name, IAM_GROUP_PREFIX "%s", group->name);
    return write_document(c, STORE_SETTING, name, iam_group_document(group));
}

enum dol_err iam_group_create(struct iam *iam, const char *name, struct iam_why *why)
{
    struct change c;
    change_begin(iam, why, &c);
    enum dol_err err = check_name(&c, "group", name);
    if (err == DOL_OK && iam_picture_group(c.now, text(name)) != NULL)
        err = refuse(why, DOL_EEXIST, "there is a group '%.64s' already", name);
    if (err == DOL_OK && c.now->group_count == IAM_GROUPS_MAX)
        err = refuse(why, DOL_ETOOLARGE, "there are %u groups: no more can be made", IAM_GROUPS_MAX);
    if (err == DOL_OK) {
        const struct iam_group group = {.name = name, .created_ns = clock_realtime_ns()};
        err = group_write(&c, &group);
    }
    return change_end(&c, err);
}

enum dol_err iam_group_delete(struct iam *iam, const char *name, struct iam_why *why)
{
    struct change c;
    const struct iam_group *group;
    char key[sizeof IAM_GROUP_PREFIX + IAM_NAME_MAX];
    change_begin(iam, why, &c);
    enum dol_err err = find_group(&c, name, &group);
    for (unsigned i = 0; err == DOL_OK && i < c.now->user_count; i++)
        if (iam_names_have(&c.now->users[i].groups, name))
            err = refuse(why, DOL_ENOTEMPTY, "user '%.64s' is in the group", c.now->users[i].name);
    if (err == DOL_OK) {
        snprintf(key, sizeof key, IAM_GROUP_PREFIX "%s", name);
        err = remove_document(&c, STORE_SETTING, key);
    }
    return change_end(&c, err);
}

enum dol_err iam_group_change(struct iam *iam, const char *group, const char *user, enum iam_change change,
                              struct iam_why *why)
{
    struct change c;
    const struct iam_group *found;
    const struct iam_user *row;
    const char *room[IAM_ATTACHED_MAX + 1];
    change_begin(iam, why, &c);
    enum dol_err err = find_group(&c, group, &found);
    if (err == DOL_OK)
        err = find_user(&c, user, &row);
    if (err == DOL_OK) {
        struct iam_user changed = *row;
        err = names_change(&c, &row->groups, group, change, room, &changed.groups);
        if (err == DOL_OK)
            err = user_write(&c, &changed);
    }
    return change_end(&c, err);
}

/* ---- policies ---- */

static enum dol_err policy_put(struct change *c, const char *name, struct bytes document)
{
    struct policy *parsed;
    struct policy_why why;
    enum dol_err err = check_name(c, "policy", name);
    if (err != DOL_OK)
        return err;
    const struct iam_policy *known = iam_picture_policy(c->now, text(name));
    if (known != NULL && known->builtin)
        return refuse(c->why, DOL_EEXIST, "policy '%.64s' is built in and stays as it is", name);
    if (known == NULL && c->now->policy_count == IAM_POLICIES_MAX)
        return refuse(c->why, DOL_ETOOLARGE, "there are %u policies: no more can be made", IAM_POLICIES_MAX);
    err = policy_parse(document, POLICY_IDENTITY, bytes_of("", 0), &parsed, &why);
    if (err == DOL_ESYNTAX)
        return refuse(c->why, err, "%s", why.text);
    if (err != DOL_OK)
        return err;
    policy_free(parsed);
    return store_setting_set(c->iam->store, STORE_POLICY, text(name), document);
}

enum dol_err iam_policy_put(struct iam *iam, const char *name, struct bytes document, struct iam_why *why)
{
    struct change c;
    change_begin(iam, why, &c);
    enum dol_err err = policy_put(&c, name, document);
    return change_end(&c, err);
}

enum dol_err iam_policy_delete(struct iam *iam, const char *name, struct iam_why *why)
{
    struct change c;
    const struct iam_policy *policy;
    change_begin(iam, why, &c);
    enum dol_err err = find_policy(&c, name, &policy);
    if (err == DOL_OK && policy->builtin)
        err = refuse(why, DOL_EEXIST, "policy '%.64s' is built in and stays as it is", name);
    for (unsigned i = 0; err == DOL_OK && i < c.now->user_count; i++)
        if (iam_names_have(&c.now->users[i].policies, name))
            err = refuse(why, DOL_ENOTEMPTY, "it is attached to user '%.64s'", c.now->users[i].name);
    for (unsigned i = 0; err == DOL_OK && i < c.now->group_count; i++)
        if (iam_names_have(&c.now->groups[i].policies, name))
            err = refuse(why, DOL_ENOTEMPTY, "it is attached to group '%.64s'", c.now->groups[i].name);
    if (err == DOL_OK)
        err = remove_document(&c, STORE_POLICY, name);
    return change_end(&c, err);
}

static enum dol_err attach_to_user(struct change *c, const char *policy, const char *name, enum iam_change change)
{
    const char *room[IAM_ATTACHED_MAX + 1];
    const struct iam_user *user;
    enum dol_err err = find_user(c, name, &user);
    if (err != DOL_OK)
        return err;
    struct iam_user changed = *user;
    err = names_change(c, &user->policies, policy, change, room, &changed.policies);
    return err == DOL_OK ? user_write(c, &changed) : err;
}

static enum dol_err attach_to_group(struct change *c, const char *policy, const char *name, enum iam_change change)
{
    const char *room[IAM_ATTACHED_MAX + 1];
    const struct iam_group *group;
    enum dol_err err = find_group(c, name, &group);
    if (err != DOL_OK)
        return err;
    struct iam_group changed = *group;
    err = names_change(c, &group->policies, policy, change, room, &changed.policies);
    return err == DOL_OK ? group_write(c, &changed) : err;
}

enum dol_err iam_policy_attach(struct iam *iam, const char *policy, enum iam_holder holder, const char *name,
                               enum iam_change change, struct iam_why *why)
{
    struct change c;
    const struct iam_policy *found;
    enum dol_err err = DOL_OK;
    change_begin(iam, why, &c);
    if (change == IAM_ADD)
        err = find_policy(&c, policy, &found);
    if (err == DOL_OK)
        err = holder == IAM_USER ? attach_to_user(&c, policy, name, change) : attach_to_group(&c, policy, name, change);
    return change_end(&c, err);
}
