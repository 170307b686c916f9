#!/usr/bin/perl
# The policy chaos: each kind of trouble comes where its probability is 1 and doesn't where it is 0, the same seed makes the same run, and programs that can stand
# it give the same result as ever.
use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Tries;
use Test::More;
use Time::HiRes qw(time);

my $work = work();
my @quiet = map { ('-D', "$_=0") } qw(eintr short enospc emfile delay);

sub chaos { return ['-q', @quiet, map { ('-D', $_) } @_] }

tries('nothing', 'chaos', chaos(), [['create:new', 0, 0], ['mkdir:dir', 0, 0], ['fork', 7, 7], ['pair:1', 0, 0]]);
tries('no space', 'chaos', chaos('enospc=1'), [['create:new', 0, 'ENOSPC'], ['write:file', 0, 0], ['create:file', 0, 0], ['mkdir:dir', 0, 'ENOSPC'], ['link:file:link', 0, 'ENOSPC'], ['read:file', 0, 0],
    ['rename:file:moved', 0, 'ENOSPC']], { pipe => 1, look => sub { is(join(' ', map { s{.*/}{}r } glob "$work/*"), $_[1] ? 'file' : 'dir link moved new', "$_[0]: the directory") } });
tries('no descriptors', 'chaos', chaos('emfile=1'), [['read:file', 0, 'EMFILE'], ['pair:1', 0, 'EMFILE'], ['socket:1:1', 0, 'EMFILE'], ['mkdir:dir', 0, 0]]);
tries('interrupted', 'chaos', chaos('eintr=1'), [['fork', 7, 'EINTR'], ["connect:$work/file", 'ECONNREFUSED', 'EINTR'], ['read:file', 0, 0]]);

# What was written is what the call said, and no more: acts writes once and tells the count.
for my $class (64, 32) {
    fresh();
    my $acts = sub { my ($chance, @acts) = @_; return answers(run(['bash', '-c', '"$@" | cat', 'bash', @{ nurse_command('chaos', chaos($chance, 'seed=5'), [program('acts', $class), @acts]) }], { cwd => $work })) };
    my $said = $acts->('short=1', 'write:made:0123456789');
    my $count = $said->{'write:made:0123456789'} // 'nothing';
    like($count, qr/^[1-9]$/, "short, $class bits: a write of ten bytes writes less");
    is(slurp("$work/made"), substr('0123456789', 0, $count eq 'nothing' ? 0 : $count), "short, $class bits: and these are the first ones");
    $said = $acts->('enospc=1', 'append:file:x', 'cat:file');
    is_deeply($said, { 'append:file:x' => 'ENOSPC', 'cat:file' => 'plain' }, "no space, $class bits: a write to a file");
    is(slurp("$work/file"), "plain\n", "no space, $class bits: has written nothing");
}
{
    spew("$work/block", 'x' x 4096);
    my @dd = ('dd', "if=$work/block", 'bs=4096', 'count=1', 'status=none');
    is(length run(\@dd)->{out}, 4096, 'natively one read gets a whole block');
    my $got = length nurse('chaos', chaos('short=1', 'seed=5'), \@dd)->{out};
    ok($got > 0 && $got < 4096, 'short: a part of it') or diag($got);
}
my $start = time;
is(nurse('chaos', chaos('delay=1', 'seconds=1', 'seed=1'), ['sleep', '0.01'])->{code}, 0, 'a sleep');
my $took = time - $start;
cmp_ok($took, '>=', 0.2, 'is longer than it should be');

# --- the same seed, the same run -------------------------------------------------------------------------------
{
    my $script = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do : > f$i; done; for f in f*; do printf "%s " $f; done; rm -f f*';
    my $with = sub { fresh(); my $said = nurse('chaos', [@quiet, '-D', 'enospc=0.5', @_], ['bash', '-c', $script], { cwd => $work }); return $said };
    my ($first, $again, $other) = map { $with->('-D', "seed=$_") } 11, 11, 12;
    is($again->{out}, $first->{out}, 'a seed gives the same run');
    isnt($other->{out}, $first->{out}, 'another seed another one');
    like($first->{err}, qr/^nurse: chaos: -D seed=11$/m, 'it is told');
    my ($drawn) = $with->()->{err} =~ /^nurse: chaos: -D seed=(\d+)$/m;
    ok($drawn, 'a seed that was not given is told too');
}

# --- programs that can stand it --------------------------------------------------------------------------------
my %clean = (HOME => '/nonexistent', PATH => '/usr/bin:/bin', LC_ALL => 'C', PYTHONUNBUFFERED => undef);    # unbuffered, python3 forgets what a short write left
my @programs = (
    ['bash and friends', ['bash', '-c', 'seq 20000 > n; sort -rn n | sort -n | cmp - n && echo same; while read x; do y=$x; done < <(head -100 n); echo $y; md5sum < n; gzip -c n | gzip -dc | tail -1']],
    ['sqlite3', ['bash', '-c', 'sqlite3 base "create table t(a); with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into t select i from n; select sum(a) from t;" && rm base']],
    ['python3', ['/usr/bin/python3', '-c', 'import os; r, w = os.pipe(); os.write(w, b"x" * 100); f = open("f", "wb"); f.write(bytes(range(256)) * 400); f.close(); print(len(open("f", "rb").read()), len(os.read(r, 100)) > 0)']],
    ['gcc', ['bash', '-c', 'echo "int main(void) { return 3; }" > a.c; gcc -o a a.c; ./a; echo $?; rm a']],
);
for my $program (@programs) {
    same_as_native($program->[0], $program->[1], { env => \%clean, gates => [map { ["short, seed $_", 'chaos', chaos('short=0.5', "seed=$_")] } 1, 2] });
}
done_testing();
