-- grid: somebody else's computation on this machine, as the ancestor's was meant for: it computes on what it is given on its standard input.
--
--   nurse run -p grid -- ./simulate < parameters > result
--   nurse run -p grid -D threads=yes -- ./simulate            threads, but no processes
--   nurse run -p grid -D read=/usr/lib/python3 -- python3 -c 'print(2**1000)'
--
-- It may use the descriptors that it is started with, memory and the clock, and end. There are no files but the libraries that its dynamic
-- linker asks for, no names to look at, no processes, no signals but to itself, no network. See also `ancestor`, which may read files.

local read = {}
for dir in param("read", ""):gmatch "[^:]+" do
  if dir:sub(1, 1) ~= "/" then error("grid: '" .. dir .. "' is no absolute path", 0) end
  read[#read + 1] = realpath(dir) or dir
end

-- Libraries are what lies in the system's places for them and is called so; the linker's cache tells where.
local function library(path)
  if path == "/etc/ld.so.cache" then return true end
  local name = path:basename()
  return (path:under "/usr/lib" or path:under "/lib" or path:under "/usr/lib32" or path:under "/lib32" or path:under "/lib64" or path:under "/usr/lib64")
    and (name:find("%.so$") or name:find("%.so%.[%d.]+$")) ~= nil
end

local function readable(path)
  for _, dir in ipairs(read) do
    if path:under(dir) then return true end
  end
  return library(path)
end

on("@open", function(call)
  local flags = call.flags
  local reads = flags and flags:has "O_RDONLY" and not flags:has "O_CREAT" and not flags:has "O_TRUNC"
  if not reads then return call:deny "EACCES" end
  if readable(call.path) then return call:allow() end
  return call:deny "ENOENT"
end)
on("stat lstat stat64 lstat64 newfstatat fstatat64 statx access faccessat faccessat2 readlink readlinkat", function(call)
  if call.rawpath == "" or readable(call.path) then return call:allow() end    -- "": of a descriptor that it has
  return call:deny "ENOENT"
end)

-- The flags of clone tell a thread from a process. Where threads may be started, they may be told apart, placed and waited for.
if param("threads", false) then
  on("clone", function(call)
    if call.flags:has "CLONE_THREAD" then return call:allow() end
    return call:deny "EAGAIN"
  end)
  deny("clone3", "ENOSYS")    -- libc then uses clone
  allow "sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min futex_waitv"
end

on("kill tkill tgkill", function(call)    -- abort() and assert()
  if call.args[1] == call.pid or call.args[1] == call.tid then return call:allow() end
  return call:deny "EPERM"
end)
on("prlimit64", function(call)
  if call.args[1] & 0xffffffff ~= 0 and call.args[1] ~= call.pid then return call:deny "EPERM" end
end)
on("fcntl fcntl64", function(call)    -- not: F_SETOWN, F_SETLK..., F_NOTIFY
  local cmd = call.args[2] & 0xffffffff
  if cmd > 4 and cmd ~= 1030 then return call:deny "EPERM" end    -- F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC
end)
on("ioctl", function(call)    -- TCGETS TIOCGWINSZ FIONREAD: is it a terminal, how wide, what waits there
  local request = call.args[2] & 0xffffffff
  if request == 0x5401 or request == 0x5413 or request == 0x541b then return call:allow() end
  return call:deny "ENOTTY"
end)

deny "memfd_create memfd_secret migrate_pages move_pages"
allow "@read @write @memory @self @time lseek _llseek fstat fstat64 close dup dup2 dup3 fcntl fcntl64"
allow "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 fadvise64 getcwd getdents getdents64"

default "deny EPERM"
