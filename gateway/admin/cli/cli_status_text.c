/* The status document as a person reads it, in the manner of zpool status. */
#include "cli.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define NAME_TEXT_MAX 160

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

const char *cli_size_text(uint64_t bytes, char out[CLI_SIZE_TEXT_MAX])
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units - 1) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(out, CLI_SIZE_TEXT_MAX, "%" PRIu64, bytes);
    else
        snprintf(out, CLI_SIZE_TEXT_MAX, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
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

/* A drive that is missing may have no path; the beginning of its identity then names it. */
static void drive_name(const json_t *drive, char out[NAME_TEXT_MAX])
{
    const char *path = text(drive, "path");
    if (path[0] != '\0')
        snprintf(out, NAME_TEXT_MAX, "%s", base_name(path));
    else
        snprintf(out, NAME_TEXT_MAX, "uuid %.16s", text(drive, "uuid"));
}

static void print_row(int indent, int width, const char *name, const char *state, const json_t *errors)
{
    char shown[32];
    printf("\t%*s%-*s  %-9s", indent, "", width - indent, name, upper(state, shown));
    if (errors != NULL)
        printf(" %5" PRIu64 " %5" PRIu64 " %5" PRIu64, number(errors, "read_errors"), number(errors, "write_errors"),
               number(errors, "checksum_errors"));
    printf("\n");
}

static void print_config(const json_t *pool, const json_t *drives)
{
    char name[NAME_TEXT_MAX];
    size_t i;
    json_t *drive;
    int width = 16;
    json_array_foreach(drives, i, drive)
    {
        drive_name(drive, name);
        if ((int)strlen(name) + 4 > width)
            width = (int)strlen(name) + 4;
    }
    printf("config:\n\n\t%-*s  %-9s %5s %5s %5s\n", width, "NAME", "STATE", "READ", "WRITE", "CKSUM");
    print_row(0, width, text(pool, "label"), text(pool, "state"), NULL);
    snprintf(name, sizeof name, "%" PRIu64 "+%" PRIu64, number(pool, "data_units"), number(pool, "parity_units"));
    print_row(2, width, name, text(pool, "state"), NULL);
    json_array_foreach(drives, i, drive)
    {
        drive_name(drive, name);
        print_row(4, width, name, text(drive, "state"), drive);
    }
}

static void print_errors(const json_t *drives, const json_t *counters)
{
    uint64_t sum = 0;
    size_t i;
    json_t *drive;
    json_array_foreach(drives, i, drive) sum +=
        number(drive, "read_errors") + number(drive, "write_errors") + number(drive, "checksum_errors");
    uint64_t rebuilt = number(counters, "reads_reconstructed");
    printf("\n");
    if (sum == 0 && rebuilt == 0)
        printf("errors: none known\n");
    else
        printf("errors: %" PRIu64 " of drives since dolmend was started; %" PRIu64 " reads were rebuilt from parity\n",
               sum, rebuilt);
}

/* What is wrong and what to do, one pair an alarm; that the pool is degraded is not said when others tell why. */
static void print_alarms(const json_t *alarms)
{
    size_t i;
    json_t *alarm;
    json_array_foreach(alarms, i, alarm)
    {
        if (strcmp(text(alarm, "alarm"), "degraded") == 0 && json_array_size(alarms) > 1)
            continue;
        printf("status: %s\naction: %s\n", text(alarm, "meaning"), text(alarm, "action"));
    }
}

static void print_counts(const json_t *counters)
{
    char a[CLI_SIZE_TEXT_MAX];
    char b[CLI_SIZE_TEXT_MAX];
    printf("  since start: %" PRIu64 " puts (%s), %" PRIu64 " gets (%s), %" PRIu64 " deletes\n",
           number(counters, "puts"), cli_size_text(number(counters, "bytes_in"), a), number(counters, "gets"),
           cli_size_text(number(counters, "bytes_out"), b), number(counters, "deletes"));
    if (number(counters, "bytes_deduplicated") > 0)
        printf("               %s were there already\n", cli_size_text(number(counters, "bytes_deduplicated"), a));
    if (number(counters, "bytes_compressed_in") > 0)
        printf("               %s compressed to %s\n", cli_size_text(number(counters, "bytes_compressed_in"), a),
               cli_size_text(number(counters, "bytes_compressed_out"), b));
}

enum cli_exit cli_print_status(const json_t *doc)
{
    const json_t *pool = json_object_get(doc, "pool");
    const json_t *server = json_object_get(doc, "server");
    const json_t *drives = json_object_get(doc, "drives");
    char state[32];
    char bytes[4][CLI_SIZE_TEXT_MAX];
    if (!json_is_object(pool) || !json_is_array(drives)) {
        cli_say("the answer holds no pool. Are dolmend and dolmen of the same version?");
        return CLI_FAILED;
    }
    printf("  pool: %s (%s)\n", text(pool, "label"), text(pool, "uuid"));
    printf(" state: %s\n", upper(text(pool, "state"), state));
    print_alarms(json_object_get(doc, "alarms"));
    if (text(pool, "reason")[0] != '\0')
        printf("reason: %s\n", text(pool, "reason"));
    printf("  data: %s, run %" PRIu64 ", epoch %" PRIu64 "\n", truth(pool, "encrypted") ? "encrypted" : "not encrypted",
           number(pool, "run"), number(pool, "epoch"));
    printf(" space: %s used of %s usable (%s raw), %s of it in reserve\n",
           cli_size_text(number(pool, "used_bytes"), bytes[0]), cli_size_text(number(pool, "usable_bytes"), bytes[1]),
           cli_size_text(number(pool, "raw_bytes"), bytes[2]), cli_size_text(number(pool, "reserve_bytes"), bytes[3]));
    printf(" holds: %" PRIu64 " objects in %" PRIu64 " buckets\n", number(pool, "objects"), number(pool, "buckets"));
    printf("server: %s, region %s, version %s, since %s\n", text(server, "endpoint"), text(server, "region"),
           text(server, "version"), text(server, "started"));
    print_counts(json_object_get(doc, "counters"));
    cli_print_scrub(json_object_get(doc, "scrub"));
    print_config(pool, drives);
    print_errors(drives, json_object_get(doc, "counters"));
    return CLI_OK;
}
