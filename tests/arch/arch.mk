# SPDX-License-Identifier: MIT
#
# tests/arch/arch.mk: programs that only ever run inside the simulator (what they do is random or hostile).

ARCH_PROGRAMS := $(patsubst tests/arch/programs/%.c,$(BUILD)/programs/arch/%,$(wildcard tests/arch/programs/*.c))
$(BUILD)/programs/arch/%: tests/arch/programs/%.c $(wildcard tests/arch/programs/*.h tests/arch/images/*.h) abi/ipc.h abi/exo.h
	@mkdir -p $(@D)
	$(MUSL_CC) -std=gnu17 -O2 -g -static -Wall -Wextra -D_GNU_SOURCE -I. -o $@ $<
TEST_NEEDS += $(ARCH_PROGRAMS)

# Hostile servers: a real one's objects, with attacks in front of its part. $(1) server, $(2) its
# part, $(3) more objects, $(4) archives
define hostile_image
$(BUILD)/images/tests/hostile_$(1).elf: $(SERVER_RUNTIME:%=$(BUILD)/guest/%.o) \
    $(2:%=$(BUILD)/guest/arch-micro/server/%.o) $(patsubst %,$(BUILD)/guest/tests/arch/images/%.o,hostile_$(1) $(3)) \
    $(4:%=$(BUILD)/lib/lib%.a) $(BUILD)/lib/libguest.a arch-micro/server/server.ld
	@mkdir -p $$(@D)
	$$(CC) $$(SERVER_LDFLAGS) -T arch-micro/server/server.ld -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group
TEST_NEEDS += $(BUILD)/images/tests/hostile_$(1).elf
endef
$(eval $(call hostile_image,fsd,fs_part,attacks attacks_peers,fs pipe))
$(eval $(call hostile_image,ttyd,tty_part,attacks attacks_peers,tty virtio))
$(eval $(call hostile_image,vmd,vm_part,attacks attacks_peers,vm))

# A hostile library of the exokernel: no services.
HOSTILE_LIB_OBJECTS := $(patsubst %,$(BUILD)/guest/tests/arch/images/%.o,hostile_lib exo_calls exo_disk exo_deadly) \
    $(patsubst %,$(BUILD)/guest/%.o,arch-exo/lib/log guest/ring3/log)
$(BUILD)/images/tests/hostile_lib.elf: $(HOSTILE_LIB_OBJECTS) $(BUILD)/lib/libguest.a arch-exo/lib/lib.ld
	@mkdir -p $(@D)
	$(CC) $(LIBOS_LDFLAGS) -T arch-exo/lib/lib.ld -o $@ $(HOSTILE_LIB_OBJECTS) $(BUILD)/lib/libguest.a
TEST_NEEDS += $(BUILD)/images/tests/hostile_lib.elf

# A library that wants all memory and all of the disk.
$(BUILD)/images/tests/hoarder.elf: \
    $(patsubst %,$(BUILD)/guest/%.o,tests/arch/images/hoarder arch-exo/lib/log guest/ring3/log) \
    $(BUILD)/lib/libguest.a arch-exo/lib/lib.ld
	@mkdir -p $(@D)
	$(CC) $(LIBOS_LDFLAGS) -T arch-exo/lib/lib.ld -o $@ $(filter %.o,$^) $(BUILD)/lib/libguest.a
TEST_NEEDS += $(BUILD)/images/tests/hoarder.elf
