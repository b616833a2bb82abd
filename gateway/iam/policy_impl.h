/* Inside the policy engine: a document as it is kept. */
#ifndef DOL_POLICY_IMPL_H
#define DOL_POLICY_IMPL_H

#include "arena.h"
#include "policy.h"

struct policy_texts {
    struct bytes *list;
    unsigned count;
};

enum policy_quantifier { POLICY_PLAIN, POLICY_FOR_ANY_VALUE, POLICY_FOR_ALL_VALUES };

enum policy_op {
    POLICY_OP_STRING_EQUALS,
    POLICY_OP_STRING_EQUALS_IGNORE_CASE,
    POLICY_OP_STRING_LIKE,
    POLICY_OP_NUMERIC_EQUALS,
    POLICY_OP_NUMERIC_LESS,
    POLICY_OP_NUMERIC_LESS_EQUALS,
    POLICY_OP_NUMERIC_GREATER,
    POLICY_OP_NUMERIC_GREATER_EQUALS,
    POLICY_OP_DATE_EQUALS,
    POLICY_OP_DATE_LESS,
    POLICY_OP_DATE_LESS_EQUALS,
    POLICY_OP_DATE_GREATER,
    POLICY_OP_DATE_GREATER_EQUALS,
    POLICY_OP_BOOL,
    POLICY_OP_IP_ADDRESS,
    POLICY_OP_ARN_LIKE,
    POLICY_OP_NULL
};

struct policy_condition {
    enum policy_op op;
    enum policy_quantifier quantifier;
    bool negated;   /* StringNotEquals and the like: true where no value matches */
    bool if_exists; /* true where the request has no such key */
    struct bytes key;
    struct policy_texts values;
};

struct policy_statement {
    bool allow;
    bool not_principals, not_actions, not_resources; /* the list says whom or what it is not about */
    struct policy_texts principals;                  /* none in identity policies */
    struct policy_texts actions;
    struct policy_texts resources;
    struct policy_condition *conditions;
    unsigned condition_count;
};

struct policy {
    struct arena arena; /* all that follows */
    enum policy_kind kind;
    bool has_variables; /* version 2012-10-17: ${...} is filled in */
    struct policy_statement *statements;
    unsigned statement_count;
};

/* ---- policy_text.c: patterns ---- */

enum policy_case { POLICY_CASE_EXACT, POLICY_CASE_IGNORED };
/* '*' stands for any bytes, '?' for one character of UTF-8. */
bool policy_text_like(struct bytes pattern, struct bytes text, enum policy_case letters);
bool policy_text_equal(struct bytes a, struct bytes b, enum policy_case letters);

/* A pattern with its variables filled in: what a variable stood for is never a wildcard. */
struct policy_pattern {
    struct bytes text; /* when there is nothing to fill in */
    bool is_expanded;
    bool wildcards; /* '*' and '?' mean something */
    unsigned len;
    uint16_t units[POLICY_PATTERN_MAX]; /* bytes; above 255: a wildcard */
};
/* false: a variable has no value, or the result is too long: the pattern matches nothing. */
bool policy_pattern_fill(const struct policy *policy, const struct policy_request *request, struct bytes text,
                         bool wildcards, struct policy_pattern *out);
bool policy_pattern_matches(const struct policy_pattern *pattern, struct bytes text, enum policy_case letters);
/* Each ${...} is closed. */
bool policy_variables_are_closed(struct bytes text);

/* ---- policy_condition.c ---- */

/* "ForAnyValue:StringNotLikeIfExists" and so on; false: there is no such operator. */
bool policy_operator_parse(struct bytes name, struct policy_condition *out);
/* A value that the operator can't read. */
bool policy_value_is_good(enum policy_op op, struct bytes value);
bool policy_condition_holds(const struct policy *policy, const struct policy_condition *condition,
                            const struct policy_request *request);
/* Narrow enough that a statement with this condition is not public. */
bool policy_condition_pins(const struct policy *policy, const struct policy_condition *condition);

/* ---- policy_names.c: what there is to be named ---- */

/* At least one action of S3 has this name; wildcards are seen. */
bool policy_action_is_known(struct bytes action);
bool policy_key_is_known(struct bytes key);
/* A principal of {"AWS": ...} whose form means something here. */
bool policy_principal_is_good(struct bytes text);

#endif
