/*
 * Reading a policy: its JSON is bounded before it is parsed, and everything it says is checked and copied into the
 * policy's own memory.
 */
#include "policy_impl.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_ARENA_BYTES_MAX (1u << 20) /* 20 KiB of text make lists of at most 10,000 one-letter strings */

struct parse {
    struct policy *policy;
    struct bytes bucket;
    struct policy_why *why;
};

static enum dol_err wrong(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static enum dol_err wrong(struct parse *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->why->text, sizeof p->why->text, format, args);
    va_end(args);
    return DOL_ESYNTAX;
}

/* Depth by brackets outside of strings: the parser would recurse as deep as it is told to. */
static bool depth_is_fine(struct bytes json)
{
    const char *t = json.data;
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        if (in_string) {
            if (t[i] == '\\')
                i++;
            else if (t[i] == '"')
                in_string = false;
        } else if (t[i] == '"') {
            in_string = true;
        } else if ((t[i] == '{' || t[i] == '[') && ++depth > POLICY_DEPTH_MAX) {
            return false;
        } else if ((t[i] == '}' || t[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* A string, number or truth value, as text. data NULL: it is something else. */
static enum dol_err text_of(struct parse *p, const json_t *value, struct bytes *out)
{
    struct arena *arena = &p->policy->arena;
    char *copy = NULL;
    *out = bytes_of(NULL, 0);
    if (json_is_string(value)) {
        size_t len = json_string_length(value);
        copy = arena_strndup(arena, json_string_value(value), len);
        *out = bytes_of(copy, len);
    } else if (json_is_boolean(value)) {
        copy = arena_printf(arena, "%s", json_is_true(value) ? "true" : "false");
    } else if (json_is_integer(value)) {
        copy = arena_printf(arena, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        copy = arena_printf(arena, "%.17g", json_real_value(value));
    } else {
        return DOL_OK;
    }
    if (copy == NULL)
        return DOL_ENOMEM;
    if (!json_is_string(value))
        *out = bytes_of(copy, strlen(copy));
    return DOL_OK;
}

enum text_types { ONLY_STRINGS, ANY_SCALARS };

/* One value, or a list of them. `what` is said when it is neither, or empty. */
static enum dol_err texts_of(struct parse *p, const json_t *value, enum text_types types, const char *what,
                             struct policy_texts *out)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count == 0)
        return wrong(p, "%s", what);
    out->list = arena_alloc(&p->policy->arena, count * sizeof *out->list);
    if (out->list == NULL)
        return DOL_ENOMEM;
    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        enum dol_err err = text_of(p, item, &out->list[i]);
        if (err != DOL_OK)
            return err;
        if (out->list[i].data == NULL || (types == ONLY_STRINGS && !json_is_string(item)) ||
            out->list[i].len > POLICY_PATTERN_MAX)
            return wrong(p, "%s", what);
        out->count++;
    }
    return DOL_OK;
}

/* ---- parts of a statement ---- */

static enum dol_err parse_actions(struct parse *p, const json_t *value, struct policy_statement *s)
{
    enum dol_err err = texts_of(p, value, ONLY_STRINGS, "Policy has invalid action", &s->actions);
    for (unsigned i = 0; err == DOL_OK && i < s->actions.count; i++) {
        struct bytes a = s->actions.list[i];
        bool any = a.len == 1 && *(const char *)a.data == '*';
        const char *colon = a.len > 0 ? memchr(a.data, ':', a.len) : NULL;
        bool of_service = colon != NULL && colon != (const char *)a.data && colon + 1 < (const char *)a.data + a.len;
        bool of_s3 = a.len > 3 && policy_text_equal(bytes_of(a.data, 3), bytes_of("s3:", 3), POLICY_CASE_IGNORED);
        if (p->policy->kind == POLICY_RESOURCE || of_s3 ? !policy_action_is_known(a) : !any && !of_service)
            err = wrong(p, "Policy has invalid action");
    }
    return err;
}

/* The bucket in arn:aws:s3:::BUCKET/KEY, whose pattern has to reach the policy's own. */
static bool resource_is_of(struct bytes resource, struct bytes bucket)
{
    static const char prefix[] = "arn:aws:s3:::";
    size_t len = sizeof prefix - 1;
    if (resource.len <= len || memcmp(resource.data, prefix, len) != 0)
        return false;
    const char *name = (const char *)resource.data + len;
    size_t name_len = resource.len - len;
    if (bucket.len == 0)
        return true;
    const char *slash = memchr(name, '/', name_len);
    return policy_text_like(bytes_of(name, slash != NULL ? (size_t)(slash - name) : name_len), bucket,
                            POLICY_CASE_EXACT);
}

static enum dol_err parse_resources(struct parse *p, const json_t *value, struct policy_statement *s)
{
    enum dol_err err = texts_of(p, value, ONLY_STRINGS, "Policy has invalid resource", &s->resources);
    for (unsigned i = 0; err == DOL_OK && i < s->resources.count; i++) {
        struct bytes r = s->resources.list[i];
        bool any = r.len == 1 && *(const char *)r.data == '*';
        bool fine = p->policy->kind == POLICY_RESOURCE ? resource_is_of(r, p->bucket)
                                                       : any || resource_is_of(r, bytes_of("", 0)) ||
                                                             (r.len > 8 && memcmp(r.data, "arn:aws:", 8) == 0);
        if (!fine || !policy_variables_are_closed(r))
            err = wrong(p, "Policy has invalid resource");
    }
    return err;
}

/* "*", {"AWS": ...}, {"CanonicalUser": ...}. */
static enum dol_err parse_principals(struct parse *p, json_t *value, struct policy_statement *s)
{
    static const char what[] = "Invalid principal in policy";
    if (json_is_string(value)) {
        enum dol_err err = texts_of(p, value, ONLY_STRINGS, what, &s->principals);
        bool any = err == DOL_OK && policy_text_equal(s->principals.list[0], bytes_of("*", 1), POLICY_CASE_EXACT);
        return err == DOL_OK && !any ? wrong(p, what) : err;
    }
    if (!json_is_object(value) || json_object_size(value) == 0)
        return wrong(p, what);
    const char *name;
    json_t *member;
    struct policy_texts parts[2] = {{NULL, 0}, {NULL, 0}};
    unsigned count = 0;
    json_object_foreach(value, name, member)
    {
        bool aws = strcmp(name, "AWS") == 0;
        if ((!aws && strcmp(name, "CanonicalUser") != 0) || count == 2)
            return wrong(p, what);
        enum dol_err err = texts_of(p, member, ONLY_STRINGS, what, &parts[count]);
        if (err != DOL_OK)
            return err;
        for (unsigned i = 0; i < parts[count].count; i++) {
            struct bytes text = parts[count].list[i];
            if (!policy_principal_is_good(text) || (!aws && text.len != 64))
                return wrong(p, what);
        }
        count++;
    }
    s->principals.list = arena_alloc(&p->policy->arena, (parts[0].count + parts[1].count) * sizeof *s->principals.list);
    if (s->principals.list == NULL)
        return DOL_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < parts[i].count; k++)
            s->principals.list[s->principals.count++] = parts[i].list[k];
    return DOL_OK;
}

/* Lower case up to the '/' before a tag's key. */
static enum dol_err fold_key(struct parse *p, const char *name, struct bytes *out)
{
    size_t len = strlen(name);
    char *copy = arena_strndup(&p->policy->arena, name, len);
    if (copy == NULL)
        return DOL_ENOMEM;
    for (char *c = copy; *c != '\0' && *c != '/'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    *out = bytes_of(copy, len);
    return DOL_OK;
}

static enum dol_err parse_condition(struct parse *p, const char *name, const json_t *value, struct policy_condition *c)
{
    enum dol_err err = fold_key(p, name, &c->key);
    if (err != DOL_OK)
        return err;
    if (!policy_key_is_known(c->key))
        return wrong(p, "Policy has an invalid condition key: %.64s", name);
    err = texts_of(p, value, ANY_SCALARS, "Policy has an invalid condition value", &c->values);
    for (unsigned i = 0; err == DOL_OK && i < c->values.count; i++)
        if (!policy_value_is_good(c->op, c->values.list[i]))
            err = wrong(p, "Policy has an invalid condition value");
    return err;
}

static enum dol_err parse_conditions(struct parse *p, json_t *value, struct policy_statement *s)
{
    const char *operator_name;
    const char *key;
    json_t *by_key;
    json_t *values;
    size_t count = 0;
    if (!json_is_object(value))
        return wrong(p, "Invalid policy syntax.");
    json_object_foreach(value, operator_name, by_key)
    {
        if (!json_is_object(by_key))
            return wrong(p, "Invalid policy syntax.");
        count += json_object_size(by_key);
    }
    s->conditions = arena_alloc(&p->policy->arena, (count + 1) * sizeof *s->conditions);
    if (s->conditions == NULL)
        return DOL_ENOMEM;
    json_object_foreach(value, operator_name, by_key)
    {
        struct policy_condition form = {.op = POLICY_OP_NULL};
        if (!policy_operator_parse(bytes_of(operator_name, strlen(operator_name)), &form))
            return wrong(p, "Invalid Condition type : %.64s", operator_name);
        json_object_foreach(by_key, key, values)
        {
            struct policy_condition *c = &s->conditions[s->condition_count++];
            *c = form;
            enum dol_err err = parse_condition(p, key, values, c);
            if (err != DOL_OK)
                return err;
        }
    }
    return DOL_OK;
}

/* ---- statements ---- */

/* The one of a pair that excludes itself ("Action", "NotAction"); *is_not tells which. */
static enum dol_err pick(struct parse *p, json_t *object, const char *name, const char *not_name, json_t **out,
                         bool *is_not)
{
    json_t *yes = json_object_get(object, name);
    json_t *no = json_object_get(object, not_name);
    if (yes != NULL && no != NULL)
        return wrong(p, "Statement has both %s and %s", name, not_name);
    *is_not = no != NULL;
    *out = yes != NULL ? yes : no;
    return DOL_OK;
}

static enum dol_err check_members(struct parse *p, json_t *object, const char *const *names)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        unsigned i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0)
            i++;
        if (names[i] == NULL)
            return wrong(p, "Unknown field %.64s", name);
    }
    return DOL_OK;
}

static enum dol_err parse_effect(struct parse *p, const json_t *object, struct policy_statement *s)
{
    const char *effect = json_string_value(json_object_get(object, "Effect"));
    if (json_object_get(object, "Effect") == NULL)
        return wrong(p, "Missing required field Effect");
    s->allow = effect != NULL && strcmp(effect, "Allow") == 0;
    if (!s->allow && (effect == NULL || strcmp(effect, "Deny") != 0))
        return wrong(p, "Invalid effect: %.64s", effect != NULL ? effect : "");
    return DOL_OK;
}

static enum dol_err parse_principal_member(struct parse *p, json_t *object, struct policy_statement *s)
{
    json_t *value = NULL;
    enum dol_err err = pick(p, object, "Principal", "NotPrincipal", &value, &s->not_principals);
    if (err != DOL_OK)
        return err;
    if (p->policy->kind == POLICY_IDENTITY)
        return value != NULL ? wrong(p, "Policy document should not specify a principal.") : DOL_OK;
    return value == NULL ? wrong(p, "Missing required field Principal") : parse_principals(p, value, s);
}

static enum dol_err parse_statement(struct parse *p, json_t *object, struct policy_statement *s)
{
    static const char *const members[] = {"Sid",       "Effect",   "Principal",   "NotPrincipal", "Action",
                                          "NotAction", "Resource", "NotResource", "Condition",    NULL};
    json_t *action = NULL;
    json_t *resource = NULL;
    if (!json_is_object(object))
        return wrong(p, "Invalid policy syntax.");
    enum dol_err err = check_members(p, object, members);
    const json_t *sid = json_object_get(object, "Sid");
    if (err == DOL_OK && sid != NULL && !json_is_string(sid))
        err = wrong(p, "Invalid policy syntax.");
    if (err == DOL_OK)
        err = parse_effect(p, object, s);
    if (err == DOL_OK)
        err = parse_principal_member(p, object, s);
    if (err == DOL_OK)
        err = pick(p, object, "Action", "NotAction", &action, &s->not_actions);
    if (err == DOL_OK)
        err = action == NULL ? wrong(p, "Missing required field Action") : parse_actions(p, action, s);
    if (err == DOL_OK)
        err = pick(p, object, "Resource", "NotResource", &resource, &s->not_resources);
    if (err == DOL_OK)
        err = resource == NULL ? wrong(p, "Missing required field Resource") : parse_resources(p, resource, s);
    json_t *condition = json_object_get(object, "Condition");
    if (err == DOL_OK && condition != NULL)
        err = parse_conditions(p, condition, s);
    return err;
}

static enum dol_err parse_document(struct parse *p, json_t *root)
{
    static const char *const members[] = {"Version", "Id", "Statement", NULL};
    const json_t *version = json_object_get(root, "Version");
    const json_t *id = json_object_get(root, "Id");
    json_t *list = json_object_get(root, "Statement");
    enum dol_err err = check_members(p, root, members);
    if (err != DOL_OK)
        return err;
    if (version != NULL) {
        const char *text = json_is_string(version) ? json_string_value(version) : "";
        p->policy->has_variables = strcmp(text, "2012-10-17") == 0;
        if (!p->policy->has_variables && strcmp(text, "2008-10-17") != 0)
            return wrong(p, "The policy must contain a valid version string");
    }
    if (id != NULL && !json_is_string(id))
        return wrong(p, "Invalid policy syntax.");
    if (list == NULL)
        return wrong(p, "Missing required field Statement");
    size_t count = json_is_array(list) ? json_array_size(list) : 1;
    if (count == 0)
        return wrong(p, "Could not parse the policy: Statement is empty!");
    if (count > POLICY_STATEMENTS_MAX)
        return wrong(p, "Policy has more than %u statements", POLICY_STATEMENTS_MAX);
    p->policy->statements = arena_alloc(&p->policy->arena, count * sizeof *p->policy->statements);
    if (p->policy->statements == NULL)
        return DOL_ENOMEM;
    for (size_t i = 0; err == DOL_OK && i < count; i++) {
        json_t *object = json_is_array(list) ? json_array_get(list, i) : list;
        err = parse_statement(p, object, &p->policy->statements[p->policy->statement_count++]);
    }
    return err;
}

enum dol_err policy_parse(struct bytes json, enum policy_kind kind, struct bytes bucket, struct policy **out,
                          struct policy_why *why)
{
    struct parse p = {.bucket = bucket, .why = why};
    why->text[0] = '\0';
    if (json.len > POLICY_BYTES_MAX)
        return wrong(&p, "Your policy exceeds the maximum allowed document size of %u bytes", POLICY_BYTES_MAX);
    if (json.len == 0 || *(const char *)json.data != '{')
        return wrong(&p, "Policies must be valid JSON and the first byte must be '{'");
    if (!depth_is_fine(json))
        return wrong(&p, "Policy is nested too deeply");
    json_t *root = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL)
        return wrong(&p, "Policies must be valid JSON and the first byte must be '{'");
    enum dol_err err = DOL_ENOMEM;
    p.policy = calloc(1, sizeof *p.policy);
    if (p.policy != NULL) {
        arena_init(&p.policy->arena, POLICY_ARENA_BYTES_MAX);
        p.policy->kind = kind;
        err = parse_document(&p, root);
    }
    json_decref(root);
    if (err == DOL_OK)
        *out = p.policy;
    else
        policy_free(p.policy);
    return err;
}

void policy_free(struct policy *policy)
{
    if (policy == NULL)
        return;
    arena_fini(&policy->arena);
    free(policy);
}
