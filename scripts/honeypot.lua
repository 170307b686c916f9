-- honeypot: for a program that you suspect. What thieves look for is a decoy, every touch is told, and nothing leaves the machine.
--
--   mkdir -p /srv/decoys/etc && echo 'root:$6$decoy:19000:0:99999:7:::' > /srv/decoys/etc/shadow
--   nurse run -p honeypot -D decoys=/srv/decoys -- ./suspect
--
-- The directory (decoys in the current one, where the program can see it, if -D decoys= isn't given) mirrors the machine: etc/shadow in it is
-- the decoy of /etc/shadow. A secret without a decoy doesn't exist for the program. What it writes into secrets goes nowhere; the network is
-- there, but nobody answers.
-- Else it has what `default` gives: it reads the system, and writes here (but to the decoys) and in /tmp. -D read=, -D write= work as there.

local cwd = param("cwd", "/")
local decoys, missing = realpath(param("decoys", "decoys"))
if missing then event("start", function() log("honeypot: no decoys: %s: %s", decoys, missing) end) end

-- What is worth stealing: a path below one of these. "**" stands for any number of names.
local bait = {
  "/etc/shadow*", "/etc/gshadow*", "/etc/sudoers", "/etc/sudoers.d/**", "/etc/ssl/private/**", "/etc/ssh/*key", "/etc/krb5.keytab", "/root/**",
  "/home/*/.ssh/**", "/home/*/.gnupg/**", "/home/*/.aws/**", "/home/*/.azure/**", "/home/*/.kube/**", "/home/*/.docker/**", "/home/*/.config/**",
  "/home/*/.mozilla/**", "/home/*/.local/share/keyrings/**", "/home/*/.password-store/**", "/home/*/.netrc", "/home/*/.pgpass", "/home/*/.npmrc",
  "/home/*/.pypirc", "/home/*/.git-credentials", "/home/*/.*_history", "/home/*/*wallet*", "/home/*/*.kdbx",
}

-- A project directory below a home is the program's own, the home itself isn't.
local home = param("home", "/root")
local at_home = cwd ~= "/" and cwd ~= "/root" and cwd ~= home and not cwd:glob "/home/*"

for _, name in ipairs { ".ssh/**", ".gnupg/**", ".aws/**", ".config/**" } do bait[#bait + 1] = home .. "/" .. name end    -- wherever the home is
local function tempting(path)
  if at_home and path:under(cwd) then return false end
  for _, pattern in ipairs(bait) do
    if path:glob(pattern) then return true end
  end
  return false
end

local function alert(call)
  log("ALERT: %s (pid %d, %s): %s", call.comm, call.pid, call.exe, tostring(call))
end

local function reads(flags)
  return flags:has "O_RDONLY" and not flags:has "O_CREAT" and not flags:has "O_TRUNC"
end

-- The decoys themselves can be read, for a program that has changed into one's directory; what it writes there would spoil them.
on("@open @file mkdir mkdirat rmdir", function(call)
  if not (call.path and call.path:under(decoys) or call.newpath and call.newpath:under(decoys)) then return nil end
  alert(call)
  if call.name:find "^open" and call.flags and reads(call.flags) then return call:allow() end
  return call:deny "ENOSPC"
end)

on("@open", function(call)
  local path, flags = call.path, call.flags
  if not flags or not tempting(path) then return nil end
  alert(call)
  if not reads(flags) then
    call.path = decoys .. path
    if not call.exists then return call:deny "ENOSPC" end    -- a file more, and the disk is full
    call.path = "/dev/null"
    if call.name ~= "creat" then call.flags = flags:without "O_CREAT|O_EXCL|O_TRUNC|O_DIRECTORY" end
  else
    call.path = decoys .. path
  end
  if not (call.path:under(decoys) or call.path == "/dev/null") then return call:deny "ENOENT" end    -- a decoy that is a link elsewhere
  return call:allow()
end)
on("@stat chdir", function(call)
  local path = call.path
  if not path or call.rawpath == "" or not tempting(path) then return nil end
  call.path = decoys .. path
  if call.exists then alert(call) end    -- shells look for programs in many places
  return call:allow()
end)
on("@exec @file mkdir mkdirat rmdir", function(call)
  if not (call.path and tempting(call.path) or call.newpath and tempting(call.newpath)) then return nil end
  alert(call)
  return call:deny(call.name:find "^exec" and "ENOENT" or "ENOSPC")
end)

-- Sockets can be made. Where they would lead, nobody is.
on("connect sendto", function(call)
  local addr = call.addr
  if not addr then return nil end
  alert(call)
  if addr.family == "AF_UNIX" then return call:deny "ECONNREFUSED" end
  return call:deny "ENETUNREACH"
end)
on("sendmsg sendmmsg", function(call)
  if call.addr then
    alert(call)
    return call:deny "ENETUNREACH"
  end
end)
on("bind listen", function(call)
  alert(call)
  return call:deny "EADDRINUSE"
end)
on("socket", function(call)
  local family = call.args[1] & 0xffffffff
  if family == 1 or family == 2 or family == 10 then return call:allow() end    -- AF_UNIX, AF_INET, AF_INET6
  return call:deny "EAFNOSUPPORT"
end)
include "default"
