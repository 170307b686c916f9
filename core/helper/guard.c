/*
 * guard: the keystone rules that take more than a look at registers (design, section 4), and the few answers that only the helper can give.
 *
 * Runs in the helper after the policy said allow and before anything is executed: no policy can change what is decided here. The rules
 * on memory ranges and on the helper's pid are in core/route/keystone.c and also in the kernel filter. Tests: t/52-attack-keystone.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/alone.h"
#include "core/helper/birth.h"
#include "core/helper/call_private.h"
#include "core/helper/guard.h"
#include "core/helper/memory.h"
#include "core/helper/tree.h"

enum { PASS = 0, ANSWER = 1 };

/* Whether the pinned file is a program that runs in the sandbox: to the kernel it is the stub that runs, so it would let it be written. */
static bool guard_runs(const struct call *call, const struct path_pin *pin)
{
    const struct sandbox *sandbox = call->process->sandbox;
    struct stat st;

    if (pin->fd < 0 || fstatat(pin->fd, pin->name[0] == '/' ? "" : pin->name, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return false;
    for (int i = 0; i < TREE_BUCKETS; i++)
        for (const struct process *process = sandbox->process[i]; process; process = process->next)
            if (process->program->inode == st.st_ino && process->program->device == st.st_dev)
                return true;
    return false;
}

static int guard_truncate(struct call *call, int64_t *value)
{
    *value = call_resolve(call, &call->paths[0]);
    if (!*value && guard_runs(call, &call->paths[0].pin))
        *value = -ETXTBSY;
    return *value ? ANSWER : PASS;
}

/* Rule 2: no writable way to memory behind page protections. Procfs is known by its file system; a file of it whose name a bind mount hides is
 * treated like mem. */
static int guard_open(struct call *call, int64_t *value)
{
    struct call_path *path = &call->paths[0];
    const char *canonical = path->pin.canonical, *base;
    uint64_t flags;

    *value = call_resolve(call, path);
    if (*value && *value != -ENOENT)
        return ANSWER;
    if (!call_open_flags(call, &flags)) {
        *value = -EINVAL;
        return ANSWER;
    }
    if (strncmp(canonical, "/memfd:nurse-", 13) == 0) {    /* the windows themselves, by way of /proc/PID/map_files */
        *value = -EACCES;
        return ANSWER;
    }
    if ((flags & (O_ACCMODE | O_TRUNC)) && !(flags & O_PATH) && guard_runs(call, &path->pin)) {
        *value = -ETXTBSY;
        return ANSWER;
    }
    if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) || path->pin.fd < 0 || path_is_procfs(path->pin.fd) == 0)
        return PASS;
    base = strrchr(canonical, '/');
    if (strncmp(canonical, "/proc/", 6) == 0 && strcmp(base + 1, "mem") != 0)
        return PASS;
    say_notice("%s: writing to %s is refused (keystone rule 2)", call->row->name, canonical);
    *value = -EACCES;
    return ANSWER;
}

/* /proc/self/exe is the program, not the stub. */
static int guard_readlink(struct call *call, int64_t *value)
{
    struct call_path *path = &call->paths[0];
    int buf = path->arg + 1;
    const char *exe = call_exe(call);
    char own[2][64];
    size_t length = strlen(exe);

    *value = call_resolve(call, path);
    if (*value)
        return ANSWER;
    snprintf(own[0], sizeof own[0], "/proc/%d/exe", call->process->pid);
    snprintf(own[1], sizeof own[1], "/proc/%d/task/%d/exe", call->process->pid, call->tid);
    if (strcmp(path->pin.canonical, own[0]) != 0 && strcmp(path->pin.canonical, own[1]) != 0)
        return PASS;
    if (path_is_procfs(path->pin.fd) != 1)
        return PASS;
    if ((int)call->args[buf + 1] <= 0) {
        *value = -EINVAL;
        return ANSWER;
    }
    if (length > call->args[buf + 1])
        length = call->args[buf + 1];
    *value = memory_write(call->tid, call->args[buf], exe, length);
    return ANSWER;
}

static int refuse(int64_t *value, int error)
{
    *value = -error;
    return ANSWER;
}

/* What of a thread's privileges can be dropped is the trustee's too, which would keep them. */
static bool guard_privileged(int option)
{
    return option == PR_CAPBSET_DROP || option == PR_CAP_AMBIENT || option == PR_SET_SECUREBITS;
}

static int guard_prctl(struct call *call, int64_t *value)
{
    int option = (int)call->args[0];

    if (guard_privileged(option)) {
        say_notice("prctl: capabilities and secure bits of a sandbox can't change (keystone): EPERM");
        return refuse(value, EPERM);
    }
    switch (option) {
    case PR_SET_PDEATHSIG:      /* the first process has one already, that ends the sandbox with the helper: rule 5 */
        if (call->process->pid == call->process->sandbox->first)
            return refuse(value, 0);
        call->process->deathsig = (int)call->args[1];
        return PASS;
    case PR_SET_DUMPABLE:       /* the helper must be able to look */
        return refuse(value, 0);
    case PR_SET_SECCOMP:        /* children would not inherit it */
        return refuse(value, EINVAL);
    case PR_SET_MM:             /* the heap could be moved over nurse's memory: rule 1 */
    case PR_SET_SYSCALL_USER_DISPATCH:
    case PR_SET_PTRACER:
        return refuse(value, EPERM);
    default:
        return PASS;
    }
}

/* Send a signal to every process of the sandbox in a group (0: in any), but not to `but`. The number of those reached. */
static int guard_signal(const struct sandbox *sandbox, pid_t group, pid_t but, int signal)
{
    int reached = 0;

    for (int i = 0; i < TREE_BUCKETS; i++)
        for (const struct process *process = sandbox->process[i]; process; process = process->next)
            if (process->pid != but && (!group || getpgid(process->pid) == group))
                reached += kill(process->pid, signal) == 0;
    return reached;
}

/* Rule 5: the helper is not signalled, by name, by group, or with everybody else. */
static int guard_kill(struct call *call, int64_t *value)
{
    pid_t target = (pid_t)call->args[0], group;
    const struct sandbox *sandbox = call->process->sandbox;

    if (target == getpid())
        return refuse(value, EPERM);
    if (target > 0)
        return PASS;
    if (target == -1) {    /* everybody is everybody in the sandbox; the caller is spared (kill(2)) */
        if (strcmp(call->row->name, "kill") != 0)
            return refuse(value, EPERM);
        return refuse(value, guard_signal(sandbox, 0, call->process->pid, (int)call->args[1]) ? 0 : ESRCH);
    }
    group = target == 0 ? getpgid(call->process->pid) : -target;
    if (group != getpgrp())
        return PASS;
    return refuse(value, guard_signal(sandbox, group, 0, (int)call->args[1]) ? 0 : ESRCH);    /* the helper's own group */
}

static int guard_pid(struct call *call, int64_t *value)
{
    return (pid_t)call->args[0] == getpid() ? refuse(value, EPERM) : PASS;
}

/* Credentials, root and namespaces belong to each thread in the kernel, and helper and trustee must see what the program sees: they stay as
 * they are. Asking for what one already has is granted. */
static int guard_ids(struct call *call, int64_t *value)
{
    bool group = strstr(call->row->name, "gid") != NULL;
    uint32_t own = group ? getgid() : getuid();

    for (int i = 0; i < 3 && call->row->args[i].name; i++)
        if ((uint32_t)call->args[i] != own && (uint32_t)call->args[i] != UINT32_MAX)
            return refuse(value, EPERM);
    return PASS;
}

static int guard_fixed(struct call *call, int64_t *value)
{
    say_notice("%s: credentials, root and namespaces of a sandbox can't change (keystone): EPERM", call->row->name);
    return refuse(value, EPERM);
}

/* The end of the last thread of the program is the end of the process, though its trustees live: one of them then ends it for all. */
static int guard_exit(struct call *call, int64_t *value)
{
    struct thread *thread = tree_thread(call->process->sandbox, call->tid);

    (void)value;
    if (thread && tree_alive(call->process) > 1) {
        tree_thread_exits(thread);
        return PASS;
    }
    call->row = abi_find("exit_group");
    call->nr = abi_number(call->arch, call->row);
    call->rewritten = true;
    return PASS;
}

/* The kernel keeps it for each thread and copies it to a child: so must a birth. */
static int guard_rseq(struct call *call, int64_t *value)
{
    enum { RSEQ_FLAG_UNREGISTER = 1, RSEQ_SIZE = 32 };
    struct thread *thread = tree_thread(call->process->sandbox, call->tid);

    (void)value;
    if (thread && call->args[2] & RSEQ_FLAG_UNREGISTER)
        thread->rseq[0] = 0;
    else if (thread && !thread->rseq[0] && call->args[1] >= RSEQ_SIZE && call->args[0] % RSEQ_SIZE == 0)    /* else the kernel refuses */
        memcpy(thread->rseq, (uint64_t[3]){ call->args[0], call->args[1], call->args[3] }, sizeof thread->rseq);
    return PASS;
}

/* A plain thread is cloned by its creator itself, for nothing of it needs a trustee's descent; from then on there must be a trustee that can make
 * others. What makes a process is birth.c's. */
static int guard_clone(struct call *call, int64_t *value)
{
    const uint64_t needed = CLONE_VM | CLONE_SIGHAND, plain = CLONE_FILES | CLONE_FS;
    const uint64_t odd = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                         CLONE_UNTRACED | CLONE_PIDFD | CLONE_VFORK;
    struct thread *thread = tree_thread(call->process->sandbox, call->tid);

    if (!(call->args[0] & CLONE_THREAD) || (call->args[0] & needed) != needed)
        return PASS;    /* without these the kernel refuses */
    if ((call->args[0] & plain) != plain || call->args[0] & odd) {
        say_notice("clone: a thread that shares less than a thread does is not supported: ENOSYS");
        return refuse(value, ENOSYS);
    }
    call->process->threaded = true;
    if (thread && thread->slot && thread->slot->trustee)
        birth_spare(call->process, thread->slot);
    return PASS;
}

/* Its flags lie in memory, where they could be changed after they were judged: libc then uses clone. */
static int guard_clone3(struct call *call, int64_t *value)
{
    (void)call;
    return refuse(value, ENOSYS);
}

void guard_moved(struct process *process)
{
    if (process->cwd >= 0)
        close(process->cwd);
    process->cwd = -1;
}

/* A working directory that changes must be asked for again, once the path that changes it has been found from the old one. */
static int guard_chdir(struct call *call, int64_t *value)
{
    if (call->path_count)
        *value = call_resolve(call, &call->paths[0]);
    if (*value)
        return ANSWER;
    call->moves = true;
    guard_moved(call->process);
    return PASS;
}

/* How a guard looks at a call: LOOKS: it only looks, so a call that will never be made may be put before it; ACTS: it does something, or its
 * answer takes a sandbox; FREE: it does something, but never refuses. */
enum guard_way { LOOKS, ACTS, FREE };

static const struct {
    const char *name;
    int (*guard)(struct call *call, int64_t *value);
    enum guard_way way;
} guards[] = {
    { "open", guard_open, LOOKS }, { "openat", guard_open, LOOKS }, { "openat2", guard_open, LOOKS }, { "creat", guard_open, LOOKS },
    { "truncate", guard_truncate, LOOKS }, { "truncate64", guard_truncate, LOOKS },
    { "readlink", guard_readlink, FREE }, { "readlinkat", guard_readlink, FREE },
    { "prctl", guard_prctl, LOOKS }, { "exit", guard_exit, FREE },
    { "kill", guard_kill, ACTS }, { "rt_sigqueueinfo", guard_kill, ACTS },
    { "tkill", guard_pid, ACTS }, { "tgkill", guard_pid, ACTS }, { "rt_tgsigqueueinfo", guard_pid, ACTS }, { "pidfd_open", guard_pid, ACTS },
    { "clone", guard_clone, LOOKS }, { "clone3", guard_clone3, LOOKS }, { "rseq", guard_rseq, FREE },
    { "setuid", guard_ids, LOOKS }, { "setgid", guard_ids, LOOKS }, { "setreuid", guard_ids, LOOKS }, { "setregid", guard_ids, LOOKS },
    { "setresuid", guard_ids, LOOKS }, { "setresgid", guard_ids, LOOKS }, { "setfsuid", guard_ids, LOOKS }, { "setfsgid", guard_ids, LOOKS },
    { "setuid32", guard_ids, LOOKS }, { "setgid32", guard_ids, LOOKS }, { "setreuid32", guard_ids, LOOKS }, { "setregid32", guard_ids, LOOKS },
    { "setresuid32", guard_ids, LOOKS }, { "setresgid32", guard_ids, LOOKS }, { "setfsuid32", guard_ids, LOOKS },
    { "setfsgid32", guard_ids, LOOKS },
    { "setgroups", guard_fixed, LOOKS }, { "setgroups32", guard_fixed, LOOKS }, { "capset", guard_fixed, LOOKS },
    { "unshare", guard_fixed, LOOKS }, { "setns", guard_fixed, LOOKS }, { "chroot", guard_fixed, LOOKS }, { "pivot_root", guard_fixed, LOOKS },
    { "chdir", guard_chdir, FREE }, { "fchdir", guard_chdir, FREE },
};

enum { GUARDS = sizeof guards / sizeof *guards };

/* The guard of a row, or -1; names are compared once. */
static int guard_of(const struct abi_call *row)
{
    static int16_t of[MAILBOX_ROUTES];    /* 0: not looked up yet; else the index in guards plus 2 */
    int16_t *known = &of[abi_index(row) % MAILBOX_ROUTES];

    if (!*known) {
        *known = 1;
        for (int i = 0; i < GUARDS; i++)
            if (strcmp(guards[i].name, row->name) == 0)
                *known = (int16_t)(i + 2);
    }
    return *known - 2;
}

bool guard_refuses(const struct abi_call *row)
{
    int i = guard_of(row);

    return row->where == ABI_UNSAFE || (i >= 0 && (guards[i].guard == guard_fixed || guards[i].guard == guard_clone3));
}

int guard_call(struct call *call, int64_t *value)
{
    int i = guard_of(call->row);

    if (call->process->strict && strict_reserved(call))
        return refuse(value, EBADF);
    if (i >= 0 && guards[i].guard(call, value) == ANSWER)
        return ANSWER;
    *value = -keystone_refuses(&call->process->space->keystone, call->row, call->args);
    return *value ? ANSWER : PASS;
}

/* Whether the keystone's answer takes more than the call: with nurse's memory everywhere, or the process that it names as the helper, it would
 * be refused. */
static bool guard_depends(const struct call *call)
{
    const struct keystone_rule *rule = keystone_rule(call->row);
    struct keystone everywhere = { .range = { { 0, UINT64_MAX } } };

    for (int k = 0; rule && k < 2; k++) {
        pid_t named = (pid_t)call->args[(k ? rule->b : rule->a) % 6];

        everywhere.helper = named > 0 ? named : -1;
        if (keystone_refuses(&everywhere, call->row, call->args))
            return true;
    }
    return false;
}

enum alone_guard alone_guard(struct call *call, int64_t *value)
{
    static const struct keystone nowhere = { .helper = -1 };
    int i = guard_of(call->row);

    *value = 0;
    if (i >= 0 && guards[i].way == LOOKS && guards[i].guard(call, value) == ANSWER)
        return ALONE_REFUSED;
    *value = -keystone_refuses(&nowhere, call->row, call->args);
    if (*value)
        return ALONE_REFUSED;
    return (i >= 0 && guards[i].way == ACTS) || guard_depends(call) ? ALONE_UNKNOWN : ALONE_PASSES;
}
