/*
 * Policies. First line of the input: the value that a request has for every key, also its action and the rest of its
 * resource; then the document. What parses is asked as both kinds; an answer must come, and twice the same.
 */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

static bool context(void *arg, struct bytes key, struct policy_values *out)
{
    const struct bytes *value = arg;
    out->list[0] = *value;
    out->list[1] = key;
    out->count = 1 + key.len % 2;
    return key.len % 3 != 0;
}

static bool principal_seen(void *arg, struct bytes principal)
{
    (void)arg;
    return principal.len > 0;
}

static void ask(struct bytes json, enum policy_kind kind, struct bytes value)
{
    struct policy *policy;
    struct policy_why why;
    char resource[2100] = "arn:aws:s3:::bucket/";
    if (policy_parse(json, kind, bytes_of("bucket", kind == POLICY_RESOURCE ? 6 : 0), &policy, &why) != DOL_OK)
        return;
    size_t prefix = strlen(resource);
    size_t rest = value.len < sizeof resource - prefix ? value.len : sizeof resource - prefix;
    if (rest > 0)
        memcpy(resource + prefix, value.data, rest);
    const struct policy_principal principal = {.id = value, .name = value, .arn = value};
    const struct policy_request request = {&principal, value, bytes_of(resource, prefix + rest), context, &value};
    enum policy_verdict first = policy_evaluate(policy, &request);
    if (first != policy_evaluate(policy, &request) || !policy_each_principal(policy, principal_seen, NULL))
        abort();
    (void)policy_is_public(policy);
    policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *lf = size > 0 ? memchr(data, '\n', size) : NULL;
    if (lf == NULL)
        return 0;
    struct bytes value = bytes_of(data, (size_t)(lf - data));
    struct bytes json = bytes_of(lf + 1, size - value.len - 1);
    ask(json, POLICY_RESOURCE, value);
    ask(json, POLICY_IDENTITY, value);
    return 0;
}
