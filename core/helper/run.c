/*
 * run: see run.h. The event loop: look at the request windows while it pays, sleep in poll(2) when it does not.
 *
 * Runs in the helper, its only thread. Spinning is bounded and adaptive: every request that arrives while the helper looks makes the next look
 * longer, every look in vain makes it shorter, and on a machine with one CPU there is none. Before the helper sleeps it says so in
 * the order window (gates then go to the kernel, which wakes it) and looks once more, so that no request is lost between the two.
 */
#include "core/helper/run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/call_private.h"
#include "core/helper/spawn.h"

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

enum {
    LOOKS_BETWEEN_POLLS = 64,       /* looks at the windows (about 10 ns each) between two looks at descriptors */
    SPIN_MIN_NS = 80000,            /* how long to look before sleeping: longer than waking an idle CPU takes, */
    SPIN_MAX_NS = 300000,           /* so that two who wake each other come to look at each other */
    IDLE_NS = 20000000,             /* a sleep so long ends what was learned about CPUs */
    AT_ONCE_NS = 10000,             /* a call that comes so soon after a vain look was kept waiting by it */
    VAIN_LOOKS = 8, QUIET_WAKES = 256,    /* after so many looks in vain it pays for so many calls not to look */
    GATE_SPINS = 400,               /* how often a gate looks before it lets go: about 20 us */
};

enum { STRICT_LOOK = 100 };    /* milliseconds between looks whether the thread of a strict program still lives */

enum { POLL_LISTENER, POLL_SIGNALS, POLL_EXIT, POLL_BELL, POLLS };

struct loop {
    struct sandbox *sandbox;
    struct pollfd fds[POLLS];
    struct seccomp_notif *notif;
    size_t notif_size;
    int64_t spin;                   /* nanoseconds to look before sleeping */
    cpu_set_t cpus;                 /* that the sandbox may use */
    int cpu;                        /* where the helper was when it placed the trustee */
    bool apart;                     /* the trustee keeps off that CPU; else it keeps on it */
    int vain_looks;                 /* looks in a row that found nothing */
    int quiet;                      /* wakes left until it looks again */
    bool moved;                     /* the helper keeps off one CPU */
    bool over;
    bool thread_over;               /* strict: the program's thread has ended, with this: */
    int thread_status;
};

static int64_t run_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Whether tid is a thread of the process: asked of the kernel without sending anything. */
static bool run_owns(const struct process *process, pid_t tid)
{
    return tid == process->pid || tid == process->slot.trustee || syscall(SYS_tgkill, process->pid, tid, 0) == 0;
}

static void run_notification(struct sandbox *sandbox, const struct seccomp_notif *notif)
{
    struct process *process = &sandbox->process;
    enum abi_arch arch = notif->data.arch == 0xc000003e /* AUDIT_ARCH_X86_64 */ ? ABI_X86_64 : ABI_I386;
    uint64_t nr = (uint32_t)notif->data.nr, args[6];
    pid_t tid = (pid_t)notif->pid;

    for (int i = 0; i < 6; i++)
        args[i] = notif->data.args[i];
    if (nr == NURSE_CALL && run_owns(process, tid)) {
        spawn_report(process, notif->id, tid, args);
    } else if (process->phase == PHASE_BOOT) {
        notify_continue(sandbox, notif->id);
    } else if (arch != process->arch || !run_owns(process, tid)) {
        notify_value(sandbox, notif->id, -EPERM);
    } else if (process->phase == PHASE_LOAD) {
        spawn_load_call(process, notif->id, arch, nr, args);
    } else {
        if (sandbox->options->gate == GATE_AUTO && route_entry(&sandbox->routes, arch, nr)->route == ROUTE_MAILBOX)
            sites_learn(process, notif->data.instruction_pointer, nr);
        life_notification(process, notif->id, tid, arch, nr, args, notif->data.instruction_pointer);
    }
}

/* Take one notification; a thread that was killed in the meantime leaves none behind (ENOENT). */
static void run_listener(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;

    memset(loop->notif, 0, loop->notif_size);
    if (ioctl(sandbox->listener, SECCOMP_IOCTL_NOTIF_RECV, loop->notif) == 0)
        run_notification(sandbox, loop->notif);
}

/* INT and QUIT come from the terminal and have reached the program as well; TERM and HUP were meant for it. */
static void run_signal(struct sandbox *sandbox)
{
    struct signalfd_siginfo info;

    if (read(sandbox->signals, &info, sizeof info) == sizeof info && (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP))
        kill(sandbox->process.pid, (int)info.ssi_signo);
}

/* strict: somebody has rung. What for is seen in the windows. */
static void run_bell(struct process *process)
{
    char bytes[64];

    while (read(process->mailbox.bell, bytes, sizeof bytes) > 0)
        continue;
}

/* strict: the kernel ends the program's thread, not the process, whose trustee lives; no descriptor tells. Ends the rest when it is so, and
 * keeps what the thread ended with, as waitpid(2) would have it. */
static void run_thread(struct loop *loop)
{
    char path[64], text[1024] = "";
    const char *state;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", loop->sandbox->process.pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0) {
        state = strrchr(text, ')');    /* "PID (COMM) STATE ... EXIT_CODE" */
        if (state && state[2] == 'Z' && sscanf(strrchr(text, ' '), "%d", &loop->thread_status) == 1) {
            loop->thread_over = loop->over = true;
            kill(loop->sandbox->process.pid, SIGKILL);
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
        run_bell(&loop->sandbox->process);
    if (loop->fds[POLL_EXIT].revents)
        loop->over = true;
    return true;
}

/* Look at the windows. True when there was work. */
static bool run_windows(struct process *process, bool hint)
{
    struct mailbox_posted posted;
    bool worked = life_progress(&process->slot, hint);

    if ((process->phase == PHASE_RUN || process->strict) && !process->slot.queued && mailbox_take(&process->mailbox, process->slot.i, &posted)) {
        life_gate(process, &posted);
        worked = true;
    }
    return worked;
}

/* Where the trustee runs: a helper that looks shares its CPU with nobody, one that sleeps and is woken takes turns with the others on one. */
static void run_place(struct loop *loop, bool apart)
{
    int cpu = sched_getcpu();
    cpu_set_t place = loop->cpus;

    if (cpu < 0 || (cpu == loop->cpu && apart == loop->apart))
        return;
    loop->cpu = cpu;
    loop->apart = apart;
    if (apart) {
        CPU_CLR(cpu, &place);
    } else {
        CPU_ZERO(&place);
        CPU_SET(cpu, &place);
    }
    sched_setaffinity(loop->sandbox->process.slot.trustee, sizeof place, &place);
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

/* Look for work for as long as it lately paid. True when some was found. */
static bool run_spin(struct loop *loop)
{
    struct process *process = &loop->sandbox->process;

    run_place(loop, true);
    mailbox_awake(&process->mailbox, true, GATE_SPINS);
    for (int64_t end = run_clock() + loop->spin; run_clock() < end;) {
        for (int i = 0; i < LOOKS_BETWEEN_POLLS; i++) {
            if (run_windows(process, true))
                return true;
            __builtin_ia32_pause();
        }
        if (run_poll(loop, 0))
            return true;
    }
    return false;
}

static void run_sleep(struct loop *loop)
{
    struct process *process = &loop->sandbox->process;

    mailbox_awake(&process->mailbox, false, 0);
    if (process->slot.working)
        mailbox_patience(&process->mailbox, process->slot.i);
    if (life_waiting(&process->slot)) {
        run_place(loop, false);
        mailbox_ring(&process->mailbox, true);
    }
    if (!run_windows(process, false)) {
        int64_t start = run_clock();

        if (!run_poll(loop, process->strict ? STRICT_LOOK : -1))
            run_thread(loop);
        run_move(loop, run_clock() - start);
    }
    mailbox_ring(&process->mailbox, false);
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
    if (!loop->sandbox->may_spin || loop->sandbox->process.phase != PHASE_RUN)
        return false;
    if (loop->quiet == 0 && loop->vain_looks >= VAIN_LOOKS) {
        loop->quiet = QUIET_WAKES;
        run_together(loop->sandbox, true);
    } else if (loop->quiet > 0 && --loop->quiet == 0) {
        loop->vain_looks = 0;
        run_together(loop->sandbox, false);
    }
    return loop->quiet == 0;
}

static void run_loop(struct loop *loop)
{
    while (!loop->over) {
        bool looks = run_looks(loop);

        if (looks && run_spin(loop)) {
            loop->spin = loop->spin * 2 < SPIN_MAX_NS ? loop->spin * 2 : SPIN_MAX_NS;
            loop->vain_looks = 0;
            continue;
        }
        loop->spin = loop->spin / 2 > SPIN_MIN_NS ? loop->spin / 2 : SPIN_MIN_NS;
        loop->vain_looks += looks;
        run_sleep(loop);
        run_windows(&loop->sandbox->process, false);    /* a trustee that rang is believed only on evidence */
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
    sandbox->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    sandbox->pidfd = (int)syscall(SYS_pidfd_open, sandbox->process.pid, 0);
    if (!loop->notif || sandbox->signals < 0 || sandbox->pidfd < 0)
        return -ENOMEM;
    run_together(sandbox, !sandbox->may_spin);
    loop->fds[POLL_LISTENER] = (struct pollfd){ .fd = sandbox->listener, .events = POLLIN };
    loop->fds[POLL_SIGNALS] = (struct pollfd){ .fd = sandbox->signals, .events = POLLIN };
    loop->fds[POLL_BELL] = (struct pollfd){ .fd = sandbox->process.mailbox.bell, .events = POLLIN };
    loop->fds[POLL_EXIT] = (struct pollfd){ .fd = sandbox->pidfd, .events = POLLIN };
    loop->spin = SPIN_MIN_NS;
    return 0;
}

/* The program's end as nurse's exit status. */
static int run_status(struct loop *loop)
{
    struct sandbox *sandbox = loop->sandbox;
    int status = 0;

    if (waitpid(sandbox->process.pid, &status, 0) < 0)
        return EXIT_NURSE;
    if (loop->thread_over)
        status = loop->thread_status;
    sandbox->judge->event(sandbox->judge->self, "exit", sandbox->process.pid, status);
    if (sandbox->said)
        return sandbox->said;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (WTERMSIG(status) == SIGKILL && sandbox->process.strict && !sandbox->killed)
        say("%s: killed by SIGKILL: under strict seccomp that is the answer to a system call that missed the gate", sandbox->program->path);
    if (WTERMSIG(status) == SIGSYS)
        say("%s: killed by SIGSYS: a system call of a foreign ABI, or one made from nurse's own code", sandbox->program->path);
    return 128 + WTERMSIG(status);
}

int run_program(const struct run_options *options, const struct judge *judge, struct program *program)
{
    static struct sandbox sandbox;
    struct loop loop = { .sandbox = &sandbox, .cpu = -1 };
    int status;

    sandbox = (struct sandbox){ .options = options, .judge = judge, .program = program, .listener = -1, .pidfd = -1, .signals = -1 };
    sandbox.may_spin = sched_getaffinity(0, sizeof loop.cpus, &loop.cpus) == 0 && CPU_COUNT(&loop.cpus) > 1 && options->gate != GATE_OFF;
    if (spawn_start(&sandbox) < 0) {
        spawn_release(&sandbox.process);
        return EXIT_NURSE;
    }
    if (run_prepare(&loop) == 0) {
        run_loop(&loop);
    } else {
        say("the sandbox can't be served: %s", strerror(errno));
        sandbox.said = EXIT_NURSE;
        kill(sandbox.process.pid, SIGKILL);
    }
    status = run_status(&loop);
    spawn_release(&sandbox.process);
    free(loop.notif);
    close(sandbox.listener);
    close(sandbox.signals);
    close(sandbox.pidfd);
    return status;
}
