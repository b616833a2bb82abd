/* Private to devdir: explanations, errno, and small steps that its files share. */
#ifndef DOL_DEVDIR_WHY_H
#define DOL_DEVDIR_WHY_H

#include "devdir.h"

#include <stdarg.h>

void devdir_explain(struct devdir_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum dol_err devdir_err_of_errno(int error);
/* Makes names in the directory durable. */
DOL_MUST_CHECK enum dol_err devdir_sync_dir(const char *path, struct devdir_why *why);
bool devdir_is_drive_name(const char *name);

#endif
