/* creds: credentials and what belongs to a thread or a process: asks, changes and looks whether it changed, as a word says. Subject of t/46. */
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "words.h"

enum { OTHER = 12345, IOPRIO_SELF = 1, CAP_VERSION = 0x20080522, CAPBSET_READ = 23, CAPBSET_DROP = 24, KEEPCAPS = 8, SECUREBITS = 28, NO_NEW_PRIVS = 38, CAP_AMBIENT = 47 };

struct caps {
    unsigned effective, permitted, inheritable;
};

static long get_caps(struct caps caps[2])
{
    unsigned head[2] = { CAP_VERSION, 0 };
    return syscall(SYS_capget, head, caps);
}

/* --- what one already has ----------------------------------------------------------------------------------- */

static void *idle(void *arg)
{
    for (;;)
        pause();
    return arg;
}

/* With a second thread libc makes the change in every thread, and ends the program if they don't agree. */
static void same(char **rest)
{
    pthread_t thread;
    uid_t real, effective, saved;
    gid_t groups[100];
    struct caps caps[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

    (void)rest;
    must(pthread_create(&thread, NULL, idle, NULL) == 0);
    must(getresuid(&real, &effective, &saved) == 0);
    say("user %d %d %d, file system %d\n", (int)real, (int)effective, (int)saved, setfsuid((uid_t)-1));
    must(getresgid(&real, &effective, &saved) == 0);
    say("group %d %d %d, file system %d\n", (int)real, (int)effective, (int)saved, setfsgid((gid_t)-1));
    say("groups %d\n", getgroups(100, groups));
    must(get_caps(caps) == 0);
    say("capabilities %x %x, %x %x\n", caps[0].effective, caps[0].permitted, caps[1].effective, caps[1].inheritable);
    for (int i = 0; i < 41; i++)
        say("%d", prctl(CAPBSET_READ, i, 0, 0, 0));
    say(" bounding\n");
    tell("setuid to the own", setuid(getuid()));
    tell("seteuid to the own", seteuid(geteuid()));
    tell("setreuid to the own", setreuid(getuid(), geteuid()));
    tell("setreuid to nothing", setreuid((uid_t)-1, (uid_t)-1));
    tell("setresuid to the own", setresuid(getuid(), (uid_t)-1, geteuid()));
    tell("setgid to the own", setgid(getgid()));
    tell("setregid to the own", setregid((gid_t)-1, getegid()));
    tell("setresgid to the own", setresgid(getgid(), getegid(), (gid_t)-1));
    say("file system user %d\n", setfsuid(geteuid()));
}

/* --- what nurse refuses, though the kernel might not ---------------------------------------------------------- */

static long to_setuid(void) { return setuid(OTHER); }
static long to_seteuid(void) { return seteuid(OTHER); }
static long to_setreuid(void) { return setreuid((uid_t)-1, OTHER); }
static long to_setresuid(void) { return setresuid(OTHER, OTHER, OTHER); }
static int user_changed(void) { uid_t r, e, s; must(getresuid(&r, &e, &s) == 0); return r == OTHER || e == OTHER || s == OTHER; }
static long to_setgid(void) { return setgid(OTHER); }
static long to_setresgid(void) { return setresgid((gid_t)-1, OTHER, (gid_t)-1); }
static int group_changed(void) { gid_t r, e, s; must(getresgid(&r, &e, &s) == 0); return r == OTHER || e == OTHER || s == OTHER; }
static long to_setgroups(void) { gid_t list[2] = { OTHER, OTHER + 1 }; return setgroups(2, list); }
static int groups_changed(void) { gid_t list[100]; int count = getgroups(100, list); return count == 2 && list[0] == OTHER; }

/* One capability less, CAP_SYS_TIME. */
static long to_capset(void)
{
    unsigned head[2] = { CAP_VERSION, 0 };
    struct caps caps[2];
    must(get_caps(caps) == 0);
    caps[0].effective &= ~(1u << 25);
    caps[0].permitted &= ~(1u << 25);
    caps[0].inheritable |= 1;
    return syscall(SYS_capset, head, caps);
}

static int caps_changed(void) { struct caps caps[2]; must(get_caps(caps) == 0); return caps[0].inheritable & 1; }

static char name_of_namespace[100];
static const char *namespace_link;

static int namespace_changed(void)
{
    char now[100] = "";
    must(readlink(namespace_link, now, sizeof now - 1) > 0);
    return strcmp(now, name_of_namespace) != 0;
}

static void remember(const char *link)
{
    namespace_link = link;
    memset(name_of_namespace, 0, sizeof name_of_namespace);
    must(readlink(link, name_of_namespace, sizeof name_of_namespace - 1) > 0);
}

static long to_unshare_mounts(void) { remember("/proc/self/ns/mnt"); return unshare(CLONE_NEWNS); }
static long to_unshare_names(void) { remember("/proc/self/ns/uts"); return unshare(CLONE_NEWUTS); }
static long to_chroot(void) { must(mkdir("root", 0755) == 0 || errno == EEXIST); return chroot("root"); }
static int root_changed(void) { return access("/proc", F_OK) != 0; }

/* A child in a namespace of its own tells by its status. */
static int child_namespace_changed;

static long to_clone_names(void)
{
    remember("/proc/self/ns/uts");
    pid_t child = (pid_t)syscall(SYS_clone, (long)CLONE_NEWUTS | SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0)
        _exit(namespace_changed());
    if (child < 0)
        return -1;
    child_namespace_changed = WEXITSTATUS(wait_for(child));
    return 0;
}

static int child_changed(void) { return child_namespace_changed; }

struct change {
    const char *name;
    long (*act)(void);
    int (*changed)(void);
};

static const struct change changes[] = {
    { "setuid", to_setuid, user_changed }, { "seteuid", to_seteuid, user_changed }, { "setreuid", to_setreuid, user_changed }, { "setresuid", to_setresuid, user_changed },
    { "setgid", to_setgid, group_changed }, { "setresgid", to_setresgid, group_changed }, { "setgroups", to_setgroups, groups_changed },
    { "capset", to_capset, caps_changed }, { "unshare mounts", to_unshare_mounts, namespace_changed }, { "unshare names", to_unshare_names, namespace_changed },
    { "chroot", to_chroot, root_changed }, { "clone names", to_clone_names, child_changed },
};

static void try_change(const struct change *change)
{
    pid_t child = fork();    /* changes are not to pile up */

    must(child >= 0);
    if (child == 0) {
        long result = change->act();
        int error = errno;
        say("%s: %s, %s\n", change->name, result < 0 ? strerror(error) : "done", change->changed() ? "changed" : "unchanged");
        _exit(0);
    }
    int status = wait_for(child);
    if (status != 0)
        tell_status(change->name, status);
}

static void other(char **rest)
{
    (void)rest;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        try_change(&changes[i]);
    rmdir("root");
}

/* --- what may end either way: as natively, or refused without effect ------------------------------------------- */

static long drop_bounding(void) { return prctl(CAPBSET_DROP, 25, 0, 0, 0); }
static int bounding_dropped(void) { return prctl(CAPBSET_READ, 25, 0, 0, 0) == 0; }
static long set_securebits(void) { return prctl(SECUREBITS, 1, 0, 0, 0); }
static int securebits_set(void) { return prctl(SECUREBITS - 1, 0, 0, 0, 0) & 1; }
static long set_keepcaps(void) { return prctl(KEEPCAPS, 1, 0, 0, 0); }
static int keepcaps_set(void) { return prctl(KEEPCAPS - 1, 0, 0, 0, 0); }
static long clear_ambient(void) { return prctl(CAP_AMBIENT, 4, 0, 0, 0); }
static int nothing_changed(void) { return 0; }
static long unshare_files(void) { return unshare(CLONE_FILES); }
static long unshare_directory(void) { return unshare(CLONE_FS); }
static long unshare_nothing(void) { return unshare(0); }
static long set_fsuid(void) { setfsuid(OTHER); return 0; }
static int fsuid_set(void) { return setfsuid((uid_t)-1) == OTHER; }

static const struct change eithers[] = {
    { "bounding set", drop_bounding, bounding_dropped }, { "securebits", set_securebits, securebits_set }, { "keepcaps", set_keepcaps, keepcaps_set },
    { "ambient set", clear_ambient, nothing_changed }, { "unshare files", unshare_files, nothing_changed }, { "unshare directory", unshare_directory, nothing_changed },
    { "unshare nothing", unshare_nothing, nothing_changed }, { "setfsuid", set_fsuid, fsuid_set },
};

static void either(char **rest)
{
    (void)rest;
    for (size_t i = 0; i < sizeof eithers / sizeof *eithers; i++)
        try_change(&eithers[i]);
}

/* --- what belongs to each thread ------------------------------------------------------------------------------- */

static void tell_thread(const char *who)
{
    cpu_set_t cpus;
    char name[16];
    sigset_t mask;

    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    prctl(PR_GET_NAME, name);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    say("%s: name %s, nice %d, slack %d, policy %ld, io priority %ld, one cpu %d, blocked %d\n", who, name, getpriority(PRIO_PROCESS, 0), prctl(PR_GET_TIMERSLACK) == 55555,
        syscall(SYS_sched_getscheduler, 0), syscall(SYS_ioprio_get, IOPRIO_SELF, 0), CPU_COUNT(&cpus) == 1, sigismember(&mask, SIGWINCH));
}

static void one_cpu(void)
{
    cpu_set_t cpus, one;
    unsigned cpu = 0;

    must(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &cpus))
            cpu = (unsigned)i;
    CPU_SET(cpu, &one);
    must(sched_setaffinity(0, sizeof one, &one) == 0);
    for (int i = 0; i < 20; i++) {
        unsigned here = 0;
        must(access("/no/such", F_OK) != 0 && syscall(SYS_getcpu, &here, NULL, NULL) == 0);
        if (here != cpu)
            say("it runs on ANOTHER CPU\n");
    }
}

static void *change_thread(void *arg)
{
    sigset_t mask;

    prctl(PR_SET_NAME, "changed");
    must(setpriority(PRIO_PROCESS, 0, 3) == 0);
    prctl(PR_SET_TIMERSLACK, 55555);
    must(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &(struct sched_param){ 0 }) == 0);
    must(syscall(SYS_ioprio_set, IOPRIO_SELF, 0, (2 << 13) | 6) == 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    one_cpu();
    tell_thread("changed");
    int fd = open("/dev/null", O_RDONLY);    /* whatever executes it, the thread stays as it is */
    close(fd);
    tell_thread("after a call");
    return arg;
}

static void *tell_as_thread(void *arg)
{
    tell_thread(arg);
    return NULL;
}

static void threads(char **rest)
{
    pthread_t thread;

    (void)rest;
    tell_thread("first");
    must(pthread_create(&thread, NULL, change_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    tell_thread("first, after another's change");
    change_thread(NULL);
    must(pthread_create(&thread, NULL, tell_as_thread, "begun by the changed") == 0 && pthread_join(thread, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        tell_thread("a child of the changed");
        _exit(0);
    }
    wait_for(child);
}

/* --- prctl and personality --------------------------------------------------------------------------------------- */

static void options(char **rest)
{
    int value = -1;
    char name[16] = "";

    (void)rest;
    tell("PR_SET_NAME", prctl(PR_SET_NAME, "a name that is longer"));
    tell("PR_GET_NAME", prctl(PR_GET_NAME, name));
    say("the name is %s\n", name);
    tell("PR_SET_CHILD_SUBREAPER", prctl(PR_SET_CHILD_SUBREAPER, 1));
    tell("PR_GET_CHILD_SUBREAPER", prctl(PR_GET_CHILD_SUBREAPER, &value));
    say("subreaper %d\n", value);
    tell("PR_SET_NO_NEW_PRIVS", prctl(NO_NEW_PRIVS, 1, 0, 0, 0));
    tell("PR_GET_NO_NEW_PRIVS", prctl(NO_NEW_PRIVS + 1, 0, 0, 0, 0));
    tell("PR_SET_NO_NEW_PRIVS to 0", prctl(NO_NEW_PRIVS, 0, 0, 0, 0));
    tell("PR_SET_TIMERSLACK", prctl(PR_SET_TIMERSLACK, 123456));
    tell("PR_GET_TIMERSLACK", prctl(PR_GET_TIMERSLACK));
    tell("PR_SET_THP_DISABLE", prctl(41, 1, 0, 0, 0));
    tell("PR_GET_THP_DISABLE", prctl(42, 0, 0, 0, 0));
    tell("PR_MCE_KILL_GET", prctl(34, 0, 0, 0, 0));
    tell("an unknown option", prctl(0x12345678, 1, 2, 3, 4));
    tell("a bad address", prctl(PR_GET_NAME, (char *)8));
    tell("personality", personality(0xffffffff) & 0xff0000);
    must(personality(0x0040000) >= 0);    /* ADDR_NO_RANDOMIZE */
    tell("personality, set", personality(0xffffffff) & 0xff0000);
}

/* --- directory and umask ------------------------------------------------------------------------------------------ */

static void tell_place(const char *what)
{
    char cwd[1000];
    struct stat st;

    if (getcwd(cwd, sizeof cwd))
        say("%s: in %s", what, strrchr(cwd, '/'));
    else
        say("%s: %s", what, strerror(errno));
    int fd = open("made", O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        say(", can't make a file: %s\n", strerror(errno));
    else if (fstat(fd, &st) == 0)
        say(", makes files with mode %o\n", (unsigned)st.st_mode & 07777);
    close(fd);
    unlink("made");
}

static void *change_place(void *arg)
{
    (void)arg;
    must(chdir("b") == 0);
    umask(077);
    tell_place("a thread, after chdir");
    return NULL;
}

static void places(char **rest)
{
    pthread_t thread;
    struct stat st;

    (void)rest;
    must(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0 && mkdir("gone", 0755) == 0 && symlink("a/b", "link") == 0);
    int here = open(".", O_RDONLY | O_DIRECTORY), gone = open("gone", O_RDONLY | O_DIRECTORY), path = open("a", O_PATH | O_DIRECTORY);
    must(here >= 0 && gone >= 0 && path >= 0);
    umask(022);
    tell_place("at first");
    must(chdir("a") == 0);
    tell_place("after chdir");
    must(pthread_create(&thread, NULL, change_place, NULL) == 0 && pthread_join(thread, NULL) == 0);
    tell_place("the first thread after it");
    say("umask was %o\n", (unsigned)umask(027));
    pid_t child = fork();
    if (child == 0) {
        tell_place("a child");
        must(chdir("..") == 0);
        umask(0);
        tell_place("a child elsewhere");
        _exit(0);
    }
    wait_for(child);
    tell_place("its parent stays");
    must(mkdir("directory", 0777) == 0 && stat("directory", &st) == 0 && mkfifo("fifo", 0666) == 0);
    say("directory %o, ", (unsigned)st.st_mode & 07777);
    must(stat("fifo", &st) == 0 && unlink("fifo") == 0);
    say("FIFO %o\n", (unsigned)st.st_mode & 07777);
    must(fchdir(path) == 0);
    tell_place("after fchdir");
    must(fchdir(here) == 0);
    tell_place("back");
    must(chdir("link") == 0);
    tell_place("by a link");
    must(chdir("..") == 0);
    tell_place("and up");
    must(fchdir(here) == 0);
    tell("chdir to a file", chdir("/etc/passwd"));
    tell("chdir to nothing", chdir("nothing"));
    tell("fchdir to nothing", fchdir(77));
    must(rmdir("gone") == 0 && fchdir(gone) == 0);
    tell_place("in a removed one");
}

/* --- limits ---------------------------------------------------------------------------------------------------------- */

static void limits(char **rest)
{
    struct rlimit limit, old;
    int ends[2], count = 0, fd;

    (void)rest;
    must(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 20, 40 }) == 0);
    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && count < 100)
        count++;
    tell("one more", fd);
    say("the last one was below 20: %d\n", fcntl(19, F_GETFD) >= 0 && fcntl(20, F_GETFD) < 0);
    tell("dup", dup(0));
    tell("pipe", pipe(ends));
    tell("socket", socket(AF_UNIX, SOCK_STREAM, 0));
    pid_t child = fork();
    if (child == 0) {
        tell("a child", open("/dev/null", O_RDONLY));
        _exit(0);
    }
    tell_status("a child", wait_for(child));
    tell("prlimit for itself", prlimit(0, RLIMIT_NOFILE, &(struct rlimit){ 30, 40 }, &old));
    say("old %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
    tell("now", open("/dev/null", O_RDONLY) >= 20 ? 0 : -1);
    must(getrlimit(RLIMIT_STACK, &limit) == 0 && prlimit(getpid(), RLIMIT_STACK, NULL, &old) == 0);
    check("both ways to ask agree", limit.rlim_cur == old.rlim_cur && limit.rlim_max == old.rlim_max);
}

static const struct word words[] = {
    { "same", same }, { "other", other }, { "either", either }, { "threads", threads }, { "options", options }, { "places", places }, { "limits", limits }, { NULL, NULL },
};

int main(int argc, char **argv)
{
    return words_run(words, argc, argv);
}
