/*
 * trustee (i386): executes the helper's orders; see asm/x86_64/trustee.S for whom it believes (nobody) and asm/REGISTERS for the registers.
 * The windows hang on segments: %fs is the order window, %gs the result cell, and what must survive a call of six arguments
 * lives in MMX registers. No stack, no load but from %fs, no store but to %gs.
 */
#include <asm/unistd_32.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define ROBUST_LIST_HEAD 12     /* sizeof(struct compat_robust_list_head) */
#define EVIDENCE_SHIFT 16

        .section .trustee, "ax", @progbits
        .globl  trustee_run
        .hidden trustee_run
        .type   trustee_run, @function

/* for (;;)  (mm0 = last, mm3 = address of the order window, mm4 = address of the cell: only ever arguments of futex) */
trustee_run:
.Lwait:                                         /* tries = order->yields; */
        movl    %fs:ORDER_YIELDS, %eax
        movd    %eax, %mm1
.Llook:                                         /* while (order->seq == last) { */
        movl    %fs:ORDER_SEQ, %eax
        movd    %mm0, %ecx
        cmpl    %ecx, %eax
        jne     .Ltake
        movd    %mm1, %edx                      /*     if (--tries < 0) sleep; */
        subl    $1, %edx
        js      .Lsleep
        movd    %edx, %mm1
        movl    $__NR_sched_yield, %eax         /*     sched_yield(); */
        int     $0x80
        jmp     .Llook                          /* } */

.Lsleep:                                        /* cell->asleep = 1; futex(&order->seq, FUTEX_WAIT, last, NULL); cell->asleep = 0; */
        movl    $1, %gs:CELL_ASLEEP
        movd    %mm3, %ebx
        addl    $ORDER_SEQ, %ebx
        movl    $FUTEX_WAIT, %ecx
        movd    %mm0, %edx
        xorl    %esi, %esi
        movl    $__NR_futex, %eax
        int     $0x80
        movl    $0, %gs:CELL_ASLEEP
        jmp     .Lwait

.Ltake:                                         /* last = order->seq; switch (order->command) */
        movd    %eax, %mm0
        movl    %fs:ORDER_COMMAND, %eax
        cmpl    $COMMAND_EXECUTE, %eax
        je      .Lexecute
        cmpl    $COMMAND_TRAP, %eax
        je      .Ltrap
        cmpl    $COMMAND_EXIT, %eax
        je      .Lexit
        cmpl    $COMMAND_HIGH, %eax
        je      .Lhigh
        ud2                                     /* our own invariant is broken: die, never guess */

.Lexecute:                                      /* result = syscall(order->nr, order->arg...); */
        movl    %fs:ORDER_ARG0, %ebx
        movl    %fs:ORDER_ARG1, %ecx
        movl    %fs:ORDER_ARG2, %edx
        movl    %fs:ORDER_ARG3, %esi
        movl    %fs:ORDER_ARG4, %edi
        movl    %fs:ORDER_ARG5, %ebp
        movl    %fs:ORDER_NR, %eax
        int     $0x80
        movd    %eax, %mm2

.Lreport:                                       /* set_robust_list(last << 16 | (result & 0xffff), 12): see x86_64 */
        movd    %mm0, %ebx
        shll    $EVIDENCE_SHIFT, %ebx
        movd    %mm2, %eax
        shll    $(32 - EVIDENCE_SHIFT), %eax
        shrl    $(32 - EVIDENCE_SHIFT), %eax
        orl     %eax, %ebx
        movl    $ROBUST_LIST_HEAD, %ecx
        movl    $__NR_set_robust_list, %eax
        int     $0x80

        movd    %mm2, %eax                      /* cell->result = result (sign-extended); cell->done = last; */
        movl    %eax, %gs:CELL_RESULT
        sarl    $31, %eax
        movl    %eax, %gs:CELL_RESULT + 4
        movd    %mm0, %eax
        movl    %eax, %gs:CELL_DONE
        mfence

        movl    %fs:ORDER_WAKE, %eax            /* if (order->wake) futex(&cell->done, FUTEX_WAKE, 1); */
        cmpl    $0, %eax
        je      .Lring
        movd    %mm4, %ebx
        movl    $FUTEX_WAKE, %ecx
        movl    $1, %edx
        movl    $__NR_futex, %eax
        int     $0x80

.Lring:                                         /* if (order->ring) syscall(order->ring_nr, order->ring_arg...); */
        movl    %fs:ORDER_RING, %eax
        cmpl    $0, %eax
        je      .Lwait
        movl    %fs:ORDER_RING_ARG0, %ebx
        movl    %fs:ORDER_RING_ARG1, %ecx
        movl    %fs:ORDER_RING_ARG2, %edx
        movl    %fs:ORDER_RING_NR, %eax
        int     $0x80
        jmp     .Lwait

.Ltrap:                                         /* raise SIGTRAP for a debugger, then report as for a call */
        int3
        pxor    %mm2, %mm2
        jmp     .Lreport

.Lhigh:                                         /* result >>= 16; the helper asks for what did not fit */
        psrld   $EVIDENCE_SHIFT, %mm2
        jmp     .Lreport

.Lexit:                                         /* exit(0): this thread only */
        xorl    %ebx, %ebx
        movl    $__NR_exit, %eax
        int     $0x80
        ud2
        .size   trustee_run, . - trustee_run
        .balign 4096, 0xcc

        .section .note.GNU-stack, "", @progbits
