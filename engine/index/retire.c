/*
 * The mark that an index is damaged, a file beside LMDB's: the next open discards everything and the log is read again.
 * Set by the first bad checksum, by a commit that failed for another reason than space, and by a SIGBUS.
 *
 * LMDB reads through a memory map: a bad sector under it is a SIGBUS in whatever touches the page, also in code that
 * only looks at a returned body. The process cannot go on from there, but it must not die of the same page again after
 * its restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index_impl.h"

#define RETIRED_FILE "retired"

static atomic_int guard_fd = -1;
static struct sigaction guard_before;

/* Async-signal-safe. Nothing better can be done when it fails. */
static void retire_mark(int dir_fd)
{
    int fd = openat(dir_fd, RETIRED_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
    (void)fsync(dir_fd);
}

void index_retire(struct index *ix)
{
    retire_mark(ix->lock_fd);
}

bool index_is_retired(const struct index *ix)
{
    return faccessat(ix->lock_fd, RETIRED_FILE, F_OK, 0) == 0;
}

enum dol_err index_retire_clear(struct index *ix)
{
    return unlinkat(ix->lock_fd, RETIRED_FILE, 0) == 0 || errno == ENOENT ? DOL_OK : DOL_EIO;
}

/* Returning runs the faulting instruction again, under the action that was there before. */
static void guard_signal(int signal_number)
{
    int saved = errno;
    int fd = atomic_load(&guard_fd);
    if (fd >= 0)
        retire_mark(fd);
    (void)sigaction(signal_number, &guard_before, NULL);
    errno = saved;
}

void index_sigbus_guard(struct index *ix)
{
    struct sigaction action = {.sa_handler = guard_signal};
    sigemptyset(&action.sa_mask);
    if (atomic_exchange(&guard_fd, ix->lock_fd) < 0)
        (void)sigaction(SIGBUS, &action, &guard_before);
}

void index_sigbus_unguard(const struct index *ix)
{
    int fd = ix->lock_fd;
    if (fd >= 0 && atomic_compare_exchange_strong(&guard_fd, &fd, -1))
        (void)sigaction(SIGBUS, &guard_before, NULL);
}
