/* Between seal.c and opener.c only: the slab key and the nonce, as record.h defines them. */
#ifndef DOL_SEAL_KEY_H
#define DOL_SEAL_KEY_H

#include "keyring_keys.h"

#define SEAL_KEY_BYTES   32u
#define SEAL_NONCE_BYTES 12u

/* HKDF-SHA256(data key, salt = life, info = "dolmen slab key v1"). The caller wipes it. */
void seal_slab_key(const uint8_t data_key[DATA_KEY_BYTES], struct uuid life, uint8_t out[SEAL_KEY_BYTES]);
/* 4 zero bytes || le64(counter). */
void seal_nonce(uint64_t counter, uint8_t out[SEAL_NONCE_BYTES]);

#endif
