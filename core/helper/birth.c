/*
 * birth: see birth.h. Whom it believes: a report from the trustee's page, where no untrustee can call; the caught registers are the program's claim,
 * and only its own child will ever load them. A token names a birth, not a process: a birth ends once.
 */
#include "core/helper/birth.h"

#include <asm/prctl.h>
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/memory.h"
#include "core/helper/tree.h"
#include "core/route/filter.h"

#ifndef ERESTARTNOINTR
#define ERESTARTNOINTR 513    /* the kernel's own: make the call again if a signal is handled first */
#endif

enum {
    TRUSTEE_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x80 /* CLONE_NEWTIME */,
    AUX = 0x9000,           /* in the order bytes, behind the filter: what the steps point to */
    BIRTHS = 256,           /* under way at once */
};

/* clone(2) as the program asked for it. */
struct wish {
    uint64_t flags, stack, parent_tid, child_tid, tls;
};

struct birth {
    uint32_t token;
    enum birth_kind kind;
    struct wish wish;
    struct call *call;          /* whose order the clone is */
    struct thread *thread;      /* that was caught; NULL when it is gone */
    struct birth *outer;        /* of the same thread: a handler of its creates too, before it came to the catch */
    pid_t parent;
    enum abi_arch arch;
    struct space *space;        /* the creator's, held */
    struct slot *cradle;        /* of that space: keeps the caught registers */
    struct slot *slot;          /* the newborn's trustee's */
    struct space *home;         /* the newborn's: a new one, or the creator's */
    uint64_t patched;           /* where the program's code leads into the catch; 0: nowhere */
    bool patches;               /* when the clone was ordered, others' patches were in place, */
    unsigned patches_set;       /* and so many had been set before */
    bool caught, born, cloned;
    pid_t pid;
};

static struct birth *births[BIRTHS];
static uint32_t births_made;
static struct call *waiting;    /* for the code that they were made from to be as it was */

static struct birth *birth_new(enum birth_kind kind, struct call *call)
{
    for (int i = 0; i < BIRTHS; i++) {
        uint32_t token = births_made++;
        struct birth **place = &births[token % BIRTHS];

        if (*place)
            continue;
        *place = calloc(1, sizeof **place);
        if (!*place)
            die(EXIT_NURSE, "out of memory");
        **place = (struct birth){ .token = token, .kind = kind, .call = call, .arch = call->process->arch, .space = call->process->space,
                                  .parent = call->process->pid };
        call->birth = *place;
        (*place)->space->users++;
        return *place;
    }
    return NULL;
}

/* The thread has nothing to do with it any more. */
static void birth_forget(struct birth *birth)
{
    struct birth **link = birth->thread ? &birth->thread->birth : NULL;

    while (link && *link && *link != birth)
        link = &(*link)->outer;
    if (link && *link)
        *link = birth->outer;
    birth->thread = NULL;
}

static void birth_made(struct birth *birth);
static void birth_sweep(struct thread *thread);

static void birth_end(struct birth *birth)
{
    birth_forget(birth);
    if (birth->cradle)
        slot_leave(birth->cradle);
    if (birth->home && birth->home != birth->space && !birth->born)
        space_release(birth->home);
    space_release(birth->space);
    births[birth->token % BIRTHS] = NULL;
    free(birth);
}

/* --- the program's code, for a moment --- */

/* By a thread that lives: the first one may be gone. */
static int space_memory(struct space *space, pid_t tid)
{
    char path[64];

    if (space->memory < 0) {
        snprintf(path, sizeof path, "/proc/%d/mem", tid);
        space->memory = open(path, O_RDWR | O_CLOEXEC);
    }
    return space->memory;
}

static size_t patch_size(enum abi_arch arch)
{
    return arch == ABI_X86_64 ? 13 : 5;
}

/* x86_64: movabs $catch,%r11; jmp *%r11 (both free after a call). i386: call catch. */
static size_t patch_code(enum abi_arch arch, uint64_t at, uint64_t catch, uint8_t code[PATCH_MAX])
{
    uint32_t distance = (uint32_t)(catch - (at + 5));

    if (arch == ABI_X86_64) {
        static const uint8_t movabs[] = { 0x49, 0xbb }, jmp[] = { 0x41, 0xff, 0xe3 };

        memcpy(code, movabs, sizeof movabs);
        memcpy(code + sizeof movabs, &catch, sizeof catch);
        memcpy(code + sizeof movabs + sizeof catch, jmp, sizeof jmp);
        return patch_size(arch);
    }
    code[0] = 0xe8;
    memcpy(code + 1, &distance, sizeof distance);
    return patch_size(arch);
}

static struct patch *patch_find(struct space *space, uint64_t at)
{
    for (int i = 0; i < SPACE_PATCHES; i++)
        if (space->patch[i].users && space->patch[i].at == at)
            return &space->patch[i];
    return NULL;
}

/* Make the instruction at `at` lead to `entry` of the catch. Returns 0 or -errno. */
static int patch_set(struct space *space, enum abi_arch arch, pid_t tid, uint64_t at, uint64_t entry)
{
    struct patch *patch = NULL;
    uint8_t code[PATCH_MAX];
    size_t size = patch_code(arch, at, entry, code);
    int memory = space_memory(space, tid);

    for (int i = 0; i < SPACE_PATCHES; i++)
        if (!space->patch[i].users && (!patch || space->patch[i].at == at))
            patch = &space->patch[i];
    if (!patch)
        return -EAGAIN;
    if (memory < 0 || pread(memory, patch->original, size, (off_t)at) != (ssize_t)size)
        return -EFAULT;
    if (pwrite(memory, code, size, (off_t)at) != (ssize_t)size) {
        (void)!pwrite(memory, patch->original, size, (off_t)at);
        return -EFAULT;
    }
    patch->at = at;
    patch->users = 1;
    space->patches_set++;
    return 0;
}

static void patch_clear(struct space *space, enum abi_arch arch, uint64_t at)
{
    struct patch *patch = patch_find(space, at);

    if (patch && --patch->users == 0 && space->memory >= 0)
        (void)!pwrite(space->memory, patch->original, patch_size(arch), (off_t)at);
}

static bool patch_any(const struct space *space)
{
    for (int i = 0; i < SPACE_PATCHES; i++)
        if (space->patch[i].users)
            return true;
    return false;
}

/* A child may have been copied while somebody else's patch was in place: it gets the true code back. */
static void patch_heal(const struct space *parent, struct space *child, enum abi_arch arch, pid_t pid)
{
    for (int i = 0; i < SPACE_PATCHES; i++)
        if (parent->patch[i].at && space_memory(child, pid) >= 0)
            (void)!pwrite(child->memory, parent->patch[i].original, patch_size(arch), (off_t)parent->patch[i].at);
}

/* --- the wish --- */

static void birth_wish(const struct call *call, struct wish *wish)
{
    const uint64_t *args = call->args;

    *wish = (struct wish){ .flags = SIGCHLD };
    if (strcmp(call->row->name, "vfork") == 0)
        wish->flags |= CLONE_VM | CLONE_VFORK;
    if (strcmp(call->row->name, "clone") == 0)
        *wish = (struct wish){ .flags = args[0], .stack = args[1], .parent_tid = args[2], .child_tid = args[call->arch == ABI_X86_64 ? 3 : 4],
                               .tls = args[call->arch == ABI_X86_64 ? 4 : 3] };
}

static bool in_gate(const struct process *process, uint64_t ip)
{
    uint64_t gate = process->space->mailbox.base + STUB_GATE, trampolines = process->space->trampolines_at;

    return (ip > gate && ip <= gate + 0x1000) || (trampolines && ip > trampolines && ip <= trampolines + GATE_SPAN);
}

/* Places for the caught registers and for the newborn's windows. */
static bool birth_room(struct birth *birth, struct process *process)
{
    bool shared = birth->kind == BIRTH_PROCESS && birth->wish.flags & CLONE_VM;

    birth->cradle = slot_take(process->space, process, true);
    if (birth->cradle && shared)
        birth->slot = slot_take(process->space, process, true);
    return birth->cradle && (birth->slot || !shared);
}

/* A birth that its thread never came to the catch for: a handler interrupted it first, and the call is being made again, or never. */
static void birth_cancel(struct birth *birth)
{
    struct call *call = birth->call;

    if (birth->patched)
        patch_clear(birth->space, birth->arch, birth->patched);
    birth->patched = 0;
    if (birth->cradle)
        birth->space->mailbox.requests[birth->cradle->i].caught.held = HELD_NOT;
    if (birth->slot && birth->home == NULL)
        slot_leave(birth->slot);
    call->birth = NULL;
    birth_end(birth);
    call_free(call);
}

/* The code that the birth's thread comes by is needed as it was, for that thread itself. If it has arrived in the catch it will report; else the handler
 * that it is in came first, and the call is made again. */
static void birth_withdraw(struct birth *birth)
{
    if (birth->caught || !birth->patched)
        return;
    if (birth->space->mailbox.requests[birth->cradle->i].caught.held != HELD_ARRIVED) {
        birth_cancel(birth);
        return;
    }
    patch_clear(birth->space, birth->arch, birth->patched);
    birth->patched = 0;
}

/* Send the thread to the catch: a trampoline or the gate looks for a window's address as the answer; other code is changed for this one call, and the answer
 * is one that makes the kernel repeat the call if a handler runs first. Returns 0 or -errno. */
static int birth_send(struct birth *birth, const struct call *call)
{
    struct mailbox *mailbox = &birth->space->mailbox;
    int i = birth->cradle->i, error;

    mailbox->requests[i].caught.held = HELD_SENT;
    if (in_gate(call->process, call->ip)) {
        notify_value(call->process->sandbox, call->id, (int64_t)mailbox_request_at(mailbox, i));
        return 0;
    }
    error = patch_set(birth->space, birth->arch, call->tid, call->ip, mailbox->base + STUB_CATCH_ENTRIES + (uint64_t)i * CATCH_ENTRY);
    if (error) {
        mailbox->requests[i].caught.held = HELD_NOT;
        return error;
    }
    birth->patched = call->ip;
    notify_value(call->process->sandbox, call->id, -ERESTARTNOINTR);
    return 0;
}

/* Returns 1 with the answer in *value, or 0 when the call is on its way or waits. */
static int birth_begin(struct call *call, enum birth_kind kind, const struct wish *wish, int64_t *value)
{
    struct process *process = call->process;
    struct thread *thread = tree_thread(process->sandbox, call->tid);
    struct birth *birth;

    *value = -EAGAIN;
    if (!thread)
        return 1;
    birth_sweep(thread);
    if (thread->birth)
        birth_withdraw(thread->birth);    /* NOLINT(clang-analyzer-unix.Malloc): what was swept is not in the list any more */
    if (patch_find(process->space, call->ip)) {    /* another thread is being sent from there: one at a time */
        call->next = waiting;
        waiting = call;
        return 0;
    }
    birth = birth_new(kind, call);
    if (!birth)
        return 1;
    birth->wish = *wish;
    birth->thread = thread;
    birth->outer = thread->birth;
    thread->birth = birth;
    if (!birth_room(birth, process)) {
        static bool told;

        if (!told && kind == BIRTH_PROCESS)
            say_notice("%s: no more than %d threads and processes can share one address space: EAGAIN", call->row->name, MAILBOX_SCRATCH);
        told |= kind == BIRTH_PROCESS;
    } else if (birth_send(birth, call) == 0) {
        return 0;
    } else if (kind == BIRTH_PROCESS) {
        say_notice("%s: the code that calls it can't be changed, and its registers not be known: ENOSYS", call->row->name);
        *value = -ENOSYS;
    }
    if (birth->slot)
        slot_leave(birth->slot);
    call->birth = NULL;
    birth_end(birth);
    return 1;
}

int birth_process(struct call *call, int64_t *value)
{
    struct wish wish;

    birth_wish(call, &wish);
    if (wish.flags & CLONE_FILES && !(wish.flags & CLONE_VM)) {    /* it opens its windows: what is opened must not be swapped by others */
        say_notice("%s: address spaces can't share descriptors (keystone): EPERM", call->row->name);
        *value = -EPERM;
        return 1;
    }
    if (wish.flags & NAMESPACES) {
        say_notice("%s: namespaces of a sandbox can't change (keystone): EPERM", call->row->name);
        *value = -EPERM;
        return 1;
    }
    if (call->arch == ABI_X86_64 && !call->process->sandbox->has_fsgsbase) {
        say_notice("%s: new processes need a CPU with FSGSBASE: ENOSYS", call->row->name);
        *value = -ENOSYS;
        return 1;
    }
    return birth_begin(call, BIRTH_PROCESS, &wish, value);
}

int birth_make(struct call *call, int64_t *value)
{
    return birth_begin(call, BIRTH_NONE, &(struct wish){ 0 }, value);
}

/* Some code is as it was: those who waited for it try again. */
static void birth_retry(void)
{
    struct call *call = waiting;
    int64_t value;

    waiting = NULL;
    while (call) {
        struct call *next = call->next;

        if (call->row->where == ABI_PROCESS ? birth_process(call, &value) : birth_make(call, &value))
            life_outcome(call, value);
        call = next;
    }
}

void birth_astray(struct thread *thread)
{
    for (struct birth *birth = thread->birth, *outer; birth; birth = outer) {
        outer = birth->outer;
        birth_withdraw(birth);
    }
    birth_retry();
}

void birth_forsake(const struct process *process)
{
    for (struct call **link = &waiting; *link;) {
        struct call *call = *link;

        if (call->process == process) {
            *link = call->next;
            call_free(call);
        } else {
            link = &call->next;
        }
    }
}

void birth_abandon(struct birth *birth)
{
    if (!birth->caught)
        birth_cancel(birth);
    else if (birth->kind == BIRTH_NONE) {
        birth->space->mailbox.requests[birth->cradle->i].caught.held = HELD_NOT;
        birth_made(birth);
    } else
        birth_forget(birth);    /* the clone is under way: it ends with its order, or with its birth */
}

/* --- what the newborn will do --- */

/* A window that is being filled with what a newborn needs. */
struct nest {
    struct order *order;
    uint64_t at;                /* where the newborn sees its bytes */
    uint32_t aux;
};

static uint64_t nest_put(struct nest *nest, const void *bytes, size_t size)
{
    uint32_t offset = nest->aux;

    memcpy(nest->order->bytes + offset, bytes, size);
    nest->aux += (uint32_t)((size + 15) & ~(size_t)15);
    return nest->at + offset;
}

static struct nest nest_of(const struct mailbox *mailbox, int i)
{
    return (struct nest){ .order = &mailbox->orders[i], .at = mailbox_order_at(mailbox, i) + MAILBOX_BYTES, .aux = AUX };
}

static uint64_t nr_of(enum abi_arch arch, const char *name)
{
    return (uint64_t)abi_number(arch, abi_find(name));
}

/* openat "/proc/HELPER/fd/FD", mmap it at `address`, close: in a new address space the windows are its own. The path is read in the old one. */
static void birth_map(struct step map[3], struct nest *nest, enum abi_arch arch, uint32_t fd, uint64_t address, uint64_t size, int prot, uint64_t offset)
{
    char path[48];
    int length = snprintf(path, sizeof path, "/proc/%d/fd/%u", getpid(), fd);

    map[0] = (struct step){ nr_of(arch, "openat"), { (uint64_t)(int64_t)AT_FDCWD, nest_put(nest, path, (size_t)length + 1), O_CLOEXEC | (prot & PROT_WRITE ? O_RDWR : O_RDONLY) } };
    map[1] = (struct step){ nr_of(arch, arch == ABI_X86_64 ? "mmap" : "mmap2"),
                            { address, size, (uint64_t)prot, MAP_SHARED | MAP_FIXED, 0, arch == ABI_X86_64 ? offset : offset / 4096 } };
    map[2] = (struct step){ nr_of(arch, "close"), { 0 } };
}

static void birth_windows(const struct birth *birth, struct birth_steps *steps)
{
    const struct mailbox *home = &birth->home->mailbox;
    struct nest nest = nest_of(&birth->space->mailbox, birth->slot->i);
    uint32_t windows = mailbox_windows(home);
    uint64_t base = home->base;

    birth_map(steps->map[0], &nest, birth->arch, WINDOWS_REQUEST_FD(windows), base + KEEP_REQUEST, BLOCK_REQUEST_SPAN, PROT_READ | PROT_WRITE,
              (uint64_t)home->block * BLOCK_REQUEST_SPAN);
    birth_map(steps->map[1], &nest, birth->arch, WINDOWS_ORDER_FD(windows), base + KEEP_BOARD, BLOCK_ORDER_SPAN, PROT_READ,
              (uint64_t)home->block * BLOCK_ORDER_SPAN);
}

/* i386: the thread's own segments; the last to be set is the one that the newborn's order window hangs on. */
static void birth_segments(const struct birth *birth, const struct caught *caught, struct step thread[STEP_LAST], struct nest *nest)
{
    static const int order[] = { 12, SEGMENT_CELL, SEGMENT_ORDER };
    uint32_t area[3][4];

    memcpy(area, caught->area, sizeof area);
    if (birth->wish.flags & CLONE_SETTLS) {
        uint32_t given[4];

        if (birth->call->process && memory_read(birth->call->tid, birth->wish.tls, given, sizeof given) == sizeof given && given[0] - 12 < 3)
            memcpy(area[given[0] - 12], given, sizeof given);
    }
    for (int k = 0; k < 3; k++) {
        area[order[k] - 12][0] = (uint32_t)order[k];
        thread[5 + k] = (struct step){ nr_of(birth->arch, "set_thread_area"), { nest_put(nest, area[order[k] - 12], sizeof *area) } };
    }
}

/* The alternate signal stack, if there is one: stack_t of the class has words for place, flags, size. */
static void birth_stack(const struct birth *birth, const struct caught *caught, struct step *step, struct nest *nest)
{
    size_t word = birth->arch == ABI_X86_64 ? 8 : 4;
    uint8_t stack[24];
    uint32_t flags;

    memcpy(stack, caught->altstack, sizeof stack);
    memcpy(&flags, stack + word, sizeof flags);
    if (flags & SS_DISABLE)
        return;
    flags &= ~(uint32_t)SS_ONSTACK;
    memcpy(stack + word, &flags, sizeof flags);
    *step = (struct step){ nr_of(birth->arch, "sigaltstack"), { nest_put(nest, stack, 3 * word) } };
}

/* What a clone of the trustee lacks of the thread that it stands for: see clone(2) and fork(2) for what a child inherits. */
static void birth_thread(const struct birth *birth, const struct caught *caught, struct step thread[STEP_LAST], struct nest *nest)
{
    bool wide = birth->arch == ABI_X86_64;
    const uint64_t *rseq = birth->thread->rseq;

    for (int k = 0; k < STEP_LAST; k++)
        thread[k].nr = STEP_NONE;
    if (!(birth->wish.flags & CLONE_VM) || birth->wish.flags & CLONE_VFORK)
        birth_stack(birth, caught, &thread[0], nest);
    if (!(birth->wish.flags & CLONE_VM) && rseq[0])
        thread[1] = (struct step){ nr_of(birth->arch, "rseq"), { rseq[0], rseq[1], 0, rseq[2] } };
    thread[2] = (struct step){ nr_of(birth->arch, "prctl"), { PR_SET_NAME, nest_put(nest, call_comm(birth->call), sizeof birth->call->comm) } };
    if (!wide) {
        birth_segments(birth, caught, thread, nest);
        return;
    }
    thread[5] = (struct step){ __NR_arch_prctl, { ARCH_SET_FS, birth->wish.flags & CLONE_SETTLS ? birth->wish.tls : caught->fs } };
    if (caught->gs)
        thread[6] = (struct step){ __NR_arch_prctl, { ARCH_SET_GS, caught->gs } };
}

/* The newborn's own filter: all that the untrustee it descends from is under. */
static void birth_lock(const struct birth *birth, struct step *lock, struct nest *nest)
{
    const struct born_filter *filter = birth->space->born_filter;
    struct sock_fprog program = { .len = (unsigned short)filter->count };
    uint32_t program32[2] = { (uint32_t)filter->count, (uint32_t)nest->at };
    bool wide = birth->arch == ABI_X86_64;

    memcpy(nest->order->bytes, filter->code, (size_t)filter->count * sizeof *filter->code);
    program.filter = (struct sock_filter *)nest->at;    /* an address of the newborn's */
    *lock = (struct step){ nr_of(birth->arch, "seccomp"),
                           { SECCOMP_SET_MODE_FILTER, 0, wide ? nest_put(nest, &program, sizeof program) : nest_put(nest, program32, sizeof program32) } };
}

/* Made once for a space, used by all its children. Returns 0 or -errno. */
static int birth_filter(const struct sandbox *sandbox, struct space *space, enum abi_arch arch)
{
    static struct bpf bpf;
    int count;

    if (space->born_filter)
        return 0;
    count = filter_born(&bpf, &sandbox->routes, arch, space->mailbox.base, &space->keystone);
    if (count < 0 || (size_t)count * sizeof *bpf.code > AUX)
        return count < 0 ? count : -E2BIG;
    space->born_filter = malloc(sizeof *space->born_filter + (size_t)count * sizeof *bpf.code);
    if (!space->born_filter)
        return -ENOMEM;
    space->born_filter->users = 1;
    space->born_filter->count = count;
    memcpy(space->born_filter->code, bpf.code, (size_t)count * sizeof *bpf.code);
    return 0;
}

/* The part that the newborn reads in the window of the trustee that clones it. */
static void birth_first_part(const struct birth *birth, const struct slot *by, struct birth_steps *steps)
{
    const struct mailbox *mailbox = &birth->space->mailbox;
    struct nest nest = nest_of(mailbox, by->i);
    uint64_t order = mailbox_order_at(mailbox, birth->slot->i), request = mailbox_request_at(mailbox, birth->slot->i);

    steps->order = order;
    steps->cell = request + offsetof(struct request, done);
    steps->kind = birth->kind;
    if (birth->arch == ABI_I386) {
        uint32_t windows[2][4] = {
            { SEGMENT_ORDER, (uint32_t)order, MAILBOX_ORDER_SPAN - 1, 1 /* 32 bits, data, writable as far as the pages are */ | 1 << 6 /* useable */ },
            { SEGMENT_CELL, (uint32_t)steps->cell, sizeof(struct request) - offsetof(struct request, done) - 1, 1 | 1 << 6 },
        };

        for (int k = 0; k < 2; k++)
            steps->segment[k] = (struct step){ nr_of(birth->arch, "set_thread_area"), { nest_put(&nest, windows[k], sizeof windows[k]) } };
        steps->selectors = (SEGMENT_ORDER * 8 + 3) | (SEGMENT_CELL * 8 + 3) << 16;
    }
}

static void birth_second_part(const struct birth *birth, struct birth_steps *steps)
{
    for (int k = 0; k < 2; k++)
        steps->map[k][0].nr = STEP_NONE;
    steps->trustee = (struct step){ nr_of(birth->arch, "clone"), { TRUSTEE_FLAGS } };
    steps->hello = (struct step){ NURSE_CALL, { REPORT_BORN, birth->token } };
    steps->resume = birth->space->mailbox.base + STUB_BORN;
}

/* A new address space for a fork: same addresses, windows of its own. Returns 0 or -errno. */
static int birth_home(struct birth *birth, struct sandbox *sandbox)
{
    struct space *space = birth->space, *home;
    struct board *board;
    int i = birth->cradle->i, error;

    if (birth->wish.flags & CLONE_VM) {
        birth->home = space;
        return 0;
    }
    error = space_new(sandbox, birth->arch, &home);
    if (error)
        return error;
    board = home->mailbox.board;
    memcpy(board->routes, space->mailbox.board->routes, sizeof board->routes);
    memcpy(board->repeats, space->mailbox.board->repeats, sizeof board->repeats);
    memcpy(&board->start, &space->mailbox.board->start, offsetof(struct start, binary));
    home->keystone = space->keystone;
    space_trampolines(sandbox, home, space->trampolines);
    home->trampolines_at = space->trampolines_at;
    home->born_filter = space->born_filter;
    home->born_filter->users++;
    birth->home = home;
    birth->slot = &home->slot[i];
    mailbox_prepare(&home->mailbox, i);
    return 0;
}

/* Everything that the child will need, from what its parent told. Returns 0 or -errno. */
static int birth_prepare(struct birth *birth, struct sandbox *sandbox)
{
    static struct caught caught;
    struct birth_steps steps = { 0 };
    struct nest nest;
    int error = birth_filter(sandbox, birth->space, birth->arch);

    if (!error)
        error = birth_home(birth, sandbox);
    if (error)
        return error;
    memcpy(&caught, &birth->space->mailbox.requests[birth->cradle->i].caught, sizeof caught);
    mailbox_guard(&birth->home->mailbox, birth->slot->i);
    nest = nest_of(&birth->home->mailbox, birth->slot->i);
    birth_second_part(birth, &steps);
    birth_thread(birth, &caught, steps.thread, &nest);
    birth_lock(birth, &steps.lock, &nest);
    if (birth->home != birth->space) {
        birth_windows(birth, &steps);
        birth->space->mailbox.orders[birth->slot->i].birth = steps;
    }
    birth->home->mailbox.orders[birth->slot->i].birth = steps;
    caught.reg[0] = 0;
    if (birth->wish.stack)
        caught.reg[4] = birth->wish.stack;
    memcpy(&birth->home->mailbox.requests[birth->slot->i].caught, &caught, sizeof caught);
    return 0;
}

/* A call for the thread itself: leave it in the cradle's order window. Everything that it points to lies there, where only the helper writes. */
static void birth_order_call(struct birth *birth, uint64_t id)
{
    struct call *call = birth->call;
    struct order *window = &birth->space->mailbox.orders[birth->cradle->i];
    struct mailbox_order order;
    int error;

    call->slot = birth->cradle;
    error = order_make(call, &order);
    if (error) {
        notify_value(call->process->sandbox, id, error);
        birth_made(birth);
        return;
    }
    memcpy(window->bytes, call->arena, call->arena_used);
    memcpy(window->arg, order.arg, sizeof window->arg);
    window->nr = order.nr;
    notify_value(call->process->sandbox, id, CATCH_MAKE);
}

static void birth_made(struct birth *birth)
{
    struct call *call = birth->call;

    call->birth = NULL;
    birth_end(birth);
    call_free(call);
}

static bool birth_same(enum abi_arch arch, const uint64_t a[6], const uint64_t b[6])
{
    if (arch == ABI_X86_64)
        return memcmp(a, b, 6 * sizeof *a) == 0;
    for (int i = 0; i < 6; i++)
        if ((uint32_t)a[i] != (uint32_t)b[i])
            return false;
    return true;
}

/* Whether this is a call that was left for the thread: then it goes on, as often as handlers interrupt it. */
bool birth_makes(struct thread *thread, uint64_t nr, const uint64_t args[6], uint64_t ip)
{
    for (struct birth *birth = thread->birth; birth; birth = birth->outer) {
        const struct order *window = &birth->space->mailbox.orders[birth->cradle->i];

        if (birth->kind != BIRTH_NONE || !birth->caught || !in_gate(thread->process, ip) || window->nr != nr)
            continue;
        if (birth_same(birth->arch, window->arg, args))
            return true;
    }
    return false;
}

/* Calls that have been made, their threads gone on: nobody said so. */
static void birth_sweep(struct thread *thread)
{
    for (struct birth *birth = thread->birth, *outer; birth; birth = outer) {
        outer = birth->outer;
        if (birth->kind == BIRTH_NONE && birth->caught && !birth->space->mailbox.requests[birth->cradle->i].caught.held)
            birth_made(birth);
    }
}

void birth_caught(struct thread *thread, uint64_t id, uint64_t window)
{
    struct birth *birth = thread->birth;
    struct sandbox *sandbox = thread->process->sandbox;
    int error;

    while (birth && (birth->caught || window != mailbox_request_at(&birth->space->mailbox, birth->cradle->i)))
        birth = birth->outer;
    if (!birth) {
        notify_value(sandbox, id, -EAGAIN);
        return;
    }
    if (birth->patched)
        patch_clear(birth->space, birth->arch, birth->patched);
    birth->patched = 0;
    birth->caught = true;
    birth->call->id = id;
    birth_retry();
    if (birth->kind == BIRTH_NONE) {
        birth_order_call(birth, id);
        return;
    }
    error = birth_prepare(birth, sandbox);
    if (!error) {
        life_give(birth->call);
        return;
    }
    if (birth->slot && birth->wish.flags & CLONE_VM)
        slot_leave(birth->slot);
    birth->call->birth = NULL;
    life_outcome(birth->call, error);
    birth_end(birth);
}

void birth_order(struct call *call, struct mailbox_order *order)
{
    struct birth *birth = call->birth;
    const struct wish *wish = &birth->wish;
    bool wide = birth->arch == ABI_X86_64;
    struct birth_steps steps = { 0 };

    birth->patches = patch_any(birth->space);
    birth->patches_set = birth->space->patches_set;
    birth_first_part(birth, call->slot, &steps);
    memcpy(&call->slot->space->mailbox.orders[call->slot->i].birth, &steps, offsetof(struct birth_steps, map));
    *order = (struct mailbox_order){ .command = ORDER_SPAWN, .nr = nr_of(birth->arch, "clone"), .arg = { TRUSTEE_FLAGS } };
    if (birth->kind == BIRTH_TRUSTEE)
        return;
    order->arg[0] = wish->flags & ~(uint64_t)(CLONE_SETTLS | CLONE_UNTRACED | CLONE_PTRACE);
    order->arg[2] = wish->parent_tid;
    order->arg[wide ? 3 : 4] = wish->child_tid;
}

/* --- afterwards --- */

static void birth_finish(struct birth *birth)
{
    struct call *call = birth->call;

    call->birth = NULL;
    if (birth->kind == BIRTH_TRUSTEE)
        call_free(call);
    else
        life_outcome(call, birth->pid);
    birth_end(birth);
}

static void birth_failed(struct birth *birth, int64_t error)
{
    struct call *call = birth->call;
    struct slot *slot = birth->slot;

    call->birth = NULL;
    if (birth->home != birth->space && birth->kind == BIRTH_PROCESS)
        slot = NULL;    /* it goes with the space */
    if (birth->kind == BIRTH_TRUSTEE)
        call_free(call);
    else
        life_outcome(call, error);
    birth_end(birth);
    if (slot) {
        slot->coming = false;
        life_fail(slot, -EAGAIN);
        slot_clear(slot);
    }
}

bool birth_cloned(struct call *call, int64_t result)
{
    struct birth *birth = call->birth;

    if (result < 0) {
        birth_failed(birth, result);
        return true;
    }
    birth->cloned = true;
    if (!birth->born)
        birth->pid = (pid_t)result;
    if (!birth->born)
        return false;    /* the newborn may still be reading the window */
    birth_finish(birth);
    return true;
}

/* Scheduling attributes belong to threads; the clone has those of the trustee. */
void birth_schedule(pid_t from, pid_t to)
{
    struct sched_param param;
    cpu_set_t own, wanted;
    int nice, policy, io;

    if (sched_getaffinity(from, sizeof wanted, &wanted) == 0 && sched_getaffinity(to, sizeof own, &own) == 0 && !CPU_EQUAL(&own, &wanted))
        sched_setaffinity(to, sizeof wanted, &wanted);
    policy = sched_getscheduler(from);
    if (policy >= 0 && policy != sched_getscheduler(to) && sched_getparam(from, &param) == 0)
        sched_setscheduler(to, policy, &param);
    errno = 0;
    nice = getpriority(PRIO_PROCESS, (id_t)from);
    if (!errno && nice != getpriority(PRIO_PROCESS, (id_t)to))
        setpriority(PRIO_PROCESS, (id_t)to, nice);
    io = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, from);
    if (io >= 0 && io != (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, to))
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, to, io);
}

static void birth_tell(const struct process *child)
{
    const struct judge *judge = child->sandbox->judge;

    judge->event(judge->self, &(struct judge_event){
        .name = "fork", .pid = child->pid, .parent = child->parent ? child->parent->pid : 0, .exe = child->program->exe, .status = -1 });
}

/* What the gate knows the thread by. */
static uint64_t birth_key(const struct birth *birth, const struct caught *caught, pid_t pid)
{
    uint32_t word = 0;

    if (birth->arch == ABI_X86_64)
        return caught->fs << 16;
    return memory_read(pid, caught->area[0][1], &word, sizeof word) == sizeof word ? word : 0;
}

/* The gate finds a thread by its key; a child in its parent's space has its parent's, so the parent's gate must rest (vfork: as long as the parent does). */
static void birth_gate(const struct birth *birth, const struct slot *slot, const struct caught *caught)
{
    struct slot *parents = birth->thread ? birth->thread->slot : NULL;

    if (birth->home != birth->space) {
        mailbox_enter(&birth->home->mailbox, birth->arch, birth_key(birth, caught, slot->process->pid), slot->i);
    } else if (parents) {
        slot_rest(parents);
        if (!(birth->wish.flags & CLONE_VFORK))    /* both run: neither may use a gate that can't tell them apart */
            mailbox_enter(&birth->space->mailbox, birth->arch, birth_key(birth, caught, slot->process->pid), -1);
    }
}

static void birth_process_born(struct birth *birth, struct sandbox *sandbox, pid_t pid, pid_t trustee)
{
    struct process *parent = tree_process(sandbox, birth->parent), *child, *stale = tree_process(sandbox, pid);
    const struct caught *caught = &birth->home->mailbox.requests[birth->slot->i].caught;
    struct thread *thread;

    if (stale)
        tree_remove(stale);
    if (parent && birth->wish.flags & CLONE_PARENT)
        parent = parent->parent;
    child = tree_add(sandbox, pid, parent, birth->arch);
    thread = tree_thread(sandbox, pid);
    child->phase = PHASE_RUN;
    child->space = birth->home;
    if (birth->home == birth->space)
        birth->home->users++;
    child->program = birth->call->process->program;
    program_share(child->program);
    child->trustees = 1;
    birth->slot->process = child;
    birth->slot->trustee = trustee;
    birth->slot->thread = thread;
    thread->slot = birth->slot;
    if (birth->wish.flags & CLONE_FS) {
        child->shares_cwd = true;
        if (parent)
            parent->shares_cwd = true;
    }
    child->creator = birth->thread ? birth->thread->tid : 0;
    if (birth->thread) {
        birth_schedule(birth->thread->tid, pid);
        if (birth->home != birth->space)
            memcpy(thread->rseq, birth->thread->rseq, sizeof thread->rseq);
    }
    if (birth->home != birth->space && (birth->patches || birth->space->patches_set != birth->patches_set))
        patch_heal(birth->space, birth->home, birth->arch, pid);
    birth_gate(birth, birth->slot, caught);
    birth_tell(child);
}

static void birth_trustee_born(struct birth *birth, pid_t tid)
{
    struct slot *slot = birth->slot;
    struct process *process = slot->process;

    slot->trustee = tid;
    slot->coming = false;
    process->trustees++;
    life_next(slot);
}

void birth_born(struct sandbox *sandbox, uint64_t id, pid_t tid, uint64_t token, pid_t trustee)
{
    struct birth *birth = births[token % BIRTHS];

    if (!birth || birth->token != token || birth->born) {    /* its creator died meanwhile: nobody waits for it */
        kill(tid, SIGKILL);
        return;
    }
    birth->born = true;
    birth->pid = tid;
    if (birth->kind == BIRTH_TRUSTEE)
        birth_trustee_born(birth, tid);
    else if (trustee > 0)
        birth_process_born(birth, sandbox, tid, trustee);
    else
        kill(tid, SIGKILL);
    notify_value(sandbox, id, 0);
    if (birth->cloned) {
        struct slot *by = birth->call->slot;

        birth_finish(birth);
        life_release(by);
    }
}

void birth_orphan(struct birth *birth)
{
    if (birth->kind == BIRTH_PROCESS && birth->slot && birth->home == birth->space && !birth->born)
        slot_leave(birth->slot);
    birth->call = NULL;
    birth_end(birth);
}

bool birth_waits(const struct call *call)
{
    return call->birth && call->birth->cloned;
}

/* Somebody waits for code that another thread was to come by: long enough. (A handler of that thread's has jumped away.) */
static void birth_stale(void)
{
    if (!waiting)
        return;
    for (int i = 0; i < BIRTHS; i++)
        if (births[i] && births[i]->kind != BIRTH_TRUSTEE && births[i]->patched == waiting->ip && births[i]->space == waiting->process->space)
            birth_withdraw(births[i]);
    birth_retry();
}

/* A newborn that was killed before it came to itself has been born nevertheless: its parent will wait for it. */
void birth_check(void)
{
    birth_stale();
    for (int i = 0; i < BIRTHS; i++) {
        struct birth *birth = births[i];
        char path[64], text[512] = "";
        const char *state;
        int fd;

        if (!birth || !birth->cloned || birth->born || birth->kind != BIRTH_PROCESS)
            continue;
        snprintf(path, sizeof path, "/proc/%d/stat", birth->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
            text[0] = '\0';
        if (fd >= 0)
            close(fd);
        state = strrchr(text, ')');
        if (!state || state[2] == 'Z' || state[2] == 'X') {
            struct slot *by = birth->call->slot;

            if (birth->home == birth->space)
                slot_leave(birth->slot);
            birth_finish(birth);
            life_release(by);
        }
    }
}

bool birth_pending(void)
{
    if (waiting)
        return true;
    for (int i = 0; i < BIRTHS; i++)
        if (births[i] && births[i]->cloned && !births[i]->born)
            return true;
    return false;
}

/* An order for `by` to make a trustee for `slot`. */
static void birth_ask(struct process *process, struct slot *by, struct slot *slot)
{
    static const uint64_t none[6];
    struct call *call = call_new(process, FROM_NOTIFICATION, process->pid, process->arch, nr_of(process->arch, "clone"), none);
    struct birth *birth = birth_new(BIRTH_TRUSTEE, call);
    struct birth_steps steps = { 0 };

    if (!birth) {
        call_free(call);
        return;
    }
    birth->home = process->space;
    birth->slot = slot;
    slot->coming = true;
    birth_second_part(birth, &steps);
    slot->space->mailbox.orders[slot->i].birth = steps;
    life_give_to(by, call);
}

void birth_spare(struct process *process, struct slot *by)
{
    struct slot *slot = process->spare ? NULL : slot_take(process->space, process, true);

    if (!slot)
        return;
    process->spare = slot;
    birth_ask(process, by, slot);
}

bool birth_trustee(struct process *process, struct slot *slot)
{
    if (!process->spare)
        return false;
    birth_ask(process, process->spare, slot);
    return true;
}
