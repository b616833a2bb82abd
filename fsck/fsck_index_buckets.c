/* Buckets, their names, and settings of the index, against the log. */
#include "fsck_index.h"
#include "le.h"

struct fsck_index_setting {
    uint8_t key[TABLE_KEY_BYTES_MAX];
    struct fsck_state *state;
};

static void say_bucket(struct fsck_index *ix, struct bytes bucket, const char *wrong)
{
    char name[3 * BUCKET_NAME_BYTES_MAX + 5];
    fsck_index_say(ix, FSCK_REPAIRABLE, "bucket %s: %s", fsck_printable(bucket, name, sizeof name), wrong);
}

/* By its key in the index: kind, name. */
static void say_setting(struct fsck_index *ix, struct bytes key, const char *wrong)
{
    char name[3 * TABLE_KEY_BYTES_MAX + 5];
    struct bytes setting = key.len > 0 ? bytes_of((const uint8_t *)key.data + 1, key.len - 1) : key;
    fsck_index_say(ix, FSCK_REPAIRABLE, "setting %s: %s", fsck_printable(setting, name, sizeof name), wrong);
}

/* ---- buckets ---- */

void fsck_index_on_bucket(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct body_row row;
    struct bucket_body b;
    if (body_row_decode(payload, &row) != DOL_OK || bucket_body_decode(row.body, &b) != DOL_OK || key.len != 8 ||
        be64_get(key.data) != b.id) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table buckets is none");
        return;
    }
    ix->buckets++;
    struct fsck_state *st = fsck_log_bucket(&ix->log, b.id);
    if (st == NULL)
        return;
    const char *wrong = st->kind == RECORD_BUCKET ? fsck_index_compare(ix, &row, st, st->body) : fsck_not_in_log;
    if (wrong != NULL) {
        st->wrong = true;
        say_bucket(ix, b.name, wrong);
    }
}

void fsck_index_damaged_bucket(struct fsck_index *ix, struct bytes key)
{
    struct bucket_body b;
    struct fsck_state *st = key.len == 8 ? fsck_log_bucket(&ix->log, be64_get(key.data)) : NULL;
    if (st != NULL && st->kind == RECORD_BUCKET && bucket_body_decode(st->body, &b) == DOL_OK) {
        st->wrong = true;
        say_bucket(ix, b.name, fsck_damaged);
    } else {
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table buckets is damaged");
    }
}

void fsck_index_on_name(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct bucket_body b;
    struct fsck_state *st = payload.len == 8 ? fsck_log_bucket(&ix->log, be64_get(payload.data)) : NULL;
    if (st != NULL && st->kind == RECORD_BUCKET && bucket_body_decode(st->body, &b) == DOL_OK &&
        bytes_equal(b.name, key))
        st->meta_indexed = st->lsn;
    else
        say_bucket(ix, key, "its name leads elsewhere");
}

void fsck_index_damaged_name(struct fsck_index *ix, struct bytes key)
{
    say_bucket(ix, key, "its name's entry in the index is damaged");
}

/* ---- settings ---- */

void fsck_index_settings_begin(struct fsck_index *ix)
{
    uint8_t key[TABLE_KEY_BYTES_MAX];
    struct setting_body s;
    for (size_t i = 0; i < ix->log.settings.capacity; i++) {
        struct fsck_state *st = ix->log.settings.slots[i].value;
        if (st == NULL || st->body.data == NULL || setting_body_decode(st->body, &s) != DOL_OK)
            continue;
        struct fsck_index_setting *entry =
            fsck_index_slot(ix, &ix->settings, setting_key(key, st->kind, s.name), sizeof *entry);
        if (entry != NULL)
            entry->state = st;
    }
}

void fsck_index_on_setting(struct fsck_index *ix, struct bytes key, struct bytes payload)
{
    struct body_row row;
    struct setting_body s;
    const struct fsck_index_setting *entry = fsck_map_get(&ix->settings, key);
    const char *wrong = fsck_not_in_log;
    if (body_row_decode(payload, &row) != DOL_OK) {
        wrong = "its entry in the index is none";
    } else if (entry != NULL && setting_body_decode(entry->state->body, &s) == DOL_OK) {
        wrong = fsck_index_compare(ix, &row, entry->state, s.value);
        if (wrong == NULL && (s.value.data == NULL) != ((row.flags & BODY_ROW_REMOVED) != 0))
            wrong = fsck_other_body;
    }
    if (wrong == NULL)
        return;
    if (entry != NULL)
        entry->state->wrong = true;
    say_setting(ix, key, wrong);
}

/* ---- what the index lacks ---- */

static void bucket_end(void *arg, struct fsck_state *st)
{
    struct fsck_index *ix = arg;
    struct bucket_body b;
    if (st->kind != RECORD_BUCKET || bucket_body_decode(st->body, &b) != DOL_OK)
        return;
    if (fsck_index_lacks(st)) {
        st->wrong = true;
        say_bucket(ix, b.name, fsck_not_in_index);
    } else if (st->meta_indexed.run == 0 && ix->unreadable == 0) {
        say_bucket(ix, b.name, "its name isn't in the index");
    }
}

void fsck_index_buckets_end(struct fsck_index *ix)
{
    fsck_log_each(&ix->log.buckets, bucket_end, ix);
    for (size_t i = 0; i < ix->settings.capacity; i++) {
        const struct fsck_index_setting *entry = ix->settings.slots[i].value;
        if (entry != NULL && fsck_index_lacks(entry->state)) {
            entry->state->wrong = true;
            say_setting(ix, ix->settings.slots[i].key, fsck_not_in_index);
        }
    }
}
