/* dolmen pool status: asks the running dolmend. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>

struct request {
    struct options options;
    bool json;
};

static enum cli_exit take_option(void *arg, const struct option_item *item)
{
    struct request *r = arg;
    enum cli_exit result = CLI_OK;
    if (strcmp(item->name, "json") == 0)
        r->json = true;
    else if (!cli_pool_option(&r->options, item, &result))
        result = cli_wrong("--%s: no such option.", item->name);
    return result;
}

static enum cli_exit parse(struct request *r, int argc, char **argv)
{
    static const char *const flags[] = {"json", NULL};
    enum cli_exit result = cli_parse(argc, argv, flags, take_option, NULL, r);
    return result == CLI_OK ? cli_pool_check(&r->options) : result;
}

enum cli_exit cli_pool_status(int argc, char **argv)
{
    struct request r = {.json = false};
    unsigned status = 0;
    char *body = NULL;
    options_init(&r.options);
    enum cli_exit result = parse(&r, argc, argv);
    if (result == CLI_OK)
        result = cli_admin_ask(&r.options, "GET", "/v1/status", "", &status, &body);
    if (result != CLI_OK)
        goto out;
    json_t *doc = status == 200 ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (doc == NULL) {
        cli_say(
            "the dolmend that serves %s gave an answer that this program does not understand (HTTP %u). Are they of "
            "the same version?",
            cli_pool_name(&r.options), status);
        result = CLI_FAILED;
    } else if (r.json) {
        fputs(body, stdout);
    } else {
        result = cli_print_status(doc);
    }
    json_decref(doc);
    free(body);
out:
    options_fini(&r.options);
    return result;
}
