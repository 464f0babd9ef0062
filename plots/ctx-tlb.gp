# SPDX-License-Identifier: MIT
#
# plots/ctx-tlb.gp: TLB misses of a hop of ctx against the working set of each process: first-level misses above, page
# walks below, a column for each number of processes. style.gp and lines.gp say the rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "ctx: TLB misses per hop against working set and processes"
columns = panels / 2
columns = columns > 0 ? columns : 1
width = 300 + 330 * columns; height = 900
load folder . "/style.gp"

eval size_tics
set nonlinear y via log10(1 + y) inverse 10**y - 1
set ytics ("0" 0, "1" 1, "10" 10, "100" 100, "1 k" 1e3, "10 k" 1e4, "100 k" 1e5)
set xlabel "working set of each process (bytes)"
before_panel = "\
set yrange [0 : (most > 10 ? most : 10) * 1.3]; \
set ylabel (p - 1) % columns == 0 ? 'misses per hop (log scale from 0)' : ''"
load folder . "/lines.gp"
