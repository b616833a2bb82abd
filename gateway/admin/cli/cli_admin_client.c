/* One request over the admin socket. The connection is closed after it, so the response ends where the stream does. */
#include "cli.h"
#include "config.h"
#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX ((size_t)16 << 20)
#define TIMEOUT_S        30

/* A socket's address has room for 107 characters; the descriptor of DIR gives a short name to any. */
static int connect_to(const struct options *o)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[PATH_MAX];
    int dir_fd = -1;
    int fd = -1;
    int error;
    if (site_socket_path(o, path, sizeof path) != DOL_OK) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (strlen(path) >= sizeof addr.sun_path) {
        dir_fd = o->dev != NULL ? open(o->dev, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (dir_fd < 0)
            return -1;
        snprintf(path, sizeof path, "/proc/self/fd/%d/admin.sock", dir_fd);
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    error = errno;
    if (dir_fd >= 0)
        close(dir_fd);
    errno = error;
    return fd;
}

static bool send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* The whole stream, terminated; NULL on any error. */
static char *receive_all(int fd)
{
    size_t len = 0;
    size_t capacity = 65536;
    char *text = malloc(capacity);
    while (text != NULL) {
        if (len + 1 == capacity) {
            char *larger = capacity < ANSWER_BYTES_MAX ? realloc(text, capacity * 2) : NULL;
            if (larger == NULL)
                break;
            text = larger;
            capacity *= 2;
        }
        ssize_t n = recv(fd, text + len, capacity - len - 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        if (n == 0) {
            text[len] = '\0';
            return text;
        }
        len += (size_t)n;
    }
    free(text);
    return NULL;
}

/* Status and body of a response whose announced length has come. */
static bool split_response(const char *response, unsigned *status, char **body)
{
    unsigned long long length = 0;
    const char *end = strstr(response, "\r\n\r\n");
    const char *field = strstr(response, "\r\nContent-Length: ");
    if (sscanf(response, "HTTP/1.1 %3u ", status) != 1 || end == NULL || field == NULL || field > end ||
        sscanf(field, "\r\nContent-Length: %llu", &length) != 1 || strlen(end + 4) != length)
        return false;
    *body = strdup(end + 4);
    return *body != NULL;
}

/* ---- which pool ---- */

bool cli_pool_option(struct options *o, const struct option_item *item, enum cli_exit *result)
{
    struct option_why why;
    bool is_dev = strcmp(item->name, "dev") == 0;
    if (!is_dev && strcmp(item->name, "config") != 0)
        return false;
    if (o->dev != NULL || o->config != NULL) {
        *result = cli_wrong("--%s %s: the pool has been named already.", item->name, item->value);
    } else if (is_dev) {
        o->dev = item->value;
    } else if (config_load(item->value, o, &why) != DOL_OK || config_check(o, &why) != DOL_OK) {
        cli_say("%s", why.text);
        *result = CLI_USAGE;
    }
    return true;
}

enum cli_exit cli_parse(int argc, char **argv, const char *const *flags, cli_take_fn *take, cli_take_word_fn *take_word,
                        void *arg)
{
    struct option_cursor cursor = {.argc = argc, .argv = argv};
    struct option_item item;
    enum cli_exit result = CLI_OK;
    while (result == CLI_OK) {
        switch (option_next(&cursor, flags, &item)) {
        case OPTION_END:
            return CLI_OK;
        case OPTION_WORD:
            if (take_word == NULL)
                return cli_wrong("'%s' is not an option.", item.value);
            result = take_word(arg, item.value);
            break;
        case OPTION_NO_VALUE:
            return cli_wrong("--%s: the value is missing, or there is one where none belongs.", item.name);
        case OPTION_NAMED:
            result = take(arg, &item);
            break;
        }
    }
    return result;
}

enum cli_exit cli_pool_check(const struct options *o)
{
    if (o->dev != NULL || o->config != NULL)
        return CLI_OK;
    return cli_wrong("no pool given. Name it with --config FILE or --dev DIR.");
}

const char *cli_pool_name(const struct options *o)
{
    return o->dev != NULL ? o->dev : o->config;
}

const char *cli_pool_option_name(const struct options *o)
{
    return o->dev != NULL ? "--dev" : "--config";
}

/* ---- asking ---- */

enum cli_exit cli_admin_ask(const struct options *o, const char *method, const char *target, const char *request_body,
                            unsigned *status, char **body)
{
    const char *name = cli_pool_name(o);
    static const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    char request[256];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: dolmend\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", method,
                       target, strlen(request_body));
    int fd = connect_to(o);
    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)) {
        cli_say("no dolmend serves %s. Start it with 'dolmend %s %s'.", name, cli_pool_option_name(o), name);
        return CLI_NOT_RUNNING;
    }
    if (fd < 0) {
        cli_say("cannot reach the admin socket of %s: %s. Its owner or root may use it.", name, strerror(errno));
        return CLI_FAILED;
    }
    char *response = NULL;
    bool good = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
                send_all(fd, request, (size_t)len) && send_all(fd, request_body, strlen(request_body));
    if (good)
        response = receive_all(fd);
    close(fd);
    good = response != NULL && split_response(response, status, body);
    free(response);
    if (good)
        return CLI_OK;
    cli_say("the dolmend that serves %s gave no complete answer within %d seconds. Its log may say why.", name,
            TIMEOUT_S);
    return CLI_FAILED;
}
