/*
 * gate (x86_64): where redirected system call sites of the program arrive. It runs in the untrustee and is not trusted: all it can do is
 * what the program could do by itself. It posts the call in the thread's request window, waits for the answer, and returns as the kernel
 * would: every register kept but rax (result), rcx (return address) and r11; flags kept; the stack and its red zone never touched.
 *
 * In:  rcx = record of the site (address behind the program's `syscall`, call number), arguments as for the kernel. A thread's window is
 * found by its fs base in the board's table: fs and gs are the program's own, and no register could be kept for nurse.
 * A gate that is busy (a signal handler's call) or whose helper sleeps sends the call to the kernel by way of the trampoline's kernel part
 * (core/helper/sites.c), behind the record. The program's own `syscall` instruction still stands, two bytes before the return address.
 */
#include <asm/unistd_64.h>

#include "offsets.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define ELOOP 40
#define YIELDS 16                               /* hand the CPU over so often before sleeping */
#define RECORD_IP(record) 0(record)
#define RECORD_NR(record) 8(record)
#define FS_SHIFT 16                             /* of the fs base in a key; below it lie the caller's flags */
#define PLACE_SHIFT (FS_SHIFT + 12 - 4)         /* from a key to a place in the table: bits 12..19, 16 bytes each */
#define PLACE_MASK 0xff0
#define THREAD_KEY(place) REQUESTS_TO_BOARD + BOARD_THREADS(place)
#define THREAD_REQUEST(place) REQUESTS_TO_BOARD + BOARD_THREADS + 8(place)
#define FLAG_INTERRUPT 0x200                    /* what a system call leaves in r11 beside the flags that lahf knows */
#define FLAG_OVERFLOW 0x800

        .hidden gate_request
        .hidden gate_board
        .section .gate, "ax", @progbits
        .globl  gate_enter
        .hidden gate_enter
        .type   gate_enter, @function

gate_enter:
        lahf                                    /* r11 = fs << 16 | flags */
        seto    %al
        movzwl  %ax, %eax
        rdfsbase %r11
        shlq    $FS_SHIFT, %r11
        orq     %rax, %r11
        movq    %r11, %rax                      /* rax = place of this thread in the table, as seen from the request windows */
        shrq    $PLACE_SHIFT, %rax
        andl    $PLACE_MASK, %eax
        addq    gate_board + BOARD_REQUESTS(%rip), %rax
        xorq    THREAD_KEY(%rax), %r11          /* if it is ours, only the flags are left */
        movq    THREAD_REQUEST(%rax), %rax
        cmpq    $0xffff, %r11
        ja      .Lstranger
        testq   %rax, %rax
        jz      .Laway
        lock btsl $0, REQUEST_BUSY(%rax)
        jnc     .Lpost

.Laway: movl    %r11d, %eax                     /* to the kernel, nothing noted: r11 has the flags, rcx the record */
        addb    $0x7f, %al
        sahf
        movl    RECORD_NR(%rcx), %eax
        leaq    RECORD_KERNEL(%rcx), %rcx
        jmp     *%rcx

.Lstranger:                                     /* not in the table: tell the helper, unless somebody else has the place. Until the next call */
        testq   %rax, %rax
        jnz     .Laway
        leaq    gate_request + SCRATCH_WINDOW(%rip), %rax
        lock btsl $0, REQUEST_BUSY(%rax)
        jc      .Laway
        movl    %r11d, REQUEST_FLAGS(%rax)
        movq    %rcx, REQUEST_IP(%rax)
        movq    %rdi, REQUEST_ARG0(%rax)
        movq    %rsi, REQUEST_ARG1(%rax)
        rdfsbase %rsi
        shlq    $FS_SHIFT, %rsi
        movl    $SAY_THREAD, %edi
        movl    $CALL_OF_NURSE, %eax
        syscall
        leaq    gate_request + SCRATCH_WINDOW(%rip), %rax
        movq    REQUEST_ARG0(%rax), %rdi
        movq    REQUEST_ARG1(%rax), %rsi
        movq    REQUEST_IP(%rax), %rcx
        movl    REQUEST_FLAGS(%rax), %r11d
        movl    $0, REQUEST_BUSY(%rax)
        jmp     .Laway

.Lpost: movl    %r11d, REQUEST_FLAGS(%rax)      /* note everything that the answer will need; r8 = window from here on */
        movq    %r8, REQUEST_ARG4(%rax)
        movq    %rax, %r8
        movq    %rcx, REQUEST_RECORD(%r8)
        movq    RECORD_IP(%rcx), %r11
        movq    %r11, REQUEST_IP(%r8)
        movl    RECORD_NR(%rcx), %eax
        movq    %rax, REQUEST_NR(%r8)
        movq    %rdi, REQUEST_ARG0(%r8)
        movq    %rsi, REQUEST_ARG1(%r8)
        movq    %rdx, REQUEST_ARG2(%r8)
        movq    %r10, REQUEST_ARG3(%r8)
        movq    %r9, REQUEST_ARG5(%r8)

        movq    REQUEST_ORDER(%r8), %r9         /* r9 = order window */
        cmpl    $0, ORDER_AWAKE(%r9)            /* if (!order->awake) go to the kernel, which wakes the helper */
        je      .Lkernel
        movl    ORDER_ANSWER_SEQ(%r9), %eax     /* seen = order->answer_seq; request->state = POSTED; */
        movl    %eax, REQUEST_SEEN(%r8)
        movl    $STATE_POSTED, %ecx
        xchgl   %ecx, REQUEST_STATE(%r8)

        movl    ORDER_SPINS(%r9), %ecx          /* while (spins-- >= 0) if (order->answer_seq != seen) goto answered; */
.Lspin: cmpl    ORDER_ANSWER_SEQ(%r9), %eax
        jne     .Lanswered
        pause
        subl    $1, %ecx
        jns     .Lspin

        movl    $STATE_POSTED, %eax             /* too long. Not yet taken: take it back and go to the kernel */
        xorl    %ecx, %ecx
        lock cmpxchgl %ecx, REQUEST_STATE(%r8)
        je      .Lkernel

        movl    $YIELDS, REQUEST_TRIES(%r8)     /* taken: yield for a while, then sleep on answer_seq */
.Lyield:
        movl    $__NR_sched_yield, %eax
        syscall
        movl    REQUEST_SEEN(%r8), %eax
        cmpl    ORDER_ANSWER_SEQ(%r9), %eax
        jne     .Lanswered
        subl    $1, REQUEST_TRIES(%r8)
        jns     .Lyield
.Lsleep:
        movl    $1, %ecx                        /* waiting = 1 before the kernel looks at answer_seq again */
        xchgl   %ecx, REQUEST_WAITING(%r8)
        leaq    ORDER_ANSWER_SEQ(%r9), %rdi
        movl    $FUTEX_WAIT, %esi
        movl    %eax, %edx
        xorl    %r10d, %r10d
        movl    $__NR_futex, %eax
        syscall
        movl    REQUEST_SEEN(%r8), %eax
        cmpl    ORDER_ANSWER_SEQ(%r9), %eax
        je      .Lsleep
        movl    $0, REQUEST_WAITING(%r8)

.Lanswered:
        movl    ORDER_ANSWER_KIND(%r9), %eax
        cmpl    $KIND_VALUE, %eax
        je      .Lvalue
        cmpl    $KIND_TRUSTEE, %eax
        je      .Ltrustee

.Lkernel:                                       /* r11 = window, given back last */
        movq    %r8, %r11
        movl    REQUEST_FLAGS(%r11), %eax
        addb    $0x7f, %al
        sahf
        movq    REQUEST_ARG0(%r11), %rdi
        movq    REQUEST_ARG1(%r11), %rsi
        movq    REQUEST_ARG2(%r11), %rdx
        movq    REQUEST_ARG3(%r11), %r10
        movq    REQUEST_ARG4(%r11), %r8
        movq    REQUEST_ARG5(%r11), %r9
        movq    REQUEST_NR(%r11), %rax
        movq    REQUEST_RECORD(%r11), %rcx
        leaq    RECORD_KERNEL(%rcx), %rcx
        movl    $0, REQUEST_BUSY(%r11)
        jmp     *%rcx

.Ltrustee:                                      /* the trustee works on order answer_value: hand it the CPU until its cell says done */
        movl    $YIELDS, REQUEST_TRIES(%r8)
.Lhand: cmpl    $KIND_TRUSTEE, ORDER_ANSWER_KIND(%r9)   /* a signal handler's call needed the trustee: the helper has kept our result */
        jne     .Lanswered
        movl    ORDER_ANSWER_VALUE(%r9), %eax
        cmpl    %eax, REQUEST_CELL + CELL_DONE(%r8)
        je      .Ldone
        cmpl    $0, REQUEST_CELL + CELL_ASLEEP(%r8)
        je      .Lpass
        leaq    ORDER_ALARM(%r9), %rdi          /* if (cell->asleep) futex(&order->alarm, FUTEX_WAKE, 1); */
        movl    $FUTEX_WAKE, %esi
        movl    $1, %edx
        movl    $__NR_futex, %eax
        syscall
.Lpass: movl    $__NR_sched_yield, %eax
        syscall
        subl    $1, REQUEST_TRIES(%r8)
        jns     .Lhand
        cmpl    $0, ORDER_WAKE(%r9)
        je      .Ltrustee
        movl    REQUEST_CELL + CELL_DONE(%r8), %edx     /* a call that takes its time: sleep on the cell, the trustee will wake it */
        cmpl    ORDER_ANSWER_VALUE(%r9), %edx
        je      .Ldone
        leaq    REQUEST_CELL + CELL_DONE(%r8), %rdi
        movl    $FUTEX_WAIT, %esi
        xorl    %r10d, %r10d
        movl    $__NR_futex, %eax
        syscall
        jmp     .Ltrustee

.Ldone: movq    REQUEST_CELL + CELL_RESULT(%r8), %rax
        cmpl    $KIND_TRUSTEE, ORDER_ANSWER_KIND(%r9)   /* still ours? */
        jne     .Lanswered
        cmpq    $-ELOOP, %rax                           /* a path that was not what it seemed: have it judged anew */
        je      .Lkernel
        jmp     .Lleave
.Lvalue:
        movq    ORDER_ANSWER_VALUE(%r9), %rax

.Lleave:                                        /* as after sysret: rcx = address, everything else as it was */
        movq    %r8, %r11
        movq    %rax, %rcx
        movl    REQUEST_FLAGS(%r11), %eax
        addb    $0x7f, %al
        sahf
        movq    %rcx, %rax
        movq    REQUEST_ARG0(%r11), %rdi
        movq    REQUEST_ARG1(%r11), %rsi
        movq    REQUEST_ARG2(%r11), %rdx
        movq    REQUEST_ARG3(%r11), %r10
        movq    REQUEST_ARG4(%r11), %r8
        movq    REQUEST_ARG5(%r11), %r9
        movq    REQUEST_IP(%r11), %rcx
        movl    $0, REQUEST_BUSY(%r11)
        movq    %rax, %r11                      /* r11 = flags, without a change of them */
        lahf
        movzbl  %ah, %eax
        leal    FLAG_INTERRUPT(%rax), %eax
        jno     1f
        leal    FLAG_OVERFLOW(%rax), %eax
1:      xchgq   %rax, %r11
        jmp     *%rcx
        .size   gate_enter, . - gate_enter

        .section .note.GNU-stack, "", @progbits
