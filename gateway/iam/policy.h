/*
 * Policies: IAM's JSON documents, checked whole when they are given, and asked on each request.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 *
 * Pure: no I/O, no clock. A parsed policy never changes, so any thread may ask it. What a document says and can't be
 * honoured (an operator, a condition key, a kind of principal) is refused when it is parsed: a Deny that silently never
 * matches would be worse than an error.
 */
#ifndef DOL_POLICY_H
#define DOL_POLICY_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#define POLICY_BYTES_MAX      20480u /* of a document; AWS: 20 KB for bucket policies */
#define POLICY_DEPTH_MAX      8u     /* of nested objects and arrays; the grammar needs 5 */
#define POLICY_STATEMENTS_MAX 256u
#define POLICY_PATTERN_MAX    2048u /* bytes of an action, resource or value; of one with its variables filled in */
#define POLICY_VALUES_MAX     64u   /* values that a request has for one key */

struct policy;

enum policy_kind {
    POLICY_IDENTITY, /* attached to users and groups, or given with a session: names no principal */
    POLICY_RESOURCE  /* of a bucket: says whom it speaks of, and of nothing but the bucket and what is in it */
};

struct policy_why {
    char text[160]; /* as AWS says it, for the Message of MalformedPolicy */
};

/*
 * bucket: whose policy it is; empty for POLICY_IDENTITY. ESYNTAX: *why tells. ENOMEM.
 */
DOL_MUST_CHECK enum dol_err policy_parse(struct bytes json, enum policy_kind kind, struct bytes bucket,
                                         struct policy **out, struct policy_why *why);
void policy_free(struct policy *policy);

/* Who asks. */
struct policy_principal {
    struct bytes id;   /* canonical user id; empty: anonymous */
    struct bytes name; /* user name */
    struct bytes arn;  /* arn:aws:iam:::user/NAME, arn:aws:iam:::root, arn:aws:sts:::assumed-role/ROLE/SESSION */
    bool is_root;
};

struct policy_values {
    struct bytes list[POLICY_VALUES_MAX];
    unsigned count;
};

/*
 * The request's values for a condition key, given in lower case up to a '/', as written behind it ("aws:sourceip",
 * "s3:existingobjecttag/Modality"). false: the request has no such key. Values live as long as the request.
 */
typedef bool policy_context_fn(void *arg, struct bytes key, struct policy_values *out);

struct policy_request {
    const struct policy_principal *principal;
    struct bytes action;   /* "s3:GetObject" */
    struct bytes resource; /* "arn:aws:s3:::bucket/key"; "*" when the action has none */
    policy_context_fn *context;
    void *arg;
};

enum policy_verdict { POLICY_SILENT, POLICY_ALLOW, POLICY_DENY };

/* An explicit deny in any statement wins over every allow. */
enum policy_verdict policy_evaluate(const struct policy *policy, const struct policy_request *request);

/* Allows something to everybody, by AWS's meaning of "public": no condition pins the callers to fixed values. */
bool policy_is_public(const struct policy *policy);

/* Calls fn for each principal that is named, wildcards left out, until it returns false. */
typedef bool policy_principal_fn(void *arg, struct bytes principal);
bool policy_each_principal(const struct policy *policy, policy_principal_fn *fn, void *arg);

/* Is this the text of a principal that means that one? "*" means everybody. */
bool policy_principal_is(struct bytes text, const struct policy_principal *principal);

#endif
