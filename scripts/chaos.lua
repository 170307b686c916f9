-- chaos: makes a program's life hard, to see whether it can stand it: interrupted calls, full disks, short reads and writes, long sleeps.
--
--   nurse run -p chaos -- ./program
--   nurse run -p chaos -D seed=7 -D enospc=0.05 -D eintr=0 -- make test
--
-- Each number is the probability that one call is hit, 0 to 1. The seed is told, and given again it makes the same choices for the
-- same calls in the same order: for a program with one thread and one process, the same run.

local chance = {
  eintr = param("eintr", 0.05),      -- what waits (pipes, sockets, terminals, poll, wait...) is interrupted by a signal that has no other trace
  short = param("short", 0.1),       -- read and write move less than they were asked to
  enospc = param("enospc", 0.01),    -- no space left: writing, making, renaming
  emfile = param("emfile", 0.0),     -- no descriptor left. Off, as few programs go on after it
  delay = param("delay", 0.1),       -- a sleep takes longer than it should, by up to -D seconds=
}
local seconds = param("seconds", 0.5)
local seed = param("seed", os.time())

for name, value in pairs(chance) do
  if value < 0 or value > 1 then error("chaos: -D " .. name .. "= must be between 0 and 1", 0) end
end
math.randomseed(seed)
event("start", function() log("chaos: -D seed=%d", seed) end)

local function hits(what)
  local value = chance[what]
  return value > 0 and math.random() < value
end

-- Only what the manual page of the call allows. The dynamic linker is spared, for it gives up at once: it reads libraries, which are files, and
-- its calls on files end with EINTR as little as the kernel's do.
local waits = { pipe = true, socket = true, tty = true }
local function library(fd) return fd.path:find("%.so[%.%d]*$") ~= nil end
local function kernel_file(path) return path:under "/proc" or path:under "/sys" or path:under "/dev" end

local function transfer(call, writes)
  local fd = call.fd
  local kind = fd.kind
  if waits[kind] and hits "eintr" then return call:deny "EINTR" end
  if kind == "file" and writes and not kernel_file(fd.path) and hits "enospc" then return call:deny "ENOSPC" end
  -- A datagram is read whole or in part lost, and written whole: sockets are left alone. So are writes to a pipe that must not be torn (pipe(7)).
  local least = writes and kind == "pipe" and 4096 or 1
  local count = call.args[3]
  if count <= least or kind ~= "pipe" and kind ~= "tty" and kind ~= "file" or not hits "short" then return nil end
  if kind == "file" and (library(fd) or kernel_file(fd.path)) then return nil end
  call.args[3] = math.random(least, count - 1)
end
on("read pread64", function(call) return transfer(call, false) end)
on("write pwrite64", function(call) return transfer(call, true) end)
on("readv writev", function(call)
  if waits[call.fd.kind] and hits "eintr" then return call:deny "EINTR" end
end)

on([[ connect accept accept4 send sendto sendmsg recv recvfrom recvmsg poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_wait
      epoll_pwait epoll_pwait2 wait4 waitid waitpid flock semop semtimedop msgsnd msgrcv ]], function(call)
  if hits "eintr" then return call:deny "EINTR" end
end)

on("@open", function(call)
  if not call.flags then return nil end
  if call.flags:has "O_CREAT" and not call.exists and hits "enospc" then return call:deny "ENOSPC" end
  if not call.path:find("%.so[%.%d]*$") and call.path ~= "/etc/ld.so.cache" and hits "emfile" then return call:deny "EMFILE" end
end)
on("mkdir mkdirat mknod mknodat symlink symlinkat link linkat rename renameat renameat2 fallocate fsync fdatasync copy_file_range", function(call)
  if hits "enospc" then return call:deny "ENOSPC" end
end)
on("socket socketpair pipe pipe2 dup epoll_create epoll_create1 eventfd2", function(call)
  if hits "emfile" then return call:deny "EMFILE" end
end)

-- Longer sleeps are the delays that can be had: a policy can't hold another call back without holding up the whole sandbox.
on("nanosleep clock_nanosleep clock_nanosleep_time64", function(call)
  if call.req and hits "delay" then call.req = call.req + math.random() * seconds end
end)

default "allow"
