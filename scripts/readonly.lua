-- readonly: the program changes nothing that lasts: no file is written, made, removed or renamed, no attribute, owner or time is set (EROFS, as on
-- a file system that is mounted so). It may read what it likes; terminals, pipes and /dev/null take its output as always.
--
--   nurse run -p readonly -- make -n install
--   nurse run -p readonly -p nonet -- ./look-around          both hold: services of this machine aren't reached either
--
-- What nurse was started with stays open: in `nurse run -p readonly -- ls > list` the shell has opened the list.

local paths = require "nurse.paths"

local ENOENT, EEXIST = -2, -17    -- emulated, since they are what the kernel would say: no denials to be told

local devices = { ["/dev/null"] = true, ["/dev/zero"] = true, ["/dev/full"] = true, ["/dev/tty"] = true, ["/dev/ptmx"] = true }

-- Opened by way of /dev/stdout or /proc/self/fd, a pipe has no path, but the kernel's name for it.
local function stream(path)
  return devices[path] or path:under "/dev/pts" or path:find("pipe:", 1, true) == 1
end

on("@open", function(call)
  local flags = call.flags
  if not flags then return call:deny "EINVAL" end
  if paths.reads(flags) then return call:allow() end
  if not flags:has "O_RDONLY" or flags:has "O_TRUNC" then
    if stream(call.path) then return call:allow() end
    if not call.exists and not flags:has "O_CREAT" then return call:emulate(ENOENT) end
    return call:deny "EROFS"
  end
  if not call.exists then return call:deny "EROFS" end
  if flags:has "O_EXCL" then return call:emulate(EEXIST) end
  call.flags = flags:without "O_CREAT"    -- it is there, and if it goes meanwhile it isn't made again
  return call:allow()
end)

on("mkdir mkdirat", function(call)    -- a directory that is there is no reason to complain about the file system
  if call.exists then return call:emulate(EEXIST) end
end)
on("ftruncate ftruncate64 fallocate", function(call)    -- memory without a name (memfd) has the size that is set
  local fd = call.fd
  if fd.kind == "none" or fd.path:find "^/memfd:" then return call:allow() end
end)

-- Some attributes of a file can be set by a descriptor that is open for reading (chattr). What is for terminals (0x54..), and what asks only: FS_IOC_GETFLAGS
-- FS_IOC32_GETFLAGS FS_IOC_GETVERSION FS_IOC_FIEMAP.
local asks = { [0x80086601] = true, [0x80046601] = true, [0x80087601] = true, [0xc020660b] = true }
on("ioctl", function(call)
  local request = call.args[2] & 0xffffffff
  if request >> 8 == 0x54 or asks[request] then return call:allow() end
  local kind = call.fd.kind
  if kind == "file" or kind == "dir" or kind == "blk" then return call:deny "EROFS" end
end)

on("bind", function(call)    -- the socket of a server is a file too; an abstract one begins with "@"
  local addr = call.addr
  if addr and addr.family == "AF_UNIX" and addr.path and addr.path:find "^[^@]" then return call:deny "EROFS" end
end)

allow "umask flock sync syncfs name_to_handle_at inotify_init inotify_init1 inotify_add_watch inotify_rm_watch"
deny("@file mq_open mq_unlink", "EROFS")
deny "@admin add_key request_key keyctl"

default "allow"
