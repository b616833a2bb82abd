/* Private to the `dolmen` command: its verbs, its exit codes, and how it says what went wrong. */
#ifndef DOL_CLI_H
#define DOL_CLI_H

#include "options.h"

#include <jansson.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_RUNNING = 3, /* no dolmend serves that pool */
};

/* Each gets the arguments after its own name. */
enum cli_exit cli_pool_create(int argc, char **argv);
enum cli_exit cli_pool_status(int argc, char **argv);
enum cli_exit cli_key_export(int argc, char **argv);
enum cli_scrub_verb { CLI_SCRUB_START, CLI_SCRUB_STOP, CLI_SCRUB_STATUS };
enum cli_exit cli_scrub(int argc, char **argv, enum cli_scrub_verb verb);

/* Does this command look after users, keys, groups or policies? argv as main() has it. */
bool cli_iam_is_verb(int argc, char **argv);
enum cli_exit cli_iam(int argc, char **argv);

/* Prints "dolmen: ..." on standard error. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with a hint at --help; returns CLI_USAGE. */
enum cli_exit cli_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Which pool a command is about: --dev DIR or --config FILE, whose file is read at once. The options are the command's
 * own struct, from options_init() to options_fini(). cli_pool_option() says whether the item was one of the two; a
 * wrong one has been explained, and *result tells.
 */
bool cli_pool_option(struct options *o, const struct option_item *item, enum cli_exit *result);
/* take() gets each option, take_word() what is none; NULL: words are wrong. flags: options without a value, NULL at
 * their end. What either returns but CLI_OK ends it. */
typedef enum cli_exit cli_take_fn(void *arg, const struct option_item *item);
typedef enum cli_exit cli_take_word_fn(void *arg, const char *word);
enum cli_exit cli_parse(int argc, char **argv, const char *const *flags, cli_take_fn *take, cli_take_word_fn *take_word,
                        void *arg);
/* At the end of the options: CLI_USAGE, explained, unless exactly one was given. */
enum cli_exit cli_pool_check(const struct options *o);
/* DIR or FILE, and the option that said so. */
const char *cli_pool_name(const struct options *o);
const char *cli_pool_option_name(const struct options *o);

/*
 * One request, its body "" when it has none, to the admin API over the pool's socket. On OK *status is the HTTP status
 * and *body its malloc'd text. CLI_NOT_RUNNING and CLI_FAILED have been explained on standard error.
 */
DOL_MUST_CHECK enum cli_exit cli_admin_ask(const struct options *o, const char *method, const char *target,
                                           const char *request_body, unsigned *status, char **body);

/* "512", "4.00G": three digits that matter; returns out. */
#define CLI_SIZE_TEXT_MAX 24
const char *cli_size_text(uint64_t bytes, char out[CLI_SIZE_TEXT_MAX]);

/* Prints the status document as a person reads it. CLI_FAILED: it isn't one. */
enum cli_exit cli_print_status(const json_t *doc);
/* One report of scrubbing, without its findings. */
void cli_print_scrub(const json_t *report);

#endif
