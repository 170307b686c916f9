/*
 * call_private: what a call is to the helper's own files; see call.h for everybody else.
 *
 * The life of a call:  begin -> fetch (paths, addresses: once) -> judge -> guard -> { answer | go on | order -> evidence -> after -> answer }
 *                      life.c    call.c                           life.c  guard.c   life.c     order.c
 */
#ifndef NURSE_HELPER_CALL_PRIVATE_H
#define NURSE_HELPER_CALL_PRIVATE_H

#include "core/helper/call.h"
#include "core/helper/path.h"
#include "core/helper/sandbox.h"

enum { CALL_ARENA = sizeof ((struct order *)0)->bytes, CALL_PATHS = 2, CALL_LISTS = 2 };

enum call_origin { FROM_GATE, FROM_NOTIFICATION };

/* One path argument. */
struct call_path {
    int arg;                    /* which */
    bool descriptor;            /* "" with AT_EMPTY_PATH, or NULL where that means the descriptor: nothing to resolve */
    bool socket;                /* it is the path in a unix socket's address */
    bool resolved, rewritten;
    int dirfd;
    struct path_pin pin;
    char raw[PATH_MAX];
};

/* What sendmsg and its like are told, or a list of vectors. */
struct call_message {
    bool many;                       /* the first of sendmmsg */
    bool gathered;                   /* the data are our copy */
    uint32_t data, data_count;       /* in the arena */
    uint32_t name, name_count;       /* the address */
    bool held;                       /* so are the control data: */
    uint32_t control, control_count;
    uint64_t word[7];                /* struct msghdr */
};

struct call {
    struct call *next;
    struct process *process;
    struct slot *slot;          /* whose window it came by, or whose trustee works on it; NULL: none yet */
    struct slot *gate;          /* whose gate waits for the answer while another slot's trustee is at work */
    struct birth *birth;        /* it creates a process or a trustee */
    struct exec *exec;          /* it makes the process another program */
    enum call_origin origin;
    uint64_t id;                /* of the notification */
    pid_t tid;
    uint64_t ip;
    enum abi_arch arch;
    int nr;
    const struct abi_call *row;
    const struct route_entry *entry;
    uint64_t args[6];
    bool rewritten;             /* an argument is not what the program gave */
    bool watched;               /* the policy's after() wants the result */
    bool heard;                 /* it is content with what the thread itself says */
    bool direct;                /* socketcall or ipc for a call that is always allowed: its arguments were not looked at */
    bool twin;                  /* the trustee makes it first, then the thread itself */
    bool moves;                 /* it changes the working directory */
    bool answered;              /* the gate has its answer; the call lives on until its trustee is done with the pins */
    int fault;                  /* -errno: something that the policy asked for could not be had, and nobody can tell what the kernel would find there */
    bool seen;                  /* and the gate has gone on to another call since */
    uint8_t copied;             /* bit i: argument i is executed from our copy */
    int path_count;
    uint32_t arena_used;
    struct { uint32_t offset, count; } bytes[6];
    struct call_message message;
    struct call_strings *strings[CALL_LISTS];    /* argv, envp: what the call executes, once it was fetched or assigned */
    char comm[17];
    const char *root;           /* "/" of its paths, as the policy has it; NULL: the root */
    struct call_path paths[CALL_PATHS];
    uint8_t arena[CALL_ARENA];  /* becomes order->bytes, at the same offsets */
};

/* An empty call of a process; never NULL (it ends nurse when memory is out). */
struct call *call_new(struct process *process, enum call_origin origin, pid_t tid, enum abi_arch arch, uint64_t nr, const uint64_t args[6]);
void call_free(struct call *call);
/* Its process is gone, nobody waits for an answer. */
void call_abandon(struct call *call);
/* freeze.c: it is shown to a judge whose changes don't count. */
bool call_is_frozen(const struct call *call);
/* With whose eyes its paths are seen. */
void call_view(const struct call *call, struct path_view *view);
/* Copy what must not change any more: path strings, socket addresses. Returns 0, or -errno as the kernel would. */
int call_fetch(struct call *call);
/* Find and pin the object of a path. Returns 0 or -errno; a path that does not exist is judged too. */
int call_resolve(struct call *call, struct call_path *path);
/* Room for bytes that the trustee will point the kernel to; NULL when the window is full. */
void *call_room(struct call *call, size_t size, uint32_t *offset);
/* strings.c: give back what call_strings() and call_set_strings() hold. */
void call_free_strings(struct call *call);
/* Where arena offset `offset` lies in the process once the call is an order. */
uint64_t call_window(const struct call *call, uint32_t offset);
/* The O_* flags of a call of the open family, and its mode; false when it is none. */
bool call_open_flags(struct call *call, uint64_t *flags);
/* The same; true when they ask for nothing that openat2 of an existing file would not do. */
bool call_opens_plainly(struct call *call, uint64_t *flags);

/* Argument i has a socket's address, whose bytes are ours: if it is a unix socket with a path, that is the path of the call, as call_path() knows it. */
void call_note_socket(struct call *call, int i, const void *bytes, size_t count);

/* Its data are sent whole or not at all: what can't be read entirely is EFAULT, where write(2) would be short. */
bool call_is_message(const struct call *call);
/* Take note that argument i could not be copied; returns the error. -ENODATA: it is none, there is nothing to copy. */
int call_faulted(struct call *call, int i, int error);

/* Data longer than what is copied: 0 when the call may be cut as a short write is, -EMSGSIZE when that would make another message of it. */
int message_cut(const struct call *call);
/* message.c: call_bytes() and call_set_bytes() of vectors and messages. */
int message_bytes(struct call *call, int i, const void **bytes, size_t *count);
int message_set_bytes(struct call *call, int i, const void *bytes, size_t count);
/* Argument i of an order: vectors and headers that point to the copies. Returns 0 or -ENOMEM. */
int message_order(struct call *call, struct mailbox_order *order, int i);
/* What the caller of sendmmsg is told, whose one message the trustee has sent by sendmsg; other results stay as they are. */
int64_t message_result(struct call *call, int64_t result);

/* guard.c: 0 lets the call go its way; 1 means *value is the answer. Holds keystone rules 1-5 whatever the policy said. */
int guard_call(struct call *call, int64_t *value);

/* strict.c: a call of a strict sandbox that only the thread could make: 1 means *value is the answer, 0 that the trustee may stand in. */
int strict_stand_in(struct call *call, int64_t *value);
/* True when the call names the one descriptor of a strict sandbox that is nurse's (keystone rule 3). */
bool strict_reserved(const struct call *call);

/* inform.c: answer a call that only asks about a pinned object; 1 means *value is the answer. */
int inform_call(struct call *call, int64_t *value);

/* The working directory has changed, or will. */
void guard_moved(struct process *process);

/* order.c: where in the arena the address lies that is executed in place of this one. Returns 0 or -errno. */
int order_socket(struct call *call, uint32_t *offset, uint32_t *count);
/* Make an order of an allowed call. Returns 0, or -errno, which is the call's result. */
int order_make(struct call *call, struct mailbox_order *order);

/* life.c */
void life_gate(struct slot *slot, const struct mailbox_posted *posted);
void life_notification(struct thread *thread, uint64_t id, enum abi_arch arch, uint64_t nr, const uint64_t args[6], uint64_t ip);
/* REPORT_THREAD: a gate knows no window for this thread. */
void life_stranger(struct thread *thread, uint64_t id, uint64_t key);
/* The slot whose trustee works for the thread of this call; it may still be on its way. NULL: there is none to be had. */
struct slot *life_slot(struct call *call);
/* Hand a call to its thread's trustee, or to the one given; it may have to wait its turn. */
void life_give(struct call *call);
void life_give_to(struct slot *slot, struct call *call);
/* The trustee is there, or free again: it gets what has waited. */
void life_next(struct slot *slot);
/* It is done with a call that has been dealt with. */
void life_release(struct slot *slot);
/* It will never come: what has waited for it fails. */
void life_fail(struct slot *slot, int64_t error);
/* An allowed call's result, as after() may replace it, goes to whoever made it. */
void life_outcome(struct call *call, int64_t result);
/* The thread has made it itself, and says what came of it: after() hears it. */
void life_told(struct call *call, int64_t result);
/* There is no way into the catch for a call that the thread should have made there. */
void life_unmade(struct call *call);
/* Look whether the trustee has finished, without believing a hint when `hint` is false. True when something happened. */
bool life_progress(struct slot *slot, bool hint);
/* True when somebody waits for this slot's trustee. */
bool life_waiting(const struct slot *slot);

/* kill.c: carry out VERDICT_KILL or VERDICT_KILL_PROCESS; the call is over. */
void kill_by_verdict(struct call *call, const struct verdict *verdict);

/* birth.c: the thread that creates it is gone; its order is; exec.c: the process is. */
void birth_abandon(struct birth *birth);
void birth_orphan(struct birth *birth);
void exec_abandon(struct process *process);

/* notify.c: answer a notification. */
void notify_value(struct sandbox *sandbox, uint64_t id, int64_t value);
void notify_continue(struct sandbox *sandbox, uint64_t id);
/* Give the process a descriptor as the notification's result; closes `fd`. */
void notify_descriptor(struct sandbox *sandbox, uint64_t id, int fd, bool cloexec);

/* sites.c: redirect the site of a notification to the gate, if it has the shape; `unposted`: of a call that goes to the kernel all the same; `repeats`: and
 * is made again when it gives EINTR. */
void sites_learn(struct process *process, pid_t tid, uint64_t ip, uint64_t nr, bool unposted, bool repeats);
/* Where in the program a call came from that was made in a trampoline. */
uint64_t sites_origin(const struct process *process, uint64_t ip);

#endif
