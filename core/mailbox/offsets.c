/*
 * offsets: numbers of layout.h for the assembly, never typed by hand. The Makefile compiles this file to assembly for each class and
 * turns the marked lines into build/gen/offsets.h; both classes must agree.
 */
#include <stddef.h>

#include "core/mailbox/layout.h"

#define MARK(name, value) __asm__ volatile("\n->" #name " %c0" : : "i"(value))

void offsets(void);
void offsets(void)
{
    MARK(ORDER_SEQ, offsetof(struct order, seq));
    MARK(ORDER_COMMAND, offsetof(struct order, command));
    MARK(ORDER_RING, offsetof(struct order, ring));
    MARK(ORDER_WAKE, offsetof(struct order, wake));
    MARK(ORDER_YIELDS, offsetof(struct order, yields));
    MARK(ORDER_NR, offsetof(struct order, nr));
    MARK(ORDER_ARG0, offsetof(struct order, arg[0]));
    MARK(ORDER_ARG1, offsetof(struct order, arg[1]));
    MARK(ORDER_ARG2, offsetof(struct order, arg[2]));
    MARK(ORDER_ARG3, offsetof(struct order, arg[3]));
    MARK(ORDER_ARG4, offsetof(struct order, arg[4]));
    MARK(ORDER_ARG5, offsetof(struct order, arg[5]));
    MARK(ORDER_RING_NR, offsetof(struct order, ring_nr));
    MARK(ORDER_RING_ARG0, offsetof(struct order, ring_arg[0]));
    MARK(ORDER_RING_ARG1, offsetof(struct order, ring_arg[1]));
    MARK(ORDER_RING_ARG2, offsetof(struct order, ring_arg[2]));
    MARK(ORDER_ANSWER_SEQ, offsetof(struct order, answer_seq));
    MARK(ORDER_ANSWER_KIND, offsetof(struct order, answer_kind));
    MARK(ORDER_ANSWER_VALUE, offsetof(struct order, answer_value));
    MARK(ORDER_AWAKE, offsetof(struct order, awake));
    MARK(ORDER_SPINS, offsetof(struct order, spins));
    MARK(ORDER_STRICT, offsetof(struct order, strict));
    MARK(ORDER_BELL, offsetof(struct order, bell));
    MARK(ORDER_ROUTES, offsetof(struct order, routes));
    MARK(ROUTES, MAILBOX_ROUTES);

    MARK(REQUEST_STATE, offsetof(struct request, state));
    MARK(REQUEST_BUSY, offsetof(struct request, busy));
    MARK(REQUEST_NR, offsetof(struct request, nr));
    MARK(REQUEST_ARG0, offsetof(struct request, arg[0]));
    MARK(REQUEST_ARG1, offsetof(struct request, arg[1]));
    MARK(REQUEST_ARG2, offsetof(struct request, arg[2]));
    MARK(REQUEST_ARG3, offsetof(struct request, arg[3]));
    MARK(REQUEST_ARG4, offsetof(struct request, arg[4]));
    MARK(REQUEST_ARG5, offsetof(struct request, arg[5]));
    MARK(REQUEST_IP, offsetof(struct request, ip));
    MARK(REQUEST_SELF, offsetof(struct request, self));
    MARK(REQUEST_ORDER, offsetof(struct request, order));
    MARK(REQUEST_FLAGS, offsetof(struct request, flags));
    MARK(REQUEST_SEEN, offsetof(struct request, seen));
    MARK(REQUEST_TRIES, offsetof(struct request, tries));
    MARK(REQUEST_WAITING, offsetof(struct request, waiting));
    MARK(REQUEST_CELL, offsetof(struct request, done));
    MARK(CELL_DONE, 0);
    MARK(CELL_ASLEEP, offsetof(struct request, asleep) - offsetof(struct request, done));
    MARK(CELL_RESULT, offsetof(struct request, result) - offsetof(struct request, done));

    MARK(STATE_NONE, REQUEST_NONE);
    MARK(STATE_POSTED, REQUEST_POSTED);
    MARK(COMMAND_EXECUTE, ORDER_EXECUTE);
    MARK(COMMAND_TRAP, ORDER_TRAP);
    MARK(COMMAND_EXIT, ORDER_EXIT);
    MARK(COMMAND_HIGH, ORDER_HIGH);
    MARK(KIND_VALUE, ANSWER_VALUE);
    MARK(KIND_TRUSTEE, ANSWER_TRUSTEE);
}
