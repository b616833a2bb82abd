/*
 * The one set of error codes. errno stays inside the runtime and the drives; HTTP codes stay in the gateway's table.
 * A function that can fail returns enum dol_err and gives its results through its last parameters.
 */
#ifndef DOLMEN_ERR_H
#define DOLMEN_ERR_H

/* X(name, what a person reads) */
#define DOL_ERR_TABLE(X)                                                                                               \
    X(OK, "success")                                                                                                   \
    X(ENOMEM, "out of memory")                                                                                         \
    X(EINVAL, "invalid argument")                                                                                      \
    X(EIO, "I/O error")                                                                                                \
    X(ECORRUPT, "checksum mismatch or malformed stored data")                                                          \
    X(EFORMAT, "format version or feature is not supported by this program")                                           \
    X(EINCOMPLETE, "too few drives or units to go on")                                                                 \
    X(EKEY, "encryption key missing or wrong")                                                                         \
    X(EINUSE, "in use by another process")                                                                             \
    X(ENOTPOOL, "not a Dolmen pool")                                                                                   \
    X(EPERM, "not permitted by the operating system")                                                                  \
    X(EUNSUPPORTED, "not supported by this kernel or build")                                                           \
    X(ENOTFOUND, "no such object")                                                                                     \
    X(ENOVERSION, "no such version")                                                                                   \
    X(ENOBUCKET, "no such bucket")                                                                                     \
    X(ENOUPLOAD, "no such multipart upload")                                                                           \
    X(EPART, "a part is missing or is not the one that was named")                                                     \
    X(ETOOSMALL, "smaller than allowed")                                                                               \
    X(EEXIST, "already exists")                                                                                        \
    X(ENOTEMPTY, "not empty")                                                                                          \
    X(EPRECONDITION, "a precondition does not hold")                                                                   \
    X(ERETAINED, "protected by retention or legal hold")                                                               \
    X(ENOLOCK, "the bucket has no object lock")                                                                        \
    X(EDIGEST, "the content does not match its declared digest")                                                       \
    X(ELENGTH, "the content does not match its declared length")                                                       \
    X(ETOOLARGE, "larger than allowed")                                                                                \
    X(ERANGE, "range not satisfiable")                                                                                 \
    X(EFULL, "no space left in the pool")                                                                              \
    X(EREADONLY, "the pool is read-only")                                                                              \
    X(EBUSY, "a bounded resource is exhausted, try again")                                                             \
    X(ETIMEDOUT, "timed out")                                                                                          \
    X(EPEER, "the peer closed or reset the connection")                                                                \
    X(ESTOPPED, "stopping")                                                                                            \
    X(ESYNTAX, "malformed input")

enum dol_err {
#define DOL_ERR_ENUM(name, text) DOL_##name,
    DOL_ERR_TABLE(DOL_ERR_ENUM)
#undef DOL_ERR_ENUM
};

#define DOL_MUST_CHECK __attribute__((warn_unused_result))

/* The name ("ECORRUPT") and the text of a code; never NULL. */
const char *dol_err_name(enum dol_err err);
const char *dol_err_text(enum dol_err err);

#endif
