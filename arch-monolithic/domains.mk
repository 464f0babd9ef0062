# SPDX-License-Identifier: MIT
#
# arch-monolithic/domains.mk: the architecture in a few lines.
#
#   domain   image               ring  services linked
#   kernel   monolithic/kernel   0     fs proc vm pipe tty blk
#   app      (the program)       3     none

MONOLITHIC_OBJECTS := $(patsubst %.c,$(BUILD)/guest/%.o,$(wildcard arch-monolithic/*.c))

$(eval $(call guest_image,monolithic/kernel,$(MONOLITHIC_OBJECTS),$(SERVICE_ARCHIVES)))
