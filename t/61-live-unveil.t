#!/usr/bin/perl
# nurse.unveil: what each call needs of a path; what is hidden and what is only refused; links, descriptors, sockets, /proc/self; many paths; and programs that
# hide paths from themselves (core/abi/nurse.h). Each act runs natively first (t/programs/pledges.c), so a denial stands beside its success.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Cwd ();
use File::Path qw(make_path remove_tree);
use Socket;
use Test::More;

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);
my $work = scratch() . '/work';
my @listeners;

sub fresh {
    remove_tree($work);
    make_path("$work/$_") for qw(read write exec create all all/below all/hidden hidden);
    for my $dir (qw(read write exec create all all/below all/hidden hidden)) {
        spew("$work/$dir/file", "text\n");
        symlink '/usr/bin/true', "$work/$dir/true";
    }
    symlink '../hidden/file', "$work/read/link";
    symlink "$work/read", "$work/all/readlink";
    symlink "$work/hidden", "$work/all/hiddenlink";
    @listeners = ();
    my $back = Cwd::getcwd();
    chdir $work or die "$work: $!";    # a socket's path is short
    for my $dir (qw(all read hidden)) {
        socket my $listener, PF_UNIX, SOCK_STREAM, 0 or die "socket: $!";
        bind $listener, pack_sockaddr_un("$dir/socket") or die "bind: $!";
        listen $listener, 50;
        push @listeners, $listener;
    }
    chdir $back or die "$back: $!";
    return;
}

# The veil of most tests; the program, its libraries and what its process may see of itself are there too.
my $system = 'local unveil = require "nurse.unveil" for _, dir in ipairs { "/usr", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "%s" } do unveil(dir, "rx") end unveil("/proc/self", "r") ';
my $veil = sprintf($system, build_dir()) . <<"LUA";
unveil("$work/read", "r") unveil("$work/write", "w") unveil("$work/exec", "x") unveil("$work/create", "c")
unveil("$work/all", "rwxc") unveil("$work/all/below", "r") unveil("$work/all/hidden", "")
unveil.lock()
LUA

# [ACT, natively, under the veil]
my @acts = (
    ['open:read/file', 0, 0], ['open:read/file:w', 0, 'EACCES'], ['open:read/file:rw', 0, 'EACCES'], ['open:read/file:t', 0, 'EACCES'], ['open:read/new:wc', 0, 'EACCES'], ['open:read/file:p', 0, 0],
    ['oldopen:read/file', 0, 0], ['open:write/file', 0, 'EACCES'], ['open:write/file:w', 0, 0], ['open:write/new:wc', 0, 'EACCES'], ['open:exec/file', 0, 'EACCES'],
    ['open:create/new:wc', 0, 'EACCES'], ['open:all/new:rwc', 0, 0], ['open:all/below/file', 0, 0], ['open:all/below/file:w', 0, 'EACCES'],
    ['open:all/hidden/file', 0, 'ENOENT'], ['open:hidden/file', 0, 'ENOENT'], ['open:hidden/none', 'ENOENT', 'ENOENT'], ['open:read/none', 'ENOENT', 'ENOENT'],
    ['open:read/link', 0, 'ENOENT'], ['open:all/readlink/file', 0, 0], ['open:all/hiddenlink/file', 0, 'ENOENT'], ['open:read/../hidden/file', 0, 'ENOENT'], ['open:/proc/self/stat', 0, 0], ['open:/proc/1/stat', 0, 'ENOENT'],
    ['stat:read/file', 0, 0], ['stat:write/file', 0, 'EACCES'], ['stat:hidden/file', 0, 'ENOENT'], ['lstat:read/link', 0, 0], ['readlink:read/link', 0, 0], ['stat:read/link', 0, 'ENOENT'],
    ['stat:/', 0, 0], ["lstat:$work", 0, 0], ['open:/', 0, 'ENOENT'], ["open:$work", 0, 'ENOENT'], ['stat:/var', 0, 'ENOENT'], ['fstat:0', 0, 0], ['fstat:1', 0, 0],
    ['access:read/file', 0, 0], ['access:read/file:4', 0, 0], ['access:read/file:2', 0, 'EACCES'], ['access:hidden/file', 0, 'ENOENT'], ['access:exec/file', 0, 0], ['access:all/file:6', 0, 0],
    ['chdir:read', 0, 0], ['chdir:..', 0, 'ENOENT'], ["chdir:$work", 0, 'ENOENT'],
);
my @changes = (
    ['mkdir:all/new', 0, 0, 'all/new'], ['mkdir:read/new', 0, 'EACCES', 'read/new'], ['mkdir:hidden/new', 0, 'ENOENT', 'hidden/new'], ['mkdir:create/new', 0, 0, 'create/new'],
    ['unlink:write/file', 0, 'EACCES', 'write/file'], ['unlink:create/file', 0, 0, 'create/file'], ['rename:all/file:all/moved', 0, 0, 'all/moved'], ['rename:all/file:read/moved', 0, 'EACCES', 'read/moved'],
    ['rename:read/file:all/moved', 0, 'EACCES', 'all/moved'], ['rename:hidden/file:all/moved', 0, 'ENOENT', 'all/moved'], ['rename:all/file:hidden/moved', 0, 'ENOENT', 'hidden/moved'],
    ['link:read/file:all/linked', 0, 0, 'all/linked'], ['link:hidden/file:all/linked', 0, 'ENOENT', 'all/linked'], ['link:read/file:write/linked', 0, 'EACCES', 'write/linked'],
    ['symlink:/etc:all/etc', 0, 0, 'all/etc'], ['symlink:/etc:write/etc', 0, 'EACCES', 'write/etc'], ['mkfifo:all/fifo', 0, 0, 'all/fifo'], ['mkfifo:read/fifo', 0, 'EACCES', 'read/fifo'],
    ['unix:bind:all/made', 0, 0, 'all/made'], ['unix:bind:read/made', 0, 'EACCES', 'read/made'], ['unix:bind:hidden/made', 0, 'ENOENT', 'hidden/made'],
);
my @others = (
    ['truncate:write/file', 0, 0], ['truncate:read/file', 0, 'EACCES'], ['truncate:hidden/file', 0, 'ENOENT'], ['chmod:write/file:600', 0, 0], ['chmod:read/file:600', 0, 'EACCES'], ['chown:write/file:-1', 0, 0],
    ['chown:read/file:-1', 0, 'EACCES'], ['utime:write/file', 0, 0], ['utime:hidden/file', 0, 'ENOENT'], ['in:exec:/usr/bin/true', 0, 0], ['in:exec:exec/true', 0, 0], ['in:exec:hidden/true', 0, 0],
    ['unix:connect:all/socket', 0, 0], ['unix:connect:read/socket', 0, 'EACCES'], ['unix:connect:hidden/socket', 0, 'ENOENT'], ['unix:connect:all/hiddenlink/socket', 0, 'ENOENT'],
    ['unix:send:hidden/socket', 'EPROTOTYPE', 'ENOENT'], ['unix:sendmsg:hidden/socket', 'EPROTOTYPE', 'ENOENT'], ['unix:sendmsg:all/socket', 'EPROTOTYPE', 'EPROTOTYPE'],
    ['exec:hidden/file', 'EACCES', 'ENOENT'], ['exec:read/file', 'EACCES', 'EACCES'],
);

for my $list (\@acts, \@others) {
    fresh();
    my $native = answers(run([program('pledges'), map { $_->[0] } @$list], { cwd => $work }));
    is($native->{ $_->[0] } // 'nothing', $_->[1], "natively $_->[0]") for @$list;
}
for my $change (@changes) {
    my ($act, $native, $inside, $path) = @$change;
    fresh();
    my $before = -e "$work/$path" ? 1 : 0;
    is(answers(run([program('pledges'), $act], { cwd => $work }))->{$act} // 'nothing', $native, "natively $act");
    is(-e "$work/$path" || -l "$work/$path" ? 1 : 0, 1 - $before, "natively $act: the effect");
}
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    fresh();
    my $got = nurse(policy($veil), $options, [program('pledges', $class), map { $_->[0] } @acts], { cwd => $work });
    is(answers($got)->{ $_->[0] } // 'nothing', $_->[2], "$kind: $_->[0]") for @acts;
    fresh();
    $got = nurse(policy($veil), $options, [program('pledges', $class), map { $_->[0] } @others], { cwd => $work });
    is(answers($got)->{ $_->[0] } // 'nothing', $_->[2], "$kind: $_->[0]") or diag($got->{err}) for @others;
    is(slurp("$work/read/file") . slurp("$work/hidden/file"), "text\ntext\n", "$kind: what was refused had no effect");
    is(slurp("$work/write/file"), '', "$kind: what was granted had");
    for my $refused (1, 0) {    # first what has no effect, all at once; then the rest
        my @some = grep { ($_->[2] ? 1 : 0) == $refused } @changes;
        fresh();
        my %before = map { $_->[3] => -e "$work/$_->[3]" ? 1 : 0 } @some;
        $got = nurse(policy($veil), $options, [program('pledges', $class), map { $_->[0] } @some], { cwd => $work });
        for my $change (@some) {
            my ($act, undef, $inside, $path) = @$change;
            is(answers($got)->{$act} // 'nothing', $inside, "$kind: $act") or diag($got->{err});
            is(-e "$work/$path" || -l "$work/$path" ? 1 : 0, $inside ? $before{$path} : 1 - $before{$path}, "$kind: $act: the effect");
        }
    }
}

# --- mistakes, links, many paths ------------------------------------------------------------------------------------
for my $mistake (['unveil("usr", "r")', qr/:1: unveil: 'usr' is no absolute path/], ['unveil("/usr", "rz")', qr/:1: unveil: unknown permission 'z'/], ['unveil.lock() unveil("/usr", "r")', qr/:1: unveil: locked/]) {
    my $got = run([build_dir() . '/nurse', 'check', policy(qq{local unveil = require "nurse.unveil" $mistake->[0]})]);
    is($got->{code}, 125, "$mistake->[0]: refused");
    like($got->{err}, $mistake->[1], "$mistake->[0]: why");
}
{
    fresh();
    my $got = nurse(policy(sprintf($system, build_dir()) . qq{unveil("$work/all/readlink", "r")}), [], [program('pledges'), 'open:read/file', 'readlink:all/readlink', 'open:all/file'], { cwd => $work });
    is($got->{out}, "open:read/file = 0\nreadlink:all/readlink = 0\nopen:all/file = ENOENT\n", 'a link in a rule: what it leads to is unveiled');
    my $many = join ' ', map { qq{unveil("$work/all/$_", "r")} } 1 .. 2000;
    $got = nurse(policy(sprintf($system, build_dir()) . "$many unveil('$work/read', 'r')"), [], [program('pledges'), 'open:read/file', 'open:hidden/file', map { "stat:all/x$_" } 1 .. 1500], { cwd => $work });
    is(answers($got)->{'open:read/file'} . answers($got)->{'open:hidden/file'}, '0ENOENT', 'two thousand paths');
    is(scalar(grep { $_ eq 'ENOENT' } values %{ answers($got) }), 1501, 'and more questions than are remembered');
}

# --- paths that a program hides ---------------------------------------------------------------------------------------
my $open = policy('require("nurse.unveil").interface()');
fresh();
is(run([program('pledges'), 'unveil:read:r'], { cwd => $work })->{out}, "unveil:read:r = EINVAL\n", 'natively a program is told that nobody listens');
is(nurse(policy('default "allow"'), [], [program('pledges'), 'unveil:read:r', 'open:hidden/file'], { cwd => $work })->{out}, "unveil:read:r = EINVAL\nopen:hidden/file = 0\n", 'and so under a policy that does not');
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    fresh();
    my @list = (
        ['open:hidden/file', 0], ['in:unveil:all:r', 0], ['oldopen:hidden/file', 0], ['unveil:read:r', 0], ['open:read/file', 0], ['open:read/file:w', 'EACCES'], ['stat:hidden/file', 'ENOENT'], ['in:open:read/link', 1],
        ['in:open:read/file:p', 0], ['unveil:read:rw', 'EPERM'], ['unveil:all:rwc', 0], ['open:all/new:wc', 0], ['unveil:all/below:r', 0], ['open:all/below/file:w', 'EACCES'], ['in:unveil:hidden:r', 0],
        ['unveil:none/none/none:r', 'ENOENT'], ['unveil:all:q', 'EINVAL'], ['unveil:all:rwxcrwxc', 'EINVAL'], ['in:lock', 0], ['lock', 0], ['unveil:hidden:r', 'EPERM'], ['in:unveil:hidden:rw', 1], ['lstat:hidden/file', 'ENOENT'],
        ['badunveil', 'EFAULT'], ['chdir:all', 0], ['open:below/file:r', 0], ['open:../hidden/file:r', 'ENOENT'],
    );
    my $got = nurse($open, $options, [program('pledges', $class), map { $_->[0] } @list], { cwd => $work });
    is(answers($got)->{ $_->[0] } // 'nothing', $_->[1], "interface, $kind: $_->[0]") for @list;
    is($got->{code}, 0, "interface, $kind: it ends well") or diag($got->{err});
    $got = nurse($open, $options, [program('pledges', $class), 'longunveil:100000:/', 'longunveil:5000:x', 'longunveil:300:x', 'longletters:100000:r', 'open:hidden/file'], { cwd => $work });
    is($got->{out}, "longunveil:100000:/ = ENAMETOOLONG\nlongunveil:5000:x = ENAMETOOLONG\nlongunveil:300:x = ENAMETOOLONG\nlongletters:100000:r = EINVAL\nopen:hidden/file = 0\n",
        "interface, $kind: texts that are too long hide nothing");
}
{
    fresh();
    my $both = policy(sprintf($system, build_dir()) . qq{unveil("$work/read", "r") unveil.interface()});
    my $got = nurse($both, [], [program('pledges'), 'unveil:/:rwxc', 'open:read/file', 'open:read/file:w', 'open:hidden/file'], { cwd => $work });
    is($got->{out}, "unveil:/:rwxc = 0\nopen:read/file = 0\nopen:read/file:w = EACCES\nopen:hidden/file = ENOENT\n", 'what the policy hides stays hidden');
    $got = nurse($open, [], [program('pledges'), 'unveil:/usr:rx', 'unveil:/lib:rx', 'unveil:/lib64:rx', 'unveil:/etc/ld.so.cache:r', 'unveil:read:r', 'exec:/bin/cat'], { cwd => $work });
    is($got->{code}, 0, 'exec: /bin/cat is a link into what is unveiled') or diag($got->{out}, $got->{err});
    spew("$work/read/script", "#!/bin/sh\necho from the script; read line < $work/hidden/file && echo \$line\n", 0755);
    $got = nurse($open, [], [program('pledges'), 'unveil:/usr:rx', 'unveil:/lib:rx', 'unveil:/lib64:rx', 'unveil:/etc/ld.so.cache:r', 'unveil:read:rx', 'exec:read/script'], { cwd => $work });
    like($got->{out}, qr/^from the script$/m, 'exec keeps the veil: the script runs') or diag($got->{err});
    unlike($got->{out}, qr/^text$/m, 'exec keeps the veil: and sees no more');
    $got = nurse($open, [], [program('pledges'), (map { "unveil:all/$_:r" } 1 .. 128), 'unveil:all/129:r', 'unveil:all/7:r'], { cwd => $work });
    is(answers($got)->{'unveil:all/128:r'} . ' ' . answers($got)->{'unveil:all/129:r'} . ' ' . answers($got)->{'unveil:all/7:r'}, '0 E2BIG 0', 'a process may unveil 128 paths');
    $got = nurse([$open, policy('require("nurse.pledge").interface()')], [], [program('pledges'), 'unveil:read:r', 'pledge:stdio rpath proc', 'open:read/file', 'in:unveil:hidden:r', 'open:hidden/file'], { cwd => $work });
    is($got->{out}, "unveil:read:r = 0\npledge:stdio rpath proc = 0\nopen:read/file = 0\nin:unveil:hidden:r = 1006\nopen:hidden/file = ENOENT\n", 'who has not promised unveil may unveil no more');
}

# --- the examples of the manual pages ------------------------------------------------------------------------------------
sub examples { return slurp(root_dir() . "/doc/man/$_[0].3") =~ /^\.Bd -literal -offset indent\n(.*?)^\.Ed\n/msg }
{
    fresh();
    my ($system_only, $given) = examples('nurse-unveil');
    my $shell = 'cat /etc/hostname > /tmp/nurse-unveil-test && echo made; rm /tmp/nurse-unveil-test; cat /etc/ssl/openssl.cnf; ls /root; true';
    my $got = nurse(policy($system_only), [], ['/usr/bin/sh', '-c', $shell]);
    is($got->{out}, "made\n", 'nurse-unveil(3): the system and /tmp') or diag($got->{err});
    like($got->{err}, qr{/etc/ssl/openssl.cnf: No such file.*/root': No such file}s, 'nurse-unveil(3): and no more');
    $got = nurse(policy($given), ['-D', "dir=$work/read"], ['/usr/bin/cat', "$work/read/file", "$work/all/file"]);
    is($got->{out}, "text\n", 'nurse-unveil(3): a directory that is given');

    my ($policy, $source) = examples('nurse-program');
    $source =~ s/\\e/\\/g;
    spew("$work/knows.c", $source);
    make_path("$work/include");
    spew("$work/include/nurse.h", slurp(root_dir() . '/core/abi/nurse.h'));
    my $made = run(['gcc', '-std=c11', '-pedantic', '-Wall', '-Wextra', '-Werror', "-I$work/include", '-o', "$work/knows", "$work/knows.c"]);
    is($made->{code}, 0, 'nurse-program(3): the program is compiled') or diag($made->{err});
    is(nurse(policy($policy), [], ["$work/knows"])->{out}, "-1\n", 'nurse-program(3): under nurse it hides');
    my $native = run(["$work/knows"]);
    is($native->{out} . $native->{err}, "3\nnurse_pledge: Invalid argument\n", 'nurse-program(3): natively it goes on');
}

done_testing();
