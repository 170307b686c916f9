allow "getpid"
deny("getuid", "EACCES")
