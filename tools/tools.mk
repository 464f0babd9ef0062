# SPDX-License-Identifier: MIT
#
# tools/tools.mk: host programs that the scripts in tools/ use.

$(BUILD)/tools/measure: tools/measure.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(WARNINGS) -D_GNU_SOURCE -o $@ $<

.PHONY: do-bench
do-bench: build $(BUILD)/tools/measure
	@tools/bench.sh
