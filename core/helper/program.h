/*
 * program: what to run, decided before anything starts: PATH search, #! lines, ELF class and machine.
 *
 * Runs in the helper. Reads only the first bytes of a file and never parses ELF beyond its identification: the loader
 * in the sandbox does that. All errors are found here where possible, so that nothing half-started is left behind.
 */
#ifndef NURSE_HELPER_PROGRAM_H
#define NURSE_HELPER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/abi/abi.h"

enum {
    PROGRAM_HEAD = 256,     /* what the kernel looks at: BINPRM_BUF_SIZE */
    PROGRAM_SCRIPTS = 5,    /* how many #! files may stand in a row */
};

struct program {
    int users;              /* processes that run it, and whoever made it */
    char *path;             /* as given or found in PATH: AT_EXECFN of the file the user named */
    char *binary;           /* the ELF file to map: path, or the last #! interpreter */
    char *exe;              /* canonical path of binary: /proc/self/exe */
    int fd;                 /* binary opened O_RDONLY|O_CLOEXEC */
    int interpreter;        /* what it names as its dynamic linker, opened for the loader: above 2; 0: the loader's own name for it will do */
    dev_t device;           /* which file that is: nobody may write to it while it runs */
    ino_t inode;
    bool by_descriptor;     /* fexecve: it is called by its file's own name */
    char **argv;            /* NULL-terminated, with #! interpreters put in front; of an exec: only what these replace argv[0] by, NULL: nothing */
    enum abi_arch arch;     /* of binary */
};

/* Find and examine argv[0]. Returns 0, or the exit status for it (126, 127) after one line on stderr. A file that the kernel would refuse
 * with ENOEXEC is refused (126), not handed to a shell. Owns copies of everything; program_free(). */
int program_find(struct program *program, char **argv);
void program_free(struct program *program);

/* One more user; NULL stays NULL. */
struct program *program_share(struct program *program);
/* One user less; the last one frees an allocated program. */
void program_release(struct program *program);

/* The parts of it that exec needs too. Fill `head` from the file, zeros behind a shorter one. Returns 0 or -errno. */
int program_head(int fd, char head[PROGRAM_HEAD], size_t *count);
/* Cut a #! line into the interpreter's name and its one argument (NULL: none), by the kernel's rules. False: there is no name. */
bool program_script(char head[PROGRAM_HEAD], char **name, char **argument);
/* What makes an ELF file of this machine's no program: a text, or NULL when nothing does. Sets the architecture, or *other to the machine it is for. */
const char *program_elf(const unsigned char *head, size_t count, enum abi_arch *arch, unsigned *other);

#endif
