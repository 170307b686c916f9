/*
 * names: errno, signal and architecture names, both ways.
 *
 * Pure data; runs in the helper and in the command line. Believes nobody: an unknown name gives 0 and
 * an unknown number NULL. Errno names are libc's own list; proved by unit-abi (round trips).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/abi/abi.h"

enum { ERRNO_MAX = 4095, SIGNAL_RT_FIRST = 32, SIGNAL_LAST = 64 };

struct name { const char *name; int value; };

/* Second names of an errno: strerrorname_np() knows one per number. */
static const struct name errno_aliases[] = {
    { "EWOULDBLOCK", EWOULDBLOCK }, { "EDEADLOCK", EDEADLOCK }, { "ENOTSUP", ENOTSUP }, { NULL, 0 }
};

static const struct name signals[] = {
#define SIGNAL(name) { #name, name }
    SIGNAL(SIGHUP), SIGNAL(SIGINT), SIGNAL(SIGQUIT), SIGNAL(SIGILL), SIGNAL(SIGTRAP), SIGNAL(SIGABRT), SIGNAL(SIGBUS),
    SIGNAL(SIGFPE), SIGNAL(SIGKILL), SIGNAL(SIGUSR1), SIGNAL(SIGSEGV), SIGNAL(SIGUSR2), SIGNAL(SIGPIPE), SIGNAL(SIGALRM),
    SIGNAL(SIGTERM), SIGNAL(SIGSTKFLT), SIGNAL(SIGCHLD), SIGNAL(SIGCONT), SIGNAL(SIGSTOP), SIGNAL(SIGTSTP), SIGNAL(SIGTTIN),
    SIGNAL(SIGTTOU), SIGNAL(SIGURG), SIGNAL(SIGXCPU), SIGNAL(SIGXFSZ), SIGNAL(SIGVTALRM), SIGNAL(SIGPROF), SIGNAL(SIGWINCH),
    SIGNAL(SIGIO), SIGNAL(SIGPWR), SIGNAL(SIGSYS),
    SIGNAL(SIGIOT), SIGNAL(SIGCLD), SIGNAL(SIGPOLL),    /* second names: never given for a number */
#undef SIGNAL
    { NULL, 0 }
};

/* Real-time signals, counted from the kernel's first one (libc keeps some of them for itself). */
static const char *const realtime[SIGNAL_LAST - SIGNAL_RT_FIRST + 1] = {
    "SIGRT_0", "SIGRT_1", "SIGRT_2", "SIGRT_3", "SIGRT_4", "SIGRT_5", "SIGRT_6", "SIGRT_7", "SIGRT_8", "SIGRT_9", "SIGRT_10",
    "SIGRT_11", "SIGRT_12", "SIGRT_13", "SIGRT_14", "SIGRT_15", "SIGRT_16", "SIGRT_17", "SIGRT_18", "SIGRT_19", "SIGRT_20",
    "SIGRT_21", "SIGRT_22", "SIGRT_23", "SIGRT_24", "SIGRT_25", "SIGRT_26", "SIGRT_27", "SIGRT_28", "SIGRT_29", "SIGRT_30",
    "SIGRT_31", "SIGRT_32",
};

int abi_errno(const char *name)
{
    for (const struct name *alias = errno_aliases; alias->name; alias++)
        if (strcmp(alias->name, name) == 0)
            return alias->value;
    for (int error = 1; error <= ERRNO_MAX; error++) {
        const char *known = strerrorname_np(error);
        if (known && strcmp(known, name) == 0)
            return error;
    }
    return 0;
}

const char *abi_errno_name(int error)
{
    return error > 0 ? strerrorname_np(error) : NULL;
}

/* Does `name` say `full` ("SIGKILL"), with or without "SIG"? */
static bool signal_is(const char *full, const char *name)
{
    return strcmp(full, name) == 0 || strcmp(full + strlen("SIG"), name) == 0;
}

int abi_signal(const char *name)
{
    for (const struct name *signal = signals; signal->name; signal++)
        if (signal_is(signal->name, name))
            return signal->value;
    for (int i = SIGNAL_RT_FIRST; i <= SIGNAL_LAST; i++)
        if (signal_is(realtime[i - SIGNAL_RT_FIRST], name))
            return i;
    return 0;
}

const char *abi_signal_name(int signal)
{
    if (signal >= SIGNAL_RT_FIRST && signal <= SIGNAL_LAST)
        return realtime[signal - SIGNAL_RT_FIRST];
    for (const struct name *known = signals; known->name; known++)
        if (known->value == signal)
            return known->name;
    return NULL;
}

const char *abi_arch_name(enum abi_arch arch)
{
    return arch == ABI_X86_64 ? "x86_64" : "i386";
}
