#!/bin/sh
# embed.sh FILE.lua...: print the C file that carries these Lua modules inside nurse.
# Runs at build time. lua/nurse/pledge.lua becomes the module "nurse.pledge"; the table is
# declared in core/policy/modules.h. The texts come from the source tree, so they are believed.
set -eu

echo '#include "core/policy/modules.h"'
i=0
for file in "$@"; do
    echo "static const char text_$i[] = {"
    od -An -v -tu1 "$file" | sed 's/  *\([0-9][0-9]*\)/\1,/g'
    echo "0};"
    i=$((i + 1))
done

echo 'const struct policy_module policy_modules[] = {'
i=0
for file in "$@"; do
    echo "    {\"nurse.$(basename "$file" .lua)\", text_$i, sizeof text_$i - 1},"
    i=$((i + 1))
done
echo '    {0, 0, 0},'
echo '};'
