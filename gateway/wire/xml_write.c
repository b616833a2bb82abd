/* The XML writer. */
#include "xml.h"

void xml_writer_init(struct xml_writer *w, char *buf, size_t buf_bytes, xml_flush_fn *flush, void *ctx)
{
    *w = (struct xml_writer){.buf = buf, .buf_bytes = buf_bytes, .flush = flush, .ctx = ctx};
}

static void flush(struct xml_writer *w)
{
    if (w->err != DOL_OK)
        return;
    if (w->flush == NULL) {
        w->err = DOL_ETOOLARGE;
        return;
    }
    if (w->len > 0)
        w->err = w->flush(w->ctx, w->buf, w->len);
    w->len = 0;
}

static void put(struct xml_writer *w, const char *s, size_t len)
{
    while (len > 0 && w->err == DOL_OK) {
        size_t room = w->buf_bytes - w->len;
        size_t take = len < room ? len : room;
        memcpy(w->buf + w->len, s, take);
        w->len += take;
        s += take;
        len -= take;
        if (len > 0)
            flush(w);
    }
}

static void put_str(struct xml_writer *w, const char *s)
{
    put(w, s, strlen(s));
}

/*
 * How many bytes of s are one character, and which; 0 for bytes that are no UTF-8 (RFC 3629).
 */
static size_t decode_utf8(const unsigned char *s, size_t len, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    *c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (s[i] & 0x3f);
    }
    if (*c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
        return 0;
    return n;
}

static void put_reference(struct xml_writer *w, uint32_t c)
{
    char text[16];
    size_t n = sizeof text;
    text[--n] = ';';
    do {
        text[--n] = "0123456789abcdef"[c & 15];
        c >>= 4;
    } while (c > 0);
    text[--n] = 'x';
    text[--n] = '#';
    text[--n] = '&';
    put(w, text + n, sizeof text - n);
}

static const char *entity_of(uint32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* Carriage returns would be normalised away by a reader; the others XML 1.0 doesn't allow at all. */
static bool needs_reference(uint32_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || c == 0xfffe || c == 0xffff;
}

/* ASCII that stands for itself: nearly all there is. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '&' && c != '<' && c != '>' && c != '"';
}

void xml_write_escaped(struct xml_writer *w, struct bytes text)
{
    const unsigned char *s = text.data;
    size_t plain = 0; /* bytes before i that go out as they are */
    for (size_t i = 0; i < text.len && w->err == DOL_OK;) {
        uint32_t c = 0;
        if (is_plain(s[i])) {
            i++;
            plain++;
            continue;
        }
        size_t n = decode_utf8(s + i, text.len - i, &c);
        const char *entity = n > 0 ? entity_of(c) : "\xef\xbf\xbd";
        if (entity == NULL && !needs_reference(c)) {
            i += n;
            plain += n;
            continue;
        }
        put(w, (const char *)s + i - plain, plain);
        plain = 0;
        if (entity != NULL)
            put_str(w, entity);
        else
            put_reference(w, c);
        i += n > 0 ? n : 1;
        if (i == text.len)
            return;
    }
    if (plain > 0)
        put(w, (const char *)s + text.len - plain, plain);
}

void xml_write_raw(struct xml_writer *w, const char *markup)
{
    put_str(w, markup);
}

void xml_write_declaration(struct xml_writer *w)
{
    put_str(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

void xml_write_open(struct xml_writer *w, const char *name)
{
    put(w, "<", 1);
    put_str(w, name);
    put(w, ">", 1);
}

void xml_write_open_ns(struct xml_writer *w, const char *name, const char *ns)
{
    put(w, "<", 1);
    put_str(w, name);
    put_str(w, " xmlns=\"");
    xml_write_escaped(w, bytes_of(ns, strlen(ns)));
    put(w, "\">", 2);
}

void xml_write_close(struct xml_writer *w, const char *name)
{
    put(w, "</", 2);
    put_str(w, name);
    put(w, ">", 1);
}

void xml_write_text(struct xml_writer *w, const char *name, struct bytes text)
{
    xml_write_open(w, name);
    xml_write_escaped(w, text);
    xml_write_close(w, name);
}

void xml_write_str(struct xml_writer *w, const char *name, const char *text)
{
    xml_write_text(w, name, bytes_of(text, strlen(text)));
}

void xml_write_u64(struct xml_writer *w, const char *name, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    xml_write_text(w, name, bytes_of(digits + n, sizeof digits - n));
}

void xml_write_bool(struct xml_writer *w, const char *name, bool value)
{
    xml_write_str(w, name, value ? "true" : "false");
}

enum dol_err xml_writer_finish(struct xml_writer *w)
{
    if (w->flush != NULL)
        flush(w);
    return w->err;
}
