/* dolmen-fsck's reader of LMDB files: the input is the file. Whatever it holds, every page is met once at most, and
 * what is given lies in memory that may be read. */
#include <sys/mman.h>
#include <unistd.h>

#include "dol_assert.h"
#include "fsck_lmdb.h"
#include "hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t bytes;
    uint32_t crc;
};

static void on_bad(void *arg, uint64_t page, const char *what)
{
    (void)arg;
    (void)page;
    dol_assert(what != NULL);
}

static void on_entry(void *arg, struct bytes key, struct bytes value)
{
    struct seen *seen = arg;
    seen->bytes += key.len + value.len;
    seen->crc = crc32c(crc32c(seen->crc, key.data, key.len), value.data, value.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"state", "objects"};
    struct fsck_lmdb *m;
    struct seen seen = {0, 0};
    int fd = memfd_create("lmdb", MFD_CLOEXEC);
    dol_assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    if (fsck_lmdb_open(fd, on_bad, NULL, &m) == DOL_OK) {
        for (unsigned i = 0; i < 2; i++)
            (void)fsck_lmdb_walk(m, names[i], on_entry, &seen);
        dol_assert(seen.bytes <= size * 2);
        fsck_lmdb_free(m);
    }
    close(fd);
    return 0;
}
