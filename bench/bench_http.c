/* Heads out, heads in. */
#include "bench_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const char *bench_verb_name(enum bench_verb verb)
{
    static const char *const names[BENCH_VERBS] = {"put", "get", "head", "list", "delete"};
    return names[verb];
}

const char *bench_verb_method(enum bench_verb verb)
{
    static const char *const methods[BENCH_VERBS] = {"PUT", "GET", "HEAD", "GET", "DELETE"};
    return methods[verb];
}

size_t bench_http_head(struct bench_signer *signer, const struct bench_request *request, char *out, size_t out_len)
{
    char payload_hash[65] = EMPTY_SHA256;
    const char *method = bench_verb_method(request->verb);
    if (request->body != NULL && signer->options->sign_payload)
        bench_content_sha256(request->body, payload_hash);
    else if (request->body != NULL)
        snprintf(payload_hash, sizeof payload_hash, "UNSIGNED-PAYLOAD");

    int n = snprintf(out, out_len, "%s %s%s%s HTTP/1.1\r\n", method, request->path,
                     request->query[0] != '\0' ? "?" : "", request->query);
    if (n < 0 || (size_t)n >= out_len)
        return 0;
    size_t at = (size_t)n;
    size_t signed_len = bench_sign(signer, method, request->path, request->query, payload_hash, out + at, out_len - at);
    if (signed_len == 0)
        return 0;
    at += signed_len;
    n = snprintf(out + at, out_len - at, "Content-Length: %llu\r\n\r\n",
                 (unsigned long long)(request->body != NULL ? request->body->size : 0));
    return n < 0 || (size_t)n >= out_len - at ? 0 : at + (size_t)n;
}

/* head ends with a terminator. NULL: no such header. */
static const char *header_value(const char *head, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, name_len) == 0 && line[2 + name_len] == ':')
            return line + 2 + name_len + 1 + strspn(line + 2 + name_len + 1, " ");
    }
    return NULL;
}

enum bench_head_state bench_http_parse(char *text, size_t len, enum bench_verb verb, struct bench_response *response,
                                       size_t *head_len)
{
    text[len] = '\0';
    char *end = memmem(text, len, "\r\n\r\n", 4);
    if (end == NULL)
        return BENCH_HEAD_PARTIAL;
    if (strncmp(text, "HTTP/1.1 ", 9) != 0)
        return BENCH_HEAD_BAD;
    *head_len = (size_t)(end + 4 - text);
    *response = (struct bench_response){.status = (unsigned)strtoul(text + 9, NULL, 10)};
    /* the search must not run into the body */
    char kept = end[2];
    end[2] = '\0';
    const char *length = header_value(text, "content-length");
    const char *connection = header_value(text, "connection");
    bool has_no_body = verb == BENCH_VERB_HEAD || response->status == 204 || response->status == 304;
    if (length != NULL && !has_no_body)
        response->body_len = strtoull(length, NULL, 10);
    if (connection != NULL && strncasecmp(connection, "close", 5) == 0)
        response->closing = BENCH_CLOSE;
    end[2] = kept;
    return length != NULL || has_no_body ? BENCH_HEAD_WHOLE : BENCH_HEAD_BAD;
}

void bench_http_note_error(struct bench_response *response, const uint8_t *body, size_t len)
{
    const char *code = memmem(body, len, "<Code>", 6);
    if (code == NULL)
        return;
    code += 6;
    const char *end = memmem(code, len - (size_t)(code - (const char *)body), "</Code>", 7);
    if (end != NULL)
        snprintf(response->error_code, sizeof response->error_code, "%.*s", (int)(end - code), code);
}
