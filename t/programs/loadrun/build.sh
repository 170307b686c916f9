#!/bin/sh
# build.sh [DIR]: builds the loader's harness and the programs it loads into DIR (build/t/loadrun); called by t/11-unit-loader.t from the top.
# DIR/loadrun64 and DIR/loadrun32 are the harness; facts-WAY-CLASS are one program linked in every way; tiny-WAY-CLASS serve the mutations.
set -eu
here=t/programs/loadrun
dir=${1:-build/t/loadrun}
mkdir -p "$dir"

# The flags of the stub: nothing that needs a libc, a stack protector, a GOT, or a register that the program would notice.
stub="-std=gnu11 -O2 -I. -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables
      -fcf-protection=none -mgeneral-regs-only -fPIE -fvisibility=hidden -ffunction-sections"
harness() { # CLASS BASE ASSEMBLY...
    class=$1 base=$2
    shift 2
    # shellcheck disable=SC2086
    gcc -m"$class" $stub -nostdlib -static -no-pie -Wl,-z,noexecstack,--build-id=none,--no-dynamic-linker,-T,$here/loadrun.lds,--defsym=LOADRUN_BASE="$base" \
        -o "$dir/loadrun$class" "$@" $here/start.S $here/loadrun.c core/stub/loader.c core/stub/auxv.c core/stub/mm.c core/stub/mem.c
}
harness 64 0x400012340000
harness 32 0x48120000 asm/i386/vdso.S

facts() { # NAME COMPILER FLAGS...
    name=$1 compiler=$2
    shift 2
    $compiler -std=gnu11 -D_GNU_SOURCE -O1 -Wall "$@" -o "$dir/facts-$name" $here/facts.c
}
wide="-Wl,-z,max-page-size=0x200000 -DFACTS_ALIGN=0x200000"
for class in 64 32; do
    facts dynamic-$class gcc -m$class -fPIE -pie -DFACTS_HEAP_FOLLOWS
    facts nopie-$class gcc -m$class -fno-pie -no-pie -DFACTS_HEAP_FOLLOWS
    facts static-$class gcc -m$class -fno-pie -static -DFACTS_HEAP_FOLLOWS
    facts staticpie-$class gcc -m$class -fPIE -static-pie
    # shellcheck disable=SC2086
    facts wide-$class gcc -m$class -fPIE -pie $wide
    # shellcheck disable=SC2086
    facts widenopie-$class gcc -m$class -fno-pie -no-pie $wide
    facts execstack-$class gcc -m$class -fPIE -pie -z execstack
done
facts musl-64 musl-gcc -fPIE -pie
facts muslstatic-64 musl-gcc -static -fno-pie -no-pie

for class in 64 32; do
    interpreter=/lib64/ld-linux-x86-64.so.2
    test $class = 64 || interpreter=/lib/ld-linux.so.2
    gcc -m$class -nostdlib -static -no-pie -Wl,-z,noseparate-code,--build-id=none -o "$dir/tiny-exec-$class" $here/tiny.S
    gcc -m$class -nostdlib -static-pie -Wl,-z,noseparate-code,--build-id=none -o "$dir/tiny-pie-$class" $here/tiny.S
    gcc -m$class -nostdlib -pie -Wl,-z,noseparate-code,--build-id=none,--dynamic-linker=$interpreter -o "$dir/tiny-dynamic-$class" $here/tiny.S
done
