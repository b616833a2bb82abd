/* The in-memory store's documents of buckets, and what it says of itself. */
#include <stdlib.h>

#include "fake_impl.h"

bool store_is_encrypted(const struct store *s)
{
    (void)s;
    return true;
}

/* No bucket here has object lock. */
uint64_t store_compliance_now_s(const struct store *s)
{
    return (uint64_t)(s->clock_ns / 1000000000);
}

enum dol_err store_bucket_set_lock(struct store *s, struct bytes name, const struct bucket_lock *lock)
{
    (void)lock;
    return fake_bucket_find(s, name) < 0 ? DOL_ENOBUCKET : DOL_EPRECONDITION;
}

enum dol_err store_object_set_retention(struct store *s, const struct lock_request *req, enum retention_mode mode,
                                        int64_t until_s)
{
    (void)mode;
    (void)until_s;
    return fake_bucket_find(s, req->bucket) < 0 ? DOL_ENOBUCKET : DOL_ENOLOCK;
}

enum dol_err store_object_set_legal_hold(struct store *s, const struct lock_request *req, enum legal_hold hold)
{
    (void)hold;
    return fake_bucket_find(s, req->bucket) < 0 ? DOL_ENOBUCKET : DOL_ENOLOCK;
}

void fake_documents_free(struct store *s)
{
    for (unsigned i = 0; i < s->document_count; i++) {
        free(s->documents[i].name.data);
        free(s->documents[i].body.data);
    }
}

/* NULL: the bucket has none of that name. */
static struct fake_document *document_find(struct store *s, int bucket, struct bytes name)
{
    for (unsigned i = 0; i < s->document_count; i++)
        if (s->documents[i].bucket == (unsigned)bucket && s->documents[i].name.data != NULL &&
            bytes_equal(fake_blob_bytes(&s->documents[i].name), name))
            return &s->documents[i];
    return NULL;
}

enum dol_err store_bucket_get_document(struct store *s, struct bytes bucket, struct bytes name, struct bytes *document,
                                       void **memory)
{
    int found = fake_bucket_find(s, bucket);
    *memory = NULL;
    if (found < 0)
        return DOL_ENOBUCKET;
    struct fake_document *d = document_find(s, found, name);
    if (d == NULL)
        return DOL_ENOTFOUND;
    struct fake_blob copy = fake_blob_of(fake_blob_bytes(&d->body));
    *memory = copy.data;
    *document = fake_blob_bytes(&copy);
    return DOL_OK;
}

enum dol_err store_bucket_delete_document(struct store *s, struct bytes bucket, struct bytes name)
{
    int found = fake_bucket_find(s, bucket);
    if (found < 0)
        return DOL_ENOBUCKET;
    struct fake_document *d = document_find(s, found, name);
    if (d != NULL) {
        free(d->name.data);
        free(d->body.data);
        memset(d, 0, sizeof *d);
    }
    s->changes++;
    return DOL_OK;
}

enum dol_err store_bucket_set_document(struct store *s, struct bytes bucket, struct bytes name, struct bytes document)
{
    enum dol_err err = store_bucket_delete_document(s, bucket, name);
    if (err != DOL_OK)
        return err;
    dol_assert(s->document_count < FAKE_DOCUMENTS_MAX);
    s->documents[s->document_count++] = (struct fake_document){
        .bucket = (unsigned)fake_bucket_find(s, bucket), .name = fake_blob_of(name), .body = fake_blob_of(document)};
    return DOL_OK;
}
