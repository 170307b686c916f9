/*
 * keystone: what no policy can allow (design, section 4), in one table that is both asked by the helper before a trustee executes anything
 * and compiled into the filter of every untrustee.
 *
 * Pure data in the helper. Believes only what the sandbox was made with: where nurse's memory lies and who the helper is.
 * Test: t/10-unit-route.t (both readings of the table agree), t/50-attack-window.t.
 */
#ifndef NURSE_ROUTE_KEYSTONE_H
#define NURSE_ROUTE_KEYSTONE_H

#include <sys/types.h>

#include "core/abi/abi.h"

enum { KEYSTONE_RANGES = 2, KEYSTONE_IOCTLS = 5 };

extern const uint32_t keystone_ioctls[KEYSTONE_IOCTLS];

struct keystone {
    struct { uint64_t start, end; } range[KEYSTONE_RANGES];    /* the keep; the trampolines */
    pid_t helper;
};

enum keystone_kind {
    KEYSTONE_RANGE,     /* args[a] is an address, args[b] a length: must not touch nurse's memory */
    KEYSTONE_MMAP,      /* the same, when args[3] has MAP_FIXED */
    KEYSTONE_MREMAP,    /* the same, and for the new place when MREMAP_FIXED */
    KEYSTONE_SHMAT,     /* args[a] must not have SHM_REMAP */
    KEYSTONE_IPC,       /* i386: the same for ipc(SHMAT) */
    KEYSTONE_PID,       /* args[a] must not be the helper */
    KEYSTONE_WHO,       /* args[a] says what args[b] is: one process that isn't the helper */
    KEYSTONE_PRIORITY,  /* the same, where processes are 0 */
    KEYSTONE_IOCTL,     /* args[a] must not type into a terminal, make a userfaultfd, or have signals sent to others */
    KEYSTONE_OWNER,     /* fcntl: args[a] is the command, args[b] may name a receiver of signals */
    KEYSTONE_BITS,      /* args[a] must not have the bits b */
};

struct keystone_rule {
    const char *name;
    enum keystone_kind kind;
    uint8_t a, b;
};

/* The rule for a call; NULL when there is none. */
const struct keystone_rule *keystone_rule(const struct abi_call *row);
/* 0, or the errno that refuses these arguments. */
int keystone_refuses(const struct keystone *keystone, const struct abi_call *row, const uint64_t args[6]);

#endif
