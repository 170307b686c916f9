/*
 * unit-path: path_resolve() against the kernel itself.
 *
 * The "agent" is a child with a working directory, descriptors and a second thread of its own; it plays the program. It is asked what
 * its kernel makes of a path, and the helper's answer (this process) has to be the same object, the same canonical path, or the same errno,
 * and acting on the pin's spelling in the agent has to reach that object. All of it as root (if we are) and again without privileges.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/helper/path.h"
#include "core/helper/walk.h"

enum { ASK_OPEN, ASK_OPEN_LINK, ASK_MKDIR, ASK_RMDIR, ASK_UNLINK };

struct ask { int what, dirfd; char path[PATH_MAX + 16]; };
struct answer { int error; dev_t dev; ino_t ino; char canonical[PATH_MAX]; };

/* Descriptors that only the agent has, and one that only we have. */
enum { FD_DIR = 30, FD_FILE, FD_DELETED, FD_PIPE, FD_LINK, FD_GONE, FD_MEMFD, FD_EVENT, FD_HELPER, FD_PROC, FD_STICKY, FD_OURS = 50 };

static struct scene {
    char dir[64];
    int socket;
    pid_t pid;
    struct path_view view;
} scene;

/* ---- the agent ---------------------------------------------------------------------------- */

static void agent_answer(const struct ask *ask, struct answer *answer)
{
    static const int flags[] = { O_PATH | O_CLOEXEC, O_PATH | O_CLOEXEC | O_NOFOLLOW };
    char link[64];
    struct stat st;
    ssize_t n;
    int fd = -1, rc;

    memset(answer, 0, sizeof(*answer));
    switch (ask->what) {
    case ASK_MKDIR: rc = mkdirat(ask->dirfd, ask->path, 0755); break;
    case ASK_RMDIR: rc = unlinkat(ask->dirfd, ask->path, AT_REMOVEDIR); break;
    case ASK_UNLINK: rc = unlinkat(ask->dirfd, ask->path, 0); break;
    default: rc = fd = openat(ask->dirfd, ask->path, flags[ask->what]); break;
    }
    if (rc < 0)
        answer->error = errno;
    if (fd < 0)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, answer->canonical, PATH_MAX - 1);
    answer->canonical[n < 0 ? 0 : n] = '\0';
    if (!fstat(fd, &st)) {
        answer->dev = st.st_dev;
        answer->ino = st.st_ino;
    }
    close(fd);
}

static void *agent_serve(void *arg)
{
    int socket = *(int *)arg;
    static struct ask ask;
    static struct answer answer;
    pid_t tid = gettid();

    if (write(socket, &tid, sizeof(tid)) != sizeof(tid))
        _exit(1);
    while (read(socket, &ask, sizeof(ask)) == sizeof(ask)) {
        agent_answer(&ask, &answer);
        if (write(socket, &answer, sizeof(answer)) != sizeof(answer))
            break;
    }
    _exit(0);
}

static void place(int fd, int at)
{
    if (fd < 0 || dup3(fd, at, O_CLOEXEC) != at)
        _exit(2);
    close(fd);
}

static void agent_descriptors(void)
{
    int ends[2];
    char helper[32];

    place(open(".", O_RDONLY), FD_DIR);
    place(open("file", O_RDONLY), FD_FILE);
    place(open("deleted", O_CREAT | O_RDWR, 0600), FD_DELETED);
    unlink("deleted");
    if (pipe(ends))
        _exit(2);
    close(ends[1]);
    dup2(ends[0], 0);
    place(ends[0], FD_PIPE);
    place(open("../tofile", O_PATH | O_NOFOLLOW), FD_LINK);
    mkdir("gone", 0700);
    place(open("gone", O_PATH), FD_GONE);
    rmdir("gone");
    place(memfd_create("mem", 0), FD_MEMFD);
    place(eventfd(0, 0), FD_EVENT);
    snprintf(helper, sizeof(helper), "/proc/%d", getppid());
    place(open(helper, O_PATH), FD_HELPER);
    place(open("/proc", O_PATH), FD_PROC);
    place(open("../sticky", O_PATH), FD_STICKY);
}

static void agent_run(int socket)
{
    pthread_t thread;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 1);
    if (chdir("a"))
        _exit(2);
    agent_descriptors();
    if (pthread_create(&thread, NULL, agent_serve, &socket))
        _exit(2);
    for (;;)
        pause();
}

static const struct answer *agent_ask(int what, int dirfd, const char *path)
{
    static struct ask ask;
    static struct answer answer;

    memset(&ask, 0, sizeof(ask));
    ask.what = what;
    ask.dirfd = dirfd;
    snprintf(ask.path, sizeof(ask.path), "%s", path);
    assert_int_equal(write(scene.socket, &ask, sizeof(ask)), sizeof(ask));
    assert_int_equal(read(scene.socket, &answer, sizeof(answer)), sizeof(answer));
    return &answer;
}

/* ---- the scene ---------------------------------------------------------------------------- */

static void scene_chain(int length)
{
    char name[32], target[32];

    for (int i = 1; i <= length; i++) {
        snprintf(name, sizeof(name), "chain%d", i);
        snprintf(target, sizeof(target), i == 1 ? "a" : "chain%d", i - 1);
        assert_int_equal(symlink(target, name), 0);
    }
}

static void scene_links(void)
{
    char text[128];
    static const char *const links[][2] = {
        { "a/b", "rel" }, { "a/file", "tofile" }, { "a/none", "dangling" }, { "none/none", "lost" }, { "loop2", "loop1" },
        { "loop1", "loop2" },
        { "a/", "slashed" }, { "a/file/", "wrongslash" }, { "/", "toroot" }, { "/proc/self", "toself" }, { "/proc/self/fd", "tofd" },
        { "/proc/self/cwd", "tocwd" }, { "/proc/self/exe", "toexe" }, { "..", "toup" }, { ".", "here" }, { "/proc/self/nonexistent", "lostself" },
        { "/dev/fd/31", "todevfd" }, { "a/b/../../a/./b/c", "dots" },
        { "self", "a/self" }, { "../../rel/../file", "a/b/back" },
        { "a", "swap" }, { "rel", "swap2" },
    };

    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
        assert_int_equal(symlink(links[i][0], links[i][1]), 0);
    snprintf(text, sizeof(text), "%s/a", scene.dir);
    assert_int_equal(symlink(text, "abs"), 0);
    snprintf(text, sizeof(text), "..%s/a/b", strrchr(scene.dir, '/'));
    assert_int_equal(symlink(text, "over"), 0);
    assert_int_equal(symlink("../a", "sticky/own"), 0);
    assert_int_equal(symlink("../a", "sticky/foreign"), 0);
    assert_int_equal(symlink("../a/none", "sticky/foreignlost"), 0);
    if (!geteuid()) {
        assert_int_equal(lchown("sticky/foreign", 1, 1), 0);
        assert_int_equal(lchown("sticky/foreignlost", 1, 1), 0);
    }
}

static int scene_build(void **state)
{
    int pair[2];

    (void)state;
    strcpy(scene.dir, "/tmp/unit-path-XXXXXX");
    if (!mkdtemp(scene.dir) || chdir(scene.dir) || chmod(".", 0755))
        return -1;
    if (mkdir("a", 0755) || mkdir("a/b", 0755) || mkdir("a/b/c", 0755) || mkdir("closed", 0755) || mkdir("closed/in", 0755) ||
        mkdir("closed/in/full", 0755))
        return -1;
    if (mkdir("sticky", 0755) || chmod("sticky", 01777) || mknod("a/file", 0644, 0) || mknod("a/b/inner", 0644, 0) ||
        mknod("a/inner", 0644, 0))
        return -1;
    scene_links();
    scene_chain(41);
    if (chmod("closed", 0) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -1;
    fflush(stdout);
    scene.pid = fork();
    if (!scene.pid) {
        close(pair[0]);
        agent_run(pair[1]);
    }
    close(pair[1]);
    scene.socket = pair[0];
    place(open("a/b", O_PATH), FD_OURS);
    scene.view = (struct path_view){ .pid = scene.pid, .cwd = -1, .exe = NULL };
    return read(scene.socket, &scene.view.tid, sizeof(pid_t)) == sizeof(pid_t) ? 0 : -1;
}

static int scene_clear(void **state)
{
    char command[256];

    (void)state;
    close(FD_OURS);
    close(scene.socket);
    kill(scene.pid, SIGKILL);
    waitpid(scene.pid, NULL, 0);
    if (chdir("/") || chmod(scene.dir, 0755))
        return -1;
    snprintf(command, sizeof(command), "chmod 755 %s/closed; rm -rf %s", scene.dir, scene.dir);
    return system(command);
}

/* ---- comparing ---------------------------------------------------------------------------- */

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void fill(char *out, size_t size, const char *path)
{
    size_t at = 0;

    for (; *path && at < size - 128; path++) {
        if (*path == '@')
            at += (size_t)snprintf(out + at, size - at, "%s", scene.dir);
        else if (*path == '%')
            at += (size_t)snprintf(out + at, size - at, "%d", scene.pid);
        else if (*path == '~')
            at += (size_t)snprintf(out + at, size - at, "%d", scene.view.tid);
        else if (*path == '^')
            at += (size_t)snprintf(out + at, size - at, "%d", getpid());
        else
            out[at++] = *path;
    }
    out[at] = '\0';
}

static void check_same(const struct answer *theirs, const struct stat *ours, const char *what, const char *path)
{
    if (theirs->error || theirs->dev != ours->st_dev || theirs->ino != ours->st_ino)
        fail_msg("%s: %s: another object (errno %d)", path, what, theirs->error);
}

/* FOLLOW: same errno or same object and path; the spelling leads the agent to the same object. */
static void compare_follow(int dirfd, const char *path)
{
    static struct path_pin pin;
    struct answer answer = *agent_ask(ASK_OPEN, dirfd, path);
    char spelled[PATH_MAX];
    struct stat st;

    path_resolve(&scene.view, dirfd, path, PATH_FOLLOW, &pin);
    if (pin.error != answer.error)
        fail_msg("%s: errno %d, kernel %d", path, pin.error, answer.error);
    if (!pin.error) {
        assert_string_equal(pin.canonical, answer.canonical);
        assert_true(pin.exists);
        assert_int_equal(fstat(pin.fd, &st), 0);
        check_same(&answer, &st, "follow", path);
        path_spell(&pin, spelled, sizeof(spelled));
        check_same(agent_ask(ASK_OPEN, AT_FDCWD, spelled), &st, spelled, path);
    } else if (pin.error != ENOENT && pin.fd >= 0) {
        fail_msg("%s: a pin in spite of errno %d", path, pin.error);
    }
    path_release(&pin);
}

static void compare_nofollow(int dirfd, const char *path)
{
    static struct path_pin pin;
    struct answer answer = *agent_ask(ASK_OPEN_LINK, dirfd, path);
    char spelled[PATH_MAX];
    struct stat st;

    path_resolve(&scene.view, dirfd, path, PATH_NOFOLLOW, &pin);
    if (pin.error != answer.error)
        fail_msg("%s: nofollow: errno %d, kernel %d", path, pin.error, answer.error);
    if (!pin.error) {
        assert_string_equal(pin.canonical, answer.canonical);
        assert_true(pin.exists);
        path_spell(&pin, spelled, sizeof(spelled));
        st.st_dev = answer.dev;
        st.st_ino = answer.ino;
        check_same(agent_ask(ASK_OPEN_LINK, AT_FDCWD, spelled), &st, spelled, path);
    }
    path_release(&pin);
}

static void compare(int dirfd, const char *path)
{
    char full[PATH_MAX];

    fill(full, sizeof(full), path);
    compare_follow(dirfd, full);
    compare_nofollow(dirfd, full);
}

static void test_like_the_kernel(void **state)
{
    static const char *const paths[] = {
        "/", "//", "/.", "/..", "/../..", "/etc", "/etc/", "/etc/.", "/etc/..", "/etc/passwd", "//etc///passwd", "/etc/passwd/", "/etc/passwd/.",
        "/etc/passwd/..", "/etc/passwd/x", "/nonexistent", "/nonexistent/", "/nonexistent/x", "/nonexistent/..", "/dev/null", "/dev/tty/x",
        ".", "./", "..", "../", "../..", "../a", "b", "b/", "b/c", "b/../b/c", "b/.", "b/..", "file", "file/", "file/.", "file/..", "none", "none/",
        "none/..", "self", "self/", "self/x", "b/back", "../rel", "../rel/", "../rel/c", "../rel/..", "../rel/../file", "../abs", "../abs/",
        "../abs/b", "../abs/../abs/b/./c", "../over", "../over/c", "../tofile", "../tofile/", "../tofile/x", "../dangling", "../dangling/",
        "../dangling/x", "../lost", "../loop1", "../loop1/", "../loop1/x", "../slashed", "../slashed/", "../slashed/b", "../wrongslash",
        "../toroot", "../toroot/", "../toroot/etc/passwd", "../toup", "../toup/", "../here", "../here/here/here/a", "../dots", "../dots/",
        "../dots/..", "../chain39", "../chain40", "../chain41", "../chain40/b", "../chain41/b", "../chain20/../chain20", "../chain20/../chain21",
        "../toself", "../toself/", "../toself/status", "../toself/cwd", "../toself/cwd/b", "../tofd", "../tofd/30", "../tofd/50", "../tocwd",
        "../tocwd/", "../tocwd/b", "../tocwd/..", "../toexe", "../lostself", "../todevfd", "../chain40/../tocwd", "../closed", "../closed/",
        "../closed/.", "../closed/..", "../closed/in", "../closed/none", "../closed/none/x", "../sticky/own", "../sticky/own/b", "../sticky/foreign",
        "../sticky/foreign/", "../sticky/foreign/b", "../sticky/foreignlost", "../sticky/foreignlost/x",
        "/proc/self/fd/40/own", "/proc/self/fd/40/foreign", "/proc/self/fd/40/foreign/", "/proc/self/fd/40/foreign/b", "/proc/self/fd/40/foreignlost",
        "/proc", "/proc/", "/proc/self", "/proc/self/", "/proc/self/.", "/proc/self/..", "/proc/self/../self", "/proc/self/status",
        "/proc/self/nonexistent", "/proc/self/nonexistent/x", "/proc/self/status/x", "/proc/self/cwd", "/proc/self/cwd/", "/proc/self/cwd/b",
        "/proc/self/cwd/..", "/proc/self/cwd/../rel/c", "/proc/self/cwd/none", "/proc/self/cwd/file", "/proc/self/root", "/proc/self/root/",
        "/proc/self/root/etc/passwd", "/proc/self/root/proc/self/root/proc/self/cwd", "/proc/self/exe", "/proc/self/exe/", "/proc/self/exe/x",
        "/proc/self/fd", "/proc/self/fd/", "/proc/self/fd/30", "/proc/self/fd/30/", "/proc/self/fd/30/b/c", "/proc/self/fd/30/..",
        "/proc/self/fd/31", "/proc/self/fd/31/", "/proc/self/fd/31/x", "/proc/self/fd/32", "/proc/self/fd/33", "/proc/self/fd/33/",
        "/proc/self/fd/34", "/proc/self/fd/34/", "/proc/self/fd/34/x", "/proc/self/fd/35", "/proc/self/fd/35/", "/proc/self/fd/35/x",
        "/proc/self/fd/35/..", "/proc/self/fd/36", "/proc/self/fd/37", "/proc/self/fd/39/self/cwd", "/proc/self/fd/39/thread-self",
        "/proc/self/fd/50", "/proc/self/fd/50/c", "/proc/self/fd/51", "/proc/self/fd/x", "/proc/self/fd/../cwd", "/proc/self/fdinfo/30",
        "/proc/self/fdinfo/50", "/proc/self/ns/mnt", "/proc/self/ns/none", "/proc/self/task/~", "/proc/self/task/%/cwd/b", "/proc/self/task/^",
        "/proc/self/mem", "/proc/self/maps", "/proc/self/net", "/proc/net", "/proc/net/dev", "/proc/mounts", "/proc/meminfo", "/proc/sys/fs",
        "/proc/thread-self", "/proc/thread-self/", "/proc/thread-self/comm", "/proc/thread-self/cwd/b", "/proc/thread-self/fd/31",
        "/proc/thread-self/../~/fd/31", "/proc/%", "/proc/%/", "/proc/%/cwd/b", "/proc/%/fd/33", "/proc/%/task/~/fd/31", "/proc/~", "/proc/~/cwd",
        "/proc/1", "/proc/1/status", "/proc/4194305", "/proc/x/y", "/dev/fd", "/dev/fd/", "/dev/fd/30", "/dev/fd/30/b", "/dev/fd/31", "/dev/fd/33",
        "/dev/fd/50", "/dev/fd/50/c", "/dev/fd/..", "/dev/stdin", "/dev/stdin/", "/dev/stdin/x", "/dev/fd/nonexistent",
    };
    int before = (path_canonical(0, (char[PATH_MAX]){ 0 }), count_descriptors());

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        compare(AT_FDCWD, paths[i]);
        compare(FD_DIR, paths[i]);
    }
    assert_int_equal(count_descriptors(), before);
}

static void test_dirfd(void **state)
{
    (void)state;
    compare(FD_FILE, "x");
    compare(FD_FILE, ".");
    compare(FD_PIPE, "x");
    compare(FD_LINK, "x");
    compare(FD_GONE, ".");
    compare(FD_GONE, "..");
    compare(FD_GONE, "x");
    compare(FD_PROC, "self/cwd/b");
    compare(FD_PROC, "self");
    compare(FD_PROC, "thread-self/comm");
    compare(FD_OURS, "c");
    compare(99, "x");
    compare(-1, "x");
    compare(99, "/etc/passwd");
    compare(FD_FILE, "/proc/self/fd/31");
}

static void test_kept_cwd(void **state)
{
    struct path_view view = scene.view;
    static struct path_pin pin;
    char full[PATH_MAX];

    (void)state;
    view.cwd = FD_OURS;
    assert_int_equal(path_resolve(&view, AT_FDCWD, "c", PATH_FOLLOW, &pin), 0);
    fill(full, sizeof(full), "@/a/b/c");
    assert_string_equal(pin.canonical, full);
    path_release(&pin);
    assert_true(fcntl(FD_OURS, F_GETFD) >= 0);
}

/* Too long: a whole path, a name, and what grows too long on the way. */
/* A view with a root of its own sees what the kernel sees with RESOLVE_IN_ROOT. A base outside of it counts as the root. */
static void test_root(void **state)
{
    static const char *const paths[] = {
        "/", ".", "..", "/..", "../..", "/b", "b/c", "/b/c/../..", "/b/c/../../../../..", "/b/../../b/./c", "abs", "abs/..", "abs/../inner", "up", "up/inner", "out", "out/passwd", "loop",
        "deep", "deep/inner", "/file", "file/", "file/..", "missing", "missing/..", "b/missing", "abs/../../../../file", "twice/c", "slash", "slash/etc", "top", "top/..", "/a/b", "/etc/passwd",
    };
    static const char *const links[][2] = {
        { "/b/c", "a/abs" }, { "../../../b", "a/up" }, { "/etc", "a/out" }, { "loop", "a/loop" }, { "b/c/../../up/../b", "a/deep" }, { "/up", "a/twice" }, { "/", "a/slash" }, { "..", "a/top" },
    };
    struct path_view view = scene.view;
    char root[PATH_MAX];
    int dir;

    (void)state;
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        assert_int_equal(symlink(links[i][0], links[i][1]), 0);
    snprintf(root, sizeof root, "%s/a", scene.dir);
    dir = open(root, O_PATH | O_CLOEXEC);
    assert_true(dir >= 0);
    view.root = root;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
        int fd = (int)syscall(SYS_openat2, dir, paths[i], &how, sizeof how), error = fd < 0 ? errno : 0;
        struct path_pin pin;
        struct stat ours, kernels;

        path_resolve(&view, AT_FDCWD, paths[i], PATH_FOLLOW, &pin);    /* its working directory, the scene, is outside */
        if (pin.error != error)
            fail_msg("%s: %s, the kernel says %s", paths[i], strerror(pin.error), strerror(error));
        if (!error && (fstat(pin.fd, &ours) || fstat(fd, &kernels) || ours.st_ino != kernels.st_ino || ours.st_dev != kernels.st_dev))
            fail_msg("%s: %s is not what the kernel found", paths[i], pin.canonical);
        if (strncmp(pin.canonical, root, strlen(root)) != 0)
            fail_msg("%s: %s is not below %s", paths[i], pin.canonical, root);
        path_release(&pin);
        close(fd);
    }
    close(dir);
}

static void test_too_long(void **state)
{
    static char path[2 * PATH_MAX];
    static struct path_pin pin;
    int deep = open(".", O_PATH | O_CLOEXEC);

    (void)state;
    memset(path, '/', PATH_MAX);
    assert_int_equal(path_resolve(&scene.view, AT_FDCWD, path, PATH_FOLLOW, &pin), -ENAMETOOLONG);
    path[PATH_MAX - 1] = '\0';
    compare_follow(AT_FDCWD, path);
    memset(path, 'x', 256);
    path[256] = '\0';
    compare_follow(AT_FDCWD, path);
    compare_nofollow(AT_FDCWD, path);
    memcpy(path, "none/xx", 7);
    compare_nofollow(AT_FDCWD, path);
    memcpy(path, "file/xx", 7);
    compare_follow(AT_FDCWD, path);
    compare_nofollow(AT_FDCWD, path);
    memcpy(path, "xxxxxxx", 7);
    path[200] = '\0';
    for (int i = 0, next; i < 21; i++, deep = next) {
        assert_int_equal(mkdirat(deep, path, 0755), 0);
        next = openat(deep, path, O_PATH | O_CLOEXEC);
        close(deep);
    }
    scene.view.cwd = deep;
    assert_int_equal(path_resolve(&scene.view, AT_FDCWD, ".", PATH_FOLLOW, &pin), -ENAMETOOLONG);
    assert_int_equal(pin.fd, -1);
    assert_int_equal(path_resolve(&scene.view, AT_FDCWD, "x", PATH_NAME, &pin), -ENAMETOOLONG);
    assert_int_equal(pin.fd, -1);
    close(deep);
}

/* ---- what is not there -------------------------------------------------------------------- */

static void test_missing(void **state)
{
    static const struct { const char *path, *canonical, *name; int error; } cases[] = {
        { "none", "@/a/none", "none", ENOENT },                    { "none/", "@/a/none", "none/", ENOENT },
        { "none/x/../y/./z", "@/a/none/y/z", NULL, ENOENT },       { "none/../../..", "/tmp", NULL, ENOENT },
        { "@/none", "@/none", "none", ENOENT },                    { "/none/none", "/none/none", NULL, ENOENT },
        { "/none/../../../x", "/x", NULL, ENOENT },                { "../rel/../none", "@/a/none", "none", ENOENT },
        { "../dangling", "@/a/none", "none", ENOENT },             { "../dangling/", "@/a/none", "none/", ENOENT },
        { "../dangling/x", "@/a/none/x", NULL, ENOENT },           { "../lost", "@/none/none", NULL, ENOENT },
        { "/proc/self/nonexistent", "/proc/%/nonexistent", "nonexistent", ENOENT },
        { "/proc/self/nonexistent/x", "/proc/%/nonexistent/x", NULL, ENOENT },
        { "../lostself", "/proc/%/nonexistent", "nonexistent", ENOENT },
        { "/dev/fd/50", "/proc/%/fd/50", "50", ENOENT },           { "/proc/thread-self/x", "/proc/%/task/~/x", "x", ENOENT },
        { "/proc/self/cwd/none", "@/a/none", "none", ENOENT },     { "/proc/self/fd/35/x", "@/a/gone (deleted)/x", "x", ENOENT },
        { "file/x", "@/a/file/x", NULL, ENOTDIR },                 { "file/../x", "@/a/x", NULL, ENOTDIR },
        { "/proc/self/fd/31/x", "@/a/file/x", NULL, ENOTDIR },     { "file/", "@/a/file", NULL, ENOTDIR },
        { "../loop1", "@/loop1", NULL, ELOOP },                    { "../loop1/../x", "@/x", NULL, ELOOP },
        { "../chain41/b", "@/chain1/b", NULL, ELOOP },
    };
    static struct path_pin pin;
    char full[PATH_MAX], canonical[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fill(full, sizeof(full), cases[i].path);
        fill(canonical, sizeof(canonical), cases[i].canonical);
        if (path_resolve(&scene.view, AT_FDCWD, full, PATH_FOLLOW, &pin) != -cases[i].error)
            fail_msg("%s: errno %d", full, pin.error);
        assert_string_equal(pin.canonical, canonical);
        assert_string_equal(pin.name, cases[i].name ? cases[i].name : "");
        assert_false(pin.exists);
        if (!cases[i].name != (pin.fd < 0))
            fail_msg("%s: pin %d", full, pin.fd);
        path_release(&pin);
    }
}

/* An open with O_CREAT can act on the pin of a missing name, and creates it where the kernel would have. */
static void test_create(void **state)
{
    static struct path_pin pin;
    char spelled[PATH_MAX];
    int fd;

    (void)state;
    path_resolve(&scene.view, AT_FDCWD, "../dangling", PATH_FOLLOW, &pin);
    path_spell(&pin, spelled, sizeof(spelled));
    fd = open(spelled, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
    assert_true(fd >= 0);
    close(fd);
    path_release(&pin);
    compare(AT_FDCWD, "../dangling");
    assert_int_equal(access("a/none", F_OK), 0);
}

static void test_names(void **state)
{
    static const struct { const char *path, *canonical, *name; bool exists; int error; } cases[] = {
        { "new", "@/a/new", "new", false, 0 },                 { "new/", "@/a/new", "new/", false, 0 },
        { "b", "@/a/b", "b", true, 0 },                        { "../rel", "@/rel", "rel", true, 0 },
        { "../rel/", "@/rel", "rel/", true, 0 },               { "../rel/new", "@/a/b/new", "new", false, 0 },
        { "../dangling", "@/dangling", "dangling", true, 0 },  { "b/.", "@/a/b", ".", true, 0 },
        { "b/..", "@/a", "..", true, 0 },                      { "/", "/", "/", true, 0 },
        { "//", "/", "/", true, 0 },                           { "/..", "/", "..", true, 0 },
        { "/new", "/new", "new", false, 0 },                   { "none/new", "@/a/none/new", "", false, ENOENT },
        { "file/new", "@/a/file/new", "", false, ENOTDIR },    { "../loop1/new", "@/loop1/new", "", false, ELOOP },
        { "/proc/self/cwd/new", "@/a/new", "new", false, 0 },  { "/proc/self/cwd/file/new", "@/a/file/new", "new", false, ENOTDIR },
        { "/proc/self", "/proc/self", "self", true, 0 },       { "/proc/self/fd/31", "/proc/%/fd/31", "31", true, 0 },
        { "/dev/fd/50", "/proc/%/fd/50", "50", false, 0 },     { "/proc/self/cwd/b/..", "@/a", "..", true, 0 },
    };
    static struct path_pin pin;
    char full[PATH_MAX], canonical[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fill(full, sizeof(full), cases[i].path);
        fill(canonical, sizeof(canonical), cases[i].canonical);
        if (path_resolve(&scene.view, AT_FDCWD, full, PATH_NAME, &pin) != -cases[i].error)
            fail_msg("%s: errno %d", full, pin.error);
        assert_string_equal(pin.canonical, canonical);
        if ((pin.fd < 0) != (cases[i].error != 0))
            fail_msg("%s: pin %d", full, pin.fd);
        if (!pin.error) {
            assert_string_equal(pin.name, cases[i].name);
            if (pin.exists != cases[i].exists)
                fail_msg("%s: exists %d", full, pin.exists);
        }
        path_release(&pin);
    }
}

/* Calls on a name that must fail, fail with the same errno when they are made on the pin. */
static void test_name_errors(void **state)
{
    static const char *const paths[] = { "/", "/..", ".", "..", "./", "../", "b/.", "b/..", "b", "b/", "file/", "file/x", "../rel/", "../tofile/",
        "../abs", "/proc/self", "/proc/self/cwd", "/proc/self/cwd/", "../closed/in", "none/", "none/x", "../loop1/x", "/proc/self/cwd/." };
    static const char *const names[] = { "mkdir", "rmdir", "unlink" };
    static struct path_pin pin;
    char spelled[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        for (int what = ASK_MKDIR; what <= ASK_UNLINK; what++) {
            int kernel, ours;

            if ((what == ASK_UNLINK && !strcmp(paths[i], "../abs")) || (what == ASK_MKDIR && !strcmp(paths[i], "none/")))
                continue;    /* these would succeed */
            kernel = agent_ask(what, AT_FDCWD, paths[i])->error;
            ours = -path_resolve(&scene.view, AT_FDCWD, paths[i], PATH_NAME, &pin);
            path_spell(&pin, spelled, sizeof(spelled));
            if (!ours)
                ours = agent_ask(what, AT_FDCWD, spelled)->error;
            path_release(&pin);
            if (!kernel || kernel != ours)
                fail_msg("%s %s: errno %d, kernel %d", names[what - ASK_MKDIR], paths[i], ours, kernel);
        }
    }
}

/* ---- the helper hides, the program's exe is what we say ------------------------------------ */

static void *sleeper(void *tid)
{
    __atomic_store_n((pid_t *)tid, gettid(), __ATOMIC_RELEASE);
    while (pause())
        continue;
    return NULL;
}

static void check_hidden(int dirfd, const char *path)
{
    static struct path_pin pin;
    char full[PATH_MAX];

    fill(full, sizeof(full), path);
    for (enum path_last last = PATH_FOLLOW; last <= PATH_NAME; last++) {
        if (path_resolve(&scene.view, dirfd, full, last, &pin) != -ENOENT || pin.fd >= 0)
            fail_msg("%s is visible (%s, %d)", full, pin.canonical, last);
        path_release(&pin);
    }
}

static void test_helper_hides(void **state)
{
    static const char *const paths[] = { "/proc/^", "/proc/^/", "/proc/^/status", "/proc/^/mem", "/proc/^/fd/50", "/proc/^/fd/50/c",
        "/proc/^/root/etc/passwd", "/proc/^/cwd/a", "/proc/^/task/^/mem", "/proc/self/fd/38/mem", "/proc/self/fd/38/cwd/a", "/proc/self/fd/39/^",
        "/proc/self/fd/39/^/cwd/a", "../toroot/proc/^/cwd/a", "/proc/thread-self/root/proc/^/fd" };
    pid_t tid = 0;
    pthread_t thread;
    char path[64];

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        check_hidden(AT_FDCWD, paths[i]);
    check_hidden(FD_PROC, "^");
    check_hidden(FD_PROC, "^/mem");
    check_hidden(FD_HELPER, "mem");
    check_hidden(FD_HELPER, "cwd/a");
    assert_int_equal(pthread_create(&thread, NULL, sleeper, &tid), 0);
    while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
        sched_yield();
    snprintf(path, sizeof(path), "/proc/%d", tid);
    check_hidden(AT_FDCWD, path);
    snprintf(path, sizeof(path), "/proc/%d/mem", tid);
    check_hidden(AT_FDCWD, path);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void test_exe(void **state)
{
    static const char *const paths[] = { "/proc/self/exe", "/proc/%/exe", "/proc/%/task/~/exe", "/proc/thread-self/exe", "/proc/~/exe", "../toexe",
        "/proc/self/root/proc/self/exe" };
    struct path_view view = scene.view;
    static struct path_pin pin;
    char full[PATH_MAX], exe[PATH_MAX];

    (void)state;
    fill(exe, sizeof(exe), "@/a/file");
    view.exe = exe;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        fill(full, sizeof(full), paths[i]);
        assert_int_equal(path_resolve(&view, AT_FDCWD, full, PATH_FOLLOW, &pin), 0);
        assert_string_equal(pin.canonical, exe);
        path_release(&pin);
    }
    fill(full, sizeof(full), "/proc/%/exe");
    assert_int_equal(path_resolve(&view, AT_FDCWD, "/proc/self/exe", PATH_NOFOLLOW, &pin), 0);
    assert_string_equal(pin.canonical, full);
    path_release(&pin);
}

/* ---- races -------------------------------------------------------------------------------- */

static pid_t start_swapper(void)
{
    pid_t pid = fork();

    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            renameat2(AT_FDCWD, "swap", AT_FDCWD, "swap2", RENAME_EXCHANGE);
    }
    assert_true(pid > 0);
    return pid;
}

/* One resolution while "swap" changes between a and a/b: 0 or 1, which one it was; the pinned object must be the one that was named. */
static int race_once(const char *path, enum path_last last, const struct stat expect[2], const char *const canonical[2])
{
    static struct path_pin pin;
    struct stat st;
    int which;

    assert_int_equal(path_resolve(&scene.view, AT_FDCWD, path, last, &pin), 0);
    which = !strcmp(pin.canonical, canonical[1]);
    assert_string_equal(pin.canonical, canonical[which]);
    if (last == PATH_FOLLOW)
        assert_int_equal(fstat(pin.fd, &st), 0);
    else
        assert_int_equal(fstatat(pin.fd, pin.name, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_ino, expect[which].st_ino);
    assert_int_equal(st.st_dev, expect[which].st_dev);
    path_release(&pin);
    return which;
}

static void test_race(void **state)
{
    static const struct { const char *path; enum path_last last; int times; } rounds[] = {
        { "../swap/inner", PATH_FOLLOW, 10000 },
        { "../swap/inner", PATH_NOFOLLOW, 6000 },
        { "/proc/self/cwd/../swap/inner", PATH_FOLLOW, 4000 },
    };
    char first[PATH_MAX], second[PATH_MAX];
    const char *const canonical[2] = { first, second };
    struct stat expect[2];
    pid_t swapper;

    (void)state;
    fill(first, sizeof(first), "@/a/inner");
    fill(second, sizeof(second), "@/a/b/inner");
    assert_int_equal(stat(first, &expect[0]) | stat(second, &expect[1]), 0);
    swapper = start_swapper();
    for (size_t i = 0; i < sizeof(rounds) / sizeof(*rounds); i++) {
        int seen[2] = { 0, 0 };

        for (int n = 0; n < rounds[i].times; n++)
            seen[race_once(rounds[i].path, rounds[i].last, expect, canonical)]++;
        if (!seen[0] || !seen[1])
            fail_msg("the swapper never swapped: %d and %d", seen[0], seen[1]);
    }
    kill(swapper, SIGKILL);
    waitpid(swapper, NULL, 0);
}

/* ---- small things ------------------------------------------------------------------------- */

static void test_append(void **state)
{
    static const char *const cases[][3] = { { "/", "a", "/a" }, { "/a", "..", "/" }, { "/a", "../../b", "/b" }, { "/a/b", "./c//d/../", "/a/b/c" },
        { "/", "", "/" }, { "/", "..", "/" }, { "/a", "...", "/a/..." }, { "pipe:[1]", "x", "pipe:[1]/x" } };
    char path[PATH_MAX], filler[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        strcpy(path, cases[i][0]);
        assert_int_equal(path_append(path, cases[i][1]), 0);
        assert_string_equal(path, cases[i][2]);
    }
    memset(filler, 'f', sizeof(filler));
    filler[PATH_MAX - 2] = '\0';
    strcpy(path, "/");
    assert_int_equal(path_append(path, filler), 0);
    assert_int_equal(strlen(path), PATH_MAX - 1);
    assert_int_equal(path_append(path, "x"), -ENAMETOOLONG);
    assert_int_equal(path_append(path, "../x"), 0);
    assert_string_equal(path, "/x");
}

static void test_procfs(void **state)
{
    int proc = open("/proc/self/mem", O_PATH | O_CLOEXEC), other = open("/tmp", O_PATH | O_CLOEXEC);

    (void)state;
    assert_int_equal(path_is_procfs(proc), 1);
    assert_int_equal(path_is_procfs(other), 0);
    assert_int_equal(path_is_procfs(-1), -EBADF);
    close(proc);
    close(other);
}

/* From here on without privileges, so that the tests which follow see EACCES too. */
static void test_drop_privileges(void **state)
{
    (void)state;
    if (!geteuid()) {
        assert_int_equal(setgroups(0, NULL), 0);
        assert_int_equal(setresgid(65534, 65534, 65534), 0);
        assert_int_equal(setresuid(65534, 65534, 65534), 0);
    }
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_build, scene_clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append), cmocka_unit_test(test_procfs),
        SCENE(test_like_the_kernel), SCENE(test_dirfd), SCENE(test_kept_cwd), SCENE(test_root), SCENE(test_too_long), SCENE(test_missing), SCENE(test_create),
        SCENE(test_names), SCENE(test_name_errors), SCENE(test_helper_hides), SCENE(test_exe), SCENE(test_race),
        cmocka_unit_test(test_drop_privileges),
        SCENE(test_like_the_kernel), SCENE(test_dirfd), SCENE(test_missing), SCENE(test_names), SCENE(test_name_errors), SCENE(test_helper_hides),
    };

    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
