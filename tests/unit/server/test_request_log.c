/* What of a request's target may be logged, and the counts of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "request_log.h"
#include "request_metrics.h"

#include <stdio.h>
#include <stdlib.h>

static void check(const char *target, const char *expected)
{
    char out[REQUEST_LOG_TARGET_BYTES_MAX];
    request_log_target(bytes_of(target, strlen(target)), out, sizeof out);
    assert_string_equal(out, expected);
}

static void secrets_do_not_reach_the_log(void **state)
{
    (void)state;
    check("", "");
    check("/", "/");
    check("/b/k?", "/b/k?");
    check("/b/k?uploads", "/b/k?uploads");
    check("/b?delete=", "/b?delete=");
    check("/b?list-type=2&prefix=a%20b&max-keys=5", "/b?list-type=2&prefix=a%20b&max-keys=5");
    check("/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F2026&X-Amz-Signature=abcdef&versionId=null",
          "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=...&X-Amz-Signature=...&versionId=null");
    check("/b/k?AWSAccessKeyId=A&Signature=s%3D&Expires=1", "/b/k?AWSAccessKeyId=...&Signature=...&Expires=...");
    /* Spelt in another way, it is still not logged. */
    check("/b/k?x-amz-signature=abc", "/b/k?x-amz-signature=...");
    check("/b/k?X-Amz-Sign%61ture=abc", "/b/k?...");
    check("/b/k?X-Amz-Signature%3Dabc", "/b/k?...");
    check("/b/k?X-Amz-Security-Token=t?u=v&&=x&a", "/b/k?X-Amz-Security-Token=...&&=...&a");
}

static void long_targets_are_cut(void **state)
{
    char target[5000];
    char out[REQUEST_LOG_TARGET_BYTES_MAX];
    (void)state;
    memset(target, 'a', sizeof target);
    target[0] = '/';
    request_log_target(bytes_of(target, sizeof out - 1), out, sizeof out);
    assert_int_equal(strlen(out), sizeof out - 1);
    assert_int_equal(out[sizeof out - 2], 'a');
    request_log_target(bytes_of(target, sizeof out), out, sizeof out);
    assert_int_equal(strlen(out), sizeof out - 1);
    assert_string_equal(out + sizeof out - 5, "a...");
}

static void record(struct request_metrics *m, const char *operation, unsigned status, uint64_t duration_ns)
{
    struct exchange x = {
        .operation = operation, .status = status, .response_begun = status != 0, .bytes_in = 3, .bytes_out = 5};
    request_metrics_record(m, &x, duration_ns);
}

static void requests_are_counted_by_operation(void **state)
{
    struct request_metrics *m = calloc(2, sizeof *m);
    (void)state;
    assert_non_null(m);
    record(&m[0], "GetObject", 200, 1000000);
    record(&m[0], "GetObject", 404, 1000001);
    record(&m[0], "PutObject", 200, UINT64_MAX);
    record(&m[0], "GetObject", 200, 0);
    record(&m[0], NULL, 0, 0);
    request_metrics_add(&m[1], &m[0]);
    request_metrics_add(&m[1], &m[0]);
    const struct request_metrics_operation *op = m[1].operations;
    assert_string_equal(op[0].name, "GetObject");
    assert_int_equal(op[0].statuses[0].status, 200);
    assert_int_equal(op[0].statuses[0].count, 4);
    assert_int_equal(op[0].statuses[1].status, 404);
    assert_int_equal(op[0].statuses[1].count, 2);
    assert_int_equal(op[0].buckets[0], 4);
    assert_int_equal(op[0].buckets[1], 2);
    assert_int_equal(op[0].bytes_in, 18);
    assert_int_equal(op[0].bytes_out, 30);
    assert_string_equal(op[1].name, "PutObject");
    assert_int_equal(op[1].buckets[REQUEST_METRICS_BUCKETS - 1], 2);
    assert_string_equal(op[2].name, "none");
    assert_int_equal(op[2].statuses[0].status, 499);
    assert_null(op[3].name);
    free(m);
}

static void operations_beyond_the_maximum_are_counted_together(void **state)
{
    static char names[REQUEST_METRICS_OPERATIONS_MAX + 10][8];
    struct request_metrics *m = calloc(1, sizeof *m);
    uint64_t sum = 0;
    (void)state;
    assert_non_null(m);
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX + 10; i++) {
        snprintf(names[i], sizeof names[i], "op%u", i);
        record(m, names[i], 100 + i, 0);
        record(m, "op0", 100 + i, 0);
    }
    for (unsigned i = 0; i < REQUEST_METRICS_OPERATIONS_MAX; i++)
        for (unsigned j = 0; j < REQUEST_METRICS_STATUSES_MAX; j++)
            sum += m->operations[i].statuses[j].count;
    assert_int_equal(sum, 2 * (REQUEST_METRICS_OPERATIONS_MAX + 10));
    assert_string_equal(m->operations[REQUEST_METRICS_OPERATIONS_MAX - 1].name, "other");
    assert_int_equal(m->operations[REQUEST_METRICS_OPERATIONS_MAX - 1].buckets[0], 11);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_do_not_reach_the_log),
        cmocka_unit_test(long_targets_are_cut),
        cmocka_unit_test(requests_are_counted_by_operation),
        cmocka_unit_test(operations_beyond_the_maximum_are_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
