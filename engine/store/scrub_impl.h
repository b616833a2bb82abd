/*
 * Inside the store library: scrubbing. scrub.c runs passes: which slab, how fast, what is reported; scrub_record.c
 * judges the records of a row. What is read, judged and repaired of a slab's units is in slab/scrub.h.
 */
#ifndef DOL_SCRUB_IMPL_H
#define DOL_SCRUB_IMPL_H

#include "scrub.h"
#include "store_impl.h"

DOL_MUST_CHECK enum dol_err scrub_new(struct store *s, struct scrub **out);
/* [await] Ends the pass that is under way; no other begins. */
void scrub_close(struct scrub *scrub);
void scrub_free(struct scrub *scrub);
/* Of the last finished pass or the latest, whichever found more. Any thread. */
uint64_t scrub_unrecoverable(struct scrub *scrub);

/* Memory for records while they are judged, kept for the next. */
struct record_check {
    struct store *store;
    uint8_t *record, *plain;
    size_t record_bytes, plain_bytes;
};
void record_check_fini(struct record_check *c);
/* A scrub_row_fn; arg is a struct record_check. */
DOL_MUST_CHECK enum dol_err record_check_row(void *arg, struct slab_scrub *w, const struct row_image *row);

#endif
