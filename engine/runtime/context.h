/*
 * Machine contexts: a stack pointer with the callee-saved registers on its stack. A switch is a plain function call
 * that returns on another stack. Floating-point control words are not switched: nobody in this program changes them.
 * x86-64 and aarch64 have assembly (context_switch.S); other machines use ucontext, which costs a system call a switch.
 */
#ifndef DOL_CONTEXT_H
#define DOL_CONTEXT_H

#include <stddef.h>

#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(DOL_CONTEXT_PORTABLE)
#define DOL_CONTEXT_ASM 1
struct context {
    void *sp;
};
#else
#define DOL_CONTEXT_ASM 0
#include <ucontext.h>
struct context {
    ucontext_t uc;
};
#endif

/* Prepares `c` to begin in entry() on the given stack. entry must not return. */
void context_init(struct context *c, void *stack_low, size_t stack_bytes, void (*entry)(void));

/* Saves the caller in *from and continues *to; returns when somebody switches to *from. */
void context_switch(struct context *from, struct context *to);

#endif
