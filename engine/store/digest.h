/* The digests of objects on their way in, taken together: what several PUTs of one loop have to hash goes side by side
 * (hash_lanes.h). */
#ifndef DOL_DIGEST_H
#define DOL_DIGEST_H

#include <dolmen/runtime.h>

#include "hash_lanes.h"

struct digester;

DOL_MUST_CHECK enum dol_err digester_new(struct digester **out);
/* NULL is fine. Nobody waits in it. */
void digester_free(struct digester *d);

/* [await] Brings an initialised job to its end. */
void digester_run(struct digester *d, struct hash_job *job);

#endif
