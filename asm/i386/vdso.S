/*
 * vdso: a VDSO without functions, for AT_SYSINFO_EHDR of i386 programs whose time calls must all be system calls.
 *
 * Only data; read by the program's libc. glibc for i386 believes AT_SYSINFO (the gate) only if AT_SYSINFO_EHDR gives an ELF image too, so
 * hiding that entry would switch the gate off. The image needs no hash table: libcs take that for "no symbols". All its
 * addresses are offsets from its first byte, so that it has no relocations. Test: t/11-unit-loader.t.
 */
    .section .note.GNU-stack, "", @progbits

    .section .rodata
    .globl vdso_empty
    .hidden vdso_empty
    .balign 16
vdso_empty:
    .byte 0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .short 3, 3                             /* ET_DYN, EM_386 */
    .long 1, 0                              /* version, no entry */
    .long .Lsegments - vdso_empty, 0, 0     /* program headers, no sections, flags */
    .short 52, 32, 2, 40, 0, 0              /* sizes: header, 2 program headers; no sections */
.Lsegments:
    .long 1, 0, 0, 0, .Lend - vdso_empty, .Lend - vdso_empty, 5, 0x1000     /* PT_LOAD, readable and executable */
    .long 2, .Ldynamic - vdso_empty, .Ldynamic - vdso_empty, 0              /* PT_DYNAMIC */
    .long .Lend - .Ldynamic, .Lend - .Ldynamic, 4, 4
.Lsymbols:
    .long 0, 0, 0, 0                        /* the one that every table begins with */
.Lnames:
    .asciz "\0linux-gate.so.1"
.Lnames_end:
    .balign 4
.Ldynamic:
    .long 14, 2                             /* DT_SONAME */
    .long 5, .Lnames - vdso_empty           /* DT_STRTAB */
    .long 6, .Lsymbols - vdso_empty         /* DT_SYMTAB */
    .long 10, .Lnames_end - .Lnames         /* DT_STRSZ */
    .long 11, 16                            /* DT_SYMENT */
    .long 0, 0                              /* DT_NULL */
.Lend:
