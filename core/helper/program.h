/*
 * program: what to run, decided before anything starts: PATH search, #! lines, ELF class and machine.
 *
 * Runs in the helper. Reads only the first bytes of a file and never parses ELF beyond its identification: the loader
 * in the sandbox does that. All errors are found here where possible, so that nothing half-started is left behind.
 */
#ifndef NURSE_HELPER_PROGRAM_H
#define NURSE_HELPER_PROGRAM_H

#include "core/abi/abi.h"

struct program {
    char *path;             /* as given or found in PATH: AT_EXECFN of the file the user named */
    char *binary;           /* the ELF file to map: path, or the last #! interpreter */
    char *exe;              /* canonical path of binary: /proc/self/exe */
    int fd;                 /* binary opened O_RDONLY|O_CLOEXEC */
    char **argv;            /* NULL-terminated, with #! interpreters put in front */
    enum abi_arch arch;     /* of binary */
};

/* Find and examine argv[0]. Returns 0, or the exit status for it (126, 127) after one line on stderr. A file that the kernel would refuse
 * with ENOEXEC is refused (126), not handed to a shell. Owns copies of everything; program_free(). */
int program_find(struct program *program, char **argv);
void program_free(struct program *program);

#endif
