/* Buckets: listing, creating, looking, deleting. */
#include "s3_handlers.h"

#include "dol_assert.h"
#include "http_date.h"
#include "s3_authorize.h"
#include "s3_body.h"
#include "s3_reply.h"

#define LIST_BUCKETS_MAX        10000u
#define CREATE_BUCKET_BYTES_MAX 65536u
#define S3_DEFAULT_REGION       "us-east-1"

void s3_write_owner(struct xml_writer *w, const struct s3_request *rq, const char *element, struct bytes id)
{
    xml_write_open(w, element);
    xml_write_text(w, "ID", id);
    if (bytes_equal_str(id, rq->identity.user_id))
        xml_write_str(w, "DisplayName", rq->identity.display_name);
    else
        xml_write_text(w, "DisplayName", id);
    xml_write_close(w, element);
}

/* ---- ListBuckets ---- */

struct bucket_entry {
    struct bucket_entry *next;
    struct bytes name;
    int64_t created_ns;
};

struct bucket_page {
    struct s3_request *rq;
    struct bytes prefix;
    struct bytes after;
    uint64_t max;
    bool is_paged; /* asked for with a parameter: AWS then names the region, too */
    struct bucket_entry *first;
    struct bucket_entry *last;
    uint64_t count;
    bool truncated;
    bool no_memory;
};

static bool bucket_page_add(void *arg, const struct bucket_info *bucket)
{
    struct bucket_page *page = arg;
    struct bytes name = s3_bytes_of(bucket->name);
    if (name.len < page->prefix.len || (page->prefix.len > 0 && memcmp(name.data, page->prefix.data, page->prefix.len)))
        return true;
    if (page->after.len > 0 && bytes_compare(name, page->after) <= 0)
        return true;
    if (!s3_authorize_listing(page->rq, bucket))
        return true;
    if (page->count == page->max) {
        page->truncated = true;
        return false;
    }
    struct bucket_entry *e = arena_alloc(page->rq->arena, sizeof *e);
    char *copy = e != NULL ? arena_strndup(page->rq->arena, name.data, name.len) : NULL;
    if (copy == NULL) {
        page->no_memory = true;
        return false;
    }
    *e = (struct bucket_entry){NULL, bytes_of(copy, name.len), bucket->created_ns};
    if (page->last != NULL)
        page->last->next = e;
    else
        page->first = e;
    page->last = e;
    page->count++;
    return true;
}

static void list_buckets_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    const struct bucket_page *page = arg;
    char date[HTTP_DATE_TEXT_MAX];
    xml_write_open_ns(w, "ListAllMyBucketsResult", XML_S3_NAMESPACE);
    s3_write_owner(w, rq, "Owner", s3_bytes_of(rq->identity.user_id));
    xml_write_open(w, "Buckets");
    for (const struct bucket_entry *e = page->first; e != NULL; e = e->next) {
        http_date_format_iso(e->created_ns, date);
        xml_write_open(w, "Bucket");
        xml_write_text(w, "Name", e->name);
        xml_write_str(w, "CreationDate", date);
        if (page->is_paged)
            xml_write_str(w, "BucketRegion", rq->config->region);
        xml_write_close(w, "Bucket");
    }
    xml_write_close(w, "Buckets");
    if (page->truncated)
        xml_write_text(w, "ContinuationToken", page->last->name);
    if (page->prefix.len > 0)
        xml_write_text(w, "Prefix", page->prefix);
    xml_write_close(w, "ListAllMyBucketsResult");
}

enum s3_error s3_list_buckets(struct s3_request *rq)
{
    struct bucket_page page = {.rq = rq, .max = LIST_BUCKETS_MAX};
    const struct bytes *prefix = s3_param(rq, "prefix");
    const struct bytes *token = s3_param(rq, "continuation-token");
    const struct bytes *max = s3_param(rq, "max-buckets");
    const struct bytes *region = s3_param(rq, "bucket-region");
    page.is_paged = prefix != NULL || token != NULL || max != NULL || region != NULL;
    if (max != NULL && (!s3_parse_u64(*max, LIST_BUCKETS_MAX, &page.max) || page.max == 0))
        return s3_fail_argument(rq, "Argument max-buckets must be an integer between 1 and 10000.", "max-buckets",
                                *max);
    if (token != NULL && !uri_bucket_name_is_valid(*token))
        return s3_fail_argument(rq, "The continuation token provided is incorrect", "continuation-token", *token);
    if (prefix != NULL)
        page.prefix = *prefix;
    if (token != NULL)
        page.after = *token;
    /* All buckets are in the one region: another one has none. */
    if (region == NULL || bytes_equal_str(*region, rq->config->region)) {
        enum dol_err err = store_bucket_list(rq->config->store, bucket_page_add, &page);
        if (err != DOL_OK)
            return s3_error_of(err);
    }
    if (page.no_memory)
        return S3_ERR_SLOW_DOWN;
    return s3_reply_xml(rq, 200, list_buckets_document, &page);
}

/* ---- CreateBucket ---- */

/* Names that the server itself answers at the same address. */
static bool bucket_name_is_reserved(struct bytes name)
{
    return bytes_equal_str(name, "healthz") || bytes_equal_str(name, "readyz") || bytes_equal_str(name, "metrics");
}

static enum s3_error create_bucket_check_location(struct s3_request *rq, struct bytes location)
{
    const char *region = rq->config->region;
    bool is_alias = (bytes_equal_str(location, "EU") && strcmp(region, "eu-west-1") == 0) ||
                    (bytes_equal_str(location, "US") && strcmp(region, S3_DEFAULT_REGION) == 0);
    if (location.len == 0 || bytes_equal_str(location, region) || is_alias)
        return S3_ERR_NONE;
    return s3_fail(rq, S3_ERR_ILLEGAL_LOCATION,
                   s3_text(rq,
                           "The %.*s location constraint is incompatible for the region specific endpoint this request "
                           "was sent to.",
                           (int)location.len, (const char *)location.data));
}

static enum s3_error create_bucket_read(struct s3_request *rq)
{
    struct bytes document;
    struct xml_node *root = NULL;
    bool has_integrity;
    enum s3_error error = s3_body_document(rq, CREATE_BUCKET_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE || document.len == 0)
        return error;
    enum dol_err err = xml_parse_tree(document, &xml_limits_small, rq->arena, &root);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    if (err != DOL_OK || strcmp(root->name, "CreateBucketConfiguration") != 0)
        return S3_ERR_MALFORMED_XML;
    for (const struct xml_node *child = root->first_child; child != NULL; child = child->next)
        if (strcmp(child->name, "LocationConstraint") != 0)
            return s3_fail_header(rq, child->name); /* Tags, Bucket, Location */
    return create_bucket_check_location(rq, xml_child_text(root, "LocationConstraint"));
}

static enum s3_error create_bucket_read_lock(struct s3_request *rq, bool *object_lock)
{
    static const char name[] = "x-amz-bucket-object-lock-enabled";
    const struct bytes *value = s3_header(rq, name);
    *object_lock = value != NULL && (bytes_equal_str(*value, "true") || bytes_equal_str(*value, "True"));
    if (value == NULL || *object_lock || bytes_equal_str(*value, "false") || bytes_equal_str(*value, "False"))
        return S3_ERR_NONE;
    return s3_fail_argument(rq, NULL, name, *value);
}

enum s3_error s3_create_bucket(struct s3_request *rq)
{
    bool object_lock;
    if (bucket_name_is_reserved(rq->bucket))
        return s3_fail(rq, S3_ERR_INVALID_BUCKET_NAME, "The specified bucket name is reserved by this server.");
    enum s3_error error = create_bucket_read(rq);
    if (error == S3_ERR_NONE)
        error = create_bucket_read_lock(rq, &object_lock);
    if (error != S3_ERR_NONE)
        return error;
    struct bucket_create create = {
        .name = rq->bucket,
        .owner = s3_bytes_of(rq->identity.user_id),
        .region = s3_bytes_of(rq->config->region),
        .object_lock = object_lock,
    };
    struct bucket_info bucket;
    enum dol_err err = store_bucket_create(rq->config->store, &create, &bucket);
    if (err == DOL_EEXIST) {
        if (strcmp(bucket.owner, rq->identity.user_id) != 0)
            return S3_ERR_BUCKET_ALREADY_EXISTS;
        /* In us-east-1, and there alone, creating one's own bucket again is right; but it isn't made another. */
        if (strcmp(rq->config->region, S3_DEFAULT_REGION) != 0 || (create.object_lock && !bucket.lock.enabled))
            return S3_ERR_BUCKET_ALREADY_OWNED;
    } else if (err != DOL_OK) {
        return s3_error_of(err);
    }
    s3_reply_header(rq, "Location", s3_text(rq, "/%.*s", (int)rq->bucket.len, (const char *)rq->bucket.data));
    return s3_reply_begin(rq, 200, 0);
}

enum s3_error s3_head_bucket(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum dol_err err = store_bucket_get(rq->config->store, rq->bucket, &bucket);
    if (err != DOL_OK)
        return s3_error_of(err);
    s3_reply_header(rq, "x-amz-bucket-region", rq->config->region);
    s3_reply_header(rq, "x-amz-access-point-alias", "false");
    s3_reply_header(rq, "Content-Type", "application/xml");
    return s3_reply_begin(rq, 200, 0);
}

enum s3_error s3_delete_bucket(struct s3_request *rq)
{
    enum dol_err err = store_bucket_delete(rq->config->store, rq->bucket);
    if (err != DOL_OK)
        return s3_error_of(err);
    return s3_reply_begin(rq, 204, S3_NO_LENGTH);
}
