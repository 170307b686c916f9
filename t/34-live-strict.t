#!/usr/bin/perl
# --seccomp=strict, the ancestor's mode, for dynamic 32-bit programs: the kernel knows read, write, exit and sigreturn, everything else comes
# through the gate; what misses it dies by SIGKILL, and nurse says so.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @strict = map { [$_->[0] =~ s/,.*//r, $_->[1], ['--seccomp=strict']] } (gates())[0, 1];
my @acts = (program('acts', 32), 'cat:/etc/passwd', 'cat:missing', 'stat:/etc/passwd', 'write:made:text', 'cat:made', 'mkdir:new', 'count:new', 'rmdir:new', 'unlink:made', 'getuid', 'lseek:0:0');

same_as_native('hello',     [program('hello', 32), 'a', 'b c'], { gates => \@strict });
same_as_native('acts',      \@acts,                             { gates => \@strict });
same_as_native('names',     [program('start-args', 32), 'x'],   { gates => \@strict });
same_as_native('status 42', [program('exits', 32), 42],         { gates => \@strict, native_code => 42 });
same_as_native('abort',     [program('exits', 32), 'segv'],     { gates => \@strict, native_code => 139, notices => 1 });

SKIP: {
    my $fetched = run(['t/lib/i386-root.sh', build_dir() . '/i386'], { timeout => 300 });
    skip_or_fail("no i386 packages: $fetched->{err}") if $fetched->{code};
    my $root = build_dir() . '/i386/root';
    same_as_native('lua5.4', ["$root/usr/bin/lua5.4", '-e', 'for line in io.lines "/etc/passwd" do io.write(#line, " ") end print(_VERSION, io.open "missing")'],
        { gates => \@strict, env => { LD_LIBRARY_PATH => "$root/lib/i386-linux-gnu:$root/usr/lib/i386-linux-gnu" } });
}

# The policy decides here too.
{
    my $policy = policy(qq{on("\@open", function(call) if call.path:under "/etc" and call.path ~= "/etc/ld.so.cache" then return call:deny "EPERM" end end)\ndefault "allow"\n});
    my $result = nurse($policy, ['--seccomp=strict'], [program('acts', 32), 'cat:/etc/passwd', 'cat:/proc/self/comm']);
    is($result->{out}, "cat:/etc/passwd = EPERM\ncat:/proc/self/comm = acts\n", 'a denial, and its allowed twin');
}

# What misses the gate.
{
    my $filter = nurse((gates())[1][1], [], [program('foreign', 32), 'int80']);
    is($filter->{out}, "before\nafter: answered\n", 'filter mode: int $0x80 is answered');
    my $result = nurse((gates())[1][1], ['--seccomp=strict'], [program('foreign', 32), 'int80']);
    is($result->{out}, "before\n", 'strict: int $0x80 is not');
    is($result->{code}, 137, 'strict: SIGKILL, 137');
    one_nurse_line($result, qr/strict|gate/, 'strict: one line says why');
}

# There is no 64-bit strict mode: said before anything starts.
{
    my $result = nurse((gates())[1][1], ['--seccomp=strict'], [program('hello', 64)]);
    is($result->{code}, 125, 'a 64-bit program: 125');
    is($result->{out}, '', 'a 64-bit program: not started');
    one_nurse_line($result, qr/strict/, 'a 64-bit program: one line');
}

done_testing();
