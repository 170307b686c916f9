-- What t/51-attack-mailbox.t posts by hand: whatever is posted, nothing outside ok/ may be reached, and nothing but this happens.
local ok = param("OK", "/nonexistent")
local system = { "/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/etc/ld.so.cache", "/etc/ld.so.preload" }

on("@open", function(call)
  for _, dir in ipairs(system) do    -- what the program needs to start
    local reads = call.flags:has "O_RDONLY" and not call.flags:has "O_CREAT" and not call.flags:has "O_TRUNC"
    if reads and call.path:under(dir) then return call:allow() end
  end
end)
on("newfstatat fstatat64 statx", function(call)
  if call.rawpath == "" then return call:allow() end
end)
on("openat openat2 open access faccessat faccessat2 stat lstat stat64 lstat64 newfstatat fstatat64 statx readlink readlinkat", function(call)
  if call.path:under(ok) or call.path:glob "/proc/*/maps" then return call:allow() end
end)
allow("read write writev pread64 fstat fstat64 close mmap mmap2 munmap mprotect mremap madvise brk arch_prctl set_thread_area set_tid_address " ..
  "set_robust_list rseq prlimit64 ugetrlimit getrandom exit exit_group rt_sigaction rt_sigprocmask sigaltstack futex getppid getpid getuid " ..
  "clock_gettime clock_gettime64 uname")
default "deny EPERM"
