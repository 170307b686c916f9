#!/usr/bin/perl
# nurse test: expectations that hold and that don't, as TAP that prove understands; the policy's state lives on between calls; recordings of a real strace
# are read; what is wrong with a test file is told with its line. The shipped default policy is tested by a file of its own.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $nurse = $ENV{NURSE} // 'build/nurse';
$nurse = root_dir() . "/$nurse" if $nurse !~ m{^/};

policy(<<'END', 'subject.lua');
local limit = param("limit", 2)
local dir = param("dir", "/srv")
local opened, running, emptied = 0, 1, 0
on("@open", function(call)
  if call.path == "/etc/hosts" then call.path = "/etc/hostname" end
  if not call.path:under(dir) then return end
  opened = opened + 1
  if opened > limit then return call:deny("EMFILE", "too many") end
  return call:allow()
end)
on("write", function(call) call.buf = call.buf:upper() end)
on("connect", function(call) if call.addr.port == 53 then call.addr = { ip = "127.0.0.1", port = 5353 } end end)
on("@exec", function(call) if call.path == "/bin/su" or call.path == "/usr/bin/su" then return call:kill "SIGTERM" end
  call.argv = { "x", table.unpack(call.argv) } end)
on("getppid", function(call) return call:emulate(7) end)
after("read", function(call, result) if result > 3 then emptied = emptied + 1 return "EIO" end if call.buf == "ab" then return 1 end end)
on("getuid", function(call) return call:emulate(emptied) end)
on("getgid", function(call) return call:emulate(running) end)
event("fork", function() running = running + 1 end)
event("exit", function(process) if process.status == 137 and process.signal == 9 then running = running - 1 end end)
kill "ptrace"
deny("mkdir", "EROFS")
default "allow"
END

# Run a test file beside the policy.
my $files = 0;
sub test {
    my ($text, @options) = @_;
    return run([$nurse, 'test', @options, policy($text, 'file' . ++$files . '.test.lua')], { timeout => 20 });
}

# --- what holds -----------------------------------------------------------------------------------------------------
my $good = test(<<'END');
policy "subject"
expect("openat /etc/passwd O_RDONLY", "allow")
expect("open /srv/a O_RDONLY", "allow")
expect("open /srv/b O_RDONLY", "allow")
expect("open /srv/c O_RDONLY", "deny EMFILE")                     -- it counts
expect("open /srv/c O_RDONLY", "deny")
policy("subject", { limit = 0, dir = "/var" })                     -- from the start again
expect("open /srv/a", "allow")
expect("open /var/a", "deny EMFILE", { rule = "subject.lua:4", name = "with parameters # one" })
policy "subject.lua"
expect{ call = "openat /etc/hosts O_RDONLY", verdict = "allow", path = "/etc/hostname", flags = "O_RDONLY", dirfd = "AT_FDCWD" }
expect{ call = 'openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3', verdict = "allow", path = "/etc/hostname", arch = "i386" }
expect{ call = "write 1 hello", verdict = "allow", buf = "HELLO", count = 5, fd = 1 }
expect{ call = "connect 10.0.0.1:53", verdict = "allow", addr = "127.0.0.1:5353", addrlen = 16 }
expect{ call = "connect 10.0.0.1:80", verdict = "allow", addr = "10.0.0.1:80" }
expect{ call = "execve /bin/ls ls -l", verdict = "allow", argv = { "x", "ls", "-l" }, envp = {} }
expect("execve /bin/su su", "kill SIGTERM")
expect("execve /bin/su su", "kill")
expect("ptrace PTRACE_TRACEME", "kill")
expect("mkdir /x 0755", "deny EROFS", { result = "EROFS" })
expect("getppid", "emulate 7", { result = 7 })
expect{ call = "read 0 100", verdict = "allow", returns = 2, result = 2 }
expect{ call = 'read(0, "ab", 100) = 2', verdict = "allow", result = 1 }
expect{ call = 'read(0, "abcd", 100) = 4', verdict = "allow", result = "EIO" }
expect{ call = "read 0 100", verdict = "allow", returns = "EAGAIN", result = "EAGAIN" }
expect("getuid", "emulate 1")                                      -- after() has counted one
expect("chdir(NULL)", "error EFAULT")
expect("setuid 12345", "allow", { result = "EPERM" })              -- nurse's own rules
expect("clone3", "allow", { result = "ENOSYS" })
event("fork", { pid = 12, parent = 11 })
expect("getgid", "emulate 2")
event("exit", { pid = 12, signal = 9 })
expect("getgid", "emulate 1")
for _, name in ipairs { "a", "b" } do expect("mkdir " .. name, "deny EROFS") end
assert(param("given", "x") == "here" and not pcall(function() return allow end) and not pcall(function() return on end) and not pcall(timer, 1, print))
END
is($good->{code}, 125, 'a file that asks for a parameter in vain');
like($good->{err}, qr/\Anurse: \S*file1\.test\.lua:\d+: assertion failed!\n\z/, 'and the message');
$good = test(slurp(scratch() . '/file1.test.lua'), '-D', 'given=here');
is($good->{code}, 0, 'all hold: status') or diag($good->{out}, $good->{err});
is($good->{err}, '', 'all hold: silence on stderr');
unlike($good->{out}, qr/^not ok/m, 'all hold');
my ($plan) = $good->{out} =~ /^1\.\.(\d+)\n\z/m;
is(scalar(() = $good->{out} =~ /^ok /mg), $plan, 'the plan comes last, and is right');
like($good->{out}, qr/^ok 7 - with parameters \\# one$/m, 'a name; what TAP would take for a directive is escaped');

# --- what doesn't hold ----------------------------------------------------------------------------------------------
my @bad = (    # an expectation that is wrong, what the diagnostics have
    ['expect("mkdir /x", "allow")', qr/expected allow\n# +got deny EROFS\n# +rule: \S+subject\.lua:\d+\n# +call: mkdir\("\/x", 00?\)/],
    ['expect("mkdir /x", "deny EACCES")', qr/expected deny EACCES\n# +got deny EROFS/],
    ['expect("getppid", "emulate 8")', qr/got emulate 7/],
    ['expect("getppid", "emulate")  expect("getppid", "emulate 70")', qr/got emulate 7\n/],
    ['expect("execve /bin/su", "kill SIGKILL")', qr/got kill SIGTERM/],
    ['expect("open /etc/hosts", "allow", { path = "/etc/hosts" })', qr{path: expected '/etc/hosts'\n# +got '/etc/hostname'}],
    ['expect("open /etc/x O_RDONLY", "allow", { flags = "O_RDWR" })', qr/flags: expected O_RDWR/],
    ['expect("write 1 a", "allow", { buf = "a" })', qr/buf: expected 'a'\n# +got 'A'/],
    ['expect("connect 10.0.0.1:53", "allow", { addr = "10.0.0.1:53" })', qr/addr: expected 10\.0\.0\.1:53/],
    ['expect("execve /bin/ls ls", "allow", { argv = { "ls" } })', qr/argv: expected 1 strings\n# +got 2/],
    ['expect("execve /bin/ls ls", "allow", { argv = { "x", "l" } })', qr/argv: expected 'l'\n# +got 'ls'/],
    ['expect("read 0 9", "allow", { returns = 9, result = 9 })', qr/result: expected 9 \n# +got -5 EIO/],
    ['expect("mkdir /x", "deny", { rule = "subject.lua:1" })', qr/rule: expected subject\.lua:1\n# +got \S*subject\.lua:\d\d/],
    ['expect("chdir(NULL)", "allow")', qr/got error EFAULT/],
    ['for i = 1, 3 do expect("open /srv/x", "allow") end', qr/got deny EMFILE\n# +rule: .*\n# +why: too many/],
);
my $all = join "\n", 'policy "subject"', map { $_->[0] } @bad;
my $result = test($all);
is($result->{code}, 1, 'some don\'t hold: status');
is(scalar(() = $result->{out} =~ /^not ok /mg), scalar @bad, 'each is a failure') or diag($result->{out});
like($result->{out}, qr/^# \d+ of \d+ failed$/m, 'and counted');
for my $i (0 .. $#bad) {
    my $line = $i + 2;
    my ($said) = $result->{out} =~ /^(#\s+at \S+\.test\.lua:$line\n(?:#.*\n)+)/m;
    like($said // '', $bad[$i][1], "told at line $line: $bad[$i][0]");
}

# --- recordings -----------------------------------------------------------------------------------------------------
spew(scratch() . '/marked.strace', <<'END');
12 openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3
12 mkdir("/x", 0755)                      = -1 EROFS (Read-only file system)  <deny subject.lua:24>
12 read(0,  <unfinished ...>
13 +++ exited with 0 +++
12 <... read resumed>"x", 1) = 1
12 getppid() = 7  <emulate subject.lua:16>
12 exit_group(0) = ?
END
$result = test(qq{policy "subject"\nrecorded "marked.strace"\nrecorded{ file = "marked.strace", verdict = "allow", name = "named" }\n});
is($result->{code}, 0, 'a recording with marks') or diag($result->{out});
like($result->{out}, qr/^ok 1 - marked\.strace: 4 calls, 3 other lines\nok 2 - named: 4 calls/, 'its calls, and what is left out');
spew(scratch() . '/wrong.strace', qq{mkdir("/x", 0755) = 0\ngetppid() = 7\nfrobnicate(1) = 0\nopen("/x", O_RDONLY) = 3\n});
$result = test(qq{policy "subject"\nrecorded "wrong.strace"\n});
is($result->{code}, 1, 'a recording that isn\'t allowed');
like($result->{out}, qr/^not ok 1 .*wrong\.strace:1: expected allow, got deny EROFS, rule \S+\n#\s+mkdir\("\/x", .*wrong\.strace:2: expected allow, got emulate 7.*wrong\.strace:3: this line can't be read: unknown system call 'frobnicate'/s,
    'each wrong line is told');
unlike($result->{out}, qr/wrong\.strace:4/, 'and no other');
spew(scratch() . '/empty.strace', "--- SIGCHLD ---\n");
is(test(qq{policy "subject"\nrecorded "empty.strace"\n})->{code}, 1, 'a recording without a call is a failure');

SKIP: {
    my $recording = scratch() . '/real.strace';
    my $traced = run(['strace', '-f', '-tt', '-o', $recording, 'sh', '-c', 'ls -l /etc >/dev/null; cat /etc/passwd | wc -l'], { timeout => 20 });
    skip_or_fail('strace does not work here', 3) if $traced->{code} != 0;
    policy('default "allow"', 'everything.lua');
    policy('deny("@exec", "EACCES") default "allow"', 'noexec.lua');
    my $read = test(qq{policy "everything"\nrecorded "real.strace"\npolicy "noexec"\nrecorded "real.strace"});
    like($read->{out}, qr/^ok 1 - real\.strace: (\d{3,}) calls/m, 'every call of a real recording is read') or diag($read->{out});
    like($read->{out}, qr/^not ok 2 .*expected allow, got deny EACCES, rule \S*noexec\.lua:1\n#\s+execve\("/ms, 'and judged');
    is($read->{code}, 1, 'status');
}

# --- mistakes in test files -----------------------------------------------------------------------------------------
my @mistakes = (
    ["\nexpect('getpid', 'allow')", qr/:2: expect: which policy is tested\?/],
    ["policy 'nosuch'", qr/:1: policy: no policy 'nosuch'/],
    ["policy 'subject'\nexpect('opnat /x', 'allow')", qr/:2: expect: unknown system call 'opnat'/],
    ["policy 'subject'\n\nexpect('open /x', 'alow')", qr/:3: expect: 'allow', 'deny'.* was expected, got 'alow'/],
    ["policy 'subject'\nexpect('open /x', 'deny EFROB')", qr/:2: expect: unknown errno 'EFROB'/],
    ["policy 'subject'\nexpect('open /x', 'kill SIGFOO')", qr/:2: expect: unknown signal 'SIGFOO'/],
    ["policy 'subject'\nexpect{ call = 'open /x', verdict = 'allow', pth = '/x' }", qr/:2: expect: 'pth' is neither/],
    ["policy 'subject'\nexpect{ call = 'open /x' }", qr/:2: expect: verdict = "\.\.\." is missing/],
    ["policy 'subject'\nexpect{ call = 'open /x', verdict = 'allow', arch = 'arm' }", qr/:2: .*invalid option 'arm'/],
    ["policy 'subject'\nrecorded 'nosuch'", qr/:2: recorded: no file 'nosuch'/],
    ["policy 'subject'\nevent 'sleep'", qr/:2: .*invalid option 'sleep'/],
    ["policy 'subject'\n", qr/nothing is expected/],
    ["allow '\@open'", qr/:1: undefined global 'allow'/],
    ["require 'nurse.unveil'", qr/:1: undefined global 'require'/],
    ["local x = = 1", qr/:1: unexpected symbol/],
);
for my $mistake (@mistakes) {
    my ($text, $pattern) = @$mistake;
    my $said = test($text);
    (my $name = $text) =~ s/\n/; /g;
    is($said->{code}, 125, "$name: status");
    one_nurse_line($said, $pattern, "$name: one line");
}
policy("allow 'nosuchcall'", 'broken.lua');
my $broken = test(qq{policy "broken"\nexpect("getpid", "allow")});
is($broken->{code}, 125, 'a policy that can\'t be loaded: status');
like($broken->{err}, qr/broken\.lua:1: unknown system call 'nosuchcall'.*\nnurse: \S+\.test\.lua:1: policy: 'broken' can't be loaded.*\n\z/, 'and both lines');
is(run([$nurse, 'test', '/nonexistent.lua'])->{code}, 125, 'a file that isn\'t there');

# --- phases: by a call, and by the test
policy(qq{default "allow"\nphase("serve", "accept accept4")\ndeny("\@exec", "EACCES")\nphase "late"\ndeny("getpid", "EIO")\n}, 'phased.lua');
my $phased = test(<<'END');
policy "phased"
expect("execve /bin/ls", "allow")
expect("accept4 3", "allow")
expect("execve /bin/ls", "deny EACCES")
expect("getpid", "allow")
phase "late"
expect("getpid", "deny EIO")
END
is($phased->{code}, 0, 'phases begin') or diag($phased->{out}, $phased->{err});
one_nurse_line(test(qq{policy "phased"\nphase "x"}), qr/:2: phase: no phase 'x'/, 'a phase that isn\'t there');

# --- several layers; several files ------------------------------------------------------------------------------------
policy('deny("getpid", "EIO") default "allow"', 'one.lua');
policy('deny("gettid", "EIO") default "allow"', 'two.lua');
is(test(qq{policy("one", "two")\nexpect("getpid", "deny EIO")\nexpect("gettid", "deny EIO")\nexpect("getuid", "allow")})->{code}, 0, 'layers');
is(test(qq{policy{ "one", "two" }\nexpect("getpid", "deny EIO")\nexpect("gettid", "deny EIO")})->{code}, 0, 'layers in a table');
my $two = run([$nurse, 'test', policy(qq{policy "one"\nexpect("getpid", "deny EIO")}, 'x.test.lua'), policy(qq{policy "two"\nexpect("getpid", "allow")}, 'y.test.lua')]);
like($two->{out}, qr/\Aok 1 - .*\nok 2 - .*\n1\.\.2\n\z/, 'two files are one stream');

# --- nothing is carried out -------------------------------------------------------------------------------------------
my $file = spew(scratch() . '/precious', 'x');
is(test(qq{policy "one"\nexpect("unlink $file", "allow")\nexpect("kill -1 SIGKILL", "allow")\nexpect("exit_group 3", "allow", { result = 0 })})->{code}, 0, 'allowed');
ok(-e $file, 'and not done');

# --- the example of the manual page ---------------------------------------------------------------------------------
my @examples = slurp(root_dir() . '/doc/man/nurse-test.1') =~ /^\.Bd -literal[^\n]*\n(.*?)^\.Ed$/msg;
is(scalar @examples, 2, 'the manual page has a policy and its tests');
policy($examples[0], 'count.lua');
my $manual = run([$nurse, 'test', policy($examples[1], 'count.test.lua')], { timeout => 20 });
is($manual->{code}, 0, 'which pass') or diag($manual->{out}, $manual->{err});
like($manual->{out}, qr/^1\.\.8$/m, 'all of them');

# --- prove ------------------------------------------------------------------------------------------------------------
my $proved = run(['prove', '--exec', "$nurse test", 't/data/policy/default.test.lua'], { timeout => 30, cwd => root_dir() });
is($proved->{code}, 0, 'the shipped default policy keeps what it promises') or diag($proved->{out}, $proved->{err});
like($proved->{out}, qr/^Result: PASS$/m, 'prove understands it');
my $failing = run(['prove', '--exec', "$nurse test", policy(qq{policy "one"\nexpect("getpid", "allow")}, 'z.test.lua')], { timeout => 30 });
like($failing->{out}, qr/^Result: FAIL$/m, 'and sees a failure');

done_testing();
