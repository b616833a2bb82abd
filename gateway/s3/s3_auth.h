/* Who signed a request (SigV4 by header or presigned query). */
#ifndef DOL_S3_AUTH_H
#define DOL_S3_AUTH_H

#include "s3_request.h"

#include <pthread.h>

#define S3_KEY_CACHE_ENTRIES_MAX 16u

/* Signing keys are good for a day: four HMACs saved on each request. Shared by all loops; the lock is held for a copy
 * only. */
struct s3_key_cache {
    pthread_mutex_t lock; /* guards all below */
    struct s3_key_cache_entry {
        char access_key[sizeof(((struct iam_identity *)0)->access_key)];
        char secret_key[sizeof(((struct iam_identity *)0)->secret_key)];
        char date[9];
        struct sigv4_signing_key key;
    } entries[S3_KEY_CACHE_ENTRIES_MAX];
    unsigned next; /* to be overwritten next */
};

void s3_key_cache_init(struct s3_key_cache *cache);
void s3_key_cache_fini(struct s3_key_cache *cache); /* wipes */

/* Fills rq->auth, rq->identity (without its secret; empty when nobody signed) and rq->signing_key, and x->user.
 * Otherwise the error to answer. */
DOL_MUST_CHECK enum s3_error s3_authenticate(struct s3_request *rq, struct s3_key_cache *cache);

#endif
