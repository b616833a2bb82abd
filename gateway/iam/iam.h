/*
 * Who may do what: users, access keys, groups and the policies attached to them.
 *
 * Root is the credentials file's key; everything else lies in the pool, each user, key, group and policy a record of
 * its own (docs/format.md, 9.13), and in memory as one picture that never changes: a change is made durable, then the
 * picture is made anew from the pool. Whoever asks holds the picture it was answered from until it lets go.
 *
 * What can't be read (a newer program wrote it, a policy is missing) takes the user's rights away rather than a Deny.
 */
#ifndef DOL_IAM_H
#define DOL_IAM_H

#include <dolmen/store.h>

#include "credentials.h"
#include "policy.h"

#define IAM_NAME_MAX              65u /* with its end: letters, digits and +=,.@_- */
#define IAM_USERS_MAX             10000u
#define IAM_KEYS_MAX              20000u
#define IAM_KEYS_PER_USER_MAX     8u
#define IAM_GROUPS_MAX            1000u
#define IAM_POLICIES_MAX          1000u
#define IAM_ATTACHED_MAX          16u /* policies of one user or group; groups of one user */
#define IAM_IDENTITY_POLICIES_MAX (IAM_ATTACHED_MAX + IAM_ATTACHED_MAX * IAM_ATTACHED_MAX)

struct iam;
struct iam_picture;

struct iam_identity {
    char access_key[IAM_ACCESS_KEY_MAX];
    char secret_key[IAM_SECRET_KEY_MAX]; /* wiped by the caller after use */
    char user_id[65];                    /* canonical user id, 64 hex digits; empty: anonymous */
    char display_name[IAM_NAME_MAX];
    char arn[IAM_NAME_MAX + 32];
    bool is_root;
    struct iam_picture *picture; /* holds what follows; NULL for root and anonymous */
    const struct policy *const *policies;
    unsigned policy_count;
};

/* Reads the credentials file: errors as credentials_read(). No users yet. */
DOL_MUST_CHECK enum dol_err iam_open(const char *credentials_path, struct iam **out);
/* [await] Users and all from the pool, which is borrowed until iam_close(). */
DOL_MUST_CHECK enum dol_err iam_load(struct iam *iam, struct store *store);
void iam_close(struct iam *iam);

/* Thread-safe. ENOTFOUND: no such access key, or its user is disabled. On OK iam_release() ends it. */
DOL_MUST_CHECK enum dol_err iam_lookup(struct iam *iam, struct bytes access_key, struct iam_identity *out);
void iam_release(struct iam *iam, struct iam_identity *identity);

/* Thread-safe. Does a principal of a bucket policy name somebody who is there? */
bool iam_principal_exists(struct iam *iam, struct bytes principal);
/* Thread-safe. The name of the user with this canonical id; false: there is none. */
bool iam_name_of(struct iam *iam, struct bytes user_id, char out[IAM_NAME_MAX]);

/* ---- changing; each [await], durable on OK, and in force for every request that begins later ---- */

/* What went wrong, for a person. */
struct iam_why {
    char text[240];
};

/*
 * ENOTFOUND, EEXIST, EINVAL (a name that can't be one), ENOTEMPTY (it is still used), ETOOLARGE (there are as many as
 * may be), ESYNTAX (a policy); and the store's.
 */
/* policy: attached at once; NULL: none. */
DOL_MUST_CHECK enum dol_err iam_user_create(struct iam *iam, const char *name, const char *policy,
                                            struct credentials *key, struct iam_why *why);
/* Its keys, too. */
DOL_MUST_CHECK enum dol_err iam_user_delete(struct iam *iam, const char *name, struct iam_why *why);
enum iam_state { IAM_DISABLED, IAM_ENABLED };
DOL_MUST_CHECK enum dol_err iam_user_set_state(struct iam *iam, const char *name, enum iam_state state,
                                               struct iam_why *why);
DOL_MUST_CHECK enum dol_err iam_key_create(struct iam *iam, const char *user, struct credentials *key,
                                           struct iam_why *why);
DOL_MUST_CHECK enum dol_err iam_key_delete(struct iam *iam, const char *access_key, struct iam_why *why);
DOL_MUST_CHECK enum dol_err iam_group_create(struct iam *iam, const char *name, struct iam_why *why);
/* ENOTEMPTY: it has members. */
DOL_MUST_CHECK enum dol_err iam_group_delete(struct iam *iam, const char *name, struct iam_why *why);
enum iam_change { IAM_REMOVE, IAM_ADD };
DOL_MUST_CHECK enum dol_err iam_group_change(struct iam *iam, const char *group, const char *user,
                                             enum iam_change change, struct iam_why *why);
/* One that is there is replaced, unless it is built in. */
DOL_MUST_CHECK enum dol_err iam_policy_put(struct iam *iam, const char *name, struct bytes document,
                                           struct iam_why *why);
DOL_MUST_CHECK enum dol_err iam_policy_delete(struct iam *iam, const char *name, struct iam_why *why);
enum iam_holder { IAM_USER, IAM_GROUP };
DOL_MUST_CHECK enum dol_err iam_policy_attach(struct iam *iam, const char *policy, enum iam_holder holder,
                                              const char *name, enum iam_change change, struct iam_why *why);

/* ---- telling ---- */

struct iam_names {
    const char *const *list;
    unsigned count;
};
struct iam_entry {
    const char *name; /* of keys: the access key */
    const char *id;   /* users: canonical id; keys: the user's name; else NULL */
    int64_t created_ns;
    bool enabled;
    bool builtin;              /* policies */
    struct iam_names policies; /* users, groups */
    struct iam_names groups;   /* users */
    struct bytes document;     /* policies */
};
enum iam_kind { IAM_KIND_USER, IAM_KIND_KEY, IAM_KIND_GROUP, IAM_KIND_POLICY };
/* Calls fn for each in order of names until it returns false. */
typedef bool iam_entry_fn(void *arg, const struct iam_entry *entry);
void iam_each(struct iam *iam, enum iam_kind kind, iam_entry_fn *fn, void *arg);

#endif
