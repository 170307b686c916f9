#!/usr/bin/perl
# Work that people do with many processes and threads: shell scripts, make with gcc, git, python3, perl, sqlite3 with two writers, Go programs,
# a debugger, a 32-bit busybox shell. Each behaves under nurse as natively: output, errors, exit status and the files it leaves.
# Pids, times and addresses are never printed; work that runs at the same moment reports in an order of its own making.

use strict;
use warnings;
use lib 't/lib';
use Nurse;
use Test::More;

my @constant = ('constants', policy(qq{default "allow"\n}), []);
my ($lua, undef, undef, $lua_no_gate) = gates();
my @two   = (timeout => 60, gates => [\@constant, $lua]);
my @three = (timeout => 60, gates => [\@constant, $lua, $lua_no_gate]);

# --- a shell script of 300 commands ------------------------------------------------------------------------
# Each group starts twenty programs and as many subshells; fifteen groups with other words make a script.
sub commands {
    my ($i) = @_;
    return <<"END";
echo "group $i" | sed 's/group/number/'
x=\$(expr $i '*' $i); printf 'square %s\\n' "\$x" | cat
( cd dir && ls | sort -r | tr '\\n' ' ' ); echo
seq $i | awk '{ s += \$1 } END { print "sum", s }' >> log
cat <<HERE | tr a-z A-Z
here $i \$(basename /a/b/file$i.txt .txt)
HERE
( sleep 0; exit @{[ $i % 7 ]} ) & wait \$!; echo "left with \$?"
if /bin/test -e log; then head -n 1 log; else ls -d /nowhere; fi
for word in one two; do echo \$word | cut -c1-2; done 2>&1 | paste -s -d -
{ ls /nowhere$i || echo "status \$?"; } 2>&1 | grep -c .
mkdir -p dir/d$i && touch dir/d$i/f && mv dir/d$i/f dir/d$i/g && cp log dir/d$i/log && rm dir/d$i/log
END
}

my $three_hundred = join '', "trap 'echo end of script' EXIT\nmkdir dir\n", map({ commands($_) } 1 .. 15), "sha256sum log\n/bin/false | exit 5\n";
# Not without gate: dash's SIGCHLD handler has no SA_RESTART, and ends calls with EINTR there (doc/decisions.md, Limits of process trees).
for my $shell ('dash', 'bash') {
    same_as_native("300 commands, $shell", [$shell, './script'],
        { @two, setup => sub { spew('script', $three_hundred, 0755) }, native_code => 5 });
}

same_as_native('bash, its own ways', ['bash', '-c', <<'BASH'], { @three, native_code => 143 });
diff <(seq 5) <(seq 6) > difference; echo "diff $?"
seq 100 | tee >(wc -l > lines) >(sort -rn | head -1 > greatest) > /dev/null
until [ -s lines ] && [ -s greatest ]; do sleep 0.01; done
cat lines greatest
coproc up { while read -r line; do echo "${line^^}"; done; }
echo hello >&"${up[1]}"; read -r answer <&"${up[0]}"; echo "$answer"
eval "exec ${up[1]}>&-"; wait "$up_PID"; echo "coproc $?"
false | true | (exit 3) | true; echo "${PIPESTATUS[@]}"
set -o pipefail; (exit 4) | true; echo $?
mapfile -t many < <(for i in 3 1 2; do echo $i; done | sort); echo "${many[*]}"
for i in 1 2 3; do (exit $i) & done; wait -n; wait; echo "waited: $?"
{ (kill -USR1 $BASHPID); echo "killed: $?"; } 2> /dev/null
trap 'echo usr1' USR1; (kill -USR1 $$) ; (sleep 0.05; kill -USR1 $$) & wait; echo "interrupted: $?"; trap - USR1; wait
{ set -m; sleep 100 & kill -STOP %1; until [ -n "$(jobs -s)" ]; do sleep 0.01; done
  kill -CONT %1; until [ -n "$(jobs -r)" ]; do sleep 0.01; done; kill %1; wait %1; echo "job: $?"; set +m; } 2> /dev/null
(bash -c 'exec -a other bash -c "echo \$0 \$# \$SHLVL" "" x y' | tr 0-9 N)
timeout 0.05 sleep 100; echo "timeout: $?"
{ timeout -s KILL 0.05 sh -c 'sleep 100 & wait'; echo "timeout: $?"; } 2> /dev/null
echo 'a b' | xargs -n 1 -P 2 sh -c 'exit 0'; echo 1 2 3 | xargs -n 1 sh -c 'exit $0'; echo "xargs: $?"
setsid -w sh -c 'exit 9'; echo "setsid: $?"
nohup sh -c 'kill -HUP $$; echo still here' 2> /dev/null
find / -maxdepth 0 -exec sh -c 'echo found; exit 1' \; -o -print
kill -TERM $$
BASH

same_as_native('a shell that is not to find its program', ['dash', '-c', <<'SH'], { @three, native_code => 127 });
printf 'no header, so the shell runs it: $0\n' > plain; chmod 755 plain; echo 'echo "plain $# $1"' > plain; ./plain a b
echo x > data; ./data; echo "not executable: $?"
mkdir dir; ./dir; echo "a directory: $?"
printf '#!/no/such/interpreter\n' > bad; chmod 755 bad; ./bad; echo "no interpreter: $?"
printf '\177ELFrubbish' > elf; chmod 755 elf; ./elf 2> /dev/null; echo "rubbish: $((($?) > 125))"
PATH=/nowhere; nothing_like_it
SH

# --- make -j2 and gcc --------------------------------------------------------------------------------------
# A library of eight files and a generated header, built by a make in a subdirectory that shares the job server; then a program and its test.
sub c_project {
    mkdir $_ for 'lib', 'src';
    spew("lib/part$_.c", qq{#include "made.h"\n#include <stdio.h>\n}
        . qq{int part$_(int x) { char s[32]; return snprintf(s, sizeof s, "%d", x * FACTOR) + $_; }\n}) for 1 .. 8;
    spew('lib/Makefile', <<'END');
all: libparts.a
made.h: ../factors
	@sed -n 's/^factor \(.*\)/#define FACTOR \1/p' $< | sort > $@.tmp && mv $@.tmp $@
part%.o: part%.c made.h
	@$(CC) $(CFLAGS) -c -o $@ $<
libparts.a: $(sort $(patsubst %.c,%.o,$(wildcard part*.c)))
	@$(AR) crD $@ $^
END
    spew('factors', "comment\nfactor 37\n");
    spew('src/main.c', join '', "#include <stdio.h>\n", map({ "int part$_(int);\n" } 1 .. 8),
        "int main(int argc, char **argv)\n{\n    (void)argv;\n    int sum = 0;\n",
        map({ "    sum += part$_(argc * $_);\n" } 1 .. 8), "    printf(\"%d\\n\", sum);\n    return argc - 1;\n}\n");
    spew('Makefile', <<'END');
export CC := gcc
export CFLAGS := -O1 -Wall
MAKEFLAGS += --no-print-directory
files := $(shell ls src | wc -l)
all: check
lib/libparts.a:
	@$(MAKE) -C lib
program: src/main.o lib/libparts.a
	@$(CC) -o $@ $^
src/main.o: src/main.c
	@$(CC) $(CFLAGS) -MMD -c -o $@ $<
check: program
	@./program > out; echo "$(files) source says $$(cat out)"
	@! ./program x
broken:
	@echo 'int main(void) { return nothing; }' > src/broken.c
	$(CC) -c src/broken.c
.PHONY: all check broken
END
}
my %c = (@three, setup => \&c_project, env => { MAKEFLAGS => undef, MAKELEVEL => undef, MFLAGS => undef });
same_as_native('make -j2', ['make', '-j2'], {%c});
same_as_native('make of what does not compile', ['make', '-k', 'broken'], { %c, @two, native_code => 2 });

# --- git ---------------------------------------------------------------------------------------------------
# The repositories are taken away at the end: their index holds times and numbers of files. What they hold is printed.
my %git = (
    GIT_AUTHOR_NAME => 'A', GIT_AUTHOR_EMAIL => 'a@example.org', GIT_AUTHOR_DATE => '1000000000 +0000',
    GIT_CONFIG_NOSYSTEM => 1, GIT_CONFIG_GLOBAL => '/dev/null',
    GIT_COMMITTER_NAME => 'C', GIT_COMMITTER_EMAIL => 'c@example.org', GIT_COMMITTER_DATE => '1000000001 +0000',
    GIT_PAGER => 'cat', HOME => '/nowhere', LC_ALL => 'C',
    map { $_ => undef } grep { /^GIT_/ } keys %ENV,
);
same_as_native('git', ['sh', '-ec', <<'SH'], { @three, env => \%git });
git init -q -b main one; cd one
printf '#!/bin/sh\necho "hook: $(git diff --cached --name-only | wc -l) files"\n' > .git/hooks/pre-commit; chmod 755 .git/hooks/pre-commit
for i in 1 2 3 4 5; do
    mkdir -p dir$i; seq $((i * 100)) > dir$i/file; echo "line $i" >> all
    git add .; git commit -m "commit $i"
done
git checkout -q -b side HEAD~2; echo side > side; git add side; git commit -qm side
git checkout -q main; git merge -m merge side
git log --graph --stat --format='%H %an %ad %s'
git -c core.pager='sed s/^/paged:/' -p diff HEAD~1 --stat
git tag -a -m 'a tag' v1; git describe; git rev-list --count HEAD
git gc -q; git count-objects -v | grep -v size; git fsck --full --no-progress; git log --format=%H | git cat-file --batch-check
git ls-files -s; git status --porcelain
cd ..; git clone -q --local one two; git clone -q "file://$PWD/one" three; git init -q --bare four
printf '#!/bin/sh\nwhile read old new ref; do echo "received $ref"; done\n' > four/hooks/post-receive; chmod 755 four/hooks/post-receive
cd three; echo more >> all; git commit -qam more; git push ../four main v1 2>&1 | grep -v '^To'; git -C ../four log --oneline -2 main
git stash list; git commit -m nothing || echo "status $?"
cd ../two; git pull -q --ff-only ../three main; git log --oneline | head -3; git fsck --no-progress; cat all
cd ..; rm -rf one/.git two/.git three/.git four
SH
same_as_native('git of no repository', ['git', 'log'], { @three, env => \%git, native_code => 128 });

# --- python3 -----------------------------------------------------------------------------------------------
my $python = '/usr/bin/python3';
same_as_native('python3 subprocess', [$python, '-c', <<'PY'], { @three, native_code => 1 });
import subprocess as s, sys, os, signal
def say(*what): print(*what, flush=True)
say(s.run(['tr', 'a-z', 'A-Z'], input='some text\n' * 20000, capture_output=True, text=True).stdout.count('SOME'))
say(s.check_output('echo $((6 * 7)); echo error >&2; exit 0', shell=True, stderr=s.STDOUT, text=True).split())
for command in ['/no/such/program'], ['/etc/passwd'], ['/etc']:
    try: s.run(command)
    except OSError as error: say(error)
try: s.run(['true'], cwd='/no/such/directory')
except OSError as error: say(error)
try: s.run(['sleep', '100'], timeout=0.1)
except s.TimeoutExpired as error: say('timeout', error.cmd)
try: s.run(['sh', '-c', 'echo part; exec sleep 100'], timeout=0.3, capture_output=True)
except s.TimeoutExpired as error: say('timeout', error.output)
try: s.check_call('exit 7', shell=True)
except s.CalledProcessError as error: say(error)
p = s.Popen(['sleep', '100']); say(p.poll()); p.terminate(); say(p.wait())
p = s.Popen(['sh', '-c', 'kill -9 $$']); say(p.wait())
a = s.Popen(['seq', '1000'], stdout=s.PIPE); b = s.Popen(['wc', '-l'], stdin=a.stdout, stdout=s.PIPE)
a.stdout.close(); say(b.communicate()[0], a.wait())
a = s.Popen(['yes'], stdout=s.PIPE); say(a.stdout.readline()); a.stdout.close(); say(a.wait())
many = [s.Popen(['sh', '-c', f'exit {i}']) for i in range(20)]; say([p.wait() for p in many])
say(s.run(['sh', '-c', 'echo $ONLY $HOME; umask; ls /proc/self/fd | wc -l'],
          env={'ONLY': 'one', 'PATH': '/usr/bin:/bin'}, umask=0o77, capture_output=True, text=True))
r, w = os.pipe(); p = s.Popen(['sh', '-c', f'echo through >&{w}'], pass_fds=[w]); os.close(w); say(os.read(r, 100), p.wait())
say(s.run(['sh', '-c', '[ "$(ps -o pgid= -p $$ | tr -d " ")" = $$ ] && [ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ]'],
          start_new_session=True).returncode)
p = s.Popen(['cat'], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN), stdin=s.PIPE)
p.send_signal(signal.SIGTERM); p.stdin.close(); say(p.wait())
say(os.system('exit 3') >> 8, os.popen('echo popen').read(), os.spawnlp(os.P_WAIT, 'sh', 'sh', '-c', 'exit 4'))
pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 5'], os.environ); say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.posix_spawn('/bin/cat', ['cat'], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, '/dev/null', os.O_RDONLY, 0)],
                     setsigdef=[signal.SIGPIPE], setpgroup=0)
say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try: os.posix_spawn('/no/such/program', ['x'], {})
except OSError as error: say(error)
fd = os.pidfd_open((p := s.Popen(['sleep', '100'])).pid); signal.pidfd_send_signal(fd, signal.SIGINT)
say(os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status); p.returncode = 0
pid, master = os.forkpty()
if pid == 0: os.execlp('sh', 'sh', '-c', 'tty > /dev/null && echo a terminal; exit 6')
text = b''
try:
    while part := os.read(master, 100): text += part
except OSError: pass
say(text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
say('resources', sorted(os.listdir('/proc/self/fd'))[:3])
sys.exit(s.call(['false']))
PY

same_as_native('python3 threading', [$python, '-c', <<'PY'], { @three });
import threading, queue, time, os, tempfile, socket, signal, subprocess
total, lock, done = 0, threading.Lock(), queue.Queue()
def add(i):
    global total
    for _ in range(200):
        with lock: total += i
    with tempfile.TemporaryFile() as f:
        for _ in range(50): f.write(b'x' * i); f.flush(); os.fstat(f.fileno())
        done.put(f.tell())
threads = [threading.Thread(target=add, args=(i,)) for i in range(24)]
for t in threads: t.start()
for t in threads: t.join()
print(total, sum(done.get() for _ in threads), threading.active_count())
for _ in range(200): t = threading.Thread(target=lambda: None); t.start(); t.join()
a, b = socket.socketpair()
echo = threading.Thread(target=lambda: [b.sendall(x) for x in iter(lambda: b.recv(100), b'')]); echo.start()
for i in range(300): a.sendall(b'%d' % i); assert a.recv(100) == b'%d' % i
a.shutdown(socket.SHUT_WR); echo.join()
event, barrier, late = threading.Event(), threading.Barrier(8), []
late = [threading.Thread(target=lambda: (barrier.wait(), event.wait(), done.put(1))) for _ in range(7)]
for t in late: t.start()
barrier.wait(); event.set()
for t in late: t.join()
print(done.qsize(), event.wait(0), threading.Condition().acquire())
results = queue.Queue()
def child(i): results.put(subprocess.run(['sh', '-c', f'echo {i}; exit {i}'], capture_output=True))
threads = [threading.Thread(target=child, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted((r.returncode, r.stdout) for r in results.queue))
got = []
signal.signal(signal.SIGALRM, lambda *a: got.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(got) < 5: time.sleep(0.005)
signal.setitimer(signal.ITIMER_REAL, 0); print('alarms', len(got) >= 5)
pid = os.fork()
if pid == 0:
    t = threading.Thread(target=print, args=('a thread in a child',), kwargs={'flush': True}); t.start(); t.join(); os._exit(threading.active_count())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
threading.Thread(target=lambda: (time.sleep(0.05), print('the last thread ends it', flush=True))).start()
PY
same_as_native('python3, a thread ends it all', [$python, '-c', <<'PY'], { @three, native_code => 11 });
import threading, time, os
for _ in range(5): threading.Thread(target=time.sleep, args=(100,)).start()
print('going', flush=True)
threading.Thread(target=os._exit, args=(11,)).start()
time.sleep(100)
PY

# The spawn method executes python3 anew for each worker and for the tracker of resources; it needs a script that can be imported.
my $processes = <<'PY';
import multiprocessing as mp, sys, os, time
def square(x): return x * x
def fail(x): raise ValueError(x)
def worker(tasks, results, lock, shared):
    for x in iter(tasks.get, None):
        with lock: shared.value += x
        results.put(x + 1)
def talk(pipe): pipe.send([pipe.recv(), 'back']); pipe.close(); sys.exit(3)
def main():
    mp.set_start_method(sys.argv[1])
    with mp.Pool(2) as pool:
        print(sum(pool.map(square, range(1000))), pool.apply(square, (7,)), sorted(pool.imap_unordered(square, range(5))))
        try: pool.apply(fail, (5,))
        except ValueError as error: print('ValueError', error)
    tasks, results, lock, shared = mp.Queue(), mp.Queue(), mp.Lock(), mp.Value('i', 0)
    workers = [mp.Process(target=worker, args=(tasks, results, lock, shared)) for _ in range(2)]
    for w in workers: w.start()
    for x in range(200): tasks.put(x)
    for w in workers: tasks.put(None)
    print(sum(results.get() for _ in range(200)), [w.join() or w.exitcode for w in workers], shared.value)
    here, there = mp.Pipe()
    p = mp.Process(target=talk, args=(there,)); p.start(); here.send('hello'); print(here.recv()); p.join(); print(p.exitcode)
    p = mp.Process(target=time.sleep, args=(100,)); p.start(); p.terminate(); p.join(); print(p.exitcode, mp.active_children())
    event = mp.Event(); p = mp.Process(target=event.wait); p.start(); event.set(); p.join(); print(p.exitcode)
if __name__ == '__main__': main()
PY
for my $method ('fork', 'spawn') {
    same_as_native("python3 multiprocessing by $method", [$python, '-B', 'processes.py', $method],
        { @two, setup => sub { spew('processes.py', $processes) } });
}

same_as_native('python3 concurrent.futures and asyncio', [$python, '-c', <<'PY'], { @two });
import concurrent.futures as f, os, asyncio, sys
def double(x): return 2 * x
with f.ThreadPoolExecutor(8) as pool: print(sum(pool.map(lambda n: len(open('/etc/passwd').read(n)), [10] * 200)))
with f.ProcessPoolExecutor(2) as pool: print(sum(pool.map(double, range(100), chunksize=5)))
with f.ProcessPoolExecutor(1) as pool:
    try: pool.submit(os._exit, 1).result()
    except f.process.BrokenProcessPool: print('a worker has died')
async def command(i):
    p = await asyncio.create_subprocess_exec('sh', '-c', f'read x; echo $x {i}; exit {i}', stdin=-1, stdout=-1)
    return (await p.communicate(b'in\n'))[0], p.returncode
async def main(): print(await asyncio.gather(*[command(i) for i in range(6)], asyncio.to_thread(double, 4)))
asyncio.run(main())
PY

# --- perl --------------------------------------------------------------------------------------------------
same_as_native('perl with fork', ['perl', '-e', <<'PERL'], { @three, native_code => 2 });
use strict; use warnings; use POSIX ':sys_wait_h'; use Socket; use IPC::Open3; use Time::HiRes (); $| = 1;
pipe my $r, my $w or die; my @pids;
for my $i (1 .. 20) { my $pid = fork // die; if (!$pid) { close $r; syswrite $w, sprintf "%02d\n", $i; exit $i } push @pids, $pid }
close $w; print join(' ', sort map { s/\n//r } <$r>), "\n";
print join(' ', map { waitpid($_, 0); $? >> 8 } @pids), ' then ', waitpid(-1, 0), "\n";
print `echo back; exit 6`, $? >> 8, "\n", system('sh', '-c', 'kill -TERM $$'), ' ', system('exit 4') >> 8, ' ', system('/no/such/program'), "\n";
open my $out, '|-', 'sort -n | tail -2' or die; print {$out} "$_\n" for reverse 1 .. 5000; print close $out ? "closed\n" : "bad\n";
open my $in, '-|', 'sh', '-c', 'seq 3; exit 2' or die; print <$in>; close $in; print $? >> 8, "\n";
my $kid = open my $from, '-|'; if (!$kid) { print "from a child that is me\n"; exit 0 } print <$from>; close $from;
socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die;
if (!(my $pid = fork)) { close $a; while (sysread $b, my $x, 100) { syswrite $b, uc $x } exit 0 }
close $b; my $sum = ''; for (1 .. 100) { syswrite $a, "ping$_"; sysread $a, my $x, 100; $sum = $x } print "$sum\n"; close $a; wait; print "$?\n";
my $reaped = 0;
{ local $SIG{CHLD} = sub { $reaped++ while waitpid(-1, WNOHANG) > 0 }; for (1 .. 10) { fork or exit 0 } select undef, undef, undef, 0.05 while $reaped < 10 }
print "reaped $reaped\n";
{ local $SIG{CHLD} = 'IGNORE'; for (1 .. 5) { fork or exit 1 } print 'nothing left: ', wait, "\n" }
{ local $SIG{ALRM} = sub { die "alarm\n" }; eval { Time::HiRes::alarm(0.1); sleep 100; 1 } or print "by $@" }
my $sleeper = fork // die; if (!$sleeper) { sleep 100; exit }
kill 'STOP', $sleeper; waitpid $sleeper, WUNTRACED; print 'stopped ', WIFSTOPPED($?) ? 1 : 0, "\n";
kill 'CONT', $sleeper; kill 'KILL', $sleeper; waitpid $sleeper, 0; print 'killed by ', $? & 127, "\n";
my $deep = sub { my ($self, $n) = @_; return 0 if !$n; my $pid = fork // die; exit $self->($self, $n - 1) + 1 if !$pid; waitpid $pid, 0; $? >> 8 };
print 'deep ', $deep->($deep, 20), "\n";
if (!(my $pid = fork)) {
    fork and exit 0;
    POSIX::setsid(); open my $f, '>', 'daemon.tmp' or die; print {$f} "done\n"; close $f; rename 'daemon.tmp', 'daemon'; exit 0;
}
wait; select undef, undef, undef, 0.01 until -e 'daemon';
my $pid = open3(my $to, my $of, undef, 'cat', '-', '/no/such/file'); print {$to} "line\n"; close $to;
print sort <$of>; waitpid $pid, 0; print $? >> 8, "\n";
exec { 'sh' } 'sh', '-c', 'echo "replaced $0"; exit 2', 'me' or die;
PERL

# --- sqlite3: two writers at the same moment, in both kinds of journal (the second shares memory) ----------
for my $journal ('delete', 'wal') {
    same_as_native("sqlite3, two writers, $journal", ['sh', '-ec', <<'SH', 'sh', $journal], { @three });
sqlite3 data.db "pragma journal_mode = $1; create table t (who text, n integer); create index i on t (n);"
writer() {
    { echo '.timeout 30000'; echo 'pragma synchronous = off;'
      for n in $(seq 100); do
          echo "begin immediate; insert into t values ('$1', $n); update t set n = n + 1 where who = '$1' and n = $n; commit;"
      done; } | sqlite3 data.db
}
writer a & first=$!
writer b & second=$!
wait $first; wait $second
sqlite3 data.db "select who, count(*), sum(n) from t group by who order by who; pragma integrity_check;"
rm data.db*
SH
}

# --- Go: threads without libc's help, signals to threads, futexes ------------------------------------------
# shfmt is static; restic is linked with libc and starts its threads by it.
my $ugly = join '', map { "if  true;then\necho   $_|cat\nfi\ncase \$x in a)  b;; *) c;; esac\n" } 1 .. 400;
like(run(['file', '-L', '/usr/bin/shfmt'])->{out}, qr/statically linked/, 'shfmt is a static program');
same_as_native('shfmt', ['shfmt', '-i', '4', '-d', 'script'], { @three, setup => sub { spew('script', $ugly) }, native_code => 1 });
same_as_native('shfmt, many files', ['shfmt', '-l', '-w', '.'],
    { @three, env => { GOMAXPROCS => 4, GOGC => 5 }, setup => sub { spew("script$_.sh", $ugly) for 1 .. 8 } });
same_as_native('restic version', ['restic', 'version'], { @three });

# --- gdb, attached from outside to a program in the sandbox ------------------------------------------------
# The program waits in its own code, so that the stack is its own; gdb lets it go on by a variable. It has a second thread, which blocks in a read.
my $attached = spew(scratch() . '/attached.c', <<'C');
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
volatile int go_on;
static int heard;
static void *listen_well(void *pipe) { char c; heard = read(*(int *)pipe, &c, 1) == 1 && c == 'x'; return NULL; }
__attribute__((noinline)) static int inner(int depth) { while (!go_on) __builtin_ia32_pause(); return depth + go_on; }
__attribute__((noinline)) static int outer(int depth) { return depth ? outer(depth - 1) + 1 : inner(40) + 1; }
int main(void)
{
    int ends[2];
    pthread_t thread;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (pipe(ends) != 0 || pthread_create(&thread, NULL, listen_well, ends) != 0) return 1;
    FILE *file = fopen("pid", "w");
    fprintf(file, "%d\n", getpid());
    fclose(file);
    rename("pid", "ready");
    int value = outer(3);
    if (write(ends[1], "x", 1) != 1) return 2;
    pthread_join(thread, NULL);
    FILE *echo = popen("echo a child", "r");
    char line[20] = "";
    if (!fgets(line, sizeof line, echo)) return 3;
    printf("value %d, heard %d, %s", value, heard, line);
    return pclose(echo) + value;
}
C

sub attach {
    my ($binary, $command) = @_;
    my $dir = scratch() . '/attach';
    mkdir $dir;
    unlink "$dir/ready";
    my $handle = start($command, { cwd => $dir, timeout => 50 });
    my $up = wait_for(20, sub { -e "$dir/ready" });
    my $pid = $up ? slurp("$dir/ready") + 0 : 0;
    my @frames;
    if ($pid) {
        my $said = run(['gdb', '-q', '-nx', '-batch', '-iex', 'set auto-load no', '-iex', 'set debuginfod enabled off', '-p', $pid,
            '-ex', 'thread 1', '-ex', 'echo stack\n', '-ex', 'bt',
            '-ex', 'set var go_on = 2', '-ex', 'print go_on + 1', '-ex', 'detach', $binary], { timeout => 40 });
        # Frames of the program's own functions, with their arguments.
        my ($stack) = $said->{out} =~ /^stack\n(.*?)^\$1 = /ms;
        @frames = ($stack // '') =~ /^#\d+ +(?:0x\w+ in )?((?:inner|outer|main) \([^)]*\))/mg;
        push @frames, $said->{out} =~ /^(\$1 = 3)$/m ? 'set' : "not set: $said->{out}$said->{err}";
        push @frames, $said->{out} =~ /^\[Inferior 1 \(process $pid\) detached\]$/m ? 'detached' : 'not detached';
    }
    my $result = finish($handle);
    $result->{out} .= join '', map { "$_\n" } @frames;
    return $result;
}
for my $class (64, 32) {
    my $binary = scratch() . "/attached-$class";
    my $made = run(['gcc', "-m$class", '-g', '-O0', '-pthread', '-o', $binary, $attached], { timeout => 60 });
    is($made->{code}, 0, "$class bits: the program for gdb compiles") or diag($made->{err});
    my $native = attach($binary, [$binary]);
    my $outer = join '', map { "outer (depth=$_)\n" } 0 .. 3;
    is($native->{out}, "value 46, heard 1, a child\ninner (depth=40)\n${outer}main ()\nset\ndetached\n", "$class bits, gdb: natively");
    is($native->{code}, 46, "$class bits, gdb: natively, status");
    # It names gdb as its tracer (PR_SET_PTRACER), which is refused, and told.
    same_result($native, attach($binary, nurse_command($_->[1], ['-q', @{ $_->[2] }], [$binary])), "$class bits, gdb: $_->[0]") for \@constant, $lua, $lua_no_gate;
}

# --- a 32-bit shell, Debian's own --------------------------------------------------------------------------
# busybox runs its own tools, by fork alone or by executing /proc/self/exe.
SKIP: {
    my $fetched = run(['t/lib/i386-root.sh', build_dir() . '/i386'], { timeout => 300 });
    skip_or_fail("no i386 packages: $fetched->{err}") if $fetched->{code};
    my $busybox = build_dir() . '/i386/root/bin/busybox';
    like(slurp($busybox), qr/\A\x7fELF\x01/, 'busybox is a 32-bit program');
    same_as_native('300 commands, 32-bit busybox', [$busybox, 'sh', './script'],
        { @two, setup => sub { spew('script', $three_hundred, 0755) }, native_code => 5 });
    # Not without gate, see dash.
    same_as_native('32-bit busybox, pipes and subshells', [$busybox, 'sh', '-c', <<'SH', $busybox], { @two, native_code => 7 });
x=1; (x=2; (x=3; echo inner $x); echo middle $x); echo outer $x
seq 1000 | (while read -r n; do s=$((s + n)); done; echo "sum $s") | sed 's/sum/total/'
seq 50 | while read -r n; do echo $n; done | sort -rn | head -3 | tr '\n' ,; echo
for i in 1 2 3 4 5; do (exit $i) & done; wait; echo "waited $?"
"$0" awk 'BEGIN { while (("seq 3 | sort -r" | getline line) > 0) print "got", line; system("exit 3"); print "x" | "cat"; }'
echo '#!/bin/sh
echo "a 64-bit shell: $#"; exec "$1" sh -c "echo and back: \$0; exit 6" again' > script; chmod 755 script; ./script "$0"; echo "status $?"
/bin/sh -c 'seq 3 | "$0" tac | /bin/cat' "$0"
find . -type f | xargs -n 1 basename; ls /nowhere 2>&1 | cat
trap 'echo term; exit 7' TERM; kill -TERM $$; echo not reached
SH
}

done_testing();
