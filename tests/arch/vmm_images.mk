# SPDX-License-Identifier: MIT
#
# tests/arch/vmm_images.mk: kernels that are guests of the monitor in tests: each of its own sources and the kit.

VMM_KIT := vmm_kit vmm_entry

# $(1) image, $(2) its sources, $(3) more for the linker
define vmm_test_image
$(BUILD)/images/tests/$(1).elf: $(patsubst %,$(BUILD)/guest/tests/arch/images/%.o,$(VMM_KIT) $(2)) $(GUEST_ARCHIVE) guest/image.ld
	@mkdir -p $$(@D)
	$$(CC) $$(IMAGE_LDFLAGS) $(3) -T guest/image.ld -o $$@ $$(filter %.o,$$^) $$(GUEST_ARCHIVE)
TEST_NEEDS += $(BUILD)/images/tests/$(1).elf
endef
$(eval $(call vmm_test_image,vmm_holes,vmm_holes))
$(eval $(call vmm_test_image,vmm_hostile,vmm_hostile vmm_tables vmm_spaces vmm_privileged vmm_exceptions vmm_devices vmm_floods))
$(foreach n,0 1 2 3 4 5 6 7,$(eval $(call vmm_test_image,vmm_random$(n),vmm_random,-Wl$(comma)--defsym=lane=$(n))))
$(eval $(call vmm_test_image,vmm_bad,vmm_bad))
