/* CompleteMultipartUpload, and the objects that come of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upload_steps.h"

#include <stdio.h>
#include <stdlib.h>

#define TAIL_ETAG "3852e84091b5460a137b271a5e8a9b57-1" /* of one part, "tail" */
#define BOTH_ETAG "017c05908df0e3bc035a7acec7b33fef-2" /* of 5 MiB 'b's, then "tail" */
#define BIG_MD5   "74843a3ab193a389bced899402d99d5f"
#define TAIL_MD5  "7aea2552dfe7eb84b9443b6fc9ba6e01"

static int setup(void **state)
{
    static struct client c;
    client_init(&c, NULL, NULL);
    assert_int_equal(client_do(&c, "PUT", "/bucket", NULL), 200);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    client_fini(*state);
    return 0;
}

/* Every kind, over the parts of BOTH_ETAG. */
static const struct kind {
    const char *alg, *type; /* NULL: not asked for */
    const char *header, *element, *tail, *sum, *answered_type;
} kinds[] = {
    {NULL, NULL, "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", "sAra2CkCEgw=", "IIk1NyeqqTg=", "FULL_OBJECT"},
    {"CRC64NVME", NULL, "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", "sAra2CkCEgw=", "IIk1NyeqqTg=", "FULL_OBJECT"},
    {"CRC32", "FULL_OBJECT", "x-amz-checksum-crc32", "ChecksumCRC32", "fDe0XQ==", "Ke5nZA==", "FULL_OBJECT"},
    {"CRC32C", "FULL_OBJECT", "x-amz-checksum-crc32c", "ChecksumCRC32C", "B21LrQ==", "pQUwsA==", "FULL_OBJECT"},
    {"CRC32", NULL, "x-amz-checksum-crc32", "ChecksumCRC32", "fDe0XQ==", "W+/zdQ==-2", "COMPOSITE"},
    {"CRC32C", NULL, "x-amz-checksum-crc32c", "ChecksumCRC32C", "B21LrQ==", "s4lsgw==-2", "COMPOSITE"},
    {"SHA1", NULL, "x-amz-checksum-sha1", "ChecksumSHA1",
     "+/XyoodbO7Zbjjsj5swB1YyjBEc=", "hPk5+hF84caUqheVsCuZbHFuxX8=-2", "COMPOSITE"},
    {"SHA256", NULL, "x-amz-checksum-sha256", "ChecksumSHA256",
     "DGL4du8d6oMN6fMsL0tG3W101Q0ViW4J71ovzUrH4dc=", "HRseFGYe5JO7IALlznUPW+TmJ9Yp4iPpcWuKm58l/3Q=-2", "COMPOSITE"},
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static void upload_both(struct step_upload *u, struct client *c, const char *path, const struct kind *kind)
{
    struct client_header headers[3] = {{NULL, NULL}};
    if (kind->alg != NULL)
        headers[0] = (struct client_header){"x-amz-checksum-algorithm", kind->alg};
    if (kind->type != NULL)
        headers[1] = (struct client_header){"x-amz-checksum-type", kind->type};
    step_create(u, c, path, headers);
    step_big_part(u, 1);
    step_part(u, 2, "tail", (struct client_header[]){{kind->header, kind->tail}, {NULL, NULL}});
}

static void expect_complete(struct step_upload *u, const struct client_header *headers, unsigned status,
                            const char *code)
{
    struct client_call call = {.method = "POST", .target = step_upload_target(u), .body = step_document(u)};
    for (unsigned i = 0; headers != NULL && headers[i].name != NULL; i++)
        call.headers[i] = headers[i];
    if (status == 200)
        assert_int_equal(client_call(u->c, &call), 200);
    else
        client_expect(u->c, &call, status, code);
}

static void test_complete(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/a%20b",
                (struct client_header[]){{"content-type", "application/dicom"},
                                         {"x-amz-meta-one", "1"},
                                         {"x-amz-storage-class", "STANDARD_IA"},
                                         {NULL, NULL}});
    step_part(&u, 7, "tail", NULL);
    step_complete(&u);
    assert_string_equal(client_element(c, "Location"), "http://localhost:9000/bucket/a%20b");
    assert_string_equal(client_element(c, "Bucket"), "bucket");
    assert_string_equal(client_element(c, "Key"), "a b");
    assert_string_equal(client_element(c, "ETag"), "&quot;" TAIL_ETAG "&quot;");
    assert_string_equal(client_element(c, "ChecksumCRC64NVME"), "sAra2CkCEgw=");
    assert_string_equal(client_element(c, "ChecksumType"), "FULL_OBJECT");
    assert_int_equal(client_do(c, "GET", "/bucket/a%20b", NULL), 200);
    assert_string_equal(c->answer.body, "tail");
    assert_string_equal(client_header(c, "ETag"), "\"" TAIL_ETAG "\"");
    assert_string_equal(client_header(c, "Content-Type"), "application/dicom");
    assert_string_equal(client_header(c, "x-amz-meta-one"), "1");
    assert_string_equal(client_header(c, "x-amz-storage-class"), "STANDARD_IA");
    assert_null(client_header(c, "x-amz-mp-parts-count"));
    client_expect_do(c, "GET", step_upload_target(&u), NULL, 404, "NoSuchUpload");
    client_expect_do(c, "DELETE", step_upload_target(&u), NULL, 404, "NoSuchUpload");
}

/* The answer was lost; so the client asks again, with all it said before. */
static void test_complete_again(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_big(c);
    upload_both(&u, c, "/bucket/key", &kinds[4]);
    struct client_header headers[] = {
        {kinds[4].header, kinds[4].sum}, {"x-amz-mp-object-size", "5242884"}, {NULL, NULL}};
    expect_complete(&u, headers, 200, NULL);
    expect_complete(&u, headers, 200, NULL);
    assert_string_equal(client_element(c, "ETag"), "&quot;" BOTH_ETAG "&quot;");
    assert_string_equal(client_element(c, "ChecksumCRC32"), kinds[4].sum);
    assert_int_equal(client_do(c, "PUT", "/bucket/key", "another"), 200);
    expect_complete(&u, headers, 404, "NoSuchUpload");
}

static void test_checksums(void **state)
{
    struct client *c = *state;
    step_big(c);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct kind *k = &kinds[i];
        struct step_upload u;
        upload_both(&u, c, "/bucket/key", k);
        expect_complete(&u,
                        (struct client_header[]){{k->header, k->sum},
                                                 {"x-amz-checksum-type", k->answered_type},
                                                 {"x-amz-mp-object-size", "5242884"},
                                                 {NULL, NULL}},
                        200, NULL);
        assert_string_equal(client_element(c, "ETag"), "&quot;" BOTH_ETAG "&quot;");
        assert_string_equal(client_element(c, k->element), k->sum);
        assert_string_equal(client_element(c, "ChecksumType"), k->answered_type);
        struct client_call head = {
            .method = "HEAD", .target = "/bucket/key", .headers = {{"x-amz-checksum-mode", "ENABLED"}}};
        assert_int_equal(client_call(c, &head), 200);
        assert_string_equal(client_header(c, k->header), k->sum);
        assert_string_equal(client_header(c, "x-amz-checksum-type"), k->answered_type);
        assert_string_equal(client_header(c, "Content-Length") ? client_header(c, "Content-Length") : "-", "-");
        assert_int_equal(c->answer.content_length, STEP_PART_BYTES + 4);
        head.target = "/bucket/key?partNumber=2";
        assert_int_equal(client_call(c, &head), 206);
        assert_string_equal(client_header(c, k->header), k->tail);
    }
}

static void test_wrong_checksums(void **state)
{
    struct client *c = *state;
    step_big(c);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        const struct kind *k = &kinds[i];
        bool composite = strcmp(k->answered_type, "COMPOSITE") == 0;
        struct step_upload u;
        char sum[128], document[sizeof u.list];
        upload_both(&u, c, "/bucket/key", k);
        unsigned changes = fake_store_changes(c->store);
        expect_complete(&u, (struct client_header[]){{k->header, k->tail}, {NULL, NULL}}, 400, "BadDigest");
        expect_complete(&u, (struct client_header[]){{k->header, "nonsense"}, {NULL, NULL}}, 400, "InvalidRequest");
        snprintf(sum, sizeof sum, "%.*s-3", (int)strcspn(k->sum, "-"), k->sum);
        expect_complete(&u, (struct client_header[]){{k->header, sum}, {NULL, NULL}}, 400,
                        composite ? "BadDigest" : "InvalidRequest");
        expect_complete(
            &u,
            (struct client_header[]){{"x-amz-checksum-type", composite ? "FULL_OBJECT" : "COMPOSITE"}, {NULL, NULL}},
            400, "InvalidRequest");
        expect_complete(&u,
                        (struct client_header[]){
                            {"x-amz-checksum-crc32", "AAAAAA=="}, {"x-amz-checksum-crc32c", "AAAAAA=="}, {NULL, NULL}},
                        400, "InvalidRequest");
        /* a part's checksum that is another, malformed, missing */
        char *at = strstr(u.list, k->tail);
        assert_non_null(at);
        *at = *at == 'X' ? 'Y' : 'X';
        expect_complete(&u, NULL, 400, "InvalidPart");
        *at = '!';
        expect_complete(&u, NULL, 400, "InvalidArgument");
        snprintf(document, sizeof document, "%s",
                 "<Part><PartNumber>1</PartNumber><ETag>" BIG_MD5 "</ETag></Part>"
                 "<Part><PartNumber>2</PartNumber><ETag>\"" TAIL_MD5 "\"</ETag></Part>");
        memcpy(u.list, document, sizeof u.list);
        assert_int_equal(fake_store_changes(c->store), changes);
        if (composite) {
            expect_complete(&u, NULL, 400, "InvalidRequest");
            assert_non_null(strstr(client_element(c, "Message"), "It was missing for part 1 in the request."));
        } else {
            expect_complete(&u, NULL, 200, NULL);
        }
    }
}

static void test_other_algorithm(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    /* not asked for: any will do for parts, as JavaScript's SDK sends them */
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "tail", (struct client_header[]){{"x-amz-checksum-crc32", "fDe0XQ=="}, {NULL, NULL}});
    assert_non_null(strstr(u.list, "<ChecksumCRC32>"));
    expect_complete(&u, (struct client_header[]){{"x-amz-checksum-crc32", "fDe0XQ=="}, {NULL, NULL}}, 400,
                    "InvalidRequest");
    step_complete(&u);
    assert_string_equal(client_element(c, "ChecksumCRC64NVME"), "sAra2CkCEgw=");
    /* asked for: no other */
    step_create(&u, c, "/bucket/key",
                (struct client_header[]){
                    {"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", "FULL_OBJECT"}, {NULL, NULL}});
    step_part(&u, 1, "tail", NULL);
    snprintf(u.list, sizeof u.list,
             "<Part><PartNumber>1</PartNumber><ETag>%s</ETag><ChecksumCRC32C>B21LrQ==</ChecksumCRC32C></Part>",
             TAIL_MD5);
    expect_complete(&u, NULL, 400, "InvalidPart");
}

static void test_object_size(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "tail", NULL);
    static const char *const wrong[] = {"5", "3", "0", "", "x", "-4", "18446744073709551615", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_complete(&u, (struct client_header[]){{"x-amz-mp-object-size", wrong[i]}, {NULL, NULL}}, 400,
                        "InvalidRequest");
    expect_complete(&u, (struct client_header[]){{"x-amz-mp-object-size", "4"}, {NULL, NULL}}, 200, NULL);
}

/* ---- lists ---- */

static void expect_list(struct step_upload *u, const char *document, unsigned status, const char *code)
{
    client_expect_do(u->c, "POST", step_upload_target(u), document, status, code);
}

static void test_malformed_lists(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "tail", NULL);
    static const char *const documents[] = {
        "",
        "nonsense",
        "<CompleteMultipartUpload/>",
        "<CompleteMultipartUpload></CompleteMultipartUpload>",
        "<Complete><Part><PartNumber>1</PartNumber><ETag>" TAIL_MD5 "</ETag></Part></Complete>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><ETag>" TAIL_MD5 "</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>" TAIL_MD5
        "</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber></PartNumber><ETag>" TAIL_MD5
        "</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>-1</PartNumber><ETag>" TAIL_MD5
        "</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><PartNumber>1</PartNumber><ETag>" TAIL_MD5
        "</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" TAIL_MD5 "</ETag><ETag>" TAIL_MD5
        "</ETag></Part></CompleteMultipartUpload>",
    };
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        expect_list(&u, documents[i], 400, "MalformedXML");
    expect_list(&u, NULL, 400, "MalformedXML");
    struct client_call call = {.method = "POST",
                               .target = step_upload_target(&u),
                               .body = step_document(&u),
                               .content_length = "4194305",
                               .body_sent_bytes = 1};
    client_expect(c, &call, 400, "MaxMessageLengthExceeded");
    step_complete(&u);
}

static void test_wrong_parts(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 2, "tail", NULL);
    step_part(&u, 3, "tail", NULL);
    static const struct {
        const char *list, *code;
    } rows[] = {
        {"<Part><PartNumber>1</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>0</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>10001</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>4294967298</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>2</PartNumber><ETag>" BIG_MD5 "</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>2</PartNumber><ETag>\"\"</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>2</PartNumber><ETag>\"</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>2</PartNumber><ETag/></Part>", "InvalidPart"},
        {"<Part><PartNumber>2</PartNumber><ETag>" TAIL_ETAG "</ETag></Part>", "InvalidPart"},
        {"<Part><PartNumber>3</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>"
         "<Part><PartNumber>2</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>",
         "InvalidPartOrder"},
        {"<Part><PartNumber>2</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>"
         "<Part><PartNumber>2</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>",
         "InvalidPartOrder"},
        {"<Part><PartNumber>2</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>"
         "<Part><PartNumber>3</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>",
         "EntityTooSmall"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(u.list, sizeof u.list, "%s", rows[i].list);
        expect_complete(&u, NULL, 400, rows[i].code);
    }
    assert_string_equal(client_element(c, "PartNumber"), "2");
    assert_string_equal(client_element(c, "ETag"), TAIL_MD5);
    assert_string_equal(client_element(c, "MinSizeAllowed"), "5242880");
    /* parts that are not named are left out */
    snprintf(u.list, sizeof u.list, "%s", "<Part><PartNumber>3</PartNumber><ETag>" TAIL_MD5 "</ETag></Part>");
    step_complete(&u);
    assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
    assert_string_equal(c->answer.body, "tail");
}

static void test_refused(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "tail", NULL);
    const char *document = step_document(&u);
    client_expect_do(c, "POST", "/bucket/key?uploadId=0123", document, 404, "NoSuchUpload");
    client_expect_do(c, "POST", "/bucket/key?uploadId=00000000000000000000000000000000", document, 404, "NoSuchUpload");
    client_expect_do(c, "POST", "/absent-bucket/key?uploadId=00000000000000000000000000000000", document, 404,
                     "NoSuchBucket");
    struct client_call call = {.method = "POST",
                               .target = step_upload_target(&u),
                               .body = document,
                               .headers = {{"content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="}}};
    client_expect(c, &call, 400, "BadDigest");
    fake_store_fail(c->store, FAKE_CALL_COMPLETE, 1, DOL_EFULL);
    expect_complete(&u, NULL, 507, "StorageFull");
    fake_store_fail(c->store, FAKE_CALL_COMPLETE, 1, DOL_ENOUPLOAD);
    expect_complete(&u, NULL, 404, "NoSuchUpload");
    assert_string_equal(client_element(c, "UploadId"), u.id);
    step_complete(&u);
}

/* ---- reading what came of it ---- */

static void test_get_part(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_big(c);
    upload_both(&u, c, "/bucket/key", &kinds[5]);
    step_complete(&u);
    struct client_call call = {
        .method = "GET", .target = "/bucket/key?partNumber=2", .headers = {{"x-amz-checksum-mode", "ENABLED"}}};
    assert_int_equal(client_call(c, &call), 206);
    assert_string_equal(c->answer.body, "tail");
    assert_string_equal(client_header(c, "Content-Range"), "bytes 5242880-5242883/5242884");
    assert_string_equal(client_header(c, "x-amz-mp-parts-count"), "2");
    assert_string_equal(client_header(c, "ETag"), "\"" BOTH_ETAG "\"");
    assert_string_equal(client_header(c, "x-amz-checksum-crc32c"), kinds[5].tail);
    assert_string_equal(client_header(c, "x-amz-checksum-type"), "COMPOSITE");
    call.target = "/bucket/key?partNumber=1";
    call.method = "HEAD";
    assert_int_equal(client_call(c, &call), 206);
    assert_string_equal(client_header(c, "Content-Range"), "bytes 0-5242879/5242884");
    assert_int_equal(c->answer.content_length, STEP_PART_BYTES);
    client_expect_do(c, "GET", "/bucket/key?partNumber=3", NULL, 416, "InvalidPartNumber");
    assert_string_equal(client_element(c, "ActualPartCount"), "2");
    client_expect_do(c, "GET", "/bucket/key?partNumber=10000", NULL, 416, "InvalidPartNumber");
    client_expect_do(c, "GET", "/bucket/key?partNumber=0", NULL, 400, "InvalidArgument");
    client_expect_do(c, "GET", "/bucket/key?partNumber=10001", NULL, 400, "InvalidArgument");
    /* a range has none of it, nor the checksum */
    call = (struct client_call){.method = "GET",
                                .target = "/bucket/key",
                                .headers = {{"range", "bytes=5242879-5242880"}, {"x-amz-checksum-mode", "ENABLED"}}};
    assert_int_equal(client_call(c, &call), 206);
    assert_string_equal(c->answer.body, "bt");
    assert_null(client_header(c, "x-amz-mp-parts-count"));
    assert_null(client_header(c, "x-amz-checksum-crc32c"));
    call.target = "/bucket/key?partNumber=1";
    client_expect(c, &call, 400, "InvalidRequest");
}

static void test_get_part_gaps(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_big(c);
    step_create(&u, c, "/bucket/key", NULL);
    step_big_part(&u, 3);
    step_part(&u, 9, "tail", NULL);
    step_complete(&u);
    assert_int_equal(client_do(c, "GET", "/bucket/key?partNumber=9", NULL), 206);
    assert_string_equal(c->answer.body, "tail");
    assert_int_equal(client_do(c, "HEAD", "/bucket/key?partNumber=3", NULL), 206);
    static const char *const absent[] = {"1", "2", "4", "8", "10"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        char target[64];
        snprintf(target, sizeof target, "/bucket/key?partNumber=%s", absent[i]);
        client_expect_do(c, "GET", target, NULL, 416, "InvalidPartNumber");
    }
}

/* A copy is one piece again. */
static void test_copy_of_multipart(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_big(c);
    upload_both(&u, c, "/bucket/key", &kinds[7]);
    step_complete(&u);
    struct client_call call = {
        .method = "PUT", .target = "/bucket/copy", .headers = {{"x-amz-copy-source", "/bucket/key"}}};
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(client_element(c, "ChecksumSHA256"), "ZB/lZkEvzaatwwZdPOsZqwNjhY3b2Q7E2RuypFumGAA=");
    assert_string_equal(client_element(c, "ChecksumType"), "FULL_OBJECT");
    assert_null(strchr(client_element(c, "ETag"), '-'));
    assert_int_equal(client_do(c, "HEAD", "/bucket/copy?partNumber=1", NULL), 206);
    assert_null(client_header(c, "x-amz-mp-parts-count"));
}

static void test_small_arena(void **state)
{
    struct client *c = *state;
    struct step_upload u;
    step_create(&u, c, "/bucket/key", NULL);
    step_part(&u, 1, "tail", NULL);
    for (size_t bytes = 1; bytes < 40u << 10; bytes += 113) {
        struct client_call call = {
            .method = "POST", .target = step_upload_target(&u), .body = step_document(&u), .arena_bytes = bytes};
        unsigned status = client_call(c, &call);
        assert_true(status == 200 || status == 503 || (status == 0 && c->answer.cut));
    }
    assert_int_equal(client_do(c, "GET", "/bucket/key", NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_complete_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checksums, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_checksums, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_algorithm, setup, teardown),
        cmocka_unit_test_setup_teardown(test_object_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_part_gaps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_of_multipart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_arena, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
