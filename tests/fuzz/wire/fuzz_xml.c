/* XML bodies. A tree that was read, written again and read again must be the same tree. */
#include "fuzz_check.h"
#include "xml.h"
#include "xml_requests.h"

/* Names travel as text, because a name without its prefix need not be a name. */
static void write_node(struct xml_writer *w, const struct xml_node *node)
{
    xml_write_open(w, "e");
    xml_write_str(w, "n", node->name);
    if (node->first_child == NULL)
        xml_write_text(w, "t", node->text);
    for (const struct xml_node *child = node->first_child; child != NULL; child = child->next)
        write_node(w, child);
    xml_write_close(w, "e");
}

static void compare(const struct xml_node *node, const struct xml_node *copy)
{
    struct bytes name = xml_child_text(copy, "n");
    CHECK(bytes_equal(name, bytes_of(node->name, strlen(node->name))));
    if (node->first_child == NULL)
        CHECK(bytes_equal(node->text, xml_child_text(copy, "t")));
    const struct xml_node *child_copy = xml_child(copy, "e");
    for (const struct xml_node *child = node->first_child; child != NULL; child = child->next) {
        CHECK(child_copy != NULL);
        compare(child, child_copy);
        child_copy = xml_next(child_copy);
    }
    CHECK(child_copy == NULL);
}

static void check_round_trip(const struct xml_node *root, struct arena *a)
{
    const struct xml_limits limits = {.bytes_max = 1u << 20,
                                      .depth_max = 64,
                                      .elements_max = 1u << 20,
                                      .attributes_max = 1,
                                      .text_bytes_max = 1u << 20};
    static char buf[1u << 20];
    struct xml_writer w;
    struct xml_node *copy;
    xml_writer_init(&w, buf, sizeof buf, NULL, NULL);
    write_node(&w, root);
    if (xml_writer_finish(&w) != DOL_OK)
        return;
    enum dol_err err = xml_parse_tree(bytes_of(buf, w.len), &limits, a, &copy);
    CHECK(err == DOL_OK || err == DOL_ENOMEM);
    if (err == DOL_OK)
        compare(root, copy);
}

static void check_complete(const struct xml_complete_upload *complete)
{
    struct checksum again;
    char text[CHECKSUM_TEXT_MAX];
    CHECK(complete->count >= 1 && complete->count <= XML_UPLOAD_PARTS_MAX);
    for (unsigned i = 0; i < complete->count; i++) {
        const struct xml_upload_part *part = &complete->parts[i];
        CHECK(part->number <= XML_UPLOAD_PARTS_MAX);
        if (part->bad_checksum || part->checksum.alg == CHECKSUM_NONE)
            continue;
        checksum_format(&part->checksum, text);
        CHECK(checksum_parse(part->checksum.alg, bytes_of(text, strlen(text)), &again));
        CHECK(checksum_equal(&part->checksum, &again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of(data, size);
    struct arena arena;
    struct xml_node *root;
    struct xml_delete del;
    struct xml_create_bucket create;
    struct xml_complete_upload complete;
    struct xml_versioning versioning;
    struct xml_tagging tagging;
    arena_init(&arena, 4u << 20);
    if (xml_parse_tree(body, &xml_limits_small, &arena, &root) == DOL_OK)
        check_round_trip(root, &arena);
    if (xml_parse_delete_objects(body, &arena, &del) == DOL_OK) {
        CHECK(del.count >= 1 && del.count <= XML_DELETE_OBJECTS_MAX);
        for (unsigned i = 0; i < del.count; i++)
            CHECK(del.objects[i].key.len > 0);
    }
    if (xml_parse_create_bucket(body, &arena, &create) == DOL_OK)
        CHECK(create.location.len <= size);
    if (xml_parse_complete_upload(body, &arena, &complete) == DOL_OK)
        check_complete(&complete);
    if (xml_parse_versioning(body, &arena, &versioning) == DOL_OK)
        CHECK(versioning.status.len + versioning.mfa_delete.len <= size);
    if (xml_parse_tagging(body, &arena, &tagging) == DOL_OK)
        CHECK(tagging.count <= XML_TAGS_MAX);
    arena_fini(&arena);
    return 0;
}
