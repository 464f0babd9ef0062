# SPDX-License-Identifier: MIT
#
# arch-monolithic/domains.mk: the architecture in a few lines.
#
#   domain   image               ring  services linked
#   kernel   monolithic/kernel   0     all (virtio: the virtqueues that blk and tty share)
#   app      (the program)       3     none

IMAGES += monolithic/kernel
IMAGE_SERVICES_monolithic/kernel := fs proc vm pipe tty blk virtio
IMAGE_SOURCES_monolithic/kernel := $(wildcard arch-monolithic/*.c)
