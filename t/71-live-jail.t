#!/usr/bin/perl
# The policy jail: a directory as the root of a program that doesn't notice. What the program gets at is in the directory, by every spelling; its libraries,
# dynamic linker and scripts' interpreters too. The same paths natively lead outside.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Tries;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

my $jail = base() . '/jail';
my $outside = base() . '/outside';
my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);

# Programs, with what their dynamic linker needs, under the names that they have outside.
sub install {
    my ($program, $name) = @_;
    my @files = `LC_ALL=C ldd $program 2>/dev/null` =~ m{(/\S+)(?= \()}g;
    for my $file (@files) {
        make_path($jail . dirname($file));
        copy($file, "$jail$file") && chmod 0755, "$jail$file" if !-e "$jail$file";
    }
    make_path(dirname("$jail$name"));
    copy($program, "$jail$name") or die "$name: $!";
    chmod 0755, "$jail$name";
    return;
}

sub fill {
    remove_tree($jail, $outside);
    make_path(map { "$jail/$_" } qw(bin etc tmp sub/dir));
    make_path($outside);
    spew("$outside/file", "outside\n");
    spew("$jail/etc/hostname", "inside\n");
    spew("$jail/sub/file", "inside\n");
    symlink '/etc/hostname', "$jail/absolute";
    symlink '../../../../../../etc/hostname', "$jail/up";
    symlink $outside, "$jail/escape";
    symlink '/etc/passwd', "$jail/passwd";
    symlink '/sub', "$jail/link";
    return;
}

# --- one call each, in the jail's own program ------------------------------------------------------------------
my @acts = (    # act, result in the jail
    ['cat:/etc/hostname', 'inside'], ['cat:absolute', 'inside'], ['cat:up', 'inside'], ['cat:/../../../../etc/hostname', 'inside'], ['cat:../../../../../../../etc/hostname', 'inside'],
    ['cat:/link/../etc/hostname', 'inside'], ['cat:/sub/dir/../../../etc/hostname', 'inside'], ['catat:/sub:../../../etc/hostname', 'inside'], ['catat:/sub:file', 'inside'],
    ["cat:$outside/file", 'ENOENT'], ['cat:escape/file', 'ENOENT'], ['cat:passwd', 'ENOENT'], ['cat:/proc/self/status', 'ENOENT'], ["stat:$outside", 'ENOENT'], ["catat:/:$outside/file", 'ENOENT'],
    ['catat:/sub:../../../../../../etc/passwd', 'ENOENT'], ["write:$outside/file:changed", 'ENOENT'], ["rename:/sub/file:$outside/stolen", 'ENOENT'], ["link:$outside/file:/stolen", 'ENOENT'],
    ["truncate:$outside/file:0", 'ENOENT'], ["unlink:$outside/file", 'ENOENT'], ["mkdir:$outside/dir", 'ENOENT'], ["access:$outside/file", 'ENOENT'], ["chmod:$outside/file:777", 'ENOENT'],
    ['getcwd', '/'], ['chdir:/sub/dir', 0], ['getcwd', '/sub/dir'], ['cat:../file', 'inside'], ['chdir:../../../..', 0], ['getcwd', '/'], ['readlink:/absolute', '/etc/hostname'], ['chdir:/link', 0],
    ['getcwd', '/sub'], ["chdir:$outside", 'ENOENT'], ['write:/tmp/new:text', 4], ['cat:/tmp/new', 'text'], ['count:/sub', 4], ['mkdir:/tmp/dir', 0], ['rename:/tmp/new:/tmp/dir/new', 0], ['cat:/tmp/dir/new', 'text'],
    ['symlink:/etc/hostname:/tmp/link', 0], ['cat:/tmp/link', 'inside'], ['write:/dev/null:x', 1], ['stat:/dev/sda', 'ENOENT'], ['getpid', '\d+'],
);
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    fill();
    install(program('acts', $class), '/bin/acts');
    my $said = nurse('jail', [@$options, '-D', "dir=$jail"], ["$jail/bin/acts", map { $_->[0] } @acts], { cwd => $jail });
    my @results = $said->{out} =~ /^.*? = (.*)$/mg;
    for my $i (0 .. $#acts) {
        like($results[$i] // 'nothing', qr/\A$acts[$i][1]\z/, "$kind: $acts[$i][0] is $acts[$i][1]") or diag($said->{err});
    }
    is($said->{code}, 0, "$kind: exit status") or diag($said->{err});
    is(join(' ', sprintf('%o', (stat "$outside/file")[2] & 0777), slurp("$outside/file"), map { s{.*/}{}r } glob "$outside/*"), "644 outside\n file", "$kind: nothing has changed outside");
    is(slurp("$jail/tmp/dir/new"), 'text', "$kind: what it made is in the jail");
}
{
    fill();
    my $native = answers(run([program('acts'), "cat:$outside/file", 'cat:escape/file', 'cat:passwd', "mkdir:$outside/dir", 'cat:/proc/self/status'], { cwd => $jail }));
    unlike(join(' ', values %$native), qr/ENOENT|EACCES/, 'natively all of that is found outside');
}

# --- from elsewhere: a working directory outside is the root to it -------------------------------------------------
{
    fill();
    install(program('acts'), '/bin/acts');
    my $said = answers(nurse('jail', ['-D', "dir=$jail"], ["$jail/bin/acts", 'getcwd', 'cat:etc/hostname', 'cat:file', 'cat:../outside/file', 'cat:./../../etc/hostname'], { cwd => $outside }));
    is_deeply($said, { getcwd => '/', 'cat:etc/hostname' => 'inside', 'cat:file' => 'ENOENT', 'cat:../outside/file' => 'ENOENT', 'cat:./../../etc/hostname' => 'inside' }, 'started outside');
}

# --- a directory outside that the program was started with leads nowhere --------------------------------------------
for my $way (@ways) {
    my ($kind, $class, $options) = @$way;
    fill();
    install(program('tries', $class), '/bin/tries');
    my @acts = ('readat:3:file', 'readat:3:../outside/file', 'readat:3:etc/hostname', 'readat:3:../etc/hostname', 'fchdir:3', 'read:file', 'read:../outside/file', 'read:etc/hostname');
    my $open = sub { chdir $outside; POSIX::dup2(POSIX::open('.', 0), 3); chdir $jail };
    is_deeply([map { s/.* = //r } split /\n/, run([program('tries', $class), @acts], { before => $open })->{out}], [0, 0, ('ENOENT') x 2, 0, 0, 0, 'ENOENT'], "$kind: natively it leads outside");
    my $said = run(nurse_command('jail', [@$options, '-D', "dir=$jail"], ["$jail/bin/tries", @acts]), { before => $open });
    is_deeply([map { s/.* = //r } split /\n/, $said->{out}], ['ENOENT', 'ENOENT', 0, 0, 0, 'ENOENT', 'ENOENT', 0], "$kind: in the jail it counts as the root") or diag($said->{err});
}

# --- hostile arguments ------------------------------------------------------------------------------------------------
for my $class (64, 32) {
    fill();
    install(program('nonsense', $class), '/bin/nonsense');
    my $said = nurse('jail', ['-D', "dir=$jail"], ["$jail/bin/nonsense"], { cwd => $jail });
    like($said->{out}, qr/^refused (\d+) of \1\n\z/, "$class bits: every nonsensical call fails");
    unlike($said->{err}, qr/lua:\d+: [^\n]*; denied/, "$class bits: and no handler") or diag($said->{err});
}

# --- unix sockets ------------------------------------------------------------------------------------------------------
{
    fill();
    my @service = map { IO::Socket::UNIX->new(Local => $_, Listen => 64) or die "$_: $!" } "$jail/tmp/inside", "$outside/service";
    symlink "$outside/service", "$jail/tmp/trap";
    my @acts = ('connect:/tmp/inside', "connect:$outside/service", 'connect:/tmp/trap', 'connect:tmp/inside', "connect:../outside/service", 'bind:/tmp/mine', 'pair:2');
    is_deeply([map { s/.* = //r } split /\n/, run([program('tries'), "connect:$jail/tmp/inside", "connect:$outside/service", "connect:$jail/tmp/trap", "bind:$jail/tmp/mine"])->{out}], [0, 0, 0, 0], 'natively they are all reached');
    unlink "$jail/tmp/mine";
    for my $way (@ways) {
        my ($kind, $class, $options) = @$way;
        install(program('tries', $class), '/bin/tries');
        my $said = nurse('jail', [@$options, '-D', "dir=$jail"], ["$jail/bin/tries", @acts], { cwd => $jail });
        is(join(' ', $said->{out} =~ / = (.*)$/mg), '0 ENOENT ENOENT 0 ENOENT EACCES 0', "$kind: a service of the jail is reached, others aren't") or diag($said->{err});
        ok(!-e "$jail/tmp/mine" && !-e '/tmp/mine', "$kind: no socket was made");
    }
}

# --- with other policies behind it ------------------------------------------------------------------------------------
{
    fill();
    install(program('tries'), '/bin/tries');
    my $say = sub { my ($policies, @acts) = @_; return join ' ', nurse($policies, ['-q', '-D', "dir=$jail", '-D', "write=$jail"], ["$jail/bin/tries", @acts], { cwd => $jail })->{out} =~ / = (.*)$/mg };
    is($say->(['jail', 'fakeroot'], 'chown:/absolute:3:4', 'chown:/sub/file:5:6', 'owner:sub/file', 'fstat:/link/file'), '0 0 5:6 100644 0:0 5:6 100644', 'jail and fakeroot');
    is($say->(['jail', 'readonly'], 'read:/absolute', 'create:/tmp/new', 'write:/sub/file'), '0 EROFS EROFS', 'jail and readonly');
    is($say->(['jail', 'default'], 'read:/absolute', 'create:/tmp/new', "read:$outside/file", 'socket:2:1'), '0 0 ENOENT EACCES', 'jail and default');
    ok(-e "$jail/tmp/new" && (stat "$jail/sub/file")[4] == $>, 'what was made is in the jail, owners are the true ones');
}

# --- programs of the jail: libraries, dynamic linker, #! -------------------------------------------------------------
{
    fill();
    install($_, $_) for grep { -x } qw(/bin/bash /bin/ls /bin/cat);
    symlink '/bin/bash', "$jail/bin/sh";
    spew("$jail/bin/script", "#!/bin/sh\necho script \$0 \$1\n", 0755);
    spew("$jail/bin/other", "#!/usr/bin/env sh\necho no\n", 0755);
    my $bash = sub { return nurse('jail', [@{ $_[1] // [] }, '-D', "dir=$jail"], ["$jail/bin/bash", '-c', $_[0]], { cwd => $jail, env => { PATH => '/bin', LC_ALL => 'C' } }) };
    for my $options ([], ['--gate=off']) {
        is($bash->('pwd; ls /; cat /absolute; cd sub && pwd; script x; /bin/script y; cat file > /tmp/copy; cat /tmp/copy; /bin/sh -c "cd ..; pwd"; ls /bin/script | cat', $options)->{out},
            "/\n" . join('', map { "$_\n" } sort map { s{.*/}{}r } glob "$jail/*") . "inside\n/sub\nscript /bin/script x\nscript /bin/script y\ninside\n/\n/bin/script\n", "a shell and its programs (@$options)");
    }
    my $missing = $bash->('/bin/other');
    like($missing->{err}, qr/other: .*(?:No such file|bad interpreter|not found)/, 'an interpreter that is only outside is none') or diag($missing->{out});
    is($missing->{out}, '', 'and nothing of it has run');
    ok(-x '/usr/bin/env', 'though it is there outside');
    my ($linker) = glob "$jail/lib64/ld-linux-x86-64.so.2";
    SKIP: {
        skip_or_fail('no dynamic linker in /lib64') if !$linker;
        rename $linker, "$linker.away";
        like($bash->('/bin/ls /')->{err}, qr/ls: (?:No such file|cannot execute: required file not found)/, 'the dynamic linker is the one of the jail: without it nothing starts');
        rename "$linker.away", $linker;
        is($bash->('/bin/ls /sub')->{out}, "dir\nfile\n", 'with it, it does');
    }
    my $raced = $bash->('for i in 1 2 3 4 5 6 7 8 9 10; do mkdir -p a/b/c; cd a/b/c; cat ../../../../../../../etc/passwd; cd /; done; echo done');
    is($raced->{out}, "done\n", '.. ends at the root');
}
done_testing();
