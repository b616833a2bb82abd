/*
 * The configuration file of --config: INI, read by libinih. Sections [server], [pool], [log], [limits], [cache],
 * [scrub], [lifecycle]; the keys are in option_keys.c. Strict: an unknown section or key, a key given twice, a bad
 * value, a line that is neither is an error that names file and line.
 */
#ifndef DOL_CONFIG_H
#define DOL_CONFIG_H

#include "options.h"

#define CONFIG_INDEX        "/var/lib/dolmen/index"
#define CONFIG_KEY          "/etc/dolmen/key"
#define CONFIG_CREDENTIALS  "/etc/dolmen/credentials"
#define CONFIG_ADMIN_SOCKET "/run/dolmen/admin.sock"

/* Reads `path` into *o, which options_init() or nothing but defaults has filled, and gives the paths above to what the
 * file leaves out. Strings are owned by *o. Blocks. Any error has been explained: ENOTFOUND, EPERM, EIO, ESYNTAX. */
DOL_MUST_CHECK enum dol_err config_load(const char *path, struct options *o, struct option_why *why);

/* Whether settings that depend on each other fit; options of the command line included. ESYNTAX. */
DOL_MUST_CHECK enum dol_err config_check(const struct options *o, struct option_why *why);

/*
 * Under systemd a service is given copies of files that it could not read itself (LoadCredential=key:/etc/dolmen/key):
 * where $CREDENTIALS_DIRECTORY holds a file with the last name of key, credentials, tls_cert or tls_key, that copy is
 * used instead.
 */
DOL_MUST_CHECK enum dol_err config_use_credentials(struct options *o, struct option_why *why);

#endif
