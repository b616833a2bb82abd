/*
 * Keys. The key file holds the pool's master key; the superblocks hold data keys wrapped under it (RFC 3394). Losing
 * the key file loses the pool.
 *
 * Key file, text, mode 0600:
 *     dolmen-key 1
 *     # comments
 *     pool <uuid as 32 hex digits>
 *     master <64 hex digits>
 *     check <8 hex digits: CRC-32C over "pool <..>\nmaster <..>\n">
 * Keys in memory are locked (mlock, best effort), excluded from core dumps, and wiped.
 */
#ifndef DOL_KEYRING_H
#define DOL_KEYRING_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#include "superblock.h"

struct master_key {
    uint8_t b[32];
};

/* Writes a new key file (O_EXCL, 0600, fsynced with its directory). EEXIST, ENOTFOUND (no such directory), EPERM, EIO.
 */
DOL_MUST_CHECK enum dol_err keyfile_create(const char *path, struct uuid pool, const struct master_key *key);
/* ENOTFOUND, EPERM (readable by others), ESYNTAX (malformed or check mismatch), EKEY (names another pool; pool zero
 * accepts any). */
DOL_MUST_CHECK enum dol_err keyfile_read(const char *path, struct uuid pool, struct master_key *out);

/* The same for a key file's text in memory: ESYNTAX, EKEY. *out is written on success only. */
DOL_MUST_CHECK enum dol_err keyfile_parse(struct bytes text, struct uuid pool, struct master_key *out);

/* superblock.key_check for a master key. */
void master_key_check(const struct master_key *key, struct uuid pool, uint8_t out[16]);

struct keyring; /* unwrapped data keys of one pool; immutable; shared by threads */

/* A new data key from the runtime's randomness, wrapped into sb->keys[sb->key_count++]. EBUSY: the superblock holds
 * SUPERBLOCK_KEYS_MAX keys. ENOMEM. */
DOL_MUST_CHECK enum dol_err keyring_new_key(const struct master_key *master, struct superblock *sb);
/* Unwraps all keys of sb. EKEY: key_check or a wrap does not verify, or there is no key. EFORMAT: unknown wrap. ENOMEM.
 */
DOL_MUST_CHECK enum dol_err keyring_open(const struct master_key *master, const struct superblock *sb,
                                         struct keyring **out);
void keyring_free(struct keyring *k);
/* The newest key's id, which new records use. */
uint32_t keyring_current(const struct keyring *k);

#endif
