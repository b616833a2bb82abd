/*
 * CompleteMultipartUpload. The parts are looked at, and their references put together, without a gate: that may take
 * long. Then, under the key's gate, the upload must still be there and each part must still be the record looked at;
 * the manifest and the upload's end go into one row, manifest first: who sees the upload gone sees the object.
 *
 * When a part was replaced in between, all is done again. When the upload is gone, a request that is repeated gets the
 * answer that the first one got, as long as its object is the current one.
 */
#include "complete.h"

#include <stdlib.h>

#include "checksum_fold.h"
#include "dol_assert.h"
#include "hash.h"
#include "upload_impl.h"
#include "version.h"

#define COMPLETE_TRIES_MAX   4u   /* while parts are being replaced */
#define COMPLETE_SLICE_PARTS 256u /* looked at in one view; then others may run */

/* ---- looking at the parts ---- */

struct survey {
    struct complete *c;
    unsigned next;      /* in the request's parts */
    unsigned slice_end; /* parts of the request; what lies between them is passed over */
    unsigned passed;
    uint32_t last; /* number of the last part seen */
    struct checksum_fold fold;
    struct hash_stream *md5;
    unsigned too_small; /* first such part; UINT32_MAX: none */
    enum dol_err err;
};

static bool checksum_matches(const struct object_checksum *given, const struct object_checksum *kept)
{
    return given->alg == CHECKSUM_NONE || (given->alg == kept->alg && given->bytes == kept->bytes &&
                                           memcmp(given->value, kept->value, kept->bytes) == 0);
}

static enum dol_err survey_part(struct survey *v, const struct index_part *part)
{
    struct complete *c = v->c;
    struct upload_part_body b;
    const struct complete_part *wanted = &c->req->parts[v->next];
    enum dol_err err = upload_part_decode(part->body, &b);
    if (err != DOL_OK)
        return err;
    if (memcmp(wanted->md5, b.part.md5, sizeof b.part.md5) != 0 ||
        !checksum_matches(&wanted->checksum, &b.part.checksum))
        return DOL_EPART;
    if (v->next + 1 < c->req->part_count && b.part.size < c->req->part_bytes_min && v->too_small == UINT32_MAX)
        v->too_small = v->next;
    c->lsns[v->next] = part->lsn;
    manifest_part_encode(&b.part, c->table + (size_t)v->next * MANIFEST_PART_BYTES);
    c->m.size += b.part.size;
    hash_stream_update(v->md5, b.part.md5, sizeof b.part.md5);
    checksum_fold_add(&v->fold, &b.part.checksum, b.part.size);
    complete_refs_count(c, &b);
    v->next++;
    return DOL_OK;
}

static bool survey_next(void *arg, const struct index_part *part)
{
    struct survey *v = arg;
    v->last = part->number;
    v->passed++;
    if (part->number > v->c->req->parts[v->next].number)
        v->err = DOL_EPART;
    else if (part->number == v->c->req->parts[v->next].number)
        v->err = survey_part(v, part);
    return v->err == DOL_OK && v->next < v->c->req->part_count && v->passed < COMPLETE_SLICE_PARTS;
}

/* All of the request's parts, in slices. */
static enum dol_err survey_run(struct survey *v)
{
    struct complete *c = v->c;
    while (v->next < c->req->part_count) {
        v->passed = 0;
        enum dol_err err = upload_part_each(c->store, c->bucket, &c->req->upload, v->last, survey_next, v);
        if (err == DOL_OK)
            err = v->err;
        if (err == DOL_OK && v->passed < COMPLETE_SLICE_PARTS && v->next < c->req->part_count)
            err = DOL_EPART; /* no more parts */
        if (err != DOL_OK)
            return err;
        fiber_yield();
    }
    return DOL_OK;
}

/* What the parts add up to, against what the request says. */
static enum dol_err survey_result(struct survey *v, unsigned *bad_part)
{
    struct complete *c = v->c;
    if (v->too_small != UINT32_MAX) {
        *bad_part = v->too_small;
        return DOL_ETOOSMALL;
    }
    if (c->req->expected_size != UINT64_MAX && c->req->expected_size != c->m.size)
        return DOL_ELENGTH;
    c->m.checksum = checksum_fold_final(&v->fold);
    if (v->fold.type == CHECKSUM_COMPOSITE && v->fold.state == FOLD_LACKS_PARTS)
        return DOL_EPART;
    if (!checksum_matches(&c->req->checksum, &c->m.checksum) ||
        (c->req->checksum.alg != CHECKSUM_NONE && c->req->checksum.type != c->m.checksum.type))
        return DOL_EDIGEST;
    hash_stream_final(v->md5, c->m.etag.md5);
    c->m.etag.parts = c->req->part_count;
    c->m.parts = bytes_of(c->table, (size_t)c->req->part_count * MANIFEST_PART_BYTES);
    return DOL_OK;
}

static enum dol_err survey(struct complete *c, const struct upload_body *u, unsigned *bad_part)
{
    struct survey v = {.c = c, .too_small = UINT32_MAX};
    v.md5 = hash_stream_new(HASH_MD5);
    enum dol_err err = v.md5 != NULL ? checksum_fold_init(&v.fold, u->checksum_alg, u->checksum_type) : DOL_ENOMEM;
    if (err == DOL_OK) {
        err = survey_run(&v);
        *bad_part = v.next < c->req->part_count ? v.next : 0;
    }
    if (err == DOL_OK)
        err = survey_result(&v, bad_part);
    hash_stream_free(v.md5);
    checksum_fold_fini(&v.fold);
    return err;
}

/* ---- the commit ---- */

struct recheck {
    struct complete *c;
    unsigned next, passed;
    uint32_t last;
};

static bool recheck_next(void *arg, const struct index_part *part)
{
    struct recheck *r = arg;
    struct complete *c = r->c;
    r->last = part->number;
    r->passed++;
    if (part->number == c->req->parts[r->next].number) {
        if (lsn_compare(part->lsn, c->lsns[r->next]) != 0)
            c->parts = PARTS_CHANGED;
        r->next++;
    }
    return c->parts == PARTS_UNCHANGED && r->next < c->req->part_count && r->passed < COMPLETE_SLICE_PARTS;
}

/* version_check_fn: with the gate held, nothing happens to the upload any more. */
static enum dol_err recheck(void *arg)
{
    struct complete *c = arg;
    struct recheck r = {.c = c};
    enum dol_err err = DOL_OK;
    while (err == DOL_OK && r.next < c->req->part_count && c->parts == PARTS_UNCHANGED) {
        r.passed = 0;
        err = upload_part_each(c->store, c->bucket, &c->req->upload, r.last, recheck_next, &r);
        if (err == DOL_OK && r.passed < COMPLETE_SLICE_PARTS && r.next < c->req->part_count)
            c->parts = PARTS_CHANGED; /* parts don't go away while their upload is there, but who knows */
        fiber_yield();
    }
    return err == DOL_OK && c->parts == PARTS_CHANGED ? DOL_EPART : err;
}

static enum dol_err commit(struct complete *c, uint8_t *versioning)
{
    uint8_t end[UPLOAD_END_BODY_BYTES_MAX];
    struct append_record records[2];
    struct append_group group = {.records = records, .count = 2};
    const struct version_commit commit = {.bucket_name = c->req->upload.bucket,
                                          .manifest = &c->m,
                                          .condition = &c->req->condition,
                                          .check = recheck,
                                          .check_arg = c,
                                          .group = &group,
                                          .slot = &records[0]};
    c->m.chunk_refs = refs_chunk_bytes(&c->chunks, &c->lists);
    c->m.list_refs = refs_list_bytes(&c->lists);
    upload_end_record(c->bucket, c->req->upload.key, &c->req->upload.id, UPLOAD_COMPLETED, end, &records[1]);
    return version_commit(c->store, &commit, versioning);
}

static void result_fill(const struct manifest *m, uint8_t versioning, struct complete_result *out)
{
    version_result(m, versioning, &out->put);
    out->checksum = m->checksum;
}

/* One attempt, from what the upload's record says. */
static enum dol_err attempt(struct complete *c, const struct upload_body *u, struct complete_result *out)
{
    uint8_t versioning;
    enum dol_err err = manifest_template_decode(u->manifest, &c->m);
    if (err == DOL_OK)
        err = condition_check_early(c->store, c->bucket, c->req->upload.key, &c->req->condition);
    c->m.upload_id = bytes_of(c->req->upload.id.b, sizeof c->req->upload.id.b);
    c->chunks_total = c->lists_kept = c->chunks_in_row = 0;
    c->parts = PARTS_UNCHANGED;
    if (err == DOL_OK)
        err = survey(c, u, &out->bad_part);
    if (err == DOL_OK)
        err = complete_refs_gather(c);
    if (err == DOL_OK)
        err = commit(c, &versioning);
    if (err == DOL_OK)
        result_fill(&c->m, versioning, out);
    ref_array_free(&c->chunks);
    ref_array_free(&c->lists);
    return err;
}

/* ---- the same request again ---- */

static bool same_parts(const struct complete_request *req, const struct manifest *m)
{
    const uint8_t *table = m->parts.data;
    if (m->parts.len / MANIFEST_PART_BYTES != req->part_count)
        return false;
    for (unsigned i = 0; i < req->part_count; i++) {
        struct manifest_part part;
        if (manifest_part_decode(table + (size_t)i * MANIFEST_PART_BYTES, &part) != DOL_OK ||
            part.number != req->parts[i].number || memcmp(part.md5, req->parts[i].md5, sizeof part.md5) != 0 ||
            !checksum_matches(&req->parts[i].checksum, &part.checksum))
            return false;
    }
    return (req->expected_size == UINT64_MAX || req->expected_size == m->size) &&
           checksum_matches(&req->checksum, &m->checksum);
}

/* The upload is gone: by this very request, sent before? */
static enum dol_err answer_again(struct complete *c, struct complete_result *out)
{
    struct manifest m;
    struct bucket_ref ref;
    void *body;
    const struct upload_id *id = &c->req->upload.id;
    enum dol_err err = store_version_find(c->store, c->req->upload.bucket, c->req->upload.key, NULL, &ref, &m, &body);
    if (err != DOL_OK)
        return err == DOL_ENOTFOUND ? DOL_ENOUPLOAD : err;
    if (bytes_equal(m.upload_id, bytes_of(id->b, sizeof id->b)) && same_parts(c->req, &m))
        result_fill(&m, ref.versioning, out);
    else
        err = DOL_ENOUPLOAD;
    free(body);
    return err;
}

/* ---- entry ---- */

static enum dol_err complete_run(struct complete *c, struct complete_result *out)
{
    enum dol_err err = DOL_OK;
    for (unsigned i = 0; i < COMPLETE_TRIES_MAX; i++) {
        struct upload_body u;
        void *memory;
        err = upload_load(c->store, c->bucket, c->req->upload.key, &c->req->upload.id, &u, &memory);
        if (err == DOL_OK) {
            err = attempt(c, &u, out);
            free(memory);
        }
        /* when the condition was looked at, this very request may just have been done, sent before */
        if (err == DOL_EPRECONDITION || err == DOL_ENOTFOUND) {
            enum dol_err gone = upload_exists(c->store, c->bucket, c->req->upload.key, &c->req->upload.id);
            err = gone == DOL_OK ? err : gone;
        }
        if (err == DOL_ENOUPLOAD)
            return answer_again(c, out);
        if (err != DOL_EPART || c->parts == PARTS_UNCHANGED)
            return err;
    }
    return DOL_EBUSY;
}

enum dol_err store_upload_complete(struct store *s, const struct complete_request *req, struct complete_result *out)
{
    struct complete c = {.store = s, .req = req};
    memset(out, 0, sizeof *out);
    if (req->part_count == 0 || req->part_count > UPLOAD_PARTS_MAX)
        return DOL_EINVAL;
    enum dol_err err = store_put_slot_take(s, &c.pin);
    if (err != DOL_OK)
        return err;
    err = store_bucket_id(s, req->upload.bucket, &c.bucket);
    if (err == DOL_OK) {
        c.lsns = malloc(req->part_count * sizeof *c.lsns);
        c.table = malloc((size_t)req->part_count * MANIFEST_PART_BYTES);
        err = c.lsns != NULL && c.table != NULL ? complete_run(&c, out) : DOL_ENOMEM;
    }
    free(c.lsns);
    free(c.table);
    store_put_slot_give(s, &c.pin);
    if (err == DOL_OK)
        atomic_fetch_add(&s->stats.puts, 1);
    return err;
}
