# SPDX-License-Identifier: MIT
#
# tests/arch/vmm_decode.mk: the monitor's decoder on the host; a second time with sanitizers, which the rest of this layer is
# not built with.

VMM_DECODE_SOURCES := tests/arch/test_vmm_decode.c tests/arch/decode_oracle.c arch-vmm/decode.c
$(BUILD)/tests/arch/test_vmm_decode: $(BUILD)/host/arch-vmm/decode.o
$(BUILD)/asan/tests/arch/test_vmm_decode: $(VMM_DECODE_SOURCES:%.c=$(BUILD)/asan/%.o)
	@mkdir -p $(@D)
	$(CC) -fsanitize=address,undefined -o $@ $^ $(TEST_LIBS) -lcapstone
TESTS += $(BUILD)/asan/tests/arch/test_vmm_decode
