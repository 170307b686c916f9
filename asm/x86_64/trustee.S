/*
 * trustee (x86_64): executes the helper's orders. It runs in the sandboxed process, unconfined, beside threads that may be hostile, so it
 * believes nothing but its registers and the order window, which nobody in the process can write:
 * no stack, no call, no load but from (rbx), no store but to the cell at (rbp). t/12-unit-asm.t disassembles it and allows nothing else.
 * asm/REGISTERS says what each register means.
 */
#include <asm/unistd_64.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define ROBUST_LIST_HEAD 24     /* sizeof(struct robust_list_head): the kernel insists */
#define EVIDENCE_SHIFT 48
#define FAILED -4096            /* results above are -errno */

/* One call of struct step at \at in the order window: rax is its result. Nothing to do is a call number too. A newborn whose step fails is of no
 * use to anybody. */
.macro LOAD_STEP at
        movq    \at + STEP_ARG0(%rbx), %rdi
        movq    \at + STEP_ARG1(%rbx), %rsi
        movq    \at + STEP_ARG2(%rbx), %rdx
        movq    \at + STEP_ARG3(%rbx), %r10
        movq    \at + STEP_ARG4(%rbx), %r8
        movq    \at + STEP_ARG5(%rbx), %r9
        movq    \at + STEP_NR(%rbx), %rax
.endm

.macro STEP at
        LOAD_STEP \at
        cmpq    $STEP_NOTHING, %rax
        je      1f
        syscall
        cmpq    $FAILED, %rax
        ja      .Ldie
1:
.endm

        .section .trustee, "ax", @progbits
        .globl  trustee_run
        .hidden trustee_run
        .type   trustee_run, @function

/* for (;;) */
trustee_run:
.Lwait:                                         /* tries = order->yields; */
        movl    ORDER_YIELDS(%rbx), %r13d
.Llook:                                         /* while (order->seq == last) { */
        movl    ORDER_SEQ(%rbx), %eax
        cmpl    %r12d, %eax
        jne     .Ltake
        subl    $1, %r13d                       /*     if (--tries < 0) sleep; */
        js      .Lsleep
        movl    $__NR_sched_yield, %eax         /*     sched_yield(); */
        syscall
        jmp     .Llook                          /* } */

.Lsleep:                                        /* cell->asleep = 1; alarm = order->alarm; */
        movl    $1, CELL_ASLEEP(%rbp)
        movl    ORDER_ALARM(%rbx), %edx
        movl    ORDER_SEQ(%rbx), %eax           /* if (order->seq == last) {    (an order that comes now has changed the alarm) */
        cmpl    %r12d, %eax
        jne     .Lawake
        testl   $OWNER_BITS, %edx               /*     if (!(alarm & owner)) exit_group(1);    the helper is dead */
        jz      .Lorphan
        leaq    ORDER_ALARM(%rbx), %rdi         /*     futex(&order->alarm, FUTEX_WAIT, alarm, NULL); } */
        movl    $FUTEX_WAIT, %esi
        xorl    %r10d, %r10d
        movl    $__NR_futex, %eax
        syscall
.Lawake:
        movl    $0, CELL_ASLEEP(%rbp)           /* cell->asleep = 0; */
        jmp     .Lwait

.Lorphan:
        movl    $1, %edi
        movl    $__NR_exit_group, %eax
        syscall
.Ldie:  ud2

.Ltake:                                         /* last = order->seq; switch (order->command) */
        movl    %eax, %r12d
        movl    ORDER_COMMAND(%rbx), %eax
        cmpl    $COMMAND_EXECUTE, %eax
        je      .Lexecute
        cmpl    $COMMAND_SPAWN, %eax
        je      .Lspawn
        cmpl    $COMMAND_TRAP, %eax
        je      .Ltrap
        cmpl    $COMMAND_EXIT, %eax
        je      .Lexit
        cmpl    $COMMAND_HIGH, %eax
        je      .Lhigh
        ud2                                     /* our own invariant is broken: die, never guess */

.Lspawn:                                        /* result = clone(order->arg...); if (result == 0) goto born; */
        movq    ORDER_ARG0(%rbx), %rdi
        movq    ORDER_ARG1(%rbx), %rsi
        movq    ORDER_ARG2(%rbx), %rdx
        movq    ORDER_ARG3(%rbx), %r10
        movq    ORDER_ARG4(%rbx), %r8
        movl    $__NR_clone, %eax
        syscall
        movq    %rax, %r14
        testq   %rax, %rax
        jz      .Lborn
        jmp     .Lreport

.Lexecute:                                      /* result = syscall(order->nr, order->arg...); */
        movq    ORDER_ARG0(%rbx), %rdi
        movq    ORDER_ARG1(%rbx), %rsi
        movq    ORDER_ARG2(%rbx), %rdx
        movq    ORDER_ARG3(%rbx), %r10
        movq    ORDER_ARG4(%rbx), %r8
        movq    ORDER_ARG5(%rbx), %r9
        movq    ORDER_NR(%rbx), %rax
        syscall
        movq    %rax, %r14

.Lreport:                                       /* set_robust_list(last << 48 | (result & 0xffffffffffff), 24); */
        movq    %r12, %rdi                      /* a register of this thread in the kernel, which the helper reads with */
        shlq    $EVIDENCE_SHIFT, %rdi           /* get_robust_list: the one thing about a result that can't be forged */
        movq    %r14, %rax
        shlq    $(64 - EVIDENCE_SHIFT), %rax
        shrq    $(64 - EVIDENCE_SHIFT), %rax
        orq     %rax, %rdi
        movl    $ROBUST_LIST_HEAD, %esi
        movl    $__NR_set_robust_list, %eax
        syscall

        movq    %r14, CELL_RESULT(%rbp)         /* cell->result = result; cell->done = last; (seen by all before what follows) */
        movl    %r12d, CELL_DONE(%rbp)
        mfence

        cmpl    $0, ORDER_WAKE(%rbx)            /* if (order->wake) futex(&cell->done, FUTEX_WAKE, 1); */
        je      .Lring
        leaq    CELL_DONE(%rbp), %rdi
        movl    $FUTEX_WAKE, %esi
        movl    $1, %edx
        movl    $__NR_futex, %eax
        syscall

.Lring:                                         /* if (order->ring) syscall(order->ring_nr, order->ring_arg...); */
        cmpl    $0, ORDER_RING(%rbx)
        je      .Lwait
        movq    ORDER_RING_ARG0(%rbx), %rdi
        movq    ORDER_RING_ARG1(%rbx), %rsi
        movq    ORDER_RING_ARG2(%rbx), %rdx
        movq    ORDER_RING_NR(%rbx), %rax
        syscall
        jmp     .Lwait

.Ltrap:                                         /* raise SIGTRAP for a debugger, then report as for a call */
        int3
        xorl    %r14d, %r14d
        jmp     .Lreport

.Lhigh:                                         /* result >>= 48; the helper asks for what did not fit */
        sarq    $EVIDENCE_SHIFT, %r14
        jmp     .Lreport

.Lexit:                                         /* exit(0): this thread only */
        xorl    %edi, %edi
        movl    $__NR_exit, %eax
        syscall
        ud2

/* A newborn, in the window of the trustee that cloned it, until it has found its own. last = 0 */
.Lborn: movl    BIRTH_KIND(%rbx), %r13d
        movq    BIRTH_CELL(%rbx), %rbp
        movq    BIRTH_ORDER(%rbx), %rbx
        xorl    %r12d, %r12d
        cmpl    $NEWBORN_TRUSTEE, %r13d
        je      .Lhello

        .irp at, BIRTH_MAP, BIRTH_MAP+3*STEP_SIZE   /* a new address space: fd = openat(...); mmap(..., fd, ...); close(fd); */
        LOAD_STEP \at
        cmpq    $STEP_NOTHING, %rax
        je      1f
        syscall
        cmpq    $FAILED, %rax
        ja      .Ldie
        movq    %rax, %r14
        LOAD_STEP \at+STEP_SIZE
        movq    %r14, %r8
        syscall
        cmpq    $FAILED, %rax
        ja      .Ldie
        LOAD_STEP \at+2*STEP_SIZE
        movq    %r14, %rdi
        syscall
1:
        .endr

        LOAD_STEP BIRTH_TRUSTEE                 /* clone: the copy is this process's trustee */
        syscall
        movq    %rax, %r14
        testq   %rax, %rax
        jz      .Lwait

.Lhello:                                        /* tell the helper who we are, with what trustee */
        LOAD_STEP BIRTH_HELLO
        movq    %r14, %rdx
        syscall
        cmpq    $FAILED, %rax
        ja      .Ldie
        cmpl    $NEWBORN_TRUSTEE, %r13d
        je      .Lwait

        .irp k, 0, 1, 2, 3, 4, 5, 6, 7
        STEP    BIRTH_THREAD+\k*STEP_SIZE
        .endr
        movq    BIRTH_RESUME(%rbx), %r13        /* what follows the lock is the program's thread, in the gate's page */
        STEP    BIRTH_LOCK
        jmp     *%r13
        .size   trustee_run, . - trustee_run

/* The first call of a fresh stub, from a page that no untrustee can call from: rax = windows; back to r15. */
        .globl  trustee_boot
        .hidden trustee_boot
        .type   trustee_boot, @function
trustee_boot:
        movl    $SAY_BOOT, %edi
        movl    $CALL_OF_NURSE, %eax
        syscall
        jmp     *%r15
        .size   trustee_boot, . - trustee_boot
        .balign 4096, 0xcc

        .section .note.GNU-stack, "", @progbits
