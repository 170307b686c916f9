/*
 * flags: the sets of named bits and values that arguments of calls.def use.
 *
 * ABI_FLAG_SETS lists them; each is an array abi_flags_NAME that ends with a NULL name (see struct abi_flag).
 */
#ifndef NURSE_ABI_FLAGS_H
#define NURSE_ABI_FLAGS_H

#include "core/abi/abi.h"

#define ABI_FLAG_SETS(X) \
    /* files */ \
    X(open) X(at) X(at_access) X(at_link) X(at_remove) X(access) X(statx) X(rename) X(xattr) X(fallocate) X(flock) \
    X(inotify) X(inotify_mask) \
    /* descriptors */ \
    X(rwf) X(splice) X(fadvise) X(whence) X(sync_range) X(close_range) X(fcntl) X(ioctl) X(eventfd) X(epoll) X(epoll_op) \
    /* processes and threads */ \
    X(clone) X(wait) X(waitid) X(pidfd) X(kcmp) X(prctl) X(arch_prctl) X(prio) X(ioprio) X(rlimit) X(rusage) X(sched) \
    X(futex) X(futex2) X(membarrier) X(sigmask_how) X(signalfd) \
    /* memory */ \
    X(prot) X(map) X(mremap) X(madvise) X(msync) X(mlock) X(mlockall) X(pkey) X(memfd) X(mempolicy) X(mbind) \
    /* time and chance */ \
    X(clock) X(timer) X(timerfd) X(itimer) X(getrandom) \
    /* network, ipc */ \
    X(family) X(socktype) X(socktype4) X(msg) X(shutdown) X(sockopt_level) X(ipc) X(msg_ctl) X(sem_ctl) X(shm_ctl) X(shmat) \
    /* administration, unsafe */ \
    X(swap) X(mount) X(umount) X(open_tree) X(move_mount) X(ptrace) X(seccomp) X(seccomp_flags)

#define ABI_FLAG_SET(name) extern const struct abi_flag abi_flags_##name[];
ABI_FLAG_SETS(ABI_FLAG_SET)
#undef ABI_FLAG_SET

#endif
