# SPDX-License-Identifier: MIT
#
# arch-exo/lib/lib.mk: the library OS: what makes a library of the services, and their archives. Included by
# arch-exo/domains.mk.

LIBOS_SERVICES := fs proc vm pipe tty virtio boot
LIBOS_OBJECTS := $(patsubst %,$(BUILD)/guest/%.o,$(basename $(wildcard arch-exo/lib/*.c arch-exo/lib/*.S))) \
    $(patsubst %,$(BUILD)/guest/guest/ring3/%.o,usercopy log memory)
LIBOS_ARCHIVES := $(LIBOS_SERVICES:%=$(BUILD)/lib/lib%.a)
# Above 2 GiB no address is an immediate: what the compiler loads from the GOT stays there (--no-relax).
LIBOS_LDFLAGS := -nostdlib -static -no-pie -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--build-id=none -Wl,--no-relax

$(BUILD)/images/exo/libos.elf: $(LIBOS_OBJECTS) $(LIBOS_ARCHIVES) $(BUILD)/lib/libguest.a arch-exo/lib/lib.ld
	@mkdir -p $(@D)
	$(CC) $(LIBOS_LDFLAGS) -T arch-exo/lib/lib.ld -o $@ $(LIBOS_OBJECTS) \
	    -Wl,--start-group $(LIBOS_ARCHIVES) $(BUILD)/lib/libguest.a -Wl,--end-group
ALL += $(BUILD)/images/exo/libos.elf
