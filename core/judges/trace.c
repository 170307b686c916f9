/*
 * trace: see trace.h. A line is made when its call begins, with what the program gave, and printed when it is over; one that may wait is begun at once.
 *
 * Runs in the helper. Whom it believes: nobody: what comes from the program is escaped (text.c, shapes.c), and a thread that tells its own result
 * (judge.h: hears) can lie about itself only. A line is written whole; where another comes before it is finished, both say so. Test: t/69-live-trace.t.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/say.h"
#include "core/text/names.h"
#include "core/text/shapes.h"
#include "core/judges/trace.h"

enum {
    COLUMN = 40,            /* where the results stand */
    LINE = 1 << 17,         /* two paths, all their bytes escaped, and room for the rest */
};

/* A call that is not over. */
struct line {
    struct line *outer;             /* of the same thread: a handler interrupted it */
    const struct call *call;
    const struct abi_call *row;
    int count, last, late;          /* arguments; the last that shows; the first that the kernel fills */
    bool lost;                      /* nobody will know what came of it */
    bool again;                     /* it will be asked about once more */
    bool begun;                     /* its first part is written, */
    bool split;                     /* and another line after it */
    int column;                     /* behind that part */
    char *argument[6], *mark;       /* texts; a mark may be NULL */
};

struct task {
    struct task *next;
    pid_t tid, pid;
    int status;                     /* what it gave to exit_group, as of waitpid(2); -1: it has not */
    struct line *line;
};

struct trace {
    const struct judge *inner;
    uint8_t named[NAMES_BYTES];
    int fd;
    bool to_file, paths;
    struct task *tasks;
    int task_count;
    struct task *open;              /* whose line stands unfinished at the end of the output */
    unsigned long lost;
    char text[LINE];
};

static bool trace_names_row(const struct trace *t, const struct abi_call *row)
{
    size_t i = abi_index(row) % (NAMES_BYTES * 8);

    return t->named[i / 8] >> i % 8 & 1;
}

/* --- what is written --- */

/* Waits for a slow reader, as every tracer does: what is traced waits with it. One that is gone costs the lines and nothing else. */
static void trace_write(struct trace *t, const char *bytes, size_t count)
{
    while (count) {
        ssize_t n = write(t->fd, bytes, count);

        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){ .fd = t->fd, .events = POLLOUT }, 1, -1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0) {
            t->lost++;
            return;
        }
        bytes += n;
        count -= (size_t)n;
    }
}

static struct text trace_text(struct trace *t)
{
    t->text[0] = '\0';
    return (struct text){ .buf = t->text, .size = sizeof t->text };
}

static void trace_flush(struct trace *t, const struct text *text)
{
    trace_write(t, text->buf, text->len);
}

/* As strace -f has it: on every line of a file; on a terminal once there is more than one. */
static void trace_prefix(struct trace *t, struct text *text, pid_t tid)
{
    if (t->to_file)
        text_add(text, "%-5d ", tid);
    else if (t->task_count > 1)
        text_add(text, "[pid %5d] ", tid);
}

/* Another line comes: the one that stands unfinished says so. */
static void trace_close(struct trace *t)
{
    static const char unfinished[] = " <unfinished ...>\n";

    if (!t->open)
        return;
    trace_write(t, unfinished, sizeof unfinished - 1);
    t->open->line->split = true;
    t->open = NULL;
}

/* --- tasks and their lines --- */

static struct task *trace_find(struct trace *t, pid_t tid)
{
    for (struct task *task = t->tasks; task; task = task->next)
        if (task->tid == tid)
            return task;
    return NULL;
}

static struct task *trace_task(struct trace *t, pid_t tid, pid_t pid)
{
    struct task *task = trace_find(t, tid);

    if (task)
        return task;
    task = calloc(1, sizeof *task);
    if (!task)
        die(EXIT_NURSE, "out of memory");
    *task = (struct task){ .next = t->tasks, .tid = tid, .pid = pid, .status = -1 };
    t->tasks = task;
    t->task_count++;
    return task;
}

static void line_free(struct line *line)
{
    for (int i = 0; i < line->count; i++)
        free(line->argument[i]);
    free(line->mark);
    free(line);
}

static void trace_pop(struct trace *t, struct task *task, struct line *line)
{
    for (struct line **link = &task->line; *link; link = &(*link)->outer)
        if (*link == line) {
            *link = line->outer;
            break;
        }
    if (t->open == task && !line->split)
        t->open = NULL;
    line_free(line);
}

static void trace_push(struct trace *t, struct task *task, struct line *line)
{
    struct line *before = task->line;

    if (before && before->again && before->row == line->row) {    /* the same call: what is written of it stays */
        line->begun = before->begun;
        line->split = before->split;
        line->column = before->column;
        line->outer = before->outer;
        line_free(before);
    } else {
        if (t->open == task)
            trace_close(t);
        line->outer = before;
    }
    task->line = line;
}

static char *trace_keep(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        die(EXIT_NURSE, "out of memory");
    return copy;
}

/* The path of a descriptor, with -y. */
static void trace_fd(const struct trace *t, struct text *text, int fd)
{
    char path[PATH_MAX];
    const char *kind;

    if (!t->paths || call_fd(text->call, fd, path, sizeof path, &kind) != 0)
        return;
    text_add(text, "<");
    for (const char *p = path; *p; p++)
        text_add(text, *p > ' ' && *p < 0x7f && !strchr("<>\\", *p) ? "%c" : "\\%o", (unsigned char)*p);
    text_add(text, ">");
}

static char *trace_argument(struct trace *t, struct call *call, int i, const int64_t *result)
{
    struct text text = trace_text(t);
    enum abi_type type = call_row(call)->args[i].type;

    text.call = call;
    if (!result && shapes_late(call_row(call), i))
        shapes_before(&text, i);
    else
        shapes_argument(&text, i, result);
    if (type == ABI_FD || type == ABI_DIRFD)
        trace_fd(t, &text, (int)text_integer(call, i));
    return trace_keep(text.buf);
}

static struct line *trace_line(struct trace *t, struct call *call)
{
    struct line *line = calloc(1, sizeof *line);

    if (!line)
        die(EXIT_NURSE, "out of memory");
    *line = (struct line){ .call = call, .row = call_row(call), .late = -1 };
    for (; line->count < 6 && !shapes_ends(call, line->count); line->count++) {
        if (line->late < 0 && shapes_late(line->row, line->count))
            line->late = line->count;
        line->argument[line->count] = trace_argument(t, call, line->count, NULL);
        if (line->argument[line->count][0])
            line->last = line->count;
    }
    if (line->late < 0)
        line->late = line->count;
    return line;
}

static void line_name(const struct line *line, struct text *text)
{
    text_add(text, "%s(", line->row->name);
}

/* Arguments from..to-1, each with the comma before the next. */
static void line_arguments(const struct line *line, struct text *text, int from, int to)
{
    for (int i = from; i < to; i++)
        if (line->argument[i][0])    /* half an offset is nothing by itself */
            text_add(text, "%s%s", line->argument[i], i < line->last ? ", " : "");
}

static void trace_begin(struct trace *t, struct task *task)
{
    struct line *line = task->line;
    struct text text;

    trace_close(t);
    text = trace_text(t);
    trace_prefix(t, &text, task->tid);
    line_name(line, &text);
    line_arguments(line, &text, 0, line->late);
    trace_flush(t, &text);
    line->begun = true;
    line->column = (int)text.len;
    t->open = task;
}

/* What is left of the line, the result, and the mark. The line is over. */
static void trace_finish(struct trace *t, struct task *task, struct line *line, const char *result)
{
    struct text text;
    int column = 0;

    if (t->open == task && line->begun && !line->split)
        column = line->column;
    else
        trace_close(t);
    text = trace_text(t);
    if (!column) {
        trace_prefix(t, &text, task->tid);
        if (line->begun)
            text_add(&text, "<... %s resumed>", line->row->name);
        else
            line_name(line, &text);
    }
    line_arguments(line, &text, line->begun ? line->late : 0, line->begun && line->lost ? line->late : line->count);
    text_add(&text, line->begun && line->lost ? " <unfinished ...>)" : ")");
    text_add(&text, "%*s= %s", COLUMN - column - (int)text.len > 1 ? COLUMN - column - (int)text.len : 1, "", result);
    if (line->mark)
        text_add(&text, "  <%s>", line->mark);
    text_add(&text, "\n");
    trace_flush(t, &text);
    trace_pop(t, task, line);
}

/* The call will never be over. */
static void trace_leave(struct trace *t, struct task *task)
{
    while (task->line) {
        task->line->lost = true;
        trace_finish(t, task, task->line, "?");
    }
}

static void trace_drop(struct trace *t, struct task *task)
{
    struct task **link = &t->tasks;

    trace_leave(t, task);
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    free(task);
    t->task_count--;
}

static struct line *trace_line_of(const struct task *task, const struct call *call)
{
    struct line *line = task ? task->line : NULL;

    while (line && line->call != call)
        line = line->outer;
    return line;
}

/* --- the judge --- */

static bool trace_constant(void *self, enum abi_arch arch, const struct abi_call *row, struct verdict *out)
{
    struct trace *t = self;

    return t->inner->constant(t->inner->self, arch, row, out) && !trace_names_row(t, row);
}

static bool trace_watches(void *self, const struct abi_call *row)
{
    const struct judge *inner = ((struct trace *)self)->inner;

    return inner->watches(inner->self, row);
}

static bool inner_hears(const struct judge *inner, const struct abi_call *row)
{
    return inner->hears && inner->hears(inner->self, row);
}

static bool trace_hears(void *self, const struct abi_call *row)
{
    struct trace *t = self;

    return trace_names_row(t, row) || inner_hears(t->inner, row);
}

/* Whether somebody could wait for this line: then what is known is shown at once. Not where it would stand in the midst of what the call itself writes. */
static bool trace_waits(const struct trace *t, struct call *call)
{
    static const char *const waits[] = { "futex", "futex_time64", "futex_waitv", "futex_wait", "rt_sigsuspend", "sigsuspend", "rt_sigtimedwait",
                                         "rt_sigtimedwait_time64", "pause", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "vfork" };
    const struct abi_call *row = call_row(call);
    char path[64];
    struct stat st, out;

    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (strcmp(waits[i], row->name) == 0)
            return true;
    if (row->where != ABI_BLOCKS)
        return false;
    if (row->args[0].type != ABI_FD)
        return true;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", call_tid(call), (int)call_arg(call, 0));
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
        return false;
    return fstat(t->fd, &out) != 0 || st.st_dev != out.st_dev || st.st_ino != out.st_ino;
}

static bool trace_ends(const struct abi_call *row)
{
    return strcmp(row->name, "exit") == 0 || strcmp(row->name, "exit_group") == 0;
}

/* What the policy made of the arguments, where that is something else. */
static void trace_mark_rewritten(struct trace *t, struct call *call, struct line *line)
{
    struct line *now = trace_line(t, call);
    struct text text;
    bool same = now->count == line->count;

    for (int i = 0; i < line->count && same; i++)
        same = strcmp(line->argument[i], now->argument[i]) == 0;
    if (!same) {
        text = trace_text(t);
        text_add(&text, "rewritten: ");
        line_name(now, &text);
        line_arguments(now, &text, 0, now->count);
        text_add(&text, ")");
        line->mark = trace_keep(text.buf);
    }
    line_free(now);
}

static void trace_mark_verdict(struct trace *t, struct line *line, const struct verdict *verdict)
{
    static const char *const kinds[] = { "allow", "emulate", "deny", "deny", "kill_process", "kill" };    /* ORDER verdict_kind */
    struct text text = trace_text(t);

    text_add(&text, "%s", kinds[verdict->kind]);
    if (verdict->rule)
        text_add(&text, " %s", verdict->rule);
    line->mark = trace_keep(text.buf);
}

/* The call isn't made: this is its result. */
static void trace_answer(struct trace *t, struct task *task, struct line *line, struct call *call, const struct verdict *verdict)
{
    char result[256];
    struct text text = { .buf = result, .size = sizeof result, .call = call };

    if (verdict->kind >= VERDICT_KILL_PROCESS)
        text_add(&text, "?");
    else
        shapes_result(&text, verdict->kind == VERDICT_EMULATE ? verdict->value : -(verdict->error ? verdict->error : EPERM));
    trace_mark_verdict(t, line, verdict);
    trace_finish(t, task, line, result);
}

static void trace_decide(void *self, struct call *call, struct verdict *out)
{
    struct trace *t = self;
    struct task *task = trace_task(t, call_tid(call), call_pid(call));
    struct line *line = trace_names_row(t, call_row(call)) ? trace_line(t, call) : NULL;

    t->inner->decide(t->inner->self, call, out);
    if (!line)
        return;
    trace_push(t, task, line);
    if (out->kind != VERDICT_ALLOW) {
        trace_answer(t, task, line, call, out);
        return;
    }
    if (call_is_rewritten(call))
        trace_mark_rewritten(t, call, line);
    if (trace_ends(line->row)) {
        trace_task(t, task->pid, task->pid)->status = (int)(call_arg(call, 0) & 0xff) << 8;
        trace_finish(t, task, line, "?");
    } else if (!line->begun && trace_waits(t, call)) {
        trace_begin(t, task);
    }
}

/* The arguments that the kernel filled; a length that it changed is shown as before and after. */
static void trace_fill(struct trace *t, struct call *call, struct line *line, int64_t result)
{
    for (int i = line->late; i < line->count; i++) {
        char *before = line->argument[i], *now, *both;

        if (!shapes_late(line->row, i))
            continue;
        now = trace_argument(t, call, i, &result);
        if (before[0] == '[' && now[0] == '[' && strcmp(before, now) != 0 &&
            asprintf(&both, "%.*s => %s", (int)strlen(before) - 1, before, now + 1) > 0) {
            free(now);
            now = both;
        }
        line->argument[i] = now;
        free(before);
    }
}

static void trace_result(struct trace *t, struct call *call, struct text *text, int64_t result)
{
    static const char *const opens[] = { "open", "openat", "openat2", "creat", "socket", "accept", "accept4", "dup", "dup2", "dup3", "epoll_create1",
                                         "memfd_create", "eventfd2", "timerfd_create", "signalfd4", "pidfd_open" };

    text->call = call;
    shapes_result(text, result);
    for (size_t i = 0; i < sizeof opens / sizeof *opens && result >= 0; i++)
        if (strcmp(opens[i], call_row(call)->name) == 0)
            trace_fd(t, text, (int)result);
}

/* What a parent is told of its child's end is what the kernel may not tell the helper. */
static void trace_waited(struct trace *t, struct call *call, int64_t result)
{
    const char *name = call_row(call)->name;
    struct task *child = result > 0 && strncmp(name, "wait", 4) == 0 && strcmp(name, "waitid") != 0 ? trace_find(t, (pid_t)result) : NULL;
    int status;

    if (child && call_read(call, call_arg(call, 1), &status, sizeof status) == sizeof status && (WIFEXITED(status) || WIFSIGNALED(status)))
        child->status = status;
}

static bool trace_after(void *self, struct call *call, int64_t *result)
{
    struct trace *t = self;
    struct task *task = trace_find(t, call_tid(call));
    struct line *line = trace_line_of(task, call);
    char text[PATH_MAX + 256];
    int64_t before = *result;
    bool replaced = false;

    if (trace_watches(t, call_row(call)) || inner_hears(t->inner, call_row(call)))
        replaced = t->inner->after(t->inner->self, call, result);
    if (!line)
        return replaced;
    trace_fill(t, call, line, before);
    trace_waited(t, call, before);
    struct text out = { .buf = text, .size = sizeof text };
    trace_result(t, call, &out, *result);
    if (*result != before)
        text_add(&out, "  <replaced: %lld>", (long long)before);
    trace_finish(t, task, line, text);
    return replaced;
}

/* A line for a call that nobody decided about. */
static void trace_undecided(struct trace *t, struct call *call, int error, const char *mark)
{
    char result[256];
    struct text text = { .buf = result, .size = sizeof result, .call = call };
    struct task *task = trace_task(t, call_tid(call), call_pid(call));
    struct line *line = trace_line(t, call);

    if (mark)
        line->mark = trace_keep(mark);
    trace_push(t, task, line);
    shapes_result(&text, error);
    trace_finish(t, task, line, result);
}

static void trace_faulted(void *self, struct call *call, int error)
{
    struct trace *t = self;

    if (t->inner->faulted)
        t->inner->faulted(t->inner->self, call, error);
    if (trace_names_row(t, call_row(call)))
        trace_undecided(t, call, error, NULL);
}

/* What nurse itself doesn't let pass: a line of its own, or a mark where the result is still to come. */
static void trace_refused(void *self, struct call *call, int error)
{
    static const char mark[] = "refused by nurse";
    struct trace *t = self;
    struct line *line = trace_line_of(trace_find(t, call_tid(call)), call);

    if (t->inner->refused)
        t->inner->refused(t->inner->self, call, error);
    if (line && !line->mark)
        line->mark = trace_keep(mark);
    else if (!line && trace_names_row(t, call_row(call)))
        trace_undecided(t, call, -error, mark);
}

static void trace_unheard(void *self, struct call *call, bool again)
{
    struct trace *t = self;
    struct task *task = trace_find(t, call_tid(call));
    struct line *line = trace_line_of(task, call);

    if (t->inner->unheard)
        t->inner->unheard(t->inner->self, call, again);
    if (line && again) {
        line->again = true;
        line->call = NULL;
    } else if (line) {
        trace_finish(t, task, line, "?");
    }
}

/* --- what happens to processes --- */

static void trace_executed(struct trace *t, pid_t pid)
{
    for (struct task *task = t->tasks, *next; task; task = next) {
        struct line *line = task->line;

        next = task->next;
        if (task->pid != pid)
            continue;
        while (line && strncmp(line->row->name, "exec", 4) != 0)
            line = line->outer;
        if (line)
            trace_finish(t, task, line, "0");
        if (task->tid != pid)    /* the others are gone, and this one has that name now */
            trace_drop(t, task);
        else
            trace_leave(t, task);
    }
    trace_task(t, pid, pid);
}

static void trace_ended(struct trace *t, pid_t pid, int status)
{
    struct text text;

    if (status == -1)
        status = trace_task(t, pid, pid)->status;
    for (struct task *task = t->tasks; task; task = task->next)
        if (task->pid == pid)
            trace_leave(t, task);
    trace_close(t);
    text = trace_text(t);
    trace_prefix(t, &text, pid);
    if (status == -1)
        text_add(&text, "+++ ended +++\n");
    else if (WIFEXITED(status))
        text_add(&text, "+++ exited with %d +++\n", WEXITSTATUS(status));
    else
        text_add(&text, "+++ killed by %s%s +++\n", abi_signal_name(WTERMSIG(status)) ? abi_signal_name(WTERMSIG(status)) : "SIG_0",
                 WCOREDUMP(status) ? " (core dumped)" : "");
    trace_flush(t, &text);
    for (struct task *task = t->tasks, *next; task; task = next) {
        next = task->next;
        if (task->pid == pid)
            trace_drop(t, task);
    }
}

static void trace_event(void *self, const struct judge_event *event)
{
    struct trace *t = self;

    if (strcmp(event->name, "start") == 0 || strcmp(event->name, "fork") == 0)
        trace_task(t, event->pid, event->pid);
    else if (strcmp(event->name, "exec") == 0)
        trace_executed(t, event->pid);
    else if (strcmp(event->name, "exit") == 0)
        trace_ended(t, event->pid, event->status);
    t->inner->event(t->inner->self, event);
}

static void trace_tick(void *self)
{
    const struct judge *inner = ((struct trace *)self)->inner;

    inner->tick(inner->self);
}

struct judge trace_judge(struct trace *trace, const struct judge *inner)
{
    trace->inner = inner;
    return (struct judge){
        .self = trace,
        .wish = inner->wish,
        .tick = trace_tick,
        .constant = trace_constant,
        .watches = trace_watches,
        .hears = trace_hears,
        .decide = trace_decide,
        .faulted = trace_faulted,
        .refused = trace_refused,
        .unheard = trace_unheard,
        .after = trace_after,
        .event = trace_event,
    };
}

static void trace_ignore(int signal)
{
    (void)signal;
}

/* A reader that goes away is no reason to end. A handler, unlike SIG_IGN, is not inherited by what is executed. */
static void trace_outlive_reader(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = trace_ignore;
        sigaction(SIGPIPE, &action, NULL);
    }
}

int trace_new(struct trace **out, const struct trace_options *options)
{
    struct trace *t = calloc(1, sizeof *t);

    if (!t)
        die(EXIT_NURSE, "out of memory");
    t->fd = STDERR_FILENO;
    t->paths = options->paths;
    if (!options->names || !*options->names)
        memset(t->named, 0xff, sizeof t->named);
    for (const char *const *list = options->names; list && *list; list++)
        if (names_add(t->named, *list) != 0) {
            trace_free(t);
            return -1;
        }
    if (options->file) {
        t->fd = open(options->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        t->to_file = true;
        if (t->fd < 0) {
            say("%s: %s", options->file, strerror(errno));
            trace_free(t);
            return -1;
        }
    }
    trace_outlive_reader();
    *out = t;
    return 0;
}

void trace_free(struct trace *t)
{
    if (!t)
        return;
    while (t->tasks)
        trace_drop(t, t->tasks);
    if (t->lost)
        say("trace: nobody took %lu of its writes", t->lost);
    if (t->to_file && t->fd >= 0)
        close(t->fd);
    free(t);
}
