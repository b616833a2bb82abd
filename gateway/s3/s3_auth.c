/*
 * Authentication in the four steps of sigv4.h, with the errors that AWS's clients know.
 *
 * Nothing of the request is believed before the signature is verified, but for what is needed to verify it. The secret
 * lives on this stack only, and is wiped before returning; the signing key stays in the request, because signed
 * streaming needs it for each chunk.
 */
#include "s3_auth.h"

#include "hash.h"
#include "http_date.h"

#include <inttypes.h>

void s3_key_cache_init(struct s3_key_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
}

void s3_key_cache_fini(struct s3_key_cache *cache)
{
    pthread_mutex_destroy(&cache->lock);
    secret_wipe(cache->entries, sizeof cache->entries);
}

/* The entry counts only while access key and secret are still the same. */
static bool key_cache_entry_is(const struct s3_key_cache_entry *e, const struct iam_identity *id, struct bytes date)
{
    return bytes_equal_str(date, e->date) && strcmp(e->access_key, id->access_key) == 0 &&
           secret_equal(e->secret_key, id->secret_key, sizeof e->secret_key);
}

static bool key_cache_get(struct s3_key_cache *cache, const struct iam_identity *id, struct bytes date,
                          struct sigv4_signing_key *key)
{
    bool found = false;
    pthread_mutex_lock(&cache->lock);
    for (unsigned i = 0; i < S3_KEY_CACHE_ENTRIES_MAX && !found; i++) {
        found = key_cache_entry_is(&cache->entries[i], id, date);
        if (found)
            *key = cache->entries[i].key;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

static void key_cache_put(struct s3_key_cache *cache, const struct iam_identity *id, struct bytes date,
                          const struct sigv4_signing_key *key)
{
    if (date.len >= sizeof cache->entries[0].date)
        return;
    pthread_mutex_lock(&cache->lock);
    struct s3_key_cache_entry *e = &cache->entries[cache->next];
    cache->next = (cache->next + 1) % S3_KEY_CACHE_ENTRIES_MAX;
    memset(e, 0, sizeof *e);
    memcpy(e->access_key, id->access_key, sizeof e->access_key);
    memcpy(e->secret_key, id->secret_key, sizeof e->secret_key);
    memcpy(e->date, date.data, date.len);
    e->key = *key;
    pthread_mutex_unlock(&cache->lock);
}

static enum s3_error auth_fail_region(struct s3_request *rq)
{
    struct bytes got = rq->auth.region;
    bool presigned = rq->auth.kind == SIGV4_KIND_PRESIGNED;
    s3_fault_detail(rq, "Region", s3_bytes_of(rq->config->region));
    return s3_fail(
        rq, presigned ? S3_ERR_AUTH_QUERY_MALFORMED : S3_ERR_AUTH_HEADER_MALFORMED,
        s3_text(rq, "%s; the region '%.*s' is wrong; expecting '%s'",
                presigned ? "Error parsing the X-Amz-Credential parameter" : "The authorization header is malformed",
                (int)got.len, (const char *)got.data, rq->config->region));
}

static enum s3_error auth_fail_time(struct s3_request *rq, enum s3_error error, const char *message, int64_t now_s)
{
    char now[HTTP_DATE_TEXT_MAX];
    char other[HTTP_DATE_TEXT_MAX];
    int64_t limit_s = rq->auth.time_s;
    if (error == S3_ERR_ACCESS_DENIED)
        limit_s += rq->auth.expires_s;
    http_date_format_iso(now_s * 1000000000, now);
    http_date_format_iso(limit_s * 1000000000, other);
    const char *now_text = s3_text(rq, "%s", now);
    const char *other_text = s3_text(rq, "%s", other);
    if (now_text == NULL || other_text == NULL)
        return S3_ERR_SLOW_DOWN;
    if (error == S3_ERR_ACCESS_DENIED) {
        s3_fault_detail(rq, "Expires", s3_bytes_of(other_text));
    } else {
        s3_fault_detail(rq, "RequestTime", s3_bytes_of(rq->auth.amz_date));
        s3_fault_detail(rq, "MaxAllowedSkewMilliseconds", s3_bytes_of("900000"));
    }
    s3_fault_detail(rq, "ServerTime", s3_bytes_of(now_text));
    return s3_fail(rq, error, message);
}

static enum s3_error auth_fail_signature(struct s3_request *rq)
{
    s3_fault_detail(rq, "AWSAccessKeyId", rq->auth.access_key);
    s3_fault_detail(rq, "StringToSign", rq->auth.string_to_sign);
    s3_fault_detail(rq, "CanonicalRequest", rq->auth.canonical_request);
    return S3_ERR_SIGNATURE_MISMATCH;
}

/* Nobody signed: policies say what nobody in particular may. The body is as its headers say, without signatures. */
static enum s3_error auth_anonymous(struct s3_request *rq)
{
    const struct bytes *sha = s3_header(rq, "x-amz-content-sha256");
    bool framed = s3_header(rq, "x-amz-trailer") != NULL && s3_header(rq, "x-amz-decoded-content-length") != NULL;
    rq->auth = (struct sigv4_auth){.payload = SIGV4_PAYLOAD_UNSIGNED};
    if (sha == NULL) {
        rq->auth.payload = framed ? SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER : SIGV4_PAYLOAD_UNSIGNED;
        return S3_ERR_NONE;
    }
    if (sigv4_parse_payload(*sha, &rq->auth) != SIGV4_OK)
        return s3_fail_argument(rq, sigv4_result_text(SIGV4_BAD_CONTENT_SHA256), "x-amz-content-sha256", *sha);
    bool chained =
        rq->auth.payload == SIGV4_PAYLOAD_STREAM_SIGNED || rq->auth.payload == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
    return chained ? S3_ERR_ACCESS_DENIED : S3_ERR_NONE; /* chunks are signed, by nobody */
}

static enum s3_error auth_error_of(struct s3_request *rq, enum sigv4_result result, int64_t now_s)
{
    const char *text = sigv4_result_text(result);
    switch (result) {
    case SIGV4_OK:
        return S3_ERR_NONE;
    case SIGV4_ANONYMOUS:
        /* A URL signed by version 2: its maker should learn what is wrong with it. */
        if (s3_param(rq, "AWSAccessKeyId") != NULL && s3_param(rq, "Signature") != NULL)
            return s3_fail(rq, S3_ERR_INVALID_REQUEST, sigv4_result_text(SIGV4_UNSUPPORTED));
        return auth_anonymous(rq);
    case SIGV4_WRONG_REGION:
        return auth_fail_region(rq);
    case SIGV4_MALFORMED:
        return s3_fail(rq, S3_ERR_AUTH_HEADER_MALFORMED, text);
    case SIGV4_QUERY_MALFORMED:
        return s3_fail(rq, S3_ERR_AUTH_QUERY_MALFORMED, text);
    case SIGV4_WRONG_SERVICE:
    case SIGV4_WRONG_DATE:
        return s3_fail(
            rq, rq->auth.kind == SIGV4_KIND_PRESIGNED ? S3_ERR_AUTH_QUERY_MALFORMED : S3_ERR_AUTH_HEADER_MALFORMED,
            text);
    case SIGV4_SKEWED:
        return auth_fail_time(rq, S3_ERR_REQUEST_TIME_TOO_SKEWED, text, now_s);
    case SIGV4_EXPIRED:
        return auth_fail_time(rq, S3_ERR_ACCESS_DENIED, text, now_s);
    case SIGV4_MISSING_DATE:
    case SIGV4_NOT_YET_VALID:
    case SIGV4_UNSIGNED_HEADER:
        return s3_fail(rq, S3_ERR_ACCESS_DENIED, text);
    case SIGV4_UNSUPPORTED:
    case SIGV4_MISSING_CONTENT_SHA256:
        return s3_fail(rq, S3_ERR_INVALID_REQUEST, text);
    case SIGV4_AMBIGUOUS:
        return s3_fail(rq, S3_ERR_INVALID_ARGUMENT, text);
    case SIGV4_BAD_CONTENT_SHA256: {
        const struct bytes *value = s3_header(rq, "x-amz-content-sha256");
        return s3_fail_argument(rq, text, "x-amz-content-sha256", value != NULL ? *value : bytes_of("", 0));
    }
    case SIGV4_MISMATCH:
        return auth_fail_signature(rq);
    case SIGV4_NO_MEMORY:
        return S3_ERR_SLOW_DOWN;
    }
    return S3_ERR_INTERNAL;
}

/* The identity's secret is used and wiped here. */
static enum s3_error auth_signing_key(struct s3_request *rq, struct s3_key_cache *cache)
{
    struct sigv4_auth *auth = &rq->auth;
    enum dol_err err = iam_lookup(rq->config->iam, auth->access_key, &rq->identity);
    if (err == DOL_ENOTFOUND) {
        s3_fault_detail(rq, "AWSAccessKeyId", auth->access_key);
        return S3_ERR_INVALID_ACCESS_KEY_ID;
    }
    if (err != DOL_OK)
        return s3_error_of(err);
    if (!key_cache_get(cache, &rq->identity, auth->date, &rq->signing_key)) {
        sigv4_derive_key(s3_bytes_of(rq->identity.secret_key), auth->date, auth->region, auth->service,
                         &rq->signing_key);
        key_cache_put(cache, &rq->identity, auth->date, &rq->signing_key);
    }
    secret_wipe(rq->identity.secret_key, sizeof rq->identity.secret_key);
    return S3_ERR_NONE;
}

enum s3_error s3_authenticate(struct s3_request *rq, struct s3_key_cache *cache)
{
    int64_t now_s = clock_realtime_ns() / 1000000000;
    struct sigv4_request signed_request = {
        .method = rq->head->method_name,
        .path = rq->path,
        .query = &rq->query,
        .headers = rq->head->headers,
        .header_count = rq->head->header_count,
    };
    enum sigv4_result result = sigv4_parse(&signed_request, &rq->auth);
    if (result == SIGV4_OK)
        result = sigv4_check(&signed_request, &rq->auth, s3_bytes_of(rq->config->region), now_s);
    if (result != SIGV4_OK)
        return auth_error_of(rq, result, now_s);
    /* There are no temporary credentials: a token that means nothing to us must not pass as if it did. */
    if (rq->auth.security_token.len > 0)
        return S3_ERR_INVALID_TOKEN;
    enum s3_error error = auth_signing_key(rq, cache);
    if (error != S3_ERR_NONE)
        return error;
    result = sigv4_verify(&signed_request, &rq->auth, &rq->signing_key, rq->arena);
    if (result != SIGV4_OK)
        return auth_error_of(rq, result, now_s);
    rq->x->user = arena_strndup(rq->arena, rq->auth.access_key.data, rq->auth.access_key.len);
    return S3_ERR_NONE;
}
