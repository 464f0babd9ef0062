# SPDX-License-Identifier: MIT
#
# plots/sensitivity-cr3.gp: cycles of an operation against what the CPU model charges for a CR3 load: a panel for each
# workload, each with a scale of its own. The steeper a line, the more of them an operation needs. style.gp and lines.gp
# say the rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "Cycles per operation against the cost of a CR3 load (variants of the CPU model)"
columns = panels < 4 ? panels : 4
width = 240 + 330 * columns
height = 120 + 380 * ((panels + columns - 1) / columns)
load folder . "/style.gp"

set xlabel "cost of a CR3 load (cycles)"
set format y "%.1s%c"
set xrange [0:*]
set yrange [0 : 1 < *]
before_panel = "set ylabel (p - 1) % columns == 0 ? 'cycles per operation' : ''"
load folder . "/lines.gp"
