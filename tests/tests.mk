# SPDX-License-Identifier: MIT
#
# tests/tests.mk: every tests/LAYER/test_NAME.c is one CMocka program, build/tests/LAYER/test_NAME.
#
#   sim/       the machine, by byte snippets and brute-force references; linked with libsim.a
#   services/  the services on the host; linked with the very archives that the kernels link
#   arch/      booted kernels, through the library or the command line
#   cli/       the command line and bad input
#   tools/     set-up, the test runner, the book, installing, and what page/ (no layer) does in a browser
#   linux/     the differential suite: the host's Linux is the oracle
#
# Other sources in a layer's folder (without test_) are shared by its tests. Layers in ASAN_LAYERS are built and run a
# second time with AddressSanitizer and UBSan, in build/asan/tests/ (services: the same sources, compiled for that). Tests run in the top folder and may use everything
# that `make build` makes, and build/asan/ringside. A folder's own *.mk may add further files that they need to TEST_NEEDS.

# slow ones first, so that two at a time end together
TEST_LAYERS := linux arch cli services sim tools
ASAN_LAYERS := cli services sim
TEST_LIBS := -lcmocka

ARCHIVES_host := $(SERVICE_ARCHIVES)
ARCHIVES_asan := $(SERVICES:%=$(BUILD)/asan/lib/lib%.a)

define asan_archive
$(BUILD)/asan/lib/lib$(1).a: $(patsubst %.c,$(BUILD)/asan/%.o,$(filter-out %_host.c,$(wildcard services/$(1)/*.c)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcsD $$@ $$^
endef
$(foreach s,$(SERVICES),$(eval $(call asan_archive,$(s))))

# $(1) layer, $(2) where its programs go, $(3) objects: host or asan, $(4) link flags
define test_programs
TESTS_$(3)_$(1) := $(patsubst tests/$(1)/%.c,$(2)/$(1)/%,$(wildcard tests/$(1)/test_*.c))
TESTS += $$(TESTS_$(3)_$(1))
$(2)/$(1)/%: $(BUILD)/$(3)/tests/$(1)/%.o $(patsubst %.c,$(BUILD)/$(3)/%.o,$(filter-out tests/$(1)/test_%,$(wildcard tests/$(1)/*.c))) \
    $(BUILD)/$(3)/libsim.a $(ARCHIVES_$(3))
	@mkdir -p $$(@D)
	$(CC) $(4) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(TEST_LIBS) $(HOST_LIBS)
endef
$(foreach l,$(TEST_LAYERS),$(eval $(call test_programs,$(l),$(BUILD)/tests,host,)))
$(foreach l,$(ASAN_LAYERS),$(eval $(call test_programs,$(l),$(BUILD)/asan/tests,asan,-fsanitize=address$(comma)undefined)))

# Tests of the command line link its objects (tests/cli/cli.mk for the host's).
$(TESTS_asan_cli): $(patsubst %.c,$(BUILD)/asan/%.o,$(filter-out sim/cli/main.c,$(CLI_SOURCES)))

TEST_NEEDS += $(if $(CLI_SOURCES),$(BUILD)/asan/ringside)

-include $(wildcard tests/*/*.mk)

.PHONY: do-check
do-check: build $(TESTS) $(TEST_NEEDS)
	@tools/run_tests.sh $(TESTS)
