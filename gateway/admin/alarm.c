/* See alarm.h. */
#include "alarm.h"
#include "dol_assert.h"

static const struct alarm_text texts[ALARM_COUNT] = {
    [ALARM_DEGRADED] = {"degraded", "Something is wrong with the pool; all of it is still served.",
                        "Look at the other alarms and at the reason in 'dolmen pool status'."},
    [ALARM_READ_ONLY] = {"read_only", "Writes are refused; everything stored can be read.",
                         "Remove the cause that 'dolmen pool status' names, then restart dolmend."},
    [ALARM_NEARLY_FULL] = {"nearly_full", "The pool is nearly full.", "Delete objects, or plan for more capacity."},
    [ALARM_FULL] = {"full", "New objects are refused with 507 StorageFull; reads and deletes go on.",
                    "Delete objects, or send new ones to another pool."},
    [ALARM_DRIVE_MISSING] =
        {"drive_missing", "A drive of the pool is not there, or was away while others were written to.",
         "If it isn't there: stop dolmend, bring it back, start. The reason says how far it is rebuilt."},
    [ALARM_DRIVE_FAULTED] = {"drive_faulted",
                             "A write to a drive failed; it has left the pool, which writes to the others.",
                             "Look at the kernel's log and at the drive (smartctl). If it is good: restart dolmend."},
    [ALARM_DRIVE_ERRORS] = {"drive_errors", "A drive gave errors, or bytes that were not what was written.",
                            "What was read was rebuilt from parity. Look at the drive (smartctl); replace it if the "
                            "count grows."},
    [ALARM_SCRUB_LOSS] = {"scrub_loss", "Scrubbing found damage beyond what parity makes up for.",
                          "'dolmen scrub status' says where; 'dolmen-fsck' names the objects. Send them again."},
    [ALARM_KEY_MISSING] = {"key_missing", "The pool's key file is gone; after a restart nothing could be read.",
                           "Restore the key file from the copy in the safe before dolmend is restarted."},
};

const struct alarm_text *alarm_text(enum alarm alarm)
{
    dol_assert(alarm < ALARM_COUNT);
    return &texts[alarm];
}

static unsigned drive_alarms(const struct store_drive_status *d)
{
    unsigned raised = 0;
    if (strcmp(d->state, "missing") == 0 || strcmp(d->state, "stale") == 0 || strcmp(d->state, "rebuilding") == 0)
        raised |= 1u << ALARM_DRIVE_MISSING;
    else if (strcmp(d->state, "online") != 0)
        raised |= 1u << ALARM_DRIVE_FAULTED;
    if (d->read_errors + d->write_errors + d->checksum_errors > 0)
        raised |= 1u << ALARM_DRIVE_ERRORS;
    return raised;
}

static bool is_nearly_full(const struct store_status *s)
{
    uint64_t room = s->usable_bytes > s->reserve_bytes ? s->usable_bytes - s->reserve_bytes : 0;
    return s->usable_bytes > 0 && s->used_bytes >= room / 100 * ALARM_NEARLY_FULL_PERCENT;
}

unsigned alarm_evaluate(const struct store_status *status, enum alarm_key key)
{
    unsigned raised = 0;
    for (unsigned i = 0; i < status->drive_count; i++)
        raised |= drive_alarms(&status->drives[i]);
    if (status->scrub_unrecoverable > 0)
        raised |= 1u << ALARM_SCRUB_LOSS;
    if (raised != 0 || status->reason[0] != '\0')
        raised |= 1u << ALARM_DEGRADED;
    if (status->read_only)
        raised |= 1u << ALARM_READ_ONLY | 1u << ALARM_DEGRADED;
    if (status->full)
        raised |= 1u << ALARM_FULL;
    if (status->full || is_nearly_full(status))
        raised |= 1u << ALARM_NEARLY_FULL;
    if (status->encrypted && key == ALARM_KEY_GONE)
        raised |= 1u << ALARM_KEY_MISSING;
    return raised;
}
