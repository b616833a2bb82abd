/* The four steps of SigV4: canonical request, string to sign, signing key, signature. */
#include "bench_sign.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hash.h"

#define CANONICAL_MAX 16384u

void bench_signer_init(struct bench_signer *s, const struct bench_options *options)
{
    *s = (struct bench_signer){.options = options};
    snprintf(s->host, sizeof s->host, "%s:%u", options->host, (unsigned)options->port);
}

static void derive_key(struct bench_signer *s)
{
    char secret[BENCH_TEXT_MAX + 8];
    int len = snprintf(secret, sizeof secret, "AWS4%s", s->options->secret_key);
    const char *const parts[] = {s->day, s->options->region, "s3", "aws4_request"};
    hmac_sha256(bytes_of(secret, (size_t)len), bytes_of(s->day, 8), s->key);
    for (unsigned i = 1; i < sizeof parts / sizeof parts[0]; i++) {
        uint8_t next[32];
        hmac_sha256(bytes_of(s->key, sizeof s->key), bytes_of(parts[i], strlen(parts[i])), next);
        memcpy(s->key, next, sizeof s->key);
    }
}

static void set_time(struct bench_signer *s)
{
    time_t now = time(NULL);
    struct tm tm;
    if (now == s->second)
        return;
    s->second = now;
    gmtime_r(&now, &tm);
    strftime(s->stamp, sizeof s->stamp, "%Y%m%dT%H%M%SZ", &tm);
    if (memcmp(s->day, s->stamp, 8) == 0)
        return;
    memcpy(s->day, s->stamp, 8);
    s->day[8] = '\0';
    derive_key(s);
}

size_t bench_sign(struct bench_signer *s, const char *method, const char *path, const char *query,
                  const char *payload_hash, char *out, size_t out_len)
{
    set_time(s);
    char text[CANONICAL_MAX];
    int len = snprintf(text, sizeof text,
                       "%s\n%s\n%s\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
                       "host;x-amz-content-sha256;x-amz-date\n%s",
                       method, path, query, s->host, payload_hash, s->stamp, payload_hash);
    if (len < 0 || (size_t)len >= sizeof text)
        return 0;
    struct sha256 digest = sha256_of(text, (size_t)len);
    char hex[65];
    hex_encode(digest.b, sizeof digest.b, hex);

    len = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", s->stamp, s->day,
                   s->options->region, hex);
    uint8_t signature[32];
    hmac_sha256(bytes_of(s->key, sizeof s->key), bytes_of(text, (size_t)len), signature);
    hex_encode(signature, sizeof signature, hex);

    len = snprintf(out, out_len,
                   "Host: %s\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
                   "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, "
                   "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s\r\n",
                   s->host, s->stamp, payload_hash, s->options->access_key, s->day, s->options->region, hex);
    return len < 0 || (size_t)len >= out_len ? 0 : (size_t)len;
}
