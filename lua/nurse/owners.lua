-- owners: what stat(2) tells of files: owners and kinds that somebody has noted, not those that they have. nurse-owners(3) is the manual.
--
--   local owners = require "nurse.owners"
--   owners.all(0, 0)                          -- files of which nothing is noted
--   owners.of("/srv/a").uid = 33              -- uid, gid, type (S_IFCHR...), rdev
--
-- It looks at results only, so its layer restricts nothing. What is noted goes by canonical path, moves with renames and is forgotten with the last
-- name. Tests: t/74-live-modules.t, t/72-live-fakeroot.t.

local noted = {}          -- path -> { uid =, gid =, type =, rdev = }
local others = {}         -- uid, gid of all the rest; nil: the true ones

-- Names move, and so does what is known of them.
after("rename renameat renameat2", function(call, result)
  if result < 0 or not next(noted) then return end
  local from, to, moved = call.path, call.newpath, {}
  for path, known in pairs(noted) do
    if path:under(from) then moved[path] = known end
  end
  noted[to] = nil
  for path, known in pairs(moved) do noted[path], noted[to .. path:sub(#from + 1)] = nil, known end
end)
after("unlink unlinkat rmdir", function(call, result)
  if result == 0 then noted[call.path] = nil end
end)
after("link linkat", function(call, result)
  if result == 0 then noted[call.newpath] = noted[call.path] end
end)

-- Where the kernel's structures have mode, owner and device: offset and format (stat(2), statx(2), asm/stat.h).
local stat64 = { mode = 24, uid = 28, gid = 32, id = "<I4", rdev = 40 }
local layouts = {
  x86_64 = { stat = stat64, fstat = stat64, lstat = stat64, newfstatat = stat64 },
  i386 = {
    stat = { mode = 8, uid = 12, gid = 14, id = "<I2", rdev = 16 }, stat64 = { mode = 16, uid = 24, gid = 28, id = "<I4", rdev = 32 },
    oldstat = { mode = 4, uid = 8, gid = 10, id = "<I2", rdev = 12 },
  },
}
local wide = { mode = 28, uid = 20, gid = 24, id = "<I4", major = 128 }    -- statx

local function layout_of(call)
  local name = call.name
  if name == "statx" then return wide end
  return layouts[call.arch][name] or layouts.i386[name:find "64" and "stat64" or name:find "^old" and "oldstat" or "stat"]
end

local function write_ids(memory, at, layout, uid, gid)
  local mask = layout.id == "<I2" and 0xffff or 0xffffffff
  if uid and gid then    -- they stand side by side everywhere
    memory:write(at + layout.uid, string.pack(layout.id:rep(2), uid & mask, gid & mask))
  elseif uid or gid then
    memory:write(at + (uid and layout.uid or layout.gid), string.pack(layout.id, (uid or gid) & mask))
  end
end

local function write_kind(memory, at, layout, known)
  local mode = memory:read(at + layout.mode, 2)
  if not mode then return end
  memory:write(at + layout.mode, string.pack("<I2", string.unpack("<I2", mode) & 0xfff | known.type))
  local rdev = known.rdev or 0
  if layout.major then rdev = string.pack("<I4I4", rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xfff00) else rdev = string.pack("<I4", rdev) end
  memory:write(at + (layout.major or layout.rdev), rdev)
end

after("stat fstat lstat newfstatat statx stat64 fstat64 lstat64 fstatat64 oldstat oldfstat oldlstat", function(call, result)
  if result ~= 0 then return end
  local known = noted[call.path or call.fd.path] or others
  local uid, gid = known.uid or others.uid, known.gid or others.gid
  if not uid and not gid and not known.type then return end
  local layout, at, memory = layout_of(call), call.statbuf or call.statxbuf, call.memory
  write_ids(memory, at, layout, uid, gid)
  if known.type then write_kind(memory, at, layout, known) end
end)

local M = {}

-- owners.of(path): what is noted of a file, a table to read and to fill: uid, gid; type, as in st_mode (0x2000: a character device), and rdev, as
-- mknod(2) takes it. The path is canonical (call.path).
function M.of(path)
  local known = noted[path] or {}
  noted[path] = known
  return known
end

-- owners.all(uid, gid): all other files seem to be theirs; nil: they keep their own.
function M.all(uid, gid)
  others.uid, others.gid = uid, gid
end

return M
