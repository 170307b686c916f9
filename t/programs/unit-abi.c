/*
 * unit-abi: the table of calls holds facts that can be checked: against libseccomp, against the shapes that the
 * helper relies on, and against signatures written down here by hand a second time.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

#include <cmocka.h>
#include <seccomp.h>

#include "core/abi/abi.h"
#include "core/abi/flags.h"

enum { SCANNED = 2048 };

static const uint32_t seccomp_arch[ABI_ARCHES] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86 };

static const char *const type_names[] = {
    [ABI_NONE] = "none", [ABI_INT] = "int", [ABI_UINT] = "uint", [ABI_LONG] = "long", [ABI_ULONG] = "ulong", [ABI_SIZE] = "size",
    [ABI_OFFSET] = "offset", [ABI_FD] = "fd", [ABI_DIRFD] = "dirfd", [ABI_PATH] = "path", [ABI_PATH_LINK] = "link",
    [ABI_PATH_NAME] = "name", [ABI_PATH_AT] = "at", [ABI_PATH_OPEN] = "open", [ABI_STRING] = "string", [ABI_STRINGS] = "strings",
    [ABI_FLAGS] = "flags", [ABI_MODE] = "mode", [ABI_OPEN_HOW] = "how", [ABI_ADDR_IN] = "addr-in", [ABI_ADDR_OUT] = "addr-out",
    [ABI_BUF_IN] = "in", [ABI_BUF_OUT] = "out", [ABI_IOV_IN] = "iov-in", [ABI_IOV_OUT] = "iov-out", [ABI_MSG_IN] = "msg-in", [ABI_MMSG_IN] = "mmsg-in",
    [ABI_MSG_OUT] = "msg-out", [ABI_STRUCT_IN] = "struct-in", [ABI_STRUCT_OUT] = "struct-out", [ABI_POINTER] = "pointer",
    [ABI_PID] = "pid", [ABI_UID] = "uid", [ABI_GID] = "gid", [ABI_SIGNAL] = "signal", [ABI_CLOCK] = "clock",
};

/* "dirfd:dirfd path:open flags:flags mode:mode" */
static const char *shape(const struct abi_call *row)
{
    static char text[512];
    size_t length = 0;

    text[0] = '\0';
    for (int i = 0; i < 6 && row->args[i].type != ABI_NONE; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s:%s", i ? " " : "", row->args[i].name,
                                   type_names[row->args[i].type]);
    return text;
}

static const struct abi_call *row_of(enum abi_arch arch, const char *name)
{
    const struct abi_call *row = abi_find(name);

    if (!row)
        fail_msg("no row %s", name);
    row = abi_call(arch, abi_number(arch, row));
    if (!row)
        fail_msg("%s has no number on %s", name, abi_arch_name(arch));
    return row;
}

static bool in_group(const struct abi_call *row, const char *group)
{
    const int i = abi_group(group);

    if (i < 0)
        fail_msg("no group %s", group);
    return row->groups >> i & 1;
}

/* Calls visit(arch, row) for every row that a call number of either architecture leads to. Returns how many. */
static int each_row(void (*visit)(enum abi_arch arch, const struct abi_call *row))
{
    int count = 0;

    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int nr = 0; nr < abi_limit(arch); nr++) {
            const struct abi_call *row = abi_call(arch, nr);
            if (!row)
                continue;
            visit(arch, row);
            count++;
        }
    return count;
}

static void test_every_number_that_libseccomp_knows_has_its_row(void **state)
{
    int known = 0;

    (void)state;
    for (int arch = 0; arch < ABI_ARCHES; arch++)
        for (int nr = 0; nr < SCANNED; nr++) {
            char *name = seccomp_syscall_resolve_num_arch(seccomp_arch[arch], nr);
            const struct abi_call *row = abi_call(arch, nr);
            if (!name) {
                assert_null(row);
                continue;
            }
            assert_string_equal(row ? row->name : "(no row)", name);
            assert_int_equal(row ? abi_number(arch, row) : -1, nr);
            free(name);
            known++;
        }
    assert_true(known > 800);
    assert_null(abi_call(ABI_X86_64, -1));
    assert_null(abi_call(ABI_X86_64, SCANNED));
    assert_null(abi_call(ABI_I386, 1 << 30));
}

static void test_names_are_unique_and_indices_lead_back(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; abi_row(i); i++) {
        assert_ptr_equal(abi_find(abi_row(i)->name), abi_row(i));
        assert_int_equal(abi_index(abi_row(i)), i);
    }
    assert_true(i > 450);
    assert_null(abi_find("no_such_call"));
    assert_null(abi_find(""));
    /* A row for i386 alone shares name, index and numbers with the other. */
    const struct abi_call *mmap32 = row_of(ABI_I386, "mmap");
    assert_ptr_not_equal(mmap32, abi_find("mmap"));
    assert_int_equal(abi_index(mmap32), abi_index(abi_find("mmap")));
    assert_int_equal(abi_number(ABI_X86_64, mmap32), 9);
    assert_int_equal(abi_number(ABI_I386, abi_find("mmap")), 90);
    assert_int_equal(abi_number(ABI_X86_64, abi_find("stat64")), -1);
    assert_int_equal(abi_number(ABI_I386, abi_find("semtimedop")), -1);
}

static const struct { enum abi_arch arch; enum abi_where where; const char *name, *shape; } signatures[] = {
    { ABI_X86_64, ABI_HELPER, "open", "path:open flags:flags mode:mode" },
    { ABI_X86_64, ABI_HELPER, "openat", "dirfd:dirfd path:open flags:flags mode:mode" },
    { ABI_I386, ABI_HELPER, "openat", "dirfd:dirfd path:open flags:flags mode:mode" },
    { ABI_X86_64, ABI_HELPER, "openat2", "dirfd:dirfd path:open how:how size:size" },
    { ABI_X86_64, ABI_HELPER, "creat", "path:open mode:mode" },
    { ABI_X86_64, ABI_ANY, "stat", "path:path statbuf:struct-out" },
    { ABI_X86_64, ABI_ANY, "lstat", "path:link statbuf:struct-out" },
    { ABI_X86_64, ABI_ANY, "newfstatat", "dirfd:dirfd path:at statbuf:struct-out flags:flags" },
    { ABI_X86_64, ABI_ANY, "statx", "dirfd:dirfd path:at flags:flags mask:flags statxbuf:struct-out" },
    { ABI_I386, ABI_ANY, "fstatat64", "dirfd:dirfd path:at statbuf:struct-out flags:flags" },
    { ABI_I386, ABI_ANY, "lstat64", "path:link statbuf:struct-out" },
    { ABI_I386, ABI_ANY, "statfs64", "path:path size:size statbuf:struct-out" },
    { ABI_X86_64, ABI_ANY, "access", "path:path mode:flags" },
    { ABI_X86_64, ABI_ANY, "faccessat", "dirfd:dirfd path:path mode:flags" },
    { ABI_X86_64, ABI_ANY, "faccessat2", "dirfd:dirfd path:at mode:flags flags:flags" },
    { ABI_X86_64, ABI_HELPER, "readlink", "path:link buf:out bufsiz:size" },
    { ABI_X86_64, ABI_HELPER, "readlinkat", "dirfd:dirfd path:link buf:out bufsiz:size" },
    { ABI_X86_64, ABI_ANY, "fchmodat", "dirfd:dirfd path:path mode:mode" },
    { ABI_X86_64, ABI_ANY, "fchmodat2", "dirfd:dirfd path:at mode:mode flags:flags" },
    { ABI_X86_64, ABI_ANY, "lchown", "path:link owner:uid group:gid" },
    { ABI_X86_64, ABI_ANY, "fchownat", "dirfd:dirfd path:at owner:uid group:gid flags:flags" },
    { ABI_X86_64, ABI_ANY, "link", "path:link newpath:name" },
    { ABI_X86_64, ABI_ANY, "linkat", "dirfd:dirfd path:at newdirfd:dirfd newpath:name flags:flags" },
    { ABI_X86_64, ABI_ANY, "symlink", "target:string path:name" },
    { ABI_X86_64, ABI_ANY, "symlinkat", "target:string dirfd:dirfd path:name" },
    { ABI_X86_64, ABI_ANY, "rename", "path:name newpath:name" },
    { ABI_X86_64, ABI_ANY, "renameat2", "dirfd:dirfd path:name newdirfd:dirfd newpath:name flags:flags" },
    { ABI_X86_64, ABI_ANY, "unlinkat", "dirfd:dirfd path:name flags:flags" },
    { ABI_X86_64, ABI_ANY, "mkdirat", "dirfd:dirfd path:name mode:mode" },
    { ABI_X86_64, ABI_ANY, "mknodat", "dirfd:dirfd path:name mode:mode dev:uint" },
    { ABI_X86_64, ABI_ANY, "utimensat", "dirfd:dirfd path:at times:struct-in flags:flags" },
    { ABI_X86_64, ABI_ANY, "lgetxattr", "path:link name:string value:out size:size" },
    { ABI_X86_64, ABI_ANY, "getxattr", "path:path name:string value:out size:size" },
    { ABI_X86_64, ABI_ANY, "setxattr", "path:path name:string value:in size:size flags:flags" },
    { ABI_X86_64, ABI_HELPER, "chdir", "path:path" },
    { ABI_X86_64, ABI_HELPER, "truncate", "path:path length:offset" },
    { ABI_I386, ABI_HELPER, "truncate64", "path:path length:offset length_high:offset" },
    { ABI_X86_64, ABI_BLOCKS, "read", "fd:fd buf:out count:size" },
    { ABI_X86_64, ABI_BLOCKS, "write", "fd:fd buf:in count:size" },
    { ABI_X86_64, ABI_BLOCKS, "writev", "fd:fd iov:iov-in iovcnt:size" },
    { ABI_X86_64, ABI_BLOCKS, "pread64", "fd:fd buf:out count:size offset:offset" },
    { ABI_I386, ABI_BLOCKS, "pread64", "fd:fd buf:out count:size offset:offset offset_high:offset" },
    { ABI_I386, ABI_BLOCKS, "pwrite64", "fd:fd buf:in count:size offset:offset offset_high:offset" },
    { ABI_I386, ABI_ANY, "_llseek", "fd:fd offset_high:ulong offset_low:ulong result:struct-out whence:flags" },
    { ABI_I386, ABI_BLOCKS, "sync_file_range", "fd:fd offset:offset offset_high:offset nbytes:offset nbytes_high:offset flags:flags" },
    { ABI_X86_64, ABI_UNSAFE, "fanotify_mark", "fd:fd flags:uint mask:ulong dirfd:dirfd path:path" },
    { ABI_I386, ABI_UNSAFE, "fanotify_mark", "fd:fd flags:uint mask:ulong mask_high:ulong dirfd:dirfd path:path" },
    { ABI_X86_64, ABI_ANY, "mmap", "addr:pointer length:size prot:flags flags:flags fd:fd offset:offset" },
    { ABI_I386, ABI_HELPER, "mmap", "arguments:pointer" },
    { ABI_I386, ABI_ANY, "mmap2", "addr:pointer length:size prot:flags flags:flags fd:fd pgoffset:ulong" },
    { ABI_X86_64, ABI_BLOCKS, "select", "nfds:int readfds:pointer writefds:pointer exceptfds:pointer timeout:pointer" },
    { ABI_I386, ABI_BLOCKS, "select", "arguments:pointer" },
    { ABI_X86_64, ABI_PROCESS, "clone", "flags:flags stack:pointer parent_tid:pointer child_tid:pointer tls:pointer" },
    { ABI_I386, ABI_PROCESS, "clone", "flags:flags stack:pointer parent_tid:pointer tls:pointer child_tid:pointer" },
    { ABI_X86_64, ABI_PROCESS, "execve", "path:path argv:strings envp:strings" },
    { ABI_X86_64, ABI_PROCESS, "execveat", "dirfd:dirfd path:at argv:strings envp:strings flags:flags" },
    { ABI_X86_64, ABI_ANY, "getpid", "" },
    { ABI_X86_64, ABI_THREAD, "gettid", "" },
    { ABI_X86_64, ABI_THREAD, "futex", "uaddr:pointer op:flags val:uint timeout:pointer uaddr2:pointer val3:uint" },
    { ABI_X86_64, ABI_WATCHED, "kill", "pid:pid sig:signal" },
    { ABI_X86_64, ABI_WATCHED, "tgkill", "tgid:pid tid:pid sig:signal" },
    { ABI_X86_64, ABI_WATCHED, "prctl", "option:flags arg2:ulong arg3:ulong arg4:ulong arg5:ulong" },
    { ABI_X86_64, ABI_BLOCKS, "connect", "fd:fd addr:addr-in addrlen:size" },
    { ABI_X86_64, ABI_BLOCKS, "accept4", "fd:fd addr:addr-out addrlen:pointer flags:flags" },
    { ABI_X86_64, ABI_BLOCKS, "sendto", "fd:fd buf:in len:size flags:flags addr:addr-in addrlen:size" },
    { ABI_X86_64, ABI_BLOCKS, "recvfrom", "fd:fd buf:out len:size flags:flags addr:addr-out addrlen:pointer" },
    { ABI_X86_64, ABI_BLOCKS, "sendmsg", "fd:fd msg:msg-in flags:flags" },
    { ABI_X86_64, ABI_BLOCKS, "recvmsg", "fd:fd msg:msg-out flags:flags" },
    { ABI_I386, ABI_HELPER, "socketcall", "call:uint args:pointer" },
    { ABI_X86_64, ABI_UNSAFE, "io_uring_setup", "entries:uint params:pointer" },
    { ABI_X86_64, ABI_UNSAFE, "ptrace", "request:flags pid:pid addr:pointer data:pointer" },
};

static void test_signatures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        const struct abi_call *row = row_of(signatures[i].arch, signatures[i].name);
        if (strcmp(shape(row), signatures[i].shape) != 0 || row->where != signatures[i].where)
            fail_msg("%s %s: where %d (%s)", abi_arch_name(signatures[i].arch), row->name, (int)row->where, shape(row));
    }
}

static bool is_path(enum abi_type type)
{
    return type >= ABI_PATH && type <= ABI_PATH_OPEN;
}

static bool is_count(enum abi_type type)
{
    return type == ABI_INT || type == ABI_UINT || type == ABI_SIZE;
}

/* What must come right after an argument of this type. */
static bool follows(enum abi_type type, const struct abi_arg *next)
{
    switch (type) {
    case ABI_DIRFD:
        return is_path(next->type);
    case ABI_ADDR_OUT:
        return next->type == ABI_POINTER;
    case ABI_OPEN_HOW: case ABI_ADDR_IN: case ABI_BUF_IN: case ABI_BUF_OUT: case ABI_IOV_IN: case ABI_IOV_OUT: case ABI_MMSG_IN:
        return is_count(next->type);
    default:
        return true;
    }
}

static const struct abi_arg *argument(const struct abi_call *row, const char *name)
{
    for (int i = 0; i < 6 && row->args[i].type != ABI_NONE; i++)
        if (strcmp(row->args[i].name, name) == 0)
            return &row->args[i];
    return NULL;
}

static bool has_flag(const struct abi_call *row, const char *arg, const char *flag)
{
    const struct abi_arg *flags = argument(row, arg);
    const struct abi_flag *found;

    return flags && flags->type == ABI_FLAGS && abi_flag_value(flags->set, flag, &found) == 0;
}

static bool name_fits(const struct abi_arg *arg)
{
    if (is_path(arg->type))
        return strcmp(arg->name, "path") == 0 || strcmp(arg->name, "newpath") == 0;
    if (arg->type == ABI_DIRFD)
        return strcmp(arg->name, "dirfd") == 0 || strcmp(arg->name, "newdirfd") == 0;
    if (arg->type == ABI_ADDR_IN || arg->type == ABI_ADDR_OUT)
        return strcmp(arg->name, "addr") == 0;
    return arg->name[0] != '\0';
}

static void check_argument(const struct abi_call *row, int i)
{
    static const struct abi_arg none = { 0 };
    const struct abi_arg *arg = &row->args[i], *next = i < 5 ? &row->args[i + 1] : &none;
    const bool sized = arg->type == ABI_STRUCT_IN;

    if (argument(row, arg->name) != arg)
        fail_msg("%s: two arguments %s", row->name, arg->name);
    if (!name_fits(arg))
        fail_msg("%s: %s is a bad name", row->name, arg->name);
    if (!follows(arg->type, next))
        fail_msg("%s: wrong argument after %s", row->name, arg->name);
    if ((arg->set != NULL) != (arg->type == ABI_FLAGS || arg->type == ABI_CLOCK))
        fail_msg("%s: %s and its set", row->name, arg->name);
    if ((arg->size32 != 0) != sized || (arg->size && !sized))
        fail_msg("%s: size of %s", row->name, arg->name);
    if (arg->type == ABI_PATH_AT && !has_flag(row, "flags", "AT_EMPTY_PATH"))
        fail_msg("%s: no AT flags", row->name);
    if (arg->type == ABI_PATH_AT && has_flag(row, "flags", "AT_SYMLINK_NOFOLLOW") == has_flag(row, "flags", "AT_SYMLINK_FOLLOW"))
        fail_msg("%s: follows or not?", row->name);
    if ((arg->type == ABI_PATH_OPEN) != (is_path(arg->type) && in_group(row, "open")))
        fail_msg("%s: opens and is not in @open, or the reverse", row->name);
    if (strcmp(arg->name, "offset_high") == 0 && arg->type == ABI_OFFSET && row->args[i - 1].type != ABI_OFFSET)
        fail_msg("%s: half an offset", row->name);
}

static void check_shape(enum abi_arch arch, const struct abi_call *row)
{
    int count = 0;

    (void)arch;
    while (count < 6 && row->args[count].type != ABI_NONE)
        check_argument(row, count++);
    for (int i = count; i < 6; i++)
        if (row->args[i].type != ABI_NONE || row->args[i].name)
            fail_msg("%s: a hole in the arguments", row->name);
}

static void test_arguments_have_the_shapes_that_the_helper_relies_on(void **state)
{
    (void)state;
    assert_true(each_row(check_shape) > 800);
    for (size_t i = 0; abi_row(i); i++)
        check_shape(ABI_X86_64, abi_row(i));
    /* linkat alone turns the rule round. */
    assert_true(has_flag(abi_find("linkat"), "flags", "AT_SYMLINK_FOLLOW"));
    assert_true(has_flag(abi_find("newfstatat"), "flags", "AT_SYMLINK_NOFOLLOW"));
    assert_true(has_flag(abi_find("faccessat2"), "flags", "AT_EACCESS"));
    assert_true(has_flag(abi_find("unlinkat"), "flags", "AT_REMOVEDIR"));
    assert_true(has_flag(abi_find("openat"), "flags", "O_NOFOLLOW"));
}

static void test_sizes_of_structs(void **state)
{
    static const struct { const char *call, *arg; size_t size, size32; } sizes[] = {
        { "nanosleep", "req", sizeof(struct timespec), 8 },
        { "clock_nanosleep_time64", "req", 16, 16 },
        { "utimensat", "times", 2 * sizeof(struct timespec), 16 },
        { "utimes", "times", 2 * sizeof(struct timeval), 16 },
        { "utime", "times", sizeof(struct utimbuf), 8 },
        { "setitimer", "new_value", sizeof(struct itimerval), 16 },
        { "timer_settime", "new_value", sizeof(struct itimerspec), 16 },
        { "timer_create", "sevp", sizeof(struct sigevent), 64 },
        { "settimeofday", "tz", sizeof(struct timezone), 8 },
        { "rt_sigqueueinfo", "info", sizeof(siginfo_t), 128 },
        { "sigaltstack", "ss", sizeof(stack_t), 12 },
        { "epoll_ctl", "event", sizeof(struct epoll_event), 12 },
        { "setrlimit", "rlim", sizeof(struct rlimit), 8 },
        { "prlimit64", "new_limit", sizeof(struct rlimit64), 16 },
        { "mq_open", "attr", sizeof(struct mq_attr), 32 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct abi_arg *arg = argument(abi_find(sizes[i].call), sizes[i].arg);
        assert_non_null(arg);
        assert_int_equal(arg->size, sizes[i].size);
        assert_int_equal(arg->size32, sizes[i].size32);
    }
}

/* The members of a group, in the table's order. */
static const char *members(const char *group)
{
    static char text[8192];
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; abi_row(i); i++)
        if (in_group(abi_row(i), group))
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", length ? " " : "", abi_row(i)->name);
    return text;
}

static void check_unsafe(enum abi_arch arch, const struct abi_call *row)
{
    const uint32_t unsafe = 1u << abi_group("unsafe");

    /* Allowing any other group never allows an unsafe call. */
    if ((row->where == ABI_UNSAFE) != (row->groups == unsafe))
        fail_msg("%s: unsafe by its class or by its group only", row->name);
    if (row->groups & unsafe && row->groups != unsafe)
        fail_msg("%s: unsafe and in another group", row->name);
    /* The two rows of one name belong to the same groups. */
    assert_int_equal(row->groups, abi_row(abi_index(row))->groups);
    (void)arch;
}

static void test_groups(void **state)
{
    static const char *const names[] = {
        "stdio", "read", "write", "open", "stat", "file", "dir", "exec", "process", "thread", "signal", "memory", "time", "net", "ipc",
        "self", "ids", "admin", "unsafe", NULL
    };

    (void)state;
    for (int i = 0; names[i] || abi_groups[i].name; i++) {
        assert_string_equal(abi_groups[i].name, names[i]);
        assert_int_equal(abi_group(names[i]), i);
        assert_true(strlen(abi_groups[i].about) > 10);
        assert_string_not_equal(members(names[i]), "");
    }
    assert_int_equal(abi_group("@open"), -1);
    assert_int_equal(abi_group("nothing"), -1);
    assert_string_equal(members("open"), "open openat openat2 creat");
    assert_string_equal(members("exec"), "execve execveat");
    assert_string_equal(members("read"), "read readv pread64 preadv preadv2");
    assert_string_equal(members("write"), "write writev pwrite64 pwritev pwritev2");
    each_row(check_unsafe);
}

static void test_memberships(void **state)
{
    static const struct { const char *group, *in, *out; } lists[] = {
        { "stdio", "read write pread64 readv close dup dup2 dup3 fcntl fcntl64 ioctl lseek _llseek poll ppoll select _newselect epoll_wait fstat",
          "openat stat newfstatat mmap socket unlink" },
        { "stat", "stat lstat fstat newfstatat statx stat64 lstat64 fstat64 fstatat64 access faccessat faccessat2 readlink readlinkat getcwd statfs",
          "open truncate chmod getdents64" },
        { "self", "exit exit_group getpid gettid rt_sigaction rt_sigprocmask rt_sigreturn sigreturn arch_prctl set_thread_area set_tid_address "
          "set_robust_list rseq prlimit64 getrandom futex futex_time64 uname sysinfo clock_gettime clock_gettime64 nanosleep clock_nanosleep",
          "kill tgkill openat mmap setuid prctl clone" },
        { "file", "unlink rename renameat2 link symlink chmod fchownat truncate mkdir rmdir utimensat setxattr", "openat read getxattr" },
        { "memory", "mmap mmap2 munmap mprotect mremap brk madvise", "shmat process_vm_writev userfaultfd" },
        { "process", "clone clone3 fork vfork wait4 waitid waitpid", "ptrace process_vm_writev execve" },
        { "net", "socket connect bind sendto sendmsg sendmmsg recvmmsg_time64 socketcall accept4 send recv", "pipe mq_open" },
        { "ids", "getuid setuid getuid32 setresgid32 capset", "setns" },
        { "admin", "chroot reboot setns unshare clock_settime sethostname", "mount init_module bpf" },
        { "unsafe", "io_uring_setup bpf ptrace perf_event_open userfaultfd init_module kexec_load mount seccomp process_vm_writev pidfd_getfd "
          "open_by_handle_at modify_ldt io_submit", "openat prctl" },
        { "signal", "kill tgkill rt_sigaction sigaltstack pause", "alarm" },
        { "ipc", "ipc shmat semop msgrcv mq_open", "socket" },
        { "time", "clock_gettime gettimeofday nanosleep timerfd_create", "settimeofday clock_settime" },
        { "dir", "getdents64 mkdir rmdir chdir getcwd", "unlinkat chroot" },
        { "thread", "clone gettid futex sched_yield", "fork" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (int out = 0; out < 2; out++) {
            char *copy = strdup(out ? lists[i].out : lists[i].in), *rest = copy;
            for (char *name; (name = strsep(&rest, " "));)
                if (!abi_find(name) || in_group(abi_find(name), lists[i].group) == out)
                    fail_msg("%s and @%s", name, lists[i].group);
            free(copy);
        }
}

static void test_classes(void **state)
{
    static const struct { enum abi_where where; const char *calls; } classes[] = {
        { ABI_ANY, "munmap brk close dup lseek fstat getpid mkdir stat access unlink rename" },
        { ABI_BLOCKS, "poll ppoll epoll_wait nanosleep wait4 waitid accept recvmsg flock fsync msgrcv semop fcntl fcntl64" },
        { ABI_THREAD, "arch_prctl set_tid_address sigaltstack rt_sigprocmask rt_sigreturn gettid futex exit_group "
          "sched_setaffinity restart_syscall" },
        { ABI_HELPER, "open openat openat2 creat readlink readlinkat chdir fchdir chroot pivot_root pidfd_open socketcall ipc" },
        { ABI_WATCHED, "exit prctl rseq personality kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal setuid setuid32 setresgid capset unshare setns" },
        { ABI_PROCESS, "clone clone3 fork vfork execve execveat" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        char *copy = strdup(classes[i].calls), *rest = copy;
        for (char *name; (name = strsep(&rest, " "));)
            if (!abi_find(name) || abi_find(name)->where != classes[i].where)
                fail_msg("%s is of another class than %d", name, (int)classes[i].where);
        free(copy);
    }
}

static void test_names(void **state)
{
    int errors = 0;

    (void)state;
    for (int error = 1; error < 200; error++)
        if (abi_errno_name(error)) {
            assert_int_equal(abi_errno(abi_errno_name(error)), error);
            errors++;
        }
    assert_true(errors > 120);
    assert_int_equal(abi_errno("EPERM"), 1);
    assert_int_equal(abi_errno("EWOULDBLOCK"), EAGAIN);
    assert_string_equal(abi_errno_name(EAGAIN), "EAGAIN");
    assert_int_equal(abi_errno("EPERMX"), 0);
    assert_int_equal(abi_errno(""), 0);
    assert_null(abi_errno_name(0));
    assert_null(abi_errno_name(-1));
    assert_null(abi_errno_name(9999));

    for (int signal = 1; signal <= 64; signal++) {
        assert_non_null(abi_signal_name(signal));
        assert_int_equal(abi_signal(abi_signal_name(signal)), signal);
    }
    assert_int_equal(abi_signal("SIGKILL"), 9);
    assert_int_equal(abi_signal("KILL"), 9);
    assert_int_equal(abi_signal("SIG"), 0);
    assert_int_equal(abi_signal(""), 0);
    assert_string_equal(abi_signal_name(SIGABRT), "SIGABRT");
    assert_null(abi_signal_name(0));
    assert_null(abi_signal_name(65));
    assert_string_equal(abi_arch_name(ABI_X86_64), "x86_64");
    assert_string_equal(abi_arch_name(ABI_I386), "i386");
}

static void test_flags_as_text(void **state)
{
    static const struct { const struct abi_flag *set; uint64_t value; const char *text; } texts[] = {
        { abi_flags_open, 0, "O_RDONLY" },
        { abi_flags_open, O_RDONLY | O_CLOEXEC, "O_RDONLY|O_CLOEXEC" },
        { abi_flags_open, O_WRONLY | O_CREAT | O_TRUNC, "O_WRONLY|O_CREAT|O_TRUNC" },
        { abi_flags_open, O_RDWR | O_SYNC, "O_RDWR|O_SYNC" },
        { abi_flags_open, O_RDWR | O_DSYNC, "O_RDWR|O_DSYNC" },
        { abi_flags_open, O_RDWR | O_TMPFILE, "O_RDWR|O_TMPFILE" },
        { abi_flags_open, 0100000, "O_RDONLY|O_LARGEFILE" },
        { abi_flags_open, 3, "0x3" },
        { abi_flags_open, UINT64_C(1) << 40, "O_RDONLY|0x10000000000" },
        { abi_flags_prot, 0, "PROT_NONE" },
        { abi_flags_prot, 5, "PROT_READ|PROT_EXEC" },
        { abi_flags_map, 0x22, "MAP_PRIVATE|MAP_ANONYMOUS" },
        { abi_flags_map, 3, "MAP_SHARED_VALIDATE" },
        { abi_flags_at, 0, "0" },
        { abi_flags_at, 0x1100, "AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH" },
        { abi_flags_at, 0x80000000u, "0x80000000" },
        { abi_flags_family, AF_UNIX, "AF_UNIX" },
        { abi_flags_family, 12345, "0x3039" },
        { abi_flags_socktype, SOCK_STREAM | SOCK_CLOEXEC, "SOCK_STREAM|SOCK_CLOEXEC" },
        { abi_flags_clone, 0x11, "SIGCHLD" },
        { abi_flags_clone, 0x4111, "SIGCHLD|CLONE_VM|CLONE_VFORK" },
        { abi_flags_rusage, (uint64_t)-1, "RUSAGE_CHILDREN" },
        { abi_flags_rusage, 0xffffffff, "RUSAGE_CHILDREN" },
        { abi_flags_fcntl, F_SETLKW, "F_SETLKW" },
        { abi_flags_flock, 6, "LOCK_EX|LOCK_NB" },
        { abi_flags_access, 0, "F_OK" },
        { abi_flags_access, 6, "R_OK|W_OK" },
        { abi_flags_futex, 129, "FUTEX_WAKE|FUTEX_PRIVATE_FLAG" },
    };
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const int length = abi_flags_text(texts[i].set, texts[i].value, text, sizeof text);
        assert_string_equal(text, texts[i].text);
        assert_int_equal(length, strlen(text));
    }
    /* Too small: cut and terminated, with the length that would be needed. */
    assert_int_equal(abi_flags_text(abi_flags_open, O_CLOEXEC, text, 6), strlen("O_RDONLY|O_CLOEXEC"));
    assert_string_equal(text, "O_RDO");
    assert_int_equal(abi_flags_text(abi_flags_open, O_CLOEXEC, NULL, 0), strlen("O_RDONLY|O_CLOEXEC"));
}

static void test_flags_by_name(void **state)
{
    static const struct abi_flag *const sets[] = {
#define SET(name) abi_flags_##name,
        ABI_FLAG_SETS(SET)
#undef SET
    };
    const struct abi_flag *found;

    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        assert_non_null(sets[i][0].name);
        for (const struct abi_flag *flag = sets[i]; flag->name; flag++) {
            assert_int_equal(abi_flag_value(sets[i], flag->name, &found), 0);
            if (found != flag)
                fail_msg("%s stands twice in one set", flag->name);
            if (flag->mask == 0 || (flag->value & ~flag->mask) || strpbrk(flag->name, " |(~"))
                fail_msg("%s can never match", flag->name);
        }
    }
    assert_int_equal(abi_flag_value(abi_flags_open, "O_CREAT", &found), 0);
    assert_int_equal(found->value, O_CREAT);
    assert_int_equal(abi_flag_value(abi_flags_open, "O_RDWR", &found), 0);
    assert_int_equal(found->mask, O_ACCMODE);
    assert_int_equal(abi_flag_value(abi_flags_open, "O_NOTHING", &found), -1);
}

static void test_socketcall(void **state)
{
    int words = 0, known = 0;

    (void)state;
    for (uint32_t i = 0; i < 64; i++) {
        const struct abi_call *row = abi_socketcall(i, &words);
        int count = 0;
        if (!row)
            continue;
        while (count < 6 && row->args[count].type != ABI_NONE)
            count++;
        assert_true(words <= count);    /* accept, send and recv are calls with more arguments, all 0 */
        assert_true(in_group(row, "net"));
        known++;
    }
    assert_int_equal(known, 20);
    assert_string_equal(abi_socketcall(1, &words)->name, "socket");
    assert_string_equal(abi_socketcall(3, &words)->name, "connect");
    assert_string_equal(abi_socketcall(18, &words)->name, "accept4");
    assert_string_equal(abi_socketcall(5, &words)->name, "accept4");
    assert_string_equal(abi_socketcall(9, &words)->name, "sendto");
    assert_null(abi_socketcall(0, &words));
    assert_null(abi_socketcall(21, &words));
    assert_null(abi_socketcall(UINT32_MAX, &words));
}

static void test_ipc(void **state)
{
    const uint8_t *from = NULL;
    int known = 0;

    (void)state;
    for (uint32_t i = 0; i < 64; i++) {
        const struct abi_call *row = abi_ipc(i, &from);
        if (!row)
            continue;
        for (int arg = 0; arg < 6; arg++)
            assert_true(!from[arg] || row->args[arg].type != ABI_NONE);    /* semop is a semtimedop without its last */
        assert_true(in_group(row, "ipc"));
        known++;
    }
    assert_int_equal(known, 12);
    assert_string_equal(abi_ipc(21, &from)->name, "shmat");
    assert_int_equal(from[1], 4);
    assert_string_equal(abi_ipc(12, &from)->name, "msgrcv");
    assert_int_equal(from[1], ABI_IPC_AT_PTR);
    assert_int_equal(from[3], ABI_IPC_AT_PTR + 1);
    assert_string_equal(abi_ipc(1u << 16 | 12, &from)->name, "msgrcv");
    assert_int_equal(from[1], 4);
    assert_int_equal(from[3], 5);
    assert_string_equal(abi_ipc(3, &from)->name, "semctl");
    assert_int_equal(from[3], ABI_IPC_AT_PTR);
    assert_null(abi_ipc(1u << 16 | 21, &from));
    assert_null(abi_ipc(0, &from));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_number_that_libseccomp_knows_has_its_row),
        cmocka_unit_test(test_names_are_unique_and_indices_lead_back),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_arguments_have_the_shapes_that_the_helper_relies_on),
        cmocka_unit_test(test_sizes_of_structs),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_memberships),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_flags_as_text),
        cmocka_unit_test(test_flags_by_name),
        cmocka_unit_test(test_socketcall),
        cmocka_unit_test(test_ipc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
