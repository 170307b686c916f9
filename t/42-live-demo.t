#!/usr/bin/perl
# The ancestor's session on a terminal: as `make demo` plays it, and once more with a secret that really exists, so that each
# denial stands beside the same access succeeding natively and beside an allowed twin.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

# --- what make demo shows ----------------------------------------------------------------------------------
my $demo = run(['sh', 'scripts/demo.sh'], { timeout => 60 });
my $out = $demo->{out};
is($demo->{code}, 0, 'the demo ends with 0') or diag($out, $demo->{err});
my $text = -s '/etc/resolv.conf' ? slurp('/etc/resolv.conf') : "nameserver 192.168.9.2\ndomain vmlab\nsearch vmlab\n";
like($out, qr/>>> for line in fd:\n\.\.\. +print\(line, end=''\)\n\.\.\. \n\Q$text\E/, 'it reads a file line by line');
like($out, qr/>>> os\.getpid\(\)\n[1-9]\d*\n/, 'os.getpid() works');
for my $path ('/secret/password', '/var/log/../.././././../secret/password', qr(\S+/innocent)) {
    my $spelled = ref $path ? $path : quotemeta $path;
    like($out, qr/>>> open\('$spelled'\)\n(?:nurse: .*\n)*Traceback.*\n.*\nPermissionError: \[Errno 1\] Operation not permitted: '$spelled'\n/,
        ref $path ? 'a symbolic link into /secret is refused' : "$path is refused");
}

# --- with a secret that is there ---------------------------------------------------------------------------
my $dir = scratch() . '/there';
mkdir $dir or die;
mkdir "$dir/$_" or die for 'secret', 'secrets';
spew("$dir/secret/password", "tr0ub4dor\n");
spew("$dir/secrets/list", "public\n");
symlink "$dir/secret/password", "$dir/link";
symlink 'secret', "$dir/dirlink";

my @refused = ("$dir/secret/password", "$dir/../there/./secret/password", "$dir/link", "$dir/dirlink/password", "$dir/secrets/../secret/password");

sub session {
    my ($command) = @_;
    my @lines = (
        (map { "open('$_').read()" } @refused, "$dir/secrets/list"),
        "open('$dir/made', 'w')", "import os", "os.path.exists('$dir/made')", "os.listdir('$dir/secret')", "os.listdir('$dir/secrets')",
        "os.getpid() == int(os.readlink('/proc/self'))", "input('na' 'me? ')",
    );
    my $script = join('', map { "expect >>> \nsend $_\n" } @lines) . "expect name? \nsend nurse\nexpect >>> \nsend exit(3)\n";
    return run(['scripts/typist', spew(scratch() . '/session', $script), @$command], { env => { TERM => 'dumb', HOME => $dir }, timeout => 40 });
}

sub answer {
    my ($result, $line) = @_;
    return $result->{out} =~ /^>>> \Q$line\E\n((?:(?!>>> ).*\n)*)/m ? $1 : 'nothing';
}

my @python = ('/usr/bin/python3', '-q', '-I');
my $native = session([@python]);
unlink "$dir/made";
my $inside = session(nurse_command('scripts/ancestor.lua', ['-D', "secret=$dir/secret"], [@python]));

for my $path (@refused) {
    (my $short = $path) =~ s/^\Q$dir\E//;
    is(answer($native, "open('$path').read()"), "'tr0ub4dor\\n'\n", "natively: $short is read");
    like(answer($inside, "open('$path').read()"), qr/PermissionError: \[Errno 1\] Operation not permitted/, "under nurse: $short is refused");
}
unlike($inside->{out}, qr/tr0ub4dor/, 'the password was never seen');
is(answer($inside, "open('$dir/secrets/list').read()"), "'public\\n'\n", 'a name that only begins alike is allowed');
like(answer($inside, "open('$dir/made', 'w')"), qr/Errno 30/, 'nothing can be written');
is(answer($native, "os.path.exists('$dir/made')"), "True\n", 'natively: the file was made');
is(answer($inside, "os.path.exists('$dir/made')"), "False\n", 'under nurse: no file was made');
like(answer($inside, "os.listdir('$dir/secret')"), qr/Errno 1\]/, 'the directory is not listed');
is(answer($inside, "os.listdir('$dir/secrets')"), "['list']\n", 'its neighbour is');
is(answer($inside, "os.getpid() == int(os.readlink('/proc/self'))"), "True\n", '/proc/self is the program');
like($inside->{out}, qr/name\? nurse\n'nurse'\n/, 'the terminal works in both directions');
is($inside->{code}, 3, 'exit status of the session');

done_testing();
