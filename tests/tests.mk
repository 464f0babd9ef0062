# SPDX-License-Identifier: MIT
#
# tests/tests.mk: every tests/LAYER/test_NAME.c is one CMocka program, build/tests/LAYER/test_NAME.
#
#   sim/       the machine, by byte snippets and brute-force references; linked with libsim.a (also with sanitizers)
#   services/  the services on the host; linked with the very archives that the kernels link
#   arch/      booted kernels, through the library or the command line
#   cli/       the command line and bad input
#   linux/     the differential suite: the host's Linux is the oracle
#
# Other sources in a layer's folder (without test_) are shared by its tests.

TEST_LAYERS := sim services arch cli linux
TEST_LIBS := -lcmocka

define test_layer
TEST_SHARED_$(1) := $(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c))
TESTS_$(1) := $(patsubst tests/$(1)/%.c,$(BUILD)/tests/$(1)/%,$(wildcard tests/$(1)/test_*.c))
$(BUILD)/tests/$(1)/%: $(BUILD)/host/tests/$(1)/%.o $$(TEST_SHARED_$(1):%.c=$(BUILD)/host/%.o) $(BUILD)/host/libsim.a $(SERVICE_ARCHIVES)
	@mkdir -p $$(@D)
	$(CC) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(TEST_LIBS) $(HOST_LIBS)
TESTS += $$(TESTS_$(1))
endef
$(foreach l,$(TEST_LAYERS),$(eval $(call test_layer,$(l))))
