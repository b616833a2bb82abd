/* The drives, the key and the index of a dolmend configuration file; its other keys are not fsck's business. */
#include "fsck_config.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>

#define KEY_DEFAULT   "/etc/dolmen/key"
#define INDEX_DEFAULT "/var/lib/dolmen/index"

static int on_key(void *arg, const char *section, const char *name, const char *value)
{
    struct fsck_paths *p = arg;
    char *rest, *copy;
    if (strcmp(section, "pool") != 0)
        return 1;
    char **one = strcmp(name, "key") == 0 ? &p->key : strcmp(name, "index") == 0 ? &p->index : NULL;
    if (one != NULL) {
        free(*one);
        *one = strdup(value);
        return *one != NULL;
    }
    if (strcmp(name, "drives") != 0)
        return 1;
    copy = strdup(value);
    if (copy == NULL)
        return 0;
    for (char *word = strtok_r(copy, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
        if (p->count == FORMAT_DRIVES_MAX || (p->drives[p->count] = strdup(word)) == NULL) {
            free(copy);
            return 0;
        }
        p->count++;
    }
    free(copy);
    return 1;
}

enum dol_err fsck_config_read(const char *file, struct fsck_paths *out)
{
    int line = ini_parse(file, on_key, out);
    if (line < 0) {
        fprintf(stderr, "dolmen-fsck: %s: %s\n", file, errno ? strerror(errno) : "it can't be read");
        return DOL_EIO;
    }
    if (line > 0 || out->count == 0) {
        fprintf(stderr, "dolmen-fsck: %s:%d: not a configuration of dolmend with [pool] drives\n", file, line);
        return DOL_ESYNTAX;
    }
    if (out->key == NULL && (out->key = strdup(KEY_DEFAULT)) == NULL)
        return DOL_ENOMEM;
    if (out->index == NULL && (out->index = strdup(INDEX_DEFAULT)) == NULL)
        return DOL_ENOMEM;
    return DOL_OK;
}

void fsck_paths_free(struct fsck_paths *p)
{
    for (unsigned i = 0; i < p->count; i++)
        free(p->drives[i]);
    free(p->key);
    free(p->index);
}
