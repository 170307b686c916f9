-- t/50-attack-flip.t under nurse: whatever is named "evil" is out of reach, and nothing may be opened for writing by openat2.
local function is_evil(path) return path:find("/evil", 1, true) ~= nil end

on("openat2", function(call)
  if call.flags:has "O_WRONLY" then return call:deny "EPERM" end
end)
on("@open stat lstat newfstatat statx stat64 lstat64 fstatat64", function(call)
  if is_evil(call.path) then return call:deny "EPERM" end
end)
on("connect sendto", function(call)
  if call.addr and call.addr.path and is_evil(call.addr.path) then return call:deny "EPERM" end
end)

default "allow"
