/* dolmen pool status: asks the running dolmend. */
#include "cli.h"
#include "option_values.h"

#include <stdio.h>
#include <stdlib.h>

struct request {
    const char *dev;
    bool json;
};

static enum cli_exit parse(struct request *r, int argc, char **argv)
{
    static const char *const flags[] = {"json", NULL};
    struct option_cursor cursor = {.argc = argc, .argv = argv};
    struct option_item item;
    for (;;) {
        switch (option_next(&cursor, flags, &item)) {
        case OPTION_END:
            return r->dev != NULL ? CLI_OK : cli_wrong("no directory given. Name it with --dev DIR.");
        case OPTION_WORD:
            return cli_wrong("'%s' is not an option.", item.value);
        case OPTION_NO_VALUE:
            return cli_wrong("--%s: the value is missing, or there is one where none belongs.", item.name);
        case OPTION_NAMED:
            if (strcmp(item.name, "dev") == 0)
                r->dev = item.value;
            else if (strcmp(item.name, "json") == 0)
                r->json = true;
            else
                return cli_wrong("--%s: no such option.", item.name);
            break;
        }
    }
}

enum cli_exit cli_pool_status(int argc, char **argv)
{
    struct request r = {0};
    unsigned status = 0;
    char *body = NULL;
    enum cli_exit result = parse(&r, argc, argv);
    if (result == CLI_OK)
        result = cli_admin_get(r.dev, "/v1/status", &status, &body);
    if (result != CLI_OK)
        return result;
    json_t *doc = status == 200 ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (doc == NULL) {
        cli_say(
            "the dolmend that serves %s gave an answer that this program does not understand (HTTP %u). Are they of "
            "the same version?",
            r.dev, status);
        result = CLI_FAILED;
    } else if (r.json) {
        fputs(body, stdout);
    } else {
        result = cli_print_status(doc);
    }
    json_decref(doc);
    free(body);
    return result;
}
