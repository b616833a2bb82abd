/* See fsck_index.h: opening the index, what it says of itself, its tables in order, and moving a wrong one aside. */
#include "fsck_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DATA_FILE      "data.mdb"
#define RETIRED_FILE   "retired"
#define LINE_BYTES_MAX 4096u

void fsck_index_say(struct fsck_index *ix, enum fsck_severity severity, const char *format, ...)
{
    char text[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ix->f->totals.index_wrong++;
    ix->f->totals.index_lost += severity == FSCK_LOST;
    fsck_say(ix->f->report, severity, FSCK_INDEX, "%s", text);
}

void *fsck_index_slot(struct fsck_index *ix, struct fsck_map *m, struct bytes key, size_t size)
{
    void *value = fsck_map_get(m, key);
    if (value != NULL)
        return value;
    value = calloc(1, size);
    void **slot = NULL;
    if (value != NULL) {
        memcpy(value, key.data, key.len);
        slot = fsck_map_slot(m, bytes_of(value, key.len));
    }
    if (slot == NULL) {
        free(value);
        ix->err = DOL_ENOMEM;
        return NULL;
    }
    *slot = value;
    return value;
}

/* ---- entries ---- */

/* In the order they are walked: what is said of slabs and of what is needed comes before what is said of the void. */
static const struct table {
    enum index_table table;
    fsck_index_entry_fn *entry;
    fsck_index_damaged_fn *damaged; /* NULL: its table is named */
} tables[] = {
    {TABLE_SLABS, fsck_index_on_slab, NULL},
    {TABLE_MOVES, fsck_index_on_move, NULL},
    {TABLE_BUCKETS, fsck_index_on_bucket, fsck_index_damaged_bucket},
    {TABLE_NAMES, fsck_index_on_name, fsck_index_damaged_name},
    {TABLE_SETTINGS, fsck_index_on_setting, NULL},
    {TABLE_OBJECTS, fsck_index_on_object, fsck_index_damaged_object},
    {TABLE_UPLOADS, fsck_index_on_upload, fsck_index_damaged_upload},
    {TABLE_PARTS, fsck_index_on_part, fsck_index_damaged_part},
    {TABLE_CHUNKS, fsck_index_on_chunk, fsck_index_damaged_chunk},
    {TABLE_LISTS, fsck_index_on_list, fsck_index_damaged_list},
    {TABLE_MEMBERS, fsck_index_on_members, fsck_index_damaged_list},
    {TABLE_CANCELS, fsck_index_on_cancel, NULL},
    {TABLE_GRAVES, fsck_index_on_grave, NULL},
    {TABLE_LIVE, fsck_index_on_live, NULL},
};

struct table_walk {
    struct fsck_index *ix;
    const struct table *table;
};

static void on_entry(void *arg, struct bytes key, struct bytes value)
{
    const struct table_walk *w = arg;
    struct fsck_index *ix = w->ix;
    struct bytes payload;
    ix->f->totals.index_entries++;
    fsck_progress_show(ix->f->report, "index", fsck_lmdb_bytes_read(ix->lmdb), fsck_lmdb_bytes(ix->lmdb));
    if (value_check(ix->table, key, value, &payload) == DOL_OK) {
        if (ix->compare)
            w->table->entry(ix, key, payload);
        return;
    }
    ix->unreadable++;
    if (w->table->damaged != NULL)
        w->table->damaged(ix, key);
    else
        fsck_index_say(ix, FSCK_REPAIRABLE, "an entry of the table %s is damaged", table_names[ix->table]);
}

static void on_bad_page(void *arg, uint64_t page, const char *what)
{
    struct fsck_index *ix = arg;
    ix->unreadable++;
    fsck_index_say(ix, FSCK_REPAIRABLE, "page %llu %s", (unsigned long long)page, what);
}

static void on_state(void *arg, struct bytes key, struct bytes value)
{
    struct fsck_index *ix = arg;
    struct bytes payload;
    ix->state_found = true;
    if (value_check(TABLE_STATE, key, value, &payload) != DOL_OK)
        return;
    enum dol_err err = state_decode(payload, &ix->state);
    ix->state_good = err == DOL_OK;
    if (err == DOL_EFORMAT) /* another version's */
        ix->state_found = false;
}

/* ---- what it says of itself ---- */

enum index_use { INDEX_NONE, INDEX_WRONG, INDEX_COMPARED };

static void note(const struct fsck_index *ix, const char *what)
{
    fsck_say(ix->f->report, FSCK_NOTE, FSCK_INDEX, "%s: the server builds it from the drives at its next start", what);
}

static enum index_use judge_state(struct fsck_index *ix)
{
    const struct superblock *sb = &ix->f->sb;
    const struct index_state *s = &ix->state;
    if (!fsck_lmdb_walk(ix->lmdb, table_names[TABLE_STATE], on_state, ix) || !ix->state_found) {
        if (ix->unreadable > 0)
            return INDEX_WRONG;
        note(ix, "there is no index that this version would use");
        return INDEX_NONE;
    }
    if (!ix->state_good)
        fsck_index_say(ix, FSCK_REPAIRABLE, "what it says of itself is damaged");
    else if (!uuid_equal(s->pool, sb->pool))
        fsck_index_say(ix, FSCK_REPAIRABLE, "it is of another pool");
    else if (s->applied.run > sb->run)
        fsck_index_say(ix, FSCK_LOST, "it has applied run %llu, the drives know of %llu: have they been set back?",
                       (unsigned long long)s->applied.run, (unsigned long long)sb->run);
    else if (s->applied.run > 0 && s->generation < sb->generation)
        fsck_index_say(ix, FSCK_REPAIRABLE,
                       "it is an older copy: it has heard of %llu freed slabs, and the drives of %llu",
                       (unsigned long long)s->generation, (unsigned long long)sb->generation);
    else if (s->applied.run == 0)
        note(ix, "nothing is in the index");
    else
        return INDEX_COMPARED;
    return s->applied.run == 0 && ix->state_good && uuid_equal(s->pool, sb->pool) ? INDEX_NONE : INDEX_WRONG;
}

/* Every record could be read, and every slab is known: at most m drives are missing, so a slab has a header left. */
static bool log_is_whole(const struct fsck *f)
{
    unsigned missing = 0;
    uint64_t bad = f->totals.rows_lost + f->totals.headers_unreadable;
    for (unsigned i = 0; i < f->sb.drive_count; i++)
        missing += f->sb.drives[i].state != DRIVE_STATE_RETIRED && fsck_drive_find(f, f->sb.drives[i].uuid) < 0;
    for (size_t i = 0; i < f->slab_count; i++)
        bad += f->slabs[i]->records_bad;
    return f->can_open && bad == 0 && missing <= f->sb.m;
}

static uint64_t records_behind(const struct fsck *f, struct lsn applied)
{
    uint64_t count = 0;
    for (size_t i = 0; i < f->slab_count; i++)
        for (size_t j = 0; j < f->slabs[i]->record_count; j++) {
            const struct fsck_record *r = &f->slabs[i]->records[j];
            count += lsn_compare(r->lsn, applied) > 0 && fsck_log_counts(f->slabs[i], r, FSCK_LOG_WHOLE);
        }
    return count;
}

/* ---- the whole ---- */

static void walk_tables(struct fsck_index *ix)
{
    for (unsigned i = 0; i < sizeof tables / sizeof tables[0] && ix->err == DOL_OK; i++) {
        struct table_walk w = {ix, &tables[i]};
        ix->table = tables[i].table;
        if (!fsck_lmdb_walk(ix->lmdb, table_names[ix->table], on_entry, &w)) {
            ix->unreadable++;
            fsck_index_say(ix, FSCK_REPAIRABLE, "it has no table %s", table_names[ix->table]);
        }
    }
}

static void compare(struct fsck_index *ix)
{
    struct fsck *f = ix->f;
    ix->compare = f->log_whole;
    if (f->can_open && !f->log_whole)
        fsck_say(f->report, FSCK_NOTE, FSCK_INDEX,
                 "it isn't compared with the log, which can't be read as a whole: its own checksums alone are checked");
    if (ix->compare) {
        ix->err = fsck_log_read(f, ix->state.applied, &ix->log);
        fsck_index_settings_begin(ix);
        fsck_log_count_refs(&ix->log);
        f->totals.index_behind = records_behind(f, ix->state.applied);
    }
    walk_tables(ix);
    if (ix->compare && ix->err == DOL_OK) {
        if (ix->state.generation > f->sb.generation + ix->freed)
            fsck_index_say(ix, FSCK_LOST,
                           "it has heard of %llu freed slabs, the drives of %llu: have they been set back?",
                           (unsigned long long)ix->state.generation, (unsigned long long)f->sb.generation);
        fsck_index_buckets_end(ix);
        fsck_index_names_end(ix);
        fsck_index_books_end(ix);
    }
    if (ix->err == DOL_OK)
        fsck_index_refs_end(ix);
    if (ix->err == DOL_OK)
        ix->err = ix->log.err;
}

static enum dol_err check_file(struct fsck *f, int fd)
{
    struct fsck_index *ix = calloc(1, sizeof *ix);
    if (ix == NULL)
        return DOL_ENOMEM;
    ix->f = f;
    ix->log.f = f;
    enum dol_err err = fsck_lmdb_open(fd, on_bad_page, ix, &ix->lmdb);
    if (err == DOL_ECORRUPT) {
        fsck_index_say(ix, FSCK_REPAIRABLE, "its first pages can't be believed");
        err = DOL_OK;
    } else if (err == DOL_OK) {
        if (judge_state(ix) == INDEX_COMPARED)
            compare(ix);
        err = ix->err;
        fsck_lmdb_free(ix->lmdb);
    }
    fsck_log_free(&ix->log);
    fsck_map_free(&ix->nodes, free);
    fsck_map_free(&ix->slabs, free);
    fsck_map_free(&ix->settings, free);
    fsck_map_free(&ix->shut, free);
    free(ix->by_lsn);
    free(ix);
    return err;
}

/* Locked as the server does: not through LMDB's lock file, which it would write to. */
static enum dol_err open_dir(struct fsck *f)
{
    const char *dir = f->options.index_dir;
    f->index_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->index_fd < 0 && errno == ENOENT && f->options.build_index && mkdir(dir, 0700) == 0)
        f->index_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->index_fd < 0) {
        if (errno == ENOENT && !f->options.build_index)
            return DOL_ENOTFOUND;
        fprintf(stderr, "dolmen-fsck: %s: %s\n", dir, strerror(errno));
        return DOL_EIO;
    }
    if (fsck_lock(f->index_fd, f->options.mode == FSCK_REPAIR || f->options.build_index ? LOCK_EX : LOCK_SH))
        return DOL_OK;
    fprintf(stderr, "dolmen-fsck: the index %s is in use: stop the dolmend that uses it first\n", dir);
    return DOL_EINUSE;
}

enum dol_err fsck_index_check(struct fsck *f)
{
    struct stat st;
    const struct fsck_index none = {.f = f};
    if (f->options.index_dir == NULL)
        return DOL_OK;
    f->log_whole = log_is_whole(f);
    enum dol_err err = open_dir(f);
    if (err != DOL_OK && err != DOL_ENOTFOUND)
        return err;
    int fd = err == DOL_OK ? openat(f->index_fd, DATA_FILE, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 && err == DOL_OK && errno != ENOENT) {
        fprintf(stderr, "dolmen-fsck: %s/%s: %s\n", f->options.index_dir, DATA_FILE, strerror(errno));
        return DOL_EIO;
    }
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0) {
        note(&none, "there is no index");
        err = DOL_OK;
    } else if (faccessat(f->index_fd, RETIRED_FILE, F_OK, 0) == 0) {
        note(&none, "the server has found the index damaged");
    } else {
        err = check_file(f, fd);
    }
    if (fd >= 0)
        close(fd);
    return err;
}

void fsck_index_close(struct fsck *f)
{
    if (f->index_fd >= 0)
        close(f->index_fd);
}

/* ---- repair ---- */

void fsck_index_repair(struct fsck *f)
{
    char name[64];
    struct tm tm;
    time_t now = time(NULL);
    if (f->totals.index_wrong == 0 || f->totals.index_lost > 0)
        return; /* what the index knows of what is lost is all there is */
    if (!f->log_whole) {
        fsck_say(f->report, FSCK_NOTE, FSCK_INDEX, "it stays where it is: the log can't be read as a whole");
        return;
    }
    strftime(name, sizeof name, DATA_FILE ".bad-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    if (renameat2(f->index_fd, DATA_FILE, f->index_fd, name, RENAME_NOREPLACE) != 0 || fsync(f->index_fd) != 0) {
        fsck_say(f->report, FSCK_LOST, FSCK_INDEX, "%s/" DATA_FILE " can't be moved aside: %s", f->options.index_dir,
                 strerror(errno));
        return;
    }
    f->index_aside = true;
    fsck_say(f->report, FSCK_REPAIRED, FSCK_INDEX,
             "it was moved aside, to %s/%s: the server builds a new one from the drives at its next start",
             f->options.index_dir, name);
}
