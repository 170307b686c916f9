/*
 * keystone-attack: a hostile program that tries everything the keystone rules forbid, each thing once.
 *
 * Runs in the sandbox under a policy that allows everything; natively, with a parent that stands for the helper, to show that each attempt
 * works where nobody forbids it. One line per attempt: "NAME: works", "NAME: ERRNO" or "NAME: absent"; names that begin
 * with `self_` act on the program itself and have to work everywhere. Expectations: t/52-attack-keystone.t.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/programs/attack.h"

static pid_t helper;
static char target[64];    /* our own memory file, by number */

static void say(const char *name, long result)
{
    int error = errno;

    if (result >= 0)
        printf("%s: works\n", name);
    else if (error == ENOSYS)
        printf("%s: absent\n", name);
    else
        printf("%s: %s\n", name, strerrorname_np(error));
    fflush(stdout);
    errno = 0;
}

/* ---- memory behind page protections ---- */

static void say_open(const char *name, int fd)
{
    say(name, fd);
    if (fd >= 0)
        close(fd);
}

static int open_as(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = { .flags = flags, .resolve = resolve };

    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

static void mem_by_name(void)
{
    static const char *const spellings[][2] = {
        { "mem_self", "/proc/self/mem" }, { "mem_thread_self", "/proc/thread-self/mem" }, { "mem_dots", "/proc/self/../self/./mem" },
        { "mem_slashes", "//proc///self//mem" }, { "mem_fd_dots", "/proc/self/fd/../mem" }, { "mem_root", "/proc/self/root/proc/self/mem" },
        { "mem_task_dots", "/proc/self/task/../mem" }, { "mem_dev_fd", "/dev/fd/../mem" }, { "mem_fdinfo", "/proc/self/fdinfo/../mem" },
    };
    char task[64];

    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        say_open(spellings[i][0], open(spellings[i][1], O_RDWR));
    say_open("mem_number", open(target, O_RDWR));
    snprintf(task, sizeof task, "/proc/%d/task/%d/mem", getpid(), getpid());
    say_open("mem_task", open(task, O_WRONLY));
    say_open("mem_wronly", open("/proc/self/mem", O_WRONLY));
    say_open("mem_mode_3", open("/proc/self/mem", O_WRONLY | O_RDWR));
    say_open("mem_trunc", open("/proc/self/mem", O_RDWR | O_TRUNC));
    say_open("mem_create", open("/proc/self/mem", O_RDWR | O_CREAT, 0600));
    say_open("mem_nofollow", open(target, O_RDWR | O_NOFOLLOW));
    say_open("mem_append", open(target, O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK));
    say_open("mem_creat", creat("/proc/self/mem", 0600));
    say_open("self_mem_read", open("/proc/self/mem", O_RDONLY));
    say_open("self_status_read", open("/proc/self/status", O_RDONLY));
    say_open("self_comm_write", open("/proc/self/comm", O_WRONLY));
}

static void mem_by_descriptor(void)
{
    int dir = open("/proc/self", O_RDONLY | O_DIRECTORY), path = open("/proc/self/mem", O_PATH), proc = open("/proc", O_PATH);
    char link[64], number[32];

    say_open("mem_dirfd", openat(dir, "mem", O_RDWR));
    snprintf(number, sizeof number, "%d/mem", getpid());
    say_open("mem_dirfd_proc", openat(proc, number, O_RDWR));
    say_open("mem_openat2", open_as(dir, "mem", O_RDWR, 0));
    say_open("mem_openat2_beneath", open_as(dir, "mem", O_RDWR, RESOLVE_BENEATH));
    say_open("mem_openat2_in_root", open_as(dir, "/mem", O_RDWR, RESOLVE_IN_ROOT));
    say_open("mem_openat2_no_links", open_as(AT_FDCWD, target, O_RDWR, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
    say_open("mem_openat2_no_xdev", open_as(proc, number, O_RDWR, RESOLVE_NO_XDEV));
    snprintf(link, sizeof link, "/proc/self/fd/%d", path);
    say_open("mem_reopen", open(link, O_RDWR));
    snprintf(link, sizeof link, "/dev/fd/%d", path);
    say_open("mem_reopen_dev_fd", open(link, O_RDWR));
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", path);
    say_open("mem_reopen_thread", open(link, O_RDWR));
    snprintf(link, sizeof link, "/proc/self/fd/%d/mem", dir);
    say_open("mem_through_dirfd", open(link, O_RDWR));
    close(dir), close(path), close(proc);
}

static void mem_by_link(void)
{
    unlink("link"), unlink("chain");
    if (symlink("/proc/self/mem", "link") || symlink("link", "chain"))
        err(1, "symlink");
    say_open("mem_link", open("link", O_RDWR));
    say_open("mem_chain", open("chain", O_RDWR));
    say_open("mem_link_create", open("link", O_RDWR | O_CREAT, 0600));
    unlink("link"), unlink("chain");
    if (chdir("/proc/self") == 0) {
        say_open("mem_cwd", open("mem", O_RDWR));
        say_open("mem_cwd_task", open("task/../mem", O_RDWR));
    }
    if (chdir("/proc") == 0)
        say_open("mem_cwd_proc", open(target + strlen("/proc/"), O_RDWR));
}

/* ---- calls that reach into memory, or past the filter ---- */

static void past_the_filter(void)
{
    char a = 1, b = 0, room[256] = { 0 };
    struct iovec from = { &a, 1 }, to = { &b, 1 };
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { 1, &allow };
    int fd;

    say("process_vm_writev", process_vm_writev(getpid(), &from, 1, &to, 1, 0));
    say("process_vm_readv", process_vm_readv(getpid(), &to, 1, &from, 1, 0));
    say("io_uring_setup", syscall(SYS_io_uring_setup, 1, room));
    say("io_setup", syscall(SYS_io_setup, 1, room));
    say("bpf", syscall(SYS_bpf, 0, (uint32_t[]){ 2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 48));
    say("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
    fd = open("/dev/userfaultfd", O_RDWR);
    if (fd >= 0 || errno != ENOENT)    /* the same by another door */
        say("userfaultfd_device", fd < 0 ? fd : ioctl(fd, 0xaa00 /* USERFAULTFD_IOC_NEW */, O_CLOEXEC));
    memset(room, 0, sizeof room);
    ((uint32_t *)room)[0] = 1;          /* PERF_TYPE_SOFTWARE, */
    ((uint32_t *)room)[1] = 112;        /* size */
    say("perf_event_open", syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    say("seccomp_listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    say("unshare_files_by_close_range", syscall(SYS_close_range, 60000, 60001, CLOSE_RANGE_UNSHARE));
    say("self_close_range", syscall(SYS_close_range, 60000, 60001, 0));
}

/* ---- the helper ---- */

#define HELPER(name, call) do { errno = 0; say(name, call); } while (0)

static void helper_signals(void)
{
    siginfo_t info = { .si_signo = SIGURG, .si_code = SI_QUEUE };

    HELPER("kill", kill(helper, SIGURG));
    HELPER("kill_0", kill(helper, 0));
    HELPER("tkill", syscall(SYS_tkill, helper, SIGURG));
    HELPER("tgkill", syscall(SYS_tgkill, helper, helper, SIGURG));
    info.si_pid = getpid();
    HELPER("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, helper, SIGURG, &info));
    HELPER("rt_tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, helper, helper, SIGURG, &info));
    HELPER("pidfd_open", syscall(SYS_pidfd_open, helper, 0));
    HELPER("self_kill", kill(getpid(), SIGURG));
    HELPER("self_tgkill", syscall(SYS_tgkill, getpid(), getpid(), SIGURG));
    HELPER("self_rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, getpid(), SIGURG, &info));
    HELPER("self_pidfd_open", syscall(SYS_pidfd_open, getpid(), 0));
}

/* The kernel sends signals for others too: to the owner of a descriptor. */
static void helper_owner(void)
{
    struct { int type, pid; } owner = { 1 /* F_OWNER_PID */, helper };
    int pair[2], pid = helper;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        err(1, "socketpair");
    HELPER("f_setown", fcntl(pair[0], F_SETOWN, helper));
    HELPER("f_setown_group", fcntl(pair[0], F_SETOWN, -getpgid(helper)));
    HELPER("f_setown_ex", fcntl(pair[0], F_SETOWN_EX, &owner));
    HELPER("fiosetown", ioctl(pair[0], 0x8901 /* FIOSETOWN */, &pid));
    HELPER("siocspgrp", ioctl(pair[0], 0x8902 /* SIOCSPGRP */, &pid));
    HELPER("self_f_setown", fcntl(pair[0], F_SETOWN, getpid()));
    close(pair[0]), close(pair[1]);
}

static long ioprio_set(int which, int who)
{
    return syscall(SYS_ioprio_set, which, who, 2 << 13 | 5);
}

static void helper_weight(void)
{
    struct sched_param param = { 0 };
    struct rlimit64 { uint64_t soft, hard; } limit;
    cpu_set_t cpus;

    sched_getaffinity(0, sizeof cpus, &cpus);
    HELPER("setpriority", setpriority(PRIO_PROCESS, (id_t)helper, 1));
    HELPER("setpriority_group", setpriority(PRIO_PGRP, 0, 1));
    HELPER("setpriority_group_number", setpriority(PRIO_PGRP, (id_t)getpgid(helper), 1));
    HELPER("setpriority_user", setpriority(PRIO_USER, 54321, 1));
    HELPER("ioprio_set", ioprio_set(1, helper));
    HELPER("ioprio_set_group", ioprio_set(2, 0));
    HELPER("sched_setaffinity", sched_setaffinity(helper, sizeof cpus, &cpus));
    HELPER("sched_setscheduler", sched_setscheduler(helper, SCHED_OTHER, &param));
    HELPER("sched_setparam", sched_setparam(helper, &param));
    HELPER("prlimit", syscall(SYS_prlimit64, helper, RLIMIT_CORE, NULL, &limit));
    HELPER("self_setpriority", setpriority(PRIO_PROCESS, 0, 1));
    HELPER("self_ioprio_set", ioprio_set(1, 0));
    HELPER("self_sched_setaffinity", sched_setaffinity(0, sizeof cpus, &cpus));
    HELPER("self_sched_setparam", sched_setparam(0, &param));
    HELPER("self_prlimit", syscall(SYS_prlimit64, getpid(), RLIMIT_CORE, NULL, &limit));
    HELPER("self_setpgid", setpgid(0, 0));
}

static void helper_files(bool stats)
{
    static const char *const names[] = { "status", "mem", "maps", "fd", "fd/0", "cwd", "root", "exe", "environ", "task", "oom_score_adj", "" };
    char path[96];
    int dir;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", helper, names[i]);
        errno = 0;
        say("helper_proc_open", open(path, O_RDONLY | O_NONBLOCK));
        if (stats)
            say("helper_proc_access", access(path, F_OK));
    }
    snprintf(path, sizeof path, "/proc/self/root/proc/%d/task/%d/status", helper, helper);
    say_open("helper_proc_root", open(path, O_RDONLY));
    dir = open("/proc", O_RDONLY | O_DIRECTORY);
    snprintf(path, sizeof path, "%d/status", helper);
    say_open("helper_proc_dirfd", openat(dir, path, O_RDONLY));
    snprintf(path, sizeof path, "%d", helper);
    say_open("helper_proc_pidfd", openat(dir, path, O_RDONLY | O_DIRECTORY));
    say_open("self_proc_1", open("/proc/1/status", O_RDONLY));
    close(dir);
}

static void options(void)
{
    char let = 0;

    say("prctl_mm", prctl(PR_SET_MM, PR_SET_MM_START_BRK, sbrk(0), 0, 0));
    say("prctl_dispatch", prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &let));
    prctl(59, 0, 0, 0, 0);
    say("prctl_ptracer", prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0));
    say("tiocsti", ioctl(0, TIOCSTI, "x"));
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    printf("dumpable: %d\n", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    int death = 0;
    prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
    printf("death signal: %d\n", death);
    say("self_prctl_name", prctl(PR_SET_NAME, "another", 0, 0, 0));
}

/* What a new process may not have: namespaces of its own, descriptors in common with another address space, flags that could change in memory. A child that
 * there is nevertheless ends at once. */
static void created(const char *what, long pid)
{
    if (pid == 0)
        raw(SYS_exit_group, 99, 0, 0, 0, 0, 0);
    printf("raw_%s: %ld\n", what, pid);
}

static void processes(void)
{
    static const struct { const char *name; long flags; } kinds[] = {
        { "newuser", CLONE_NEWUSER }, { "newpid", CLONE_NEWPID }, { "newns", CLONE_NEWNS }, { "newnet", CLONE_NEWNET }, { "newuts", CLONE_NEWUTS },
        { "newipc", CLONE_NEWIPC }, { "newcgroup", CLONE_NEWCGROUP }, { "files", CLONE_FILES },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        created(kinds[i].name, RAW_5(SYS_clone, kinds[i].flags | SIGCHLD, 0, 0, 0));
    created("clone3", RAW_3(SYS_clone3, ((uint64_t[11]){ 0, 0, 0, 0, SIGCHLD }), 88));
}

/* ---- descriptors and limits ---- */

static void list_descriptors(const char *name)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    printf("%s:", name);
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            printf(" %s", entry->d_name);
    printf("\n");
    fflush(stdout);
    if (dir)
        closedir(dir);
}

static int works(void)
{
    struct stat st;
    int fd;

    if (stat("/", &st) || access("/etc/passwd", R_OK) || access("/nonexistent", F_OK) == 0)
        return -1;
    fd = open("/etc/passwd", O_RDONLY);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static void descriptors(void)
{
    static const int resources[] = { RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_NPROC, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING, RLIMIT_LOCKS };
    struct rlimit limit;

    list_descriptors("descriptors");
    for (int fd = 3; fd < 65536; fd += fd < 1100 ? 1 : 97)
        close(fd);
    say("self_after_close", works());
    for (int fd = 3; fd < 1024; fd++)
        dup2(0, fd);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    say("self_after_dup2", works());
    syscall(SYS_close_range, 3, ~0u, 0);
    say("self_after_close_range", works());
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        getrlimit(resources[i], &limit);
        limit.rlim_cur = resources[i] == RLIMIT_NOFILE ? 4 : 1;
        setrlimit(resources[i], &limit);
    }
    say("self_after_limits", works());
}

static void everybody(void)
{
    signal(SIGURG, SIG_IGN);
    HELPER("kill_group", kill(0, SIGTERM));
    HELPER("kill_group_number", kill(-getpgid(helper), SIGTERM));
    HELPER("kill_all", kill(-1, 0));
}

int main(int argc, char *argv[])
{
    const char *mode = argc > 1 ? argv[1] : "";

    helper = getppid();
    snprintf(target, sizeof target, "/proc/%d/mem", getpid());
    if (strcmp(mode, "mem") == 0) {
        mem_by_name();
        mem_by_descriptor();
        mem_by_link();
    } else if (strcmp(mode, "filter") == 0) {
        past_the_filter();
    } else if (strcmp(mode, "helper") == 0) {
        helper_files(argc > 2);
        helper_signals();
        helper_owner();
        helper_weight();
    } else if (strcmp(mode, "options") == 0) {
        options();
    } else if (strcmp(mode, "processes") == 0) {
        processes();
    } else if (strcmp(mode, "descriptors") == 0) {
        descriptors();
    } else if (strcmp(mode, "everybody") == 0) {
        signal(SIGTERM, SIG_IGN);
        everybody();
    } else {
        errx(1, "what?");
    }
    printf("done\n");
    return 0;
}
