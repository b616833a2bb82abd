/*
 * The signature: canonical request, string to sign, key derivation, comparison; and the chain of chunk signatures.
 *
 * The canonical path is tried as the client sent it first (S3 does not normalise paths), then decoded and encoded anew,
 * because some clients sign the canonical form and send another spelling. Both spell the same key, so accepting
 * either gives nothing away.
 */
#include "sigv4.h"
#include "dol_assert.h"
#include "hash.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const char *sigv4_result_code(enum sigv4_result result)
{
    static const char *const codes[] = {
#define SIGV4_RESULT_CODE(name, code, text) code,
        SIGV4_RESULT_TABLE(SIGV4_RESULT_CODE)
#undef SIGV4_RESULT_CODE
    };
    return (unsigned)result < sizeof codes / sizeof codes[0] ? codes[result] : "InternalError";
}

const char *sigv4_result_text(enum sigv4_result result)
{
    static const char *const texts[] = {
#define SIGV4_RESULT_TEXT(name, code, text) text,
        SIGV4_RESULT_TABLE(SIGV4_RESULT_TEXT)
#undef SIGV4_RESULT_TEXT
    };
    return (unsigned)result < sizeof texts / sizeof texts[0] ? texts[result] : "unknown result";
}

void sigv4_derive_key(struct bytes secret, struct bytes date, struct bytes region, struct bytes service,
                      struct sigv4_signing_key *key)
{
    uint8_t first[4 + SIGV4_SECRET_BYTES_MAX];
    uint8_t k[32];
    dol_assert(secret.len <= SIGV4_SECRET_BYTES_MAX);
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, secret.data, secret.len);
    hmac_sha256(bytes_of(first, 4 + secret.len), date, k);
    hmac_sha256(bytes_of(k, sizeof k), region, key->b);
    hmac_sha256(bytes_of(key->b, sizeof key->b), service, k);
    hmac_sha256(bytes_of(k, sizeof k), bytes_of("aws4_request", 12), key->b);
    secret_wipe(first, sizeof first);
    secret_wipe(k, sizeof k);
}

/* ---- a text in the arena, sized before it is written ---- */

struct text {
    char *at;
    char *end;
};

static void put(struct text *t, struct bytes b)
{
    dol_assert(b.len <= (size_t)(t->end - t->at));
    if (b.len > 0)
        memcpy(t->at, b.data, b.len);
    t->at += b.len;
}

static void put_str(struct text *t, const char *s)
{
    put(t, bytes_of(s, strlen(s)));
}

/* ---- canonical query ---- */

struct pair {
    struct bytes name;
    struct bytes value;
};

static int pair_compare(const struct pair *a, const struct pair *b)
{
    int c = bytes_compare(a->name, b->name);
    return c != 0 ? c : bytes_compare(a->value, b->value);
}

/* Encoded, then sorted by name and value. The signature itself is no part of it. */
static enum dol_err canonical_pairs(const struct sigv4_request *req, const struct sigv4_auth *auth, struct arena *a,
                                    struct pair *pairs, unsigned *count)
{
    unsigned n = 0;
    for (unsigned i = 0; i < req->query->count; i++) {
        const struct uri_param *p = &req->query->params[i];
        struct pair pair;
        if (auth->kind == SIGV4_KIND_PRESIGNED && bytes_equal_str(p->name, "X-Amz-Signature"))
            continue;
        enum dol_err err = uri_encode(p->name, URI_ENCODE_ALL, a, &pair.name);
        if (err == DOL_OK)
            err = uri_encode(p->value, URI_ENCODE_ALL, a, &pair.value);
        if (err != DOL_OK)
            return err;
        unsigned at = n++;
        for (; at > 0 && pair_compare(&pair, &pairs[at - 1]) < 0; at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = pair;
    }
    *count = n;
    return DOL_OK;
}

/* ---- canonical headers ---- */

/* Trimmed already; runs of blanks become one. */
static void put_header_value(struct text *t, struct bytes value)
{
    const char *s = value.data;
    bool blank = false;
    dol_assert(value.len <= (size_t)(t->end - t->at));
    for (size_t i = 0; i < value.len; i++) {
        bool is_blank = s[i] == ' ' || s[i] == '\t';
        if (!is_blank)
            *t->at++ = s[i];
        else if (!blank)
            *t->at++ = ' ';
        blank = is_blank;
    }
}

/* "name:value\n", the values of a repeated header joined by commas. */
static void put_header(struct text *t, const struct sigv4_request *req, struct bytes name)
{
    bool first = true;
    put(t, name);
    put_str(t, ":");
    for (unsigned i = 0; i < req->header_count; i++) {
        if (!bytes_equal(req->headers[i].name, name))
            continue;
        if (!first)
            put_str(t, ",");
        first = false;
        put_header_value(t, req->headers[i].value);
    }
    put_str(t, "\n");
}

static bool next_name(struct bytes *list, struct bytes *name)
{
    if (list->len == 0)
        return false;
    const char *s = list->data;
    const char *semicolon = memchr(s, ';', list->len);
    size_t len = semicolon != NULL ? (size_t)(semicolon - s) : list->len;
    *name = bytes_of(s, len);
    size_t skip = semicolon != NULL ? len + 1 : len;
    *list = bytes_of(s + skip, list->len - skip);
    return true;
}

static size_t canonical_bytes_max(const struct sigv4_request *req, const struct sigv4_auth *auth, struct bytes path,
                                  const struct pair *pairs, unsigned pair_count)
{
    /* names with ':' and '\n' appear twice; a value once, with a comma */
    size_t n = req->method.len + path.len + 3 * auth->signed_headers.len + auth->payload_text.len + 16;
    for (unsigned i = 0; i < pair_count; i++)
        n += pairs[i].name.len + pairs[i].value.len + 2;
    for (unsigned i = 0; i < req->header_count; i++)
        n += req->headers[i].value.len + 1;
    return n;
}

static enum dol_err canonical_request(const struct sigv4_request *req, const struct sigv4_auth *auth, struct bytes path,
                                      struct arena *a, struct bytes *out)
{
    struct pair *pairs = NULL;
    unsigned pair_count = 0;
    if (req->query->count > 0) {
        pairs = arena_alloc(a, req->query->count * sizeof *pairs);
        if (pairs == NULL)
            return DOL_ENOMEM;
        enum dol_err err = canonical_pairs(req, auth, a, pairs, &pair_count);
        if (err != DOL_OK)
            return err;
    }
    size_t size = canonical_bytes_max(req, auth, path, pairs, pair_count);
    char *start = arena_alloc(a, size);
    if (start == NULL)
        return DOL_ENOMEM;
    struct text t = {start, start + size};
    put(&t, req->method);
    put_str(&t, "\n");
    put(&t, path);
    put_str(&t, "\n");
    for (unsigned i = 0; i < pair_count; i++) {
        put_str(&t, i > 0 ? "&" : "");
        put(&t, pairs[i].name);
        put_str(&t, "=");
        put(&t, pairs[i].value);
    }
    put_str(&t, "\n");
    struct bytes list = auth->signed_headers, name;
    while (next_name(&list, &name))
        put_header(&t, req, name);
    put_str(&t, "\n");
    put(&t, auth->signed_headers);
    put_str(&t, "\n");
    put(&t, auth->payload_text);
    *out = bytes_of(start, (size_t)(t.at - start));
    return DOL_OK;
}

static enum dol_err string_to_sign(const struct sigv4_auth *auth, struct bytes canonical, struct arena *a,
                                   struct bytes *out)
{
    char hex[65];
    struct sha256 digest = sha256_of(canonical.data, canonical.len);
    hex_encode(digest.b, sizeof digest.b, hex);
    size_t size = 17 + 17 + auth->scope.len + 1 + 64;
    char *start = arena_alloc(a, size);
    if (start == NULL)
        return DOL_ENOMEM;
    struct text t = {start, start + size};
    put_str(&t, "AWS4-HMAC-SHA256\n");
    put_str(&t, auth->amz_date);
    put_str(&t, "\n");
    put(&t, auth->scope);
    put_str(&t, "\n");
    put_str(&t, hex);
    *out = bytes_of(start, (size_t)(t.at - start));
    return DOL_OK;
}

/* One try with one spelling of the path. */
static enum sigv4_result try_path(const struct sigv4_request *req, const struct sigv4_auth *auth, struct bytes path,
                                  const struct sigv4_signing_key *key, struct arena *a, struct bytes *canonical,
                                  struct bytes *to_sign)
{
    uint8_t signature[32];
    if (canonical_request(req, auth, path, a, canonical) != DOL_OK ||
        string_to_sign(auth, *canonical, a, to_sign) != DOL_OK)
        return SIGV4_NO_MEMORY;
    hmac_sha256(bytes_of(key->b, sizeof key->b), *to_sign, signature);
    bool equal = secret_equal(signature, auth->signature, sizeof signature);
    secret_wipe(signature, sizeof signature);
    return equal && auth->signature_is_hex ? SIGV4_OK : SIGV4_MISMATCH;
}

enum sigv4_result sigv4_verify(const struct sigv4_request *req, struct sigv4_auth *auth,
                               const struct sigv4_signing_key *key, struct arena *a)
{
    enum sigv4_result result = try_path(req, auth, req->path, key, a, &auth->canonical_request, &auth->string_to_sign);
    if (result != SIGV4_MISMATCH || !auth->signature_is_hex)
        return result;
    struct bytes plain, path, canonical, to_sign;
    enum dol_err err = uri_decode(req->path, URI_DECODE_PATH, a, &plain);
    if (err == DOL_OK)
        err = uri_encode(plain, URI_ENCODE_PATH, a, &path);
    if (err == DOL_ENOMEM)
        return SIGV4_NO_MEMORY;
    if (err != DOL_OK || bytes_equal(path, req->path))
        return SIGV4_MISMATCH;
    return try_path(req, auth, path, key, a, &canonical, &to_sign);
}

/* ---- chunks ---- */

enum dol_err sigv4_chunk_signer_init(struct sigv4_chunk_signer *s, const struct sigv4_auth *auth,
                                     const struct sigv4_signing_key *key)
{
    memset(s, 0, sizeof *s);
    if (auth->scope.len >= sizeof s->scope)
        return DOL_EINVAL;
    s->key = *key;
    memcpy(s->amz_date, auth->amz_date, sizeof s->amz_date);
    memcpy(s->scope, auth->scope.data, auth->scope.len);
    hex_encode(auth->signature, sizeof auth->signature, s->previous);
    return DOL_OK;
}

/* `algorithm`, time, scope, previous signature, then `tail`, each but the last with a line feed. */
static bool link_verify(struct sigv4_chunk_signer *s, const char *algorithm, const char *tail, const uint8_t given[32])
{
    char buf[32 + 17 + SIGV4_SCOPE_BYTES_MAX + 1 + 65 + 130];
    uint8_t signature[32];
    struct text t = {buf, buf + sizeof buf};
    put_str(&t, algorithm);
    put_str(&t, "\n");
    put_str(&t, s->amz_date);
    put_str(&t, "\n");
    put_str(&t, s->scope);
    put_str(&t, "\n");
    put_str(&t, s->previous);
    put_str(&t, "\n");
    put_str(&t, tail);
    hmac_sha256(bytes_of(s->key.b, sizeof s->key.b), bytes_of(buf, (size_t)(t.at - buf)), signature);
    bool equal = secret_equal(signature, given, sizeof signature);
    if (equal)
        hex_encode(signature, sizeof signature, s->previous);
    secret_wipe(signature, sizeof signature);
    return equal;
}

bool sigv4_chunk_verify(struct sigv4_chunk_signer *s, const struct sha256 *chunk, const uint8_t given[32])
{
    char tail[64 + 1 + 65] = EMPTY_SHA256 "\n";
    hex_encode(chunk->b, sizeof chunk->b, tail + 65);
    return link_verify(s, "AWS4-HMAC-SHA256-PAYLOAD", tail, given);
}

bool sigv4_trailer_verify(struct sigv4_chunk_signer *s, const struct sha256 *trailers, const uint8_t given[32])
{
    char tail[65];
    hex_encode(trailers->b, sizeof trailers->b, tail);
    return link_verify(s, "AWS4-HMAC-SHA256-TRAILER", tail, given);
}
