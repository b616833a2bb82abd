/* See s3_cors.h. The first rule that fits origin, method and headers is the one. */
#include "s3_cors.h"

#include "s3_reply.h"

#include <stdlib.h>

static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "HEAD", NULL};

/* Methods are looked at apart: theirs is another error. */
static const struct xml_shape rule_shape[] = {{.name = "ID", .max = 1},
                                              {.name = "AllowedMethod", .min = 1, .max = UINT16_MAX},
                                              {.name = "AllowedOrigin", .min = 1, .max = UINT16_MAX},
                                              {.name = "AllowedHeader", .max = UINT16_MAX},
                                              {.name = "ExposeHeader", .max = UINT16_MAX},
                                              {.name = "MaxAgeSeconds", .max = 1},
                                              {0}};
static const struct xml_shape cors_children[] = {{.name = "CORSRule", .min = 1, .max = 100, .children = rule_shape},
                                                 {0}};
const struct xml_shape s3_cors_shape = {.name = "CORSConfiguration", .children = cors_children};

static bool method_is_known(struct bytes method)
{
    for (const char *const *m = methods; *m != NULL; m++)
        if (bytes_equal_str(method, *m))
            return true;
    return false;
}

static unsigned stars_of(struct bytes text)
{
    const char *p = text.data;
    unsigned stars = 0;
    for (size_t i = 0; i < text.len; i++)
        stars += p[i] == '*';
    return stars;
}

/* What is written into headers of answers. */
static bool is_printable(struct bytes text)
{
    const unsigned char *p = text.data;
    for (size_t i = 0; i < text.len; i++)
        if (p[i] <= ' ' || p[i] >= 0x7f)
            return false;
    return text.len > 0;
}

static enum s3_error fail_wildcards(struct s3_request *rq, const struct xml_node *node)
{
    return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                   s3_text(rq, "%s \"%.*s\" can not have more than one wildcard.", node->name, (int)node->text.len,
                           (const char *)node->text.data));
}

static enum s3_error rule_check(struct s3_request *rq, const struct xml_node *rule)
{
    struct bytes max_age = xml_child_text(rule, "MaxAgeSeconds");
    uint64_t seconds;
    for (const struct xml_node *n = rule->first_child; n != NULL; n = n->next) {
        bool is_header = strcmp(n->name, "AllowedHeader") == 0;
        if (strcmp(n->name, "AllowedMethod") == 0 && !method_is_known(n->text))
            return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                           s3_text(rq, "Found unsupported HTTP method in CORS config. Unsupported method is %.*s",
                                   (int)n->text.len, (const char *)n->text.data));
        if ((is_header || strcmp(n->name, "AllowedOrigin") == 0) && stars_of(n->text) > 1)
            return fail_wildcards(rq, n);
        if (strcmp(n->name, "ExposeHeader") == 0 && stars_of(n->text) > 0)
            return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                           s3_text(rq,
                                   "ExposeHeader \"%.*s\" contains wildcard. We currently do not support wildcard "
                                   "for ExposeHeader.",
                                   (int)n->text.len, (const char *)n->text.data));
        if (strcmp(n->name, "ID") != 0 && !is_printable(n->text))
            return S3_ERR_MALFORMED_XML;
    }
    if (xml_child(rule, "MaxAgeSeconds") != NULL && !s3_parse_u64(max_age, INT32_MAX, &seconds))
        return S3_ERR_MALFORMED_XML;
    return S3_ERR_NONE;
}

enum s3_error s3_cors_check(struct s3_request *rq, const struct xml_node *root)
{
    enum s3_error error = S3_ERR_NONE;
    for (const struct xml_node *rule = xml_child(root, "CORSRule"); rule != NULL && error == S3_ERR_NONE;
         rule = xml_next(rule))
        error = rule_check(rq, rule);
    return error;
}

/* ---- finding the rule ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equal(const char *a, const char *b, size_t len, bool any_case)
{
    for (size_t i = 0; i < len; i++)
        if (any_case ? lower(a[i]) != lower(b[i]) : a[i] != b[i])
            return false;
    return true;
}

/* One star at most stands for any bytes. */
static bool pattern_fits(struct bytes pattern, struct bytes text, bool any_case)
{
    const char *p = pattern.data;
    const char *t = text.data;
    const char *star = pattern.len > 0 ? memchr(p, '*', pattern.len) : NULL;
    if (star == NULL)
        return pattern.len == text.len && equal(p, t, text.len, any_case);
    size_t head = (size_t)(star - p);
    size_t tail = pattern.len - head - 1;
    return text.len >= head + tail && equal(p, t, head, any_case) &&
           equal(star + 1, t + text.len - tail, tail, any_case);
}

static const struct xml_node *child_that_fits(const struct xml_node *rule, const char *name, struct bytes text,
                                              bool any_case)
{
    const struct xml_node *n = xml_child(rule, name);
    while (n != NULL && !pattern_fits(n->text, text, any_case))
        n = xml_next(n);
    return n;
}

/* A list of names, comma between them. */
static bool headers_fit(const struct xml_node *rule, struct bytes list)
{
    const char *p = list.data;
    size_t at = 0;
    while (at < list.len) {
        const char *comma = memchr(p + at, ',', list.len - at);
        size_t end = comma != NULL ? (size_t)(comma - p) : list.len;
        size_t from = at;
        at = end + 1;
        while (from < end && p[from] == ' ')
            from++;
        while (end > from && p[end - 1] == ' ')
            end--;
        if (end > from && child_that_fits(rule, "AllowedHeader", bytes_of(p + from, end - from), true) == NULL)
            return false;
    }
    return true;
}

static void cors_match(struct s3_request *rq, const struct xml_node *root, struct bytes method)
{
    struct s3_cors *cors = &rq->cors;
    const struct bytes *headers = s3_header(rq, "access-control-request-headers");
    cors->origin = *s3_header(rq, "origin");
    for (cors->rule = xml_child(root, "CORSRule"); cors->rule != NULL; cors->rule = xml_next(cors->rule)) {
        const struct xml_node *origin = child_that_fits(cors->rule, "AllowedOrigin", cors->origin, false);
        if (origin == NULL || child_that_fits(cors->rule, "AllowedMethod", method, false) == NULL)
            continue;
        if (headers != NULL && !headers_fit(cors->rule, *headers))
            continue;
        cors->any_origin = bytes_equal_str(origin->text, "*");
        return;
    }
}

/* ENOTFOUND: the bucket has no rules. */
static enum dol_err cors_load(struct s3_request *rq, struct xml_node **root)
{
    struct bytes document;
    void *memory;
    enum dol_err err =
        store_bucket_get_document(rq->config->store, rq->bucket, s3_bytes_of(S3_CORS_DOCUMENT), &document, &memory);
    if (err == DOL_OK)
        err = xml_shape_parse(document, &s3_cors_shape, rq->arena, root);
    free(memory);
    return err;
}

void s3_cors_find(struct s3_request *rq)
{
    struct xml_node *root;
    const struct bytes *asked = s3_header(rq, "access-control-request-method");
    if (s3_header(rq, "origin") == NULL || rq->bucket.len == 0 || cors_load(rq, &root) != DOL_OK)
        return;
    cors_match(rq, root, asked != NULL ? *asked : rq->head->method_name);
}

/* ---- what is told ---- */

static const char *joined(struct s3_request *rq, const char *name)
{
    const char *text = NULL;
    for (const struct xml_node *n = xml_child(rq->cors.rule, name); n != NULL; n = xml_next(n)) {
        text = s3_text(rq, "%s%s%.*s", text != NULL ? text : "", text != NULL ? ", " : "", (int)n->text.len,
                       (const char *)n->text.data);
        if (text == NULL)
            return "";
    }
    return text;
}

void s3_cors_headers(struct s3_request *rq)
{
    const struct s3_cors *cors = &rq->cors;
    const struct bytes *headers = s3_header(rq, "access-control-request-headers");
    if (cors->rule == NULL)
        return;
    s3_reply_header_bytes(rq, "Access-Control-Allow-Origin", cors->any_origin ? s3_bytes_of("*") : cors->origin);
    if (!cors->any_origin)
        s3_reply_header(rq, "Access-Control-Allow-Credentials", "true");
    s3_reply_header(rq, "Access-Control-Allow-Methods", joined(rq, "AllowedMethod"));
    if (headers != NULL && headers->len > 0)
        s3_reply_header_bytes(rq, "Access-Control-Allow-Headers", *headers);
    if (xml_child(cors->rule, "ExposeHeader") != NULL)
        s3_reply_header(rq, "Access-Control-Expose-Headers", joined(rq, "ExposeHeader"));
    if (xml_child(cors->rule, "MaxAgeSeconds") != NULL)
        s3_reply_header_bytes(rq, "Access-Control-Max-Age", xml_child_text(cors->rule, "MaxAgeSeconds"));
    s3_reply_header(rq, "Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

enum s3_error s3_cors_preflight(struct s3_request *rq)
{
    struct xml_node *root;
    const struct bytes *method = s3_header(rq, "access-control-request-method");
    if (s3_header(rq, "origin") == NULL)
        return s3_fail(rq, S3_ERR_BAD_REQUEST, "Insufficient information. Origin request header needed.");
    if (method == NULL || !method_is_known(*method))
        return s3_fail(rq, S3_ERR_BAD_REQUEST,
                       s3_text(rq, "Invalid Access-Control-Request-Method: %.*s", method != NULL ? (int)method->len : 4,
                               method != NULL ? (const char *)method->data : "null"));
    if (rq->bucket.len == 0)
        return S3_ERR_ACCESS_FORBIDDEN;
    enum dol_err err = cors_load(rq, &root);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND || err == DOL_ENOBUCKET ? S3_ERR_ACCESS_FORBIDDEN : s3_error_of(err);
    cors_match(rq, root, *method);
    if (rq->cors.rule == NULL)
        return s3_fail(
            rq, S3_ERR_ACCESS_FORBIDDEN,
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
            "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not "
            "whitelisted by the resource's CORS spec.");
    return s3_reply_begin(rq, 200, 0);
}
