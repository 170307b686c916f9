/*
 * life: one call from its arrival to its answer.
 *
 * Runs in the helper. Calls arrive by two doors, the gate's request window and the kernel's notification, and are treated alike from then on.
 * Nothing here waits: a call whose trustee is at work is picked up again by life_progress(). Test: t/31-live-policy.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/birth.h"
#include "core/helper/call_private.h"
#include "core/helper/exec.h"
#include "core/helper/memory.h"
#include "core/helper/spawn.h"
#include "core/helper/tree.h"

/* The end of a call: tell whoever made it. */
static void life_answer(struct call *call, int64_t value)
{
    if (call->origin == FROM_GATE)
        mailbox_answer(&call->slot->space->mailbox, call->slot->i, ANSWER_VALUE, value);
    else
        notify_value(call->process->sandbox, call->id, value);
    call_free(call);
}

/* Let the thread make the call itself: its arguments are registers that nobody can change, and nothing that they point to was judged. */
static void life_go_on(struct call *call)
{
    const struct judge *judge = call->process->sandbox->judge;

    if (call->heard && judge->unheard)
        judge->unheard(judge->self, call, call->origin == FROM_GATE);
    if (call->origin == FROM_GATE)
        mailbox_answer(&call->slot->space->mailbox, call->slot->i, ANSWER_KERNEL, 0);
    else
        notify_continue(call->process->sandbox, call->id);
    call_free(call);
}

/* The call was allowed and this is what came of it: after() sees it and may replace it. */
void life_outcome(struct call *call, int64_t result)
{
    const struct judge *judge = call->process->sandbox->judge;

    if (call->watched || call->heard)
        judge->after(judge->self, call, &result);
    life_answer(call, result);
}

void life_told(struct call *call, int64_t result)
{
    const struct judge *judge = call->process->sandbox->judge;

    if (call->heard)
        judge->after(judge->self, call, &result);
}

static bool life_asked(const struct judge *judge, const struct abi_call *row)
{
    return judge->watches(judge->self, row) || (judge->hears && judge->hears(judge->self, row));
}

static bool life_in_thread(const struct call *call)
{
    if (call->rewritten && strcmp(call->row->name, "exit_group") == 0)
        return false;    /* the process's end, by any thread */
    return call->row->where == ABI_THREAD || call->row->where == ABI_WATCHED || call->row->where == ABI_PROCESS;
}

/* The calls that make or remake processes take ways of their own. True when this is one of them. */
static bool life_process(struct call *call)
{
    int64_t value = 0;

    if (call->row->where != ABI_PROCESS || call->process->strict)
        return false;
    if (strncmp(call->row->name, "exec", 4) == 0) {
        if (exec_begin(call, &value))
            life_outcome(call, value);
        else
            life_give_to(call->slot, call);
        return true;
    }
    if (strcmp(call->row->name, "clone") == 0 && call->args[0] & CLONE_THREAD)
        return false;
    if (birth_process(call, &value))
        life_outcome(call, value);
    return true;
}

/* What a thread sets for itself and a child or a program executed by the trustee would inherit from the trustee: both make the call. */
static bool life_twin(const struct call *call)
{
    if (strcmp(call->row->name, "personality") == 0)
        return (uint32_t)call->args[0] != UINT32_MAX;
    return strcmp(call->row->name, "prctl") == 0 && call->args[0] == PR_SET_TIMERSLACK;
}

/* A regular file keeps nobody waiting. */
static bool life_of_file(const struct call *call)
{
    char path[64];
    struct stat st;

    if (call->row->args[0].type != ABI_FD)
        return false;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", call->tid, (int)call->args[0]);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Whether the call may wait for long, though its arguments must be the helper's copies: an open of a FIFO, a connect whose address was judged, what
 * socketcall stands for. (Its result is the thread's: after() would not see it.) */
static bool life_blocks(struct call *call)
{
    uint64_t flags;
    struct stat st;

    if (call->process->strict || call->watched || call->message.many || (call->arch == ABI_X86_64 && !call->process->sandbox->has_fsgsbase))
        return false;
    if (call->row->where == ABI_BLOCKS)
        return (call->rewritten || call->copied) && !life_of_file(call);
    if (!call->path_count || call->row->args[call->paths[0].arg].type != ABI_PATH_OPEN || !call_open_flags(call, &flags) || flags & (O_NONBLOCK | O_PATH))
        return false;
    return !call->paths[0].descriptor && call_resolve(call, &call->paths[0]) == 0 && call->paths[0].pin.fd >= 0 &&
           fstat(call->paths[0].pin.fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* From a gate it comes again, by way of the kernel: only from there can the thread be sent to the catch. */
static void life_make(struct call *call)
{
    int64_t value = 0;

    if (call->origin == FROM_GATE)
        life_go_on(call);
    else if (birth_make(call, &value))
        life_unmade(call);
}

void life_unmade(struct call *call)
{
    if (call->rewritten || call->copied || call->path_count)
        life_give(call);    /* better a call that no handler interrupts than none */
    else
        life_go_on(call);
}

/* Whether a call that takes data finds some. Only pipes are looked at: elsewhere the answer (signalfd) or the right to read (a terminal) may depend on
 * who asks, and a copy of a socket may take as long to close as the program likes (SO_LINGER). */
static bool life_finds_data(const struct call *call)
{
    char path[64];
    struct stat st;
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", call->tid, (int)call->args[0]);
    int pin = open(path, O_PATH | O_CLOEXEC);
    if (pin >= 0 && fstat(pin, &st) == 0 && S_ISFIFO(st.st_mode)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", pin);
        struct pollfd look = { .fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN };
        found = poll(&look, 1, 0) == 1 && look.revents & POLLIN;
        if (look.fd >= 0)
            close(look.fd);
    }
    if (pin >= 0)
        close(pin);
    return found;
}

/* Whether a call on a descriptor would not sleep: then the trustee may make it. (Locks on a regular file may be waited for.) */
static bool life_moves_data(const struct call *call)
{
    const uint32_t reads = 1u << abi_group("read"), writes = 1u << abi_group("write");

    if (call->row->args[0].type != ABI_FD)
        return false;
    if (call->row->groups & (reads | writes) && life_of_file(call))
        return true;
    return call->row->groups & reads && life_finds_data(call);
}

/* Whether the thread shall make the call, with the arguments that it gave, and tell what came of it. */
static bool life_listens(const struct call *call)
{
    if (!call->heard || call->watched || call->process->strict || call->rewritten || call->copied || call->origin == FROM_GATE)
        return false;
    return call->row->where == ABI_THREAD || call->row->where == ABI_WATCHED || (call->row->where == ABI_BLOCKS && !life_moves_data(call));
}

static void life_listen(struct call *call)
{
    int64_t value;

    if ((call->arch == ABI_X86_64 && !call->process->sandbox->has_fsgsbase) || !route_returns(call->row) || birth_hear(call, &value))
        life_go_on(call);
}

/* A call that the policy would let pass, and a keystone rule doesn't. */
static void life_refused(struct call *call, int64_t value)
{
    const struct judge *judge = call->process->sandbox->judge;

    if (judge->refused && value == -EPERM)
        judge->refused(judge->self, call, EPERM);
}

static void life_allow(struct call *call)
{
    int64_t value = call->fault;

    if (value)
        life_outcome(call, value);
    else if (call->direct)
        life_go_on(call);
    else if (guard_call(call, &value)) {
        life_refused(call, value);
        life_outcome(call, value);
    } else if (inform_call(call, &value)) {
        life_outcome(call, value);
    } else if (life_process(call)) {
        return;
    } else if (call->process->strict) {
        if (life_in_thread(call) && strict_stand_in(call, &value))
            life_outcome(call, value);
        else
            life_give(call);
    } else if (life_blocks(call)) {
        life_make(call);
    } else if (life_twin(call) && !call->rewritten) {
        call->twin = true;
        life_give(call);
    } else if (life_listens(call)) {
        life_listen(call);
    } else if (life_in_thread(call)) {
        if (call->rewritten || call->copied)
            life_told(call, -EPERM);
        if (call->rewritten || call->copied)
            say_notice("%s can only run in its own thread: what the policy changed in its arguments is ignored, the call is denied", call->row->name);
        if (call->rewritten || call->copied)
            life_answer(call, -EPERM);
        else
            life_go_on(call);
    } else if (call->origin == FROM_NOTIFICATION && !call->rewritten && !call->copied && !call->path_count && !call->watched && !call->heard) {
        life_go_on(call);
    } else {
        life_give(call);
    }
}

static void life_verdict(struct call *call, const struct verdict *verdict)
{
    switch (verdict->kind) {
    case VERDICT_ALLOW:
        life_allow(call);
        break;
    case VERDICT_EMULATE:
        life_answer(call, verdict->value);
        break;
    case VERDICT_KILL_PROCESS:
    case VERDICT_KILL:
        kill_by_verdict(call, verdict);
        break;
    default:
        life_answer(call, -(verdict->error ? verdict->error : EPERM));
        break;
    }
}

/* socketcall: the words of arguments that lie in memory, fetched once. */
static const struct abi_call *life_socketcall(const struct call *call, uint32_t words[6])
{
    int count;
    const struct abi_call *row = abi_socketcall((uint32_t)call->args[0], &count);

    if (row && memory_read(call->tid, call->args[1], words, (size_t)count * 4) != count * 4)
        words[0] = UINT32_MAX;    /* as bad a descriptor as the kernel's EFAULT is an answer */
    return row;
}

/* ipc: its arguments in the order of the call that it stands for. */
static const struct abi_call *life_ipc(const struct call *call, uint32_t words[6])
{
    enum { PTR = 4 };
    const uint32_t IPC_64 = 0x100;    /* the new layouts */
    const uint8_t *from;
    const struct abi_call *row = abi_ipc((uint32_t)call->args[0], &from);

    for (int i = 0; row && i < 6; i++) {
        const uint8_t place = from[i];

        if (place >= ABI_IPC_AT_PTR) {
            if (memory_read(call->tid, call->args[PTR] + 4 * (place % ABI_IPC_AT_PTR), &words[i], 4) != 4)
                return NULL;
        } else if (place) {
            words[i] = (uint32_t)call->args[place % 6];
        }
        if (row->args[i].name && strcmp(row->args[i].name, "cmd") == 0)
            words[i] &= ~IPC_64;    /* which of the calls that have numbers of their own only know */
    }
    return row;
}

/* semop and semtimedop are the calls behind ipc that have no number of their own: without a time they are made as semtimedop_time64, judged under their
 * own names. */
static int life_numberless(struct call *call, const struct abi_call *row, uint32_t words[6])
{
    static struct route_entry entry;
    const struct judge *judge = call->process->sandbox->judge;

    if (strcmp(row->name, "semop") != 0 && strcmp(row->name, "semtimedop") != 0)
        return -ENOSYS;
    entry = (struct route_entry){ .row = row };
    entry.constant = judge->constant(judge->self, ABI_I386, row, &entry.verdict);
    call->entry = &entry;
    call->row = row;
    call->direct = entry.constant && entry.verdict.kind == VERDICT_ALLOW && !life_asked(judge, row);
    if (call->direct)
        return 0;
    if (row->name[3] == 't' && words[3])    /* its time has another shape */
        return -ENOSYS;
    call->nr = abi_number(ABI_I386, abi_find("semtimedop_time64"));
    words[3] = 0;
    for (int i = 0; i < 6; i++)
        call->args[i] = words[i];
    call->rewritten = true;
    return 0;
}

/* i386's first mmap takes its arguments from memory: it is judged and made as mmap2, whose arguments can't change any more. */
static int life_old_mmap(struct call *call)
{
    uint32_t args[6];

    if (memory_read(call->tid, call->args[0], args, sizeof args) != sizeof args)
        return -EFAULT;
    if (args[5] & 0xfff)
        return -EINVAL;
    call->nr = abi_number(ABI_I386, abi_find("mmap2"));
    call->entry = route_entry(&call->process->sandbox->routes, ABI_I386, (uint64_t)call->nr);
    call->row = call->entry->row;
    for (int i = 0; i < 6; i++)
        call->args[i] = args[i];
    call->args[5] /= 4096;
    call->rewritten = true;
    return 0;
}

/* i386: socketcall and ipc stand for other calls; they are judged and made as those, and their memory is not read again. */
static int life_demultiplex(struct call *call)
{
    const struct abi_call *row = NULL;
    uint32_t words[6] = { 0 };
    bool socket;

    if (call->arch != ABI_I386 || call->row->where != ABI_HELPER)
        return 0;
    if (strcmp(call->row->name, "mmap") == 0)
        return life_old_mmap(call);
    socket = strcmp(call->row->name, "socketcall") == 0;
    if (!socket && strcmp(call->row->name, "ipc") != 0)
        return 0;
    row = socket ? life_socketcall(call, words) : life_ipc(call, words);
    if (!row)
        return -EINVAL;
    if (abi_number(ABI_I386, row) < 0)
        return life_numberless(call, row, words);
    call->nr = abi_number(ABI_I386, row);
    call->entry = route_entry(&call->process->sandbox->routes, ABI_I386, (uint64_t)call->nr);
    call->row = call->entry->row;
    if (call->entry->constant && !call->process->strict) {    /* which call it is stands in a register, and nothing else was asked for */
        const struct judge *judge = call->process->sandbox->judge;

        call->direct = call->entry->verdict.kind == VERDICT_ALLOW && call->origin == FROM_NOTIFICATION && !life_asked(judge, call->row);
        if (call->direct)
            return 0;
    }
    for (int i = 0; i < 6; i++)
        call->args[i] = words[i];
    call->rewritten = true;
    return 0;
}

static void life_unknown(struct call *call, uint64_t nr)
{
    static uint8_t told[ABI_ARCHES][MAILBOX_ROUTES / 8];
    uint64_t known = nr % MAILBOX_ROUTES;

    if (!(told[call->arch][known / 8] & 1 << known % 8))
        say_notice("system call %llu (%s) is not in the table: ENOSYS", (unsigned long long)nr, abi_arch_name(call->arch));
    told[call->arch][known / 8] |= (uint8_t)(1 << known % 8);
    life_answer(call, -ENOSYS);
}

static void life_begin(struct call *call, uint64_t nr)
{
    const struct judge *judge = call->process->sandbox->judge;
    struct verdict verdict;
    int error;

    if (!call->row) {
        life_unknown(call, nr);
        return;
    }
    error = life_demultiplex(call);
    if (!error && !call->direct)
        error = call_fetch(call);
    if (error) {
        if (judge->faulted)
            judge->faulted(judge->self, call, error);
        life_answer(call, error);
        return;
    }
    call->watched = judge->watches(judge->self, call->row);
    call->heard = judge->hears && judge->hears(judge->self, call->row);
    verdict = call->entry->verdict;
    if (!call->entry->constant && call->row->where != ABI_UNSAFE)
        judge->decide(judge->self, call, &verdict);
    else if (call->row->where == ABI_UNSAFE && verdict.kind == VERDICT_DENY)
        life_refused(call, -verdict.error);
    life_verdict(call, &verdict);
}

void life_gate(struct slot *slot, const struct mailbox_posted *posted)
{
    struct process *process = slot->process;
    struct call *call;

    if (process->strict && posted->nr == NURSE_CALL) {
        spawn_report(process, 0, posted->arg);
        return;
    }
    if (!slot->thread || (!process->strict && route_entry(&process->sandbox->routes, process->arch, posted->nr)->route != ROUTE_MAILBOX)) {
        mailbox_answer(&slot->space->mailbox, slot->i, ANSWER_KERNEL, 0);    /* no gate of ours posts it */
        return;
    }
    slot->unread = false;
    if (slot->call && slot->call->answered)    /* its gate has seen the result before we did */
        slot->call->seen = true;
    call = call_new(process, FROM_GATE, slot->thread->tid, process->arch, posted->nr, posted->arg);
    call->slot = slot;
    call->ip = posted->ip;
    life_begin(call, posted->nr);
}

void life_notification(struct thread *thread, uint64_t id, enum abi_arch arch, uint64_t nr, const uint64_t args[6], uint64_t ip)
{
    struct call *call = call_new(thread->process, FROM_NOTIFICATION, thread->tid, arch, nr, args);

    call->id = id;
    call->ip = ip;    /* birth.c needs the place itself; policies are told sites_origin() */
    life_begin(call, nr);
}

/* A slot for the thread: one whose last thread is gone, or a free one. NULL when there is none. */
static struct slot *life_adopt(struct thread *thread)
{
    struct process *process = thread->process;
    struct space *space = process->space;

    for (int i = 0; i < MAILBOX_SLOTS && !thread->slot; i++) {
        struct slot *slot = &space->slot[i];

        if (slot->process == process && !slot->thread && slot->trustee && !slot->working && slot != process->spare)
            thread->slot = slot;
    }
    if (!thread->slot)
        thread->slot = slot_take(space, process, false);
    if (thread->slot)
        thread->slot->thread = thread;
    return thread->slot;
}

struct slot *life_slot(struct call *call)
{
    struct process *process = call->process;
    struct thread *thread = tree_thread(process->sandbox, call->tid);
    struct slot *slot = thread ? thread->slot : NULL;

    if (!slot && thread)
        slot = life_adopt(thread);
    if (slot && (slot->trustee || slot->coming || birth_trustee(process, slot)))
        return slot;
    return process->spare;    /* more threads than slots */
}

void life_stranger(struct thread *thread, uint64_t id, uint64_t key)
{
    struct process *process = thread->process;
    struct slot *slot = thread->slot ? thread->slot : life_adopt(thread);

    if (slot)
        mailbox_leave(&process->space->mailbox, slot->i);
    mailbox_enter(&process->space->mailbox, process->arch, key, slot ? slot->i : -1);
    notify_value(process->sandbox, id, 0);
}

/* What the trustee shall do. Returns 0 or -errno, which is the call's result. */
static int life_order(struct call *call, struct mailbox_order *order)
{
    if (call->birth) {
        birth_order(call, order);
        return 0;
    }
    return call->exec ? exec_order(call, order) : order_make(call, order);
}

/* Hand the call to the trustee. */
static void life_post(struct slot *slot, struct call *call)
{
    struct process *process = slot->process;
    struct mailbox *mailbox = &slot->space->mailbox;
    struct slot *own = call->slot;    /* a gate waits at its thread's, whoever does the work */
    struct mailbox_order order;
    int error;

    call->slot = slot;
    error = life_order(call, &order);
    if (error) {
        call->slot = own;
        life_outcome(call, error);
        return;
    }
    if (slot->unread)
        mailbox_settle(mailbox, slot->i, slot->result == -ELOOP ? ANSWER_KERNEL : ANSWER_VALUE, slot->result);
    slot->unread = false;
    memcpy(mailbox->orders[slot->i].bytes, call->arena, call->arena_used);
    slot->seq = mailbox_post(mailbox, slot->i, &order);
    slot->call = call;
    slot_works(slot);
    if (call->origin == FROM_GATE && own == slot && !call->watched && !call->heard && !call->message.many && !process->strict) {
        call->answered = true;
        mailbox_answer(mailbox, slot->i, ANSWER_TRUSTEE, slot->seq);
    } else {
        call->gate = own;
        mailbox_wake(mailbox, slot->i);
    }
}

void life_give_to(struct slot *slot, struct call *call)
{
    if (slot->working)
        life_progress(slot, false);
    if (!slot->working && slot->trustee) {
        life_post(slot, call);
        return;
    }
    /* The gate that was to wake the trustee may have been forged, or have believed its cell, which the program can write. */
    if (slot->trustee)
        mailbox_wake(&slot->space->mailbox, slot->i);
    slot->queued |= call->origin == FROM_GATE && call->slot == slot;
    call->next = NULL;
    if (slot->last)
        slot->last->next = call;
    else
        slot->first = call;
    slot->last = call;
}

void life_give(struct call *call)
{
    struct slot *slot = life_slot(call);

    if (slot)
        life_give_to(slot, call);
    else
        life_outcome(call, -EAGAIN);
}

/* A file that may not grow so far: the kernel has told the trustee, whose signals nobody sees (setrlimit(2)). */
static void life_signal(const struct call *call, int64_t result)
{
    struct rlimit limit;

    if (result == -EFBIG && prlimit(call->process->pid, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        syscall(SYS_tgkill, call->process->pid, call->tid, SIGXFSZ);
}

/* The trustee is done with the call; a gate that was told to wait for it has its result already. True when another order of the same call follows. */
static bool life_finish(struct slot *slot, struct call *call, int64_t result)
{
    slot->call = NULL;
    call->slot = call->gate;
    if (call->exec && exec_goes_on(call, &result)) {
        slot_done(slot);
        life_post(slot, call);
        return true;
    }
    if (call->twin) {
        call->twin = false;
        if (life_listens(call))
            life_listen(call);
        else
            life_go_on(call);
        return false;
    }
    if (call->moves)
        guard_moved(call->process);
    life_signal(call, result);
    slot->unread = call->answered && !call->seen;
    slot->result = result;
    result = message_result(call, result);
    if (call->answered)
        call_free(call);
    else
        life_outcome(call, result);
    return false;
}

/* The trustee writes its cell a moment after the evidence. True when the cell is that of this order, as far as a program leaves it alone. */
static bool life_cell(const struct slot *slot)
{
    enum { MOMENT = 1000 };

    for (int i = 0; i < MOMENT; i++) {
        if (mailbox_hint(&slot->space->mailbox, slot->i, slot->seq))
            return true;
        __builtin_ia32_pause();
    }
    return false;
}

/* The report register has room for a part of the result: 48 bits, on i386 16. Where the cell can't be believed for the rest (the policy will look
 * at the result, or the program has overwritten the cell), the trustee is asked for it. True when it was. */
static bool life_ask_high(struct slot *slot, int64_t low, bool settled, int64_t cell)
{
    const struct call *call = slot->call;
    bool agrees = slot->process->arch == ABI_X86_64 && cell == low;

    if (slot->high || !call || call->answered || (settled && ((!call->watched && !call->heard) || agrees)))
        return false;
    slot->high = true;
    slot->low = low;
    slot->seq = mailbox_post(&slot->space->mailbox, slot->i, &(struct mailbox_order){ .command = ORDER_HIGH });
    mailbox_wake(&slot->space->mailbox, slot->i);
    return true;
}

/* The result from its two parts, or from the cell where the evidence bears it out. */
static int64_t life_result(const struct slot *slot, int64_t bits, int64_t cell)
{
    bool wide = slot->process->arch == ABI_X86_64;

    if (slot->high && wide)
        return (int64_t)((uint64_t)bits << 48 | ((uint64_t)slot->low & 0xffffffffffff));
    if (slot->high)
        return (int32_t)((uint32_t)bits << 16 | (uint32_t)slot->low);
    if (wide)
        return cell << 16 >> 16 == bits ? cell : bits;
    return (cell & 0xffff) == bits ? cell : (int16_t)bits;
}

void life_next(struct slot *slot)
{
    while (!slot->working && slot->trustee && slot->first) {
        struct call *call = slot->first;

        slot->first = call->next;
        if (!slot->first)
            slot->last = NULL;
        if (call->origin == FROM_GATE)
            slot->queued = false;
        life_post(slot, call);
    }
}

void life_release(struct slot *slot)
{
    slot->call = NULL;
    slot_done(slot);
    life_next(slot);
}

void life_fail(struct slot *slot, int64_t error)
{
    while (slot->first) {
        struct call *call = slot->first;

        slot->first = call->next;
        if (!slot->first)
            slot->last = NULL;
        life_outcome(call, error);
    }
    slot->queued = false;
}

bool life_progress(struct slot *slot, bool hint)
{
    int64_t bits, result, cell;
    struct call *call = slot->call;
    bool settled;

    if (!slot->working || (call && birth_waits(call)) || (hint && !mailbox_hint(&slot->space->mailbox, slot->i, slot->seq)))
        return false;
    if (!mailbox_evidence(slot->process->arch, slot->trustee, slot->seq, &bits))
        return false;
    settled = life_cell(slot);
    cell = mailbox_result(&slot->space->mailbox, slot->i);    /* once: the program can change it between two looks */
    if (life_ask_high(slot, bits, settled, cell))
        return true;
    result = life_result(slot, bits, cell);
    slot->high = false;
    if (call && call->birth) {
        if (birth_cloned(call, result))
            life_release(slot);
        return true;
    }
    slot_done(slot);
    if (!call || !life_finish(slot, call, result))
        life_next(slot);
    return true;
}

bool life_waiting(const struct slot *slot)
{
    return slot->working && ((slot->call && !slot->call->answered) || slot->first);
}
