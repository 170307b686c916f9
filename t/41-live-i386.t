#!/usr/bin/perl
# Real 32-bit programs, Debian's own, from a scratch root (t/lib/i386-root.sh fetches it once): the same natively and under nurse.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my $fetched = run(['t/lib/i386-root.sh', build_dir() . '/i386'], { timeout => 300 });
skip_all_or_fail("no i386 packages: $fetched->{err}") if $fetched->{code};
skip_all_or_fail('no 32-bit interpreter /lib/ld-linux.so.2 (gcc-multilib)') if !-e '/lib/ld-linux.so.2';

my $root = build_dir() . '/i386/root';
my ($busybox, $lua, $python) = map { "$root/$_" } qw(bin/busybox usr/bin/lua5.4 usr/bin/python3.11);
my %env = (
    LD_LIBRARY_PATH => "$root/lib/i386-linux-gnu:$root/usr/lib/i386-linux-gnu",
    PYTHONHOME      => "$root/usr",
    PYTHONDONTWRITEBYTECODE => 1,
    PYTHONPATH      => undef,
);

sub some_files {
    mkdir 'deep';
    spew('numbers', join '', map { "$_ " . $_ * $_ . "\n" } 1 .. 3000);
    spew('deep/needle', "hay\nhay needle hay\n");
    symlink 'numbers', 'link';
}
my @o = (env => \%env, setup => \&some_files);

like(slurp($_), qr/\A\x7fELF\x01/, "$_ is a 32-bit program") for $busybox, $lua, $python;

# --- busybox: static, so int $0x80 and its own VDSO use ---------------------------------------------------
same_as_native('busybox cat',       [$busybox, 'cat', 'numbers'], {@o});
same_as_native('busybox ls -l',     [$busybox, 'ls', '-ln', 'numbers', 'deep'], {@o});
same_as_native('busybox sha256sum', [$busybox, 'sha256sum', 'numbers'], {@o});
same_as_native('busybox grep -r',   [$busybox, 'grep', '-rn', 'needle', 'deep'], {@o});
same_as_native('busybox find',      [$busybox, 'find', '.', '-name', '*e*'], {@o});
same_as_native('busybox awk',       [$busybox, 'awk', '{ s += $2 } END { print s }', 'numbers'], {@o});
same_as_native('busybox sed -i',    [$busybox, 'sed', '-i', 's/1/one/g', 'numbers'], {@o});
same_as_native('busybox gzip',      [$busybox, 'gzip', '-c', 'numbers'], {@o});
same_as_native('busybox tar c',     [$busybox, 'tar', '-cf', 'made.tar', 'deep/needle', 'numbers'], {@o});
same_as_native('busybox sh, built-ins only', [$busybox, 'sh', '-c', 'cd deep; i=0; while [ $i -lt 50 ]; do i=$((i+1)); done; echo $i > out; read x < needle; echo $x $PWD; exit 9'],
    { @o, native_code => 9 });
same_as_native('busybox cat of nothing', [$busybox, 'cat', 'missing'], { @o, native_code => 1 });

# --- lua5.4: dynamic, so libc's calls through the VDSO entry ----------------------------------------------
same_as_native('lua5.4', [$lua, '-e', <<'LUA'], {@o});
local sum = 0
for line in io.lines "numbers" do sum = sum + tonumber(line:match "%d+ (%d+)") end
print(sum, _VERSION, math.maxinteger)
local out = assert(io.open("made", "w")) out:write(("x"):rep(100000)) out:close()
print(io.open "missing")
print(os.rename("made", "renamed"), io.open "renamed":seek "end", os.remove "renamed", os.time() > 1e9, os.date("!%Y", 0))
LUA
same_as_native('lua5.4, a script', ['./script', 'x'],
    { @o, setup => sub { spew('script', "#!$lua\nprint(arg[0], arg[1]) os.exit(6)\n", 0755) }, native_code => 6 });

# --- python3.11 -------------------------------------------------------------------------------------------
same_as_native('python3.11', [$python, '-c', <<'PY'], { @o, timeout => 60 });
import json, os, re, sqlite3, hashlib, tempfile, decimal, collections, datetime, struct, zlib, sys, time, glob, shutil
print(sys.maxsize, struct.calcsize('P'))
rows = [line.split() for line in open('numbers')]
print(json.dumps({'sum': sum(int(r[1]) for r in rows)}))
db = sqlite3.connect('data.db')
db.execute('create table t (a, b)')
db.executemany('insert into t values (?, ?)', rows)
db.commit()
print(db.execute('select count(*), max(cast(b as integer)) from t').fetchone())
db.close()
os.unlink('data.db')
print(hashlib.sha256(open('numbers', 'rb').read()).hexdigest(), zlib.crc32(b'x'))
with open('large', 'wb') as f:
    f.seek(5 << 30)
    f.write(b'x')
print(os.stat('large').st_size, os.lseek(os.open('large', os.O_RDONLY), -1, os.SEEK_END))
os.unlink('large')
shutil.copy('numbers', 'copied')
os.makedirs('a/b')
print(sorted(glob.glob('**', recursive=True)), os.path.realpath('link') == os.path.realpath('numbers'))
try:
    open('missing')
except OSError as error:
    print(error)
print(time.time() > 1e9, time.monotonic() > 0, datetime.datetime.fromtimestamp(0, datetime.timezone.utc), len(os.urandom(9)), os.getpid() > 1)
PY
same_as_native('python3.11, a traceback', [$python, '-c', 'import nothing_like_it'], { @o, native_code => 1 });

done_testing();
