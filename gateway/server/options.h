/* dolmend's command line. */
#ifndef DOL_OPTIONS_H
#define DOL_OPTIONS_H

#include "option_values.h"

enum options_result { OPTIONS_RUN, OPTIONS_SHOWN, OPTIONS_WRONG };

struct options {
    const char *dev;
    char host[OPTION_HOST_BYTES_MAX];
    uint16_t port;
    unsigned drives;
    unsigned k, m;
    uint64_t drive_size_bytes;
    /* Given, and not the defaults: an existing pool that differs is then an error. */
    bool drives_given, geometry_given, drive_size_given;
    const char *domain; /* NULL: path style only */
    const char *region;
};

/* OPTIONS_SHOWN: help or version was printed, exit 0. OPTIONS_WRONG: what is wrong was printed on standard error,
 * exit 2. */
enum options_result options_parse(int argc, char **argv, struct options *out);

#endif
