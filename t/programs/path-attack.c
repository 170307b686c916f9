/*
 * path-attack: a hostile program that wants what lies below TOP/secret, by every spelling and by every race that it knows.
 *
 * Runs in the sandbox, natively (where all of it works), and, for the races, against the plain supervisor. The test (t/54-attack-paths.t) makes TOP:
 * secret/ and public/ hold the same names with other contents, open/ is free for all.
 *   path-attack TOP tricks              each trick once; lines "NAME: RESULT": "escaped", an errno's name, or what else came of it
 *   path-attack TOP race NAME TRIES [self]   one race; "self": a thread of this process swaps, else somebody outside does
 *   path-attack TOP swap NAME           that somebody: swaps until it is killed
 *   path-attack TOP stripped [followed] asks not to follow a link, or, "followed", to do so
 *   path-attack TOP handle              the file handle of secret/file, for the trick of that name (in $HANDLE)
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ESCAPED = 1, HARMLESS = 0 };    /* of a trick or a try; else -errno */

static char top[256];
static char text[8][2 * 4096];         /* at() makes paths here, in turn */
static long tries;

/* printf into one of a few buffers: a path below TOP when it begins with "@". */
static char *at(const char *format, ...)
{
    static unsigned turn;
    char *out = text[turn++ % 8];
    va_list list;
    size_t used = 0;

    if (*format == '@')
        used = (size_t)snprintf(out, sizeof text[0], "%s/", top), format++;
    va_start(list, format);
    vsnprintf(out + used, sizeof text[0] - used, format, list);
    va_end(list);
    return out;
}

/* What a descriptor of ours gives: the secret, or something else. */
static int reads(int fd)
{
    char bytes[8] = "";

    if (fd < 0)
        return -errno;
    if (read(fd, bytes, 6) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    close(fd);
    return strcmp(bytes, "SECRET") == 0 ? ESCAPED : HARMLESS;
}

static int opens(const char *path) { return reads(open(path, O_RDONLY)); }

/* A change below secret/: the test looks whether it is there. */
static int changed(int result) { return result < 0 ? -errno : ESCAPED; }

static int open_dir(const char *name) { return open(at("@%s", name), O_RDONLY | O_DIRECTORY); }

/* ---- spellings ---- */

static int direct(void) { return opens(at("@secret/file")); }
static int dots(void) { return opens(at("@open/../secret/file")); }
static int slashes(void) { return opens(at("//.//%s///./secret/././/file", top)); }
static int link_dir(void) { return opens(at("@open/door/file")); }
static int link_file(void) { return opens(at("@open/key")); }
static int link_chain(void) { return opens(at("@open/chain")); }
static int link_cwd(void) { return opens(at("@open/cwd/secret/file")); }        /* -> /proc/self/cwd */
static int relative(void) { return opens("secret/file"); }
static int proc_cwd(void) { return opens("/proc/self/cwd/secret/file"); }
static int proc_root(void) { return opens(at("/proc/self/root%s/secret/file", top)); }
static int thread_self(void) { return opens("/proc/thread-self/cwd/secret/file"); }
static int task_cwd(void) { return opens(at("/proc/%d/task/%ld/cwd/secret/file", getpid(), syscall(SYS_gettid))); }
static int task_root(void) { return opens(at("/proc/%d/task/%ld/root%s/secret/file", getpid(), syscall(SYS_gettid), top)); }

static int by_fd(const char *format)
{
    int fd = open_dir("open"), got = fd < 0 ? -errno : opens(at(format, fd));

    close(fd);
    return got;
}

static int proc_fd(void) { return by_fd("/proc/self/fd/%d/../secret/file"); }
static int dev_fd(void) { return by_fd("/dev/fd/%d/../secret/file"); }

static int dev_stdin(void)
{
    int keep = dup(0), fd = open_dir("open"), got;

    if (fd < 0 || dup2(fd, 0) < 0)
        return -errno;
    got = opens("/dev/stdin/../secret/file");
    dup2(keep, 0);
    close(fd), close(keep);
    return got;
}

static int dirfd_dots(void)
{
    int fd = open_dir("open/a/b"), got = fd < 0 ? -errno : reads(openat(fd, "../../../secret/file", O_RDONLY));

    close(fd);
    return got;
}

static int dirfd_path(void)
{
    int fd = open(at("@open"), O_PATH), got = fd < 0 ? -errno : reads(openat(fd, "door/file", O_RDONLY));

    close(fd);
    return got;
}

/* An O_PATH descriptor opened again through /proc. */
static int reopen(void)
{
    int fd = open(at("@open/key"), O_PATH), got = fd < 0 ? -errno : opens(at("/proc/self/fd/%d", fd));

    close(fd);
    return got;
}

static int reopen_parent(void)
{
    int fd = open(at("@open"), O_PATH), got = fd < 0 ? -errno : opens(at("/proc/self/fd/%d/door/file", fd));

    close(fd);
    return got;
}

static int cwd_removed(void)
{
    int got;

    if (mkdir(at("@open/gone"), 0755) || chdir(at("@open/gone")) || rmdir(at("@open/gone")))
        return -errno;
    got = opens("../../secret/file");
    return chdir(top) ? -errno : got;
}

static int change_dir(void)
{
    int got = chdir(at("@open/door")) ? -errno : opens("file");

    return chdir(top) ? -errno : got;
}

/* A directory that somebody outside has opened for us: descriptor 9. */
static int inherited(void) { return reads(openat(9, "file", O_RDONLY)); }

static int inherited_fchdir(void)
{
    int got = fchdir(9) ? -errno : opens("file");

    return chdir(top) ? -errno : got;
}

static int inherited_empty(void)
{
    struct stat st;

    if (fstatat(9, "", &st, AT_EMPTY_PATH))
        return -errno;
    return opens(at("/proc/self/fd/9/file"));
}

/* ---- openat2 ---- */

static int openat2_with(const char *path, uint64_t resolve)
{
    struct open_how how = { .flags = O_RDONLY, .resolve = resolve };
    int base = open(top, O_PATH), got = reads((int)syscall(SYS_openat2, base, path, &how, sizeof how));

    close(base);
    return got;
}

static int openat2_plain(void) { return openat2_with("open/door/file", 0); }
static int openat2_beneath(void) { return openat2_with("open/door/file", RESOLVE_BENEATH); }
static int openat2_root(void) { return openat2_with("/../open/../secret/file", RESOLVE_IN_ROOT); }
static int openat2_magic(void) { return openat2_with("open/door/file", RESOLVE_NO_MAGICLINKS); }
static int openat2_links(void) { return openat2_with("open/../secret/file", RESOLVE_NO_SYMLINKS); }
static int openat2_xdev(void) { return openat2_with("open/door/file", RESOLVE_NO_XDEV); }

static int openat2_cached(void)
{
    opens(at("@secret/file"));
    return openat2_with("open/door/file", RESOLVE_CACHED);
}

static int openat2_unfollowed(void)
{
    struct open_how how = { .flags = O_RDONLY | O_NOFOLLOW, .resolve = RESOLVE_BENEATH };

    return reads((int)syscall(SYS_openat2, AT_FDCWD, "open/door/file", &how, sizeof how));
}

/* ---- odd strings ---- */

/* A path of exactly `length` bytes that leads to the secret. */
static int long_path(size_t length)
{
    char *path = at("@");
    const char *name = "secret/file";
    size_t used = strlen(path);

    for (; used + strlen(name) < length; used++)
        path[used] = (length - used - strlen(name)) % 2 ? '/' : '.';
    strcpy(path + used, name);
    return opens(path);
}

static int path_max_less(void) { return long_path(4095); }
static int path_max(void) { return long_path(4096); }
static int path_max_more(void) { return long_path(4097); }

static int name_max(void)
{
    char name[300];

    memset(name, 'n', 255);
    name[255] = '\0';
    if (symlink("../secret/file", at("@open/%s", name)) && errno != EEXIST)
        return -errno;
    return opens(at("@open/%s", name));
}

static int name_max_more(void)
{
    char name[300];

    memset(name, 'n', 256);
    name[256] = '\0';
    return opens(at("@open/%s", name));
}

/* The last byte of the path is the last of its page, and the next page isn't there. */
static int edge(const char *path, size_t length)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int got;

    if (pages == MAP_FAILED || munmap(pages + 4096, 4096))
        return -errno;
    memcpy(pages + 4096 - length, path, length);
    got = opens(pages + 4096 - length);
    munmap(pages, 4096);
    return got;
}

static int page_end(void) { const char *path = at("@open/key"); return edge(path, strlen(path) + 1); }
static int page_over(void) { const char *path = at("@open/key"); return edge(path, strlen(path)); }
static int control_bytes(void) { return opens(at("@open/new\nline\033[31m\177\xff")); }
static int trailing(void) { return opens(at("@secret/file/")); }

/* ---- changes ---- */

static int creates(const char *path, int flags)
{
    int fd = open(path, O_CREAT | O_WRONLY | flags, 0600);

    if (fd >= 0)
        close(fd);
    return changed(fd);
}

static int create(void) { return creates(at("@open/door/created"), 0); }
static int create_dangling(void) { return creates(at("@open/dangling"), 0); }           /* -> secret/dangled, which is missing */
static int create_exclusive(void) { return creates(at("@open/door/exclusive"), O_EXCL); }
static int create_at_link(void) { return creates(at("@open/dangling"), O_EXCL); }         /* the kernel: EEXIST */
static int make_dir(void) { return changed(mkdir(at("@open/door/dir"), 0755)); }
static int make_dir_slash(void) { return changed(mkdir(at("@open/door/slash/"), 0755)); }
static int make_fifo(void) { return changed(mknod(at("@open/door/fifo"), S_IFIFO | 0600, 0)); }
static int make_link(void) { return changed(symlink("x", at("@open/door/symlink"))); }
static int cut(void) { return changed(truncate(at("@open/door/cut"), 1)); }
static int mode(void) { return changed(chmod(at("@open/door/mode"), 0600)); }
static int times(void) { return changed(utimensat(AT_FDCWD, at("@open/door/times"), (struct timespec[2]){ { 5, 0 }, { 5, 0 } }, 0)); }
static int attribute(void) { return changed(setxattr(at("@open/door/mode"), "trusted.x", "y", 1, 0)); }
static int take_out(void) { return changed(rename(at("@secret/out"), at("@open/out"))); }
static int put_in(void) { return changed(creates(at("@open/in"), 0) < 0 ? -1 : rename(at("@open/in"), at("@open/door/in"))); }
static int exchange(void) { return changed(renameat2(AT_FDCWD, at("@open/swap"), AT_FDCWD, at("@secret/swap"), RENAME_EXCHANGE)); }
static int removes(void) { return changed(unlink(at("@open/door/removed"))); }

static int move_all(void)
{
    if (rename(at("@secret"), at("@moved")))
        return -errno;
    return changed(rename(at("@moved"), at("@secret")));
}

static int hard_link(void)
{
    int error = link(at("@open/door/file"), at("@open/hard")) ? errno : 0, got = error ? -error : opens(at("@open/hard"));

    unlink(at("@open/hard"));
    return got;
}

static int hard_link_in(void) { return changed(link(at("@public/file"), at("@open/door/hard"))); }

static int nameless(void)
{
    int fd = open(at("@open"), O_TMPFILE | O_WRONLY, 0600), got;

    if (fd < 0)
        return -errno;
    got = changed(linkat(AT_FDCWD, at("/proc/self/fd/%d", fd), AT_FDCWD, at("@open/door/nameless"), AT_SYMLINK_FOLLOW));
    close(fd);
    return got;
}

static int nameless_in(void) { int fd = open(at("@open/door"), O_TMPFILE | O_WRONLY, 0600); return changed(fd < 0 ? -1 : close(fd)); }

static int bind_in(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), got;

    strcpy(un.sun_path, "open/door/bound");
    got = changed(bind(fd, (struct sockaddr *)&un, sizeof un));
    close(fd);
    return got;
}

/* ---- other ways ---- */

static int connects(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX }, peer = { .sun_path = "" };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), got = HARMLESS;

    strcpy(un.sun_path, path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof un) || getpeername(fd, (struct sockaddr *)&peer, &(socklen_t){ sizeof peer }))
        got = -errno;
    else if (strstr(peer.sun_path, "/secret/"))    /* the name by which it was bound */
        got = ESCAPED;
    close(fd);
    return got;
}

static int connect_direct(void) { return connects("secret/sock"); }
static int connect_link(void) { return connects("open/door/sock"); }
static int connect_key(void) { return connects("open/sock"); }

static int send_link(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "open/door/sock" };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), got = changed((int)sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&un, sizeof un));

    close(fd);
    return got;
}

/* The address in a message. */
static int message_link(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "open/door/sock" };
    struct iovec part = { "x", 1 };
    struct msghdr message = { .msg_name = &un, .msg_namelen = sizeof un, .msg_iov = &part, .msg_iovlen = 1 };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), got = changed((int)sendmsg(fd, &message, MSG_DONTWAIT));

    close(fd);
    return got;
}

static int messages_link(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "open/door/sock" };
    struct iovec part = { "x", 1 };
    struct mmsghdr messages[2] = { { .msg_hdr = { .msg_name = &un, .msg_namelen = sizeof un, .msg_iov = &part, .msg_iovlen = 1 } } };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), got;

    messages[1] = messages[0];
    got = changed(sendmmsg(fd, messages, 2, MSG_DONTWAIT));
    close(fd);
    return got;
}

/* public/prog ends with 0, secret/prog with 1. */
static int runs(const char *path)
{
    char *argv[] = { "prog", NULL };
    int status, error;
    pid_t pid;

    error = posix_spawn(&pid, path, NULL, NULL, argv, environ);
    if (error)
        return -error;
    if (waitpid(pid, &status, 0) != pid)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 1 ? ESCAPED : HARMLESS;
}

static int execute(void) { return runs(at("@open/door/prog")); }

struct handle { unsigned bytes; int type; unsigned char data[128]; };

static int by_handle(void)
{
    struct handle handle = { 0 };
    const char *hex = getenv("HANDLE");
    int mount = open_dir("open"), got;

    if (!hex || sscanf(hex, "%d:", &handle.type) != 1)
        return -EINVAL;
    for (hex = strchr(hex, ':') + 1; sscanf(hex, "%2hhx", &handle.data[handle.bytes]) == 1; hex += 2)
        handle.bytes++;
    got = reads((int)syscall(SYS_open_by_handle_at, mount, &handle, O_RDONLY));
    close(mount);
    return got;
}

static int make_handle(void)
{
    struct handle handle = { .bytes = sizeof handle.data };
    int mount;

    if (syscall(SYS_name_to_handle_at, AT_FDCWD, at("@open/door/file"), &handle, &mount, 0))
        return -errno;
    return ESCAPED;
}

static int mount_bind(void)
{
    int rc = (int)syscall(SYS_mount, at("@secret"), at("@open/mnt"), NULL, 4096 /* MS_BIND */, NULL), got = rc ? -errno : opens(at("@open/mnt/file"));

    if (!rc)
        syscall(SYS_umount2, at("@open/mnt"), 2);
    return got;
}

/* ---- made outside, before the program began: names in their own right ---- */

static int outside_hard(void) { return opens(at("@names/hard")); }
static int outside_bind(void) { return opens(at("@names/bind/file")); }

#define TRICK(name) { #name, name }
static const struct trick { const char *name; int (*run)(void); } tricks[] = {
    TRICK(direct), TRICK(dots), TRICK(slashes), TRICK(link_dir), TRICK(link_file), TRICK(link_chain), TRICK(link_cwd), TRICK(relative), TRICK(proc_cwd),
    TRICK(proc_root), TRICK(thread_self), TRICK(task_cwd), TRICK(task_root), TRICK(proc_fd), TRICK(dev_fd), TRICK(dev_stdin), TRICK(dirfd_dots),
    TRICK(dirfd_path), TRICK(reopen), TRICK(reopen_parent), TRICK(cwd_removed), TRICK(change_dir), TRICK(inherited), TRICK(inherited_fchdir),
    TRICK(inherited_empty), TRICK(openat2_plain), TRICK(openat2_beneath), TRICK(openat2_root), TRICK(openat2_magic), TRICK(openat2_links), TRICK(openat2_xdev),
    TRICK(openat2_cached), TRICK(openat2_unfollowed), TRICK(path_max_less), TRICK(path_max), TRICK(path_max_more), TRICK(name_max), TRICK(name_max_more),
    TRICK(page_end), TRICK(page_over), TRICK(control_bytes), TRICK(trailing), TRICK(create), TRICK(create_dangling), TRICK(create_exclusive),
    TRICK(create_at_link), TRICK(make_dir), TRICK(make_dir_slash), TRICK(make_fifo), TRICK(make_link), TRICK(cut), TRICK(mode), TRICK(times), TRICK(attribute),
    TRICK(take_out), TRICK(put_in), TRICK(exchange), TRICK(removes), TRICK(move_all), TRICK(hard_link), TRICK(hard_link_in), TRICK(nameless),
    TRICK(nameless_in), TRICK(bind_in), TRICK(connect_direct), TRICK(connect_link), TRICK(connect_key), TRICK(send_link), TRICK(message_link), TRICK(messages_link),
    TRICK(execute), TRICK(by_handle),
    TRICK(make_handle), TRICK(mount_bind), TRICK(outside_hard), TRICK(outside_bind),
};

static const char *result_name(int got) { return got == ESCAPED ? "escaped" : got == HARMLESS ? "harmless" : strerrorname_np(-got); }

static int all_tricks(void)
{
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        printf("%s: %s\n", tricks[i].name, result_name(tricks[i].run()));
        fflush(stdout);
    }
    return 0;
}

/* ---- flags that a policy takes away after it has judged the path ---- */

/* `key` is a link to the secret. What these do with the flags that the policy leaves, is done when `followed` says so. */
static int stripped(bool followed)
{
    const char *key = "open/key";
    const int nofollow = followed ? 0 : AT_SYMLINK_NOFOLLOW;
    struct stat st, link, file;
    int got[3] = {
        followed ? opens(key) : reads(open(key, O_RDONLY | O_CREAT | O_EXCL, 0600)),
        followed ? opens(key) : reads(open(key, O_RDONLY | O_NOFOLLOW)),
        reads(open("public/file", O_RDONLY | O_NOFOLLOW)),
    };

    if (fchownat(AT_FDCWD, key, 12345, 12345, nofollow) || fstatat(AT_FDCWD, key, &st, nofollow) || lstat(key, &link))
        err(1, "%s", key);
    printf("exclusive: %s\n", result_name(got[0]));
    printf("unfollowed: %s\n", result_name(got[1]));
    printf("owner: %s\n", link.st_uid == 12345 ? "link" : stat(key, &file) == 0 && file.st_uid == 12345 ? "file" : "nobody's");
    printf("size: %s\n", S_ISLNK(st.st_mode) ? "link" : "file");
    printf("plain: %s\n", result_name(got[2]));
    return 0;
}

/* ---- races: what is swapped, and who is led astray ---- */

static void exchanges(const char *a, const char *b) { renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE); }

static void swap_links(long i) { (void)i; exchanges("open/race/door", "open/race/rood"); }

static void swap_over(long i)
{
    symlink(i % 2 ? "../../secret" : "../../public", "open/race/new");
    rename("open/race/new", "open/race/over");
}

static void swap_dir(long i) { (void)i; exchanges("open/race/dir", "open/race/rood"); }
static void swap_parent(long i) { (void)i; exchanges("open/race/x", "open/race/z"); }
static void swap_file(long i) { (void)i; exchanges("open/race/file", "open/race/key"); }

static void swap_creation(long i)
{
    if (i % 2)
        symlink("../../secret/planted", "open/race/creation");
    else
        unlink("open/race/creation");
}

/* The directory e goes up and down: from the one place "../../secret" is open/race/secret, from the other it is the secret itself. */
static void swap_depth(long i)
{
    if (i % 2)
        rename("open/race/d/e", "open/e");
    else
        rename("open/e", "open/race/d/e");
}

static int deep, shallow, number;

static void swap_cwd(long i) { if (fchdir(i % 2 ? deep : shallow)) abort(); }
static void swap_fd(long i) { dup2(i % 2 ? deep : shallow, number); }

static char flipped[300];

static void swap_bytes(long i) { memcpy(flipped + strlen(top) + 1, i % 2 ? "secret" : "public", 6); }

static int try_door(void) { return opens(at("@open/race/door/file")); }
static int try_over(void) { return opens(at("@open/race/over/file")); }
static int try_dir(void) { return opens(at("@open/race/dir/file")); }
static int try_parent(void) { return opens(at("@open/race/x/y/file")); }
static int try_file(void) { return opens(at("@open/race/file")); }
static int try_depth(void) { return reads(openat(deep, "../../secret/file", O_RDONLY)); }
static int try_cwd(void) { return opens("../../secret/file"); }
static int try_fd(void) { return reads(openat(number, "../../secret/file", O_RDONLY)); }
static int try_bytes(void) { return opens(flipped); }
static int try_exec(void) { return runs(at("@open/race/door/prog")); }
static int try_connect(void) { return connects("open/race/door/sock"); }
static int try_openat2(void) { return openat2_with("open/race/door/file", RESOLVE_BENEATH); }

static int try_reopen(void)
{
    int fd = open(at("@open/race/file"), O_PATH), got = fd < 0 ? -errno : opens(at("/proc/self/fd/%d", fd));

    if (fd >= 0)
        close(fd);
    return got;
}

/* The size tells them apart. */
static int try_stat(void)
{
    struct stat st;

    return stat(at("@open/race/door/file"), &st) ? -errno : st.st_size == 7 ? ESCAPED : HARMLESS;
}

static int try_link(void)
{
    int error = link(at("@open/race/door/file"), at("@open/race/copy")) ? errno : 0, got = error ? -error : opens(at("@open/race/copy"));

    if (!error)
        unlink(at("@open/race/copy"));
    return got;
}

/* What it makes in secret/ is found by the test. */
static int try_create(void) { int got = creates(at("@open/race/creation"), 0); return got == ESCAPED ? HARMLESS : got; }

static int try_mkdir(void)
{
    if (mkdir(at("@open/race/door/race"), 0755))
        return -errno;
    rmdir(at("@public/race"));
    return HARMLESS;
}

static const struct race { const char *name; void (*swap)(long i); int (*try)(void); int share; } races[] = {    /* share: one in so many tries */
    { "door", swap_links, try_door, 1 },       { "over", swap_over, try_over, 1 },       { "dir", swap_dir, try_dir, 1 },
    { "parent", swap_parent, try_parent, 1 },  { "file", swap_file, try_file, 1 },       { "reopen", swap_file, try_reopen, 4 },
    { "openat2", swap_links, try_openat2, 1 }, { "stat", swap_links, try_stat, 1 },      { "link", swap_links, try_link, 4 },
    { "create", swap_creation, try_create, 1 }, { "mkdir", swap_links, try_mkdir, 4 },   { "connect", swap_links, try_connect, 4 },
    { "exec", swap_links, try_exec, 100 },      { "depth", swap_depth, try_depth, 1 },    { "cwd", swap_cwd, try_cwd, 1 },
    { "fd", swap_fd, try_fd, 1 },              { "bytes", swap_bytes, try_bytes, 1 },
};

static const struct race *race_of(const char *name)
{
    for (size_t i = 0; i < sizeof races / sizeof *races; i++)
        if (strcmp(races[i].name, name) == 0)
            return &races[i];
    errx(2, "no race %s", name);
}

static volatile int over;

static void *swapper(void *argument)
{
    const struct race *race = argument;

    for (long i = 0; !over; i++)
        race->swap(i);
    return NULL;
}

static void prepare(const struct race *race)
{
    snprintf(flipped, sizeof flipped, "%s/secret/file", top);
    if (race->swap != swap_depth && race->swap != swap_cwd && race->swap != swap_fd)
        return;
    for (int i = 0; i < 1000 && (deep = open_dir("open/race/d/e")) < 0; i++)    /* it may be up at the moment */
        usleep(1000);
    shallow = open_dir("open/f");
    number = dup(deep);
    if (deep < 0 || shallow < 0 || number < 0)
        err(1, "directories of the race");
}

static int run_race(const struct race *race, bool self)
{
    long count[3] = { 0 };    /* got something, refused, other errors */
    long escaped = 0, i;
    int last = 0;
    pthread_t thread;

    prepare(race);
    if (self && pthread_create(&thread, NULL, swapper, (void *)race))
        errx(1, "thread");
    for (i = 0; i < tries / race->share; i++) {
        int got = race->try();

        escaped += got == ESCAPED;
        count[got >= 0 ? 0 : got == -EPERM ? 1 : 2]++;
        if (got < 0 && got != -EPERM)
            last = -got;
    }
    over = 1;
    if (self)
        pthread_join(thread, NULL);
    printf("%s tries=%ld got=%ld refused=%ld other=%ld escaped=%ld last=%s\n", race->name, i, count[0] - escaped, count[1], count[2], escaped,
           last ? strerrorname_np(last) : "none");
    return 0;
}

static int run_swap(const struct race *race)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    puts("ready");
    fflush(stdout);
    swapper((void *)race);
    return 0;
}

static int print_handle(void)
{
    struct handle handle = { .bytes = sizeof handle.data };
    int mount;

    if (syscall(SYS_name_to_handle_at, AT_FDCWD, at("@secret/file"), &handle, &mount, 0))
        err(1, "name_to_handle_at");
    printf("%d:", handle.type);
    for (unsigned i = 0; i < handle.bytes; i++)
        printf("%02x", handle.data[i]);
    putchar('\n');
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || strlen(argv[1]) >= sizeof top)
        errx(2, "usage: path-attack TOP tricks|handle | stripped [followed] | race NAME TRIES [self] | swap NAME");
    strcpy(top, argv[1]);
    if (chdir(top))
        err(2, "%s", top);
    if (strcmp(argv[2], "tricks") == 0)
        return all_tricks();
    if (strcmp(argv[2], "stripped") == 0)
        return stripped(argc > 3);
    if (strcmp(argv[2], "handle") == 0)
        return print_handle();
    if (strcmp(argv[2], "swap") == 0 && argc == 4)
        return run_swap(race_of(argv[3]));
    if (strcmp(argv[2], "race") == 0 && argc >= 5) {
        tries = atol(argv[4]);
        return run_race(race_of(argv[3]), argc > 5);
    }
    errx(2, "%s?", argv[2]);
}
