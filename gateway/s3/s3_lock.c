/* See s3_lock.h. */
#include "s3_lock.h"

#include "http_date.h"
#include "s3_authorize.h"
#include "s3_body.h"
#include "s3_handlers.h"
#include "s3_object.h"
#include "s3_reply.h"

#include "xml_shape.h"

#define LOCK_BYTES_MAX 65536u
#define HEADER_MODE    "x-amz-object-lock-mode"
#define HEADER_UNTIL   "x-amz-object-lock-retain-until-date"
#define HEADER_HOLD    "x-amz-object-lock-legal-hold"

static const char *const modes[] = {"GOVERNANCE", "COMPLIANCE", NULL};

static const char *mode_name(uint8_t mode)
{
    return modes[mode - RETENTION_GOVERNANCE];
}

static enum retention_mode mode_of(struct bytes text)
{
    for (unsigned m = 0; modes[m] != NULL; m++)
        if (bytes_equal_str(text, modes[m]))
            return (enum retention_mode)(m + RETENTION_GOVERNANCE);
    return RETENTION_NONE;
}

/* ---- with the object ---- */

static enum s3_error until_read(struct s3_request *rq, struct bytes text, int64_t *until_s)
{
    if (!http_date_parse_iso_s(text, until_s))
        return s3_fail_argument(rq, "The retain until date must be provided in ISO 8601 format", HEADER_UNTIL, text);
    if (*until_s <= (int64_t)store_compliance_now_s(rq->config->store))
        return s3_fail_argument(rq, "The retain until date must be in the future!", HEADER_UNTIL, text);
    return S3_ERR_NONE;
}

static enum s3_error hold_read(struct s3_request *rq, struct retention *out)
{
    const struct bytes *hold = s3_header(rq, HEADER_HOLD);
    if (hold == NULL)
        return S3_ERR_NONE;
    out->legal_hold = bytes_equal_str(*hold, "ON");
    return out->legal_hold || bytes_equal_str(*hold, "OFF")
               ? S3_ERR_NONE
               : s3_fail_argument(rq, "Legal Hold must be either of 'ON' or 'OFF'", HEADER_HOLD, *hold);
}

enum s3_error s3_lock_read(struct s3_request *rq, struct retention *out)
{
    const struct bytes *mode = s3_header(rq, HEADER_MODE);
    const struct bytes *until = s3_header(rq, HEADER_UNTIL);
    *out = (struct retention){.mode = RETENTION_NONE};
    if ((mode == NULL) != (until == NULL))
        return s3_fail_argument(rq, HEADER_UNTIL " and " HEADER_MODE " must both be supplied",
                                mode == NULL ? HEADER_MODE : HEADER_UNTIL, bytes_of("", 0));
    if (mode != NULL) {
        out->mode = (uint8_t)mode_of(*mode);
        if (out->mode == RETENTION_NONE)
            return s3_fail_argument(rq, "Unknown wormMode directive.", HEADER_MODE, *mode);
        enum s3_error error = until_read(rq, *until, &out->until_s);
        if (error != S3_ERR_NONE)
            return error;
    }
    return hold_read(rq, out);
}

void s3_lock_headers(struct s3_request *rq, const struct retention *retention)
{
    char until[HTTP_DATE_TEXT_MAX];
    if (retention->mode != RETENTION_NONE) {
        http_date_format_iso_s(retention->until_s, until);
        s3_reply_header(rq, HEADER_MODE, mode_name(retention->mode));
        s3_reply_header_bytes(rq, HEADER_UNTIL, s3_bytes_of(until));
    }
    if (retention->legal_hold)
        s3_reply_header(rq, HEADER_HOLD, "ON");
}

bool s3_lock_bypass(struct s3_request *rq, struct bytes key)
{
    const struct s3_right right = {.action = "s3:BypassGovernanceRetention", .bucket = rq->bucket, .key = key};
    const struct bytes *asked = s3_header(rq, "x-amz-bypass-governance-retention");
    return asked != NULL && (bytes_equal_str(*asked, "true") || bytes_equal_str(*asked, "True")) &&
           s3_authorize_right(rq, &right) == S3_ERR_NONE;
}

/* ---- of a bucket ---- */

static const char *const enabled[] = {"Enabled", NULL};
static const struct xml_shape default_shape[] = {{.name = "Mode", .min = 1, .max = 1, .values = modes},
                                                 {.name = "Days", .max = 1},
                                                 {.name = "Years", .max = 1},
                                                 {0}};
static const struct xml_shape rule_shape[] = {
    {.name = "DefaultRetention", .min = 1, .max = 1, .children = default_shape}, {0}};
static const struct xml_shape configuration_children[] = {
    {.name = "ObjectLockEnabled", .min = 1, .max = 1, .values = enabled},
    {.name = "Rule", .max = 1, .children = rule_shape},
    {0}};
static const struct xml_shape configuration_shape = {.name = "ObjectLockConfiguration",
                                                     .children = configuration_children};

/* A number from 1 to max; what isn't a number isn't XML of the schema. */
static enum s3_error period_read(struct s3_request *rq, struct bytes text, uint32_t max, uint32_t *out)
{
    const char *digits = text.data;
    bool is_negative = text.len > 1 && digits[0] == '-';
    uint64_t value;
    if (is_negative)
        text = bytes_of(digits + 1, text.len - 1);
    if (!s3_parse_u64(text, INT32_MAX, &value))
        return S3_ERR_MALFORMED_XML;
    if (value == 0 || is_negative)
        return s3_fail(rq, S3_ERR_INVALID_RETENTION_PERIOD,
                       "Default retention period must be a positive integer value");
    if (value > max)
        return s3_fail(rq, S3_ERR_INVALID_RETENTION_PERIOD, "Default retention period too large");
    *out = (uint32_t)value;
    return S3_ERR_NONE;
}

static enum s3_error default_read(struct s3_request *rq, const struct xml_node *given, struct bucket_lock *out)
{
    bool has_days = xml_child(given, "Days") != NULL;
    bool has_years = xml_child(given, "Years") != NULL;
    if (given == NULL)
        return S3_ERR_NONE;
    if (has_days == has_years)
        return S3_ERR_MALFORMED_XML;
    out->mode = (uint8_t)mode_of(xml_child_text(given, "Mode"));
    return has_days ? period_read(rq, xml_child_text(given, "Days"), BUCKET_LOCK_DAYS_MAX, &out->days)
                    : period_read(rq, xml_child_text(given, "Years"), BUCKET_LOCK_YEARS_MAX, &out->years);
}

static enum s3_error lock_document(struct s3_request *rq, const struct xml_shape *shape, struct xml_node **root)
{
    struct bytes document;
    bool has_integrity;
    enum s3_error error = s3_body_document(rq, LOCK_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err = xml_shape_parse(document, shape, rq->arena, root);
    if (err == DOL_OK)
        return S3_ERR_NONE;
    return err == DOL_ENOMEM ? S3_ERR_SLOW_DOWN : S3_ERR_MALFORMED_XML;
}

enum s3_error s3_put_object_lock(struct s3_request *rq)
{
    struct bucket_lock lock = {.mode = RETENTION_NONE};
    struct xml_node *root;
    enum s3_error error = lock_document(rq, &configuration_shape, &root);
    if (error == S3_ERR_NONE)
        error = default_read(rq, xml_child(xml_child(root, "Rule"), "DefaultRetention"), &lock);
    if (error != S3_ERR_NONE)
        return error;
    enum dol_err err = store_bucket_set_lock(rq->config->store, rq->bucket, &lock);
    if (err == DOL_EPRECONDITION)
        return s3_fail(rq, S3_ERR_INVALID_BUCKET_STATE,
                       "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration");
    return err != DOL_OK ? s3_error_of(err) : s3_reply_begin(rq, 200, 0);
}

static void configuration_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct bucket_lock *lock = arg;
    xml_write_open_ns(w, "ObjectLockConfiguration", XML_S3_NAMESPACE);
    xml_write_str(w, "ObjectLockEnabled", "Enabled");
    if (lock->mode != RETENTION_NONE) {
        xml_write_open(w, "Rule");
        xml_write_open(w, "DefaultRetention");
        xml_write_str(w, "Mode", mode_name(lock->mode));
        xml_write_u64(w, lock->years > 0 ? "Years" : "Days", lock->years > 0 ? lock->years : lock->days);
        xml_write_close(w, "DefaultRetention");
        xml_write_close(w, "Rule");
    }
    xml_write_close(w, "ObjectLockConfiguration");
}

enum s3_error s3_get_object_lock(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum s3_error error = s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
    if (error != S3_ERR_NONE)
        return error;
    return bucket.lock.enabled ? s3_reply_xml(rq, 200, configuration_document, &bucket.lock)
                               : S3_ERR_NO_SUCH_LOCK_CONFIGURATION;
}

/* ---- of an object ---- */

static const struct xml_shape retention_children[] = {
    {.name = "Mode", .max = 1, .values = modes}, {.name = "RetainUntilDate", .max = 1}, {0}};
static const struct xml_shape retention_shape = {.name = "Retention", .children = retention_children};
static const char *const hold_values[] = {"ON", "OFF", NULL};
static const struct xml_shape hold_children[] = {{.name = "Status", .min = 1, .max = 1, .values = hold_values}, {0}};
static const struct xml_shape hold_shape = {.name = "LegalHold", .children = hold_children};

/* The bucket comes first: in one without object lock, nothing is said about its objects. */
static enum s3_error locked_bucket(struct s3_request *rq)
{
    struct bucket_info bucket;
    enum s3_error error = s3_error_of(store_bucket_get(rq->config->store, rq->bucket, &bucket));
    if (error != S3_ERR_NONE)
        return error;
    return bucket.lock.enabled ? S3_ERR_NONE : S3_ERR_NO_BUCKET_LOCK;
}

/* What is there is looked at first: delete markers and what isn't there are told as by GetObject. */
static enum s3_error target_read(struct s3_request *rq, struct version_id *storage, struct lock_request *out)
{
    struct object *object;
    *out =
        (struct lock_request){.bucket = rq->bucket, .key = rq->key, .bypass_governance = s3_lock_bypass(rq, rq->key)};
    enum s3_error error = locked_bucket(rq);
    if (error == S3_ERR_NONE)
        error = s3_version_of(rq, storage, &out->version);
    if (error == S3_ERR_NONE)
        error = s3_object_open(rq, &object);
    if (error == S3_ERR_NONE)
        store_object_close(object);
    return error;
}

/* Without mode and date: none any more. */
static enum s3_error retention_read(struct s3_request *rq, const struct xml_node *root, struct retention *out)
{
    bool has_mode = xml_child(root, "Mode") != NULL;
    *out = (struct retention){.mode = (uint8_t)mode_of(xml_child_text(root, "Mode"))};
    if (has_mode != (xml_child(root, "RetainUntilDate") != NULL))
        return S3_ERR_MALFORMED_XML;
    struct bytes until = xml_child_text(root, "RetainUntilDate");
    if (has_mode && !http_date_parse_iso_s(until, &out->until_s))
        return S3_ERR_MALFORMED_XML;
    return has_mode ? until_read(rq, until, &out->until_s) : S3_ERR_NONE;
}

enum s3_error s3_put_object_retention(struct s3_request *rq)
{
    struct version_id storage;
    struct lock_request target;
    struct retention retention;
    struct xml_node *root;
    enum s3_error error = lock_document(rq, &retention_shape, &root);
    if (error == S3_ERR_NONE)
        error = target_read(rq, &storage, &target);
    if (error == S3_ERR_NONE)
        error = retention_read(rq, root, &retention);
    if (error == S3_ERR_NONE)
        error = s3_error_of(store_object_set_retention(rq->config->store, &target, (enum retention_mode)retention.mode,
                                                       retention.until_s));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 200, 0);
}

enum s3_error s3_put_object_legal_hold(struct s3_request *rq)
{
    struct version_id storage;
    struct lock_request target;
    struct xml_node *root;
    enum s3_error error = lock_document(rq, &hold_shape, &root);
    if (error == S3_ERR_NONE)
        error = target_read(rq, &storage, &target);
    if (error == S3_ERR_NONE)
        error = s3_error_of(store_object_set_legal_hold(
            rq->config->store, &target,
            bytes_equal_str(xml_child_text(root, "Status"), "ON") ? LEGAL_HOLD_ON : LEGAL_HOLD_OFF));
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 200, 0);
}

static enum s3_error retention_of(struct s3_request *rq, struct retention *out)
{
    struct object *object;
    enum s3_error error = locked_bucket(rq);
    if (error == S3_ERR_NONE)
        error = s3_object_open(rq, &object);
    if (error != S3_ERR_NONE)
        return error;
    *out = store_object_info(object)->retention;
    store_object_close(object);
    return S3_ERR_NONE;
}

static void retention_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct retention *retention = arg;
    char until[HTTP_DATE_TEXT_MAX];
    http_date_format_iso_s(retention->until_s, until);
    xml_write_open_ns(w, "Retention", XML_S3_NAMESPACE);
    xml_write_str(w, "Mode", mode_name(retention->mode));
    xml_write_str(w, "RetainUntilDate", until);
    xml_write_close(w, "Retention");
}

enum s3_error s3_get_object_retention(struct s3_request *rq)
{
    struct retention retention;
    enum s3_error error = retention_of(rq, &retention);
    if (error != S3_ERR_NONE)
        return error;
    return retention.mode != RETENTION_NONE ? s3_reply_xml(rq, 200, retention_document, &retention)
                                            : S3_ERR_NO_SUCH_OBJECT_LOCK;
}

static void hold_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct retention *retention = arg;
    xml_write_open_ns(w, "LegalHold", XML_S3_NAMESPACE);
    xml_write_str(w, "Status", retention->legal_hold ? "ON" : "OFF");
    xml_write_close(w, "LegalHold");
}

enum s3_error s3_get_object_legal_hold(struct s3_request *rq)
{
    struct retention retention;
    enum s3_error error = retention_of(rq, &retention);
    return error != S3_ERR_NONE ? error : s3_reply_xml(rq, 200, hold_document, &retention);
}
