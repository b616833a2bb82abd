/*
 * Signatures. Lines of the input are method, path, query, then headers "name:value". What parses is signed with a key
 * of ours: that signature must verify, and any other must not.
 */
#include "fuzz_check.h"
#include "hash.h"
#include "sigv4.h"

#define HEADERS_MAX 32u

static struct bytes next_line(const char **at, const char *end)
{
    const char *s = *at;
    const char *lf = s < end ? memchr(s, '\n', (size_t)(end - s)) : NULL;
    const char *stop = lf != NULL ? lf : end;
    *at = lf != NULL ? lf + 1 : end;
    return bytes_of(s, (size_t)(stop - s));
}

static unsigned read_headers(const char *at, const char *end, struct wire_header *headers)
{
    unsigned n = 0;
    while (at < end && n < HEADERS_MAX) {
        struct bytes line = next_line(&at, end);
        const char *s = line.data;
        const char *colon = memchr(s, ':', line.len);
        if (colon == NULL || colon == s)
            continue;
        size_t len = (size_t)(colon - s);
        headers[n++] = (struct wire_header){bytes_of(s, len), bytes_of(colon + 1, line.len - len - 1)};
    }
    return n;
}

static void check_signature(const struct sigv4_request *req, struct sigv4_auth *auth, struct arena *a)
{
    struct sigv4_signing_key key;
    struct sigv4_chunk_signer signer;
    sigv4_derive_key(bytes_of("secret", 6), auth->date, auth->region, auth->service, &key);
    enum sigv4_result result = sigv4_verify(req, auth, &key, a);
    CHECK(result == SIGV4_MISMATCH || result == SIGV4_NO_MEMORY);
    if (result != SIGV4_MISMATCH)
        return;
    CHECK(auth->canonical_request.len >= auth->signed_headers.len + auth->payload_text.len);
    hmac_sha256(bytes_of(key.b, sizeof key.b), auth->string_to_sign, auth->signature);
    auth->signature_is_hex = true;
    result = sigv4_verify(req, auth, &key, a);
    CHECK(result == SIGV4_OK || result == SIGV4_NO_MEMORY);
    auth->signature[31] ^= 1;
    result = sigv4_verify(req, auth, &key, a);
    CHECK(result == SIGV4_MISMATCH || result == SIGV4_NO_MEMORY);
    CHECK(sigv4_chunk_signer_init(&signer, auth, &key) == DOL_OK);
    struct sha256 digest = sha256_of("", 0);
    CHECK(!sigv4_chunk_verify(&signer, &digest, auth->signature));
    CHECK(!sigv4_trailer_verify(&signer, &digest, auth->signature));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    struct wire_header headers[HEADERS_MAX];
    struct uri_query query;
    struct sigv4_auth auth;
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct bytes method = next_line(&at, end), path = next_line(&at, end), raw_query = next_line(&at, end);
    unsigned count = read_headers(at, end, headers);
    if (uri_query_parse(raw_query, &arena, &query) == DOL_OK) {
        struct sigv4_request req = {
            .method = method, .path = path, .query = &query, .headers = headers, .header_count = count};
        if (sigv4_parse(&req, &auth) == SIGV4_OK) {
            CHECK(auth.access_key.len > 0 && auth.scope.len <= SIGV4_SCOPE_BYTES_MAX && auth.date.len == 8);
            CHECK(strlen(auth.amz_date) == 16);
            CHECK(sigv4_check(&req, &auth, auth.region, auth.time_s) != SIGV4_SKEWED);
            check_signature(&req, &auth, &arena);
        }
    }
    arena_fini(&arena);
    return 0;
}
