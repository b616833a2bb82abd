/* dolmen: the operator's command. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

static const char help[] =
    "dolmen " DOLMEN_VERSION ": looks after Dolmen pools\n"
    "\n"
    "Where POOL is --config FILE, dolmend's configuration, or --dev DIR, the directory of a pool:\n"
    "\n"
    "  dolmen pool create --config FILE [--ec 4+2] [--drive-size SIZE] [--label NAME] [--no-encryption] [--force]\n"
    "  dolmen pool create --drive PATH ... --key FILE --credentials FILE [the same]\n"
    "      Formats the drives, block devices or files, as a new pool; makes its key file and, unless it is there, the\n"
    "      credentials file. A drive that is mounted or in use is refused; one that carries a pool, a file system, a\n"
    "      volume or a partition table too, unless --force says that it may be destroyed. Drive files that are not "
    "there\n"
    "      are made if --drive-size is given.\n"
    "\n"
    "  dolmen pool create --dev DIR [--drives 6] [--ec 4+2] [--drive-size 4G] [--label NAME] [--no-encryption]\n"
    "      Creates a pool of drive files in DIR, its key file and credentials. Nothing that exists is overwritten.\n"
    "\n"
    "  dolmen pool status POOL [--json]\n"
    "      Asks the dolmend that serves the pool how it and its drives are.\n"
    "\n"
    "  dolmen scrub start POOL [--bandwidth SIZE]\n"
    "  dolmen scrub stop POOL\n"
    "  dolmen scrub status POOL [--json]\n"
    "      Has all that is stored read, verified and repaired while it is served, at SIZE bytes a second (0: no "
    "limit);\n"
    "      ends that; shows how far it is and what it found.\n"
    "\n"
    "  dolmen user create POOL NAME [--policy NAME | --no-policy]\n"
    "  dolmen user list POOL [--json]\n"
    "  dolmen user delete|enable|disable POOL NAME\n"
    "      Makes a user with an access key, which is printed once: lines access_key= and secret_key=. It has the "
    "policy\n"
    "      'service', every right on the buckets it makes, unless another or none is named.\n"
    "  dolmen key create POOL USER; dolmen key delete POOL ACCESS-KEY; dolmen key list POOL [--json]\n"
    "      Further access keys of a user.\n"
    "  dolmen group create|delete POOL NAME; dolmen group add|remove POOL GROUP --user USER; dolmen group list POOL\n"
    "  dolmen policy create POOL NAME FILE; dolmen policy show|delete POOL NAME; dolmen policy list POOL [--json]\n"
    "  dolmen policy attach|detach POOL NAME --user USER | --group GROUP\n"
    "      Rights as IAM's JSON policies, of users and groups. 'auditor', 'operator' and 'service' are always there.\n"
    "\n"
    "  dolmen key export POOL FILE\n"
    "      Writes a copy of the pool's key file to FILE, which must not exist, and reads it back. Whoever has the key "
    "can\n"
    "      read the drives; without it nobody can. Keep the copy in a safe, away from this machine.\n"
    "\n"
    "  dolmen help, dolmen --version\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 no dolmend serves the pool.\n";

void cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("dolmen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

enum cli_exit cli_wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("dolmen: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n'dolmen help' shows how it is used.\n", stderr);
    va_end(args);
    return CLI_USAGE;
}

static bool asks(int argc, char **argv, const char *a, const char *b)
{
    return argc >= 3 && strcmp(argv[1], a) == 0 && strcmp(argv[2], b) == 0;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || (i == 1 && strcmp(argv[i], "help") == 0))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    umask(077);
    if (asks_for_help(argc, argv)) {
        fputs(help, stdout);
        return CLI_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("dolmen " DOLMEN_VERSION);
        return CLI_OK;
    }
    if (asks(argc, argv, "pool", "create"))
        return (int)cli_pool_create(argc - 3, argv + 3);
    if (asks(argc, argv, "pool", "status"))
        return (int)cli_pool_status(argc - 3, argv + 3);
    if (asks(argc, argv, "scrub", "start"))
        return (int)cli_scrub(argc - 3, argv + 3, CLI_SCRUB_START);
    if (asks(argc, argv, "scrub", "stop"))
        return (int)cli_scrub(argc - 3, argv + 3, CLI_SCRUB_STOP);
    if (asks(argc, argv, "scrub", "status"))
        return (int)cli_scrub(argc - 3, argv + 3, CLI_SCRUB_STATUS);
    if (asks(argc, argv, "key", "export"))
        return (int)cli_key_export(argc - 3, argv + 3);
    if (cli_iam_is_verb(argc, argv))
        return (int)cli_iam(argc, argv);
    if (argc < 2)
        return (int)cli_wrong("no command given.");
    return (int)cli_wrong("'%s%s%s' is not a command.", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
}
