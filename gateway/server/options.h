/*
 * Everything an operator can set, by a configuration file, by command-line options, or both: an option wins over the
 * file. option_keys.c has each by its name; config.h reads the file; options.c, which belongs to dolmend, its command
 * line.
 */
#ifndef DOL_OPTIONS_H
#define DOL_OPTIONS_H

#include "log.h"
#include "option_values.h"

#define OPTIONS_DRIVES_MAX  64u
#define OPTIONS_CACHE_BYTES UINT64_MAX /* not said: memory_cache_bytes() */
#define OPTIONS_OWNED_MAX   256u

#define OPTIONS_SCRUB_BYTES_S    (64ull << 20)
#define OPTIONS_LIFECYCLE_DAY_S  86400u
#define OPTIONS_SCRUB_INTERVAL_S (7u * 86400u)

/* 0 in a limit: the built-in default. */
struct option_limits {
    unsigned connections;    /* all loops together */
    unsigned puts;           /* objects being stored at once, all loops together */
    unsigned idle_timeout_s; /* a kept connection without a request */
    unsigned head_timeout_s; /* a request's head */
    unsigned body_timeout_s; /* one wait for body bytes */
    unsigned send_timeout_s; /* one wait for the client to take bytes */
    unsigned stop_timeout_s; /* requests in progress when dolmend stops */
    unsigned rate_bytes_min; /* bytes a second that a client has to send or take */
};

struct options {
    /* Which pool: one of the two. */
    const char *dev;    /* a directory */
    const char *config; /* a file, already read */
    bool check;         /* say whether the file is good, and end */

    char host[OPTION_HOST_BYTES_MAX];
    uint16_t port;
    const char *tls_cert, *tls_key; /* PEM files; NULL: no TLS */
    char tls_host[OPTION_HOST_BYTES_MAX];
    uint16_t tls_port;
    bool tls_listen_given;
    const char *domain; /* NULL: path style only */
    const char *region;

    /* --dev: a pool that is made when there is none. Given, and not the defaults: an existing pool that differs is then
     * an error. */
    unsigned drives;
    unsigned k, m;
    uint64_t drive_size_bytes;
    bool drives_given, geometry_given, drive_size_given;

    /* --config: where its things lie. */
    const char *drive_paths[OPTIONS_DRIVES_MAX];
    unsigned drive_path_count;
    const char *index;
    const char *key;
    const char *key_place; /* where the key file belongs, when `key` is a copy that systemd handed out; else NULL */
    const char *credentials;
    const char *admin_socket;

    enum log_level log_level;
    enum log_format log_format;
    struct option_limits limits;
    uint64_t cache_bytes;      /* of verified chunks kept for reads; 0: none */
    uint64_t scrub_bytes_s;    /* 0: no limit */
    uint64_t lifecycle_day_s;  /* length of a day of lifecycle rules */
    uint64_t scrub_interval_s; /* from the beginning of a pass to the next one's; 0: none begins by itself */

    char *owned[OPTIONS_OWNED_MAX]; /* strings of the file */
    unsigned owned_count;
};

/* What is wrong, for a person. */
struct option_why {
    char text[1024];
};
void option_explain(struct option_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

void options_init(struct options *o);
void options_fini(struct options *o);

/* ---- one table of names ---- */

struct option_key {
    const char *section, *key;                         /* in the file; NULL: only an option */
    const char *option;                                /* on the command line, without dashes; NULL: only in the file */
    bool repeats;                                      /* may be given more than once */
    bool (*set)(struct options *o, const char *value); /* keeps the pointer; false: not such a value */
    const char *expects;                               /* "not a size. Give it like ..." */
};
extern const struct option_key option_keys[];
extern const unsigned option_key_count;

const struct option_key *option_key_by_option(const char *option);
const struct option_key *option_key_by_name(const char *section, const char *key);
bool option_section_exists(const char *section);

/* ---- dolmend's command line ---- */

enum options_result { OPTIONS_RUN, OPTIONS_SHOWN, OPTIONS_WRONG };

/* OPTIONS_SHOWN: help or version was printed, exit 0. OPTIONS_WRONG: what is wrong was printed on standard error,
 * exit 2. options_fini() after all of them. */
enum options_result options_parse(int argc, char **argv, struct options *out);

#endif
