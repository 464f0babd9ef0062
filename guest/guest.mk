# SPDX-License-Identifier: MIT
#
# guest/guest.mk: mechanism for code that runs on the machine (libguest.a), and one rule to link any kernel image.
#
# An architecture's domains.mk (read before this file) says of an image NAME
#     IMAGES += NAME
#     IMAGE_SOURCES_NAME := its own sources
#     IMAGE_SERVICES_NAME := the services whose archives it links
# and gets build/images/NAME.elf.

GUEST_OBJECTS := $(patsubst %,$(BUILD)/guest/%.o,$(basename $(wildcard guest/*.c guest/*.S)))
GUEST_ARCHIVE := $(BUILD)/lib/libguest.a

$(GUEST_ARCHIVE): $(GUEST_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^

# What libraries have of it in ring 3, in another form than kernels.
$(BUILD)/guest/guest/ring3/usercopy.o: guest/usercopy.S
	@mkdir -p $(@D); echo "  $< (ring 3)"
	$(CC) $(GUEST_CFLAGS) -DUSERCOPY_RING3 -D__ASSEMBLER__ -MMD -MP -c $< -o $@

# The mechanism's own test: a kernel that exercises it and reports to the log (tests/arch/test_guest.c reads that).
IMAGES += guest/selftest
IMAGE_SOURCES_guest/selftest := $(wildcard guest/selftest/*.c)

IMAGE_LDFLAGS := -nostdlib -static -no-pie -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--build-id=none

# $(1) name, $(2) objects, $(3) archives
define guest_image
$(BUILD)/images/$(1).elf: $(2) $(3) $(GUEST_ARCHIVE) guest/image.ld
	@mkdir -p $$(@D)
	$(CC) $(IMAGE_LDFLAGS) -T guest/image.ld -o $$@ $(2) -Wl,--start-group $(3) $(GUEST_ARCHIVE) -Wl,--end-group
ALL += $(BUILD)/images/$(1).elf
endef
$(foreach i,$(IMAGES),$(eval $(call guest_image,$(i),$(patsubst %,$(BUILD)/guest/%.o,$(basename $(IMAGE_SOURCES_$(i)))),$(IMAGE_SERVICES_$(i):%=$(BUILD)/lib/lib%.a))))
