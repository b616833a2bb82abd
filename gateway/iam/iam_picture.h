/* Inside iam: the picture, and the documents it is made of. */
#ifndef DOL_IAM_PICTURE_H
#define DOL_IAM_PICTURE_H

#include "arena.h"
#include "iam.h"

struct iam_policy {
    const char *name;
    struct bytes document;
    struct policy *parsed;
    bool builtin;
};

struct iam_group {
    const char *name;
    int64_t created_ns;
    struct iam_names policies;
};

struct iam_user {
    const char *name;
    const char *id;
    int64_t created_ns;
    bool enabled;
    bool broken; /* something that it refers to isn't there: it has no rights */
    struct iam_names policies;
    struct iam_names groups;
    const struct policy **effective; /* all of its own and its groups' */
    unsigned effective_count;
};

struct iam_key {
    const char *access_key;
    const char *secret_key;
    const char *user_name;
    int64_t created_ns;
    const struct iam_user *user; /* NULL: it has gone */
};

/* Each list is in order of names. */
struct iam_picture {
    struct arena arena;
    _Atomic unsigned holders;
    struct iam_policy *policies;
    unsigned policy_count;
    struct iam_group *groups;
    unsigned group_count;
    struct iam_user *users;
    unsigned user_count;
    struct iam_key *keys;
    unsigned key_count;
};

/* [await] As the pool has it; store NULL: what is built in. One holder. */
DOL_MUST_CHECK enum dol_err iam_picture_new(struct store *store, struct iam_picture **out);
/* Frees it when that was the last holder. */
void iam_picture_release(struct iam_picture *picture);

/* NULL: there is none. */
const struct iam_user *iam_picture_user(const struct iam_picture *picture, struct bytes name);
const struct iam_group *iam_picture_group(const struct iam_picture *picture, struct bytes name);
const struct iam_policy *iam_picture_policy(const struct iam_picture *picture, struct bytes name);
const struct iam_key *iam_picture_key(const struct iam_picture *picture, struct bytes access_key);
bool iam_names_have(const struct iam_names *names, const char *name);

/* ---- iam_document.c: JSON of the records ---- */

#define IAM_GROUP_PREFIX "iam/group/" /* settings that are groups begin so */

/* malloc'd; NULL: memory is short. The caller wipes that of a key. */
char *iam_user_document(const struct iam_user *user);
char *iam_group_document(const struct iam_group *group);
char *iam_key_document(const struct iam_key *key);
/* Texts are copied into the arena. ESYNTAX: not as this program writes them. ENOMEM. */
DOL_MUST_CHECK enum dol_err iam_user_read(struct arena *arena, struct bytes document, struct iam_user *out);
DOL_MUST_CHECK enum dol_err iam_group_read(struct arena *arena, struct bytes document, struct iam_group *out);
DOL_MUST_CHECK enum dol_err iam_key_read(struct arena *arena, struct bytes document, struct iam_key *out);

/* ---- iam_builtin.c ---- */

struct iam_builtin {
    const char *name;
    const char *document;
};
extern const struct iam_builtin iam_builtins[]; /* name NULL at the end */

#endif
