#!/usr/bin/perl
# nurse.quota: what t/programs/spends.c uses, natively and with limits, in three ways; ends at a limit; mistakes.
# A program's stdout is a pipe here: a regular file would be counted.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $dir = scratch() . '/quota';
mkdir $dir;
spew("$dir/plenty", 'y' x (1 << 20));

# quota{ LIMITS } around the program; what is used is logged at the end.
sub limited {
    my ($limits, $name) = @_;
    return policy(<<"LUA", $name);
default "allow"
local quota = require "nurse.quota"
quota{ $limits }
event("exit", function(process)
  if not process.parent then for _, name in ipairs{ "files", "written", "processes" } do log("%s %s", name, quota.used(name)) end end
end)
LUA
}

sub spend {
    my ($command) = @_;
    unlink "$dir/out";
    my $result = run(['bash', '-o', 'pipefail', '-c', '"$@" | cat', 'bash', @$command], { cwd => $dir });
    $result->{answers} = [$result->{out} =~ / = (.*)$/mg];
    $result->{size} = -s "$dir/out" // -1;
    return $result;
}

sub inside {
    my ($policy, $way, @acts) = @_;
    return spend(nurse_command($policy, $way->[2], [program('spends', $way->[1]), @acts]));
}

sub native { my (@acts) = @_; return spend([program('spends'), @acts]) }

# --- bytes written -------------------------------------------------------------------------------------------------
{
    my $policy = limited('written = 250');
    my @cases = (    # ACT, three times, then write:100; results; size of the file
        (map { [$_, [100, 100, 50, 'EDQUOT'], 250] } qw(write pwrite writev pwritev splice sendfile copy)),
        [fallocate => [100, 100, 'EDQUOT', 50], 250],
        [ftruncate => [100, 100, 'EDQUOT', 50], 250],
        [rewrite => [100, 100, 50, 'EDQUOT'], 100],      # as often as it is written
        [truncate => [0, 0, 'EDQUOT', 50], 150],         # a length as a whole
        [punch => [100, 100, 100, 100], 100],            # gives back
        [pipe => [100, 100, 100, 100], 100],             # no file
        [null => [100, 100, 100, 100], 100],
    );
    for my $case (@cases) {
        my ($verb, $expected, $size) = @$case;
        my @acts = (("$verb:100") x 3, 'write:100');
        my $native = native(@acts);
        my $whole = $verb eq 'truncate' ? 0 : 100;
        is_deeply($native->{answers}, [$whole, $whole, $whole, 100], "natively $verb writes");
        for my $way (@ways) {
            my $result = inside($policy, $way, @acts);
            is_deeply($result->{answers}, $expected, "$verb, $way->[0]: up to the limit, then short, then not") or diag($result->{err});
            is($result->{size}, $size, '... and so much is in the file');
        }
    }
    for my $way (@ways) {
        my $result = inside($policy, $way, 'write:200', 'shrink:10', 'shrink:10', 'bad:0', 'write:50', 'write:1', 'pipe:10');
        is_deeply($result->{answers}, [200, 0, 0, 0, 50, 'EDQUOT', 10], "$way->[0]: a file that shrinks costs nothing, nor do no bytes");
        $result = inside(limited('written = 2500'), $way, 'threads:8');
        is($result->{size}, 2500, 'threads that write at the same time: to the byte');
        is(native('threads:8')->{size}, 8000, '... natively more');
        $result = inside(limited('written = 2500'), $way, 'copiers:8', 'write:9999', 'write:1');
        cmp_ok($result->{size}, '<=', 2500, 'threads that copy at the same time: never more');
        is($result->{answers}[2], 'EDQUOT', '... and to the end');
        like($result->{err}, qr/^nurse: written 2500$/m, '... nothing is held for calls that are over');
    }
    my %sizes = ('"1KB"' => 1000, '"1K"' => 1024, '"1 KiB"' => 1024, '"0.5k"' => 512, '"700"' => 700, '0' => 'EDQUOT', '7.9' => 7, '"0.001MB"' => 1000);
    for my $size (sort keys %sizes) {
        is(inside(limited("written = $size"), $ways[0], 'write:5000')->{answers}[0], $sizes{$size}, "written = $size");
    }
    my $result = run(['bash', '-c', '"$@" | tail -1', 'bash', @{ nurse_command(limited('written = "20KB"'), [], ['sh', '-c', 'for i in 1 2 3 4; do head -c 7000 /dev/zero >> many; done; wc -c < many']) }],
        { cwd => $dir });
    is($result->{out}, "20000\n", 'one sum for all processes');
    unlink "$dir/many";
}

# --- files and processes -------------------------------------------------------------------------------------------
for my $way (@ways) {
    my ($base) = inside(limited('files = 1000'), $way, 'open:0')->{err} =~ /^nurse: files (\d+)$/m;
    cmp_ok($base // 0, '>=', 2, "$way->[0]: what the program opens first");
    my $policy = limited('files = ' . ($base + 3));
    is_deeply(native('missing:5', 'open:2', 'open:5')->{answers}, [0, 2, 5], 'natively as many as wanted');
    my $result = inside($policy, $way, 'missing:5', 'open:2', 'open:5', 'open:1', 'write:10');
    is_deeply($result->{answers}, [0, 2, 1, 'EMFILE', 10], 'files are opened up to the limit; what could not be opened does not count');
    my $few = limited('processes = 4');
    $result = inside($few, $way, 'fork:6', 'fork:2', 'threads:8', 'fork:3');
    is_deeply($result->{answers}, [3, 2, 8, 3], 'processes at once; those that ended make room, threads are none');
    is_deeply(native('fork:6')->{answers}, [6], '... natively more');
    is_deeply(inside(limited('processes = 1'), $way, 'fork:1')->{answers}, ['EAGAIN'], 'no children at all');
    like($result->{err}, qr/^nurse: processes 0$/m, 'when all have ended there is none');
}

# --- what happens at a limit ---------------------------------------------------------------------------------------
for my $way (@ways) {
    my @acts = ('write:5', 'write:10', 'write:10');
    my %ends = (
        'written = 10, on_limit = "deny ENOSPC"' => [0, [5, 5, 'ENOSPC'], qr/^nurse: denied with ENOSPC by \S* \(quota: written: 10 bytes written\): write\(/m],
        'written = { 10, on_limit = "deny EFBIG" }, on_limit = "kill"' => [0, [5, 5, 'EFBIG'], qr/^nurse: denied with EFBIG /m],
        'written = 10, on_limit = "kill"' => [137, [], qr/^nurse: .*kill/],
        'written = 10, on_limit = "stop"' => [124, [], qr/^nurse: quota: written: 10 bytes written$/m],
        'written = 10, on_limit = function(what, used, limit) log("%s %d %d", what, used, limit) end' => [0, [5, 5, 'EDQUOT'], qr/^nurse: written 10 10\n/],
        'written = 10, on_limit = function() return "deny EROFS" end' => [0, [5, 5, 'EROFS'], qr/./],
        'written = 10, on_limit = function() return "allow" end' => [0, [5, 5, 10], qr/^nurse: written 20$/m],
        'written = 10, on_limit = function() return "stop" end' => [124, [], qr/^nurse: quota: written: 10 bytes written$/m],
        'written = 10, on_limit = function() return "rubbish" end' => [0, [5, 5, 'EPERM'], qr/quota: on_limit is .*rubbish.*; denied/],
    );
    for my $limits (sort keys %ends) {
        my ($code, $answers, $err) = @{ $ends{$limits} };
        my $result = inside(limited($limits), $way, @acts);
        is($result->{code}, $code, "$way->[0]: $limits: status");
        is_deeply($result->{answers}, $answers, '... answers');
        like($result->{err}, $err, '... messages');
    }
}

# --- time ----------------------------------------------------------------------------------------------------------
for my $gate ([], ['--gate=off']) {
    my $result = nurse(limited('wall = 1'), $gate, ['sh', '-c', 'sleep 20 & echo started; wait; echo never']);
    is($result->{code}, 124, "@$gate: wall: the status of a time limit");
    is($result->{out}, "started\n", '... so far it ran');
    like($result->{err}, qr/^nurse: quota: wall: 1 s$/m, '... and why it did not go on');
    is(nurse(limited('wall = "1m"'), $gate, ['sh', '-c', 'exit 3'])->{code}, 3, 'a program that is faster keeps its status');
    $result = nurse(limited('cpu = 0.2'), $gate, ['perl', '-e', '1 while 1']);
    is($result->{code}, 124, 'cpu: the same');
    like($result->{err}, qr/^nurse: quota: cpu: 0\.2 s of CPU time$/m, '... and why');
    is(nurse(limited('cpu = 0.2'), $gate, ['sleep', '0.5'])->{code}, 0, 'a program that sleeps uses none');
}
is(nurse(limited('cpu = 0.3'), [], [program('burner'), 'wait', 100, 30])->{code}, 124, 'cpu: children that ended are counted');
is(nurse(limited('cpu = 0.3'), [], [program('burner'), 'ignore', 100, 30])->{code}, 124, '... also those that nobody waits for');
is(nurse(limited('cpu = 0.3'), [], [program('burner'), 'wait', 2, 30])->{code}, 0, '... and may use what is left');
is(nurse(limited('wall = 0.2, on_limit = "kill"'), [], ['sleep', 20])->{code}, 137, 'wall with "kill"');
is(nurse(limited('wall = 0.2, on_limit = "deny EIO"'), [], ['sleep', 20])->{code}, 124, 'nothing is denied for the time');
my $let = nurse(limited('wall = 0.1, on_limit = function(what) log("%s is over", what) return "allow" end'), [], ['sleep', 1]);
is($let->{code}, 0, 'a function can let time pass');
like($let->{err}, qr/^nurse: wall is over$/m, '... when it was asked');

# --- mistakes, and what costs nothing -------------------------------------------------------------------------------
my %mistakes = (
    'file = 3' => qr/quota: there is no limit 'file'/,
    'written = "10XB"' => qr/quota: written can't be '10XB'/,
    'written = -1' => qr/quota: written can't be '-1'/,
    'files = {}' => qr/quota: files can't be 'nil'/,
    'wall = "soon"' => qr/quota: wall can't be 'soon'/,
    'files = 3, on_limit = "deny EWHAT"' => qr/quota: on_limit is .* not 'deny EWHAT'/,
    'files = 3, on_limit = "punish"' => qr/quota: on_limit is .* not 'punish'/,
    'files = 3 } quota{ files = 4' => qr/quota: files was limited before/,
);
for my $mistake (sort keys %mistakes) {
    my $result = nurse(limited($mistake, 'mistake.lua'), [], ['true']);
    is($result->{code}, 125, "$mistake: refused");
    one_nurse_line($result, qr/^nurse: \S*mistake\.lua:3: $mistakes{$mistake}/, '... with file and line');
}
my $check = run([build_dir() . '/nurse', 'check', limited('wall = 3')]);
like($check->{out}, qr/^write +both +native/m, 'a limit of time leaves calls native');
$check = run([build_dir() . '/nurse', 'check', limited('files = 3')]);
like($check->{out}, qr/^write +both +native/m, 'a limit of files leaves write native');

done_testing();
