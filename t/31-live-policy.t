#!/usr/bin/perl
# The statements of a policy and the fields of a call, as the contract says, through real runs of a small program (t/programs/acts.c).
# Every case runs natively first, so that each denial stands beside the same act succeeding, and then under nurse in
# three ways: 64 bits, 64 bits with notifications only, 32 bits. What was denied must also not have happened.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use File::Path qw(make_path remove_tree);
use Test::More;

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $work = scratch() . '/work';

sub fresh {
    remove_tree($work);
    make_path("$work/secret", "$work/secrets", "$work/open");
    spew("$work/secret/file", "hidden\n");
    spew("$work/secrets/file", "not so hidden\n");
    spew("$work/open/file", "plain\n");
    spew("$work/open/fake", "faked\n");
    symlink '../secret/file', "$work/open/link";
    symlink '../secret', "$work/open/dirlink";
    return;
}

# One case. acts: [ACT, NATIVE RESULT (a regex, or undef: don't care), RESULT UNDER NURSE]...
# o: policies (several), options, status, err (regex), err_not, code run after each run as o.look->(NAME, INSIDE).
sub check {
    my ($name, $policy, $acts, $o) = @_;
    $o //= {};
    my @files = ref $policy ? map { policy($_) } @$policy : policy($policy);
    my @list = map { $_->[0] } @$acts;
    fresh();
    my $native = run([program('acts'), @list], { cwd => $work });
    my $answers = answers($native);
    for my $act (grep { defined $_->[1] } @$acts) {
        like($answers->{ $act->[0] } // 'nothing', qr/\A(?:$act->[1])\z/, "$name: natively $act->[0] is $act->[1]");
    }
    $o->{look}->("$name: natively", 0) if $o->{look};
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        fresh();
        my $inside = nurse(\@files, [@$options, @{ $o->{options} // [] }], [program('acts', $class), @list], { cwd => $work });
        my $got = answers($inside);
        for my $act (@$acts) {
            next if !defined $act->[2];
            like($got->{ $act->[0] } // 'nothing', qr/\A(?:$act->[2])\z/, "$name, $kind: $act->[0] is $act->[2]") or diag($inside->{err});
        }
        is($inside->{code}, $o->{status} // 0, "$name, $kind: exit status") or diag($inside->{out}, $inside->{err});
        like($inside->{err}, $o->{err}, "$name, $kind: stderr") if $o->{err};
        unlike($inside->{err}, $o->{err_not}, "$name, $kind: not on stderr") if $o->{err_not};
        $o->{look}->("$name, $kind", 1) if $o->{look};
    }
    return;
}

# --- default, allow, deny, kill ----------------------------------------------------------------------------
my $start = 'allow "@stdio @open @stat @memory @self @exec"';    # what any program needs to start and to speak

check('default allow', 'default "allow"', [['getpid', '\d+', '\d+'], ['cat:open/file', 'plain', 'plain'], ['mkdir:new', '0', '0']]);
check('default deny', qq{$start default "deny"}, [['cat:open/file', 'plain', 'plain'], ['mkdir:new', '0', 'EPERM']],
    { look => sub { my ($name, $inside) = @_; is(-d "$work/new" ? 1 : 0, $inside ? 0 : 1, "$name: the directory " . ($inside ? 'is not there' : 'is there')) } });
check('no default: the rest is denied', $start, [['mkdir:new', '0', 'EPERM'], ['stat:open/file', 'size 6.*', 'size 6.*']]);
check('default deny ERRNO', qq{$start default "deny ENOSYS"}, [['mkdir:new', '0', 'ENOSYS']]);
check('deny with an errno', 'deny("mkdir", "EROFS") default "allow"', [['mkdir:new', '0', 'EROFS'], ['rmdir:open', 'ENOTEMPTY', 'ENOTEMPTY']]);
check('deny a list', 'deny({"mkdir", "rename renameat renameat2"}, "EACCES") default "allow"',
    [['mkdir:new', '0', 'EACCES'], ['rename:open/fake:open/moved', '0', 'EACCES'], ['unlink:open/link', '0', '0']],
    { look => sub { my ($name, $inside) = @_; is(-e "$work/open/fake" ? 1 : 0, $inside, "$name: the file moved or not") } });
check('the first rule wins', 'allow "mkdir" deny "mkdir" deny "rmdir" allow "rmdir" default "allow"', [['mkdir:new', '0', '0'], ['rmdir:new', '0', 'EPERM']]);
check('a group', 'deny("@net", "EACCES") default "allow"', [['socket:2', '\d+', 'EACCES'], ['getpid', '\d+', '\d+']]);

for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    fresh();
    my $killed = nurse(policy('kill "mkdir mkdirat" default "allow"'), $options, [program('acts', $class), 'getpid', 'mkdir:new', 'rmdir:new'], { cwd => $work });
    like($killed->{out}, qr/getpid = \d+\n\z/, "kill, $kind: it ran up to there and no further");
    ok($killed->{code} == 137 || $killed->{code} == 159, "kill, $kind: status of a death by signal") or diag("$killed->{code} $killed->{err}");
    ok(!-e "$work/new", "kill, $kind: the directory was not made");
    $killed = nurse(policy('on("mkdir mkdirat", function(call) return call:kill "SIGTERM" end) default "allow"'), $options,
        [program('acts', $class), 'mkdir:new', 'getpid'], { cwd => $work });
    is($killed->{code}, 143, "call:kill with a signal, $kind");
    ok(!-e "$work/new" && $killed->{out} !~ /getpid/, "call:kill, $kind: nothing happened afterwards");
    $killed = nurse(policy('on("@all", function(call) if call.name:match "^mkdir" then return call:kill_process("SIGTERM", "no new rooms") end end) default "allow"'),
                    $options, ['sh', '-c', 'mkdir new; echo $?; trap "" TERM; mkdir other; echo $?'], { cwd => $work });
    is($killed->{out}, "143\n137\n", "call:kill_process, $kind: one process ends, of SIGKILL where it ignores the signal");
    like($killed->{err}, qr/killed by the policy with SIGTERM at .*: no new rooms$/m, "call:kill_process, $kind: the reason is told");
    ok(!-e "$work/new" && !-e "$work/other", "call:kill_process, $kind: nothing happened");
    $killed = nurse(policy('on("mkdir mkdirat", function(call) return call:kill() end) default "allow"'), $options, [program('acts', $class), 'mkdir:new', 'getpid'], { cwd => $work });
    is($killed->{code}, 137, "call:kill without one is SIGKILL, $kind");
}

# --- handlers and their verdicts ---------------------------------------------------------------------------
check('a handler denies by path', <<'LUA', [
on("@open @stat @file", function(call)
  if call.path and call.path:under(param("secret")) then return call:deny "EPERM" end
end)
default "allow"
LUA
    ['cat:secret/file', 'hidden', 'EPERM'], ['cat:secrets/file', 'not so hidden', 'not so hidden'], ['cat:open/link', 'hidden', 'EPERM'],
    ['cat:open/dirlink/file', 'hidden', 'EPERM'], ['cat:./open/.././secret//file', 'hidden', 'EPERM'], ["cat:$work/open/../secret/file", 'hidden', 'EPERM'],
    ['catat:secret:file', 'hidden', 'EPERM'], ['catat:open:../secret/file', 'hidden', 'EPERM'], ['catat:open:file', 'plain', 'plain'],
    ['stat:secret/file', 'size 7.*', 'EPERM'], ['stat:open/link', 'size 7.*', 'EPERM'], ['lstat:open/link', 'mode 12.*', 'mode 12.*'],
    ['readlink:open/link', '../secret/file', '../secret/file'], ['access:secret/file', '0', 'EPERM'], ['chdir:open', '0', '0'],
    ['cat:../secret/file', 'hidden', 'EPERM'], ['cat:file', 'plain', 'plain'], ['cat:missing', 'ENOENT', 'ENOENT'], ['cat:../secret/missing', 'ENOENT', 'EPERM'],
    ['cat:file/x', 'ENOTDIR', 'ENOTDIR'], ['write:../secret/file:overwritten', '11', 'EPERM'], ['unlink:../secret/file', '0', 'EPERM'], ['badpath', 'EFAULT', 'EFAULT'],
], {
    options => ['-D', "secret=$work/secret"],
    look => sub { my ($name, $inside) = @_; is(-e "$work/secret/file" ? slurp("$work/secret/file") : '', $inside ? "hidden\n" : '', "$name: the file afterwards") },
});

check('nil passes on, true and false are short', <<'LUA', [['mkdir:a', '0', 'EROFS'], ['mkdir:b', '0', '0'], ['mkdir:c', '0', 'EPERM'], ['mkdir:d', '0', 'EXDEV']]);
on("mkdir", function(call) if call.path:basename() == "a" then return nil end if call.path:basename() == "b" then return true end
  if call.path:basename() == "c" then return false end end)
on("mkdir", function(call) if call.path:basename() == "a" then return call:deny "EROFS" end end)
deny("mkdir", "EXDEV")
default "allow"
LUA

check('emulate', 'on("getppid", function(call) return call:emulate(4711) end) on("getuid getuid32", function(call) return call:emulate(0x7ffffff) end) default "allow"',
    [['getppid', '\d+', '4711'], ['repeat:1000', '\d+', '4711'], ['getuid', '\d+', '134217727']]);
check('emulate has no effect', 'on("mkdir unlink", function(call) return call:emulate(0) end) default "allow"',
    [['mkdir:new', '0', '0'], ['unlink:open/file', '0', '0']],
    { look => sub { my ($name, $inside) = @_; is((-e "$work/new" ? 'made' : 'none') . (-e "$work/open/file" ? ' kept' : ' gone'), $inside ? 'none kept' : 'made gone', "$name: effect") } });
check('emulate an error', 'on("mkdir", function(call) return call:emulate(-28) end) default "allow"', [['mkdir:new', '0', 'ENOSPC']]);

# --- rewriting ---------------------------------------------------------------------------------------------
check('rewriting a path', <<'LUA', [['cat:open/file', 'plain', 'faked'], ['cat:open/fake', 'faked', 'faked'], ['stat:open/file', 'size 6.*', 'size 6.*'], ['unlink:open/file', '0', '0']],
on("@open unlink unlinkat", function(call)
  if call.path:basename() == "file" then call.path = call.path:dirname() .. "/fake" end
  return call:allow()
end)
default "allow"
LUA
    { look => sub { my ($name, $inside) = @_; is((-e "$work/open/file" ? 'file' : '') . (-e "$work/open/fake" ? 'fake' : ''), $inside ? 'file' : 'fake', "$name: the other file was removed") } });
check('rewriting a relative path and one of a pair', <<'LUA', [['rename:open/file:open/there', '0', '0'], ['mkdir:x', '0', '0']],
on("rename renameat renameat2", function(call) call.newpath = "open/elsewhere" return call:allow() end)
on("mkdir", function(call) call.path = "y" return call:allow() end)
default "allow"
LUA
    { look => sub { my ($name, $inside) = @_; is(join(' ', grep { -e "$work/$_" } qw(open/there open/elsewhere x y)), $inside ? 'open/elsewhere y' : 'open/there x', "$name: effect") } });
check('rewriting flags, modes and integers', <<'LUA',
on("open openat", function(call)
  if call.path:under(param "work") and call.flags:has "O_TRUNC" then call.flags = "O_WRONLY|O_APPEND" end
  return call:allow()
end)
on("mkdir", function(call) call.mode = 448 return call:allow() end)
on("lseek _llseek", function(call) if call.name == "lseek" then call.args[2] = 3 else call.args[3] = 3 end return call:allow() end)
on("chmod fchmodat", function(call) call.mode = 416 return call:allow() end)
default "allow"
LUA
    [['write:open/file:more', '4', '4'], ['mkdir:new', '0', '0'], ['open:open/fake', '3', '3'], ['lseek:3:1', '1', '3'], ['chmod:open/fake:777', '0', '0']],
    { options => ['-D', "work=$work"], look => sub {
        my ($name, $inside) = @_;
        is(slurp("$work/open/file"), $inside ? "plain\nmore" : 'more', "$name: appended instead of truncated");
        is(sprintf('%o', (stat "$work/new")[2] & 0777), $inside ? '700' : '755', "$name: mode of the directory");
        is(sprintf('%o', (stat "$work/open/fake")[2] & 0777), $inside ? '640' : '777', "$name: mode of the file");
    } });
check('rewriting a buffer', 'on("write", function(call) if call.buf == "secret words" then call.buf = "nothing here" end return call:allow() end) default "allow"',
    [['write:open/file:secret words', '12', '12']],
    { look => sub { my ($name, $inside) = @_; is(slurp("$work/open/file"), $inside ? 'nothing here' : 'secret words', "$name: what was written") } });

# --- what a handler sees -----------------------------------------------------------------------------------
check('the fields of a call', <<'LUA', [['write:open/file:text', '4', '4'], ['fstat:0', '0', '0'], ['mkdir:new:700', '0', '0'], ['getppid', '\d+', '\d+'], ['connect:9', 'ECONNREFUSED', 'ECONNREFUSED']],
local work = param "work"
local function expect(what, ok) log("%s: %s", what, ok and "good" or "BAD") end
on("open openat", function(call)
  if call.path == work .. "/open/file" then
    expect("rawpath", call.rawpath == "open/file")
    expect("flags has", call.flags:has "O_CREAT" and call.flags:has "O_TRUNC" and call.flags:has "O_WRONLY" and not call.flags:has "O_RDONLY")
    expect("flags text", tostring(call.flags):find("O_WRONLY|O_CREAT|O_TRUNC", 1, true))
    expect("mode", tostring(call.mode):find "644")
    expect("glob", call.path:glob(work .. "/*/file") and not call.path:glob "*.c")
    expect("dirname", call.path:dirname() == work .. "/open" and call.path:basename() == "file")
    expect("under", call.path:under(work) and call.path:under(work .. "/open/file") and not call.path:under(work .. "/open/fil"))
    expect("line", tostring(call):find "open" and tostring(call):find("O_CREAT", 1, true) and tostring(call):find("open/file", 1, true))
  end
  return call:allow()
end)
on("write", function(call)
  if call.buf == "text" then
    expect("fd", call.fd.path == work .. "/open/file" and call.fd.kind == "file" and call.fd.number >= 3 and call.args[1] == call.fd.number)
    expect("count", call.args[3] == 4 and call.count == 4)
    expect("memory", call.memory:read(call.args[2], 4) == "text")
  end
  return call:allow()
end)
on("mkdir mkdirat", function(call) expect("who", call.pid == call.tid and call.pid > 1 and call.comm == "acts" and call.exe:basename() == "acts") return call:allow() end)
on("getppid", function(call)
  expect("what", call.name == "getppid" and (call.arch == "x86_64" and call.nr == 110 or call.arch == "i386" and call.nr == 64))
  return call:allow()
end)
on("connect", function(call) expect("addr", call.addr.family == "AF_INET" and call.addr.ip == "127.0.0.1" and call.addr.port == 9) return call:allow() end)
default "allow"
LUA
    { options => ['-D', "work=$work"], err => qr/rawpath: good.*flags has: good.*flags text: good.*mode: good.*glob: good.*dirname: good.*under: good.*line: good.*fd: good.*count: good.*memory: good.*who: good.*what: good.*addr: good/s, err_not => qr/BAD/ });

# --- after -------------------------------------------------------------------------------------------------
check('after sees results', <<'LUA', [['cat:open/file', 'plain', 'plain'], ['cat:missing', 'ENOENT', 'ENOENT'], ['lseek:0:5', undef, undef]],
after("open openat", function(call, result, errno)
  if call.rawpath == "open/file" then log("opened %s %s", math.type(result) == "integer" and result >= 3, errno == nil) end
  if call.rawpath == "missing" then log("missed %d %s", result, errno) end
end)
default "allow"
LUA
    { err => qr/^nurse: opened true true\n(?:.*\n)*nurse: missed -2 ENOENT$/m });
check('after replaces results', <<'LUA', [['getppid', '\d+', '99'], ['mkdir:new', '0', 'EDQUOT'], ['rmdir:missing', 'ENOENT', '7']],
after("getppid", function(call, result) return 99 end)
after("mkdir", function(call, result) return "EDQUOT" end)
after("rmdir", function(call, result) return 7 end)
default "allow"
LUA
    { look => sub { my ($name) = @_; ok(-d "$work/new", "$name: the call itself was carried out") } });
check('after and a buffer that the kernel filled', <<'LUA', [['cat:open/file', 'plain', 'PLAIN'], ['cat:open/fake', 'faked', 'faked']],
after("read", function(call, result)
  if result == 6 and call.memory:read(call.args[2], 5) == "plain" then call.memory:write(call.args[2], "PLAIN") end
end)
default "allow"
LUA
    {});

# --- nurse's own calls are not the program's ---------------------------------------------------------------
# The gate waits with futex and sched_yield; a policy that refuses these to the program must not stop it. Between the acts the program
# computes for a while, so that the trustee, and at last the helper, have gone to sleep.
check('a policy without futex and sched_yield', <<'LUA', [(map { ['cat:open/file', undef, undef], ["burn:$_", undef, undef] } 1 .. 20), ['cat:./open/file', 'plain', 'plain']]);
on("@open @stat @dir", function(call) return call:allow() end)
deny "futex futex_time64 sched_yield"
default "allow"
LUA

# --- the clock ---------------------------------------------------------------------------------------------
check('the clock is decided too', <<'LUA', [['clock', 'year 20[2-9]\d', 'EPERM'], ['time', '\d+', undef]],
on("clock_gettime clock_gettime64 gettimeofday time", function(call) return call:deny "EPERM" end)
default "allow"
LUA
    {});

# --- param, log, several policies --------------------------------------------------------------------------
my $param = 'local n = param("number", 5) local s = param("text", "fallback") log("%s %s %s", n, s, math.type(n)) default "allow"';
check('param: the fallback', $param, [['getpid', '\d+', '\d+']], { err => qr/^nurse: 5 fallback integer$/m });
check('param: -D', $param, [['getpid', '\d+', '\d+']], { options => ['-D', 'number=7', '-D', 'text=a=b c'], err => qr/^nurse: 7 a=b c integer$/m });
check('-q silences log', 'log "heard" default "allow"', [['getpid', '\d+', '\d+']], { options => ['-q'], err_not => qr/heard/ });
check('log can not forge lines', qq{log("one\\nnurse: two \\27[2J") default "allow"}, [['getpid', '\d+', '\d+']], { err => qr/^nurse: one.*two/m, err_not => qr/^nurse: two|\e/m });
check('several policies: the strictest wins', [
    'deny("mkdir", "EROFS") on("getppid", function(call) return call:emulate(5) end) default "allow"',
    'allow "mkdir" on("getppid", function(call) return call:deny "EPERM" end) deny("rmdir", "EXDEV") default "allow"',
], [['mkdir:new', '0', 'EROFS'], ['getppid', '\d+', 'EPERM'], ['rmdir:missing', 'ENOENT', 'EXDEV'], ['cat:open/file', 'plain', 'plain']]);
check('several policies: rewrites run in order', [
    'on("mkdir", function(call) call.path = call.path .. "1" return call:allow() end) default "allow"',
    'on("mkdir", function(call) call.path = call.path .. "2" return call:allow() end) default "allow"',
], [['mkdir:new', '0', '0']],
    { look => sub { my ($name, $inside) = @_; is(join(' ', grep { -e "$work/$_" } qw(new new1 new2 new12)), $inside ? 'new12' : 'new', "$name: effect") } });
check('a policy without rules adds no layer', ['local nothing = 1', 'default "allow"'], [['mkdir:new', '0', '0']]);
check('events', 'event("exit", function(process) log("ended %s %d", process.pid > 1, process.status) end) default "allow"', [['getpid', '\d+', '\d+']], { err => qr/^nurse: ended true 0$/m });

# --- unknown calls -----------------------------------------------------------------------------------------
check('a number without a row', 'default "allow"', [['unknown:9999', 'ENOSYS', 'ENOSYS'], ['getpid', '\d+', '\d+']]);
check('unsafe calls are denied unless named', 'default "allow"', [['ptrace', 'ESRCH|EIO|EPERM', 'EPERM']]);

# --- the shipped policies ----------------------------------------------------------------------------------
{
    fresh();
    unlink '/usr/made-by-a-test';
    my @acts = (program('acts'), 'cat:open/file', 'write:made:text', 'cat:/etc/hostname', 'cat:/etc/shadow', 'cat:/root/.profile', 'write:/usr/made-by-a-test:x', 'socket:2', 'socket:1', 'mkdir:new',
        'rename:open/file:open/moved', 'link:/etc/shadow:got', 'chmod:/usr:755', 'kill:1:0', 'cat:/proc/self/comm', 'cat:/proc/1/environ', 'clock', 'symlink:/etc/shadow:trap', 'cat:trap');
    my $got = answers(nurse(undef, [], [@acts], { cwd => $work }));
    my %want = (
        'cat:open/file' => 'plain', 'write:made:text' => 4, 'cat:/etc/shadow' => 'EACCES', 'cat:/root/.profile' => 'EACCES', 'write:/usr/made-by-a-test:x' => 'EACCES', 'socket:2' => 'EACCES',
        'socket:1' => 'EACCES', 'mkdir:new' => 0, 'rename:open/file:open/moved' => 0, 'link:/etc/shadow:got' => 'EACCES', 'chmod:/usr:755' => 'EACCES', 'kill:1:0' => 'EPERM',
        'cat:/proc/self/comm' => 'acts', 'cat:/proc/1/environ' => 'EACCES', 'symlink:/etc/shadow:trap' => 0, 'cat:trap' => 'EACCES',
    );
    is($got->{$_} // 'nothing', $want{$_}, "default: $_ is $want{$_}") for sort keys %want;
    like($got->{clock} // '', qr/^year/, 'default: the clock');
    ok(!-e '/usr/made-by-a-test', 'default: nothing was written to /usr') or unlink '/usr/made-by-a-test';
    is($got->{'cat:/etc/hostname'} // 'nothing', (slurp('/etc/hostname') =~ /(.*)/)[0], 'default: the system is read') if -e '/etc/hostname';
    my $named = nurse('default', ['-D', 'read=/root', '-D', 'write=/nonexistent:/opt'], [program('acts'), 'stat:/root', 'count:/root'], { cwd => $work });
    like(answers($named)->{'count:/root'} // '', qr/^\d+$/, 'default: -D read= adds a directory, and the name is found without a path');
    my $traced = nurse('trace-all', [], [program('acts'), 'cat:open/missing'], { cwd => $work });
    like($traced->{err}, qr/^nurse: open(at)?\(.*open\/missing.*\) = ENOENT$/m, 'trace-all: a line with the result');
}

# i386's first mmap is judged by its arguments, as mmap2.
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    my $deny = policy('on("mmap mmap2", function(call) if call.prot:has "PROT_EXEC" and call.fd.number < 0 then return call:deny "EACCES" end end) default "allow"');
    is(answers(nurse($deny, $options, [program('acts', $class), 'mmap']))->{mmap}, 'EACCES', "mmap is judged by what it asks for, $kind");
    is(answers(nurse(policy('default "allow"'), $options, [program('acts', $class), 'mmap']))->{mmap}, '0', "and works, $kind");
}

done_testing();
