/* Assertions speak about our own code, never about bytes from disk or network; they stay on in release builds. */
#ifndef DOL_ASSERT_H
#define DOL_ASSERT_H

#include <assert.h>

_Noreturn void dol_assert_fail(const char *expr, const char *file, int line, const char *func);

#define dol_assert(expr) ((expr) ? (void)0 : dol_assert_fail(#expr, __FILE__, __LINE__, __func__))

/* Magic numbers at the head of structs that come back through a void *. */
#define dol_assert_magic(ptr, value) dol_assert((ptr) != NULL && (ptr)->magic == (value))

#endif
