/* Multipart uploads through the in-memory client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upload_steps.h"

#include "checksum.h"

#include <stdio.h>
#include <stdlib.h>

static void add_headers(struct client_call *call, unsigned at, const struct client_header *headers)
{
    for (; headers != NULL && headers->name != NULL; headers++)
        call->headers[at++] = *headers;
}

void step_create(struct step_upload *u, struct client *c, const char *path, const struct client_header *headers)
{
    char target[1100];
    *u = (struct step_upload){.c = c, .path = path};
    snprintf(target, sizeof target, "%s?uploads", path);
    struct client_call call = {.method = "POST", .target = target};
    add_headers(&call, 0, headers);
    assert_int_equal(client_call(c, &call), 200);
    assert_string_equal(c->answer.operation, "CreateMultipartUpload");
    const char *id = client_element(c, "UploadId");
    assert_int_equal(strlen(id), 32);
    snprintf(u->id, sizeof u->id, "%s", id);
}

const char *step_target(const struct step_upload *u, unsigned number)
{
    static char target[512];
    snprintf(target, sizeof target, "%s?partNumber=%u&uploadId=%s", u->path, number, u->id);
    return target;
}

const char *step_upload_target(const struct step_upload *u)
{
    static char target[512];
    snprintf(target, sizeof target, "%s?uploadId=%s", u->path, u->id);
    return target;
}

/* As SDKs do: with the checksum that the part's answer had. */
static void list_add(struct step_upload *u, unsigned number, const char *etag, const char *element, const char *value)
{
    char sum[160] = "";
    if (value != NULL)
        snprintf(sum, sizeof sum, "<%s>%s</%s>", element, value, element);
    size_t len = strlen(u->list);
    int added = snprintf(u->list + len, sizeof u->list - len,
                         "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag>%s</Part>", number, etag, sum);
    assert_true(added > 0 && (size_t)added < sizeof u->list - len);
}

void step_part(struct step_upload *u, unsigned number, const char *body, const struct client_header *headers)
{
    struct client_call call = {.method = "PUT", .target = step_target(u, number), .body = body};
    add_headers(&call, 0, headers);
    assert_int_equal(client_call(u->c, &call), 200);
    assert_string_equal(u->c->answer.operation, "UploadPart");
    unsigned alg = CHECKSUM_CRC32;
    while (alg + 1 < CHECKSUM_ALGS && client_header(u->c, checksum_header((enum checksum_alg)alg)) == NULL)
        alg++;
    list_add(u, number, client_header(u->c, "ETag"), checksum_element((enum checksum_alg)alg),
             client_header(u->c, checksum_header((enum checksum_alg)alg)));
}

void step_big(struct client *c)
{
    struct put *put;
    struct put_result result;
    struct put_request req = {.bucket = bytes_of("bucket", 6), .key = bytes_of("big", 3), .owner = bytes_of("x", 1)};
    struct put_finish fin = {.expected_size = UINT64_MAX};
    char *data = malloc(STEP_PART_BYTES + 1);
    memset(data, 'b', STEP_PART_BYTES + 1);
    fake_store_set_span(c->store, 1u << 20);
    assert_int_equal(store_put_begin(c->store, &req, &put), DOL_OK);
    assert_int_equal(store_put_write(put, data, STEP_PART_BYTES + 1), DOL_OK);
    assert_int_equal(store_put_finish(put, &fin, &result), DOL_OK);
    free(data);
}

void step_big_part(struct step_upload *u, unsigned number)
{
    char range[64], etag[64];
    snprintf(range, sizeof range, "bytes=1-%u", STEP_PART_BYTES);
    struct client_call call = {.method = "PUT",
                               .target = step_target(u, number),
                               .headers = {{"x-amz-copy-source", "/bucket/big"}, {"x-amz-copy-source-range", range}}};
    assert_int_equal(client_call(u->c, &call), 200);
    assert_string_equal(u->c->answer.operation, "UploadPartCopy");
    snprintf(etag, sizeof etag, "%s", client_element(u->c, "ETag"));
    unsigned alg = CHECKSUM_CRC32;
    while (alg + 1 < CHECKSUM_ALGS && client_element(u->c, checksum_element((enum checksum_alg)alg)) == NULL)
        alg++;
    const char *element = checksum_element((enum checksum_alg)alg);
    list_add(u, number, etag, element, client_element(u->c, element));
}

const char *step_document(const struct step_upload *u)
{
    static char document[sizeof u->list + 128];
    snprintf(document, sizeof document,
             "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">%s</CompleteMultipartUpload>",
             u->list);
    return document;
}

void step_complete(struct step_upload *u)
{
    assert_int_equal(client_do(u->c, "POST", step_upload_target(u), step_document(u)), 200);
    assert_string_equal(u->c->answer.operation, "CompleteMultipartUpload");
}
