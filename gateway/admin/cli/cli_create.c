/* dolmen pool create: the same creation that dolmend does on an empty directory, without serving it. */
#include "cli.h"
#include "devdir.h"
#include "option_values.h"
#include "uring.h"

#include <inttypes.h>
#include <stdio.h>

struct create {
    const char *dev;
    struct devdir_geometry geometry;
    struct devdir dir;
    struct devdir_why why;
    enum dol_err err;
};

static enum cli_exit set_option(struct create *c, const struct option_item *item)
{
    struct devdir_geometry *g = &c->geometry;
    const char *name = item->name;
    const char *value = item->value;
    if (strcmp(name, "dev") == 0) {
        c->dev = value;
    } else if (strcmp(name, "drives") == 0) {
        if (!option_parse_number(value, 1, DEVDIR_DRIVES_MAX, &g->drives))
            return cli_wrong("--drives %s: not a number from 1 to %u.", value, DEVDIR_DRIVES_MAX);
    } else if (strcmp(name, "ec") == 0) {
        if (!option_parse_geometry(value, &g->k, &g->m))
            return cli_wrong("--ec %s: not a geometry. Give data and parity units like 4+2, 2+1 or 1+0.", value);
    } else if (strcmp(name, "drive-size") == 0) {
        if (!option_parse_size(value, &g->drive_size_bytes))
            return cli_wrong("--drive-size %s: not a size. Give it like 512M, 4G or 2T.", value);
    } else if (strcmp(name, "label") == 0) {
        if (strlen(value) > 63)
            return cli_wrong("--label %s: longer than 63 bytes.", value);
        g->label = value;
    } else if (strcmp(name, "no-encryption") == 0) {
        g->encrypted = false;
    } else {
        return cli_wrong("--%s: no such option.", name);
    }
    return CLI_OK;
}

static enum cli_exit parse(struct create *c, int argc, char **argv)
{
    static const char *const flags[] = {"no-encryption", NULL};
    struct option_cursor cursor = {.argc = argc, .argv = argv};
    struct option_item item;
    for (;;) {
        enum cli_exit result = CLI_OK;
        switch (option_next(&cursor, flags, &item)) {
        case OPTION_END:
            return c->dev != NULL ? CLI_OK : cli_wrong("no directory given. Name it with --dev DIR.");
        case OPTION_WORD:
            return cli_wrong("'%s' is not an option.", item.value);
        case OPTION_NO_VALUE:
            return cli_wrong("--%s: the value is missing, or there is one where none belongs.", item.name);
        case OPTION_NAMED:
            result = set_option(c, &item);
            break;
        }
        if (result != CLI_OK)
            return result;
    }
}

/* Fiber. */
static void create_fiber(void *arg)
{
    struct create *c = arg;
    c->err = devdir_create_pool(&c->dir, &c->geometry, &c->why);
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

static void report(const struct create *c)
{
    const struct devdir_geometry *g = &c->geometry;
    printf("Created a pool in %s: %u drives of %" PRIu64 " bytes, geometry %u+%u.\n", c->dir.root, g->drives,
           g->drive_size_bytes, g->k, g->m);
    if (g->m == 0)
        printf("It has no parity: losing one drive loses data.\n");
    printf("Credentials: %s\n", c->dir.credentials);
    if (g->encrypted)
        printf("Key: %s\n"
               "Losing the key loses the pool, and nobody can help. Keep a copy elsewhere:\n"
               "    dolmen key export --dev %s FILE\n",
               c->dir.key, c->dir.root);
    else
        printf("It is not encrypted: whoever gets hold of its drives can read them.\n");
    printf("Serve it with:\n    dolmend --dev %s\n", c->dir.root);
}

enum cli_exit cli_pool_create(int argc, char **argv)
{
    static struct create c = {
        .geometry = {.drives = 6, .k = 4, .m = 2, .drive_size_bytes = 4ull << 30, .encrypted = true},
    };
    enum cli_exit result = parse(&c, argc, argv);
    if (result != CLI_OK)
        return result;
    enum dol_err err = devdir_open(c.dev, DEVDIR_CREATE, &c.dir, &c.why);
    if (err == DOL_OK) {
        err = prepare(&c);
        if (err == DOL_OK)
            err = run(&c);
        if (err == DOL_OK)
            report(&c);
        devdir_close(&c.dir);
    }
    if (err == DOL_OK)
        return CLI_OK;
    cli_say("%s", c.why.text);
    return CLI_FAILED;
}
