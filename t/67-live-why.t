#!/usr/bin/perl
# nurse why: what it says of a call is what a run does with it, on both architectures; the rule that it writes is pasted and asked again; it
# names rule, route and what no policy can allow; a mistake is one line and 125; and nothing of all this is executed.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use File::Path qw(make_path remove_tree);
use Test::More;

my $nurse = $ENV{NURSE} // 'build/nurse';
$nurse = root_dir() . "/$nurse" if $nurse !~ m{^/};
my $work = scratch() . '/work';

sub fresh {
    remove_tree($work);
    make_path("$work/secret", "$work/open");
    spew("$work/secret/file", "hidden\n");
    spew("$work/open/file", "plain\n");
    symlink '../secret/file', "$work/open/link";
    return;
}
fresh();

sub why { return run([$nurse, 'why', @_], { timeout => 20, cwd => $work }) }

# --- the answer is that of a run -----------------------------------------------------------------------------
my $policy = policy(<<'END', 'mixed.lua');
on("@open", function(call)
  if call.path:glob "**/secret/**" then return call:deny("EACCES", "it is secret") end
  if call.path:glob "**/open/away" then call.path = call.path:dirname() .. "/file" end
end)
on("mkdir mkdirat", function(call)
  if call.path:basename() == "no" then return call:deny "EROFS" end
end)
deny("rmdir unlinkat", "EBUSY")
on("getppid", function(call) return call:emulate(42) end)
deny("socket", "EAFNOSUPPORT")
default "allow"
END

my @cases = (    # call, its answer, status, the same as an act of t/programs/acts.c, the act's result
    [['open', 'secret/file'],            'deny EACCES',       1, 'cat:secret/file',  'EACCES'],
    [['openat', 'open/file'],            'allow',             0, 'cat:open/file',    'plain'],
    [['openat', 'open/link', 'O_RDONLY'], 'deny EACCES',      1, 'cat:open/link',    'EACCES'],
    [['openat', 'open/away'],            'allow',             0, 'cat:open/away',    'plain'],
    [['mkdir', 'no', '755'],             'deny EROFS',        1, 'mkdir:no',         'EROFS'],
    [['mkdir', 'yes', '755'],            'allow',             0, 'mkdir:yes',        '0'],
    [['rmdir', 'open'],                  'deny EBUSY',        1, 'rmdir:open',       'EBUSY'],
    [['getppid'],                        'emulate 42',        0, 'getppid',          '42'],
    [['socket', 'AF_INET', 'SOCK_STREAM'], 'deny EAFNOSUPPORT', 1, 'socket:2',       'EAFNOSUPPORT'],
);
for my $way (['x86_64', 64, []], ['x86_64', 64, ['--gate=off']], ['i386', 32, []]) {
    my ($arch, $class, $options) = @$way;
    fresh();
    my $real = nurse($policy, [@$options, '-q'], [program('acts', $class), map { $_->[3] } @cases], { cwd => $work });
    my %real = $real->{out} =~ /^(.*?) = (.*)$/mg;
    my %made = map { $_ => -e "$work/$_" ? 1 : 0 } qw(no yes open);
    is_deeply(\%made, { no => 0, yes => 1, open => 1 }, "$arch @$options: what the run denied did not happen, what it allowed did");
    fresh();
    for my $case (@cases) {
        my ($call, $answer, $status, $act, $result) = @$case;
        my $said = why('-p', $policy, "--arch=$arch", @$call);
        is($real{$act}, $result, "$arch @$options: a run: $act is $result") or diag($real->{err});
        is(($said->{out} =~ /\A(.*)\n/)[0], $answer, "$arch: why @$call is $answer") or diag($said->{err});
        is($said->{code}, $status, "$arch: why @$call: status");
    }
    ok(-e "$work/open" && !-e "$work/yes", "$arch: why made none of the calls");
}

my $said = why('-p', $policy, 'openat', 'open/link', 'O_RDONLY');
like($said->{out}, qr/^call +openat\(AT_FDCWD, "open\/link", O_RDONLY\)$/m, 'the call as it is made');
like($said->{out}, qr/^path +\Q$work\E\/secret\/file$/m, 'the path that is judged');
like($said->{out}, qr/^rule +\Q$policy\E:1\n +on\("\@open", function\(call\)$/m, 'the rule, and its text');
like($said->{out}, qr/^why +it is secret$/m, 'why');
like($said->{out}, qr/^route +mailbox: /m, 'the route of a handler');
$said = why('-p', $policy, 'openat', 'open/away');
like($said->{out}, qr/^becomes +openat\(AT_FDCWD, "\Q$work\E\/open\/file", O_RDONLY\)$/m, 'what it is rewritten to');
unlike($said->{out}, qr/would allow/, 'no advice for what is allowed');
like(why('-p', $policy, 'getpid')->{out}, qr/^route +native: /m, 'native');
like(why('-p', $policy, 'rmdir', 'x')->{out}, qr/^route +denied: /m, 'denied by the kernel');
like(why('-p', $policy, 'execve', '/bin/ls', 'ls', '-l')->{out}, qr/^argv +"ls" "-l"\n.*^route +notify: /ms, 'an exec, with its arguments');
like(why('-p', policy('on("@exec", function(call) return call.argv[2] == "-l" end)'), 'execve', '/bin/ls', 'ls', '-l')->{out}, qr/\Aallow\n/, 'argv is judged');
like(why('-p', policy('kill "getpid" default "allow"'), 'getpid')->{out}, qr/\Akill SIGKILL\n/, 'kill');
is(why('-p', $policy, '-p', policy('deny("getpid", "EIO") default "allow"'), 'getpid()')->{code}, 1, 'the strictest of several policies');
like(why('-p', policy('if param("strict", false) then deny("getpid", "EIO") end default "allow"'), '-D', 'strict=yes', 'getpid')->{out}, qr/\Adeny EIO\n/,
    'a parameter');
like(why('openat', '/etc/shadow', 'O_RDONLY')->{out}, qr/\Adeny EACCES\n.*default\.lua:\d+/s, 'without -p: the shipped default');
like(why('-p', $policy, 'chdir(NULL)')->{out}, qr/\Anot asked: .*EFAULT\n/, 'what the kernel refuses itself');
is(why('-p', $policy, 'chdir(NULL)')->{code}, 1, 'and its status');
unlike(why('-p', $policy, 'openat', "a\nb\e[1m", 'O_RDONLY')->{out}, qr/\e|^b/m, 'control characters are escaped');

my $phases = policy(qq{phase("serve", "accept")\ndeny("\@exec", "EACCES")\nphase "never"\ndeny("getpid", "EIO")\n}, 'phases.lua');
my $phased = policy(qq{default "allow"\n} . slurp($phases), 'phased.lua');
my $early = why('-p', $phased, 'execve', '/bin/ls');
like($early->{out}, qr/\Aallow\n.*^phase +'serve' may change that/ms, 'before a phase');
like(why('-p', $phased, '--phase=serve', 'execve', '/bin/ls')->{out}, qr/\Adeny EACCES\n.*^rule +\S*phased\.lua:3$/ms, 'as of a phase');
is(why('-p', $phased, '--phase', 'serve', 'getpid')->{code}, 0, 'and of no other');
is(why('-p', $phased, '--phase=serve', '--phase=never', 'getpid')->{code}, 1, 'of two phases');

# --- what no policy can allow ------------------------------------------------------------------------------------
my $all = policy('allow "@all" allow "@unsafe" default "allow"');
for my $case (
    [['ptrace', 'PTRACE_TRACEME'], qr/\Adeny EPERM\n.*\@unsafe/s], [['clone3'], qr/^but +ENOSYS/m],
    [['setuid', '12345'], qr/^but +EPERM/m], [['openat', '/proc/self/mem', 'O_RDWR'], qr/^but +EACCES/m],
    [['ioctl', '0', 'TIOCSTI'], qr/^but +EPERM/m], [['prctl', 'PR_SET_MM', '1'], qr/^but +EPERM/m],
) {
    my ($call, $expected) = @$case;
    my $result = why('-q', '-p', $all, @$call);
    like($result->{out}, $expected, "@$call: refused anyway");
    is($result->{code}, 1, "@$call: status");
    unlike($result->{out}, qr/would allow/, "@$call: so no rule is offered");
}
is(why('-p', $all, 'openat', '/proc/self/status', 'O_RDWR')->{code}, 0, 'another file of procfs passes');
like(why('-p', $all, 'kill', '12', 'SIGTERM')->{out}, qr/\Aallow\n.*^but +EPERM if /ms, 'what only a run can tell is said to be so');
unlike(why('-p', $all, 'getpid')->{out}, qr/^but/m, 'and not where there is nothing to tell');

# --- the rule to paste -----------------------------------------------------------------------------------------------
my $strict = "deny('\@net', 'EACCES')\ndefault 'deny EPERM'\n";
my @pasted = (    # what is denied; what the pasted rule must not allow as well
    [['openat', '/etc/hosts', 'O_RDONLY'], [['openat', '/etc/passwd', 'O_RDONLY'], ['openat', '/etc/hosts', 'O_RDWR'], ['openat', '/etc/hosts', 'O_RDONLY|O_CREAT'],
        ['openat', '/etc/hosts', 'O_TRUNC']], [['open', '/etc/hosts', 'O_RDONLY|O_CLOEXEC']]],
    [['openat', '/tmp/x"y\\\\z', 'O_WRONLY|O_CREAT', '600'], [['openat', '/tmp/xy', 'O_WRONLY|O_CREAT'], ['openat', '/tmp/x"y\\\\z', 'O_RDWR']], []],
    [['creat', '/tmp/new', '600'], [['creat', '/tmp/other', '600']], [['openat', '/tmp/new', 'O_WRONLY|O_CREAT|O_TRUNC']]],
    [['openat2', '/etc/hosts', 'O_RDONLY'], [['openat2', '/etc/passwd', 'O_RDONLY']], []],
    [['openat', '/proc/self/status', 'O_RDONLY'], [['openat', '/proc/1/status', 'O_RDONLY']], []],
    [['rename', '/tmp/a', '/tmp/b'], [['rename', '/tmp/a', '/tmp/c'], ['rename', '/tmp/c', '/tmp/b']], []],
    [['execve', '/bin/true'], [['execve', '/bin/false']], [['execveat', '/bin/true']]],
    [['connect', '10.0.0.1:443'], [['connect', '10.0.0.1:444'], ['connect', '10.0.0.2:443'], ['connect', '/run/x']], []],
    [['connect', '[::1]:53'], [['connect', '[::2]:53']], []],
    [['bind', '/tmp/socket'], [['bind', '/tmp/other'], ['bind', '10.0.0.1:1']], []],
    [['bind', '@abstract'], [['bind', '@other']], []],
    [['sendto', '3', 'x', '1', '0', '10.0.0.1:53'], [['sendto', '3', 'x', '1', '0', '10.0.0.1:54']], []],
    [['sendmsg', '3', '10.0.0.1:53'], [['sendmsg', '3', '10.0.0.1:54']], []],
    [['socket', 'AF_INET', 'SOCK_STREAM'], [['socketpair', 'AF_UNIX', 'SOCK_STREAM']], []],
    [['getpid'], [['gettid']], []],
);
for my $case (@pasted) {
    my ($call, $others, $also) = @$case;
    my $denied = why('-p', policy($strict, 'strict.lua'), @$call);
    my ($rule) = $denied->{out} =~ /^This would allow it:\n\n(.*)\z/ms;
    is($denied->{code}, 1, "@$call: denied");
    like($rule // '', qr/^  -- above \S*strict\.lua:\d\n/, "@$call: a rule is offered, and where it has to stand");
    my $wider = policy(($rule // '') . $strict, 'wider.lua');
    my $allowed = why('-p', $wider, @$call);
    is($allowed->{code}, 0, "@$call: pasted, it allows the call") or diag($allowed->{out}, $allowed->{err}, $rule);
    is(why('-p', $wider, @$_)->{code}, 0, "@$call: and the same by another way: @$_") for @$also;
    is(why('-p', $wider, @$_)->{code}, 1, "@$call: but not @$_") for @$others;
}

my $module = why('-p', policy(qq{local unveil = require "nurse.unveil"\nunveil("/usr", "rx")\ndefault "allow"\n}, 'veiled.lua'), 'openat', '/etc/hosts', 'O_RDONLY');
like($module->{out}, qr/\Adeny ENOENT\n.*^rule +\S*veiled\.lua:1\n.*a module's rule/ms, 'a denial by a module says so');
unlike($module->{out}, qr/would allow/, 'and no rule is offered, since none would help');

# Pasted into a policy that runs, it lets through what was denied, and no more.
fresh();
my $running = "allow '\@stdio \@memory \@self \@exec \@stat'\non('\@open', function(call) if call.path:under '/usr' or call.path:glob '/etc/ld.so.*' "
    . "then return true end end)\ndefault 'deny EPERM'\n";
my ($rule) = why('-p', policy($running), 'openat', 'open/file', 'O_RDONLY')->{out} =~ /allow it:\n\n(.*)\z/s;
my $before = nurse(policy($running), ['-q'], ['/bin/cat', 'open/file'], { cwd => $work });
my $after = nurse(policy(($rule // '') . $running), ['-q'], ['/bin/cat', 'open/file'], { cwd => $work });
my $other = nurse(policy(($rule // '') . $running), ['-q'], ['/bin/cat', 'secret/file'], { cwd => $work });
is_deeply([@$before{qw(code out)}], [1, ''], 'a run without the rule');
is_deeply([@$after{qw(code out)}], [0, "plain\n"], 'a run with it') or diag($after->{err});
is_deeply([@$other{qw(code out)}], [1, ''], 'and another file');

# --- mistakes -----------------------------------------------------------------------------------------------------------
my @mistakes = (
    [[], qr/which call/], [['opnat', '/x'], qr/unknown system call 'opnat'/], [['openat', '/x', 'O_RDNLY'], qr/'O_RDNLY': flags of openat: .*O_RDONLY/],
    [['openat(AT_FDCWD, "/x"'], qr/parenthesis/], [['--phase=x', 'getpid'], qr/no phase 'x'/], [['--arch=arm', 'getpid'], qr/--arch=arm/], [['stat64', '/x'], qr/x86_64 has no system call stat64/],
    [['--arch=i386', 'arch_prctl_'], qr/unknown system call/], [['-p', '/nonexistent.lua', 'getpid'], qr/nonexistent/],
    [['-p', policy("allow 'x'", 'bad.lua'), 'getpid'], qr/bad\.lua:1: unknown system call 'x'/],
);
for my $mistake (@mistakes) {
    my ($args, $pattern) = @$mistake;
    my $result = why(@$args);
    is($result->{code}, 125, "why @$args: status");
    one_nurse_line($result, $pattern, "why @$args: one line");
    is($result->{out}, '', "why @$args: nothing on stdout");
}

done_testing();
