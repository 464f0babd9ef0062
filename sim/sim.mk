# SPDX-License-Identifier: MIT
#
# sim/sim.mk: the machine as a host library (libsim.a) and the command line `ringside` (sim/cli/).
# build/asan/ holds the same compiled with AddressSanitizer and UBSan.

SIM_SOURCES := $(filter-out sim/cli/%,$(wildcard sim/*.c sim/*/*.c))
CLI_SOURCES := $(wildcard sim/cli/*.c)

define sim_variant
$(BUILD)/$(1)/libsim.a: $(SIM_SOURCES:%.c=$(BUILD)/$(1)/%.o)
	@rm -f $$@
	$(AR) rcsD $$@ $$^
endef
$(eval $(call sim_variant,host))
$(eval $(call sim_variant,asan))

# The services' fs archive is linked for mkfs (sim/files/disk.c): the source that mounts a disk also makes it. $ORIGIN: once
# installed, a libunicorn that set-up brought is next to it (tools/install.mk).
$(BUILD)/ringside: $(CLI_SOURCES:%.c=$(BUILD)/host/%.o) $(BUILD)/host/libsim.a $(BUILD)/lib/libfs.a $(BUILD)/lib/libpipe.a
	$(CC) -o $@ $^ -Wl,-rpath,'$$ORIGIN' $(HOST_LIBS)
$(BUILD)/asan/ringside: $(CLI_SOURCES:%.c=$(BUILD)/asan/%.o) $(BUILD)/asan/libsim.a $(BUILD)/lib/libfs.a $(BUILD)/lib/libpipe.a
	$(CC) -fsanitize=address,undefined -o $@ $^ $(HOST_LIBS)

# Linux's calls by number, of the host's header: a call that nobody implements has a name too (sim/account/probe.c).
$(BUILD)/linux_calls.def: sim/sim.mk
	@mkdir -p $(@D)
	$(CC) -E -dM -include asm/unistd_64.h - </dev/null | awk '$$2 ~ /^__NR_/ && $$3 ~ /^[0-9]+$$/ \
	    { print "LINUX_CALL(" $$3 ", " substr($$2, 6) ")" }' | sort >$@
$(BUILD)/host/sim/account/probe.o $(BUILD)/asan/sim/account/probe.o: $(BUILD)/linux_calls.def
$(BUILD)/host/sim/account/probe.o $(BUILD)/asan/sim/account/probe.o: private HOST_CFLAGS += -I$(BUILD)

# The report's page is in the program (.incbin).
$(BUILD)/host/sim/cli/page.o $(BUILD)/asan/sim/cli/page.o: $(wildcard sim/cli/page/*)

ALL += $(BUILD)/ringside
