# SPDX-License-Identifier: MIT
#
# arch-vmm/domains.mk: the architecture in a few lines.
#
#   domain          image               ring  services linked
#   vmm             vmm/kernel          0     blk virtio (the disk's driver, the consoles')
#   kernel          monolithic/kernel   3     all: the very file that boots on the machine
#   app             (the program)       3     none
#
# The monitor is in every address space of its guests: so it has guest/ compiled for another place (guest/layout.h), and the
# machine's models of the APIC and of virtio as the emulated devices.

MONITOR_OBJECTS := $(patsubst %.c,$(BUILD)/monitor/%.o,$(wildcard arch-vmm/*.c) sim/devices/lapic.c sim/devices/virtio.c)
MONITOR_GUEST_OBJECTS := $(patsubst %,$(BUILD)/monitor/%.o,$(basename $(wildcard guest/*.c guest/*.S)))
MONITOR_GUEST := $(BUILD)/monitor/libguest.a
MONITOR_SERVICES := $(BUILD)/lib/libblk.a $(BUILD)/lib/libvirtio.a
MONITOR_FLAGS := -DLAYOUT_MONITOR

$(BUILD)/monitor/%.o: %.c
	@mkdir -p $(@D); echo "  $< (monitor)"
	$(CC) $(GUEST_CFLAGS) $(MONITOR_FLAGS) -MMD -MP -c $< -o $@
$(BUILD)/monitor/%.o: %.S
	@mkdir -p $(@D); echo "  $< (monitor)"
	$(CC) $(GUEST_CFLAGS) $(MONITOR_FLAGS) -D__ASSEMBLER__ -MMD -MP -c $< -o $@

$(MONITOR_GUEST): $(MONITOR_GUEST_OBJECTS)
	@rm -f $@
	$(AR) rcsD $@ $^

$(BUILD)/images/vmm/kernel.elf: $(MONITOR_OBJECTS) $(MONITOR_SERVICES) $(MONITOR_GUEST) guest/image.ld
	@mkdir -p $(@D)
	$(CC) $(IMAGE_LDFLAGS) -Wl,--defsym=KERNEL_BASE=0xffffe17f80000000 -T guest/image.ld -o $@ $(MONITOR_OBJECTS) \
	    -Wl,--start-group $(MONITOR_SERVICES) $(MONITOR_GUEST) -Wl,--end-group
ALL += $(BUILD)/images/vmm/kernel.elf

-include $(shell find $(BUILD)/monitor -name '*.d' 2>/dev/null)
