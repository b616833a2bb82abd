/* Signature Version 4 against the examples AWS publishes, and against everything that must not pass. */
#include "hash.h"
#include "http_date.h"
#include "sigv4.h"
#include "wire_test.h"

#define ACCESS_KEY "AKIAIOSFODNN7EXAMPLE"
#define SECRET     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SCOPE      "20130524/us-east-1/s3/aws4_request"
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EXAMPLE_S  1369353600 /* 2013-05-24T00:00:00Z */

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* A request made of texts; headers are "name", "value", ..., NULL. */
struct example {
    const char *method;
    const char *path;
    const char *query;
    const char *headers[24];
};

struct built {
    struct sigv4_request req;
    struct uri_query query;
    struct wire_header headers[16];
};

static void build(const struct example *e, struct built *b)
{
    assert_int_equal(uri_query_parse(str(e->query), &arena, &b->query), DOL_OK);
    unsigned n = 0;
    for (; e->headers[2 * n] != NULL; n++)
        b->headers[n] = (struct wire_header){str(e->headers[2 * n]), str(e->headers[2 * n + 1])};
    b->req = (struct sigv4_request){
        .method = str(e->method), .path = str(e->path), .query = &b->query, .headers = b->headers, .header_count = n};
}

/* All steps, as the gateway takes them. */
static enum sigv4_result run_at(const struct example *e, struct sigv4_auth *auth, int64_t now_s, const char *secret)
{
    struct built b;
    struct sigv4_signing_key key;
    build(e, &b);
    enum sigv4_result result = sigv4_parse(&b.req, auth);
    if (result == SIGV4_OK)
        result = sigv4_check(&b.req, auth, str("us-east-1"), now_s);
    if (result != SIGV4_OK)
        return result;
    sigv4_derive_key(str(secret), auth->date, auth->region, auth->service, &key);
    return sigv4_verify(&b.req, auth, &key, &arena);
}

static enum sigv4_result run(const struct example *e)
{
    struct sigv4_auth auth;
    return run_at(e, &auth, EXAMPLE_S + 60, SECRET);
}

#define AUTHORIZATION(names, signature)                                                                                \
    "authorization", "AWS4-HMAC-SHA256 Credential=" ACCESS_KEY "/" SCOPE ",SignedHeaders=" names ",Signature"          \
                     "=" signature
#define HOST "host", "examplebucket.s3.amazonaws.com"
#define DATE "x-amz-date", "20130524T000000Z"
#define HASH "x-amz-content-sha256", EMPTY_HASH

/* https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
static const struct example get_object = {
    "GET",
    "/test.txt",
    "",
    {HOST, "range", "bytes=0-9", HASH, DATE,
     AUTHORIZATION("host;range;x-amz-content-sha256;x-amz-date",
                   "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")}};
static const struct example put_object = {
    "PUT",
    "/test%24file.text",
    "",
    {HOST, "date", "Fri, 24 May 2013 00:00:00 GMT", DATE, "x-amz-storage-class", "REDUCED_REDUNDANCY",
     "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
     AUTHORIZATION("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                   "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")}};
static const struct example get_lifecycle = {
    "GET",
    "/",
    "lifecycle",
    {HOST, HASH, DATE,
     AUTHORIZATION("host;x-amz-content-sha256;x-amz-date",
                   "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")}};
static const struct example list_objects = {
    "GET",
    "/",
    "max-keys=2&prefix=J",
    {HOST, HASH, DATE,
     AUTHORIZATION("host;x-amz-content-sha256;x-amz-date",
                   "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")}};
/* https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
static const struct example presigned = {
    "GET",
    "/test.txt",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
    "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {HOST}};

static void test_aws_examples(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    assert_int_equal(run_at(&get_object, &auth, EXAMPLE_S, SECRET), SIGV4_OK);
    assert_bytes(auth.canonical_request, "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
                                         "x-amz-content-sha256:" EMPTY_HASH "\nx-amz-date:20130524T000000Z\n\n"
                                         "host;range;x-amz-content-sha256;x-amz-date\n" EMPTY_HASH);
    assert_bytes(auth.string_to_sign, "AWS4-HMAC-SHA256\n20130524T000000Z\n" SCOPE
                                      "\n7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    assert_bytes(auth.access_key, ACCESS_KEY);
    assert_bytes(auth.scope, SCOPE);
    assert_bytes(auth.date, "20130524");
    assert_bytes(auth.region, "us-east-1");
    assert_bytes(auth.service, "s3");
    assert_int_equal(auth.kind, SIGV4_KIND_HEADER);
    assert_int_equal(auth.payload, SIGV4_PAYLOAD_SHA256);
    struct sha256 empty = sha256_of("", 0);
    assert_true(sha256_equal(&auth.payload_hash, &empty));
    assert_int_equal(auth.time_s, EXAMPLE_S);

    assert_int_equal(run(&put_object), SIGV4_OK);
    assert_int_equal(run(&get_lifecycle), SIGV4_OK);
    assert_int_equal(run(&list_objects), SIGV4_OK);

    assert_int_equal(run_at(&presigned, &auth, EXAMPLE_S, SECRET), SIGV4_OK);
    assert_int_equal(auth.kind, SIGV4_KIND_PRESIGNED);
    assert_int_equal(auth.payload, SIGV4_PAYLOAD_UNSIGNED);
    assert_int_equal(auth.expires_s, 86400);
}

/* Any change to what was signed is a mismatch. */
static void test_mismatch(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    struct example e = get_object;
    assert_int_equal(run_at(&e, &auth, EXAMPLE_S, SECRET "x"), SIGV4_MISMATCH);
    e.method = "PUT";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e = get_object;
    e.path = "/test.txT";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e.path = "/./test.txt"; /* paths are not normalised */
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e.path = "//test.txt";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e = get_object;
    e.query = "acl";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e = get_object;
    e.headers[3] = "bytes=0-8";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    for (size_t digit = 0; digit < 64; digit++) {
        char authorization[512];
        size_t len = strlen(get_object.headers[9]);
        memcpy(authorization, get_object.headers[9], len + 1);
        char *at = authorization + len - 64 + digit;
        *at = *at == '0' ? '1' : '0';
        e = get_object;
        e.headers[9] = authorization;
        assert_int_equal(run(&e), SIGV4_MISMATCH);
    }
    e = get_object;
    e.headers[0] = "x-host"; /* Host is gone */
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e = presigned;
    e.headers[1] = "other.s3.amazonaws.com";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e = get_lifecycle;
    e.query = "lifecycle=x";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
}

/* Spellings that mean the same request. */
static void test_same_request(void **state)
{
    (void)state;
    struct example e = put_object;
    e.path = "/test$file.text"; /* signed as %24, sent plain */
    assert_int_equal(run(&e), SIGV4_OK);
    e = get_lifecycle;
    e.query = "lifecycle=";
    assert_int_equal(run(&e), SIGV4_OK);
    e = list_objects;
    e.query = "prefix=%4a&max%2Dkeys=2";
    assert_int_equal(run(&e), SIGV4_OK);
    e = get_object;
    e.headers[9] = "AWS4-HMAC-SHA256   Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41 ,  "
                   "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Credential=" ACCESS_KEY "/" SCOPE;
    assert_int_equal(run(&e), SIGV4_OK);
}

static void test_clock(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    const int64_t t = EXAMPLE_S;
    assert_int_equal(run_at(&get_object, &auth, t - 900, SECRET), SIGV4_OK);
    assert_int_equal(run_at(&get_object, &auth, t + 900, SECRET), SIGV4_OK);
    assert_int_equal(run_at(&get_object, &auth, t - 901, SECRET), SIGV4_SKEWED);
    assert_int_equal(run_at(&get_object, &auth, t + 901, SECRET), SIGV4_SKEWED);
    assert_int_equal(run_at(&presigned, &auth, t - 900, SECRET), SIGV4_OK);
    assert_int_equal(run_at(&presigned, &auth, t - 901, SECRET), SIGV4_NOT_YET_VALID);
    assert_int_equal(run_at(&presigned, &auth, t + 86400, SECRET), SIGV4_OK);
    assert_int_equal(run_at(&presigned, &auth, t + 86401, SECRET), SIGV4_EXPIRED);
}

/* ---- a signer of our own, to make what AWS has no example of ---- */

static char signed_authorization[2048];

/* Fills the Authorization value of e->headers[1] (e->headers[0] is "authorization") for the names given. */
static void sign(struct example *e, const char *scope, const char *names)
{
    struct built b;
    struct sigv4_auth auth;
    struct sigv4_signing_key key;
    uint8_t mac[32];
    char hex[65];
    snprintf(signed_authorization, sizeof signed_authorization,
             "AWS4-HMAC-SHA256 Credential=" ACCESS_KEY "/%s,SignedHeaders=%s,Signature=%064d", scope, names, 0);
    e->headers[0] = "authorization";
    e->headers[1] = signed_authorization;
    build(e, &b);
    assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_OK);
    sigv4_derive_key(str(SECRET), auth.date, auth.region, auth.service, &key);
    assert_int_equal(sigv4_verify(&b.req, &auth, &key, &arena), SIGV4_MISMATCH);
    hmac_sha256(bytes_of(key.b, 32), auth.string_to_sign, mac);
    hex_encode(mac, 32, hex);
    memcpy(strstr(signed_authorization, "Signature=") + 10, hex, 64);
}

static void test_canonical_headers(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    struct example e = {"GET",
                        "/a%2Fb",
                        "b=2&a=%20&b=1&A=+&%7E",
                        {"", "", HOST, HASH, DATE, "x-amz-meta-b", "two  inner\t \tblanks", "x-amz-meta-a", "first",
                         "x-amz-meta-a", "second", "x-amz-empty", ""}};
    sign(&e, SCOPE, "host;x-amz-content-sha256;x-amz-date;x-amz-empty;x-amz-meta-a;x-amz-meta-b");
    assert_int_equal(run_at(&e, &auth, EXAMPLE_S, SECRET), SIGV4_OK);
    assert_bytes(
        auth.canonical_request,
        "GET\n/a%2Fb\nA=%20&a=%20&b=1&b=2&~=\nhost:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" EMPTY_HASH
        "\nx-amz-date:20130524T000000Z\nx-amz-empty:\nx-amz-meta-a:first,second\nx-amz-meta-b:two inner blanks\n\n"
        "host;x-amz-content-sha256;x-amz-date;x-amz-empty;x-amz-meta-a;x-amz-meta-b\n" EMPTY_HASH);
}

static void test_scope(void **state)
{
    (void)state;
    static const struct {
        const char *scope;
        enum sigv4_result result;
    } cases[] = {
        {SCOPE, SIGV4_OK},
        {"20130524/eu-west-1/s3/aws4_request", SIGV4_WRONG_REGION},
        {"20130524//s3/aws4_request", SIGV4_WRONG_REGION},
        {"20130524/us-east-1/iam/aws4_request", SIGV4_WRONG_SERVICE},
        {"20130525/us-east-1/s3/aws4_request", SIGV4_WRONG_DATE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sigv4_auth auth;
        struct example e = {"GET", "/", "", {"", "", HOST, HASH, DATE}};
        sign(&e, cases[i].scope, "host;x-amz-content-sha256;x-amz-date");
        assert_int_equal(run_at(&e, &auth, EXAMPLE_S, SECRET), cases[i].result);
    }
}

static void test_headers_must_be_signed(void **state)
{
    (void)state;
    struct example e = {"GET", "/", "", {"", "", HOST, HASH, DATE, "x-amz-acl", "public-read"}};
    sign(&e, SCOPE, "host;x-amz-content-sha256;x-amz-date");
    assert_int_equal(run(&e), SIGV4_UNSIGNED_HEADER);
    e.headers[8] = "x-amzn-trace-id"; /* set by proxies, not one of S3's */
    assert_int_equal(run(&e), SIGV4_OK);
    e.headers[8] = "range";
    assert_int_equal(run(&e), SIGV4_OK);
    sign(&e, SCOPE, "host;x-amz-content-sha256;x-amz-date;range"); /* any order, as long as it is what was signed */
    assert_int_equal(run(&e), SIGV4_OK);
    /* a name that only contains a signed one is not signed */
    e.headers[8] = "x-amz-dat";
    assert_int_equal(run(&e), SIGV4_UNSIGNED_HEADER);
    struct example p = presigned;
    p.headers[2] = "x-amz-meta-injected";
    p.headers[3] = "v";
    assert_int_equal(run(&p), SIGV4_UNSIGNED_HEADER);
}

static void test_date_header_alone(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    struct example e = {"GET", "/", "", {"", "", HOST, HASH, "date", "Fri, 24 May 2013 00:00:00 GMT"}};
    sign(&e, SCOPE, "date;host;x-amz-content-sha256");
    assert_int_equal(run_at(&e, &auth, EXAMPLE_S, SECRET), SIGV4_OK);
    assert_string_equal(auth.amz_date, "20130524T000000Z");
    e.headers[7] = "yesterday";
    assert_int_equal(run(&e), SIGV4_MISSING_DATE);
    e.headers[6] = "x-date";
    assert_int_equal(run(&e), SIGV4_MISSING_DATE);
    e.headers[6] = "x-amz-date";
    e.headers[7] = "Fri, 24 May 2013 00:00:00 GMT";
    assert_int_equal(run(&e), SIGV4_MISSING_DATE);
}

static void test_payload_modes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sigv4_result result;
        enum sigv4_payload payload;
    } cases[] = {
        {EMPTY_HASH, SIGV4_OK, SIGV4_PAYLOAD_SHA256},
        {"UNSIGNED-PAYLOAD", SIGV4_OK, SIGV4_PAYLOAD_UNSIGNED},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_OK, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_OK, SIGV4_PAYLOAD_STREAM_SIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_OK, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
        {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", SIGV4_BAD_CONTENT_SHA256, 0},
        {"unsigned-payload", SIGV4_BAD_CONTENT_SHA256, 0},
        {"", SIGV4_BAD_CONTENT_SHA256, 0},
        {EMPTY_HASH "0", SIGV4_BAD_CONTENT_SHA256, 0},
        {"g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", SIGV4_BAD_CONTENT_SHA256, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct example e = get_object;
        struct built b;
        struct sigv4_auth auth;
        e.headers[5] = cases[i].text;
        build(&e, &b);
        assert_int_equal(sigv4_parse(&b.req, &auth), cases[i].result);
        if (cases[i].result == SIGV4_OK)
            assert_int_equal(auth.payload, cases[i].payload);
    }
    struct example e = get_object;
    e.headers[4] = "x-other";
    assert_int_equal(run(&e), SIGV4_MISSING_CONTENT_SHA256);
}

static void test_who_signs(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    struct built b;
    struct example e = {"GET", "/", "x-id=GetObject&X-Amz-Meta=1", {HOST}};
    assert_int_equal(run(&e), SIGV4_ANONYMOUS);
    e.headers[2] = "authorization";
    static const char *const others[] = {
        "AWS AKIA:sig",      "Basic eDp5",          "",
        "AWS4-HMAC-SHA256",  "AWS4-HMAC-SHA2567 x", "AWS4-ECDSA-P256-SHA256 Credential=x",
        "aws4-hmac-sha256 x"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        e.headers[3] = others[i];
        assert_int_equal(run(&e), SIGV4_UNSUPPORTED);
    }
    e = presigned;
    e.headers[2] = "authorization";
    e.headers[3] = "AWS AKIA:sig";
    assert_int_equal(run(&e), SIGV4_AMBIGUOUS);
    e = get_object;
    e.headers[10] = "x-amz-date";
    e.headers[11] = "20130524T000000Z";
    assert_int_equal(run(&e), SIGV4_MALFORMED);
    e = get_object;
    e.headers[10] = "x-amz-security-token";
    e.headers[11] = "token";
    build(&e, &b);
    assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_OK);
    assert_bytes(auth.security_token, "token");
}

static void test_malformed_authorization(void **state)
{
    (void)state;
#define CRED "Credential=" ACCESS_KEY "/" SCOPE
#define SIG  "Signature=" EMPTY_HASH
    static const char *const bad[] = {
        " ",
        CRED,
        CRED "," SIG,
        "SignedHeaders=host," SIG,
        CRED ",SignedHeaders=host",
        CRED ",SignedHeaders=," SIG,
        CRED ",SignedHeaders=range," SIG, /* without host */
        CRED ",SignedHeaders=host;host," SIG,
        CRED ",SignedHeaders=host;," SIG,
        CRED ",SignedHeaders=;host," SIG,
        CRED ",SignedHeaders=Host," SIG,
        CRED ",SignedHeaders=host;a b," SIG,
        CRED "," CRED ",SignedHeaders=host," SIG,
        CRED ",SignedHeaders=host," SIG "," SIG,
        CRED ",SignedHeaders=host," SIG ",Extra=1",
        CRED " SignedHeaders=host " SIG,
        "Credential=,SignedHeaders=host," SIG,
        "Credential=/" SCOPE ",SignedHeaders=host," SIG,
        "Credential=" SCOPE ",SignedHeaders=host," SIG,
        "Credential=AKIA/2013052/us-east-1/s3/aws4_request,SignedHeaders=host," SIG,
        "Credential=AKIA/20130524/us-east-1/s3/aws5_request,SignedHeaders=host," SIG,
        "Credential=AKIA/20130524/us-east-1/s3,SignedHeaders=host," SIG,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char value[512];
        struct example e = get_object;
        int n = snprintf(value, sizeof value, "AWS4-HMAC-SHA256 %s", bad[i]);
        char *copy = exact_copy(value, (size_t)n);
        struct built b;
        struct sigv4_auth auth;
        build(&e, &b);
        b.headers[4].value = bytes_of(copy, (size_t)n);
        assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_MALFORMED);
        free(copy);
    }
    /* a text that is no signature doesn't match; nothing tells more */
    struct example e = get_object;
    e.headers[9] = "AWS4-HMAC-SHA256 " CRED ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=0";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    e.headers[9] = "AWS4-HMAC-SHA256 " CRED ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=";
    assert_int_equal(run(&e), SIGV4_MISMATCH);
    /* slashes belong to the access key */
    struct built b;
    struct sigv4_auth auth;
    e.headers[9] = "AWS4-HMAC-SHA256 Credential=a/b/" SCOPE ",SignedHeaders=host," SIG;
    build(&e, &b);
    assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_OK);
    assert_bytes(auth.access_key, "a/b");
}

#define QUERY_CREDENTIAL "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
#define QUERY_SIGNATURE  "X-Amz-Signature=" EMPTY_HASH

static void test_malformed_query(void **state)
{
    (void)state;
    static const char *const pieces[] = {"X-Amz-Algorithm=AWS4-HMAC-SHA256", QUERY_CREDENTIAL,
                                         "X-Amz-Date=20130524T000000Z",      "X-Amz-Expires=86400",
                                         "X-Amz-SignedHeaders=host",         QUERY_SIGNATURE};
    static const char *const others[] = {"X-Amz-Algorithm=AWS4-HMAC-SHA1", "X-Amz-Credential=AKIA",
                                         "X-Amz-Date=20130524T000000",     "X-Amz-Expires=604801",
                                         "X-Amz-SignedHeaders=range",      "X-Amz-Expires=0"};
    for (int broken = -1; broken < 6; broken++) {
        for (int way = 0; way < 3; way++) { /* left out, repeated, wrong */
            char query[1024];
            size_t len = 0;
            for (int i = 0; i < 6; i++) {
                const char *piece = i == broken && way == 2 ? others[i] : pieces[i];
                int times = i != broken || way == 2 ? 1 : 2 * way;
                for (; times > 0; times--)
                    len += (size_t)snprintf(query + len, sizeof query - len, "%s&", piece);
            }
            struct example e = presigned;
            e.query = query;
            assert_int_equal(run(&e), broken < 0 ? SIGV4_MISMATCH : SIGV4_QUERY_MALFORMED);
        }
    }
    static const char *const expires[] = {"-1", "0", "", "1e3", "99999999", "+5", " 5", "0604800x"};
    for (size_t i = 0; i < sizeof expires / sizeof expires[0]; i++) {
        char query[1024];
        snprintf(query, sizeof query, "%s&%s&%s&X-Amz-Expires=%s&%s&%s", pieces[0], pieces[1], pieces[2], expires[i],
                 pieces[4], pieces[5]);
        struct example e = presigned;
        e.query = query;
        assert_int_equal(run(&e), SIGV4_QUERY_MALFORMED);
    }
}

/* What a presigned URL says about the body. */
static void test_presigned_payload(void **state)
{
    (void)state;
    struct sigv4_auth auth;
    struct built b;
    struct example e = presigned;
    char query[1024];
    snprintf(query, sizeof query, "%s&X-Amz-Content-Sha256=" EMPTY_HASH "&X-Amz-Security-Token=t%%2Fk",
             presigned.query);
    e.query = query;
    build(&e, &b);
    assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_OK);
    assert_int_equal(auth.payload, SIGV4_PAYLOAD_SHA256);
    assert_bytes(auth.security_token, "t/k");
    snprintf(query, sizeof query, "%s&X-Amz-Content-Sha256=STREAMING-AWS4-HMAC-SHA256-PAYLOAD", presigned.query);
    assert_int_equal(run(&e), SIGV4_BAD_CONTENT_SHA256);
    e = presigned;
    e.headers[2] = "x-amz-content-sha256";
    e.headers[3] = EMPTY_HASH;
    build(&e, &b);
    assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_OK);
    assert_int_equal(auth.payload, SIGV4_PAYLOAD_SHA256);
    assert_int_equal(run(&e), SIGV4_UNSIGNED_HEADER);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct built b;
    struct sigv4_auth auth;
    struct sigv4_signing_key key = {{0}};
    build(&get_object, &b);
    assert_int_equal(sigv4_parse(&b.req, &auth), SIGV4_OK);
    for (size_t max = 0; max < 1024; max += 64) {
        struct arena small;
        arena_init(&small, max);
        enum sigv4_result result = sigv4_verify(&b.req, &auth, &key, &small);
        assert_true(result == SIGV4_NO_MEMORY || (result == SIGV4_MISMATCH && max >= 256));
        arena_fini(&small);
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(sigv4_result_code(SIGV4_OK), "");
    assert_string_equal(sigv4_result_code(SIGV4_WRONG_REGION), "AuthorizationHeaderMalformed");
    assert_string_equal(sigv4_result_code(SIGV4_MISMATCH), "SignatureDoesNotMatch");
    assert_string_equal(sigv4_result_text(SIGV4_EXPIRED), "Request has expired");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_examples),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_same_request),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_canonical_headers),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_headers_must_be_signed),
        cmocka_unit_test(test_date_header_alone),
        cmocka_unit_test(test_payload_modes),
        cmocka_unit_test(test_who_signs),
        cmocka_unit_test(test_malformed_authorization),
        cmocka_unit_test(test_malformed_query),
        cmocka_unit_test(test_presigned_payload),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
