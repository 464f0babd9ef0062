# SPDX-License-Identifier: MIT
#
# workloads/workloads.mk: builds the workloads and the root folder that becomes the simulated disk:
#
#   build/programs/root/bin/    one program for each line of workloads.def (unstripped, so that reports have
#                               symbols), busybox, and links named after the applets that data/shell.sh uses
#   build/programs/root/data/   input, the same bytes on every host
#   build/programs/root/tmp/    where programs write
#
# WORKLOAD_ROOT is everything in it; depend on that.

ROOT := $(BUILD)/programs/root
MUSL_CC := musl-gcc
BUSYBOX ?= /bin/busybox
WORKLOAD_CFLAGS := -std=gnu17 -O2 -g $(SAME_ANYWHERE) -static $(WARNINGS) -D_GNU_SOURCE -I.

WORKLOAD_SOURCES := $(filter-out workloads/sqlite.c,$(wildcard workloads/*.c))
BARRIER_PROGRAMS := $(ROOT)/bin/trap $(ROOT)/bin/prot $(ROOT)/bin/prot100
WORKLOAD_PROGRAMS := $(WORKLOAD_SOURCES:workloads/%.c=$(ROOT)/bin/%) $(ROOT)/bin/sqlite
SHELL_APPLETS := awk cat cut grep head rm sed sha256sum sort tail tr uniq wc
WORKLOAD_ROOT := $(WORKLOAD_PROGRAMS) $(ROOT)/bin/busybox $(BUILD)/programs/data.done

$(WORKLOAD_SOURCES:workloads/%.c=$(ROOT)/bin/%): $(ROOT)/bin/%: workloads/%.c workloads/region.h workloads/workloads.def abi/probe.h
	@mkdir -p $(@D)
	$(MUSL_CC) $(WORKLOAD_CFLAGS) -o $@ $(filter %.c %.S,$^)
$(BARRIER_PROGRAMS): workloads/barrier.S workloads/barrier.h abi/exo.h

# libsqlite3.a is built for glibc, which warns that a static program cannot use every shared library; none is used.
$(ROOT)/bin/sqlite: workloads/sqlite.c workloads/region.h workloads/workloads.def abi/probe.h
	@mkdir -p $(@D)
	$(CC) $(WORKLOAD_CFLAGS) -o $@ $< -lsqlite3 -lm -Wl,--no-warnings 2>$@.log || { cat $@.log >&2; false; }
	@rm -f $@.log

$(ROOT)/bin/busybox: $(BUSYBOX) workloads/workloads.mk
	@mkdir -p $(@D)
	cp $< $@
	@for applet in $(SHELL_APPLETS); do ln -sfn busybox $(@D)/$$applet; done

$(BUILD)/programs/generate: workloads/data/generate.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(WARNINGS) -D_GNU_SOURCE -o $@ $<

$(BUILD)/programs/data.done: $(BUILD)/programs/generate workloads/data/shell.sh
	@mkdir -p $(ROOT)/data $(ROOT)/tmp
	$< $(ROOT)/data
	cp workloads/data/shell.sh $(ROOT)/data/
	@touch $(ROOT)/tmp/.keep
	@touch $@

ALL += $(WORKLOAD_ROOT)
