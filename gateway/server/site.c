/* See site.h. */
#include "site.h"
#include "drive_list.h"

#include <stdio.h>
#include <sys/stat.h>

enum dol_err site_open(const struct options *options, enum devdir_missing missing, struct site *s,
                       struct devdir_why *why)
{
    *s = (struct site){.options = options, .in_directory = options->dev != NULL};
    s->dir.dir_fd = s->dir.lock_fd = -1;
    if (!s->in_directory) {
        s->name = options->config;
        s->option = "--config";
        s->drives = options->config;
        s->key = options->key;
        s->credentials = options->credentials;
        s->index = options->index;
        s->socket = options->admin_socket;
        return DOL_OK;
    }
    enum dol_err err = devdir_open(options->dev, missing, &s->dir, why);
    if (err != DOL_OK)
        return err;
    s->name = s->dir.root;
    s->option = "--dev";
    s->drives = s->dir.drives;
    s->key = s->dir.key;
    s->credentials = s->dir.credentials;
    s->index = s->dir.index;
    s->socket = s->dir.socket;
    return DOL_OK;
}

void site_close(struct site *s)
{
    if (s->in_directory)
        devdir_close(&s->dir);
}

enum dol_err site_open_drives(const struct site *s, struct drive *drives[DEVDIR_DRIVES_MAX], unsigned *count,
                              struct devdir_why *why)
{
    if (s->in_directory)
        return devdir_open_drives(&s->dir, drives, count, why);
    return drive_list_open(s->options->drive_paths, s->options->drive_path_count, s->drives, drives, count, why);
}

const char *site_key_file(const struct site *s)
{
    struct stat st;
    return lstat(s->key, &st) == 0 ? s->key : NULL;
}

enum dol_err site_socket_path(const struct options *options, char *out, size_t out_bytes)
{
    if (options->dev != NULL)
        return devdir_socket_path(options->dev, out, out_bytes);
    int len = snprintf(out, out_bytes, "%s", options->admin_socket);
    return len > 0 && (size_t)len < out_bytes ? DOL_OK : DOL_EINVAL;
}
