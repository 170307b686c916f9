#!/usr/bin/perl
# make install and uninstall: one binary, the policies found beside it by name, the manual page; nothing is left over.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $dest = scratch() . '/dest';
my @make = ('make', '--no-print-directory', "DESTDIR=$dest", 'PREFIX=/opt/nurse');
my %clean = (MAKEFLAGS => undef, MAKELEVEL => undef, MFLAGS => undef, NURSE_PATH => undef);

sub files { return join ' ', sort map { s{^\Q$dest\E}{}r } grep { -f } split /\n/, `find $dest 2>/dev/null` }

my $made = run([@make, 'install'], { env => \%clean, timeout => 120 });
is($made->{code}, 0, 'make install') or diag($made->{err});
like(files(), qr{/opt/nurse/bin/nurse .*/opt/nurse/share/man/man1/nurse\.1 .*/opt/nurse/share/nurse/policies/default\.lua}, 'what is installed');

# From another directory, without the source tree: the policy is found by its name.
my $nurse = "$dest/opt/nurse/bin/nurse";
my $checked = run([$nurse, 'check', 'default'], { cwd => '/', env => \%clean });
is($checked->{code}, 0, 'the installed nurse finds the installed policies') or diag($checked->{err});
like($checked->{out}, qr{\Q$dest\E/opt/nurse/|default\.lua:}, 'and names them');
my $ran = run([$nurse, '--', '/bin/echo', 'hello'], { cwd => '/tmp', env => \%clean, timeout => 30 });
is_deeply([@$ran{qw(code out err)}], [0, "hello\n", ''], 'the default policy runs a program');

my $removed = run([@make, 'uninstall'], { env => \%clean, timeout => 120 });
is($removed->{code}, 0, 'make uninstall') or diag($removed->{err});
is(files(), '', 'and nothing is left');

done_testing();
