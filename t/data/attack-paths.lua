-- t/54-attack-paths.t: whatever a path is called, nothing at `secret` or below it, nor at `other`.
local secret, other = param("secret"), param("other", "/nonexistent")

local function hidden(path) return path and (path:under(secret) or path:under(other)) end

on("@paths", function(call)
  if hidden(call.path) or hidden(call.newpath) then
    log("refused: %s", call.path)
    return call:deny "EPERM"
  end
end)
on("connect bind sendto sendmsg sendmmsg", function(call)
  if call.addr and hidden(call.addr.path) then return call:deny "EPERM" end
end)
default "allow"
