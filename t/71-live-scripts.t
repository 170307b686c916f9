#!/usr/bin/perl
# The shipped policies (scripts/): what each refuses, with the errno, the effect that did not happen and the same act succeeding natively, and what must
# work: real programs give the same output as natively. jail, fakeroot and chaos have files of their own.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Tries;
use File::Copy qw(copy);
use IO::Socket::UNIX;
use Test::More;

my ($work, $other, $victim) = (work(), other(), victim());
my $root = $> == 0;

# The other end of a terminal that isn't the program's.
open my $terminal, '+<', '/dev/ptmx' or die "/dev/ptmx: $!";
my $number = pack 'i', 0;
ioctl $terminal, 0x40045431, $number or die "TIOCSPTLCK: $!";
ioctl $terminal, 0x80045430, $number or die "TIOCGPTN: $!";
my $tty = '/dev/pts/' . unpack 'i', $number;

# --- default -----------------------------------------------------------------------------------------------
my $tmp = "/tmp/nurse-tries-$$";
tries('default: files', 'default', [], [
    ['create:made', 0, 0], ["create:$tmp", 0, 0], ["unlink:$tmp", 0, 0], ['read:/etc/passwd', 0, 0], ['access:made:6', 0, 0], ['memfd', 0, 0],
    ["read:$other/file", 0, 'EACCES'], ["create:$other/new", 0, 'EACCES'], ["access:$other/file:4", 0, 'EACCES'], ["access:$other/missing:4", 'ENOENT', 'ENOENT'],
    ["link:$other/file:got", 0, 'EACCES'], ['link:made:made2', 0, 0], ["symlink:$other/file:trap", 0, 0], ['read:trap', 0, 'EACCES'],
    ["chmod:$other/file:604", 0, 'EACCES'], ["utime:$other/file", 0, 'EACCES'], ["truncate:$other/file", 0, 'EACCES'], ["mkdir:$other/dir", 0, 'EACCES'],
    ["mkdir:$other", 'EEXIST', 'EEXIST'], ["rename:$other/file:taken", 0, 'EACCES'], ['rename:made2:made3', 0, 0],
    ['chmod:made:4755', 0, 'EPERM'], ['chmod:made:755', 0, 0], ['create:suid:6755', 0, 'EPERM'], ['device:null', $root ? '0|EPERM' : 'EPERM', 'EPERM'], ['fifo:pipe', 0, 0],
    ["read:$tty", 0, 'EACCES'], ['write:/dev/null', 0, 0], ['exec:/bin/true', 0, 0], ["exec:$other/true", 0, 'EACCES'],
    ["rename:$work:" . base() . '/elsewhere', 0, 'EACCES'],
], { setup => sub { copy('/bin/true', "$other/true"); chmod 0755, "$other/true" }, look => sub {
    my ($name, $inside) = @_;
    my $there = $inside ? $work : base() . '/elsewhere';
    is(-d $work ? 1 : 0, $inside, "$name: the directory is " . ($inside ? 'still there' : 'gone'));
    is(-e "$other/file" ? slurp("$other/file") : 'gone', $inside ? "hidden\n" : 'gone', "$name: the file outside");
    is(-e "$there/suid" ? 1 : 0, 1 - $inside, "$name: the set-user-id file");
    is(-e "$other/new" || -d "$other/dir" ? 1 : 0, 1 - $inside, "$name: what was made outside");
} });
tries('default: -D read=', 'default', ['-D', "read=$other"], [
    ["read:$other/file", 0, 0], ["write:$other/file", 0, 'EACCES'], ["fchmod:$other/file:600", 0, 'EACCES'], ["chattr:$other/file", '0|ENOTTY|EOPNOTSUPP|EPERM', 'ENOTTY'],
], { look => sub { is((stat "$other/file")[2] & 0777, $_[1] ? 0644 : 0600, "$_[0]: the mode") } });
tries('default: -D write=', 'default', ['-D', "write=$other"], [["write:$other/file", 0, 0], ["create:$other/new", 0, 0], ["rmdir:$other", 'ENOTEMPTY', 'EACCES']]);
tries('default: a part that may only be read', 'default', ['-D', "write=$other", '-D', "read=$other/a/b"], [
    ["read:$other/a/b/file", 0, 0], ["create:$other/a/new", 0, 0], ["write:$other/a/b/file", 0, 'EACCES'], ["rename:$other/a:$other/moved", 0, 'EACCES'], ["unlink:$other/moved/new", 0, 'ENOENT'],
], { setup => sub { mkdir "$other/$_" for 'a', 'a/b'; spew("$other/a/b/file", 'x') }, look => sub { is(-e "$other/a/b/file" ? 1 : 0, $_[1], "$_[0]: the place") } });
tries('default: processes', 'default', [], [
    ["kill:$victim", 0, 'EPERM'], ["kill:-$victim", 0, 'EPERM'], ["pidfd:$victim", 0, 'EPERM'], ["setown:$victim", 0, 'EPERM'], ["limit:$victim", 0, 'EPERM'],
    ["affinity:$victim", 0, 'EPERM'], ["nice:$victim", 0, 'EPERM'], ["setpgid:$victim", 0, 'EPERM'], ["read:/proc/$victim/environ", 0, 'EACCES'],
    ["readlink:/proc/$victim/cwd", '/.*', 'EACCES'], ['read:/proc/self/environ', 0, 0], ['readlink:/proc/self/cwd', '/.*', '/.*'],
    ['child', 15, 15], ['fork', 7, 7], ['thread', 3, 3], ['affinity:0', 0, 0], ['limit:0', 0, 0], ['setpgid:0', 0, 0], ['keys', '0|EPERM|ENOSYS|ENOKEY|EACCES|EDQUOT', 'EPERM'],
]);
tries('default: sockets', 'default', [], [['socket:2:1', 0, 'EACCES'], ['socket:1:1', 0, 'EACCES'], ['pair:1', 0, 0], ['pair:5', 0, 0], ['pair:2', 0, 'EACCES']]);
tries('default: in the root directory', 'default', [], [['create:/nurse-tries', $root ? 0 : 'EACCES', 'EACCES'], ['create:/tmp', 'EISDIR', 'EISDIR|0'], ['read:/etc/passwd', 0, 0]],
    { cwd => '/', ways => 1, setup => sub { unlink '/nurse-tries' }, err => qr{^nurse: default: nothing in / can be opened}m,
      look => sub { is(-e '/nurse-tries' ? 1 : 0, $_[1] || !$root ? 0 : 1, "$_[0]: the file"); unlink '/nurse-tries' } });

# --- readonly ----------------------------------------------------------------------------------------------
tries('readonly', 'readonly', [], [
    ['create:new', 0, 'EROFS'], ['write:file', 0, 'EROFS'], ['write:missing', 'ENOENT', 'ENOENT'], ['mkdir:dir', 0, 'EROFS'], ['mkdir:.', 'EEXIST', 'EEXIST'], ['link:file:link', 0, 'EROFS'],
    ['symlink:file:symlink', 0, 'EROFS'], ['chmod:file:600', 0, 'EROFS'], ['fchmod:file:640', 0, 'EROFS'], ['utime:file', 0, 'EROFS'], ['truncate:file', 0, 'EROFS'],
    ['chattr:file', '0|ENOTTY|EOPNOTSUPP|EPERM', 'EROFS'], ['chown:file:' . ($root ? '12:13' : '-1:-1'), 0, 'EROFS'], ['fifo:pipe', 0, 'EROFS'], ['bind:socket', 0, 'EROFS'],
    ['rename:file:moved', 0, 'EROFS'], ['unlink:moved', 0, 'EROFS'], ['read:/etc/passwd', 0, 0], ['write:/dev/null', 0, 0], ['memfd', 0, 0], ['fork', 7, 7], ['socket:2:1', 0, 0],
], { setup => sub { utime 1e9, 1e9, "$work/file" }, look => sub {
    my ($name, $inside) = @_;
    my @there = map { s{.*/}{}r } glob "$work/*";
    if ($inside) {
        my @stat = stat "$work/file";
        is("@there " . slurp("$work/file") . "@stat[4, 5, 9]", "file plain\n$> " . ($stat[5]) . ' 1000000000', "$name: all as it was");
    } else {
        is("@there", 'dir link new pipe socket symlink', "$name: all has changed");
    }
} });
{
    fresh();
    my $said = nurse('readonly', [], ['bash', '-c', 'echo x > /dev/null && echo a | cat && ls && ! rm file'], { cwd => $work });
    is("$said->{code} $said->{out}", "0 a\nfile\n", 'readonly: bash, pipes, ls');
    like($said->{err}, qr/rm: cannot remove 'file': Read-only file system/, 'readonly: rm says why');
    ok(-e "$work/file", 'readonly: and the file is there');
}

# --- nonet -------------------------------------------------------------------------------------------------
my $path = base() . '/service';
my $service = IO::Socket::UNIX->new(Local => $path, Listen => 64) or die "$path: $!";
tries('nonet', 'nonet', [], [['socket:2:1', 0, 'EACCES'], ['socket:10:1', '0|EAFNOSUPPORT', 'EACCES'], ['socket:16:3', 0, 'EACCES'], ["connect:$path", 0, 'EACCES'], ['pair:1', 0, 0], ['pair:2', 0, 'EACCES'],
    ['create:new', 0, 0], ['fork', 7, 7]]);
tries('nonet -D unix=yes', 'nonet', ['-D', 'unix=yes'], [['socket:2:1', 0, 'EACCES'], ["connect:$path", 0, 0], ['bind:socket', 0, 0], ['pair:2', 0, 0]]);
{
    my $said = nurse('nonet', [], ['bash', '-c', 'echo > /dev/tcp/127.0.0.1/9']);
    like($said->{err}, qr/socket: Permission denied/, 'nonet: bash can not make a socket');
}

# --- build -------------------------------------------------------------------------------------------------
my $elsewhere = "/tmp/nurse-tries-$$-true";
tries('build', 'build', [], [
    ['exec:/bin/true', 0, 0], ['exec:./true', 0, 0], ["exec:$elsewhere", 0, 'EACCES'], ["exec:$other/true", 0, 'EACCES'], ['create:new', 0, 0], ["create:$other/new", 0, 'EACCES'],
    ['socket:2:1', 0, 'EACCES'], ["kill:$victim", 0, 'EPERM'], ['child', 15, 15],
], { setup => sub { copy('/bin/true', $_) && chmod 0755, $_ for "$work/true", $elsewhere, "$other/true" }, look => sub {
    my ($name, $inside) = @_;
    is(-e "$other/new" ? 1 : 0, 1 - $inside, "$name: the file outside");
    unlink $elsewhere;
} });
is(nurse('build', ['-D', "exec=$other", '-D', "read=$other"], ["$other/true"], { cwd => $work })->{code}, 0, 'build: -D exec= adds a directory');

# --- grid --------------------------------------------------------------------------------------------------
my $denied = 'EPERM|EACCES|ENOENT';
tries('grid', 'grid', [], [
    ['read:/etc/passwd', 0, 'ENOENT'], ['read:file', 0, 'ENOENT'], ['create:new', 0, 'EACCES'], ['mkdir:dir', 0, 'EPERM'], ['access:file:4', 0, 'ENOENT'], ['owner:file', '.*', 'ENOENT'],
    ['statx:file', '.*', 'ENOENT'], ['fork', 7, 'EPERM'], ['thread', 3, 'EPERM'], ['socket:2:1', 0, 'EPERM'], ['pair:1', 0, 'EPERM'], ["kill:$victim", 0, 'EPERM'], ["limit:$victim", 0, 'EPERM'],
    ["setown:$victim", 0, 'EPERM'], ['limit:0', 0, 0], ['exec:/bin/true', 0, 'EPERM'], ['memfd', 0, 'EPERM'], ['unlink:file', 0, 'EPERM'],
], { look => sub { is(join(' ', map { s{.*/}{}r } glob "$work/*"), $_[1] ? 'file' : 'dir new', "$_[0]: the directory") } });
tries('grid -D threads=yes', 'grid', ['-D', 'threads=yes'], [['thread', 3, 3], ['fork', 7, 'EAGAIN']]);
{
    my $sum = 'BEGIN { for (i = 1; i <= 1000; i++) s += i; print s } { print $1 * 2 } END { while ((getline line < "/etc/passwd") > 0) n++; print n + 0 }';
    is(nurse('grid', [], ['awk', $sum], { stdin => "21\n" })->{out}, "500500\n42\n0\n", 'grid: awk computes, and reads what it was given only');
    my @python = ('/usr/bin/python3', '-IS', '-c', "print(2 ** 100)\ntry: open('/etc/passwd')\nexcept OSError as e: print(e.strerror)");
    SKIP: {
        skip_or_fail('no /usr/bin/python3') if !-x $python[0];
        is(nurse('grid', ['-D', 'read=/usr/lib'], \@python)->{out}, 2**100 == 0 ? '' : "1267650600228229401496703205376\nNo such file or directory\n", 'grid: -D read= is enough for python3');
    }
}

# --- trace-all ---------------------------------------------------------------------------------------------
{
    fresh();
    my $said = nurse('trace-all', [], ['bash', '-c', 'read x < file; echo $x; true < missing; /bin/true; exit 0'], { cwd => $work });
    is($said->{out}, "plain\n", 'trace-all: the program is undisturbed');
    like($said->{err}, qr/^nurse: $_$/m, "trace-all: a line like $_") for 'openat\(AT_FDCWD, "file".*\) = \d+', 'openat\(AT_FDCWD, "missing".*\) = ENOENT', 'write\(1, "plain\\\\?n?.*', 'clone\(.*\) = \d+',
        '\d+ runs /usr/bin/bash|\d+ runs /bin/bash|\d+ runs .*true', '\d+ ended: 0';
    my $wait = "import os, signal\ndef heard(*_): raise InterruptedError\nsignal.signal(signal.SIGALRM, heard)\nsignal.setitimer(signal.ITIMER_REAL, 0.1)\n" .
        "r, w = os.pipe()\ntry: os.read(r, 1)\nexcept InterruptedError: print('interrupted')\n";
    SKIP: {
        skip_or_fail('no /usr/bin/python3') if !-x '/usr/bin/python3';
        is(nurse('trace-all', ['-q'], ['/usr/bin/python3', '-c', $wait], { timeout => 10 })->{out}, "interrupted\n", 'trace-all: a call that waits is interrupted by a signal handler');
    }
}

# --- honeypot ----------------------------------------------------------------------------------------------
my $decoys = base() . '/decoys';
my $secret = "/root/.nurse-tries-$$";
SKIP: {
    skip_or_fail('not root: no secrets here that could be read natively') if !$root;
    spew($secret, "true\n");
    mkdir $_ for $decoys, "$decoys/etc", "$decoys/root";
    spew("$decoys/etc/shadow", "decoy\n");
    spew("$decoys$secret", "decoy\n");
    tries('honeypot', 'honeypot', ['-D', "decoys=$decoys"], [
        ["read:$secret", 0, 0], ['read:/etc/shadow', 0, 0], ["read:$secret-2", 'ENOENT', 'ENOENT'], ["write:$secret", 0, 0], ["create:$secret-3", 0, 'ENOSPC'], ["chmod:$secret:600", 0, 'ENOSPC'],
        ["unlink:$secret-3", 0, 'ENOSPC'], ["connect:$path", 0, 'ECONNREFUSED'], ["bind:" . base() . '/mine', 0, 'EADDRINUSE'], ['socket:16:3', 0, 'EAFNOSUPPORT'], ['read:/etc/passwd', 0, 0],
        ['create:new', 0, 0], ["read:$other/file", 0, 'EACCES'], ["read:$decoys/etc/shadow", 0, 0], ["write:$decoys/etc/shadow", 0, 'ENOSPC'], ["kill:$victim", 0, 'EPERM'],
    ], { setup => sub { unlink "$secret-3", base() . '/mine'; chmod 0644, $secret }, err => qr{^nurse: ALERT: tries \(pid \d+, .*/tries\): openat\(.*"/etc/shadow", O_RDONLY.*\)$}m, look => sub {
        my ($name, $inside) = @_;
        is(sprintf('%o', (stat $secret)[2] & 0777), $inside ? '644' : '600', "$name: the mode of the true file");
        ok(!-e "$secret-3", "$name: nothing was made beside it");
    } });
    fresh();
    my $said = nurse('honeypot', ['-D', "decoys=$decoys"], ['bash', '-c', "cat $secret /etc/shadow; echo changed > $secret; cat $secret; ls /root; cd /root && cat .nurse-tries-$$; echo > /dev/tcp/127.0.0.1/9"],
        { cwd => $work, env => { PATH => '/usr/bin:/bin' } });
    is($said->{out}, "decoy\n" x 4, 'honeypot: the program sees decoys and nothing else');
    is(slurp($secret) . slurp("$decoys$secret"), "true\ndecoy\n", 'honeypot: what it wrote went nowhere');
    like($said->{err}, qr/^nurse: ALERT: bash .*: connect\(\d+, \{sa_family=AF_INET, sin_port=htons\(9\), sin_addr=inet_addr\("127\.0\.0\.1"\)\}/m, 'honeypot: a connection is told');
    like($said->{err}, qr/Network is unreachable/, 'honeypot: and leads nowhere');
    unlink $secret;
}

# --- hostile arguments: no handler fails over them ---------------------------------------------------------------
fresh();
like(run([program('nonsense')], { cwd => $work })->{out}, qr/^refused (\d+) of \1\n\z/, 'natively every nonsensical call fails');
for my $policy (map { m{([^/]+)\.lua$} } glob 'scripts/*.lua') {
    next if $policy eq 'jail';    # it has no libraries here: its own test
    my @options = $policy eq 'chaos' ? ('-D', 'eintr=0', '-D', 'enospc=0') : ();
    for my $class (64, 32) {
        my $said = nurse($policy, \@options, [program('nonsense', $class)], { cwd => $work });
        like($said->{out}, qr/^refused (\d+) of \1\n\z/, "$policy, $class bits: every nonsensical call fails");
        unlike($said->{err}, qr/lua:\d+: [^\n]*; denied/, "$policy, $class bits: and no handler") or diag($said->{err});
    }
}

# --- default in a home: its visible files are there, what begins with a dot is not, unless it is asked for -------------
{
    my $home = scratch() . '/home';
    mkdir "$home$_" or die "$home$_: $!" for '', '/.ssh', '/.cache', '/sub', '/sub/.git';
    spew("$home/.ssh/key", "key\n");
    my $try = 'for f in new .bashrc .cache/x sub/.git/x; do echo x > $f && cat $f || echo no $f; done; cat .ssh/key || echo no key';
    my $run = nurse('default', ['-q', '-D', "write=$home/.cache"], ['sh', '-c', $try], { cwd => $home, env => { HOME => $home } });
    is($run->{out}, "x\nno .bashrc\nx\nx\nno key\n", 'default in a home: what the program gets') or diag($run->{err});
    ok(!-e "$home/.bashrc" && -s "$home/new", 'default in a home: what it leaves');
}

# --- real programs -----------------------------------------------------------------------------------------
my %clean = (HOME => '/nonexistent', PATH => '/usr/bin:/bin', LC_ALL => 'C', GIT_CONFIG_NOSYSTEM => 1);
my %git = map { ("GIT_${_}_NAME" => 'a', "GIT_${_}_EMAIL" => 'a@b', "GIT_${_}_DATE" => '1000000000 +0000') } qw(AUTHOR COMMITTER);
my @programs = (
    ['bash', ['bash', '-c', 'for i in 3 1 2; do echo $i; done | sort > sorted; cat sorted; (exit 3); echo $?; sleep 20 & kill $!; wait $!; echo $?'], [qw(default build nonet)]],
    ['git', ['bash', '-c', 'git init -q -b main . && echo a > a && git add a && git commit -q -m one && git log --format=%H && git status --short && rm -r .git'], [qw(default build nonet)]],
    ['gcc and make', ['bash', '-c', 'printf "all: a\n\t./a\na: a.c\n\tgcc -O1 -s -Wl,--build-id=none -o a a.c\n" > Makefile; echo "#include <stdio.h>\nint main(void) { puts(\"built\"); return 0; }" | sed "s/\\\\\\\\n/\\n/g" > a.c; printf "#include <stdio.h>\nint main(void) { puts(\"built\"); return 0; }\n" > a.c; make -s'], [qw(default build nonet)]],
    ['tar', ['bash', '-c', 'mkdir d && echo x > d/x && ln -s x d/y && tar -cf - d | tar -tf - && tar -cf a.tar --mtime=@1 d && mkdir e && tar -xf a.tar -C e && cat e/d/y && rm a.tar'], [qw(default build nonet)]],
    ['sqlite3', ['sqlite3', 'base', 'create table t(a); insert into t values (1), (2); select sum(a) from t;'], [qw(default nonet)]],
    ['python3', ['/usr/bin/python3', '-c', 'import subprocess, tempfile; print(subprocess.run(["echo", "sub"], capture_output=True).stdout); tempfile.TemporaryFile().write(b"x"); print(open("/etc/passwd").readline()[:4])'], [qw(default build nonet)]],
    ['ls and awk, reading only', ['bash', '-c', 'ls / | head -3; awk -F: "NR == 1 { print \$1 }" /etc/passwd; find /etc/ssl -maxdepth 1 2>&1 | sort'], [qw(readonly nonet)]],
);
for my $case (@programs) {
    my ($name, $command, $policies) = @$case;
    same_as_native($name, $command, { env => { %clean, %git }, gates => [map { [$_, $_, ['-q']] } @$policies] });
}

# --- the manual page's examples: policies and parameters as they stand -------------------------------------------
my ($examples) = slurp('doc/man/nurse-policies.7') =~ /^\.Sh EXAMPLES\n(.*)^\.Sh/ms;
my @lines = $examples =~ /^nurse run (.*?)-- /mg;
cmp_ok(scalar @lines, '>=', 8, 'the manual page has examples');
for my $line (@lines) {
    my @words = split ' ', $line =~ s{/srv/\w+}{$other}r;
    my @policies = grep { !/=|^-/ } @words;
    my @parameters = map { ('-D', $_) } grep { /=/ } @words;
    is_deeply([@{ run([build_dir() . '/nurse', 'check', @parameters, $_]) }{qw(code err)}], [0, ''], "nurse run $line: $_") for @policies ? @policies : 'default';
}
for my $policy (map { m{([^/]+)\.lua$} } glob 'scripts/*.lua') {
    like(slurp('doc/man/nurse-policies.7'), qr/^\.Ss \Q$policy\E$/m, "$policy has its section in the manual page");
}

# --- what is wrong with parameters is said before anything starts --------------------------------------------
my @wrong = (['default', 'read=relative', qr/default: 'relative' is no absolute path/], ['build', 'exec=x', qr/build: 'x' is no absolute path/], ['grid', 'read=x', qr/grid: 'x' is no absolute path/],
    ['jail', 'dir=/nonexistent', qr{jail: -D dir=/nonexistent: ENOENT}], ['chaos', 'eintr=2', qr/chaos: -D eintr= must be between 0 and 1/], ['nonet', 'unix=maybe', qr/unix/]);
for my $case (@wrong) {
    my ($policy, $parameter, $pattern) = @$case;
    my $said = nurse($policy, ['-D', $parameter], ['/bin/echo', 'started']);
    is("$said->{code} $said->{out}", '125 ', "$policy -D $parameter: not started");
    one_nurse_line($said, $pattern, "$policy -D $parameter: one line says why");
}

done_testing();
