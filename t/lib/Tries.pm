package Tries;

# Tries: what the tests of the shipped policies share: a list of acts of t/programs/tries.c, each with its result natively and under a policy.
# Every denial so stands beside the same act succeeding; what was denied must also not have happened, which the caller looks at.

use strict;
use warnings;
use Exporter 'import';
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use Nurse;
use Test::More;

our @EXPORT = qw(tries fresh base work other victim);

my ($base, $victim);

# A place of our own that is not below /tmp: policies treat /tmp specially. Two directories in it: the program starts in work; other is none of its business.
sub base { return $base //= tempdir('nurse-test-XXXXXX', DIR => '/var/tmp', CLEANUP => 1) }
sub work  { return base() . '/work' }
sub other { return base() . '/other' }

sub fresh {
    remove_tree(work(), other(), base() . '/elsewhere');
    make_path(work(), other());
    spew(work() . '/file', "plain\n");
    spew(other() . '/file', "hidden\n");
    return;
}

# A process outside of the sandbox, in a group of its own.
sub victim {
    $victim //= start(['sleep', '300'], { timeout => 300 });
    return $victim->{pid};
}
END { if ($victim) { my $status = $?; kill 'KILL', $victim->{pid}; finish($victim); $? = $status } }

my @ways = (['64 bits', 64, []], ['64 bits, no gate', 64, ['--gate=off']], ['32 bits', 32, []]);

# acts: [ACT, NATIVE RESULT (a regex, or undef: don't run it natively), RESULT UNDER THE POLICY]...
# o: setup (run in a fresh work directory before each run), look (called as look->(NAME, INSIDE) after each), cwd, err (regex), pipe (standard output is a
# pipe, not a file), ways (how many).
sub tries {
    my ($name, $policy, $options, $acts, $o) = @_;
    $o //= {};
    my $prepare = sub { fresh(); $o->{setup}->() if $o->{setup} };
    my $where = { cwd => $o->{cwd} // work() };
    my $compare = sub {
        my ($result, $column, $title) = @_;
        my @got = $result->{out} =~ /^.*? = (.*)$/mg;    # an act may come twice
        for my $act (grep { $column == 2 || defined $_->[1] } @$acts) {
            my $one = shift @got // 'nothing';
            like($one, qr/\A(?:$act->[$column])\z/, "$title: $act->[0] is $act->[$column]") or diag($result->{err});
        }
        is($result->{code}, 0, "$title: exit status") or diag($result->{err});
    };
    $prepare->();
    $compare->(run([program('tries'), map { $_->[0] } grep { defined $_->[1] } @$acts], $where), 1, "$name: natively");
    $o->{look}->("$name: natively", 0) if $o->{look};
    my @some = @ways[0 .. ($o->{ways} // @ways) - 1];
    for my $way (@some) {
        $prepare->();
        my $command = nurse_command($policy, [@{ $way->[2] }, @$options], [program('tries', $way->[1]), map { $_->[0] } @$acts]);
        my $result = run($o->{pipe} ? ['bash', '-o', 'pipefail', '-c', '"$@" | cat', 'bash', @$command] : $command, $where);
        $compare->($result, 2, "$name, $way->[0]");
        like($result->{err}, $o->{err}, "$name, $way->[0]: stderr") if $o->{err};
        $o->{look}->("$name, $way->[0]", 1) if $o->{look};
    }
    return;
}

1;
