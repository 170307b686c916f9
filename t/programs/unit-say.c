/*
 * unit-say: what nurse prints is one line, in one write, with nothing in it that could forge a line or steer the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/say.h"

static int saved = -1, ends[2];

/* stderr becomes a socket that keeps writes apart. */
static int capture(void **state)
{
    (void)state;
    saved = dup(STDERR_FILENO);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return -1;
    return dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int uncapture(void **state)
{
    (void)state;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    say_verbosity = 0;
    return 0;
}

/* One write of nurse's, or "" when there is none. */
static const char *heard(void)
{
    static char line[65536];
    ssize_t n = recv(ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);

    line[n < 0 ? 0 : n] = '\0';
    return line;
}

static void test_escaping(void **state)
{
    static const char *const cases[][2] = {
        { "plain text, 'quotes' and \\", "plain text, 'quotes' and \\" },
        { "two\nlines\n", "two\\nlines\\n" },
        { "\r\t\a\x1b[2J\x7f", "\\x0d\\x09\\x07\\x1b[2J\\x7f" },
        { "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\xff\xfe\x80\xbf", "\\xff\\xfe\\x80\\xbf" },
        { "cut \xe2\x82", "cut \\xe2\\x82" },
        { "\xe2(\xa1", "\\xe2(\\xa1" },
        { "overlong \xc0\x8a \xe0\x80\x8a \xf0\x80\x80\x8a", "overlong \\xc0\\x8a \\xe0\\x80\\x8a \\xf0\\x80\\x80\\x8a" },
        { "surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80" },
        { "beyond \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80", "beyond \\xf4\\x90\\x80\\x80 \\xf8\\x88\\x80\\x80\\x80" },
        { "C1 \xc2\x9b" "2J \xc2\x85", "C1 \\xc2\\x9b2J \\xc2\\x85" },
        { "\xc2\xa0 is a space", "\xc2\xa0 is a space" },
        { "separator \xe2\x80\xa8 bidi \xe2\x80\xae \xe2\x81\xa6", "separator \\xe2\\x80\\xa8 bidi \\xe2\\x80\\xae \\xe2\\x81\\xa6" },
        { "", "" },
    };
    char expect[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        say("%s", cases[i][0]);
        strcpy(stpcpy(stpcpy(expect, "nurse: "), cases[i][1]), "\n");
        assert_string_equal(heard(), expect);
        assert_string_equal(heard(), "");
    }
}

static void test_format(void **state)
{
    (void)state;
    errno = ENOENT;
    say("%s:%d: %s\n%m", "policy\n.lua", 12, "x");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(heard(), "nurse: policy\\n.lua:12: x\\nNo such file or directory\n");
}

static void test_long_line(void **state)
{
    static char text[20000];
    const char *line;

    (void)state;
    memset(text, 0xff, sizeof(text) - 1);
    say("%s", text);
    line = heard();
    assert_true(strlen(line) > 40000);
    assert_string_equal(line + strlen(line) - 8, "\\xff...\n");
    assert_string_equal(heard(), "");
}

static void test_verbosity(void **state)
{
    static const char *const loud[] = { "nurse: a\n", "nurse: b\n", "nurse: c\n" };

    (void)state;
    for (int verbosity = -1; verbosity <= 1; verbosity++) {
        say_verbosity = verbosity;
        say("a");
        say_notice("b");
        say_detail("c");
        for (int i = 0; i <= verbosity + 1; i++)
            assert_string_equal(heard(), loud[i]);
        assert_string_equal(heard(), "");
    }
}

static void test_die(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    fflush(stdout);
    pid = fork();
    if (!pid)
        die(EXIT_NURSE, "no %s", "kernel");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 125);
    assert_string_equal(heard(), "nurse: no kernel\n");
}

#define HEARD(test) cmocka_unit_test_setup_teardown(test, capture, uncapture)

int main(void)
{
    const struct CMUnitTest tests[] = { HEARD(test_escaping), HEARD(test_format), HEARD(test_long_line), HEARD(test_verbosity), HEARD(test_die) };

    return cmocka_run_group_tests_name("say", tests, NULL, NULL);
}
