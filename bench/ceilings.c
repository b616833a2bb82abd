/* dolmen-ceilings: options, report. */
#include "ceilings.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help_text[] =
    "dolmen-ceilings [options]: what hashing, compression, sealing, parity, the network and the disk give by "
    "themselves\n"
    "  --seconds S      of each measure (0.2)\n"
    "  --dir FOLDER     measure its file system, too: direct, durable writes to k+m files at once, and direct reads\n"
    "  --units LIST     bytes that go to each file at once (20480,122880,524288,2097152)\n"
    "  --ec K+M         (4+2)\n"
    "  --file-size MIB  of each file (64)\n"
    "  --json FILE      where the report goes (standard output)\n";

double ceilings_clock(int clock)
{
    struct timespec ts;
    clock_gettime((clockid_t)clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void ceilings_add(struct ceilings *c, const char *name, double gb_per_second, double operations_per_second)
{
    if (c->count == CEILINGS_MAX)
        return;
    struct ceiling *new = &c->list[c->count++];
    snprintf(new->name, sizeof new->name, "%s", name);
    new->gb_per_second = gb_per_second;
    new->operations_per_second = operations_per_second;
}

static bool parse_units(struct ceilings_options *o, const char *text)
{
    o->unit_count = 0;
    while (o->unit_count < CEILINGS_UNITS_MAX) {
        char *end = NULL;
        uint64_t unit = strtoull(text, &end, 10);
        if (end == text || unit == 0 || unit % 4096 != 0 || unit > UINT64_C(8) << 20)
            return false;
        o->unit_bytes[o->unit_count++] = unit;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
    return false;
}

static bool parse_geometry(struct ceilings_options *o, const char *text)
{
    char *end = NULL;
    o->k = (unsigned)strtoul(text, &end, 10);
    if (*end != '+')
        return false;
    o->m = (unsigned)strtoul(end + 1, &end, 10);
    return *end == '\0' && o->k > 0 && o->m > 0 && o->m <= 8 && o->k + o->m <= CEILINGS_WIDTH_MAX;
}

static bool set_option(struct ceilings_options *o, int id, const char *value)
{
    char *end = NULL;
    switch (id) {
    case 's':
        o->seconds = strtod(value, &end);
        return *end == '\0' && o->seconds > 0 && o->seconds <= 60;
    case 'd':
        o->dir = value;
        return true;
    case 'u':
        return parse_units(o, value);
    case 'e':
        return parse_geometry(o, value);
    case 'f':
        o->file_bytes = strtoull(value, &end, 10) << 20;
        return *end == '\0' && o->file_bytes >= UINT64_C(16) << 20;
    case 'j':
        o->json = value;
        return true;
    default:
        return false;
    }
}

static bool report(const struct ceilings *c)
{
    FILE *out = c->options->json == NULL ? stdout : fopen(c->options->json, "w");
    if (out == NULL) {
        perror(c->options->json);
        return false;
    }
    fputs("{", out);
    for (unsigned i = 0; i < c->count; i++) {
        const struct ceiling *x = &c->list[i];
        fprintf(out, "%s\n  \"%s\": {\"gb_per_second\": %.4f", i > 0 ? "," : "", x->name, x->gb_per_second);
        if (x->operations_per_second > 0)
            fprintf(out, ", \"operations_per_second\": %.1f", x->operations_per_second);
        fputs("}", out);
    }
    fputs("\n}\n", out);
    return out == stdout ? fflush(out) == 0 : fclose(out) == 0;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"seconds", required_argument, NULL, 's'},
        {"dir", required_argument, NULL, 'd'},
        {"units", required_argument, NULL, 'u'},
        {"ec", required_argument, NULL, 'e'},
        {"file-size", required_argument, NULL, 'f'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct ceilings_options options = {
        .seconds = 0.2,
        .k = 4,
        .m = 2,
        .unit_bytes = {20480, 122880, 524288, 2097152},
        .unit_count = 4,
        .file_bytes = UINT64_C(64) << 20,
    };
    static struct ceilings ceilings;
    int id;
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == 'h') {
            fputs(help_text, stdout);
            return 0;
        }
        if (id == '?')
            return 2;
        if (!set_option(&options, id, optarg)) {
            fprintf(stderr, "dolmen-ceilings: bad value: %s\n", optarg);
            return 2;
        }
    }
    ceilings.options = &options;
    if (!ceilings_cpu(&ceilings) || !ceilings_net(&ceilings) || (options.dir != NULL && !ceilings_disk(&ceilings)))
        return 1;
    return report(&ceilings) ? 0 : 1;
}
