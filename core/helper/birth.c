/*
 * birth: see birth.h. Whom it believes: a report from the trustee's page, where no untrustee can call; the caught registers are the program's claim,
 * and only its own child will ever load them. A token names a birth, not a process: a birth ends once.
 */
#include "core/helper/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/birth_private.h"
#include "core/helper/memory.h"
#include "core/helper/patch.h"
#include "core/helper/tree.h"

#ifndef ERESTARTNOINTR
#define ERESTARTNOINTR 513    /* the kernel's own: make the call again if a signal is handled first */
#endif

enum {
    NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
    BIRTHS = 256,           /* under way at once */
    LEFT_FOR_FORKS = 8,     /* windows of a space */
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

/* Who listens must leave room for those who fork. */
static bool birth_room_left(const struct space *space)
{
    int slots = 0, under_way = 0;

    for (int i = 0; i < MAILBOX_SCRATCH; i++)
        slots += !space->slot[i].process && !space->mailbox.requests[i].caught.held;
    for (int i = 0; i < BIRTHS; i++)
        under_way += births[i] != NULL;
    return slots > LEFT_FOR_FORKS && under_way < BIRTHS / 2;
}

/* Whether no other thread, nor the parent of a vfork, runs the same code. */
static bool birth_alone(const struct process *process)
{
    if (process->threaded)
        return false;
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (const struct process *other = process->sandbox->process[i]; other; other = other->next)
            if (other != process && other->space == process->space)
                return false;
    return true;
}

/* Code that must be changed for it may be what other threads are just coming by. */
int birth_hear(struct call *call, int64_t *value)
{
    const struct process *process = call->process;

    return birth_room_left(process->space) && (in_gate(process, call->ip) || birth_alone(process)) ? birth_make(call, value) : 1;
}

/* Some code is as it was: those who waited for it try again. */
static void birth_retry(void)
{
    struct call *call = waiting;
    int64_t value;

    waiting = NULL;
    while (call) {
        struct call *next = call->next;

        if (call->row->where != ABI_PROCESS) {
            if (birth_make(call, &value))
                life_unmade(call);
        } else if (birth_process(call, &value)) {
            life_outcome(call, value);
        }
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

/* --- in the catch --- */

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
        life_told(call, error);
        notify_value(call->process->sandbox, id, error);
        birth_made(birth);
        return;
    }
    memcpy(window->bytes, call->arena, call->arena_used);
    memcpy(window->arg, order.arg, sizeof window->arg);
    window->nr = order.nr;
    notify_value(call->process->sandbox, id, call->heard ? CATCH_TELL : CATCH_MAKE);
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

void birth_told(struct thread *thread, uint64_t id, uint64_t window, uint64_t result)
{
    struct birth *birth = thread->birth;
    struct sandbox *sandbox = thread->process->sandbox;
    int64_t answer = -ENOSYS;

    while (birth && (birth->kind != BIRTH_NONE || !birth->caught || window != mailbox_request_at(&birth->space->mailbox, birth->cradle->i)))
        birth = birth->outer;
    if (birth) {
        life_told(birth->call, birth->arch == ABI_X86_64 ? (int64_t)result : (int32_t)result);
        birth_made(birth);
        answer = 0;
    }
    notify_value(sandbox, id, answer);
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
    error = nest_prepare(birth, sandbox);
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
    nest_way(birth, call->slot, &steps);
    memcpy(&call->slot->space->mailbox.orders[call->slot->i].birth, &steps, offsetof(struct birth_steps, map));
    *order = (struct mailbox_order){ .command = ORDER_SPAWN, .nr = (uint64_t)abi_number(birth->arch, abi_find("clone")), .arg = { TRUSTEE_FLAGS } };
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

static void birth_tell(const struct process *child, const struct process *maker)
{
    const struct judge *judge = child->sandbox->judge;

    judge->event(judge->self, &(struct judge_event){
        .name = "fork", .pid = child->pid, .parent = child->parent ? child->parent->pid : 0, .maker = maker->pid, .exe = child->program->exe,
        .status = -1 });
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
    birth_tell(child, birth->call->process);
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
    struct call *call = call_new(process, FROM_NOTIFICATION, process->pid, process->arch, (uint64_t)abi_number(process->arch, abi_find("clone")), none);
    struct birth *birth = birth_new(BIRTH_TRUSTEE, call);
    struct birth_steps steps = { 0 };

    if (!birth) {
        call_free(call);
        return;
    }
    birth->home = process->space;
    birth->slot = slot;
    slot->coming = true;
    nest_hello(birth, &steps);
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
