-- One handler with a typed path, that answers by itself.
on("access faccessat faccessat2", function(call)
  if call.path:under "/nowhere" then return call:deny "EPERM" end
  return call:deny "EACCES"
end)
default "allow"
