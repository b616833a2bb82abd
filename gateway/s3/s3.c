/*
 * One exchange from its head to its answer: locate, route, authenticate, authorise, refuse what can't be honoured, hand
 * over to the operation.
 *
 * The operation is known before the signature is checked, so that a refused request is logged and counted under its
 * name; nothing else about it is believed until then.
 */
#include "s3.h"

#include "dol_assert.h"
#include "hash.h"
#include "s3_auth.h"
#include "s3_authorize.h"
#include "s3_cors.h"
#include "s3_refuse.h"
#include "s3_reply.h"
#include "s3_route.h"

#include <stdlib.h>

struct s3 {
    struct s3_config config;
    struct s3_key_cache keys;
};

enum dol_err s3_new(const struct s3_config *config, struct s3 **out)
{
    struct s3 *s3 = calloc(1, sizeof *s3);
    if (s3 == NULL)
        return DOL_ENOMEM;
    s3->config = *config;
    s3_key_cache_init(&s3->keys);
    *out = s3;
    return DOL_OK;
}

void s3_free(struct s3 *s3)
{
    if (s3 == NULL)
        return;
    s3_key_cache_fini(&s3->keys);
    free(s3);
}

static enum s3_error handle_locate(struct s3_request *rq)
{
    struct bytes raw_query;
    const char *domain = rq->config->domain;
    uri_split(rq->head->target, &rq->path, &raw_query);
    enum dol_err err = uri_query_parse(raw_query, rq->arena, &rq->query);
    if (err == DOL_OK)
        err = uri_locate(rq->path, rq->head->host, domain != NULL ? s3_bytes_of(domain) : bytes_of("", 0), rq->arena,
                         &rq->place);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    if (err != DOL_OK)
        return S3_ERR_INVALID_URI;
    rq->bucket = rq->place.bucket;
    rq->key = rq->place.key;
    return S3_ERR_NONE;
}

static enum s3_error handle_check_names(struct s3_request *rq)
{
    if (rq->bucket.len > 0 && !uri_bucket_name_is_valid(rq->bucket))
        return S3_ERR_INVALID_BUCKET_NAME;
    switch (uri_key_check(rq->key)) {
    case URI_KEY_OK:
    case URI_KEY_EMPTY:
        return S3_ERR_NONE;
    case URI_KEY_TOO_LONG: {
        const char *size = s3_text(rq, "%zu", rq->key.len);
        s3_fault_detail(rq, "Size", s3_bytes_of(size));
        s3_fault_detail(rq, "MaxSizeAllowed", s3_bytes_of("1024"));
        return S3_ERR_KEY_TOO_LONG;
    }
    case URI_KEY_NOT_UTF8:
        return S3_ERR_INVALID_URI;
    }
    return S3_ERR_INTERNAL;
}

/* A row without a handler: the bucket must exist before anything is said about what it lacks. */
static enum s3_error handle_absent(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum s3_error absent = rq->route->absent;
    if (absent == S3_ERR_NOT_IMPLEMENTED) {
        const char *what = rq->route->param != NULL ? rq->route->param : rq->route->operation;
        if (rq->route->header != NULL)
            return s3_fail_header(rq, rq->route->header);
        return s3_fail(rq, absent, s3_text(rq, "%s is not implemented (%s)", rq->route->operation, what));
    }
    enum dol_err err = store_bucket_get(rq->config->store, rq->bucket, &bucket);
    return err != DOL_OK ? s3_error_of(err) : absent;
}

static enum s3_error handle_request(struct s3_request *rq)
{
    enum s3_error error = handle_locate(rq);
    if (error != S3_ERR_NONE)
        return error;
    if (rq->head->method == HTTP1_METHOD_OPTIONS) {
        rq->x->operation = "OptionsObject";
        return s3_cors_preflight(rq);
    }
    s3_cors_find(rq);
    rq->route = s3_route_find(rq);
    if (rq->route != NULL)
        rq->x->operation = rq->route->operation;
    error = s3_authenticate(rq, &rq->s3->keys);
    if (error != S3_ERR_NONE)
        return error;
    if (rq->route == NULL) {
        s3_fault_detail(rq, "Method", rq->head->method_name);
        return S3_ERR_METHOD_NOT_ALLOWED;
    }
    error = handle_check_names(rq);
    if (error == S3_ERR_NONE)
        error = s3_authorize(rq);
    if (error != S3_ERR_NONE)
        return error;
    if (rq->route->handler == NULL)
        return handle_absent(rq);
    error = s3_refuse_headers(rq);
    if (error == S3_ERR_NONE)
        error = rq->route->handler(rq);
    return s3_authorize_absence(rq, error);
}

void s3_handle(struct s3 *s3, struct exchange *x)
{
    dol_assert_magic(x, EXCHANGE_MAGIC);
    struct s3_request rq = {.s3 = s3, .config = &s3->config, .x = x, .head = x->request, .arena = x->arena};
    enum s3_error error = handle_request(&rq);
    if (error != S3_ERR_NONE)
        s3_reply_error(&rq, error);
    s3_access_fini(&rq);
    secret_wipe(&rq.signing_key, sizeof rq.signing_key);
    secret_wipe(rq.identity.secret_key, sizeof rq.identity.secret_key);
}
