#!/usr/bin/perl
# nurse.pledge: what each promise grants is done, and is the death of who has not promised it; what real programs need; execpromises; the error promise;
# and programs that promise by themselves (core/abi/nurse.h), which can only lose. Each act runs natively first (t/programs/pledges.c).

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use File::Path qw(make_path remove_tree);
use Test::More;

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $work = scratch() . '/work';
my $abort = 134;

sub fresh {
    remove_tree($work);
    make_path("$work/dir");
    spew("$work/file", "text\n");
    chmod 0644, "$work/file";
    unlink '/tmp/nurse-pledge-test';
    return;
}

sub acts {
    my ($policy, $class, $options, @acts) = @_;
    fresh();
    return run([program('pledges', $class), @acts], { cwd => $work }) if !defined $policy;
    return nurse($policy, $options, [program('pledges', $class), @acts], { cwd => $work });
}

# --- each promise: [PROMISE, what else is promised, ACT, native result, the call that the report names[, and the promise, if another]] ----------------------
my @promises = (
    ['rpath',     'stdio',                   'open:file',              '0',      'open'],
    ['rpath',     'stdio',                   'oldopen:file',           '0',      'open'],
    ['rpath',     'stdio',                   'stat:file',              '0',      '\w*stat\w*'],
    ['rpath',     'stdio',                   'access:file',            '0',      'access'],
    ['rpath',     'stdio',                   'chdir:dir',              '0',      'chdir'],
    ['wpath',     'stdio rpath',             'open:file:rw',           '0',      'open'],
    ['wpath',     'stdio rpath',             'open:file:t',            '0',      'open'],
    ['wpath',     'stdio rpath',             'truncate:file',          '0',      'truncate'],
    ['cpath',     'stdio rpath wpath',       'open:new:wc',            '0',      'open'],
    ['cpath',     'stdio rpath',             'mkdir:new',              '0',      'mkdir'],
    ['cpath',     'stdio rpath',             'rename:file:other',      '0',      'rename'],
    ['cpath',     'stdio rpath',             'unlink:file',            '0',      'unlink'],
    ['dpath',     'stdio rpath cpath',       'mkfifo:new',             '0',      'mknod'],
    ['tmppath',   'stdio',                   'open:/tmp/nurse-pledge-test:rwc', '0', 'open', 'rpath'],
    ['fattr',     'stdio rpath',             'chmod:file:600',         '0',      'chmod'],
    ['fattr',     'stdio rpath',             'utime:file',             '0',      'utimensat'],
    ['chown',     'stdio rpath',             'chown:file:-1',          '0',      'chown'],
    ['flock',     'stdio rpath',             'flock:file',             '0',      'flock'],
    ['flock',     'stdio rpath',             'lockf:file',             '0',      'fcntl'],
    ['inet',      'stdio',                   'socket:2:1',             '0',      'socket'],
    ['inet',      'stdio',                   'socket:10:1',            '0|EAFNOSUPPORT', 'socket'],
    ['unix',      'stdio',                   'socket:1:1',             '0',      'socket'],
    ['unix',      'stdio',                   'unix:bind:new',          '0',      'socket'],
    ['route',     'stdio',                   'socket:16:3',            '0',      'socket'],
    ['mcast',     'stdio inet',              'multicast',              '0',      'setsockopt'],
    ['dns',       'stdio',                   'connect:53',             '0',      'socket', 'inet'],
    ['dns',       'stdio',                   'open:/etc/hosts',        '0',      'open', 'rpath'],
    ['getpw',     'stdio',                   'open:/etc/passwd',       '0',      'open', 'rpath'],
    ['sendfd',    'stdio',                   'pass:send',              '1',      'sendmsg'],
    ['recvfd',    'stdio',                   'pass:receive',           '1',      'recvmsg'],
    ['tty',       'stdio',                   'tcsets',                 'ENOTTY', 'ioctl'],
    ['proc',      'stdio',                   'fork',                   '0',      '(?:clone|fork)'],
    ['proc',      'stdio',                   'kill',                   '0',      'kill'],
    ['proc',      'stdio',                   'setrlimit',              '0',      '(?:prlimit64|setrlimit)'],
    ['exec',      'stdio',                   'exec',                   undef,    'execve'],
    ['prot_exec', 'stdio',                   'execmap',                '0',      'mmap'],
    ['prot_exec', 'stdio',                   'oldmap',                 '0',      'mmap'],
    ['settime',   'stdio',                   'settime',                'EINVAL', 'clock_settime'],
    ['ps',        'stdio',                   'open:/proc/1/stat',      '0',      'open', 'rpath'],
    ['vminfo',    'stdio',                   'open:/proc/meminfo',     '0',      'open', 'rpath'],
    ['id',        'stdio',                   'setuid',                 '0',      'setuid'],
    ['stdio',     '',                        'thread',                 '0',      '\w+'],
);

for my $case (@promises) {
    my ($promise, $others, $act, $result, $call, $named) = @$case;
    $named //= $promise;
    my $native = acts(undef, 64, [], $act);
    defined $result ? like(answers($native)->{$act} // 'nothing', qr/\A(?:$result)\z/, "$promise: natively $act is $result")
                    : is($native->{code}, 0, "$promise: natively $act ends well");
    my ($with, $without) = (policy(qq{require "nurse.pledge" "$others $promise"}), policy(qq{require "nurse.pledge" "$others"}));
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        next if $class == 64 && @$options && $act !~ /^(?:open:file:rw|socket:2|fork|execmap)/;
        my $good = acts($with, $class, $options, $act);
        my $same = defined $result ? (answers($good)->{$act} // 'nothing') =~ /\A(?:$result)\z/ && $good->{code} == 0 : $good->{code} == 0;
        ok($same, "$promise, $kind: $act is done under '$others $promise'") or diag($good->{code}, $good->{out}, $good->{err});
        my $bad = acts($without, $class, $options, $act);
        is($bad->{code}, $abort, "$promise, $kind: $act under '$others' ends with SIGABRT") or diag($bad->{out}, $bad->{err});
        unlike($bad->{out}, qr/ = /, "$promise, $kind: and was not answered");
        like($bad->{err}, qr/^nurse: .*pledge: needs [a-z_ ]*\b$named\b/m, "$promise, $kind: the promise is named") or diag($bad->{err});
        like($bad->{err}, qr/^nurse: .*\b$call/m, "$promise, $kind: and the call");
    }
}
fresh();

# --- no effect of what kills ---------------------------------------------------------------------------------------
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $policy = policy('require "nurse.pledge" "stdio rpath"');
    for my $act (['mkdir:new', 'new', 0], ['unlink:file', 'file', 1], ['open:file:t', 'file', 1]) {
        acts($policy, $class, $options, $act->[0]);
        is(-e "$work/$act->[1]" ? 1 : 0, $act->[2], "$kind: $act->[0] had no effect");
    }
    is(slurp("$work/file"), "text\n", "$kind: the file was not truncated");
    my $got = acts($policy, $class, $options, 'ipc');
    is($got->{code}, $abort, "$kind: a call of no promise kills");
    like($got->{err}, qr/pledge: is in no promise/, "$kind: and is told as such");
    is(answers(acts($policy, $class, $options, 'ptrace'))->{ptrace}, 'EPERM', "$kind: what no policy can allow fails with EPERM");
}

# --- a core file, where abort(3) leaves one
{
    my $limit = sub { run(['/bin/sh', '-c', 'ulimit -c unlimited; exec "$@"', 'sh', @_], { cwd => $work }) };
    fresh();
    my $native = answers($limit->(program('pledges'), 'core:abort'))->{'core:abort'} // 'nothing';
    like($native, qr/\A[12]006\z/, 'natively abort ends a process, perhaps with a core file');
    my $got = $limit->(@{ nurse_command(policy('require("nurse.pledge").interface()'), [], [program('pledges'), 'pledge:stdio proc', 'core:mkdir:new']) });
    is(answers($got)->{'core:mkdir:new'}, $native, 'and so does a broken promise') or diag($got->{err});
}

# --- what stdio brings without rpath -------------------------------------------------------------------------------
{
    my @fine = ('open:/dev/null:rw', 'open:/etc/localtime', 'stat:/etc/localtime', 'open:/usr/share/zoneinfo/UTC', 'raise', 'map', 'isatty', 'fstat:1', 'thread', 'readlink:/proc/self/exe');
    my $native = answers(acts(undef, 64, [], @fine));
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        my $got = acts(policy('require "nurse.pledge" "stdio"'), $class, $options, @fine);
        is(answers($got)->{$_} // 'nothing', $native->{$_}, "stdio, $kind: $_ is $native->{$_}") for @fine;
        is($got->{code}, 0, "stdio, $kind: it lives") or diag($got->{err});
    }
    my $getpw = acts(policy('require "nurse.pledge" "stdio getpw"'), 64, [], 'open:/etc/shadow', 'open:/etc/group');
    is(answers($getpw)->{'open:/etc/shadow'}, 'EPERM', 'getpw: /etc/shadow is refused without death');
    is(answers($getpw)->{'open:/etc/group'}, '0', 'getpw: /etc/group is read');
    is(acts(policy('require "nurse.pledge" "stdio dns"'), 64, [], 'connect:54')->{out}, "connect:54 = EACCES\n", 'dns: another port');
    my $fattr = acts(policy('require "nurse.pledge" "stdio rpath fattr"'), 64, [], 'chown:file:12345', 'chmod:file:4711');
    is(answers($fattr)->{'chown:file:12345'}, 'EPERM', 'fattr without chown: the owner stays');
    is((stat "$work/file")[4], $>, 'fattr without chown: indeed');
    is(sprintf('%o', (stat _)[2] & 07777), '711', 'fattr: the setuid bit is ignored');
}

# --- the error promise and errno mode -------------------------------------------------------------------------------
for my $policy (['error', 'require "nurse.pledge" "stdio error"'], ['violation', 'require "nurse.pledge" ("stdio", { violation = "errno" })']) {
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        my $got = acts(policy($policy->[1]), $class, $options, 'open:file', 'mkdir:new', 'fork', 'ipc', 'map');
        is(answers($got)->{$_}, 'ENOSYS', "$policy->[0], $kind: $_ is ENOSYS") for qw(open:file mkdir:new fork ipc);
        is(answers($got)->{map}, '0', "$policy->[0], $kind: what is promised works");
        is($got->{code}, 0, "$policy->[0], $kind: nobody dies");
        ok(!-e "$work/new", "$policy->[0], $kind: no effect");
    }
}

# --- mistakes of policies --------------------------------------------------------------------------------------------
for my $mistake (
    ['require "nurse.pledge" "stdio rpaht"', qr/:1: pledge: 'rpaht' of the promises is no promise/], ['require "nurse.pledge" ("stdio", { exec = "x" })', qr/:1: pledge: 'x' of exec is no promise/],
    ['local p = require "nurse.pledge" p "stdio" p "rpath"', qr/:1: pledge: the promises of this policy are made already/],
    ['require "nurse.pledge" ("stdio", { violation = "x" })', qr/:1: pledge: violation is 'kill' or 'errno'/],
) {
    my $got = run([build_dir() . '/nurse', 'check', policy($mistake->[0])]);
    is($got->{code}, 125, "$mistake->[0]: refused");
    like($got->{err}, $mistake->[1], "$mistake->[0]: why");
}

# --- promises of what is executed ------------------------------------------------------------------------------------
{
    my $policy = policy('require "nurse.pledge" ("stdio rpath wpath cpath proc exec", { exec = "stdio rpath" })');
    my $script = 'echo one > here; /bin/cat here; /usr/bin/touch there; echo $?';
    fresh();
    my $got = nurse($policy, [], ['/bin/sh', '-c', $script], { cwd => $work });
    is($got->{out}, "one\n$abort\n", 'exec: the shell writes, cat reads, touch dies') or diag($got->{err});
    ok(!-e "$work/there", 'exec: nothing was made');
    ok(-e "$work/here", 'exec: but by the shell');
    my $all = nurse(policy('require "nurse.pledge" "stdio rpath wpath cpath fattr proc exec"'), [], ['/bin/sh', '-c', $script], { cwd => $work });
    is($all->{out}, "one\n0\n", 'exec: without execpromises programs keep the promises') or diag($all->{err});
}

# --- programs ----------------------------------------------------------------------------------------------------------
{
    my $git = scratch() . '/git';
    make_path($git);
    my %who = map { ("GIT_${_}_NAME" => 'a', "GIT_${_}_EMAIL" => 'a@b', "GIT_${_}_DATE" => '1000000000 +0000') } qw(AUTHOR COMMITTER);
    run(['/bin/sh', '-c', 'git init -q . && git commit -q --allow-empty -m one && git commit -q --allow-empty -m two'], { cwd => $git, env => { %who, HOME => $git } });
    my @programs = (
        ['cat', 'stdio rpath', ['/bin/cat', '/etc/hostname', '/etc/passwd']], ['ls', 'stdio rpath tty', ['/bin/ls', '/etc']], ['ls -l', 'stdio rpath getpw tty', ['/bin/ls', '-l', '/usr']],
        ['date', 'stdio', ['/bin/date', '-d', '@0']], ['sort', 'stdio rpath', ['/usr/bin/sort', '/etc/passwd']], ['python3', 'stdio rpath', ['/usr/bin/python3', '-c', 'import json, os; print(json.dumps(sorted(os.listdir("/etc"))))']],
        ['git log', 'stdio rpath getpw', ['/usr/bin/git', '-C', $git, 'log', '--format=%H %an %s']],
        ['sh', 'stdio rpath proc exec', ['/bin/sh', '-c', 'for i in 1 2; do /bin/echo $i | /bin/cat; done; ls / | wc -l']],
    );
    for my $program (@programs) {
        my ($name, $promises, $command) = @$program;
        my $native = run($command, { env => { HOME => $git } });
        is($native->{code}, 0, "$name runs natively") or diag($native->{err});
        same_result($native, nurse(policy(qq{require "nurse.pledge" "$promises"}), [], $command, { env => { HOME => $git } }), "$name under '$promises'");
    }
}

# --- promises that a program makes ---------------------------------------------------------------------------------------
my $open = policy('require("nurse.pledge").interface()');
my @denials = ('in:open:file:rw', 'in:mkdir:new', 'in:socket:2:1', 'in:execmap', 'in:chmod:file:600', 'in:exec', 'in:setuid', 'in:tcsets', 'in:ipc');
is(acts(undef, 64, [], 'pledge:stdio')->{out}, "pledge:stdio = EINVAL\n", 'natively a program is told that nobody listens');
is(acts(policy('default "allow"'), 64, [], 'pledge:stdio', 'open:file')->{out}, "pledge:stdio = EINVAL\nopen:file = 0\n", 'and so under a policy that does not');
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $got = acts($open, $class, $options, 'open:file:rw', 'pledge:stdio rpath proc', 'in:open:file', 'open:file', @denials, 'fork', 'thread');
    my $answers = answers($got);
    is($answers->{$_} // 'nothing', '0', "interface, $kind: $_") for 'open:file:rw', 'pledge:stdio rpath proc', 'in:open:file', 'open:file', 'fork', 'thread';
    is($answers->{$_} // 'nothing', '1006', "interface, $kind: $_") for @denials;
    ok(!-e "$work/new", "interface, $kind: nothing was made");
    is($got->{code}, 0, "interface, $kind: only children died") or diag($got->{err});

    $answers = answers(acts($open, $class, $options, 'pledge:stdio rpath proc', 'pledge:stdio rpath wpath proc', 'pledge:stdio proc', 'pledge:stdio rpath', 'in:open:file', 'in:pledge:stdio rpath'));
    is($answers->{'pledge:stdio rpath wpath proc'}, 'EPERM', "interface, $kind: more than before is refused");
    is($answers->{'pledge:stdio proc'}, '0', "interface, $kind: less is fine");
    is($answers->{'pledge:stdio rpath'}, 'EPERM', "interface, $kind: and can't be taken back");
    is($answers->{'in:open:file'}, '1006', "interface, $kind: nor by a child");
    is($answers->{'in:pledge:stdio rpath'}, '1', "interface, $kind: which can't promise more either");

    $answers = answers(acts($open, $class, $options, 'pledge:stdio nonsense', 'pledge:', 'pledge:-:-', 'badpledge', 'longpledge:100000', 'longpledge:900:x', 'pledge:stdio error proc',
        'open:file', 'pledge:stdio rpath error proc', 'oldopen:file', 'mkdir:new'));
    my %want = ('pledge:stdio nonsense' => 'EINVAL', 'pledge:' => 'EOPNOTSUPP', 'pledge:-:-' => '0', badpledge => 'EFAULT', 'longpledge:100000' => 'ENAMETOOLONG', 'longpledge:900:x' => 'EINVAL',
        'pledge:stdio error proc' => '0', 'open:file' => 'ENOSYS', 'pledge:stdio rpath error proc' => '0', 'oldopen:file' => 'ENOSYS', 'mkdir:new' => 'ENOSYS');
    is($answers->{$_} // 'nothing', $want{$_}, "interface, $kind: $_ is $want{$_}") for sort keys %want;

    $answers = answers(acts($open, $class, $options, 'threadpledge:stdio proc', 'in:open:file', 'beside:open:file'));
    is($answers->{'in:open:file'}, '1006', "interface, $kind: what a thread promises holds for all");
    $answers = answers(acts($open, $class, $options, 'beside:open:file', 'beside:map', 'open:file'));
    is($answers->{'beside:open:file'} // 'nothing', '1006', "interface, $kind: a child beside its maker has the maker's promises");
    is($answers->{$_} // 'nothing', '0', "interface, $kind: $_") for 'beside:map', 'open:file';
}

# exec: what was promised is kept; what was promised for it holds from then on, and was had before.
{
    my $self = program('pledges');
    my $exec = sub { my ($what, @acts) = @_; my $sh = "exec $self " . join ' ', map { "'$_'" } @acts; spew("$work/next", "#!/bin/sh\n$sh\n", 0755); return $what };
    fresh();
    $exec->('', 'open:file', 'mkdir:new');
    my $got = nurse($open, [], [$self, 'pledge:stdio rpath proc exec', 'exec:./next'], { cwd => $work });
    like($got->{out}, qr/^open:file = 0$/m, 'exec keeps promises: what they grant');
    is($got->{code}, $abort, 'exec keeps promises: what they do not');
    $got = nurse($open, [], [$self, 'pledge:stdio rpath proc exec:stdio rpath wpath cpath exec', 'mkdir:one'], { cwd => $work });
    is($got->{code}, $abort, 'execpromises are not for the one who promises');
    $got = nurse($open, [], [$self, 'pledge:stdio rpath proc exec:stdio rpath wpath cpath exec', 'exec:./next'], { cwd => $work });
    like($got->{out}, qr/^mkdir:new = 0$/m, 'execpromises hold after exec') or diag($got->{out}, $got->{err});
    rmdir "$work/new";
    $got = nurse($open, [], [$self, 'pledge:stdio rpath exec', 'pledge:-:stdio rpath wpath', 'exec:./next'], { cwd => $work });
    like($got->{out}, qr/^pledge:-:stdio rpath wpath = EPERM$/m, 'execpromises never exceed what is promised');
    is($got->{code}, $abort, 'and so nothing is gained');
    ok(!-e "$work/new", 'indeed nothing');
}

# a floor of nothing, promises to begin with, and what the policy takes by itself
{
    my $got = acts(policy('require("nurse.pledge").interface { floor = "" }'), 64, [], 'pledge:');
    is($got->{code}, $abort, 'floor = "": a program can promise to write nothing') or diag($got->{out}, $got->{err});
    is($got->{out}, '', 'and writes nothing');
    $got = acts(policy('require("nurse.pledge").interface { promises = "stdio rpath", violation = "errno" }'), 64, [], 'open:file', 'mkdir:new', 'pledge:stdio error', 'oldopen:file');
    is($got->{out}, "open:file = 0\nmkdir:new = ENOSYS\npledge:stdio error = 0\noldopen:file = ENOSYS\n", 'promises to begin with');
    $got = acts(policy('local pledge = require "nurse.pledge" pledge.interface() on("getcwd", function(call) pledge.reduce(call.pid, "stdio error") end) default "allow"'), 64, [],
        'open:file', 'getcwd', 'oldopen:file');
    like($got->{out}, qr/\Aopen:file = 0\n.*^oldopen:file = ENOSYS\n/ms, 'reduce: the policy takes promises at run time') or diag($got->{out}, $got->{err});
}
unlink '/tmp/nurse-pledge-test';

# --- the examples of the manual page ---------------------------------------------------------------------------------------
{
    my @texts = slurp(root_dir() . '/doc/man/nurse-pledge.3') =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed\n/msg;
    my @cases = (    # a command that the promises are kept by, one that breaks them, and its end
        ['cat file', "text\n", 'mkdir new', qr/\A134\z/], ['echo one > here; cat here', "one\n", '/usr/bin/touch new', qr/\A134\z/],
        ['cat file', "text\n", '/bin/mkdir new', qr/\A1\z/], ['cat file', "text\n", 'python3 that lists, then opens', qr/\A1\z/],
    );
    is(scalar @texts, scalar @cases, 'nurse-pledge(3) has examples');
    for my $i (0 .. $#cases) {
        my ($kept, $prints, $broken, $end) = @{ $cases[$i] };
        my @shell = $i == 1 ? ('/bin/sh', '-c') : ();
        fresh();
        my $good = nurse(policy($texts[$i]), [], $i == 3 ? ['/bin/cat', 'file'] : [@shell, @shell ? $kept : split ' ', $kept], { cwd => $work });
        is($good->{out}, $prints, "nurse-pledge(3): $kept") or diag($texts[$i], $good->{err});
        my $bad = nurse(policy($texts[$i]), [], $i == 3 ? ['/usr/bin/python3', '-c', 'import os; os.listdir("dir"); open("file")'] : [@shell, @shell ? $broken : split ' ', $broken], { cwd => $work });
        like($bad->{code}, $end, "nurse-pledge(3): $broken") or diag($texts[$i], $bad->{err});
        ok(!-e "$work/new", 'nurse-pledge(3): no effect');
    }
}

done_testing();
