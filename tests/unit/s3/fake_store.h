/* The store's contract over plain memory, for tests of what stands above it. One thread; one process-wide set of
 * buckets behind each struct store. */
#ifndef DOL_FAKE_STORE_H
#define DOL_FAKE_STORE_H

#include <dolmen/store.h>

enum fake_call {
    FAKE_CALL_PUT_BEGIN,
    FAKE_CALL_PUT_WRITE,
    FAKE_CALL_PUT_FINISH,
    FAKE_CALL_READ,
    FAKE_CALL_LIST,
    FAKE_CALL_DELETE,
    FAKE_CALL_UPLOAD, /* create, abort */
    FAKE_CALL_COMPLETE,
    FAKE_CALL_COUNT
};

struct store *fake_store_new(void);
void fake_store_free(struct store *s);
/* The nth call (1: the next) of this kind fails with err. */
void fake_store_fail(struct store *s, enum fake_call call, unsigned nth, enum dol_err err);
/* Bytes that one store_object_read() gives at most. */
void fake_store_set_span(struct store *s, size_t bytes);
/* Changes of the whole store so far: puts finished, deletes, buckets made or removed. */
unsigned fake_store_changes(const struct store *s);
/* Puts begun and neither finished nor aborted; objects opened and not closed. */
unsigned fake_store_open_handles(const struct store *s);
/* Sets an object's time of modification. */
void fake_store_set_mtime(struct store *s, const char *bucket, const char *key, int64_t mtime_ns);
/* Gives a bucket to another owner. */
void fake_store_set_bucket_owner(struct store *s, const char *bucket, const char *owner);

#endif
