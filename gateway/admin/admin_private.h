/* Private to the admin API: what its files share. */
#ifndef DOL_ADMIN_PRIVATE_H
#define DOL_ADMIN_PRIVATE_H

#include "admin.h"
#include "alarm.h"

#include <jansson.h>

struct admin {
    struct admin_config config;
    int64_t started_ns;
    _Atomic(enum alarm_key) key; /* as admin_watch() found it last */
    unsigned alarms;             /* raised at the last admin_watch(), which alone uses it, as what follows */
    uint64_t scrub_next_ns;      /* when a pass is due; 0: not yet decided */
};

/* The alarms that are raised now. */
unsigned admin_alarms(const struct admin *admin, const struct store_status *status);

/* What the pool can do, as /readyz and /v1/status say it. Faulted: more drives are missing than parity makes up for. */
enum admin_pool_state { ADMIN_POOL_ONLINE, ADMIN_POOL_DEGRADED, ADMIN_POOL_READ_ONLY, ADMIN_POOL_FAULTED };
enum admin_pool_state admin_pool_state(const struct store_status *status);
const char *admin_pool_state_name(enum admin_pool_state state);

#define ADMIN_SCRUB_START    "/v1/scrub/start"
#define ADMIN_SCRUB_FIRST_NS (3600 * SERVER_SECOND_NS) /* after the start: nothing is known of earlier passes */

enum admin_scrub_detail { ADMIN_SCRUB_SUMMARY, ADMIN_SCRUB_FINDINGS };
json_t *admin_scrub_report_json(const struct store_scrub_report *report, enum admin_scrub_detail detail);
json_t *admin_scrub_json(const struct store_scrub_status *status);
/* The target of a POST that begins with ADMIN_SCRUB_START; *bandwidth stays when it names none. */
DOL_MUST_CHECK bool admin_scrub_parse_start(struct bytes target, uint64_t *bandwidth);
/* Begins a pass when one is due. */
void admin_scrub_schedule(struct admin *admin);

/* The whole status document; NULL when memory is short. */
json_t *admin_status_json(const struct admin *admin, const struct store_status *status,
                          const struct store_scrub_status *scrub);

/* The whole metrics text, malloc'd; NULL when memory is short. */
char *admin_metrics_text(const struct admin *admin, const struct store_status *status,
                         const struct store_scrub_status *scrubbing, size_t *len);

/* Answers with a document, which it takes; NULL: memory was short. */
void admin_reply_json(struct exchange *x, unsigned status, json_t *doc);

/* POST /v1/iam. */
void admin_handle_iam(const struct admin *admin, struct exchange *x);

#endif
