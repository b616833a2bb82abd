/* Private to the `dolmen` command: its verbs, its exit codes, and how it says what went wrong. */
#ifndef DOL_CLI_H
#define DOL_CLI_H

#include <dolmen/err.h>
#include <dolmen/types.h>

#include <jansson.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_RUNNING = 3, /* no dolmend serves that directory */
};

/* Each gets the arguments after its own name. */
enum cli_exit cli_pool_create(int argc, char **argv);
enum cli_exit cli_pool_status(int argc, char **argv);
enum cli_exit cli_key_export(int argc, char **argv);

/* Prints "dolmen: ..." on standard error. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with a hint at --help; returns CLI_USAGE. */
enum cli_exit cli_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * GET of the admin API over the socket of --dev DIR. On OK *status is the HTTP status and *body its malloc'd text.
 * CLI_NOT_RUNNING and CLI_FAILED have been explained on standard error.
 */
DOL_MUST_CHECK enum cli_exit cli_admin_get(const char *dev, const char *target, unsigned *status, char **body);

/* Prints the status document as a person reads it. CLI_FAILED: it isn't one. */
enum cli_exit cli_print_status(const json_t *doc);

#endif
