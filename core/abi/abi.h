/*
 * abi: what a system call is, on both architectures, in one table (calls.def).
 *
 * Pure data and look-ups; runs in the helper and in the command line. Believes nobody: numbers are
 * those libseccomp knows for the kernel, a number without a row is "unknown" and never guessed.
 */
#ifndef NURSE_ABI_H
#define NURSE_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum abi_arch { ABI_X86_64, ABI_I386, ABI_ARCHES };

/* What an argument is. Where a length or a count belongs to it, that is the argument right after it,
 * unless the type says otherwise. */
enum abi_type {
    ABI_NONE,          /* the call has no such argument */
    ABI_INT,           /* signed 32 bit */
    ABI_UINT,          /* unsigned 32 bit */
    ABI_LONG,          /* signed, a word */
    ABI_ULONG,         /* unsigned, a word; shown in hexadecimal */
    ABI_SIZE,          /* unsigned, a word; shown in decimal */
    ABI_OFFSET,        /* file offset; a low/high pair is two of them, the second named like the first with "_high" (on x86_64
                          only preadv and its like have the second, and the kernel ignores it there) */
    ABI_FD,            /* descriptor */
    ABI_DIRFD,         /* directory descriptor or AT_FDCWD: the base of the next path argument */
    ABI_PATH,          /* path; a last symbolic link is followed */
    ABI_PATH_LINK,     /* path; a last symbolic link is not followed (lstat, readlink, lchown) */
    ABI_PATH_NAME,     /* path whose last name is created or removed (mkdir, unlink, rename) */
    ABI_PATH_AT,       /* path; followed or not as the call's AT_* flags argument says: followed unless AT_SYMLINK_NOFOLLOW is
                          set, but where the set names AT_SYMLINK_FOLLOW (linkat), only when that is set */
    ABI_PATH_OPEN,     /* path of open, openat, creat, openat2: as O_* flags say */
    ABI_STRING,        /* C string that is not resolved as a path here (symlink target, xattr name) */
    ABI_STRINGS,       /* NULL-terminated vector of C strings (argv, envp) */
    ABI_FLAGS,         /* set of named bits, see abi_arg.set */
    ABI_MODE,          /* permission bits; shown in octal */
    ABI_OPEN_HOW,      /* struct open_how of openat2; the size follows */
    ABI_ADDR_IN,       /* struct sockaddr that the kernel reads; its length follows */
    ABI_ADDR_OUT,      /* struct sockaddr that the kernel fills; pointer to its length follows */
    ABI_BUF_IN,        /* bytes that the kernel reads; their count follows */
    ABI_BUF_OUT,       /* bytes that the kernel fills; their count follows */
    ABI_IOV_IN,        /* struct iovec[], data read by the kernel; count follows */
    ABI_IOV_OUT,       /* struct iovec[], data filled by the kernel; count follows */
    ABI_MSG_IN,        /* struct msghdr of sendmsg */
    ABI_MMSG_IN,       /* struct mmsghdr[] of sendmmsg; count follows */
    ABI_MSG_OUT,       /* struct msghdr of recvmsg */
    ABI_STRUCT_IN,     /* pointer to a struct that the kernel reads only (abi_arg.size or size32 bytes, 0: not known); may be NULL */
    ABI_STRUCT_OUT,    /* pointer to a struct that the kernel fills */
    ABI_POINTER,       /* any other address, also of what the kernel both reads and writes (pollfd[], select's timeout) */
    ABI_PID, ABI_UID, ABI_GID, ABI_SIGNAL, ABI_CLOCK,
};

/* What is in a struct that the kernel reads, where policies see more than an address. */
enum abi_shape {
    ABI_BLOB,
    ABI_TIMESPEC,      /* seconds and nanoseconds, words */
    ABI_TIMESPEC64,    /* the same, 64 bits each also on i386 */
    ABI_TIMEVAL,       /* seconds and microseconds, words */
};

/* Where a call may run, once it is allowed. */
enum abi_where {
    ABI_ANY,        /* effect on the process as a whole, or none: in the thread (native) or in its trustee */
    ABI_BLOCKS,     /* as ABI_ANY, but it may sleep: the thread itself is preferred, so that signals reach it */
    ABI_THREAD,     /* reads or changes state of the calling thread: only there */
    ABI_WATCHED,    /* as ABI_THREAD, but never native: the helper looks at each one before the thread goes on (prctl, kill) */
    ABI_HELPER,     /* never native, the helper has to look at each one (open: procfs mem; readlink: /proc/self/exe; chdir) */
    ABI_PROCESS,    /* creates or replaces a process: clone, fork, vfork, clone3, execve, execveat */
    ABI_UNSAFE,     /* kernel work outside the route table; denied unless a policy names it as unsafe */
};

/* A set of named bits, or (with a mask) of named values; ends with a NULL name. */
struct abi_flag { const char *name; uint64_t value, mask; };    /* matches when (x & mask) == value */

struct abi_arg {
    const char *name;               /* the manual page's name, but paths are always "path" and "newpath",
                                       socket addresses "addr", descriptors "fd" (directory ones "dirfd"),
                                       buffers of data "buf", open and AT flags "flags" */
    enum abi_type type;
    const struct abi_flag *set;     /* of ABI_FLAGS and ABI_CLOCK, else NULL */
    uint16_t size, size32;          /* of ABI_STRUCT_IN on x86_64 and on i386, else 0 */
    enum abi_shape shape;           /* of ABI_STRUCT_IN */
};

struct abi_call {
    const char *name;               /* the kernel's name */
    enum abi_where where;
    uint32_t groups;                /* bit i: member of abi_groups[i] */
    uint16_t index;                 /* see abi_index() */
    struct abi_arg args[6];
};

struct abi_group { const char *name, *about; };    /* name without '@' */
extern const struct abi_group abi_groups[];        /* ends with a NULL name; at most 32 */

/* A few calls have other arguments on i386 than on x86_64 (mmap, pread64, clone...): abi_call(ABI_I386, nr) gives a row of its own
 * with the same name; abi_find() and abi_row() give the x86_64 one. So compare names or abi_index(), never addresses of rows. */

/* The row of a call number, as that architecture lays out the arguments; NULL when there is none. */
const struct abi_call *abi_call(enum abi_arch arch, int nr);
/* The row of a name; NULL when unknown. */
const struct abi_call *abi_find(const char *name);
/* The number that an architecture gives to the call of this name; -1 when it has none. */
int abi_number(enum abi_arch arch, const struct abi_call *call);
/* All rows but those for i386 alone, one per name, in the table's order: abi_row(0), abi_row(1)... NULL at the end. */
const struct abi_call *abi_row(size_t i);
/* The i of abi_row(i) for any row, also one that abi_call() gave for i386: an index for tables of per-call data. */
size_t abi_index(const struct abi_call *call);
/* One past the highest number of an architecture. */
int abi_limit(enum abi_arch arch);

/* Index of a group name (without '@'), -1 when unknown. */
int abi_group(const char *name);

/* "EPERM" -> 1, and back; 0 or NULL when unknown. */
int abi_errno(const char *name);
const char *abi_errno_name(int error);
/* "SIGKILL" or "KILL" -> 9, and back; 0 or NULL when unknown. */
int abi_signal(const char *name);
const char *abi_signal_name(int signal);
const char *abi_arch_name(enum abi_arch arch);    /* "x86_64", "i386" */

/* Write the set as "O_RDONLY|O_CLOEXEC" (unknown bits in hexadecimal, empty "0"); returns the length as snprintf does. */
int abi_flags_text(const struct abi_flag *set, uint64_t value, char *buf, size_t size);
/* The entry of one flag name of the set (its value and mask); returns 0, or -1 when the set has no such name. */
int abi_flag_value(const struct abi_flag *set, const char *name, const struct abi_flag **out);

/* The multiplexers of i386 (socketcall, ipc): the call that they stand for, or NULL. `first` is the multiplexer's first
 * argument; on success *words says how many words of arguments lie at its second argument (socketcall); further arguments are 0. Those that
 * have no number of their own on i386 are named as the call that can do the same: accept, send, recv, semop. */
const struct abi_call *abi_socketcall(uint32_t first, int *words);
/* Likewise for ipc, whose arguments are (call, first, second, third, ptr, fifth); `first` is the whole first argument, version included.
 * On success (*from)[i] says where the call's argument i is: 1..5, that argument of ipc; ABI_IPC_AT_PTR + n, the n-th word at the address
 * in ipc's ptr. shmat stores its result at the address in ipc's third argument and returns 0. */
enum { ABI_IPC_AT_PTR = 8 };
const struct abi_call *abi_ipc(uint32_t first, const uint8_t **from);

#endif
