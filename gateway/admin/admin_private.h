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
    unsigned alarms;             /* raised at the last admin_watch(), which alone uses it */
};

/* The alarms that are raised now. */
unsigned admin_alarms(const struct admin *admin, const struct store_status *status);

/* What the pool can do, as /readyz and /v1/status say it. Faulted: more drives are missing than parity makes up for. */
enum admin_pool_state { ADMIN_POOL_ONLINE, ADMIN_POOL_DEGRADED, ADMIN_POOL_READ_ONLY, ADMIN_POOL_FAULTED };
enum admin_pool_state admin_pool_state(const struct store_status *status);
const char *admin_pool_state_name(enum admin_pool_state state);

/* The whole status document; NULL when memory is short. */
json_t *admin_status_json(const struct admin *admin, const struct store_status *status);

/* The whole metrics text, malloc'd; NULL when memory is short. */
char *admin_metrics_text(const struct admin *admin, const struct store_status *status, size_t *len);

#endif
