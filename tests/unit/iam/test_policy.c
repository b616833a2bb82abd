/* The policy engine: what is refused and how that is said, and what is allowed, denied or not spoken of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALICE_ID "00000000000000000000000000000000000000000000000000000000000a11ce"

static struct bytes text(const char *s)
{
    return bytes_of(s, strlen(s));
}

/* What a request has: "key=value" each; a key given more than once has several values. */
struct facts {
    const char *list[16];
};

static bool facts_context(void *arg, struct bytes key, struct policy_values *out)
{
    const struct facts *facts = arg;
    out->count = 0;
    for (unsigned i = 0; i < 16 && facts->list[i] != NULL; i++) {
        const char *equals = strchr(facts->list[i], '=');
        if ((size_t)(equals - facts->list[i]) == key.len && memcmp(facts->list[i], key.data, key.len) == 0)
            out->list[out->count++] = text(equals + 1);
    }
    return out->count > 0;
}

static const struct policy_principal alice = {
    .id = {ALICE_ID, 64}, .name = {"alice", 5}, .arn = {"arn:aws:iam:::user/alice", 24}};
static const struct policy_principal anonymous = {.id = {"", 0}, .name = {"", 0}, .arn = {"", 0}};
static const struct policy_principal root = {
    .id = {"f00", 3}, .name = {"root", 4}, .arn = {"arn:aws:iam:::root", 18}, .is_root = true};

/* Quotes are written ' in these tests. */
static struct bytes quoted(const char *json)
{
    static char copy[65536];
    snprintf(copy, sizeof copy, "%s", json);
    for (char *c = copy; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return text(copy);
}

static struct policy *parse(const char *json, enum policy_kind kind)
{
    struct policy *policy = NULL;
    struct policy_why why;
    enum dol_err err = policy_parse(quoted(json), kind, text(kind == POLICY_RESOURCE ? "b" : ""), &policy, &why);
    if (err != DOL_OK)
        fail_msg("%s: %s", json, why.text);
    return policy;
}

static void refuse(const char *json, enum policy_kind kind, const char *message)
{
    struct policy *policy = NULL;
    struct policy_why why;
    assert_int_equal(policy_parse(quoted(json), kind, text(kind == POLICY_RESOURCE ? "b" : ""), &policy, &why),
                     DOL_ESYNTAX);
    assert_string_equal(why.text, message);
}

static enum policy_verdict ask(const struct policy *policy, const struct policy_principal *who, const char *action,
                               const char *resource, struct facts facts)
{
    const struct policy_request request = {who, text(action), text(resource), facts_context, &facts};
    return policy_evaluate(policy, &request);
}

static enum policy_verdict verdict(const char *json, enum policy_kind kind, const struct policy_principal *who,
                                   const char *action, const char *resource)
{
    struct policy *policy = parse(json, kind);
    enum policy_verdict v = ask(policy, who, action, resource, (struct facts){{NULL}});
    policy_free(policy);
    return v;
}

#define NO_FACTS                                                                                                       \
    (struct facts)                                                                                                     \
    {                                                                                                                  \
        {                                                                                                              \
            NULL                                                                                                       \
        }                                                                                                              \
    }
#define FACTS(...)                                                                                                     \
    (struct facts)                                                                                                     \
    {                                                                                                                  \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

/* ---- what is refused ---- */

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    static const char json[] = "Policies must be valid JSON and the first byte must be '{'";
    refuse("", POLICY_RESOURCE, json);
    refuse(" {}", POLICY_RESOURCE, json);
    refuse("{", POLICY_RESOURCE, json);
    refuse("{'Statement': [], 'Statement': []}", POLICY_RESOURCE, json);
    refuse("{} x", POLICY_RESOURCE, json);
    refuse("{}", POLICY_RESOURCE, "Missing required field Statement");
    refuse("{'Statement': []}", POLICY_RESOURCE, "Could not parse the policy: Statement is empty!");
    refuse("{'Statement': [1]}", POLICY_RESOURCE, "Invalid policy syntax.");
    refuse("{'Version': '2012', 'Statement': [{}]}", POLICY_RESOURCE, "The policy must contain a valid version string");
    refuse("{'Versio': '2012-10-17', 'Statement': [{}]}", POLICY_RESOURCE, "Unknown field Versio");
    refuse("{'Statement': {}}", POLICY_RESOURCE, "Missing required field Effect");
    refuse("{'Statement': {'Effect': 'allow'}}", POLICY_RESOURCE, "Invalid effect: allow");
    refuse("{'Statement': {'Effect': 'Allow'}}", POLICY_RESOURCE, "Missing required field Principal");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': 'alice'}}", POLICY_RESOURCE, "Invalid principal in policy");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': {'AWS': 'alice'}}}", POLICY_RESOURCE,
           "Invalid principal in policy");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': {'Service': 'x.amazonaws.com'}}}", POLICY_RESOURCE,
           "Invalid principal in policy");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*'}}", POLICY_RESOURCE, "Missing required field Action");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:Get'}}", POLICY_RESOURCE,
           "Policy has invalid action");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*', 'Action': []}}", POLICY_RESOURCE,
           "Policy has invalid action");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject'}}", POLICY_RESOURCE,
           "Missing required field Resource");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'Resource': "
           "'arn:aws:s3:::other/*'}}",
           POLICY_RESOURCE, "Policy has invalid resource");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:GetObject', 'NotAction': 's3:*'}}",
           POLICY_RESOURCE, "Statement has both Action and NotAction");
    refuse("{'Statement': {'Effect': 'Allow', 'Principal': '*', 'Action': 's3:*', 'Resource': '*'}}", POLICY_IDENTITY,
           "Policy document should not specify a principal.");
}

static void bounds_are_kept(void **state)
{
    (void)state;
    char *big = malloc(POLICY_BYTES_MAX + 2);
    struct policy *policy;
    struct policy_why why;
    memset(big, ' ', POLICY_BYTES_MAX + 1);
    big[0] = '{';
    assert_int_equal(policy_parse(bytes_of(big, POLICY_BYTES_MAX + 1), POLICY_IDENTITY, text(""), &policy, &why),
                     DOL_ESYNTAX);
    assert_string_equal(why.text, "Your policy exceeds the maximum allowed document size of 20480 bytes");
    free(big);
    refuse("{'Statement': [[[[[[[[[]]]]]]]]]}", POLICY_IDENTITY, "Policy is nested too deeply");
    /* Brackets in strings are no depth. */
    policy_free(parse("{'Id': '[[[[[[[[[[[[[[[[', 'Statement': {'Effect': 'Deny', 'Action': '*', 'Resource': '*'}}",
                      POLICY_IDENTITY));
}

#define WITH_CONDITION(c)                                                                                              \
    "{'Version': '2012-10-17', 'Statement': {'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*', 'Condition': {" c   \
    "}}}"

static void conditions_are_checked(void **state)
{
    (void)state;
    refuse(WITH_CONDITION("'StringEqual': {'s3:prefix': 'a'}"), POLICY_IDENTITY,
           "Invalid Condition type : StringEqual");
    refuse(WITH_CONDITION("'NullIfExists': {'s3:prefix': 'true'}"), POLICY_IDENTITY,
           "Invalid Condition type : NullIfExists");
    refuse(WITH_CONDITION("'StringEquals': {'s3:nokey': 'a'}"), POLICY_IDENTITY,
           "Policy has an invalid condition key: s3:nokey");
    refuse(WITH_CONDITION("'StringEquals': {'s3:ExistingObjectTag/': 'a'}"), POLICY_IDENTITY,
           "Policy has an invalid condition key: s3:ExistingObjectTag/");
    refuse(WITH_CONDITION("'NumericEquals': {'s3:max-keys': 'ten'}"), POLICY_IDENTITY,
           "Policy has an invalid condition value");
    refuse(WITH_CONDITION("'IpAddress': {'aws:SourceIp': '10.0.0.0/33'}"), POLICY_IDENTITY,
           "Policy has an invalid condition value");
    refuse(WITH_CONDITION("'IpAddress': {'aws:SourceIp': '10.0.0'}"), POLICY_IDENTITY,
           "Policy has an invalid condition value");
    refuse(WITH_CONDITION("'DateLessThan': {'aws:CurrentTime': 'soon'}"), POLICY_IDENTITY,
           "Policy has an invalid condition value");
    refuse(WITH_CONDITION("'Bool': {'aws:SecureTransport': 'yes'}"), POLICY_IDENTITY,
           "Policy has an invalid condition value");
    refuse(WITH_CONDITION("'StringLike': {'s3:prefix': '${aws:username'}"), POLICY_IDENTITY,
           "Policy has an invalid condition value");
    refuse(WITH_CONDITION("'StringLike': ['s3:prefix']"), POLICY_IDENTITY, "Invalid policy syntax.");
}

/* ---- who, what, on what ---- */

#define ALLOW(principal, action, resource)                                                                             \
    "{'Statement': {'Effect': 'Allow', 'Principal': " principal ", 'Action': " action ", 'Resource': " resource "}}"

static void principals_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *principal;
        bool alice, anonymous, root;
    } rows[] = {
        {"'*'", true, true, true},
        {"{'AWS': '*'}", true, true, true},
        {"{'AWS': '" ALICE_ID "'}", true, false, false},
        {"{'CanonicalUser': '" ALICE_ID "'}", true, false, false},
        {"{'AWS': 'arn:aws:iam:::user/alice'}", true, false, false},
        {"{'AWS': 'arn:aws:iam:::user/" ALICE_ID "'}", true, false, false},
        {"{'AWS': 'arn:aws:iam::" ALICE_ID ":root'}", true, false, false},
        {"{'AWS': 'arn:aws:iam::" ALICE_ID ":user/bob'}", false, false, false},
        {"{'AWS': ['arn:aws:iam:::user/bob', 'arn:aws:iam:::user/alice']}", true, false, false},
        {"{'AWS': 'arn:aws:iam:::user/alic'}", false, false, false},
        {"{'AWS': 'arn:aws:iam:::root'}", false, false, true},
        {"{'AWS': 'arn:aws:iam:::user/bob', 'CanonicalUser': '" ALICE_ID "'}", true, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[1024];
        snprintf(json, sizeof json, ALLOW("%s", "'s3:GetObject'", "'arn:aws:s3:::b/*'"), rows[i].principal);
        assert_int_equal(verdict(json, POLICY_RESOURCE, &alice, "s3:GetObject", "arn:aws:s3:::b/k"),
                         rows[i].alice ? POLICY_ALLOW : POLICY_SILENT);
        assert_int_equal(verdict(json, POLICY_RESOURCE, &anonymous, "s3:GetObject", "arn:aws:s3:::b/k"),
                         rows[i].anonymous ? POLICY_ALLOW : POLICY_SILENT);
        assert_int_equal(verdict(json, POLICY_RESOURCE, &root, "s3:GetObject", "arn:aws:s3:::b/k"),
                         rows[i].root ? POLICY_ALLOW : POLICY_SILENT);
    }
    static const char not_alice[] = "{'Statement': {'Effect': 'Deny', 'NotPrincipal': {'AWS': "
                                    "'arn:aws:iam:::user/alice'}, 'Action': 's3:*', 'Resource': 'arn:aws:s3:::b'}}";
    assert_int_equal(verdict(not_alice, POLICY_RESOURCE, &alice, "s3:ListBucket", "arn:aws:s3:::b"), POLICY_SILENT);
    assert_int_equal(verdict(not_alice, POLICY_RESOURCE, &root, "s3:ListBucket", "arn:aws:s3:::b"), POLICY_DENY);
}

static void actions_and_resources_match_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *action, *resource, *asked_action, *asked_resource;
        bool allowed;
    } rows[] = {
        {"'s3:GetObject'", "'arn:aws:s3:::b/*'", "s3:GetObject", "arn:aws:s3:::b/k", true},
        {"'S3:getobject'", "'arn:aws:s3:::b/*'", "s3:GetObject", "arn:aws:s3:::b/k", true},
        {"'s3:GetObject'", "'arn:aws:s3:::b/*'", "s3:GetObjectVersion", "arn:aws:s3:::b/k", false},
        {"'s3:GetObject*'", "'arn:aws:s3:::b/*'", "s3:GetObjectVersion", "arn:aws:s3:::b/k", true},
        {"'s3:Get??ject'", "'arn:aws:s3:::b/*'", "s3:GetObject", "arn:aws:s3:::b/k", true},
        {"'*'", "'arn:aws:s3:::b/*'", "s3:PutObject", "arn:aws:s3:::b/k", true},
        {"'s3:GetObject'", "'arn:aws:s3:::b/*'", "s3:GetObject", "arn:aws:s3:::b", false},
        {"'s3:GetObject'", "'arn:aws:s3:::b/a*/c'", "s3:GetObject", "arn:aws:s3:::b/a/b/c", true},
        {"'s3:GetObject'", "'arn:aws:s3:::b/a*/c'", "s3:GetObject", "arn:aws:s3:::b/a/b/cc", false},
        {"'s3:GetObject'", "'arn:aws:s3:::b/a?c'", "s3:GetObject",
         "arn:aws:s3:::b/a\xc3\xa9"
         "c",
         true},
        {"'s3:GetObject'", "'arn:aws:s3:::b/a?c'", "s3:GetObject", "arn:aws:s3:::b/ac", false},
        {"'s3:GetObject'", "'arn:aws:s3:::b/K'", "s3:GetObject", "arn:aws:s3:::b/k", false},
        {"['s3:PutObject', 's3:GetObject']", "['arn:aws:s3:::b', 'arn:aws:s3:::b/*']", "s3:GetObject",
         "arn:aws:s3:::b/k", true},
        {"'s3:ListBucket'", "'arn:aws:s3:::*'", "s3:ListBucket", "arn:aws:s3:::b", true},
        {"'s3:GetObject'", "'arn:aws:s3:::b/*ab*ab'", "s3:GetObject", "arn:aws:s3:::b/xababyab", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[1024];
        snprintf(json, sizeof json, ALLOW("'*'", "%s", "%s"), rows[i].action, rows[i].resource);
        assert_int_equal(verdict(json, POLICY_RESOURCE, &alice, rows[i].asked_action, rows[i].asked_resource),
                         rows[i].allowed ? POLICY_ALLOW : POLICY_SILENT);
    }
    static const char not_these[] =
        "{'Statement': {'Effect': 'Allow', 'NotAction': 's3:Delete*', 'NotResource': 'arn:aws:s3:::b/secret/*'}}";
    assert_int_equal(verdict(not_these, POLICY_IDENTITY, &alice, "s3:GetObject", "arn:aws:s3:::b/k"), POLICY_ALLOW);
    assert_int_equal(verdict(not_these, POLICY_IDENTITY, &alice, "s3:DeleteObject", "arn:aws:s3:::b/k"), POLICY_SILENT);
    assert_int_equal(verdict(not_these, POLICY_IDENTITY, &alice, "s3:GetObject", "arn:aws:s3:::b/secret/k"),
                     POLICY_SILENT);
}

static void a_deny_wins_wherever_it_stands(void **state)
{
    (void)state;
    static const char allow[] = "{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}";
    static const char deny[] = "{'Effect': 'Deny', 'Action': 's3:DeleteObject', 'Resource': '*'}";
    char json[512];
    for (unsigned first = 0; first < 2; first++) {
        snprintf(json, sizeof json, "{'Statement': [%s, %s]}", first ? deny : allow, first ? allow : deny);
        assert_int_equal(verdict(json, POLICY_IDENTITY, &alice, "s3:DeleteObject", "arn:aws:s3:::b/k"), POLICY_DENY);
        assert_int_equal(verdict(json, POLICY_IDENTITY, &alice, "s3:GetObject", "arn:aws:s3:::b/k"), POLICY_ALLOW);
    }
}

/* ---- conditions ---- */

static void conditions_meet_the_values_of_a_request(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        const char *facts[3];
        bool holds;
    } rows[] = {
        {"'StringEquals': {'s3:prefix': 'a'}", {"s3:prefix=a"}, true},
        {"'StringEquals': {'S3:Prefix': ['b', 'a']}", {"s3:prefix=a"}, true},
        {"'StringEquals': {'s3:prefix': 'a'}", {"s3:prefix=A"}, false},
        {"'StringEquals': {'s3:prefix': 'a*'}", {"s3:prefix=ab"}, false},
        {"'StringEquals': {'s3:prefix': 'a'}", {NULL}, false},
        {"'StringEqualsIfExists': {'s3:prefix': 'a'}", {NULL}, true},
        {"'StringEqualsIfExists': {'s3:prefix': 'a'}", {"s3:prefix=b"}, false},
        {"'StringNotEquals': {'s3:prefix': ['a', 'b']}", {"s3:prefix=b"}, false},
        {"'StringNotEquals': {'s3:prefix': ['a', 'b']}", {"s3:prefix=c"}, true},
        {"'StringNotEquals': {'s3:prefix': 'a'}", {NULL}, true},
        {"'StringEqualsIgnoreCase': {'s3:prefix': 'a'}", {"s3:prefix=A"}, true},
        {"'StringLike': {'s3:prefix': 'a*'}", {"s3:prefix=ab"}, true},
        {"'StringNotLike': {'s3:prefix': 'a*'}", {"s3:prefix=ab"}, false},
        {"'NumericLessThanEquals': {'s3:max-keys': 10}", {"s3:max-keys=10"}, true},
        {"'NumericLessThanEquals': {'s3:max-keys': '10'}", {"s3:max-keys=11"}, false},
        {"'NumericLessThan': {'s3:max-keys': '10'}", {"s3:max-keys=many"}, false},
        {"'NumericEquals': {'s3:max-keys': '1e1'}", {"s3:max-keys=10"}, true},
        {"'NumericGreaterThan': {'s3:max-keys': '10'}", {"s3:max-keys=11"}, true},
        {"'DateLessThan': {'aws:CurrentTime': '2026-11-24T00:00:00Z'}", {"aws:currenttime=2026-11-23T23:59:59Z"}, true},
        {"'DateLessThan': {'aws:CurrentTime': '2026-11-24T00:00:00Z'}",
         {"aws:currenttime=2026-11-24T00:00:00Z"},
         false},
        {"'DateGreaterThan': {'aws:CurrentTime': '0'}", {"aws:currenttime=2026-11-24T00:00:00Z"}, true},
        {"'Bool': {'aws:SecureTransport': false}", {"aws:securetransport=false"}, true},
        {"'Bool': {'aws:SecureTransport': 'true'}", {"aws:securetransport=false"}, false},
        {"'IpAddress': {'aws:SourceIp': '192.0.2.0/24'}", {"aws:sourceip=192.0.2.255"}, true},
        {"'IpAddress': {'aws:SourceIp': '192.0.2.0/24'}", {"aws:sourceip=192.0.3.0"}, false},
        {"'IpAddress': {'aws:SourceIp': '192.0.2.128/25'}", {"aws:sourceip=192.0.2.127"}, false},
        {"'IpAddress': {'aws:SourceIp': '192.0.2.7'}", {"aws:sourceip=::ffff:192.0.2.7"}, true},
        {"'IpAddress': {'aws:SourceIp': '2001:db8::/33'}", {"aws:sourceip=2001:db8:7fff::1"}, true},
        {"'IpAddress': {'aws:SourceIp': '2001:db8::/33'}", {"aws:sourceip=2001:db8:8000::1"}, false},
        {"'IpAddress': {'aws:SourceIp': '0.0.0.0/0'}", {"aws:sourceip=::1"}, false},
        {"'NotIpAddress': {'aws:SourceIp': ['10.0.0.0/8', '127.0.0.0/8']}", {"aws:sourceip=127.0.0.1"}, false},
        {"'ArnLike': {'aws:PrincipalArn': 'arn:aws:iam:::user/al*'}",
         {"aws:principalarn=arn:aws:iam:::user/alice"},
         true},
        {"'ArnLike': {'aws:PrincipalArn': 'arn:aws:*:user/al*'}", {"aws:principalarn=arn:aws:iam:::user/alice"}, false},
        {"'ArnNotEquals': {'aws:PrincipalArn': 'arn:aws:iam:::root'}", {"aws:principalarn=arn:aws:iam:::root"}, false},
        {"'Null': {'s3:x-amz-server-side-encryption': true}", {NULL}, true},
        {"'Null': {'s3:x-amz-server-side-encryption': 'true'}", {"s3:x-amz-server-side-encryption=AES256"}, false},
        {"'Null': {'s3:x-amz-server-side-encryption': 'false'}", {"s3:x-amz-server-side-encryption=AES256"}, true},
        {"'StringEquals': {'s3:ExistingObjectTag/Modality': 'MR'}", {"s3:existingobjecttag/Modality=MR"}, true},
        {"'StringEquals': {'s3:ExistingObjectTag/Modality': 'MR'}", {"s3:existingobjecttag/modality=MR"}, false},
        {"'ForAllValues:StringEquals': {'s3:RequestObjectTagKeys': ['a', 'b']}",
         {"s3:requestobjecttagkeys=a", "s3:requestobjecttagkeys=b"},
         true},
        {"'ForAllValues:StringEquals': {'s3:RequestObjectTagKeys': ['a', 'b']}",
         {"s3:requestobjecttagkeys=a", "s3:requestobjecttagkeys=c"},
         false},
        {"'ForAllValues:StringEquals': {'s3:RequestObjectTagKeys': ['a', 'b']}", {NULL}, true},
        {"'ForAnyValue:StringEquals': {'s3:RequestObjectTagKeys': 'a'}",
         {"s3:requestobjecttagkeys=c", "s3:requestobjecttagkeys=a"},
         true},
        {"'ForAnyValue:StringEquals': {'s3:RequestObjectTagKeys': 'a'}", {NULL}, false},
        {"'ForAnyValue:StringNotEquals': {'s3:RequestObjectTagKeys': 'a'}",
         {"s3:requestobjecttagkeys=c", "s3:requestobjecttagkeys=a"},
         true},
        /* several keys and operators: all of them */
        {"'StringEquals': {'s3:prefix': 'a', 's3:delimiter': '/'}", {"s3:prefix=a"}, false},
        {"'StringEquals': {'s3:prefix': 'a'}, 'Null': {'s3:delimiter': 'true'}", {"s3:prefix=a"}, true},
        /* variables */
        {"'StringLike': {'s3:prefix': '${aws:username}/*'}", {"s3:prefix=al/x", "aws:username=al"}, true},
        {"'StringLike': {'s3:prefix': '${aws:username}/*'}", {"s3:prefix=bo/x", "aws:username=al"}, false},
        {"'StringLike': {'s3:prefix': '${aws:username}/*'}", {"s3:prefix=al/x", "aws:username=*"}, false},
        {"'StringLike': {'s3:prefix': '${aws:username}/*'}", {"s3:prefix=/x"}, false},
        {"'StringLike': {'s3:prefix': '${aws:username, \\\"x\\\"}/*'}", {"s3:prefix=x/x"}, false},
        {"'StringEquals': {'s3:prefix': 'a${*}'}", {"s3:prefix=a*"}, true},
        {"'StringLike': {'s3:prefix': 'a${*}'}", {"s3:prefix=ab"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[1024];
        snprintf(json, sizeof json, WITH_CONDITION("%s"), rows[i].condition);
        struct policy *policy = parse(json, POLICY_IDENTITY);
        enum policy_verdict v = ask(policy, &alice, "s3:ListBucket", "arn:aws:s3:::b",
                                    FACTS(rows[i].facts[0], rows[i].facts[1], rows[i].facts[2]));
        policy_free(policy);
        if ((v == POLICY_ALLOW) != rows[i].holds)
            fail_msg("%s with %s", rows[i].condition, rows[i].facts[0] != NULL ? rows[i].facts[0] : "nothing");
    }
}

static void variables_are_of_the_newer_version(void **state)
{
    (void)state;
    static const char *const versions[] = {"2012-10-17", "2008-10-17"};
    for (unsigned i = 0; i < 2; i++) {
        char json[512];
        snprintf(json, sizeof json,
                 "{'Version': '%s', 'Statement': {'Effect': 'Allow', 'Action': 's3:GetObject', 'Resource': "
                 "'arn:aws:s3:::b/${aws:username}/*'}}",
                 versions[i]);
        struct policy *policy = parse(json, POLICY_IDENTITY);
        assert_int_equal(ask(policy, &alice, "s3:GetObject", "arn:aws:s3:::b/al/k", FACTS("aws:username=al")),
                         i == 0 ? POLICY_ALLOW : POLICY_SILENT);
        assert_int_equal(ask(policy, &alice, "s3:GetObject", "arn:aws:s3:::b/${aws:username}/k", NO_FACTS),
                         i == 0 ? POLICY_SILENT : POLICY_ALLOW);
        policy_free(policy);
    }
}

/* ---- public ---- */

static void public_is_what_everybody_may(void **state)
{
    (void)state;
#define PUBLIC(effect, principal, more)                                                                                \
    "{'Statement': {'Effect': '" effect "', 'Principal': " principal                                                   \
    ", 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::b/*'" more "}}"
    static const struct {
        const char *json;
        bool is_public;
    } rows[] = {
        {PUBLIC("Allow", "'*'", ""), true},
        {PUBLIC("Allow", "{'AWS': ['arn:aws:iam:::root', '*']}", ""), true},
        {PUBLIC("Deny", "'*'", ""), false},
        {PUBLIC("Allow", "{'AWS': 'arn:aws:iam:::root'}", ""), false},
        {PUBLIC("Allow", "'*'", ", 'Condition': {'IpAddress': {'aws:SourceIp': '10.0.0.0/32'}}"), false},
        {PUBLIC("Allow", "'*'", ", 'Condition': {'IpAddress': {'aws:SourceIp': '0.0.0.0/1'}}"), true},
        {PUBLIC("Allow", "'*'", ", 'Condition': {'NotIpAddress': {'aws:SourceIp': '10.0.0.0/32'}}"), true},
        {PUBLIC("Allow", "'*'", ", 'Condition': {'StringEquals': {'aws:userid': 'x'}}"), false},
        {PUBLIC("Allow", "'*'", ", 'Condition': {'StringLike': {'aws:userid': 'x*'}}"), true},
        {PUBLIC("Allow", "'*'", ", 'Condition': {'Bool': {'aws:SecureTransport': 'true'}}"), true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy *policy = parse(rows[i].json, POLICY_RESOURCE);
        if (policy_is_public(policy) != rows[i].is_public)
            fail_msg("%s", rows[i].json);
        policy_free(policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(conditions_are_checked),
        cmocka_unit_test(principals_are_told_apart),
        cmocka_unit_test(actions_and_resources_match_patterns),
        cmocka_unit_test(a_deny_wins_wherever_it_stands),
        cmocka_unit_test(conditions_meet_the_values_of_a_request),
        cmocka_unit_test(variables_are_of_the_newer_version),
        cmocka_unit_test(public_is_what_everybody_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
