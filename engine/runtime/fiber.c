/*
 * Stacks and switches. A stack is its own mapping with a guard below it; it is committed by the kernel page by page as
 * it is touched, and stays committed while the fiber is pooled. The sanitizers are told of every switch: without that
 * they mistake one stack for another.
 */
#include "fiber.h"
#include "dol_assert.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define asan_start_switch(save, low, size)  __sanitizer_start_switch_fiber(save, low, size)
#define asan_finish_switch(fake, low, size) __sanitizer_finish_switch_fiber(fake, low, size)
#define asan_forget_stack(low, size)        __asan_unpoison_memory_region(low, size)
#else
#define asan_start_switch(save, low, size)  ((void)(save), (void)(low), (void)(size))
#define asan_finish_switch(fake, low, size) ((void)(fake), (void)(low), (void)(size))
#define asan_forget_stack(low, size)        ((void)(low), (void)(size))
#endif

#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#define tsan_self()        __tsan_get_current_fiber()
#define tsan_new()         __tsan_create_fiber(0)
#define tsan_free(fiber)   __tsan_destroy_fiber(fiber)
#define tsan_switch(fiber) __tsan_switch_to_fiber(fiber, 0)
#else
#define tsan_self()        NULL
#define tsan_new()         NULL
#define tsan_free(fiber)   ((void)(fiber))
#define tsan_switch(fiber) ((void)(fiber))
#endif

#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
#define FIBER_STACK_BYTES_DEFAULT ((size_t)256 << 10)
#else
#define FIBER_STACK_BYTES_DEFAULT ((size_t)128 << 10)
#endif

size_t fiber_stack_bytes_default(void)
{
    return FIBER_STACK_BYTES_DEFAULT;
}

/* Maps guard and stack. false when the kernel refuses: memory, or vm.max_map_count. */
static bool map_stack(struct fiber *f, size_t stack_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (stack_bytes < FIBER_STACK_BYTES_MIN)
        stack_bytes = FIBER_STACK_BYTES_MIN;
    stack_bytes = (stack_bytes + page - 1) / page * page;
    f->map_bytes = FIBER_GUARD_BYTES + stack_bytes;
    f->map = mmap(NULL, f->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (f->map == MAP_FAILED)
        return false;
    f->stack_low = (char *)f->map + FIBER_GUARD_BYTES;
    f->stack_bytes = stack_bytes;
    if (mprotect(f->stack_low, stack_bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(f->map, f->map_bytes);
        return false;
    }
    return true;
}

struct fiber *fiber_new(struct loop *loop, size_t stack_bytes, void (*entry)(void))
{
    struct fiber *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    if (!map_stack(f, stack_bytes)) {
        free(f);
        return NULL;
    }
    f->magic = FIBER_MAGIC;
    f->state = FIBER_FREE;
    f->loop = loop;
    timer_init(&f->timer);
    context_init(&f->context, f->stack_low, f->stack_bytes, entry);
    f->tsan_fiber = tsan_new();
    return f;
}

void fiber_free(struct fiber *f)
{
    dol_assert_magic(f, FIBER_MAGIC);
    dol_assert(f->state != FIBER_RUNNING);
    asan_forget_stack(f->stack_low, f->stack_bytes);
    tsan_free(f->tsan_fiber);
    munmap(f->map, f->map_bytes);
    f->magic = 0;
    free(f);
}

void fiber_resume(struct fiber_scheduler *sched, struct fiber *f)
{
    sched->tsan_fiber = tsan_self();
    asan_start_switch(&sched->asan_fake_stack, f->stack_low, f->stack_bytes);
    tsan_switch(f->tsan_fiber);
    context_switch(&sched->context, &f->context);
    asan_finish_switch(sched->asan_fake_stack, NULL, NULL);
}

void fiber_suspend(struct fiber_scheduler *sched, struct fiber *f)
{
    asan_start_switch(&f->asan_fake_stack, sched->stack_low, sched->stack_bytes);
    tsan_switch(sched->tsan_fiber);
    context_switch(&f->context, &sched->context);
    asan_finish_switch(f->asan_fake_stack, &sched->stack_low, &sched->stack_bytes);
}

void fiber_suspend_ended(struct fiber_scheduler *sched, struct fiber *f)
{
    asan_start_switch(NULL, sched->stack_low, sched->stack_bytes);
    tsan_switch(sched->tsan_fiber);
    context_switch(&f->context, &sched->context);
    asan_finish_switch(NULL, &sched->stack_low, &sched->stack_bytes);
}

void fiber_entered(struct fiber_scheduler *sched)
{
    asan_finish_switch(NULL, &sched->stack_low, &sched->stack_bytes);
}
