-- capsicum: capability mode, as FreeBSD's capsicum(4), cap_enter(2) and rights(4) have it.
--
--   local capsicum = require "nurse.capsicum"
--   capsicum.enter{ at = "accept", dirs = { "/srv" } }     -- from then on only what is held, or lies below it
--   capsicum.limit(0, "READ FSTAT")                         -- what may be done with a descriptor
--
-- A layer of its own. ECAPMODE (a global namespace was named) is EPERM here, ENOTCAPABLE (a descriptor doesn't reach that far, or lacks
-- a right) is EACCES. A process that has entered stays inside, so do its children and what it executes. See nurse-capsicum(3).

local ECAPMODE, ENOTCAPABLE = "EPERM", "EACCES"
local AT_FDCWD = -100

-- --- data: what there is in global namespaces ------------------------------------------------------------------

-- Refused inside, whatever the arguments: addresses, keys, ids, names and clocks of the whole system.
local GLOBAL = {
  "connect bind",
  "semget semop semtimedop semtimedop_time64 semctl msgget msgsnd msgrcv msgctl shmget shmat shmctl mq_open mq_unlink",
  "pidfd_open kcmp migrate_pages move_pages add_key request_key keyctl",
  "ustat statmount listmount lookup_dcookie @admin",
}

-- Calls that name a process: which argument. Inside, only the caller is one; 0 is the caller too, but not for those that send signals.
local BY_PID = {
  kill = 1, tkill = 1, tgkill = 1, rt_sigqueueinfo = 1, rt_tgsigqueueinfo = 1, getpgid = 1, getsid = 1, setpgid = 1, prlimit64 = 1,
  get_robust_list = 1, sched_getaffinity = 1, sched_setaffinity = 1, sched_getscheduler = 1, sched_setscheduler = 1, sched_getparam = 1,
  sched_setparam = 1, sched_getattr = 1, sched_setattr = 1, sched_rr_get_interval = 1, sched_rr_get_interval_time64 = 1,
  getpriority = 2, setpriority = 2, ioprio_get = 2, ioprio_set = 2,
}
local SIGNALS = { kill = true, tkill = true, tgkill = true, rt_sigqueueinfo = true, rt_tgsigqueueinfo = true }
local WHICH_PROCESS = { getpriority = 0, setpriority = 0, ioprio_get = 1, ioprio_set = 1 }    -- PRIO_PROCESS, IOPRIO_WHO_PROCESS

local FAMILIES = { [1] = true, [2] = true, [10] = true }    -- AF_UNIX, AF_INET, AF_INET6: they reach nothing without an address
local TYPES = { [1] = true, [2] = true, [5] = true }         -- SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
local PROTOCOLS = { [0] = true, [6] = true, [17] = true }     -- the family's own, TCP, UDP: others know more ways to connect

-- Calls on a path without a directory's descriptor.
local LEGACY_READS = "open stat lstat stat64 lstat64 oldstat oldlstat access readlink statfs statfs64 getxattr lgetxattr listxattr llistxattr"
local LEGACY_REST = {
  "creat chdir mkdir rmdir unlink rename link symlink mknod chmod chown lchown chown32 lchown32 truncate truncate64 utime utimes",
  "setxattr lsetxattr removexattr lremovexattr inotify_add_watch execve",
}

-- What the dynamic linker reads: open to all programs, read-only, unless `libraries` says otherwise.
local LIBRARIES = {
  "/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/local/lib",
  "/etc/ld.so.cache", "/etc/ld.so.preload",
}

-- --- data: rights(4) -------------------------------------------------------------------------------------------

-- Calls on descriptors: { argument, rights }...
local READ, WRITE = { { 1, "READ" } }, { { 1, "WRITE" } }
local PREAD, PWRITE = { { 1, "READ SEEK" } }, { { 1, "WRITE SEEK" } }
local function first(rights) return { { 1, rights } } end
local FD_CALLS = {
  read = READ, readv = READ, recvfrom = READ, recvmsg = READ, recvmmsg = READ, recvmmsg_time64 = READ, getdents = READ, getdents64 = READ,
  readdir = READ, pread64 = PREAD, preadv = PREAD, preadv2 = PREAD, readahead = READ,
  write = WRITE, writev = WRITE, sendto = WRITE, sendmsg = WRITE, sendmmsg = WRITE, vmsplice = WRITE, fallocate = WRITE,
  pwrite64 = PWRITE, pwritev = PWRITE, pwritev2 = PWRITE,
  sendfile = { { 1, "WRITE" }, { 2, "READ" } }, sendfile64 = { { 1, "WRITE" }, { 2, "READ" } }, tee = { { 1, "READ" }, { 2, "WRITE" } },
  splice = { { 1, "READ" }, { 3, "WRITE" } }, copy_file_range = { { 1, "READ" }, { 3, "WRITE" } },
  lseek = first "SEEK", _llseek = first "SEEK", fstat = first "FSTAT", fstat64 = first "FSTAT", oldfstat = first "FSTAT",
  fstatfs = first "FSTATFS", fstatfs64 = first "FSTATFS", ftruncate = first "FTRUNCATE", ftruncate64 = first "FTRUNCATE",
  fsync = first "FSYNC", fdatasync = first "FSYNC", sync_file_range = first "FSYNC", syncfs = first "FSYNC", flock = first "FLOCK",
  fchmod = first "FCHMOD", fchown = first "FCHOWN", fchown32 = first "FCHOWN", fchdir = first "FCHDIR", ioctl = first "IOCTL",
  fgetxattr = first "EXTATTR_GET", flistxattr = first "EXTATTR_LIST", fsetxattr = first "EXTATTR_SET", fremovexattr = first "EXTATTR_DELETE",
  mmap = { { 5, "MMAP READ" } }, mmap2 = { { 5, "MMAP READ" } }, epoll_ctl = { { 3, "EVENT" } },
  accept = first "ACCEPT", accept4 = first "ACCEPT", listen = first "LISTEN", bind = first "BIND", connect = first "CONNECT",
  getsockname = first "GETSOCKNAME", getpeername = first "GETPEERNAME", getsockopt = first "GETSOCKOPT", setsockopt = first "SETSOCKOPT",
  shutdown = first "SHUTDOWN", fcntl = first "FCNTL", fcntl64 = first "FCNTL",
}

-- Calls on names below a directory; of open, see open_rights(). Others need LOOKUP and FSTAT.
local PATH_RIGHTS = {
  mkdir = "MKDIRAT", mkdirat = "MKDIRAT", rmdir = "UNLINKAT", unlink = "UNLINKAT", unlinkat = "UNLINKAT", mknod = "MKNODAT", mknodat = "MKNODAT",
  symlink = "SYMLINKAT", symlinkat = "SYMLINKAT", rename = "RENAMEAT", renameat = "RENAMEAT", renameat2 = "RENAMEAT", link = "LINKAT", linkat = "LINKAT",
  chmod = "FCHMOD", fchmodat = "FCHMOD", fchmodat2 = "FCHMOD", chown = "FCHOWN", lchown = "FCHOWN", chown32 = "FCHOWN", lchown32 = "FCHOWN",
  fchownat = "FCHOWN", utime = "FUTIMES", utimes = "FUTIMES", futimesat = "FUTIMES", utimensat = "FUTIMES", utimensat_time64 = "FUTIMES",
  truncate = "FTRUNCATE", truncate64 = "FTRUNCATE", chdir = "FCHDIR", execve = "FEXECVE", execveat = "FEXECVE",
  setxattr = "EXTATTR_SET", lsetxattr = "EXTATTR_SET", setxattrat = "EXTATTR_SET", removexattr = "EXTATTR_DELETE", lremovexattr = "EXTATTR_DELETE",
  removexattrat = "EXTATTR_DELETE", getxattr = "EXTATTR_GET", lgetxattr = "EXTATTR_GET", getxattrat = "EXTATTR_GET", listxattr = "EXTATTR_LIST",
  llistxattr = "EXTATTR_LIST", listxattrat = "EXTATTR_LIST", statfs = "FSTATFS", statfs64 = "FSTATFS", readlink = "", readlinkat = "",
}

-- What may be done to a library's directory: nothing that isn't reading.
local CHANGES = {
  MKDIRAT = true, UNLINKAT = true, MKNODAT = true, SYMLINKAT = true, RENAMEAT = true, LINKAT = true, FCHMOD = true, FCHOWN = true, FUTIMES = true,
  FTRUNCATE = true, FCHDIR = true, FEXECVE = true, EXTATTR_SET = true, EXTATTR_DELETE = true, WRITE = true, CREATE = true,
}

local RIGHTS = { LOOKUP = true, CREATE = true }    -- every right there is
for _, pairs_of in pairs(FD_CALLS) do
  for _, pair in ipairs(pairs_of) do
    for right in pair[2]:gmatch "%S+" do RIGHTS[right] = true end
  end
end
for _, right in pairs(PATH_RIGHTS) do
  if right ~= "" then RIGHTS[right] = true end
end

-- --- who is inside ---------------------------------------------------------------------------------------------

local entering                        -- nil until enter() was called
local always = false                  -- inside from the start
local deadline                        -- nanoseconds of clock(), with at = seconds
local inside, any_inside = {}, false  -- by pid

local function is_inside(pid)
  if always or inside[pid] then return true end
  if deadline and clock() >= deadline then
    always, any_inside = true, true
    return true
  end
  return false
end

-- Limits hold from the moment that the mode does; without enter(), from the start.
local function is_limited(pid)
  return not entering or is_inside(pid)
end

local function enter_now(pid)
  inside[pid], any_inside = true, true
end

local function refuse(call, why)
  return call:deny(ECAPMODE, "capsicum: ECAPMODE, " .. why)
end

local function incapable(call, why)
  return call:deny(ENOTCAPABLE, "capsicum: ENOTCAPABLE, " .. why)
end

-- --- rights of descriptors -------------------------------------------------------------------------------------

local path_limits = {}          -- { path, rights }
local number_limits = {}        -- number -> rights, as the policy gave them
local has_numbers = false
local aliases = {}              -- object that a limited number stood for -> rights
local numbers = {}              -- pid -> { known = { number -> { object, rights (false: all) } }, check = true: somebody may have closed free ones }
local SHARED_MAX = 63           -- numbers up to here may stand for the same object as a limited one, and stay free

local function both(a, b)
  local all = {}
  for right in pairs(a) do all[right] = b[right] end
  return all
end

-- What is opened below a limited directory has no more rights than it.
local PATHS_MAX = 256
local function limit_path(path, rights)
  for _, limit in ipairs(path_limits) do
    if limit.path == path and limit.rights == rights then return end
  end
  if #path_limits >= PATHS_MAX then error("capsicum: too many limited directories", 0) end
  path_limits[#path_limits + 1] = { path = path, rights = rights }
end

-- When a process gets its limits: what do the numbers stand for?
local function settle(call)
  local known = {}
  for number, rights in pairs(number_limits) do
    local fd = call:descriptor(number)
    local object = fd.object
    if object and fd.kind == "dir" then limit_path(fd.path, rights) end
    if object then
      known[number] = { object = object, rights = rights }
      aliases[object] = aliases[object] and both(aliases[object], rights) or rights
    end
  end
  for number = 0, SHARED_MAX do
    local object = not known[number] and call:descriptor(number).object
    if object and aliases[object] then known[number] = { object = object, rights = false } end
  end
  numbers[call.pid] = { known = known }
  return numbers[call.pid]
end

local function numbers_of(call)
  local own = numbers[call.pid] or settle(call)
  if own.check then
    own.check = nil
    for number, entry in pairs(own.known) do
      if call:descriptor(number).object ~= entry.object then own.known[number] = nil end
    end
  end
  return own
end

-- The rights of a number; false or nil: all. One that isn't known, but stands for a limited object, is a duplicate.
local function number_rights(call, number)
  local entry = numbers_of(call).known[number]
  if entry then return entry.rights end
  return next(aliases) and aliases[call:descriptor(number).object or ""]
end

-- The first of these rights that a descriptor, or what lies at a path, lacks.
local function lacks(call, number, what, wanted)
  local rights = has_numbers and number and number_rights(call, number)
  for right in wanted:gmatch "%S+" do
    if rights and not rights[right] then return right end
    for _, limit in ipairs(path_limits) do
      if not limit.rights[right] and what:under(limit.path) then return right end
    end
  end
end

local F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD = 0, 1030, 1, 2
local UNLIMITED = { [F_DUPFD] = true, [F_DUPFD_CLOEXEC] = true, [F_GETFD] = true, [F_SETFD] = true }
local MAP_ANONYMOUS, MAP_SHARED = 0x20, 1    -- mmap(2): the low bits; MAP_SHARED_VALIDATE has this one too
local MAPS = { mmap = true, mmap2 = true }

local function concerns(call)
  if call.name == "fcntl" or call.name == "fcntl64" then return not UNLIMITED[call.args[2] & 0xffffffff] end
  if MAPS[call.name] then return call.args[4] & MAP_ANONYMOUS == 0 end
  return true
end

local function judge_fd(call)
  if not is_limited(call.pid) then return nil end
  if call.name == "mmap" and call.arch == "i386" then return call:deny("ENOSYS", "capsicum: its arguments lie in memory, mmap2 is judged") end
  if not concerns(call) then return nil end
  for _, pair in ipairs(FD_CALLS[call.name]) do
    local number = call.args[pair[1]] & 0xffffffff
    local what = number < 0x80000000 and call:descriptor(number).path
    local wanted = pair[2]
    if MAPS[call.name] and call.args[4] & MAP_SHARED ~= 0 then wanted = wanted .. " WRITE" end    -- mprotect could make it writable later
    local right = what and lacks(call, number, what, wanted)
    if right then return incapable(call, ("descriptor %d (%s) has no right CAP_%s"):format(number, what, right)) end
  end
end

-- A number that is closed is known no more; what becomes a duplicate is one, unless both had all rights anyway.
local function judge_number(call)
  if not is_limited(call.pid) then return nil end
  local own = numbers_of(call)
  local known, name = own.known, call.name
  if name == "close" then
    known[call.args[1] & 0xffffffff] = nil
  elseif name == "dup2" or name == "dup3" then
    local from, to = call.args[1] & 0xffffffff, call.args[2] & 0xffffffff
    local free = known[from] and known[to] and not known[from].rights and not known[to].rights and known[from].object == known[to].object
    if from ~= to and not free then known[to] = nil end
  elseif name == "close_range" and call.args[3] == 0 then
    local low, high = call.args[1] & 0xffffffff, call.args[2] & 0xffffffff
    for number in pairs(known) do
      if number >= low and number <= high then known[number] = nil end
    end
  end
end

-- --- paths -----------------------------------------------------------------------------------------------------

local held = {}          -- dirs: { path }
local libraries = {}

local function covered(list, path)
  for _, dir in ipairs(list) do
    if path:under(dir) then return true end
  end
  return false
end

-- Whether the names lead above where they begin.
local function climbs(raw)
  if not raw:find("..", 1, true) then return false end
  local depth = 0
  for name in raw:gmatch "[^/]+" do
    depth = name == ".." and depth - 1 or name == "." and depth or depth + 1
    if depth < 0 then return true end
  end
  return false
end

local function open_rights(flags)
  local wanted = flags:has "O_PATH" and "LOOKUP" or flags:has "O_WRONLY" and "LOOKUP WRITE" or flags:has "O_RDWR" and "LOOKUP READ WRITE" or "LOOKUP READ"
  if flags:has "O_CREAT" then wanted = wanted .. " CREATE" end
  if flags:has "O_TRUNC" then wanted = wanted .. " FTRUNCATE" end
  return wanted
end

local OPENS = { open = true, openat = true, openat2 = true, creat = true }

local function rights_of(call)
  if OPENS[call.name] then
    local flags = call.flags
    return flags and open_rights(flags) or "LOOKUP READ WRITE CREATE FTRUNCATE"
  end
  local right = PATH_RIGHTS[call.name]
  return right == "" and "LOOKUP" or "LOOKUP " .. (right or "FSTAT")
end

local function only_reads(wanted)
  for right in wanted:gmatch "%S+" do
    if CHANGES[right] then return false end
  end
  return true
end

-- One path of a call, with its directory's descriptor or nil: a denial, or nothing.
local function judge_path(call, fd, raw, path, wanted)
  local by_fd = fd and fd.number ~= AT_FDCWD
  if by_fd and raw == "" then wanted = wanted:gsub("LOOKUP ?", "") end    -- the descriptor itself
  if entering and not (by_fd and raw == "") then
    if by_fd and raw:sub(1, 1) ~= "/" then
      local base = fd.path
      if not base then return nil end    -- EBADF is the kernel's
      if climbs(raw) or not path:under(base) then return incapable(call, ("%s is not below %s"):format(raw, base)) end
    elseif not covered(held, path) and not (covered(libraries, path) and only_reads(wanted)) then
      if by_fd then return incapable(call, ("%s is an absolute path"):format(raw)) end
      return refuse(call, ("%s is named without a directory that is held"):format(raw))
    end
  end
  if #path_limits == 0 and not has_numbers then return nil end
  local right = by_fd and fd.path and lacks(call, fd.number, fd.path, wanted) or lacks(call, nil, path, wanted)
  if right then return incapable(call, ("%s has no right CAP_%s"):format(path, right)) end
end

local function judge_paths(call)
  if not is_limited(call.pid) then return nil end
  local path, wanted = call.path, rights_of(call)
  if not path then return nil end    -- the kernel says what is wrong with it
  local denial = judge_path(call, call.dirfd, call.rawpath, path, wanted)
  if denial or not call.newpath then return denial end
  return judge_path(call, call.newdirfd, call.rawnewpath, call.newpath, wanted)
end

-- --- the rest of the mode --------------------------------------------------------------------------------------

local function judge_global(call)
  if is_inside(call.pid) then return refuse(call, "a global namespace") end
end

local function judge_pid(call)
  if not is_inside(call.pid) then return nil end
  local name = call.name
  local pid = call.args[BY_PID[name]] & 0xffffffff
  local which = WHICH_PROCESS[name]
  if which and call.args[1] & 0xffffffff ~= which then return refuse(call, "processes other than the caller") end
  if pid == call.pid or pid == call.tid or pid == 0 and not SIGNALS[name] then return nil end
  return refuse(call, ("process %d is not the caller"):format(pid))
end

local function judge_socket(call)
  if not is_inside(call.pid) then return nil end
  if FAMILIES[call.args[1] & 0xffffffff] and TYPES[call.args[2] & 0xf] and PROTOCOLS[call.args[3] & 0xffffffff] then return nil end
  return refuse(call, ("sockets of %s, %s"):format(tostring(call.domain), tostring(call.type)))
end

local function judge_sendto(call)
  if call.args[5] ~= 0 and is_inside(call.pid) then return refuse(call, "an address to send to") end
end

local function judge_sendmsg(call)
  if is_inside(call.pid) and call.addr then return refuse(call, "an address to send to") end
end

-- To listen without an address binds to a port of the kernel's choice; those that have one were bound before.
local bound, bound_count = {}, 0
local BOUND_MAX = 4096
local function judge_listen(call)
  local fd = call.fd
  local protocol = fd.protocol
  if protocol ~= "TCP" and protocol ~= "TCPv6" then return nil end
  if is_inside(call.pid) then
    if not bound[fd.path] then return refuse(call, "a port of the kernel's choice") end
  end
end

-- --- what policies call ----------------------------------------------------------------------------------------

default "allow"

local watching, handled = false, {}

local function names_of(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function watch_paths()
  if watching then return end
  watching = true
  on("@paths", judge_paths)
end

local function parse_rights(text)
  if type(text) ~= "string" then error("capsicum: rights are a string, such as 'READ SEEK'", 0) end
  local rights = {}
  for word in text:gmatch "[^%s,|]+" do
    local right = word:gsub("^CAP_", "")
    if not RIGHTS[right] then error(("capsicum: no right '%s'"):format(word), 0) end
    rights[right] = true
  end
  return rights
end

local function is_absolute(path)
  return type(path) == "string" and path:sub(1, 1) == "/"
end

-- Handlers for those calls only that need a right which somebody lacks.
local function watch_fds(rights)
  local needed = {}
  for name, pairs_of in pairs(FD_CALLS) do
    for _, pair in ipairs(pairs_of) do
      for right in pair[2]:gmatch "%S+" do
        local lacking = not rights[right] or MAPS[name] and not rights.WRITE
        if lacking and not handled[name] then needed[name] = true end
      end
    end
  end
  for name in pairs(needed) do handled[name] = true end
  if next(needed) then on(names_of(needed), judge_fd) end
end

local function limit(what, text)
  local rights = parse_rights(text)
  if math.type(what) == "integer" and what >= 0 then
    if not has_numbers then on("dup2 dup3 close close_range", judge_number) end
    has_numbers = true
    number_limits[what] = number_limits[what] and both(number_limits[what], rights) or rights
  elseif is_absolute(what) then
    limit_path(what, rights)
  else
    error("capsicum: limit takes a descriptor's number or an absolute path", 0)
  end
  watch_fds(rights)
  watch_paths()
end

local function checked(f, ...)
  local good, message = pcall(f, ...)
  if not good then error(message, 3) end
end

local M = {}

-- capsicum.limit(number or path, rights): what may be done with the descriptor of that number, or with descriptors of what lies at or
-- below that path. Several limits of the same: what all of them grant.
function M.limit(what, rights)
  checked(limit, what, rights)
end

local function watch_mode()
  local rule = always and function(names) deny(names, ECAPMODE) end or function(names) on(names, judge_global) end
  rule(GLOBAL)
  if always and #held == 0 then rule(LEGACY_REST) end
  if always and #held == 0 and #libraries == 0 then rule(LEGACY_READS) end
  watch_paths()
  on(names_of(BY_PID), judge_pid)
  on("socket", judge_socket)
  on("sendto", judge_sendto)
  on("sendmsg sendmmsg", judge_sendmsg)
  on("listen", judge_listen)
  if not always then
    after("bind", function(call, result)
      local path = result == 0 and call.fd.path
      if bound_count >= BOUND_MAX then bound, bound_count = {}, 0 end
      if path and not bound[path] then bound[path], bound_count = true, bound_count + 1 end
    end)
  end
end

-- When it is entered: each of these makes the calls after the one that it names be judged inside.
local function trigger(at, calls)
  if type(at) == "number" then
    local nanoseconds = math.floor(at * 1e9)
    deadline = clock() + nanoseconds
    event("start", function() deadline = clock() + nanoseconds end)
  elseif type(at) == "function" then
    on(calls or "@paths @net " .. table.concat(names_of(BY_PID), " "), function(call)
      if not is_inside(call.pid) and at(call) == true then enter_now(call.pid) end
    end)
  elseif is_absolute(at) then
    on("@open", function(call)
      if call.path == at then enter_now(call.pid) end
    end)
  elseif type(at) == "string" then
    on(at == "accept" and "accept accept4" or at, function(call) enter_now(call.pid) end)
  else
    error("capsicum: at is \"start\", names of calls, a path, a number of seconds or a function", 0)
  end
end

local function enter(options)
  if entering then error("capsicum: enter was called before", 0) end
  if type(options) ~= "table" then error("capsicum: enter takes a table, such as { at = \"start\" }", 0) end
  local at = options.at or "start"
  for key, value in pairs(options.dirs or {}) do
    local dir = type(key) == "number" and value or key
    if not is_absolute(dir) then error("capsicum: dirs are absolute paths", 0) end
    held[#held + 1] = dir
    if dir == key then limit(dir, value) end
  end
  libraries = options.libraries == false and {} or options.libraries or LIBRARIES
  entering, always = true, at == "start"
  any_inside = always
  watch_mode()
  if not always then trigger(at, options.calls) end
end

-- capsicum.enter{ at =, dirs =, libraries =, calls = }: see nurse-capsicum(3).
function M.enter(options)
  checked(enter, options or {})
end

-- --- the tree of processes: children are where their parents are --------------------------------------------------

local function copy(own)
  if not own then return nil end
  local known = {}
  for number, entry in pairs(own.known) do known[number] = entry end
  return { known = known, check = own.check }
end

event("fork", function(process)
  local parent = process.parent
  if not parent then    -- its maker is gone: nobody knows where it was
    inside[process.pid] = any_inside or nil
    return
  end
  inside[process.pid] = inside[parent]
  numbers[process.pid] = copy(numbers[parent])
end)

event("exec", function(process)
  if numbers[process.pid] then numbers[process.pid].check = true end
end)

event("exit", function(process)
  inside[process.pid], numbers[process.pid] = nil, nil
end)

return M
