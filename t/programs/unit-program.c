/*
 * unit-program: program_find() finds what execvp finds, cuts #! lines as the kernel does, and names the reason of every refusal.
 *
 * For #! lines the kernel is the judge: this program is also the interpreter that prints the arguments it got.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/say.h"
#include "core/helper/program.h"

#define SHOW_ARGV "UNIT_PROGRAM_SHOW_ARGV"

static char dir[] = "/tmp/unit-program-XXXXXX";
static char self[4096];
static int ends[2];

/* ---- the scene ---------------------------------------------------------------------------- */

static void put(const char *path, const void *bytes, size_t count, mode_t mode)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void put_text(const char *path, const char *text)
{
    put(path, text, strlen(text), 0755);
}

/* A header of which only the identification is right. */
static void put_elf(const char *path, int class, int data, unsigned type, unsigned machine, size_t count)
{
    unsigned char bytes[128] = { 0x7f, 'E', 'L', 'F', class, data, EV_CURRENT };
    int low = data == ELFDATA2MSB, high = !low;

    bytes[16 + low] = type & 255;
    bytes[16 + high] = type >> 8;
    bytes[18 + low] = machine & 255;
    bytes[18 + high] = machine >> 8;
    put(path, bytes, count, 0755);
}

static int scene_build(void **state)
{
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    (void)state;
    if (n < 0 || !mkdtemp(dir) || chmod(dir, 0755) || chdir(dir) || symlink(self, "i") || mkdir("one", 0755) || mkdir("two", 0755))
        return -1;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int scene_clear(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return chdir("/") || system(command);
}

/* program_find with what it says on stderr in `line` (all of it). */
static int find(struct program *program, char **argv, char line[8192])
{
    int saved = dup(STDERR_FILENO), status;
    ssize_t n;

    dup2(ends[1], STDERR_FILENO);
    status = program_find(program, argv);
    dup2(saved, STDERR_FILENO);
    close(saved);
    line[0] = '\0';
    for (size_t at = 0; (n = recv(ends[0], line + at, 8191 - at, MSG_DONTWAIT)) > 0; line[at] = '\0')
        at += (size_t)n;
    return status;
}

/* The program is refused with this status and this one line. */
static void check_refused(const char *path, int status, const char *expect)
{
    char line[8192], full[8192], *argv[] = { (char *)path, NULL };
    struct program program;
    int got = find(&program, argv, line);

    snprintf(full, sizeof(full), "nurse: %s\n", expect);
    assert_string_equal(line, full);
    assert_int_equal(got, status);
    assert_int_equal(program.fd, -1);
    assert_null(program.argv);
}

static void check_found(const char *name, const char *path)
{
    char line[8192], exe[128], *argv[] = { (char *)name, "x", NULL };
    struct program program;
    int got = find(&program, argv, line);

    assert_string_equal(line, "");
    assert_int_equal(got, 0);
    assert_string_equal(program.path, path);
    assert_string_equal(program.binary, path);
    assert_string_equal(program.argv[0], name);
    assert_string_equal(program.argv[1], "x");
    assert_null(program.argv[2]);
    assert_int_equal(fcntl(program.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(program.fd, F_GETFL) & O_PATH, 0);
    assert_int_equal(fcntl(program.fd, F_GETFD), FD_CLOEXEC);
    snprintf(exe, sizeof(exe), "%s/%s", dir, path);
    assert_string_equal(program.exe, exe);
    program_free(&program);
}

/* ---- finding ------------------------------------------------------------------------------ */

static void test_path_search(void **state)
{
    (void)state;
    put_elf("one/both", ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64, 64);
    put_elf("two/both", ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64, 64);
    put_elf("two/second", ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64, 64);
    put_elf("here", ELFCLASS64, ELFDATA2LSB, ET_EXEC, EM_X86_64, 64);
    put("one/second", "", 0, 0644);
    put("one/plain", "", 0, 0644);
    mkdir("one/here", 0755);
    setenv("PATH", "missing:here:one:two:", 1);
    check_found("both", "one/both");
    check_found("second", "two/second");
    check_found("here", "here");
    check_refused("plain", 126, "plain: found in PATH, but can't be run: Permission denied");
    check_refused("none", 127, "none: not found in PATH");
    check_refused("", 127, "(empty name): not found");
    setenv("PATH", "", 1);
    check_found("here", "here");
    setenv("PATH", "one", 1);
    check_refused("here", 126, "here: found in PATH, but can't be run: Permission denied");
}

static void test_default_path(void **state)
{
    char line[8192], *argv[] = { "sh", NULL };
    struct program program;

    (void)state;
    unsetenv("PATH");
    assert_int_equal(find(&program, argv, line), 0);
    assert_true(!strcmp(program.path, "/bin/sh") || !strcmp(program.path, "/usr/bin/sh"));
    assert_int_equal(program.arch, sizeof(long) == 8 ? ABI_X86_64 : ABI_I386);
    program_free(&program);
}

static void test_unreachable(void **state)
{
    (void)state;
    put("plain", "", 0, 0644);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(mkfifo("fifo", 0755), 0);
    check_refused("./none", 127, "./none: No such file or directory");
    check_refused("./none/x", 127, "./none/x: No such file or directory");
    check_refused("./plain/x", 126, "./plain/x: Not a directory");
    check_refused("./loop", 126, "./loop: Too many levels of symbolic links");
    check_refused("./one", 126, "./one: is a directory");
    check_refused("./plain", 126, "./plain: permission denied: not executable");
    check_refused("./fifo", 126, "./fifo: not a regular file");
    check_refused("/dev/null", 126, "/dev/null: not a regular file");
    check_refused("./new\nline", 127, "./new\\nline: No such file or directory");
}

/* In a child: an executable that may not be read, and one on a noexec file system. */
static int child_status(void (*run)(void))
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (!pid)
        run();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int child_refused(const char *path, const char *expect)
{
    char line[8192], *argv[] = { (char *)path, NULL };
    struct program program;

    return find(&program, argv, line) == 126 && !strcmp(line, expect) ? 0 : 1;
}

static void unreadable_child(void)
{
    if (!geteuid() && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
        _exit(2);
    _exit(child_refused("./unreadable", "nurse: ./unreadable: can be executed, but not read: Permission denied\n"));
}

static void test_unreadable(void **state)
{
    (void)state;
    put_elf("unreadable", ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64, 64);
    assert_int_equal(chmod("unreadable", 0111), 0);
    assert_int_equal(child_status(unreadable_child), 0);
}

static void noexec_child(void)
{
    if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("two", "two", NULL, MS_BIND, NULL) || mount(NULL, "two", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL))
        _exit(77);
    _exit(child_refused("two/tool", "nurse: two/tool: permission denied: its file system is mounted noexec\n"));
}

static void test_noexec(void **state)
{
    int status;

    (void)state;
    put_elf("two/tool", ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64, 64);
    status = child_status(noexec_child);
    if (status == 77 && !getenv("MUST_WORK")) {
        print_message("# skipped: this user may not mount\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* ---- what it is --------------------------------------------------------------------------- */

static void test_not_programs(void **state)
{
    static const struct { int class, data; unsigned type, machine; const char *why; size_t count; } cases[] = {
        { 2, 1, ET_DYN, EM_X86_64, "truncated ELF header", 63 },
        { 1, 1, ET_DYN, EM_386, "truncated ELF header", 51 },
        { 2, 1, ET_DYN, EM_X86_64, "truncated ELF header", 4 },
        { 2, 1, ET_DYN, EM_X86_64, "truncated ELF header", 5 },
        { 0, 1, ET_DYN, EM_X86_64, "corrupt ELF header", 64 },
        { 3, 1, ET_DYN, EM_X86_64, "corrupt ELF header", 64 },
        { 2, 0, ET_DYN, EM_X86_64, "corrupt ELF header", 64 },
        { 2, 3, ET_DYN, EM_X86_64, "corrupt ELF header", 64 },
        { 2, 2, ET_DYN, EM_X86_64, "corrupt ELF header: class or byte order don't fit the machine", 64 },
        { 2, 1, ET_DYN, EM_386, "corrupt ELF header: class or byte order don't fit the machine", 64 },
        { 1, 1, ET_DYN, EM_X86_64, "an x32 program; nurse knows x86_64 and i386", 64 },
        { 2, 1, ET_REL, EM_X86_64, "an object file, not linked yet", 64 },
        { 2, 1, ET_CORE, EM_X86_64, "a core dump", 64 },
        { 2, 1, ET_NONE, EM_X86_64, "corrupt ELF header: unknown type", 64 },
        { 2, 1, ET_DYN, EM_AARCH64, "it is for AArch64", 64 },
        { 2, 1, ET_EXEC, EM_RISCV, "it is for RISC-V", 64 },
        { 2, 2, ET_EXEC, EM_S390, "it is for s390", 64 },
        { 1, 2, ET_EXEC, EM_PPC, "it is for PowerPC", 64 },
        { 1, 1, ET_EXEC, EM_ARM, "it is for ARM", 52 },
        { 2, 1, ET_EXEC, 4711, "it is for machine 4711", 64 },
    };
    char expect[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put_elf("elf", cases[i].class, cases[i].data, cases[i].type, cases[i].machine, cases[i].count);
        snprintf(expect, sizeof(expect), "./elf: not an executable this kernel can run: %s", cases[i].why);
        check_refused("./elf", 126, expect);
    }
    put_text("text", "echo not a script\n");
    check_refused("./text", 126, "./text: not an executable this kernel can run");
    put_text("text", "\x7f" "EL");
    check_refused("./text", 126, "./text: not an executable this kernel can run");
    put_text("text", "");
    check_refused("./text", 126, "./text: not an executable this kernel can run: it is empty");
}

static void test_programs(void **state)
{
    static const struct { int class; unsigned type, machine; enum abi_arch arch; size_t count; } cases[] = {
        { ELFCLASS64, ET_EXEC, EM_X86_64, ABI_X86_64, 64 }, { ELFCLASS64, ET_DYN, EM_X86_64, ABI_X86_64, 64 },
        { ELFCLASS32, ET_EXEC, EM_386, ABI_I386, 52 },      { ELFCLASS32, ET_DYN, 6, ABI_I386, 52 },
    };
    char line[8192], *argv[] = { "./elf", NULL };
    struct program program;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put_elf("elf", cases[i].class, ELFDATA2LSB, cases[i].type, cases[i].machine, cases[i].count);
        assert_int_equal(find(&program, argv, line), 0);
        assert_int_equal(program.arch, cases[i].arch);
        program_free(&program);
    }
}

static void test_set_id(void **state)
{
    char line[8192], *argv[] = { "./elf", NULL };
    struct program program;

    (void)state;
    put_elf("elf", ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64, 64);
    assert_int_equal(chmod("elf", 04755), 0);
    assert_int_equal(find(&program, argv, line), 0);
    assert_string_equal(line, "");
    program_free(&program);
    say_verbosity = 1;
    assert_int_equal(find(&program, argv, line), 0);
    say_verbosity = 0;
    assert_string_equal(line, "nurse: ./elf: its set-user-ID bit has no effect in the sandbox (no_new_privs)\n");
    program_free(&program);
}

/* ---- #! ----------------------------------------------------------------------------------- */

/* What the kernel makes of ./script: the arguments of the interpreter, each with its NUL; -1 when exec fails. */
static ssize_t kernel_argv(char *out, size_t size)
{
    char *argv[] = { "./script", "one", "two words", NULL }, *env[] = { SHOW_ARGV "=1", NULL };
    size_t count = 0;
    int pipes[2], status;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    fflush(stdout);
    pid = fork();
    if (!pid) {
        dup2(pipes[1], STDOUT_FILENO);
        execve("./script", argv, env);
        _exit(99);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], out + count, size - count)) > 0)
        count += (size_t)n;
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? (ssize_t)count : -1;
}

static ssize_t our_argv(char *out, size_t size)
{
    char line[8192], *argv[] = { "./script", "one", "two words", NULL };
    struct program program;
    size_t count = 0;
    int status = find(&program, argv, line);

    if (status) {
        assert_int_equal(status, 126);
        assert_true(!strncmp(line, "nurse: ./", 9) && strchr(line, '\n') == line + strlen(line) - 1);
        return -1;
    }
    assert_string_equal(program.path, "./script");
    assert_string_equal(program.exe, self);
    assert_string_equal(program.binary, program.argv[0]);
    for (char **arg = program.argv; *arg; arg++)
        count += (size_t)snprintf(out + count, size - count, "%s", *arg) + 1;
    program_free(&program);
    return (ssize_t)count;
}

static ssize_t compare_script(const char *text, size_t count)
{
    char kernel[4096], ours[4096];
    ssize_t want, got;

    put("script", text, count, 0755);
    want = kernel_argv(kernel, sizeof(kernel));
    got = our_argv(ours, sizeof(ours));
    if (want != got || (want > 0 && memcmp(kernel, ours, (size_t)want)))
        fail_msg("'%.*s': %zd bytes of arguments, kernel %zd", (int)count, text, got, want);
    return want;
}

#define LINE(text) { text, sizeof(text) - 1 }

static void test_script_lines(void **state)
{
    static const struct { const char *text; size_t count; } lines[] = {
        LINE("#!./i\n"), LINE("#!./i"), LINE("#! ./i\nmore\n"), LINE("#! \t./i \t\n"), LINE("#!./i arg\n"), LINE("#!./i \t two  words \t\n"),
        LINE("#!./i arg"), LINE("#!./i arg  "), LINE("#!./i  "), LINE("#!./i \n"), LINE("#!./i\targ\tmore"), LINE("#!"), LINE("#!\n"), LINE("#! \n"),
        LINE("#!  "), LINE("#!./i\r\n"), LINE("#!./none\n"), LINE("#!./one\n"), LINE("#!i\n"), LINE("#!./i\0x\n"), LINE("#!./i a\0b\n"),
        LINE("#!./i \0b\n"), LINE("#!\0./i\n"), LINE(" #!./i\n"), LINE("#!./i -x '\n'"), LINE("#!.//i\n"), LINE("#!./text\n"),
    };

    (void)state;
    put_text("text", "no program\n");
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        compare_script(lines[i].text, lines[i].count);
}

/* Everything that can happen at the end of the 256 bytes. */
static void test_script_limits(void **state)
{
    static const char *const tails[] = { "./i", "./i\n", "./i x", "./i x\n", "./i  \n", "./i longer argument than fits\n", "./ii", "./ii\n" };
    char text[512];

    (void)state;
    for (size_t tail = 0; tail < sizeof(tails) / sizeof(*tails); tail++) {
        for (size_t blanks = 244; blanks < 256; blanks++) {
            snprintf(text, sizeof(text), "#!%*s%s", (int)blanks, "", tails[tail]);
            compare_script(text, strlen(text));
        }
    }
    for (size_t fill = 244; fill < 258; fill++) {
        snprintf(text, sizeof(text), "#!./i a%0*d b c\n", (int)fill - 7, 0);
        compare_script(text, strlen(text));
    }
}

static void test_script_chain(void **state)
{
    char name[32], text[64];

    (void)state;
    put_text("chain1", "#!./i last\n");
    for (int i = 2; i <= 6; i++) {
        snprintf(name, sizeof(name), "chain%d", i);
        snprintf(text, sizeof(text), "#!./chain%d arg%d\n", i - 1, i);
        put_text(name, text);
    }
    assert_true(compare_script("#!./chain3\n", 11) > 0);
    assert_true(compare_script("#!./chain4\n", 11) > 0);
    assert_int_equal(compare_script("#!./chain5\n", 11), -1);
    assert_int_equal(compare_script("#!./script\n", 11), -1);
}

static void test_script_messages(void **state)
{
    (void)state;
    put_text("script", "#!/none/sh\n");
    check_refused("./script", 126, "./script: bad interpreter /none/sh: No such file or directory");
    put_text("script", "#!./i\r\n");
    check_refused("./script", 126, "./script: bad interpreter ./i\\x0d: No such file or directory");
    put_text("script", "#!./one\n");
    check_refused("./script", 126, "./script: bad interpreter ./one: is a directory");
    put_text("script", "#!./plain2\n");
    put("plain2", "", 0, 0644);
    check_refused("./script", 126, "./script: bad interpreter ./plain2: permission denied: not executable");
    put_text("script", "#!\n");
    check_refused("./script", 126, "./script: not an executable this kernel can run: its first line names no interpreter, "
                  "or one of more than 250 bytes");
    put_text("script", "#!./script\n");
    check_refused("./script", 126, "./script: too many interpreters that are scripts themselves");
    put_text("script", "#!./text2\n");
    put_text("text2", "no program\n");
    check_refused("./script", 126, "./text2: not an executable this kernel can run");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_search), cmocka_unit_test(test_default_path), cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_noexec), cmocka_unit_test(test_not_programs), cmocka_unit_test(test_programs),
        cmocka_unit_test(test_set_id), cmocka_unit_test(test_script_lines), cmocka_unit_test(test_script_limits),
        cmocka_unit_test(test_script_chain), cmocka_unit_test(test_script_messages),
    };

    if (getenv(SHOW_ARGV)) {
        for (int i = 0; i < argc; i++)
            fwrite(argv[i], 1, strlen(argv[i]) + 1, stdout);
        return 0;
    }
    return cmocka_run_group_tests_name("program", tests, scene_build, scene_clear);
}
