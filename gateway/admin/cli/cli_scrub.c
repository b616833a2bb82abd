/* dolmen scrub start, stop, status: asks the running dolmend. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct request {
    struct options options;
    enum cli_scrub_verb verb;
    bool json;
    bool has_bandwidth;
    uint64_t bandwidth;
};

static bool parse_bandwidth(struct request *r, const char *value)
{
    r->has_bandwidth = true;
    r->bandwidth = 0;
    return strcmp(value, "0") == 0 || option_parse_size(value, &r->bandwidth);
}

static enum cli_exit take_option(void *arg, const struct option_item *item)
{
    struct request *r = arg;
    enum cli_exit result = CLI_OK;
    if (r->verb == CLI_SCRUB_STATUS && strcmp(item->name, "json") == 0)
        r->json = true;
    else if (r->verb == CLI_SCRUB_START && strcmp(item->name, "bandwidth") == 0)
        result = parse_bandwidth(r, item->value)
                     ? CLI_OK
                     : cli_wrong("--bandwidth %s: not a size. Give bytes a second like 64M or 1G; 0: no limit.",
                                 item->value);
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

/* ---- as a person reads it ---- */

static uint64_t number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL ? value : "?";
}

static void print_progress(const json_t *r, double rate)
{
    char a[CLI_SIZE_TEXT_MAX], b[CLI_SIZE_TEXT_MAX], c[CLI_SIZE_TEXT_MAX];
    uint64_t bytes = number(r, "bytes"), done = number(r, "bytes_done");
    printf("        %s of %s done, %.1f %%, %s/s", cli_size_text(done, a), cli_size_text(bytes, b),
           bytes > 0 ? 100.0 * (double)done / (double)bytes : 0.0, cli_size_text((uint64_t)rate, c));
    if (rate > 0 && bytes > done) {
        uint64_t left_s = (uint64_t)((double)(bytes - done) / rate);
        printf(", %" PRIu64 "h%02" PRIu64 "m%02" PRIu64 "s to go", left_s / 3600, left_s / 60 % 60, left_s % 60);
    }
    printf("\n");
}

/* Kinds of which something was found, on one line. */
static void print_found(const json_t *found)
{
    const char *name;
    json_t *value;
    bool any = false;
    json_object_foreach((json_t *)found, name, value)
    {
        if (json_integer_value(value) == 0)
            continue;
        printf("%s %" PRId64 " %s", any ? "," : " found:", (int64_t)json_integer_value(value), name);
        any = true;
    }
    if (any)
        printf("\n");
}

void cli_print_scrub(const json_t *r)
{
    char a[CLI_SIZE_TEXT_MAX];
    const char *state = text(r, "state");
    double seconds = json_real_value(json_object_get(r, "seconds"));
    double rate = seconds > 0 ? (double)number(r, "bytes_done") / seconds : 0;
    if (strcmp(state, "never") == 0) {
        printf(" scrub: none since dolmend was started\n");
        return;
    }
    bool runs = strcmp(state, "running") == 0;
    printf(" scrub: %s%s%s since %s\n", runs ? "running" : state, runs ? "" : " ", runs ? "" : text(r, "ended"),
           text(r, "started"));
    print_progress(r, rate);
    printf("        %" PRIu64 " units, %" PRIu64 " records verified in %.0f s; %" PRIu64 " repaired, %" PRIu64
           " not repaired, %" PRIu64 " unrecoverable\n",
           number(r, "units"), number(r, "records"), seconds, number(r, "units_repaired"),
           number(r, "units_unrepaired"), number(r, "unrecoverable"));
    if (number(r, "units_unverified") + number(r, "rows_unverified") > 0)
        printf("        not verified: %" PRIu64 " units of missing drives, %" PRIu64 " whole rows\n",
               number(r, "units_unverified"), number(r, "rows_unverified"));
    if (number(r, "bytes_read") > number(r, "bytes_done"))
        printf("        %s read\n", cli_size_text(number(r, "bytes_read"), a));
    print_found(json_object_get(r, "found"));
}

static void print_findings(const json_t *findings)
{
    size_t i;
    json_t *f;
    json_array_foreach(findings, i, f)
    {
        printf("        %s: slab %s row %" PRIu64, text(f, "kind"), text(f, "slab"), number(f, "row"));
        if (json_is_string(json_object_get(f, "drive")))
            printf(" drive %s", text(f, "drive"));
        if (json_is_string(json_object_get(f, "lsn")))
            printf(" record %s", text(f, "lsn"));
        if (json_is_string(json_object_get(f, "hash")))
            printf(" hash %s", text(f, "hash"));
        printf("%s\n", json_is_true(json_object_get(f, "repaired")) ? ", repaired" : "");
    }
}

static enum cli_exit print_status(const json_t *doc)
{
    const json_t *now = json_object_get(doc, "now"), *last = json_object_get(doc, "last");
    if (!json_is_object(now) || !json_is_object(last)) {
        cli_say("the answer holds no scrub. Are dolmend and dolmen of the same version?");
        return CLI_FAILED;
    }
    cli_print_scrub(now);
    print_findings(json_object_get(now, "findings"));
    if (strcmp(text(now, "state"), "finished") != 0 && strcmp(text(last, "state"), "finished") == 0) {
        printf("the last one that was finished:\n");
        cli_print_scrub(last);
        print_findings(json_object_get(last, "findings"));
    }
    return CLI_OK;
}

/* ---- the verbs ---- */

static enum cli_exit ask(const struct request *r, unsigned *status, char **body)
{
    char target[96] = "/v1/scrub/start";
    switch (r->verb) {
    case CLI_SCRUB_START:
        if (r->has_bandwidth)
            snprintf(target, sizeof target, "/v1/scrub/start?bandwidth=%" PRIu64, r->bandwidth);
        return cli_admin_ask(&r->options, "POST", target, "", status, body);
    case CLI_SCRUB_STOP:
        return cli_admin_ask(&r->options, "POST", "/v1/scrub/stop", "", status, body);
    case CLI_SCRUB_STATUS:
        break;
    }
    return cli_admin_ask(&r->options, "GET", "/v1/scrub", "", status, body);
}

static enum cli_exit show(const struct request *r, unsigned status, const char *body)
{
    if (status == 409 || status == 503) {
        cli_say(status == 409 ? "a scrub is under way. 'dolmen scrub status' shows it." : "dolmend is stopping.");
        return CLI_FAILED;
    }
    json_t *doc = status == 200 || status == 202 ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    enum cli_exit result = CLI_OK;
    if (doc == NULL) {
        cli_say(
            "the dolmend that serves %s gave an answer that this program does not understand (HTTP %u). Are they of "
            "the same version?",
            cli_pool_name(&r->options), status);
        result = CLI_FAILED;
    } else if (r->json) {
        fputs(body, stdout);
    } else if (r->verb == CLI_SCRUB_START) {
        printf("A scrub has begun. 'dolmen scrub status' shows how it goes.\n");
    } else {
        result = print_status(doc);
    }
    json_decref(doc);
    return result;
}

enum cli_exit cli_scrub(int argc, char **argv, enum cli_scrub_verb verb)
{
    struct request r = {.verb = verb};
    unsigned status = 0;
    char *body = NULL;
    options_init(&r.options);
    enum cli_exit result = parse(&r, argc, argv);
    if (result == CLI_OK)
        result = ask(&r, &status, &body);
    if (result == CLI_OK)
        result = show(&r, status, body);
    free(body);
    options_fini(&r.options);
    return result;
}
