/*
 * DeleteObject and DeleteObjects. Deleting what isn't there succeeds: the state asked for holds.
 *
 * A list is worked off by a few fibers at once, so that many deletes share a group commit instead of waiting for one
 * each. They belong to the request: it waits for all of them before it answers.
 */
#include "s3_handlers.h"

#include "hash.h"
#include "s3_authorize.h"
#include "s3_body.h"
#include "s3_condition.h"
#include "s3_lock.h"
#include "s3_reply.h"
#include "xml_requests.h"

/* Fibers of one DeleteObjects besides its own. */
#define DELETE_HELPERS_MAX 15u

/* What isn't there is as good as deleted, unless it was to be something. */
static bool delete_was_fine(const struct delete_request *request, enum dol_err err)
{
    return err == DOL_OK ||
           (request->condition.kind == CONDITION_NONE && (err == DOL_ENOTFOUND || err == DOL_ENOVERSION));
}

enum s3_error s3_delete_object(struct s3_request *rq)
{
    struct version_id storage;
    const struct version_id *version;
    struct delete_result result;
    struct delete_request request = {.bucket = rq->bucket, .key = rq->key, .owner = s3_bytes_of(rq->access.owner)};
    enum s3_error error = s3_version_of(rq, &storage, &version);
    if (error == S3_ERR_NONE)
        error = s3_condition_read(rq, &request.condition);
    if (error != S3_ERR_NONE)
        return error;
    request.version = version;
    request.bypass_governance = s3_lock_bypass(rq, rq->key);
    enum dol_err err = store_object_delete(rq->config->store, &request, &result);
    if (!delete_was_fine(&request, err))
        return s3_condition_error(rq, err);
    if (err == DOL_OK && result.delete_marker)
        s3_reply_header(rq, "x-amz-delete-marker", "true");
    if (version != NULL) /* there or not: it isn't now */
        s3_reply_header_bytes(rq, "x-amz-version-id", *s3_param(rq, "versionId"));
    else if (err == DOL_OK && result.delete_marker)
        s3_reply_version(rq, "x-amz-version-id", &result.version, result.null_version);
    return s3_reply_begin(rq, 204, S3_NO_LENGTH);
}

/* ---- DeleteObjects ---- */

struct delete_outcome {
    enum s3_error error;
    const char *message; /* NULL: the table's */
    struct delete_result result;
};

struct delete_answer {
    struct s3_request *rq;
    const struct xml_delete *request;
    struct delete_outcome *outcomes; /* one per object of the request */
    unsigned next;                   /* the first object nobody has taken */
    struct join helpers;
};

static void delete_outcome_of(struct s3_request *rq, const struct xml_delete_object *object,
                              struct delete_outcome *outcome)
{
    struct version_id storage;
    const struct version_id *version = NULL;
    if (object->key.len > OBJECT_KEY_BYTES_MAX) {
        outcome->error = S3_ERR_KEY_TOO_LONG;
        return;
    }
    if (object->has_other_condition) {
        outcome->error = S3_ERR_NOT_IMPLEMENTED;
        outcome->message = "LastModifiedTime and Size are conditions of directory buckets";
        return;
    }
    if (object->version_id.len > 0) {
        if (!s3_version_parse(object->version_id, &storage)) {
            outcome->error = S3_ERR_NO_SUCH_VERSION;
            return;
        }
        version = &storage;
    }
    const struct s3_right right = {.action = version != NULL ? "s3:DeleteObjectVersion" : "s3:DeleteObject",
                                   .bucket = rq->bucket,
                                   .key = object->key,
                                   .version = version};
    outcome->error = s3_authorize_right(rq, &right);
    if (outcome->error != S3_ERR_NONE)
        return;
    struct delete_request request = {.bucket = rq->bucket,
                                     .key = object->key,
                                     .version = version,
                                     .owner = s3_bytes_of(rq->access.owner),
                                     .bypass_governance = s3_lock_bypass(rq, object->key)};
    if (object->etag.len > 0)
        request.condition = s3_condition_of_etag(object->etag);
    enum dol_err err = store_object_delete(rq->config->store, &request, &outcome->result);
    if (!delete_was_fine(&request, err))
        outcome->error = s3_error_of(err);
}

static void delete_work(struct delete_answer *answer)
{
    while (answer->next < answer->request->count) {
        unsigned i = answer->next++;
        delete_outcome_of(answer->rq, &answer->request->objects[i], &answer->outcomes[i]);
    }
}

static void delete_helper_fiber(void *arg)
{
    struct delete_answer *answer = arg;
    delete_work(answer);
    join_done(&answer->helpers);
}

/* Helpers are a matter of speed: without them (no fiber to be had, or none at all as in unit tests) one does it all. */
static void delete_all(struct delete_answer *answer)
{
    join_init(&answer->helpers);
    for (unsigned i = 1; fiber_is_running() && i < answer->request->count && i <= DELETE_HELPERS_MAX; i++) {
        join_add(&answer->helpers);
        if (fiber_spawn(delete_helper_fiber, answer, "delete") != DOL_OK) {
            join_done(&answer->helpers);
            break;
        }
    }
    delete_work(answer);
    if (fiber_is_running())
        join_wait(&answer->helpers);
}

static void delete_write_deleted(struct xml_writer *w, const struct xml_delete_object *object,
                                 const struct delete_result *result)
{
    char text[S3_VERSION_TEXT_MAX];
    xml_write_open(w, "Deleted");
    xml_write_text(w, "Key", object->key);
    if (object->version_id.len > 0)
        xml_write_text(w, "VersionId", object->version_id);
    if (result->delete_marker) {
        xml_write_bool(w, "DeleteMarker", true);
        s3_version_format(&result->version, text);
        xml_write_str(w, "DeleteMarkerVersionId", text);
    }
    xml_write_close(w, "Deleted");
}

static void delete_objects_document(struct xml_writer *w, const struct s3_request *rq, const void *arg)
{
    (void)rq;
    const struct delete_answer *answer = arg;
    xml_write_open_ns(w, "DeleteResult", XML_S3_NAMESPACE);
    for (unsigned i = 0; i < answer->request->count; i++) {
        const struct xml_delete_object *object = &answer->request->objects[i];
        const struct delete_outcome *outcome = &answer->outcomes[i];
        if (outcome->error == S3_ERR_NONE) {
            if (!answer->request->quiet)
                delete_write_deleted(w, object, &outcome->result);
            continue;
        }
        xml_write_open(w, "Error");
        xml_write_text(w, "Key", object->key);
        if (object->version_id.len > 0)
            xml_write_text(w, "VersionId", object->version_id);
        xml_write_str(w, "Code", s3_error_code(outcome->error));
        xml_write_str(w, "Message", outcome->message != NULL ? outcome->message : s3_error_message(outcome->error));
        xml_write_close(w, "Error");
    }
    xml_write_close(w, "DeleteResult");
}

enum s3_error s3_delete_objects(struct s3_request *rq)
{
    struct bytes document;
    struct xml_delete request;
    struct bucket_info bucket;
    bool has_integrity = false;
    enum s3_error error = s3_body_document(rq, S3_DOCUMENT_BYTES_MAX, &document, &has_integrity);
    if (error != S3_ERR_NONE)
        return error;
    if (!has_integrity)
        return s3_fail(rq, S3_ERR_INVALID_REQUEST,
                       "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
    enum dol_err err = xml_parse_delete_objects(document, rq->arena, &request);
    if (err == DOL_ENOMEM)
        return S3_ERR_SLOW_DOWN;
    if (err != DOL_OK)
        return S3_ERR_MALFORMED_XML;
    err = store_bucket_get(rq->config->store, rq->bucket, &bucket);
    if (err != DOL_OK)
        return s3_error_of(err);

    struct delete_answer answer = {.rq = rq, .request = &request};
    answer.outcomes = arena_alloc(rq->arena, request.count * sizeof *answer.outcomes);
    if (answer.outcomes == NULL)
        return S3_ERR_SLOW_DOWN;
    delete_all(&answer);
    return s3_reply_xml(rq, 200, delete_objects_document, &answer);
}
