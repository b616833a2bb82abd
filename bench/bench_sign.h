/*
 * AWS Signature Version 4, header form (AWS: "Create a signed AWS API request"). The signing key is derived once a day
 * and kept. One signer per thread; not shared.
 */
#ifndef DOL_BENCH_SIGN_H
#define DOL_BENCH_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "bench_options.h"

struct bench_signer {
    const struct bench_options *options; /* borrowed */
    char host[80];                       /* as in the Host header */
    int64_t second;                      /* of stamp: seconds since 1970 */
    char stamp[17];                      /* "20260102T030405Z" */
    char day[9];                         /* of key: "20260102" */
    uint8_t key[32];
};

void bench_signer_init(struct bench_signer *s, const struct bench_options *options);

/*
 * Writes the header lines Host, x-amz-date, x-amz-content-sha256 and Authorization, each with CRLF. `path` is the
 * encoded path, `query` the canonical query or ""; payload_hash is 64 hex digits or "UNSIGNED-PAYLOAD". Returns the
 * length written; 0 when out is too small.
 */
size_t bench_sign(struct bench_signer *s, const char *method, const char *path, const char *query,
                  const char *payload_hash, char *out, size_t out_len);

#endif
