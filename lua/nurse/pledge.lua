-- pledge: promises about what a program does, and death to who breaks them, as OpenBSD's pledge(2) has it. nurse-pledge(3) is the manual.
--
--   require "nurse.pledge" "stdio rpath"
--   require "nurse.pledge" ("stdio rpath proc exec", { exec = "stdio", violation = "errno", libraries = "/opt/lib" })
--   require "nurse.pledge".interface()     -- processes may promise for themselves (core/abi/nurse.h)
--
-- A layer of its own. What the promises grant whatever the arguments is a constant and costs nothing; a call that is granted for some
-- arguments has a handler, and so has what is not granted: it kills. Tests: t/60-live-pledge.t.

-- --- the promises: calls that they grant for any arguments ----------------------------------------------------

-- What libc and the dynamic linker need before main and at the end, and what does nothing: under every promise, "" too.
local always = [[
  exit exit_group rt_sigreturn sigreturn restart_syscall futex futex_time64 set_robust_list set_tid_address rseq arch_prctl set_thread_area
  get_thread_area brk munmap read pread64 close fstat fstat64 oldfstat getrandom sched_yield rt_sigprocmask sigprocmask gettid getpid
]]

local promises = {
  stdio = [[
    readv preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek sendfile sendfile64 splice tee vmsplice copy_file_range readahead
    fadvise64 fadvise64_64 fsync fdatasync sync_file_range sync syncfs ftruncate ftruncate64 fallocate close_range dup dup2 dup3 fchdir umask
    pipe pipe2 eventfd eventfd2 poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl
    epoll_wait epoll_pwait epoll_pwait2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64
    madvise mremap msync mincore mlock mlock2 munlock mlockall munlockall mseal memfd_create membarrier pkey_alloc pkey_free cachestat
    map_shadow_stack futex_waitv futex_wake futex_wait futex_requeue get_robust_list getcpu sched_getaffinity sched_getparam sched_getscheduler
    sched_getattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64
    getppid getpgid getpgrp getsid getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
    getgroups getgroups32 capget getrlimit ugetrlimit getrusage uname olduname oldolduname sysinfo
    clock_gettime clock_gettime64 clock_getres clock_getres_time64 gettimeofday time times nanosleep clock_nanosleep clock_nanosleep_time64
    alarm getitimer setitimer timer_create timer_settime timer_settime64 timer_gettime timer_gettime64 timer_getoverrun timer_delete
    rt_sigaction rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack signal sigaction sigpending sigsuspend sgetmask
    ssetmask pause wait4 waitid waitpid socketpair shutdown recv recvfrom send getsockopt
  ]],
  rpath = [[
    chdir getcwd getdents getdents64 readdir statfs fstatfs statfs64 fstatfs64 ustat getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr
    flistxattr listxattrat file_getattr name_to_handle_at inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
  ]],
  wpath = "getcwd truncate truncate64",
  cpath = "mkdir mkdirat rmdir symlink symlinkat",
  dpath = "",
  tmppath = "",
  fattr = [[
    utime utimes futimesat utimensat utimensat_time64 setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
    file_setattr
  ]],
  chown = "chown chown32 lchown lchown32 fchown fchown32 fchownat",
  flock = "flock",
  inet = "listen accept accept4 getsockname getpeername",
  unix = "listen accept accept4 getsockname getpeername",
  dns = "getsockname",
  route = "getsockname",
  wroute = "getsockname",
  mcast = "",
  getpw = "",
  sendfd = "",
  recvfd = "",
  tty = "vhangup",
  proc = [[
    fork vfork setpgid setsid getpriority setpriority nice ioprio_get ioprio_set setrlimit pidfd_open pidfd_send_signal sched_setaffinity
    sched_setscheduler sched_setparam sched_setattr
  ]],
  exec = "execve execveat",
  prot_exec = "",
  settime = "settimeofday stime clock_settime clock_settime64 adjtimex clock_adjtime clock_adjtime64",
  ps = "getdents getdents64",
  vminfo = "getdents getdents64",
  id = [[
    setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid
    setfsgid32 setgroups setgroups32 capset getpriority setpriority setrlimit
  ]],
  audio = "", video = "", drm = "", tape = "",          -- requests of ioctl, below
  unveil = "",                                          -- unveil.interface()
  error = "",                                           -- ENOSYS instead of death
  bpf = "", disklabel = "", pf = "", vmm = "",          -- known, but nothing of Linux corresponds
}

-- Files that may be opened for reading, looked at and asked for (stat, access, readlink) without rpath; a directory stands for all below it.
local files = {
  stdio = [[
    /etc/localtime /usr/share/zoneinfo /usr/lib/locale /usr/share/locale /usr/share/locale-langpack /usr/share/i18n /etc/locale.alias
    /usr/lib/x86_64-linux-gnu/gconv /usr/lib/i386-linux-gnu/gconv /usr/lib64/gconv /usr/lib/gconv
    /dev/urandom /dev/random /proc/loadavg /proc/stat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/kernel/osrelease
    /proc/sys/kernel/ngroups_max /proc/sys/kernel/random /proc/sys/vm/overcommit_memory /sys/devices/system/cpu /sys/kernel/mm/transparent_hugepage
  ]],
  getpw = "/etc/passwd /etc/group /etc/nsswitch.conf /etc/netgroup",
  dns = "/etc/resolv.conf /etc/hosts /etc/services /etc/protocols /etc/networks /etc/host.conf /etc/gai.conf /etc/nsswitch.conf",
  ps = "/proc",
  vminfo = [[
    /proc/meminfo /proc/vmstat /proc/stat /proc/loadavg /proc/swaps /proc/zoneinfo /proc/uptime /proc/diskstats /proc/interrupts
    /sys/devices/system/node
  ]],
}
local writable = { ["/dev/null"] = "stdio", ["/dev/tty"] = "tty" }
local refused = { ["/etc/shadow"] = "getpw", ["/etc/gshadow"] = "getpw" }              -- EPERM, but no death
local own_files = { exe = true, maps = true, status = true, stat = true, cmdline = true, comm = true }    -- of /proc/self, for libc

-- What the dynamic linker reads.
local linker_files = { ["/etc/ld.so.cache"] = true, ["/etc/ld.so.preload"] = true, ["/etc/ld.so.nohwcap"] = true,
                       ["/etc/ld-musl-x86_64.path"] = true, ["/etc/ld-musl-i386.path"] = true }
local library_directories = "/lib /lib32 /lib64 /libx32 /usr/lib /usr/lib32 /usr/lib64 /usr/libx32 /usr/local/lib"

-- Sockets of services that libc talks to on the program's behalf.
local sockets = { ["/dev/log"] = "stdio", ["/var/run/nscd/socket"] = "getpw dns" }

local function set_of(numbers, promise, into)
  for _, number in ipairs(numbers) do into[number] = promise end
  return into
end

-- ioctl(2): the request and what it needs. isatty(3) is TCGETS here, so it comes with stdio.
local requests = set_of({ 0x541B, 0x5421, 0x5450, 0x5451, 0x5452 }, "stdio", {})        -- FIONREAD FIONBIO FIONCLEX FIOCLEX FIOASYNC
set_of({ 0x5401, 0x802C542A, 0x5413 }, "stdio", requests)                               -- TCGETS TCGETS2 TIOCGWINSZ
set_of({ 0x5402, 0x5403, 0x5404, 0x402C542B, 0x402C542C, 0x402C542D }, "tty", requests) -- TCSETS.. TCSETS2..
set_of({ 0x5405, 0x5406, 0x5407, 0x5408 }, "tty", requests)                             -- TCGETA TCSETA..
set_of({ 0x5409, 0x540A, 0x540B, 0x5425, 0x5427, 0x5428 }, "tty", requests)            -- TCSBRK TCXONC TCFLSH TCSBRKP TIOCSBRK TIOCCBRK
set_of({ 0x540E, 0x540F, 0x5429, 0x5414, 0x5422 }, "tty", requests)                     -- TIOCSCTTY TIOCGPGRP TIOCGSID TIOCSWINSZ TIOCNOTTY
set_of({ 0x5411, 0x5415, 0x5416, 0x5417, 0x5418 }, "tty", requests)                     -- TIOCOUTQ TIOCM*
set_of({ 0x80045430, 0x40045431, 0x5441 }, "tty", requests)                             -- TIOCGPTN TIOCSPTLCK TIOCGPTPEER
set_of({ 0x5410 }, "tty proc", requests)                                                -- TIOCSPGRP
set_of({ 0x8905, 0x8912, 0x8913, 0x8915, 0x8919, 0x891B, 0x8921, 0x8927, 0x8933 }, "inet", requests)    -- SIOCATMARK SIOCGIF...
set_of({ 0x40086602, 0x40046602, 0x401C5820 }, "fattr", requests)                       -- FS_IOC_SETFLAGS FS_IOC_FSSETXATTR
set_of({ 0x80086601, 0x80046601, 0x801C581F, 0x2 }, "rpath", requests)                  -- FS_IOC_GETFLAGS FS_IOC_FSGETXATTR FIGETBSZ
set_of({ 0x40049409, 0x4020940D }, "stdio", requests)                                   -- FICLONE FICLONERANGE: a kind of copy_file_range

-- Devices on which a promise grants all requests.
local devices = { { "audio", "/dev/snd/*" }, { "video", "/dev/video*" }, { "video", "/dev/media*" }, { "drm", "/dev/dri/*" },
                  { "tape", "/dev/st[0-9]*" }, { "tape", "/dev/nst[0-9]*" } }

-- fcntl(2): what the commands need that stdio doesn't grant.
local commands = set_of({ 5, 6, 7, 12, 13, 14, 36, 37, 38, 1024, 1025 }, "flock", {})   -- F_GETLK F_SETLK F_SETLKW, F_OFD_*, F_*LEASE
set_of({ 8, 10, 15 }, "proc", commands)                                                 -- F_SETOWN F_SETSIG F_SETOWN_EX
set_of({ 1026 }, "rpath", commands)                                                     -- F_NOTIFY

-- prctl(2): other options don't exist under pledge: EINVAL.
local options = set_of({ 2, 3, 4, 7, 15, 16, 21, 23, 25, 27, 29, 30, 37, 38, 39, 40, 41, 42, 0x53564d41, 0x41555856 }, "stdio", {})
set_of({ 1, 36 }, "proc", options)                                                      -- PR_SET_PDEATHSIG PR_SET_CHILD_SUBREAPER
set_of({ 8, 24, 28, 47 }, "id", options)                                                -- PR_SET_KEEPCAPS PR_CAPBSET_DROP PR_SET_SECUREBITS PR_CAP_AMBIENT

local FLOOR = "stdio"    -- what interface() leaves to all processes, unless it is told otherwise
local TEXT_MAX = 1024    -- bytes of promises

-- --- sets of promises -------------------------------------------------------------------------------------------

-- "stdio rpath" -> { stdio = true, rpath = true }; nil and the word that is no promise.
local function parse(text)
  local set = {}
  for word in text:gmatch "%S+" do
    if not promises[word] then return nil, word end
    set[word] = true
  end
  return set
end

local function both(one, other)
  local set = {}
  for promise in pairs(one) do set[promise] = other[promise] end
  return set
end

local function covers(set, part)
  for promise in pairs(part) do
    if not set[promise] then return false end
  end
  return true
end

-- The words of one of this module's own lists, taken apart once.
local taken_apart = {}
local function words(list)
  if not taken_apart[list] then
    local parts = {}
    for word in list:gmatch "%S+" do parts[#parts + 1] = word end
    taken_apart[list] = parts
  end
  return taken_apart[list]
end

-- The first of the promises in a list that is missing.
local function lacks(has, needed)
  for _, promise in ipairs(words(needed)) do
    if not has[promise] then return promise end
  end
end

local function has_one(has, any)
  for _, promise in ipairs(words(any)) do
    if has[promise] then return true end
  end
  return false
end

-- call -> the promises that grant it
local grants = {}
local names = {}
for promise in pairs(promises) do names[#names + 1] = promise end
table.sort(names)
for _, promise in ipairs(names) do
  for _, call in ipairs(words(promises[promise])) do grants[call] = grants[call] and grants[call] .. " " .. promise or promise end
end

-- --- paths ------------------------------------------------------------------------------------------------------

-- path -> promises, of files and the objects that they are links to
local readable = {}
for promise, list in pairs(files) do
  for path in list:gmatch "%S+" do
    readable[path] = (readable[path] or "") .. " " .. promise
    local canonical, error = realpath(path)
    if not error and canonical ~= path then readable[canonical] = (readable[canonical] or "") .. " " .. promise end
  end
end

local services = {}
for path, promise in pairs(sockets) do services[realpath(path) or path] = promise end

local libraries = {}
local function add_libraries(list)
  for path in list:gmatch "%S+" do
    libraries[path] = true
    libraries[realpath(path) or path] = true
  end
end
add_libraries(library_directories)

-- The nearest entry above a path, itself included.
local function nearest(tree, path)
  while not tree[path] do
    if path == "/" or path == "." then return nil end
    path = path:dirname()
  end
  return tree[path]
end

local function is_library(path)
  return path:basename():find(".so", 1, true) and nearest(libraries, path)
end

local function is_own(call, path)
  return path:under("/proc/" .. call.pid) and own_files[path:basename()]
end

-- Whether a path may be read, or only looked at, without rpath.
local function spared(call, has, path, looks)
  if linker_files[path] or is_library(path) or looks and nearest(libraries, path) then return true end
  local any = nearest(readable, path)
  if any and has_one(has, any) then return true end
  return has.stdio and (writable[path] == "stdio" or is_own(call, path)) or looks and path == "/proc/self"
end

local function is_temporary(has, path)
  return has.tmppath and path:under "/tmp" and path ~= "/tmp"
end

-- --- conditions: what a call needs with its arguments -------------------------------------------------------------
--
-- Each gets (call, has) and returns nil when the promises suffice; the missing promise; or false and the errno of a denial that doesn't kill.

local O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_PATH, O_TMPFILE = 1, 2, 64, 512, 0x200000, 0x400000

local function open_with(call, has, flags)
  local mode = flags & 3
  local reads = flags & O_PATH ~= 0 or mode ~= O_WRONLY
  local writes = flags & O_PATH == 0 and (mode == O_WRONLY or mode == O_RDWR or mode == 3 or flags & O_TRUNC ~= 0)
  local creates = flags & O_PATH == 0 and flags & (O_CREAT | O_TMPFILE) ~= 0
  local missing = reads and not has.rpath and "rpath" or writes and not has.wpath and "wpath" or creates and not has.cpath and "cpath" or nil
  if not missing then return nil end
  local path = call.path
  if is_temporary(has, path) then return nil end
  if not creates and writable[path] and has[writable[path]] then return nil end
  if not creates and not writes and spared(call, has, path) then return nil end
  if refused[path] and has[refused[path]] then return false, "EPERM" end
  return missing
end

local function open_third(call, has) return open_with(call, has, call.args[3]) end
local function open_second(call, has) return open_with(call, has, call.args[2]) end
local function open_how(call, has)
  local flags = call.flags
  return open_with(call, has, flags and flags.number or 0)
end

local function look(call, has)
  if has.rpath or call.rawpath == "" or is_temporary(has, call.path) or spared(call, has, call.path, true) then return nil end
  return "rpath"
end

local function remove(call, has)
  if has.cpath or is_temporary(has, call.path) then return nil end
  return "cpath"
end

local function read_and_create(_, has)
  return lacks(has, "rpath cpath")
end

local S_IFMT, S_IFREG, MODE_BITS = 0xf000, 0x8000, 511
local function make_node(call, has)
  local mode = call.mode.number
  local kind = mode & S_IFMT
  if mode & ~(S_IFMT | MODE_BITS) ~= 0 then call.mode = mode & (S_IFMT | MODE_BITS) end
  return lacks(has, (kind == 0 or kind == S_IFREG) and "cpath" or "dpath")
end

-- Bits of setuid, setgid and sticky are ignored.
local function change_mode(call, has)
  if not has.fattr then return "fattr" end
  local mode = call.mode.number
  if mode & ~MODE_BITS ~= 0 then call.mode = mode & MODE_BITS end
end

-- With fattr alone neither user nor group may change.
local function change_owner(call, has)
  if has.chown then return nil end
  if not has.fattr then return "chown" end
  if call.owner & 0xffffffff ~= 0xffffffff or call.group & 0xffffffff ~= 0xffffffff then return false, "EPERM" end
end

local PROT_WRITE, PROT_EXEC, MAP_ANONYMOUS = 2, 4, 32
local function map(call, has)
  if has.prot_exec then return nil end
  local prot = call.args[3]
  if prot & PROT_EXEC == 0 then return nil end
  if prot & PROT_WRITE == 0 and call.args[4] & MAP_ANONYMOUS == 0 then
    local path = call.fd.path
    if path and is_library(path) then return nil end
  end
  return "prot_exec"
end

local function protect(call, has)
  if call.args[3] & PROT_EXEC ~= 0 and not has.prot_exec then return "prot_exec" end
end

local function request(call, has)
  if not has.stdio then return "stdio" end
  local needed = requests[call.args[2] & 0xffffffff]
  if needed and not lacks(has, needed) then return nil end
  local path = (has.audio or has.video or has.drm or has.tape) and call.fd.path
  for _, device in ipairs(path and devices or {}) do
    if has[device[1]] and path:glob(device[2]) then return nil end
  end
  return needed and lacks(has, needed) or "tty"
end

local function command(call, has)
  local needed = commands[call.args[2] & 0xffffffff] or "stdio"
  return lacks(has, needed)
end

local function limit(call, has)
  if call.args[3] == 0 or has.proc or has.id then return nil end    -- it only asks
  return "proc"
end

local CLONE_THREAD = 0x10000
local function clone(call, has)
  return lacks(has, call.args[1] & CLONE_THREAD ~= 0 and "stdio" or "proc")
end

-- Signals to oneself are free: abort(3) and raise(3).
local function signal_process(call, has)
  local target = call.args[1] & 0xffffffff
  if has.proc or target == call.pid or target == 0 then return nil end
  return "proc"
end

local function signal_thread(call, has)
  if has.proc or call.args[1] & 0xffffffff == call.tid then return nil end
  return "proc"
end

local AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, SOCK_DGRAM, SOCK_TYPE, NETLINK_ROUTE = 1, 2, 10, 16, 2, 15, 0
local function socket(call, has)
  local family, kind = call.args[1] & 0xffffffff, call.args[2]
  if family == AF_UNIX then
    if has.unix or has.getpw or has.dns or kind & SOCK_TYPE == SOCK_DGRAM and has.stdio then return nil end
    return "unix"
  elseif family == AF_INET or family == AF_INET6 then
    if has.inet or has.dns then return nil end
    return "inet"
  elseif family == AF_NETLINK and call.args[3] & 0xffffffff == NETLINK_ROUTE then
    if has_one(has, "route wroute inet dns") then return nil end
    return "route"
  end
  if has_one(has, "inet unix dns route") then return false, "EAFNOSUPPORT" end
  return "inet"
end

local DNS_PORT = 53
local function to_address(call, has, connects)
  local addr = call.addr
  local family = addr and addr.family
  if family == "AF_UNIX" then
    if has.unix then return nil end
    local service = connects and services[addr.path]
    return not (service and has_one(has, service)) and "unix" or nil
  elseif family == "AF_INET" or family == "AF_INET6" then
    if has.inet or has.dns and connects and addr.port == DNS_PORT then return nil end
    if has.dns and connects then return false, "EACCES" end    -- libc sorts addresses by connecting to them
    return "inet"
  elseif family == "AF_NETLINK" then
    if has_one(has, "route wroute inet dns") then return nil end
    return "route"
  end
  if has_one(has, "inet unix dns") then return nil end    -- AF_UNSPEC, or what the kernel will refuse
  return "inet"
end

local function bind(call, has) return to_address(call, has, false) end
local function connect(call, has) return to_address(call, has, true) end

local function send_to(call, has)
  if call.args[5] == 0 then return lacks(has, "stdio") end
  return to_address(call, has, true)
end

-- struct msghdr: name, name's length, vector, its count, control, its length. struct mmsghdr is one with a number behind it.
local headers = {
  x86_64 = { format = "<I8I8", size = 64, control_at = 33, control = "<I8i4i4", control_size = 16 },
  i386 = { format = "<I4I4", size = 32, control_at = 17, control = "<I4i4i4", control_size = 12 },
}
local UIO_MAXIOV, SOL_SOCKET, SCM_RIGHTS = 1024, 1, 1

-- Whether a message passes descriptors: its control data are the copy that is sent. What can't be read is the kernel's to refuse.
local function passes_descriptors(call)
  local header, control, at = headers[call.arch], call.control, 0
  while control and at + header.control_size <= #control do
    local size, level, kind = header.control:unpack(control, at + 1)
    if level == SOL_SOCKET and kind == SCM_RIGHTS then return true end
    if size < header.control_size or size > #control then return false end
    local word = header.control_size == 16 and 8 or 4
    at = at + (size + word - 1) // word * word
  end
  return false
end

-- Of sendmmsg the first message alone is sent.
local function send_message(call, has)
  if not has.stdio then return "stdio" end
  local addr = call.addr
  if addr then
    local missing, errno = to_address(call, has, true)
    if missing ~= nil then return missing, errno end
  end
  if not has.sendfd and passes_descriptors(call) then return "sendfd" end
end

-- Messages with room for control data may bring descriptors. The kernel writes into the headers, so they stay the program's.
local function receive_messages(call, has, count)
  local header = headers[call.arch]
  if not has.stdio then return "stdio" end
  if has.recvfd then return nil end
  for i = 0, math.min(count, UIO_MAXIOV) - 1 do
    local bytes = call.memory:read(call.args[2] + i * header.size, header.size - 8)
    if not bytes or #bytes < header.size - 8 then return nil end    -- EFAULT, from the kernel
    local _, length = header.format:unpack(bytes, header.control_at)
    if length > 0 then return "recvfd" end
  end
end

local function receive_message(call, has) return receive_messages(call, has, 1) end
local function receive_many(call, has) return receive_messages(call, has, call.args[3] & 0xffffffff) end

-- SO_REUSEADDR SO_SNDBUF SO_RCVBUF SO_KEEPALIVE SO_LINGER SO_PASSCRED SO_RCVLOWAT SO_RCVTIMEO SO_SNDTIMEO, and the last two of 64 bits
local plain_options = set_of({ 2, 7, 8, 9, 13, 16, 18, 20, 21, 66, 67 }, true, {})
local IPPROTO_IP, IPPROTO_IPV6 = 0, 41
local function is_multicast(level, option)
  if level == IPPROTO_IP then return option >= 32 and option <= 49 end
  return level == IPPROTO_IPV6 and (option >= 17 and option <= 21 or option >= 27 and option <= 29 or option >= 42 and option <= 48)
end

local function set_option(call, has)
  if not has_one(has, "inet unix dns route wroute") then
    return not (has.stdio and call.args[2] == SOL_SOCKET and plain_options[call.args[3]]) and "inet" or nil
  end
  if has.inet and not has.mcast and is_multicast(call.args[2], call.args[3]) then return "mcast" end
end

local NURSE_PR_UNVEIL = 0x6e757202    -- core/abi/nurse.h
local function set_process(call, has)
  local option = call.args[1] & 0xffffffff
  if option == NURSE_PR_UNVEIL then return lacks(has, "unveil") end
  local needed = options[option]
  if not needed then return false, "EINVAL" end
  return lacks(has, needed)
end

-- calls, what they need, and the promises that together make it unconditional
local conditions = {
  { "openat", open_third, "rpath wpath cpath" },
  { "open", open_second, "rpath wpath cpath" },
  { "openat2 creat", open_how, "rpath wpath cpath" },
  { [[stat lstat newfstatat statx stat64 lstat64 fstatat64 oldstat oldlstat access faccessat faccessat2 readlink readlinkat]], look, "rpath" },
  { "unlink unlinkat", remove, "cpath" },
  { "rename renameat renameat2 link linkat", read_and_create, "rpath cpath" },
  { "mknod mknodat", make_node },
  { "chmod fchmod fchmodat fchmodat2", change_mode },
  { "chown chown32 lchown lchown32 fchown fchown32 fchownat", change_owner, "chown" },
  { "mmap mmap2", map, "prot_exec" },
  { "mprotect pkey_mprotect", protect, "prot_exec" },
  { "ioctl", request },
  { "fcntl fcntl64", command, "stdio flock proc rpath" },
  { "prlimit64", limit, "proc" },
  { "clone", clone, "stdio proc" },
  { "kill tgkill rt_sigqueueinfo rt_tgsigqueueinfo", signal_process, "proc" },
  { "tkill", signal_thread, "proc" },
  { "socket", socket },
  { "bind", bind, "inet unix" },
  { "connect", connect, "inet unix" },
  { "sendto", send_to, "stdio inet unix" },
  { "sendmsg", send_message, "stdio inet sendfd" },
  { "sendmmsg", send_message, "stdio inet sendfd" },
  { "recvmsg", receive_message, "stdio recvfd" },
  { "recvmmsg recvmmsg_time64", receive_many, "stdio recvfd" },
  { "setsockopt", set_option, "stdio inet mcast" },
  { "prctl", set_process },
}

-- --- who has promised what ------------------------------------------------------------------------------------------

local high                -- promises of the first program; nil: none were made, everything is granted
local after_exec          -- and of programs that it executes, if they differ
local low                 -- what no process is ever without
local reducible = false   -- interface() was called
local processes = {}      -- pid -> { now = set or nil, exec = set or nil }; sets and entries are never changed once they are here

local function promised(call)
  local process = processes[call.pid]
  if process then return process.now end
  return low
end

-- --- violations -------------------------------------------------------------------------------------------------------

-- `needed`: the promises of which one is missing, "" when there is none for it. The report of denials shows the call with these words.
local function violated(call, has, needed)
  local why = needed == "" and "is in no promise" or "needs " .. needed:gsub(" ", " or ")
  if has.error then return call:deny("ENOSYS", "pledge: " .. why) end
  return call:kill_process("SIGABRT", "pledge: " .. why)
end

-- The condition of calls whose arguments don't matter.
local function plain(call, has)
  local any = grants[call.name]
  if any and has_one(has, any) then return nil end
  return any or ""
end

-- --- rules ------------------------------------------------------------------------------------------------------------

-- A handler of a condition; `of` gives the promises of the calling process, nil: it has made none.
local function handler(condition, of)
  return function(call)
    local has = of(call)
    if not has then return call:allow() end
    local missing, errno = condition(call, has)
    if missing then return violated(call, has, missing) end
    if missing == false then return call:deny(errno, "pledge") end
    return call:allow()
  end
end

local function place_rules(of)
  allow(always)
  deny("clone3", "ENOSYS", false)    -- whatever the policy says: its flags lie in memory; libc then uses clone
  for _, condition in ipairs(conditions) do
    if condition[3] and not lacks(low, condition[3]) then
      allow(condition[1])
    else
      on(condition[1], handler(condition[2], of))
    end
  end
  for promise in pairs(low) do
    if promises[promise]:find "%S" then allow(promises[promise]) end
  end
  on("@all", handler(plain, of))
  default "deny EPERM"        -- calls of @unsafe, which nobody gets
end

local function place_events()
  event("start", function(process) processes[process.pid] = { now = high, exec = after_exec } end)
  event("fork", function(process) processes[process.pid] = processes[process.maker] end)
  event("exec", function(process)
    local old = processes[process.pid]
    if old and old.exec then processes[process.pid] = { now = old.exec } end
  end)
  event("exit", function(process) processes[process.pid] = nil end)
end

-- --- what processes promise -----------------------------------------------------------------------------------------------

local NURSE_PR_PLEDGE = 0x6e757201    -- core/abi/nurse.h

-- What becomes of a set (nil: everything) when a process asks for the promises in `text`: the new set, or nil and an errno's name.
local function reduced(set, text)
  if #text >= TEXT_MAX then return nil, "ENAMETOOLONG" end
  local wanted = parse(text)
  if not wanted then return nil, "EINVAL" end
  if set and not covers(set, wanted) then
    if not set.error then return nil, "EPERM" end
    wanted = both(wanted, set)
  end
  if not covers(wanted, low) then return nil, "EOPNOTSUPP" end
  return wanted
end

-- The string at an address: nil for NULL, false when there is none to be read.
local function text_at(call, address)
  if address == 0 then return nil end
  return call.memory:string(address) or false
end

local function answer(call)
  local promise, exec = text_at(call, call.args[2]), text_at(call, call.args[3])
  if promise == false or exec == false then return call:deny "EFAULT" end
  local old = processes[call.pid] or { now = low }
  local new = { now = old.now, exec = old.exec }
  local errno
  if promise then new.now, errno = reduced(old.now, promise) end
  if exec and not errno then new.exec, errno = reduced(old.exec or old.now, exec) end
  if errno then return call:deny(errno) end
  processes[call.pid] = new
  return call:emulate(0)
end

-- --- what policies say ------------------------------------------------------------------------------------------------------

local M = {}
local placed = false

local function check(text, what)
  local set, word = parse(text)
  if not set then error(("pledge: '%s' of %s is no promise"):format(word, what), 4) end
  return set
end

local violations = { kill = false, errno = true }

local function place(text, settings)
  if placed then error("pledge: the promises of this policy are made already", 3) end
  placed = true
  local soft = violations[settings.violation or "kill"]
  if soft == nil then error("pledge: violation is 'kill' or 'errno'", 3) end
  add_libraries(settings.libraries or "")
  high = text and check(text, "the promises")
  after_exec = settings.exec and check(settings.exec, "exec")
  local floor = check(settings.floor or FLOOR, "floor")
  for _, set in ipairs { high or {}, after_exec or {} } do set.error = set.error or soft or nil end
  low = both(high or after_exec or floor, after_exec or high or floor)
  low.error = nil
  if reducible then
    low = both(low, floor)
    on("prctl", function(call)
      if call.args[1] & 0xffffffff == NURSE_PR_PLEDGE then return answer(call) end
    end)
  end
  local varies = reducible or after_exec
  place_rules(varies and promised or function() return high end)
  if varies then place_events() end
end

-- pledge(promises [, settings]): what the program, and what it starts, may do. settings: exec: promises of executed programs; violation: "kill" (the
-- default) or "errno"; libraries: directories of libraries besides the system's. A mistake is an error. pledge(2).
local function pledge(_, text, settings)
  place(text, settings or {})
end

-- pledge.interface([settings]): processes may promise for themselves, with nurse_pledge(3). settings: as above; promises: what the first program starts
-- with, else everything; floor: promises that no process can give up, "stdio" if not given. All that is above the floor is asked of the helper.
function M.interface(settings)
  reducible = true
  place(settings and settings.promises, settings or {})
end

-- pledge.reduce(pid, promises): what a policy's handler takes from a process at run time, after interface(); what it hasn't got it doesn't get.
function M.reduce(pid, text)
  if not reducible then error("pledge: reduce() is for policies that call interface()", 2) end
  local old, set = processes[pid], check(text, "the promises")
  if not old then return end
  local function less(from) return from and both(set, from) or set end
  local now = less(old.now)
  for promise in pairs(low) do now[promise] = true end
  processes[pid] = { now = now, exec = old.exec and less(old.exec) }
end

return setmetatable(M, { __call = pledge })
