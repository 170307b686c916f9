#!/usr/bin/perl
# Bad input: one clear line on stderr that starts with "nurse: ", the status of the contract, and nothing left behind: no process,
# no temporary file. Then policies that misbehave while the program runs, a helper that is killed, and a program that writes noise
# into its request window.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $dir  = scratch() . '/bad';
my $temp = scratch() . '/temp';
mkdir $_ or die "$_: $!" for $dir, $temp;

my $allow = policy(qq{default "allow"\n}, 'allow.lua');
my $marks = 0;

sub shared_files { return join ' ', sort grep { /nurse/i } glob '/dev/shm/*' }

# Run nurse; whatever it says, nothing may be left behind. Returns the result.
sub clean {
    my ($name, $policy, $options, $command, $o) = @_;
    my $mark = "nurse-mark-$$-" . $marks++;
    my $before = shared_files();
    my $result = nurse($policy, $options, $command, { timeout => 20, %{ $o // {} }, env => { MARK => $mark, TMPDIR => $temp, %{ ($o // {})->{env} // {} } } });
    ok(!$result->{timeout}, "$name: ends") or diag($result->{err});
    my @left;
    ok(wait_for(3, sub { !(@left = marked_processes($mark)) }), "$name: leaves no process") or diag("still there: @left");
    is(join(' ', glob "$temp/* $temp/.[a-z]*"), '', "$name: leaves no temporary file");
    is(shared_files(), $before, "$name: leaves no shared file");
    return $result;
}

# --- programs that can't be run ----------------------------------------------------------------------------
my $cat = slurp('/bin/cat');
my $hello32 = slurp(program('hello', 32));
sub patch { my ($bytes, $at, $new) = @_; substr($bytes, $at, length $new) = $new; return $bytes }

my $no_interpreter = build_program('no-interpreter', 'hello', 'gcc', '-Wl,--dynamic-linker=/there/is/no/ld.so');
spew("$dir/plain", "just text\n", 0755);
spew("$dir/empty", '', 0755);
spew("$dir/no-x", $cat, 0644);
spew("$dir/magic-only", substr($cat, 0, 4), 0755);
spew("$dir/half-header", substr($cat, 0, 40), 0755);
spew("$dir/header-only", substr($cat, 0, 64), 0755);
spew("$dir/half-phdrs", substr($cat, 0, 100), 0755);
spew("$dir/other-machine", patch($cat, 18, pack 'v', 0xb7), 0755);
spew("$dir/other-class", patch($cat, 4, chr 9), 0755);
spew("$dir/big-endian", patch($cat, 5, chr 2), 0755);
spew("$dir/object", patch($cat, 16, pack 'v', 1), 0755);
spew("$dir/core", patch($cat, 16, pack 'v', 4), 0755);
spew("$dir/phoff-wild", patch($cat, 32, pack 'Q<', 0x7fff0000), 0755);
spew("$dir/phentsize", patch($cat, 54, pack 'v', 7), 0755);
spew("$dir/phnum-zero", patch($cat, 56, pack 'v', 0), 0755);
spew("$dir/phnum-huge", patch($cat, 56, pack 'v', 0xfffe), 0755);
spew("$dir/half-32", substr($hello32, 0, 60), 0755);
spew("$dir/machine-32", patch($hello32, 18, pack 'v', 40), 0755);
spew("$dir/mixed", patch($cat, 18, pack 'v', 3), 0755);    # i386 in a 64-bit file
spew("$dir/script-no-interpreter", "#!/there/is/no/interpreter\n", 0755);
spew("$dir/script-empty-line", "#!\n", 0755);
spew("$dir/script-of-itself", "#!$dir/script-of-itself\n", 0755);
spew("$dir/script-of-text", "#!$dir/plain\n", 0755);
spew("$dir/script-of-directory", "#!/etc\n", 0755);
symlink 'loop', "$dir/loop";

my @programs = (
    ['a missing program',            "$dir/missing",               127],
    ['a missing directory',          "$dir/missing/program",       127],
    ['a name not in PATH',           'there-is-no-such-program',   127],
    ['an empty name',                '',                           127],
    ['a file as a directory',        "$dir/plain/x",               127, 126],
    ['a loop of links',              "$dir/loop",                  126, 127],
    ['a name too long',              'x' x 5000,                   126, 127],
    ['not executable',               "$dir/no-x",                  126],
    ['a directory',                  $dir,                         126],
    ['a device',                     '/dev/null',                  126],
    (map { [$_, "$dir/$_", 126] } qw(plain empty magic-only half-header header-only half-phdrs other-machine other-class big-endian object core
        phoff-wild phentsize phnum-zero phnum-huge half-32 machine-32 mixed script-no-interpreter script-empty-line script-of-itself script-of-text script-of-directory)),
    ['a missing ELF interpreter',    $no_interpreter,              126],
);
for my $case (@programs) {
    my ($name, $program, @status) = @$case;
    for my $policy ($allow) {
        my $result = clean($name, $policy, [], [$program, 'x']);
        ok(scalar(grep { $result->{code} == $_ } @status), "$name: status @status") or diag("status $result->{code}");
        one_nurse_line($result, qr/./, "$name: one line");
        is($result->{out}, '', "$name: nothing on stdout");
    }
}

# Files that the kernel starts and that die soon: any end will do, but it must be an end, and no noise but nurse's.
{
    srand 20100917;    # the same files each time
    for my $i (1 .. 40) {
        my $bytes = $i % 2 ? $cat : $hello32;
        for (1 .. 1 + rand 4) {
            my $header = $i % 2 ? 64 + 56 * 13 : 52 + 32 * 11;
            substr($bytes, 16 + int rand($header - 16), 1) = chr int rand 256;
        }
        $bytes = substr $bytes, 0, 500 + int rand length $bytes if $i % 4 == 0;
        my @command = (spew("$dir/corrupt", $bytes, 0755), '/dev/null');
        next if run([@command], { timeout => 2 })->{timeout};    # what hangs natively may hang
        my $result = clean("corrupt ELF $i", $allow, [], \@command);
        isnt($result->{code}, 125, "corrupt ELF $i: nurse does not fail") or diag($result->{err});
    }
}

# The kernel refuses to execute from a file system mounted noexec; a loader of one's own could forget it.
SKIP: {
    my $noexec = "$dir/noexec";
    mkdir $noexec;
    my $mount = 'mount -t tmpfs -o noexec none "$0" && cp "$1" "$0/hello" && shift 1 && exec "$@"';
    my @unshare = ('unshare', '-m', '/bin/sh', '-c', $mount, $noexec, program('hello'));
    my $native = run([@unshare, "$noexec/hello"]);
    skip_or_fail("can't mount a file system here: $native->{err}") if $native->{code} != 126;
    my $result = run([@unshare, @{ nurse_command($allow, [], ["$noexec/hello"]) }]);
    is($result->{code}, 126, 'a file system mounted noexec: 126');
    one_nurse_line($result, qr/noexec/, 'a file system mounted noexec: one line');
}

# --- policies that can't be loaded -------------------------------------------------------------------------
my @policies = (
    ['a missing policy file',     "$dir/none.lua", undef, qr/none\.lua/],
    ['a missing policy by name',  'there-is-no-such-policy', undef, qr/there-is-no-such-policy/],
    ['a directory as policy',     $dir, undef, qr/\Q$dir\E/],
    ['a syntax error',            undef, "default \"allow\"\non(\"open\", function(call\n", qr/syntax\.lua:[23]: /],
    ['an unknown system call',    undef, "\nallow \"open opne\"\n", qr/\.lua:2: .*'opne'/],
    ['an unknown group',          undef, "\n\non(\"\@opne\", function() end)\n", qr/\.lua:3: .*'\@opne'/],
    ['an unknown errno',          undef, "deny(\"open\", \"EPREM\")\n", qr/\.lua:1: .*'EPREM'/],
    ['an unknown errno in default', undef, "\ndefault \"deny EPREM\"\n", qr/\.lua:2: .*EPREM/],
    ['an unknown default',        undef, "default \"perhaps\"\n", qr/\.lua:1: .*perhaps/],
    ['two defaults',              undef, "default \"allow\"\ndefault \"deny\"\n", qr/\.lua:2: /],
    ['an unknown word',           undef, "alow \"open\"\n", qr/\.lua:1: .*alow/],
    ['an error at load',          undef, "\nlocal x = nil\nprint(x.y)\n", qr/\.lua:3: /],
    ['an error object',           undef, "error({})\n", qr/./],
    ['an endless load',           undef, "while true do end\n", qr/\.lua:1: /],
    ['a load that eats memory',   undef, "local t = {}\nwhile true do t[#t + 1] = ('x'):rep(1000000) .. #t end\n", qr/\.lua:2: /],
    ['no function for on',        undef, "on(\"open\", \"allow\")\n", qr/\.lua:1: /],
    ['a binary',                  undef, "\x1bLua\x54\x00", qr/./],
    ['a missing include',         undef, "include \"nothing-there\"\n", qr/\.lua:1: .*nothing-there/],
    ['a missing parameter',       undef, "\nparam \"needed\"\n", qr/\.lua:2: .*needed/],
    ['no io for policies',        undef, "io.open(\"/etc/passwd\")\n", qr/\.lua:1: /],
    ['no os.execute',             undef, "os.execute(\"true\")\n", qr/\.lua:1: /],
);
for my $case (@policies) {
    my ($name, $file, $text, $pattern) = @$case;
    (my $short = $name) =~ s/.* //;
    $file //= policy($text, $name =~ /syntax/ ? 'syntax.lua' : "bad-$short.lua");
    my $result = clean($name, $file, [], [program('hello')]);
    is($result->{code}, 125, "$name: status 125");
    one_nurse_line($result, $pattern, "$name: one line that names it");
    is($result->{out}, '', "$name: the program did not start");
}
{
    my $result = clean('a good policy and a missing one', [$allow, "$dir/none.lua"], [], [program('hello')]);
    is($result->{code}, 125, 'a good policy and a missing one: 125');
}

# --- mistakes on the command line --------------------------------------------------------------------------
for my $case (['an unknown option', ['--no-such-option']], ['a bad gate', ['--gate=maybe']], ['a bad mode', ['--seccomp=lax']], ['a bad on-error', ['--on-error=shrug']], ['a bad parameter', ['-D', 'novalue']]) {
    my ($name, $options) = @$case;
    my $result = clean($name, $allow, $options, [program('hello')]);
    is($result->{code}, 125, "$name: 125");
    like($result->{err}, qr/\Anurse: [^\n]+\n\z/, "$name: one line");
    is($result->{out}, '', "$name: the program did not start");
}

# --- handlers that misbehave: EPERM for the program, file:line for people, and the program lives on ---------
my @handlers = (
    ['throws',            'error "on purpose"',                    qr/:3: .*on purpose/],
    ['throws a table',    'error({})',                             qr/:3/],
    ['indexes nil',       'local x = nil return x.y',              qr/:3: /],
    ['never returns',     'while true do end',                     qr/:3/],
    ['never returns in pcall', 'while true do pcall(function() while true do end end) end', qr/:3/],
    ['sleeps in a pattern', 'return (("a"):rep(100000)):find(("a*"):rep(50) .. "b")', qr/:3: /],
    ['returns rubbish',   'return {}',                             qr/:[23]/],
    ['returns a string',  'return "allow"',                        qr/:[23]/],
    ['returns a number',  'return 0',                              qr/:[23]/],
    ['eats memory',       'local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end', qr/:3/],
    ['one huge string',   'return ("x"):rep(1 << 40)',             qr/:3/],
    ['recurses',          'local function f() return 1 + f() end return f()', qr/:3/],
    ['denies with a typo', 'return call:deny "EPREM"',             qr/:3: .*EPREM/],
    ['an old call object', 'old = old or call; return old.nothing.at_all', qr/:3: /],
    ['writes wildly',     'return call.memory:write(1, "x").y',    qr/:3/],
);
for my $case (@handlers) {
    my ($name, $body, $pattern) = @$case;
    for my $way (['', 64, []], [', no gate', 64, ['--gate=off']], [', 32 bits', 32, []]) {
        my ($kind, $class, $options) = @$way;
        next if $kind && $name !~ /^(throws|never returns|eats memory|returns rubbish)$/;
        my $result = clean("handler $name$kind", policy("local old\non(\"mkdir\", function(call)\n  $body\nend)\ndefault \"allow\"\n", 'handler.lua'), $options,
            [program('acts', $class), "mkdir:$dir/made", "mkdir:$dir/made", 'getpid', 'cat:/proc/self/comm'], { timeout => 30 });
        like($result->{out}, qr/\A(?:mkdir:\S+ = EPERM\n){2}getpid = \d+\ncat:\S+ = acts\n\z/, "handler $name$kind: EPERM, and the rest goes on");
        like($result->{err}, qr/^nurse: [^\n]*handler\.lua$pattern/m, "handler $name$kind: a line with file:line") or diag($result->{err});
        unlike($result->{err}, qr/^(?!nurse: )./m, "handler $name$kind: every line is nurse's");
        is($result->{code}, 0, "handler $name$kind: the program's own status");
        ok(!-e "$dir/made", "handler $name$kind: the call had no effect");
    }
}
{
    my $result = clean('--on-error=kill', policy("on(\"mkdir\", function(call) error 'x' end)\ndefault \"allow\"\n"), ['--on-error=kill'], [program('acts'), "mkdir:$dir/made", 'getpid']);
    ok($result->{code} > 128, '--on-error=kill: death') or diag("status $result->{code}");
    unlike($result->{out}, qr/getpid/, '--on-error=kill: nothing more ran');
    ok(!-e "$dir/made", '--on-error=kill: no effect');
    $result = clean('an error in after', policy("after(\"getppid\", function(call)\n error 'late' end)\ndefault \"allow\"\n", 'after.lua'), [], [program('acts'), 'getppid', 'getpid']);
    like($result->{out}, qr/getpid = \d+/, 'an error in after: the program goes on');
    like($result->{err}, qr/^nurse: [^\n]*after\.lua:2/m, 'an error in after: file:line');
}

# --- a helper that is killed takes everything with it ------------------------------------------------------
for my $case (['that sleeps', 'sleep:60', 64], ['that computes', 'burn:60000', 64], ['that calls all the time', 'repeat:100000000', 64], ['of 32 bits', 'sleep:60', 32]) {
    my ($name, $act, $class) = @$case;
    my $mark = "nurse-mark-$$-" . $marks++;
    my $policy = policy('on("getppid", function(call) return call:allow() end) default "allow"');
    my $handle = start(nurse_command($policy, [], [program('acts', $class), 'getpid', 'ready', $act]), { env => { MARK => $mark } });
    ok(wait_for(10, sub { -s "$handle->{base}.out" }), "a program $name has begun");
    ok(scalar(marked_processes($mark)) >= 2, "a program $name: nurse and the program are there");
    kill 'KILL', $handle->{pid};
    my $result = finish($handle);
    is($result->{signal}, 9, "a program $name: the helper was killed");
    my @left;
    ok(wait_for(5, sub { !(@left = marked_processes($mark)) }), "a program $name: nothing is left") or kill 'KILL', @left;
}

# --- noise in the request window ---------------------------------------------------------------------------
# Forged requests are as good as calls, so the policy refuses those with which the program would only end or block itself.
my $judge = policy(<<'LUA');
on("@open", function(call)    -- noise names no new files, and harms no old ones
  for _, flag in ipairs { "O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE" } do
    if call.flags:has(flag) then return call:deny "EROFS" end
  end
  if call.args[2] & 3 == 3 then return call:deny "EROFS" end
end)
on("@open @stat getppid", function(call) return call:allow() end)
on("close lseek _llseek", function(call) return call.args[1] > 2 end)
on("write", function(call) return call.buf ~= nil and call.buf:match "^[wra]%a+" ~= nil end)
allow "read pread64 mmap mmap2 mprotect brk exit_group set_tid_address set_robust_list set_thread_area arch_prctl rseq prlimit64 getrandom getpid"
allow "clock_gettime clock_gettime64 futex futex_time64 sched_yield"
deny "@all"
LUA
# A forged stat may hit the program's own notes for its gate: then it has killed itself (SIGSEGV), and another run has to show the rest.
for my $class (64, 32) {
    my $survived = 0;
    for my $milliseconds (300, 300, 600, 600, 1000) {
        my $name = "noise for $milliseconds ms, $class bits";
        my $result = clean($name, $judge, ['-q'], [program('window-noise', $class), $milliseconds], { timeout => 8 });
        ok($result->{code} == 0 || $result->{code} == 139, "$name: the helper ends with the program") or diag($result->{code}, $result->{out}, $result->{err});
        like($result->{out}, qr/^window: found$/m, "$name: it found its window");
        next if $result->{code};
        like($result->{out}, qr/^rounds: many$/m, "$name: many rounds");
        like($result->{out}, qr/^answered afterwards: 1$/m, "$name: calls are still answered");
        last if ++$survived == 2;
    }
    ok($survived, "noise, $class bits: a run survived its own noise");
    # With nothing spared the program may crash or spin; the helper has to live, and to end with it.
    my $mark = "nurse-mark-$$-" . $marks++;
    my $handle = start(nurse_command($judge, ['-q'], [program('window-noise', $class), 500, 'all']), { env => { MARK => $mark }, timeout => 20 });
    wait_for(3, sub { scalar(marked_processes($mark)) >= 2 });    # it has begun
    wait_for(2, sub { scalar(marked_processes($mark)) < 2 });     # it has ended, or is stuck
    for my $pid (grep { $_ != $handle->{pid} } marked_processes($mark)) { kill 'TERM', $pid }
    my $result = finish($handle);
    ok(!$result->{timeout} && !$result->{signal} && $result->{code} != 125, "noise with nothing spared, $class bits: the helper lives, and ends with the program")
        or diag("status " . ($result->{code} // ''), $result->{err});
    ok(wait_for(3, sub { !marked_processes($mark) }), "noise with nothing spared, $class bits: nothing is left");
}

done_testing();
