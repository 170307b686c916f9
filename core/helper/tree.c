/*
 * tree: see tree.h. Slots are never moved: a block of windows has a fixed number, and the books are kept in the space itself.
 */
#include "core/helper/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/birth.h"
#include "core/helper/call_private.h"

enum {
    SPACE_GATES = 1024,         /* places for trampolines in gate_fd */
    SLOTS_FOR_THREADS = 48,     /* of an address space; the others are for births, which must not fail because idle trustees sit everywhere */
};

static void *tree_memory(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        die(EXIT_NURSE, "out of memory");
    return memory;
}

static size_t bucket(pid_t id)
{
    return (size_t)id % TREE_BUCKETS;
}

/* --- spaces --- */

/* The memory of all trampolines: the helper writes, the sandbox can only execute. Returns 0 or -errno. */
static int gates_create(struct sandbox *sandbox)
{
    size_t size = (size_t)SPACE_GATES * GATE_SPAN;

    if (sandbox->gates)
        return 0;
    sandbox->gate_fd = memfd_create("nurse-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (sandbox->gate_fd < 0 || ftruncate(sandbox->gate_fd, (off_t)size))
        return -errno;
    sandbox->gates = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, sandbox->gate_fd, 0);
    if (sandbox->gates == MAP_FAILED) {
        sandbox->gates = NULL;
        return -ENOMEM;
    }
    return fcntl(sandbox->gate_fd, F_ADD_SEALS, 0x0010 /* F_SEAL_FUTURE_WRITE */ | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ? -errno : 0;
}

static uint64_t gates_used[SPACE_GATES / 64];

static void trampolines_release(struct trampolines *trampolines)
{
    size_t place;

    if (!trampolines || --trampolines->users > 0)
        return;
    place = trampolines->offset / GATE_SPAN;
    gates_used[place / 64] &= ~(1ull << place % 64);
    free(trampolines);
}

void space_trampolines(struct sandbox *sandbox, struct space *space, struct trampolines *shared)
{
    if (shared) {
        shared->users++;
        space->trampolines = shared;
        return;
    }
    for (size_t place = 0; gates_create(sandbox) == 0 && place < SPACE_GATES; place++)
        if (!(gates_used[place / 64] & 1ull << place % 64)) {
            gates_used[place / 64] |= 1ull << place % 64;
            space->trampolines = tree_memory(sizeof *space->trampolines);
            *space->trampolines = (struct trampolines){
                .users = 1, .view = sandbox->gates + place * GATE_SPAN, .offset = place * GATE_SPAN,
            };
            return;
        }
}

int space_new(struct sandbox *sandbox, enum abi_arch arch, struct space **out)
{
    struct space *space = tree_memory(sizeof *space);
    uint64_t base = sandbox->base[arch];
    int error = mailbox_create(&space->mailbox, base);

    if (error) {
        free(space);
        return error;
    }
    space->users = 1;
    space->memory = -1;
    space->keystone.helper = getpid();
    space->keystone.range[0].start = base;
    space->keystone.range[0].end = base + KEEP_SPAN;
    for (int i = 0; i < MAILBOX_SLOTS; i++)
        space->slot[i] = (struct slot){ .space = space, .i = i };
    space->mailbox.board->xsave = sandbox->xsave;
    *out = space;
    return 0;
}

void space_release(struct space *space)
{
    if (!space || --space->users > 0)
        return;
    mailbox_destroy(&space->mailbox);
    trampolines_release(space->trampolines);
    if (space->mailbox.bell >= 0)
        close(space->mailbox.bell);
    if (space->memory >= 0)
        close(space->memory);
    if (space->born_filter && --space->born_filter->users == 0)
        free(space->born_filter);
    free(space);
}

/* --- slots --- */

struct slot *slot_take(struct space *space, struct process *process, bool birth)
{
    for (int i = 0; i < (birth ? MAILBOX_SCRATCH : SLOTS_FOR_THREADS); i++) {
        struct slot *slot = &space->slot[i];

        if (slot->process || space->mailbox.requests[i].caught.held)
            continue;
        *slot = (struct slot){ .space = space, .process = process, .i = i };
        mailbox_prepare(&space->mailbox, i);
        return slot;
    }
    return NULL;
}

static void slot_unwatch(struct slot *slot)
{
    struct slot **watched;

    if (!slot->watched)
        return;
    watched = slot->process->sandbox->watched;
    mailbox_awake(&slot->space->mailbox, slot->i, false, 0);
    slot->watched = false;
    for (int k = 0; k < WATCHED_MAX; k++)
        if (watched[k] == slot) {
            memmove(&watched[k], &watched[k + 1], (size_t)(WATCHED_MAX - 1 - k) * sizeof *watched);
            watched[WATCHED_MAX - 1] = NULL;
            return;
        }
}

void slot_watch(struct slot *slot)
{
    struct slot **watched = slot->process->sandbox->watched;

    if (watched[0] == slot)
        return;
    if (!slot->watched && watched[WATCHED_MAX - 1])
        slot_unwatch(watched[WATCHED_MAX - 1]);
    for (int k = 0; k < WATCHED_MAX; k++)    /* to the front */
        if (watched[k] == slot || !watched[k]) {
            memmove(&watched[1], &watched[0], (size_t)k * sizeof *watched);
            break;
        }
    watched[0] = slot;
    slot->watched = true;
}

void slot_rest(struct slot *slot)
{
    slot_unwatch(slot);
}

void slot_leave(struct slot *slot)
{
    if (!slot->process)
        return;
    slot_unwatch(slot);
    mailbox_leave(&slot->space->mailbox, slot->i);
    if (slot->thread)
        slot->thread->slot = NULL;
    slot->thread = NULL;
    if (!slot->trustee && !slot->coming) {
        mailbox_retire(&slot->space->mailbox, slot->i);
        slot->process = NULL;
    }
}

void slot_works(struct slot *slot)
{
    struct sandbox *sandbox = slot->process->sandbox;

    slot->working = true;
    slot->next_working = sandbox->working;
    sandbox->working = slot;
}

void slot_done(struct slot *slot)
{
    struct slot **link = &slot->process->sandbox->working;

    if (!slot->working)
        return;
    while (*link != slot)
        link = &(*link)->next_working;
    *link = slot->next_working;
    slot->working = slot->high = false;
}

void slot_clear(struct slot *slot)
{
    slot_done(slot);
    if (slot->call)
        call_abandon(slot->call);
    while (slot->first) {
        struct call *call = slot->first;

        slot->first = call->next;
        call_abandon(call);
    }
    slot->call = slot->last = NULL;
    slot->coming = false;
    slot->trustee = 0;
    slot_leave(slot);
}

/* --- threads --- */

static struct thread *thread_add(struct process *process, pid_t tid)
{
    struct thread **head = &process->sandbox->thread[bucket(tid)], *thread = tree_memory(sizeof *thread);

    *thread = (struct thread){ .next = *head, .process = process, .tid = tid };
    *head = thread;
    return thread;
}

static void thread_free(struct thread *thread)
{
    struct thread **link = &thread->process->sandbox->thread[bucket(thread->tid)];

    while (*link != thread)
        link = &(*link)->next;
    *link = thread->next;
    while (thread->birth)
        birth_abandon(thread->birth);
    if (thread->slot)
        thread->slot->thread = NULL;
    free(thread);
}

static bool thread_exists(const struct process *process, pid_t tid)
{
    return syscall(SYS_tgkill, process->pid, tid, 0) == 0;    /* asked of the kernel without sending anything */
}

struct thread *tree_thread(struct sandbox *sandbox, pid_t tid)
{
    struct thread *thread = sandbox->thread[bucket(tid)];

    while (thread && thread->tid != tid)
        thread = thread->next;
    if (thread && thread->exiting) {    /* a number that is in use again */
        thread_free(thread);
        thread = NULL;
    }
    if (thread)
        return thread;
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct process *process = sandbox->process[i]; process; process = process->next)
            if ((process->threaded || process->phase == PHASE_BOOT) && thread_exists(process, tid))
                return thread_add(process, tid);
    return NULL;
}

/* The kernel would tell the children of a thread by their death signal (PR_SET_PDEATHSIG), but to it they are a trustee's. */
static void thread_mourned(const struct thread *thread)
{
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct process *child = thread->process->sandbox->process[i]; child; child = child->next)
            if (child->parent == thread->process && child->creator == thread->tid) {
                child->creator = 0;
                if (child->deathsig)
                    kill(child->pid, child->deathsig);
            }
}

void tree_thread_exits(struct thread *thread)
{
    thread_mourned(thread);
    while (thread->birth)
        birth_abandon(thread->birth);
    thread->exiting = true;
    if (thread->slot)
        slot_leave(thread->slot);
}

/* Threads on their way out that the kernel still counts; the others are forgotten. */
static int tree_leaving(const struct process *process)
{
    int leaving = 0;

    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct thread *thread = process->sandbox->thread[i], *next; thread; thread = next) {
            next = thread->next;
            if (thread->process != process || !thread->exiting)
                continue;
            if (thread_exists(process, thread->tid))
                leaving++;
            else
                thread_free(thread);
        }
    return leaving;
}

int tree_alive(const struct process *process)
{
    enum { DIRECTORY_LINKS = 2 };    /* proc(5): a task directory has a link for each thread */
    char path[64];
    struct stat st;

    snprintf(path, sizeof path, "/proc/%d/task", process->pid);
    if (stat(path, &st))
        return 0;
    return (int)st.st_nlink - DIRECTORY_LINKS - process->trustees - tree_leaving(process);
}

/* --- processes --- */

struct process *tree_add(struct sandbox *sandbox, pid_t pid, struct process *parent, enum abi_arch arch)
{
    struct process **head = &sandbox->process[bucket(pid)], *process = tree_memory(sizeof *process);

    *process = (struct process){
        .next = *head, .sandbox = sandbox, .parent = parent, .pid = pid, .arch = arch, .cwd = -1, .bell_fd = -1,
        .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
    };
    *head = process;
    sandbox->process_count++;
    if (process->pidfd >= 0) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = process };

        epoll_ctl(sandbox->ends, EPOLL_CTL_ADD, process->pidfd, &event);
    }
    thread_add(process, pid);
    return process;
}

struct process *tree_process(const struct sandbox *sandbox, pid_t pid)
{
    struct process *process = sandbox->process[bucket(pid)];

    while (process && process->pid != pid)
        process = process->next;
    return process;
}

/* The process has left its space, or is over: nothing of it is at work there. */
static void process_leave_space(struct process *process)
{
    if (!process->space)
        return;
    for (int i = 0; i < MAILBOX_SLOTS; i++)
        if (process->space->slot[i].process == process)
            slot_clear(&process->space->slot[i]);
    space_release(process->space);
    process->space = NULL;
    process->spare = NULL;
    process->trustees = 0;
}

/* Forget all threads but the one given. */
static void process_leave_threads(struct process *process, pid_t but)
{
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct thread *thread = process->sandbox->thread[i], *next; thread; thread = next) {
            next = thread->next;
            if (thread->process == process && thread->tid != but)
                thread_free(thread);
        }
}

static void process_adopt_children(const struct process *process)
{
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct process *child = process->sandbox->process[i]; child; child = child->next)
            if (child->parent == process)
                child->parent = NULL;
}

void tree_remove(struct process *process)
{
    struct sandbox *sandbox = process->sandbox;
    struct process **link = &sandbox->process[bucket(process->pid)];

    while (*link != process)
        link = &(*link)->next;
    *link = process->next;
    sandbox->process_count--;
    birth_forsake(process);
    process_adopt_children(process);
    process_leave_threads(process, 0);
    process_leave_space(process);
    exec_abandon(process);
    program_release(process->program);
    if (process->pidfd >= 0)
        close(process->pidfd);    /* that ends the epoll entry too */
    if (process->cwd >= 0)
        close(process->cwd);
    free(process);
}

int tree_renew(struct process *process, enum abi_arch arch)
{
    struct space *space;
    int error;

    birth_forsake(process);
    process_leave_threads(process, 0);
    thread_add(process, process->pid);
    process_leave_space(process);
    error = space_new(process->sandbox, arch, &space);
    if (error)
        return error;
    process->space = space;
    process->arch = arch;
    process->threaded = process->opened = process->shares_cwd = false;
    process->phase = PHASE_BOOT;
    return 0;
}
