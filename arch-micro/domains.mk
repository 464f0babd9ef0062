# SPDX-License-Identifier: MIT
#
# arch-micro/domains.mk: the architecture in a few lines.
#
#   domain   image           ring  services linked
#   kernel   micro/kernel    0     none
#   procd    micro/procd     3     proc boot
#   vmd      micro/vmd       3     vm
#   fsd      micro/fsd       3     fs pipe
#   blkd     micro/blkd      3     blk virtio
#   ttyd     micro/ttyd      3     tty virtio
#   rsd      micro/rsd       3     none (restarts the others)
#   app      (the program)   3     none
#
# micro:single-server has instead of the first five
#   osd      micro/osd       3     all

IMAGES += micro/kernel
IMAGE_SOURCES_micro/kernel := $(wildcard arch-micro/*.c)

-include arch-micro/server/server.mk
