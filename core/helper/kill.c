/*
 * kill: the policy ends the calling process, or the whole sandbox.
 *
 * Runs in the helper. Believes the kernel's /proc for what a signal would do: a program that handles, ignores or blocks the signal that the
 * policy chose gets SIGKILL, since a verdict is no advice. The call that led here gets no answer but where its thread needs one to die. Test: t/31-live-policy.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/call_private.h"
#include "core/helper/tree.h"

/* Whether a thread's status names the signal in one of its masks (proc(5)). */
static bool kill_masked(const char *status, const char *mask, int signal)
{
    const char *line = strstr(status, mask);
    unsigned long long bits = 0;

    return !line || sscanf(line + strlen(mask), "%llx", &bits) != 1 || bits >> (signal - 1) & 1;
}

/* Whether the signal's default action is to end a process, signal(7). */
static bool kill_ends(int signal)
{
    static const int mild[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

    for (size_t i = 0; i < sizeof mild / sizeof *mild; i++)
        if (mild[i] == signal)
            return false;
    return true;
}

static bool kill_is_deadly(pid_t tid, int signal)
{
    char path[64], status[4096];
    int fd;
    ssize_t n;

    if (signal == SIGKILL)
        return true;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, status, sizeof status - 1);
    close(fd);
    status[n > 0 ? n : 0] = '\0';
    return kill_ends(signal) && !kill_masked(status, "SigBlk:", signal) && !kill_masked(status, "SigIgn:", signal) && !kill_masked(status, "SigCgt:", signal);
}

/* Returns the signal that was sent. */
static int kill_process(pid_t pid, pid_t tid, int signal)
{
    if (!kill_is_deadly(tid, signal))
        signal = SIGKILL;
    kill(pid, signal);
    return signal;
}

/* The others die of SIGKILL; the first process, whose end is nurse's exit status, as the offender does. */
static void kill_others(struct sandbox *sandbox, pid_t offender, int signal)
{
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct process *process = sandbox->process[i]; process; process = process->next)
            if (process->pid != offender && process->pid != sandbox->first)
                kill(process->pid, SIGKILL);
    if (offender != sandbox->first)
        kill_process(sandbox->first, sandbox->first, signal);
}

void kill_by_verdict(struct call *call, const struct verdict *verdict)
{
    int signal = verdict->signal ? verdict->signal : SIGKILL;
    struct process *process = call->process;

    say_notice("%s: killed by the policy with %s%s%s%s%s", call->row->name, abi_signal_name(signal), verdict->rule ? " at " : "",
               verdict->rule ? verdict->rule : "", verdict->why ? ": " : "", verdict->why ? verdict->why : "");
    process->sandbox->killed = true;
    int sent = kill_process(process->pid, call->tid, signal);
    if (verdict->kind == VERDICT_KILL)
        kill_others(process->sandbox, process->pid, signal);
    if (sent != SIGKILL && call->origin == FROM_NOTIFICATION)    /* a signal that dumps core doesn't wake who waits for an answer */
        notify_value(process->sandbox, call->id, -EPERM);
    call_free(call);
}
