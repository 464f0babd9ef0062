# SPDX-License-Identifier: MIT
#
# tests/cli/cli.mk: what the tests of the command line need beyond tests.mk: its objects (but main). Everything that
# test_cli runs is made by `make build` already.

CLI_TESTS := $(patsubst tests/cli/%.c,$(BUILD)/tests/cli/%,$(wildcard tests/cli/test_*.c))
$(CLI_TESTS): $(patsubst %.c,$(BUILD)/host/%.o,$(filter-out sim/cli/main.c,$(wildcard sim/cli/*.c)))
