#!/usr/bin/perl
# exec under nurse: from any thread, scripts, descriptors, both classes, big arguments, errors, what survives: the words of t/programs/execs.c, natively
# and in every way. Then what a policy sees of an exec and may change, and the events of processes.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @short = (gates())[0, 2];    # in Lua with gate; without

# [WORD, status of the native run]
my @words = (
    ['self', 25], ['many'], ['thread'], ['thread first'], ['failed'], ['script-chain'], ['fexecve'], ['cloexec'], ['big-args'], ['errors'], ['mask'], ['mask thread'],
    ['children'], ['etxtbsy'], ['seen', 25],
);

sub words {
    my ($kind, $program, $gates, @list) = @_;
    for my $entry (@list) {
        my ($word, $code) = @$entry;
        same_as_native("$word, $kind", [$program, split ' ', $word], { gates => $gates, native_code => $code // 0, timeout => 20, env => { EXEC => 'from outside' } });
    }
    return;
}

words('64 bits', program('execs', 64), [gates()], @words);
words('32 bits', program('execs', 32), \@short, @words);
for my $class (64, 32) {
    same_as_native("back and forth between the classes, from $class", [program('execs', $class), 'class', program('execs', 96 - $class)], { timeout => 20 });
}
my $static = build_program('static', 'execs', 'gcc', '-static');
ok($static, 'static: compiles') and words('static', $static, \@short, ['self', 25], ['thread'], ['fexecve'], ['errors'], ["class " . program('execs', 64)]);
my $musl = build_program('musl', 'execs', 'musl-gcc');
ok($musl, 'musl: compiles') and words('musl', $musl, \@short, ['self', 25], ['thread'], ['fexecve'], ['errors'], ["class " . program('execs', 64)]);

# --- what a policy sees and may change ---------------------------------------------------------------------
my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);

# Lines of `log`.
sub logged { my ($result) = @_; return [$result->{err} =~ /^nurse: (.*)$/mg] }

# An exec of `show` whose first argument is NAME: a policy that names only this one.
sub on_show {
    my ($name, $body) = @_;
    return policy(qq{on("execve execveat", function(call)\n  if call.argv[2] ~= "show" or call.argv[3] ~= "$name" then return end\n$body\nend)\ndefault "allow"\n});
}

# One policy in all ways. look: code that is given the result and a name.
sub each_way {
    my ($name, $policy, $look) = @_;
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        my $result = nurse($policy, $options, [program('execs', $class), 'seen'], { timeout => 20 });
        $look->($result, "$name, $kind", run([program('execs', $class), 'seen']));
    }
    return;
}

my $see = policy(<<'LUA');
on("execve execveat", function(call)
  if call.argv[2] ~= "show" then return end
  log("%s of %s: %d [%s] {%s}", call.name, call.path:basename(), #call.argv, table.concat(call.argv, "|", 2), table.concat(call.envp, "|"))
end)
default "allow"
LUA
each_way('seen', $see, sub {
    my ($result, $name, $native) = @_;
    is($result->{out}, $native->{out}, "$name: the program sees what it sees natively");
    is($result->{code}, 25, "$name: status");
    my $environment = '{EXEC=seen|EXEC_TWO=2}';
    is_deeply(logged($result),
        ["execve of execs: 4 [show|first|a b] $environment", "execveat of execs: 4 [show|second|] $environment", "execve of execs: 3 [show|third] $environment"],
        "$name: path, arguments and environment");
});

each_way('denied', on_show('first', 'return call:deny "EACCES"'), sub {
    my ($result, $name, $native) = @_;
    (my $expected = $native->{out}) =~ s/^  argument \[first\]\n.*?child: exited 25$/child: exited 13/ms;
    isnt($expected, $native->{out}, "$name: natively it succeeds");
    is($result->{out}, $expected, "$name: EACCES, no such program runs, and the others do");
});

each_way('arguments rewritten', on_show('first', 'call.argv = { "another name", "show", "rewritten", "", "x y" }'), sub {
    my ($result, $name, $native) = @_;
    (my $expected = $native->{out}) =~ s/argument \[first\]\n  argument \[a b\]/argument [rewritten]\n  argument []\n  argument [x y]/;
    $expected =~ s/cmdline of execs/cmdline of another name/;
    is($result->{out}, $expected, "$name: by a list");
});

each_way('environment rewritten', on_show('second', 'call.envp = { "EXEC_NEW=by the policy", "PATH=/bin" }'), sub {
    my ($result, $name, $native) = @_;
    (my $expected = $native->{out}) =~ s/(argument \[second\]\n  argument \[\]\n)  environment .*\n  environment .*\n/$1  environment [EXEC_NEW=by the policy]\n/;
    isnt($expected, $native->{out}, "$name: it is another one");
    is($result->{out}, $expected, "$name: by a list");
});

each_way('everything rewritten', on_show('first', 'call.path = "/bin/echo" call.argv = { "echo", "  from", "the policy" } call.envp = {}'), sub {
    my ($result, $name, $native) = @_;
    (my $expected = $native->{out}) =~ s/^  argument \[first\]\n.*?child: exited 25$/  from the policy\nchild: exited 0/ms;
    is($result->{out}, $expected, "$name: another program runs");
});

each_way('many arguments', on_show('first', <<'LUA'), sub {
  local list = { "execs", "digest" }
  for i = 1, 3000 do list[#list + 1] = ("x"):rep(200) end
  call.argv, call.envp = list, {}
LUA
    my ($result, $name) = @_;
    like($result->{out}, qr/\Afirst\n  3000 strings, 600000 bytes, .*\nchild: exited 0\n/, "$name: more than there were");
});

# What is no list of strings is an error, so a denial, and nothing runs.
for my $wrong ('"a string"', '{ {} }', '{ "a\\0b" }', '5') {
    my $result = nurse(on_show('first', "call.argv = $wrong"), [], [program('execs'), 'seen'], { timeout => 20 });
    like($result->{out}, qr/\Afirst\nchild: exited 1\nsecond\n/, "call.argv = $wrong: EPERM");
    unlike($result->{out}, qr/argument \[first\]/, "call.argv = $wrong: it doesn't run");
}

# --- events ------------------------------------------------------------------------------------------------
# Processes are numbered in the order in which a policy meets them.
my $events = policy(<<'LUA');
local names, count = {}, 0
local function name(pid)
  if not names[pid] then count = count + 1 names[pid] = "p" .. count end
  return names[pid]
end
local function exe(process) return tostring(process.exe):match "[^/]+$" end
event("start", function(process) log("start %s %s", name(process.pid), exe(process)) end)
event("fork", function(process) local parent = name(process.parent) log("fork %s of %s %s", name(process.pid), parent, exe(process)) end)
event("exec", function(process) log("exec %s of %s %s", name(process.pid), names[process.parent] or "outside", exe(process)) end)
event("exit", function(process) log("exit %s of %s %s %s", name(process.pid), names[process.parent] or "outside", process.status, process.signal) end)
default "allow"
LUA
# Each line once, and none besides. Where a parent was faster than nurse the status of a child is nil; the first one's is always known.
my %ends = (5 => '(?:5|nil) nil', TERM => '(?:143 15|nil nil)', 1 => '(?:1|nil) nil', 0 => '(?:0|nil) nil', first => '0 nil');
sub same_events {
    my ($name, $result, @expected) = @_;
    my @lines = @{ logged($result) };
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @wrong = grep { my $line = $_; 1 != grep { /\A$line\z/ } @lines } @expected;
    return ok(!@wrong && @lines == @expected, $name) || do { diag("expected: $_") for @wrong; diag($result->{err}); 0 };
}

# The first line comes before the second one.
sub in_order {
    my ($name, $result, @pairs) = @_;
    my %place;
    my $lines = logged($result);
    $place{ $lines->[$_] =~ /^(\w+ \w+)/ ? $1 : '' } //= $_ for 0 .. $#$lines;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @wrong = grep { ($place{ $_->[0] } // 1e9) >= ($place{ $_->[1] } // -1) } @pairs;
    return ok(!@wrong, $name) || do { diag("not in order: @$_") for @wrong; diag($result->{err}); 0 };
}

(my $false = readlink('/bin/false') // 'false') =~ s{.*/}{};
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $run = sub { return nurse($events, $options, [program($_[0], $class), @_[1 .. $#_]], { timeout => 20 }) };
    my $result = $run->('forks', 'tree');
    is($result->{out}, run([program('forks', $class), 'tree'])->{out}, "events of a tree, $kind: the program is not disturbed");
    same_events("events of a tree, $kind: start, fork, exec, exit, with their parents", $result,
        'start p1 forks', 'fork p2 of p1 forks', 'fork p3 of p2 forks', "exit p3 of p2 $ends{5}", "exit p2 of p1 $ends{TERM}",
        'fork p4 of p1 forks', "exec p4 of p1 \Q$false\E", "exit p4 of p1 $ends{1}", "exit p1 of outside $ends{first}");
    in_order("events of a tree, $kind: in their order", $result, ['start p1', 'fork p2'], ['fork p2', 'fork p3'], ['fork p3', 'exit p3'], ['fork p2', 'exit p2'],
        ['fork p3', 'fork p4'], ['fork p4', 'exec p4'], ['exec p4', 'exit p4'], ['fork p4', 'exit p1']);
    $result = $run->('execs', 'many');
    is_deeply(logged($result), ['start p1 execs', ('exec p1 of outside execs') x 50, 'exit p1 of outside 0 nil'], "events of 50 execs, $kind") or diag($result->{err});
    $result = $run->('threads', 'many', 20);
    is_deeply(logged($result), ['start p1 threads', 'exit p1 of outside 0 nil'], "events of threads, $kind: none") or diag($result->{err});
    same_events("events of an orphan, $kind", $run->('forks', 'orphan'),
        'start p1 forks', 'fork p2 of p1 forks', 'fork p3 of p2 forks', "exit p2 of p1 $ends{1}", "exit p3 of \\w+ $ends{0}", "exit p1 of outside $ends{first}");
}

done_testing();
