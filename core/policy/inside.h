/*
 * inside: what the files of the policy room share; nobody else includes it.
 *
 * One Lua state, one thread. Every entry from C goes through state_call(), which is protected and limited.
 */
#ifndef NURSE_POLICY_INSIDE_H
#define NURSE_POLICY_INSIDE_H

#include <limits.h>
#include <time.h>

#include <lua5.4/lua.h>
#include <lua5.4/lauxlib.h>

#include "core/policy/policy.h"

enum {
    ROWS_MAX = 1024,          /* rows of the calls table that a rule can name */
    CELLS = ABI_ARCHES * ROWS_MAX,    /* a row on one architecture: arch * ROWS_MAX + i */
    PLACE_MAX = PATH_MAX + 16,
    WHY_MAX = 256,            /* a verdict's reason, in bytes */
};

/* One statement that names calls. */
struct rule {
    const char *where;                       /* "policy.lua:12", interned */
    bool module;                             /* made by a module */
    int handler;                             /* registry reference; LUA_NOREF: a constant */
    struct verdict verdict;                  /* of a constant */
    unsigned char rows[CELLS / CHAR_BIT];    /* bit arch * ROWS_MAX + i: names abi_row(i) there */
    unsigned char spelled[ROWS_MAX / CHAR_BIT];    /* ...and does so by its own name, not by a group */
};

struct rules { struct rule **list; size_t count; };

/* A layer that isn't asked before its moment. */
struct phase {
    const char *name, *where;      /* interned */
    bool entered;
    struct rule trigger;           /* rows of calls that can be the moment, and the function to ask */
    const char *path, *addr;       /* what else must hold of the call, or NULL; interned */
};

/* One script, or one module that a script requires. */
struct layer {
    struct policy *policy;
    struct layer *script;          /* the script that required this module; itself for a script */
    bool module;
    const char *path;              /* as shown to users, interned */
    int env;                       /* registry reference of its globals */
    int loaded;                    /* ...of a script's loaded modules */
    struct rules rules;
    struct phase *phase;           /* NULL: it is asked from the start */
    struct layer *into;            /* a script's phase that takes the statements now; NULL: itself */
    bool has_default;
    struct verdict otherwise;      /* default, its rule says where it stands */
};

struct event_rule { const char *name, *where; int handler; };

/* What the layers say about one row: asked from the first stage to the last. */
struct stage { const struct phase *phase; size_t first, count; struct verdict otherwise; };    /* handlers first..first+count-1 */
struct plan {
    bool constant;
    struct verdict floor;          /* of all layers without a handler for this row */
    struct stage *stages;          /* layers with one */
    size_t stage_count;
    const struct rule **handlers;
    const char **where;            /* of the handlers */
    size_t handler_count;
    const struct rule **afters;
    size_t after_count;
    struct phase **triggers;       /* phases that this call can begin */
    size_t trigger_count;
};

struct report { struct report *next; unsigned long count; char text[]; };

struct policy {
    lua_State *L;
    struct policy_options options;
    struct layer **layers;
    size_t layer_count;
    struct rules afters;
    struct phase **phases;
    size_t phase_count;
    struct event_rule *events;
    size_t event_count;
    bool hears_denials;            /* there is an event "denied" */
    struct plan *plans;            /* one for each cell; NULL until compiled */
    size_t row_count;
    const struct abi_call *first_row;
    const struct abi_call **others;    /* rows that stand for another one on one architecture, and that one's number */
    size_t *other_rows;
    size_t other_count;
    short (*names)[6];             /* of each row, then of the others: the numbers of its arguments' names (object.c) */
    char **strings;                /* interned: live as long as the policy */
    size_t string_count;
    struct report *reports;

    /* limits of the running entry */
    size_t used;                   /* bytes */
    uint64_t ticks, tick_limit;
    unsigned wall;
    struct timespec started;       /* at the first tick */
    bool expired;
    const char *expired_how;
    char expired_where[PLACE_MAX], memory_where[PLACE_MAX];

    /* the call under decision */
    struct call *call;             /* NULL: none */
    const short *call_names;       /* of its row */
    uint64_t generation;           /* tells values of an earlier call */
    char why[WHY_MAX];             /* of the handler that runs; empty: it gave none */
    bool quiet;                    /* it wants no report of its denial */
    char reason[WHY_MAX];          /* of the verdict that stands */
    bool has_result;               /* in after() */
    int64_t result;

    struct host *host;             /* host.c */
    bool loading;
    const char *at;                /* where a module says that its rules stand, interned; NULL: at the script's line */
    int include_depth;
    int format, args, memory;      /* registry references: string.format, the call's proxies */
};

/* The state's fixed stack slots. */
enum { SLOT_TRACE = 1, SLOT_CALL = 2, SLOTS = SLOT_CALL };

static inline struct policy *policy_of(lua_State *L)
{
    return *(struct policy **)lua_getextraspace(L);
}

/* state.c */
int state_open(struct policy *policy);
void state_close(struct policy *policy);
/* Protected call of the function below `nargs` arguments. Returns 0; or -1 with *message, valid until the next entry. Leaves results (or nothing). */
int state_call(struct policy *policy, int nargs, int nresults, const char *where, const char **message);
/* file:line of the policy statement that runs now, "" when none. */
void state_where(lua_State *L, char *buf, size_t size);
const char *state_intern(struct policy *policy, const char *text);
/* What stands before the messages of a policy that is only asked (policy_options.shadow); else "". */
const char *state_mark(const struct policy *policy);
/* Say it once; count it afterwards. */
void state_report(struct policy *policy, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Make room for one more element of a list; raises a Lua error when there is no memory. */
void *state_grow(lua_State *L, void *list, size_t count, size_t size);

/* sandbox.c: [-0, +0] fills the state with what policies may use */
void sandbox_open(lua_State *L);
/* [-0, +1] a new global environment */
void sandbox_env(lua_State *L);
/* strings.c: whether a path fits a pattern, as path:glob() has it */
bool strings_match(const char *path, const char *pattern);
/* [-0, +0] adds the path methods to the table on top */
void strings_open(lua_State *L);

/* host.c */
int host_open(struct policy *policy);
void host_close(struct policy *policy);
/* [-0, +0] adds clock, timer, stop and cpu to the table on top */
void host_functions_open(lua_State *L);
/* The program has started: timers made before count from now. */
void host_start(struct policy *policy);
/* Runs the timers that are due; a judge's tick(). */
void host_tick(void *policy);
const struct judge_wish *host_wish(const struct policy *policy);
/* True once stop() was called: no call gets another answer than a denial. */
bool host_stopped(const struct policy *policy);

/* statements.c: [-0, +0] adds the statements to the table on top */
void statements_open(lua_State *L, struct layer *layer);
/* An errno as a name or a number at a stack index; `fallback` when it is none; raises an error. */
int statements_errno(lua_State *L, int index, int fallback);
int statements_signal(lua_State *L, int index);
/* The names at a stack index, a string or a list, into *rule; `grants`: the rule may allow. */
void statements_names(lua_State *L, int index, struct rule *rule, bool grants);
/* file:line of the statement that runs, interned. */
const char *statements_where(lua_State *L, const struct layer *layer);

/* scripts.c */
struct layer *scripts_layer(lua_State *L, const char *path, struct layer *script);
void scripts_run_file(lua_State *L, struct layer *layer, const char *path);    /* [-0, +0] */
int scripts_include(lua_State *L);    /* Lua functions; first upvalue: the layer */
int scripts_require(lua_State *L);
int scripts_load(lua_State *L);
void scripts_read(lua_State *L, const char *path);    /* [-0, +1] a file's bytes as a string; raises what is wrong */

/* Lua functions: json.c: json(path); facts.c: syscalls(names), kernel() */
int json_load(lua_State *L);
int facts_syscalls(lua_State *L);
int facts_kernel(lua_State *L);

/* phases.c: a Lua function; first upvalue: the layer. And: an allowed call may be a phase's moment. */
int statement_phase(lua_State *L);
void phases_look(struct policy *policy, const struct plan *plan, struct call *call);

/* layers.c */
/* One more layer, as *as is but for policy, env and loaded; raises a Lua error when there is no memory. */
struct layer *layers_new(lua_State *L, const struct layer *as);
int layers_compile(struct policy *policy);
void layers_free(struct policy *policy);
/* Index of a row into policy->names; past the end when it is unknown. */
size_t layers_slot(const struct policy *policy, const struct abi_call *row);
struct plan *layers_plan(const struct policy *policy, enum abi_arch arch, const struct abi_call *row);
bool layers_speaks(const struct layer *layer);
/* The stricter of two verdicts, true when that is the second; and what is done where nobody is there to be asked. */
bool layers_join(struct verdict *into, const struct verdict *verdict);
void layers_final(struct verdict *verdict);

/* events.c: tell the listeners: a call is denied (while it is decided), a handler has failed, something happened in the tree */
void events_denied(struct policy *policy, const struct verdict *verdict);
void events_error(struct policy *policy, const char *where, const char *message);
void events_of_tree(struct policy *policy, const struct judge_event *event);

/* object.c: [-0, +1] pushes the call object */
void object_open(lua_State *L);
/* The call under decision, or a Lua error. */
struct call *object_call(lua_State *L);

/* [-upvalues, +1] a metatable that scripts can't reach; the values on top go into each function */
void object_metatable(lua_State *L, const luaL_Reg *functions, int upvalues);

/* verdicts.c */
void verdicts_open(lua_State *L);
void verdicts_push_methods(lua_State *L);    /* [-0, +1] call's methods */
/* A verdict that a handler returned, at a stack index: 1 verdict, 0 nothing said, -1 rubbish. */
int verdicts_read(lua_State *L, int index, struct verdict *out);

/* arguments.c: [-0, +1] push argument i; assign it from stack index 3. The others: flags, mode, buf or addr of a call that has them elsewhere; false: it has none. */
void arguments_push(lua_State *L, struct call *call, int i);
void arguments_assign(lua_State *L, struct call *call, int i);
int arguments_push_open(lua_State *L, struct call *call, bool mode);
bool arguments_assign_open(lua_State *L, struct call *call, bool mode);
void arguments_push_data(lua_State *L, struct call *call);
bool arguments_assign_data(lua_State *L, struct call *call);
void arguments_push_name(lua_State *L, struct call *call);
bool arguments_assign_name(lua_State *L, struct call *call);
void arguments_push_control(lua_State *L, struct call *call);

/* values.c */
void values_open(lua_State *L);
void values_push_set(lua_State *L, const struct abi_flag *set, uint64_t value, bool octal);
uint64_t values_check_set(lua_State *L, int index, const struct abi_flag *set);
void values_push_fd(lua_State *L, int fd);
int values_check_fd(lua_State *L, int index);
struct text_addr;
void values_push_addr(lua_State *L, const void *bytes, size_t len);
void values_place_addr(lua_State *L, const char *canonical);    /* [-0, +0] the address on top, of a unix socket, is at this path */
void values_check_addr(lua_State *L, int index, const struct text_addr *old, struct text_addr *out);
extern const struct abi_flag values_mode[];

/* lookup.c: Lua functions: realpath(path) and call:realpath(path) */
int lookup_realpath(lua_State *L);
int lookup_of_call(lua_State *L);

/* memory.c: [-0, +1] */
void memory_open(lua_State *L);
int memory_push(lua_State *L, struct call *call, uint64_t addr, size_t count);

#endif
