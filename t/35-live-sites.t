#!/usr/bin/perl
# Call sites of every shape under a policy that asks Lua about each call: thousands of calls each, with the gate in all its ways, must give what they
# give natively: results, registers, flags, vector and floating point registers, red zone, and code that stays what its program made it.
# sites-64 and sites-32 (t/programs) have the assembly and the comparisons. The last part proves that the gate is in use at all.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

alarm 300;

my $all = root_dir() . '/t/data/policy-all-lua.lua';

# What each is for:
my @shapes = (
    'mov',              # mov $nr,%eax directly before the call: the shape that is redirected
    'text',             # the same in the program's own text
    'mov_al',           # mov $nr,%al
    'earlier',          # the number loaded earlier
    'store',            # bytes of a mov that are the tail of another instruction: movl $nr, -0x48(%rsp)
    'jump',             # straight onto the call instruction of a redirected site, with its number and with another
    'jit',              # code made at run time, also at the very start of a mapping
    'across',           # a site across two pages
    'across_shared',    # of which one can't be written
    'rewritten',        # code that its program replaces
    'renumbered',       # code in which it replaces the number only
    'shared',           # code in a file
    'many',             # more sites than trampolines
    'remapped',         # other code at the same place
);
my %own = (
    64 => ['xor',       # xor %eax,%eax
           'r8d',       # 41 b8: mov $nr,%r8d, with the same number in rax
           'rax',       # 48 c7 c0: mov $nr,%rax
           'movabs',    # 48 b8
           'gs', 'wrgsbase'],    # a program with a gs base of its own
    32 => ['sysinfo',   # call *%gs:0x10
           'vdso',      # call *AT_SYSINFO
           'six',       # six arguments, both ways
           'fs'],       # a program with a %fs of its own
);

# A shape that this processor can't run.
sub missing {
    my ($shape) = @_;
    return $shape eq 'wrgsbase' && slurp('/proc/cpuinfo') !~ /\bfsgsbase\b/;
}

for my $class (64, 32) {
    my $program = program("sites-$class", $class);
    my $library = build_program("library-$class.so", "sites-$class", 'gcc', "-m$class", '-shared', '-fPIC', '-I.', '-DSITES_LIBRARY');
    ok($library, "$class bit: the library is built") or next;
    for my $shape (@shapes, @{ $own{$class} }, $library) {
        my $name = $shape eq $library ? 'library' : $shape;
        SKIP: {
            skip_or_fail('this processor has no wrgsbase', 3) if missing($shape);
            my $native = run([$program, $shape]);
            if ($native->{code} || $native->{out} !~ /\b0 wrong/ || $native->{out} =~ /[1-9]\d* wrong|: call \d+:|[1-9]\d* (?:words|bytes of the file) changed/) {
                fail("$class bit, $name: native");
                diag($native->{out}, $native->{err});
                next;
            }
            same_result($native, nurse($all, ["--gate=$_"], [$program, $shape]), "$class bit, $name: --gate=$_") for qw(auto vdso off);
        }
    }

    # A policy that thinks for long: the gate gives its processor away, then sleeps, and must still keep everything. Allowed and emulated calls.
    my $think = 'local n = 0 for i = 1, 20000 do n = n + i end';
    my $slow = policy(qq{on("lseek", function(call) $think return call:allow() end)\ndefault "allow"\n});
    same_result(run([$program, $_]), nurse($slow, [], [$program, $_]), "$class bit, $_: a slow policy") for 'mov', $class == 32 ? 'sysinfo' : ();
    my $invented = policy(qq{on("dup", function(call) $think return call:emulate(1000) end)\ndefault "allow"\n});
    is(nurse($invented, [], [$program, 'invented'])->{out}, "invented: 2000 times 1000\n", "$class bit, a slow policy that emulates");

    # Proof: what the policy invents comes back, from a redirected site, and without the call instruction.
    my $emulated = policy(qq{on("lseek", function(call) return call:emulate(42) end)\ndefault "allow"\n});
    for (['auto', 'e9', 'yes'], ['vdso', 'b8', 'none'], ['off', 'b8', 'none']) {
        my ($gate, $byte, $answered) = @$_;
        my ($result, $cpus) = (undef, `nproc`);
        for (1 .. 3) {    # on a busy machine the helper may sleep all the time
            $result = nurse($emulated, ["--gate=$gate"], [$program, 'proof']);
            last if $result->{out} =~ /instruction: $answered$/m;
        }
        SKIP: {
            skip_or_fail('one processor: the gate leaves all calls to the kernel') if $cpus < 2 && $gate eq 'auto';
            is($result->{out}, "proof: 2000 times 42\nfirst byte: $byte\nanswered without the call instruction: $answered\n",
                "$class bit, proof: --gate=$gate");
        }
        is("$result->{code} $result->{err}", '0 ', "$class bit, proof: --gate=$gate ends well");
    }
}

done_testing();
