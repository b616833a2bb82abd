/* The status document as a person reads it, in the manner of zpool status. */
#include "cli.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define SIZE_TEXT_MAX 16

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL ? value : "?";
}

static uint64_t number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static bool truth(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* "512", "4.00G": three digits that matter. */
static const char *size(uint64_t bytes, char out[SIZE_TEXT_MAX])
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units - 1) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(out, SIZE_TEXT_MAX, "%" PRIu64, bytes);
    else
        snprintf(out, SIZE_TEXT_MAX, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
    return out;
}

static const char *upper(const char *value, char out[32])
{
    size_t i = 0;
    for (; i < 31 && value[i] != '\0'; i++)
        out[i] = (char)toupper((unsigned char)value[i]);
    out[i] = '\0';
    return out;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void print_drives(const json_t *pool, const json_t *drives)
{
    char state[32];
    char bytes[2][SIZE_TEXT_MAX];
    size_t i;
    json_t *drive;
    char name[48];
    snprintf(name, sizeof name, "%" PRIu64 "+%" PRIu64, number(pool, "data_units"), number(pool, "parity_units"));
    printf("drives:\n\n");
    printf("    %-24s %-10s %7s %7s %6s %6s\n", "NAME", "STATE", "SIZE", "USED", "READ", "WRITE");
    printf("    %-24s %-10s %7s %7s\n", name, upper(text(pool, "state"), state),
           size(number(pool, "usable_bytes"), bytes[0]), size(number(pool, "used_bytes"), bytes[1]));
    json_array_foreach(drives, i, drive)
    {
        /* A drive that is missing may have no path; the beginning of its identity then names it. */
        const char *path = text(drive, "path");
        snprintf(name, sizeof name, "uuid %.16s", text(drive, "uuid"));
        printf("      %-22s %-10s %7s %7s %6" PRIu64 " %6" PRIu64 "\n", path[0] != '\0' ? base_name(path) : name,
               upper(text(drive, "state"), state), size(number(drive, "size_bytes"), bytes[0]),
               size(number(drive, "used_bytes"), bytes[1]), number(drive, "read_errors"),
               number(drive, "write_errors"));
    }
}

static void print_counts(const json_t *counters)
{
    char a[SIZE_TEXT_MAX];
    char b[SIZE_TEXT_MAX];
    printf("  since start: %" PRIu64 " puts (%s), %" PRIu64 " gets (%s), %" PRIu64 " deletes\n",
           number(counters, "puts"), size(number(counters, "bytes_in"), a), number(counters, "gets"),
           size(number(counters, "bytes_out"), b), number(counters, "deletes"));
    if (number(counters, "bytes_deduplicated") > 0)
        printf("               %s were there already\n", size(number(counters, "bytes_deduplicated"), a));
    if (number(counters, "bytes_compressed_in") > 0)
        printf("               %s compressed to %s\n", size(number(counters, "bytes_compressed_in"), a),
               size(number(counters, "bytes_compressed_out"), b));
    if (number(counters, "reads_reconstructed") > 0)
        printf("               %" PRIu64 " records rebuilt from parity while reading\n",
               number(counters, "reads_reconstructed"));
}

enum cli_exit cli_print_status(const json_t *doc)
{
    const json_t *pool = json_object_get(doc, "pool");
    const json_t *server = json_object_get(doc, "server");
    const json_t *drives = json_object_get(doc, "drives");
    char state[32];
    char bytes[3][SIZE_TEXT_MAX];
    if (!json_is_object(pool) || !json_is_array(drives)) {
        cli_say("the answer holds no pool. Are dolmend and dolmen of the same version?");
        return CLI_FAILED;
    }
    printf("  pool: %s (%s)\n", text(pool, "label"), text(pool, "uuid"));
    printf(" state: %s\n", upper(text(pool, "state"), state));
    if (text(pool, "reason")[0] != '\0')
        printf("reason: %s\n", text(pool, "reason"));
    printf("  data: %s, run %" PRIu64 ", epoch %" PRIu64 "\n", truth(pool, "encrypted") ? "encrypted" : "not encrypted",
           number(pool, "run"), number(pool, "epoch"));
    printf(" space: %s used of %s usable (%s raw)\n", size(number(pool, "used_bytes"), bytes[0]),
           size(number(pool, "usable_bytes"), bytes[1]), size(number(pool, "raw_bytes"), bytes[2]));
    printf(" holds: %" PRIu64 " objects in %" PRIu64 " buckets\n", number(pool, "objects"), number(pool, "buckets"));
    printf("server: %s, region %s, version %s, since %s\n", text(server, "endpoint"), text(server, "region"),
           text(server, "version"), text(server, "started"));
    print_counts(json_object_get(doc, "counters"));
    print_drives(pool, drives);
    return CLI_OK;
}
