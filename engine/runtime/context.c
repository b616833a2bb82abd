/* The first frame of a context, as context_switch() expects to find it; and the portable implementation. */
#include "context.h"

#include <stdint.h>
#include <string.h>

#if DOL_CONTEXT_ASM && defined(__x86_64__)

/* From the saved stack pointer up: six registers, the address to continue at, a null return address that ends
 * backtraces. */
void context_init(struct context *c, void *stack_low, size_t stack_bytes, void (*entry)(void))
{
    uintptr_t top = ((uintptr_t)stack_low + stack_bytes) & ~(uintptr_t)15;
    uintptr_t *frame = (uintptr_t *)top - 8;
    memset(frame, 0, 8 * sizeof *frame);
    frame[6] = (uintptr_t)entry;
    c->sp = frame;
}

#elif DOL_CONTEXT_ASM && defined(__aarch64__)

/* From the saved stack pointer up: x19-x28, x29, x30, d8-d15. */
void context_init(struct context *c, void *stack_low, size_t stack_bytes, void (*entry)(void))
{
    uintptr_t top = ((uintptr_t)stack_low + stack_bytes) & ~(uintptr_t)15;
    uintptr_t *frame = (uintptr_t *)top - 20;
    memset(frame, 0, 20 * sizeof *frame);
    frame[11] = (uintptr_t)entry;
    c->sp = frame;
}

#else

void context_init(struct context *c, void *stack_low, size_t stack_bytes, void (*entry)(void))
{
    getcontext(&c->uc);
    c->uc.uc_stack.ss_sp = stack_low;
    c->uc.uc_stack.ss_size = stack_bytes;
    c->uc.uc_link = NULL;
    makecontext(&c->uc, entry, 0);
}

void context_switch(struct context *from, struct context *to)
{
    swapcontext(&from->uc, &to->uc);
}

#endif
