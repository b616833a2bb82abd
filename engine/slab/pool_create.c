/* Formatting a pool: checks everything first, then the key file, then the superblocks. A crash in between leaves drives
 * without a superblock. */
#include "pool_create.h"

#include <dolmen/store.h>

#include <stdlib.h>

#include "hash.h"
#include "keyring.h"
#include "log.h"
#include "pool.h"

static uint64_t choose_extent_bytes(uint64_t drive_bytes)
{
    uint64_t e = POOL_EXTENT_BYTES_MIN;
    while (e < FORMAT_EXTENT_BYTES_MAX && drive_bytes / e > POOL_EXTENTS_PER_DRIVE)
        e *= 2;
    return e;
}

static enum dol_err check_drives(const struct pool_create_config *c, uint64_t *smallest)
{
    struct superblock *sb = malloc(sizeof *sb);
    enum dol_err err = sb ? DOL_OK : DOL_ENOMEM;
    *smallest = UINT64_MAX;
    for (unsigned i = 0; i < c->drive_count && err == DOL_OK; i++) {
        if (c->drives[i]->size_bytes < *smallest)
            *smallest = c->drives[i]->size_bytes;
        if (c->force)
            continue;
        enum dol_err found = superblock_read_best(c->drives[i], sb);
        if (found == DOL_OK || found == DOL_ECORRUPT || found == DOL_EFORMAT) {
            log_error("pool", "drive %s already carries a pool", c->drives[i]->name);
            err = DOL_EEXIST;
        } else if (found != DOL_ENOTPOOL) {
            err = found;
        }
    }
    free(sb);
    return err;
}

static enum dol_err fill_superblock(const struct pool_create_config *c, uint64_t extent_bytes, struct superblock *sb)
{
    const char *label = c->label ? c->label : "dolmen";
    if (strlen(label) >= sizeof sb->label)
        return DOL_EINVAL;
    memcpy(sb->label, label, strlen(label));
    random_fill(sb->pool.b, sizeof sb->pool.b);
    sb->epoch = 1;
    sb->created_s = clock_realtime_ns() / 1000000000;
    sb->compliance_clock_s = sb->created_s > 0 ? (uint64_t)sb->created_s : 0;
    sb->extent_bytes = extent_bytes;
    sb->k = (uint8_t)c->k;
    sb->m = (uint8_t)c->m;
    sb->drive_count = c->drive_count;
    for (unsigned i = 0; i < c->drive_count; i++) {
        struct superblock_drive *d = &sb->drives[i];
        random_fill(d->uuid.b, sizeof d->uuid.b);
        d->size_bytes = c->drives[i]->size_bytes;
        d->extents = (uint32_t)((d->size_bytes - FORMAT_EXTENTS_OFFSET) / extent_bytes);
        d->incarnation = 1;
        d->state = DRIVE_STATE_ACTIVE;
        d->joined_epoch = 1;
    }
    return DOL_OK;
}

static enum dol_err make_keys(const struct pool_create_config *c, struct superblock *sb)
{
    struct master_key master;
    if (c->key_file == NULL)
        return DOL_OK;
    sb->encrypted = 1;
    random_fill(master.b, sizeof master.b);
    master_key_check(&master, sb->pool, sb->key_check);
    enum dol_err err = keyring_new_key(&master, sb);
    if (err == DOL_OK)
        err = keyfile_create(c->key_file, sb->pool, &master);
    secret_wipe(&master, sizeof master);
    return err;
}

enum dol_err pool_create(const struct pool_create_config *c)
{
    uint64_t smallest;
    if (c->k < 1 || c->k > FORMAT_DATA_UNITS_MAX || c->m > FORMAT_PARITY_UNITS_MAX || c->k + c->m > c->drive_count ||
        c->drive_count > FORMAT_DRIVES_MAX)
        return DOL_EINVAL;
    enum dol_err err = check_drives(c, &smallest);
    if (err != DOL_OK)
        return err;
    uint64_t extent_bytes = c->extent_bytes ? c->extent_bytes : choose_extent_bytes(smallest);
    bool power_of_two = (extent_bytes & (extent_bytes - 1)) == 0;
    if (!power_of_two || extent_bytes < POOL_EXTENT_BYTES_MIN || extent_bytes > FORMAT_EXTENT_BYTES_MAX ||
        smallest < FORMAT_EXTENTS_OFFSET + 8 * extent_bytes)
        return DOL_EINVAL;

    struct superblock *sb = calloc(1, sizeof *sb);
    if (sb == NULL)
        return DOL_ENOMEM;
    err = fill_superblock(c, extent_bytes, sb);
    if (err == DOL_OK)
        err = make_keys(c, sb);
    for (unsigned i = 0; i < c->drive_count && err == DOL_OK; i++) {
        sb->drive = sb->drives[i].uuid;
        sb->sequence = 0;
        err = superblock_write_all(c->drives[i], sb);
    }
    free(sb);
    return err;
}
