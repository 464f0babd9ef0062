# SPDX-License-Identifier: MIT
#
# tests/arch/arch.mk: programs that only ever run inside the simulator (what they do is random or hostile).

ARCH_PROGRAMS := $(patsubst tests/arch/programs/%.c,$(BUILD)/programs/arch/%,$(wildcard tests/arch/programs/*.c))
$(BUILD)/programs/arch/%: tests/arch/programs/%.c $(wildcard tests/arch/programs/*.h) abi/ipc.h
	@mkdir -p $(@D)
	$(MUSL_CC) -std=gnu17 -O2 -g -static -Wall -Wextra -D_GNU_SOURCE -I. -o $@ $<
TEST_NEEDS += $(ARCH_PROGRAMS)
