/* spawns: posix_spawn, system and popen, done as a word says: success, errors told to the parent, file actions, attributes. Subject of t/44. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "words.h"

extern char **environ;
static char *self;

/* What a spawned program finds; the actions and attributes are told by their effects. */
static void show(char **rest)
{
    sigset_t mask, pending;
    struct sigaction usr2, pipe_action;
    char cwd[1000], text[20];

    for (; *rest; rest++)
        say("  argument %s\n", *rest);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    sigaction(SIGUSR2, NULL, &usr2);
    sigaction(SIGPIPE, NULL, &pipe_action);
    say("  blocked USR1 %d TERM %d, ignored USR2 %d PIPE %d, leads group %d, session %d\n", sigismember(&mask, SIGUSR1), sigismember(&mask, SIGTERM),
        usr2.sa_handler == SIG_IGN, pipe_action.sa_handler == SIG_IGN, getpgrp() == getpid(), getsid(0) == getpid());
    say("  in %s, policy %d, thread id is process id %d, SPAWNED=%s\n", getcwd(cwd, sizeof cwd) ? strrchr(cwd, '/') : "?", (int)syscall(SYS_sched_getscheduler, 0),
        syscall(SYS_gettid) == getpid(), getenv("SPAWNED") ? getenv("SPAWNED") : "");
    for (int fd = 3; fd < 20; fd++)
        if (fcntl(fd, F_GETFD) >= 0) {
            ssize_t got = pread(fd, text, sizeof text, 0);
            say("  descriptor %d: %.*s\n", fd, got <= 0 ? 1 : (int)got - 1, got <= 0 ? "-" : text);
        }
    _exit(23);
}

static char *const *show_self(char *word)
{
    static char *argv[4];
    argv[0] = self;
    argv[1] = "show";
    argv[2] = word;
    return argv;
}

static void spawn_self(const char *what, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr)
{
    pid_t child = -1;

    int error = posix_spawn(&child, self, actions, attr, show_self(NULL), environ);
    int status = error ? 0 : wait_for(child);
    say("%s: %s\n", what, error ? strerror(error) : "spawned");
    if (!error)
        tell_status("  child", status);
}

static void spawn_path(const char *path, int by_path)
{
    char *const argv[] = { (char *)path, NULL };
    pid_t child = -1;
    int error = (by_path ? posix_spawnp : posix_spawn)(&child, path, NULL, NULL, argv, environ);

    say("%s %s: %s\n", by_path ? "posix_spawnp" : "posix_spawn", path, error ? strerror(error) : "spawned");
    if (!error)
        tell_status("  child", wait_for(child));
}

static void spawn_ok(char **rest)
{
    (void)rest;
    setenv("SPAWNED", "yes", 1);
    spawn_self("itself", NULL, NULL);
    spawn_path("/bin/true", 0);
    spawn_path("false", 1);
    for (int i = 0; i < 20; i++) {
        char text[20];
        snprintf(text, sizeof text, "exit %d", i);
        int status = system(text);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != i)
            tell_status(text, status);
    }
    FILE *from = popen("echo from the child; exit 3", "r");
    char line[100];
    must(from && fgets(line, sizeof line, from));
    say("popen: %s", line);
    tell_status("popen", pclose(from));
    FILE *into = popen("cat; exit 4", "w");
    must(into && fputs("to the child\n", into) >= 0);
    tell_status("popen", pclose(into));
    tell("no more children", wait(NULL));
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static void missing(char **rest)
{
    (void)rest;
    write_file("plain", "no program\n", 0755);
    write_file("unmarked", "#!/bin/sh\nexit 0\n", 0644);
    write_file("orphaned", "#!/no/such/interpreter\n", 0755);
    must(symlink("loop", "loop") == 0);
    spawn_path("/no/such/program", 0);
    spawn_path("no-such-program", 1);
    spawn_path("./unmarked", 0);
    spawn_path("./plain", 0);
    spawn_path("./orphaned", 0);
    spawn_path("./loop", 0);
    spawn_path("./plain/below", 0);
    spawn_path(".", 0);
    spawn_path("", 0);
    tell("no child is left", wait(NULL));
    int fd = open("/dev/null", O_RDONLY);
    say("lowest descriptor %d\n", fd);
    spawn_path("/bin/true", 0);
}

static void failing_action(const char *what, void (*add)(posix_spawn_file_actions_t *))
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    add(&actions);
    spawn_self(what, &actions, NULL);
    posix_spawn_file_actions_destroy(&actions);
}

static void add_missing(posix_spawn_file_actions_t *actions) { posix_spawn_file_actions_addopen(actions, 5, "missing", O_RDONLY, 0); }
static void add_bad_dup(posix_spawn_file_actions_t *actions) { posix_spawn_file_actions_adddup2(actions, 77, 5); }
static void add_bad_dir(posix_spawn_file_actions_t *actions) { posix_spawn_file_actions_addchdir_np(actions, "/no/such"); }
static void add_no_dir(posix_spawn_file_actions_t *actions) { posix_spawn_file_actions_addfchdir_np(actions, 7); }

static void actions(char **rest)
{
    posix_spawn_file_actions_t all;

    (void)rest;
    must(mkdir("inside", 0755) == 0);
    write_file("inside/file", "in inside\n", 0644);
    write_file("file", "outside\n", 0644);
    int seven = open("file", O_RDONLY), kept = fcntl(seven, F_DUPFD, 7);
    int closed = fcntl(seven, F_DUPFD_CLOEXEC, 8);
    must(close(seven) == 0 && kept == 7 && closed == 8);
    spawn_self("no actions", NULL, NULL);
    posix_spawn_file_actions_init(&all);
    posix_spawn_file_actions_addopen(&all, 9, "file", O_RDONLY, 0);
    posix_spawn_file_actions_addchdir_np(&all, "inside");
    posix_spawn_file_actions_addopen(&all, 10, "file", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&all, 10, 11);
    posix_spawn_file_actions_adddup2(&all, 8, 8);    /* takes close-on-exec away */
    posix_spawn_file_actions_addclose(&all, 7);
    posix_spawn_file_actions_addopen(&all, 12, "made", O_RDWR | O_CREAT, 0600);
    spawn_self("all actions", &all, NULL);
    posix_spawn_file_actions_destroy(&all);
    failing_action("open of what is missing", add_missing);
    failing_action("dup2 of what isn't open", add_bad_dup);
    failing_action("chdir to nowhere", add_bad_dir);
    failing_action("fchdir to a file", add_no_dir);
    tell("no child is left", wait(NULL));
}

static void with_flags(const char *what, short flags, void (*set)(posix_spawnattr_t *))
{
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, flags);
    if (set)
        set(&attr);
    spawn_self(what, NULL, &attr);
    posix_spawnattr_destroy(&attr);
}

static void set_mask(posix_spawnattr_t *attr)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    posix_spawnattr_setsigmask(attr, &mask);
}

static void set_default(posix_spawnattr_t *attr)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    posix_spawnattr_setsigdefault(attr, &mask);
}

static void set_group(posix_spawnattr_t *attr) { posix_spawnattr_setpgroup(attr, 0); }
static void set_bad_group(posix_spawnattr_t *attr) { posix_spawnattr_setpgroup(attr, 1); }

static void attributes(char **rest)
{
    sigset_t mask;

    (void)rest;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    spawn_self("none", NULL, NULL);
    with_flags("a signal mask", POSIX_SPAWN_SETSIGMASK, set_mask);
    with_flags("default signals", POSIX_SPAWN_SETSIGDEF, set_default);
    with_flags("a group", POSIX_SPAWN_SETPGROUP, set_group);
    with_flags("a group of another session", POSIX_SPAWN_SETPGROUP, set_bad_group);
    with_flags("a session", POSIX_SPAWN_SETSID, NULL);
    with_flags("real ids", POSIX_SPAWN_RESETIDS, NULL);
    with_flags("by vfork", POSIX_SPAWN_USEVFORK, NULL);
    tell("no child is left", wait(NULL));
}

/* Several threads spawn at once. */
static atomic_int sum;

static void *spawn_often(void *arg)
{
    for (int i = 0; i < 10; i++) {
        char *const argv[] = { "sh", "-c", "exit 3", NULL };
        pid_t child;
        int status = -1;
        int error = posix_spawn(&child, i % 5 ? "/bin/sh" : "/no/such", NULL, NULL, argv, environ);
        if (error) {
            atomic_fetch_add(&sum, error == ENOENT ? 1000 : 1000000);
            continue;
        }
        must(waitpid(child, &status, 0) == child && WIFEXITED(status));
        atomic_fetch_add(&sum, WEXITSTATUS(status));
    }
    return arg;
}

static void in_threads(char **rest)
{
    pthread_t threads[4];

    (void)rest;
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, spawn_often, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    say("4 threads spawned, sum %d\n", atomic_load(&sum));
}

static const struct word words[] = {
    { "show", show }, { "ok", spawn_ok }, { "missing", missing }, { "actions", actions }, { "attributes", attributes }, { "in-threads", in_threads }, { NULL, NULL },
};

int main(int argc, char **argv)
{
    self = argv[0];
    return words_run(words, argc, argv);
}
