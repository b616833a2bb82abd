/*
 * Conditions: operators, what their values must look like, and how they meet the values of a request.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 *
 * Of several values in the policy one that matches is enough; a negated operator asks that none does. Several values in
 * the request are met by ForAllValues (each of them; none at all is fine), ForAnyValue (one of them), or without either
 * as by ForAnyValue.
 */
#include "policy_impl.h"

#include "http_date.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MAX  64u
#define ADDRESS_TEXT_MAX 64u

static const struct {
    const char *name;
    enum policy_op op;
    bool negated;
} operators[] = {
    {"StringEquals", POLICY_OP_STRING_EQUALS, false},
    {"StringNotEquals", POLICY_OP_STRING_EQUALS, true},
    {"StringEqualsIgnoreCase", POLICY_OP_STRING_EQUALS_IGNORE_CASE, false},
    {"StringNotEqualsIgnoreCase", POLICY_OP_STRING_EQUALS_IGNORE_CASE, true},
    {"StringLike", POLICY_OP_STRING_LIKE, false},
    {"StringNotLike", POLICY_OP_STRING_LIKE, true},
    {"NumericEquals", POLICY_OP_NUMERIC_EQUALS, false},
    {"NumericNotEquals", POLICY_OP_NUMERIC_EQUALS, true},
    {"NumericLessThan", POLICY_OP_NUMERIC_LESS, false},
    {"NumericLessThanEquals", POLICY_OP_NUMERIC_LESS_EQUALS, false},
    {"NumericGreaterThan", POLICY_OP_NUMERIC_GREATER, false},
    {"NumericGreaterThanEquals", POLICY_OP_NUMERIC_GREATER_EQUALS, false},
    {"DateEquals", POLICY_OP_DATE_EQUALS, false},
    {"DateNotEquals", POLICY_OP_DATE_EQUALS, true},
    {"DateLessThan", POLICY_OP_DATE_LESS, false},
    {"DateLessThanEquals", POLICY_OP_DATE_LESS_EQUALS, false},
    {"DateGreaterThan", POLICY_OP_DATE_GREATER, false},
    {"DateGreaterThanEquals", POLICY_OP_DATE_GREATER_EQUALS, false},
    {"Bool", POLICY_OP_BOOL, false},
    {"IpAddress", POLICY_OP_IP_ADDRESS, false},
    {"NotIpAddress", POLICY_OP_IP_ADDRESS, true},
    {"ArnEquals", POLICY_OP_ARN_LIKE, false},
    {"ArnNotEquals", POLICY_OP_ARN_LIKE, true},
    {"ArnLike", POLICY_OP_ARN_LIKE, false},
    {"ArnNotLike", POLICY_OP_ARN_LIKE, true},
    {"Null", POLICY_OP_NULL, false},
};

static bool take_prefix(struct bytes *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len < len || memcmp(text->data, prefix, len) != 0)
        return false;
    *text = bytes_of((const char *)text->data + len, text->len - len);
    return true;
}

static bool take_suffix(struct bytes *text, const char *suffix)
{
    size_t len = strlen(suffix);
    if (text->len < len || memcmp((const char *)text->data + text->len - len, suffix, len) != 0)
        return false;
    text->len -= len;
    return true;
}

bool policy_operator_parse(struct bytes name, struct policy_condition *out)
{
    out->quantifier = POLICY_PLAIN;
    if (take_prefix(&name, "ForAnyValue:"))
        out->quantifier = POLICY_FOR_ANY_VALUE;
    else if (take_prefix(&name, "ForAllValues:"))
        out->quantifier = POLICY_FOR_ALL_VALUES;
    out->if_exists = take_suffix(&name, "IfExists");
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!policy_text_equal(name, bytes_of(operators[i].name, strlen(operators[i].name)), POLICY_CASE_EXACT))
            continue;
        out->op = operators[i].op;
        out->negated = operators[i].negated;
        return out->op != POLICY_OP_NULL || (!out->if_exists && out->quantifier == POLICY_PLAIN);
    }
    return false;
}

/* ---- values ---- */

static bool parse_number(struct bytes text, double *out)
{
    char copy[NUMBER_TEXT_MAX];
    char *end;
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (strspn(copy, "+-.0123456789eE") != text.len)
        return false;
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out);
}

/* Seconds since 1970, in text or as a date. */
static bool parse_date(struct bytes text, double *out)
{
    int64_t ns;
    if (parse_number(text, out))
        return true;
    if (!http_date_parse_iso(text, &ns))
        return false;
    *out = (double)ns / 1e9;
    return true;
}

static bool parse_bool(struct bytes text, bool *out)
{
    *out = policy_text_equal(text, bytes_of("true", 4), POLICY_CASE_IGNORED);
    return *out || policy_text_equal(text, bytes_of("false", 5), POLICY_CASE_IGNORED);
}

struct address {
    int family;
    uint8_t b[16];
    unsigned bits; /* that count */
};

/* 192.0.2.0/24, 2001:db8::/32, or a single address. An IPv4 address written as IPv6 is the IPv4 address. */
static bool parse_address(struct bytes text, struct address *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[ADDRESS_TEXT_MAX];
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    out->family = strchr(copy, ':') != NULL ? AF_INET6 : AF_INET;
    out->bits = out->family == AF_INET ? 32 : 128;
    if (strlen(copy) + (slash != NULL ? 1 + strlen(slash + 1) : 0) != text.len ||
        inet_pton(out->family, copy, out->b) != 1)
        return false;
    if (slash != NULL) {
        char *end;
        if (slash[1] < '0' || slash[1] > '9')
            return false;
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (*end != '\0' || bits > out->bits)
            return false;
        out->bits = (unsigned)bits;
    }
    if (out->family == AF_INET6 && out->bits >= 96 && memcmp(out->b, mapped, sizeof mapped) == 0) {
        out->family = AF_INET;
        out->bits -= 96;
        memmove(out->b, out->b + 12, 4);
    }
    return true;
}

static bool address_is_in(const struct address *net, const struct address *a)
{
    unsigned whole = net->bits / 8;
    unsigned rest = net->bits % 8;
    if (net->family != a->family || memcmp(net->b, a->b, whole) != 0)
        return false;
    return rest == 0 || (net->b[whole] >> (8 - rest)) == (a->b[whole] >> (8 - rest));
}

/* ARNs are compared part by part: a '*' doesn't reach over a colon, but in the last of the six. */
static bool arn_part(struct bytes *rest, unsigned index, struct bytes *part)
{
    const char *colon = index < 5 ? memchr(rest->data, ':', rest->len) : NULL;
    if (index < 5 && colon == NULL)
        return false;
    size_t len = colon != NULL ? (size_t)(colon - (const char *)rest->data) : rest->len;
    *part = bytes_of(rest->data, len);
    size_t used = colon != NULL ? len + 1 : len;
    *rest = bytes_of((const char *)rest->data + used, rest->len - used);
    return true;
}

static bool arn_like(const struct policy_pattern *pattern, struct bytes text)
{
    unsigned colons = 0;
    struct bytes p = pattern->text;
    struct bytes a;
    struct bytes b;
    if (pattern->is_expanded) /* parts can't be told apart from what a variable brought: the whole is compared */
        return policy_pattern_matches(pattern, text, POLICY_CASE_EXACT);
    for (; colons < 6; colons++)
        if (!arn_part(&p, colons, &a) || !arn_part(&text, colons, &b) || !policy_text_like(a, b, POLICY_CASE_EXACT))
            return false;
    return true;
}

bool policy_value_is_good(enum policy_op op, struct bytes value)
{
    double number;
    bool truth;
    struct address address;
    switch (op) {
    case POLICY_OP_STRING_EQUALS:
    case POLICY_OP_STRING_EQUALS_IGNORE_CASE:
    case POLICY_OP_STRING_LIKE:
        return policy_variables_are_closed(value);
    case POLICY_OP_ARN_LIKE:
        return policy_variables_are_closed(value) && value.len >= 4 && memcmp(value.data, "arn:", 4) == 0;
    case POLICY_OP_NUMERIC_EQUALS:
    case POLICY_OP_NUMERIC_LESS:
    case POLICY_OP_NUMERIC_LESS_EQUALS:
    case POLICY_OP_NUMERIC_GREATER:
    case POLICY_OP_NUMERIC_GREATER_EQUALS:
        return parse_number(value, &number);
    case POLICY_OP_DATE_EQUALS:
    case POLICY_OP_DATE_LESS:
    case POLICY_OP_DATE_LESS_EQUALS:
    case POLICY_OP_DATE_GREATER:
    case POLICY_OP_DATE_GREATER_EQUALS:
        return parse_date(value, &number);
    case POLICY_OP_BOOL:
    case POLICY_OP_NULL:
        return parse_bool(value, &truth);
    case POLICY_OP_IP_ADDRESS:
        return parse_address(value, &address);
    }
    return false;
}

/* ---- asking ---- */

/* mine: the request's, which may be anything; ours: the policy's. */
static bool ordered(enum policy_op op, double mine, double ours)
{
    switch (op) {
    case POLICY_OP_NUMERIC_EQUALS:
    case POLICY_OP_DATE_EQUALS:
        return mine >= ours && mine <= ours;
    case POLICY_OP_NUMERIC_LESS:
    case POLICY_OP_DATE_LESS:
        return mine < ours;
    case POLICY_OP_NUMERIC_LESS_EQUALS:
    case POLICY_OP_DATE_LESS_EQUALS:
        return mine <= ours;
    case POLICY_OP_NUMERIC_GREATER:
    case POLICY_OP_DATE_GREATER:
        return mine > ours;
    case POLICY_OP_NUMERIC_GREATER_EQUALS:
    case POLICY_OP_DATE_GREATER_EQUALS:
        return mine >= ours;
    default:
        return false;
    }
}

static bool text_matches(const struct policy *policy, enum policy_op op, struct bytes ours, struct bytes mine,
                         const struct policy_request *request)
{
    struct policy_pattern pattern;
    bool wildcards = op == POLICY_OP_STRING_LIKE || op == POLICY_OP_ARN_LIKE;
    if (!policy_pattern_fill(policy, request, ours, wildcards, &pattern))
        return false;
    if (op == POLICY_OP_ARN_LIKE)
        return arn_like(&pattern, mine);
    return policy_pattern_matches(&pattern, mine,
                                  op == POLICY_OP_STRING_EQUALS_IGNORE_CASE ? POLICY_CASE_IGNORED : POLICY_CASE_EXACT);
}

static bool value_matches(const struct policy *policy, enum policy_op op, struct bytes ours, struct bytes mine,
                          const struct policy_request *request)
{
    double a;
    double b;
    bool x;
    bool y;
    struct address net;
    struct address address;
    switch (op) {
    case POLICY_OP_STRING_EQUALS:
    case POLICY_OP_STRING_EQUALS_IGNORE_CASE:
    case POLICY_OP_STRING_LIKE:
    case POLICY_OP_ARN_LIKE:
        return text_matches(policy, op, ours, mine, request);
    case POLICY_OP_BOOL:
        return parse_bool(ours, &x) && parse_bool(mine, &y) && x == y;
    case POLICY_OP_IP_ADDRESS:
        return parse_address(ours, &net) && parse_address(mine, &address) && address_is_in(&net, &address);
    case POLICY_OP_DATE_EQUALS:
    case POLICY_OP_DATE_LESS:
    case POLICY_OP_DATE_LESS_EQUALS:
    case POLICY_OP_DATE_GREATER:
    case POLICY_OP_DATE_GREATER_EQUALS:
        return parse_date(ours, &b) && parse_date(mine, &a) && ordered(op, a, b);
    case POLICY_OP_NUMERIC_EQUALS:
    case POLICY_OP_NUMERIC_LESS:
    case POLICY_OP_NUMERIC_LESS_EQUALS:
    case POLICY_OP_NUMERIC_GREATER:
    case POLICY_OP_NUMERIC_GREATER_EQUALS:
        return parse_number(ours, &b) && parse_number(mine, &a) && ordered(op, a, b);
    case POLICY_OP_NULL:
        break;
    }
    return false;
}

/* One value of the request against all of the policy's. */
static bool value_holds(const struct policy *policy, const struct policy_condition *c, struct bytes mine,
                        const struct policy_request *request)
{
    for (unsigned i = 0; i < c->values.count; i++)
        if (value_matches(policy, c->op, c->values.list[i], mine, request))
            return !c->negated;
    return c->negated;
}

static bool values_hold(const struct policy *policy, const struct policy_condition *c,
                        const struct policy_values *values, const struct policy_request *request)
{
    /* A negated operator without a quantifier asks that no value of the request matches. */
    bool all = c->quantifier == POLICY_FOR_ALL_VALUES || (c->quantifier == POLICY_PLAIN && c->negated);
    for (unsigned i = 0; i < values->count; i++)
        if (value_holds(policy, c, values->list[i], request) != all)
            return !all;
    return all;
}

bool policy_condition_holds(const struct policy *policy, const struct policy_condition *c,
                            const struct policy_request *request)
{
    struct policy_values values = {.count = 0};
    bool exists = request->context(request->arg, c->key, &values) && values.count > 0;
    bool absent;
    if (c->op == POLICY_OP_NULL) {
        for (unsigned i = 0; i < c->values.count; i++)
            if (parse_bool(c->values.list[i], &absent) && absent != exists)
                return true;
        return false;
    }
    if (exists)
        return values_hold(policy, c, &values, request);
    if (c->quantifier != POLICY_PLAIN)
        return c->if_exists || c->quantifier == POLICY_FOR_ALL_VALUES;
    return c->if_exists || c->negated;
}

/* ---- public or not ---- */

static bool is_fixed(const struct policy *policy, struct bytes value, bool wildcards)
{
    if (policy->has_variables && memmem(value.data, value.len, "${", 2) != NULL)
        return false;
    return !wildcards || (memchr(value.data, '*', value.len) == NULL && memchr(value.data, '?', value.len) == NULL);
}

/* Addresses that many could have are no restriction; AWS takes prefixes shorter than these for public. */
static bool is_narrow(struct bytes value)
{
    struct address net;
    return parse_address(value, &net) && net.bits >= (net.family == AF_INET ? 8u : 32u);
}

bool policy_condition_pins(const struct policy *policy, const struct policy_condition *c)
{
    static const char *const keys[] = {"aws:userid", "aws:username", "aws:principalarn", "aws:principalaccount"};
    bool pins = policy_text_equal(c->key, bytes_of("aws:sourceip", 12), POLICY_CASE_EXACT);
    bool by_address = pins && c->op == POLICY_OP_IP_ADDRESS;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        pins = pins || policy_text_equal(c->key, bytes_of(keys[i], strlen(keys[i])), POLICY_CASE_EXACT);
    if (!pins || c->negated || c->if_exists || c->quantifier == POLICY_FOR_ALL_VALUES)
        return false;
    for (unsigned i = 0; i < c->values.count; i++) {
        struct bytes value = c->values.list[i];
        bool wildcards = c->op == POLICY_OP_STRING_LIKE || c->op == POLICY_OP_ARN_LIKE;
        bool by_text = wildcards || c->op == POLICY_OP_STRING_EQUALS || c->op == POLICY_OP_STRING_EQUALS_IGNORE_CASE;
        if (by_address ? !is_narrow(value) : !by_text || !is_fixed(policy, value, wildcards))
            return false;
    }
    return true;
}
