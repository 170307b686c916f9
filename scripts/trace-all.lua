-- trace-all: allows everything and logs every call: a start for a policy of your own. (`nurse trace` is the real thing: more exact, and cheaper.)
--
--   nurse run -p trace-all -- cat /etc/hostname
--   nurse run -p trace-all -D memory=no -D time=no -- make        leaves out what allocators and clocks do
--
-- A call is logged when it has been made, with its result, wherever the policy gets to know that. It doesn't for what may wait (read, poll, wait4...),
-- which after() would shield from signals, nor for what a thread only can do itself (getuid, futex...): these lines come before, without one.

default "allow"

local waits = [[ @read @write sendfile sendfile64 splice tee vmsplice copy_file_range fsync fdatasync sync_file_range fcntl fcntl64 ioctl poll ppoll
  ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_wait epoll_pwait epoll_pwait2 sync syncfs flock wait4 waitid waitpid connect accept
  accept4 send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64 semop semtimedop semtimedop_time64 msgsnd msgrcv mq_timedsend
  mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 exit exit_group @ids prctl personality sigaltstack pause rt_sigsuspend rt_sigprocmask
  rt_sigtimedwait rt_sigtimedwait_time64 kill tkill tgkill @admin @unsafe ]]

local known = [[ @open @stat @dir @exec fork vfork clone lseek _llseek close close_range dup dup2 dup3 pipe pipe2 eventfd eventfd2 epoll_create
  epoll_create1 epoll_ctl link linkat symlink symlinkat unlink unlinkat rename renameat renameat2 mknod mknodat truncate ftruncate truncate64 ftruncate64
  fallocate chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat chown32 fchown32 lchown32 utime utimes futimesat utimensat utimensat_time64
  setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr umask inotify_init1 inotify_add_watch inotify_rm_watch getpid getppid getpgid
  getpgrp setpgid getsid setsid getrlimit ugetrlimit setrlimit prlimit64 pidfd_open rt_sigaction signalfd4 uname sysinfo getrandom socket socketpair bind
  listen getsockname getpeername shutdown setsockopt getsockopt semget semctl msgget msgctl shmget shmat shmdt shmctl mq_open mq_unlink ]]

if param("memory", true) then known = known .. "mmap mmap2 munmap mprotect mremap brk madvise mlock munlock memfd_create" end
if param("time", true) then
  waits = waits .. "clock_gettime clock_gettime64 nanosleep clock_nanosleep clock_nanosleep_time64 timer_create futex futex_time64 sched_yield"
  known = known .. " gettimeofday time times alarm setitimer timer_settime timerfd_create timerfd_settime"
end

on(waits, function(call) log("%s", tostring(call)) end)
after(known, function(call, result, errno) log("%s = %s", tostring(call), errno or tostring(result)) end)
event("exec", function(process) log("%d runs %s", process.pid, process.exe) end)
event("exit", function(process) log("%d ended: %s", process.pid, tostring(process.status)) end)
