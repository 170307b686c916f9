-- A policy with a bit of everything, as a person would write it; unit-policy walks calls through it.
local secret = param("secret", "/secret")
local seen = 0

default "deny EPERM"

on("@open", function(call)
  seen = seen + 1
  if call.path:under(secret) then return call:deny "EACCES" end
  if call.path == "/etc/resolv.conf" then call.path = "/srv/fake/resolv.conf" end
  if call.flags:has "O_WRONLY" or call.flags:has "O_RDWR" then return call:deny "EROFS" end
  return call:allow()
end)

on("connect", function(call)
  if call.addr.port == 5432 then call.addr = { ip = "127.0.0.1", port = 5433 } end
  return true
end)

on("getpid", function(call) return call:emulate(42) end)

allow { "read write", "close", "@memory" }
deny("@ids", "ENOSYS")
kill "ptrace"
