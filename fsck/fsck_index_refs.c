/*
 * Chunks and chunk lists of the index, against the log: where the newest copy lies, and how many references there are.
 * What is wrong is kept with the chunk, and told by the objects that need it when all is known.
 */
#include "fsck_index.h"
#include "hash.h"

/* ---- entries ---- */

/* A chunk without references may lie in a slab that was freed, until that has gone. */
static const char *compare_dead(struct fsck_index *ix, const struct ref_row *row)
{
    struct fsck_slab *s;
    struct fsck_record *r = fsck_record_find(ix->f, &row->place, &s);
    if (r != NULL && lsn_compare(r->lsn, row->lsn) == 0) {
        r->indexed = true;
        return NULL;
    }
    const struct fsck_index_slab *known = fsck_index_slab_of(ix, row->place.slab);
    bool freed = known != NULL && known->known && known->row.slab.state == SLAB_STATE_FREED;
    return freed ? NULL : "it doesn't lie where the index says";
}

static const char *compare_copy(struct fsck_index *ix, const struct ref_row *row, const struct fsck_content *c,
                                uint8_t kind)
{
    bool stored = (row->flags & REF_ROW_STORED) != 0;
    if (!stored)
        return c->good ? "the index doesn't know where it lies" : NULL;
    if (!ref_row_is_live(row))
        return compare_dead(ix, row);
    const char *wrong = fsck_index_place(ix, &row->place, kind, row->lsn);
    if (wrong != NULL)
        return wrong;
    if (!c->good || lsn_compare(row->lsn, c->record->lsn) != 0)
        return "the index doesn't have its newest copy";
    bool same = row->codec == c->record->codec && row->plain_bytes == c->record->plain_bytes;
    return same ? NULL : "the index has another length or codec";
}

static const char *compare_refs(const struct fsck_index *ix, const struct ref_row *row, const struct fsck_content *c,
                                uint8_t kind)
{
    const struct lsn never = {0, 0};
    bool stored = (row->flags & REF_ROW_STORED) != 0, dead = lsn_compare(row->dead_since, never) != 0;
    bool holds = kind == RECORD_CHUNK_LIST && stored && row->refs > 0;
    if ((row->flags & REF_ROW_SUSPECT) != 0)
        return "the index has seen more references given back than there were";
    if (row->refs != c->refs)
        return "the index has another number of references";
    if (holds != ((row->flags & REF_ROW_HOLDS) != 0))
        return "the index is wrong about its members' references";
    if (stored && (dead != (row->refs == 0) || (dead && (lsn_compare(row->dead_since, row->lsn) < 0 ||
                                                         lsn_compare(row->dead_since, ix->state.applied) > 0))))
        return "the index is wrong about since when it has no references";
    return NULL;
}

static void on_ref(struct fsck_index *ix, struct bytes key, struct bytes payload, uint8_t kind)
{
    struct ref_row row;
    struct sha256 hash;
    if (key.len != sizeof hash.b || ref_row_decode(payload, &row) != DOL_OK) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table %s is none", table_names[ix->table]);
        return;
    }
    memcpy(hash.b, key.data, sizeof hash.b);
    struct fsck_content *c = fsck_log_content(&ix->log, kind, &hash);
    if (c == NULL)
        return;
    c->indexed = row.lsn;
    ix->chunks += kind == RECORD_CHUNK && (row.flags & REF_ROW_STORED) != 0;
    const char *wrong = compare_copy(ix, &row, c, kind);
    c->wrong = wrong != NULL ? wrong : compare_refs(ix, &row, c, kind);
}

void fsck_index_on_chunk(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    on_ref(ix, key, payload, RECORD_CHUNK);
}

void fsck_index_on_list(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    on_ref(ix, key, payload, RECORD_CHUNK_LIST);
}

void fsck_index_on_members(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct sha256 hash, is = sha256_of(payload.data, payload.len);
    if (key.len == sizeof hash.b)
        memcpy(hash.b, key.data, sizeof hash.b);
    struct fsck_content *c = key.len == sizeof hash.b ? fsck_log_content(&ix->log, RECORD_CHUNK_LIST, &hash) : NULL;
    if (c == NULL || !sha256_equal(&hash, &is))
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table members is none");
    else
        c->referenced = true;
}

static void damaged(struct fsck_index *ix, struct bytes key, uint8_t kind)
{
    struct sha256 hash;
    struct fsck_content *c = NULL;
    if (key.len == sizeof hash.b) {
        memcpy(hash.b, key.data, sizeof hash.b);
        c = fsck_log_content(&ix->log, kind, &hash);
    }
    if (c != NULL)
        c->wrong = "its entry in the index is damaged";
    else
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table %s is damaged", table_names[ix->table]);
}

void fsck_index_damaged_chunk(struct fsck_index *ix, struct bytes key)
{
    damaged(ix, key, RECORD_CHUNK);
}

void fsck_index_damaged_list(struct fsck_index *ix, struct bytes key)
{
    damaged(ix, key, RECORD_CHUNK_LIST);
}

/* ---- what the index lacks ---- */

/* An older copy may be all that the log has of what was stored again, was void, and has gone: then it has a grave. */
static void lacks(struct fsck_content *c)
{
    if (c->wrong == NULL && c->indexed.run == 0 && (c->refs > 0 || (c->good && !c->record->buried)))
        c->wrong = "the index doesn't have it";
}

static void lacks_members(struct fsck_content *c)
{
    if (c->wrong == NULL && c->indexed.run != 0 && !c->referenced)
        c->wrong = "the index doesn't have its members";
}

/* ---- telling by object ---- */

struct users {
    struct fsck_index *ix;
    unsigned wrong;
    const struct fsck_content *first;
};

static void use(struct users *u, struct fsck_content *c)
{
    if (c == NULL || c->wrong == NULL)
        return;
    if (u->wrong++ == 0)
        u->first = c;
    c->told = true;
}

static void use_chunks(struct users *u, struct bytes refs)
{
    for (size_t at = 0; at + CHUNK_REF_BYTES <= refs.len; at += CHUNK_REF_BYTES) {
        struct chunk_ref ref = chunk_ref_decode((const uint8_t *)refs.data + at);
        use(u, fsck_map_get(&u->ix->log.chunks, bytes_of(ref.hash.b, sizeof ref.hash.b)));
    }
}

static void use_all(struct users *u, struct bytes chunk_refs, struct bytes list_refs)
{
    struct chunk_list_body list;
    use_chunks(u, chunk_refs);
    for (size_t at = 0; at + LIST_REF_BYTES <= list_refs.len; at += LIST_REF_BYTES) {
        struct list_ref ref = list_ref_decode((const uint8_t *)list_refs.data + at);
        struct fsck_content *c = fsck_map_get(&u->ix->log.lists, bytes_of(ref.hash.b, sizeof ref.hash.b));
        use(u, c);
        if (c != NULL && c->good && chunk_list_decode(fsck_record_body(c->slab, c->record), &list) == DOL_OK)
            use_chunks(u, list.refs);
    }
}

static void say_users(const struct users *u, uint64_t bucket, struct bytes key, const char *what)
{
    char name[FSCK_OBJECT_NAME_BYTES], hex[65];
    if (u->wrong == 0)
        return;
    hex_encode(u->first->hash.b, sizeof u->first->hash.b, hex);
    fsck_index_say(u->ix, FSCK_REPAIRABLE, "%s %s: %u of its chunks or lists, the first is %s: %s",
                   fsck_log_object_name(&u->ix->log, bucket, key, name), what, u->wrong, hex, u->first->wrong);
}

static void tell_version(void *arg, struct fsck_state *st)
{
    struct users u = {.ix = arg};
    struct manifest m;
    char version[FSCK_VERSION_NAME_BYTES];
    if (!fsck_state_is_there(st) || manifest_decode(st->body, &m) != DOL_OK)
        return;
    use_all(&u, m.chunk_refs, m.list_refs);
    say_users(&u, m.bucket, m.key, fsck_version_name(&m, version));
}

static void tell_part(void *arg, struct fsck_state *st)
{
    struct users u = {.ix = arg};
    struct upload_part_body part;
    char what[64];
    if (!fsck_log_part_is_there(&u.ix->log, st, &part))
        return;
    use_all(&u, part.chunk_refs, part.list_refs);
    snprintf(what, sizeof what, "(part %u of an upload)", part.part.number);
    say_users(&u, part.bucket, part.key, what);
}

static void tell_rest(struct fsck_index *ix, const struct fsck_map *m, const char *what)
{
    char hex[65];
    for (size_t i = 0; i < m->capacity; i++) {
        const struct fsck_content *c = m->slots[i].value;
        if (c == NULL || c->wrong == NULL || c->told)
            continue;
        hex_encode(c->hash.b, sizeof c->hash.b, hex);
        fsck_index_say(ix, FSCK_REPAIRABLE, "%s %s, which no object uses: %s", what, hex, c->wrong);
    }
}

void fsck_index_refs_end(struct fsck_index *ix)
{
    const struct fsck_map *maps[] = {&ix->log.chunks, &ix->log.lists};
    for (unsigned i = 0; i < 2 && ix->compare; i++)
        for (size_t j = 0; j < maps[i]->capacity; j++)
            if (maps[i]->slots[j].value != NULL)
                lacks(maps[i]->slots[j].value);
    for (size_t j = 0; j < ix->log.lists.capacity && ix->compare; j++)
        if (ix->log.lists.slots[j].value != NULL)
            lacks_members(ix->log.lists.slots[j].value);
    fsck_log_each(&ix->log.versions, tell_version, ix);
    fsck_log_each(&ix->log.parts, tell_part, ix);
    tell_rest(ix, &ix->log.chunks, "chunk");
    tell_rest(ix, &ix->log.lists, "list");
}
