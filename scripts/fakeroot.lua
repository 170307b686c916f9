-- fakeroot: the program believes that it is root, and that files have the owners that it gives them: to pack or unpack an archive with its
-- owners and devices, as an ordinary user. Nothing is really allowed that wasn't before.
--
--   nurse run -p fakeroot -- sh -c 'tar xf root.tar -C root && tar cf copy.tar -C root .'
--
-- Every file seems to be root's, but what the program has given to somebody else. A device node that it makes is an empty file, shown to it as the
-- device. All that lasts for the run, for all its processes, and is kept by name: a second hard link made outside of the run isn't known
-- to be one. The kernel's own checks remain: what the user may not read, this root can't either.

local ids = require "nurse.ids"          -- getuid and its like say it, setuid and its like succeed
ids.seem(0, 0)

local owners = require "nurse.owners"    -- stat and its like tell what is noted here
owners.all(0, 0)

-- Owners are noted, not set.
on("chown lchown fchownat chown32 lchown32 fchown fchown32", function(call)
  local fd, first = call.fd, call.name == "fchownat" and 3 or 2
  local path = call.path or fd.kind ~= "none" and fd.path
  if not path then return call:deny "EBADF" end
  if not fd and not call.exists then return nil end    -- the kernel says why
  local known = owners.of(path)
  known.uid, known.gid = ids.argument(call, first) or known.uid, ids.argument(call, first + 1) or known.gid
  return call:emulate(0)
end)

-- The kernel is asked for an empty file instead of the device. A handler that returns nothing lets the call go on, as it has changed it.
on("mknod mknodat", function(call)
  local mode = call.mode.number
  if not call.exists and (call.mode:has "S_IFCHR" or call.mode:has "S_IFBLK") then
    local at = call.name == "mknod" and 2 or 3
    local known = owners.of(call.path)
    known.type, known.rdev = mode & 0xf000, call.args[at + 1] & 0xffffffff
    call.args[at], call.args[at + 1] = 0x8000 | mode & 0xfff, 0
  end
end)

default "allow"
