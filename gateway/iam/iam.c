/* The directory: whose key it is, and the picture that answers. */
#include "iam_impl.h"

#include "hash.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IAM_ROOT_CANONICAL_OF "dolmen root user"
#define IAM_ROOT_NAME         "root"

enum dol_err iam_open(const char *credentials_path, struct iam **out)
{
    struct credentials key;
    struct iam *iam = calloc(1, sizeof *iam);
    if (iam == NULL)
        return DOL_ENOMEM;
    pthread_mutex_init(&iam->lock, NULL);
    enum dol_err err = credentials_read(credentials_path, &key);
    if (err == DOL_OK)
        err = iam_picture_new(NULL, &iam->picture);
    if (err != DOL_OK) {
        iam_close(iam);
        return err;
    }
    struct sha256 id = sha256_of(IAM_ROOT_CANONICAL_OF, strlen(IAM_ROOT_CANONICAL_OF));
    memcpy(iam->root.access_key, key.access_key, sizeof iam->root.access_key);
    memcpy(iam->root.secret_key, key.secret_key, sizeof iam->root.secret_key);
    hex_encode(id.b, sizeof id.b, iam->root.user_id);
    snprintf(iam->root.display_name, sizeof iam->root.display_name, "%s", IAM_ROOT_NAME);
    snprintf(iam->root.arn, sizeof iam->root.arn, "arn:aws:iam:::root");
    iam->root.is_root = true;
    secret_wipe(&key, sizeof key);
    *out = iam;
    return DOL_OK;
}

enum dol_err iam_load(struct iam *iam, struct store *store)
{
    struct iam_picture *picture;
    enum dol_err err = iam_picture_new(store, &picture);
    if (err != DOL_OK)
        return err;
    pthread_mutex_lock(&iam->lock);
    struct iam_picture *old = iam->picture;
    iam->picture = picture;
    iam->store = store;
    pthread_mutex_unlock(&iam->lock);
    iam_picture_release(old);
    return DOL_OK;
}

void iam_close(struct iam *iam)
{
    if (iam == NULL)
        return;
    iam_picture_release(iam->picture);
    pthread_mutex_destroy(&iam->lock);
    secret_wipe(iam, sizeof *iam);
    free(iam);
}

struct iam_picture *iam_picture_hold(struct iam *iam)
{
    pthread_mutex_lock(&iam->lock);
    struct iam_picture *picture = iam->picture;
    atomic_fetch_add(&picture->holders, 1);
    pthread_mutex_unlock(&iam->lock);
    return picture;
}

enum dol_err iam_lookup(struct iam *iam, struct bytes access_key, struct iam_identity *out)
{
    if (bytes_equal(access_key, bytes_of(iam->root.access_key, strlen(iam->root.access_key)))) {
        *out = iam->root;
        return DOL_OK;
    }
    struct iam_picture *picture = iam_picture_hold(iam);
    const struct iam_key *key = iam_picture_key(picture, access_key);
    const struct iam_user *user = key != NULL ? key->user : NULL;
    if (user == NULL || !user->enabled || user->broken) {
        iam_picture_release(picture);
        return DOL_ENOTFOUND;
    }
    memset(out, 0, sizeof *out);
    snprintf(out->access_key, sizeof out->access_key, "%s", key->access_key);
    snprintf(out->secret_key, sizeof out->secret_key, "%s", key->secret_key);
    snprintf(out->user_id, sizeof out->user_id, "%s", user->id);
    snprintf(out->display_name, sizeof out->display_name, "%s", user->name);
    snprintf(out->arn, sizeof out->arn, "arn:aws:iam:::user/%.64s", user->name);
    out->picture = picture;
    out->policies = user->effective;
    out->policy_count = user->effective_count;
    return DOL_OK;
}

void iam_release(struct iam *iam, struct iam_identity *identity)
{
    (void)iam;
    iam_picture_release(identity->picture);
    identity->picture = NULL;
    identity->policy_count = 0;
}

bool iam_principal_exists(struct iam *iam, struct bytes principal)
{
    const struct policy_principal root = {
        .id = bytes_of(iam->root.user_id, strlen(iam->root.user_id)),
        .name = bytes_of(IAM_ROOT_NAME, strlen(IAM_ROOT_NAME)),
        .arn = bytes_of(iam->root.arn, strlen(iam->root.arn)),
        .is_root = true,
    };
    bool exists = policy_principal_is(principal, &root);
    struct iam_picture *picture = iam_picture_hold(iam);
    for (unsigned i = 0; i < picture->user_count && !exists; i++) {
        const struct iam_user *user = &picture->users[i];
        const struct policy_principal who = {.id = bytes_of(user->id, strlen(user->id)),
                                             .name = bytes_of(user->name, strlen(user->name)),
                                             .arn = bytes_of("", 0)};
        exists = policy_principal_is(principal, &who);
    }
    iam_picture_release(picture);
    return exists;
}

bool iam_name_of(struct iam *iam, struct bytes user_id, char out[IAM_NAME_MAX])
{
    bool found = bytes_equal(user_id, bytes_of(iam->root.user_id, strlen(iam->root.user_id)));
    if (found)
        snprintf(out, IAM_NAME_MAX, "%s", IAM_ROOT_NAME);
    struct iam_picture *picture = iam_picture_hold(iam);
    for (unsigned i = 0; i < picture->user_count && !found; i++) {
        const struct iam_user *user = &picture->users[i];
        found = bytes_equal(user_id, bytes_of(user->id, strlen(user->id)));
        if (found)
            snprintf(out, IAM_NAME_MAX, "%s", user->name);
    }
    iam_picture_release(picture);
    return found;
}

/* ---- telling ---- */

static struct iam_entry entry_of(const struct iam_picture *p, enum iam_kind kind, unsigned i)
{
    switch (kind) {
    case IAM_KIND_USER:
        return (struct iam_entry){.name = p->users[i].name,
                                  .id = p->users[i].id,
                                  .created_ns = p->users[i].created_ns,
                                  .enabled = p->users[i].enabled && !p->users[i].broken,
                                  .policies = p->users[i].policies,
                                  .groups = p->users[i].groups};
    case IAM_KIND_KEY:
        return (struct iam_entry){.name = p->keys[i].access_key,
                                  .id = p->keys[i].user_name,
                                  .created_ns = p->keys[i].created_ns,
                                  .enabled = p->keys[i].user != NULL && p->keys[i].user->enabled};
    case IAM_KIND_GROUP:
        return (struct iam_entry){.name = p->groups[i].name,
                                  .created_ns = p->groups[i].created_ns,
                                  .enabled = true,
                                  .policies = p->groups[i].policies};
    case IAM_KIND_POLICY:
        break;
    }
    return (struct iam_entry){.name = p->policies[i].name,
                              .enabled = p->policies[i].parsed != NULL,
                              .builtin = p->policies[i].builtin,
                              .document = p->policies[i].document};
}

void iam_each(struct iam *iam, enum iam_kind kind, iam_entry_fn *fn, void *arg)
{
    struct iam_picture *p = iam_picture_hold(iam);
    const unsigned counts[] = {[IAM_KIND_USER] = p->user_count,
                               [IAM_KIND_KEY] = p->key_count,
                               [IAM_KIND_GROUP] = p->group_count,
                               [IAM_KIND_POLICY] = p->policy_count};
    bool more = true;
    for (unsigned i = 0; i < counts[kind] && more; i++) {
        struct iam_entry entry = entry_of(p, kind, i);
        more = fn(arg, &entry);
    }
    iam_picture_release(p);
}
