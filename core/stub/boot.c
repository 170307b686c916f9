/*
 * boot: the first image of every sandboxed process, from its first instruction to the jump into the program.
 *
 * Runs in the untrustee. Until lock_down() it is trusted (nothing of the program has been looked at, the helper lets its calls go on);
 * from then on it is the program's own thread, as little believed as the program. The order of the steps is the security argument:
 * windows, trustee, filter, only then the file. Test: t/30-live-start.t.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "core/stub/loader.h"
#include "core/stub/slot.h"
#include "core/stub/syscall.h"

extern const struct stub_config stub_config __attribute__((visibility("hidden")));    /* stub.lds; filled in by the helper */

uintptr_t boot(uintptr_t *stack, uintptr_t windows) __attribute__((visibility("hidden")));

static const struct board *board(void)
{
    return (const void *)((uintptr_t)stub_config.base + KEEP_BOARD);
}

/* strict: there is no filter that could notify the helper, so the report goes through the window, with the bell to wake either side. */
static intptr_t report_by_window(enum report what, intptr_t value, intptr_t other)
{
    const struct order *order = (const void *)((uintptr_t)stub_config.base + KEEP_ORDER);
    struct request *request = (void *)((uintptr_t)stub_config.base + KEEP_REQUEST);
    uint32_t seen = __atomic_load_n(&order->answer_seq, __ATOMIC_ACQUIRE);
    char byte = 0;

    request->nr = NURSE_CALL;
    request->arg[0] = what;
    request->arg[1] = (uintptr_t)value;
    request->arg[2] = (uintptr_t)other;
    request->waiting = 1;
    __atomic_store_n(&request->state, REQUEST_POSTED, __ATOMIC_SEQ_CST);
    syscall6(__NR_write, order->bell, (intptr_t)&byte, 1, 0, 0, 0);
    while (__atomic_load_n(&order->answer_seq, __ATOMIC_ACQUIRE) == seen)
        syscall6(__NR_read, order->bell, (intptr_t)&byte, 1, 0, 0, 0);
    request->waiting = 0;
    return (intptr_t)order->answer_value;
}

static intptr_t report(enum report what, intptr_t value, intptr_t other)
{
    if (stub_config.strict)
        return report_by_window(what, value, other);
    return syscall6(NURSE_CALL, what, value, other, 0, 0, 0);
}

static _Noreturn void fail(intptr_t error)
{
    report(REPORT_FAILED, -error, 0);
    for (;;)
        syscall6(__NR_exit_group, 127, 0, 0, 0, 0, 0);
}

/* Install the filter of `length` instructions that the helper left in the order window. */
static void install(intptr_t length)
{
    const struct order *order = (const void *)((uintptr_t)stub_config.base + KEEP_ORDER);
    struct sock_fprog program = { .len = (unsigned short)length, .filter = (struct sock_filter *)order->bytes };
    intptr_t error;

    if (length == 0)
        return;
    error = length < 0 ? length : syscall6(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (intptr_t)&program, 0, 0, 0);
    if (error)
        fail(error);
}

/* `windows`: where the helper says they are; in strict mode nobody could, so the image knows. */
static void lock_down(uintptr_t windows)
{
    intptr_t trampolines = slot_map(&stub_config, stub_config.strict ? stub_config.windows : (uint32_t)windows);
    int trustee = syscall_failed(trampolines) ? (int)trampolines : slot_open((uintptr_t)stub_config.base, 0, board()->start.mask);

    if (trustee < 0)
        fail(trustee);
    install(report(REPORT_BOOTED, trampolines, trustee));
    report(REPORT_LOCKED, 0, 0);
}

#ifdef __i386__

void strict_start(void) __attribute__((visibility("hidden")));
uintptr_t strict_enter(void) __attribute__((visibility("hidden")));

/* asm/i386/strict.S calls this just before the program's entry; returns that entry. */
uintptr_t strict_enter(void)
{
    intptr_t entry = report(REPORT_STRICT, 0, 0);

    if (syscall6(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0, 0))
        fail(-EPERM);
    return (uintptr_t)entry;
}

static uintptr_t strict_hook(void)
{
    return stub_config.strict ? (uintptr_t)strict_start : 0;
}

#else

static uintptr_t strict_hook(void)
{
    return 0;
}

#endif

uintptr_t boot(uintptr_t *stack, uintptr_t windows)
{
    const struct start *start = &board()->start;
    struct loader_image image;
    int error;

    lock_down(windows);
    error = loader_load(&(struct loader_plan){
        .program = start->binary,
        .execfn = start->execfn,
        .comm = start->comm,
        .pie_base = (uintptr_t)start->pie_base,
        .brk_gap = (uintptr_t)start->brk_gap,
        .sysinfo = start->sysinfo_gate ? (uintptr_t)stub_config.base + STUB_GATE : 0,
        .entry_hook = strict_hook(),
        .hide_vdso = start->hide_vdso,
    }, stack, &image);
    if (!error && stub_config.strict && image.start == image.entry)
        error = -ENOTSUP;    /* no dynamic linker: its own start-up would have to make calls that strict mode kills for */
    if (error)
        fail(error);
    install(report(REPORT_LOADED, (intptr_t)image.entry, 0));
    report(REPORT_START, 0, 0);
    return image.start;
}
