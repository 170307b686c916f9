#!/bin/sh
# check-absolute.sh FILE: fail when a stub (linked with --emit-relocs) holds an absolute address.
# Runs at build time. The helper moves the stub to a random base by changing program headers only,
# so nothing in it may depend on where it lies: just these kinds of relocation may have been used.
set -eu

allowed='R_(X86_64_(PC32|PLT32|PC8|NONE)|386_(PC32|PLT32|PC8|GOTPC|GOTOFF|NONE))'
bad=$(readelf -rW "$1" | awk -v allowed="^$allowed\$" '
    /^Relocation section/ { debug = ($3 ~ /\.debug|\.eh_frame|\.comment|\.note/) }
    /R_(X86_64|386)_/ && !debug && $3 !~ allowed { print }')
if [ -n "$bad" ]; then
    echo "$1: absolute addresses in the stub:" >&2
    echo "$bad" >&2
    exit 1
fi
