/* See dolmen/lifecycle.h. Whatever is in doubt is kept. */
#include <dolmen/lifecycle.h>

#define NS_PER_S 1000000000

/* The first midnight at or behind so many days after a moment. */
static int64_t due_after(const struct lifecycle *l, int64_t from_ns, uint32_t days)
{
    int64_t from_s = from_ns / NS_PER_S + (from_ns % NS_PER_S > 0);
    int64_t age_s = from_s + (int64_t)days * l->day_s;
    int64_t over = age_s % l->day_s;
    return over > 0 ? age_s + l->day_s - over : age_s;
}

static bool has_tag(const struct lifecycle_version *v, const struct metadata_pair *wanted)
{
    for (unsigned i = 0; i < v->tag_count; i++)
        if (bytes_equal(v->tags[i].name, wanted->name))
            return bytes_equal(v->tags[i].value, wanted->value);
    return false;
}

static bool has_prefix(struct bytes key, struct bytes prefix)
{
    return key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

static bool fits(const struct lifecycle_rule *r, const struct lifecycle_version *v)
{
    if (!r->enabled || !has_prefix(v->key, r->prefix) || v->size < r->size_min || v->size > r->size_max)
        return false;
    for (unsigned i = 0; i < r->tag_count; i++)
        if (!has_tag(v, &r->tags[i]))
            return false;
    return true;
}

/* false: the rule has no such age or date. */
static bool expiry_of(const struct lifecycle *l, const struct lifecycle_rule *r, int64_t mtime_ns, int64_t *due_s)
{
    *due_s = r->expire_days > 0 ? due_after(l, mtime_ns, r->expire_days) : r->expire_date_s;
    return r->expire_days > 0 || r->expire_date_s > 0;
}

static enum lifecycle_act act_on_current(const struct lifecycle *l, const struct lifecycle_rule *r,
                                         const struct lifecycle_version *v)
{
    int64_t due_s;
    bool due = expiry_of(l, r, v->mtime_ns, &due_s) && l->now_s >= due_s;
    if (!v->delete_marker)
        return due ? LIFECYCLE_EXPIRE : LIFECYCLE_KEEP;
    /* a marker hides what is below it; with nothing below it is of no use */
    return v->alone && (due || r->expire_lone_markers) ? LIFECYCLE_REMOVE : LIFECYCLE_KEEP;
}

static enum lifecycle_act act_on_noncurrent(const struct lifecycle *l, const struct lifecycle_rule *r,
                                            const struct lifecycle_version *v)
{
    if (r->noncurrent_days == 0 || v->newer < r->noncurrent_kept)
        return LIFECYCLE_KEEP;
    return l->now_s >= due_after(l, v->superseded_ns, r->noncurrent_days) ? LIFECYCLE_REMOVE : LIFECYCLE_KEEP;
}

enum lifecycle_act lifecycle_act_of(const struct lifecycle *l, const struct lifecycle_version *v)
{
    enum lifecycle_act act = LIFECYCLE_KEEP;
    for (unsigned i = 0; i < l->rule_count && act == LIFECYCLE_KEEP; i++) {
        const struct lifecycle_rule *r = &l->rules[i];
        if (fits(r, v))
            act = v->current ? act_on_current(l, r, v) : act_on_noncurrent(l, r, v);
    }
    return act;
}

bool lifecycle_has_versions(const struct lifecycle *l)
{
    for (unsigned i = 0; i < l->rule_count; i++) {
        const struct lifecycle_rule *r = &l->rules[i];
        if (r->enabled &&
            (r->expire_days > 0 || r->expire_date_s > 0 || r->expire_lone_markers || r->noncurrent_days > 0))
            return true;
    }
    return false;
}

bool lifecycle_aborts(const struct lifecycle *l, struct bytes key, int64_t created_ns)
{
    for (unsigned i = 0; i < l->rule_count; i++) {
        const struct lifecycle_rule *r = &l->rules[i];
        if (r->enabled && r->abort_days > 0 && has_prefix(key, r->prefix) &&
            l->now_s >= due_after(l, created_ns, r->abort_days))
            return true;
    }
    return false;
}

const struct lifecycle_rule *lifecycle_expiry(const struct lifecycle *l, const struct lifecycle_version *v,
                                              int64_t *due_s)
{
    const struct lifecycle_rule *first = NULL;
    for (unsigned i = 0; i < l->rule_count; i++) {
        int64_t due;
        if (!fits(&l->rules[i], v) || !expiry_of(l, &l->rules[i], v->mtime_ns, &due) ||
            (first != NULL && due >= *due_s))
            continue;
        first = &l->rules[i];
        *due_s = due;
    }
    return first;
}
