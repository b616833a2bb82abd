/* The configuration file: any bytes are either read, or refused with a line that names the file. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options options;
    struct option_why why = {{0}};
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    options_init(&options);
    if (config_load(path, &options, &why) == DOL_OK) {
        check(options.config == path && options.index != NULL && options.key != NULL && options.credentials != NULL);
        check(options.drive_path_count <= OPTIONS_DRIVES_MAX);
        for (unsigned i = 0; i < options.drive_path_count; i++)
            check(options.drive_paths[i][0] == '/');
        check(config_check(&options, &why) == DOL_OK || why.text[0] != '\0');
    } else {
        check(strncmp(why.text, path, strlen(path)) == 0 && memchr(why.text, '\0', sizeof why.text) != NULL);
    }
    options_fini(&options);
    close(fd);
    return 0;
}
