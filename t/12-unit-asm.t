#!/usr/bin/perl
# The trustee, the gate and the catch, as objdump sees them: in the objects, in the linked stubs, and in the bytes embedded in nurse itself.
# t/lib/Asm.pm has the lists of what is allowed; mutants of the source show that it refuses everything else.

use strict;
use warnings;
use lib 't/lib';
use Asm qw(offsets constants disassemble_section disassemble_bytes section_bytes relocations check_trustee check_gate check_catch);
use File::Temp qw(tempdir);
use Test::More;

alarm 120;

my $build = $ENV{BUILD} // 'build';
my $nurse = $ENV{NURSE} // "$build/nurse";
my $dir = tempdir('nurse-asm-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $o = offsets("$build/gen/offsets.h");
my $layout = constants('core/mailbox/layout.h', qw(STUB_TRUSTEE STUB_GATE KEEP_REQUEST));
my %class = (x86_64 => 64, i386 => 32);

# Where the catch begins in the gate's page, and where in the catch a newborn does.
my ($catch, $born) = map { hex } slurp('core/mailbox/layout.h') =~ /STUB_CATCH = STUB_GATE \+ (0x\w+),.*STUB_BORN = STUB_CATCH \+ (0x\w+),/s;

# The calls that a trustee makes of its own: sched_yield, futex, set_robust_list, exit, exit_group.
my %numbers = (x86_64 => [24, 202, 273, 60, 231], i386 => [158, 240, 311, 1, 252]);
my %least = (trustee => 200, gate => 120);

sub slurp {
    my ($file) = @_;
    open my $in, '<:raw', $file or die "$file: $!";
    local $/ = undef;
    return scalar <$in>;
}

sub spew {
    my ($file, $bytes) = @_;
    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} $bytes;
    close $out or die "$file: $!";
    return $file;
}

# Where a gate of i386 leaves for the catch, seen from its beginning; in the objects nobody knows yet.
my %beyond = (x86_64 => -1, i386 => -1);

sub check {
    my ($room, $instructions, $arch) = @_;
    return $room eq 'trustee' ? check_trustee($instructions, $arch, $o, $numbers{$arch}) : check_gate($instructions, $arch, $beyond{$arch});
}

# One test: the instructions pass, there are enough of them, and they fill so many bytes.
sub clean {
    my ($room, $instructions, $arch, $size, $name) = @_;
    my @complaints = check($room, $instructions, $arch);
    my $bytes = 0;
    $bytes += $_->{size} for @$instructions;
    my $code = grep { $_->{op} ne 'int3' } @$instructions;
    push @complaints, "only $code instructions" if $code < $least{$room};
    push @complaints, "$bytes bytes, not $size" if $bytes != $size;
    splice @complaints, 10, @complaints, '...' if @complaints > 10;
    ok(!@complaints, $name) or diag(join "\n", @complaints);
    return;
}

# --- what was built --------------------------------------------------------------------------------------

sub symbols {
    my ($file) = @_;
    return { map { /^([0-9a-f]+) \w (\w+)$/ ? ($2 => hex $1) : () } `nm \Q$file\E` };
}

# The bytes between two symbols in .rodata of nurse.
sub embedded {
    my ($name) = @_;
    my $symbols = symbols($nurse);
    my ($from, $to) = @$symbols{ $name, "${name}_end" };
    return '' unless defined $from && defined $to;
    my ($vma) = map { hex((split)[3]) } grep { / \.rodata / } `objdump -h -w \Q$nurse\E`;
    return substr section_bytes($nurse, '.rodata'), $from - $vma, $to - $from;
}

# A page of a stub: where the loadable segment begins in the file, plus the page's place.
sub stub_page {
    my ($bytes, $arch, $place) = @_;
    my ($phoff) = unpack $arch eq 'x86_64' ? 'x32 Q' : 'x28 L', $bytes;
    my ($offset) = unpack $arch eq 'x86_64' ? 'x8 Q' : 'x4 L', substr $bytes, $phoff;
    return substr $bytes, $offset + $place, 4096;
}

# The gate's page: gate, then room, then the catch. Both have addresses in them that only the linker knows, so the stub's bytes are what is checked.
sub gate_page {
    my ($page, $arch, $symbols, $name) = @_;
    my $object = "$build/$class{$arch}/asm/$arch";
    my ($gate, $caught) = (length section_bytes("$object/gate.o", '.gate'), length section_bytes("$object/catch.o", '.catch'));
    ok($gate <= $catch && $caught <= 4096 - $catch, "$name: gate and catch have room");
    $beyond{$arch} = $symbols->{catch_return} - $layout->{STUB_GATE} if $symbols->{catch_return};
    clean('gate', disassemble_bytes(spew("$dir/gate", substr $page, 0, $gate), $arch), $arch, $gate, "$name: the gate");
    my @entries = (0, $born, $symbols->{catch_return} ? $beyond{$arch} - $catch : ());
    my @complaints = check_catch(disassemble_bytes(spew("$dir/catch", substr $page, $catch, $caught), $arch), $arch, @entries);
    ok(!@complaints, "$name: the catch") or diag(join "\n", @complaints);
}

my %place = (trustee => $layout->{STUB_TRUSTEE}, gate => $layout->{STUB_GATE});
my @outside = qw(gate_request gate_board catch_return);
for my $arch (sort keys %class) {
    my $stub = embedded("stub_$arch");
    my ($file, $object) = ("$build/$class{$arch}/stub.elf", "$build/$class{$arch}/asm/$arch");
    my $symbols = symbols($file);
    ok(length $stub > 0x3000 && $stub eq slurp($file), "$arch: the stub in nurse is stub.elf, byte for byte");

    clean('trustee', disassemble_section("$object/trustee.o", '.trustee'), $arch, 4096, "$arch trustee: the object");
    is(relocations("$object/trustee.o", '.trustee'), 0, "$arch trustee: nothing to relocate");
    clean('trustee', disassemble_section($file, '.trustee'), $arch, 4096, "$arch trustee: the stub");
    my $page = stub_page($stub, $arch, $place{trustee});
    clean('trustee', disassemble_bytes(spew("$dir/page", $page), $arch), $arch, 4096, "$arch trustee: the page in nurse, where layout.h says");
    ok($page eq section_bytes("$object/trustee.o", '.trustee'), "$arch trustee: the page in nurse is the object's section");
    cmp_ok($symbols->{trustee_run}, '==', $place{trustee}, "$arch: the trustee begins where its page does");

    is(relocations("$object/$_.o", ".$_", @outside), 0, "$arch $_: nothing to relocate but its distance from windows and catch") for qw(gate catch);
    gate_page(section_bytes($file, '.gate'), $arch, $symbols, "$arch gate's page: the stub");
    gate_page(stub_page($stub, $arch, $place{gate}), $arch, $symbols, "$arch gate's page in nurse, where layout.h says");
    is(length section_bytes($file, '.gate'), 4096, "$arch: gate and catch are a page");
    cmp_ok($symbols->{gate_enter}, '==', $place{gate}, "$arch: the gate begins where the page does");
    cmp_ok($symbols->{catch_enter}, '==', $place{gate} + $catch, "$arch: the catch in its middle");
    cmp_ok($symbols->{catch_born}, '==', $place{gate} + $catch + $born, "$arch: and the newborn's entry 16 bytes on");
    cmp_ok($symbols->{gate_request}, '==', $layout->{KEEP_REQUEST}, "$arch: the stub knows where request windows lie");
    cmp_ok($symbols->{gate_board} - $symbols->{gate_request}, '==', $o->{REQUESTS_TO_BOARD}, "$arch: and the board");
}

# --- mutants: the checker must refuse each of them -------------------------------------------------------

# A changed copy of asm/ARCH/ROOM.S, assembled; nothing when it does not assemble.
sub mutant {
    my ($arch, $room, $change) = @_;
    local $_ = slurp("asm/$arch/$room.S");
    my $before = $_;
    $change->();
    return if $_ eq $before && $change != \&same;
    spew("$dir/mutant.S", $_);
    my $error = `gcc -m$class{$arch} -I. -I$build/gen -c -o $dir/mutant.o $dir/mutant.S 2>&1`;
    diag($error) if $?;
    return $? ? undef : "$dir/mutant.o";
}

sub same { return }

# Lines put in front of the execution of an order, or behind it: a place that every order passes.
sub insert { my ($text) = @_; return sub { s/^(\.Lexecute:.*\n)/$1$text\n/m } }
sub append { my ($text) = @_; return sub { s/^(\.Lexit:.*\n)/$1$text\n/m } }
sub edit   {
    my ($from, $to) = @_;
    return sub { s{$from}{ my @part = ('', $1, $2); $to =~ s/\$(?|([12])|\{([12])\})/$part[$1] \/\/ ''/ger }me };
}

my @both = (
    ['a call',                       insert('call trustee_run'),              qr/call.*not on the list/],
    ['a return',                     insert('ret'),                           qr/ret.*not on the list/],
    ['an unknown instruction',       insert('rdtsc'),                         qr/rdtsc.*not on the list/],
    ['a string instruction',         insert('rep stosb'),                     qr/stos.*not on the list/],
    ['a jump into an instruction',   insert('jmp .Lexecute + 1'),             qr/jumps to no instruction/],
    ['a jump out of the page',       edit('jmp     \.Lreport', 'jmp . + 8192'), qr/jumps to no instruction/],
    ['a jump into the padding',      edit('jmp     \.Lreport', 'jmp trustee_run + 4095'), qr/jumps to no instruction/],
    ['a conditional jump elsewhere', insert('je .Lexecute + 3'),              qr/jumps to no instruction/],
    ['a jump to a symbol',           insert('jmp elsewhere'),                 qr/jumps to no instruction|relocation/],
    ['no end',                       edit('jmp     \*%(?:r15|ebp)\n(        \.size   trustee_boot)', "nop\n\$1"), qr/the boot should have/],
    ['no end, all allowed',          edit('jmp     \*%(?:r15|ebp)\n(        \.size   trustee_boot)', "mfence\n\$1"), qr/the boot should have/],
    ['code that nothing reaches',    edit('(\.Lexit:)', "ud2\n\$1"),          qr/not reachable|control|jumps/],
    ['code behind the end',          edit('(\.size   trustee_run)', "mfence\n        ud2\n        \$1"), qr/not reachable/],
    ['an exit that goes on',         edit('(\.Lexit:(?:.*\n){4})        ud2', "\$1        mfence"), qr/runs into the newborn/],
    ['a call of its own: execve',    append("movl \$11, %eax\n        KERNEL"), qr/is not the trustee's/],
    ['a number from a register',     append("movl %edx, %eax\n        KERNEL"), qr/number from/],
    ['a second order',               append("LOAD(ORDER_NR)\n        KERNEL"), qr/2 calls with the number/],
    ['a number from another field',  append("LOAD(ORDER_ARG0)\n        KERNEL"), qr/number from/],
    ['a jump in front of a call',    edit('(movl    \$FUTEX_WAIT,)', "je 7f\n        \$1"), qr/number from nowhere/],
    ['half a write to eax',          append("movl \$1, %eax\n        shll \$1, %eax\n        KERNEL"), qr/number from nowhere/],
);

# Of the pieces that are spelled out.
my @pieces = (
    ['a second clone',               append("movl \$__NR_clone, %eax\n        KERNEL"),   qr/2 clones/],
    ['no clone',                     edit('(movl    \$)__NR_clone', '$1__NR_fork'),      qr/0 clones/],
    ['a clone with another argument', edit('(\.Lspawn:(?:.*\n)*?.*ORDER_ARG)1', '$12'),   qr/the spawn should have/],
    ['a clone whose zero is a result', edit('        jz      \.Lborn\n', ''),     qr/the spawn should have/],
    ['a parent that is born',        edit('jz      \.Lborn', 'jnz     .Lborn'),          qr/the spawn should have/],
    ['a newborn that is no newborn', edit('jz      \.Lborn', 'jz      .Lexit'),          qr/the newborn should have/],
    ['a way to the newborn',         edit('(\.Lspawn:)', "je      .Lborn\n\$1"),         qr/jumps into the newborn/],
    ['a way to its middle',          edit('(\.Lspawn:)', "je      .Lhello\n\$1"),        qr/jumps into the newborn/],
    ['a way to its end',             sub { s/^(\.Lspawn:)/je 8f\n$1/m; s/^(.*jmp     \*%(?:r13|eax)\n)/8: $1/m }, qr/jumps into the newborn/],
    ['a way to the boot',            edit('(\.Lspawn:)', "je      trustee_boot\n\$1"),   qr/jumps into the boot/],
    ['a way into the boot',          sub { s/^(\.Lspawn:)/je 8f\n$1/m; s/^(trustee_boot:\n.*\n)/${1}8:/m }, qr/jumps into the boot/],
    ['a way into the spawn',         sub { s/^(\.Lexecute:)/jne 8b\n$1/m; s/(__NR_clone, %eax\n)/${1}8:/ }, qr/jumps into the spawn/],
    ['a newborn of another kind',    edit('(\.Lborn:.*)BIRTH_KIND', '$1BIRTH_SELECTORS'), qr/the newborn should have/],
    ['another order window',         edit('BIRTH_ORDER', 'ORDER_ARG0'),                  qr/the newborn should have/],
    ['another cell',                 edit('BIRTH_CELL', 'BIRTH_ORDER'),                  qr/the newborn should have/],
    ['a newborn that stores',        edit('(\.Lborn:)', "\$1  STORE\n"),                   qr/the newborn should have/],
    ['a newborn with more to do',    edit('(\.Lhello:)', "mfence\n\$1"),                 qr/the newborn should have/],
    ['a step that is not last',      edit('BIRTH_HELLO', 'BIRTH_LOCK'),                  qr/the newborn should have/],
    ['a step left out',              edit('(\.irp k, )0, ', '$1'),                       qr/the newborn should have/],
    ['a step twice',                 edit('(\.irp k, )0, ', '${1}0, 0, '),               qr/the newborn should have/],
    ['steps in another order',       edit('(\.irp k, )0, 1', '${1}1, 0'),                qr/the newborn should have/],
    ['one window instead of two',    edit('(\.irp at, BIRTH_MAP, BIRTH_MAP\+)3', '${1}0'), qr/the newborn should have/],
    ['a step that may fail',         edit('(\.macro STEP at\n(?:.*\n)*?)        ja      \.Ldie\n', '$1'), qr/the newborn should have/],
    ['a failure that goes on',       edit('(\.macro STEP at\n(?:.*\n)*?.*ja      )\.Ldie', '$1.Lwait'), qr/the newborn should have/],
    ['another limit of failure',     edit('FAILED -4096', 'FAILED -1'),                  qr/the newborn should have/],
    ['another nothing',              edit('(\.macro STEP at\n(?:.*\n)*?.*)STEP_NOTHING', '${1}STEP_SIZE'), qr/the newborn should have/],
    ['a trustee that goes on',       edit('(\.Lhello:(?:.*\n)*?        je      )\.Lwait', '$1 1f'), qr/the newborn should have/],
    ['a trustee\'s copy that goes on', edit('(LOAD_STEP BIRTH_TRUSTEE(?:.*\n)*?        jz      )\.Lwait', '$1.Lhello'), qr/the newborn should have/],
    ['another way on',               edit('BIRTH_RESUME', 'BIRTH_CELL'),                 qr/the newborn should have/],
    ['an untrustee without its lock', sub { s/^        STEP    BIRTH_LOCK\n//m || s/movl    \$__NR_seccomp, %eax\n.*int.*\n// }, qr/the newborn should have/],
    ['another first call',           edit('CALL_OF_NURSE', '__NR_execve'),               qr/the boot should have/],
    ['another first report',         edit('SAY_BOOT', 'SAY_THREAD'),                     qr/the boot should have/],
    ['a boot that goes elsewhere',   edit('(trustee_boot:(?:.*\n){4}        jmp     \*)%(?:r15|ebp)', '$1WINDOWS'), qr/the boot should have/],
    ['a second boot',                edit('(        \.size   trustee_boot)', "movl \$SAY_BOOT, %edi\n        KERNEL\n        jmp *LAST\n\$1"),
                                     qr/the boot should have/],
    ['code in front of the boot',    edit('(trustee_boot:\n)', "\$1 mfence\n"),          qr/not reachable/],
);
my %piece = (
    x86_64 => [
        ['windows the wrong way round',  edit('(        movq    BIRTH_CELL.*\n)(.*\n)', '$2$1'), qr/the newborn should have/],
        ['the old order window',         edit('(        movq    BIRTH_ORDER.*\n)', ''),  qr/the newborn should have/],
        ['a window beside the newborn',  insert('movq BIRTH_CELL(%rbx), %rbp'),          qr/not on the list/],
        ['an order window beside it',    insert('movq BIRTH_ORDER(%rbx), %rbx'),         qr/not on the list/],
        ['a birth read by a trustee',    insert('movq BIRTH_RESUME(%rbx), %rax'),        qr/not on the list/],
        ['the jump that is the newborn\'s', insert('jmp *%r13'),                        qr/not on the list/],
        ['the jump that is the boot\'s', insert('jmp *%r15'),                            qr/not on the list/],
        ['the boot\'s register',         insert('movq %rax, %r15'),                      qr/not on the list/],
        ['a descriptor in another place', edit('(movq    %r14, )%r8', '$1%r9'),           qr/the newborn should have/],
        ['a descriptor before its step', edit('(        LOAD_STEP \\\\at\+STEP_SIZE\n)(.*\n)', '$2$1'), qr/the newborn should have/],
        ['a thread id from the window',  edit('(        LOAD_STEP BIRTH_HELLO\n).*\n', '$1'), qr/the newborn should have/],
        ['resumed by a result',          edit('jmp     \*%r13', 'jmp     *%r14'),        qr/the newborn should have/],
        ['resumed through memory',       edit('jmp     \*%r13', 'jmp     *BIRTH_RESUME(%rbx)'), qr/the newborn should have/],
        ['locked too late',              edit('(        STEP    BIRTH_LOCK\n)(        jmp     \*%r13\n)', '$2$1'), qr/the newborn should have/],
        ['a comparison with the cell',   insert('test %eax, CELL_DONE(%rbp)'),           qr/not on the list/],
        ['a test of two registers',      insert('test %rax, %rdx'),                      qr/not on the list/],
        ['an unsigned branch',           insert('ja .Ldie'),                             qr/not on the list/],
    ],
    i386 => [
        ['a selector of a result',       edit('(movd    )%mm6, %ecx', '$1%mm2, %ecx'),    qr/the newborn should have/],
        ['segments the wrong way round', edit('(        movw    %cx, %)fs', '$1gs'),      qr/the newborn should have/],
        ['a segment beside the newborn', insert('movw %cx, %fs'),                        qr/not on the list/],
        ['a cell beside it',             insert('movw %cx, %gs'),                        qr/not on the list/],
        ['another segment',              insert('movw %ax, %es'),                        qr/not on the list/],
        ['an address for futex of another field', edit('(BIRTH_CELL, %eax\n        movd    %eax, )%mm4', '$1%mm3'), qr/the newborn should have/],
        ['what the newborn keeps',       insert('movd %eax, %mm5'),                      qr/not on the list/],
        ['where it goes on',             insert('movd %eax, %mm6'),                      qr/not on the list/],
        ['what it kept, read',           insert('movd %mm6, %eax'),                      qr/not on the list/],
        ['a segment that was not set',   edit('(        movl    \$__NR_set_thread_area, %eax\n.*\n.*\n)        jnz     \.Ldie\n', '$1'),
                                         qr/the newborn should have/],
        ['another descriptor',           edit('(BIRTH_SEGMENT \+ )STEP_SIZE \+ ', '$1'),  qr/the newborn should have/],
        ['a call with set_thread_area',  append("movl \$__NR_set_thread_area, %eax\n        int \$0x80"), qr/is not the trustee's/],
        ['a descriptor in another place', edit('(movd    %mm2, )%edi', '$1%esi'),         qr/the newborn should have/],
        ['a filter from a register',     edit('(        movd    )%mm5, %edx', '$1%mm2, %edx'), qr/the newborn should have/],
        ['another way to lock',          edit('(movl    \$)SECCOMP_SET_MODE_FILTER', '${1}2'), qr/the newborn should have/],
        ['a lock that failed',           edit('(__NR_seccomp, %eax\n.*\n.*\n)        jnz     \.Ldie\n', '$1'), qr/the newborn should have/],
        ['resumed by a result',          edit('(movd    )%mm6, %eax\n        jmp', "\$1%mm2, %eax\n        jmp"), qr/the newborn should have/],
        ['the cell of another',          edit('(movd    )%mm4, %ebp', '$1%mm3, %ebp'),    qr/the newborn should have/],
        ['the jump that is the newborn\'s', insert('jmp *%eax'),                        qr/not on the list/],
        ['the jump that is the boot\'s', insert('jmp *%ebp'),                            qr/not on the list/],
        ['an unsigned branch',           insert('ja .Ldie'),                             qr/not on the list/],
    ],
);

my %only = (
    x86_64 => [
        ['a push',                       insert('pushq %rax'),                 qr/push.*not on the list/],
        ['a pop',                        insert('popq %rax'),                  qr/pop.*not on the list/],
        ['a load from the stack',        insert('movq (%rsp), %rax'),          qr/not on the list/],
        ['a store to the stack',         insert('movq %rax, -8(%rsp)'),        qr/not on the list/],
        ['the stack pointer read',       insert('movq %rsp, %rax'),            qr/not on the list/],
        ['the stack pointer set',        insert('xorl %esp, %esp'),            qr/not on the list/],
        ['an address on the stack',      insert('leaq 8(%rsp), %rdi'),         qr/not on the list/],
        ['a store to the order window',  insert('movl %eax, ORDER_COMMAND(%rbx)'), qr/not on the list/],
        ['an immediate stored there',    insert('movl $1, ORDER_COMMAND(%rbx)'), qr/not on the list/],
        ['a load from the cell',         insert('movl CELL_DONE(%rbp), %eax'), qr/not on the list/],
        ['a comparison with the cell',   insert('cmpl $0, CELL_ASLEEP(%rbp)'), qr/not on the list/],
        ['an exchange with the cell',    insert('xchgl %eax, CELL_DONE(%rbp)'), qr/not on the list/],
        ['a load from anywhere',         insert('mov (%rax), %rax'),           qr/not on the list/],
        ['a store to anywhere',          insert('movl %eax, (%rdi)'),          qr/not on the list/],
        ['a load beside the code',       insert('movq .Lexit(%rip), %rax'),    qr/not on the list/],
        ['an absolute load',             insert('movabs 0x1122334455667788, %rax'), qr/not on the list/],
        ['an index',                     insert('movq ORDER_ARG0(%rbx,%rax,8), %rax'), qr/not on the list/],
        ['a segment',                    insert('movq %fs:0, %rax'),           qr/not on the list/],
        ['a load beyond the fields',     insert('movl ORDER_ANSWER_VALUE(%rbx), %eax'), qr/not on the list/],
        ['a load of the bytes',          insert('movl 0x1000(%rbx), %eax'),    qr/not on the list/],
        ['a load in front of the window', insert('movl -4(%rbx), %eax'),       qr/not on the list/],
        ['a load between fields',        insert('movl 2(%rbx), %eax'),         qr/not on the list/],
        ['a load wider than its field',  insert('movq ORDER_COMMAND(%rbx), %rax'), qr/not on the list/],
        ['a store behind the cell',      insert('movl %eax, 16(%rbp)'),        qr/not on the list/],
        ['a store in front of the cell', insert('movl %eax, -4(%rbp)'),        qr/not on the list/],
        ['a store wider than its field', insert('movq %rax, CELL_ASLEEP(%rbp)'), qr/not on the list/],
        ['the order window moved',       insert('movq %rax, %rbx'),            qr/not on the list/],
        ['the cell moved',               insert('subq $8, %rbp'),              qr/not on the list/],
        ['an order loaded over a window', insert('movq ORDER_ARG0(%rbx), %rbp'), qr/not on the list/],
        ['a register the kernel changes', insert('movl $1, %ecx'),             qr/not on the list/],
        ['an indirect jump',             insert('jmp *%rax'),                  qr/not on the list/],
        ['a jump through memory',        insert('jmp *ORDER_ARG0(%rbx)'),      qr/not on the list/],
        ['the other call instruction',   insert('int $0x80'),                  qr/not on the list/],
        ['an interrupt',                 insert('int $0x2e'),                  qr/not on the list/],
        ['a vector store',               insert('movq %xmm0, CELL_DONE(%rbp)'), qr/not on the list/],
        ['a prefix',                     insert('lock orl %eax, CELL_DONE(%rbp)'), qr/not on the list/],
        ['bytes that are no code',       insert('.byte 0x06'),                 qr/not on the list/],
    ],
    i386 => [
        ['a push',                       insert('pushl %eax'),                 qr/push.*not on the list/],
        ['a load from the stack',        insert('movl (%esp), %eax'),          qr/not on the list/],
        ['the stack pointer read',       insert('movl %esp, %eax'),            qr/not on the list/],
        ['the stack pointer set',        insert('movl %eax, %esp'),            qr/not on the list/],
        ['a store to the order window',  insert('movl %eax, %fs:ORDER_COMMAND'), qr/not on the list/],
        ['an immediate stored there',    insert('movl $1, %fs:ORDER_COMMAND'), qr/not on the list/],
        ['a load from the cell',         insert('movl %gs:CELL_DONE, %eax'),   qr/not on the list/],
        ['a load from anywhere',         insert('movl (%eax), %eax'),          qr/not on the list/],
        ['a store to anywhere',          insert('movl %eax, (%ebx)'),          qr/not on the list/],
        ['an absolute load',             insert('movl 0x11223344, %eax'),      qr/not on the list/],
        ['a load by symbol',             insert('movl trustee_run, %eax'),     qr/not on the list/],
        ['an index in the window',       insert('movl %fs:ORDER_ARG0(%eax), %eax'), qr/not on the list/],
        ['a load beyond the fields',     insert('movl %fs:ORDER_ANSWER_VALUE, %eax'), qr/not on the list/],
        ['a load of the bytes',          insert('movl %fs:0x1000, %eax'),      qr/not on the list/],
        ['a store behind the cell',      insert('movl %eax, %gs:16'),          qr/not on the list/],
        ['the window moved',             insert('movw %ax, %fs'),              qr/not on the list/],
        ['the cell moved',               insert('movl %eax, %gs'),             qr/not on the list/],
        ['a segment popped',             insert('popl %gs'),                   qr/not on the list/],
        ['the address for futex changed', insert('movd %eax, %mm3'),           qr/not on the list/],
        ['the bell\'s address changed',  insert('movd %eax, %mm4'),            qr/not on the list/],
        ['an MMX load',                  insert('movd %fs:ORDER_SEQ, %mm0'),   qr/not on the list/],
        ['an MMX store',                 insert('movd %mm0, %gs:CELL_DONE'),   qr/not on the list/],
        ['an indirect jump',             insert('jmp *%eax'),                  qr/not on the list/],
        ['a jump through memory',        insert('jmp *%fs:ORDER_ARG0'),        qr/not on the list/],
        ['a far call',                   insert('lcall $0x33, $0'),            qr/not on the list/],
        ['another gate',                 insert('sysenter'),                   qr/not on the list/],
        ['an interrupt',                 insert('int $0x81'),                  qr/not on the list/],
        ['the kernel\'s own VDSO',       insert('call *%gs:0x10'),             qr/not on the list/],
    ],
);

# The words in @both that are spelled differently.
sub spell {
    my ($arch) = @_;
    my %word = $arch eq 'x86_64' ? (KERNEL => 'syscall', LAST => '%r15', WINDOWS => '%rax', STORE => 'movq %rax, CELL_RESULT(%rbp)')
                                 : (KERNEL => 'int $0x80', LAST => '%ebp', WINDOWS => '%eax', STORE => 'movl %eax, %gs:CELL_RESULT');
    return sub {
        s/\b(KERNEL|LAST|WINDOWS|STORE)\b/$word{$1}/g;
        s/\bLOAD\((\w+)\)/$arch eq 'x86_64' ? "movq $1(%rbx), %rax" : "movl %fs:$1, %eax"/ge;
    };
}

# A label for the mutant that jumps to just before a call instruction.
sub land {
    my ($arch) = @_;
    my $call = $arch eq 'x86_64' ? 'syscall' : 'int     \$0x80';
    return sub { s/(__NR_futex, %eax\n)(\s+$call)/$1 7:$2/ };
}

for my $arch (sort keys %class) {
    my $object = mutant($arch, 'trustee', \&same);
    clean('trustee', disassemble_section($object, '.trustee'), $arch, 4096, "$arch: the unchanged source passes");
    for (@both, @pieces, @{ $only{$arch} }, @{ $piece{$arch} }) {
        my ($name, $change, $expected) = @$_;
        my ($spell, $land) = (spell($arch), land($arch));
        $object = mutant($arch, 'trustee', sub { $change->(); $spell->(); $land->() if /je 7f/ });
        if (!$object) { fail("$arch, mutant: $name"); next }
        my @complaints = check('trustee', disassemble_section($object, '.trustee'), $arch);
        push @complaints, 'relocation' if relocations($object, '.trustee');
        like(join("\n", @complaints), $expected, "$arch, mutant: $name");
    }
}

# Gates.
my @gates = (
    ['x86_64', 'a push in the red zone', edit('(\.Lpost:)', "\$1 pushq %rax\n"), qr/touches the stack/],
    ['x86_64', 'flags by the stack',     edit('(\.Lpost:)', "\$1 pushfq\n"),     qr/touches the stack/],
    ['x86_64', 'a store below the stack', edit('(\.Lpost:)', "\$1 movq %rax, -8(%rsp)\n"), qr/touches the stack/],
    ['x86_64', 'a return',               edit('(\.Lpost:)', "\$1 ret\n"),        qr/touches the stack/],
    ['x86_64', 'a call',                 edit('(\.Lpost:)', "\$1 call gate_enter\n"), qr/not for a gate/],
    ['x86_64', 'a string instruction',   edit('(\.Lpost:)', "\$1 cld\n"),        qr/not for a gate/],
    ['x86_64', 'the program\'s memory',  edit('(\.Lpost:)', "\$1 movq (%rdi), %rax\n"), qr/neither load nor store of the windows/],
    ['x86_64', 'an indirect jump elsewhere', edit('(\.Lpost:)', "\$1 jmp *%rdi\n"), qr/jumps to no instruction/],
    ['x86_64', 'no end',                 edit('jmp     \*%rcx\n        \.size', ".size"), qr/control runs out/],
    ['i386',   'a push too many',        edit('(\.Lpost:)', "\$1 pushl %eax\n"), qr/bytes on the stack/],
    ['i386',   'a pop too few',          edit('(\.Lleave:(?:.*\n){4})        popl    %ebp\n', '$1'), qr/bytes on the stack/],
    ['i386',   'an early return',        edit('(\.Lpost:)', "\$1 ret\n"),        qr/returns with 16 bytes/],
    ['i386',   'the stack moved',        edit('(\.Lpost:)', "\$1 subl \$4, %esp\n"), qr/changes the stack pointer/],
    ['i386',   'a load of the caller\'s frame', edit('SAVED\(%esp\)', '20(%esp)'), qr/reads beyond the return address/],
    ['i386',   'the program\'s thread area', edit('movl    %gs:0,', 'movl    %gs:4,'),            qr/neither load nor store of the windows/],
    ['i386',   'a way to the catch with too much', edit('(\.Lpost:)', "\$1 jmp catch_return\n"), qr/to the catch with 16 bytes/],
    ['i386',   'to the catch without flags', edit('(        jmp     catch_return)', "        popfl\n\$1"), qr/to the catch with 0 bytes/],
    ['i386',   'the program\'s memory',  edit('(\.Lpost:)', "\$1 movl (%ebx), %eax\n"), qr/neither load nor store of the windows/],
);
my $near = sub { s/\.hidden catch_return/.set catch_return, gate_enter + $beyond{i386}/ };    # what the linker would do
for my $arch (sort keys %class) {
    my $instructions = disassemble_section(mutant($arch, 'gate', $arch eq 'i386' ? $near : \&same), '.gate');
    is_deeply([check('gate', $instructions, $arch)], [], "$arch gate: the unchanged source passes");
}
for (@gates) {
    my ($arch, $name, $change, $expected) = @$_;
    my $object = mutant($arch, 'gate', sub { $change->(); $near->() if $arch eq 'i386' });
    if (!$object) { fail("$arch gate, mutant: $name"); next }
    like(join("\n", check('gate', disassemble_section($object, '.gate'), $arch)), $expected, "$arch gate, mutant: $name");
}

# Catches.
for (['a push', 'pushq %rax', qr/touches the stack/], ['a call', 'call catch_enter', qr/touches the stack/],
     ['a store below the stack', 'movq %rax, -8(%rsp)', qr/touches the stack/], ['a jump elsewhere', 'jmp *%rax', qr/jumps to no instruction/],
     ['a jump into an instruction', 'jmp catch_born + 1', qr/jumps to no instruction/]) {
    my ($name, $text, $expected) = @$_;
    my $object = mutant('x86_64', 'catch', edit('(\.Lrelease:.*\n)', "\$1$text\n"));
    like(join("\n", check_catch(disassemble_section($object, '.catch'), 'x86_64', 0, $born)), $expected, "x86_64 catch, mutant: $name");
}

# A check that finds nothing to check has failed.
is_deeply([check_trustee([], 'x86_64', $o, [])], ['no instructions'], 'an empty page is refused');
sub dies {
    my (@arguments) = @_;
    open my $stderr, '>&', \*STDERR or die "dup: $!";
    open STDERR, '>', '/dev/null' or die "/dev/null: $!";
    my $lived = eval { disassemble_section(@arguments); 1 };
    open STDERR, '>&', $stderr or die "dup: $!";
    return !$lived;
}
ok(dies("$dir/missing.o", '.trustee'), 'a missing file is fatal');
ok(dies("$build/64/asm/x86_64/trustee.o", '.nothing'), 'a missing section is fatal');

done_testing();
