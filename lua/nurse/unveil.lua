-- unveil: only what was unveiled exists, as OpenBSD's unveil(2) has it.
--
--   local unveil = require "nurse.unveil"
--   unveil("/usr", "rx")     -- r read, w write, x execute, c create and remove; "" hides
--   unveil.lock()            -- no more
--
-- A layer of its own: what it has no opinion on is left to the other layers. The nearest unveiled
-- directory above a path counts. A path outside gives ENOENT, one without the permission EACCES.

local veil = {}          -- directory -> set of permissions
local locked = false

-- What each call needs of its path: letters of the permissions; a name missing here needs "r".
local needs = {
  execve = "x", execveat = "x",
  truncate = "w", truncate64 = "w", chmod = "w", fchmodat = "w", fchmodat2 = "w",
  chown = "w", lchown = "w", fchownat = "w", chown32 = "w", lchown32 = "w",
  utime = "w", utimes = "w", utimensat = "w", futimesat = "w", utimensat_time64 = "w",
  setxattr = "w", lsetxattr = "w", removexattr = "w", lremovexattr = "w",
  mkdir = "c", mkdirat = "c", rmdir = "c", unlink = "c", unlinkat = "c", mknod = "c", mknodat = "c",
  symlink = "c", symlinkat = "c", link = "c", linkat = "c", rename = "c", renameat = "c", renameat2 = "c",
}

-- The permissions that hold at a path: those of the nearest directory above it.
local function permissions(path)
  while true do
    local here = veil[path]
    if here then return here end
    if path == "/" or path == "." then return nil end
    path = path:dirname()
  end
end

local function check(path, wanted)
  local here = permissions(path)
  if not here or not next(here) then return "ENOENT" end
  for letter in wanted:gmatch "." do
    if not here[letter] then return "EACCES" end
  end
end

-- open says in its flags what it wants.
local function open_needs(flags)
  local wanted = flags:has "O_WRONLY" and "w" or flags:has "O_RDWR" and "rw" or "r"
  if flags:has "O_CREAT" then wanted = wanted .. "c" end
  if flags:has "O_TRUNC" then wanted = wanted .. "w" end
  return wanted
end

default "allow"

on("@paths", function(call)
  if not next(veil) then return nil end
  local opens = call.name:find("^open") or call.name == "creat"
  local wanted = opens and open_needs(call.flags) or needs[call.name] or "r"
  local problem = call.path and check(call.path, wanted) or call.newpath and check(call.newpath, wanted)
  if problem then return call:deny(problem) end
end)

local M = {}

function M.lock()
  locked = true
end

return setmetatable(M, {
  __call = function(_, dir, letters)
    if locked then error("unveil: locked", 2) end
    if dir:sub(1, 1) ~= "/" then error("unveil: '" .. dir .. "' is no absolute path", 2) end
    local set = {}
    for letter in letters:gmatch "." do
      if not ("rwxc"):find(letter, 1, true) then error("unveil: unknown permission '" .. letter .. "'", 2) end
      set[letter] = true
    end
    dir = dir == "/" and dir or dir:gsub("/+$", "")
    veil[dir] = set
  end,
})
