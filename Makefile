# SPDX-License-Identifier: MIT
#
# Makefile: one make for everything; nothing recursive. Each folder says in its own *.mk what it adds.
#
#   make run-monolithic   set up, build, run every workload on the monolithic kernel (same for other architectures);
#                         ARGS="--cpu zen4 sqlite" adds to the command line
#   make compare          the same for the architectures side by side: monolithic, micro, exo and vmm, or those that ARGS= names
#   make check            set up, build, pass all tests
#   make plots            set up, build, run what the figures need, draw them in build/plots
#   make docs             set up, build, write the book with its figures to build/docs
#   make install PREFIX=  build, and put everything that ringside needs below PREFIX (/usr/local); DESTDIR= comes before it;
#                         make uninstall takes it away
#   make bench            set up, build, print the simulator's speed with this machine's name
#   make build            build only; `make setup` installs what is missing; `make` does both
#
# Everything is built under build/. The targets that set up start make once more when that is done: what set-up brings
# (Unicorn's place) is looked up when this file is read.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# A line a file; V=1 shows the commands.
ifndef V
.SILENT:
endif

BUILD := build
CC := gcc
AR := ar
JOBS ?= $(shell nproc)
ARGS ?=
comma := ,

# make again, in parallel unless the caller said how
AGAIN = $(MAKE) $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: all setup build compare check docs bench clean
all: setup
	+@$(AGAIN) build

setup:
	@tools/setup.sh

run-%: setup
	+@$(AGAIN) build
	@$(BUILD)/ringside run $* $(ARGS)

compare: setup
	+@$(AGAIN) build
	@$(BUILD)/ringside compare $(ARGS)

check:
	@tools/setup.sh check
	+@$(AGAIN) do-check

docs: setup
	+@$(AGAIN) do-docs

bench:
	@tools/setup.sh bench
	+@$(AGAIN) do-bench

# Unicorn 2.1.x: from the system if it has it, else unpacked below build/deps by `make setup`; or UNICORN_PREFIX=.
UNICORN_PREFIX ?= $(wildcard $(CURDIR)/$(BUILD)/deps/unicorn/usr)
ifneq ($(UNICORN_PREFIX),)
UNICORN_LIBDIR := $(firstword $(wildcard $(UNICORN_PREFIX)/lib/x86_64-linux-gnu $(UNICORN_PREFIX)/lib))
UNICORN_CFLAGS := -I$(UNICORN_PREFIX)/include
UNICORN_LIBS := -L$(UNICORN_LIBDIR) -Wl,-rpath,$(UNICORN_LIBDIR) -lunicorn
else
UNICORN_CFLAGS := $(shell pkg-config --cflags unicorn 2>/dev/null)
UNICORN_LIBS := $(shell pkg-config --libs unicorn 2>/dev/null || echo -lunicorn)
endif

# What runs on the simulated machine is the same file wherever it is built: its size is the disk's layout, and that is cycles.
SAME_ANYWHERE := -ffile-prefix-map=$(CURDIR)=.

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
HOST_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -D_GNU_SOURCE -I. $(UNICORN_CFLAGS)
HOST_LIBS := $(UNICORN_LIBS) -lcapstone -lelf -ljansson -linih -lnettle -ldw -lm

# Code that runs on the simulated machine. Services are compiled with exactly these flags, once, for every placement
# and for the host's tests (DESIGN.md, Services).
GUEST_CFLAGS := -std=gnu17 -O2 -g $(SAME_ANYWHERE) $(WARNINGS) -ffreestanding -fpie -fvisibility=hidden -mno-red-zone \
    -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fcf-protection=none -I.

include $(wildcard */*.mk)

build: $(ALL)

# host objects: build/host/DIR/x.o from DIR/x.c; the same with sanitizers in build/asan/ (-w: under sanitizers gcc warns of
# what cannot happen, and the host build warns of the rest)
$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D); echo "  $<"
	$(CC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/asan/%.o: %.c
	@mkdir -p $(@D); echo "  $<"
	$(CC) $(HOST_CFLAGS) -O1 -w -fsanitize=address,undefined -fno-omit-frame-pointer -MMD -MP -c $< -o $@
# guest objects: build/guest/DIR/x.o
$(BUILD)/guest/%.o: %.c
	@mkdir -p $(@D); echo "  $<"
	$(CC) $(GUEST_CFLAGS) -MMD -MP -c $< -o $@
$(BUILD)/guest/%.o: %.S
	@mkdir -p $(@D); echo "  $<"
	$(CC) $(GUEST_CFLAGS) -D__ASSEMBLER__ -MMD -MP -c $< -o $@

clean:
	rm -rf $(filter-out $(BUILD)/deps,$(wildcard $(BUILD)/*))

-include $(shell find $(BUILD)/host $(BUILD)/asan $(BUILD)/guest -name '*.d' 2>/dev/null)
