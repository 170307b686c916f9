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
    MARK(ORDER_ALARM, offsetof(struct order, alarm));
    MARK(ROUTES, MAILBOX_ROUTES);

    MARK(BIRTH_ORDER, offsetof(struct order, birth.order));
    MARK(BIRTH_CELL, offsetof(struct order, birth.cell));
    MARK(BIRTH_KIND, offsetof(struct order, birth.kind));
    MARK(BIRTH_SELECTORS, offsetof(struct order, birth.selectors));
    MARK(BIRTH_SEGMENT, offsetof(struct order, birth.segment));
    MARK(BIRTH_MAP, offsetof(struct order, birth.map));
    MARK(BIRTH_TRUSTEE, offsetof(struct order, birth.trustee));
    MARK(BIRTH_HELLO, offsetof(struct order, birth.hello));
    MARK(BIRTH_THREAD, offsetof(struct order, birth.thread));
    MARK(BIRTH_LOCK, offsetof(struct order, birth.lock));
    MARK(BIRTH_RESUME, offsetof(struct order, birth.resume));
    MARK(STEP_SIZE, sizeof(struct step));
    MARK(STEP_NR, offsetof(struct step, nr));
    MARK(STEP_ARG0, offsetof(struct step, arg[0]));
    MARK(STEP_ARG1, offsetof(struct step, arg[1]));
    MARK(STEP_ARG2, offsetof(struct step, arg[2]));
    MARK(STEP_ARG3, offsetof(struct step, arg[3]));
    MARK(STEP_ARG4, offsetof(struct step, arg[4]));
    MARK(STEP_ARG5, offsetof(struct step, arg[5]));
    MARK(STEP_NOTHING, STEP_NONE);

    MARK(BOARD_ROUTES, offsetof(struct board, routes));
    MARK(BOARD_REPEATS, offsetof(struct board, repeats));
    MARK(BOARD_STRICT, offsetof(struct board, strict));
    MARK(BOARD_XSAVE, offsetof(struct board, xsave));
    MARK(BOARD_REQUESTS, offsetof(struct board, requests));
    MARK(BOARD_REQUESTS_END, offsetof(struct board, requests_end));
    MARK(BOARD_THREADS, offsetof(struct board, threads));
    MARK(REQUESTS_TO_BOARD, KEEP_BOARD - KEEP_REQUEST);
    MARK(SCRATCH_WINDOW, MAILBOX_SCRATCH * MAILBOX_REQUEST_SPAN);

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
    MARK(REQUEST_RECORD, offsetof(struct request, record));
    MARK(RECORD_KERNEL, SITES_KERNEL);
    MARK(REQUEST_FLAGS, offsetof(struct request, flags));
    MARK(REQUEST_SEEN, offsetof(struct request, seen));
    MARK(REQUEST_TRIES, offsetof(struct request, tries));
    MARK(REQUEST_WAITING, offsetof(struct request, waiting));
    MARK(REQUEST_CELL, offsetof(struct request, done));
    MARK(CELL_DONE, 0);
    MARK(CELL_ASLEEP, offsetof(struct request, asleep) - offsetof(struct request, done));
    MARK(CELL_RESULT, offsetof(struct request, result) - offsetof(struct request, done));

    MARK(CATCH_ENTRIES, MAILBOX_SLOTS);
    MARK(CATCH_ENTRY, CATCH_ENTRY);
    MARK(CATCH_MAKE, CATCH_MAKE);
    MARK(CATCH_TELL, CATCH_TELL);
    MARK(CAUGHT_REG, offsetof(struct request, caught.reg));
    MARK(CAUGHT_FLAGS, offsetof(struct request, caught.flags));
    MARK(CAUGHT_IP, offsetof(struct request, caught.ip));
    MARK(CAUGHT_FS, offsetof(struct request, caught.fs));
    MARK(CAUGHT_GS, offsetof(struct request, caught.gs));
    MARK(CAUGHT_MASK, offsetof(struct request, caught.mask));
    MARK(CAUGHT_ALTSTACK, offsetof(struct request, caught.altstack));
    MARK(CAUGHT_AREA, offsetof(struct request, caught.area));
    MARK(CAUGHT_HELD, offsetof(struct request, caught.held));
    MARK(CAUGHT_ARRIVED, HELD_ARRIVED);
    MARK(CAUGHT_FPU, offsetof(struct request, caught.fpu));

    MARK(STATE_NONE, REQUEST_NONE);
    MARK(STATE_POSTED, REQUEST_POSTED);
    MARK(COMMAND_EXECUTE, ORDER_EXECUTE);
    MARK(COMMAND_TRAP, ORDER_TRAP);
    MARK(COMMAND_EXIT, ORDER_EXIT);
    MARK(COMMAND_HIGH, ORDER_HIGH);
    MARK(COMMAND_SPAWN, ORDER_SPAWN);
    MARK(NEWBORN_TRUSTEE, BIRTH_TRUSTEE);
    MARK(OWNER_BITS, ALARM_OWNER);
    MARK(CALL_OF_NURSE, NURSE_CALL);
    MARK(SAY_BOOT, REPORT_BOOT);
    MARK(SAY_CAUGHT, REPORT_CAUGHT);
    MARK(SAY_MADE, REPORT_MADE);
    MARK(SAY_OTHER, REPORT_OTHER);
    MARK(SAY_THREAD, REPORT_THREAD);
    MARK(KIND_VALUE, ANSWER_VALUE);
    MARK(KIND_TRUSTEE, ANSWER_TRUSTEE);
}
