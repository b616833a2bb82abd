/* Comparison and erasure of secrets, by OpenSSL's primitives that compilers cannot see through. */
#include "hash.h"

#include <openssl/crypto.h>

bool secret_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

void secret_wipe(void *p, size_t len)
{
    if (len > 0)
        OPENSSL_cleanse(p, len);
}
