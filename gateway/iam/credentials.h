/* The credentials file: root's access key, which no pool needs to be open for. */
#ifndef DOL_CREDENTIALS_H
#define DOL_CREDENTIALS_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#define IAM_ACCESS_KEY_MAX   129u
#define IAM_SECRET_KEY_MAX   129u
#define IAM_ACCESS_KEY_BYTES 20u /* of new ones */
#define IAM_SECRET_KEY_BYTES 40u

struct credentials {
    char access_key[IAM_ACCESS_KEY_MAX];
    char secret_key[IAM_SECRET_KEY_MAX]; /* wiped by the caller after use */
};

/* Lines `access_key=` and `secret_key=`, # comments; mode 0600. ENOTFOUND, EPERM (readable by others), ESYNTAX. */
DOL_MUST_CHECK enum dol_err credentials_read(const char *path, struct credentials *out);

/* Random ones. EIO: the system gives no random bytes. */
DOL_MUST_CHECK enum dol_err credentials_make(struct credentials *out);

/* Writes a new credentials file with random keys, 0600, durable. EEXIST. */
DOL_MUST_CHECK enum dol_err iam_credentials_create(const char *path);

#endif
