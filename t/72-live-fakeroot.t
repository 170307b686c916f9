#!/usr/bin/perl
# The policy fakeroot: an ordinary user packs and unpacks archives with owners and devices. Nothing of it is true outside: the files stay the user's.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Tries;
use File::Copy qw(copy);
use POSIX ();
use Test::More;

my $work = work();
my $root = $> == 0;

my @acts = (    # act, natively (undef: don't), under the policy
    ['ids', undef, '0 0 0 0 0 0 0 0 0 0'], ['owner:file', undef, '0:0 100644 0:0'], ['chown:file:33:44', undef, 0], ['owner:file', undef, '33:44 100644 0:0'],
    ['statx:file', undef, '33:44 100644 0:0'], ['fstat:file', undef, '33:44 100644'], ['chown:file:-1:55', undef, 0], ['statx:file', undef, '33:55 100644 0:0'], ['chownat:file:-1:-1', undef, 0], ['chownat:file:-1:70000', undef, 0], ['statx:file', undef, '33:70000 100644 0:0'],
    ['chownat:file:-1:55', undef, 0],
    ['statx:file', undef, '33:55 100644 0:0'], ['chown:missing:1:1', undef, 'ENOENT'],
    ['rename:file:moved', undef, 0], ['fstat:moved', undef, '33:55 100644'], ['link:moved:second', undef, 0], ['owner:second', undef, '33:55 100644 0:0'], ['unlink:moved', undef, 0],
    ['create:moved', undef, 0], ['owner:moved', undef, '0:0 100644 0:0'], ['device:null', undef, 0], ['owner:null', undef, '0:0 20644 1:3'], ['statx:null', undef, '0:0 20644 1:3'], ['device:null', undef, 'EEXIST'],
    ['mkdir:d', undef, 0], ['create:d/x', undef, 0], ['chown:d:5:6', undef, 0], ['chown:d/x:7:8', undef, 0], ['rename:d:e', undef, 0], ['owner:e', undef, '5:6 40755 0:0'], ['owner:e/x', undef, '7:8 100644 0:0'],
    ['setgroups', undef, 0], ['seteuid:33', undef, 0], ['ids', undef, '0 33 0 0 0 0 0 33 0 0'], ['setuid:34', undef, 0], ['ids', undef, '34 34 34 0 0 0 34 34 0 0'], ['fork', undef, 7],
    ['write:/etc/passwd', undef, $root ? 0 : 'EACCES'],
);
tries('fakeroot', 'fakeroot', [], \@acts, { look => sub {
    my ($name, $inside) = @_;
    my @stat = lstat($inside ? "$work/second" : "$work/file");
    is("@stat[4, 5]", "$> " . (stat $work)[5], "$name: the true owner has not changed");
    ok(-f "$work/null" && -s _ == 0, "$name: the device is an empty file") if $inside;
} });

# --- as a user who may nothing of this natively ------------------------------------------------------------------
my @nobody = getpwnam 'nobody';
SKIP: {
    skip_or_fail('no user nobody to become') if !$root || !@nobody;
    my $place = base() . '/nobody';
    mkdir $place or die "$place: $!";
    chmod 0755, base(), $place;
    for my $file (glob('scripts/*.lua'), build_dir() . '/nurse', program('tries')) {
        copy($file, $place) or die "$file: $!";
    }
    chmod 0755, "$place/nurse", "$place/tries";
    my $home = "$place/home";
    mkdir $home or die "$home: $!";
    chown @nobody[2, 3], $home;
    my $o = { cwd => $home, env => { LC_ALL => 'C', PATH => '/usr/bin:/bin', HOME => $home }, before => sub { $) = "$nobody[3] $nobody[3]"; POSIX::setgid($nobody[3]); POSIX::setuid($nobody[2]) } };
    my @fakeroot = ("$place/nurse", 'run', '-p', "$place/fakeroot.lua", '--');
    my $native = run(['sh', '-c', 'touch f; chown 33:44 f; mknod null c 1 3; id -u; rm -f f null'], $o);
    like($native->{err}, qr/chown: .*not permitted.*\n.*mknod: .*not permitted/, 'nobody may neither chown nor mknod natively');
    is($native->{out}, "$nobody[2]\n", 'and knows who it is');

    my $script = <<'SH';
set -e
id -u; id -ng
mkdir -p root/etc root/dev; echo x > root/etc/passwd; chown 12:34 root/etc/passwd; chown -h 0:5 root/etc; mknod root/dev/null c 1 3; ln -s x root/link; chown -h 9:9 root/link
stat -c '%u:%g %F %t,%T %n' root/etc root/etc/passwd root/dev/null root/link
tar -cf packed.tar --sort=name -C root .
tar --numeric-owner -tvf packed.tar | awk '{ print $1, $2, $3 == "0" ? "-" : $3, $NF }'
mkdir out; tar -xpf packed.tar -C out; cp -a out copy
stat -c '%u:%g %F %t,%T %n' out/etc/passwd copy/etc/passwd copy/dev/null copy/link
ls -ln copy/dev | awk 'NR == 2 { print $1, $3, $4, $5, $6 }'
SH
    my $said = run([@fakeroot, 'sh', '-c', $script], $o);
    is("$said->{code} $said->{err}", '0 ', 'tar, cp, ls, stat, chown, mknod: all without an error');
    my $expected = <<'TEXT';
0
root
0:5 directory 0,0 root/etc
12:34 regular file 0,0 root/etc/passwd
0:0 character special file 1,3 root/dev/null
9:9 symbolic link 0,0 root/link
TEXT
    is(join('', map { "$_\n" } (split /\n/, $said->{out})[0 .. 5]), $expected, 'stat shows the owners that were given');
    like($said->{out}, qr{^\Q$_\E}m, "the archive has: $_") for 'crw-r--r-- 0/0 1,3 ./dev/null', '-rw-r--r-- 12/34 2 ./etc/passwd', 'lrwxrwxrwx 9/9';
    like($said->{out}, qr/12:34 regular file 0,0 out\/etc\/passwd\n12:34 regular file 0,0 copy\/etc\/passwd\n0:0 character special file 1,3 copy\/dev\/null\n9:9 symbolic link 0,0 copy\/link\ncrw-r--r-- 0 0 1, 3\n/, 'unpacked and copied');
    is(join(' ', (stat "$home/copy/etc/passwd")[4], -f "$home/copy/dev/null" ? 'file' : 'other'), "$nobody[2] file", 'outside, all is nobody\'s, and no device');
    my $tar = run(['tar', '--numeric-owner', '-tvf', "$home/packed.tar", './etc/passwd', './dev/null']);
    like($tar->{out}, qr{^crw\S+ 0/0 .*\n-rw\S+ 12/34 }, 'the archive is as true outside as it was inside');
}
done_testing();
