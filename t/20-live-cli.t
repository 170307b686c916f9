#!/usr/bin/perl
# The command line: every mistake is one line on stderr and the status of the contract; help and version go to stdout.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;
use Cwd qw(abs_path);

my $nurse = abs_path($ENV{NURSE} // 'build/nurse');
my $allow = policy(qq{default "allow"\n}, 'allow.lua');

# arguments, status, what the one line says
my @mistakes = (
    [[],                                        125, qr/nurse --help/],
    [['frobnicate'],                            125, qr/^nurse: frobnicate: no such command/],
    [["bad\nname"],                             125, qr/no such command/],
    [['run'],                                   125, qr/which program/],
    [['run', '--'],                             125, qr/which program/],
    [['--'],                                    125, qr/which program/],
    [['run', '--frob', '--', '/bin/true'],      125, qr/^nurse: --frob: no such option/],
    [['run', '-z', '--', '/bin/true'],          125, qr/^nurse: -z: no such option/],
    [['run', '-qv', '--', '/bin/true'],         125, qr/^nurse: -qv: no such option/],
    [['run', '--gat=off', '--', '/bin/true'],   125, qr/no such option/],
    [['run', '--gate=most', '--', '/bin/true'], 125, qr/--gate=most/],
    [['run', '--gate'],                         125, qr/^nurse: --gate: needs auto\|vdso\|off/],
    [['run', '--seccomp=lax', '--', 'true'],    125, qr/--seccomp=lax/],
    [['run', '-p'],                             125, qr/^nurse: -p: needs POLICY/],
    [['run', '-D', 'x', '--', '/bin/true'],     125, qr/NAME=VALUE/],
    [['run', '--audit', '-', '--', 'true'],     125, qr/--audit: not in this version/],
    [['check'],                                 125, qr/which policy/],
    [['check', '--groups=x'],                   125, qr/takes no value/],
    [['check', '/nonexistent.lua'],             125, qr/nonexistent/],
    [['why'],                                   125, qr/^nurse: why: which call/],
    [['test'],                                  125, qr/^nurse: test: which file/],
    [['doctor', 'now'],                         125, qr/now/],
    [['run', '-p', '/nonexistent.lua', '--', '/bin/true'], 125, qr/nonexistent/],
    [['run', '-p', $allow, '--', '/nonexistent/program'],  127, qr/nonexistent/],
    [['run', '-p', $allow, '--', '/etc'],                  126, qr{/etc}],
    [['run', '-p', $allow, '--', '/etc/passwd'],           126, qr{/etc/passwd}],
    (map { [[$_, '--', '/bin/true'], 125, qr/^nurse: $_: not in this version$/] }
        qw(learn debug explain convert)),
);

for my $mistake (@mistakes) {
    my ($args, $status, $pattern) = @$mistake;
    my $result = run([$nurse, @$args], { timeout => 20 });
    (my $name = "nurse @$args") =~ s/\n/\\n/g;
    is($result->{code}, $status, "$name: status");
    one_nurse_line($result, $pattern, "$name: one line");
    is($result->{out}, '', "$name: nothing on stdout");
}

for my $args (['--version'], ['--help'], ['-h'], ['run', '--help'], ['check', '-h'], ['why', '-h'], ['test', '-h'], ['doctor', '--help'], ['check', '--groups']) {
    my $result = run([$nurse, @$args], { timeout => 20 });
    is($result->{code}, 0, "nurse @$args: status");
    isnt($result->{out}, '', "nurse @$args: speaks on stdout");
    is($result->{err}, '', "nurse @$args: silent on stderr");
}
is(run([$nurse, '--version'])->{out}, "nurse 0.1\n", 'the version');
like(run([$nurse, '--help'])->{out}, qr/^  nurse run .*^  nurse check .*^  nurse doctor /ms, 'help lists the commands');
like(run([$nurse, 'run', '--help'])->{out}, qr/--gate=auto\|vdso\|off/, 'help lists the options');

SKIP: {
    skip_or_fail('no /dev/full', 2) if !-c '/dev/full';
    my $result = run(['sh', '-c', 'exec "$0" --help >/dev/full', $nurse]);
    is($result->{code}, 125, 'lost output is a failure');
    one_nurse_line($result, qr/output/, 'and is said');
}

# The same program however the command line is spelled.
for my $args (['run', '-p', $allow, '--'], ['-p', $allow, '--'], ['run', "-p$allow"], ['run', '-q', '-p', $allow, '--gate=off', '--'],
              ['run', '-v', '-D', 'name=value', '-p', $allow, '--gate', 'auto', '--']) {
    my $result = run([$nurse, @$args, '/bin/echo', '-n', '--version'], { timeout => 20 });
    is_deeply([@$result{qw(code out)}], [0, '--version'], "nurse @$args /bin/echo");
}

# The doctor, on this machine and on machines that lack something.
my $doctor = run([$nurse, 'doctor'], { timeout => 20 });
is($doctor->{code}, 0, 'doctor: this machine can run nurse') or diag($doctor->{out});
unlike($doctor->{out}, qr/^missing/m, 'doctor: nothing is missing');

my $without = program('without-64');
my @lacks = (    # call, the probe that names it
    ['openat2',          'openat2'],
    ['process_vm_readv', 'process_vm_readv'],
    ['memfd_create',     'sealed windows'],
    ['seccomp',          'seccomp filter'],
);
for my $lack (@lacks) {
    my ($call, $probe) = @$lack;
    my $result = run([$without, $call, '--', $nurse, 'doctor'], { timeout => 20 });
    is($result->{code}, 125, "doctor without $call: status");
    like($result->{out}, qr/^missing   \Q$probe\E/m, "doctor without $call: names it");
    one_nurse_line($result, qr/required/, "doctor without $call: says so on stderr");
}

# A start that fails names the cause too, and leaves nothing half-started.
for my $lack (@lacks[2, 3]) {
    my ($call, $probe) = @$lack;
    my $result = run([$without, $call, '--', $nurse, 'run', '-p', $allow, '--', '/bin/echo', 'ran'], { timeout => 20 });
    is($result->{code}, 125, "run without $call: status");
    like($result->{err}, qr/^nurse: .*\Q$probe\E/m, "run without $call: names it");
    is($result->{out}, '', "run without $call: nothing ran");
}

done_testing();
