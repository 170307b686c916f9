/*
 * unit-policy: scripts in, verdicts out. Real calls of this very process are judged by real scripts; what a script may
 * not do (throw, loop, eat memory, reach outside) is tried, and must end in a denial with file:line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/helper/alone.h"
#include "core/policy/policy.h"
#include "core/text/text.h"

#define WORD(pointer) ((uint64_t)(uintptr_t)(pointer))

static char dir[] = "/tmp/unit-policy-XXXXXX", data[PATH_MAX];
static int real_stderr, captured;
static struct alone *process;    /* this one */

/* --- the stage: a directory of scripts, stderr in a file, calls of this process --- */

static int setup(void **state)
{
    char cwd[PATH_MAX - 32];

    (void)state;
    if (!getcwd(cwd, sizeof cwd) || !mkdtemp(dir) || chdir(dir) != 0)
        return -1;
    snprintf(data, sizeof data, "%s/t/data/policy", cwd);
    captured = open("stderr", O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    real_stderr = dup(2);
    unsetenv("NURSE_PATH");
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    return captured < 0;
}

static int teardown(void **state)
{
    static const char *const files[] = { "stderr", "p.lua", "q.lua" };

    (void)state;
    alone_free(process);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(files[i]);
    return chdir("/") != 0 || rmdir(dir) != 0;
}

static void capture(void)
{
    assert_int_equal(ftruncate(captured, 0), 0);
    dup2(captured, 2);
}

/* What was said since capture(). */
static const char *said(void)
{
    static char text[16384];

    dup2(real_stderr, 2);
    ssize_t len = pread(captured, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void assert_said(const char *expected)
{
    const char *text = said();

    if (!strstr(text, expected))
        fail_msg("expected on stderr: %s\ngot: %s", expected, text);
}

static void write_script(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct policy *new_policy(const struct policy_options *options)
{
    struct policy *policy;

    assert_int_equal(policy_new(&policy, options), 0);
    return policy;
}

/* A policy of one script, p.lua. */
static struct policy *script_with(const struct policy_options *options, const char *text)
{
    struct policy *policy = new_policy(options);

    write_script("p.lua", text);
    if (policy_add(policy, "p.lua") != 0)
        fail_msg("not loaded: %s\n%s", text, said());
    return policy;
}

static struct policy *script(const char *text)
{
    return script_with(NULL, text);
}

static struct call *new_call(const char *name, enum abi_arch arch, const uint64_t args[6])
{
    struct call *call;
    const struct abi_call *row = abi_call(arch, abi_number(arch, abi_find(name)));

    assert_non_null(row);
    if (!process)
        assert_int_equal(alone_new(&process, NULL, getpid()), 0);
    assert_int_equal(alone_call(process, &call, arch, row, args), 0);
    return call;
}

/* "deny EPERM", "allow", "emulate 42", "kill" */
static const char *verdict_text(const struct verdict *verdict)
{
    static char text[64];
    static const char *const kinds[] = { "allow", "emulate", "ask", "deny", "kill_process", "kill" };

    if (verdict->kind == VERDICT_DENY)
        snprintf(text, sizeof text, "deny %s", abi_errno_name(verdict->error));
    else if (verdict->kind == VERDICT_EMULATE)
        snprintf(text, sizeof text, "emulate %lld", (long long)verdict->value);
    else
        snprintf(text, sizeof text, "%s", kinds[verdict->kind]);
    return text;
}

static struct verdict decide(struct policy *policy, const char *name, const uint64_t args[6])
{
    struct verdict verdict;
    struct judge judge = policy_judge(policy);
    struct call *call = new_call(name, ABI_X86_64, args);

    judge.decide(judge.self, call, &verdict);
    alone_end(call);
    return verdict;
}

#define assert_verdict(policy, expected, name, ...) \
    do { \
        struct verdict verdict_ = decide(policy, name, (const uint64_t[6]){ __VA_ARGS__ }); \
        assert_string_equal(verdict_text(&verdict_), expected); \
    } while (0)

/* One script's whole text, one call, one verdict. */
static void check_one(const char *text, const char *expected, const char *name, const uint64_t args[6])
{
    struct policy *policy = script(text);
    struct verdict verdict = decide(policy, name, args);

    if (strcmp(verdict_text(&verdict), expected) != 0)
        fail_msg("%s\nexpected %s, got %s\n%s", text, expected, verdict_text(&verdict), said());
    policy_free(policy);
}

/* A handler's body, for openat(AT_FDCWD, "/usr/bin/../lib", O_RDONLY|O_CLOEXEC): returns true when it holds. */
static void check_holds(const char *condition)
{
    char text[4096];
    const uint64_t args[6] = { (uint64_t)AT_FDCWD, WORD("/usr/share/../share"), O_RDONLY | O_CLOEXEC };

    snprintf(text, sizeof text, "on('openat', function(call)\n  return (%s) and call:allow() or call:deny 'EDOM'\nend)", condition);
    check_one(text, "allow", "openat", args);
}

/* --- statements --- */

static void statements_make_constants(void **state)
{
    static const struct { const char *text, *verdict; } rows[] = {
        { "allow 'getpid'", "allow" },
        { "deny 'getpid'", "deny EPERM" },
        { "deny('getpid', 'EACCES')", "deny EACCES" },
        { "deny('getpid', 2)", "deny ENOENT" },
        { "kill 'getpid'", "kill" },
        { "allow { 'gettid', 'getpid getppid' }", "allow" },
        { "allow 'gettid,getpid'", "allow" },
        { "allow '@all'", "allow" },
        { "deny 'gettid'", "deny EPERM" },
        { "default 'allow'", "allow" },
        { "default 'deny'", "deny EPERM" },
        { "default 'deny ENOSYS'", "deny ENOSYS" },
        { "default 'kill'", "kill" },
        { "default 'ask'", "deny EPERM" },
        { "allow 'mmap2' default 'deny EIO'", "deny EIO" },
        { "deny('getpid', 'EIO') allow 'getpid'", "deny EIO" },
        { "allow 'getpid' deny('getpid', 'EIO')", "allow" },
        { "", "deny EPERM" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        capture();
        struct policy *policy = script(rows[i].text);
        struct judge judge = policy_judge(policy);
        struct verdict verdict;
        assert_true(judge.constant(judge.self, ABI_X86_64, abi_find("getpid"), &verdict));
        said();
        assert_string_equal(verdict_text(&verdict), rows[i].verdict);
        assert_verdict(policy, rows[i].verdict, "getpid", 0);
        policy_free(policy);
    }
}

static void rules_say_where_they_stand(void **state)
{
    struct policy *policy = script("default 'allow'\n\ndeny 'getpid'\non('getuid', function() return false end)\n");
    const uint64_t none[6] = { 0 };

    (void)state;
    assert_string_equal(decide(policy, "getpid", none).rule, "p.lua:3");
    assert_string_equal(decide(policy, "getuid", none).rule, "p.lua:4");
    assert_string_equal(decide(policy, "gettid", none).rule, "p.lua:1");
    policy_free(policy);
}

/* "i386:getpid" is that call there alone; groups likewise. */
static void names_can_say_the_architecture(void **state)
{
    static const struct { const char *text, *verdicts[ABI_ARCHES]; } rows[] = {
        { "deny 'i386:getpid' default 'allow'", { "allow", "deny EPERM" } },
        { "deny('x86_64:getpid', 'EIO') deny('getpid', 'EXDEV') default 'allow'", { "deny EIO", "deny EXDEV" } },
        { "allow 'x86_64:@all'", { "allow", "deny EPERM" } },
        { "deny 'gettid i386:@self' default 'allow'", { "allow", "deny EPERM" } },
        { "allow { 'x86_64:getpid', 'i386:getpid' }", { "allow", "allow" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy *policy = script(rows[i].text);
        struct judge judge = policy_judge(policy);
        for (int arch = 0; arch < ABI_ARCHES; arch++) {
            struct verdict verdict;
            assert_true(judge.constant(judge.self, (enum abi_arch)arch, abi_find("getpid"), &verdict));
            assert_string_equal(verdict_text(&verdict), rows[i].verdicts[arch]);
        }
        policy_free(policy);
    }
}

static void params_take_the_type_of_their_fallback(void **state)
{
    static const char *const given[] = { "dir=/x", "count=7", "strict=yes", "must=here", NULL };
    const struct policy_options options = { .parameters = given };
    struct policy *policy = script_with(&options, "assert(param('dir', '/y') == '/x')\nassert(param('count', 1) + 1 == 8)\n"
                                                  "assert(param('strict', false) == true)\nassert(param 'must' == 'here')\n"
                                                  "assert(param('none', 3) == 3)\ndefault 'allow'");

    (void)state;
    policy_free(policy);
}

static void log_and_print_speak_on_stderr(void **state)
{
    (void)state;
    capture();
    policy_free(script("log('%s has %d', 'one', 2)\nprint('three', 4)\ndefault 'allow'"));
    assert_said("nurse: one has 2\nnurse: three 4\n");
}

/* --- mistakes in scripts: one line with file:line --- */

static void mistakes_name_file_and_line(void **state)
{
    static const struct { const char *text, *message; } rows[] = {
        { "\nallow 'opne'", "nurse: p.lua:2: unknown system call 'opne', in: allow 'opne'\n" },
        { "allow 'stdio'", "nurse: p.lua:1: unknown system call 'stdio' (a group is written '@stdio')" },
        { "allow '@opne'", "nurse: p.lua:1: unknown group '@opne'" },
        { "\n\ndeny('open', 'EPREM')", "nurse: p.lua:3: unknown errno 'EPREM'" },
        { "default 'deny EPREM'", "nurse: p.lua:1: unknown errno 'EPREM'" },
        { "allow 'i386:opne'", "nurse: p.lua:1: unknown system call 'opne'" },
        { "allow 'arm:open'", "nurse: p.lua:1: unknown system call 'arm:open'" },
        { "default 'maybe'", "nurse: p.lua:1: default: 'allow'" },
        { "default 'allow'\ndefault 'deny'", "nurse: p.lua:2: default was already given at p.lua:1" },
        { "allow ''", "nurse: p.lua:1: bad argument #1 to 'allow' (no system call is named)" },
        { "on('open')", "nurse: p.lua:1: bad argument #2 to 'on'" },
        { "event('sleep', print)", "nurse: p.lua:1: bad argument #1 to 'event'" },
        { "local x = = 1", "nurse: p.lua:1: unexpected symbol near '='" },
        { "\nalow 'open'", "nurse: p.lua:2: undefined global 'alow'" },
        { "\nerror 'mine'", "nurse: p.lua:2: mine" },
        { "\nerror {}", "nurse: p.lua:2: (the error value is a table)" },
        { "\nlocal t = nil; t.x = 1", "nurse: p.lua:2: attempt to index a nil value (local 't')" },
        { "param 'must'", "nurse: p.lua:1: parameter 'must' has no value: give -D must=VALUE" },
        { "require 'socket'", "nurse: p.lua:1: no module 'socket' in this nurse" },
        { "include 'nowhere'", "nurse: p.lua:1: include: no policy 'nowhere'" },
        { "include 'p'", "nurse: p.lua:1: include: 'p' is included too deep" },
        { "\nrequire 'nurse.unveil'('usr', 'r')", "nurse: p.lua:2: unveil: 'usr' is no absolute path" },
        { "\nwhile true do end", "nurse: p.lua:2: it ran" },
        { "\nstop(1)", "nurse: p.lua:2: stop: nothing runs yet; error() refuses a policy" },
        { "\nclock 'CLOCK_X'", "nurse: p.lua:2: clock: 'CLOCK_X' is no clock of the machine" },
        { "\ntimer(1)", "nurse: p.lua:2: bad argument #2 to 'timer' (function expected, got no value)" },
        { "\ntimer(-1, print)", "nurse: p.lua:2: bad argument #1 to 'timer' (between 0 and 1000000000 seconds)" },
        { "\ntimer(0/0, print)", "nurse: p.lua:2: bad argument #1 to 'timer'" },
        { "\ntimer(math.huge, print)", "nurse: p.lua:2: bad argument #1 to 'timer'" },
        { "\nfor _ = 1, 257 do timer(1, print) end", "nurse: p.lua:2: timer: there are 256 already" },
        { "\nlocal t = {} for i = 1, 1e9 do t[i] = { i } end", "nurse: p.lua:2: it" },
        { "\x1bLua", "nurse: p.lua:1: attempt to load a binary chunk" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy *policy = new_policy(NULL);
        write_script("p.lua", rows[i].text);
        capture();
        int result = policy_add(policy, "p.lua");
        const char *text = said();
        if (result != -1 || strncmp(text, rows[i].message, strlen(rows[i].message)) != 0)
            fail_msg("%s\nexpected: %s\ngot: %d %s", rows[i].text, rows[i].message, result, text);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        policy_free(policy);
    }
}

static void long_file_names_stay_whole(void **state)
{
    char name[200], message[300];
    struct policy *policy = new_policy(NULL);

    (void)state;
    snprintf(name, sizeof name, "%s/%0100d.lua", dir, 7);
    write_script(name, "allow = = 1");
    capture();
    assert_int_equal(policy_add(policy, name), -1);
    snprintf(message, sizeof message, "nurse: %s:1: unexpected symbol", name);
    assert_said(message);
    write_script(name, "\nlocal x = nil + 1");
    capture();
    assert_int_equal(policy_add(policy, name), -1);
    snprintf(message, sizeof message, "nurse: %s:2: attempt", name);
    assert_said(message);
    policy_free(policy);
    unlink(name);
}

static void a_missing_policy_is_one_line(void **state)
{
    struct policy *policy = new_policy(NULL);

    (void)state;
    capture();
    assert_int_equal(policy_add(policy, "nowhere"), -1);
    assert_said("nurse: nowhere: no such policy\n");
    policy_free(policy);
}

/* --- search --- */

static void search_finds_names(void **state)
{
    char path[PATH_MAX], expected[PATH_MAX + 16];

    (void)state;
    assert_int_equal(policy_search("everyday", NULL, path, sizeof path), -ENOENT);
    setenv("NURSE_PATH", "/nonexistent", 1);
    assert_int_equal(policy_search("everyday", NULL, path, sizeof path), -ENOENT);
    snprintf(path, sizeof path, "/nonexistent:%.4000s", data);
    setenv("NURSE_PATH", path, 1);
    assert_int_equal(policy_search("everyday", NULL, path, sizeof path), 0);
    snprintf(expected, sizeof expected, "%s/everyday.lua", data);
    assert_string_equal(path, expected);
    unsetenv("NURSE_PATH");
    write_script("p.lua", "");
    assert_int_equal(policy_search("p", NULL, path, sizeof path), 0);
    assert_string_equal(path, "p.lua");
    assert_int_equal(policy_search(".", NULL, path, sizeof path), -ENOENT);
    assert_int_equal(policy_search("", NULL, path, sizeof path), -ENOENT);
    assert_int_equal(policy_search("base", expected, path, sizeof path), 0);
}

static void scripts_include_others(void **state)
{
    struct policy *policy = new_policy(NULL);
    char path[PATH_MAX + 16];

    (void)state;
    snprintf(path, sizeof path, "%s/including.lua", data);
    assert_int_equal(policy_add(policy, path), 0);
    assert_verdict(policy, "allow", "getpid", 0);
    assert_verdict(policy, "kill", "getuid", 0);
    assert_verdict(policy, "deny EPERM", "gettid", 0);
    policy_free(policy);
}

/* --- layers --- */

static void the_strictest_layer_wins(void **state)
{
    static const char *const verdicts[] = { "allow", "emulate 1", "ask", "deny EACCES", "kill" };    /* mild to strict */
    static const char *const texts[] = {
        "default 'allow'", "on('getpid', function(c) return c:emulate(1) end) default 'allow'", "default 'ask'",
        "deny('getpid', 'EACCES') default 'allow'", "on('getpid', function(c) return c:kill() end)",
    };

    (void)state;
    for (int i = 0; i < 25; i++) {
        struct policy *policy = script(texts[i / 5]);
        write_script("q.lua", texts[i % 5]);
        assert_int_equal(policy_add(policy, "q.lua"), 0);
        int strict = i / 5 > i % 5 ? i / 5 : i % 5;
        assert_verdict(policy, strict == 2 ? "deny EPERM" : verdicts[strict], "getpid", 0);
        policy_free(policy);
    }
}

static void a_script_without_rules_adds_no_layer(void **state)
{
    struct policy *policy = script("after('getpid', function() end)");

    (void)state;
    write_script("q.lua", "default 'allow'");
    assert_int_equal(policy_add(policy, "q.lua"), 0);
    assert_verdict(policy, "allow", "gettid", 0);
    assert_verdict(policy, "allow", "getpid", 0);
    policy_free(policy);
}

static char complaint[256];

static void note_complaint(void *self, const char *where, const char *what)
{
    (void)self;
    snprintf(complaint, sizeof complaint, "%s: %s", where, what);
}

static void handlers_stand_in_the_order_written(void **state)
{
    struct policy *policy = script("on('getpid getuid gettid', function(c) if c.name == 'getpid' then return c:deny 'EIO' end end)\n"
                                   "allow 'getpid getuid'\non('getuid', function() return false end)\ndefault 'deny ENOSYS'");
    struct judge judge = policy_judge(policy);
    struct policy_answer answer;
    struct verdict verdict;

    (void)state;
    assert_verdict(policy, "deny EIO", "getpid", 0);
    assert_verdict(policy, "allow", "getuid", 0);
    assert_verdict(policy, "deny ENOSYS", "gettid", 0);
    assert_false(judge.constant(judge.self, ABI_I386, abi_find("getuid"), &verdict));
    assert_true(judge.constant(judge.self, ABI_I386, abi_find("getgid"), &verdict));
    policy_explain(policy, ABI_X86_64, abi_find("getuid"), &answer);
    assert_false(answer.constant);
    assert_int_equal(answer.handlers, 1);
    assert_string_equal(answer.where[0], "p.lua:1");
    assert_string_equal(verdict_text(&answer.verdict), "allow");
    assert_int_equal(policy_complain(policy, note_complaint, NULL), 1);
    assert_string_equal(complaint, "p.lua:3: no call reaches this rule: others before it answer them all");
    policy_free(policy);
}

static void unsafe_calls_must_be_named(void **state)
{
    static const struct { const char *text, *verdict; } rows[] = {
        { "default 'allow'", "deny EPERM" },
        { "allow '@all'", "deny EPERM" },
        { "on('@all', function() return true end)", "deny EPERM" },
        { "allow 'io_uring_setup'", "allow" },
        { "allow '@unsafe'", "allow" },
        { "allow '@paths @admin'", "deny EPERM" },
        { "on('io_uring_setup', function() return true end)", "allow" },
        { "kill '@all'", "kill" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_one(rows[i].text, rows[i].verdict, "io_uring_setup", (const uint64_t[6]){ 0 });
}

static void rewrites_run_in_order(void **state)
{
    struct policy *policy = script("on('kill', function(c) c.args[2] = c.args[2] + 1 return true end)");
    const uint64_t args[6] = { 1, 5 };

    (void)state;
    write_script("q.lua", "on('kill', function(c) return c:emulate(c.args[2]) end)");
    assert_int_equal(policy_add(policy, "q.lua"), 0);
    struct verdict verdict = decide(policy, "kill", args);
    assert_string_equal(verdict_text(&verdict), "emulate 6");
    policy_free(policy);
}

static void rows_of_one_architecture_have_their_own_arguments(void **state)
{
    struct policy *policy = script("on('pread64', function(c) return c:emulate(c.arch == 'i386' and c.offset_high or c.offset) end)");
    struct judge judge = policy_judge(policy);
    const uint64_t args[6] = { 3, 0, 0, 7, 9 };
    struct verdict verdict;

    (void)state;
    struct call *call = new_call("pread64", ABI_I386, args);
    judge.decide(judge.self, call, &verdict);
    alone_end(call);
    assert_string_equal(verdict_text(&verdict), "emulate 9");
    assert_verdict(policy, "emulate 7", "pread64", 3, 0, 0, 7, 9);
    policy_free(policy);
}

/* --- handlers --- */

static void handlers_return_verdicts(void **state)
{
    static const struct { const char *body, *verdict; } rows[] = {
        { "return call:allow()", "allow" },
        { "return true", "allow" },
        { "return false", "deny EPERM" },
        { "return call:deny()", "deny EPERM" },
        { "return call:deny 'ENOENT'", "deny ENOENT" },
        { "return call:deny(13)", "deny EACCES" },
        { "return call:emulate(7)", "emulate 7" },
        { "return call:emulate(-2)", "emulate -2" },
        { "return call:emulate(1 << 59)", "emulate 576460752303423488" },
        { "return call:kill()", "kill" },
        { "return call:kill_process 'SIGABRT'", "kill_process" },
        { "return call:kill 'SIGTERM'", "kill" },
        { "return call:ask()", "deny EPERM" },
        { "return nil", "deny ENOSYS" },
        { "", "deny ENOSYS" },
        { "local v = call:deny 'EIO'; local w = call:emulate(3); return v", "deny EIO" },
        { "return tostring(call:deny 'EIO') == 'deny EIO'", "allow" },
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "on('getpid', function(call) %s end) default 'deny ENOSYS'", rows[i].body);
        check_one(text, rows[i].verdict, "getpid", (const uint64_t[6]){ 0 });
    }
}

/* Each body stands in line 2; the report must say so, once, and the verdict is a denial. */
static void faults_are_denials_with_a_line(void **state)
{
    static const struct { const char *body, *message; } rows[] = {
        { "return 7", "nurse: p.lua:1: the handler returned a number, not a verdict; denied\n" },
        { "return 'allow'", "nurse: p.lua:1: the handler returned a string, not a verdict; denied\n" },
        { "return {}", "nurse: p.lua:1: the handler returned a table, not a verdict; denied\n" },
        { "return call", "nurse: p.lua:1: the handler returned a userdata, not a verdict; denied\n" },
        { "error 'oops'", "nurse: p.lua:2: oops; denied\n" },
        { "error { 1 }", "nurse: p.lua:2: (the error value is a table); denied\n" },
        { "error(nil)", "nurse: p.lua:2: (the error value is a nil); denied\n" },
        { "return call.nonsense", "nurse: p.lua:2: a call has no field 'nonsense'; denied\n" },
        { "return nothing", "nurse: p.lua:2: undefined global 'nothing'; denied\n" },
        { "call.path = '/x'", "nurse: p.lua:2: 'path' of getpid can't be assigned; denied\n" },
        { "return call:deny 'EWHAT'", "nurse: p.lua:2: unknown errno 'EWHAT'; denied\n" },
        { "return call:emulate(1 << 62)", "nurse: p.lua:2: bad argument" },
        { "allow 'getpid'", "nurse: p.lua:2: allow: rules are made while the policy is loaded" },
        { "local function f() return f() + 1 end return f()", "nurse: p.lua:2: " },
        { "while true do end", "nurse: p.lua:2: it ran" },
        { "while true do pcall(function() while true do end end) end", "nurse: p.lua:2: it ran" },
        { "return pcall(function() while true do end end)", "nurse: p.lua:2: it ran" },
        { "xpcall(function() while true do end end, function() while true do end end) return true", "nurse: p.lua:2: it ran" },
        { "while true do pcall(error) end", "nurse: p.lua:2: it ran" },
        { "local t = setmetatable({}, { __close = function() while true do end end }) local c <close> = t", "nurse: p.lua:2: it ran" },
        { "local s = 'x' while true do s = s .. s end", "nurse: p.lua:2: it used more memory than 64 MiB; denied\n" },
        { "return ('x'):rep(1 << 30)", "nurse: p.lua:2: it used more memory than 64 MiB; denied\n" },
        { "local t = {} for i = 1, 1e9 do t[i] = {} end", "nurse: p.lua:2: it used more memory than 64 MiB; denied\n" },
        { "return ('a'):rep(40):find(('a*'):rep(30) .. 'b')", "nurse: p.lua:2: the pattern could take too long" },
        { "return ('a'):rep(4000):match('.-.-.-.-b')", "nurse: p.lua:2: the pattern could take too long" },
        { "return ('a'):rep(1 << 22):find(('a'):rep(1 << 20) .. 'b', 1, true)", "nurse: p.lua:2: the pattern could take too long" },
        { "return table.move({}, 1, 1 << 60, 1)", "nurse: p.lua:2: table.move of more than a million" },
        { "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)", "nurse: p.lua:2: this function works on plain" },
        { "setmetatable({}, { __gc = function() while true do end end })", "nurse: p.lua:2: __gc is not available" },
        { "return ('a'):rep(4000):gmatch('^.-.-.-b')", "nurse: p.lua:2: the pattern could take too long" },
        { "return io", "nurse: p.lua:2: undefined global 'io'" },
        { "return debug", "nurse: p.lua:2: undefined global 'debug'" },
        { "return dofile", "nurse: p.lua:2: undefined global 'dofile'" },
        { "return coroutine", "nurse: p.lua:2: undefined global 'coroutine'" },
        { "return os.execute('true')", "nurse: p.lua:2: attempt to call a nil value (field 'execute')" },
        { "return string.dump(print)", "nurse: p.lua:2: attempt to call a nil value (field 'dump')" },
        { "assert(load('\\27Lua'))", "nurse: p.lua:2: attempt to load a binary chunk" },
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct policy_options options = { .wall = strstr(rows[i].message, "memory") ? 20000 : 200 };
        snprintf(text, sizeof text, "on('getpid', function(call)\n%s\nend) default 'allow'", rows[i].body);
        struct policy *policy = script_with(&options, text);
        capture();
        struct verdict verdict = decide(policy, "getpid", (const uint64_t[6]){ 0 });
        const char *message = said();
        if (strncmp(message, rows[i].message, strlen(rows[i].message)) != 0 || verdict.kind != VERDICT_DENY)
            fail_msg("%s\nexpected: %s\ngot: %s %s", rows[i].body, rows[i].message, verdict_text(&verdict), message);
        assert_int_equal(verdict.error, EPERM);
        assert_verdict(policy, "allow", "getuid", 0);
        capture();
        policy_free(policy);
        said();
    }
}

static void on_error_kill_kills(void **state)
{
    const struct policy_options options = { .on_error = POLICY_ERROR_KILL };
    struct policy *policy = script_with(&options, "on('getpid', function() error 'x' end)\non('getuid', function() return 1 end)");

    (void)state;
    capture();
    assert_verdict(policy, "kill", "getpid", 0);
    assert_verdict(policy, "kill", "getuid", 0);
    assert_said("nurse: p.lua:1: x; killed\n");
    policy_free(policy);
}

static void faults_are_said_once_and_counted(void **state)
{
    struct policy *policy = script("on('getpid', function() error 'x' end)");

    (void)state;
    capture();
    for (int i = 0; i < 1000; i++)
        assert_verdict(policy, "deny EPERM", "getpid", 0);
    policy_free(policy);
    assert_string_equal(said(), "nurse: p.lua:1: x; denied\nnurse: p.lua:1: x; denied (1000 times)\n");
}

static void limits_leave_the_next_decision_whole(void **state)
{
    const struct policy_options options = { .memory = 8 << 20, .instructions = 100000, .wall = 10000 };
    struct policy *policy = script_with(&options, "on('getpid', function() while true do end end)\n"
                                                  "on('getuid', function() local s = 'x' while true do s = s .. s end end)\n"
                                                  "on('gettid', function() for i = 1, 40000 do end return true end)");

    (void)state;
    capture();
    for (int i = 0; i < 20; i++) {
        assert_verdict(policy, "deny EPERM", "getpid", 0);
        assert_verdict(policy, "deny EPERM", "getuid", 0);
        assert_verdict(policy, "allow", "gettid", 0);
    }
    said();
    capture();
    policy_free(policy);
    said();
}

/* Memory may end at any allocation: each cap gives an error, a denial or the right verdict, never a crash. */
static void every_memory_limit_is_survived(void **state)
{
    bool loaded = false, decided = false;

    (void)state;
    write_script("p.lua", "default 'allow' on('openat', function(call)\n"
                          "  return (call.path .. tostring(call) .. tostring(call.flags)):find 'usr' ~= nil end)");
    for (size_t limit = 1024; limit < 256 * 1024; limit += 512) {
        const struct policy_options options = { .memory = limit };
        struct policy *policy;
        capture();
        if (policy_new(&policy, &options) == 0) {
            if (policy_add(policy, "p.lua") == 0) {
                loaded = true;
                struct verdict verdict = decide(policy, "openat", (const uint64_t[6]){ (uint64_t)AT_FDCWD, WORD("/usr") });
                decided = verdict.kind == VERDICT_ALLOW;
                assert_true(decided || (verdict.kind == VERDICT_DENY && verdict.error == EPERM));
            }
            policy_free(policy);
        }
        said();
    }
    assert_true(loaded && decided);
}

/* --- the call object --- */

static void paths_have_methods(void **state)
{
    static const char *const conditions[] = {
        "('/tmp'):under '/tmp'", "('/tmp/x'):under '/tmp'", "('/tmp/x'):under '/tmp/'", "not ('/tmpfoo'):under '/tmp'",
        "not ('/tm'):under '/tmp'", "('/x'):under '/'", "('/'):under '/'", "not ('/'):under '/tmp'", "not ('x'):under '/'",
        "('/a/b.c'):glob '/a/*.c'", "not ('/a/b/d.c'):glob '/a/*.c'", "('/a/b/d.c'):glob '/a/**/*.c'", "('/a/d.c'):glob '/a/**/*.c'",
        "('/a/b/c'):glob '/a/**'", "not ('/ab'):glob '/a/**'", "('/a/b'):glob '/?/[bc]'", "('/a/x/b/y/b'):glob '/a/**/b'",
        "not ('/a/x/b/y/c'):glob '/a/**/b'", "('/a/.b'):glob '/a/*'", "('/'):glob '/'", "('/'):glob '/**'",
        "('/a/b'):dirname() == '/a'", "('/a'):dirname() == '/'", "('/'):dirname() == '/'", "('a'):dirname() == '.'",
        "('/a/b/'):dirname() == '/a'", "('//a'):dirname() == '/'", "('/a/b'):basename() == 'b'", "('/'):basename() == '/'",
        "('/a/b//'):basename() == 'b'", "('a*b*c*d*e*'):rep(99):find('a*b*c*d*e*', 1, true) == 1",
        "('/home/me/x'):match '^/home/([%w_.-]+)/' == 'me'", "('x'):rep(9000):find '^(x*)$' == 1", "('a b c'):gsub('%s+', '') == 'abc'", "('b'):basename() == 'b'", "(''):basename() == ''", "('ab'):upper() == 'AB'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++)
        check_holds(conditions[i]);
}

static void the_call_shows_its_arguments(void **state)
{
    static const char *const conditions[] = {
        "call.name == 'openat'", "call.nr == 257", "call.arch == 'x86_64'", "math.type(call.pid) == 'integer'", "call.tid > 0",
        "call.comm == 'unit-policy'", "call.exe:basename() == 'unit-policy'", "call.path == '/usr/share'",
        "call.rawpath == '/usr/share/../share'", "call.newpath == nil", "call.addr == nil", "call.dirfd.number == -100",
        "tostring(call.dirfd) == 'AT_FDCWD'", "call.dirfd.kind == 'dir'", "call.dirfd.protocol == nil", "call:descriptor(1).object:find '^%d+:%d+$'",
        "call:descriptor(999).object == nil",
        "call:descriptor(999).kind == 'none'", "call:descriptor(-100).path == call.dirfd.path", "not pcall(call.descriptor, call, 'x')", "call.dirfd < 0", "#call.args == 6",
        "call.args[1] & 0xffffffff == 0xffffff9c", "call.args[3] == call.flags.number", "not pcall(function() return call.args[7] end)",
        "call.flags:has 'O_CLOEXEC'", "call.flags:has 'O_RDONLY'", "not call.flags:has 'O_RDWR'", "not call.flags:has 'O_CREAT'",
        "call.flags:has 'O_RDONLY|O_CLOEXEC'", "not pcall(call.flags.has, call.flags, 'O_NOTHING')",
        "tostring(call.flags) == 'O_RDONLY|O_CLOEXEC'", "tostring(call.flags + 'O_APPEND' - 'O_CLOEXEC') == 'O_RDONLY|O_APPEND'",
        "(call.flags:with 'O_RDWR'):has 'O_RDWR'", "call.flags:with('O_WRONLY'):without('O_WRONLY') == call.flags",
        "tostring(call) == 'openat(AT_FDCWD, \"/usr/share/../share\", O_RDONLY|O_CLOEXEC)'", "call.memory:string(call.args[2]) == call.rawpath",
        "call.memory:read(call.args[2], 4) == '/usr'", "select(2, call.memory:read(8, 4)) == 'Bad address'", "call.memory:string(8) == nil",
        "call.memory:write(8, 'x') == nil", "getmetatable(call) == false", "getmetatable('') == false",
        "not pcall(function() call.name = 'x' end)", "not pcall(function() call.flags = 'O_NOTHING' end)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++)
        check_holds(conditions[i]);
}

/* Handler bodies that change openat's arguments, and what the call then says of itself. */
static void arguments_can_be_rewritten(void **state)
{
    static const struct { const char *body, *expected; } rows[] = {
        { "call.flags = call.flags + 'O_NOFOLLOW'", "O_RDONLY|O_CREAT|O_NOFOLLOW" },
        { "call.flags = 'O_WRONLY|O_CREAT'", "O_WRONLY|O_CREAT" },
        { "call.flags = 1", "O_WRONLY" },
        { "call.mode = 'S_IRUSR|S_IWUSR'", "0600" },
        { "call.mode = call.mode - 'S_IWGRP' - 'S_IWOTH'", "0644" },
        { "call.args[4] = 256", "0400" },
        { "call.path = '/usr/bin'", "/usr/bin" },
        { "call.dirfd = 5", "5" },
    };
    const uint64_t args[6] = { (uint64_t)AT_FDCWD, WORD("/usr/share"), O_RDONLY | O_CREAT, 0666 };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "on('openat', function(call) %s\n local all = call.path .. ' ' .. tostring(call.dirfd) .. ' ' .. "
                 "tostring(call.flags) .. ' ' .. tostring(call.mode)\n return all:find('%s', 1, true) ~= nil end)", rows[i].body, rows[i].expected);
        check_one(text, "allow", "openat", args);
    }
}

static void openat2_and_creat_have_flags(void **state)
{
    const uint64_t how[3] = { O_RDWR | O_CREAT, 0640, 0 };
    const uint64_t openat2[6] = { (uint64_t)AT_FDCWD, WORD("/usr"), WORD(how), sizeof how }, creat[6] = { WORD("/usr/x"), 0600 };

    (void)state;
    check_one("on('@open', function(call) local old = call.flags:has 'O_RDWR' and tostring(call.mode) == '0640'\n"
              "call.flags = call.flags:with 'O_RDONLY'\nreturn old and not call.flags:has 'O_RDWR' and call.flags:has 'O_CREAT' end)",
              "allow", "openat2", openat2);
    assert_int_equal(how[0], O_RDWR | O_CREAT);
    check_one("on('@open', function(call) return call.flags:has 'O_WRONLY|O_CREAT|O_TRUNC' and call.mode:has 'S_IRUSR' end)", "allow",
              "creat", creat);
}

static void addresses_have_parts(void **state)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(5432) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" }, abstract = { .sun_family = AF_UNIX, .sun_path = "\0name" };
    const size_t name = offsetof(struct sockaddr_un, sun_path) + 5;
    const struct { const void *addr; size_t len; const char *body; } rows[] = {
        { &in, sizeof in, "return a.family == 'AF_INET' and a.ip == '10.1.2.3' and a.port == 5432 and a.path == nil and tostring(a) == '10.1.2.3:5432'" },
        { &in6, sizeof in6, "return a.family == 'AF_INET6' and a.ip == '::1' and a.port == 80 and tostring(a) == '[::1]:80'" },
        { &un, sizeof un, "return a.family == 'AF_UNIX' and a.path == '/run/x' and a.ip == nil and a.port == nil" },
        { &abstract, name, "return a.path == '@name'" },
        { &in, 1, "return a.ip == nil and a.port == nil" },
        { &in, sizeof in, "c.addr = { ip = '127.0.0.1', port = 99 } return tostring(c.addr) == '127.0.0.1:99' and c.addrlen == 16" },
        { &in, sizeof in, "return a.bytes == '\\2\\0\\x15\\x38\\10\\1\\2\\3' .. ('\\0'):rep(8)" },
        { &in, sizeof in, "c.addr = { port = 1 } return tostring(c.addr) == '10.1.2.3:1'" },
        { &in, sizeof in, "c.addr = { ip = '::1' } return tostring(c.addr) == '[::1]:5432' and c.args[3] == 28" },
        { &in6, sizeof in6, "c.addr = { ip = '1.2.3.4' } return tostring(c.addr) == '[::ffff:1.2.3.4]:80'" },
        { &in6, sizeof in6, "c.addr = { path = '@x' } return c.addr.path == '@x' and c.args[3] == 4" },
        { &in, sizeof in, "return not pcall(function() a.port = 1 end) and not pcall(function() c.addr = { ip = 'x' } end)" },
        { &in, sizeof in, "return tostring(c) == 'connect(3, {sa_family=AF_INET, sin_port=htons(5432), sin_addr=inet_addr(\"10.1.2.3\")}, 16)'" },
    };
    char text[512];

    (void)state;
    inet_pton(AF_INET, "10.1.2.3", &in.sin_addr);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t args[6] = { 3, WORD(rows[i].addr), rows[i].len };
        snprintf(text, sizeof text, "on('connect', function(c) local a = c.addr %s end)", rows[i].body);
        check_one(text, "allow", "connect", args);
    }
}

static void descriptors_and_buffers_are_seen(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    const uint64_t write_args[6] = { (uint64_t)ends[1], WORD("a\n\0b"), 4 };
    check_one("on('write', function(c) return c.fd.kind == 'pipe' and c.fd.path:find 'pipe' == 1 and c.buf == 'a\\n\\0b' and c.count == 4\n"
              "and tostring(c):find('\"a\\\\n\\\\0b\", 4', 1, true) ~= nil end)", "allow", "write", write_args);
    check_one("on('write', function(c) c.buf = 'xyz!!' return c.buf == 'xyz!!' and c.count == 5 end)", "allow", "write", write_args);
    check_one("on('close', function(c) return c.fd.kind == 'none' and c.fd.path == nil end)", "allow", "close", (const uint64_t[6]){ 999 });
    close(ends[0]);
    close(ends[1]);
}

/* Handler bodies over execve("/bin/ls", { "ls", "-l", "", "\xff" }, NULL). */
static void lists_are_seen_and_assigned(void **state)
{
    static const char *const bodies[] = {
        "return #c.argv == 4 and c.argv[1] == 'ls' and c.argv[2] == '-l' and c.argv[3] == '' and c.argv[4] == '\\xff'",
        "return type(c.argv) == 'table' and getmetatable(c.argv) == nil and #c.envp == 0 and next(c.envp) == nil",
        "c.argv = { 'echo', 'hi' } return table.concat(c.argv, ' ') == 'echo hi' and #c.envp == 0",
        "local list = c.argv table.insert(list, 2, '--') c.argv = list return table.concat(c.argv, ' ') == 'ls -- -l  \\xff'",
        "c.argv[1] = 'x' return c.argv[1] == 'ls'",    /* a copy, until it is assigned */
        "c.envp = { 'A=' .. ('x'):rep(100000), 'B=2' } return #c.envp == 2 and #c.envp[1] == 100002 and #c.argv == 4",
        "c.argv = {} return #c.argv == 0",
        "c.argv = setmetatable({ 'a' }, { __len = function() return 9 end, __index = function() return 'b' end }) return #c.argv == 1",
        "return tostring(c):find('^execve%(\"/bin/ls\", 0x%x+, NULL%)$') == 1",
    };
    const char *const argv[] = { "ls", "-l", "", "\xff", NULL };
    const uint64_t args[6] = { WORD("/bin/ls"), WORD(argv), 0 };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        snprintf(text, sizeof text, "on('execve', function(c) %s end)", bodies[i]);
        check_one(text, "allow", "execve", args);
    }
}

static void what_is_no_list_is_not_assigned(void **state)
{
    static const struct { const char *statement, *message; } rows[] = {
        { "c.argv = 'ls -l'", "argv must be a list of strings, not a string" },
        { "c.argv = nil", "argv must be a list of strings, not a nil" },
        { "c.argv = c", "argv must be a list of strings, not a userdata" },
        { "c.envp = { PATH = '/bin' }", "envp must be a list of strings: 1, 2, 3... and no other keys" },
        { "c.envp = { 'A=1', [3] = 'C=3' }", "envp must be a list of strings" },
        { "c.argv = { 'a', nil, 'c' }", "argv must be a list of strings: 1, 2, 3... and no other keys" },
        { "c.argv = { 'a', 7 }", "argv must be a list of strings: item 2 is a number" },
        { "c.argv = { 'a', 'b\\0c' }", "argv: item 2 has a NUL byte in it" },
        { "c.argv = { ('x'):rep(131072) }", "argv can't be changed: Argument list too long" },
        { "local t = {} for i = 1, 400000 do t[i] = 'twenty bytes of text' end c.argv = t", "argv can't be changed: Argument list too long" },
    };
    const char *const argv[] = { "ls", NULL };
    char text[256], message[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "default 'allow'\non('execve', function(c)\n%s\nend)", rows[i].statement);
        snprintf(message, sizeof message, "nurse: p.lua:3: %s", rows[i].message);
        struct policy *policy = script(text);
        capture();
        assert_verdict(policy, "deny EPERM", "execve", WORD("/bin/ls"), WORD(argv), 0);
        assert_said(message);
        policy_free(policy);
    }
}

/* What the kernel would refuse is nil, and stays nil: the handler and the call must not see different lists. */
static void unreadable_lists_are_nil(void **state)
{
    char *text = malloc(131073);
    const char *const bad[] = { "a", (const char *)8, NULL }, *const big[] = { text, NULL };
    const char *const handler = "on('execve', function(c) return c.argv == nil and #c.envp == 0 end)";

    (void)state;
    memset(text, 'x', 131072);
    text[131072] = '\0';
    check_one(handler, "allow", "execve", (const uint64_t[6]){ WORD("/bin/ls"), WORD(bad) });
    check_one(handler, "allow", "execve", (const uint64_t[6]){ WORD("/bin/ls"), WORD(big) });
    check_one(handler, "allow", "execve", (const uint64_t[6]){ WORD("/bin/ls"), 8 });
    free(text);
}

/* A list that Lua has no memory for is a denial, and the next one is seen again. */
static void great_lists_meet_the_memory_limit(void **state)
{
    enum { COUNT = 60000 };
    static char text[COUNT][16];
    static const char *list[COUNT + 1];
    const char *const handler = "on('execve', function(c) local list = c.argv c.argv = list return #list == #c.argv end)";
    const struct policy_options small = { .memory = 2 << 20 };
    struct policy *policy = script_with(&small, handler);

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof text[i], "%d", i);
        list[i] = text[i];
    }
    capture();
    assert_verdict(policy, "deny EPERM", "execve", WORD("/bin/ls"), WORD(list));
    assert_said("nurse: p.lua:1: it used more memory than 2 MiB; denied\n");
    assert_verdict(policy, "allow", "execve", WORD("/bin/ls"), WORD(list + COUNT - 5));
    policy_free(policy);
    check_one(handler, "allow", "execve", (const uint64_t[6]){ WORD("/bin/ls"), WORD(list) });
}

/* What one layer assigns, the next one sees. */
static void the_next_layer_sees_the_assigned_list(void **state)
{
    const char *const argv[] = { "ls", NULL };
    struct policy *policy = script("on('execve', function(c) c.argv = { 'one' } end) default 'allow'");

    (void)state;
    write_script("q.lua", "on('execve', function(c) return #c.argv == 1 and c.argv[1] == 'one' end)");
    assert_int_equal(policy_add(policy, "q.lua"), 0);
    assert_verdict(policy, "allow", "execve", WORD("/bin/ls"), WORD(argv));
    policy_free(policy);
}

static void strings_end_before_an_unmapped_page(void **state)
{
    long page = sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(map != MAP_FAILED);
    munmap(map + page, (size_t)page);
    char *path = map + page - 5;
    memcpy(path, "/usr", 5);
    const uint64_t args[6] = { WORD(path), WORD(path) };
    check_one("on('kill', function(c) return c.memory:string(c.args[1]) == '/usr' and c.memory:string(c.args[1] + 1) == 'usr' end)", "allow",
              "kill", args);
    munmap(map, (size_t)page);
}

static void a_saved_call_is_dead(void **state)
{
    struct policy *policy = script("local saved, fd\non('close', function(c) saved = c; fd = c.fd return true end)\n"
                                   "event('exit', function() log('%s', saved.name) end)\n"
                                   "on('dup', function(c) return fd.path end)");
    struct judge judge = policy_judge(policy);

    (void)state;
    assert_verdict(policy, "allow", "close", 2);
    capture();
    judge.event(judge.self, &(struct judge_event){ .name = "exit", .pid = 1 });
    assert_said("nurse: p.lua:3: this call is over: `call` can only be used inside its handler\n");
    capture();
    assert_verdict(policy, "deny EPERM", "dup", 2);
    assert_said("nurse: p.lua:4: this descriptor belongs to an earlier call; denied\n");
    policy_free(policy);
}

/* --- after and event --- */

static void after_sees_and_replaces_results(void **state)
{
    static const struct { const char *body; int64_t result, expected; } rows[] = {
        { "assert(r == 5 and e == nil)", 5, 5 },
        { "assert(r == -2 and e == 'ENOENT') return 'EACCES'", -2, -EACCES },
        { "return r + 1", 5, 6 },
        { "return c.buf == 'hello' and 1 or 0", 5, 1 },
        { "return c.buf == nil and 1 or 0", -9, 1 },
        { "return true", 5, -EPERM },
        { "error 'x'", 5, -EPERM },
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "default 'allow' after('read', function(c, r, e) %s end)", rows[i].body);
        struct policy *policy = script(text);
        struct judge judge = policy_judge(policy);
        struct call *call = new_call("read", ABI_X86_64, (const uint64_t[6]){ 0, WORD("hello world"), 11 });
        int64_t result = rows[i].result;
        capture();
        bool replaced = judge.after(judge.self, call, &result);
        policy_free(policy);
        said();
        alone_end(call);
        assert_int_equal(result, rows[i].expected);
        assert_int_equal(replaced, result != rows[i].result);
    }
}

static void after_watches_what_it_names(void **state)
{
    struct policy *policy = script("default 'allow' after('read @time', function() end)");
    struct judge judge = policy_judge(policy);

    (void)state;
    assert_true(judge.watches(judge.self, abi_find("read")));
    assert_false(judge.watches(judge.self, abi_find("write")));
    policy_free(policy);
}

static void events_reach_their_handlers(void **state)
{
    struct policy *policy = script("event('exit', function(p) log('%s %d', p.name, p.pid) end)\n"
                                   "event('exit', function(p) error 'late' end)");
    capture();
    struct judge judge = policy_judge(policy);

    (void)state;
    judge.event(judge.self, &(struct judge_event){ .name = "exit", .pid = 12 });
    judge.event(judge.self, &(struct judge_event){ .name = "start", .pid = 12 });
    assert_said("nurse: exit 12\nnurse: p.lua:2: late\n");
    policy_free(policy);
}

static void events_tell_what_happened(void **state)
{
    static const struct { struct judge_event event; const char *told; } rows[] = {
        { { .name = "start", .pid = 12, .exe = "/bin/sh" }, "start 12 nil /bin/sh nil nil" },
        { { .name = "fork", .pid = 13, .parent = 12, .exe = "/bin/sh" }, "fork 13 12 /bin/sh nil nil" },
        { { .name = "exec", .pid = 13, .parent = 12, .exe = "/bin/ls" }, "exec 13 12 /bin/ls nil nil" },
        { { .name = "exit", .pid = 13, .parent = 12, .exe = "/bin/ls", .status = 0 }, "exit 13 12 /bin/ls 0 nil" },
        { { .name = "exit", .pid = 13, .parent = 12, .exe = "/bin/ls", .status = 255 << 8 }, "exit 13 12 /bin/ls 255 nil" },
        { { .name = "exit", .pid = 13, .parent = 12, .exe = "/bin/ls", .status = SIGTERM }, "exit 13 12 /bin/ls 143 15" },
        { { .name = "exit", .pid = 13, .parent = 12, .exe = "/bin/ls", .status = SIGSEGV | 0200 }, "exit 13 12 /bin/ls 139 11" },    /* with a core */
        { { .name = "exit", .pid = 13, .parent = 12, .exe = "/bin/ls", .status = -1 }, "exit 13 12 /bin/ls nil nil" },
        { { .name = "signal", .pid = 13, .exe = "/bin/ls", .signal = SIGTERM }, "signal 13 nil /bin/ls nil 15" },
    };
    struct policy *policy = script("for _, name in ipairs { 'start', 'fork', 'exec', 'exit', 'signal' } do\n"
                                   "  event(name, function(p) log('%s %d %s %s %s %s', p.name, p.pid, p.parent, p.exe, p.status, p.signal) end)\n"
                                   "end default 'allow'");
    struct judge judge = policy_judge(policy);
    char line[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        capture();
        judge.event(judge.self, &rows[i].event);
        snprintf(line, sizeof line, "nurse: %s\n", rows[i].told);
        assert_string_equal(said(), line);
    }
    policy_free(policy);
}

/* --- clock, timer, stop, cpu --- */

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void host_clocks_are_the_kernels(void **state)
{
    struct policy *policy = script("default 'allow'\n"
                                   "local loaded = clock()\n"
                                   "on('dup', function(c)\n"
                                   "  assert(math.type(clock()) == 'integer' and clock() >= loaded)\n"
                                   "  assert(clock 'CLOCK_MONOTONIC' - clock() < 1e9)\n"
                                   "  assert(math.abs(clock 'CLOCK_REALTIME' // 1000000000 - os.time()) <= 1)\n"
                                   "  for _, name in ipairs { 'REALTIME_COARSE', 'MONOTONIC_COARSE', 'MONOTONIC_RAW', 'BOOTTIME', 'TAI' } do clock('CLOCK_' .. name) end\n"
                                   "  local used, cpus = cpu() assert(used == 0.0 and cpus >= 1)\n"
                                   "  return c:emulate(clock())\n"
                                   "end)\n"
                                   "on('close', function() clock 'CLOCK_PROCESS_CPUTIME_ID' end)");
    int64_t before = now_ns();

    (void)state;
    capture();
    struct verdict verdict = decide(policy, "dup", (const uint64_t[6]){ 0 });
    said();
    assert_int_equal(verdict.kind, VERDICT_EMULATE);
    assert_in_range(verdict.value, before, now_ns());
    capture();
    assert_verdict(policy, "deny EPERM", "close", 0);
    assert_said("nurse: p.lua:11: clock: 'CLOCK_PROCESS_CPUTIME_ID' is no clock of the machine; denied\n");
    policy_free(policy);
}

/* Time is not waited for: what the loop would have slept is taken from the wish. */
static void host_timers_run_when_they_are_due(void **state)
{
    struct policy *policy = script("default 'allow'\n"
                                   "local turns = 0\n"
                                   "timer(3600, function() log 'late' end)\n"
                                   "timer(0, function() turns = turns + 1 log('turn %d', turns) if turns < 3 then return 0 end end)\n"
                                   "timer(0, function() timer(0, function() log 'inner' end) log 'outer' end)\n"
                                   "timer(0, function() error 'fails' end)\n"
                                   "timer(0, function() while true do end end)\n"
                                   "timer(0, function() return {} end)\n");
    struct judge judge = policy_judge(policy);

    (void)state;
    assert_true(judge.wish->due == INT64_MAX);
    judge.event(judge.self, &(struct judge_event){ .name = "start", .pid = 12 });
    assert_in_range(judge.wish->due, now_ns() - 1000000000, now_ns() + 2000000);
    capture();
    for (int i = 0; i < 4; i++) {
        usleep(1100);    /* a timer's shortest time */
        judge.tick(judge.self);
    }
    assert_string_equal(said(), "nurse: turn 1\nnurse: outer\nnurse: p.lua:6: fails; this timer is gone\n"
                                "nurse: p.lua:7: it ran through its limit of instructions; this timer is gone\n"
                                "nurse: p.lua:8: the timer returned neither seconds nor nothing; it is gone\n"
                                "nurse: turn 2\nnurse: inner\nnurse: turn 3\n");
    assert_in_range(judge.wish->due, now_ns() + 3500000000000, now_ns() + 3600000000000);
    policy_free(policy);
}

static void host_stop_denies_what_follows(void **state)
{
    struct policy *policy = script("default 'allow'\n"
                                   "on('dup', function(c) stop(3, 'too\\nmuch') stop(4) return c:emulate(1) end)\n"
                                   "on('close', function(c) return c:emulate(1) end)\n");
    struct judge judge = policy_judge(policy);

    (void)state;
    assert_verdict(policy, "emulate 1", "close", 0);
    assert_false(judge.wish->stop);
    assert_verdict(policy, "deny EPERM", "dup", 0);
    assert_true(judge.wish->stop);
    assert_int_equal(judge.wish->status, 3);
    assert_string_equal(judge.wish->why, "too\nmuch");
    assert_verdict(policy, "deny EPERM", "close", 0);
    policy_free(policy);

    policy = script("default 'allow' on('dup', function() stop() return true end)");
    judge = policy_judge(policy);
    assert_verdict(policy, "deny EPERM", "dup", 0);
    assert_int_equal(judge.wish->status, EXIT_TIME_LIMIT);
    assert_string_equal(judge.wish->why, "stopped by the policy at p.lua:1");
    policy_free(policy);
}

/* --- whole policies --- */

static void an_everyday_policy_works(void **state)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(5432) };
    struct policy *policy = new_policy(NULL);
    char path[PATH_MAX + 16];

    (void)state;
    snprintf(path, sizeof path, "%s/everyday.lua", data);
    assert_int_equal(policy_add(policy, path), 0);
    assert_verdict(policy, "allow", "openat", (uint64_t)AT_FDCWD, WORD("/etc/passwd"), O_RDONLY);
    assert_verdict(policy, "deny EACCES", "openat", (uint64_t)AT_FDCWD, WORD("/etc/../secret/password"), O_RDONLY);
    assert_verdict(policy, "deny EROFS", "open", WORD("/etc/passwd"), O_RDWR);
    assert_verdict(policy, "deny EROFS", "creat", WORD("/etc/passwd"), 0600);
    assert_verdict(policy, "allow", "connect", 3, WORD(&in), sizeof in);
    assert_verdict(policy, "emulate 42", "getpid", 0);
    assert_verdict(policy, "allow", "mmap", 0);
    assert_verdict(policy, "kill", "ptrace", 0);
    assert_verdict(policy, "deny EPERM", "socket", 0);
    policy_free(policy);
}

static void unveil_hides_the_rest(void **state)
{
    struct policy *policy = new_policy(NULL);
    char path[PATH_MAX + 16];

    (void)state;
    snprintf(path, sizeof path, "%s/unveiled.lua", data);
    assert_int_equal(policy_add(policy, path), 0);
    assert_verdict(policy, "allow", "open", WORD("/usr/share"), O_RDONLY);
    assert_verdict(policy, "deny EACCES", "open", WORD("/usr/share"), O_RDWR);
    assert_verdict(policy, "deny ENOENT", "open", WORD("/usr/secret/x"), O_RDONLY);
    assert_verdict(policy, "deny ENOENT", "open", WORD("/etc/passwd"), O_RDONLY);
    const uint64_t hidden[6] = { WORD("/etc/passwd"), WORD("/tmp") };
    assert_non_null(strstr(decide(policy, "stat", hidden).rule, "unveiled.lua:2"));
    assert_verdict(policy, "deny ENOENT", "chdir", WORD("/etc"));
    assert_verdict(policy, "allow", "open", WORD("/tmp/x"), O_RDWR | O_CREAT);
    assert_verdict(policy, "deny EACCES", "rename", WORD("/tmp/x"), WORD("/usr/x"));
    assert_verdict(policy, "allow", "getpid", 0);
    policy_free(policy);
}

/* As nurse sees a path, and as the process of a call does, from its working directory. */
static void realpaths(void **state)
{
    struct policy *policy = new_policy(NULL);

    (void)state;
    write_script("p.lua",
        "local path, missing = realpath '/usr/../etc/./passwd' assert(path == '/etc/passwd' and not missing)\n"
        "path, missing = realpath '/etc/none/../x' assert(path == '/etc/x' and missing == 'ENOENT')\n"
        "path, missing = realpath '' assert(path == nil and missing == 'ENOENT')\n"
        "assert(not pcall(realpath, 'a\\0b') and not pcall(realpath) and select(2, realpath(('x'):rep(5000))) == 'ENAMETOOLONG')\n"
        "on('getpid', function(call)\n"
        "  assert(call:realpath '/usr/..' == '/' and call:realpath '.' == realpath '.' and call:realpath 'none/x' == realpath '.' .. '/none/x')\n"
        "  return call:emulate(5)\n"
        "end) default 'allow'");
    capture();
    int result = policy_add(policy, "p.lua");
    const char *text = said();
    if (result != 0)
        fail_msg("%s", text);
    assert_verdict(policy, "emulate 5", "getpid", 0);
    policy_free(policy);
}

static void groups_are_printed(void **state)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_int_equal(policy_group_print(out, "open"), 0);
    assert_int_equal(policy_group_print(out, "nothing"), -ENOENT);
    assert_int_equal(policy_group_print(out, NULL), 0);
    fclose(out);
    assert_int_equal(strncmp(text, "@open: ", 7), 0);
    assert_non_null(strstr(text, "openat2"));
    assert_non_null(strstr(text, "@stdio: "));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_make_constants),
        cmocka_unit_test(rules_say_where_they_stand),
        cmocka_unit_test(names_can_say_the_architecture),
        cmocka_unit_test(params_take_the_type_of_their_fallback),
        cmocka_unit_test(log_and_print_speak_on_stderr),
        cmocka_unit_test(mistakes_name_file_and_line),
        cmocka_unit_test(long_file_names_stay_whole),
        cmocka_unit_test(a_missing_policy_is_one_line),
        cmocka_unit_test(search_finds_names),
        cmocka_unit_test(scripts_include_others),
        cmocka_unit_test(the_strictest_layer_wins),
        cmocka_unit_test(a_script_without_rules_adds_no_layer),
        cmocka_unit_test(handlers_stand_in_the_order_written),
        cmocka_unit_test(unsafe_calls_must_be_named),
        cmocka_unit_test(rewrites_run_in_order),
        cmocka_unit_test(rows_of_one_architecture_have_their_own_arguments),
        cmocka_unit_test(handlers_return_verdicts),
        cmocka_unit_test(faults_are_denials_with_a_line),
        cmocka_unit_test(on_error_kill_kills),
        cmocka_unit_test(faults_are_said_once_and_counted),
        cmocka_unit_test(limits_leave_the_next_decision_whole),
        cmocka_unit_test(every_memory_limit_is_survived),
        cmocka_unit_test(paths_have_methods),
        cmocka_unit_test(the_call_shows_its_arguments),
        cmocka_unit_test(arguments_can_be_rewritten),
        cmocka_unit_test(openat2_and_creat_have_flags),
        cmocka_unit_test(addresses_have_parts),
        cmocka_unit_test(descriptors_and_buffers_are_seen),
        cmocka_unit_test(lists_are_seen_and_assigned),
        cmocka_unit_test(what_is_no_list_is_not_assigned),
        cmocka_unit_test(unreadable_lists_are_nil),
        cmocka_unit_test(great_lists_meet_the_memory_limit),
        cmocka_unit_test(the_next_layer_sees_the_assigned_list),
        cmocka_unit_test(strings_end_before_an_unmapped_page),
        cmocka_unit_test(a_saved_call_is_dead),
        cmocka_unit_test(after_sees_and_replaces_results),
        cmocka_unit_test(after_watches_what_it_names),
        cmocka_unit_test(events_reach_their_handlers),
        cmocka_unit_test(events_tell_what_happened),
        cmocka_unit_test(host_clocks_are_the_kernels),
        cmocka_unit_test(host_timers_run_when_they_are_due),
        cmocka_unit_test(host_stop_denies_what_follows),
        cmocka_unit_test(an_everyday_policy_works),
        cmocka_unit_test(unveil_hides_the_rest),
        cmocka_unit_test(realpaths),
        cmocka_unit_test(groups_are_printed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
