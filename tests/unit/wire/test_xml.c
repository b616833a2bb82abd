/* XML: exact output, streaming, escapes; bounded input without document types; the typed request bodies. */
#include "wire_test.h"
#include "xml.h"
#include "xml_requests.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4u << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* ---- writer ---- */

struct sink {
    char data[1024];
    size_t len;
    unsigned calls;
    enum dol_err err;
};

static enum dol_err sink_flush(void *ctx, const char *data, size_t len)
{
    struct sink *s = ctx;
    assert_true(len > 0 && s->len + len <= sizeof s->data);
    memcpy(s->data + s->len, data, len);
    s->len += len;
    s->calls++;
    return s->err;
}

static void write_document(struct xml_writer *w)
{
    xml_write_declaration(w);
    xml_write_open_ns(w, "ListBucketResult", XML_S3_NAMESPACE);
    xml_write_str(w, "Name", "b");
    xml_write_str(w, "Prefix", "");
    xml_write_u64(w, "MaxKeys", 1000);
    xml_write_bool(w, "IsTruncated", false);
    xml_write_open(w, "Contents");
    xml_write_text(w, "Key", str("a&b<c>\"d'\t\n\r\x01\x7f\xc3\xa9\xef\xbf\xbe\xf0\x9f\x98\x80"));
    xml_write_u64(w, "Size", UINT64_MAX);
    xml_write_close(w, "Contents");
    xml_write_raw(w, "<X a=\"");
    xml_write_escaped(w, str("\""));
    xml_write_raw(w, "\"/>");
    xml_write_close(w, "ListBucketResult");
}

static const char document[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix></Prefix>"
    "<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents>"
    "<Key>a&amp;b&lt;c&gt;&quot;d'\t\n&#xd;&#x1;\x7f\xc3\xa9&#xfffe;\xf0\x9f\x98\x80</Key>"
    "<Size>18446744073709551615</Size></Contents><X a=\"&quot;\"/></ListBucketResult>";

static void test_writer(void **state)
{
    (void)state;
    char buf[sizeof document];
    struct xml_writer w;
    for (size_t size = 0; size < sizeof document; size++) {
        char *exact = malloc(size > 0 ? size : 1);
        xml_writer_init(&w, exact, size, NULL, NULL);
        write_document(&w);
        bool fits = size == sizeof document - 1;
        assert_int_equal(xml_writer_finish(&w), fits ? DOL_OK : DOL_ETOOLARGE);
        if (fits)
            assert_bytes(bytes_of(exact, w.len), document);
        free(exact);
    }
    for (size_t size = 1; size < sizeof buf; size += 7) {
        struct sink s = {.err = DOL_OK};
        xml_writer_init(&w, buf, size, sink_flush, &s);
        write_document(&w);
        assert_int_equal(xml_writer_finish(&w), DOL_OK);
        assert_bytes(bytes_of(s.data, s.len), document);
    }
    struct sink s = {.err = DOL_EPEER};
    xml_writer_init(&w, buf, 16, sink_flush, &s);
    write_document(&w);
    assert_int_equal(xml_writer_finish(&w), DOL_EPEER);
    assert_int_equal(s.calls, 1); /* nothing goes out after an error */
}

/* Bytes that are no UTF-8 come out as one replacement character each; what is well-formed stays. */
static void test_writer_bad_utf8(void **state)
{
    (void)state;
#define FFFD "\xef\xbf\xbd"
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"a\xff"
         "b",
         "a" FFFD "b"},
        {"\xc3", FFFD},
        {"\xc3(", FFFD "("},
        {"\xe2\x82", FFFD FFFD},
        {"\xc0\x80", FFFD FFFD},
        {"\xed\xa0\x80", FFFD FFFD FFFD},
        {"\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buf[64];
        struct xml_writer w;
        size_t len = strlen(cases[i].in);
        char *copy = exact_copy(cases[i].in, len);
        xml_writer_init(&w, buf, sizeof buf, NULL, NULL);
        xml_write_escaped(&w, bytes_of(copy, len));
        assert_int_equal(xml_writer_finish(&w), DOL_OK);
        assert_bytes(bytes_of(buf, w.len), cases[i].out);
        free(copy);
    }
}

/* ---- reader ---- */

static enum dol_err parse(const char *text, const struct xml_limits *limits, struct xml_node **root)
{
    return xml_parse_tree(str(text), limits, &arena, root);
}

static void test_tree(void **state)
{
    (void)state;
    struct xml_node *root;
    assert_int_equal(
        parse("<?xml version=\"1.0\"?>\n<s3:Root xmlns:s3=\"x\">\n <A> x &amp; &#65;<!-- c -->B </A>\n <B/>"
              "<A><![CDATA[<2>]]></A><C><D>d</D>tail</C>\n</s3:Root>\n",
              &xml_limits_small, &root),
        DOL_OK);
    assert_string_equal(root->name, "Root");
    assert_int_equal(root->text.len, 0);
    const struct xml_node *a = xml_child(root, "A");
    assert_bytes(a->text, " x & AB ");
    assert_bytes(xml_next(a)->text, "<2>");
    assert_null(xml_next(xml_next(a)));
    assert_bytes(xml_child_text(root, "B"), "");
    assert_bytes(xml_child(root, "C")->text, "");
    assert_bytes(xml_child_text(xml_child(root, "C"), "D"), "d");
    assert_null(xml_child(root, "D"));
    assert_null(xml_child(NULL, "D"));
    assert_bytes(xml_child_text(NULL, "D"), "");
    assert_ptr_equal(root->first_child->next->next->next, root->last_child);
}

static void test_reader_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a b=1/>",
        "<a>&undefined;</a>",
        "<a>\x01</a>",
        "<a>\xff</a>",
        "<a>&#0;</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY % p SYSTEM \"http://h/\"> %p;]><a/>",
        "{\"json\":1}",
    };
    struct xml_node *root;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(bad[i], &xml_limits_small, &root), DOL_ESYNTAX);
        assert_null(root);
    }
}

static void test_reader_limits(void **state)
{
    (void)state;
    const struct xml_limits limits = {
        .bytes_max = 100, .depth_max = 3, .elements_max = 5, .attributes_max = 2, .text_bytes_max = 10};
    struct xml_node *root;
    assert_int_equal(parse("<a><b><c/></b></a>", &limits, &root), DOL_OK);
    assert_int_equal(parse("<a><b><c><d/></c></b></a>", &limits, &root), DOL_ETOOLARGE);
    assert_int_equal(parse("<a><b/><b/><b/><b/></a>", &limits, &root), DOL_OK);
    assert_int_equal(parse("<a><b/><b/><b/><b/><b/></a>", &limits, &root), DOL_ETOOLARGE);
    assert_int_equal(parse("<a b='1' c='2'/>", &limits, &root), DOL_OK);
    assert_int_equal(parse("<a b='1' c='2' d='3'/>", &limits, &root), DOL_ETOOLARGE);
    assert_int_equal(parse("<a>0123456789</a>", &limits, &root), DOL_OK);
    assert_int_equal(parse("<a>0123456789&amp;</a>", &limits, &root), DOL_ETOOLARGE);
    char text[128];
    for (int over = 0; over <= 1; over++) {
        memset(text, ' ', sizeof text);
        memcpy(text, "<a/>", 4);
        text[100 + over] = 0;
        assert_int_equal(parse(text, &limits, &root), over ? DOL_ETOOLARGE : DOL_OK);
    }
    struct arena small;
    arena_init(&small, 64);
    assert_int_equal(xml_parse_tree(str("<a><b/><c/></a>"), &limits, &small, &root), DOL_ENOMEM);
    arena_fini(&small);
}

/* ---- typed ---- */

static void test_delete_objects(void **state)
{
    (void)state;
    struct xml_delete d;
    const char *body = "<?xml version=\"1.0\"?><Delete xmlns=\"" XML_S3_NAMESPACE "\"><Quiet>true</Quiet>\n"
                       "<Object><Key> a&lt;b </Key><VersionId>null</VersionId></Object>"
                       "<Object><ETag>&quot;x&quot;</ETag><Key>c</Key><Size>1</Size></Object></Delete>";
    assert_int_equal(xml_parse_delete_objects(str(body), &arena, &d), DOL_OK);
    assert_true(d.quiet);
    assert_int_equal(d.count, 2);
    assert_bytes(d.objects[0].key, " a<b ");
    assert_bytes(d.objects[0].version_id, "null");
    assert_bytes(d.objects[0].etag, "");
    assert_bytes(d.objects[1].key, "c");
    assert_bytes(d.objects[1].etag, "\"x\"");
    assert_int_equal(xml_parse_delete_objects(str("<Delete><Object><Key>k</Key></Object></Delete>"), &arena, &d),
                     DOL_OK);
    assert_false(d.quiet);

    static const char *const bad[] = {
        "<Delete/>",
        "<Delete><Object/></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><VersionId>v</VersionId></Object></Delete>",
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        "<Delete><Quiet>yes</Quiet><Object><Key>a</Key></Object></Delete>",
        "<Other><Object><Key>a</Key></Object></Other>",
        "<Delete><Object><Key>a</Key></Object>",
        "<Delete><X><Object><Key>a</Key></Object></X></Delete>",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(xml_parse_delete_objects(str(bad[i]), &arena, &d), DOL_ESYNTAX);
}

static void test_delete_count(void **state)
{
    (void)state;
    static char body[XML_DELETE_OBJECTS_MAX * 48 + 128];
    struct xml_delete d;
    for (unsigned over = 0; over <= 1; over++) {
        char *at = stpcpy(body, "<Delete>");
        for (unsigned i = 0; i < XML_DELETE_OBJECTS_MAX + over; i++)
            at += snprintf(at, 64, "<Object><Key>key-%u</Key></Object>", i);
        stpcpy(at, "</Delete>");
        assert_int_equal(xml_parse_delete_objects(str(body), &arena, &d), over ? DOL_ESYNTAX : DOL_OK);
        assert_bytes(d.objects[XML_DELETE_OBJECTS_MAX - 1].key, "key-999");
    }
}

static void test_complete_upload(void **state)
{
    (void)state;
    struct xml_complete_upload c;
    static const char body[] =
        "<CompleteMultipartUpload xmlns=\"" XML_S3_NAMESPACE "\"><Other>x</Other><Part>"
        "<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><PartNumber>10000</PartNumber>"
        "<ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part><Part><PartNumber>010001</PartNumber><ETag>x</ETag>"
        "<ChecksumCRC32>NhCmh</ChecksumCRC32></Part><Part><PartNumber>2</PartNumber><ETag/>"
        "<ChecksumCRC32>NhCmhg==</ChecksumCRC32><ChecksumCRC32C>NhCmhg==</ChecksumCRC32C></Part>"
        "</CompleteMultipartUpload>";
    assert_int_equal(xml_parse_complete_upload(str(body), &arena, &c), DOL_OK);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.parts[0].number, 10000);
    assert_true(c.parts[0].has_md5);
    assert_memory_equal(c.parts[0].md5, "\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92", 16);
    assert_int_equal(c.parts[0].checksum.alg, CHECKSUM_CRC32);
    assert_memory_equal(c.parts[0].checksum.b, "\x36\x10\xa6\x86", 4);
    assert_false(c.parts[0].bad_checksum);
    assert_int_equal(c.parts[1].number, 0);
    assert_false(c.parts[1].has_md5);
    assert_true(c.parts[1].bad_checksum);
    assert_int_equal(c.parts[2].number, 2);
    assert_false(c.parts[2].has_md5);
    assert_true(c.parts[2].bad_checksum);
}

static void test_complete_upload_bad(void **state)
{
    (void)state;
    struct xml_complete_upload c;
    static const char *const bad[] = {
        "",
        "<CompleteMultipartUpload/>",
        "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><ETag>x</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>+1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber/><ETag>x</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
        "</CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag><ETag>x</ETag></Part>"
        "</CompleteMultipartUpload>",
        "<Complete><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></Complete>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>",
        "<CompleteMultipartUpload><P><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></P>"
        "</CompleteMultipartUpload>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(xml_parse_complete_upload(str(bad[i]), &arena, &c), DOL_ESYNTAX);
}

/* The shortest parts there are: the list is as long as the document allows, and not longer than S3 does. */
static void test_complete_upload_count(void **state)
{
    (void)state;
    static char body[XML_UPLOAD_PARTS_MAX * 64 + 256];
    struct xml_complete_upload c;
    struct arena big;
    for (unsigned over = 0; over <= 1; over++) {
        arena_init(&big, 4u << 20);
        char *at = stpcpy(body, "<CompleteMultipartUpload>");
        for (unsigned i = 0; i < XML_UPLOAD_PARTS_MAX + over; i++)
            at = stpcpy(at, "<Part><PartNumber>1</PartNumber><ETag/></Part>");
        stpcpy(at, "</CompleteMultipartUpload>");
        assert_int_equal(xml_parse_complete_upload(str(body), &big, &c), over ? DOL_ESYNTAX : DOL_OK);
        assert_int_equal(c.count, XML_UPLOAD_PARTS_MAX);
        arena_fini(&big);
    }
}

static void test_create_bucket(void **state)
{
    (void)state;
    struct xml_create_bucket c;
    assert_int_equal(xml_parse_create_bucket(str(""), &arena, &c), DOL_OK);
    assert_int_equal(c.location.len, 0);
    assert_int_equal(xml_parse_create_bucket(str("<CreateBucketConfiguration xmlns=\"" XML_S3_NAMESPACE
                                                 "\"><LocationConstraint>eu-west-3</LocationConstraint>"
                                                 "</CreateBucketConfiguration>"),
                                             &arena, &c),
                     DOL_OK);
    assert_bytes(c.location, "eu-west-3");
    assert_int_equal(xml_parse_create_bucket(str("<CreateBucketConfiguration/>"), &arena, &c), DOL_OK);
    assert_int_equal(c.location.len, 0);
    assert_int_equal(xml_parse_create_bucket(str("<Create/>"), &arena, &c), DOL_ESYNTAX);
    assert_int_equal(xml_parse_create_bucket(str(" "), &arena, &c), DOL_ESYNTAX);
}

static void test_versioning(void **state)
{
    (void)state;
    struct xml_versioning v;
    assert_int_equal(xml_parse_versioning(str("<VersioningConfiguration xmlns=\"" XML_S3_NAMESPACE
                                              "\"><Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>"
                                              "</VersioningConfiguration>"),
                                          &arena, &v),
                     DOL_OK);
    assert_bytes(v.status, "Enabled");
    assert_bytes(v.mfa_delete, "Disabled");
    assert_int_equal(xml_parse_versioning(str("<VersioningConfiguration/>"), &arena, &v), DOL_OK);
    assert_int_equal(v.status.len + v.mfa_delete.len, 0);
    assert_int_equal(xml_parse_versioning(str("<Versioning/>"), &arena, &v), DOL_ESYNTAX);
    assert_int_equal(xml_parse_versioning(str(""), &arena, &v), DOL_ESYNTAX);
}

static void test_tagging(void **state)
{
    (void)state;
    struct xml_tagging t;
    assert_int_equal(xml_parse_tagging(str("<Tagging xmlns=\"" XML_S3_NAMESPACE "\"><TagSet><Tag><Key>a</Key><Value>1"
                                           "</Value></Tag><Tag><Key> b</Key><Value/></Tag></TagSet></Tagging>"),
                                       &arena, &t),
                     DOL_OK);
    assert_int_equal(t.count, 2);
    assert_bytes(t.tags[0].name, "a");
    assert_bytes(t.tags[0].value, "1");
    assert_bytes(t.tags[1].name, " b");
    assert_int_equal(t.tags[1].value.len, 0);
    assert_int_equal(xml_parse_tagging(str("<Tagging><TagSet/></Tagging>"), &arena, &t), DOL_OK);
    assert_int_equal(t.count, 0);
    static const char *const wrong[] = {"", "<Tagging/>", "<Tags><TagSet/></Tags>",
                                        "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
                                        "<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(xml_parse_tagging(str(wrong[i]), &arena, &t), DOL_ESYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer),        cmocka_unit_test(test_writer_bad_utf8),
        cmocka_unit_test(test_tree),          cmocka_unit_test(test_reader_refusals),
        cmocka_unit_test(test_reader_limits), cmocka_unit_test(test_delete_objects),
        cmocka_unit_test(test_delete_count),  cmocka_unit_test(test_complete_upload),
        cmocka_unit_test(test_delete_count),  cmocka_unit_test(test_complete_upload_bad),
        cmocka_unit_test(test_delete_count),  cmocka_unit_test(test_complete_upload_count),
        cmocka_unit_test(test_delete_count),  cmocka_unit_test(test_create_bucket),
        cmocka_unit_test(test_versioning),    cmocka_unit_test(test_tagging),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
