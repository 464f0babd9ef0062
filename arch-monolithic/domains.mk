# SPDX-License-Identifier: MIT
#
# arch-monolithic/domains.mk: the architecture in a few lines.
#
#   domain   image               ring  services linked
#   kernel   monolithic/kernel   0     all (virtio: the virtqueues that blk and tty share; boot: the way to process 1)
#   app      (the program)       3     none

IMAGES += monolithic/kernel
IMAGE_SERVICES_monolithic/kernel := fs proc vm pipe tty blk virtio boot
IMAGE_SOURCES_monolithic/kernel := $(wildcard arch-monolithic/*.c)
