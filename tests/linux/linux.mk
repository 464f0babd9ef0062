# SPDX-License-Identifier: MIT
#
# tests/linux/linux.mk: the root folder of the differential suite, build/programs/linux: bin/ with busybox, links for
# its applets and our own programs (each NAME-musl and NAME-glibc), data/ from tests/linux/data, tmp/ (with a hidden file: an empty one is
# not saved).

LINUX_ROOT := $(BUILD)/programs/linux
LINUX_PROGRAMS := $(patsubst tests/linux/programs/%.c,%,$(wildcard tests/linux/programs/*.c))
# Programs that call wrongly on purpose; the compilers notice some of it.
LINUX_CFLAGS := -std=gnu17 -O2 -g -static $(WARNINGS) -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds \
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
$(BUILD)/programs/linux.done: $(BUILD)/programs/root/bin/busybox $(BUILD)/programs/data.done tests/linux/linux.mk $(wildcard tests/linux/data/*)
	@mkdir -p $(LINUX_ROOT)/bin $(LINUX_ROOT)/data $(LINUX_ROOT)/tmp
	cp $(ROOT)/bin/busybox $(LINUX_ROOT)/bin/
	@for applet in $(LINUX_APPLETS); do ln -sfn busybox $(LINUX_ROOT)/bin/$$applet; done
	cp $(wildcard tests/linux/data/*) $(ROOT)/data/log.txt $(ROOT)/data/block.dat $(LINUX_ROOT)/data/
	@touch $(LINUX_ROOT)/tmp/.keep
	@touch $@

LINUX_FILES := $(BUILD)/programs/linux.done $(LINUX_PROGRAMS:%=$(LINUX_ROOT)/bin/%-musl) $(LINUX_PROGRAMS:%=$(LINUX_ROOT)/bin/%-glibc)
TEST_NEEDS += $(LINUX_FILES)

.PHONY: linux-root
linux-root: $(LINUX_FILES)
