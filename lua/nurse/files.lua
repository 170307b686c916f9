-- files: which directories may be read, written, executed from, and which are closed. nurse-files(3) is the manual.
--
--   local files = require "nurse.files"
--   files.read "/usr:/etc"           -- may be read
--   files.write "/tmp:/dev/null"     -- written, too
--   files.close "/etc/shadow"        -- nothing
--
-- A layer of its own, which restricts: what it doesn't refuse is left to the other layers. The nearest entry above a path counts; what lies below
-- none is closed. Names may be looked at (stat, chdir) everywhere. Paths are canonical: what a link leads to is judged, and /proc/self is
-- /proc/PID. It believes what nurse says of a call, and nothing that the program's memory says. Tests: t/74-live-modules.t, t/71-live-scripts.t.

local ours = require "nurse.processes"
local paths = require "nurse.paths"

local at = {}           -- path -> "r", "w" (and r), "-"
local way = {}          -- path -> true: an entry, or a directory above one
local listed = {}       -- path -> true: it may be listed, whatever is in it
local homes = {}        -- path -> true: what begins with a dot in it is closed
local programs          -- list of what may be executed; nil: whatever may be read

-- Directories that nobody has to himself.
local shared = { ["/"] = true, ["/root"] = true, ["/home"] = true, ["/var"] = true, ["/run"] = true, ["/dev"] = true, ["/boot"] = true }

local ENOENT, EBADF, EEXIST = -2, -9, -17    -- emulated: what the kernel would say is no denial to be told

-- --- what may be done with a path ------------------------------------------------------------------------------------

local function right(path)
  local process = path:match "^/proc/(%d+)"
  if process then return ours[tonumber(process)] and "w" or "-" end
  while not at[path] do
    if path == "/" or path == "." then return "-" end    -- ".": it is none, but the kernel's name of a pipe, say
    local above = path:dirname()
    if homes[above] and path:basename():sub(1, 1) == "." then return "-" end    -- keys, settings, what a shell runs
    path = above
  end
  return at[path]
end
local function may_write(path) return right(path) == "w" end
local function may_read(path) return listed[path] or right(path) ~= "-" end

-- The reason is an entry to paste, so nothing in the path may end the string there.
local function refuse(call, path, word)
  if path:find "^/proc/%d" then return call:deny("EACCES", "files: of a process outside") end
  if path:find '[%c"\\]' or path:sub(1, 1) ~= "/" or #path > 200 then return call:deny("EACCES", "files: no entry allows it") end
  local list = path:find(":", 1, true) and '{ "%s" }' or '"%s"'
  return call:deny("EACCES", ("files.%s " .. list .. " would allow it"):format(word, path))
end

-- /dev/stdout and the like lead to what the program has open already. Of a file that may mean more rights than it has there.
local function has_open(call)
  local raw, path = call.rawpath, call.path
  if not path:under "/dev/pts" and path:find("pipe:", 1, true) ~= 1 then return false end
  return raw:find "^/dev/std%l+$" or raw:find "^/dev/fd/%d+$" or raw:find "^/proc/self/fd/%d+$"
end

-- Set-user-id programs, for others to run, and device nodes, which root could make and open, are not made.
local function special(mode)
  return mode and (mode.number & 0x0c00 ~= 0 or mode:has "S_IFCHR" or mode:has "S_IFBLK")
end

-- --- rules --------------------------------------------------------------------------------------------------------------

default "allow"

on("@open", function(call)
  local flags, path = call.flags, call.path
  if not flags then return call:deny "EINVAL" end
  if paths.reads(flags) then
    if may_read(path) or has_open(call) then return call:allow() end
    if not call.exists then return call:emulate(ENOENT) end    -- stat tells as much
    return refuse(call, path, "read")
  end
  if not may_write(path) and not has_open(call) then return refuse(call, path, "write") end
  if (flags:has "O_CREAT" or flags:has "O_TMPFILE") and special(call.mode) then return call:deny "EPERM" end
  return call:allow()
end)

on("@exec", function(call)
  local path = call.path
  if not may_read(path) then return refuse(call, path, "read") end
  if not programs then return call:allow() end
  for _, dir in ipairs(programs) do
    if path:under(dir) then return call:allow() end
  end
  return refuse(call, path, "execute")
end)

on("readlink readlinkat inotify_add_watch", function(call)
  local link = call.name:find "^readlink" and not call.path:find "^/proc/%d"    -- names may be looked at everywhere, but not what others have open
  if link or may_read(call.path) then return call:allow() end
  return refuse(call, call.path, "read")
end)

on("access faccessat faccessat2", function(call)    -- the truth about these opens, or git would fall over ~/.gitconfig
  local wanted, path = call.mode.number, call.path
  if wanted & 2 ~= 0 and not may_write(path) and call.exists then return refuse(call, path, "write") end
  if wanted & 4 ~= 0 and not may_read(path) and call.exists then return refuse(call, path, "read") end
end)

-- Changing names and attributes, by path or by descriptor. A hard link or a rename needs both ends: a file must not be moved to where it could be
-- read. What the entries name, and what it lies in, stays where it is: else a part with other rights could be carried away, or put in place.
local removes = { rename = true, renameat = true, renameat2 = true, rmdir = true, unlink = true, unlinkat = true }
allow "umask flock sync syncfs ftruncate ftruncate64 fallocate inotify_init inotify_init1 inotify_rm_watch"
on("@file mkdir mkdirat rmdir", function(call)
  local fd = call.fd or call.dirfd
  local path, newpath = call.path or fd and fd.path, call.newpath
  if call.name:find "^mkdir" and call.exists then return call:emulate(EEXIST) end
  if not path or path == "" then return call:emulate(EBADF) end
  if not may_write(path) then return refuse(call, path, "write") end
  if newpath and not may_write(newpath) then return refuse(call, newpath, "write") end
  if removes[call.name] and (way[path] or newpath and way[newpath]) then return call:deny("EACCES", "files: a directory with rights of its own") end
  if special(call.mode) then return call:deny "EPERM" end
  return call:allow()
end)

-- A descriptor that is open for reading is enough to change a file's flags.
on("ioctl", function(call)
  if (call.args[2] & 0xffffffff) >> 8 == 0x54 then return call:allow() end    -- TCGETS, FIONREAD and the like; what types into terminals nurse itself refuses
  local fd = call.fd
  local on_disk = fd.kind == "file" or fd.kind == "dir" or fd.kind == "blk"
  if on_disk and not may_write(fd.path) then return call:deny "ENOTTY" end
end)

-- --- what policies say ----------------------------------------------------------------------------------------------------

local function mark_way(path)
  way[path] = true
  while path ~= "/" do
    path = path:dirname()
    way[path] = true
  end
end

local function enter(letter, list)
  for _, path in ipairs(list) do
    at[path] = letter
    mark_way(path)
  end
end

local M = {}

-- files.read, write, close(list [, who]): "/a:/b", or a table of paths, each with all below it; a later entry replaces an earlier one for the same
-- path. Links in them are followed when the entry is made. A path that isn't absolute is an error, told in the name of `who` (nurse-paths(3)).
function M.read(list, who) enter("r", paths.list(list, who)) end
function M.write(list, who) enter("w", paths.list(list, who)) end
function M.close(list, who) enter("-", paths.list(list, who)) end

-- files.list(list [, who]): these directories may be opened and listed; what is in them has its own rights.
function M.list(list, who)
  for _, path in ipairs(paths.list(list, who)) do listed[path] = true end
end

-- files.execute(list [, who]): from the first time on, programs are executed only if they lie below one of these, and may be read.
function M.execute(list, who)
  programs = programs or {}
  for _, path in ipairs(paths.list(list, who)) do
    programs[#programs + 1] = path
    mark_way(path)
  end
end

-- files.work(dir): a directory to work in, which may be written, if it is no directory of the system as a whole and isn't given other rights already:
-- say these before. In a home, what begins with a dot stays closed. Returns whether it may be written.
function M.work(dir)
  dir = paths.list { dir }[1]
  local home = dir == param("home", "/") or dir:glob "/home/*"
  listed[dir] = true
  if shared[dir] and not (home and dir == "/root") or at[dir] and at[dir] ~= "w" then return false end
  if home then homes[dir] = true end
  enter("w", { dir })
  return true
end

return M
