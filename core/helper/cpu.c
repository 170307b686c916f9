/*
 * cpu: see cpu.h. Where the kernel keeps what it has counted:
 *
 *   a process, alive or a zombie     its CPU clock, to the nanosecond, ended threads included
 *   a child that was waited for      its parent's cutime and cstime, in ticks; ours: getrusage(RUSAGE_CHILDREN)
 *   a zombie                         nowhere else: its clock is kept here until somebody waits for it
 *   a child that nobody waits for    nowhere (SIGCHLD is ignored): what was seen of it last is kept here
 *
 * Runs in the helper. Believes the kernel. What is missed in the last case, and the ticks, make the sum too small. A process that ends, and whose parent
 * waits, between the looks at both is counted twice, this once.
 */
#include "core/helper/cpu.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/helper/tree.h"

#define SECOND 1000000000ll

enum { TICKS_LOST = 2 };    /* of user and of system time a part of a tick each is not shown */

struct zombie { struct zombie *next; pid_t parent; int pidfd; int64_t used; };

static struct sandbox *sandbox;
static struct zombie *zombies;
static int64_t children_before, lost;
static bool asked;

static int64_t cpu_children(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SECOND + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ll;
}

void cpu_begin(struct sandbox *of)
{
    sandbox = of;
    children_before = cpu_children();
}

static int64_t cpu_tick(void)
{
    return SECOND / sysconf(_SC_CLK_TCK);
}

/* What the process itself has used; -1 when it is gone. */
static int64_t cpu_own(const struct process *process)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(process->pid, &clock) || clock_gettime(clock, &used))
        return -1;
    return used.tv_sec * SECOND + used.tv_nsec;
}

/* What the children have used that the process has waited for; -1 when it is gone. Sets *alive unless it is a zombie. */
static int64_t cpu_waited(const struct process *process, bool *alive)
{
    char path[64], text[1024], state;
    unsigned long long user, system;
    const char *rest;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", process->pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    rest = strrchr(text, ')');    /* "PID (COMM) STATE ppid ... utime stime cutime cstime" */
    if (!rest || sscanf(rest + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &state, &user, &system) != 3)
        return -1;
    *alive = state != 'Z' && state != 'X';
    return (int64_t)(user + system) * cpu_tick();
}

/* Both; remembers what was seen. 0 when it is gone: then its time is its parent's, or a zombie's. */
static int64_t cpu_of(struct process *process)
{
    bool alive = false;
    int64_t own = cpu_own(process), waited = own < 0 ? -1 : cpu_waited(process, &alive);

    if (waited < 0)
        return 0;
    process->cpu_seen = own + waited;
    return process->cpu_seen;
}

static bool cpu_exists(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

/* A child that is gone had used as much. If its parent has waited, the children that the parent has waited for have used as much as all that are gone
 * so; else the kernel has dropped what it knew. */
static void cpu_drop(struct process *parent, int64_t used)
{
    bool alive = false;
    int64_t waited = parent ? cpu_waited(parent, &alive) : -1;

    if (waited < 0 || !alive)    /* it has become a child of ours */
        return;
    if (parent->cpu_waited + used <= waited + TICKS_LOST * cpu_tick())
        parent->cpu_waited += used;
    else
        lost += used;
}

/* Of all zombies; those that are gone by now are forgotten. */
static int64_t cpu_zombies(void)
{
    int64_t used = 0;

    for (struct zombie **link = &zombies, *zombie; (zombie = *link);) {
        if (cpu_exists(zombie->pidfd)) {
            used += zombie->used;
            link = &zombie->next;
        } else {
            *link = zombie->next;
            cpu_drop(tree_process(sandbox, zombie->parent), zombie->used);
            close(zombie->pidfd);
            free(zombie);
        }
    }
    return used;
}

int64_t cpu_used(void)
{
    int64_t used = cpu_children() - children_before;

    asked = true;
    if (!sandbox)
        return 0;
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (struct process *process = sandbox->process[i]; process; process = process->next)
            used += process->pidfd >= 0 ? cpu_of(process) : 0;    /* else it is among the zombies */
    used += cpu_zombies();    /* after their parents: who is waited for in between is counted by neither, not by both */
    return used + lost;
}

/* The zombie's descriptor becomes ours. */
static void cpu_keep(struct process *process)
{
    struct zombie *zombie = malloc(sizeof *zombie);

    if (!zombie)
        return;
    *zombie = (struct zombie){ .next = zombies, .pidfd = process->pidfd, .used = process->cpu_seen, .parent = process->parent ? process->parent->pid : 0 };
    zombies = zombie;
    epoll_ctl(sandbox->ends, EPOLL_CTL_DEL, process->pidfd, NULL);
    process->pidfd = -1;
}

void cpu_ended(struct process *process)
{
    if (!asked || process->pidfd < 0)
        return;
    if (cpu_exists(process->pidfd) && cpu_of(process) > 0)
        cpu_keep(process);
    else
        cpu_drop(process->parent, process->cpu_seen);
}
