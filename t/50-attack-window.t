#!/usr/bin/perl
# A hostile program under a policy that allows everything attacks the stub, the windows and the gate with every call that can
# change a mapping or write behind its protection: the keystone rules refuse each of them, and ordinary pages stay usable.
use strict;
use warnings;
use Test::More;

my $build = $ENV{BUILD} // 'build';
my $nurse = $ENV{NURSE} // "$build/nurse";
# Calls that must go on working on the program's own pages; the rest may be denied to it altogether.
my @ordinary = qw(write read_into mprotect mprotect_none mmap_fixed mmap_across munmap munmap_across mremap_away
    mremap_fixed_away mremap_onto madvise_dontneed brk);

alarm 240;    # last resort: something hangs

# Run; returns the lines of its output. Tells how it died.
sub lines {
    my ($what, @command) = @_;
    open my $out, '-|', 'timeout', '-s', 'KILL', 20, @command or die "timeout: $!";
    chomp(my @lines = <$out>);
    close $out;
    is($?, 0, "$what: ends by itself") or diag("status $?, last line: ", $lines[-1] // 'none');
    is($lines[-1] // '', 'done', "$what: all was tried");
    return @lines;
}

for my $class (64, 32) {
    my $program = "$build/$class/t/window-writer";
    my @own = grep { /^attempt/ } lines("$class bit, native, own pages", $program, '--own');
    my %absent = map { /^attempt (\S+) own: absent/ ? ($1 => 1) : () } @own;
    # /proc/PID/map_files is root's.
    my %root = $> == 0 ? () : (map_files => 1, helper_map_files => 1);
    diag("this kernel lacks: @{[sort keys %absent]}") if %absent;
    cmp_ok(scalar @own, '>=', 40, "$class bit, native: the attempts");
    is_deeply([grep { !/: (?:BREACH|absent)/ && !(/^attempt (\S+)/ && $root{$1}) } @own], [], "$class bit, native: each attempt succeeds on a page of its own");

    for my $gate (qw(auto off)) {
        my $what = "$class bit, --gate=$gate";
        my @under = ($nurse, 'run', '-q', '-p', 't/data/allow.lua', "--gate=$gate", '--', $program);
        my @lines = lines($what, @under);
        my %area = map { /^area (\S+)/ ? ($1 => 1) : () } @lines;
        # "unknown": the map was refused to the program, and it found something by probing.
        ok($area{"nurse-$_"} || $area{unknown}, "$what: found the area $_") for qw(stub order request);
        my @attempts = grep { /^attempt/ } @lines;
        cmp_ok(scalar @attempts, '>=', 40 * keys(%area) - 6, "$what: attempts were made");
        is_deeply([grep { /BREACH/ } @attempts], [], "$what: no breach");
        my @other = grep { !/: refused/ && !/BREACH/ && !(/^attempt (\S+) \S+: absent/ && $absent{$1}) } @attempts;
        is_deeply(\@other, [], "$what: each attempt was refused");

        my %own = map { /^attempt (\S+) own: (.*)/ ? ($1 => $2) : () } lines("$what, own pages", @under, '--own');
        is_deeply([map { "$_: " . ($own{$_} // 'missing') } @ordinary], [map { "$_: BREACH" } @ordinary],
            "$what: the same calls work on the program's own pages");
    }
}

done_testing;
