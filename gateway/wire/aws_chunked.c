/*
 * The states of an aws-chunked body: LINE (size, signature) -> DATA -> DATA_END -> LINE ... -> the chunk of size 0 ->
 * TRAILER -> DONE. Lines are gathered in `text`, where the trailers stay as the results; data is never copied.
 *
 * Trailer lines end in CR LF or, from clients that write what they sign, in LF (minio-go); such clients also write an
 * empty line before x-amz-trailer-signature, or one too many at the end. So an empty line ends the trailers once all
 * that was announced has come. Being lenient here is harmless: HTTP's own framing, which is strict, lies outside.
 */
#include "aws_chunked.h"
#include "dol_assert.h"

/* Empty lines before the trailers are complete, and after them. */
#define TRAILER_GAPS_MAX 2u

const char *aws_chunked_error_code(enum aws_chunked_error error)
{
    static const char *const codes[] = {
#define AWS_CHUNKED_CODE(name, code, status, text) code,
        AWS_CHUNKED_ERROR_TABLE(AWS_CHUNKED_CODE)
#undef AWS_CHUNKED_CODE
    };
    return (unsigned)error < sizeof codes / sizeof codes[0] ? codes[error] : "InternalError";
}

unsigned aws_chunked_error_status(enum aws_chunked_error error)
{
    static const uint16_t status[] = {
#define AWS_CHUNKED_STATUS(name, code, number, text) number,
        AWS_CHUNKED_ERROR_TABLE(AWS_CHUNKED_STATUS)
#undef AWS_CHUNKED_STATUS
    };
    return (unsigned)error < sizeof status / sizeof status[0] ? status[error] : 500;
}

const char *aws_chunked_error_text(enum aws_chunked_error error)
{
    static const char *const texts[] = {
#define AWS_CHUNKED_TEXT(name, code, status, text) text,
        AWS_CHUNKED_ERROR_TABLE(AWS_CHUNKED_TEXT)
#undef AWS_CHUNKED_TEXT
    };
    return (unsigned)error < sizeof texts / sizeof texts[0] ? texts[error] : "unknown error";
}

static bool is_signed(const struct aws_chunked *c)
{
    return c->payload != SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
}

static bool has_trailer(const struct aws_chunked *c)
{
    return c->payload != SIGV4_PAYLOAD_STREAM_SIGNED;
}

enum dol_err aws_chunked_init(struct aws_chunked *c, enum sigv4_payload payload,
                              const struct sigv4_chunk_signer *signer, uint64_t decoded_bytes, struct bytes announced)
{
    memset(c, 0, offsetof(struct aws_chunked, text));
    dol_assert(payload == SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER || payload == SIGV4_PAYLOAD_STREAM_SIGNED ||
               payload == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER);
    c->payload = payload;
    c->decoded_bytes = decoded_bytes;
    c->announced = announced;
    if (is_signed(c)) {
        dol_assert(signer != NULL);
        c->signer = *signer;
        c->hash = hash_stream_new(HASH_SHA256);
        if (c->hash == NULL)
            return DOL_ENOMEM;
    }
    return DOL_OK;
}

void aws_chunked_fini(struct aws_chunked *c)
{
    hash_stream_free(c->hash);
    c->hash = NULL;
    secret_wipe(&c->signer, sizeof c->signer);
}

/* ---- chunk lines ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum aws_chunked_error parse_signature(struct aws_chunked *c, const char *s, size_t len)
{
    static const char name[] = ";chunk-signature=";
    const size_t n = sizeof name - 1;
    if (len != n + 64 || memcmp(s, name, n) != 0 || !hex_decode(s + n, 64, c->given, sizeof c->given))
        return AWS_CHUNKED_ERR_MALFORMED;
    return AWS_CHUNKED_ERR_NONE;
}

static enum aws_chunked_error verify_chunk(struct aws_chunked *c)
{
    struct sha256 digest;
    if (!is_signed(c))
        return AWS_CHUNKED_ERR_NONE;
    hash_stream_final(c->hash, digest.b);
    return sigv4_chunk_verify(&c->signer, &digest, c->given) ? AWS_CHUNKED_ERR_NONE : AWS_CHUNKED_ERR_SIGNATURE;
}

static enum aws_chunked_error begin_chunk(struct aws_chunked *c, uint64_t size)
{
    if (size == 0) {
        if (c->done_bytes != c->decoded_bytes)
            return AWS_CHUNKED_ERR_INCOMPLETE;
        c->state = AWS_CHUNKED_TRAILER;
        return verify_chunk(c);
    }
    if (size > c->decoded_bytes - c->done_bytes)
        return AWS_CHUNKED_ERR_INCOMPLETE;
    if (c->short_chunk_seen)
        return AWS_CHUNKED_ERR_CHUNK_SIZE;
    c->short_chunk_seen = is_signed(c) && size < AWS_CHUNKED_CHUNK_BYTES_MIN;
    c->done_bytes += size;
    c->left_bytes = size;
    c->state = AWS_CHUNKED_DATA;
    return AWS_CHUNKED_ERR_NONE;
}

/* text[0..text_bytes) with its LF. */
static enum aws_chunked_error end_chunk_line(struct aws_chunked *c)
{
    size_t len = c->text_bytes, i = 0;
    uint64_t size = 0;
    if (len < 2 || c->text[len - 2] != '\r')
        return AWS_CHUNKED_ERR_MALFORMED;
    len -= 2;
    for (; i < len && hex_value(c->text[i]) >= 0; i++) {
        if (i == 16)
            return AWS_CHUNKED_ERR_MALFORMED;
        size = size << 4 | (uint64_t)hex_value(c->text[i]);
    }
    if (i == 0)
        return AWS_CHUNKED_ERR_MALFORMED;
    enum aws_chunked_error error = AWS_CHUNKED_ERR_NONE;
    if (is_signed(c))
        error = parse_signature(c, c->text + i, len - i);
    else if (i != len)
        error = AWS_CHUNKED_ERR_MALFORMED;
    c->text_bytes = 0;
    return error != AWS_CHUNKED_ERR_NONE ? error : begin_chunk(c, size);
}

/* ---- trailers ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trim(const char *s, size_t len)
{
    while (len > 0 && is_blank(*s)) {
        s++;
        len--;
    }
    while (len > 0 && is_blank(s[len - 1]))
        len--;
    return bytes_of(s, len);
}

static bool equal_nocase(struct bytes b, struct bytes lower)
{
    const unsigned char *x = b.data, *y = lower.data;
    if (b.len != lower.len)
        return false;
    for (size_t i = 0; i < b.len; i++)
        if ((x[i] >= 'A' && x[i] <= 'Z' ? x[i] | 0x20 : x[i]) != y[i])
            return false;
    return true;
}

/* The next name of a comma-separated list, empty ones skipped. */
static bool next_announced(struct bytes *list, struct bytes *name)
{
    while (list->len > 0) {
        const char *s = list->data;
        const char *comma = memchr(s, ',', list->len);
        size_t len = comma != NULL ? (size_t)(comma - s) : list->len;
        size_t skip = comma != NULL ? len + 1 : len;
        *name = trim(s, len);
        *list = bytes_of(s + skip, list->len - skip);
        if (name->len > 0)
            return true;
    }
    return false;
}

static bool is_announced(const struct aws_chunked *c, struct bytes name)
{
    struct bytes list = c->announced, one;
    while (next_announced(&list, &one))
        if (equal_nocase(one, name))
            return true;
    return false;
}

static const struct wire_header *find_trailer(const struct aws_chunked *c, struct bytes announced)
{
    for (unsigned i = 0; i < c->trailer_count; i++)
        if (equal_nocase(announced, c->trailers[i].name))
            return &c->trailers[i];
    return NULL;
}

static enum aws_chunked_error take_trailer(struct aws_chunked *c, char *line, size_t len)
{
    char *colon = memchr(line, ':', len);
    if (colon == NULL || colon == line || c->trailer_signature_seen)
        return AWS_CHUNKED_ERR_TRAILER;
    for (char *p = line; p < colon; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return AWS_CHUNKED_ERR_TRAILER;
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    }
    struct bytes name = bytes_of(line, (size_t)(colon - line));
    struct bytes value = trim(colon + 1, len - name.len - 1);
    for (size_t i = 0; i < value.len; i++)
        if (((const unsigned char *)value.data)[i] < 0x20)
            return AWS_CHUNKED_ERR_TRAILER;
    if (bytes_equal_str(name, "x-amz-trailer-signature")) {
        c->trailer_signature_seen = true;
        bool well_formed = is_signed(c) && value.len == 64 && hex_decode(value.data, 64, c->given, sizeof c->given);
        return well_formed ? AWS_CHUNKED_ERR_NONE : AWS_CHUNKED_ERR_TRAILER;
    }
    if (!is_announced(c, name) || find_trailer(c, name) != NULL || c->trailer_count == AWS_CHUNKED_TRAILERS_MAX)
        return AWS_CHUNKED_ERR_TRAILER;
    c->trailers[c->trailer_count++] = (struct wire_header){name, value};
    return AWS_CHUNKED_ERR_NONE;
}

/* All that were announced have come, and their signature where that is the mode. */
static bool trailers_are_complete(const struct aws_chunked *c)
{
    struct bytes list = c->announced, one;
    while (next_announced(&list, &one))
        if (find_trailer(c, one) == NULL)
            return false;
    return c->trailer_signature_seen || c->payload != SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
}

static enum aws_chunked_error check_trailers(struct aws_chunked *c)
{
    struct sha256 digest;
    if (!trailers_are_complete(c))
        return AWS_CHUNKED_ERR_TRAILER;
    if (c->payload != SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        return AWS_CHUNKED_ERR_NONE;
    hash_stream_reset(c->hash);
    for (unsigned i = 0; i < c->trailer_count; i++) {
        hash_stream_update(c->hash, c->trailers[i].name.data, c->trailers[i].name.len);
        hash_stream_update(c->hash, ":", 1);
        hash_stream_update(c->hash, c->trailers[i].value.data, c->trailers[i].value.len);
        hash_stream_update(c->hash, "\n", 1);
    }
    hash_stream_final(c->hash, digest.b);
    return sigv4_trailer_verify(&c->signer, &digest, c->given) ? AWS_CHUNKED_ERR_NONE : AWS_CHUNKED_ERR_SIGNATURE;
}

/* A line of the trailer section lies at text[line_start..text_bytes), its LF included. */
static enum aws_chunked_error end_trailer_line(struct aws_chunked *c)
{
    char *line = c->text + c->line_start;
    size_t len = c->text_bytes - c->line_start - 1;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    c->line_start = c->text_bytes;
    if (len > 0)
        return has_trailer(c) ? take_trailer(c, line, len) : AWS_CHUNKED_ERR_TRAILER;
    if (!trailers_are_complete(c)) {
        if (++c->gaps > TRAILER_GAPS_MAX)
            return AWS_CHUNKED_ERR_TRAILER;
        return AWS_CHUNKED_ERR_NONE;
    }
    c->state = AWS_CHUNKED_DONE;
    return check_trailers(c);
}

/* ---- feeding ---- */

static enum aws_chunked_error feed_line(struct aws_chunked *c, const char *data, size_t len, size_t *consumed)
{
    bool trailer = c->state == AWS_CHUNKED_TRAILER;
    size_t room = (trailer ? AWS_CHUNKED_TRAILER_BYTES_MAX : AWS_CHUNKED_LINE_BYTES_MAX) - c->text_bytes;
    const char *lf = memchr(data, '\n', len);
    size_t take = lf != NULL ? (size_t)(lf - data) + 1 : len;
    if (take > room)
        return trailer ? AWS_CHUNKED_ERR_TRAILER : AWS_CHUNKED_ERR_MALFORMED;
    memcpy(c->text + c->text_bytes, data, take);
    c->text_bytes += take;
    *consumed += take;
    if (lf == NULL)
        return AWS_CHUNKED_ERR_NONE;
    return trailer ? end_trailer_line(c) : end_chunk_line(c);
}

static enum aws_chunked_error feed_data_end(struct aws_chunked *c, const char *data, size_t *consumed)
{
    if (data[0] != "\r\n"[c->end_seen])
        return AWS_CHUNKED_ERR_MALFORMED;
    ++*consumed;
    if (++c->end_seen < 2)
        return AWS_CHUNKED_ERR_NONE;
    c->end_seen = 0;
    c->state = AWS_CHUNKED_LINE;
    return AWS_CHUNKED_ERR_NONE;
}

/* After the end: one more CR LF at most. */
static enum aws_chunked_error feed_rest(struct aws_chunked *c, const char *data, size_t *consumed)
{
    if (c->end_seen == 2 || data[0] != "\r\n"[c->end_seen])
        return AWS_CHUNKED_ERR_MALFORMED;
    c->end_seen++;
    ++*consumed;
    return AWS_CHUNKED_ERR_NONE;
}

/* Verified as soon as the last byte of the chunk is there, so a false chunk ends the request before the next. */
static enum aws_chunked_error feed_data(struct aws_chunked *c, const char *data, size_t len, size_t *consumed,
                                        struct bytes *span)
{
    size_t take = len < c->left_bytes ? len : (size_t)c->left_bytes;
    *span = bytes_of(data, take);
    *consumed += take;
    c->left_bytes -= take;
    if (is_signed(c))
        hash_stream_update(c->hash, data, take);
    if (c->left_bytes > 0)
        return AWS_CHUNKED_ERR_NONE;
    c->state = AWS_CHUNKED_DATA_END;
    return verify_chunk(c);
}

enum aws_chunked_event aws_chunked_feed(struct aws_chunked *c, const void *data, size_t len, size_t *consumed,
                                        struct bytes *span)
{
    const char *bytes = data;
    *consumed = 0;
    while (c->state != AWS_CHUNKED_FAILED) {
        enum aws_chunked_error error = AWS_CHUNKED_ERR_NONE;
        size_t left = len - *consumed;
        if (left == 0)
            return AWS_CHUNKED_EV_MORE;
        const char *at = bytes + *consumed;
        enum aws_chunked_state state = c->state;
        switch (state) {
        case AWS_CHUNKED_LINE:
        case AWS_CHUNKED_TRAILER:
            error = feed_line(c, at, left, consumed);
            break;
        case AWS_CHUNKED_DATA:
            error = feed_data(c, at, left, consumed, span);
            break;
        case AWS_CHUNKED_DATA_END:
            error = feed_data_end(c, at, consumed);
            break;
        case AWS_CHUNKED_DONE:
            error = feed_rest(c, at, consumed);
            break;
        case AWS_CHUNKED_FAILED:
            break;
        }
        if (error != AWS_CHUNKED_ERR_NONE) {
            c->error = error;
            c->state = AWS_CHUNKED_FAILED;
        } else if (state == AWS_CHUNKED_DATA) {
            return AWS_CHUNKED_EV_DATA;
        } else if (state != AWS_CHUNKED_DONE && c->state == AWS_CHUNKED_DONE) {
            return AWS_CHUNKED_EV_END;
        }
    }
    return AWS_CHUNKED_EV_ERROR;
}

enum aws_chunked_error aws_chunked_finish(struct aws_chunked *c)
{
    /* Some clients leave out the empty line after the chunk of size 0 when no trailer follows. */
    bool bare_end = c->state == AWS_CHUNKED_TRAILER && c->text_bytes == c->line_start;
    if (bare_end) {
        c->state = AWS_CHUNKED_DONE;
        c->error = check_trailers(c);
        if (c->error != AWS_CHUNKED_ERR_NONE)
            c->state = AWS_CHUNKED_FAILED;
    }
    if (c->state != AWS_CHUNKED_DONE && c->state != AWS_CHUNKED_FAILED) {
        c->state = AWS_CHUNKED_FAILED;
        c->error = AWS_CHUNKED_ERR_INCOMPLETE;
    }
    return c->error;
}
