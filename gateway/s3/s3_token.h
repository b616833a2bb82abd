/*
 * Continuation tokens of ListObjectsV2: opaque to clients, checked when they come back.
 * base64(version 1, CRC-32C over bucket and position, position), the position being the last key or common prefix of
 * the page before.
 */
#ifndef DOL_S3_TOKEN_H
#define DOL_S3_TOKEN_H

#include "arena.h"
#include <dolmen/types.h>

/* NULL when the arena is full. */
const char *s3_token_write(struct arena *a, struct bytes bucket, struct bytes position);
/* Borrows from the arena. false: not a token of this bucket (or the arena is full). */
bool s3_token_read(struct arena *a, struct bytes bucket, struct bytes token, struct bytes *position);

#endif
