/*
 * keystone: see keystone.h. The C reading of the table; filter.c has the BPF reading.
 */
#include "core/route/keystone.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/ioprio.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

/* A page fault that the program itself handles would block the helper, which reads the program's memory; FIOSETOWN and SIOCSPGRP make the kernel
 * send signals to whom they name. */
const uint32_t keystone_ioctls[KEYSTONE_IOCTLS] = { TIOCSTI, TIOCLINUX, 0xaa00 /* USERFAULTFD_IOC_NEW */, FIOSETOWN, SIOCSPGRP };

static const struct keystone_rule rules[] = {
    { "munmap", KEYSTONE_RANGE, 0, 1 },
    { "mprotect", KEYSTONE_RANGE, 0, 1 },
    { "pkey_mprotect", KEYSTONE_RANGE, 0, 1 },
    { "madvise", KEYSTONE_RANGE, 0, 1 },
    { "remap_file_pages", KEYSTONE_RANGE, 0, 1 },
    { "mbind", KEYSTONE_RANGE, 0, 1 },
    { "mseal", KEYSTONE_RANGE, 0, 1 },
    { "mmap", KEYSTONE_MMAP, 0, 1 },
    { "mmap2", KEYSTONE_MMAP, 0, 1 },
    { "mremap", KEYSTONE_MREMAP, 0, 1 },
    { "shmat", KEYSTONE_SHMAT, 2, 0 },
    { "ipc", KEYSTONE_IPC, 0, 2 },
    { "prlimit64", KEYSTONE_PID, 0, 0 },
    { "sched_setaffinity", KEYSTONE_PID, 0, 0 },
    { "sched_setscheduler", KEYSTONE_PID, 0, 0 },
    { "sched_setparam", KEYSTONE_PID, 0, 0 },
    { "sched_setattr", KEYSTONE_PID, 0, 0 },
    { "migrate_pages", KEYSTONE_PID, 0, 0 },
    { "move_pages", KEYSTONE_PID, 0, 0 },
    { "setpgid", KEYSTONE_PID, 0, 0 },
    { "setpriority", KEYSTONE_PRIORITY, 0, 1 },
    { "ioprio_set", KEYSTONE_WHO, 0, 1 },
    { "ioctl", KEYSTONE_IOCTL, 1, 0 },
    { "fcntl", KEYSTONE_OWNER, 1, 2 },
    { "fcntl64", KEYSTONE_OWNER, 1, 2 },
    { "close_range", KEYSTONE_BITS, 2, CLOSE_RANGE_UNSHARE },    /* descriptors are judged and used in one table */
};

const struct keystone_rule *keystone_rule(const struct abi_call *row)
{
    static int8_t of[1024];    /* by row; 0: not looked up yet; else the index in rules plus 2 */
    int8_t *known = &of[abi_index(row) % sizeof of];

    if (!*known) {
        *known = 1;
        for (int8_t i = 0; i < (int8_t)(sizeof rules / sizeof *rules); i++)
            if (strcmp(rules[i].name, row->name) == 0)
                *known = (int8_t)(i + 2);
    }
    return *known >= 2 ? &rules[*known - 2] : NULL;
}

static bool keystone_touches(const struct keystone *keystone, uint64_t addr, uint64_t length)
{
    uint64_t end = addr + (length ? length : 1);

    if (end < addr)
        return true;
    for (int i = 0; i < KEYSTONE_RANGES; i++)
        if (addr < keystone->range[i].end && end > keystone->range[i].start)
            return true;
    return false;
}

int keystone_refuses(const struct keystone *keystone, const struct abi_call *row, const uint64_t args[6])
{
    const struct keystone_rule *rule = keystone_rule(row);
    bool refused = false;

    if (!rule)
        return 0;
    switch (rule->kind) {
    case KEYSTONE_RANGE:
        refused = keystone_touches(keystone, args[rule->a], args[rule->b]);
        break;
    case KEYSTONE_MMAP:
        refused = (args[3] & MAP_FIXED) && keystone_touches(keystone, args[0], args[1]);
        break;
    case KEYSTONE_MREMAP:
        refused = keystone_touches(keystone, args[0], args[1]) || ((args[3] & MREMAP_FIXED) && keystone_touches(keystone, args[4], args[2]));
        break;
    case KEYSTONE_SHMAT:
        refused = args[rule->a] & SHM_REMAP;
        break;
    case KEYSTONE_IPC:
        refused = (args[rule->a] & 0xffff) == 21 /* SHMAT */ && (args[rule->b] & SHM_REMAP);
        break;
    case KEYSTONE_PID:
        refused = (pid_t)args[rule->a] == keystone->helper;
        break;
    case KEYSTONE_PRIORITY:    /* PRIO_PROCESS is 0, IOPRIO_WHO_PROCESS 1; groups and users would include the helper */
        refused = (uint32_t)args[rule->a] > 0 || (pid_t)args[rule->b] == keystone->helper;
        break;
    case KEYSTONE_WHO:
        refused = (uint32_t)args[rule->a] > 1 || (pid_t)args[rule->b] == keystone->helper;
        break;
    case KEYSTONE_IOCTL:
        for (size_t i = 0; i < KEYSTONE_IOCTLS; i++)
            refused |= (uint32_t)args[rule->a] == keystone_ioctls[i];
        break;
    case KEYSTONE_OWNER:
        refused = (uint32_t)args[rule->a] == F_SETOWN_EX ||
                  ((uint32_t)args[rule->a] == F_SETOWN && ((int32_t)args[rule->b] < 0 || (pid_t)args[rule->b] == keystone->helper));
        break;
    case KEYSTONE_BITS:
        refused = args[rule->a] & rule->b;
        break;
    }
    return refused ? EPERM : 0;
}
