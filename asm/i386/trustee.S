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
#define FAILED -4096            /* results above are -errno */
#define SECCOMP_SET_MODE_FILTER 1

/* One call of struct step at \at in the order window, see x86_64. */
.macro LOAD_STEP at
        movl    %fs:\at + STEP_ARG0, %ebx
        movl    %fs:\at + STEP_ARG1, %ecx
        movl    %fs:\at + STEP_ARG2, %edx
        movl    %fs:\at + STEP_ARG3, %esi
        movl    %fs:\at + STEP_ARG4, %edi
        movl    %fs:\at + STEP_ARG5, %ebp
        movl    %fs:\at + STEP_NR, %eax
.endm

.macro STEP at
        LOAD_STEP \at
        cmpl    $STEP_NOTHING, %eax
        je      1f
        int     $0x80
        cmpl    $FAILED, %eax
        ja      .Ldie
1:
.endm

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

.Lsleep:                                        /* cell->asleep = 1; alarm = order->alarm; if (order->seq == last) ... (see x86_64) */
        movl    $1, %gs:CELL_ASLEEP
        movl    %fs:ORDER_ALARM, %edx
        movl    %fs:ORDER_SEQ, %eax
        movd    %mm0, %ecx
        cmpl    %ecx, %eax
        jne     .Lawake
        testl   $OWNER_BITS, %edx               /* if (!(alarm & owner)) exit_group(1);    the helper is dead */
        jz      .Lorphan
        movd    %mm3, %ebx                      /* futex(&order->alarm, FUTEX_WAIT, alarm, NULL); */
        addl    $ORDER_ALARM, %ebx
        movl    $FUTEX_WAIT, %ecx
        xorl    %esi, %esi
        movl    $__NR_futex, %eax
        int     $0x80
.Lawake:
        movl    $0, %gs:CELL_ASLEEP
        jmp     .Lwait

.Lorphan:
        movl    $1, %ebx
        movl    $__NR_exit_group, %eax
        int     $0x80
.Ldie:  ud2

.Ltake:                                         /* last = order->seq; switch (order->command) */
        movd    %eax, %mm0
        movl    %fs:ORDER_COMMAND, %eax
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
        movl    %fs:ORDER_ARG0, %ebx
        movl    %fs:ORDER_ARG1, %ecx
        movl    %fs:ORDER_ARG2, %edx
        movl    %fs:ORDER_ARG3, %esi
        movl    %fs:ORDER_ARG4, %edi
        movl    $__NR_clone, %eax
        int     $0x80
        movd    %eax, %mm2
        testl   %eax, %eax
        jz      .Lborn
        jmp     .Lreport

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

/* A newborn: see x86_64. The segments are switched one after the other, and the kernel loads a changed one at once: what both need is fetched
 * before (mm1 = kind, mm5 = the second descriptor, mm6 = selectors). */
.Lborn: movl    %fs:BIRTH_KIND, %eax
        movd    %eax, %mm1
        movl    %fs:BIRTH_SEGMENT + STEP_SIZE + STEP_ARG0, %eax
        movd    %eax, %mm5
        movl    %fs:BIRTH_SELECTORS, %eax
        movd    %eax, %mm6
        movl    %fs:BIRTH_ORDER, %eax
        movd    %eax, %mm3
        movl    %fs:BIRTH_CELL, %eax
        movd    %eax, %mm4
        movl    %fs:BIRTH_SEGMENT + STEP_ARG0, %ebx
        movl    $__NR_set_thread_area, %eax
        int     $0x80
        testl   %eax, %eax
        jnz     .Ldie
        movd    %mm5, %ebx
        movl    $__NR_set_thread_area, %eax
        int     $0x80
        testl   %eax, %eax
        jnz     .Ldie
        movd    %mm6, %ecx
        movw    %cx, %fs
        shrl    $16, %ecx
        movw    %cx, %gs
        pxor    %mm0, %mm0                      /* last = 0 */
        movd    %mm1, %ecx
        cmpl    $NEWBORN_TRUSTEE, %ecx
        je      .Lhello

        .irp at, BIRTH_MAP, BIRTH_MAP+3*STEP_SIZE   /* a new address space: fd = openat(...); mmap2(..., fd, ...); close(fd); */
        LOAD_STEP \at
        cmpl    $STEP_NOTHING, %eax
        je      1f
        int     $0x80
        cmpl    $FAILED, %eax
        ja      .Ldie
        movd    %eax, %mm2
        LOAD_STEP \at+STEP_SIZE
        movd    %mm2, %edi
        int     $0x80
        cmpl    $FAILED, %eax
        ja      .Ldie
        LOAD_STEP \at+2*STEP_SIZE
        movd    %mm2, %ebx
        int     $0x80
1:
        .endr

        LOAD_STEP BIRTH_TRUSTEE                 /* clone: the copy is this process's trustee */
        int     $0x80
        movd    %eax, %mm2
        testl   %eax, %eax
        jz      .Lwait

.Lhello:                                        /* tell the helper who we are, with what trustee */
        LOAD_STEP BIRTH_HELLO
        movd    %mm2, %edx
        int     $0x80
        cmpl    $FAILED, %eax
        ja      .Ldie
        movd    %mm1, %ecx
        cmpl    $NEWBORN_TRUSTEE, %ecx
        je      .Lwait

        .irp k, 0, 1, 2, 3, 4, 5, 6
        STEP    BIRTH_THREAD+\k*STEP_SIZE
        .endr
        movl    %fs:BIRTH_LOCK + STEP_ARG2, %eax        /* the last descriptor to go is the one of the order window itself */
        movd    %eax, %mm5
        movl    %fs:BIRTH_RESUME, %eax
        movd    %eax, %mm6
        movl    %fs:BIRTH_THREAD + 7 * STEP_SIZE + STEP_ARG0, %ebx
        movl    $__NR_set_thread_area, %eax
        int     $0x80
        testl   %eax, %eax
        jnz     .Ldie
        movl    $SECCOMP_SET_MODE_FILTER, %ebx  /* what follows is the program's thread, in the gate's page */
        xorl    %ecx, %ecx
        movd    %mm5, %edx
        movl    $__NR_seccomp, %eax
        int     $0x80
        testl   %eax, %eax
        jnz     .Ldie
        movd    %mm4, %ebp
        movd    %mm6, %eax
        jmp     *%eax
        .size   trustee_run, . - trustee_run

/* The first call of a fresh stub, from a page that no untrustee can call from: eax = windows; back to ebp. */
        .globl  trustee_boot
        .hidden trustee_boot
        .type   trustee_boot, @function
trustee_boot:
        movl    $SAY_BOOT, %ebx
        movl    $CALL_OF_NURSE, %eax
        int     $0x80
        jmp     *%ebp
        .size   trustee_boot, . - trustee_boot
        .balign 4096, 0xcc

        .section .note.GNU-stack, "", @progbits
