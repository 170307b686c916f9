/*
 * gate (i386): AT_SYSINFO points here, so libc's `call *%gs:0x10` arrives here with every system call of the program; redirected
 * `int $0x80` sites come through a trampoline's call. It runs in the untrustee and is not trusted: see asm/x86_64/gate.S.
 *
 * In:  eax = call number, (%esp) = return address, arguments as for the kernel, %fs = struct request. Every register but eax is kept, and the
 * flags; the caller's stack is used as the VDSO's own entry uses it.
 */
#include <asm/unistd_32.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define YIELDS 16                               /* hand the CPU over so often before sleeping */
#define SAVED 12                                /* flags, ecx, edx */

        .section .gate, "ax", @progbits
        .globl  gate_enter
        .hidden gate_enter
        .type   gate_enter, @function

gate_enter:
        pushfl
        pushl   %ecx
        pushl   %edx
        movl    %fs:REQUEST_ORDER, %edx
        cmpl    $ROUTES, %eax                   /* only calls with the mailbox route, and only while the helper looks */
        jae     .Lkernel
        btl     %eax, ORDER_ROUTES(%edx)
        jnc     .Lkernel
        movl    ORDER_AWAKE(%edx), %ecx
        orl     ORDER_STRICT(%edx), %ecx
        jz      .Lkernel
        movl    $1, %ecx                        /* if (xchg(&request->busy, 1)) go to the kernel; */
        xchgl   %ecx, %fs:REQUEST_BUSY
        testl   %ecx, %ecx
        jz      .Lpost

.Lkernel:
        popl    %edx
        popl    %ecx
        popfl
        int     $0x80
        ret

.Lpost: movl    %eax, %fs:REQUEST_NR            /* post */
        movl    %ebx, %fs:REQUEST_ARG0
        movl    4(%esp), %ecx
        movl    %ecx, %fs:REQUEST_ARG1
        movl    0(%esp), %ecx
        movl    %ecx, %fs:REQUEST_ARG2
        movl    %esi, %fs:REQUEST_ARG3
        movl    %edi, %fs:REQUEST_ARG4
        movl    %ebp, %fs:REQUEST_ARG5
        movl    SAVED(%esp), %ecx
        movl    %ecx, %fs:REQUEST_IP
        movl    ORDER_ANSWER_SEQ(%edx), %eax
        movl    %eax, %fs:REQUEST_SEEN
        movl    $STATE_POSTED, %ecx
        xchgl   %ecx, %fs:REQUEST_STATE

        cmpl    $0, ORDER_AWAKE(%edx)           /* strict: if (!order->awake) write(bell, order, 1); it can go to no kernel */
        jne     .Lwatch
        movl    ORDER_BELL(%edx), %ebx
        movl    %edx, %ecx
        movl    $1, %edx
        movl    $__NR_write, %eax
        int     $0x80
        movl    %fs:REQUEST_ORDER, %edx
        movl    %fs:REQUEST_SEEN, %eax

.Lwatch:
        movl    ORDER_SPINS(%edx), %ecx         /* while (spins-- >= 0) if (order->answer_seq != seen) goto answered; */
.Lspin: cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        jne     .Lanswered
        pause
        subl    $1, %ecx
        jns     .Lspin

        cmpl    $0, ORDER_STRICT(%edx)
        jne     .Lbell
        movl    $STATE_POSTED, %eax             /* too long. Not yet taken: take it back and go to the kernel */
        xorl    %ecx, %ecx
        lock cmpxchgl %ecx, %fs:REQUEST_STATE
        je      .Lback

        movl    $YIELDS, %fs:REQUEST_TRIES      /* taken: yield for a while, then sleep on answer_seq */
.Lyield:
        movl    $__NR_sched_yield, %eax
        int     $0x80
        movl    %fs:REQUEST_SEEN, %eax
        cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        jne     .Lanswered
        subl    $1, %fs:REQUEST_TRIES
        jns     .Lyield
.Lsleep:
        movl    $1, %ecx                        /* waiting = 1 before the kernel looks at answer_seq again */
        xchgl   %ecx, %fs:REQUEST_WAITING
        leal    ORDER_ANSWER_SEQ(%edx), %ebx
        movl    $FUTEX_WAIT, %ecx
        movl    %eax, %edx
        xorl    %esi, %esi
        movl    $__NR_futex, %eax
        int     $0x80
        movl    %fs:REQUEST_ORDER, %edx
        movl    %fs:REQUEST_SEEN, %eax
        cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        je      .Lsleep
        movl    $0, %fs:REQUEST_WAITING

.Lbell: movl    $1, %ecx                        /* strict: waiting = 1; write(bell) in case the helper went to sleep; read(bell) until answered */
        xchgl   %ecx, %fs:REQUEST_WAITING
        cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        jne     .Lrung
        movl    ORDER_BELL(%edx), %ebx
        movl    %edx, %ecx
        movl    $1, %edx
        movl    $__NR_write, %eax
        int     $0x80
        movl    %fs:REQUEST_SELF, %ecx
        addl    $REQUEST_TRIES, %ecx
        movl    $__NR_read, %eax
        int     $0x80
        movl    %fs:REQUEST_ORDER, %edx
        movl    %fs:REQUEST_SEEN, %eax
        jmp     .Lbell
.Lrung: movl    $0, %fs:REQUEST_WAITING

.Lanswered:
        movl    ORDER_ANSWER_KIND(%edx), %eax
        cmpl    $KIND_VALUE, %eax
        je      .Lvalue
        cmpl    $KIND_TRUSTEE, %eax
        je      .Ltrustee

.Lback: movl    %fs:REQUEST_NR, %eax            /* only the thread itself can make this call */
        movl    %fs:REQUEST_ARG0, %ebx
        movl    %fs:REQUEST_ARG3, %esi
        movl    $0, %fs:REQUEST_BUSY
        jmp     .Lkernel

.Ltrustee:                                      /* the trustee works on order answer_value: hand it the CPU until its cell says done */
        movl    $YIELDS, %fs:REQUEST_TRIES
.Lhand: movl    %fs:REQUEST_ORDER, %edx
        movl    ORDER_ANSWER_VALUE(%edx), %eax
        cmpl    %eax, %fs:REQUEST_CELL + CELL_DONE
        je      .Ldone
        cmpl    $0, %fs:REQUEST_CELL + CELL_ASLEEP
        je      .Lpass
        leal    ORDER_SEQ(%edx), %ebx           /* if (cell->asleep) futex(&order->seq, FUTEX_WAKE, 1); */
        movl    $FUTEX_WAKE, %ecx
        movl    $1, %edx
        movl    $__NR_futex, %eax
        int     $0x80
.Lpass: movl    $__NR_sched_yield, %eax
        int     $0x80
        subl    $1, %fs:REQUEST_TRIES
        jns     .Lhand
        movl    %fs:REQUEST_ORDER, %edx
        cmpl    $0, ORDER_WAKE(%edx)
        je      .Ltrustee
        movl    ORDER_ANSWER_VALUE(%edx), %eax  /* a call that takes its time: sleep on the cell, the trustee will wake it */
        movl    %fs:REQUEST_CELL + CELL_DONE, %edx
        cmpl    %eax, %edx
        je      .Ldone
        movl    %fs:REQUEST_SELF, %ebx
        addl    $(REQUEST_CELL + CELL_DONE), %ebx
        movl    $FUTEX_WAIT, %ecx
        xorl    %esi, %esi
        movl    $__NR_futex, %eax
        int     $0x80
        jmp     .Ltrustee

.Ldone: movl    %fs:REQUEST_CELL + CELL_RESULT, %eax
        jmp     .Lleave
.Lvalue:
        movl    ORDER_ANSWER_VALUE(%edx), %eax

.Lleave:
        movl    %fs:REQUEST_ARG0, %ebx
        movl    %fs:REQUEST_ARG3, %esi
        movl    $0, %fs:REQUEST_BUSY
        popl    %edx
        popl    %ecx
        popfl
        ret
        .size   gate_enter, . - gate_enter
        .balign 4096, 0xcc

        .section .note.GNU-stack, "", @progbits
