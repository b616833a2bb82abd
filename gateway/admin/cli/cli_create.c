/* dolmen pool create: in a directory, the same creation that dolmend does there; or of drives that are named, in a
 * configuration or one by one. Nothing is served. */
#include "cli.h"
#include "cli_format.h"
#include "option_values.h"
#include "uring.h"

#include <inttypes.h>
#include <stdio.h>

struct create {
    struct options options;
    struct devdir_geometry geometry;
    struct cli_format format;
    bool count_given, size_given, geometry_given;
    const char *key, *credentials;         /* given by option */
    const char *drives[DEVDIR_DRIVES_MAX]; /* --drive */
    unsigned drive_count;
    struct devdir dir;
    struct devdir_why why;
    enum dol_err err;
};

static enum cli_exit set_option(void *arg, const struct option_item *item)
{
    struct create *c = arg;
    struct devdir_geometry *g = &c->geometry;
    enum cli_exit result = CLI_OK;
    const char *name = item->name;
    const char *value = item->value;
    if (strcmp(name, "drives") == 0) {
        c->count_given = true;
        if (!option_parse_number(value, 1, DEVDIR_DRIVES_MAX, &g->drives))
            return cli_wrong("--drives %s: not a number from 1 to %u.", value, DEVDIR_DRIVES_MAX);
    } else if (strcmp(name, "ec") == 0) {
        c->geometry_given = true;
        if (!option_parse_geometry(value, &g->k, &g->m))
            return cli_wrong("--ec %s: not a geometry. Give data and parity units like 4+2, 2+1 or 1+0.", value);
    } else if (strcmp(name, "drive-size") == 0) {
        c->size_given = true;
        if (!option_parse_size(value, &g->drive_size_bytes))
            return cli_wrong("--drive-size %s: not a size. Give it like 512M, 4G or 2T.", value);
    } else if (strcmp(name, "label") == 0) {
        if (strlen(value) > 63)
            return cli_wrong("--label %s: longer than 63 bytes.", value);
        g->label = value;
    } else if (strcmp(name, "no-encryption") == 0) {
        g->encrypted = false;
    } else if (strcmp(name, "force") == 0) {
        c->format.force = CLI_FORMAT_DESTROY;
    } else if (strcmp(name, "drive") == 0) {
        if (c->drive_count == DEVDIR_DRIVES_MAX)
            return cli_wrong("--drive %s: a pool has %u drives at most.", value, DEVDIR_DRIVES_MAX);
        c->drives[c->drive_count++] = value;
    } else if (strcmp(name, "key") == 0) {
        c->key = value;
    } else if (strcmp(name, "credentials") == 0) {
        c->credentials = value;
    } else if (!cli_pool_option(&c->options, item, &result)) {
        return cli_wrong("--%s: no such option.", name);
    }
    return result;
}

static enum cli_exit check_drives(struct create *c)
{
    bool of_drives = c->drive_count > 0;
    if (of_drives && (c->options.dev != NULL || c->options.config != NULL))
        return cli_wrong("--drive: the drives are those of --dev or --config already.");
    if (!of_drives && (c->key != NULL || c->credentials != NULL))
        return cli_wrong("--key and --credentials belong to --drive.");
    if (of_drives && (c->credentials == NULL || (c->key == NULL && c->geometry.encrypted)))
        return cli_wrong("--drive: say where the pool's files go: --key FILE --credentials FILE.");
    return of_drives ? CLI_OK : cli_pool_check(&c->options);
}

static enum cli_exit check(struct create *c)
{
    enum cli_exit result = check_drives(c);
    if (result != CLI_OK)
        return result;
    if (c->options.dev != NULL)
        return c->format.force == CLI_FORMAT_REFUSE
                   ? CLI_OK
                   : cli_wrong("--force: a pool in a directory is never overwritten. Choose another directory.");
    if (c->count_given)
        return cli_wrong("--drives belongs to --dev.");
    struct cli_format *f = &c->format;
    bool of_drives = c->drive_count > 0;
    f->paths = of_drives ? c->drives : c->options.drive_paths;
    f->count = of_drives ? c->drive_count : c->options.drive_path_count;
    f->key = of_drives ? c->key : c->options.key;
    f->credentials = of_drives ? c->credentials : c->options.credentials;
    f->k = c->geometry.k;
    f->m = c->geometry.m;
    f->label = c->geometry.label;
    f->encrypted = c->geometry.encrypted;
    f->file_bytes = c->size_given ? c->geometry.drive_size_bytes : 0;
    if (!c->geometry_given && f->count < f->k + f->m)
        return cli_wrong("%u drives are too few for %u+%u. Say how many data and parity units: --ec K+M.", f->count,
                         f->k, f->m);
    return CLI_OK;
}

static enum cli_exit parse(struct create *c, int argc, char **argv)
{
    static const char *const flags[] = {"no-encryption", "force", NULL};
    enum cli_exit result = cli_parse(argc, argv, flags, set_option, NULL, c);
    return result == CLI_OK ? check(c) : result;
}

/* Fiber. */
static void create_fiber(void *arg)
{
    struct create *c = arg;
    c->err = c->options.dev != NULL ? devdir_create_pool(&c->dir, &c->geometry, &c->why)
                                    : cli_format_pool(&c->format, &c->why);
    runtime_stop(runtime_self());
}

static enum dol_err run(struct create *c)
{
    struct runtime *rt = NULL;
    const struct runtime_config config = {.loops = 1, .fibers_max = 64};
    enum dol_err err = runtime_new_uring(&config, &rt);
    if (err == DOL_OK) {
        err = runtime_spawn(rt, 0, create_fiber, c, "create");
        if (err == DOL_OK)
            runtime_run(rt);
        runtime_free(rt);
    }
    if (err == DOL_OK)
        return c->err;
    snprintf(c->why.text, sizeof c->why.text, "cannot start: %s.", dol_err_text(err));
    return err;
}

/* The directory is free for a new pool, or made so. */
static enum dol_err prepare(struct create *c)
{
    enum devdir_state state;
    char moved[PATH_MAX];
    enum dol_err err = devdir_state_get(&c->dir, &state, &c->why);
    if (err != DOL_OK)
        return err;
    switch (state) {
    case DEVDIR_NEW:
        return DOL_OK;
    case DEVDIR_UNFINISHED:
        err = devdir_move_aside(&c->dir, moved, &c->why);
        if (err == DOL_OK)
            cli_say("what an interrupted creation left is now in %s and can be deleted.", moved);
        return err;
    case DEVDIR_POOL:
        snprintf(c->why.text, sizeof c->why.text,
                 "there is a pool in %.512s already; it is not touched. Choose another directory.", c->dir.root);
        return DOL_EEXIST;
    case DEVDIR_BROKEN:
        break;
    }
    return DOL_EEXIST;
}

static enum dol_err create_in_directory(struct create *c)
{
    const struct devdir_geometry *g = &c->geometry;
    enum dol_err err = devdir_open(c->options.dev, DEVDIR_CREATE, &c->dir, &c->why);
    if (err != DOL_OK)
        return err;
    err = prepare(c);
    if (err == DOL_OK)
        err = run(c);
    if (err == DOL_OK)
        printf("Created a pool in %s: %u drives of %" PRIu64 " bytes, geometry %u+%u.\n", c->dir.root, g->drives,
               g->drive_size_bytes, g->k, g->m);
    devdir_close(&c->dir);
    return err;
}

static enum dol_err create_of_drives(struct create *c)
{
    const struct cli_format *f = &c->format;
    enum dol_err err = run(c);
    if (err == DOL_OK)
        printf("Created a pool of %u drives with %" PRIu64 " bytes in all, geometry %u+%u.\n", f->count, f->raw_bytes,
               f->k, f->m);
    return err;
}

static void report(const struct create *c)
{
    bool in_dir = c->options.dev != NULL;
    const char *name = cli_pool_name(&c->options);
    if (c->geometry.m == 0)
        printf("It has no parity: losing one drive loses data.\n");
    printf("Credentials: %s\n", in_dir ? c->dir.credentials : c->format.credentials);
    if (!c->geometry.encrypted) {
        printf("It is not encrypted: whoever gets hold of its drives can read them.\n");
    } else {
        printf("Key: %s\n"
               "Losing the key loses the pool, and nobody can help. Keep a copy elsewhere",
               in_dir ? c->dir.key : c->format.key);
        if (name != NULL)
            printf(":\n    dolmen key export %s %s FILE\n", cli_pool_option_name(&c->options), name);
        else
            printf(".\n");
    }
    if (name != NULL)
        printf("Serve it with:\n    dolmend %s %s\n", cli_pool_option_name(&c->options), name);
}

enum cli_exit cli_pool_create(int argc, char **argv)
{
    static struct create c = {
        .geometry = {.drives = 6, .k = 4, .m = 2, .drive_size_bytes = 4ull << 30, .encrypted = true},
    };
    options_init(&c.options);
    enum cli_exit result = parse(&c, argc, argv);
    if (result == CLI_OK) {
        enum dol_err err = c.options.dev != NULL ? create_in_directory(&c) : create_of_drives(&c);
        if (err == DOL_OK)
            report(&c);
        else
            cli_say("%s", c.why.text);
        result = err == DOL_OK ? CLI_OK : CLI_FAILED;
    }
    options_fini(&c.options);
    return result;
}
