# SPDX-License-Identifier: MIT
#
# guest/guest.mk: mechanism for code that runs on the machine (libguest.a), and one rule to link any kernel image.
#
# An architecture's domains.mk says
#     $(eval $(call guest_image,monolithic/kernel,<objects>,<archives>))
# and gets build/images/monolithic/kernel.elf. The image's objects come first, so that its upcalls
# (guest/kernel.h) are what libguest.a resolves against.

GUEST_OBJECTS := $(patsubst %,$(BUILD)/guest/%.o,$(basename $(wildcard guest/*.c guest/*.S)))
GUEST_ARCHIVE := $(BUILD)/lib/libguest.a

$(GUEST_ARCHIVE): $(GUEST_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcsD $@ $^

# $(1) name below build/images, $(2) objects, $(3) archives
define guest_image
$(BUILD)/images/$(1).elf: $(2) $(3) $(GUEST_ARCHIVE) guest/image.ld
	@mkdir -p $$(@D)
	$(CC) -nostdlib -static -no-pie -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--build-id=none \
	    -Wl,--no-warn-rwx-segments -T guest/image.ld -o $$@ $(2) -Wl,--start-group $(3) $(GUEST_ARCHIVE) -Wl,--end-group
ALL += $(BUILD)/images/$(1).elf
endef
