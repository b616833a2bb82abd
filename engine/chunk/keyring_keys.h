/* Between the keyring and seal.c only: the data keys themselves. */
#ifndef DOL_KEYRING_KEYS_H
#define DOL_KEYRING_KEYS_H

#include "keyring.h"

#define DATA_KEY_BYTES 32u

/* NULL: the keyring has no such key. Valid as long as the keyring. */
const uint8_t *keyring_find(const struct keyring *k, uint32_t id);

#endif
