# SPDX-License-Identifier: MIT
#
# arch-exo/domains.mk: the architecture in a few lines.
#
#   domain   image          ring  services linked
#   kernel   exo/kernel     0     blk virtio (the disk's driver)
#   app      (the program)  3     none; with it in its space:
#            exo/libos      3     fs proc vm pipe tty virtio boot
#            exo/copier     3     fs proc pipe tty virtio boot (instead, for one program that moves files)

IMAGES += exo/kernel
IMAGE_SERVICES_exo/kernel := blk virtio
IMAGE_SOURCES_exo/kernel := $(wildcard arch-exo/*.c arch-exo/*.S)

-include arch-exo/lib/lib.mk
-include arch-exo/copier/copier.mk
