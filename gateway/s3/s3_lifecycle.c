/* See s3_lifecycle.h. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html */
#include "s3_lifecycle.h"

#include "hash.h"
#include "http_date.h"
#include "s3_body.h"
#include "s3_handlers.h"
#include "s3_reply.h"
#include "s3_tags.h"

#include "xml_shape.h"

#include <stdlib.h>

#define LIFECYCLE_BYTES_MAX (256u << 10)
#define RULES_MAX           1000u
#define RULE_ID_BYTES_MAX   255u
#define RULE_ID_MADE_BYTES  16u
#define RULES_ARENA_MAX     (8u << 20)
#define NEWER_KEPT_MAX      100u
#define DAY_S               86400

/* ---- the document's shape ---- */

static const char *const statuses[] = {"Enabled", "Disabled", NULL};
static const char *const cold_classes[] = {"GLACIER",    "STANDARD_IA",  "ONEZONE_IA", "INTELLIGENT_TIERING",
                                           "GLACIER_IR", "DEEP_ARCHIVE", NULL};
static const struct xml_shape tag_shape[] = {
    {.name = "Key", .min = 1, .max = 1}, {.name = "Value", .min = 1, .max = 1}, {0}};
static const struct xml_shape and_shape[] = {{.name = "Prefix", .max = 1},
                                             {.name = "Tag", .max = S3_TAGS_MAX, .children = tag_shape},
                                             {.name = "ObjectSizeGreaterThan", .max = 1},
                                             {.name = "ObjectSizeLessThan", .max = 1},
                                             {0}};
static const struct xml_shape filter_shape[] = {{.name = "Prefix", .max = 1},
                                                {.name = "Tag", .max = 1, .children = tag_shape},
                                                {.name = "ObjectSizeGreaterThan", .max = 1},
                                                {.name = "ObjectSizeLessThan", .max = 1},
                                                {.name = "And", .max = 1, .children = and_shape},
                                                {0}};
static const struct xml_shape expiration_shape[] = {
    {.name = "Date", .max = 1},
    {.name = "Days", .max = 1},
    {.name = "ExpiredObjectDeleteMarker", .max = 1, .values = xml_shape_booleans},
    {0}};
static const struct xml_shape transition_shape[] = {
    {.name = "Date", .max = 1},
    {.name = "Days", .max = 1},
    {.name = "StorageClass", .min = 1, .max = 1, .values = cold_classes},
    {0}};
static const struct xml_shape noncurrent_shape[] = {
    {.name = "NoncurrentDays", .min = 1, .max = 1}, {.name = "NewerNoncurrentVersions", .max = 1}, {0}};
static const struct xml_shape noncurrent_transition_shape[] = {
    {.name = "NoncurrentDays", .min = 1, .max = 1},
    {.name = "NewerNoncurrentVersions", .max = 1},
    {.name = "StorageClass", .min = 1, .max = 1, .values = cold_classes},
    {0}};
static const struct xml_shape abort_shape[] = {{.name = "DaysAfterInitiation", .min = 1, .max = 1}, {0}};
static const struct xml_shape rule_shape[] = {
    {.name = "ID", .max = 1},
    {.name = "Status", .min = 1, .max = 1, .values = statuses},
    {.name = "Prefix", .max = 1},
    {.name = "Filter", .max = 1, .children = filter_shape},
    {.name = "Expiration", .max = 1, .children = expiration_shape},
    {.name = "Transition", .max = RULES_MAX, .children = transition_shape},
    {.name = "NoncurrentVersionExpiration", .max = 1, .children = noncurrent_shape},
    {.name = "NoncurrentVersionTransition", .max = RULES_MAX, .children = noncurrent_transition_shape},
    {.name = "AbortIncompleteMultipartUpload", .max = 1, .children = abort_shape},
    {0}};
static const struct xml_shape lifecycle_children[] = {
    {.name = "Rule", .min = 1, .max = RULES_MAX, .children = rule_shape}, {0}};
static const struct xml_shape lifecycle_shape = {.name = "LifecycleConfiguration", .children = lifecycle_children};

/* ---- its rules ---- */

static enum s3_error fail(const char **why, enum s3_error error, const char *text)
{
    *why = text;
    return error;
}

/* Of a child that may be absent: 0. */
static enum s3_error days_read(const struct xml_node *parent, const char *name, uint32_t *out, const char **why)
{
    uint64_t value;
    if (xml_child(parent, name) == NULL)
        return S3_ERR_NONE;
    struct bytes text = xml_child_text(parent, name);
    bool is_negative = text.len > 1 && *(const char *)text.data == '-';
    if (is_negative)
        text = bytes_of((const char *)text.data + 1, text.len - 1);
    if (!s3_parse_u64(text, INT32_MAX, &value))
        return S3_ERR_MALFORMED_XML;
    if (value == 0 || is_negative)
        return fail(why, S3_ERR_INVALID_ARGUMENT, "A number of days or versions must be a positive integer");
    *out = (uint32_t)value;
    return S3_ERR_NONE;
}

static enum s3_error date_read(const struct xml_node *parent, int64_t *out, const char **why)
{
    if (xml_child(parent, "Date") == NULL)
        return S3_ERR_NONE;
    if (!http_date_parse_iso_s(xml_child_text(parent, "Date"), out))
        return S3_ERR_MALFORMED_XML;
    return *out > 0 && *out % DAY_S == 0 ? S3_ERR_NONE
                                         : fail(why, S3_ERR_INVALID_ARGUMENT, "'Date' must be at midnight GMT");
}

static enum s3_error expiration_read(const struct xml_node *node, struct lifecycle_rule *rule, const char **why)
{
    rule->expire_lone_markers = xml_child_is_true(node, "ExpiredObjectDeleteMarker");
    if (node == NULL)
        return S3_ERR_NONE;
    if ((xml_child(node, "Date") != NULL) + (xml_child(node, "Days") != NULL) +
            (xml_child(node, "ExpiredObjectDeleteMarker") != NULL) !=
        1)
        return S3_ERR_MALFORMED_XML;
    enum s3_error error = days_read(node, "Days", &rule->expire_days, why);
    return error == S3_ERR_NONE ? date_read(node, &rule->expire_date_s, why) : error;
}

/* They are kept for the day when they are carried out; what isn't right about them is told now. Days may be 0. */
static enum s3_error transitions_check(const struct xml_node *rule, const char **why)
{
    int64_t date_s;
    uint64_t days;
    for (const struct xml_node *n = xml_child(rule, "Transition"); n != NULL; n = xml_next(n)) {
        bool has_days = xml_child(n, "Days") != NULL;
        if (has_days == (xml_child(n, "Date") != NULL) ||
            (has_days && !s3_parse_u64(xml_child_text(n, "Days"), INT32_MAX, &days)))
            return S3_ERR_MALFORMED_XML;
        enum s3_error error = date_read(n, &date_s, why);
        if (error != S3_ERR_NONE)
            return error;
    }
    for (const struct xml_node *n = xml_child(rule, "NoncurrentVersionTransition"); n != NULL; n = xml_next(n))
        if (!s3_parse_u64(xml_child_text(n, "NoncurrentDays"), INT32_MAX, &days))
            return S3_ERR_MALFORMED_XML;
    return S3_ERR_NONE;
}

static enum s3_error sizes_read(const struct xml_node *filter, struct lifecycle_rule *rule, const char **why)
{
    uint64_t above, below;
    if (xml_child(filter, "ObjectSizeGreaterThan") != NULL) {
        if (!s3_parse_u64(xml_child_text(filter, "ObjectSizeGreaterThan"), INT64_MAX, &above))
            return S3_ERR_MALFORMED_XML;
        rule->size_min = above + 1;
    }
    if (xml_child(filter, "ObjectSizeLessThan") != NULL) {
        if (!s3_parse_u64(xml_child_text(filter, "ObjectSizeLessThan"), INT64_MAX, &below))
            return S3_ERR_MALFORMED_XML;
        if (below == 0)
            return fail(why, S3_ERR_INVALID_REQUEST, "'ObjectSizeLessThan' should be a positive integer");
        rule->size_max = below - 1;
    }
    return rule->size_min <= rule->size_max
               ? S3_ERR_NONE
               : fail(why, S3_ERR_INVALID_REQUEST,
                      "'ObjectSizeLessThan' should be larger than 'ObjectSizeGreaterThan' by more than one");
}

/* All that a filter names has to fit. What has an And has nothing beside it. */
static enum s3_error filter_read(const struct xml_node *filter, struct arena *a, struct lifecycle_rule *rule,
                                 const char **why)
{
    struct metadata_pair *tags = arena_alloc(a, S3_TAGS_MAX * sizeof *tags);
    if (tags == NULL)
        return S3_ERR_SLOW_DOWN;
    const struct xml_node *and = xml_child(filter, "And");
    const struct xml_node *from = and != NULL ? and : filter;
    if (and != NULL && (filter->first_child != and || and->next != NULL))
        return S3_ERR_MALFORMED_XML;
    rule->prefix = xml_child_text(from, "Prefix");
    rule->tags = tags;
    for (const struct xml_node *tag = xml_child(from, "Tag"); tag != NULL; tag = xml_next(tag)) {
        struct bytes name = xml_child_text(tag, "Key");
        for (unsigned i = 0; i < rule->tag_count; i++)
            if (bytes_equal(tags[i].name, name))
                return fail(why, S3_ERR_INVALID_REQUEST, "Duplicate Tag Keys are not allowed.");
        tags[rule->tag_count++] = (struct metadata_pair){name, xml_child_text(tag, "Value")};
    }
    return sizes_read(from, rule, why);
}

static enum s3_error actions_read(const struct xml_node *node, struct lifecycle_rule *rule, const char **why)
{
    const struct xml_node *noncurrent = xml_child(node, "NoncurrentVersionExpiration");
    const struct xml_node *abort = xml_child(node, "AbortIncompleteMultipartUpload");
    enum s3_error error = expiration_read(xml_child(node, "Expiration"), rule, why);
    if (error == S3_ERR_NONE)
        error = transitions_check(node, why);
    if (error == S3_ERR_NONE)
        error = days_read(noncurrent, "NoncurrentDays", &rule->noncurrent_days, why);
    if (error == S3_ERR_NONE)
        error = days_read(noncurrent, "NewerNoncurrentVersions", &rule->noncurrent_kept, why);
    if (error == S3_ERR_NONE && rule->noncurrent_kept > NEWER_KEPT_MAX)
        error = fail(why, S3_ERR_INVALID_ARGUMENT, "NewerNoncurrentVersions must be between 1 and 100");
    if (error == S3_ERR_NONE)
        error = days_read(abort, "DaysAfterInitiation", &rule->abort_days, why);
    if (error != S3_ERR_NONE)
        return error;
    bool has_sizes = rule->size_min > 0 || rule->size_max < UINT64_MAX;
    if (abort != NULL && (rule->tag_count > 0 || has_sizes))
        return fail(why, S3_ERR_INVALID_REQUEST,
                    "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.");
    if (rule->expire_lone_markers && (rule->tag_count > 0 || has_sizes))
        return fail(why, S3_ERR_INVALID_REQUEST,
                    "ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.");
    if (xml_child(node, "Expiration") == NULL && xml_child(node, "Transition") == NULL && noncurrent == NULL &&
        xml_child(node, "NoncurrentVersionTransition") == NULL && abort == NULL)
        return fail(why, S3_ERR_INVALID_REQUEST, "At least one action needs to be specified in a rule");
    return S3_ERR_NONE;
}

static enum s3_error rule_read(const struct xml_node *node, struct arena *a, struct lifecycle_rule *rule,
                               const char **why)
{
    const struct xml_node *filter = xml_child(node, "Filter");
    const struct xml_node *prefix = xml_child(node, "Prefix");
    *rule = (struct lifecycle_rule){.id = xml_child_text(node, "ID"),
                                    .enabled = bytes_equal_str(xml_child_text(node, "Status"), "Enabled"),
                                    .size_max = UINT64_MAX};
    if (rule->id.len > RULE_ID_BYTES_MAX)
        return fail(why, S3_ERR_INVALID_ARGUMENT, "ID length should not exceed allowed limit of 255");
    if ((filter != NULL) == (prefix != NULL)) /* the old way to say it, and the new one */
        return S3_ERR_MALFORMED_XML;
    enum s3_error error = filter != NULL ? filter_read(filter, a, rule, why) : S3_ERR_NONE;
    if (prefix != NULL)
        rule->prefix = prefix->text;
    if (rule->prefix.len > OBJECT_KEY_BYTES_MAX)
        return fail(why, S3_ERR_INVALID_REQUEST, "The maximum size of a prefix is 1024.");
    return error == S3_ERR_NONE ? actions_read(node, rule, why) : error;
}

static enum s3_error rules_read(const struct xml_node *root, struct arena *a, struct lifecycle *out, const char **why)
{
    unsigned count = 0;
    for (const struct xml_node *n = xml_child(root, "Rule"); n != NULL; n = xml_next(n))
        count++;
    struct lifecycle_rule *rules = arena_alloc(a, count * sizeof *rules);
    if (rules == NULL)
        return S3_ERR_SLOW_DOWN;
    out->rules = rules;
    out->rule_count = 0;
    for (const struct xml_node *n = xml_child(root, "Rule"); n != NULL; n = xml_next(n)) {
        struct lifecycle_rule *rule = &rules[out->rule_count++];
        enum s3_error error = rule_read(n, a, rule, why);
        if (error != S3_ERR_NONE)
            return error;
        for (const struct lifecycle_rule *other = rules; other < rule; other++)
            if (rule->id.len > 0 && bytes_equal(other->id, rule->id))
                return fail(why, S3_ERR_INVALID_ARGUMENT,
                            "Rule ID must be unique. Found same ID for more than one rule");
    }
    return S3_ERR_NONE;
}

static enum s3_error document_read(struct bytes document, struct arena *a, struct xml_node **root,
                                   struct lifecycle *out, const char **why)
{
    *why = NULL;
    enum dol_err err = xml_shape_parse(document, &lifecycle_shape, a, root);
    if (err != DOL_OK)
        return err == DOL_ENOMEM ? S3_ERR_SLOW_DOWN : S3_ERR_MALFORMED_XML;
    return rules_read(*root, a, out, why);
}

enum s3_error s3_lifecycle_parse(struct bytes document, struct arena *a, struct lifecycle *out, const char **why)
{
    struct xml_node *root;
    return document_read(document, a, &root, out, why);
}

/* ---- the verbs ---- */

/* As deep as the shape. */
static void write_node(struct xml_writer *w, const struct xml_node *node)
{
    if (node->first_child == NULL) {
        xml_write_text(w, node->name, node->text);
        return;
    }
    xml_write_open(w, node->name);
    for (const struct xml_node *n = node->first_child; n != NULL; n = n->next)
        write_node(w, n);
    xml_write_close(w, node->name);
}

/* A rule without an id gets one. */
static void write_rule(struct xml_writer *w, const struct xml_node *rule)
{
    uint8_t made[RULE_ID_MADE_BYTES];
    char id[2 * RULE_ID_MADE_BYTES + 1];
    bool has_id = xml_child_text(rule, "ID").len > 0;
    xml_write_open(w, rule->name);
    if (!has_id) {
        random_fill(made, sizeof made);
        hex_encode(made, sizeof made, id);
        xml_write_str(w, "ID", id);
    }
    for (const struct xml_node *n = rule->first_child; n != NULL; n = n->next)
        if (has_id || strcmp(n->name, "ID") != 0)
            write_node(w, n);
    xml_write_close(w, rule->name);
}

/* What is kept: what was given, with the ids. */
static enum s3_error document_of(struct s3_request *rq, const struct xml_node *root, unsigned rules,
                                 struct bytes *document)
{
    struct xml_writer w;
    size_t room = 2 * document->len + rules * 96u + 256u;
    char *buf = arena_alloc(rq->arena, room);
    if (buf == NULL)
        return S3_ERR_SLOW_DOWN;
    xml_writer_init(&w, buf, room, NULL, NULL);
    xml_write_declaration(&w);
    xml_write_open_ns(&w, root->name, XML_S3_NAMESPACE);
    for (const struct xml_node *n = root->first_child; n != NULL; n = n->next)
        write_rule(&w, n);
    xml_write_close(&w, root->name);
    if (xml_writer_finish(&w) != DOL_OK)
        return S3_ERR_MESSAGE_TOO_LONG;
    *document = bytes_of(buf, w.len);
    return S3_ERR_NONE;
}

enum s3_error s3_put_lifecycle(struct s3_request *rq)
{
    struct bytes document;
    struct xml_node *root;
    struct lifecycle lifecycle;
    const char *why;
    bool has_integrity;
    enum s3_error error = s3_body_document(rq, LIFECYCLE_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    error = document_read(document, rq->arena, &root, &lifecycle, &why);
    if (error != S3_ERR_NONE)
        return why != NULL ? s3_fail(rq, error, why) : error;
    error = document_of(rq, root, lifecycle.rule_count, &document);
    if (error == S3_ERR_NONE)
        error = s3_error_of(
            store_bucket_set_document(rq->config->store, rq->bucket, s3_bytes_of(S3_LIFECYCLE_DOCUMENT), document));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 200, 0);
}

/* ---- what clients are told of objects ---- */

static void expiration_reply(struct s3_request *rq, const struct lifecycle_rule *rule, int64_t due_s)
{
    char date[HTTP_DATE_TEXT_MAX];
    struct bytes id;
    http_date_format(due_s, date);
    if (uri_encode(rule->id, URI_ENCODE_ALL, rq->arena, &id) != DOL_OK)
        return;
    s3_reply_header(rq, "x-amz-expiration",
                    s3_text(rq, "expiry-date=\"%s\", rule-id=\"%.*s\"", date, (int)id.len, (const char *)id.data));
}

void s3_lifecycle_header(struct s3_request *rq, const struct lifecycle_version *version)
{
    struct lifecycle lifecycle = {.day_s = rq->config->lifecycle_day_s};
    struct bytes document;
    struct arena arena;
    const char *why;
    void *memory;
    int64_t due_s;
    if (store_bucket_get_document(rq->config->store, rq->bucket, s3_bytes_of(S3_LIFECYCLE_DOCUMENT), &document,
                                  &memory) != DOL_OK)
        return;
    arena_init(&arena, RULES_ARENA_MAX); /* not the request's: rules may take more than is left of it */
    enum s3_error error = s3_lifecycle_parse(document, &arena, &lifecycle, &why);
    const struct lifecycle_rule *rule = error == S3_ERR_NONE ? lifecycle_expiry(&lifecycle, version, &due_s) : NULL;
    if (rule != NULL)
        expiration_reply(rq, rule, due_s);
    arena_fini(&arena);
    free(memory);
}

/* One that is named may be an older one, which these rules don't speak of. */
void s3_lifecycle_object_header(struct s3_request *rq, const struct object *object)
{
    const struct object_info *info = store_object_info(object);
    struct put_request tags = {.tag_count = 0};
    if (s3_param(rq, "versionId") != NULL || s3_tags_copy(rq, object, &tags) != S3_ERR_NONE)
        return;
    const struct lifecycle_version version = {.key = rq->key,
                                              .size = info->size,
                                              .tags = tags.tags,
                                              .tag_count = tags.tag_count,
                                              .current = true,
                                              .mtime_ns = info->mtime_ns};
    s3_lifecycle_header(rq, &version);
}
