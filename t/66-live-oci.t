#!/usr/bin/perl
# nurse.oci: seccomp profiles of container engines. What unit-oci proves of the arithmetic is shown here with real programs: every action, whole
# programs under a profile like docker's, and that a profile costs nothing where it needn't. Natively every call below succeeds.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $data = root_dir() . '/t/data/oci';
my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $limit = { timeout => 20 };

sub profile { return policy($_[0], ($_[1] // 'profile') . '.json') }

# Acts of seccomps with what they say natively and under nurse, in all ways. o.options, o.err (regex), o.policy.
sub check {
    my ($name, $policy, $acts, $o) = @_;
    my @words = map { split / /, $_->[0] } @$acts;
    my $natively = answers(run([program('seccomps'), @words], $limit));
    for my $act (@$acts) {
        my ($call) = $act->[0] =~ /(\S+)$/;
        like($natively->{$call} // 'nothing', qr/\A(?:$act->[1])\z/, "$name: natively $act->[0] is $act->[1]");
    }
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        my $inside = nurse($policy, [@$options, @{ $o->{options} // [] }], [program('seccomps', $class), @words], $limit);
        my $got = answers($inside);
        for my $act (@$acts) {
            my ($call) = $act->[0] =~ /(\S+)$/;
            like($got->{$call} // 'nothing', qr/\A(?:$act->[2])\z/, "$name, $kind: $act->[0] is $act->[2]") or diag($inside->{err});
        }
        is($inside->{code}, 0, "$name, $kind: status") or diag($inside->{out}, $inside->{err});
        like($inside->{err}, $o->{err}, "$name, $kind: stderr") if $o->{err};
    }
    return;
}

# --- every action, key and operator ------------------------------------------------------------------------
my @features = (
    ['die getpgrp', '\d+', 'killed by 31'], ['die getsid:7', '\d+|ESRCH', 'killed by 31'], ['die getsid:9', '\d+|ESRCH', 'killed by 31'], ['die getsid:0', '\d+', '\d+'],
    ['die sync', '0', 'killed by 31'], ['sched_get_priority_max:1', '99', 'ENOSYS'], ['alarm', '0', '0'], ['mlockall:1', '0', 'ENOSYS'],
    ['umask:77', '\d+', '0'], ['setpgid', '0', 'EACCES'],
    ['getpriority:0:3', '\d+|ESRCH', 'EPROTO'], ['getpriority:0:101', '\d+|ESRCH', 'EPROTO'], ['getpriority:0:0', '\d+', '\d+'],
    ['getpriority:2:5', '\d+|ESRCH', 'EMULTIHOP'], ['getpriority:3:5', 'EINVAL', 'EINVAL'],
    ['personality:0x40000008', '\d+', 'EDOTDOT'], ['personality:1', '\d+', 'EBADMSG'], ['personality:0xffffffff', '\d+', '\d+'],
    ['getuid:1', '\d+', '\d+'],
);
check('features', "$data/features.json", [@features, ['getuid', '\d+', '\d+']],
    { err => qr/SCMP_ACT_NOTIFY: no agent is asked, ENOSYS: mlockall\n.*\bsyscalls\[5\]: alarm\(/s });
check('features with a capability', "$data/features.json", [['getuid', '\d+', 'EOVERFLOW'], ['getuid:1', '\d+', '\d+']], { options => ['-D', 'caps=BPF'] });
check('excluded by a capability', "$data/features.json", [['getuid', '\d+', '\d+']], { options => ['-D', 'caps=CAP_BPF,CAP_SYSLOG'] });
check('an older kernel', policy(qq{require "nurse.oci".load("$data/features.json", { kernel = "4.7", caps = { "BPF" } })}), [['getuid', '\d+', '\d+']]);
check('capabilities as a list', policy(qq{require "nurse.oci".load("$data/features.json", { caps = { "BPF" } })}), [['getuid', '\d+', 'EOVERFLOW']]);
check('a function for SCMP_ACT_NOTIFY', policy(<<"LUA"), [['mlockall:1', '0', '77'], ['mlockall:2', '0', '0']]);
require "nurse.oci".load("$data/features.json", {
  notify = function(call) if call.args[1] == 1 then return call:emulate(77) end return call:allow() end,
})
LUA
check('another layer is stricter', ["$data/features.json", policy('deny("getsid", "EXDEV") default "allow"')],
    [['getsid:0', '\d+', 'EXDEV'], ['alarm', '0', '0'], ['setpgid', '0', 'EACCES']]);

# --- operators: the whole truth table ----------------------------------------------------------------------
my @edges = map { my ($high, $low) = @$_; $high << 32 | $low } (
    [0, 0], [0, 1], [0, 2], [0, 0x7fffffff], [0, 0x80000000], [0, 0x80000001], [0, 0xfffffffe], [0, 0xffffffff], [1, 0], [1, 1], [1, 0xffffffff],
    [0x7fffffff, 0xffffffff], [0x80000000, 0], [0x80000000, 1], [0xffffffff, 0xfffffffe], [0xffffffff, 0xffffffff],
);    # the list of t/programs/seccomps.c
my @operators = (
    [NE => sub { $_[0] != $_[1] }], [LT => sub { $_[0] < $_[1] }], [LE => sub { $_[0] <= $_[1] }], [EQ => sub { $_[0] == $_[1] }],
    [GE => sub { $_[0] >= $_[1] }], [GT => sub { $_[0] > $_[1] }],
);
my (@rules, @rows);
for my $operator (@operators) {
    for my $value (@edges) {
        push @rules, sprintf '{ "index": 0, "op": "SCMP_CMP_%s", "value": %u }', $operator->[0], $value;
        push @rows, sub { my ($x, $mask) = @_; $operator->[1]->($x & $mask, $value & $mask) };
    }
}
for my $value (@edges[0, 1, 4, 7, 8, 12, 15]) {
    for my $mask_value (@edges[0, 1, 4, 7, 8, 12, 15]) {
        push @rules, sprintf '{ "index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": %u, "valueTwo": %u }', $mask_value, $value;
        push @rows, sub { my ($x, $mask) = @_; ($x & $mask & $mask_value) == ($value & $mask_value & $mask) };
    }
}
my $row = 0;
my $table = profile('{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [' . "\n"
    . '{ "names": ["getppid"], "action": "SCMP_ACT_ERRNO" , "errnoRet": 1, "args": [{ "index": 1, "op": "SCMP_CMP_GE", "value": 1000 }] }' . "\n"
    . join('', map { my $i = $row++; qq(, { "names": ["getppid"], "action": "SCMP_ACT_ERRNO", "args": [$_, { "index": 1, "op": "SCMP_CMP_EQ", "value": $i }] }\n) } @rules) . '] }', 'table');
my $native = run([program('seccomps'), 'table', scalar @rows], $limit);
is($native->{out}, ('1' x @edges . "\n") x @rows, 'table: natively every call succeeds');
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $mask = $class == 32 ? 0xffffffff : ~0;
    my $expected = join '', map { my $holds = $_; join('', map { $holds->($_, $mask) ? '0' : '1' } @edges) . "\n" } @rows;
    my $inside = nurse($table, ['-q', @$options], [program('seccomps', $class), 'table', scalar @rows], $limit);
    my @got = split /\n/, $inside->{out};
    my @wrong = grep { ($got[$_] // 'nothing') ne (split /\n/, $expected)[$_] } 0 .. $#rows;
    ok(!@wrong && @got == @rows, "table, $kind: " . @rows * @edges . ' answers') or diag($inside->{err}, map { "$rules[$_]: $got[$_]\n" } @wrong);
    like($expected, qr/0.*1/, "table, $kind: some are allowed, some not");
}

# --- architectures -----------------------------------------------------------------------------------------
my $only = profile('{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"] }', 'only64');
for my $case ([64, 0, 'its own architecture runs'], [32, 159, 'another one is killed with SIGSYS']) {
    my ($class, $code, $name) = @$case;
    my $result = nurse($only, [], [program('seccomps', $class), 'alarm'], $limit);
    is($result->{code}, $code, "architectures: $name") or diag($result->{err});
    is($result->{out}, $code ? '' : "alarm = 0\n", "architectures: $name: output");
    like($result->{err}, $code ? qr/only64\.json#architectures/ : qr/\A\z/, "architectures: $name: stderr");
    unlike($result->{err}, qr/foreign/, "architectures: $name: the policy did it, not the kernel's filter");
}
my $mapped = '{ "defaultAction": "SCMP_ACT_ALLOW", "archMap": [{ "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_X86"] }, '
    . '{ "architecture": "SCMP_ARCH_X86_64", "subArchitectures": [%s] }] }';
is(nurse(profile(sprintf $mapped, '"SCMP_ARCH_X32", "SCMP_ARCH_X86"'), [], [program('seccomps', 32), 'alarm'], $limit)->{out}, "alarm = 0\n", 'archMap: i386 is there');
is(nurse(profile(sprintf $mapped, ''), [], [program('seccomps', 32), 'alarm'], $limit)->{code}, 159, 'archMap: i386 is not');

# --- a profile like docker's, and whole programs -----------------------------------------------------------
my $container = "$data/container.json";
my @gates = (['docker-like', $container, []], ['docker-like, no gate', $container, ['--gate=off']]);
same_as_native('sh', ['sh', '-c', 'echo one | cat; mkdir d && ls d && echo x > d/f && cat d/f'], { gates => \@gates, notices => 1 });
same_as_native('python3', ['python3', '-c', 'import threading, subprocess; t = threading.Thread(target=print, args=("in a thread",)); t.start(); t.join(); print(subprocess.run(["echo", "hi"], capture_output=True).stdout)'],
    { gates => \@gates, notices => 1 });
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $work = scratch();
    my $inside = nurse($container, [@$options], [program('acts', $class), 'socket:2', 'socket:40', 'ptrace', "mkdir:$work/d$class@$options", 'uname'], $limit);
    my $got = answers($inside);
    like($got->{'socket:2'}, qr/^\d+$/, "docker-like, $kind: a socket");
    is($got->{'socket:40'}, 'EPERM', "docker-like, $kind: not one of AF_VSOCK") or diag($inside->{err});
    is($got->{ptrace}, 'EPERM', "docker-like, $kind: ptrace is refused though the profile allows it");
    ok(-d "$work/d$class@$options", "docker-like, $kind: a directory was made");
}
my $checked = run([(split / /, nurse_command(undef, [], [])->[0]), 'check', '-v', $container], $limit);
is(join(' ', sort { $a cmp $b } $checked->{out} =~ /^(\S+) .*Lua/mg), 'clone personality socket', 'docker-like: three calls have a handler');
like($checked->{out}, qr/^read +both +native +allow +\S+container\.json#syscalls\[0\]$/m, 'docker-like: read is native, its rule is named');
like($checked->{out}, qr/^clone3 +both +denied +deny ENOSYS /m, 'docker-like: clone3');
like($checked->{err}, qr/refused by nurse, whatever a profile allows: .*ptrace/, '-v: what nurse refuses');
like(run([nurse_command(undef, [], [])->[0], 'check', '-D', 'caps=SYS_TIME', $container], $limit)->{out}, qr/^clock_settime +both +native +allow/m, 'a capability opens its calls');

# --- numbers newer than the profile ------------------------------------------------------------------------
check('newer than the profile', profile('{ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13, "architectures": ["SCMP_ARCH_X86"], "syscalls": [{ "action": "SCMP_ACT_ALLOW", "names": ['
    . join(', ', map { qq("$_") } qw(read write close mmap mmap2 mprotect munmap brk open openat stat64 fstat fstat64 newfstatat statx pread64 arch_prctl set_thread_area set_tid_address
        set_robust_list rseq prlimit64 ugetrlimit getrandom execve exit_group access getppid fcntl uname readlink futex rt_sigreturn faccessat2)) . '] }] }', 'older'),
    [['futex_requeue', 'EINVAL|ENOSYS', 'ENOSYS'], ['landlock', '-?\w+', 'ENOSYS'], ['umask:0', '\d+', 'EACCES'], ['getppid', '\d+', '\d+']]);

# --- the manual's examples, as they stand -----------------------------------------------------------------
my ($examples) = slurp(root_dir() . '/doc/man/nurse-oci.3') =~ /^\.Sh EXAMPLES\n(.*?)^\.Sh /ms;
my @blocks = $examples =~ /^\.Bd -literal\n(.*?)^\.Ed\n/msg;
is(scalar @blocks, 2, 'the manual has two examples');
my @said = (policy($blocks[0], 'profile.json'), policy($blocks[1], 'said.lua'));
for my $i (0, 1) {
    my $got = answers(nurse($said[$i], [], [program('acts'), 'mkdir:never', 'socket:2', 'socket:1', 'open:/etc/ssl/openssl.cnf'], { %$limit, cwd => scratch() }));
    is($got->{'mkdir:never'}, 'EROFS', "example $i: mkdir");
    ok(!-e scratch() . '/never', "example $i: there is no directory");
    is($got->{'socket:2'}, 'EPERM', "example $i: socket of AF_INET");
    like($got->{'socket:1'}, qr/^\d+$/, "example $i: socket of AF_UNIX");
    like($got->{'open:/etc/ssl/openssl.cnf'}, $i ? qr/^EACCES$/ : qr/^(?:\d+|ENOENT)$/, "example $i: open");
}

# --- mistakes ----------------------------------------------------------------------------------------------
my $rule = '{ "names": ["read"], "action": "SCMP_ACT_ALLOW" }';
my @mistakes = (
    ['{ "defaultAction": "SCMP_ACT_MAYBE" }', q{defaultAction: unknown action 'SCMP_ACT_MAYBE'}],
    ['{ "syscalls": [] }', 'defaultAction: missing'],
    ['{ "defaultAction": "SCMP_ACT_NOTIFY" }', q{defaultAction: SCMP_ACT_NOTIFY can't be the default}],
    ['{ "defaultAction": 3 }', 'defaultAction: a string was expected, not a number'],
    [qq({ "defaultAction": "SCMP_ACT_KILL", "syscalls": [$rule, { "names": ["read"] }] }), 'syscalls[1].action: missing'],
    [qq({ "defaultAction": "SCMP_ACT_KILL", "syscalls": [$rule, { "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "op": "SCMP_CMP_EX" }] }] }),
        q{syscalls[1].args[0].op: unknown operator 'SCMP_CMP_EX'}],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 6, "op": "SCMP_CMP_EQ" }] }] }',
        'syscalls[0].args[0].index: 6 is not between 0 and 5'],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "op": "SCMP_CMP_EQ", "value": 1.5 }] }] }',
        'syscalls[0].args[0].value: an integer from 0 to 2^64-1 was expected, not 1.5'],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": [{ "names": "read", "action": "SCMP_ACT_ALLOW" }] }', 'syscalls[0].names: a table was expected, not a string'],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": [{ "name": "read", "names": ["write"], "action": "SCMP_ACT_ALLOW" }] }', q{syscalls[0]: 'name' and 'names' can't both be given}],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": {"a": 1} }', 'syscalls: a list without holes was expected'],
    ['{ "defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_PDP11"] }', q{architectures[0]: unknown architecture 'SCMP_ARCH_PDP11'}],
    ['{ "defaultAction": "SCMP_ACT_KILL", "flags": ["SECCOMP_FILTER_FLAG_NONE"] }', q{flags[0]: unknown flag 'SECCOMP_FILTER_FLAG_NONE'}],
    ['{ "defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_X86"], "archMap": [{ "architecture": "SCMP_ARCH_X86_64" }] }',
        q{archMap: 'architectures' and 'archMap' can't both be given}],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": { "minKernel": "new" } }] }',
        q{syscalls[0].includes.minKernel: 'new' is no version of a kernel, as 4.8 is}],
    ['{ "defaultAction": "SCMP_ACT_KILL", "syscalls": [' . join(', ', map { qq({ "names": ["read"], "action": "$_", "args": [{ "index": 0, "op": "SCMP_CMP_EQ", "value": 1 }] }) }
        qw(SCMP_ACT_ALLOW SCMP_ACT_ERRNO)) . '] }', 'syscalls[0]: contradicts syscalls[1] about read'],
    ["{\n \"defaultAction\": \"SCMP_ACT_KILL\"\n \"syscalls\": [] }", undef, 3],
    ['[]', 'defaultAction: missing'],
    ['12', 'a table was expected, not a number'],
);
for my $mistake (@mistakes) {
    my ($text, $message, $line) = @$mistake;
    my $file = profile($text, 'mistake');
    my $result = nurse($file, [], ['true'], $limit);
    my $expected = $line ? qr/\Anurse: \Q$file\E:$line: expected comma/ : qr/\Anurse: \Q$file\E: \Q$message\E\n\z/;
    is($result->{code}, 125, 'mistake: status');
    one_nurse_line($result, $expected, 'mistake: ' . ($message // 'a comma is missing'));
}
my $script = policy("\nrequire 'nurse.oci'.load 'mistake.json'", 'loads.lua');
one_nurse_line(nurse($script, [], ['true'], $limit), qr/\Anurse: \Q$script\E:2: \S+mistake\.json: a table was expected/, 'mistake: in a script, with its line');
one_nurse_line(nurse($container, ['-D', 'caps=CAP_NONE'], ['true'], $limit), qr/unknown capability 'CAP_NONE'/, 'mistake: a capability');
one_nurse_line(nurse(policy("local oci = require 'nurse.oci' oci.load '$container' oci.load '$container'"), [], ['true'], $limit), qr/has loaded \S+ already/, 'mistake: two in one script');

done_testing();
