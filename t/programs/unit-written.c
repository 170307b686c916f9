/*
 * unit-written: written calls in, arguments out. What is read is compared with what a program would have passed; and every row of the table, on both
 * architectures and with every name of every set, is written by tostring() and read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/helper/alone.h"
#include "core/text/text.h"
#include "core/text/written.h"

#define WORD(pointer) ((uint64_t)(uintptr_t)(pointer))

static struct alone *process;    /* this one */
static struct written written;

static int setup(void **state)
{
    (void)state;
    return alone_new(&process, NULL, getpid());
}

static int teardown(void **state)
{
    (void)state;
    alone_free(process);
    return 0;
}

static void read_text(enum abi_arch arch, const char *text)
{
    if (written_text(&written, arch, text) != 0)
        fail_msg("%s\n%s", text, written.mistake);
}

/* The call as tostring() has it. */
static const char *shown(const struct written *from)
{
    static char text[2][16384];
    static int turn;
    struct call *call;

    turn = !turn;
    int error = alone_call(process, &call, from->arch, from->row, from->args);
    if (error)
        fail_msg("%s: %s", from->row->name, strerror(-error));
    text_call(call, text[turn], sizeof text[turn]);
    alone_end(call);
    return text[turn];
}

/* --- the two forms mean the same: what every_row_there_and_back() proves to be read right is the measure --- */

static void words_and_lines_make_calls(void **state)
{
    static const struct { const char *written, *same; } rows[] = {
        { "openat /etc/shadow O_RDONLY", "openat(AT_FDCWD, \"/etc/shadow\", O_RDONLY)" },
        { "openat /x", "openat(AT_FDCWD, \"/x\", O_RDONLY)" },
        { "openat 0 x O_WRONLY|O_CREAT 644", "openat(0, \"x\", O_WRONLY|O_CREAT, 0644)" },
        { "openat AT_FDCWD x O_RDWR|O_CREAT 0600", "openat(AT_FDCWD, \"x\", O_RDWR|O_CREAT, 0600)" },
        { "openat flags=O_PATH path=/x", "openat(AT_FDCWD, \"/x\", O_RDONLY|O_PATH)" },
        { "  openat   /x\tO_RDONLY ", "openat(AT_FDCWD, \"/x\", O_RDONLY)" },
        { "openat \"/a b\\x41\\102\\n\" 0x80000", "openat(AT_FDCWD, \"/a bAB\\n\", O_RDONLY|O_CLOEXEC)" },
        { "openat2 /x O_RDONLY|O_CLOEXEC", "openat2(AT_FDCWD, \"/x\", {flags=O_RDONLY|O_CLOEXEC, mode=00, resolve=0}, 24)" },
        { "openat2 /x {flags=O_CREAT|O_WRONLY,mode=0640,resolve=RESOLVE_BENEATH}",
          "openat2(AT_FDCWD, \"/x\", {flags=O_WRONLY|O_CREAT, mode=0640, resolve=0x8}, 24)" },
        { "connect 10.1.2.3:443", "connect(3, {AF_INET, 10.1.2.3, port 443}, 16)" },
        { "connect 5 [::1]:53", "connect(5, {AF_INET6, ::1, port 53}, 28)" },
        { "connect ::1", "connect(3, {AF_INET6, ::1, port 0}, 28)" },
        { "connect /run/x", "connect(3, {AF_UNIX, \"/run/x\"}, 9)" },
        { "connect unix:x", "connect(3, {AF_UNIX, \"x\"}, 4)" },
        { "connect @x", "connect(3, {AF_UNIX, \"@x\"}, 4)" },
        { "sendto 3 \"hi there\" MSG_DONTWAIT 1.2.3.4:5", "sendto(3, \"hi there\", 8, MSG_DONTWAIT, {AF_INET, 1.2.3.4, port 5}, 16)" },
        { "sendto 3 hi 1 0 NULL 0", "sendto(3, \"h\", 1, 0, NULL, 0)" },
        { "kill 1 SIGTERM", "kill(1, SIGTERM)" },
        { "kill -1 9", "kill(-1, SIGKILL)" },
        { "tgkill 1 2 HUP", "tgkill(1, 2, SIGHUP)" },
        { "socket AF_INET SOCK_STREAM|SOCK_CLOEXEC 0", "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0)" },
        { "socket AF_INET6 SOCK_RAW IPPROTO_ICMP", "socket(AF_INET6, SOCK_RAW, 1)" },
        { "write 1 \"hello\\n\"", "write(1, \"hello\\n\", 6)" },
        { "write 1 hello 3", "write(1, \"hel\", 3)" },
        { "write 1 \"\"", "write(1, \"\", 0)" },
        { "mkdir /x 755", "mkdir(\"/x\", 0755)" },
        { "fchownat /x 1 -1 AT_SYMLINK_NOFOLLOW", "fchownat(AT_FDCWD, \"/x\", 1, -1, AT_SYMLINK_NOFOLLOW)" },
        { "renameat2 /a 4 b RENAME_EXCHANGE", "renameat2(AT_FDCWD, \"/a\", 4, \"b\", RENAME_EXCHANGE)" },
        { "mmap NULL 4096 PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANON -1 0", "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)" },
        { "clock_settime CLOCK_MONOTONIC", "clock_settime(1, NULL)" },
        { "nanosleep 1.5 0x10", "nanosleep({tv_sec=1, tv_nsec=500000000}, 0x10)" },
        { "fcntl 1 F_SETFD FD_CLOEXEC", "fcntl(1, F_SETFD, 0x1)" },
        { "fcntl(3</dev/null>, F_SETFL, O_RDWR|O_NONBLOCK) = 0", "fcntl(3, F_SETFL, 0x802)" },
        { "futex(0x10, FUTEX_WAIT_PRIVATE, 2, NULL)", "futex(0x10, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0)" },
        { "symlink /a /b", "symlink(\"/a\", \"/b\")" },
        { "getpid", "getpid()" },
        { "getpid()", "getpid()" },
        { "rt_sigreturn({mask=[]}) = 0", "rt_sigreturn()" },
        { "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC) = 3", "openat(AT_FDCWD, \"/etc/passwd\", O_RDONLY|O_CLOEXEC)" },
        { "connect(3, {AF_INET, 10.0.0.1, port 443}, 16)", "connect(3, {AF_INET, 10.0.0.1, port 443}, 16)" },
        { "connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr(\"10.0.0.1\")}, 16) = 0",
          "connect(3, {AF_INET, 10.0.0.1, port 443}, 16)" },
        { "bind(3, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \"fe80::1\", &sin6_addr), "
          "sin6_scope_id=0}, 28) = 0", "bind(3, {AF_INET6, fe80::1, port 53}, 28)" },
        { "connect(3, {sa_family=AF_UNIX, sun_path=\"/run/a, b\"}, 110) = 0", "connect(3, {AF_UNIX, \"/run/a, b\"}, 110)" },
        { "connect(3, {sa_family=AF_UNIX, sun_path=@\"x\"}, 4) = 0", "connect(3, {AF_UNIX, \"@x\"}, 4)" },
        { "bind(3, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0", "bind(3, {AF_NETLINK}, 12)" },
        { "sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(5), sin_addr=inet_addr(\"1.2.3.4\")}, msg_namelen=16, "
          "msg_iov=[{iov_base=\"a\\0b\", iov_len=3}, {iov_base=\"c\", iov_len=1}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, 0) = 4",
          "sendmsg(3, {msg_name={AF_INET, 1.2.3.4, port 5}, msg_iov=[{iov_base=\"a\\000bc\", iov_len=4}]}, 0)" },
        { "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x10) = 7",
          "clone(SIGCHLD|CLONE_CHILD_CLEARTID, NULL, NULL, 0x10, NULL)" },
        { "pwritev2(6, [{iov_base=\"ab\", iov_len=2}], 1, 7, RWF_SYNC) = 2", "pwritev2(6, [{iov_base=\"ab\", iov_len=2}], 1, 7, 0, RWF_SYNC)" },
        { "arch_prctl(0x3001 /* ARCH_??? */, 0x10) = -1 EINVAL (Invalid argument)", "arch_prctl(0x3001, 0x10)" },
        { "mknod(\"/x\", S_IFCHR|0600, makedev(0x1, 0x3)) = 0", "mknod(\"/x\", 020600, 259)" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char same[1024];

        read_text(ABI_X86_64, rows[i].same);
        snprintf(same, sizeof same, "%s", shown(&written));
        read_text(ABI_X86_64, rows[i].written);
        if (strcmp(shown(&written), same) != 0)
            fail_msg("%s\nexpected: %s\ngot:      %s", rows[i].written, same, shown(&written));
    }
}

static void addresses_are_the_kernels(void **state)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(443), .sin_addr.s_addr = htonl(0x0a010203) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(53), .sin6_addr.s6_addr = { [15] = 1 } };
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" }, abstract = { .sun_family = AF_UNIX, .sun_path = "\0x" };
    const struct { const char *written; const void *bytes; size_t count; } rows[] = {
        { "connect 10.1.2.3:443", &in, sizeof in }, { "connect [::1]:53", &in6, sizeof in6 }, { "connect /run/x", &un, 9 },
        { "connect @x", &abstract, 4 }, { "connect(3, {AF_INET, 10.1.2.3, port 443}, 16)", &in, sizeof in },
        { "connect(3, {sa_family=AF_UNIX, sun_path=@\"x\"}, 4) = 0", &abstract, 4 },
        { "connect(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = 0", &un, 110 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        read_text(ABI_X86_64, rows[i].written);
        assert_int_equal(written.args[2], rows[i].count);
        assert_memory_equal((const void *)(uintptr_t)written.args[1], rows[i].bytes, rows[i].count);
    }
}

static void words_may_come_one_by_one(void **state)
{
    static const char *const words[] = { "write", "1", "two words", NULL };
    static const char *const quoted[] = { "openat(AT_FDCWD, \"/x\", O_RDONLY)", NULL };

    (void)state;
    assert_int_equal(written_words(&written, ABI_X86_64, words), 0);
    assert_string_equal(shown(&written), "write(1, \"two words\", 9)");
    assert_int_equal(written_words(&written, ABI_X86_64, quoted), 0);
    assert_string_equal(shown(&written), "openat(AT_FDCWD, \"/x\", O_RDONLY)");
}

static void i386_has_its_own_table(void **state)
{
    (void)state;
    read_text(ABI_I386, "pread64(3, \"\", 10, 0x123456789) = 0");
    assert_int_equal(written.args[3], 0x23456789);
    assert_int_equal(written.args[4], 1);
    read_text(ABI_I386, "_llseek(3, 0x123456789, [4], SEEK_SET) = 0");
    assert_int_equal(written.args[1], 1);
    assert_int_equal(written.args[2], 0x23456789);
    read_text(ABI_I386, "sendmsg 3 1.2.3.4:5");
    struct call *call;
    const void *bytes;
    size_t count;
    assert_int_equal(alone_call(process, &call, written.arch, written.row, written.args), 0);
    assert_int_equal(call_name(call, 1, &bytes, &count), 0);
    assert_int_equal(count, sizeof(struct sockaddr_in));
    assert_int_equal(((const struct sockaddr_in *)bytes)->sin_port, htons(5));
    alone_end(call);
    read_text(ABI_I386, "clone flags=SIGCHLD tls=7");
    assert_int_equal(written.args[3], 7);
    assert_true(written_text(&written, ABI_X86_64, "stat64 /x") != 0);
    assert_string_equal(written.mistake, "x86_64 has no system call stat64");
}

static void lists_of_an_exec(void **state)
{
    static const struct { const char *written; size_t count; const char *last; } rows[] = {
        { "execve /bin/ls ls -l", 2, "-l" },
        { "execve /bin/ls", 1, "/bin/ls" },
        { "execve /bin/sh [\"sh\", \"-c\", \"a, b\"]", 3, "a, b" },
        { "execve(\"/bin/ls\", [\"ls\", \"a\\tb\"], 0x7ffd10 /* 20 vars */) = 0", 2, "a\tb" },
        { "execveat 4 ls x y z", 3, "z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int arch = 0; arch < ABI_ARCHES; arch++) {
            const char *const *strings;
            struct call *call;
            size_t count;

            read_text((enum abi_arch)arch, rows[i].written);
            int argv = strcmp(written.row->name, "execveat") == 0 ? 2 : 1;
            assert_int_equal(alone_call(process, &call, written.arch, written.row, written.args), 0);
            assert_int_equal(call_strings(call, argv, &strings, &count), 0);
            assert_int_equal(count, rows[i].count);
            assert_string_equal(strings[count - 1], rows[i].last);
            assert_int_equal(call_strings(call, argv + 1, &strings, &count), 0);
            assert_int_equal(count, 0);    /* the environment isn't nurse's */
            alone_end(call);
        }
    }
}

/* --- recordings --- */

static void recorded_lines(void **state)
{
    static const struct { const char *line; enum written_line what; bool has_result; int64_t result; const char *mark; } rows[] = {
        { "getpid() = 7", WRITTEN_CALL, true, 7, "" },
        { "12 getpid() = 7", WRITTEN_CALL, true, 7, "" },
        { "[pid 12] getpid()                      = 7", WRITTEN_CALL, true, 7, "" },
        { "12:34:56.789012 getpid() = 7 <0.000012>", WRITTEN_CALL, true, 7, "" },
        { "12    0.000123 getpid() = 7", WRITTEN_CALL, true, 7, "" },
        { "chdir(\"/x\") = -1 ENOENT (No such file or directory)", WRITTEN_CALL, true, -ENOENT, "" },
        { "chdir(\"/x\") = -1 EACCES (Permission denied)  <deny policy.lua:3>", WRITTEN_CALL, true, -EACCES, "deny policy.lua:3" },
        { "openat(AT_FDCWD, \"/x) = 4\", O_RDONLY) = 3</x>", WRITTEN_CALL, true, 3, "" },
        { "brk(NULL) = 0x55d0a1b2c000", WRITTEN_CALL, true, 0x55d0a1b2c000, "" },
        { "exit_group(0) = ?", WRITTEN_CALL, false, 0, "" },
        { "exit_group(0)", WRITTEN_CALL, false, 0, "" },
        { "pause() = ? ERESTARTNOHAND (To be restarted if no handler)", WRITTEN_CALL, false, 0, "" },
        { "read(0,  <unfinished ...>", WRITTEN_OTHER, false, 0, "" },
        { "12 <... read resumed>\"x\", 1) = 1", WRITTEN_OTHER, false, 0, "" },
        { "--- SIGCHLD {si_signo=SIGCHLD} ---", WRITTEN_OTHER, false, 0, "" },
        { "+++ exited with 0 +++", WRITTEN_OTHER, false, 0, "" },
        { "strace: Process 12 attached", WRITTEN_OTHER, false, 0, "" },
        { "", WRITTEN_OTHER, false, 0, "" },
        { "syscall_0x1ff(0, 0, 0) = -1 EPERM (Operation not permitted)", WRITTEN_OTHER, false, 0, "" },
        { "chdir(\"/x\"", WRITTEN_BAD, false, 0, "" },
        { "nosuch(1) = 2", WRITTEN_BAD, false, 0, "" },
        { "chdir(\"/x\", 1) = 2", WRITTEN_BAD, false, 0, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum written_line what = written_line(&written, ABI_X86_64, rows[i].line);

        if (what != rows[i].what)
            fail_msg("%s\ngot %d %s", rows[i].line, what, written.mistake);
        if (what != WRITTEN_CALL)
            continue;
        assert_int_equal(written.has_result, rows[i].has_result);
        assert_true(!written.has_result || written.result == rows[i].result);
        assert_string_equal(written.mark, rows[i].mark);
    }
}

/* What strace -y tells of a descriptor is what it is while the call is judged. */
static void descriptors_of_a_recording(void **state)
{
    const char *path, *kind;
    char link[4096];
    struct call *call;

    (void)state;
    assert_int_equal(fcntl(77, F_GETFD), -1);
    assert_int_equal(written_line(&written, ABI_X86_64, "openat(77</usr/share>, \"../lib/x\", O_RDONLY) = 3</usr/lib/x>"), WRITTEN_CALL);
    assert_int_equal(alone_call(process, &call, written.arch, written.row, written.args), 0);
    assert_int_equal(call_path(call, 1, &path), 0);
    assert_string_equal(path, "/usr/lib/x");
    assert_int_equal(call_fd(call, 77, link, sizeof link, &kind), 0);
    assert_string_equal(link, "/usr/share");
    alone_end(call);
    assert_int_equal(written_line(&written, ABI_X86_64, "fstat(2</nonexistent>, 0x10) = 0"), WRITTEN_CALL);
    assert_int_equal(fcntl(77, F_GETFD), -1);    /* the next call has its own */
    assert_int_equal(written_line(&written, ABI_X86_64, "fstat(77<socket:[5]>, 0x10) = 0"), WRITTEN_CALL);
    assert_int_equal(fcntl(77, F_GETFD), -1);
}

/* --- mistakes --- */

static void mistakes_name_the_word(void **state)
{
    static const struct { const char *written, *mistake; } rows[] = {
        { "opnat /x", "unknown system call 'opnat'" },
        { "", "unknown system call ''" },
        { "openat", "openat: path (a path) is missing" },
        { "openat 3", "openat: path (a path) is missing" },
        { "symlink /a", "symlink: path (a path) is missing" },
        { "openat /x O_RDNLY", "'O_RDNLY': flags of openat: a number or one of O_RDONLY, O_WRONLY" },
        { "openat /x O_RDONLY|O_FOO", "'O_FOO': flags of openat: a number or one of O_RDONLY" },
        { "openat /x O_RDONLY abc", "'abc': mode of openat: a mode in octal was expected" },
        { "openat /x 0 0 0", "'0': openat takes no more arguments" },
        { "mkdir /x 9", "'9': mode of mkdir: a mode in octal was expected" },
        { "kill 1 SIGFOO", "'SIGFOO': sig of kill: a signal was expected" },
        { "kill x SIGTERM", "'x': pid of kill: a number was expected" },
        { "kill 99999999999 9", "'99999999999': pid of kill: a number of 32 bits was expected" },
        { "kill 99999999999999999999999 9", "'99999999999999999999999': pid of kill: a number was expected" },
        { "connect 10.0.0.999:1", "'10.0.0.999:1': addr of connect: a socket address" },
        { "connect 10.0.0.1:99999", "'10.0.0.1:99999': addr of connect: a socket address" },
        { "connect {AF_FOO}", "'{AF_FOO}': addr of connect: a socket address" },
        { "nanosleep soon", "'soon': req of nanosleep: a number of seconds was expected" },
        { "openat(AT_FDCWD, /x, 0)", "'/x': path of openat: a string in quotes was expected" },
        { "openat(AT_FDCWD, \"a\\0b\", 0)", "'\"a\\0b\"': path of openat: a string without a NUL byte was expected" },
        { "openat(AT_FDCWD, \"/x\", 0", "the parenthesis isn't closed" },
        { "openat(AT_FDCWD, \"/x, 0)", "the parenthesis isn't closed" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int error = written_text(&written, ABI_X86_64, rows[i].written);

        if (error == 0 || strncmp(written.mistake, rows[i].mistake, strlen(rows[i].mistake)) != 0)
            fail_msg("%s\nexpected: %s\ngot:      %s", rows[i].written, rows[i].mistake, error ? written.mistake : "no mistake");
    }
}

/* Rubbish is a mistake or a call, and nothing worse: every prefix and every changed byte of what can be read. */
static void rubbish_is_survived(void **state)
{
    static const char *const lines[] = {
        "openat(AT_FDCWD, \"/a\\x4\\12b\", O_RDONLY|0x8 /* c */) = -1 ENOENT (x)  <deny p.lua:3>",
        "sendmsg(3, {msg_name={sa_family=AF_UNIX, sun_path=@\"x\"}, msg_namelen=4, msg_iov=[{iov_base=\"ab\"..., iov_len=99}]}, 0) = 2",
        "connect(3, {sa_family=AF_INET6, sin6_port=htons(53), inet_pton(AF_INET6, \"::1\", &sin6_addr)}, 28) = 0",
        "sendto 3 \"a b\" MSG_DONTWAIT [::1]:53", "execve /bin/ls [\"a\",\"b\"]", "openat2 /x {flags=O_RDWR,mode=7,resolve=1}",
        "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0", "mknod(\"x\", S_IFCHR|0600, makedev(1, 3)) = 0", "nanosleep 1.5",
    };
    static const char bytes[] = "\"'()[]{}|,=<>\\ \t@:;/0x9-~*";
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        size_t length = strlen(lines[i]);

        for (size_t k = 0; k <= length; k++) {
            snprintf(text, sizeof text, "%.*s", (int)k, lines[i]);
            written_text(&written, ABI_I386, text);
            written_line(&written, ABI_X86_64, text);
            for (size_t b = 0; b < sizeof bytes - 1 && k < length; b++) {
                snprintf(text, sizeof text, "%s", lines[i]);
                text[k] = bytes[b];
                if (written_text(&written, ABI_X86_64, text) == 0) {
                    struct call *call;

                    if (alone_call(process, &call, written.arch, written.row, written.args) == 0) {
                        char line[4096];

                        text_call(call, line, sizeof line);
                        alone_end(call);
                    }
                }
            }
        }
    }
}

/* A count is no reason to have, or to read, that much. */
static void counts_are_bounded(void **state)
{
    char text[300000];

    (void)state;
    read_text(ABI_X86_64, "write(1, \"abc\"..., 2000000000) = 3");
    assert_non_null(strstr(shown(&written), "\"abc\\0"));
    assert_non_null(strstr(shown(&written), "\"..., 32768)"));
    read_text(ABI_X86_64, "sendmsg(3, {msg_iov=[{iov_base=\"a\", iov_len=99999999}]}, 0) = 3");
    memset(text, 'a', sizeof text);
    memcpy(text, "openat /", 8);
    text[sizeof text - 1] = '\0';
    read_text(ABI_X86_64, text);
    struct call *call;
    assert_int_equal(alone_call(process, &call, written.arch, written.row, written.args), -ENAMETOOLONG);
}

/* --- there and back --- */

static char *low;    /* data that i386's pointers reach too */

/* What a program might pass for argument i; `turn` goes through the names of a set. */
static uint64_t sample(const struct abi_call *row, int i, enum abi_arch arch, int turn)
{
    static const enum abi_type lengths[] = { ABI_ADDR_IN, ABI_BUF_IN, ABI_OPEN_HOW, ABI_IOV_IN, ABI_MMSG_IN };
    static const uint64_t length[] = { 16, 5, 24, 1, 1 };
    const struct abi_arg *arg = &row->args[i];
    int names = 0;

    for (size_t k = 0; i > 0 && k < sizeof lengths / sizeof lengths[0]; k++)
        if (row->args[i - 1].type == lengths[k])
            return length[k];
    while (arg->set && arg->set[names].name)
        names++;
    if (names)
        return arg->set[turn % names].value;
    switch (arg->type) {
    case ABI_PATH: case ABI_PATH_LINK: case ABI_PATH_NAME: case ABI_PATH_AT: case ABI_PATH_OPEN: case ABI_STRING:
        return WORD(low + (turn % 2 ? 0 : 64));
    case ABI_ADDR_IN:
        return WORD(low + 128 + turn % 3 * 32);
    case ABI_BUF_IN:
        return WORD(low + 256);
    case ABI_OPEN_HOW:
        return WORD(low + 512);
    case ABI_IOV_IN:
        return WORD(low + (arch == ABI_I386 ? 600 : 640));
    case ABI_MSG_IN: case ABI_MMSG_IN:
        return WORD(low + (arch == ABI_I386 ? 700 : 800));
    case ABI_STRUCT_IN:
        return arg->shape == ABI_BLOB ? 0x2000 : WORD(low + 900);
    case ABI_STRINGS: case ABI_ADDR_OUT: case ABI_BUF_OUT: case ABI_IOV_OUT: case ABI_MSG_OUT: case ABI_STRUCT_OUT: case ABI_POINTER:
        return turn % 2 ? 0 : 0x3000;
    case ABI_SIGNAL:
        return (uint64_t)turn % 65;
    case ABI_MODE:
        return 0;
    case ABI_DIRFD:
        return turn % 2 ? (uint64_t)AT_FDCWD : 4;
    default:
        return turn % 3 ? turn % 3 == 1 ? 7 : 0 : (uint64_t)(arg->type == ABI_ULONG || arg->type == ABI_SIZE ? 0x12345 : -1);
    }
}

static void put_words(char *at, size_t width, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(at + i * width, &words[i], width);
}

static void put_samples(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(443), .sin_addr.s_addr = htonl(0x0a010203) };
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/a\"b" }, abstract = { .sun_family = AF_UNIX, .sun_path = "\0name" };
    struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0640, .resolve = 0 };
    const int64_t seconds[2] = { 3, 0 };
    const char data[5] = { 'a', 0, '"', '\n', '\377' };

    low = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    assert_ptr_not_equal(low, MAP_FAILED);
    strcpy(low, "/usr/../usr/share/a \"b\"\\\n\001\377");
    strcpy(low + 64, "relative");
    memcpy(low + 128, &in, sizeof in);
    memcpy(low + 160, &un, 16);
    memcpy(low + 192, &abstract, 16);
    memcpy(low + 256, data, sizeof data);
    memcpy(low + 512, &how, sizeof how);
    memcpy(low + 900, seconds, sizeof seconds);
    for (int wide = 0; wide < 2; wide++) {
        char *vector = low + (wide ? 640 : 600);
        size_t width = wide ? 8 : 4;

        put_words(vector, width, (const uint64_t[2]){ WORD(low + 256), 5 }, 2);
        put_words(low + (wide ? 800 : 700), width, (const uint64_t[7]){ WORD(low + 128), 16, WORD(vector), 1 }, 7);
    }
}

/* What isn't an address of data must be the same number again. */
static bool is_number(const struct abi_arg *arg)
{
    switch (arg->type) {
    case ABI_PATH: case ABI_PATH_LINK: case ABI_PATH_NAME: case ABI_PATH_AT: case ABI_PATH_OPEN: case ABI_STRING: case ABI_ADDR_IN: case ABI_BUF_IN:
    case ABI_OPEN_HOW: case ABI_IOV_IN: case ABI_IOV_OUT: case ABI_MSG_IN: case ABI_MMSG_IN: case ABI_STRINGS: case ABI_MODE:
        return false;
    case ABI_STRUCT_IN:
        return arg->shape == ABI_BLOB;
    default:
        return arg->type != ABI_NONE;
    }
}

static void there_and_back(const struct abi_call *row, enum abi_arch arch, int turn)
{
    struct written first = { .arch = arch, .row = row };
    char text[2][16384];

    for (int i = 0; i < 6 && row->args[i].type != ABI_NONE; i++)
        first.args[i] = sample(row, i, arch, turn);
    snprintf(text[0], sizeof text[0], "%s", shown(&first));
    read_text(arch, text[0]);
    for (int i = 0; i < 6; i++)    /* lists are shown as addresses, and are empty when read */
        if (row->args[i].type == ABI_STRINGS)
            written.args[i] = first.args[i];
    snprintf(text[1], sizeof text[1], "%s", shown(&written));
    if (strcmp(text[0], text[1]) != 0)
        fail_msg("written: %s\nread:    %s", text[0], text[1]);
    for (int i = 0; i < 6; i++) {
        uint64_t width = arch == ABI_I386 || first.args[i] >> 32 == UINT32_MAX ? UINT32_MAX : UINT64_MAX;

        if (is_number(&row->args[i]) && ((first.args[i] ^ written.args[i]) & width) != 0)
            fail_msg("%s\nargument %d: %#llx became %#llx", text[0], i + 1, (unsigned long long)first.args[i], (unsigned long long)written.args[i]);
    }
}

static void every_row_there_and_back(void **state)
{
    const struct abi_call *row;
    int rows = 0;

    (void)state;
    put_samples();
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (size_t i = 0; (row = abi_row(i)); i++) {
            int nr = abi_number((enum abi_arch)arch, row);

            if (nr < 0)
                continue;
            rows++;
            for (int turn = 0; turn < 66; turn++)
                there_and_back(abi_call((enum abi_arch)arch, nr), (enum abi_arch)arch, turn);
        }
    assert_true(rows > 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_lines_make_calls),
        cmocka_unit_test(addresses_are_the_kernels),
        cmocka_unit_test(words_may_come_one_by_one),
        cmocka_unit_test(i386_has_its_own_table),
        cmocka_unit_test(lists_of_an_exec),
        cmocka_unit_test(recorded_lines),
        cmocka_unit_test(descriptors_of_a_recording),
        cmocka_unit_test(mistakes_name_the_word),
        cmocka_unit_test(rubbish_is_survived),
        cmocka_unit_test(counts_are_bounded),
        cmocka_unit_test(every_row_there_and_back),
    };

    return cmocka_run_group_tests_name("written", tests, setup, teardown);
}
