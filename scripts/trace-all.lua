-- trace-all: allows everything and logs every call with its result: a small strace, and a start for a policy of your own.
--
--   nurse run -p scripts/trace-all.lua -- cat /etc/hostname

default "allow"

after("@stdio @open @stat @file @dir @exec @process @thread @signal @memory @time @net @ipc @self @ids",
  function(call, result, errno)
    log("%s = %s", tostring(call), errno or tostring(result))
  end)
