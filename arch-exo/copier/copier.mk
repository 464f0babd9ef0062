# SPDX-License-Identifier: MIT
#
# arch-exo/copier/copier.mk: the specialised library: its own parts, what it has in common with the default one, and the
# services that it uses. Included by arch-exo/domains.mk.

COPIER_SERVICES := fs proc pipe tty virtio boot
COPIER_COMMON := entry context machine start memory disk log log_tty
COPIER_OBJECTS := $(patsubst %.c,$(BUILD)/guest/%.o,$(wildcard arch-exo/copier/*.c)) \
    $(COPIER_COMMON:%=$(BUILD)/guest/arch-exo/lib/%.o) $(patsubst %,$(BUILD)/guest/guest/ring3/%.o,usercopy log memory)
COPIER_ARCHIVES := $(COPIER_SERVICES:%=$(BUILD)/lib/lib%.a)

$(BUILD)/images/exo/copier.elf: $(COPIER_OBJECTS) $(COPIER_ARCHIVES) $(BUILD)/lib/libguest.a arch-exo/lib/lib.ld
	@mkdir -p $(@D)
	$(CC) $(LIBOS_LDFLAGS) -T arch-exo/lib/lib.ld -o $@ $(COPIER_OBJECTS) \
	    -Wl,--start-group $(COPIER_ARCHIVES) $(BUILD)/lib/libguest.a -Wl,--end-group
ALL += $(BUILD)/images/exo/copier.elf
