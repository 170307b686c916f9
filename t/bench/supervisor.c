/*
 * supervisor: the plain seccomp-notification supervisor that people write by hand, to measure nurse against.
 *
 * A process of its own, parent of the program. It reads the path or the socket address once, asks a Lua function, and
 * answers errno, value or "go on"; the kernel then reads the memory again, so the answer is racy by nature, as that of all
 * such supervisors: t/50-attack-flip.t shows it. With -S the kernel wakes the other side on the same CPU: the best case.
 *
 * The policy file sets a table `on`: on.NAME = function(subject, flags) ... end, which returns nothing (go on), or
 * "errno", number, or "value", number. Only calls named there are trapped. `realpath(path)` is there to use.
 */
#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS    /* Linux 6.6; Debian 12's headers are older */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

enum subject { NOTHING, PATH, HOW, ADDR, SOCKETCALL };

struct trap { const char *name; enum subject subject; int arg; };

static const struct trap traps[] = {
    { "open", PATH, 0 },       { "openat", PATH, 1 },     { "openat2", HOW, 1 },      { "creat", PATH, 0 },
    { "stat", PATH, 0 },       { "lstat", PATH, 0 },      { "newfstatat", PATH, 1 },  { "statx", PATH, 1 },
    { "stat64", PATH, 0 },     { "lstat64", PATH, 0 },    { "fstatat64", PATH, 1 },   { "access", PATH, 0 },
    { "faccessat", PATH, 1 },  { "faccessat2", PATH, 1 }, { "getppid", NOTHING, 0 },  { "connect", ADDR, 1 },
    { "sendto", ADDR, 4 },     { "socketcall", SOCKETCALL, 1 },
};
enum { TRAPS = sizeof traps / sizeof *traps, NUMBERS = 512 };

static int handlers[TRAPS];                 /* registry references, LUA_NOREF: not trapped */
static uint8_t trap_of[2][NUMBERS];         /* [is i386][number] -> index + 1 */
static pid_t child;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "supervisor: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* The program's end is ours, at whatever point the loop is. */
static void on_child(int sig)
{
    int status;
    (void)sig;
    if (waitpid(child, &status, WNOHANG) == child)
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* ---- the program's memory ---- */

static ssize_t fetch(pid_t pid, uint64_t addr, void *buf, size_t count)
{
    struct iovec to = { buf, count }, from = { (void *)(uintptr_t)addr, count };
    return process_vm_readv(pid, &to, 1, &from, 1, 0);
}

/* Page by page, so that a string right before an unmapped page can be read. */
static const char *fetch_string(pid_t pid, uint64_t addr, char *buf, size_t size)
{
    for (size_t have = 0; have < size;) {
        size_t want = 4096 - ((addr + have) & 4095);
        if (want > size - have)
            want = size - have;
        ssize_t got = fetch(pid, addr + have, buf + have, want);
        if (got <= 0)
            return NULL;
        if (memchr(buf + have, 0, (size_t)got))
            return buf;
        have += (size_t)got;
    }
    return NULL;
}

static const char *fetch_unix_path(pid_t pid, uint64_t addr, uint64_t len, char *buf)
{
    struct sockaddr_un un;
    size_t want = len < sizeof un ? (size_t)len : sizeof un;
    memset(buf, 0, sizeof un + 1);
    if (fetch(pid, addr, buf, want) != (ssize_t)want || want < 3)
        return NULL;
    memcpy(&un.sun_family, buf, sizeof un.sun_family);
    return un.sun_family == AF_UNIX ? buf + offsetof(struct sockaddr_un, sun_path) : NULL;
}

/* ---- one notification ---- */

/* Push what the handler judges; returns the number of values, 0 when there is nothing to judge. */
static int push_subject(lua_State *L, const struct seccomp_notif *req, const struct trap *trap)
{
    static char buf[PATH_MAX];
    const uint64_t *arg = (const uint64_t *)req->data.args;
    const char *text = NULL;
    uint64_t flags = 0;
    uint32_t words[6];

    switch (trap->subject) {
    case NOTHING:
        lua_pushnil(L);
        return 1;
    case PATH:
        text = fetch_string(req->pid, arg[trap->arg], buf, sizeof buf);
        break;
    case HOW:
        text = fetch_string(req->pid, arg[1], buf, sizeof buf);
        if (fetch(req->pid, arg[2], &flags, sizeof flags) != sizeof flags)
            text = NULL;
        break;
    case ADDR:
        text = fetch_unix_path(req->pid, arg[trap->arg], arg[trap->arg + 1], buf);
        break;
    case SOCKETCALL:                        /* i386: 3 is connect, 11 is sendto */
        if ((arg[0] == 3 && fetch(req->pid, arg[1], words, 12) == 12)
            || (arg[0] == 11 && fetch(req->pid, arg[1], words, 24) == 24))
            text = fetch_unix_path(req->pid, words[arg[0] == 3 ? 1 : 4], words[arg[0] == 3 ? 2 : 5], buf);
        break;
    }
    if (!text)
        return 0;
    lua_pushstring(L, text);
    lua_pushinteger(L, (lua_Integer)flags);
    return 2;
}

static void answer(lua_State *L, int listener, const struct seccomp_notif *req, struct seccomp_notif_resp *resp)
{
    int trap = trap_of[req->data.arch == SCMP_ARCH_X86][req->data.nr & (NUMBERS - 1)] - 1;
    if (trap < 0)
        fail("a call that was not trapped");
    *resp = (struct seccomp_notif_resp){ .id = req->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, handlers[trap]);
    int count = push_subject(L, req, &traps[trap]);
    /* The thread may be gone and its id another's: what was read counts only while the notification lives. */
    if (count == 0 || (count == 2 && ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &req->id) != 0))
        return;
    if (lua_pcall(L, count, 2, 0) != LUA_OK) {
        fprintf(stderr, "supervisor: %s\n", lua_tostring(L, -1));
        resp->flags = 0;
        resp->error = -EPERM;
    } else if (lua_type(L, 1) == LUA_TSTRING) {
        resp->flags = 0;
        if (*lua_tostring(L, 1) == 'e')
            resp->error = -(int)lua_tointeger(L, 2);
        else
            resp->val = lua_tointeger(L, 2);
    }
}

static _Noreturn void serve(lua_State *L, int listener)
{
    struct seccomp_notif req;
    struct seccomp_notif_resp resp;
    for (;;) {
        memset(&req, 0, sizeof req);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) != 0) {
            if (errno == EINTR || errno == ENOENT)
                continue;
            pause();                        /* nobody is left to supervise: SIGCHLD is on its way */
            continue;
        }
        answer(L, listener, &req, &resp);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) != 0 && errno != ENOENT && errno != EINTR)
            fail("answer");
    }
}

/* ---- start ---- */

static int lua_realpath(lua_State *L)
{
    char buf[PATH_MAX];
    lua_pushstring(L, realpath(luaL_checkstring(L, 1), buf));
    return 1;
}

static void load_policy(lua_State *L, const char *file)
{
    if (luaL_dofile(L, file) != LUA_OK || lua_getglobal(L, "on") != LUA_TTABLE) {
        fprintf(stderr, "supervisor: %s\n", lua_isstring(L, -1) ? lua_tostring(L, -1) : "the policy sets no table `on`");
        exit(125);
    }
    for (int i = 0; i < TRAPS; i++) {
        handlers[i] = LUA_NOREF;
        if (lua_getfield(L, -1, traps[i].name) == LUA_TFUNCTION)
            handlers[i] = luaL_ref(L, LUA_REGISTRYINDEX);
        else
            lua_pop(L, 1);
    }
}

static scmp_filter_ctx build_filter(void)
{
    const uint32_t arch[2] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter || seccomp_arch_add(filter, SCMP_ARCH_X86) != 0)
        fail("filter");
    for (int i = 0; i < TRAPS; i++) {
        if (handlers[i] == LUA_NOREF)
            continue;
        for (int a = 0; a < 2; a++) {
            int nr = seccomp_syscall_resolve_name_arch(arch[a], traps[i].name);
            if (a == 1 && traps[i].subject == ADDR)    /* libseccomp means the way through socketcall */
                nr = traps[i].arg == 1 ? 362 : 369;
            if (nr >= 0 && nr < NUMBERS)
                trap_of[a][nr] = (uint8_t)(i + 1);
        }
        int nr = seccomp_syscall_resolve_name(traps[i].name);
        if (seccomp_rule_add(filter, SCMP_ACT_NOTIFY, nr, 0) != 0)
            fail(traps[i].name);
    }
    return filter;
}

/* Start the program; returns the listener. The two share their descriptor table until the exec, so the
 * number of the listener is all that has to be handed over. */
static int start(char **argv, scmp_filter_ctx filter, const sigset_t *mask)
{
    volatile int *number = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (number == MAP_FAILED)
        fail("mmap");
    *number = -1;
    child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (child == -1)
        fail("clone");
    if (child == 0) {
        if (seccomp_load(filter) != 0)
            fail("seccomp");
        *number = seccomp_notify_fd(filter);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(argv[0], argv);
        fprintf(stderr, "supervisor: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    while (*number == -1 && waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0)
        sched_yield();
    return *number;
}

int main(int argc, char **argv)
{
    const char *policy = "t/bench/supervisor.lua";
    lua_State *L = luaL_newstate();
    sigset_t block, mask;
    int option, sync = 0;

    luaL_openlibs(L);
    lua_register(L, "realpath", lua_realpath);
    while ((option = getopt(argc, argv, "+Sp:D:")) != -1) {
        char *value = option == 'D' ? strchr(optarg, '=') : NULL;
        if (option == 'S') {
            sync = 1;
        } else if (option == 'p') {
            policy = optarg;
        } else if (value) {
            *value = 0;
            lua_pushstring(L, value + 1);
            lua_setglobal(L, optarg);
        } else {
            break;
        }
    }
    if (option != -1 || optind >= argc) {
        fprintf(stderr, "usage: supervisor [-S] [-p POLICY.lua] [-D NAME=VALUE] -- PROGRAM [ARG...]\n");
        return 125;
    }
    load_policy(L, policy);
    scmp_filter_ctx filter = build_filter();
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, &mask);
    sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = on_child }, NULL);
    int listener = start(argv + optind, filter, &mask);
    if (sync && ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) != 0) {
        kill(child, SIGKILL);
        fail("-S: this kernel has no synchronous wake-up");
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    serve(L, listener);
}
