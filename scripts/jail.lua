-- jail: a directory is the program's root directory, as with chroot(2), but for ordinary users and without a trace in the kernel.
--
--   cd /srv/root && nurse run -p jail -- bin/busybox sh
--   nurse run -p jail -D dir=/srv/root -- /srv/root/bin/busybox sh
--
-- Every path is resolved below the directory: absolute ones, targets of links, the programs of #! lines and dynamic linkers. ".." ends there.
-- What getcwd and readlink tell begins there too. A few devices are the machine's; descriptors that the program was started with stay usable.
--
-- The very first program is found before there is a jail, so name it by its path outside. If it is dynamic, it gets the machine's dynamic linker, and
-- its libraries from the jail: that works where both are of one release. Start static programs (busybox), or let one start the rest.
-- There is no /proc but one that is mounted in the jail. Of unix sockets, whose addresses are paths, those in the jail can be connected to, but none
-- can be made there. No limits else: -p jail -p nonet cuts the network too.

local dir, missing = realpath(param("dir", "."))
if missing or dir == "/" then error("jail: -D dir=" .. param("dir", ".") .. ": " .. (missing or "the root is no jail"), 0) end

local devices = {}
for name in ("null zero full random urandom tty"):gmatch "%a+" do devices["/dev/" .. name] = true end

-- What the program is told of a path: where it is in the jail. A directory outside that it may still stand in is the root to it.
local function inside(path)
  return path:under(dir) and path:sub(#dir + 1):match "^/.*$" or "/"
end

on("@open @stat", function(call)
  if devices[call.rawpath] and call.path == call.rawpath then return call:allow() end
end)
on("@paths", function(call)
  call:within(dir)    -- from here on call.path is what the path means in the jail; it is shown as it is called outside
  local own = call.rawpath == ""    -- no path, but a descriptor that it has
  if not own and not call.path:under(dir) or call.newpath and not call.newpath:under(dir) then return call:deny "ENOENT" end
end)

-- The kernel's answers are paths outside.
local function rewrite(call, path)
  if not call.memory:write(call.args[call.name == "getcwd" and 1 or call.name == "readlink" and 2 or 3], path) then return "EFAULT" end
  return #path
end
after("getcwd", function(call, result)
  if result > 0 then return rewrite(call, inside(call.buf:sub(1, -2)) .. "\0") end
end)
after("readlink readlinkat", function(call, result)
  if result > 0 and call.path:find "/proc/%d+/" and call.buf:under(dir) then return rewrite(call, inside(call.buf)) end
end)

-- The address of a unix socket is a path, or a name ("@...") that all of the machine share. No server can be made: its address would be a path outside.
on("connect sendto sendmsg sendmmsg bind", function(call)
  local addr = call.addr
  if not addr or addr.family ~= "AF_UNIX" then return nil end
  if call.name == "bind" then return call:deny "EACCES" end
  call:within(dir)
  addr = call.addr
  if not addr.path:under(dir) then return call:deny "ECONNREFUSED" end
end)
deny("statmount listmount chroot pivot_root", "EPERM")

default "allow"
