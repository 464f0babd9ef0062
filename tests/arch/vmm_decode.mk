# SPDX-License-Identifier: MIT
#
# tests/arch/vmm_decode.mk: the monitor's decoder on the host; a second time with sanitizers, which the rest of this layer is
# not built with.

VMM_DECODE_TESTS := test_vmm_decode test_vmm_decode_all
VMM_DECODE_OBJECTS := arch-vmm/decode.o tests/arch/decode_rig.o tests/arch/decode_oracle.o

$(VMM_DECODE_TESTS:%=$(BUILD)/tests/arch/%): $(BUILD)/host/arch-vmm/decode.o
$(VMM_DECODE_TESTS:%=$(BUILD)/asan/tests/arch/%): $(BUILD)/asan/tests/arch/%: $(BUILD)/asan/tests/arch/%.o \
    $(VMM_DECODE_OBJECTS:%=$(BUILD)/asan/%)
	@mkdir -p $(@D)
	$(CC) -fsanitize=address,undefined -o $@ $^ $(TEST_LIBS) -lcapstone -lelf
TESTS += $(VMM_DECODE_TESTS:%=$(BUILD)/asan/tests/arch/%)
