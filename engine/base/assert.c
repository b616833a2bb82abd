/* What happens when an assertion fails: one log line that says where, then abort() for the core dump. */
#include "dol_assert.h"
#include "log.h"

#include <stdlib.h>

_Noreturn void dol_assert_fail(const char *expr, const char *file, int line, const char *func)
{
    log_error("assert", "assertion failed: %s at=%s:%d function=%s", expr, file, line, func);
    abort();
}
