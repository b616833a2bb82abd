/* The command line of dolmen-bench: a table of long options, each with its setter. */
#include "bench_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "dolmen-bench --endpoint 127.0.0.1:9000 --credentials FILE [options]\n"
    "what is done\n"
    "  --mode put|get|head|list|delete|mix|churn   (put); get to delete work on what a put run has left\n"
    "  --mix put=50,get=50        weights of the verbs in mix, which works on what it has put itself\n"
    "  --slots N                  keys of a worker in churn (20)\n"
    "  --bucket NAME              created when missing (bench)\n"
    "  --prefix TEXT              keys begin with it (o/)\n"
    "  --in-order                 gets go through the objects in order, not by chance\n"
    "how much of it\n"
    "  --workers N                connections (16)\n"
    "  --threads N                that share them (1)\n"
    "  --seconds N                measured time (10)\n"
    "  --warm-up N                seconds before it (0)\n"
    "  --objects N                number of objects instead of a time; for get to delete: how many there are\n"
    "  --rate N                   operations a second to begin; latency then counts from when each was due\n"
    "  --idle N                   connections more that are open and do nothing (0)\n"
    "objects\n"
    "  --size LIST                sizes to choose from, such as 70k or 4k,512k,10m (70k)\n"
    "  --files FOLDER             its files instead of made-up bytes\n"
    "  --unique                   a few bytes of each file are changed, so that it doesn't repeat\n"
    "  --duplicates PERCENT       of the objects repeat earlier content (0)\n"
    "  --seed N                   same seed, same keys and bytes (1)\n"
    "how\n"
    "  --tls                      TLS, as with https://; the certificate isn't checked\n"
    "  --region NAME              (us-east-1)\n"
    "  --sign-payload             sign the SHA-256 of bodies (default: UNSIGNED-PAYLOAD)\n"
    "  --verify                   compare what gets return\n"
    "  --on-error count|stop|fail stop: the first lost connection ends the run without failure; fail: exit status 3 "
    "(count)\n"
    "results\n"
    "  --journal FILE             append 'begin|acked SHA256|deleted SIZE KEY' for each put and delete\n"
    "  --server-pid PID           report its CPU time, too\n"
    "  --json FILE                where the report goes (standard output)\n";

enum option_id {
    OPT_ENDPOINT = 256,
    OPT_CREDENTIALS,
    OPT_MODE,
    OPT_MIX,
    OPT_SLOTS,
    OPT_BUCKET,
    OPT_PREFIX,
    OPT_IN_ORDER,
    OPT_WORKERS,
    OPT_THREADS,
    OPT_SECONDS,
    OPT_WARM_UP,
    OPT_OBJECTS,
    OPT_RATE,
    OPT_IDLE,
    OPT_SIZE,
    OPT_FILES,
    OPT_UNIQUE,
    OPT_DUPLICATES,
    OPT_SEED,
    OPT_TLS,
    OPT_REGION,
    OPT_SIGN_PAYLOAD,
    OPT_VERIFY,
    OPT_ON_ERROR,
    OPT_JOURNAL,
    OPT_SERVER_PID,
    OPT_JSON,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"endpoint", required_argument, NULL, OPT_ENDPOINT},
    {"credentials", required_argument, NULL, OPT_CREDENTIALS},
    {"mode", required_argument, NULL, OPT_MODE},
    {"mix", required_argument, NULL, OPT_MIX},
    {"slots", required_argument, NULL, OPT_SLOTS},
    {"bucket", required_argument, NULL, OPT_BUCKET},
    {"prefix", required_argument, NULL, OPT_PREFIX},
    {"in-order", no_argument, NULL, OPT_IN_ORDER},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warm-up", required_argument, NULL, OPT_WARM_UP},
    {"objects", required_argument, NULL, OPT_OBJECTS},
    {"rate", required_argument, NULL, OPT_RATE},
    {"idle", required_argument, NULL, OPT_IDLE},
    {"size", required_argument, NULL, OPT_SIZE},
    {"files", required_argument, NULL, OPT_FILES},
    {"unique", no_argument, NULL, OPT_UNIQUE},
    {"duplicates", required_argument, NULL, OPT_DUPLICATES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"tls", no_argument, NULL, OPT_TLS},
    {"region", required_argument, NULL, OPT_REGION},
    {"sign-payload", no_argument, NULL, OPT_SIGN_PAYLOAD},
    {"verify", no_argument, NULL, OPT_VERIFY},
    {"on-error", required_argument, NULL, OPT_ON_ERROR},
    {"journal", required_argument, NULL, OPT_JOURNAL},
    {"server-pid", required_argument, NULL, OPT_SERVER_PID},
    {"json", required_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

#define WEIGHT_MAX 1000000u
#define RATE_MAX   10000000.0

static bool copy_text(char *out, size_t out_len, const char *text)
{
    size_t len = strlen(text);
    if (len >= out_len)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

/* A decimal number in [min, max], the whole text. */
static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != '\0' || value < min || value > max)
        return false;
    *out = value;
    return true;
}

static bool parse_unsigned(const char *text, uint64_t min, uint64_t max, unsigned *out)
{
    uint64_t value;
    if (!parse_number(text, min, max, &value))
        return false;
    *out = (unsigned)value;
    return true;
}

/* "75k,10m": binary multiples. */
static bool parse_sizes(struct bench_options *o, const char *text)
{
    o->size_count = 0;
    while (o->size_count < BENCH_SIZES_MAX) {
        char *end = NULL;
        if (text[0] < '0' || text[0] > '9')
            return false;
        uint64_t size = strtoull(text, &end, 10);
        unsigned shift = 0;
        if (*end == 'k' || *end == 'K')
            shift = 10;
        else if (*end == 'm' || *end == 'M')
            shift = 20;
        else if (*end == 'g' || *end == 'G')
            shift = 30;
        if (shift != 0)
            end++;
        if (size > UINT64_C(5) << 30)
            return false;
        o->sizes[o->size_count++] = size << shift;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
    return false;
}

static bool parse_endpoint(struct bench_options *o, const char *text)
{
    if (strncmp(text, "https://", 8) == 0) {
        o->tls = true;
        text += 8;
    } else if (strncmp(text, "http://", 7) == 0) {
        text += 7;
    }
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || (size_t)(colon - text) >= sizeof o->host || !parse_number(colon + 1, 1, 65535, &port))
        return false;
    memcpy(o->host, text, (size_t)(colon - text));
    o->host[colon - text] = '\0';
    o->port = (uint16_t)port;
    return true;
}

/* Lines access_key=... and secret_key=... */
static bool read_credentials(struct bench_options *o, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        return false;
    }
    char line[BENCH_TEXT_MAX + 32];
    bool fits = true;
    while (fits && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, "access_key=", 11) == 0)
            fits = copy_text(o->access_key, sizeof o->access_key, line + 11);
        else if (strncmp(line, "secret_key=", 11) == 0)
            fits = copy_text(o->secret_key, sizeof o->secret_key, line + 11);
    }
    fclose(f);
    return fits && o->access_key[0] != '\0' && o->secret_key[0] != '\0';
}

/* The index of the text among the names; count when it is none of them. */
static unsigned index_of(const char *const *names, unsigned count, const char *text)
{
    unsigned i = 0;
    while (i < count && strcmp(text, names[i]) != 0)
        i++;
    return i;
}

static bool parse_mode(struct bench_options *o, const char *text)
{
    static const char *const names[] = {"put", "get", "head", "list", "delete", "mix", "churn"};
    o->mode = (enum bench_mode)index_of(names, BENCH_CHURN + 1, text);
    return o->mode <= BENCH_CHURN;
}

static bool parse_on_error(struct bench_options *o, const char *text)
{
    static const char *const names[] = {"count", "stop", "fail"};
    o->on_error = (enum bench_on_error)index_of(names, BENCH_FAIL_ON_ERROR + 1, text);
    return o->on_error <= BENCH_FAIL_ON_ERROR;
}

/* "put=50,get=45,delete=5": the verbs that are not named have no weight. */
static bool parse_mix(struct bench_options *o, const char *text)
{
    memset(o->weights, 0, sizeof o->weights);
    while (*text != '\0') {
        unsigned verb = 0;
        size_t len = strcspn(text, "=");
        while (verb < BENCH_VERBS && (strlen(bench_verb_name((enum bench_verb)verb)) != len ||
                                      memcmp(bench_verb_name((enum bench_verb)verb), text, len) != 0))
            verb++;
        if (verb == BENCH_VERBS || text[len] != '=' || text[len + 1] < '0' || text[len + 1] > '9')
            return false;
        char *end = NULL;
        unsigned long weight = strtoul(text + len + 1, &end, 10);
        if (weight > WEIGHT_MAX || (*end != '\0' && *end != ','))
            return false;
        o->weights[verb] = (unsigned)weight;
        text = *end == ',' ? end + 1 : end;
    }
    return o->weights[BENCH_VERB_PUT] > 0; /* the others need something to work on */
}

static bool parse_rate(struct bench_options *o, const char *text)
{
    char *end = NULL;
    o->rate = strtod(text, &end);
    return *end == '\0' && o->rate > 0 && o->rate <= RATE_MAX;
}

static bool set_flag(struct bench_options *o, int id)
{
    bool *flags[] = {&o->in_order, &o->unique, &o->tls, &o->sign_payload, &o->verify};
    static const int ids[] = {OPT_IN_ORDER, OPT_UNIQUE, OPT_TLS, OPT_SIGN_PAYLOAD, OPT_VERIFY};
    for (unsigned i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (ids[i] == id) {
            *flags[i] = true;
            return true;
        }
    }
    return false;
}

/* Numbers; false for what isn't one of them, or out of range. */
static bool set_number(struct bench_options *o, int id, const char *value)
{
    switch (id) {
    case OPT_WORKERS:
        return parse_unsigned(value, 1, BENCH_WORKERS_MAX, &o->workers);
    case OPT_THREADS:
        return parse_unsigned(value, 1, BENCH_THREADS_MAX, &o->threads);
    case OPT_IDLE:
        return parse_unsigned(value, 0, BENCH_IDLE_MAX, &o->idle);
    case OPT_SECONDS:
        return parse_unsigned(value, 1, 7 * 86400, &o->seconds);
    case OPT_WARM_UP:
        return parse_unsigned(value, 0, 86400, &o->warm_up_s);
    case OPT_OBJECTS:
        return parse_number(value, 1, UINT32_MAX, &o->objects);
    case OPT_DUPLICATES:
        return parse_unsigned(value, 0, 100, &o->duplicates_percent);
    case OPT_SLOTS:
        return parse_unsigned(value, 1, 100000, &o->slots);
    case OPT_SEED:
        return parse_number(value, 0, UINT64_MAX, &o->seed);
    case OPT_SERVER_PID:
        return parse_unsigned(value, 1, INT32_MAX, &o->server_pid);
    case OPT_RATE:
        return parse_rate(o, value);
    default:
        return false;
    }
}

static bool set_option(struct bench_options *o, int id, const char *value)
{
    switch (id) {
    case OPT_ENDPOINT:
        return parse_endpoint(o, value);
    case OPT_CREDENTIALS:
        return read_credentials(o, value);
    case OPT_MODE:
        return parse_mode(o, value);
    case OPT_MIX:
        return parse_mix(o, value);
    case OPT_BUCKET:
        return copy_text(o->bucket, sizeof o->bucket, value);
    case OPT_PREFIX:
        return copy_text(o->prefix, sizeof o->prefix, value);
    case OPT_REGION:
        return copy_text(o->region, sizeof o->region, value);
    case OPT_SIZE:
        return parse_sizes(o, value);
    case OPT_ON_ERROR:
        return parse_on_error(o, value);
    case OPT_FILES:
        o->files = value;
        return true;
    case OPT_JOURNAL:
        o->journal = value;
        return true;
    case OPT_JSON:
        o->json = value;
        return true;
    default:
        return set_flag(o, id) || (value != NULL && set_number(o, id, value));
    }
}

static const char *option_name(int id)
{
    for (const struct option *l = long_options; l->name != NULL; l++) {
        if (l->val == id)
            return l->name;
    }
    return "?";
}

static bool check_options(struct bench_options *o, bool has_more)
{
    if (has_more || o->port == 0 || o->access_key[0] == '\0') {
        fputs("dolmen-bench: --endpoint and --credentials are needed; --help lists the options\n", stderr);
        return false;
    }
    if (o->seconds == 0 && o->objects == 0)
        o->seconds = 10;
    bool needs_objects = o->mode >= BENCH_GET && o->mode <= BENCH_DELETE;
    if (needs_objects && o->objects == 0 && o->files == NULL) {
        fputs("dolmen-bench: this mode needs --objects, as many as a put run has left\n", stderr);
        return false;
    }
    if (o->threads > o->workers)
        o->threads = o->workers;
    return true;
}

bool bench_options_parse(struct bench_options *o, int argc, char **argv, bool *help)
{
    *help = false;
    *o = (struct bench_options){
        .region = "us-east-1",
        .bucket = "bench",
        .prefix = "o/",
        .workers = 16,
        .threads = 1,
        .sizes = {70 << 10},
        .size_count = 1,
        .weights = {[BENCH_VERB_PUT] = 50, [BENCH_VERB_GET] = 50},
        .slots = 20,
        .seed = 1,
    };
    int id;
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == OPT_HELP) {
            fputs(help_text, stdout);
            *help = true;
            return false;
        }
        if (id == '?')
            return false;
        if (!set_option(o, id, optarg)) {
            fprintf(stderr, "dolmen-bench: bad value for --%s: %s\n", option_name(id), optarg ? optarg : "");
            return false;
        }
    }
    return check_options(o, optind < argc);
}
