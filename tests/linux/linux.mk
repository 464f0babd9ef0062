# SPDX-License-Identifier: MIT
#
# tests/linux/linux.mk: the root folders of the differential suite.
#
#   build/programs/applets/  busybox, a link for each applet that is used, data/ from tests/linux/data, and tmp/ (with a
#                            hidden file: an empty /tmp is not saved). Small, as it is copied and compared for each case.
#   build/programs/linux/    the same and our own programs, each NAME-musl and NAME-glibc

APPLETS_ROOT := $(BUILD)/programs/applets
LINUX_ROOT := $(BUILD)/programs/linux
LINUX_PROGRAMS := $(patsubst tests/linux/programs/%.c,%,$(wildcard tests/linux/programs/*.c))
# Programs that call wrongly on purpose; the compilers notice some of it.
LINUX_CFLAGS := -std=gnu17 -O2 -s -static $(WARNINGS) -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds \
    -Wno-unused-result -D_GNU_SOURCE
LINUX_APPLETS := ar awk base64 basename bunzip2 bzcat bzip2 cal cat chmod cmp cp cpio crc32 cut date dc dd diff \
    dirname dos2unix du echo ed egrep env expand expr factor false find fold grep gunzip gzip head hexdump id kill \
    link ln ls lzcat md5sum mkdir mktemp mv nl nproc od paste patch printf ps pwd readlink realpath rev rm rmdir sed seq sh \
    sha1sum sha256sum sha3sum sha512sum shuf sleep sort stat strings sum sync tac tail tar tee test time timeout touch \
    tr true truncate uname unexpand uniq unix2dos unlink unxz uudecode uuencode wc which xargs xxd xzcat yes zcat bc

$(LINUX_ROOT)/bin/%-musl: tests/linux/programs/%.c tests/linux/programs/show.h
	@mkdir -p $(@D)
	$(MUSL_CC) $(LINUX_CFLAGS) -o $@ $< -lm
$(LINUX_ROOT)/bin/%-glibc: tests/linux/programs/%.c tests/linux/programs/show.h
	@mkdir -p $(@D)
	$(CC) $(LINUX_CFLAGS) -o $@ $< -lm

# (workloads.mk is read after this file: its variables may stand in recipes only)
$(BUILD)/programs/applets.done: $(BUILD)/programs/root/bin/busybox $(BUILD)/programs/data.done tests/linux/linux.mk $(wildcard tests/linux/data/*)
	@mkdir -p $(APPLETS_ROOT)/bin $(APPLETS_ROOT)/data $(APPLETS_ROOT)/tmp $(LINUX_ROOT)
	cp $(ROOT)/bin/busybox $(APPLETS_ROOT)/bin/
	@for applet in $(LINUX_APPLETS); do ln -sfn busybox $(APPLETS_ROOT)/bin/$$applet; done
	cp $(wildcard tests/linux/data/*) $(ROOT)/data/log.txt $(ROOT)/data/block.dat $(APPLETS_ROOT)/data/
	@touch $(APPLETS_ROOT)/tmp/.keep
	cp -a $(APPLETS_ROOT)/. $(LINUX_ROOT)/
	@touch $@

LINUX_FILES := $(BUILD)/programs/applets.done $(LINUX_PROGRAMS:%=$(LINUX_ROOT)/bin/%-musl) $(LINUX_PROGRAMS:%=$(LINUX_ROOT)/bin/%-glibc)
TEST_NEEDS += $(LINUX_FILES)

.PHONY: linux-root
linux-root: $(LINUX_FILES)
