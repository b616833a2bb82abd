/* The command line of dolmen-bench: a table of long options, each with its setter. */
#include "bench_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "dolmen-bench --endpoint 127.0.0.1:9000 --credentials FILE [options]\n"
    "  --mode put|get|mix|churn   what to do (put)\n"
    "  --bucket NAME              created when missing (bench)\n"
    "  --prefix TEXT              keys begin with it (o/)\n"
    "  --region NAME              (us-east-1)\n"
    "  --workers N                connections, a thread each (16)\n"
    "  --seconds N                duration (10)\n"
    "  --objects N                number of objects instead of a duration; for get: how many a put run has left\n"
    "  --size LIST                sizes to choose from, such as 75k or 4k,512k,10m (75k)\n"
    "  --files FOLDER             put its files instead of made-up bytes\n"
    "  --duplicates PERCENT       of the objects repeat earlier content (0)\n"
    "  --get-percent PERCENT      of the operations of mix are gets (50)\n"
    "  --slots N                  keys of a worker in churn (20)\n"
    "  --seed N                   same seed, same keys and bytes (1)\n"
    "  --sign-payload             sign the SHA-256 of bodies (default: UNSIGNED-PAYLOAD)\n"
    "  --verify                   compare what gets return\n"
    "  --on-error count|stop      stop: the first lost connection ends the run without failure (count)\n"
    "  --journal FILE             append 'begin|acked SHA256|deleted SIZE KEY' for each put and delete\n"
    "  --json FILE                where the report goes (standard output)\n";

enum option_id {
    OPT_ENDPOINT = 256,
    OPT_CREDENTIALS,
    OPT_MODE,
    OPT_BUCKET,
    OPT_PREFIX,
    OPT_REGION,
    OPT_WORKERS,
    OPT_SECONDS,
    OPT_OBJECTS,
    OPT_SIZE,
    OPT_FILES,
    OPT_DUPLICATES,
    OPT_GET_PERCENT,
    OPT_SLOTS,
    OPT_SEED,
    OPT_SIGN_PAYLOAD,
    OPT_VERIFY,
    OPT_ON_ERROR,
    OPT_JOURNAL,
    OPT_JSON,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"endpoint", required_argument, NULL, OPT_ENDPOINT},
    {"credentials", required_argument, NULL, OPT_CREDENTIALS},
    {"mode", required_argument, NULL, OPT_MODE},
    {"bucket", required_argument, NULL, OPT_BUCKET},
    {"prefix", required_argument, NULL, OPT_PREFIX},
    {"region", required_argument, NULL, OPT_REGION},
    {"workers", required_argument, NULL, OPT_WORKERS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"objects", required_argument, NULL, OPT_OBJECTS},
    {"size", required_argument, NULL, OPT_SIZE},
    {"files", required_argument, NULL, OPT_FILES},
    {"duplicates", required_argument, NULL, OPT_DUPLICATES},
    {"get-percent", required_argument, NULL, OPT_GET_PERCENT},
    {"slots", required_argument, NULL, OPT_SLOTS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"sign-payload", no_argument, NULL, OPT_SIGN_PAYLOAD},
    {"verify", no_argument, NULL, OPT_VERIFY},
    {"on-error", required_argument, NULL, OPT_ON_ERROR},
    {"journal", required_argument, NULL, OPT_JOURNAL},
    {"json", required_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

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
    if (strncmp(text, "http://", 7) == 0)
        text += 7;
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

static bool parse_mode(struct bench_options *o, const char *text)
{
    static const char *const names[] = {"put", "get", "mix", "churn"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            o->mode = (enum bench_mode)i;
            return true;
        }
    }
    return false;
}

static bool parse_on_error(struct bench_options *o, const char *text)
{
    o->on_error = strcmp(text, "stop") == 0 ? BENCH_STOP_ON_ERROR : BENCH_COUNT_ERRORS;
    return strcmp(text, "stop") == 0 || strcmp(text, "count") == 0;
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
    case OPT_BUCKET:
        return copy_text(o->bucket, sizeof o->bucket, value);
    case OPT_PREFIX:
        return copy_text(o->prefix, sizeof o->prefix, value);
    case OPT_REGION:
        return copy_text(o->region, sizeof o->region, value);
    case OPT_WORKERS:
        return parse_unsigned(value, 1, BENCH_WORKERS_MAX, &o->workers);
    case OPT_SECONDS:
        return parse_unsigned(value, 1, 7 * 86400, &o->seconds);
    case OPT_OBJECTS:
        return parse_number(value, 1, UINT32_MAX, &o->objects);
    case OPT_SIZE:
        return parse_sizes(o, value);
    case OPT_FILES:
        o->files = value;
        return true;
    case OPT_DUPLICATES:
        return parse_unsigned(value, 0, 100, &o->duplicates_percent);
    case OPT_GET_PERCENT:
        return parse_unsigned(value, 0, 100, &o->get_percent);
    case OPT_SLOTS:
        return parse_unsigned(value, 1, 100000, &o->slots);
    case OPT_SEED:
        return parse_number(value, 0, UINT64_MAX, &o->seed);
    case OPT_SIGN_PAYLOAD:
        o->sign_payload = true;
        return true;
    case OPT_VERIFY:
        o->verify = true;
        return true;
    case OPT_ON_ERROR:
        return parse_on_error(o, value);
    case OPT_JOURNAL:
        o->journal = value;
        return true;
    case OPT_JSON:
        o->json = value;
        return true;
    default:
        return false;
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

bool bench_options_parse(struct bench_options *o, int argc, char **argv, bool *help)
{
    *help = false;
    *o = (struct bench_options){
        .region = "us-east-1",
        .bucket = "bench",
        .prefix = "o/",
        .workers = 16,
        .sizes = {75 << 10},
        .size_count = 1,
        .get_percent = 50,
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
    if (optind < argc || o->port == 0 || o->access_key[0] == '\0') {
        fputs("dolmen-bench: --endpoint and --credentials are needed; --help lists the options\n", stderr);
        return false;
    }
    if (o->seconds == 0 && o->objects == 0)
        o->seconds = 10;
    if (o->mode == BENCH_GET && o->objects == 0 && o->files == NULL) {
        fputs("dolmen-bench: --mode get needs --objects, as many as a put run has left\n", stderr);
        return false;
    }
    return true;
}
