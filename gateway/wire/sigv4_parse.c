/* What a request says about its signature: the Authorization header or the X-Amz-* query, and the checks that need no
 * secret. */
#include "hash.h"
#include "http_date.h"
#include "sigv4.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

static struct bytes trim(struct bytes b)
{
    const char *s = b.data;
    while (b.len > 0 && (*s == ' ' || *s == '\t')) {
        s++;
        b.len--;
    }
    while (b.len > 0 && (s[b.len - 1] == ' ' || s[b.len - 1] == '\t'))
        b.len--;
    return bytes_of(s, b.len);
}

/* Cuts the part after the last '/' off `rest`. */
static bool cut_last(struct bytes *rest, struct bytes *part)
{
    const char *s = rest->data;
    for (size_t i = rest->len; i > 0; i--) {
        if (s[i - 1] == '/') {
            *part = bytes_of(s + i, rest->len - i);
            rest->len = i - 1;
            return true;
        }
    }
    return false;
}

/* "<access key>/<yyyymmdd>/<region>/<service>/aws4_request". An access key may hold slashes, so from the right. */
static bool parse_credential(struct bytes text, struct sigv4_auth *auth)
{
    struct bytes rest = text, terminator;
    if (!cut_last(&rest, &terminator) || !bytes_equal_str(terminator, "aws4_request") ||
        !cut_last(&rest, &auth->service) || !cut_last(&rest, &auth->region) || !cut_last(&rest, &auth->date))
        return false;
    auth->access_key = rest;
    if (rest.len == 0 || rest.len > SIGV4_ACCESS_KEY_BYTES_MAX || auth->date.len != 8)
        return false;
    auth->scope = bytes_of(auth->date.data, text.len - rest.len - 1);
    return auth->scope.len <= SIGV4_SCOPE_BYTES_MAX;
}

/* Lower-case tokens between semicolons, none twice, one of them "host". */
static bool check_signed_headers(struct bytes list)
{
    struct bytes names[SIGV4_SIGNED_HEADERS_MAX];
    unsigned count = 0;
    bool host = false;
    const char *s = list.data;
    if (list.len == 0)
        return false;
    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && ((s[i] >= 'A' && s[i] <= 'Z') || (unsigned char)s[i] <= 0x20 || s[i] == ':'))
            return false;
        if (i < list.len && s[i] != ';')
            continue;
        size_t from = count > 0 ? (size_t)((const char *)names[count - 1].data - s) + names[count - 1].len + 1 : 0;
        struct bytes name = bytes_of(s + from, i - from);
        if (name.len == 0 || count == SIGV4_SIGNED_HEADERS_MAX)
            return false;
        for (unsigned j = 0; j < count; j++)
            if (bytes_equal(names[j], name))
                return false;
        host |= bytes_equal_str(name, "host");
        names[count++] = name;
    }
    return host;
}

static void parse_signature(struct bytes hex, struct sigv4_auth *auth)
{
    auth->signature_is_hex = hex.len == 64 && hex_decode(hex.data, 64, auth->signature, sizeof auth->signature);
}

enum sigv4_result sigv4_parse_payload(struct bytes text, struct sigv4_auth *auth)
{
    auth->payload_text = text;
    if (bytes_equal_str(text, "UNSIGNED-PAYLOAD"))
        auth->payload = SIGV4_PAYLOAD_UNSIGNED;
    else if (bytes_equal_str(text, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))
        auth->payload = SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
    else if (bytes_equal_str(text, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))
        auth->payload = SIGV4_PAYLOAD_STREAM_SIGNED;
    else if (bytes_equal_str(text, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"))
        auth->payload = SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
    else if (text.len == 64 && hex_decode(text.data, 64, auth->payload_hash.b, sizeof auth->payload_hash.b))
        auth->payload = SIGV4_PAYLOAD_SHA256;
    else
        return SIGV4_BAD_CONTENT_SHA256;
    return SIGV4_OK;
}

/* ---- header form ---- */

/* Splits the parameters after the algorithm. Each exactly once; order and blanks are free. */
static enum sigv4_result parse_authorization(struct bytes value, struct sigv4_auth *auth)
{
    struct bytes credential = {0}, signed_headers = {0}, signature = {0};
    const struct {
        const char *name;
        struct bytes *to;
    } fields[] = {{"Credential=", &credential}, {"SignedHeaders=", &signed_headers}, {"Signature=", &signature}};
    while (value.len > 0) {
        const char *s = value.data;
        const char *comma = memchr(s, ',', value.len);
        size_t len = comma != NULL ? (size_t)(comma - s) : value.len;
        struct bytes part = trim(bytes_of(s, len));
        bool known = part.len == 0;
        for (size_t i = 0; i < 3; i++) {
            size_t n = strlen(fields[i].name);
            if (part.len < n || memcmp(part.data, fields[i].name, n) != 0)
                continue;
            if (fields[i].to->data != NULL)
                return SIGV4_MALFORMED;
            *fields[i].to = bytes_of((const char *)part.data + n, part.len - n);
            known = true;
        }
        if (!known)
            return SIGV4_MALFORMED;
        size_t skip = comma != NULL ? len + 1 : len;
        value = bytes_of(s + skip, value.len - skip);
    }
    if (!parse_credential(credential, auth) || !check_signed_headers(signed_headers) || signature.data == NULL)
        return SIGV4_MALFORMED;
    auth->signed_headers = signed_headers;
    parse_signature(signature, auth);
    return SIGV4_OK;
}

/* x-amz-date, else Date; the string to sign has the basic ISO form of either. */
static enum sigv4_result parse_header_date(const struct sigv4_request *req, struct sigv4_auth *auth)
{
    char text[HTTP_DATE_TEXT_MAX];
    const struct wire_header *h = wire_header_find(req->headers, req->header_count, "x-amz-date");
    if (h != NULL) {
        if (!http_date_parse_basic(h->value, &auth->time_s))
            return SIGV4_MISSING_DATE;
    } else {
        h = wire_header_find(req->headers, req->header_count, "date");
        if (h == NULL || (!http_date_parse_basic(h->value, &auth->time_s) && !http_date_parse(h->value, &auth->time_s)))
            return SIGV4_MISSING_DATE;
    }
    if (http_date_format_basic(auth->time_s, text) != sizeof auth->amz_date - 1)
        return SIGV4_MISSING_DATE;
    memcpy(auth->amz_date, text, sizeof auth->amz_date);
    return SIGV4_OK;
}

static enum sigv4_result parse_header_form(const struct sigv4_request *req, struct bytes authorization,
                                           struct sigv4_auth *auth)
{
    const size_t n = strlen(ALGORITHM);
    const char *s = authorization.data;
    if (authorization.len <= n || memcmp(s, ALGORITHM, n) != 0 || (s[n] != ' ' && s[n] != '\t'))
        return SIGV4_UNSUPPORTED;
    auth->kind = SIGV4_KIND_HEADER;
    enum sigv4_result result = parse_authorization(bytes_of(s + n + 1, authorization.len - n - 1), auth);
    if (result == SIGV4_OK)
        result = parse_header_date(req, auth);
    if (result != SIGV4_OK)
        return result;
    const struct wire_header *token = wire_header_find(req->headers, req->header_count, "x-amz-security-token");
    if (token != NULL)
        auth->security_token = token->value;
    const struct wire_header *sha = wire_header_find(req->headers, req->header_count, "x-amz-content-sha256");
    return sha != NULL ? sigv4_parse_payload(sha->value, auth) : SIGV4_MISSING_CONTENT_SHA256;
}

/* ---- query form ---- */

static bool query_value(const struct uri_query *query, const char *name, struct bytes *value)
{
    const struct uri_param *p = uri_query_find(query, name);
    if (p != NULL)
        *value = p->value;
    return p != NULL;
}

static bool parse_expires(struct bytes text, int64_t *expires_s)
{
    const char *s = text.data;
    int64_t n = 0;
    if (text.len == 0 || text.len > 7)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        n = n * 10 + (s[i] - '0');
    }
    *expires_s = n;
    return n >= 1 && n <= SIGV4_EXPIRES_MAX_S;
}

static bool is_presign_name(struct bytes name)
{
    return bytes_equal_str(name, "X-Amz-Algorithm") || bytes_equal_str(name, "X-Amz-Credential") ||
           bytes_equal_str(name, "X-Amz-Date") || bytes_equal_str(name, "X-Amz-Expires") ||
           bytes_equal_str(name, "X-Amz-SignedHeaders") || bytes_equal_str(name, "X-Amz-Signature");
}

/* One parameter twice would leave open which of the two was meant. */
static bool has_duplicates(const struct uri_query *query)
{
    for (unsigned i = 0; i < query->count; i++)
        for (unsigned j = i + 1; is_presign_name(query->params[i].name) && j < query->count; j++)
            if (bytes_equal(query->params[i].name, query->params[j].name))
                return true;
    return false;
}

static enum sigv4_result parse_query_form(const struct sigv4_request *req, struct sigv4_auth *auth)
{
    struct bytes algorithm, credential, date, expires, signature, sha;
    const struct uri_query *q = req->query;
    auth->kind = SIGV4_KIND_PRESIGNED;
    if (has_duplicates(q) || !query_value(q, "X-Amz-Algorithm", &algorithm) ||
        !query_value(q, "X-Amz-Credential", &credential) || !query_value(q, "X-Amz-Date", &date) ||
        !query_value(q, "X-Amz-Expires", &expires) || !query_value(q, "X-Amz-SignedHeaders", &auth->signed_headers) ||
        !query_value(q, "X-Amz-Signature", &signature))
        return SIGV4_QUERY_MALFORMED;
    if (!bytes_equal_str(algorithm, ALGORITHM) || !parse_credential(credential, auth) ||
        !check_signed_headers(auth->signed_headers) || !parse_expires(expires, &auth->expires_s) ||
        !http_date_parse_basic(date, &auth->time_s))
        return SIGV4_QUERY_MALFORMED;
    memcpy(auth->amz_date, date.data, sizeof auth->amz_date - 1); /* its form was just checked: 16 characters */
    parse_signature(signature, auth);
    query_value(q, "X-Amz-Security-Token", &auth->security_token);

    const struct wire_header *header = wire_header_find(req->headers, req->header_count, "x-amz-content-sha256");
    if (!query_value(q, "X-Amz-Content-Sha256", &sha))
        sha = header != NULL ? header->value : bytes_of("UNSIGNED-PAYLOAD", 16);
    enum sigv4_result result = sigv4_parse_payload(sha, auth);
    if (result != SIGV4_OK)
        return result;
    bool chained = auth->payload == SIGV4_PAYLOAD_STREAM_SIGNED || auth->payload == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
    return chained ? SIGV4_BAD_CONTENT_SHA256 : SIGV4_OK;
}

/* Headers the signature hangs on must not leave open which of two was meant. */
static bool has_repeated_header(const struct sigv4_request *req)
{
    static const char *const once[] = {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token",
                                       "x-amz-decoded-content-length"};
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        unsigned count = 0;
        for (unsigned j = 0; j < req->header_count; j++)
            count += bytes_equal_str(req->headers[j].name, once[i]);
        if (count > 1)
            return true;
    }
    return false;
}

enum sigv4_result sigv4_parse(const struct sigv4_request *req, struct sigv4_auth *auth)
{
    memset(auth, 0, sizeof *auth);
    const struct wire_header *authorization = wire_header_find(req->headers, req->header_count, "authorization");
    bool presigned = uri_query_find(req->query, "X-Amz-Algorithm") != NULL ||
                     uri_query_find(req->query, "X-Amz-Signature") != NULL ||
                     uri_query_find(req->query, "X-Amz-Credential") != NULL;
    if (authorization != NULL && presigned)
        return SIGV4_AMBIGUOUS;
    if (has_repeated_header(req))
        return presigned ? SIGV4_QUERY_MALFORMED : SIGV4_MALFORMED;
    if (authorization != NULL)
        return parse_header_form(req, authorization->value, auth);
    return presigned ? parse_query_form(req, auth) : SIGV4_ANONYMOUS;
}

/* ---- checks that need no secret ---- */

static bool is_signed(struct bytes list, struct bytes name)
{
    const char *s = list.data;
    for (size_t i = 0; i + name.len <= list.len; i++) {
        bool starts = i == 0 || s[i - 1] == ';';
        bool ends = i + name.len == list.len || s[i + name.len] == ';';
        if (starts && ends && memcmp(s + i, name.data, name.len) == 0)
            return true;
    }
    return false;
}

static enum sigv4_result check_clock(const struct sigv4_auth *auth, int64_t now_s)
{
    if (auth->kind == SIGV4_KIND_HEADER) {
        if (auth->time_s > now_s + SIGV4_SKEW_MAX_S || auth->time_s < now_s - SIGV4_SKEW_MAX_S)
            return SIGV4_SKEWED;
        return SIGV4_OK;
    }
    if (auth->time_s > now_s + SIGV4_SKEW_MAX_S)
        return SIGV4_NOT_YET_VALID;
    return now_s > auth->time_s + auth->expires_s ? SIGV4_EXPIRED : SIGV4_OK;
}

enum sigv4_result sigv4_check(const struct sigv4_request *req, const struct sigv4_auth *auth, struct bytes region,
                              int64_t now_s)
{
    if (memcmp(auth->amz_date, auth->date.data, 8) != 0)
        return SIGV4_WRONG_DATE;
    if (!bytes_equal(auth->region, region))
        return SIGV4_WRONG_REGION;
    if (!bytes_equal_str(auth->service, "s3"))
        return SIGV4_WRONG_SERVICE;
    enum sigv4_result result = check_clock(auth, now_s);
    if (result != SIGV4_OK)
        return result;
    for (unsigned i = 0; i < req->header_count; i++) {
        struct bytes name = req->headers[i].name;
        if (name.len > 6 && memcmp(name.data, "x-amz-", 6) == 0 && !is_signed(auth->signed_headers, name))
            return SIGV4_UNSIGNED_HEADER;
    }
    return SIGV4_OK;
}
