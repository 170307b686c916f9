# nurse: a sandbox that asks a Lua script about every system call.
#
# Nothing here runs a tool before it is needed: on a fresh Debian 12 with only make, `make demo`
# and `make test` install the rest themselves.

BUILD_PACKAGES := gcc gcc-multilib libc6-dev libc6-dev-i386 binutils \
                  liblua5.4-dev lua-cjson-dev libseccomp-dev
DEMO_PACKAGES  := python3 lua5.4
TEST_PACKAGES  := perl libcmocka-dev musl-tools procps strace proot gdb lua5.4 python3 sqlite3 git make \
                  nginx-light restic shfmt bash dash \
                  poppler-utils xz-utils gzip tar gawk sed grep findutils coreutils file \
                  util-linux
CHECK_PACKAGES := clang-tidy cppcheck lua-check libcmocka-dev
BENCH_PACKAGES := strace proot perl git

PREFIX  ?= /usr/local
DESTDIR ?=
CC      := gcc
PROVE   ?= prove

B := build

# ---- what is built from what --------------------------------------------------------------

HELPER_ROOMS := base abi mailbox route helper text policy judges
HELPER_C     := $(filter-out core/mailbox/offsets.c,$(wildcard $(HELPER_ROOMS:%=core/%/*.c)))
CLI_C        := $(wildcard core/cli/*.c)
STUB_C       := $(wildcard core/stub/*.c)
ASM_64       := $(wildcard asm/x86_64/*.S)
ASM_32       := $(wildcard asm/i386/*.S)
MODULES      := $(sort $(wildcard lua/nurse/*.lua))

HELPER_O := $(HELPER_C:%.c=$(B)/obj/%.o) $(B)/obj/modules.o $(B)/obj/stubs.o
CLI_O    := $(CLI_C:%.c=$(B)/obj/%.o)
STUB_64  := $(STUB_C:%.c=$(B)/64/%.o) $(ASM_64:%.S=$(B)/64/%.o)
STUB_32  := $(STUB_C:%.c=$(B)/32/%.o) $(ASM_32:%.S=$(B)/32/%.o)

# unit-*.c is a cmocka program in the helper's world; any other program is one of those that nurse
# runs, built for both classes, or for one if its name says so.
UNIT_C      := $(wildcard t/programs/unit-*.c)
PROGRAM_C   := $(filter-out $(UNIT_C),$(wildcard t/programs/*.c))
UNITS       := $(UNIT_C:t/programs/%.c=$(B)/t/%)
BENCHES     := $(patsubst t/bench/%.c,$(B)/t/%,$(wildcard t/bench/*.c))
PROGRAMS_64 := $(patsubst t/programs/%.c,$(B)/64/t/%,$(filter-out %-32.c,$(PROGRAM_C)))
PROGRAMS_32 := $(patsubst t/programs/%.c,$(B)/32/t/%,$(filter-out %-64.c,$(PROGRAM_C)))
TESTS       ?= $(sort $(wildcard t/*.t))

# ---- how ----------------------------------------------------------------------------------

WARN   := -Wall -Wextra -Werror
LUA_I  := -I/usr/include/lua5.4
CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -I. $(LUA_I)
LIBS   := -lseccomp -llua5.4-cjson -llua5.4 -lm

# The stub has no libc below it: no stack protector (no TLS yet), no vector registers (they are the
# program's), no calls to memcpy made out of loops, no landing pads or unwind tables, and nothing
# that needs relocating, since the helper moves the stub to a random address.
STUB_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -I. -ffreestanding -fno-builtin \
               -fno-stack-protector -fPIE -fvisibility=hidden -mgeneral-regs-only \
               -fcf-protection=none -fno-asynchronous-unwind-tables \
               -fno-tree-loop-distribute-patterns
STUB_ASFLAGS := -g -I. -I$(B)/gen -Wa,--fatal-warnings
STUB_LDFLAGS := -nostdlib -static -Wl,-T,core/stub/stub.lds -Wl,--build-id=none -Wl,-z,noexecstack

PROGRAM_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -I. -pthread

# One short line for each step; the whole command with V=1.
V   ?=
run = $(if $(V),,@echo "  $(1) $@" && )

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: docs all demo test check bench programs install uninstall clean deps help

all: $(B)/nurse ## build nurse (needs the packages: see deps)

demo: ## install what is missing, build, and show the session of the README
	@scripts/packages.sh $(BUILD_PACKAGES) $(DEMO_PACKAGES)
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@NURSE=$(B)/nurse sh scripts/demo.sh

test: ## install what is missing, build, run the whole suite (TESTS="t/x.t" for some)
	@scripts/packages.sh $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory -j$$(nproc) all programs
	@BUILD=$(B) NURSE=$(B)/nurse $(PROVE) $(TESTS)

programs: $(UNITS) $(BENCHES) $(PROGRAMS_64) $(PROGRAMS_32) ## build the test programs

bench: ## ns per call: native, nurse, strace, a hand-written supervisor
	@scripts/packages.sh $(BUILD_PACKAGES) $(TEST_PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory -j$$(nproc) all programs
	@BUILD=$(B) NURSE=$(B)/nurse t/bench/run

TIDY_C := $(HELPER_C) $(CLI_C) $(UNIT_C)
check: ## clang-tidy, cppcheck, luacheck: silence means clean
	@scripts/packages.sh $(BUILD_PACKAGES) $(CHECK_PACKAGES)
	clang-tidy --quiet $(TIDY_C) -- -std=gnu11 -D_GNU_SOURCE -I. $(LUA_I)
	clang-tidy --quiet $(STUB_C) -- -std=gnu11 -D_GNU_SOURCE -I. -ffreestanding
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -I. -D__x86_64__ \
	    --enable=warning,performance,portability --suppressions-list=.cppcheck --library=.cppcheck.cfg core t/programs
	luacheck --quiet lua scripts t

docs: $(B)/nurse ## write what the documentation takes from the table of calls
	@$(B)/nurse check --calls > doc/calls.md

deps: ## install every Debian package that any target needs
	@scripts/packages.sh $(sort $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES) $(CHECK_PACKAGES) $(BENCH_PACKAGES))

MAN := $(wildcard doc/man/*.[1-9])
man_path = $(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
POLICIES := $(wildcard scripts/*.lua)
install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(B)/nurse $(DESTDIR)$(PREFIX)/bin/nurse
	install -D -m 644 core/abi/nurse.h $(DESTDIR)$(PREFIX)/include/nurse.h
	install -d $(DESTDIR)$(PREFIX)/share/nurse/policies
	$(if $(POLICIES),install -m 644 $(POLICIES) $(DESTDIR)$(PREFIX)/share/nurse/policies)
	$(foreach page,$(MAN),install -D -m 644 $(page) $(call man_path,$(page)) &&) true

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/nurse $(DESTDIR)$(PREFIX)/include/nurse.h $(foreach page,$(MAN),$(call man_path,$(page)))
	rm -f $(POLICIES:scripts/%=$(DESTDIR)$(PREFIX)/share/nurse/policies/%)
	rmdir --ignore-fail-on-non-empty -p $(DESTDIR)$(PREFIX)/share/nurse/policies 2>/dev/null || true

clean: ## remove everything built
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

# ---- nurse itself -------------------------------------------------------------------------

$(B)/nurse: $(CLI_O) $(HELPER_O)
	$(call run,link)$(CC) $(CFLAGS) -o $@ $^ $(LIBS)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call run,cc  )$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The directory is a prerequisite too: a module that goes away must go from the binary.
$(B)/gen/modules.c: core/policy/embed.sh $(wildcard lua/nurse) $(MODULES)
	@mkdir -p $(@D)
	$(call run,lua )core/policy/embed.sh $(MODULES) > $@

$(B)/obj/modules.o: $(B)/gen/modules.c
	@mkdir -p $(@D)
	$(call run,cc  )$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/gen/stubs.S: Makefile
	@mkdir -p $(@D)
	@{ echo '.section .rodata'; \
	   for pair in x86_64:64 i386:32; do \
	       name=stub_$${pair%:*}; \
	       echo ".balign 16"; \
	       echo ".global $$name, $${name}_end"; \
	       echo "$$name: .incbin \"$(B)/$${pair#*:}/stub.elf\""; \
	       echo "$${name}_end:"; \
	   done; \
	   echo '.section .note.GNU-stack,"",@progbits'; } > $@

$(B)/obj/stubs.o: $(B)/gen/stubs.S $(B)/64/stub.elf $(B)/32/stub.elf
	@mkdir -p $(@D)
	$(call run,cc  )$(CC) -c -o $@ $<

# ---- the stubs, one per class -------------------------------------------------------------

# $(call stub_rules,CLASS): linked twice, once to look at the relocations and once to embed.
define stub_rules
$(B)/$(1)/core/stub/%.o: core/stub/%.c Makefile
	@mkdir -p $$(@D)
	$$(call run,cc  )$$(CC) -m$(1) $$(STUB_CFLAGS) -MMD -MP -c -o $$@ $$<

$(B)/$(1)/asm/%.o: asm/%.S $(B)/gen/offsets.h Makefile
	@mkdir -p $$(@D)
	$$(call run,cc  )$$(CC) -m$(1) $$(STUB_ASFLAGS) -MMD -MP -c -o $$@ $$<

$(B)/$(1)/stub.relocs: $$(STUB_$(1)) core/stub/stub.lds core/stub/check-absolute.sh
	$$(call run,link)$$(CC) -m$(1) $$(STUB_LDFLAGS) -Wl,--emit-relocs -o $$@ $$(STUB_$(1))
	@core/stub/check-absolute.sh $$@

$(B)/$(1)/stub.elf: $(B)/$(1)/stub.relocs
	$$(call run,link)$$(CC) -m$(1) $$(STUB_LDFLAGS) -Wl,--strip-debug -o $$@ $$(STUB_$(1))

# Lines "->NAME value" in the compiler's output are the offsets that the assembly uses.
$(B)/$(1)/offsets.h: core/mailbox/offsets.c Makefile
	@mkdir -p $$(@D)
	$$(call run,cc  )$$(CC) -m$(1) $$(STUB_CFLAGS) -MMD -MP -MT $$@ -MF $(B)/$(1)/offsets.d -S -o $(B)/$(1)/offsets.s $$<
	@sed -n 's/^[[:space:]]*->\([A-Za-z0-9_]*\) [$$$$]*\(-*[0-9][0-9]*\).*/#define \1 \2/p' $(B)/$(1)/offsets.s > $$@
	@test -s $$@ || { echo "$$@: no offsets found in the compiler's output" >&2; exit 1; }
endef
$(eval $(call stub_rules,64))
$(eval $(call stub_rules,32))

# One layout for both classes: a 32-bit program and the 64-bit helper share the windows.
$(B)/gen/offsets.h: $(B)/64/offsets.h $(B)/32/offsets.h
	@mkdir -p $(@D)
	@cmp $^
	@cp $< $@

# ---- test programs ------------------------------------------------------------------------

$(B)/t/unit-%: $(B)/obj/t/programs/unit-%.o $(HELPER_O)
	@mkdir -p $(@D)
	$(call run,link)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) -lcmocka

# What the bench compares with: a loop of calls, and the supervisor that users would write by hand.
$(B)/t/%: t/bench/%.c Makefile
	@mkdir -p $(@D)
	$(call run,cc  )$(CC) $(CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(BENCH_LIBS)
$(B)/t/supervisor: BENCH_LIBS := $(LIBS)
$(B)/t/resolve: BENCH_LIBS := $(HELPER_O) $(LIBS)
$(B)/t/resolve: $(HELPER_O)

# Takes a system call away from the program that it starts, as an old kernel would.
$(B)/64/t/without-64: PROGRAM_LIBS := -lseccomp

$(B)/64/t/%: t/programs/%.c Makefile
	@mkdir -p $(@D)
	$(call run,cc  )$(CC) -m64 $(PROGRAM_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(PROGRAM_LIBS)

$(B)/32/t/%: t/programs/%.c Makefile
	@mkdir -p $(@D)
	$(call run,cc  )$(CC) -m32 $(PROGRAM_CFLAGS) -MMD -MP -MF $@.d -o $@ $< $(PROGRAM_LIBS)

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)
