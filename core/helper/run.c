/*
 * run: see run.h. The event loop: look at the request windows while it pays, sleep in poll(2) when it does not.
 *
 * Runs in the helper, its only thread. Spinning is bounded and adaptive: every request that arrives while the helper looks makes the next look
 * longer, every look in vain makes it shorter, and on a machine with one CPU there is none. Before the helper sleeps it says so in
 * the order window (gates then go to the kernel, which wakes it) and looks once more, so that no request is lost between the two.
 */
#include "core/helper/run.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/birth.h"
#include "core/helper/call_private.h"
#include "core/helper/cpu.h"
#include "core/helper/exec.h"
#include "core/helper/spawn.h"
#include "core/helper/tree.h"

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

#define END_NS 5000000000ll         /* how long what was killed may take to be gone */
#define MILLISECOND 1000000

enum {
    LOOKS_BETWEEN_POLLS = 64,       /* looks at the windows (about 10 ns each) between two looks at descriptors */
    SPIN_MIN_NS = 80000,            /* how long to look before sleeping: longer than waking an idle CPU takes, */
    SPIN_MAX_NS = 300000,           /* so that two who wake each other come to look at each other */
    IDLE_NS = 20000000,             /* a sleep so long ends what was learned about CPUs */
    AT_ONCE_NS = 10000,             /* a call that comes so soon after a vain look was kept waiting by it */
    QUIET_EXECS = 32,               /* wakes after an exec */
    VAIN_LOOKS = 8, QUIET_WAKES = 256,    /* after so many looks in vain it pays for so many calls not to look */
    END_LOOK = 20,                  /* milliseconds */
    GATE_SPINS = 400,               /* how often a gate looks before it lets go: about 20 us */
};

enum {
    STRICT_LOOK = 100,    /* milliseconds between looks whether the thread of a strict program still lives */
    BIRTH_LOOK = 20,      /* and whether somebody who has been born and has not said so does */
};

enum { POLL_LISTENER, POLL_SIGNALS, POLL_ENDS, POLL_BELL, POLLS };

struct loop {
    struct sandbox *sandbox;
    struct pollfd fds[POLLS];
    struct seccomp_notif *notif;
    size_t notif_size;
    int64_t spin;                   /* nanoseconds to look before sleeping */
    cpu_set_t cpus;                 /* that the sandbox may use */
    int cpu;                        /* where the helper was when it placed the trustee */
    pid_t placed;                   /* that trustee */
    bool apart;                     /* the trustee keeps off that CPU; else it keeps on it */
    int vain_looks;                 /* looks in a row that found nothing */
    int quiet;                      /* wakes left until it looks again */
    bool moved;                     /* the helper keeps off one CPU */
    bool over;
    int status;                     /* of the first process */
    bool thread_over;               /* strict: the program's thread has ended, with this: */
    int thread_status;
};

static int64_t run_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* A report from the trustee's page, where no untrustee can call. */
static void run_trustee_report(struct sandbox *sandbox, uint64_t id, pid_t tid, const uint64_t args[6])
{
    struct process *process;

    switch (args[0]) {
    case REPORT_RING:
        notify_value(sandbox, id, 0);
        break;
    case REPORT_BORN:
        birth_born(sandbox, id, tid, args[1], (pid_t)args[2]);
        break;
    default:
        process = tree_process(sandbox, tid);
        if (process && process->phase == PHASE_BOOT && !process->exec)
            notify_value(sandbox, id, mailbox_windows(&process->space->mailbox));
        else if (process)
            exec_booted(process, id);
        break;
    }
}

static void run_report(struct thread *thread, uint64_t id, const uint64_t args[6])
{
    switch (args[0]) {
    case REPORT_CAUGHT:
        birth_caught(thread, id, args[1]);
        break;
    case REPORT_MADE:
        birth_told(thread, id, args[1], args[2]);
        break;
    case REPORT_OTHER:
        birth_astray(thread);
        notify_value(thread->process->sandbox, id, 0);
        break;
    case REPORT_THREAD:
        life_stranger(thread, id, args[1]);
        break;
    default:
        spawn_report(thread->process, id, args);
        break;
    }
}

/* Whether the thread will be sent to the catch for it, again and again. */
static bool run_hears(const struct sandbox *sandbox, const struct route_entry *entry)
{
    const struct judge *judge = sandbox->judge;

    return entry->route == ROUTE_NOTIFY && entry->row && route_returns(entry->row) && judge->hears && judge->hears(judge->self, entry->row);
}

/* A call of the program's. */
static void run_call(struct thread *thread, const struct seccomp_notif *notif, enum abi_arch arch, const uint64_t args[6])
{
    struct process *process = thread->process;
    struct sandbox *sandbox = process->sandbox;
    uint64_t nr = (uint32_t)notif->data.nr, ip = notif->data.instruction_pointer;
    const struct route_entry *entry = route_entry(&sandbox->routes, arch, nr);
    sandbox->executes |= entry->row && strncmp(entry->row->name, "exec", 4) == 0;
    if (thread->birth && birth_makes(thread, nr, args, ip)) {
        notify_continue(sandbox, notif->id);
        return;
    }
    bool repeats = route_repeats(entry);

    if (sandbox->options->gate == GATE_AUTO ? repeats || run_hears(sandbox, entry) : sandbox->options->gate == GATE_OFF && entry->row && entry->row->where == ABI_PROCESS)
        sites_learn(process, thread->tid, ip, nr, entry->route != ROUTE_MAILBOX, repeats || sandbox->options->gate == GATE_OFF);
    if (thread->slot && entry->route == ROUTE_MAILBOX)
        slot_watch(thread->slot);
    life_notification(thread, notif->id, arch, nr, args, ip);
}

static void run_notification(struct sandbox *sandbox, const struct seccomp_notif *notif)
{
    enum abi_arch arch = notif->data.arch == 0xc000003e /* AUDIT_ARCH_X86_64 */ ? ABI_X86_64 : ABI_I386;
    uint64_t nr = (uint32_t)notif->data.nr, args[6], page = sandbox->base[arch] + STUB_TRUSTEE;
    pid_t tid = (pid_t)notif->pid;
    struct thread *thread;

    for (int i = 0; i < 6; i++)
        args[i] = notif->data.args[i];
    if (nr == NURSE_CALL && notif->data.instruction_pointer > page && notif->data.instruction_pointer <= page + 0x1000) {
        run_trustee_report(sandbox, notif->id, tid, args);
        return;
    }
    thread = tree_thread(sandbox, tid);
    if (!thread)
        kill(tid, SIGKILL);    /* a task of this filter that nobody has heard of */
    else if (nr == NURSE_CALL)
        run_report(thread, notif->id, args);
    else if (thread->process->phase == PHASE_BOOT)
        notify_continue(sandbox, notif->id);
    else if (arch != thread->process->arch)
        notify_value(sandbox, notif->id, -EPERM);
    else if (thread->process->phase == PHASE_LOAD)
        spawn_load_call(thread->process, notif->id, arch, nr, args);
    else
        run_call(thread, notif, arch, args);
}

/* Take one notification; a thread that was killed in the meantime leaves none behind (ENOENT). */
static void run_listener(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;

    memset(loop->notif, 0, loop->notif_size);
    if (ioctl(sandbox->listener, SECCOMP_IOCTL_NOTIF_RECV, loop->notif) == 0)
        run_notification(sandbox, loop->notif);
}

/* What has ended a process, as of waitpid(2); -1 when the kernel doesn't tell. */
static int run_end_status(const struct process *process)
{
    char path[64], text[1024] = "";
    int status = -1, fd;

    if (waitpid(process->pid, &status, WNOHANG) == process->pid)    /* the first, or an orphan that came to us */
        return status;
    snprintf(path, sizeof path, "/proc/%d/stat", process->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (read(fd, text, sizeof text - 1) <= 0 || !strrchr(text, ' ') || sscanf(strrchr(text, ' '), "%d", &status) != 1)
        status = -1;
    close(fd);
    return status;
}

static void run_tell(struct sandbox *sandbox, const struct process *process, const char *name, int status, int signal)
{
    sandbox->judge->event(sandbox->judge->self, &(struct judge_event){
        .name = name, .pid = process->pid, .parent = process->parent ? process->parent->pid : 0, .exe = process->program->exe, .status = status, .signal = signal });
}

/* Take note of processes that have ended. */
static void run_ends(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;
    struct epoll_event events[16];
    int count = epoll_wait(sandbox->ends, events, sizeof events / sizeof *events, 0);

    for (int i = 0; i < count; i++) {
        struct process *process = events[i].data.ptr;
        int status;

        cpu_ended(process);    /* before anybody here waits for it */
        status = run_end_status(process);

        if (process->pid == sandbox->first) {
            loop->over = true;
            loop->status = loop->thread_over ? loop->thread_status : status;
            status = loop->status;
        }
        if (status != -1 && WIFSIGNALED(status))
            run_tell(sandbox, process, "signal", -1, WTERMSIG(status));
        run_tell(sandbox, process, "exit", status, 0);
        tree_remove(process);
    }
}

/* Stop as the program did: the signal is what a shell will tell of the job. */
static void run_stop(int signal)
{
    sigset_t just, before;

    sigemptyset(&just);
    sigaddset(&just, signal);
    raise(signal);
    sigprocmask(SIG_UNBLOCK, &just, &before);    /* here it happens, and here it ends */
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Job control: when the program stops, so does the helper, for the shell that waits for it; and both go on together. */
static void run_child(struct sandbox *sandbox)
{
    siginfo_t info = { 0 };

    while (waitid(P_PID, (id_t)sandbox->first, &info, WSTOPPED | WCONTINUED | WNOHANG) == 0 && info.si_pid == sandbox->first) {
        if (info.si_code == CLD_STOPPED && getpgid(sandbox->first) == getpgrp()) {
            run_stop(info.si_status);
            kill(sandbox->first, SIGCONT);
        }
        info.si_pid = 0;
    }
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid && !tree_process(sandbox, info.si_pid)) {
        waitpid(info.si_pid, NULL, WNOHANG);    /* an orphan that has been noted already */
        info.si_pid = 0;
    }
}

static void run_pass_on(struct sandbox *sandbox, int signal)
{
    const struct process *first = tree_process(sandbox, sandbox->first);

    kill(sandbox->first, signal);
    if (first)
        run_tell(sandbox, first, "signal", -1, signal);
}

/* INT and QUIT come from the terminal and have reached the program as well; TERM and HUP were meant for it. */
static void run_signal(struct sandbox *sandbox)
{
    struct signalfd_siginfo info;

    if (read(sandbox->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
        run_pass_on(sandbox, (int)info.ssi_signo);
    else if (info.ssi_signo == SIGCHLD)
        run_child(sandbox);
}

/* strict: somebody has rung. What for is seen in the windows. */
static void run_bell(int bell)
{
    char bytes[64];

    while (read(bell, bytes, sizeof bytes) > 0)
        continue;
}

/* strict: the kernel ends the program's thread, not the process, whose trustee lives; no descriptor tells. Ends the rest when it is so, and
 * keeps what the thread ended with, as waitpid(2) would have it. */
static void run_thread(struct loop *loop)
{
    char path[64], text[1024] = "";
    const char *state;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", loop->sandbox->first);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0) {
        state = strrchr(text, ')');    /* "PID (COMM) STATE ... EXIT_CODE" */
        if (state && state[2] == 'Z' && sscanf(strrchr(text, ' '), "%d", &loop->thread_status) == 1) {
            loop->thread_over = true;
            kill(loop->sandbox->first, SIGKILL);
        }
    }
    close(fd);
}

/* Look at all descriptors, for at most `timeout` milliseconds. True when one had something. */
static bool run_poll(struct loop *loop, int timeout)
{
    if (poll(loop->fds, POLLS, timeout) <= 0)
        return false;
    if (loop->fds[POLL_LISTENER].revents & POLLIN)
        run_listener(loop);
    else if (loop->fds[POLL_LISTENER].revents)
        loop->fds[POLL_LISTENER].fd = -1;    /* the last task of the filter is gone */
    if (loop->fds[POLL_SIGNALS].revents)
        run_signal(loop->sandbox);
    if (loop->fds[POLL_BELL].revents)
        run_bell(loop->fds[POLL_BELL].fd);
    if (loop->fds[POLL_ENDS].revents)
        run_ends(loop);
    return true;
}

/* Look at the windows. True when there was work. */
static bool run_windows(struct sandbox *sandbox, bool hint)
{
    struct mailbox_posted posted;

    for (struct slot *slot = sandbox->working, *next; slot; slot = next) {
        next = slot->next_working;
        if (life_progress(slot, hint))
            return true;    /* the list may be another one now */
    }
    for (int i = 0; i < WATCHED_MAX && sandbox->watched[i]; i++) {
        struct slot *slot = sandbox->watched[i];

        if (!slot->queued && mailbox_take(&slot->space->mailbox, slot->i, &posted)) {
            life_gate(slot, &posted);
            return true;
        }
    }
    return false;
}

/* Where the trustee runs: a helper that looks shares its CPU with nobody, one that sleeps and is woken takes turns with the others on one. */
static void run_place(struct loop *loop, bool apart)
{
    int cpu = sched_getcpu();
    cpu_set_t place = loop->cpus;
    const struct slot *slot = loop->sandbox->watched[0];
    pid_t trustee = slot ? slot->trustee : 0;

    if (cpu < 0 || !trustee || (cpu == loop->cpu && apart == loop->apart && trustee == loop->placed))
        return;
    loop->cpu = cpu;
    loop->apart = apart;
    loop->placed = trustee;
    if (apart) {
        CPU_CLR(cpu, &place);
    } else {
        CPU_ZERO(&place);
        CPU_SET(cpu, &place);
    }
    sched_setaffinity(trustee, sizeof place, &place);
}

/* A call that comes the moment the helper stops looking has been waiting for its CPU: go to another. (The scheduler would keep a caller and its
 * helper together, which is right for those that take turns, and wrong for those that look at each other.) */
static void run_move(struct loop *loop, int64_t slept)
{
    cpu_set_t others = loop->cpus;

    if (loop->vain_looks && !loop->quiet && slept < AT_ONCE_NS && loop->cpu >= 0) {
        CPU_CLR(loop->cpu, &others);
        loop->moved = sched_setaffinity(0, sizeof others, &others) == 0;
    } else if (loop->moved && slept > IDLE_NS) {    /* a quiet moment: let the scheduler choose again */
        loop->moved = sched_setaffinity(0, sizeof loop->cpus, &loop->cpus) != 0;
    }
}

/* Tell the gates that are watched whether it pays to post. */
static void run_awake(const struct sandbox *sandbox, bool awake)
{
    for (int i = 0; i < WATCHED_MAX && sandbox->watched[i]; i++)
        mailbox_awake(&sandbox->watched[i]->space->mailbox, sandbox->watched[i]->i, awake, awake ? GATE_SPINS : 0);
}

/* Look for work for as long as it lately paid. True when some was found. */
static bool run_spin(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;

    run_place(loop, true);
    run_awake(sandbox, true);
    for (int64_t end = run_clock() + loop->spin; run_clock() < end;) {
        for (int i = 0; i < LOOKS_BETWEEN_POLLS; i++) {
            if (run_windows(sandbox, true))
                return true;
            __builtin_ia32_pause();
        }
        if (run_poll(loop, 0))
            return true;
    }
    return false;
}

/* Trustees at work wake the gates that wait for them, and ring for the helper where it waits itself. */
static void run_ring(struct loop *loop)
{
    for (struct slot *slot = loop->sandbox->working; slot; slot = slot->next_working) {
        mailbox_patience(&slot->space->mailbox, slot->i);
        if (life_waiting(slot)) {
            run_place(loop, false);
            mailbox_ring(&slot->space->mailbox, slot->i, true);
            slot->rings = true;
        }
    }
}

static void run_quiet(const struct sandbox *sandbox)
{
    for (struct slot *slot = sandbox->working; slot; slot = slot->next_working)
        if (slot->rings) {
            mailbox_ring(&slot->space->mailbox, slot->i, false);
            slot->rings = false;
        }
}

/* How long poll(2) may sleep, in milliseconds; -1: until something happens. */
static int run_patience(const struct sandbox *sandbox)
{
    int64_t due = sandbox->judge->wish->due, left;
    int most = sandbox->options->mode == SECCOMP_STRICT ? STRICT_LOOK : birth_pending() ? BIRTH_LOOK : -1;

    if (due == INT64_MAX)
        return most;
    left = due - run_clock();
    if (left <= 0)
        return 0;
    left = (left + MILLISECOND - 1) / MILLISECOND;    /* late rather than early: early would find nothing due */
    if (left > INT_MAX)
        left = INT_MAX;
    return most < 0 || left < most ? (int)left : most;
}

static void run_sleep(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;
    bool strict = sandbox->options->mode == SECCOMP_STRICT;

    run_awake(sandbox, false);
    run_ring(loop);
    if (!run_windows(sandbox, false)) {
        int64_t start = run_clock();

        if (!run_poll(loop, run_patience(sandbox))) {
            if (strict)
                run_thread(loop);
            birth_check();
        }
        run_move(loop, run_clock() - start);
    }
    run_quiet(sandbox);
}

/* A helper that sleeps between calls is best woken on the caller's CPU, where it runs at once; one that looks must keep its own. */
static void run_together(const struct sandbox *sandbox, bool together)
{
    if (sandbox->listener >= 0)
        ioctl(sandbox->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, together ? SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP : 0);
}

/* Where looking does not pay (calls are rare, or others want the CPUs), leave it for a while. True when the helper shall look now. */
static bool run_looks(struct loop *loop)
{
    if (!loop->sandbox->may_spin || !loop->sandbox->watched[0])
        return false;
    if (loop->sandbox->executes) {    /* a program that starts needs the CPU more than we do */
        loop->sandbox->executes = false;
        if (loop->quiet == 0)
            run_together(loop->sandbox, true);
        if (loop->placed)
            sched_setaffinity(loop->placed, sizeof loop->cpus, &loop->cpus);
        loop->placed = 0;
        loop->quiet = QUIET_EXECS;
    } else if (loop->quiet == 0 && loop->vain_looks >= VAIN_LOOKS) {
        loop->quiet = QUIET_WAKES;
        run_together(loop->sandbox, true);
    } else if (loop->quiet > 0 && --loop->quiet == 0) {
        loop->vain_looks = 0;
        run_together(loop->sandbox, false);
    }
    return loop->quiet == 0;
}

/* The policy's timers. True when one was due; while there is none, time isn't even looked at. */
static bool run_timers(const struct judge *judge)
{
    if (judge->wish->due == INT64_MAX || run_clock() < judge->wish->due)
        return false;
    judge->tick(judge->self);
    return true;
}

static void run_loop(struct loop *loop)
{
    const struct judge *judge = loop->sandbox->judge;

    while (!loop->over && !judge->wish->stop) {
        bool looks;

        if (run_timers(judge))
            continue;
        looks = run_looks(loop);

        if (looks && run_spin(loop)) {
            loop->spin = loop->spin * 2 < SPIN_MAX_NS ? loop->spin * 2 : SPIN_MAX_NS;
            loop->vain_looks = 0;
            continue;
        }
        loop->spin = loop->spin / 2 > SPIN_MIN_NS ? loop->spin / 2 : SPIN_MIN_NS;
        loop->vain_looks += looks;
        run_sleep(loop);
        run_windows(loop->sandbox, false);    /* a trustee that rang is believed only on evidence */
    }
}

static int run_prepare(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;
    struct seccomp_notif_sizes sizes;
    sigset_t mask;

    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
        return -errno;
    loop->notif_size = sizes.seccomp_notif > sizeof *loop->notif ? sizes.seccomp_notif : sizeof *loop->notif;
    loop->notif = calloc(1, loop->notif_size);
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGQUIT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGCHLD);
    sandbox->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (!loop->notif || sandbox->signals < 0)
        return -ENOMEM;
    run_together(sandbox, !sandbox->may_spin);
    loop->fds[POLL_LISTENER] = (struct pollfd){ .fd = sandbox->listener, .events = POLLIN };
    loop->fds[POLL_SIGNALS] = (struct pollfd){ .fd = sandbox->signals, .events = POLLIN };
    loop->fds[POLL_BELL] = (struct pollfd){ .fd = tree_process(sandbox, sandbox->first)->space->mailbox.bell, .events = POLLIN };
    loop->fds[POLL_ENDS] = (struct pollfd){ .fd = sandbox->ends, .events = POLLIN };
    loop->spin = SPIN_MIN_NS;
    return 0;
}

/* The first process is over, or the policy wants an end: nobody outlives it. */
static void run_end(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;
    int64_t end = run_clock() + END_NS;

    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct process *process = sandbox->process[i]; process; process = process->next)
            kill(process->pid, SIGKILL);
    while (sandbox->process_count && run_clock() < end) {
        poll(&loop->fds[POLL_ENDS], 1, END_LOOK);
        run_ends(loop);
        while (waitpid(-1, NULL, WNOHANG) > 0)    /* orphans have come to us */
            continue;
    }
    if (sandbox->process_count)
        say("%d processes of the sandbox don't end", sandbox->process_count);
}

/* The program's end as nurse's exit status. */
static int run_status(const struct loop *loop)
{
    const struct sandbox *sandbox = loop->sandbox;
    const struct judge_wish *wish = sandbox->judge->wish;
    int status = loop->status;

    if (wish->stop) {
        say("%s", wish->why);
        return wish->status;
    }
    if (sandbox->said)
        return sandbox->said;
    if (status < 0)
        return EXIT_NURSE;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (WTERMSIG(status) == SIGKILL && sandbox->options->mode == SECCOMP_STRICT && !sandbox->killed)
        say("%s: killed by SIGKILL: under strict seccomp that is the answer to a system call that missed the gate", sandbox->program->path);
    if (WTERMSIG(status) == SIGSYS && !sandbox->killed)
        say("%s: killed by SIGSYS: a system call of a foreign ABI, or one made from nurse's own code", sandbox->program->path);
    return 128 + WTERMSIG(status);
}

/* What the machine can do: see struct sandbox. */
static void run_machine(struct loop *loop)
{
    enum { OSXSAVE = 1 << 27, STATES = 0x2e7 /* x87, SSE, AVX, AVX-512, protection keys */, HWCAP2_FSGSBASE = 2 };
    struct sandbox *sandbox = loop->sandbox;
    unsigned a, b, c, d, high;

    sandbox->may_spin = sched_getaffinity(0, sizeof loop->cpus, &loop->cpus) == 0 && CPU_COUNT(&loop->cpus) > 1 && sandbox->options->gate != GATE_OFF;
    sandbox->has_fsgsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
    if (__get_cpuid(1, &a, &b, &c, &d) && c & OSXSAVE) {
        __asm__ volatile("xgetbv" : "=a"(sandbox->xsave), "=d"(high) : "c"(0));
        sandbox->xsave &= STATES;
    }
}

/* Descriptors for all processes and pins: as many as the helper may have. The program gets the limit that nurse got. */
static void run_descriptors(struct sandbox *sandbox)
{
    struct rlimit most;

    getrlimit(RLIMIT_NOFILE, &sandbox->limit);
    most = (struct rlimit){ sandbox->limit.rlim_max, sandbox->limit.rlim_max };
    setrlimit(RLIMIT_NOFILE, &most);
}

/* The child died before it became a sandbox: by somebody's signal, or for a reason that it could tell nobody. */
static int run_stillborn(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        return 128 + WTERMSIG(status);
    say("the sandbox can't be started: its first process ended at once");
    return EXIT_NURSE;
}

int run_program(const struct run_options *options, const struct judge *judge, struct program *program)
{
    static struct sandbox sandbox;
    struct loop loop = { .sandbox = &sandbox, .cpu = -1, .status = -1 };
    int error;

    sandbox = (struct sandbox){ .options = options, .judge = judge, .program = program, .listener = -1, .signals = -1, .image_fd = { -1, -1 },
                                .gate_fd = -1, .ends = epoll_create1(EPOLL_CLOEXEC) };
    run_machine(&loop);
    run_descriptors(&sandbox);
    prctl(PR_SET_CHILD_SUBREAPER, 1);    /* orphans come to the helper, and end with it */
    cpu_begin(&sandbox);
    error = spawn_start(&sandbox);
    if (error == -ECHILD)
        return run_stillborn(sandbox.first);
    if (error)
        return EXIT_NURSE;
    if (run_prepare(&loop) == 0) {
        run_loop(&loop);
    } else {
        say("the sandbox can't be served: %s", strerror(errno));
        sandbox.said = EXIT_NURSE;
    }
    run_end(&loop);
    free(loop.notif);
    close(sandbox.listener);
    close(sandbox.signals);
    close(sandbox.ends);
    return run_status(&loop);
}
