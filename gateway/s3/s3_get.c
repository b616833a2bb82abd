/*
 * GetObject and HeadObject.
 *
 * Bytes go from the store's verified buffers to the connection. An error after the response has begun cuts the
 * connection at once: the client sees fewer bytes than announced, never a clean end and never a wrong byte.
 */
#include "s3_handlers.h"

#include "s3_object.h"
#include "s3_reply.h"

/* `span`: the first bytes of the part, read before the response began. */
static void get_stream(struct s3_request *rq, struct object *object, uint64_t left, struct bytes span)
{
    struct exchange *x = rq->x;
    for (;;) {
        if (span.len == 0 || span.len > left) {
            x->error_code = s3_error_code(S3_ERR_INTERNAL);
            break;
        }
        left -= span.len;
        if (exchange_write(x, span.data, span.len) != DOL_OK)
            break;
        if (left == 0)
            return;
        enum dol_err err = store_object_read(object, &span);
        if (err != DOL_OK) {
            x->error_code = s3_error_code(s3_error_of(err));
            break;
        }
    }
    x->must_close = true;
}

static enum s3_error get_conditions(struct s3_request *rq, const struct object *object, bool *answered)
{
    const struct object_info *info = store_object_info(object);
    const struct s3_part whole = {.len = info->size, .checksum = info->checksum};
    const char *failed;
    *answered = false;
    switch (s3_condition_check(rq, "", info, &failed)) {
    case S3_CONDITION_PROCEED:
        return S3_ERR_NONE;
    case S3_CONDITION_FAILED:
        s3_fault_detail(rq, "Condition", s3_bytes_of(failed));
        return S3_ERR_PRECONDITION_FAILED;
    case S3_CONDITION_NOT_MODIFIED:
        break;
    }
    *answered = true;
    enum s3_error error = s3_object_headers(rq, object, &whole);
    return error != S3_ERR_NONE ? error : s3_reply_begin(rq, 304, S3_NO_LENGTH);
}

static enum s3_error get_answer(struct s3_request *rq, struct object *object)
{
    struct s3_part part;
    bool answered;
    enum s3_error error = get_conditions(rq, object, &answered);
    if (error != S3_ERR_NONE || answered)
        return error;
    error = s3_part_of(rq, object, &part);
    if (error == S3_ERR_NONE)
        error = s3_object_headers(rq, object, &part);
    if (error != S3_ERR_NONE)
        return error;
    struct bytes first = bytes_of(NULL, 0);
    bool has_body = rq->head->method == HTTP1_METHOD_GET && part.len > 0;
    if (has_body) {
        /* Before the head is sent: what can't be read at all is still answered with an error. */
        enum dol_err err = store_object_seek(object, part.offset, part.len);
        if (err == DOL_OK)
            err = store_object_read(object, &first);
        if (err != DOL_OK)
            return s3_error_of(err);
    }
    error = s3_reply_begin(rq, part.is_partial ? 206 : 200, part.len);
    if (error == S3_ERR_NONE && !rq->reply_broken && has_body)
        get_stream(rq, object, part.len, first);
    return error;
}

enum s3_error s3_get_object(struct s3_request *rq)
{
    struct object *object;
    enum s3_error error = s3_object_open(rq, &object);
    if (error != S3_ERR_NONE)
        return error;
    error = get_answer(rq, object);
    store_object_close(object);
    return error;
}

enum s3_error s3_head_object(struct s3_request *rq)
{
    return s3_get_object(rq);
}
