# Denials that teach: each kind is told once, when it happens, with the call, its place in the program and the rule; all are counted at the end.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $work = scratch() . '/work';
mkdir $work or die;
spew("$work/secret", "secret\n");
symlink 'secret', "$work/link" or die;

my $policy = policy(<<"END", 'deny.lua');
on("\@open", function(call)
  if call.path == "$work/secret" then return call:deny("EACCES", "not this one") end
end)
on("mkdir mkdirat", function(call) return call:deny("EROFS", false) end)
deny("socket socketcall", "EAFNOSUPPORT")
deny("rmdir", "EBUSY", false)
default "allow"
END

for my $class (64, 32) {
    my $acts = program('acts', $class);
    for my $options ([], ['--gate=off']) {
        my $kind = "$class bit @$options";
        my @words = ("open:$work/secret", "open:$work/link", "open:$work/secret", "open:$work/there-is-no-such", "mkdir:$work/new", "rmdir:$work/new");
        my $run = nurse($policy, $options, [$acts, @words]);
        like($run->{out}, qr/^open:\S+secret = EACCES\nopen:\S+link = EACCES\nopen:\S+secret = EACCES\nopen:\S+ = ENOENT\nmkdir:\S+ = EROFS\nrmdir:\S+ = EBUSY\n/,
            "$kind: what the program sees");
        my @lines = split /\n/, $run->{err};
        like(shift @lines, qr/^nurse: denied with EACCES by \S+deny\.lua:1 \(not this one\): open(?:at)?\(.*"\Q$work\E\/secret", O_RDONLY\S*\)$/, "$kind: call, rule and reason are told");
        my $place = $class == 64 ? qr/, libc\.so\.6: \w*open\w*\+0x[0-9a-f]+/ : qr//;    # a 32-bit call comes by the VDSO or what stands for it
        like(shift @lines, qr/^nurse:   in acts \(pid \d+\)$place; of \Q$work\E\/secret$/, "$kind: where in the program, and the path");
        like(shift @lines, qr/^nurse:   to allow it, above \S+deny\.lua:1: on\("\@open", function\(call\) if call\.path == "\Q$work\E\/secret" .*then return call:allow\(\) end end\)$/,
            "$kind: a rule to paste");
        is(shift @lines, 'nurse: 3 calls were denied:', "$kind: a summary, without what was not worth telling");
        like(shift @lines, qr/^nurse: +3  open(?:at)? \Q$work\E\/secret, denied with EACCES by \S+deny\.lua:1$/, "$kind: each kind is counted");
        is("@lines", '', "$kind: nothing is told twice");
        my $quiet = nurse($policy, ['-q', @$options], [$acts, @words]);
        is("$quiet->{out}$quiet->{err}", $run->{out}, "$kind: -q silences it, and changes nothing else");
    }
}

# --- constants, unsafe calls and the keystone ----------------------------------------------------------------
my $python = '/usr/bin/python3';
my $run = nurse($policy, [], [$python, '-c', 'import socket; socket.socket()']);
like($run->{err}, qr/^nurse: denied with EAFNOSUPPORT by \S+deny\.lua:5: socket\(AF_INET, SOCK_STREAM\|SOCK_CLOEXEC, 0\)$/m, 'a constant denial is told');
$run = nurse($policy, [], [$python, '-c', 'import ctypes, os; c = ctypes.CDLL(None, use_errno=True); print(c.syscall(425, 1, 0), ctypes.get_errno()); os.kill(os.getppid(), 9)']);
like($run->{out}, qr/^-1 1$/m, 'io_uring is refused');
like($run->{err}, qr/^nurse: denied with EPERM by nurse itself, whatever the policy says: io_uring_setup\(1, NULL\)$/m, '... and told');
like($run->{err}, qr/^nurse: denied with EPERM by nurse itself, whatever the policy says: kill\(\d+, SIGKILL\)$/m, 'so is what a keystone rule refuses');

# --- the advice works: pasted where it says, the call is allowed ----------------------------------------------
$run = nurse($policy, [], [program('acts', 64), "open:$work/secret"]);
my ($advice) = $run->{err} =~ /^nurse:   to allow it, above \S+:1: (.*)$/m;
$run = nurse(policy($advice . "\n" . slurp($policy)), [], [program('acts', 64), "open:$work/secret", "open:$work/secret"]);
like($run->{out}, qr/^open:\S+ = \d+\nopen:\S+ = \d+\n\z/, 'the rule that was proposed allows the call') or diag($advice, $run->{err});
is($run->{err}, '', '... and nothing is left to tell');
my $veiled = nurse(policy(qq{local unveil = require "nurse.unveil"\nunveil("/usr", "rx") unveil("/lib", "rx") unveil("/etc/ld.so.cache", "r") unveil("/proc", "r")\ndefault "allow"\n}), [], [program('acts', 64), "open:$work/secret"]);
like($veiled->{err}, qr/^nurse: denied with ENOENT by \S+:\d+/m, 'a module denies at the line of the policy that asked for it');
unlike($veiled->{err}, qr/to allow it/, '... and no rule of the script would help');

# --- names that would forge a line, and many of them ---------------------------------------------------------
my $all = policy(qq{on("\@open", function(call) if call.path:under "$work" then return call:deny "EACCES" end end) default "allow"\n});
$run = nurse($all, [], [program('acts', 64), "open:$work/a\nnurse! all is well\e[2J\x7f"]);
my ($line) = $run->{err} =~ /^(nurse: denied.*)$/m;
like($line, qr/a\\nnurse! all is well\\33\[2J\\177"/, 'control bytes are spelled') or diag($run->{err});
unlike($run->{err}, qr/^nurse! all is well/m, '... and begin no line');
$run = nurse($all, [], [program('acts', 64), map { "open:$work/$_" } 1 .. 300]);
is(scalar(() = $run->{err} =~ /^nurse: denied with/mg), 20, 'of many denials the first twenty are told');
like($run->{err}, qr/^nurse: 300 calls were denied:$/m, '... and all are counted');
like($run->{err}, qr/^nurse: +44  more$/m, '... with a bound on what is kept');

done_testing;
