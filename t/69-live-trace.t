#!/usr/bin/perl
# nurse trace: its lines are strace's, for cat, ls and a program of ours (t/programs/traced.c) in both classes; a policy's verdicts are enforced and marked;
# calls that aren't named keep their ways; and no program behaves differently for being traced.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Cwd qw(abs_path);
use File::Path qw(make_path remove_tree);
use Test::More;

my $nurse = abs_path($ENV{NURSE} // 'build/nurse');
my ($work, $lines) = (scratch() . '/work', scratch() . '/lines');
my %env = (LC_ALL => 'C', TZ => 'UTC');

# Run in a fresh directory; `tracer` is the command before the program, its lines go to $lines.
sub traced {
    my ($tracer, $command, $o) = @_;
    remove_tree($work);
    make_path($work);
    unlink $lines;
    my $result = run([@$tracer, @$command], { cwd => $work, env => \%env, timeout => 30, %{ $o // {} } });
    $result->{lines} = -e $lines ? slurp($lines) : '';
    return $result;
}

sub trace {
    my ($options, $command, $o) = @_;
    return traced([$nurse, 'trace', '-o', $lines, @$options, '--'], $command, $o);
}

# --- the same lines as strace ------------------------------------------------------------------------------
# Lines by process, each whole: what was unfinished and resumed is put together. Addresses, pids and ports are made equal; what only one of the two can
# know (signals, how a grandchild was killed, restarts) or makes (the clock, which natively is the VDSO's) is left out.
sub calls {
    my ($text, $from) = @_;
    my (%lines, %open, %number, @order);
    for (split /\n/, $text) {
        my ($pid, $line) = /^(\d+) +(.*)$/ or next;
        push @order, $pid if !$lines{$pid};
        $lines{$pid} //= [];
        next if $line =~ /^(?:---|\+\+\+|rt_sigreturn|sigreturn|clock_gettime|execve)/ || $line =~ /ERESTART/;
        if ($line =~ s/ ?<unfinished \.\.\.>(?!\)).*//) { $open{$pid} = $line; next }
        $line =~ s/^<\.\.\. \w+ resumed>/$open{$pid} \/\/ ''/e;
        push @{ $lines{$pid} }, $line;
    }
    $number{ $order[$_] } = "PID$_" for 0 .. $#order;
    my @all = map { my $pid = $_; map { "$number{$pid} $_" } @{ $lines{$pid} } } @order;
    shift @all while @all && $all[0] !~ $from;
    for (@all) {
        s/\b(\d+)\b/$number{$1} \/\/ $1/ge;
        s/0x[0-9a-f]{6,}/ADDRESS/g;
        s/\) +=/) =/;
        s/htons\([1-9]\d*\)/htons(PORT)/;
    }
    return join '', map { "$_\n" } @all;
}

sub same_lines {
    my ($name, $from, $command, $edit, @options) = @_;
    my $strace = traced(['strace', '-f', '-o', $lines], $command);
    my $ours = trace(\@options, $command);
    my ($expected, $got) = (calls($strace->{lines}, $from), calls($ours->{lines}, $from));
    $edit->($_) for grep { $edit } $expected, $got;
    cmp_ok(scalar(() = $expected =~ /\n/g), '>', 4, "$name: strace has lines");
    same_result({ out => $expected, err => '', code => 0 }, { out => $got, err => '', code => 0 }, "$name: the lines are strace's");
    is_deeply([@$ours{qw(out code)}], [@$strace{qw(out code)}], "$name: the program does the same") or diag($ours->{err});
    return;
}

SKIP: {
    skip_or_fail('no strace', 1) if run(['strace', '-o', '/dev/null', '/bin/true'])->{code};
    my $from = qr/umask\(027\)/;
    same_lines('cat', qr{"/etc/passwd"}, ['cat', '/etc/passwd']);
    same_lines('ls', qr{openat\(AT_FDCWD, "/etc/"}, ['ls', '/etc/']);
    for my $class (64, 32) {
        # socketcall is shown as the call that it stands for, and there i386 has no numbers for these
        my $sockets = sub { $_[0] =~ s/accept4\((.*), 0\) =/accept($1) =/; $_[0] =~ s/\b(send|recv)(?:to|from)\((.*), NULL, (?:0|NULL)\) =/$1($2) =/g };
        # a 32-bit program's files are opened by openat2, which is always for large ones
        my $large = sub { $_[0] =~ s/^.* fcntl\w*\(3, F_GETFL\).*\n//mg };
        same_lines("files, $class bits", $from, [program('traced', $class), 'files'], $class == 32 ? $large : undef);
        same_lines("sockets, $class bits", $from, [program('traced', $class), 'sockets'], $sockets);
        same_lines("processes, $class bits", $from, [program('traced', $class), 'processes', 3]);
        same_lines("files, $class bits, no gate", $from, [program('traced', $class), 'files'], $class == 32 ? $large : undef, '--gate=off');
    }
}

# --- the ends ----------------------------------------------------------------------------------------------
for my $class (64, 32) {
    my $exit = trace([], [program('traced', $class), 'nothing', 9]);
    is($exit->{code}, 9, "$class bits: the exit status");
    like($exit->{lines}, qr/^\d+ +exit_group\(9\) +           = \?\n\d+ +\+\+\+ exited with 9 \+\+\+\n\z/m, "$class bits: and the last two lines");
    my $killed = trace([], [program('traced', $class), 'killed']);
    is($killed->{code}, 137, "$class bits: it kills itself");
    like($killed->{lines}, qr/kill\(\d+, SIGKILL\) +   = \?\n\d+ +\+\+\+ killed by SIGKILL \+\+\+\n\z/, "$class bits: the call that did it is shown");
    my $crash = trace([], [program('traced', $class), 'crash']);
    like($crash->{lines}, qr/\+\+\+ killed by SIGSEGV(?: \(core dumped\))? \+\+\+\n\z/, "$class bits: a crash");
}

# --- handlers, SIGPIPE, threads ----------------------------------------------------------------------------
for my $class (64, 32) {
    for my $word ('interrupted', 'threads') {
        my $native = traced([], [program('traced', $class), $word]);
        my $ours = trace([], [program('traced', $class), $word]);
        is($native->{code}, $word eq 'threads' ? 0 : 141, "$word, $class bits: natively");
        same_result($native, $ours, "$word, $class bits: the same when traced");
        like($ours->{lines}, qr/resumed>0x[0-9a-f]+, 1\) += -1 EINTR \(Interrupted system call\)$/m, "$class bits: the EINTR shows") if $word eq 'interrupted';
        like($ours->{lines}, qr/resumed>"!", 1\) += 1$/m, "$class bits: and what came of the restarted read") if $word eq 'interrupted';
        is(scalar(grep { !/^\d+ +(?:(?:<\.\.\. )?[a-z]\w+[( ].* (?:<unfinished \.\.\.>|= .+)|\+\+\+ .* \+\+\+)$/ } split /\n/, $ours->{lines}), 0,
            "$word, $class bits: every line is whole");
    }
}

# --- which calls, and where to -----------------------------------------------------------------------------
my @names = (    # -e, what must be named, what must not
    ['getcwd',                  [qw(getcwd)],                      [qw(openat read uname)]],
    ['trace=uname,pipe2',       [qw(uname pipe2)],                 [qw(openat read getcwd)]],
    ['@dir',                    [qw(getcwd mkdir)],                [qw(openat read pipe2)]],
    ['%file',                   [qw(openat mkdir readlink)],       [qw(read lseek pipe2)]],
    ['!@memory,openat',         [qw(read getcwd uname)],           [qw(mmap openat mprotect)]],
    ['trace=!read',             [qw(openat getcwd)],               [qw(read)]],
    ['?nosuchcall,uname',       [qw(uname)],                       [qw(openat)]],
);
for my $case (@names) {
    my ($list, $with, $without) = @$case;
    my $got = trace(['-e', $list], [program('traced'), 'files']);
    like($got->{lines}, qr/^\d+ +$_\(/m, "-e $list: $_") for @$with;
    unlike($got->{lines}, qr/^\d+ +$_\(/m, "-e $list: no $_") for @$without;
    like($got->{lines}, qr/\+\+\+ exited with 0 \+\+\+\n\z/, "-e $list: the end");
}
{
    my $two = trace(['-e', 'uname', '-e', 'getcwd'], [program('traced'), 'files']);
    my @got = $two->{lines} =~ /^\d+ +(\w+)\(/mg;
    is_deeply(\@got, [qw(getcwd uname)], 'two -e add up, and nothing else is there');
    my $y = trace(['-y', '-e', 'fstat,newfstatat,fstat64,openat'], ['cat', '/etc/passwd']);
    like($y->{lines}, qr{openat\(AT_FDCWD<\Q$work\E>, "/etc/passwd", O_RDONLY\) = 3</etc/passwd>\n\d+ +newfstatat\(3</etc/passwd>, }, '-y: what a descriptor is');
    remove_tree($work);
    make_path($work);
    my $stderr = run([$nurse, 'trace', '-e', 'getcwd,exit_group', '--', program('traced'), 'files'], { cwd => $work });
    like($stderr->{err}, qr/^getcwd\("\Q$work\E", 256\) += \d+\nexit_group\(0\) + = \?\n\+\+\+ exited with 0 \+\+\+\n\z/m, 'to stderr, without a pid for one process');
    my $many = run([$nurse, 'trace', '-e', 'exit_group', '--', program('traced'), 'processes'], { cwd => $work });
    like($many->{err}, qr/^\[pid +\d+\] exit_group\(7\) += \?\n\[pid +\d+\] \+\+\+ exited with 7 \+\+\+$/m, 'with one when there are several');
    like($many->{err}, qr/^\+\+\+ exited with 0 \+\+\+\n\z/m, 'and again without');
    my $odd = trace(['-e', '@open'], [program('traced'), 'files']);
    like($odd->{lines}, qr/"odd \\n\\33\[1m\\"name\\"", O_RDONLY\) = -1 ENOENT/, 'control bytes are escaped');
    unlike($odd->{lines}, qr/[^\n\x20-\x7e]/, 'none is left');
}

{
    # a reader that takes one line and goes, and one that comes late
    my $gone = run(['sh', '-c', '"$0" trace -- "$1" processes 5 2>&1 >done | head -n 1; wait', $nurse, program('traced')], { cwd => $work, timeout => 20 });
    like($gone->{out}, qr/\A\w+\(.*\n\z/, 'one line is read');
    my $pipe = run(['sh', '-c', '"$0" trace -- "$1" nothing 6 2>&1 >/dev/null; echo $?', $nurse, program('traced')], { cwd => $work });
    like($pipe->{out}, qr/exited with 6 \+\+\+\n6\n\z/, 'a pipe that is read');
    my $closed = run(['sh', '-c', '{ "$0" trace -- "$1" files; echo $? >status; } 2>&1 >/dev/null | :', $nurse, program('traced')], { cwd => $work });
    is(slurp("$work/status"), "0\n", 'the program ends as ever when nobody reads the lines') or diag($closed->{err});
    my $late = run(['sh', '-c', '"$0" trace -- "$1" threads 2>&1 >/dev/null | { sleep 0.3; cat; }', $nurse, program('traced')], { cwd => $work });
    my $soon = trace([], [program('traced'), 'threads']);
    like($late->{out}, qr/exited with 0 \+\+\+\n\z/, 'a late reader gets the end');
    my $writes = () = $late->{out} =~ /^(?:\[pid +\d+\] )?(?:write\(\d+, "x", 1|<\.\.\. write resumed>)[^\n]*= 1$/mg;
    cmp_ok($writes, '>', 0, 'and no line is lost');
    is(scalar(() = $late->{out} =~ /write\(4, "x", 1/g), 800, 'all 800 writes are there');
}

# --- with a policy -----------------------------------------------------------------------------------------
my $policy = policy(<<'LUA', 'traced.lua');
default "allow"
deny("mkdir", "EROFS")
on("readlink", function(call) return call:emulate(5) end)
on("@open", function(call)
  if call.rawpath == "file" and call.flags:has "O_CREAT" then call.path = "other" end
end)
after("uname", function() return "EIO" end)
on("rmdir", function(call) return call:kill() end)
LUA
for my $class (64, 32) {
    my $free = trace([], [program('traced', $class), 'files']);
    like($free->{lines}, qr/mkdir\("dir", 0755\) += 0$/m, "$class bits: without a policy mkdir succeeds");
    ok(-e "$work/file", "$class bits: and the file is made under its own name");
    my $ours = trace(['-p', $policy], [program('traced', $class), 'files']);
    like($ours->{lines}, qr/mkdir\("dir", 0755\) += -1 EROFS \(Read-only file system\)  <deny \Q$policy\E:2>$/m, "$class bits: a denial and its rule");
    like($ours->{err}, qr/mkdir.*Read-only/, "$class bits: which the program gets");
    ok(!-e "$work/dir" && !-e "$work/moved", "$class bits: and which holds");
    like($ours->{lines}, qr/readlink\("link", 0x[0-9a-f]+, 64\) += 5  <emulate \Q$policy\E:3>$/m, "$class bits: an emulated call");
    like($ours->{lines}, qr/"file", O_RDWR\|O_CREAT\|O_TRUNC[^\n]*, 0640\) = 3  <rewritten: open\w*\([^\n]*"other", /, "$class bits: a rewritten one");
    ok(!-e "$work/file" && -e "$work/other", "$class bits: which is the one that was made");
    like($ours->{lines}, qr/rmdir\("moved"\) += \?  <kill \Q$policy\E:8>\n.*\+\+\+ killed by SIGKILL \+\+\+\n\z/s, "$class bits: a kill");
    is($ours->{code}, 137, "$class bits: ends it");
    my $replaced = trace(['-p', policy(qq{default "allow"\nafter("uname", function() return "EIO" end)})], [program('traced', $class), 'files']);
    like($replaced->{lines}, qr/uname\(\{sysname="Linux", .*\}\) += -1 EIO \(Input\/output error\)  <replaced: 0>$/m, "$class bits: a result that after() replaced");
    my $refused = trace([], [program('acts', $class), 'ptrace']);
    like($refused->{lines}, qr/ptrace\(.*\) += -1 EPERM \(Operation not permitted\)  <refused by nurse>$/m, "$class bits: what nurse refuses");
}

# --- arguments that make no sense ----------------------------------------------------------------------------
for my $class (64, 32) {
    my $fuzz = trace([], [program('fuzz-arguments', $class), 'same', 5, 800]);
    is($fuzz->{code}, 0, "$class bits: nonsense is survived") or diag($fuzz->{err});
    is(scalar(() = $fuzz->{out} =~ /\n/g), 800, "$class bits: all of it was tried");
    like($fuzz->{lines}, qr/= -1 EFAULT \(Bad address\)\n.*\+\+\+ exited with 0 \+\+\+\n\z/s, "$class bits: and traced to the end");
    unlike($fuzz->{lines}, qr/[^\n\x20-\x7e]/, "$class bits: no control byte gets through");
    unlike($fuzz->{lines}, qr/^[^\n]{40000}/m, "$class bits: no line without bounds");
}

# --- mistakes ----------------------------------------------------------------------------------------------
my @mistakes = (
    [['-c', '--', 'true'], qr/-c: not in this version/],
    [['-e', 'opnat', '--', 'true'], qr/-e: no such system call: opnat/],
    [['-e', '@opne', '--', 'true'], qr/-e: no such group: \@opne/],
    [['-e', 'signal=SIGUSR1', '--', 'true'], qr/only trace= is understood/],
    [['-o', '/nonexistent/x', '--', 'true'], qr{/nonexistent/x: No such file}],
    [['-o'], qr/-o: needs FILE/],
    [[], qr/trace: which program/],
    [['-p', '/nonexistent.lua', '--', 'true'], qr/nonexistent/],
);
for my $mistake (@mistakes) {
    my $result = run([$nurse, 'trace', @{ $mistake->[0] }]);
    is($result->{code}, 125, "trace @{ $mistake->[0] }: status");
    one_nurse_line($result, $mistake->[1], "trace @{ $mistake->[0] }: one line");
}

done_testing();
