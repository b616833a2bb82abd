/* dolmen user, key, group, policy: one request of POST /v1/iam each, by a table of what they take. */
#include "cli.h"
#include "hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX           2u
#define DOCUMENT_BYTES_MAX  65536u
#define POLICY_OF_NEW_USERS "service"

/* What stands behind the verb, and what is printed. */
enum iam_take { TAKES_NOTHING, TAKES_NAME, TAKES_NAME_AND_FILE };
enum iam_print { PRINTS_NOTHING, PRINTS_KEY, PRINTS_LIST, PRINTS_DOCUMENT };

static const struct iam_verb {
    const char *noun, *verb;
    enum iam_take take;
    const char *options[3]; /* that it knows beside the pool's */
    enum iam_print print;
} verbs[] = {
    {"user", "create", TAKES_NAME, {"policy", "no-policy", NULL}, PRINTS_KEY},
    {"user", "list", TAKES_NOTHING, {"json", NULL, NULL}, PRINTS_LIST},
    {"user", "delete", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"user", "enable", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"user", "disable", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"key", "create", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_KEY},
    {"key", "list", TAKES_NOTHING, {"json", NULL, NULL}, PRINTS_LIST},
    {"key", "delete", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"group", "create", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"group", "list", TAKES_NOTHING, {"json", NULL, NULL}, PRINTS_LIST},
    {"group", "delete", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"group", "add", TAKES_NAME, {"user", NULL, NULL}, PRINTS_NOTHING},
    {"group", "remove", TAKES_NAME, {"user", NULL, NULL}, PRINTS_NOTHING},
    {"policy", "create", TAKES_NAME_AND_FILE, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"policy", "list", TAKES_NOTHING, {"json", NULL, NULL}, PRINTS_LIST},
    {"policy", "show", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_DOCUMENT},
    {"policy", "delete", TAKES_NAME, {NULL, NULL, NULL}, PRINTS_NOTHING},
    {"policy", "attach", TAKES_NAME, {"user", "group", NULL}, PRINTS_NOTHING},
    {"policy", "detach", TAKES_NAME, {"user", "group", NULL}, PRINTS_NOTHING},
};

struct request {
    struct options options;
    const struct iam_verb *verb;
    const char *words[WORDS_MAX];
    unsigned word_count;
    const char *policy, *user, *group;
    bool no_policy, json;
};

static const struct iam_verb *find_verb(int argc, char **argv)
{
    for (size_t i = 0; argc >= 3 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].noun, argv[1]) == 0 && strcmp(verbs[i].verb, argv[2]) == 0)
            return &verbs[i];
    return NULL;
}

bool cli_iam_is_verb(int argc, char **argv)
{
    return find_verb(argc, argv) != NULL;
}

/* ---- the command line ---- */

static enum cli_exit take_option(void *arg, const struct option_item *item)
{
    struct request *r = arg;
    enum cli_exit result = CLI_OK;
    bool known = false;
    for (unsigned i = 0; i < 3 && r->verb->options[i] != NULL; i++)
        known = known || strcmp(item->name, r->verb->options[i]) == 0;
    if (!known)
        return cli_pool_option(&r->options, item, &result) ? result : cli_wrong("--%s: no such option.", item->name);
    if (strcmp(item->name, "json") == 0)
        r->json = true;
    else if (strcmp(item->name, "no-policy") == 0)
        r->no_policy = true;
    else if (strcmp(item->name, "policy") == 0)
        r->policy = item->value;
    else if (strcmp(item->name, "user") == 0)
        r->user = item->value;
    else
        r->group = item->value;
    return CLI_OK;
}

static enum cli_exit check(const struct request *r)
{
    static const unsigned words[] = {[TAKES_NOTHING] = 0, [TAKES_NAME] = 1, [TAKES_NAME_AND_FILE] = 2};
    if (r->word_count != words[r->verb->take])
        return cli_wrong(words[r->verb->take] == 0   ? "'%s %s' takes no name."
                         : words[r->verb->take] == 1 ? "'%s %s' takes one name."
                                                     : "'%s %s' takes a name and a file.",
                         r->verb->noun, r->verb->verb);
    if (r->no_policy && r->policy != NULL)
        return cli_wrong("--policy and --no-policy exclude each other.");
    if (r->verb->options[0] != NULL && strcmp(r->verb->options[0], "user") == 0 &&
        (r->user != NULL) + (r->group != NULL) != 1)
        return cli_wrong(r->verb->options[1] != NULL ? "name one: --user USER or --group GROUP."
                                                     : "name the member: --user USER.");
    return cli_pool_check(&r->options);
}

static enum cli_exit take_word(void *arg, const char *word)
{
    struct request *r = arg;
    if (r->word_count == WORDS_MAX)
        return cli_wrong("'%s': too many words.", word);
    r->words[r->word_count++] = word;
    return CLI_OK;
}

static enum cli_exit parse(struct request *r, int argc, char **argv)
{
    static const char *const flags[] = {"json", "no-policy", NULL};
    enum cli_exit result = cli_parse(argc, argv, flags, take_option, take_word, r);
    return result == CLI_OK ? check(r) : result;
}

/* ---- asking ---- */

static enum cli_exit read_document(const char *path, json_t *doc)
{
    static char text[DOCUMENT_BYTES_MAX];
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(text, 1, sizeof text, file) : 0;
    bool good = file != NULL && ferror(file) == 0 && len < sizeof text;
    int error = errno;
    if (file != NULL)
        fclose(file);
    if (!good) {
        cli_say("cannot read %s: %s.", path, len == sizeof text ? "it is too long for a policy" : strerror(error));
        return CLI_FAILED;
    }
    if (json_object_set_new(doc, "document", json_stringn(text, len)) != 0) {
        cli_say("%s isn't text in UTF-8.", path);
        return CLI_FAILED;
    }
    return CLI_OK;
}

static void set(json_t *doc, const char *name, const char *value)
{
    if (value != NULL)
        (void)json_object_set_new(doc, name, json_string(value));
}

/* malloc'd; NULL: explained. */
static char *request_text(const struct request *r)
{
    char what[32];
    json_t *doc = json_object();
    snprintf(what, sizeof what, "%s-%s", r->verb->noun, r->verb->verb);
    set(doc, "do", what);
    set(doc, "name", r->word_count > 0 ? r->words[0] : NULL);
    set(doc, "user", r->user);
    set(doc, "group", r->group);
    if (r->verb->print == PRINTS_KEY && strcmp(r->verb->noun, "user") == 0 && !r->no_policy)
        set(doc, "policy", r->policy != NULL ? r->policy : POLICY_OF_NEW_USERS);
    char *text = NULL;
    if (r->verb->take != TAKES_NAME_AND_FILE || read_document(r->words[1], doc) == CLI_OK) {
        text = json_dumps(doc, JSON_COMPACT);
        if (text == NULL)
            cli_say("out of memory, or a name isn't text in UTF-8.");
    }
    json_decref(doc);
    return text;
}

/* ---- as a person reads it ---- */

static void print_names(const char *label, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        printf("%s%s", i == 0 ? label : ",", json_string_value(json_array_get(names, i)));
}

static void print_list(const json_t *list)
{
    size_t i;
    json_t *e;
    json_array_foreach(list, i, e)
    {
        const char *id = json_string_value(json_object_get(e, "id"));
        printf("%s", json_string_value(json_object_get(e, "name")));
        if (id != NULL)
            printf("  %s", id);
        printf("%s%s", json_is_true(json_object_get(e, "enabled")) ? "" : "  disabled",
               json_is_true(json_object_get(e, "builtin")) ? "  built in" : "");
        print_names("  policies ", json_object_get(e, "policies"));
        print_names("  groups ", json_object_get(e, "groups"));
        printf("\n");
    }
}

static void print_answer(const struct request *r, const json_t *doc, const char *body)
{
    static const char *const lines[] = {"access_key", "secret_key", "user_id"};
    switch (r->verb->print) {
    case PRINTS_NOTHING:
        break;
    case PRINTS_KEY:
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
            if (json_object_get(doc, lines[i]) != NULL)
                printf("%s=%s\n", lines[i], json_string_value(json_object_get(doc, lines[i])));
        break;
    case PRINTS_LIST:
        if (r->json)
            fputs(body, stdout);
        else
            print_list(json_object_get(doc, "list"));
        break;
    case PRINTS_DOCUMENT:
        fputs(json_string_value(json_object_get(doc, "document")), stdout);
        break;
    }
}

static enum cli_exit show(const struct request *r, unsigned status, const char *body)
{
    json_t *doc = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    const char *error = json_string_value(json_object_get(doc, "error"));
    enum cli_exit result = status == 200 && doc != NULL ? CLI_OK : CLI_FAILED;
    if (result == CLI_OK)
        print_answer(r, doc, body);
    else if (error != NULL)
        cli_say("%s.", error);
    else
        cli_say("the dolmend that serves %s gave an answer that this program does not understand (HTTP %u). Are they "
                "of the same version?",
                cli_pool_name(&r->options), status);
    json_decref(doc);
    return result;
}

enum cli_exit cli_iam(int argc, char **argv)
{
    struct request r = {.verb = find_verb(argc, argv)};
    unsigned status = 0;
    char *body = NULL;
    char *text = NULL;
    options_init(&r.options);
    enum cli_exit result = parse(&r, argc - 3, argv + 3);
    if (result == CLI_OK) {
        text = request_text(&r);
        result = text != NULL ? cli_admin_ask(&r.options, "POST", "/v1/iam", text, &status, &body) : CLI_FAILED;
    }
    if (result == CLI_OK)
        result = show(&r, status, body);
    if (body != NULL)
        secret_wipe(body, strlen(body));
    free(body);
    free(text);
    options_fini(&r.options);
    return result;
}
