/* Retention and legal hold of a version, changed as far as retention_allows() it. */
#include "object_meta.h"
#include "retention.h"

uint64_t store_compliance_now_s(const struct store *s)
{
    return pool_compliance_now_s(s->pool);
}

struct lock_change {
    const struct lock_request *req;
    struct retention to;
};

static enum dol_err change_retention(struct store *s, const struct bucket_ref *bucket, struct object_meta_body *body,
                                     void *arg)
{
    const struct lock_change *c = arg;
    enum retention_right right = c->req->bypass_governance ? RETENTION_RIGHT_BYPASS_GOVERNANCE : RETENTION_RIGHT_NONE;
    if (!bucket->object_lock)
        return DOL_ENOLOCK;
    if (retention_is_weaker(&c->to, &body->retention) &&
        !retention_allows(&body->retention, RETENTION_ACT_SHORTEN, right, pool_compliance_now_s(s->pool)))
        return DOL_ERETAINED;
    body->retention.mode = c->to.mode;
    body->retention.until_s = c->to.until_s;
    return DOL_OK;
}

static enum dol_err change_legal_hold(struct store *s, const struct bucket_ref *bucket, struct object_meta_body *body,
                                      void *arg)
{
    (void)s;
    const struct lock_change *c = arg;
    if (!bucket->object_lock)
        return DOL_ENOLOCK;
    body->retention.legal_hold = c->to.legal_hold;
    return DOL_OK;
}

static enum dol_err change(struct store *s, const struct lock_request *req, const struct retention *to,
                           meta_change_fn *fn)
{
    const struct meta_target target = {req->bucket, req->key, req->version};
    struct lock_change c = {.req = req, .to = *to};
    struct tag_result result;
    return object_meta_change(s, &target, fn, &c, &result);
}

enum dol_err store_object_set_retention(struct store *s, const struct lock_request *req, enum retention_mode mode,
                                        int64_t until_s)
{
    const struct retention to = {.mode = (uint8_t)mode, .until_s = until_s};
    if ((mode == RETENTION_NONE) != (until_s == 0) || until_s < 0)
        return DOL_EINVAL;
    return change(s, req, &to, change_retention);
}

enum dol_err store_object_set_legal_hold(struct store *s, const struct lock_request *req, enum legal_hold hold)
{
    const struct retention to = {.legal_hold = (uint8_t)hold};
    return change(s, req, &to, change_legal_hold);
}
