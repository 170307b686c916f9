#!/bin/sh
# demo: the session of the ancestor's slides (seccomp-nurse, 2010), played live: a python3 REPL on a terminal, under a policy
# of one page. It may read files, but nothing below /secret, however the path is spelled. Nothing is written outside a
# temporary directory, and /secret need not exist: nurse refuses the path before anybody can learn whether it does.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
nurse=${NURSE:-$here/../build/nurse}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

text=/etc/resolv.conf
if [ ! -s "$text" ]; then
    text=$dir/resolv.conf
    printf 'nameserver 192.168.9.2\ndomain vmlab\nsearch vmlab\n' > "$text"
fi
ln -s /secret/password "$dir/innocent"

# The lines to type. Before each, typist waits for the prompt ("... " inside a block).
session() {
    cat <<END
expect >>> 
send fd = open('$text')
expect >>> 
send for line in fd:
expect ... 
send     print(line, end='')
expect ... 
send 
expect >>> 
send import os
expect >>> 
send os.getpid()
expect >>> 
send open('/secret/password')
expect >>> 
send open('/var/log/../.././././../secret/password')
expect >>> 
send open('$dir/innocent')
expect >>> 
send exit()
END
}

echo "\$ nurse run -p scripts/ancestor.lua -- python3"
session | TERM=dumb "$here/typist" - "$nurse" run -p "$here/ancestor.lua" -- /usr/bin/python3 -I
