#!/bin/sh
# i386-root: unpacks a few of Debian's 32-bit programs into a scratch root, once, without changing the system:
# apt works with a configuration, lists and cache of its own; nothing is installed, no architecture is added.
#
# usage: i386-root.sh [DIRECTORY]     (default build/i386)
# Afterwards DIRECTORY/root/ holds the programs, and DIRECTORY/done names the packages. libc is the system's own
# 32-bit one (libc6-i386, which gcc-multilib brings): the interpreter and the libc must be of one build.
set -eu

base=${1:-${BUILD:-build}/i386}
packages="busybox-static lua5.4 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libreadline8 libtinfo6
    zlib1g libexpat1 libssl3 libsqlite3-0 libffi8 libbz2-1.0 liblzma5 libuuid1 libcrypt1"

[ ! -e "$base/done" ] || exit 0

mkdir -p "$base"
base=$(cd "$base" && pwd)
exec 9> "$base/lock"
flock 9    # two tests may want it at the same moment
[ ! -e "$base/done" ] || exit 0
work=$base/work.$$
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/sources" "$work/debs"
: > "$work/state/status"

# The system's own Debian sources; third parties' are not asked.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [ -f "$file" ] && grep -q '/debian' "$file"; then cp "$file" "$work/sources/"; fi
done

cat > "$work/apt.conf" <<END
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/sources";
APT::Architecture "i386";
APT::Architectures { "i386"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
END
export APT_CONFIG="$work/apt.conf"

# One index may be out of step with its mirror for an hour; what counts is whether the packages come.
apt-get -q update > "$work/log" 2>&1 || true
(cd "$work/debs" && apt-get -q download $packages) >> "$work/log" 2>&1 || {
    echo "i386-root: can't download the i386 packages:" >&2
    grep '^[EW]:' "$work/log" >&2 || tail -3 "$work/log" >&2
    exit 1
}

mkdir "$work/root"
for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$work/root"
done
rm -rf "$base/root"
mv "$work/root" "$base/root"
ls "$work/debs" > "$base/done"
