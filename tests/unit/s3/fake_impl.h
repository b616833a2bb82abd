/* Inside the in-memory store: objects and buckets (fake_store.c), uploads (fake_uploads.c). */
#ifndef DOL_FAKE_IMPL_H
#define DOL_FAKE_IMPL_H

#include "fake_store.h"

#include "dol_assert.h"
#include "hash.h"

struct fake_upload;

#define FAKE_BUCKETS_MAX   64u
#define FAKE_OBJECTS_MAX   4096u
#define FAKE_PAIRS_MAX     128u
#define FAKE_TAGS_MAX      16u
#define FAKE_UPLOADS_MAX   2048u
#define FAKE_SETTINGS_MAX  256u
#define FAKE_DOCUMENTS_MAX 64u

struct fake_blob {
    char *data;
    size_t len;
};

struct fake_object {
    unsigned bucket; /* index */
    struct fake_blob key;
    struct fake_blob body;
    struct fake_blob owner;
    struct fake_blob headers[HEADER_COUNT];
    struct fake_blob names[FAKE_PAIRS_MAX];
    struct fake_blob values[FAKE_PAIRS_MAX];
    unsigned pairs;
    struct fake_blob tag_names[FAKE_TAGS_MAX];
    struct fake_blob tag_values[FAKE_TAGS_MAX];
    unsigned tags;
    struct etag etag;
    struct object_checksum checksum;
    uint8_t storage_class;
    struct part_info *parts; /* of a multipart object */
    unsigned part_count;
    int64_t mtime_ns;
    unsigned opened;
    bool replaced; /* no longer in the store; the last to close it frees it */
};

struct fake_document {
    unsigned bucket; /* index */
    struct fake_blob name;
    struct fake_blob body; /* name.data NULL: there is none any more */
};

struct fake_setting {
    enum store_setting_kind kind;
    struct fake_blob name;
    struct fake_blob value;
};

struct store {
    struct fake_setting settings[FAKE_SETTINGS_MAX]; /* sorted by kind, then name */
    unsigned setting_count;
    struct fake_document documents[FAKE_DOCUMENTS_MAX]; /* of all buckets */
    unsigned document_count;
    struct bucket_info buckets[FAKE_BUCKETS_MAX];
    unsigned bucket_count;
    struct fake_object *objects[FAKE_OBJECTS_MAX]; /* sorted by bucket, then key */
    unsigned object_count;
    unsigned fail_after[FAKE_CALL_COUNT];
    enum dol_err fail_with[FAKE_CALL_COUNT];
    size_t span_bytes;
    unsigned changes;
    unsigned handles;
    int64_t clock_ns;
    struct fake_upload *uploads[FAKE_UPLOADS_MAX]; /* in the order of their creation; ended ones stay */
    unsigned upload_count;
};

struct put {
    struct store *store;
    struct fake_object *object; /* or a part: its bytes, ETag and checksum */
    struct hash_stream *md5;
    struct condition condition;
    struct fake_upload *upload; /* of a part */
    uint32_t part_number;
};

struct object {
    struct store *store;
    struct fake_object *object;
    struct object_info info;
    uint64_t offset;
    uint64_t left;
    char *span; /* fresh for every read, so that a use after the next call shows */
};

/* fake_store.c */
struct fake_blob fake_blob_of(struct bytes b);
struct bytes fake_blob_bytes(const struct fake_blob *b);
enum dol_err fake_injected(struct store *s, enum fake_call call);
int fake_bucket_find(struct store *s, struct bytes name); /* -1: none */
enum dol_err fake_condition_check(struct store *s, unsigned bucket, struct bytes key, const struct condition *c);
struct fake_object *fake_object_new(const struct put_request *req, unsigned bucket);
void fake_object_insert(struct store *s, struct fake_object *o);
struct fake_object *fake_object_get(struct store *s, unsigned bucket, struct bytes key); /* NULL: none */
void fake_object_free(struct fake_object *o);
enum dol_err fake_put_seal(struct put *put, const struct put_finish *fin);
bool fake_has_prefix(struct bytes key, struct bytes prefix);
struct bytes fake_prefix_of(struct bytes prefix, struct bytes delimiter, struct bytes key); /* len 0: none */

/* fake_documents.c */
void fake_documents_free(struct store *s);

/* fake_uploads.c */
void fake_uploads_free(struct store *s);
bool fake_uploads_in(const struct store *s, unsigned bucket);

/* fake_settings.c */
void fake_settings_free(struct store *s);

#endif
