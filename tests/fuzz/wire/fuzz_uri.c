/* Targets and the small header parsers: percent coding there and back, places, dates, ranges, entity tags. */
#include "fuzz_check.h"
#include "http_date.h"
#include "http_etag.h"
#include "http_range.h"
#include "uri.h"

static void check_coding(struct bytes raw, struct arena *a)
{
    struct bytes encoded, back, decoded;
    static const enum uri_encode_as ways[] = {URI_ENCODE_ALL, URI_ENCODE_PATH};
    for (unsigned i = 0; i < 2; i++) {
        CHECK(uri_encode(raw, ways[i], a, &encoded) == DOL_OK);
        CHECK(encoded.len == uri_encoded_bytes(raw, ways[i]) && encoded.len <= 3 * raw.len);
        CHECK(uri_decode(encoded, URI_DECODE_PATH, a, &back) == DOL_OK && bytes_equal(back, raw));
        CHECK(uri_decode(encoded, URI_DECODE_QUERY, a, &back) == DOL_OK && bytes_equal(back, raw));
    }
    enum dol_err err = uri_decode(raw, URI_DECODE_PATH, a, &decoded);
    CHECK(err == DOL_OK || err == DOL_ESYNTAX);
    CHECK(err != DOL_OK || decoded.len <= raw.len);
}

static void check_target(struct bytes target, struct arena *a)
{
    struct bytes path, query;
    struct uri_query params;
    struct uri_place place;
    uri_split(target, &path, &query);
    CHECK(path.len + query.len <= target.len);
    if (uri_query_parse(query, a, &params) == DOL_OK) {
        CHECK(params.count <= URI_PARAMS_MAX);
        size_t total = 0;
        for (unsigned i = 0; i < params.count; i++)
            total += params.params[i].name.len + params.params[i].value.len;
        CHECK(total <= query.len);
    }
    if (uri_locate(path, query, bytes_of("s3.example", 10), a, &place) == DOL_OK) {
        (void)uri_bucket_name_is_valid(place.bucket);
        if (uri_key_check(place.key) == URI_KEY_OK)
            CHECK(place.key.len <= URI_KEY_BYTES_MAX && uri_is_utf8(place.key));
    }
}

static void check_dates(struct bytes text)
{
    int64_t t, back, ns;
    char out[HTTP_DATE_TEXT_MAX];
    if (http_date_parse(text, &t)) {
        size_t len = http_date_format(t, out);
        CHECK(http_date_parse(bytes_of(out, len), &back) && back == t);
    }
    if (http_date_parse_basic(text, &t) && t < 253402300800) { /* a leap second may lead into the year 10000 */
        size_t len = http_date_format_basic(t, out);
        CHECK(http_date_parse_basic(bytes_of(out, len), &back) && back == t);
    }
    if (http_date_parse_iso(text, &ns)) {
        size_t len = http_date_format_iso(ns, out);
        CHECK(http_date_parse_iso(bytes_of(out, len), &back) && back <= ns && ns - back < 1000000);
    }
}

static void check_range(struct bytes text)
{
    static const uint64_t sizes[] = {0, 1, 10, 1ull << 40, UINT64_MAX};
    struct http_range r;
    for (unsigned i = 0; i < 5; i++) {
        if (http_range_parse(text, sizes[i], &r) == HTTP_RANGE_PART)
            CHECK(r.len >= 1 && r.offset < sizes[i] && r.len <= sizes[i] - r.offset);
        if (http_range_parse_copy(text, sizes[i], &r))
            CHECK(r.len >= 1 && r.offset < sizes[i] && r.len <= sizes[i] - r.offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    struct arena arena;
    if (size > 16384)
        return 0;
    arena_init(&arena, 1u << 20);
    check_coding(text, &arena);
    check_target(text, &arena);
    check_dates(text);
    check_range(text);
    bool strong = http_etag_matches(text, bytes_of("a", 1), HTTP_ETAG_STRONG);
    CHECK(!strong || http_etag_matches(text, bytes_of("a", 1), HTTP_ETAG_WEAK));
    arena_fini(&arena);
    return 0;
}
