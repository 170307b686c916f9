#!/usr/bin/perl
# Real programs behave under nurse as they do natively: output, errors, exit status and the files they leave, each with every
# call decided in Lua, with Lua for paths only, and both with no gate (kernel notifications alone must give the same answers).

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $python = '/usr/bin/python3';

# A few files to work on.
sub some_files {
    mkdir 'deep';
    mkdir 'deep/er';
    spew('numbers', join '', map { "$_ " . $_ * $_ . "\n" } 1 .. 3000);
    spew('words', "the quick brown fox\njumps over\nthe lazy dog\n");
    spew('deep/needle', "hay\nhay needle hay\nhay\n");
    spew('deep/er/another', "needle again\n");
    spew('script', "echo\n", 0755);
    symlink 'words', 'link';
    symlink 'nowhere', 'dangling';
    spew('bytes', join '', map { chr($_ % 256) } 0 .. 300000);
}

# A minimal valid PDF with one line of text.
sub pdf {
    my ($text) = @_;
    my $stream = "BT /F1 24 Tf 72 720 Td ($text) Tj ET\n";
    my @objects = (
        '<< /Type /Catalog /Pages 2 0 R >>',
        '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
        '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
        '<< /Length ' . length($stream) . " >>\nstream\n${stream}endstream",
        '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    );
    my $pdf = "%PDF-1.4\n";
    my @offsets;
    for my $i (0 .. $#objects) {
        push @offsets, length $pdf;
        $pdf .= $i + 1 . " 0 obj\n$objects[$i]\nendobj\n";
    }
    my $table = length $pdf;
    my $count = @objects + 1;
    $pdf .= "xref\n0 $count\n0000000000 65535 f \n" . join '', map { sprintf "%010d 00000 n \n", $_ } @offsets;
    return $pdf . "trailer\n<< /Size $count /Root 1 0 R >>\nstartxref\n$table\n%%EOF\n";
}

# The comparison itself must be able to fail.
{
    my %same = (out => "x\n", err => '', code => 0, signal => 0, files => '');
    my @seen = grep { differences({ %same }, { %same, %$_ }) } (
        { out => "y\n" }, { out => '' }, { err => "nurse: x\n" }, { code => 1 }, { files => 'x' }, { signal => 9 });
    is(scalar @seen, 6, 'a difference in output, errors, status, files, or an end by signal is seen');
    is(scalar(differences({ %same }, { %same })), 0, 'and nothing where there is none');
}

my @files = (setup => \&some_files);

# --- the everyday tools ------------------------------------------------------------------------------------
same_as_native('cat',            ['cat', 'words', 'numbers'],                     { @files });
same_as_native('cat of stdin',   ['cat'],                                         { stdin => "from stdin\n" x 1000 });
same_as_native('cat of nothing', ['cat', 'missing', 'words'],                     { @files, native_code => 1 });
same_as_native('ls -l',          ['ls', '-lAn', '--time-style=+', '.', 'deep'],   { @files });
same_as_native('ls -l, dates and names', ['ls', '-l', 'words', 'numbers', '/bin'],  { @files });
same_as_native('sha256sum',      ['sha256sum', 'numbers', 'bytes'],               { @files });
same_as_native('sha256sum -c',   ['sha256sum', '-c'],                             { @files, native_code => 1, stdin => '0' x 64 . "  words\n" });
same_as_native('cp, in the kernel', ['cp', '-a', 'deep', 'copy'],                 { @files });
same_as_native('mv',             ['mv', 'numbers', 'deep/moved'],                 { @files });
same_as_native('rm -r',          ['rm', '-r', 'deep', 'link'],                    { @files });
same_as_native('mkdir -p',       ['mkdir', '-pv', 'a/b/c'],                       { @files });
same_as_native('ln',             ['ln', '-sv', 'words', 'other'],                 { @files });
same_as_native('chmod',          ['chmod', '-c', '600', 'words'],                 { @files });
same_as_native('dd',             ['dd', 'if=bytes', 'of=out', 'bs=777', 'status=none'], { @files });
same_as_native('sort',           ['sort', '-k2', '-n', '-r', 'numbers'],          { @files });
same_as_native('find',           ['find', '.', '-type', 'f', '-name', '*e*', '-printf', '%p %s %m\n'], { @files });
same_as_native('find /',         ['find', '/etc', '-maxdepth', '1', '-type', 'l', '-printf', '%p %l\n'], {});
same_as_native('grep -r',        ['grep', '-rn', 'needle', 'deep'],               { @files });
same_as_native('grep, no match', ['grep', '-r', 'pin', '.'],                      { @files, native_code => 1 });
same_as_native('sed',            ['sed', 's/the/a/g', 'words'],                   { @files });
same_as_native('sed -i',         ['sed', '-i', 's/the/a/g', 'words'],             { @files });
same_as_native('awk',            ['awk', '{ sum += $2 } END { print NR, sum; print "x" > "made" }', 'numbers'], { @files });
same_as_native('tar c',          ['tar', '-cf', 'made.tar', '--sort=name', '--mtime=@1', 'deep', 'words', 'link'], { @files });
same_as_native('tar t',          ['tar', '-tvf', 'made.tar'],
    { setup => sub { some_files(); run(['tar', '-cf', 'made.tar', '--sort=name', '--mtime=@1', 'deep', 'words', 'link']) } });
same_as_native('tar x',          ['tar', '-xf', 'made.tar', '-C', 'into'],
    { setup => sub { some_files(); mkdir 'into'; run(['tar', '-cf', 'made.tar', '--sort=name', '--mtime=@1', 'deep', 'words', 'link']) } });
same_as_native('gzip',           ['gzip', '-n', 'numbers'],                       { @files });
same_as_native('gzip -c',        ['gzip', '-nc', 'numbers'],                      { @files });
same_as_native('gzip -d',        ['gzip', '-d', 'numbers.gz'],
    { setup => sub { some_files(); run(['gzip', '-n', 'numbers']) } });

# --- the big ones ------------------------------------------------------------------------------------------
same_as_native('sqlite3', ['sqlite3', 'data.db',
    'create table t (a integer primary key, b text);'
    . "insert into t select value, 'row ' || value from (with recursive c(value) as (select 1 union all select value + 1 from c where value < 500) select value from c);"
    . 'create index i on t (b); select count(*), sum(a), max(b) from t; delete from t where a > 10; vacuum; select * from t;']);
same_as_native('sqlite3, an error', ['sqlite3', 'data.db', 'select * from nothing;'], { native_code => 1 });

same_as_native('perl', ['perl', '-e', <<'PERL'], { @files, native_code => 3 });
use strict; use warnings; use File::Spec; use List::Util qw(sum);
open my $in, '<', 'numbers' or die; my @rows = map { [split] } <$in>; close $in;
print "$_->[0]\n" for (sort { $b->[1] <=> $a->[1] } @rows)[0 .. 5];
print sum(map { $_->[1] } @rows), "\n";
open my $out, '>', 'made' or die; print {$out} "line $_\n" for 1 .. 100; close $out;
rename 'made', 'renamed' or die; mkdir 'new' or die; print -s 'renamed', "\n";
opendir my $dir, '.' or die; print join(' ', sort readdir $dir), "\n";
print "no: $!\n" if !open my $none, '<', 'missing';
exit 3 * (-e 'renamed');
PERL

same_as_native('perl, dying', ['perl', '-e', 'print "x\n"; die "on purpose\n"'], { native_code => 255 });

same_as_native('lua5.4', ['lua5.4', '-e', <<'LUA'], { @files });
local sum = 0
for line in io.lines "numbers" do sum = sum + tonumber(line:match "%d+ (%d+)") end
print(sum, #arg, _VERSION)
local out = assert(io.open("made", "w")) out:write(("x"):rep(100000)) out:close()
print(io.open "missing")
print(os.rename("made", "renamed"), os.remove "renamed", os.getenv "HOME" ~= nil)
LUA

same_as_native('python3', [$python, '-B', '-c', <<'PY'], { @files });
import json, os, re, sqlite3, hashlib, tempfile, decimal, collections, datetime, struct, zlib, glob, shutil
rows = [line.split() for line in open('numbers')]
print(json.dumps({'sum': sum(int(r[1]) for r in rows), 'first': rows[0]}, sort_keys=True))
db = sqlite3.connect('data.db')
db.execute('create table t (a, b)')
db.executemany('insert into t values (?, ?)', rows)
db.commit()
print(db.execute('select count(*), max(cast(b as integer)) from t').fetchone())
db.close()
print(hashlib.sha256(open('bytes', 'rb').read()).hexdigest(), zlib.crc32(b'x' * 1000))
shutil.copy('words', 'copied')
os.makedirs('a/b/c')
with tempfile.TemporaryDirectory(dir='.') as d:
    open(d + '/x', 'w').write('x')
    print(sorted(os.listdir(d)))
print(sorted(glob.glob('**', recursive=True)))
os.truncate('copied', 5)
print(os.stat('copied').st_size, os.path.realpath('link') == os.path.realpath('words'), os.access('words', os.W_OK))
for name in ('missing', 'words/x'):
    try:
        open(name)
    except OSError as error:
        print(error)
print(len(os.urandom(16)), datetime.datetime.now().year > 2000, os.getpid() > 1)
os.unlink('data.db')
PY

same_as_native('python3, a traceback', [$python, '-c', 'raise SystemExit(open("missing"))'], { native_code => 1 });
same_as_native('pdftotext', ['pdftotext', 'in.pdf', 'out.txt'], { setup => sub { spew('in.pdf', pdf('nurse reads this page')) } });
same_as_native('pdftotext to stdout', ['pdftotext', 'in.pdf', '-'], { setup => sub { spew('in.pdf', pdf('nurse reads this page')) } });
same_as_native('pdftotext of rubbish', ['pdftotext', 'in.pdf', '-'], { setup => sub { spew('in.pdf', "rubbish\n") }, native_code => 1 });
like(nurse(root_dir() . '/t/data/policy-paths.lua', [], ['pdftotext', spew(scratch() . '/my.pdf', pdf('sense')), '-'])->{out}, qr/sense/, 'pdftotext finds the text');

# --- the ways to link a program ----------------------------------------------------------------------------
my %kinds = (
    'glibc static'     => ['gcc', '-static', '-no-pie'],
    'glibc static-pie' => ['gcc', '-static-pie'],
    'glibc no-pie'     => ['gcc', '-no-pie'],
    'glibc, 32 bit static'     => ['gcc', '-m32', '-static', '-no-pie'],
    'glibc, 32 bit static-pie' => ['gcc', '-m32', '-static-pie'],
    'glibc, 32 bit no-pie'     => ['gcc', '-m32', '-no-pie'],
    'musl dynamic'     => ['musl-gcc'],
    'musl static'      => ['musl-gcc', '-static'],
    'old hash and no RELRO' => ['gcc', '-Wl,-z,norelro', '-Wl,--hash-style=sysv', '-Wl,-z,lazy'],
    'aligned to 2 MB'  => ['gcc', '-Wl,-z,max-page-size=0x200000'],
);
for my $kind (sort keys %kinds) {
    (my $word = $kind) =~ s/\W+/-/g;
    my $hello = build_program($word, 'hello', @{ $kinds{$kind} });
    ok($hello, "$kind: compiles") or next;
    same_as_native($kind, [$hello, 'a', 'b c', '']);
}
same_as_native("$_ bits", [program('hello', $_), 'x']) for 64, 32;

# --- scripts with a #! line --------------------------------------------------------------------------------
my $lua = "for i = 0, #arg do io.write('[', arg[i], ']') end print()\n";
same_as_native('#! with an argument', ['./script', 'one', 'two words'],
    { setup => sub { spew('script', "#! /usr/bin/lua5.4 -\n$lua", 0755) }, stdin => "print('from stdin')\n" });
same_as_native('#! of a #!', ['./outer', 'x'], { setup => sub {
    spew('inner', "#!/usr/bin/awk -f\nBEGIN { for (i = 0; i < ARGC; i++) print i, ARGV[i] }\n", 0755);
    spew('outer', "#!./inner\n", 0755);
} });
same_as_native('a script in python', ['./script', 'x'],
    { setup => sub { spew('script', "#!$python -B\nimport sys\nprint(sys.argv)\nsys.exit(5)\n", 0755) }, native_code => 5 });
same_as_native('#! with a long line', ['./script'], { setup => sub { spew('script', '#!/usr/bin/lua5.4 ' . ' ' x 100 . "\nprint(arg[0])\n", 0755) } });
same_as_native('a script found in PATH', ['found', 'x'], { setup => sub { spew('found', "#!/usr/bin/lua5.4\nprint(arg[0], arg[1])\n", 0755) }, env => { PATH => "$ENV{PATH}:." } });

# --- the ways to end ---------------------------------------------------------------------------------------
my %ends = (0 => 0, 1 => 1, 42 => 42, 126 => 126, 255 => 255, quick => 7, abort => 134, segv => 139, ill => 132, fpe => 136, bus => 135, stack => 139, term => 143, kill => 137);
for my $class (64, 32) {
    same_as_native("$class bits end by $_", [program('exits', $class), $_], { native_code => $ends{$_}, notices => 1 }) for sort keys %ends;
}

done_testing();
