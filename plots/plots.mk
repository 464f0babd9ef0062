# SPDX-License-Identifier: MIT
#
# plots/plots.mk: `make plots`: makes the results that the figures need, and draws them, all in build/plots:
#
#   results/workloads.json   every workload as it is
#   results/WORKLOAD.json    ctx, pipe-bw and write with other parameters
#   results/KEY-COST.json    some workloads on a variant of the CPU model, whose KEY costs COST cycles
#   FIGURE.csv .svg .png     see sim/cli/plot.c; a script for each, plots/FIGURE.gp
#
# PLOT_ARCHS="monolithic micro:mach exo,pcid=off" compares others, CPU=zen4 is another CPU model. What has been run
# before comes from the cache of results, so that only the first time takes long.

PLOT_ARCHS ?= monolithic micro exo vmm
CPU ?= skylake
PLOTS := $(BUILD)/plots
# one run an architecture and word; a transfer must be done so often that what a full pipe holds does not count
PLOT_CTX := $(foreach p,2 8 32,$(foreach b,4096 16384 65536 131072 262144,ctx:processes=$(p),bytes=$(b),ops=96))
PLOT_PIPE := 64,ops=16384 256,ops=4096 1024,ops=1024 4096,ops=256 16384,ops=80 65536,ops=40 262144,ops=20
PLOT_WRITE := 64 256 1024 4096 16384 65536
PLOT_CR3 := 0 100 400 800
PLOT_SYSCALL := 0 160 320 640
PLOT_COSTLY := null open write pipe ctx ipc fork sqlite

# $(1) file, $(2) workloads (none: all), $(3) further options
plot_run = printf '%s\n' "  results/$(1)" && \
    $(BUILD)/ringside compare $(PLOT_ARCHS) $(addprefix --workload ,$(2)) --cpu $(CPU) $(3) \
    --json=$(PLOTS)/results/$(1) >$(PLOTS)/log 2>&1 || { cat $(PLOTS)/log >&2; false; }

.PHONY: plots do-plots
plots:
	@tools/setup.sh plots
	+@$(AGAIN) build
	+@$(MAKE) do-plots

do-plots:
	@rm -rf $(PLOTS)/results
	@mkdir -p $(PLOTS)/results
	@$(call plot_run,workloads.json,,)
	@$(call plot_run,ctx.json,$(PLOT_CTX),)
	@$(call plot_run,pipe-bw.json,$(PLOT_PIPE:%=pipe-bw:bytes=%),)
	@$(call plot_run,write.json,$(PLOT_WRITE:%=write:bytes=%$(comma)ops=500),)
	@$(foreach c,$(PLOT_CR3),$(call plot_run,cr3-$(c).json,$(PLOT_COSTLY), \
	    --cpu-set cr3_write_cost=$(c) --cpu-set cr3_write_noflush_cost=$(c));)
	@$(foreach c,$(PLOT_SYSCALL),$(call plot_run,syscall-$(c).json,$(PLOT_COSTLY),--cpu-set syscall_cost=$(c));)
	@$(BUILD)/ringside plot --out $(PLOTS) $(patsubst %,--from $(PLOTS)/results/%.json,workloads ctx pipe-bw write \
	    $(PLOT_CR3:%=cr3-%) $(PLOT_SYSCALL:%=syscall-%))
