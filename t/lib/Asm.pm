package Asm;

# Asm: reads disassembly and says what is wrong with it. Everything that is not on a list here is wrong.
#
# The trustee runs unconfined beside hostile threads, so its page is judged instruction by instruction: known instructions with known kinds of
# operands, no stack, loads from the order window and stores to the result cell only (each at the offset of a field that is the trustee's), direct
# jumps to starts of instructions, calls of the kernel with known numbers, and no path that leaves the code. The gate is judged more loosely: it
# is untrusted, but must not disturb the program's stack. Needs objdump. Proved by the mutants in t/12-unit-asm.t.

use strict;
use warnings;
no warnings 'portable';    # addresses of 64 bits
use Exporter 'import';

our @EXPORT_OK = qw(offsets constants disassemble_section disassemble_bytes section_bytes relocations check_trustee check_gate);

my %machine = (x86_64 => 'i386:x86-64', i386 => 'i386');

# --- reading ---------------------------------------------------------------------------------------------

# build/gen/offsets.h as a hash.
sub offsets {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!";
    return { map { /^#define (\w+) (-?\d+)$/ ? ($1 => $2) : () } <$in> };
}

# Constants of an enum, read from a header.
sub constants {
    my ($file, @names) = @_;
    open my $in, '<', $file or die "$file: $!";
    my %value = map { /^\s*(\w+) = (0x[0-9a-f]+|\d+),/ ? ($1 => $2) : () } <$in>;
    return { map { $_ => oct($value{$_} // die "$file: no $_\n") } @names };
}

sub _lines {
    my (@command) = @_;
    open my $out, '-|', @command or die "$command[0]: $!";
    my @lines = <$out>;
    close $out;
    die "@command: failed\n" if $?;
    return @lines;
}

# One instruction: { at, size, text, op, operands => [...], target }.
sub _instruction {
    my ($at, $bytes, $text) = @_;
    $text =~ s/\s*#.*//;      # objdump's remarks
    $text =~ s/\s+$//;
    $text =~ s/\s+/ /g;
    my $target = $text =~ s/ <[^>]*>$// && $text =~ /^\w+\s+([0-9a-f]+)$/ || $text =~ /^(?:j\w+|call)\s+(?:0x)?([0-9a-f]+)$/ ? hex $1 : undef;
    my ($op, $rest) = split ' ', $text, 2;
    my @operands = defined $rest ? split /,(?![^(]*\))/, $rest : ();
    return { at => $at, size => scalar(split ' ', $bytes), text => $text, op => $op // '', operands => \@operands, target => $target };
}

# Instructions in order; addresses are made relative to the first. A line that is neither instruction nor decoration is fatal.
sub _parse {
    my (@lines) = @_;
    my @instructions;
    for (@lines) {
        chomp;
        if (/^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*(?:\t(.*))?$/) { push @instructions, _instruction(hex $1, $2, $3 // '') }
        elsif (!/^$|file format|^Disassembly of section|^[0-9a-f]+ <.*>:$/) { die "objdump: not understood: $_\n" }
    }
    my $first = @instructions ? $instructions[0]{at} : 0;
    for (@instructions) {
        $_->{at} -= $first;
        $_->{target} -= $first if defined $_->{target};
    }
    return \@instructions;
}

sub disassemble_section {
    my ($file, $section) = @_;
    return _parse(_lines('objdump', '-d', '-z', '-w', "--section=$section", $file));
}

sub disassemble_bytes {
    my ($file, $arch) = @_;
    return _parse(_lines('objdump', '-D', '-z', '-w', '-b', 'binary', '-m', $machine{$arch}, $file));
}

# The bytes of an ELF file's section, by its section headers.
sub section_bytes {
    my ($file, $section) = @_;
    for (_lines('objdump', '-h', '-w', $file)) {
        my ($index, $name, $size, $vma, $lma, $offset) = split;
        next unless defined $offset && $name eq $section;
        open my $in, '<:raw', $file or die "$file: $!";
        seek $in, hex $offset, 0;
        read $in, my $bytes, hex $size;
        return $bytes;
    }
    die "$file: no section $section\n";
}

# How many relocations a section has.
sub relocations {
    my ($file, $section, $but) = @_;    # relocations against the symbol $but do not count
    return scalar grep { /^[0-9a-f]+\s+R_/ && !(defined $but && /\s\Q$but\E\b/) } _lines('objdump', '-r', "--section=$section", $file);
}

# --- kinds of operands -----------------------------------------------------------------------------------

# Registers that the trustee may read, and those it may write; the windows' registers are never written. x86_64: rcx and r11 are the
# kernel's at every call. i386: %esp never, mm3 and mm4 (addresses for futex) only read.
my %trustee = (
    x86_64 => {
        read  => qr/%(?:[re](?:ax|dx|si|di)|r(?:8|9|10|12|13|14)d?)/,
        write => qr/%(?:[re](?:ax|dx|si|di)|r(?:8|9|10|12|13|14)d?)/,
        load  => qr/(-?(?:0x)?[0-9a-f]*)\(%rbx\)/,
        store => qr/(-?(?:0x)?[0-9a-f]*)\(%rbp\)/,
        call  => 'syscall', entry => 'rax',
    },
    i386 => {
        read  => qr/%(?:e[abcd]x|esi|edi|ebp|mm[0-4])/,
        write => qr/%(?:e[abcd]x|esi|edi|ebp|mm[0-2])/,
        load  => qr/%fs:(0x[0-9a-f]+)/,
        store => qr/%gs:(0x[0-9a-f]+)/,
        call  => 'int $0x80', entry => 'eax',
    },
);

# What each instruction may look like. i: immediate, r: register read, w: register written, m: load, s: store, a: address of a field, t: target.
my %shapes = (
    x86_64 => {
        mov => [qw(iw rw mw rs)], movl => [qw(is)], lea => [qw(aw)], cmp => [qw(rr ir)], cmpl => [qw(im)],
        sub => [qw(iw)], xor => [qw(rw)], or => [qw(rw)], shl => [qw(iw)], shr => [qw(iw)], sar => [qw(iw)],
        jmp => [qw(t)], je => [qw(t)], jne => [qw(t)], js => [qw(t)],
        syscall => [''], mfence => [''], ud2 => [''], int3 => [''],
    },
    i386 => {
        mov => [qw(iw mw rs)], movl => [qw(is)], movd => [qw(rw)], cmp => [qw(rr ir)], add => [qw(iw)], sub => [qw(iw)],
        xor => [qw(rw)], or => [qw(rw)], shl => [qw(iw)], shr => [qw(iw)], sar => [qw(iw)], pxor => [qw(rw)], psrld => [qw(iw)],
        jmp => [qw(t)], je => [qw(t)], jne => [qw(t)], js => [qw(t)],
        int => [qw(v)], mfence => [''], ud2 => [''], int3 => [''],
    },
);

# The fields that are the trustee's: offset => size.
sub _fields {
    my ($o) = @_;
    my %load = map { $o->{"ORDER_$_"} => 4 } qw(SEQ COMMAND RING WAKE YIELDS);
    $load{ $o->{"ORDER_$_"} } = 8 for qw(NR ARG0 ARG1 ARG2 ARG3 ARG4 ARG5 RING_NR RING_ARG0 RING_ARG1 RING_ARG2);
    return { load => \%load, store => { $o->{CELL_DONE} => 4, $o->{CELL_ASLEEP} => 4, $o->{CELL_RESULT} => 8, $o->{CELL_RESULT} + 4 => 4 } };
}

# Bytes that an instruction with a memory operand moves: by its suffix, else by its register.
sub _width {
    my ($instruction) = @_;
    return 4 if $instruction->{op} =~ /l$/;
    my ($register) = grep { /^%\w+$/ } @{ $instruction->{operands} };
    return 4 if !defined $register || $register =~ /^%e|^%r\d+d$/;
    return 8;
}

sub _number { my ($text) = @_; return $text eq '' ? 0 : $text =~ /^-/ ? -1 : hex $text }

sub _fits {
    my ($instruction, $kind, $operand, $rule, $fields) = @_;
    return $operand =~ /^\$0x[0-9a-f]+$/      if $kind eq 'i';
    return $operand eq '$0x80'                if $kind eq 'v';
    return $operand =~ /^$rule->{read}$/      if $kind eq 'r';
    return $operand =~ /^$rule->{write}$/     if $kind eq 'w';
    return defined $instruction->{target}     if $kind eq 't';
    if ($kind eq 'a') {
        return 0 unless $operand =~ /^(?:$rule->{load}|$rule->{store})$/;
        return defined $1 ? exists $fields->{load}{ _number($1) } : exists $fields->{store}{ _number($2) };
    }
    my $where = $kind eq 'm' ? 'load' : 'store';
    return 0 unless $operand =~ /^$rule->{$where}$/;
    my $size = $fields->{$where}{ _number($1) };
    return defined $size && _width($instruction) <= $size;
}

sub _allowed {
    my ($instruction, $arch, $fields) = @_;
    my @operands = @{ $instruction->{operands} };
    SHAPE: for my $shape (@{ $shapes{$arch}{ $instruction->{op} } // [] }) {
        next unless @operands == length $shape;
        for my $i (0 .. $#operands) {
            next SHAPE unless _fits($instruction, substr($shape, $i, 1), $operands[$i], $trustee{$arch}, $fields);
        }
        return 1;
    }
    return 0;
}

# --- where control can go --------------------------------------------------------------------------------

my %ends = map { $_ => 1 } qw(jmp ud2 ret);

# Everything reachable from the first instruction: { index => 1 }, and complaints about jumps that land nowhere and paths that run out.
# $through->($instruction) may say that an indirect jump is an end.
sub _walk {
    my ($code, $complain, $through) = @_;
    my %index = map { $code->[$_]{at} => $_ } 0 .. $#$code;
    my (%seen, @todo);
    @todo = (0) if @$code;
    while (@todo) {
        my $i = pop @todo;
        if ($i > $#$code) { $complain->($code->[-1], 'control runs out of the code'); next }
        next if $seen{$i}++;
        my $instruction = $code->[$i];
        if ($instruction->{op} =~ /^j/ && !($through && $through->($instruction))) {
            my $target = $instruction->{target};
            if (defined $target && exists $index{$target}) { push @todo, $index{$target} }
            else { $complain->($instruction, 'jumps to no instruction of this code') }
        }
        push @todo, $i + 1 unless $ends{ $instruction->{op} };
    }
    return \%seen;
}

# Code and the int3 that fill the page behind it.
sub _without_padding {
    my ($instructions) = @_;
    my $last = $#$instructions;
    $last-- while $last >= 0 && $instructions->[$last]{op} eq 'int3';
    return [@$instructions[0 .. $last]];
}

# The number of each call into the kernel is an immediate from the list, or (once each) the order's and the bell's; nothing jumps in between.
sub _check_calls {
    my ($code, $arch, $o, $numbers, $complain) = @_;
    my %targets = map { $_->{target} => 1 } grep { defined $_->{target} } @$code;
    my %fields = ($o->{ORDER_NR} => 0, $o->{ORDER_RING_NR} => 0);
    for my $i (0 .. $#$code) {
        next unless $code->[$i]{text} =~ /^\Q$trustee{$arch}{call}\E$/;
        my $from = _number_source($code, $i, \%targets);
        if (!defined $from) { $complain->($code->[$i], 'a call with a number from nowhere') }
        elsif ($from =~ /^\$0x([0-9a-f]+)$/) { $complain->($code->[$i], "call $1 is not the trustee's") unless $numbers->{ hex $1 } }
        elsif ($from =~ /^$trustee{$arch}{load}$/ && exists $fields{ _number($1) }) { $fields{ _number($1) }++ }
        else { $complain->($code->[$i], "a call with a number from $from") }
    }
    $complain->($code->[0], "$fields{$_} calls with the number at $_") for grep { $fields{$_} != 1 } sort keys %fields;
    return;
}

# The operand that was moved to eax last before instruction i, in a straight line.
sub _number_source {
    my ($code, $i, $targets) = @_;
    while (!$targets->{ $code->[$i]{at} } && $i-- > 0) {
        return $1 if $code->[$i]{text} =~ /^mov\s+(\S+),%[re]ax$/;
        return if $code->[$i]{text} =~ /%[re]ax$|^j|^int|^syscall/;
    }
    return;
}

# --- verdicts --------------------------------------------------------------------------------------------

# What is wrong with a trustee's page; an empty list when nothing is. numbers: the calls it makes for itself.
sub check_trustee {
    my ($instructions, $arch, $o, $numbers) = @_;
    my @complaints;
    my $complain = sub { my ($at, $what) = @_; push @complaints, sprintf '%x: %s: %s', $at->{at}, $at->{text}, $what };
    my $code = _without_padding($instructions);
    return 'no instructions' unless @$code;
    my $fields = _fields($o);
    _allowed($_, $arch, $fields) or $complain->($_, 'not on the list') for @$code;
    my $seen = _walk($code, $complain);
    $seen->{$_} or $complain->($code->[$_], 'not reachable') for 0 .. $#$code;
    _check_calls($code, $arch, $o, { map { $_ => 1 } @$numbers }, $complain);
    return @complaints;
}

# x86_64: a leaf function's data lies below the stack pointer, so the gate may not even name it.
# i386: as the kernel's own entry does, the gate pushes; every path must pop as much, and loads reach no further than the return address.
sub check_gate {
    my ($instructions, $arch) = @_;
    my @complaints;
    my $complain = sub { my ($at, $what) = @_; push @complaints, sprintf '%x: %s: %s', $at->{at}, $at->{text}, $what };
    my $code = _without_padding($instructions);
    return 'no instructions' unless @$code;
    my $out = sub { my ($jump) = @_; return $arch eq 'x86_64' && $jump->{text} =~ /^jmp\s+\*%rcx$/ };
    my $seen = _walk($code, $complain, $out);
    $seen->{$_} or $complain->($code->[$_], 'not reachable') for 0 .. $#$code;
    for my $i (grep { $code->[$_]{op} =~ /^call/ } 0 .. $#$code) {    # asks where it is
        $complain->($code->[$i], 'not for a gate') unless $arch eq 'i386' && ($code->[$i]{target} // -1) == $code->[$i + 1]{at};
    }
    for (@$code) {
        $complain->($_, 'neither load nor store of the windows') if grep { !_gate_operand($_, $arch) } @{ $_->{operands} };
        $complain->($_, 'not for a gate') if $_->{op} =~ /^(?:enter|leave|rep\w*|cld|std|sysenter|sysexit|iret)/;
        $complain->($_, 'touches the stack') if $arch eq 'x86_64' && $_->{text} =~ /^(?:push|pop|ret)|%[er]?spl?\b/;
    }
    _check_depth($code, $complain) if $arch eq 'i386';
    return @complaints;
}

sub _gate_operand {
    my ($operand, $arch) = @_;
    return 1 if $operand !~ /[(:]/;
    return $operand =~ /^-?(?:0x[0-9a-f]+)?\(%(?:rip|r11|rcx|rdx,%rsi,1)\)$/ if $arch eq 'x86_64';
    return $operand =~ /^(?:0x[0-9a-f]+)?\(%(?:ebp|edx|esp)\)$/;
}

# i386: bytes on the stack at each instruction, the same on every path to it; ret only with none.
sub _check_depth {
    my ($code, $complain) = @_;
    my %index = map { $code->[$_]{at} => $_ } 0 .. $#$code;
    my (%depth, @todo);
    @todo = ([0, 0]);
    while (my $next = shift @todo) {
        my ($i, $depth) = @$next;
        my $instruction = $code->[$i] // next;
        if (defined $depth{$i}) {
            $complain->($instruction, "$depth bytes on the stack, or $depth{$i}") if $depth != $depth{$i};
            next;
        }
        $depth{$i} = $depth;
        $complain->($instruction, "returns with $depth bytes on the stack") if $instruction->{op} eq 'ret' && $depth;
        $complain->($instruction, 'reads beyond the return address') if $instruction->{text} =~ /(0x[0-9a-f]+)?\(%esp\)/ && hex($1 // 0) > $depth;
        $complain->($instruction, 'changes the stack pointer') if $instruction->{text} =~ /%esp$/;
        $depth += 4 if $instruction->{op} =~ /^(?:push|call)/;
        $depth -= 4 if $instruction->{op} =~ /^pop/;
        push @todo, [$index{ $instruction->{target} } // next, $depth] if defined $instruction->{target};
        push @todo, [$i + 1, $depth] unless $ends{ $instruction->{op} };
    }
    return;
}

1;
