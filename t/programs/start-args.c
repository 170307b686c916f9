/* start-args: prints argv, envp, the names in /proc/self, and the alignment of the stack, as the program sees them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void show(const char *name, const char *bytes, ssize_t count)
{
    printf("%s: ", name);
    for (ssize_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= ' ' && c < 127 && c != '\\')
            putchar(c);
        else
            printf("\\%03o", c);
    }
    printf("\n");
}

static void show_file(const char *path)
{
    static char text[1 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t got, have = 0;

    while (fd >= 0 && (got = read(fd, text + have, sizeof text - (size_t)have)) > 0)
        have += got;
    if (fd < 0)
        printf("%s: %s\n", path, strerror(errno));
    else
        show(path, text, have);
    close(fd);
}

static void show_exe(void)
{
    char path[4096], magic[4] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    int fd = open("/proc/self/exe", O_RDONLY);

    show("readlink exe", path, length);
    show("read exe", magic, read(fd, magic, sizeof magic));
    length = readlink("/proc/self/exe", path, 5);
    show("short readlink exe", path, length);
    close(fd);
}

int main(int argc, char **argv, char **envp)
{
    char comm[17] = "";
    char here __attribute__((aligned(16))) = 0;

    printf("argc %d, argv ends %d, misaligned %d\n", argc, argv[argc] == NULL, (int)((uintptr_t)&here & 15));
    for (int i = 0; i < argc; i++)
        show("argv", argv[i], (ssize_t)strlen(argv[i]));
    for (int i = 0; envp[i]; i++)
        show("envp", envp[i], (ssize_t)strlen(envp[i]));
    prctl(PR_GET_NAME, comm);
    show("name", comm, (ssize_t)strlen(comm));
    show_file("/proc/self/comm");
    show_file("/proc/self/cmdline");
    show_file("/proc/self/environ");
    show_exe();
    return 0;
}
