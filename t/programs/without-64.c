/*
 * without CALL... -- PROGRAM [ARG...]: runs a program for which these system calls don't exist (ENOSYS), as on
 * a kernel that is too old. It mocks the machine, so that nurse itself needs no switch for tests.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int i = 1;

    if (!filter)
        return 99;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        int nr = seccomp_syscall_resolve_name(argv[i]);

        if (nr == __NR_SCMP_ERROR || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), nr, 0) != 0)
            return fprintf(stderr, "without: %s?\n", argv[i]), 99;
    }
    if (i + 1 >= argc)
        return fputs("usage: without CALL... -- PROGRAM [ARG...]\n", stderr), 99;
    if (seccomp_load(filter) != 0)
        return perror("without: seccomp_load"), 99;
    execvp(argv[i + 1], argv + i + 1);
    return perror(argv[i + 1]), 99;
}
