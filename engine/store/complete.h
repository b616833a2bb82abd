/* Inside the store library: an upload being completed (complete.c), and its references (complete_refs.c). */
#ifndef DOL_COMPLETE_H
#define DOL_COMPLETE_H

#include "refs.h"

struct complete {
    struct store *store;
    struct pin pin;
    const struct complete_request *req;
    uint64_t bucket;
    struct manifest m;       /* of the object to be; bytes from the upload's template, and from here */
    struct lsn *lsns;        /* of the part records looked at, one per part of the request */
    uint8_t *table;          /* MANIFEST_PART_BYTES per part */
    struct ref_array chunks; /* not yet in a list */
    struct ref_array lists;
    /* what the parts' references are like */
    uint64_t chunks_total;
    uint64_t lists_kept;                           /* lists of the object when the parts' lists are kept as they are */
    uint64_t chunks_in_row;                        /* references behind the last list */
    enum { PARTS_UNCHANGED, PARTS_CHANGED } parts; /* since they were looked at */
};

/* While looking at parts: the next one refers to this. */
void complete_refs_count(struct complete *c, const struct upload_part_body *part);
/* [await] Gathers the references of all parts, in order, into c->chunks (few, and no list) or c->lists, acknowledged.
 * ETOOLARGE: more lists than a manifest may have. EPART with PARTS_CHANGED: a part is another one by now. */
DOL_MUST_CHECK enum dol_err complete_refs_gather(struct complete *c);

#endif
