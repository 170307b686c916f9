#!/usr/bin/perl
# --shadow: a second policy is asked, differences are told once and counted, and nothing that it says or does changes what happens: the program's output,
# its files and its exit status are those of a run without it, whatever the second policy denies, rewrites, kills, breaks or replaces.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use File::Path qw(make_path remove_tree);
use Test::More;

my $work = scratch() . '/work';
my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);

sub fresh {
    remove_tree($work);
    make_path($work);
    spew("$work/$_", "$_ words\n") for qw(one two three);
    return;
}

sub under {
    my ($policy, $options, $command) = @_;
    fresh();
    my $result = nurse($policy, $options, $command, { cwd => $work });
    my @files = map { s{.*/}{}r . ': ' . slurp($_) } sort grep { -f } glob "$work/*";
    $result->{files} = join '', @files, map { s{.*/}{}r . "/\n" } grep { -d } glob "$work/*";
    return $result;
}

my $old = policy(<<'LUA', 'old.lua');
default "allow"
deny("mkdir", "EROFS")
on("@open", function(call) if call.rawpath == "two" then call.path = "three" end end)
LUA
my @acts = qw(cat:one cat:two cat:three write:new:text mkdir:dir getppid rename:new:newer unlink:newer cat:missing fstat:0 connect:9);

# name, the new policy, what stderr says, what it must not say
my @cases = (
    ['the same', 'default "allow" deny("mkdir", "EROFS") on("@open", function(call) if call.rawpath == "two" then call.path = "three" end end)',
        [], qr/shadow/],
    ['denials', qq{default "allow"\ndeny("mkdir", "EACCES")\non("\@open", function(call)\n  if call.rawpath == "two" then call.path = "three" end\n  if call.rawpath:find "^one" then return call:deny "EXDEV" end\nend)},
        [qr/^nurse: shadow: open(?:at)?\((?:AT_FDCWD, )?"one", O_RDONLY[^\n]*\): allow \(\S+old\.lua:1\) here, deny EXDEV at \S+:3$/m,
         qr/^nurse: shadow: mkdir\("dir", 0\d+\): deny EROFS \(\S+old\.lua:2\) here, deny EACCES at \S+:2$/m], undef],
    ['a kill', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call)\n  if call.rawpath == "two" then call.path = "three" end\n  if call.rawpath == "new" then return call:kill "SIGKILL" end\nend)},
        [qr/^nurse: shadow: open[^\n]*"new"[^\n]*: allow \(\S+\) here, kill SIGKILL at \S+:3$/m], qr/killed by the policy/],
    ['rewriting, which it reads back itself', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call)\n  if call.rawpath == "two" then call.path = "three" end\n  if call.rawpath == "one" then call.path = "missing" log("now %s", call.path:basename()) end\nend)},
        [qr/^nurse: shadow: now missing$/m,
         qr/^nurse: shadow: open[^\n]*"one"[^\n]*: allow \(\S+\) here, allow at \S+:1, would rewrite it to open[^\n]*"missing", O_RDONLY[^\n]*\)$/m], undef],
    ['no rewriting, where the old one does', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call) if call.rawpath == "nothing" then return false end end)},
        [qr/^nurse: shadow: open[^\n]*"two"[^\n]*: allow \(\S+old\.lua:1\) rewritten to open[^\n]*"three"[^\n]* here, allow at \S+:1$/m], undef],
    ['buffers, numbers and memory', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call) if call.rawpath == "two" then call.path = "three" end end)\non("write", function(call)\n  call.memory:write(call.args[2], "!")\n  call.buf = "XX" end)\non("fstat fstat64", function(call) call.args[1] = 99 end)\non("connect", function(call) call.addr = { port = 1 } end)},
        [qr/^nurse: shadow: write\(1, "cat:one = one words\\n", 20\): allow[^\n]*would rewrite it to write\(1, "XX", 2\) \(\d+ times\)$/m,
         qr/^nurse: shadow: connect\(3, [^\n]*htons\(9\)[^\n]*would rewrite it to connect\([^\n]*htons\(1\)/m], undef],
    ['emulation', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call) if call.rawpath == "two" then call.path = "three" end end)\non("getppid", function(call) return call:emulate(4242) end)},
        [qr/^nurse: shadow: getppid\(\): allow \(\S+\) here, emulate 4242 at \S+:4$/m], undef],
    ['results', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call) if call.rawpath == "two" then call.path = "three" end end)\nafter("\@open read \@file", function(call, result) if result >= 0 then log("%s gave %d", call.name, result) return "EIO" end end)},
        [qr/^nurse: shadow: open(?:at)? gave 3$/m, qr/^nurse: shadow: rename gave 0$/m], undef],
    ['errors', qq{default "allow"\ndeny("mkdir", "EROFS")\non("\@open", function(call)\n  if call.rawpath == "two" then call.path = "three" end\n  if call.rawpath == "one" then error "oops" end\nend)\non("rename", function() return {} end)\non("unlink", function() while true do end end)},
        [qr/^nurse: shadow: \S+:5: oops; denied$/m, qr/^nurse: shadow: rename\("new", "newer"\): allow \(\S+\) here, deny EPERM at \S+:7$/m,
         qr/^nurse: shadow: unlink\("newer"\): allow[^\n]*deny EPERM at/m], undef],
    ['everything', 'default "kill"', [qr/^nurse: shadow: exit_group\(0\): allow \(\S+\) here, kill SIGKILL at \S+:1$/m], qr/killed by the policy/],
);

for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my @command = (program('acts', $class), @acts);
    my $plain = under($old, $options, \@command);
    my $without = $plain->{err};
    is($plain->{code}, 0, "$kind: without a shadow");
    like($plain->{out}, qr/^cat:two = three words$/m, "$kind: the policy rewrites");
    like($plain->{out}, qr/^mkdir:dir = EROFS$/m, "$kind: and denies");
    like($plain->{out}, qr/^write:new:text = 4$/m, "$kind: and lets pass");
    (my $pid_free = $plain->{out}) =~ s/^(getppid = )\d+/$1PID/m;
    for my $case (@cases) {
        my ($name, $text, $says, $not) = @$case;
        my $shadowed = under($old, [@$options, '--shadow', policy($text)], \@command);
        $shadowed->{out} =~ s/^(getppid = )\d+/$1PID/m;
        my $err = $shadowed->{err};
        same_result({ %$plain, out => $pid_free, err => '' }, { %$shadowed, err => '' }, "$kind, $name: nothing changes") or diag($err);
        like($err, $_, "$kind, $name: is told") for @$says;
        unlike($err, $not, "$kind, $name: not that") if $not;
        my %seen;
        is_deeply([grep { /shadow: / && !/ times\)$/ && !/ gave /  && $seen{$_}++ } split /\n/, $err], [], "$kind, $name: each once");
        is(join('', grep { !/shadow: / && !/pid \d/ } split /^/, $err), join('', grep { !/pid \d/ } split /^/, $without), "$kind, $name: and nothing else is said");
    }
}

# --- counts, constants, several, the tracer ------------------------------------------------------------------
{
    my $allow = policy('default "allow"', 'allow.lua');
    my $deny = policy("default \"allow\"\ndeny(\"getppid\", \"EPERM\")", 'deny.lua');
    my @five = (program('acts'), ('getppid') x 5);
    my $counted = under($allow, ['--shadow', $deny], \@five);
    like($counted->{err}, qr/\Anurse: shadow: getppid\(\): allow \(\S+allow\.lua:1\) here, deny EPERM at \S+deny\.lua:2\nnurse: shadow: getppid\(\): allow [^\n]* \(5 times\)\n\z/,
        'a constant that is another constant: told once, then counted');
    is(() = $counted->{out} =~ /^getppid = \d+$/mg, 5, 'five calls succeeded');
    my $turned = under($deny, ['--shadow', $allow], \@five);
    like($turned->{err}, qr/^nurse: shadow: getppid\(\): deny EPERM \(\S+deny\.lua:2\) here, allow at \S+allow\.lua:1 \(5 times\)$/m, 'and the other way round');
    is(() = $turned->{out} =~ /^getppid = EPERM$/mg, 5, 'five calls were denied');
    my $both = under($allow, ['--shadow', $deny, '--shadow', policy('default "allow" deny("getcwd", "EIO")')], [program('acts'), 'getppid']);
    like($both->{err}, qr/getppid\(\): allow/, 'several are layers of one');
    is(under($allow, ['-q', '--shadow', $deny], \@five)->{err}, '', '-q: not a word');
    like(under($allow, ['-v', '--shadow', $allow], \@five)->{err}, qr/^nurse: shadow: the policies didn't differ$/m, '-v: nor a difference');
    my $bad = under($allow, ['--shadow', '/nonexistent.lua'], \@five);
    is($bad->{code}, 125, 'a shadow that is not there');
    one_nurse_line($bad, qr/nonexistent/, 'is a mistake');
    fresh();
    my $traced = run([(nurse_command(undef, [], []))->[0], 'trace', '-e', 'getppid', '-p', $deny, '--shadow', $allow, '--', program('acts'), 'getppid'], { cwd => $work });
    like($traced->{err}, qr/^getppid\(\) += -1 EPERM \(Operation not permitted\)  <deny \S+deny\.lua:2>$/m, 'trace: the verdict that counts');
    like($traced->{err}, qr/^nurse: shadow: getppid\(\): deny EPERM \(\S+\) here, allow at/m, 'trace: and the shadow\'s');
}

done_testing();
