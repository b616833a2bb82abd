/* What the index's tests share: an index in a temporary directory, and rows of records built by short calls. */
#ifndef INDEX_FIXTURE_H
#define INDEX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index.h"

#define FX_BUCKET 0x100000001ull

struct fx {
    struct index *ix;
    char dir[64];
    struct uuid pool;
    uint64_t map_bytes;
    uint64_t run;
    uint64_t counter; /* last LSN counter given out */
};

struct fx_row {
    struct fx *fx;
    struct index_record *records; /* each with a payload of its own */
    unsigned count;
    unsigned capacity;
    struct index_slab after;
};

void fx_open(struct fx *fx, uint64_t map_bytes);
/* Closes and opens again; returns fresh. */
bool fx_reopen(struct fx *fx);
void fx_close(struct fx *fx);
void fx_file_path(const struct fx *fx, char out[96]);
/* Closes the index, keeps the files. */
void fx_shut(struct fx *fx);
/* Takes back the mark of damage that a closed index got. */
void fx_unretire(const struct fx *fx);
/* Opens again after fx_shut(); returns fresh. */
bool fx_start(struct fx *fx);

struct lsn fx_lsn(const struct fx *fx);
void fx_commit(struct fx *fx);
struct index_view *fx_view(struct fx *fx);

/* A row that is number `rows` (from 1) of its slab. */
struct fx_row *fx_row_new(struct fx *fx, uint64_t slab, uint64_t rows);
/* The record is the caller's to change until the next is added. */
struct index_record *fx_add(struct fx_row *row, uint8_t kind, struct bytes payload);
/* Publishes and frees. */
void fx_publish(struct fx_row *row);
/* Publishes, keeps; for rows published again. */
void fx_publish_again(struct fx_row *row);
void fx_row_free(struct fx_row *row);

struct sha256 fx_hash(uint64_t n);
struct version_id fx_version(uint64_t n);

struct fx_manifest {
    uint64_t bucket;
    struct bytes key;
    uint64_t version;
    uint64_t replaces; /* 0: none */
    bool marker;
    const uint64_t *chunks; /* numbers for fx_hash(), one byte each */
    unsigned chunk_count;
    const struct list_ref *lists;
    unsigned list_count;
};
struct index_record *fx_add_manifest(struct fx_row *row, const struct fx_manifest *m);
struct index_record *fx_add_chunk(struct fx_row *row, uint64_t n);
/* A list of `count` chunks numbered from `first`; *ref describes it. */
struct index_record *fx_add_list(struct fx_row *row, uint64_t first, unsigned count, struct list_ref *ref);
struct index_record *fx_add_delete(struct fx_row *row, uint64_t bucket, struct bytes key, uint64_t version);
struct index_record *fx_add_meta(struct fx_row *row, uint64_t bucket, struct bytes key, uint64_t version,
                                 int64_t until_s);
struct index_record *fx_add_bucket(struct fx_row *row, uint64_t id, const char *name, const char *region);
struct index_record *fx_add_bucket_delete(struct fx_row *row, uint64_t id);
struct index_record *fx_add_setting(struct fx_row *row, uint8_t kind, const char *name, const char *value);

/* Puts one version in a row of its own slab position, publishes. */
void fx_put(struct fx *fx, uint64_t bucket, struct bytes key, uint64_t version, uint64_t replaces);

/* The version number (fx_version) of the newest version; 0: ENOTFOUND. Anything else fails the test. */
uint64_t fx_newest(struct index_view *v, uint64_t bucket, struct bytes key);
/* References applied; UINT64_MAX: ENOTFOUND. */
uint64_t fx_refs(struct index_view *v, uint8_t kind, const struct sha256 *hash);

/* cmocka fixtures: a struct fx with a roomy map, or with the smallest. */
int fx_setup(void **state);
int fx_setup_small(void **state);
int fx_teardown(void **state);
/* As above, in FX_BUCKET, through a view of their own. */
uint64_t fx_newest_now(struct fx *fx, struct bytes key);
uint64_t fx_refs_now(struct fx *fx, uint64_t chunk);
uint64_t fx_objects_now(struct fx *fx);

#define S(text) bytes_of(text, sizeof(text) - 1)

#endif
