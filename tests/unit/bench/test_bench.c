/* The parts of the load generator that have no I/O: what is sent must be what is compared, and never the same twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench_http.h"
#include "bench_latency.h"
#include "bench_payload.h"
#include "hash.h"

#define OBJECTS 40u

static struct bench_options options_of(uint64_t seed, const char *prefix)
{
    struct bench_options o = {
        .host = "127.0.0.1",
        .port = 9000,
        .access_key = "AKIAEXAMPLE",
        .secret_key = "secret",
        .region = "us-east-1",
        .sizes = {0, 1, 7, 8, 9, 16383, 16384, 16385, 16392, 70u << 10, 3u << 20},
        .size_count = 11,
        .seed = seed,
    };
    snprintf(o.prefix, sizeof o.prefix, "%s", prefix);
    return o;
}

/* All bytes, from pieces of the content that begin and end anywhere. */
static uint8_t *bytes_by_pieces(const struct bench_content *c, uint64_t step)
{
    uint8_t *out = malloc(c->size + 1);
    uint64_t at = 0;
    assert_non_null(out);
    while (at < c->size) {
        struct bench_pieces p = {.count = 0};
        uint64_t len = c->size - at < step ? c->size - at : step;
        bench_content_pieces(c, at, len, &p);
        assert_true(p.bytes > 0 && p.bytes <= len);
        assert_true(p.count <= BENCH_IOVS_MAX);
        for (unsigned i = 0; i < p.count; i++) {
            assert_true(p.iov[i].iov_len > 0);
            memcpy(out + at, p.iov[i].iov_base, p.iov[i].iov_len);
            at += p.iov[i].iov_len;
        }
    }
    return out;
}

static void test_pieces_are_one_content(void **state)
{
    (void)state;
    struct bench_options o = options_of(1, "o/");
    struct bench_payload payload;
    assert_true(bench_payload_init(&payload, &o));
    for (uint64_t object = 0; object < OBJECTS; object++) {
        struct bench_content c = bench_content_of(&payload, object);
        uint8_t *whole = bytes_by_pieces(&c, UINT64_MAX);
        static const uint64_t steps[] = {4099, 16384, 100001};
        for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            uint8_t *pieced = bytes_by_pieces(&c, steps[i]);
            assert_memory_equal(whole, pieced, c.size);
            free(pieced);
        }
        assert_true(bench_content_equals(&c, 0, whole, c.size));
        char by_content[65], by_bytes[65];
        struct sha256 digest = sha256_of(whole, c.size);
        bench_content_sha256(&c, by_content);
        hex_encode(digest.b, sizeof digest.b, by_bytes);
        assert_string_equal(by_content, by_bytes);
        if (c.size > 0) {
            static const uint64_t places[] = {0, 8, 16383, 16384, UINT64_MAX};
            for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
                uint64_t at = places[i] < c.size ? places[i] : c.size - 1;
                whole[at] ^= 1;
                assert_false(bench_content_equals(&c, 0, whole, c.size));
                assert_false(bench_content_equals(&c, at, whole + at, 1));
                whole[at] ^= 1;
            }
            assert_true(bench_content_equals(&c, c.size / 2, whole + c.size / 2, c.size - c.size / 2));
        }
        free(whole);
    }
    bench_payload_fini(&payload);
}

/* Blocks of one content, in place, as eight bytes each: the stamps. */
static unsigned collect_stamps(const struct bench_content *c, uint64_t *out, unsigned count)
{
    uint8_t *whole = bytes_by_pieces(c, UINT64_MAX);
    for (uint64_t at = 0; at + BENCH_STAMP_BYTES <= c->size; at += BENCH_BLOCK_BYTES)
        memcpy(&out[count++], whole + at, sizeof *out);
    free(whole);
    return count;
}

static int compare_words(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static void test_no_block_is_twice(void **state)
{
    (void)state;
    static uint64_t stamps[4 * OBJECTS * 200];
    static const struct {
        uint64_t seed;
        const char *prefix;
        uint64_t size;
    } runs[] = {{1, "o/", 3u << 20}, {2, "o/", 3u << 20}, {1, "p/", 3u << 20}, {1, "o/", 2u << 20}};
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct bench_options o = options_of(runs[i].seed, runs[i].prefix);
        struct bench_payload payload;
        o.sizes[0] = runs[i].size;
        o.size_count = 1;
        assert_true(bench_payload_init(&payload, &o));
        for (uint64_t object = 0; object < OBJECTS; object++) {
            struct bench_content c = bench_content_of(&payload, object);
            count = collect_stamps(&c, stamps, count);
        }
        bench_payload_fini(&payload);
    }
    assert_int_equal(count, (3 * 192 + 128) * OBJECTS);
    qsort(stamps, count, sizeof stamps[0], compare_words);
    for (unsigned i = 1; i < count; i++)
        assert_true(stamps[i] != stamps[i - 1]);
}

static void test_duplicates_repeat_originals(void **state)
{
    (void)state;
    struct bench_options o = options_of(1, "o/");
    unsigned repeated = 0;
    o.duplicates_percent = 50;
    for (uint64_t object = 0; object < 1000; object++) {
        uint64_t original = bench_original_of(&o, object);
        assert_true(original <= object);
        assert_int_equal(bench_original_of(&o, original), original);
        repeated += original != object ? 1 : 0;
    }
    assert_in_range(repeated, 400, 600);
}

static void test_paths(void **state)
{
    (void)state;
    char path[BENCH_PATH_MAX];
    bench_path_of("b", "a b/\xc3\xa9~+", path);
    assert_string_equal(path, "/b/a%20b/%C3%A9~%2B");
    bench_path_of("b", "", path);
    assert_string_equal(path, "/b");
    bench_query_value("a/b", path);
    assert_string_equal(path, "a%2Fb");
}

static enum bench_head_state parse(const char *text, enum bench_verb verb, struct bench_response *r, size_t *head_len)
{
    static char buf[1024];
    snprintf(buf, sizeof buf - 1, "%s", text);
    enum bench_head_state state = bench_http_parse(buf, strlen(buf), verb, r, head_len);
    assert_string_equal(buf, text);
    return state;
}

static void test_response_heads(void **state)
{
    (void)state;
    struct bench_response r = {.status = 0};
    size_t head_len = 0;
    static const char whole[] = "HTTP/1.1 200 OK\r\nx: y\r\nContent-Length:  12\r\n\r\nconnection: close\r\n\r\n";
    assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", BENCH_VERB_GET, &r, &head_len),
                     BENCH_HEAD_PARTIAL);
    assert_int_equal(parse(whole, BENCH_VERB_GET, &r, &head_len), BENCH_HEAD_WHOLE);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_len, 12);
    assert_int_equal(r.closing, BENCH_KEEP_ALIVE);
    assert_int_equal(head_len, strstr(whole, "connection") - whole);
    assert_int_equal(parse(whole, BENCH_VERB_HEAD, &r, &head_len), BENCH_HEAD_WHOLE);
    assert_int_equal(r.body_len, 0);
    assert_int_equal(parse("HTTP/1.1 204 No\r\nConnection: Close\r\n\r\n", BENCH_VERB_DELETE, &r, &head_len),
                     BENCH_HEAD_WHOLE);
    assert_int_equal(r.closing, BENCH_CLOSE);
    assert_int_equal(parse("HTTP/1.1 200 OK\r\n\r\n", BENCH_VERB_GET, &r, &head_len), BENCH_HEAD_BAD);
    assert_int_equal(parse("ICY 200 OK\r\n\r\n", BENCH_VERB_GET, &r, &head_len), BENCH_HEAD_BAD);
    bench_http_note_error(&r, (const uint8_t *)"<Error><Code>SlowDown</Code>", 28);
    assert_string_equal(r.error_code, "SlowDown");
    r.error_code[0] = '\0';
    bench_http_note_error(&r, (const uint8_t *)"<Error><Code>SlowDown</Code>", 20);
    assert_string_equal(r.error_code, "");
}

static void test_percentiles(void **state)
{
    (void)state;
    static struct latency l, other;
    assert_int_equal(latency_at_us(&l, 0.5), 0);
    for (uint64_t us = 1; us <= 1000; us++)
        latency_add(us <= 500 ? &l : &other, us * 10);
    latency_merge(&l, &other);
    assert_in_range(latency_at_us(&l, 0.5), 5000, 5000 * 33 / 32 + 1);
    assert_in_range(latency_at_us(&l, 0.99), 9900, 9900 * 33 / 32 + 1);
    assert_int_equal(latency_at_us(&l, 1.0), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_one_content),
        cmocka_unit_test(test_no_block_is_twice),
        cmocka_unit_test(test_duplicates_repeat_originals),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_response_heads),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
