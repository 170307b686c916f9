-- Every system call is decided by a Lua function; everything is allowed. What runs under it must not notice.
default "allow"

on("@stdio @read @write @open @stat @file @dir @exec @process @thread @signal @memory @time @net @ipc @self @ids",
   function(call) return call:allow() end)
