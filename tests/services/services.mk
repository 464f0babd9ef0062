# SPDX-License-Identifier: MIT
#
# tests/services/services.mk: what single tests of this layer need beyond the services: test_patch the patching of
# system calls by the exokernel's library.

PATCH_OBJECTS := $(patsubst %.c,%.o,$(wildcard arch-exo/lib/patch*.c))
$(BUILD)/tests/services/test_patch: $(addprefix $(BUILD)/host/,$(PATCH_OBJECTS))
$(BUILD)/asan/tests/services/test_patch: $(addprefix $(BUILD)/asan/,$(PATCH_OBJECTS))
