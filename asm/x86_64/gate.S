/*
 * gate (x86_64): where redirected system call sites of the program arrive. It runs in the untrustee and is not trusted: all it can do is
 * what the program could do by itself. It posts the call in the request window, waits for the answer, and returns as the kernel would:
 * every register kept but rax (result), rcx (return address) and r11 (flags); flags kept; the stack and its red zone never touched.
 *
 * In:  rax = call number, rcx = address after the program's `syscall`, arguments as for the kernel. The window is found by its distance from the gate, since
 * fs and gs are the program's own.
 * A gate that is busy (a signal handler's call, another thread's) or whose helper sleeps sends the call to the kernel by way of the
 * program's own `syscall` instruction, which still stands two bytes before the return address.
 */
#include <asm/unistd_64.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define ELOOP 40
#define YIELDS 16                               /* hand the CPU over so often before sleeping */
#define SYSCALL_LENGTH 2
#define SLOT(field) (gate_request + field)(%rip)    /* of struct request; stub.lds knows where it is mapped */

        .hidden gate_request
        .section .gate, "ax", @progbits
        .globl  gate_enter
        .hidden gate_enter
        .type   gate_enter, @function

gate_enter:                                     /* if (xchg(&request->busy, 1)) go to the kernel; (nothing here changes flags) */
        movq    %rcx, %r11
        movl    $1, %ecx
        xchgl   %ecx, SLOT(REQUEST_BUSY)
        jrcxz   .Lpost
        leaq    -SYSCALL_LENGTH(%r11), %rcx
        jmp     *%rcx

.Lpost: movq    %r11, SLOT(REQUEST_IP)            /* note everything that the answer will need */
        movq    %rax, SLOT(REQUEST_NR)
        movq    %rdi, SLOT(REQUEST_ARG0)
        movq    %rsi, SLOT(REQUEST_ARG1)
        movq    %rdx, SLOT(REQUEST_ARG2)
        movq    %r10, SLOT(REQUEST_ARG3)
        movq    %r8, SLOT(REQUEST_ARG4)
        movq    %r9, SLOT(REQUEST_ARG5)
        lahf
        seto    %al
        movl    %eax, SLOT(REQUEST_FLAGS)

        movq    SLOT(REQUEST_ORDER), %r11
        cmpl    $0, ORDER_AWAKE(%r11)           /* if (!order->awake) go to the kernel, which wakes the helper */
        je      .Lkernel
        movl    ORDER_ANSWER_SEQ(%r11), %eax    /* seen = order->answer_seq; request->state = POSTED; */
        movl    %eax, SLOT(REQUEST_SEEN)
        movl    $STATE_POSTED, %ecx
        xchgl   %ecx, SLOT(REQUEST_STATE)

        movl    ORDER_SPINS(%r11), %ecx         /* while (spins-- >= 0) if (order->answer_seq != seen) goto answered; */
.Lspin: cmpl    ORDER_ANSWER_SEQ(%r11), %eax
        jne     .Lanswered
        pause
        subl    $1, %ecx
        jns     .Lspin

        movl    $STATE_POSTED, %eax             /* too long. Not yet taken: take it back and go to the kernel */
        xorl    %ecx, %ecx
        lock cmpxchgl %ecx, SLOT(REQUEST_STATE)
        je      .Lkernel

        movl    $YIELDS, SLOT(REQUEST_TRIES)      /* taken: yield for a while, then sleep on answer_seq */
.Lyield:
        movl    $__NR_sched_yield, %eax
        syscall
        movq    SLOT(REQUEST_ORDER), %r11
        movl    SLOT(REQUEST_SEEN), %eax
        cmpl    ORDER_ANSWER_SEQ(%r11), %eax
        jne     .Lanswered
        subl    $1, SLOT(REQUEST_TRIES)
        jns     .Lyield
.Lsleep:
        movl    $1, %ecx                        /* waiting = 1 before the kernel looks at answer_seq again */
        xchgl   %ecx, SLOT(REQUEST_WAITING)
        leaq    ORDER_ANSWER_SEQ(%r11), %rdi
        movl    $FUTEX_WAIT, %esi
        movl    %eax, %edx
        xorl    %r10d, %r10d
        movl    $__NR_futex, %eax
        syscall
        movq    SLOT(REQUEST_ORDER), %r11
        movl    SLOT(REQUEST_SEEN), %eax
        cmpl    ORDER_ANSWER_SEQ(%r11), %eax
        je      .Lsleep
        movl    $0, SLOT(REQUEST_WAITING)

.Lanswered:
        movl    ORDER_ANSWER_KIND(%r11), %eax
        cmpl    $KIND_VALUE, %eax
        je      .Lvalue
        cmpl    $KIND_TRUSTEE, %eax
        je      .Ltrustee

.Lkernel:                                       /* the program's own instruction makes the call */
        movl    SLOT(REQUEST_FLAGS), %eax
        addb    $0x7f, %al
        sahf
        movq    SLOT(REQUEST_ARG0), %rdi
        movq    SLOT(REQUEST_ARG1), %rsi
        movq    SLOT(REQUEST_ARG2), %rdx
        movq    SLOT(REQUEST_ARG3), %r10
        movq    SLOT(REQUEST_NR), %rax
        movq    SLOT(REQUEST_IP), %rcx
        movl    $0, SLOT(REQUEST_BUSY)
        leaq    -SYSCALL_LENGTH(%rcx), %rcx
        jmp     *%rcx

.Ltrustee:                                      /* the trustee works on order answer_value: hand it the CPU until its cell says done */
        movl    $YIELDS, SLOT(REQUEST_TRIES)
.Lhand: movl    ORDER_ANSWER_VALUE(%r11), %eax
        cmpl    %eax, SLOT(REQUEST_CELL + CELL_DONE)
        je      .Ldone
        cmpl    $0, SLOT(REQUEST_CELL + CELL_ASLEEP)
        je      .Lpass
        leaq    ORDER_SEQ(%r11), %rdi           /* if (cell->asleep) futex(&order->seq, FUTEX_WAKE, 1); */
        movl    $FUTEX_WAKE, %esi
        movl    $1, %edx
        movl    $__NR_futex, %eax
        syscall
.Lpass: movl    $__NR_sched_yield, %eax
        syscall
        movq    SLOT(REQUEST_ORDER), %r11
        subl    $1, SLOT(REQUEST_TRIES)
        jns     .Lhand
        cmpl    $0, ORDER_WAKE(%r11)
        je      .Ltrustee
        movl    SLOT(REQUEST_CELL + CELL_DONE), %edx      /* a call that takes its time: sleep on the cell, the trustee will wake it */
        cmpl    ORDER_ANSWER_VALUE(%r11), %edx
        je      .Ldone
        movq    SLOT(REQUEST_SELF), %rdi
        addq    $(REQUEST_CELL + CELL_DONE), %rdi
        movl    $FUTEX_WAIT, %esi
        xorl    %r10d, %r10d
        movl    $__NR_futex, %eax
        syscall
        movq    SLOT(REQUEST_ORDER), %r11
        jmp     .Ltrustee

.Ldone: movq    SLOT(REQUEST_CELL + CELL_RESULT), %rax
        cmpq    $-ELOOP, %rax                           /* a path that was not what it seemed: have it judged anew */
        je      .Lkernel
        jmp     .Lleave
.Lvalue:
        movq    ORDER_ANSWER_VALUE(%r11), %rax

.Lleave:                                        /* as after sysret: rcx = address, r11 = flags, everything else as it was */
        movq    %rax, %rcx
        movl    SLOT(REQUEST_FLAGS), %eax
        movzbl  %ah, %edx
        movzbl  %al, %esi
        shll    $11, %esi
        leal    0x200(%rdx, %rsi), %r11d
        addb    $0x7f, %al
        sahf
        movq    %rcx, %rax
        movq    SLOT(REQUEST_ARG0), %rdi
        movq    SLOT(REQUEST_ARG1), %rsi
        movq    SLOT(REQUEST_ARG2), %rdx
        movq    SLOT(REQUEST_ARG3), %r10
        movq    SLOT(REQUEST_IP), %rcx
        movl    $0, SLOT(REQUEST_BUSY)
        jmp     *%rcx
        .size   gate_enter, . - gate_enter
        .balign 4096, 0xcc

        .section .note.GNU-stack, "", @progbits
