/*
 * testing: see testing.h. The words of a test file, and how their outcome becomes TAP.
 *
 * Runs in the command line; nothing is mocked: the judge, its Lua state, the routes and the calls are those of a run, but no call is made. The author
 * of the file is believed like that of a policy: a mistake is told with file:line. Test: t/68-live-nursetest.t.
 */
#include "core/policy/testing.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/policy/ask.h"
#include "core/policy/inside.h"
#include "core/text/text.h"

enum { PARAMETERS_MAX = 64, DIAGNOSTICS = 20 /* lines of a recording that are told about */ };

struct testing {
    const struct testing_options *options;
    struct testing_count *count;
    const char *path;                          /* the test file */
    struct policy *host;                       /* whose Lua state runs it */
    struct policy *policy;                     /* the one under test */
    struct ask *ask;
    char *own[PARAMETERS_MAX];                 /* parameters that `policy` gave */
    const char *parameters[2 * PARAMETERS_MAX + 1];
    struct written written;
    struct asked asked;
    char problems[8192];                       /* of the expectation at hand; "": none */
    size_t used;
};

static struct testing *testing_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- TAP ---------------------------------------------------------------------------------- */

static void tap_problem(struct testing *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tap_problem(struct testing *t, const char *fmt, ...)
{
    va_list args;
    size_t room = sizeof t->problems - t->used;

    va_start(args, fmt);
    int len = vsnprintf(t->problems + t->used, room, fmt, args);
    va_end(args);
    t->used += len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

/* What stands on a TAP line: one line, and no '#', which would begin a directive. */
static void tap_text(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '#' ? "\\%c" : "%c", isprint((unsigned char)*text) || (unsigned char)*text >= 0x80 ? *text : ' ');
}

static void tap_line(FILE *out, const char *label, const char *text)
{
    fprintf(out, "# %9s ", label);
    for (; *text && strcmp(text, "\n") != 0; text++)
        if (*text == '\n')
            fprintf(out, "\n# %9s ", "");
        else
            fputc(isprint((unsigned char)*text) || (unsigned char)*text >= 0x80 ? *text : '?', out);
    fputc('\n', out);
}

/* One result; the problems are what failed. `more` says whether the call that was asked about last is to be shown. */
static void tap_result(struct testing *t, const char *name, const char *where, bool more)
{
    FILE *out = t->options->out;
    const bool good = !t->problems[0];

    t->count->tests++;
    t->count->failed += !good;
    fprintf(out, "%sok %zu - ", good ? "" : "not ", t->count->tests);
    tap_text(out, name);
    fputc('\n', out);
    if (good)
        return;
    tap_line(out, "at", where);
    tap_line(out, "failed:", t->problems);
    if (more && t->asked.verdict.rule)
        tap_line(out, "rule:", t->asked.verdict.rule);
    if (more && t->asked.verdict.why)
        tap_line(out, "why:", t->asked.verdict.why);
    if (more)
        tap_line(out, "call:", t->asked.before);
    if (more && t->asked.after[0] && strcmp(t->asked.after, t->asked.before) != 0)
        tap_line(out, "becomes:", t->asked.after);
}

/* ---- verdicts ----------------------------------------------------------------------------- */

/* "deny EACCES" as it was expected against what came: the errno or signal may be left out. */
static bool verdict_matches(const char *expected, const char *got)
{
    size_t len = strlen(expected);

    return strncmp(expected, got, len) == 0 && (got[len] == '\0' || got[len] == ' ');
}

static void verdict_got(const struct asked *asked, char *buf, size_t size)
{
    const char *name = abi_errno_name(asked->error);

    if (asked->error)
        snprintf(buf, size, "error %s", name ? name : "?");
    else
        ask_verdict(&asked->verdict, buf, size);
}

static const char *const verdict_kinds[] = { "allow", "deny", "emulate", "ask", "kill", "kill_process", "error", NULL };

static bool verdict_word(const char *text, size_t len)
{
    for (int i = 0; verdict_kinds[i]; i++)
        if (strlen(verdict_kinds[i]) == len && strncmp(verdict_kinds[i], text, len) == 0)
            return true;
    return false;
}

/* A verdict that no call can have is a mistake in the test. */
static const char *verdict_check(lua_State *L, const char *text)
{
    size_t len = strcspn(text, " ");
    const char *more = text[len] ? text + len + 1 : "";

    if (!verdict_word(text, len))
        luaL_error(L, "expect: 'allow', 'deny', 'deny ERRNO', 'emulate N', 'kill', 'kill SIGNAL' or 'kill_process' was expected, got '%s'", text);
    if (*more && (strncmp(text, "deny", len) == 0 || strncmp(text, "error", len) == 0) && !abi_errno(more))
        luaL_error(L, "expect: unknown errno '%s'", more);
    if (*more && strncmp(text, "kill", 4) == 0 && (!abi_signal(more) || strncmp(more, "SIG", 3) != 0))
        luaL_error(L, "expect: unknown signal '%s'", more);
    return text;
}

/* ---- policy ------------------------------------------------------------------------------- */

static void policy_drop(struct testing *t)
{
    ask_close(t->ask);
    policy_free(t->policy);
    t->ask = NULL;
    t->policy = NULL;
    for (int i = 0; i < PARAMETERS_MAX; i++) {
        free(t->own[i]);
        t->own[i] = NULL;
    }
}

/* The table at `index`: its keys are parameters. */
static void policy_parameters(lua_State *L, struct testing *t, int index)
{
    int count = 0;

    while (count < PARAMETERS_MAX && t->own[count])
        count++;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        const char *value = luaL_tolstring(L, -1, NULL);
        if (count >= PARAMETERS_MAX || asprintf(&t->own[count], "%s=%s", lua_tostring(L, -3), value) < 0)
            luaL_error(L, "policy: too many parameters");
        count++;
        lua_pop(L, 1);
    }
}

static void policy_load(lua_State *L, struct testing *t, const char *name)
{
    char path[PATH_MAX];

    if (policy_search(name, t->path, path, sizeof path) != 0)
        luaL_error(L, "policy: no policy '%s'", name);
    if (policy_add(t->policy, path) != 0)
        luaL_error(L, "policy: '%s' can't be loaded", name);
}

/* Names in the list part of the table at `index`. Returns how many. */
static int policy_layers(lua_State *L, struct testing *t, int index)
{
    int count = 0;

    for (lua_Integer i = 1; lua_rawgeti(L, index, i) != LUA_TNIL; i++, count++) {
        policy_load(L, t, luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count;
}

static void policy_begin(lua_State *L, struct testing *t)
{
    struct policy_options options = { .on_error = t->options->on_error, .parameters = t->parameters };
    int count = 0, error;

    for (const char *const *at = t->options->parameters; at && *at && count < PARAMETERS_MAX; at++)
        t->parameters[count++] = *at;
    for (int i = 0; i < PARAMETERS_MAX && t->own[i]; i++)
        t->parameters[count++] = t->own[i];
    t->parameters[count] = NULL;
    error = policy_new(&t->policy, &options);
    if (error)
        luaL_error(L, "policy: %s", strerror(-error));
}

/* policy("name"..., { parameter = value }): what is tested from here on, as if newly started. */
static int word_policy(lua_State *L)
{
    struct testing *t = testing_of(L);
    int count = 0, last = lua_gettop(L), error;

    policy_drop(t);
    for (int i = 1; i <= last; i++)
        if (lua_istable(L, i))
            policy_parameters(L, t, i);
    policy_begin(L, t);
    for (int i = 1; i <= last; i++) {
        if (lua_istable(L, i)) {
            count += policy_layers(L, t, i);
        } else {
            policy_load(L, t, luaL_checkstring(L, i));
            count++;
        }
    }
    luaL_argcheck(L, count > 0, 1, "no policy is named");
    error = ask_open(&t->ask, t->policy);
    return error ? luaL_error(L, "policy: %s", strerror(-error)) : 0;
}

static struct testing *testing_ready(lua_State *L, const char *word)
{
    struct testing *t = testing_of(L);

    if (!t->ask)
        luaL_error(L, "%s: which policy is tested? (policy \"NAME\" comes first)", word);
    t->problems[0] = '\0';
    t->used = 0;
    return t;
}

/* ---- expect ------------------------------------------------------------------------------- */

static enum abi_arch expect_arch(lua_State *L, int index)
{
    static const char *const names[] = { "x86_64", "i386", NULL };    /* ORDER enum abi_arch */
    enum abi_arch arch;

    lua_getfield(L, index, "arch");
    arch = (enum abi_arch)luaL_checkoption(L, -1, "x86_64", names);
    lua_pop(L, 1);
    return arch;
}

/* An integer, or an errno's name as its negative, at a field of the table; false when it isn't there. */
static bool expect_integer(lua_State *L, int index, const char *key, int64_t *value)
{
    int type = lua_getfield(L, index, key);

    if (type == LUA_TSTRING && abi_errno(lua_tostring(L, -1)))
        *value = -abi_errno(lua_tostring(L, -1));
    else if (type != LUA_TNIL)
        *value = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return type != LUA_TNIL;
}

static void expect_verdict(struct testing *t, const char *expected)
{
    char got[64];

    verdict_got(&t->asked, got, sizeof got);
    if (!verdict_matches(expected, got))
        tap_problem(t, "expected %s\ngot %s\n", expected, got);
}

static void expect_text(struct testing *t, const char *key, const char *got, size_t got_len, const char *expected, size_t expected_len)
{
    if (got_len != expected_len || memcmp(got, expected, got_len) != 0)
        tap_problem(t, "%s: expected '%.*s'\ngot '%.*s'\n", key, (int)(expected_len < 512 ? expected_len : 512), expected,
                    (int)(got_len < 512 ? got_len : 512), got);
}

/* A list of strings, at the top of the stack. */
static void expect_strings(lua_State *L, struct testing *t, const char *key, int i)
{
    const char *const *strings;
    size_t count, len;

    luaL_checktype(L, -1, LUA_TTABLE);
    if (call_strings(t->asked.call, i, &strings, &count) != 0)
        count = 0;
    if (count != lua_rawlen(L, -1)) {
        tap_problem(t, "%s: expected %d strings\ngot %zu\n", key, (int)lua_rawlen(L, -1), count);
        return;
    }
    for (size_t k = 0; k < count; k++) {
        lua_rawgeti(L, -1, (lua_Integer)k + 1);
        const char *expected = luaL_checklstring(L, -1, &len);
        expect_text(t, key, strings[k], strlen(strings[k]), expected, len);
        lua_pop(L, 1);
    }
}

/* Bytes, as the policy left them. */
static void expect_bytes(lua_State *L, struct testing *t, const char *key, int i, enum abi_type type)
{
    const void *bytes = "";
    size_t count = 0, len;
    const char *expected = luaL_checklstring(L, -1, &len);

    if (call_bytes(t->asked.call, i, &bytes, &count) != 0)
        count = 0;
    expect_text(t, key, bytes, type == ABI_STRING ? strnlen(bytes, count) : count, expected, len);
}

/* What is written as in a call: flags, modes, addresses, numbers. */
static void expect_value(lua_State *L, struct testing *t, const char *key, int i, enum abi_type type)
{
    struct written *expected = lua_newuserdatauv(L, sizeof *expected, 0);
    const struct abi_call *row = t->written.row;
    const char *text = luaL_tolstring(L, -2, NULL);
    const void *bytes;
    size_t count;
    bool same;

    if (written_argument(expected, row, t->written.arch, i, text) != 0)
        luaL_error(L, "expect: %s", expected->mistake);
    if (type == ABI_ADDR_IN || type == ABI_OPEN_HOW)
        same = call_bytes(t->asked.call, i, &bytes, &count) == 0 && count <= 128 && memcmp(bytes, (void *)(uintptr_t)expected->args[i], count) == 0;
    else
        same = type == ABI_LONG || type == ABI_ULONG || type == ABI_OFFSET || type == ABI_SIZE || type == ABI_POINTER
                   ? call_arg(t->asked.call, i) == expected->args[i] : (uint32_t)call_arg(t->asked.call, i) == (uint32_t)expected->args[i];
    if (!same)
        tap_problem(t, "%s: expected %s\ngot %s\n", key, text, t->asked.after);
    lua_pop(L, 2);
}

/* A field named after an argument: what the policy left there. The value is on top. */
static void expect_argument(lua_State *L, struct testing *t, const char *key)
{
    const struct abi_call *row = t->written.row;
    enum abi_type type;
    const char *path;
    size_t len;
    int i = 0;

    while (i < 6 && (!row->args[i].name || strcmp(row->args[i].name, key) != 0))
        i++;
    if (i == 6)
        luaL_error(L, "expect: '%s' is neither one of expect's own fields nor an argument of %s", key, row->name);
    type = row->args[i].type;
    if (!t->asked.call) {
        tap_problem(t, "%s: the call was not judged\n", key);
    } else if (type >= ABI_PATH && type <= ABI_PATH_OPEN) {
        const char *expected = luaL_checklstring(L, -1, &len);
        if (call_path(t->asked.call, i, &path) != 0)
            path = "";
        expect_text(t, key, path, strlen(path), expected, len);
    } else if (type == ABI_STRINGS) {
        expect_strings(L, t, key, i);
    } else if (type == ABI_STRING || type == ABI_BUF_IN) {
        expect_bytes(L, t, key, i, type);
    } else {
        expect_value(L, t, key, i, type);
    }
}

static const char *const expect_fields[] = { "call", "verdict", "arch", "name", "rule", "returns", "result", NULL };

static void expect_arguments(lua_State *L, struct testing *t, int index)
{
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        int k = 0;

        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "expect: fields have names: expect{ call = \"...\", verdict = \"...\" }");
        const char *key = lua_tostring(L, -2);
        while (expect_fields[k] && strcmp(expect_fields[k], key) != 0)
            k++;
        if (!expect_fields[k])
            expect_argument(L, t, key);
    }
}

/* What the program gets, when the kernel gives `returns`. */
static int64_t expect_outcome(struct testing *t, int64_t returns)
{
    struct asked *asked = &t->asked;

    ask_guard(asked);
    if (asked->error)
        return -asked->error;
    if (asked->verdict.kind == VERDICT_EMULATE)
        return asked->verdict.value;
    if (asked->verdict.kind != VERDICT_ALLOW)
        return -asked->verdict.error;
    return asked->guard == ALONE_REFUSED ? asked->guard_value : ask_after(t->ask, &t->asked, returns);
}

static void expect_result(lua_State *L, struct testing *t, int index)
{
    int64_t returns = t->written.result, wanted, got;
    bool made = expect_integer(L, index, "returns", &returns) || t->written.has_result;
    bool asked = expect_integer(L, index, "result", &wanted);

    if (!made && !asked)
        return;
    got = expect_outcome(t, made ? returns : 0);
    if (asked && got != wanted)
        tap_problem(t, "result: expected %lld %s\ngot %lld %s\n", (long long)wanted, wanted < 0 ? abi_errno_name((int)-wanted) : "",
                    (long long)got, got < 0 && got > -4096 ? abi_errno_name((int)-got) : "");
}

static void expect_rule(lua_State *L, struct testing *t, int index)
{
    if (lua_getfield(L, index, "rule") != LUA_TNIL) {
        const char *wanted = luaL_checkstring(L, -1), *got = t->asked.verdict.rule ? t->asked.verdict.rule : "none";
        size_t len = strlen(wanted), got_len = strlen(got);

        if (got_len < len || strcmp(got + got_len - len, wanted) != 0)
            tap_problem(t, "rule: expected %s\ngot %s\n", wanted, got);
    }
    lua_pop(L, 1);
}

/* expect("CALL", "VERDICT" [, fields]) becomes expect{ call = "CALL", verdict = "VERDICT", ... }: a table at 1. */
static void expect_table(lua_State *L)
{
    if (lua_istable(L, 1)) {
        lua_settop(L, 1);
        return;
    }
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 3);
    if (!lua_istable(L, 3)) {
        luaL_argcheck(L, lua_isnil(L, 3), 3, "a table of fields was expected");
        lua_newtable(L);
        lua_replace(L, 3);
    }
    lua_pushvalue(L, 1);
    lua_setfield(L, 3, "call");
    lua_pushvalue(L, 2);
    lua_setfield(L, 3, "verdict");
    lua_replace(L, 1);
    lua_settop(L, 1);
}

/* [-0, +1] a string field of the table at 1 */
static const char *expect_string(lua_State *L, const char *key)
{
    if (lua_getfield(L, 1, key) != LUA_TSTRING)
        luaL_error(L, "expect: %s = \"...\" is missing", key);
    return lua_tostring(L, -1);
}

static int word_expect(lua_State *L)
{
    struct testing *t = testing_ready(L, "expect");
    char where[PLACE_MAX];

    expect_table(L);
    state_where(L, where, sizeof where);
    const char *call = expect_string(L, "call");
    const char *verdict = verdict_check(L, expect_string(L, "verdict"));
    if (written_text(&t->written, expect_arch(L, 1), call) != 0)
        return luaL_error(L, "expect: %s", t->written.mistake);
    lua_getfield(L, 1, "name");
    if (lua_isnil(L, -1))
        lua_pushfstring(L, "%s: %s", call, verdict);
    ask_call(t->ask, &t->written, &t->asked);
    expect_verdict(t, verdict);
    expect_arguments(L, t, 1);
    expect_rule(L, t, 1);
    expect_result(L, t, 1);
    tap_result(t, luaL_checkstring(L, -1), where, true);
    ask_end(&t->asked);
    return 0;
}

/* ---- recorded ----------------------------------------------------------------------------- */

struct recording { size_t calls, skipped, failed, line; const char *file, *verdict; enum abi_arch arch; };

/* What a line expects: its own mark ("deny EACCES policy.lua:3"), or what holds for all lines. */
static void recorded_expects(const struct written *written, const char *otherwise, char *buf, size_t size)
{
    const char *mark = written->mark, *errname = abi_errno_name((int)-written->result);
    size_t len = strcspn(mark, " ");
    char second[32] = "";

    sscanf(mark + len, " %31s", second);
    if (!verdict_word(mark, len))
        snprintf(buf, size, "%s", otherwise);
    else if (abi_errno(second))
        snprintf(buf, size, "%.*s %s", (int)len, mark, second);
    else if (strncmp(mark, "deny", len) == 0 && written->has_result && written->result < 0 && errname)
        snprintf(buf, size, "deny %s", errname);
    else if (strncmp(mark, "emulate", len) == 0 && written->has_result)
        snprintf(buf, size, "emulate %lld", (long long)written->result);
    else
        snprintf(buf, size, "%.*s", (int)len, mark);
}

static void recorded_problem(struct testing *t, struct recording *r, const char *what, const char *expected)
{
    if (r->failed++ < DIAGNOSTICS)
        tap_problem(t, "%s:%zu: expected %s, got %s%s%s\n  %s\n", r->file, r->line, expected, what,
                    t->asked.verdict.rule ? ", rule " : "", t->asked.verdict.rule ? t->asked.verdict.rule : "", t->asked.before);
}

static void recorded_call(struct testing *t, struct recording *r)
{
    char expected[64], got[64];

    if (strcmp(t->written.mark, "refused by nurse") == 0) {    /* the policy's verdict isn't known */
        r->skipped++;
        return;
    }
    r->calls++;
    recorded_expects(&t->written, r->verdict, expected, sizeof expected);
    ask_call(t->ask, &t->written, &t->asked);
    verdict_got(&t->asked, got, sizeof got);
    if (!verdict_matches(expected, got))
        recorded_problem(t, r, got, expected);
    else if (t->written.has_result && t->asked.verdict.kind == VERDICT_ALLOW)
        ask_after(t->ask, &t->asked, t->written.result);
    ask_end(&t->asked);
}

static void recorded_line(struct testing *t, struct recording *r, const char *line)
{
    r->line++;
    switch (written_line(&t->written, r->arch, line)) {
    case WRITTEN_CALL:
        recorded_call(t, r);
        break;
    case WRITTEN_OTHER:
        r->skipped += line[0] != '\0';
        break;
    case WRITTEN_BAD:
        if (r->failed++ < DIAGNOSTICS)
            tap_problem(t, "%s:%zu: this line can't be read: %s\n", r->file, r->line, t->written.mistake);
        break;
    }
}

static void recorded_lines(struct testing *t, struct recording *r, FILE *file)
{
    char *line = NULL;
    size_t room = 0;

    while (getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        recorded_line(t, r, line);
    }
    free(line);
    if (r->failed > DIAGNOSTICS)
        tap_problem(t, "%zu more\n", r->failed - DIAGNOSTICS);
    if (!r->calls)
        tap_problem(t, "%s: no call in it\n", r->file);
}

/* Its descriptor is out of the way of those of the recording. */
static FILE *recorded_open(const char *path)
{
    enum { OUT_OF_THE_WAY = 200 };
    int fd = open(path, O_RDONLY | O_CLOEXEC), high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    FILE *file = high < 0 ? NULL : fdopen(high, "r");

    if (fd >= 0)
        close(fd);
    if (high >= 0 && !file)
        close(high);
    return file;
}

/* recorded "FILE", or recorded{ file = "FILE", verdict = "allow", arch = "x86_64", name = "..." }: the calls of a recording, in order. */
static int word_recorded(lua_State *L)
{
    struct testing *t = testing_ready(L, "recorded");
    struct recording r = { .verdict = "allow" };
    char where[PLACE_MAX], path[PATH_MAX];
    FILE *file;

    if (!lua_istable(L, 1)) {
        luaL_checkstring(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, 1);
        lua_setfield(L, -2, "file");
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    state_where(L, where, sizeof where);
    r.file = expect_string(L, "file");
    r.arch = expect_arch(L, 1);
    lua_getfield(L, 1, "verdict");
    r.verdict = verdict_check(L, luaL_optstring(L, -1, "allow"));
    lua_getfield(L, 1, "name");
    const char *name = luaL_optstring(L, -1, NULL);
    file = policy_search(r.file, t->path, path, sizeof path) == 0 ? recorded_open(path) : NULL;
    if (!file)
        return luaL_error(L, "recorded: no file '%s'", r.file);
    recorded_lines(t, &r, file);
    fclose(file);
    lua_pushfstring(L, "%s: %d calls, %d other lines", name ? name : r.file, (int)r.calls, (int)r.skipped);
    tap_result(t, lua_tostring(L, -1), where, false);
    return 0;
}

/* ---- event -------------------------------------------------------------------------------- */

static int event_integer(lua_State *L, const char *key, int fallback)
{
    lua_getfield(L, 2, key);
    int value = (int)luaL_optinteger(L, -1, fallback);
    lua_pop(L, 1);
    return value;
}

/* event("fork", { pid = 2, parent = 1, exe = "/bin/sh", status = 0, signal = 9 }): as if it had happened in the tree. */
static int word_event(lua_State *L)
{
    static const char *const names[] = { "start", "fork", "exec", "exit", "signal", "error", NULL };
    struct testing *t = testing_ready(L, "event");
    int signal;

    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    struct judge_event event = { .name = names[luaL_checkoption(L, 1, NULL, names)], .pid = event_integer(L, "pid", getpid()) };
    event.parent = event_integer(L, "parent", 0);
    signal = event_integer(L, "signal", 0);
    event.status = signal ? signal & 127 : (event_integer(L, "status", 0) & 255) << 8;
    lua_getfield(L, 2, "exe");
    event.exe = luaL_optstring(L, -1, "/bin/true");
    ask_event(t->ask, &event);
    return 0;
}

/* phase "NAME": it begins now. Those whose trigger is a call begin with that call. */
static int word_phase(lua_State *L)
{
    struct testing *t = testing_ready(L, "phase");

    return policy_enter(t->policy, luaL_checkstring(L, 1)) == 0 ? 0 : luaL_error(L, "phase: no phase '%s' in this policy", lua_tostring(L, 1));
}

/* ---- the file ----------------------------------------------------------------------------- */

static const luaL_Reg words[] = {
    { "policy", word_policy },
    { "expect", word_expect },
    { "recorded", word_recorded },
    { "event", word_event },
    { "phase", word_phase },
    { NULL, NULL },
};

/* What else of a policy's statements there is; nothing here can make a rule. */
static const char *const kept_words[] = { "_G", "log", "print", "param", "load", "json", NULL };

static int word_none(lua_State *L)
{
    return luaL_error(L, "no program runs here, so there is no time to measure and nothing to stop");
}

/* [-0, +0] the environment on top loses the statements that only a policy may have. */
static void testing_clear(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        int k = 0;

        while (kept_words[k] && strcmp(kept_words[k], lua_tostring(L, -2)) != 0)
            k++;
        if (!kept_words[k]) {
            lua_pushvalue(L, -2);
            lua_pushnil(L);
            lua_rawset(L, -5);
        }
    }
}

static int testing_load(lua_State *L)
{
    static const luaL_Reg nothing[] = { { "timer", word_none }, { "stop", word_none }, { NULL, NULL } };
    struct testing *t = lua_touserdata(L, 1);
    struct layer *layer = scripts_layer(L, t->path, NULL);

    lua_rawgeti(L, LUA_REGISTRYINDEX, layer->env);
    testing_clear(L);
    luaL_setfuncs(L, nothing, 0);
    lua_pushlightuserdata(L, t);
    luaL_setfuncs(L, words, 1);
    scripts_run_file(L, layer, t->path);
    return 0;
}

int testing_run(const char *path, const struct testing_options *options, struct testing_count *count)
{
    static const struct policy_options limits = { .instructions = 10000000000, .wall = 600000 };
    const size_t before = count->tests;
    struct policy_options host = limits;
    struct testing *t = calloc(1, sizeof *t);
    const char *message = "out of memory";
    int error = -1;

    host.parameters = options->parameters;
    if (t && policy_new(&t->host, &host) == 0) {
        t->options = options;
        t->count = count;
        t->path = path;
        lua_pushcfunction(t->host->L, testing_load);
        lua_pushlightuserdata(t->host->L, t);
        error = state_call(t->host, 1, 0, path, &message);
        if (!error && count->tests == before) {
            message = "nothing is expected in this file";
            error = -1;
            say("%s: %s", path, message);
        } else if (error) {
            say("%s", message);
        }
        ask_end(&t->asked);
        policy_drop(t);
        policy_free(t->host);
    } else {
        say("%s: %s", path, message);
    }
    free(t);
    return error;
}
