/*
 * nurse.h: for programs that know nurse: they give up rights, as with pledge(2) and unveil(2) of OpenBSD. nurse-program(3) is the manual.
 *
 * Runs in the program; needs nothing but prctl(2). The policy must offer it, by require("nurse.pledge").interface() and
 * require("nurse.unveil").interface(). Elsewhere, and without nurse, the calls fail with EINVAL. Rights never grow by what is said here.
 * t/60-live-pledge.t, t/61-live-unveil.t.
 */
#ifndef NURSE_H
#define NURSE_H

#include <stddef.h>
#include <sys/prctl.h>

#define NURSE_PR_PLEDGE 0x6e757201
#define NURSE_PR_UNVEIL 0x6e757202

/* From now on the process keeps these promises ("stdio rpath"), and what it executes keeps the others; NULL: as before. Returns 0, or -1 with errno
 * EINVAL (no promise of that name, or nobody listens), EPERM (more than it has), EOPNOTSUPP (less than the policy can take), EFAULT, ENAMETOOLONG. */
static inline int nurse_pledge(const char *promises, const char *execpromises)
{
    return prctl(NURSE_PR_PLEDGE, (unsigned long)promises, (unsigned long)execpromises, 0UL, 0UL);
}

/* The first path hides all others from the process; permissions are letters of "rwxc". Returns 0, or -1 with errno EINVAL (other letters, or nobody
 * listens), EPERM (more than before, or locked), ENOENT (no such directory), E2BIG (more than 128 paths), EFAULT, ENAMETOOLONG. */
static inline int nurse_unveil(const char *path, const char *permissions)
{
    return prctl(NURSE_PR_UNVEIL, (unsigned long)path, (unsigned long)permissions, 0UL, 0UL);
}

/* No path is unveiled after this. Returns 0, or -1 with errno EINVAL. */
static inline int nurse_unveil_lock(void)
{
    return nurse_unveil(NULL, NULL);
}

#endif
