/*
 * gate (i386): AT_SYSINFO points here, so libc's `call *%gs:0x10` arrives here with every system call of the program; redirected
 * `int $0x80` sites come through a trampoline's call. It runs in the untrustee and is not trusted: see asm/x86_64/gate.S.
 *
 * In:  eax = call number, (%esp) = return address, arguments as for the kernel. Every register but eax is kept, and the flags; the caller's
 * stack is used as the VDSO's own entry uses it. A thread's window (ebp) is found by the word at %gs:0, where its libc keeps a pointer of its own,
 * in the board's table.
 */
#include <asm/unistd_32.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define EINTR 4
#define ELOOP 40
#define YIELDS 16                               /* hand the CPU over so often before sleeping */
#define SAVED_EBP 0                             /* what the gate pushes */
#define SAVED_EDX 4
#define SAVED_ECX 8
#define SAVED 16
#define PLACE_SHIFT (12 - 4)                    /* from a key to a place in the table: bits 12..19, 16 bytes each */
#define PLACE_MASK 0xff0
#define THREAD_KEY(board, place) BOARD_THREADS(board, place)
#define THREAD_REQUEST(board, place) BOARD_THREADS + 8(board, place)

        .hidden gate_request
        .hidden gate_board
        .hidden catch_return
        .globl  gate_forwarded, gate_own
        .hidden gate_forwarded, gate_own
        .section .gate, "ax", @progbits
        .globl  gate_enter
        .hidden gate_enter
        .type   gate_enter, @function

gate_enter:
        pushfl
        pushl   %ecx
        pushl   %edx
        pushl   %ebp
        call    .Lwhere
.Lwhere:
        popl    %ebp
        addl    $(gate_board - .Lwhere), %ebp
        cmpl    $ROUTES, %eax                   /* only calls with the mailbox route, and only while the helper looks */
        jae     .Lkernel
        btl     %eax, BOARD_ROUTES(%ebp)
        jnc     .Lkernel
        cmpl    $0, BOARD_STRICT(%ebp)
        jne     .Lfirst
        movl    %gs, %ecx
        testl   $0xfffc, %ecx
        jz      .Lkernel                        /* libc has no thread yet */
        movl    %gs:0, %ecx                     /* the place of this thread in the table */
        movl    %ecx, %edx
        shrl    $PLACE_SHIFT, %edx
        andl    $PLACE_MASK, %edx
        cmpl    %ecx, THREAD_KEY(%ebp, %edx)
        movl    THREAD_REQUEST(%ebp, %edx), %edx
        jne     .Lstranger
        testl   %edx, %edx
        jz      .Lkernel
        movl    %edx, %ebp
.Lwindow:
        movl    REQUEST_ORDER(%ebp), %edx
        movl    ORDER_AWAKE(%edx), %ecx
        orl     ORDER_STRICT(%edx), %ecx
        jz      .Lkernel
        movl    $1, %ecx                        /* if (xchg(&request->busy, 1)) go to the kernel; */
        xchgl   %ecx, REQUEST_BUSY(%ebp)
        testl   %ecx, %ecx
        jz      .Lpost

.Lkernel:                                       /* eax = call number */
        call    1f
1:      popl    %ebp
        addl    $(gate_board - 1b), %ebp
        cmpl    $ROUTES, %eax
        jae     .Lplain
        btl     %eax, BOARD_REPEATS(%ebp)
        jnc     .Lplain
        popl    %ebp                            /* interrupted before the helper heard of it: make it again, see core/helper/sites.c */
        popl    %edx
        popl    %ecx
        popfl
        pushl   %eax
1:      int     $0x80
        pushfl
        cmpl    $-EINTR, %eax
        jne     2f
        popfl
        movl    (%esp), %eax
        jmp     1b
2:      popl    (%esp)                          /* the flags take the number's place */
        jmp     catch_return

.Lplain:                                        /* whose EINTR is the program's business */
        popl    %ebp
        popl    %edx
        popl    %ecx
        popfl
        int     $0x80
        pushfl
        jmp     catch_return

gate_forwarded:                                 /* the calls above are the program's and judged, those below its own: STUB_GATE_OWN lies between */
.Lfirst:
        addl    $-REQUESTS_TO_BOARD, %ebp
        jmp     .Lwindow

.Lstranger:                                     /* not in the table: tell the helper, unless somebody else has the place. Until the next call */
        testl   %edx, %edx
        jnz     .Lkernel
        pushl   %eax
        pushl   %ebx
        movl    $SAY_THREAD, %ebx
        movl    $CALL_OF_NURSE, %eax
        int     $0x80
        popl    %ebx
        popl    %eax
        jmp     .Lkernel

.Lpost: movl    %eax, REQUEST_NR(%ebp)            /* post */
        movl    %ebx, REQUEST_ARG0(%ebp)
        movl    SAVED_ECX(%esp), %ecx
        movl    %ecx, REQUEST_ARG1(%ebp)
        movl    SAVED_EDX(%esp), %ecx
        movl    %ecx, REQUEST_ARG2(%ebp)
        movl    %esi, REQUEST_ARG3(%ebp)
        movl    %edi, REQUEST_ARG4(%ebp)
        movl    SAVED_EBP(%esp), %ecx
        movl    %ecx, REQUEST_ARG5(%ebp)
        movl    SAVED(%esp), %ecx
        movl    %ecx, REQUEST_IP(%ebp)
        movl    ORDER_ANSWER_SEQ(%edx), %eax
        movl    %eax, REQUEST_SEEN(%ebp)
        movl    $STATE_POSTED, %ecx
        xchgl   %ecx, REQUEST_STATE(%ebp)

        cmpl    $0, ORDER_AWAKE(%edx)           /* strict: if (!order->awake) write(bell, order, 1); it can go to no kernel */
        jne     .Lwatch
        movl    ORDER_BELL(%edx), %ebx
        movl    %edx, %ecx
        movl    $1, %edx
        movl    $__NR_write, %eax
gate_own:
        int     $0x80
        movl    REQUEST_ORDER(%ebp), %edx
        movl    REQUEST_SEEN(%ebp), %eax

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
        lock cmpxchgl %ecx, REQUEST_STATE(%ebp)
        je      .Lback

        movl    $YIELDS, REQUEST_TRIES(%ebp)      /* taken: yield for a while, then sleep on answer_seq */
.Lyield:
        movl    $__NR_sched_yield, %eax
        int     $0x80
        movl    REQUEST_SEEN(%ebp), %eax
        cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        jne     .Lanswered
        subl    $1, REQUEST_TRIES(%ebp)
        jns     .Lyield
.Lsleep:
        movl    $1, %ecx                        /* waiting = 1 before the kernel looks at answer_seq again */
        xchgl   %ecx, REQUEST_WAITING(%ebp)
        leal    ORDER_ANSWER_SEQ(%edx), %ebx
        movl    $FUTEX_WAIT, %ecx
        movl    %eax, %edx
        xorl    %esi, %esi
        movl    $__NR_futex, %eax
        int     $0x80
        movl    REQUEST_ORDER(%ebp), %edx
        movl    REQUEST_SEEN(%ebp), %eax
        cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        je      .Lsleep
        movl    $0, REQUEST_WAITING(%ebp)

.Lbell: movl    $1, %ecx                        /* strict: waiting = 1; write(bell) in case the helper went to sleep; read(bell) until answered */
        xchgl   %ecx, REQUEST_WAITING(%ebp)
        cmpl    ORDER_ANSWER_SEQ(%edx), %eax
        jne     .Lrung
        movl    ORDER_BELL(%edx), %ebx
        movl    %edx, %ecx
        movl    $1, %edx
        movl    $__NR_write, %eax
        int     $0x80
        movl    REQUEST_SELF(%ebp), %ecx
        addl    $REQUEST_TRIES, %ecx
        movl    $__NR_read, %eax
        int     $0x80
        movl    REQUEST_ORDER(%ebp), %edx
        movl    REQUEST_SEEN(%ebp), %eax
        jmp     .Lbell
.Lrung: movl    $0, REQUEST_WAITING(%ebp)

.Lanswered:
        movl    ORDER_ANSWER_KIND(%edx), %eax
        cmpl    $KIND_VALUE, %eax
        je      .Lvalue
        cmpl    $KIND_TRUSTEE, %eax
        je      .Ltrustee

.Lback: movl    REQUEST_NR(%ebp), %eax            /* only the thread itself can make this call */
        movl    REQUEST_ARG0(%ebp), %ebx
        movl    REQUEST_ARG3(%ebp), %esi
        movl    $0, REQUEST_BUSY(%ebp)
        jmp     .Lkernel

.Ltrustee:                                      /* the trustee works on order answer_value: hand it the CPU until its cell says done */
        movl    $YIELDS, REQUEST_TRIES(%ebp)
.Lhand: movl    REQUEST_ORDER(%ebp), %edx
        cmpl    $KIND_TRUSTEE, ORDER_ANSWER_KIND(%edx)  /* see x86_64 */
        jne     .Lanswered
        movl    ORDER_ANSWER_VALUE(%edx), %eax
        cmpl    %eax, REQUEST_CELL + CELL_DONE(%ebp)
        je      .Ldone
        cmpl    $0, REQUEST_CELL + CELL_ASLEEP(%ebp)
        je      .Lpass
        leal    ORDER_ALARM(%edx), %ebx         /* if (cell->asleep) futex(&order->alarm, FUTEX_WAKE, 1); */
        movl    $FUTEX_WAKE, %ecx
        movl    $1, %edx
        movl    $__NR_futex, %eax
        int     $0x80
.Lpass: movl    $__NR_sched_yield, %eax
        int     $0x80
        subl    $1, REQUEST_TRIES(%ebp)
        jns     .Lhand
        movl    REQUEST_ORDER(%ebp), %edx
        cmpl    $0, ORDER_WAKE(%edx)
        je      .Ltrustee
        movl    ORDER_ANSWER_VALUE(%edx), %eax  /* a call that takes its time: sleep on the cell, the trustee will wake it */
        movl    REQUEST_CELL + CELL_DONE(%ebp), %edx
        cmpl    %eax, %edx
        je      .Ldone
        movl    REQUEST_SELF(%ebp), %ebx
        addl    $(REQUEST_CELL + CELL_DONE), %ebx
        movl    $FUTEX_WAIT, %ecx
        xorl    %esi, %esi
        movl    $__NR_futex, %eax
        int     $0x80
        jmp     .Ltrustee

.Ldone: movl    REQUEST_CELL + CELL_RESULT(%ebp), %eax
        movl    REQUEST_ORDER(%ebp), %edx
        cmpl    $KIND_TRUSTEE, ORDER_ANSWER_KIND(%edx)  /* still ours? */
        jne     .Lanswered
        cmpl    $-ELOOP, %eax                   /* a path that was not what it seemed: have it judged anew */
        je      .Lback
        jmp     .Lleave
.Lvalue:
        movl    ORDER_ANSWER_VALUE(%edx), %eax

.Lleave:
        movl    REQUEST_ARG0(%ebp), %ebx
        movl    REQUEST_ARG3(%ebp), %esi
        movl    $0, REQUEST_BUSY(%ebp)
        popl    %ebp
        popl    %edx
        popl    %ecx
        popfl
        ret
        .size   gate_enter, . - gate_enter

        .section .note.GNU-stack, "", @progbits
