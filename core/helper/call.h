/*
 * call: one system call of the program while it is being judged and carried out.
 *
 * Runs in the helper. The program is not believed: every byte of its memory is fetched once into the
 * call, and that copy alone is judged and later executed (the order window holds it). The policy room
 * reaches a call only through these functions.
 */
#ifndef NURSE_HELPER_CALL_H
#define NURSE_HELPER_CALL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/abi/abi.h"

struct call;    /* core/helper/call_private.h shows it to the helper's own files */

const struct abi_call *call_row(const struct call *call);
enum abi_arch call_arch(const struct call *call);
int call_nr(const struct call *call);
pid_t call_pid(const struct call *call);
pid_t call_tid(const struct call *call);
uint64_t call_ip(const struct call *call);             /* address after the system call instruction */
/* Where in the program the call was made, for people: "libc.so.6: openat64+0x54", or the module and an offset; empty when it isn't known. */
void call_caller(struct call *call, char *buf, size_t size);
const char *call_comm(struct call *call);              /* read from the kernel; valid until the call ends */
const char *call_exe(struct call *call);               /* canonical path of the program */

uint64_t call_arg(const struct call *call, int i);     /* i: 0..5, as the program gave it or as rewritten */
void call_set_arg(struct call *call, int i, uint64_t value);
/* Whether an argument is not what the program gave. */
bool call_is_rewritten(const struct call *call);

/* Canonical path of argument i (a path type, or the address of a unix socket that has a path), resolved as the kernel would for this process, and
 * the spelling the program used. Return 0; the strings live as long as the call. A path that can't be read or is too long never gets here. */
int call_path(struct call *call, int i, const char **canonical);
int call_rawpath(struct call *call, int i, const char **raw);
/* Let the call act on another path, absolute or relative to the process's cwd. Returns 0 or -errno. */
int call_set_path(struct call *call, int i, const char *path);
/* Whether the object that argument i names was there when it was looked for. */
bool call_path_exists(struct call *call, int i);
/* Resolve the call's paths, and those of a program that it executes (#! line, dynamic linker), as if `root`, a canonical path that lives as long
 * as the policy, were the root directory. */
void call_set_root(struct call *call, const char *root);

/* The canonical path of any path, links followed, as the call's process sees it now, or as the helper does (call NULL). What doesn't exist is
 * spelled as far as it does, the rest lexically. Returns 0 or -errno; canonical may be "" then. */
int call_canonical(const struct call *call, const char *path, char canonical[PATH_MAX]);

/* The bytes of argument i (ABI_ADDR_IN, ABI_BUF_IN, ABI_STRUCT_IN, ABI_OPEN_HOW, ABI_STRING; of ABI_IOV_IN and the messages the data, gathered): fetched once, and from then on
 * what the call executes. A buffer longer than CALL_BYTES_MAX is cut there, and the call with it (a short write).
 * Returns 0 or -errno. */
enum { CALL_BYTES_MAX = 32768 };
int call_bytes(struct call *call, int i, const void **bytes, size_t *count);
int call_set_bytes(struct call *call, int i, const void *bytes, size_t count);

/* Bytes of argument i, at most `count`: from the copy that will be executed if there is one, else from the program's memory; unlike with call_bytes() no copy
 * is made. Returns how many, or -errno. */
ssize_t call_peek(struct call *call, int i, void *buf, size_t count);

/* The address in the message of argument i (ABI_MSG_IN; of ABI_MMSG_IN the first message, which is then the only one that is sent), as call_bytes().
 * *count is 0 when the message has none. Returns 0 or -errno. */
int call_name(struct call *call, int i, const void **bytes, size_t *count);
int call_set_name(struct call *call, int i, const void *bytes, size_t count);

/* The control data of that message (ancillary data, cmsg(3)), as call_bytes(). Returns 0 or -errno: ENOBUFS when there are more than the kernel's
 * usual limit for them. */
int call_control(struct call *call, int i, const void **bytes, size_t *count);

/* After the call: bytes that the kernel has put into the vectors of argument i (ABI_IOV_OUT, ABI_MSG_OUT), at most `size`; and the address in a message
 * that was received, 0 when there is none. Return how many there are, or -errno. */
ssize_t call_filled(struct call *call, int i, void *buf, size_t size);
ssize_t call_filled_name(struct call *call, int i, void *buf, size_t size);

/* The strings of argument i (ABI_STRINGS: argv, envp of an exec), fetched once; from then on they are what the call executes. *count excludes the NULL
 * that ends the list. Live as long as the call. Returns 0 or -errno as exec would: EFAULT, E2BIG. */
int call_strings(struct call *call, int i, const char *const **strings, size_t *count);
/* Copies. Returns 0, or -E2BIG when the kernel would refuse so much. */
int call_set_strings(struct call *call, int i, const char *const *strings, size_t count);

/* What is read of the call and assigned to it between these two is undone at the end, and the program's memory is not written: for a judge that is only
 * asked what it would say. One call at a time. */
void call_freeze(struct call *call);
void call_thaw(struct call *call);

/* What a descriptor of the program is, asked of the kernel: path as in /proc/PID/fd; kind is "file", "dir", "pipe", "socket", "tty",
 * "chr", "blk", "link", "anon" or "none". Returns 0 or -errno. */
int call_fd(struct call *call, int fd, char *path, size_t size, const char **kind);
/* The size of the file behind a descriptor in bytes (st_size of stat(2)), or -errno. */
int64_t call_fd_size(const struct call *call, int fd);

/* Which object a descriptor of the program stands for, whatever its names are: device and inode. Returns 0 or -errno. */
int call_fd_object(struct call *call, int fd, uint64_t object[2]);

/* The protocol that a socket of the program was made for, under the kernel's name: "TCP", "UDPv6", "UNIX-STREAM"... Returns 0, -EBADF, or -ENOTSOCK. */
enum { CALL_PROTOCOL = 48 };
int call_protocol(const struct call *call, int fd, char name[CALL_PROTOCOL]);

/* The program's memory. Return the number of bytes moved, or -errno. */
ssize_t call_read(struct call *call, uint64_t addr, void *buf, size_t count);
ssize_t call_write(struct call *call, uint64_t addr, const void *buf, size_t count);

#endif
