/* The error table's lookups, and the mapping from the store's errors. Nothing else in the gateway turns one into the
 * other. */
#include "s3_error.h"

#include "dol_assert.h"

static const struct {
    const char *code;
    const char *message;
    unsigned status;
} s3_errors[S3_ERROR_COUNT] = {
#define S3_ERROR_ROW(name, code_, status_, message_) [S3_ERR_##name] = {code_, message_, status_},
    S3_ERROR_TABLE(S3_ERROR_ROW)
#undef S3_ERROR_ROW
};

const char *s3_error_code(enum s3_error error)
{
    dol_assert(error < S3_ERROR_COUNT);
    return s3_errors[error].code;
}

unsigned s3_error_status(enum s3_error error)
{
    dol_assert(error < S3_ERROR_COUNT);
    return s3_errors[error].status;
}

const char *s3_error_message(enum s3_error error)
{
    dol_assert(error < S3_ERROR_COUNT);
    return s3_errors[error].message;
}

enum s3_error s3_error_of(enum dol_err err)
{
    switch (err) {
    case DOL_OK:
        return S3_ERR_NONE;
    case DOL_ENOTFOUND:
        return S3_ERR_NO_SUCH_KEY;
    case DOL_ENOVERSION:
        return S3_ERR_NO_SUCH_VERSION;
    case DOL_ENOBUCKET:
        return S3_ERR_NO_SUCH_BUCKET;
    case DOL_ENOUPLOAD:
        return S3_ERR_NO_SUCH_UPLOAD;
    case DOL_EPART:
        return S3_ERR_INVALID_PART;
    case DOL_ETOOSMALL:
        return S3_ERR_ENTITY_TOO_SMALL;
    case DOL_EEXIST:
        return S3_ERR_BUCKET_ALREADY_EXISTS;
    case DOL_ENOTEMPTY:
        return S3_ERR_BUCKET_NOT_EMPTY;
    case DOL_EPRECONDITION:
        return S3_ERR_PRECONDITION_FAILED;
    case DOL_ERETAINED:
        return S3_ERR_LOCKED;
    case DOL_ENOLOCK:
        return S3_ERR_NO_BUCKET_LOCK;
    case DOL_EDIGEST:
        return S3_ERR_BAD_DIGEST;
    case DOL_ELENGTH:
    case DOL_EPEER:
        return S3_ERR_INCOMPLETE_BODY;
    case DOL_ETOOLARGE:
        return S3_ERR_ENTITY_TOO_LARGE;
    case DOL_ERANGE:
        return S3_ERR_INVALID_RANGE;
    case DOL_ESYNTAX:
        return S3_ERR_BAD_REQUEST;
    case DOL_ETIMEDOUT:
        return S3_ERR_REQUEST_TIMEOUT;
    case DOL_EFULL:
        return S3_ERR_STORAGE_FULL;
    case DOL_EREADONLY:
    case DOL_ESTOPPED:
        return S3_ERR_SERVICE_UNAVAILABLE;
    case DOL_EBUSY:
    case DOL_ENOMEM:
        return S3_ERR_SLOW_DOWN;
    default:
        return S3_ERR_INTERNAL;
    }
}
