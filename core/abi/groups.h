/*
 * groups: the names that policies use for families of calls; the rows of calls.def say who is in which.
 *
 * Private to core/abi. ORDER: the position of a line is the group's bit in abi_call.groups.
 */
#ifndef NURSE_ABI_GROUPS_H
#define NURSE_ABI_GROUPS_H

#define ABI_GROUPS(X) \
    X(STDIO,   "stdio",   "use, wait for, duplicate and close descriptors that are already open") \
    X(READ,    "read",    "read from a descriptor") \
    X(WRITE,   "write",   "write to a descriptor") \
    X(OPEN,    "open",    "open a file by path: open, openat, openat2, creat") \
    X(STAT,    "stat",    "ask about files: stat family, access, readlink, xattrs, file systems, getcwd") \
    X(FILE,    "file",    "make, remove, rename, change, lock and watch files and their attributes") \
    X(DIR,     "dir",     "list, enter, make and remove directories") \
    X(EXEC,    "exec",    "replace the program by another: execve, execveat") \
    X(PROCESS, "process", "start and wait for processes; sessions, priorities, limits, ending") \
    X(THREAD,  "thread",  "start threads; what belongs to one thread; futexes and scheduling") \
    X(SIGNAL,  "signal",  "send, block, handle and wait for signals") \
    X(MEMORY,  "memory",  "map, unmap, protect, lock and advise memory of the process itself") \
    X(TIME,    "time",    "read clocks, sleep, set timers (clocks are set in @admin)") \
    X(NET,     "net",     "sockets of every family") \
    X(IPC,     "ipc",     "System V and POSIX message queues, semaphores and shared memory") \
    X(SELF,    "self",    "what every process needs of itself: end, ids, signal masks, clocks, futexes") \
    X(IDS,     "ids",     "read and change users, groups, capabilities and keys") \
    X(ADMIN,   "admin",   "change the machine or the root of the process; namespaces") \
    X(UNSAFE,  "unsafe",  "escapes what a policy can see: io_uring, bpf, ptrace, mounts, modules...")

enum abi_group_index {
#define ABI_GROUP_INDEX(id, name, about) ABI_GROUP_##id,
    ABI_GROUPS(ABI_GROUP_INDEX)
#undef ABI_GROUP_INDEX
    ABI_GROUP_COUNT
};

#endif
