-- fakeroot: the program believes that it is root, and that files have the owners that it gives them: to pack or unpack an archive with its
-- owners and devices, as an ordinary user. Nothing is really allowed that wasn't before.
--
--   nurse run -p fakeroot -- sh -c 'tar xf root.tar -C root && tar cf copy.tar -C root .'
--
-- Every file seems to be root's, but what the program has given to somebody else. A device node that it makes is an empty file, shown to it as the
-- device. All that lasts for the run, for all its processes, and is kept by name: a second hard link made outside of the run isn't known
-- to be one. The kernel's own checks remain: what the user may not read, this root can't either.

local faked = {}          -- path -> { uid =, gid =, type =, rdev = }, as far as the program has said
local function file(path)
  local known = faked[path] or {}
  faked[path] = known
  return known
end

-- Ids, a set for each process. Every change succeeds.
local root = { uid = { 0, 0, 0 }, gid = { 0, 0, 0 } }
local ids = {}
event("fork", function(process)
  local of = ids[process.parent] or root
  ids[process.pid] = { uid = { table.unpack(of.uid) }, gid = { table.unpack(of.gid) } }
end)
event("exit", function(process) ids[process.pid] = nil end)

local function triple(call)    -- real, effective, saved
  local pid = call.pid
  ids[pid] = ids[pid] or { uid = { 0, 0, 0 }, gid = { 0, 0, 0 } }
  return ids[pid][call.name:match "[ug]id"]
end

on("getuid getuid32 getgid getgid32", function(call) return call:emulate(triple(call)[1]) end)
on("geteuid geteuid32 getegid getegid32", function(call) return call:emulate(triple(call)[2]) end)
on("getresuid getresuid32 getresgid getresgid32", function(call)
  local old = call.arch == "i386" and not call.name:find "32"    -- ids of 16 bits
  for i, id in ipairs(triple(call)) do
    if not call.memory:write(call.args[i], string.pack(old and "<I2" or "<I4", id)) then return call:deny "EFAULT" end
  end
  return call:emulate(0)
end)

-- Which of real, effective, saved each argument sets.
local sets = { setuid = { { 1, 2, 3 } }, setreuid = { { 1 }, { 2, 3 } }, setresuid = { { 1 }, { 2 }, { 3 } }, setfsuid = {} }
local function id_argument(call, i)
  local id = call.args[i] & 0xffffffff
  local none = call.arch == "i386" and not call.name:find "32" and 0xffff or 0xffffffff
  return id ~= none and id or nil    -- -1: no change
end
on([[ setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid
      setfsgid32 ]], function(call)
  local now = triple(call)
  for i, which in ipairs(sets[call.name:gsub("gid", "uid"):gsub("32$", "")]) do
    for _, k in ipairs(which) do now[k] = id_argument(call, i) or now[k] end
  end
  return call:emulate(call.name:find "fs" and now[2] or 0)
end)
on("setgroups setgroups32 capset", function(call) return call:emulate(0) end)
on("getgroups getgroups32", function(call)
  if call.args[1] ~= 0 and not call.memory:write(call.args[2], string.pack(call.name == "getgroups" and call.arch == "i386" and "<I2" or "<I4", 0)) then
    return call:deny "EFAULT"
  end
  return call:emulate(1)
end)

-- Owners are noted, not set.
on("chown lchown fchownat chown32 lchown32 fchown fchown32", function(call)
  local fd, first = call.fd, call.name == "fchownat" and 3 or 2
  local path = call.path or fd.kind ~= "none" and fd.path
  if not path then return call:deny "EBADF" end
  if not fd and not call.exists then return nil end    -- the kernel says why
  local known = file(path)
  known.uid, known.gid = id_argument(call, first) or known.uid, id_argument(call, first + 1) or known.gid
  return call:emulate(0)
end)
on("mknod mknodat", function(call)
  local mode = call.mode.number
  if not call.exists and (call.mode:has "S_IFCHR" or call.mode:has "S_IFBLK") then
    local at = call.name == "mknod" and 2 or 3
    faked[call.path] = { type = mode & 0xf000, rdev = call.args[at + 1] & 0xffffffff }
    call.args[at], call.args[at + 1] = 0x8000 | mode & 0xfff, 0
  end
end)

-- Names move, and so does what is known of them.
after("rename renameat renameat2", function(call, result)
  if result < 0 or not next(faked) then return end
  local from, to, moved = call.path, call.newpath, {}
  for path, known in pairs(faked) do
    if path:under(from) then moved[path] = known end
  end
  faked[to] = nil
  for path, known in pairs(moved) do faked[path], faked[to .. path:sub(#from + 1)] = nil, known end
end)
after("unlink unlinkat rmdir", function(call, result)
  if result == 0 then faked[call.path] = nil end
end)
after("link linkat", function(call, result)
  if result == 0 then faked[call.newpath] = faked[call.path] end
end)

-- Where the kernel's structures have mode, owner and device: offset and format (stat(2), statx(2), asm/stat.h).
local stat64 = { mode = 24, uid = 28, id = "<I4", rdev = 40 }
local layouts = {
  x86_64 = { stat = stat64, fstat = stat64, lstat = stat64, newfstatat = stat64 },
  i386 = {
    stat = { mode = 8, uid = 12, id = "<I2", rdev = 16 }, stat64 = { mode = 16, uid = 24, id = "<I4", rdev = 32 },
    oldstat = { mode = 4, uid = 8, id = "<I2", rdev = 12 },
  },
}
local wide = { mode = 28, uid = 20, id = "<I4", major = 128 }    -- statx
after("stat fstat lstat newfstatat statx stat64 fstat64 lstat64 fstatat64 oldstat oldfstat oldlstat", function(call, result)
  if result ~= 0 then return end
  local name = call.name
  local layout = name == "statx" and wide or layouts[call.arch][name] or layouts.i386[name:find "64" and "stat64" or name:find "^old" and "oldstat" or "stat"]
  local at, memory = call.statbuf or call.statxbuf, call.memory
  local known = faked[call.path or call.fd.path] or {}
  memory:write(at + layout.uid, string.pack(layout.id:rep(2), known.uid or 0, known.gid or 0))
  local mode = known.type and memory:read(at + layout.mode, 2)
  if mode then
    memory:write(at + layout.mode, string.pack("<I2", string.unpack("<I2", mode) & 0xfff | known.type))
    local rdev = known.rdev
    if layout.major then rdev = string.pack("<I4I4", rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xfff00) else rdev = string.pack("<I4", rdev) end
    memory:write(at + (layout.major or layout.rdev), rdev)
  end
end)

default "allow"
