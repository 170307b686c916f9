-- `make bench`: a path rule in Lua on the calls that open and look at files, everything else is a constant.
on("@open stat lstat newfstatat statx stat64 lstat64 fstatat64 access faccessat faccessat2", function(call)
  if call.path:under "/secret" then return call:deny "EPERM" end
end)

default "allow"
