/* Asking a policy: which statements speak of a request, and what they say. */
#include "policy_impl.h"

static bool names_principal(const struct policy_statement *s, const struct policy_principal *principal)
{
    for (unsigned i = 0; i < s->principals.count; i++)
        if (policy_principal_is(s->principals.list[i], principal))
            return true;
    return false;
}

static bool names_action(const struct policy_statement *s, struct bytes action)
{
    for (unsigned i = 0; i < s->actions.count; i++)
        if (policy_text_like(s->actions.list[i], action, POLICY_CASE_IGNORED))
            return true;
    return false;
}

static bool names_resource(const struct policy *policy, const struct policy_statement *s,
                           const struct policy_request *request)
{
    struct policy_pattern pattern;
    for (unsigned i = 0; i < s->resources.count; i++)
        if (policy_pattern_fill(policy, request, s->resources.list[i], true, &pattern) &&
            policy_pattern_matches(&pattern, request->resource, POLICY_CASE_EXACT))
            return true;
    return false;
}

static bool speaks_of(const struct policy *policy, const struct policy_statement *s,
                      const struct policy_request *request)
{
    if (policy->kind == POLICY_RESOURCE && names_principal(s, request->principal) == s->not_principals)
        return false;
    if (names_action(s, request->action) == s->not_actions)
        return false;
    if (names_resource(policy, s, request) == s->not_resources)
        return false;
    for (unsigned i = 0; i < s->condition_count; i++)
        if (!policy_condition_holds(policy, &s->conditions[i], request))
            return false;
    return true;
}

enum policy_verdict policy_evaluate(const struct policy *policy, const struct policy_request *request)
{
    enum policy_verdict verdict = POLICY_SILENT;
    for (unsigned i = 0; i < policy->statement_count; i++) {
        const struct policy_statement *s = &policy->statements[i];
        if ((s->allow && verdict == POLICY_ALLOW) || !speaks_of(policy, s, request))
            continue;
        if (!s->allow)
            return POLICY_DENY;
        verdict = POLICY_ALLOW;
    }
    return verdict;
}

static bool is_for_everybody(const struct policy *policy, const struct policy_statement *s)
{
    static const struct policy_principal nobody = {.id = {"", 0}, .name = {"", 0}, .arn = {"", 0}};
    if (!s->allow || (!s->not_principals && !names_principal(s, &nobody)))
        return false;
    for (unsigned i = 0; i < s->condition_count; i++)
        if (policy_condition_pins(policy, &s->conditions[i]))
            return false;
    return true;
}

bool policy_is_public(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->statement_count; i++)
        if (is_for_everybody(policy, &policy->statements[i]))
            return true;
    return false;
}

bool policy_each_principal(const struct policy *policy, policy_principal_fn *fn, void *arg)
{
    for (unsigned i = 0; i < policy->statement_count; i++) {
        const struct policy_texts *texts = &policy->statements[i].principals;
        for (unsigned k = 0; k < texts->count; k++)
            if (!(texts->list[k].len == 1 && *(const char *)texts->list[k].data == '*') && !fn(arg, texts->list[k]))
                return false;
    }
    return true;
}
