/*
 * Reading bodies: what their headers promise, and whether they keep it.
 *
 * Three layers: HTTP's own framing is undone by the exchange, aws-chunked here, and then each span of the client's
 * bytes goes through the digests once. The checks at the end are ordered as S3 orders them: length, payload hash,
 * Content-MD5, checksum.
 */
#include "s3_body.h"

#include "dol_assert.h"
#include "hash.h"

#include <inttypes.h>

static const char text_multiple_checksums[] =
    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";

/* ---- what the headers promise ---- */

static enum s3_error body_read_md5(struct s3_body *b)
{
    const struct bytes *text = s3_header(b->rq, "content-md5");
    if (text == NULL)
        return S3_ERR_NONE;
    size_t len = sizeof b->md5;
    /* 24 characters, so that the decoder's output always fits. */
    if (text->len != 24 || !base64_decode(text->data, text->len, b->md5, &len) || len != sizeof b->md5) {
        s3_fault_detail(b->rq, "Content-MD5", *text);
        return S3_ERR_INVALID_DIGEST;
    }
    b->has_md5 = true;
    return S3_ERR_NONE;
}

/* One x-amz-checksum-<algorithm> header at most. */
static enum s3_error body_read_checksum_header(struct s3_body *b)
{
    static const char prefix[] = "x-amz-checksum-";
    for (unsigned i = 0; i < b->rq->head->header_count; i++) {
        const struct wire_header *h = &b->rq->head->headers[i];
        if (!s3_bytes_have_prefix(h->name, prefix) || bytes_equal_str(h->name, "x-amz-checksum-mode") ||
            bytes_equal_str(h->name, "x-amz-checksum-type") || bytes_equal_str(h->name, "x-amz-checksum-algorithm"))
            continue;
        enum checksum_alg alg = checksum_of_header(h->name);
        if (alg == CHECKSUM_NONE)
            return s3_fail(b->rq, S3_ERR_INVALID_REQUEST,
                           "The algorithm type you specified in x-amz-checksum- header is invalid.");
        if (b->client_checksum)
            return s3_fail(b->rq, S3_ERR_INVALID_REQUEST, text_multiple_checksums);
        if (!checksum_parse(alg, h->value, &b->declared))
            return s3_fail(b->rq, S3_ERR_INVALID_REQUEST,
                           s3_text(b->rq, "Value for %s header is invalid.", checksum_header(alg)));
        b->client_checksum = true;
        b->computed.alg = alg;
    }
    return S3_ERR_NONE;
}

static enum s3_error body_read_trailer_header(struct s3_body *b)
{
    const struct bytes *name = s3_header(b->rq, "x-amz-trailer");
    if (name == NULL || name->len == 0)
        return S3_ERR_NONE;
    enum sigv4_payload payload = b->rq->auth.payload;
    if (payload != SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER && payload != SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        return s3_fail(b->rq, S3_ERR_INVALID_REQUEST,
                       "x-amz-trailer needs an x-amz-content-sha256 of STREAMING-...-TRAILER");
    char lower[32] = "";
    for (size_t i = 0; i < name->len && name->len < sizeof lower; i++) {
        char c = ((const char *)name->data)[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    enum checksum_alg alg = checksum_of_header(s3_bytes_of(lower));
    if (alg == CHECKSUM_NONE)
        return s3_fail(b->rq, S3_ERR_INVALID_REQUEST,
                       "The value specified in the x-amz-trailer header is not supported");
    if (b->client_checksum)
        return s3_fail(b->rq, S3_ERR_INVALID_REQUEST, "Expecting a single x-amz-checksum- header");
    b->client_checksum = true;
    b->in_trailer = true;
    b->computed.alg = alg;
    return S3_ERR_NONE;
}

static enum s3_error body_check_sdk_algorithm(struct s3_body *b)
{
    const struct bytes *name = s3_header(b->rq, "x-amz-sdk-checksum-algorithm");
    if (name == NULL)
        return S3_ERR_NONE;
    enum checksum_alg alg = checksum_of_name(*name);
    if (alg != CHECKSUM_NONE && !b->client_checksum)
        return s3_fail(b->rq, S3_ERR_INVALID_REQUEST,
                       "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                       "headers were found.");
    if (alg == CHECKSUM_NONE || alg != b->computed.alg)
        return s3_fail(b->rq, S3_ERR_INVALID_REQUEST, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    return S3_ERR_NONE;
}

static enum s3_error body_read_length(struct s3_body *b)
{
    const struct http1_head *head = b->rq->head;
    if (b->is_chunked) {
        const struct bytes *text = s3_header(b->rq, "x-amz-decoded-content-length");
        bool has_framing = head->chunked || head->has_content_length;
        if (text == NULL || !has_framing || !s3_parse_u64(*text, UINT64_MAX - 1, &b->size_bytes))
            return S3_ERR_MISSING_CONTENT_LENGTH;
        return S3_ERR_NONE;
    }
    b->size_bytes = head->has_content_length ? head->content_length : 0;
    if (b->use != S3_BODY_OBJECT) {
        if (head->chunked)
            b->size_bytes = UINT64_MAX;
        return S3_ERR_NONE;
    }
    if (head->chunked)
        return s3_fail_header(b->rq, "Transfer-Encoding");
    return head->has_content_length ? S3_ERR_NONE : S3_ERR_MISSING_CONTENT_LENGTH;
}

static enum s3_error body_open_streams(struct s3_body *b)
{
    struct s3_request *rq = b->rq;
    if (rq->auth.payload == SIGV4_PAYLOAD_SHA256 && (b->payload_hash = hash_stream_new(HASH_SHA256)) == NULL)
        return S3_ERR_SLOW_DOWN;
    if (b->has_md5 && b->use != S3_BODY_OBJECT && (b->md5_hash = hash_stream_new(HASH_MD5)) == NULL)
        return S3_ERR_SLOW_DOWN;
    if (b->computed.alg != CHECKSUM_NONE && checksum_stream_init(&b->checksum, b->computed.alg) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    if (b->kept.alg != b->computed.alg && checksum_stream_init(&b->kept_checksum, b->kept.alg) != DOL_OK)
        return S3_ERR_SLOW_DOWN;
    if (!b->is_chunked)
        return S3_ERR_NONE;
    struct sigv4_chunk_signer signer;
    bool is_signed = rq->auth.payload != SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
    if (is_signed && sigv4_chunk_signer_init(&signer, &rq->auth, &rq->signing_key) != DOL_OK)
        return S3_ERR_AUTH_HEADER_MALFORMED;
    const struct bytes *announced = s3_header(rq, "x-amz-trailer");
    enum dol_err err = aws_chunked_init(&b->decoder, rq->auth.payload, is_signed ? &signer : NULL, b->size_bytes,
                                        announced != NULL ? *announced : bytes_of("", 0));
    if (is_signed)
        secret_wipe(&signer, sizeof signer);
    return s3_error_of(err);
}

/* keep CHECKSUM_NONE: what the client gives, or CRC64NVME when it gives none. */
static enum s3_error body_open(struct s3_body *b, struct s3_request *rq, enum s3_body_use use, enum checksum_alg keep)
{
    memset(b, 0, sizeof *b);
    b->rq = rq;
    b->use = use;
    b->is_chunked = rq->auth.payload != SIGV4_PAYLOAD_SHA256 && rq->auth.payload != SIGV4_PAYLOAD_UNSIGNED;
    enum s3_error error = body_read_length(b);
    if (error == S3_ERR_NONE)
        error = body_read_md5(b);
    if (error == S3_ERR_NONE && use != S3_BODY_COMPLETE)
        error = body_read_checksum_header(b);
    if (error == S3_ERR_NONE)
        error = body_read_trailer_header(b);
    if (error == S3_ERR_NONE && use != S3_BODY_COMPLETE)
        error = body_check_sdk_algorithm(b);
    if (error != S3_ERR_NONE)
        return error;
    if (use == S3_BODY_OBJECT && b->size_bytes > S3_OBJECT_BYTES_MAX) {
        const char *proposed = s3_text(rq, "%" PRIu64, b->size_bytes);
        const char *max = s3_text(rq, "%llu", S3_OBJECT_BYTES_MAX);
        if (proposed == NULL || max == NULL)
            return S3_ERR_SLOW_DOWN;
        s3_fault_detail(rq, "ProposedSize", s3_bytes_of(proposed));
        s3_fault_detail(rq, "MaxSizeAllowed", s3_bytes_of(max));
        return S3_ERR_ENTITY_TOO_LARGE;
    }
    if (use == S3_BODY_OBJECT && !b->client_checksum)
        b->computed.alg = keep != CHECKSUM_NONE ? keep : CHECKSUM_CRC64NVME;
    b->kept.alg = keep != CHECKSUM_NONE ? keep : b->computed.alg;
    return body_open_streams(b);
}

enum s3_error s3_body_open(struct s3_body *b, struct s3_request *rq, enum s3_body_use use)
{
    return body_open(b, rq, use, CHECKSUM_NONE);
}

enum s3_error s3_body_open_part(struct s3_body *b, struct s3_request *rq, enum checksum_alg keep)
{
    return body_open(b, rq, S3_BODY_OBJECT, keep);
}

void s3_body_close(struct s3_body *b)
{
    hash_stream_free(b->payload_hash);
    hash_stream_free(b->md5_hash);
    b->payload_hash = b->md5_hash = NULL;
    checksum_stream_fini(&b->checksum);
    checksum_stream_fini(&b->kept_checksum);
    if (b->is_chunked)
        aws_chunked_fini(&b->decoder);
}

/* ---- whether it keeps its promises ---- */

static enum s3_error body_verify_payload_hash(struct s3_body *b)
{
    struct sha256 digest = {{0}};
    char hex[65];
    if (b->payload_hash == NULL)
        return S3_ERR_NONE;
    hash_stream_final(b->payload_hash, digest.b);
    if (sha256_equal(&digest, &b->rq->auth.payload_hash))
        return S3_ERR_NONE;
    hex_encode(digest.b, sizeof digest.b, hex);
    const char *computed = s3_text(b->rq, "%s", hex);
    s3_fault_detail(b->rq, "ClientComputedContentSHA256", b->rq->auth.payload_text);
    s3_fault_detail(b->rq, "S3ComputedContentSHA256", s3_bytes_of(computed));
    return S3_ERR_SHA256_MISMATCH;
}

static enum s3_error body_verify_md5(struct s3_body *b)
{
    uint8_t digest[16];
    if (b->md5_hash == NULL)
        return S3_ERR_NONE;
    hash_stream_final(b->md5_hash, digest);
    return memcmp(digest, b->md5, sizeof digest) == 0 ? S3_ERR_NONE : S3_ERR_BAD_DIGEST;
}

static enum s3_error body_verify_checksum(struct s3_body *b)
{
    if (b->computed.alg == CHECKSUM_NONE)
        return S3_ERR_NONE;
    enum checksum_alg alg = b->computed.alg;
    checksum_stream_final(&b->checksum, &b->computed);
    if (b->kept.alg != alg)
        checksum_stream_final(&b->kept_checksum, &b->kept);
    else
        b->kept = b->computed;
    if (!b->client_checksum)
        return S3_ERR_NONE;
    if (b->in_trailer) {
        const struct wire_header *trailer =
            wire_header_find(b->decoder.trailers, b->decoder.trailer_count, checksum_header(alg));
        if (trailer == NULL)
            return S3_ERR_MALFORMED_TRAILER;
        if (!checksum_parse(alg, trailer->value, &b->declared))
            return s3_fail(b->rq, S3_ERR_INVALID_REQUEST,
                           s3_text(b->rq, "Value for %s trailing header is invalid.", checksum_header(alg)));
    }
    if (checksum_equal(&b->declared, &b->computed))
        return S3_ERR_NONE;
    return s3_fail(b->rq, S3_ERR_BAD_DIGEST,
                   s3_text(b->rq, "The %s you specified did not match the calculated checksum.", checksum_name(alg)));
}

static enum s3_error body_verify(struct s3_body *b)
{
    if (b->size_bytes != UINT64_MAX && b->done_bytes != b->size_bytes)
        return S3_ERR_INCOMPLETE_BODY;
    enum s3_error error = body_verify_payload_hash(b);
    if (error == S3_ERR_NONE)
        error = body_verify_md5(b);
    if (error == S3_ERR_NONE)
        error = body_verify_checksum(b);
    return error;
}

static enum s3_error body_account(struct s3_body *b, struct bytes span)
{
    b->done_bytes += span.len;
    if (b->done_bytes > b->size_bytes)
        return S3_ERR_INCOMPLETE_BODY;
    if (b->payload_hash != NULL)
        hash_stream_update(b->payload_hash, span.data, span.len);
    if (b->md5_hash != NULL)
        hash_stream_update(b->md5_hash, span.data, span.len);
    if (b->computed.alg != CHECKSUM_NONE)
        checksum_stream_update(&b->checksum, span.data, span.len);
    if (b->kept.alg != b->computed.alg)
        checksum_stream_update(&b->kept_checksum, span.data, span.len);
    return S3_ERR_NONE;
}

/* S3 calls most of what can be wrong with the framing an incomplete body. */
static enum s3_error body_error_of_chunked(enum aws_chunked_error error)
{
    switch (error) {
    case AWS_CHUNKED_ERR_NONE:
        return S3_ERR_NONE;
    case AWS_CHUNKED_ERR_INCOMPLETE:
    case AWS_CHUNKED_ERR_MALFORMED:
        return S3_ERR_INCOMPLETE_BODY;
    case AWS_CHUNKED_ERR_CHUNK_SIZE:
        return S3_ERR_INVALID_CHUNK_SIZE;
    case AWS_CHUNKED_ERR_SIGNATURE:
        return S3_ERR_SIGNATURE_MISMATCH;
    case AWS_CHUNKED_ERR_TRAILER:
        return S3_ERR_MALFORMED_TRAILER;
    case AWS_CHUNKED_ERR_NO_MEMORY:
        return S3_ERR_SLOW_DOWN;
    }
    return S3_ERR_INTERNAL;
}

/* Decodes from `pending`; *span.len 0: more is needed. */
static enum s3_error body_decode(struct s3_body *b, struct bytes *span)
{
    *span = bytes_of(NULL, 0);
    while (b->pending.len > 0) {
        size_t consumed = 0;
        enum aws_chunked_event ev = aws_chunked_feed(&b->decoder, b->pending.data, b->pending.len, &consumed, span);
        b->pending = bytes_of((const char *)b->pending.data + consumed, b->pending.len - consumed);
        if (ev == AWS_CHUNKED_EV_ERROR)
            return body_error_of_chunked(b->decoder.error);
        if (ev == AWS_CHUNKED_EV_DATA && span->len > 0)
            return body_account(b, *span);
        if (ev == AWS_CHUNKED_EV_MORE)
            break;
    }
    *span = bytes_of(NULL, 0);
    return S3_ERR_NONE;
}

enum s3_error s3_body_next(struct s3_body *b, struct bytes *span)
{
    for (;;) {
        if (b->is_chunked) {
            enum s3_error error = body_decode(b, span);
            if (error != S3_ERR_NONE || span->len > 0)
                return error;
        }
        dol_assert(!b->http_ended);
        enum dol_err err = exchange_body_read(b->rq->x, &b->pending);
        if (err != DOL_OK)
            return s3_error_of(err);
        b->http_ended = b->pending.len == 0;
        if (b->http_ended)
            break;
        if (!b->is_chunked) {
            *span = b->pending;
            return body_account(b, *span);
        }
    }
    *span = bytes_of(NULL, 0);
    if (b->is_chunked) {
        enum s3_error error = body_error_of_chunked(aws_chunked_finish(&b->decoder));
        if (error != S3_ERR_NONE)
            return error;
    }
    return body_verify(b);
}

/* ---- documents ---- */

static enum s3_error body_collect(struct s3_body *b, size_t max_bytes, struct bytes *document)
{
    /* Known in advance but for chunked requests, which are few and may take the maximum. */
    size_t room = b->size_bytes > max_bytes ? max_bytes : (size_t)b->size_bytes;
    if (b->size_bytes != UINT64_MAX && b->size_bytes > max_bytes)
        return S3_ERR_MESSAGE_TOO_LONG;
    char *text = arena_alloc(b->rq->arena, room > 0 ? room : 1);
    if (text == NULL)
        return S3_ERR_SLOW_DOWN;
    size_t len = 0;
    for (;;) {
        struct bytes span;
        enum s3_error error = s3_body_next(b, &span);
        if (error != S3_ERR_NONE)
            return error;
        if (span.len == 0)
            break;
        if (span.len > room - len)
            return S3_ERR_MESSAGE_TOO_LONG;
        memcpy(text + len, span.data, span.len);
        len += span.len;
    }
    *document = bytes_of(text, len);
    return S3_ERR_NONE;
}

static enum s3_error body_document(struct s3_request *rq, enum s3_body_use use, size_t max_bytes,
                                   struct bytes *document, bool *has_integrity)
{
    struct s3_body *b = arena_alloc(rq->arena, sizeof *b);
    if (b == NULL)
        return S3_ERR_SLOW_DOWN;
    enum s3_error error = s3_body_open(b, rq, use);
    if (error == S3_ERR_NONE)
        error = body_collect(b, max_bytes, document);
    *has_integrity = b->has_md5 || b->client_checksum;
    s3_body_close(b);
    return error;
}

enum s3_error s3_body_document(struct s3_request *rq, size_t max_bytes, struct bytes *document, bool *has_integrity)
{
    return body_document(rq, S3_BODY_DOCUMENT, max_bytes, document, has_integrity);
}

enum s3_error s3_body_complete_document(struct s3_request *rq, size_t max_bytes, struct bytes *document)
{
    bool has_integrity;
    return body_document(rq, S3_BODY_COMPLETE, max_bytes, document, &has_integrity);
}

struct object_checksum s3_checksum_kept(const struct checksum *sum, enum checksum_type type)
{
    struct object_checksum kept = {
        .alg = (uint8_t)sum->alg, .type = (uint8_t)type, .bytes = (uint8_t)checksum_bytes(sum->alg)};
    memcpy(kept.value, sum->b, sizeof kept.value);
    return kept;
}
