/* The kernel's clocks and chance, and the end of the process; behind the real runtime, and behind threads that serve
 * none. */
#ifndef DOL_CLOCK_H
#define DOL_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t clock_kernel_ns(clockid_t id);
void random_kernel(void *buf, size_t len);
_Noreturn void panic_process(const char *text);

#endif
