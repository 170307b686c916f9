/*
 * unit-json: what scripts may read: JSON files, whole or torn, and facts. A file that is no JSON is one line with the script's place, the file and
 * its line, never a crash; this holds for a good file cut at every byte, and with every byte changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/helper/alone.h"
#include "core/policy/policy.h"

static char dir[] = "/tmp/unit-json-XXXXXX";
static int real_stderr, captured;

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || chdir(dir) != 0 || mkdir("sub", 0700) != 0)
        return -1;
    captured = open("stderr", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    real_stderr = dup(2);
    return captured < 0;
}

static int teardown(void **state)
{
    static const char *const files[] = { "stderr", "p.lua", "f.json", "sub/p.lua", "sub/f.json" };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    return rmdir("sub") != 0 || chdir("/") != 0 || rmdir(dir) != 0;
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Load a script; what it said is in *text, and whether it could be loaded is the result. */
static bool load(const char *path, const char *script, const char **text)
{
    static char said[16384];
    struct policy *policy;

    write_file(path, script, strlen(script));
    assert_int_equal(policy_new(&policy, NULL), 0);
    assert_int_equal(ftruncate(captured, 0), 0);
    dup2(captured, 2);
    bool loaded = policy_add(policy, path) == 0;
    policy_free(policy);
    dup2(real_stderr, 2);
    ssize_t len = pread(captured, said, sizeof said - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    char *line = strstr(said, ", in: ");    /* the text of the script's line follows every mistake: unit-policy proves it */
    if (line)
        strcpy(line, "\n");
    *text = said;
    return loaded;
}

/* A condition on `v`, the value of the JSON text, holds. */
static void check_value(const char *json, size_t size, const char *condition)
{
    char script[1024];
    const char *text;

    write_file("f.json", json, size);
    snprintf(script, sizeof script, "local v = json 'f.json' assert(%s) default 'allow'", condition);
    if (!load("p.lua", script, &text))
        fail_msg("%s: %s\n%s", json, condition, text);
}

static void values_become_lua_values(void **state)
{
    static const struct { const char *json, *condition; } rows[] = {
        { "{\"a\": [1, \"x\", true, {\"b\": {}}]}", "v.a[1] == 1 and v.a[2] == 'x' and v.a[3] == true and next(v.a[4].b) == nil and #v.a == 4" },
        { " 12 ", "v == 12 and math.type(v) == 'integer'" },
        { "[1e3, 2.5, -0.5, 1E-2]", "math.type(v[1]) == 'integer' and v[2] == 2.5 and v[3] == -0.5 and v[4] == 0.01" },
        { "[9007199254740993, -9007199254740993]", "v[1] == 9007199254740993 and v[2] == -9007199254740993" },
        { "[9223372036854775807,-9223372036854775808]", "v[1] == math.maxinteger and v[2] == math.mininteger" },
        { "[9223372036854775808, 18446744073709551615]", "v[1] == math.mininteger and v[2] == -1" },
        { "[18446744073709551616]", "math.type(v[1]) == 'float'" },
        { "{\"18446744073709551615\": \"18446744073709551615\", \"a\\\"\": 99999999999999999}",
          "v['18446744073709551615'] == '18446744073709551615' and v['a\"'] == 99999999999999999" },
        { "null", "v == nil" },
        { "{\"a\": null, \"b\": [null, 2]}", "v.a == nil and v.b[1] == nil and v.b[2] == 2" },
        { "\"\\u00e4\\ud83d\\ude00\\n\\\\\"", "v == '\\u{e4}\\u{1f600}\\n\\\\'" },
        { "{\"a\": 1, \"a\": 2}", "v.a == 2" },
        { "[]", "type(v) == 'table' and #v == 0" },
        { "\n\n[\n]\n", "#v == 0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_value(rows[i].json, strlen(rows[i].json), rows[i].condition);
}

/* "PLACE: FILE[:LINE]: ..." and nothing else; no value of the file may look like a verdict or a function. */
static void assert_one_line(const char *text)
{
    static const char place[] = "nurse: p.lua:1: f.json:";
    const char *newline = strchr(text, '\n');

    if (strncmp(text, place, strlen(place)) != 0 || !newline || newline[1])
        fail_msg("not the one line that was expected: %s", text);
}

static void mistakes_are_one_line(void **state)
{
    static const struct { const char *json; size_t size; const char *message; } rows[] = {
#define ROW(json, message) { json, sizeof(json) - 1, message }
        ROW("", "1: expected value but found the end of the file"),
        ROW("[1,]", "1: expected value but found ']'"),
        ROW("\n\n{\"a\" 1}", "3: expected colon but found a number"),
        ROW("[1", "1: expected comma or array end but found the end of the file"),
        ROW("[\n1,\n\"x]", "3: expected value but found unexpected end of string"),
        ROW("[1] [2]", "1: expected the end but found '['"),
        ROW("{a: 1}", "1: expected object key string but found invalid token"),
        ROW("[0x10]", "1: expected value but found invalid number"),
        ROW("[007]", "1: expected value but found invalid number"),
        ROW("[NaN]", "1: expected value but found invalid token"),
        ROW("[-Infinity]", "1: expected value but found invalid number"),
        ROW("[1e999]", " a number is too large"),
        ROW("[12345678901234567890x]", "1: expected comma or array end but found invalid token"),
        ROW("[\"\\ud83d\"]", "1: expected value but found invalid unicode escape code"),
        ROW("[\"\\q\"]", "1: expected value but found invalid escape code"),
        ROW("[\"a\0b\"]", "1: a NUL byte"),
        ROW("[1]\n\0", "2: a NUL byte"),
        ROW("[\"\xff\"]", "1: a byte that is not UTF-8"),
        ROW("\n[\"\xc0\x80\"]", "2: a byte that is not UTF-8"),
        ROW("[\"\xed\xa0\x80\"]", "1: a byte that is not UTF-8"),
        ROW("[\"\xf4\x90\x80\x80\"]", "1: a byte that is not UTF-8"),
        ROW("[\"\xe2\x82\"]", "1: a byte that is not UTF-8"),
        ROW("\xef\xbb\xbf[]", "1: expected value but found invalid token"),
#undef ROW
    };
    char expected[256];
    const char *text;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file("f.json", rows[i].json, rows[i].size);
        assert_false(load("p.lua", "json 'f.json'", &text));
        snprintf(expected, sizeof expected, "nurse: p.lua:1: f.json:%s\n", rows[i].message);
        assert_string_equal(text, expected);
    }
}

static void depth_and_size_are_bounded(void **state)
{
    enum { DEEP = 1 << 20, BIG = (4 << 20) + 1 };
    static char bytes[BIG];
    const char *text;

    (void)state;
    memset(bytes, '[', DEEP);
    write_file("f.json", bytes, DEEP);
    assert_false(load("p.lua", "json 'f.json'", &text));
    assert_string_equal(text, "nurse: p.lua:1: f.json:1: found too many nested data structures (65)\n");
    memset(bytes, ']', 128);
    memset(bytes, '[', 64);
    check_value(bytes, 128, "#v == 1");
    memset(bytes, ' ', BIG);
    write_file("f.json", bytes, BIG);
    assert_false(load("p.lua", "json 'f.json'", &text));
    assert_string_equal(text, "nurse: p.lua:1: f.json: File too large\n");
    for (int i = 0; i < BIG - 2; i++)    /* tables need more memory than a policy has */
        bytes[i] = "[],"[i % 3];
    bytes[0] = '[';
    bytes[1] = '1';
    write_file("f.json", bytes, BIG - 2);
    assert_false(load("p.lua", "json 'f.json'", &text));
    assert_string_equal(text, "nurse: p.lua:1: f.json: not enough memory\n");
}

static const char sample[] = "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n \"syscalls\": [ {\"names\": [\"open\\u0061t\", \"\xc3\xa4\"],\n"
                             "  \"args\": [{\"index\": 0, \"value\": 18446744073709551615, \"op\": null}], \"x\": [true, -1.5e3]} ]}";

static void a_torn_file_is_one_line(void **state)
{
    const char *text;

    (void)state;
    for (size_t size = 0; size < sizeof sample - 1; size++) {
        write_file("f.json", sample, size);
        assert_false(load("p.lua", "json 'f.json'", &text));
        assert_one_line(text);
    }
}

static void a_changed_byte_is_one_line_or_fine(void **state)
{
    static const char bytes[] = { '\0', '"', '\\', '[', ']', '{', '}', ',', ':', '9', '-', 'e', 'n', (char)0x80, (char)0xff, '\n', '.' };
    char changed[sizeof sample];
    const char *text;

    (void)state;
    for (size_t i = 0; i < (sizeof sample - 1) * sizeof bytes; i++) {
        memcpy(changed, sample, sizeof sample);
        changed[i / sizeof bytes] = bytes[i % sizeof bytes];
        write_file("f.json", changed, sizeof sample - 1);
        if (!load("p.lua", "json 'f.json' default 'allow'", &text))
            assert_one_line(text);
    }
}

static void files_lie_beside_the_script(void **state)
{
    const char *text;

    (void)state;
    write_file("f.json", "\"here\"", 6);
    write_file("sub/f.json", "\"there\"", 7);
    assert_true(load("sub/p.lua", "local v, path = json 'f.json' assert(v == 'there' and path == 'sub/f.json') default 'allow'", &text));
    assert_true(load("sub/p.lua", "local v, path = json '../f.json' assert(v == 'here' and path == 'sub/../f.json') default 'allow'", &text));
    assert_true(load("p.lua", "local v, path = json 'f.json' assert(v == 'here' and path == 'f.json') default 'allow'", &text));
    assert_true(load("sub/p.lua", "local v = json(param('dir', '') .. 'f.json') default 'allow'", &text));
    assert_false(load("p.lua", "\njson 'none.json'", &text));
    assert_string_equal(text, "nurse: p.lua:2: none.json: No such file or directory\n");
    assert_false(load("p.lua", "json 'sub'", &text));
    assert_string_equal(text, "nurse: p.lua:1: sub: Is a directory\n");
    assert_false(load("p.lua", "json()", &text));
    assert_non_null(strstr(text, "nurse: p.lua:1: bad argument #1 to 'json'"));
}

/* cjson itself, its encoder and its settings, must not be within reach; and nothing can be read once the program runs. */
static void scripts_get_the_value_only(void **state)
{
    const uint64_t none[6] = { 0 };
    struct policy *policy;
    struct call *call;
    struct alone *alone;
    struct verdict verdict;
    const char *text;

    (void)state;
    write_file("f.json", "1", 1);
    assert_false(load("p.lua", "json 'f.json' print(cjson)", &text));
    assert_string_equal(text, "nurse: p.lua:1: undefined global 'cjson'\n");
    assert_false(load("p.lua", "require 'cjson'", &text));
    assert_non_null(strstr(text, "no module 'cjson'"));
    static const char late[] = "on('getpid', function() json 'f.json' return true end)";
    write_file("p.lua", late, sizeof late - 1);
    assert_int_equal(policy_new(&policy, NULL), 0);
    assert_int_equal(policy_add(policy, "p.lua"), 0);
    struct judge judge = policy_judge(policy);
    assert_int_equal(alone_new(&alone, NULL, getpid()), 0);
    assert_int_equal(alone_call(alone, &call, ABI_X86_64, abi_find("getpid"), none), 0);
    dup2(captured, 2);
    judge.decide(judge.self, call, &verdict);
    dup2(real_stderr, 2);
    alone_end(call);
    alone_free(alone);
    policy_free(policy);
    assert_int_equal(verdict.kind, VERDICT_DENY);
}

static void scripts_know_facts(void **state)
{
    static const char script[] =
        "local all, open = syscalls '@all', syscalls '@open'\n"
        "assert(#all > 400 and #open == 4 and open[1].name == 'open' and open[1].x86_64 == 2 and open[1].i386 == 5 and open[1].unsafe == false)\n"
        "local one = syscalls 'i386:getpid ptrace arch_prctl'\n"
        "for _, call in ipairs(one) do one[call.name] = call end\n"
        "assert(one.getpid.x86_64 == nil and one.getpid.i386 == 20 and one.ptrace.unsafe == true and one.arch_prctl.x86_64 == 158)\n"
        "assert(not pcall(syscalls, 'nosuch'))\n"
        "local major, minor = kernel()\n"
        "assert(math.type(major) == 'integer' and major >= 5 and math.type(minor) == 'integer')\n"
        "at 'elsewhere#3' deny 'getpid' at() deny 'gettid' default 'allow'\n";
    const char *text;
    struct policy *policy;
    struct policy_answer answer;

    (void)state;
    if (!load("p.lua", script, &text))
        fail_msg("%s", text);
    assert_int_equal(policy_new(&policy, NULL), 0);
    assert_int_equal(policy_add(policy, "p.lua"), 0);
    policy_explain(policy, ABI_X86_64, abi_find("getpid"), &answer);
    assert_string_equal(answer.verdict.rule, "elsewhere#3");
    policy_explain(policy, ABI_X86_64, abi_find("gettid"), &answer);
    assert_string_equal(answer.verdict.rule, "p.lua:9");
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_lua_values),
        cmocka_unit_test(mistakes_are_one_line),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(a_torn_file_is_one_line),
        cmocka_unit_test(a_changed_byte_is_one_line_or_fine),
        cmocka_unit_test(files_lie_beside_the_script),
        cmocka_unit_test(scripts_get_the_value_only),
        cmocka_unit_test(scripts_know_facts),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
