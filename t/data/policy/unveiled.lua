-- Only a module's layer, beside a script that allows everything.
local unveil = require "nurse.unveil"

default "allow"
unveil("/usr", "rx")
unveil("/usr/secret/", "")
unveil("/tmp", "rwc")
unveil.lock()
