/*
 * Reading the configuration file. libinih takes lines from read_line(), which counts them and refuses what inih would
 * cut silently; take_setting() gets each key. The first error stays.
 */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEYS_MAX 64u

struct reading {
    const char *path;
    FILE *file;
    struct options *options;
    struct option_why *why;
    int line;
    int bad_line;             /* of the explained error; 0: none */
    unsigned given[KEYS_MAX]; /* line of each of option_keys */
};

/* ---- lines ---- */

static void refuse_line(struct reading *r, const char *what)
{
    if (r->bad_line != 0)
        return;
    r->bad_line = r->line;
    option_explain(r->why, "%s:%d: %s", r->path, r->line, what);
}

/* An ini_reader: the next line into str, as fgets(). */
static char *read_line(char *str, int num, void *stream)
{
    struct reading *r = stream;
    int len = 0;
    int c = 0;
    bool cut = false;
    r->line++;
    while ((c = fgetc(r->file)) != EOF) {
        if (c == '\0')
            refuse_line(r, "not text: the line holds a zero byte.");
        else if (len < num - 1)
            str[len++] = (char)c;
        else
            cut = true;
        if (c == '\n')
            break;
    }
    if (cut) {
        char text[80];
        snprintf(text, sizeof text, "longer than %d bytes: give each drive a line of its own.", num - 1);
        refuse_line(r, text);
    }
    str[len] = '\0';
    return len > 0 || c != EOF ? str : NULL;
}

/* ---- keys ---- */

static int refuse_setting(struct reading *r, const char *section, const char *key, const char *value,
                          const char *complaint)
{
    if (r->bad_line != 0)
        return 0;
    r->bad_line = r->line;
    if (value == NULL)
        option_explain(r->why, "%s:%d: [%s] %s: %s", r->path, r->line, section, key, complaint);
    else
        option_explain(r->why, "%s:%d: [%s] %s = %s: %s", r->path, r->line, section, key, value, complaint);
    return 0;
}

static char *own(struct options *o, const char *value)
{
    char *copy = o->owned_count < OPTIONS_OWNED_MAX ? strdup(value) : NULL;
    if (copy != NULL)
        o->owned[o->owned_count++] = copy;
    return copy;
}

/* An ini_handler: 0 is an error. */
static int take_setting(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    char text[96];
    if (section[0] == '\0')
        return refuse_setting(r, "", name, NULL, "before any section. Put it below [server], [pool], [log] ...");
    if (!option_section_exists(section)) {
        if (r->bad_line == 0)
            option_explain(r->why,
                           "%s:%d: [%s]: no such section. There are [server], [pool], [log], [limits], [cache], "
                           "[scrub], [lifecycle].",
                           r->path, r->line, section);
        r->bad_line = r->bad_line != 0 ? r->bad_line : r->line;
        return 0;
    }
    const struct option_key *key = option_key_by_name(section, name);
    if (key == NULL)
        return refuse_setting(r, section, name, NULL, "no such key.");
    unsigned *given = &r->given[key - option_keys];
    if (*given != 0 && !key->repeats) {
        snprintf(text, sizeof text, "given twice, first on line %u%s", *given,
                 *given + 1 == (unsigned)r->line ? " (or is this line indented?)." : ".");
        return refuse_setting(r, section, name, NULL, text);
    }
    *given = (unsigned)r->line;
    if (value[0] == '\0')
        return refuse_setting(r, section, name, NULL, "the value is missing.");
    const char *copy = own(r->options, value);
    if (copy == NULL)
        return refuse_setting(r, section, name, NULL, "too many values.");
    return key->set(r->options, copy) ? 1 : refuse_setting(r, section, name, value, key->expects);
}

/* ---- the file ---- */

static enum dol_err explain_open(const char *path, int error, struct option_why *why)
{
    option_explain(why, "%s: cannot read it: %s.", path, strerror(error));
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return DOL_ENOTFOUND;
    case EACCES:
    case EPERM:
        return DOL_EPERM;
    default:
        return DOL_EIO;
    }
}

static void set_defaults(struct options *o)
{
    if (o->index == NULL)
        o->index = CONFIG_INDEX;
    if (o->key == NULL)
        o->key = CONFIG_KEY;
    if (o->credentials == NULL)
        o->credentials = CONFIG_CREDENTIALS;
    if (o->admin_socket == NULL)
        o->admin_socket = CONFIG_ADMIN_SOCKET;
}

enum dol_err config_load(const char *path, struct options *o, struct option_why *why)
{
    struct reading r = {.path = path, .file = fopen(path, "re"), .options = o, .why = why};
    if (r.file == NULL)
        return explain_open(path, errno, why);
    errno = 0;
    int bad_line = ini_parse_stream(read_line, &r, take_setting, &r);
    int error = ferror(r.file) ? errno : 0;
    (void)fclose(r.file);
    if (error != 0)
        return explain_open(path, error, why);
    if (bad_line < 0) {
        option_explain(why, "%s: out of memory.", path);
        return DOL_ENOMEM;
    }
    /* A line inih itself could not take apart; take_setting() never saw it. */
    if (bad_line > 0 && (r.bad_line == 0 || bad_line < r.bad_line)) {
        r.bad_line = bad_line;
        option_explain(why, "%s:%d: neither [section], key = value, nor a comment (# ...).", path, bad_line);
    }
    if (r.bad_line != 0)
        return DOL_ESYNTAX;
    o->config = path;
    set_defaults(o);
    return DOL_OK;
}

enum dol_err config_check(const struct options *o, struct option_why *why)
{
    const char *where = o->config != NULL ? o->config : "the command line";
    if (o->config != NULL && o->drive_path_count == 0) {
        option_explain(why, "%s: [pool] drives is missing: name each drive of the pool.", where);
        return DOL_ESYNTAX;
    }
    if ((o->tls_cert == NULL) != (o->tls_key == NULL)) {
        option_explain(why, "%s: tls_cert and tls_key belong together: give both or none.", where);
        return DOL_ESYNTAX;
    }
    if (o->tls_listen_given && o->tls_cert == NULL) {
        option_explain(why, "%s: tls_listen needs tls_cert and tls_key.", where);
        return DOL_ESYNTAX;
    }
    return DOL_OK;
}

static enum dol_err use_credential(struct options *o, const char *directory, const char **file, struct option_why *why)
{
    char path[PATH_MAX];
    if (*file == NULL)
        return DOL_OK;
    const char *slash = strrchr(*file, '/');
    int len = snprintf(path, sizeof path, "%s/%s", directory, slash != NULL ? slash + 1 : *file);
    if (len <= 0 || len >= (int)sizeof path || access(path, F_OK) != 0)
        return DOL_OK;
    *file = own(o, path);
    if (*file != NULL)
        return DOL_OK;
    option_explain(why, "out of memory.");
    return DOL_ENOMEM;
}

enum dol_err config_use_credentials(struct options *o, struct option_why *why)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory == NULL || directory[0] != '/')
        return DOL_OK;
    const char *place = o->key;
    enum dol_err err = use_credential(o, directory, &o->key, why);
    if (o->key != place)
        o->key_place = place;
    if (err == DOL_OK)
        err = use_credential(o, directory, &o->credentials, why);
    if (err == DOL_OK)
        err = use_credential(o, directory, &o->tls_cert, why);
    if (err == DOL_OK)
        err = use_credential(o, directory, &o->tls_key, why);
    return err;
}
