/* See retention.h: S3 Object Lock's semantics, by the compliance clock. */
#include "retention.h"

bool retention_allows(const struct retention *r, enum retention_act act, enum retention_right right, uint64_t now_s)
{
    if (act == RETENTION_ACT_DESTROY && r->legal_hold)
        return false;
    if (r->mode == RETENTION_NONE)
        return true;
    if (r->until_s <= 0 || (uint64_t)r->until_s <= now_s)
        return true;
    if (r->mode == RETENTION_GOVERNANCE)
        return right == RETENTION_RIGHT_BYPASS_GOVERNANCE;
    return false;
}

bool retention_is_weaker(const struct retention *to, const struct retention *from)
{
    return from->mode != RETENTION_NONE && (to->mode != from->mode || to->until_s < from->until_s);
}
