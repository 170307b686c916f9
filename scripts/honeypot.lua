-- honeypot: for a program that you suspect. What thieves look for is a decoy, every touch is told, and nothing leaves the machine.
--
--   mkdir -p /srv/decoys/etc && echo 'root:$6$decoy:19000:0:99999:7:::' > /srv/decoys/etc/shadow
--   nurse run -p honeypot -D decoys=/srv/decoys -- ./suspect
--
-- The directory (decoys in the current one, where the program can see it, if -D decoys= isn't given) mirrors the machine: etc/shadow in it is
-- the decoy of /etc/shadow. A secret without a decoy doesn't exist for the program. What it writes into secrets goes nowhere; the network is
-- there, but nobody answers.
-- Else it has what `default` gives: it reads the system, and writes here (but to the decoys) and in /tmp. -D read=, -D write= work as there.

-- What is worth stealing: a path below one of these. "**" stands for any number of names.
local bait = {
  "/etc/shadow*", "/etc/gshadow*", "/etc/sudoers", "/etc/sudoers.d/**", "/etc/ssl/private/**", "/etc/ssh/*key", "/etc/krb5.keytab", "/root/**",
  "/home/*/.ssh/**", "/home/*/.gnupg/**", "/home/*/.aws/**", "/home/*/.azure/**", "/home/*/.kube/**", "/home/*/.docker/**", "/home/*/.config/**",
  "/home/*/.mozilla/**", "/home/*/.local/share/keyrings/**", "/home/*/.password-store/**", "/home/*/.netrc", "/home/*/.pgpass", "/home/*/.npmrc",
  "/home/*/.pypirc", "/home/*/.git-credentials", "/home/*/.*_history", "/home/*/*wallet*", "/home/*/*.kdbx",
}
local cwd, home = param("cwd", "/"), param("home", "/root")
for _, name in ipairs { ".ssh/**", ".gnupg/**", ".aws/**", ".config/**" } do bait[#bait + 1] = home .. "/" .. name end    -- wherever the home is

local function alert(call)
  log("ALERT: %s (pid %d, %s): %s", call.comm, call.pid, call.exe, tostring(call))
end

local decoys = require "nurse.decoys"    -- before `default`, whose modules then judge the decoy's path
decoys.alert(alert)
local dir, missing = decoys.serve(param("decoys", "decoys"), bait)
if missing then event("start", function() log("honeypot: no decoys: %s: %s", dir, missing) end) end
if cwd ~= "/" and cwd ~= "/root" and cwd ~= home and not cwd:glob "/home/*" then decoys.spare(cwd) end    -- a project below a home; not the home itself

-- Sockets can be made. Where they would lead, nobody is.
on("connect sendto sendmsg sendmmsg", function(call)
  local addr = call.addr
  if not addr then return nil end
  alert(call)
  local refuses = addr.family == "AF_UNIX" and not call.name:find "^sendm"
  return call:deny(refuses and "ECONNREFUSED" or "ENETUNREACH")
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
require "nurse.files".read { dir }    -- the same module that `default` has
