/* See request_metrics.h. */
#include "request_metrics.h"

#include <string.h>

#define MS_NS 1000000ull

const uint64_t request_metrics_bounds_ns[REQUEST_METRICS_BUCKETS] = {
    1 * MS_NS,   2500000ull,  5 * MS_NS,    10 * MS_NS,   25 * MS_NS,    50 * MS_NS,    100 * MS_NS,
    250 * MS_NS, 500 * MS_NS, 1000 * MS_NS, 2500 * MS_NS, 10000 * MS_NS, 60000 * MS_NS, UINT64_MAX,
};

static void add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static struct request_metrics_operation *find(struct request_metrics *m, const char *name)
{
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX; i++) {
        struct request_metrics_operation *op = &m->operations[i];
        if (op->name == NULL) {
            if (i == REQUEST_METRICS_OPERATIONS_MAX - 1)
                name = "other";
            __atomic_store_n(&op->name, name, __ATOMIC_RELEASE);
            return op;
        }
        if (op->name == name || strcmp(op->name, name) == 0)
            return op;
    }
    return &m->operations[REQUEST_METRICS_OPERATIONS_MAX - 1];
}

static void count_status(struct request_metrics_operation *op, unsigned status, uint64_t n)
{
    struct request_metrics_status *s = op->statuses;
    /* More distinct codes than there are places: the last place takes them, so sums stay right. */
    while (s->status != 0 && s->status != status && s < op->statuses + REQUEST_METRICS_STATUSES_MAX - 1)
        s++;
    add(&s->count, n);
    if (s->status == 0)
        __atomic_store_n(&s->status, status, __ATOMIC_RELEASE);
}

static void count_error(struct request_metrics *m, const char *code, uint64_t n)
{
    unsigned i = 0;
    while (m->errors[i].code != NULL && strcmp(m->errors[i].code, code) != 0 && i < REQUEST_METRICS_ERRORS_MAX - 1)
        i++;
    struct request_metrics_error *e = &m->errors[i];
    add(&e->count, n);
    if (e->code == NULL)
        __atomic_store_n(&e->code, i == REQUEST_METRICS_ERRORS_MAX - 1 ? "other" : code, __ATOMIC_RELEASE);
}

static unsigned bucket_of(uint64_t duration_ns)
{
    unsigned i = 0;
    while (duration_ns > request_metrics_bounds_ns[i])
        i++;
    return i;
}

void request_metrics_record(struct request_metrics *m, const struct exchange *x, uint64_t duration_ns)
{
    struct request_metrics_operation *op = find(m, x->operation != NULL ? x->operation : "none");
    /* 499: no response went out (the client left, or the handler cut the connection). */
    count_status(op, x->response_begun ? x->status : 499, 1);
    add(&op->buckets[bucket_of(duration_ns)], 1);
    add(&op->duration_ns, duration_ns);
    add(&op->bytes_in, x->bytes_in);
    add(&op->bytes_out, x->bytes_out);
    if (x->error_code != NULL)
        count_error(m, x->error_code, 1);
}

static void add_operation(struct request_metrics_operation *dst, const struct request_metrics_operation *src)
{
    for (unsigned j = 0; j < REQUEST_METRICS_STATUSES_MAX; j++) {
        unsigned status = __atomic_load_n(&src->statuses[j].status, __ATOMIC_ACQUIRE);
        if (status != 0)
            count_status(dst, status, get(&src->statuses[j].count));
    }
    for (unsigned j = 0; j < REQUEST_METRICS_BUCKETS; j++)
        dst->buckets[j] += get(&src->buckets[j]);
    dst->duration_ns += get(&src->duration_ns);
    dst->bytes_in += get(&src->bytes_in);
    dst->bytes_out += get(&src->bytes_out);
}

void request_metrics_add(struct request_metrics *to, const struct request_metrics *from)
{
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX; i++) {
        const char *name = __atomic_load_n(&from->operations[i].name, __ATOMIC_ACQUIRE);
        if (name == NULL)
            break;
        add_operation(find(to, name), &from->operations[i]);
    }
    for (unsigned i = 0; i < REQUEST_METRICS_ERRORS_MAX; i++) {
        const char *code = __atomic_load_n(&from->errors[i].code, __ATOMIC_ACQUIRE);
        if (code == NULL)
            break;
        count_error(to, code, get(&from->errors[i].count));
    }
}
