#!/bin/sh
# packages.sh NAME...: make sure that these Debian packages are installed.
# Installs what is missing when it may (root, or sudo without a password); otherwise prints the
# line to type and fails. Needs only a fresh Debian: no compiler, no perl.
set -eu

if ! command -v dpkg-query >/dev/null; then
    echo "nurse: this is no Debian; I go on and trust that you have: $*" >&2
    exit 0
fi

missing=
for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "nurse: missing packages; please run: sudo apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root='sudo -n'
fi

echo "nurse: installing$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends $missing >&2
