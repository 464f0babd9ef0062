# SPDX-License-Identifier: MIT
#
# services/services.mk: one archive a service, compiled once with GUEST_CFLAGS; kernels, servers, libraries and the
# host's tests link these same archives. Two are no services: virtio is the driver side of virtqueues, which blk and tty
# share; boot is the way to process 1, and to the end.

SERVICES := fs proc vm pipe tty blk virtio boot
SERVICE_ARCHIVES := $(SERVICES:%=$(BUILD)/lib/lib%.a)

# The objects of a service, by pattern, so that a new file needs no line here. Sources named *_host.c are for the host only.
define service_archive
$(BUILD)/lib/lib$(1).a: $(patsubst %.c,$(BUILD)/guest/%.o,$(filter-out %_host.c,$(wildcard services/$(1)/*.c)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcsD $$@ $$^
endef
$(foreach s,$(SERVICES),$(eval $(call service_archive,$(s))))

ALL += $(SERVICE_ARCHIVES)
