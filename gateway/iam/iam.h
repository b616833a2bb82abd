/* Identities: access keys and who owns them. First light knows the root credentials of a credentials file; users,
 * policies and roles come behind the same calls. */
#ifndef DOL_IAM_H
#define DOL_IAM_H

#include <dolmen/err.h>
#include <dolmen/types.h>

struct iam;

struct iam_identity {
    char access_key[129];
    char secret_key[129]; /* wiped by the caller after use */
    char user_id[65];     /* canonical user id, 64 hex digits */
    char display_name[65];
    bool is_root;
};

/*
 * Reads a credentials file (mode 0600): lines `access_key=` and `secret_key=`, # comments. ENOTFOUND, EPERM (readable
 * by others), ESYNTAX.
 */
DOL_MUST_CHECK enum dol_err iam_open(const char *credentials_path, struct iam **out);
void iam_close(struct iam *iam);

/* Writes a new credentials file with random keys (20 and 40 characters), 0600, durable. EEXIST. */
DOL_MUST_CHECK enum dol_err iam_credentials_create(const char *path);

/* Thread-safe. ENOTFOUND: no such access key. */
DOL_MUST_CHECK enum dol_err iam_lookup(struct iam *iam, struct bytes access_key, struct iam_identity *out);

#endif
