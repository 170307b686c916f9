-- unveil: only what was unveiled exists, as OpenBSD's unveil(2) has it. nurse-unveil(3) is the manual.
--
--   local unveil = require "nurse.unveil"
--   unveil("/usr", "rx")     -- r read, w write, x execute, c create and remove; "" hides
--   unveil.lock()            -- no more
--   unveil.interface()       -- processes may unveil for themselves (core/abi/nurse.h)
--
-- A layer of its own: what it has no opinion on is left to the other layers. The nearest unveiled directory above a path counts. A path outside
-- gives ENOENT, one without the permission EACCES. Paths are canonical: what a link leads to is judged. Tests: t/61-live-unveil.t, unit-policy.c.

local R, W, X, C = 1, 2, 4, 8
local letters = { r = R, w = W, x = X, c = C }

-- What calls need of their path, and of their newpath; other calls on paths need r. `inspects` calls may look at the directories on the way to an
-- unveiled path, so that getcwd(3) and realpath(3) find it. With `empty`, a path "" means the descriptor, which is no path to hide.
local needs = {
  { names = "stat lstat stat64 lstat64 oldstat oldlstat readlink readlinkat", path = R, inspects = true },
  { names = "newfstatat fstatat64 statx", path = R, inspects = true, empty = true },
  { names = "getxattrat listxattrat file_getattr name_to_handle_at", path = R, empty = true },
  { names = "execve execveat", path = X },
  { names = "truncate truncate64 chmod fchmodat chown lchown chown32 lchown32 utime utimes", path = W },
  { names = "setxattr lsetxattr removexattr lremovexattr acct swapon swapoff", path = W },
  { names = "fchmodat2 fchownat futimesat utimensat utimensat_time64 setxattrat removexattrat file_setattr", path = W, empty = true },
  { names = "mkdir mkdirat rmdir unlink unlinkat mknod mknodat symlink symlinkat", path = C },
  { names = "link linkat", path = R, newpath = C },
  { names = "rename renameat", path = R | C, newpath = C },
}

local LIMIT = 128        -- paths that a process may unveil, as OpenBSD's UNVEIL_MAX_VNODES
local KNOWN = 1024       -- answers that the policy's veil remembers
local KNOWN_OWN = 128    -- and that of a process, of which there may be many
local PATH_MAX = 4096

-- --- veils ------------------------------------------------------------------------------------------------

-- at: canonical path -> permissions; way: directories above; known: what was found, path -> permissions or false.
local function new_veil(remembers, old)
  local veil = { at = {}, way = {}, known = {}, known_count = 0, remembers = remembers, count = 0 }
  if old then
    for path, permissions in pairs(old.at) do veil.at[path] = permissions end
    for path in pairs(old.way) do veil.way[path] = true end
    veil.count = old.count
  end
  return veil
end

local function forget(veil)
  veil.known, veil.known_count = {}, 0
end

local function add_way(veil, path)
  while path ~= "/" do
    path = path:dirname()
    veil.way[path] = true
  end
end

local function add(veil, path, permissions)
  if veil.at[path] == nil then veil.count = veil.count + 1 end
  veil.at[path] = permissions
  if permissions ~= 0 then add_way(veil, path) end
  forget(veil)
end

-- The permissions of the nearest path above that has some, itself included; false: there is none.
local function search(veil, path)
  local at = veil.at
  while true do
    local here = at[path]
    if here then return here end
    if path == "/" then return false end
    path = path:dirname()
  end
end

local function permissions_at(veil, path)
  local here = veil.known[path]
  if here ~= nil then return here end
  if veil.known_count >= veil.remembers then forget(veil) end
  here = search(veil, path)
  veil.known[path] = here
  veil.known_count = veil.known_count + 1
  return here
end

-- nil: fine; else the errno's name. What has no path ("pipe:[1]", reached through /proc/self/fd) is nothing to hide.
local function problem(veil, path, wanted, inspects)
  if path:byte() ~= 47 then return nil end
  local here = permissions_at(veil, path)
  if here and here ~= 0 and here & wanted == wanted then return nil end
  if inspects and veil.way[path] then return nil end
  return here and here ~= 0 and "EACCES" or "ENOENT"
end

-- --- who has which veil -------------------------------------------------------------------------------------

local policys = new_veil(KNOWN)    -- of the policy, for all processes
local active = false          -- it has a path
local own_proc = false        -- one of them is in /proc/self
local policy_locked = false
local processes = {}          -- pid -> veil that the process has made for itself; never changed once it is here, so that children share it
local locked = {}             -- pid -> true: no more

-- In the policy's rules, /proc/self is the process that asks.
local function of_self(call, path)
  if own_proc and path:byte(2) == 112 and path:under("/proc/" .. call.pid) then
    return "/proc/self" .. path:sub(#("/proc/" .. call.pid) + 1)
  end
  return path
end

-- nil when all veils let it pass, else the verdict.
local function check(call, path, wanted, inspects)
  local error = active and problem(policys, of_self(call, path), wanted, inspects)
  local own = processes[call.pid]
  if own and not error then error = problem(own, path, wanted, inspects) end
  if error then return call:deny(error, "unveil: " .. path) end
end

local function sees_all(call)
  return not active and processes[call.pid] == nil
end

-- --- rules --------------------------------------------------------------------------------------------------

default "allow"

local function rule(names, handler)
  on(names, function(call)
    if sees_all(call) then return call:allow() end
    return handler(call) or call:allow()
  end)
end

-- The letters that an open asks for with its O_* flags.
local O_ACCMODE, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_PATH, O_TMPFILE = 3, 1, 2, 64, 512, 0x200000, 0x400000
local function open_needs(flags)
  if flags & O_PATH ~= 0 then return R end
  local mode = flags & O_ACCMODE
  local wanted = mode == O_WRONLY and W or mode == O_RDWR and R | W or mode == 0 and R or R | W
  if flags & (O_CREAT | O_TMPFILE) ~= 0 then wanted = wanted | C end
  if flags & O_TRUNC ~= 0 then wanted = wanted | W end
  return wanted
end

rule("open", function(call) return check(call, call.path, open_needs(call.args[2])) end)
rule("openat", function(call) return check(call, call.path, open_needs(call.args[3])) end)
rule("openat2 creat", function(call)
  local flags = call.flags
  return check(call, call.path, flags and open_needs(flags.number) or R)
end)

-- access(2): that it exists, or may be executed, is known to whoever may do anything with it.
local R_OK, W_OK = 4, 2
local function access(call, mode)
  local wanted = (mode & R_OK ~= 0 and R or 0) | (mode & W_OK ~= 0 and W or 0)
  return check(call, call.path, wanted, wanted & W == 0)
end

rule("access", function(call) return access(call, call.args[2]) end)
rule("faccessat", function(call) return access(call, call.args[3]) end)
rule("faccessat2", function(call)
  if call.rawpath ~= "" then return access(call, call.args[3]) end
end)

local RENAME_EXCHANGE = 2
rule("renameat2", function(call)
  local other = call.args[5] & RENAME_EXCHANGE ~= 0 and R | C or C
  return check(call, call.path, R | C) or check(call, call.newpath, other)
end)

for _, need in ipairs(needs) do
  rule(need.names, function(call)
    if need.empty and call.rawpath == "" then return nil end
    return check(call, call.path, need.path, need.inspects) or need.newpath and check(call, call.newpath, need.newpath)
  end)
end

rule("@paths", function(call)
  return check(call, call.path, R) or call.newpath and check(call, call.newpath, R)
end)

-- Sockets of the file system; "@name" is an abstract address, "" none.
local function check_addr(call, wanted)
  local addr = call.addr
  local path = addr and addr.path
  if not path or path == "" or path:byte() == 64 then return nil end
  return check(call, path, wanted)
end

rule("bind", function(call) return check_addr(call, C) end)
rule("connect sendmsg sendmmsg", function(call) return check_addr(call, W) end)
rule("sendto", function(call)
  if call.args[5] ~= 0 then return check_addr(call, W) end
end)

-- --- what policies say ----------------------------------------------------------------------------------------

local M = {}

local function parse(text)
  local permissions = 0
  for letter in text:gmatch "." do
    if not letters[letter] then return nil, letter end
    permissions = permissions | letters[letter]
  end
  return permissions
end

-- unveil(path, permissions): path is absolute, and permissions a string of the letters r w x c. A mistake is an error. unveil(2).
local function unveil(_, path, text)
  if policy_locked then error("unveil: locked", 2) end
  if path:sub(1, 1) ~= "/" then error("unveil: '" .. path .. "' is no absolute path", 2) end
  local permissions, letter = parse(text)
  if not permissions then error("unveil: unknown permission '" .. letter .. "'", 2) end
  path = path == "/" and path or path:gsub("/+$", "")
  local canonical = path
  if path:under "/proc/self" then
    own_proc = true
  else
    canonical = realpath(path) or path
  end
  add(policys, canonical, permissions)
  if permissions ~= 0 then
    add_way(policys, path)
    if canonical ~= path then policys.way[path] = true end    -- the link itself may be looked at
  end
  active = true
end

-- unveil.lock(): unveil() is an error from now on.
function M.lock()
  policy_locked = true
end

-- --- what processes say ----------------------------------------------------------------------------------------

local NURSE_PR_UNVEIL = 0x6e757202    -- core/abi/nurse.h

-- What becomes of a process's unveil(path, permissions): the new veil, or nil and an errno's name.
local function own_veil(call, path, text)
  local old = processes[call.pid]
  local permissions = #text <= 4 and parse(text)
  if not permissions then return nil, "EINVAL" end
  if #path >= PATH_MAX then return nil, "ENAMETOOLONG" end
  local canonical, error = call:realpath(path)
  if not canonical then return nil, error or "ENOENT" end
  if error and (error ~= "ENOENT" or select(2, call:realpath(path:dirname()))) then return nil, error end
  local before = old and old.at[canonical]
  if before and permissions & ~before ~= 0 then return nil, "EPERM" end
  if old and not before and old.count >= LIMIT then return nil, "E2BIG" end
  local veil = new_veil(KNOWN_OWN, old)
  add(veil, canonical, permissions)
  return veil
end

local function answer(call)
  if call.args[2] == 0 and call.args[3] == 0 then
    locked[call.pid] = true
    return call:emulate(0)
  end
  local path, text = call.memory:string(call.args[2]), call.memory:string(call.args[3])
  if not path or not text then return call:deny "EFAULT" end
  if locked[call.pid] then return call:deny "EPERM" end
  local veil, error = own_veil(call, path, text)
  if not veil then return call:deny(error) end
  processes[call.pid] = veil
  return call:emulate(0)
end

-- unveil.interface(): the processes of the sandbox may hide paths from themselves and their children, with nurse_unveil(3). What the policy
-- hides stays hidden.
function M.interface()
  on("prctl", function(call)
    if call.args[1] & 0xffffffff == NURSE_PR_UNVEIL then return answer(call) end
    return call:allow()
  end)
  event("fork", function(process)
    processes[process.pid] = processes[process.maker]
    locked[process.pid] = locked[process.maker]
  end)
  event("exit", function(process)
    processes[process.pid] = nil
    locked[process.pid] = nil
  end)
end

return setmetatable(M, { __call = unveil })
