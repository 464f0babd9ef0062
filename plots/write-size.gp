# SPDX-License-Identifier: MIT
#
# plots/write-size.gp: what a transfer costs against its size, and where copying takes over from switching: above the
# line at 50 % more cycles go into copying than into changing domains. style.gp and lines.gp say the rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "write: cost against transfer size"
columns = panels
width = 240 + 390 * panels; height = 560
load folder . "/style.gp"

eval size_tics
set xlabel "bytes of a transfer"
before_panel = "\
if (panel[p][1:7] eq 'copying') { \
    unset logscale y; set yrange [0:100]; set format y '%.0f %%'; \
    set arrow 1 from graph 0, first 50 to graph 1, first 50 nohead lw 1.5 lc rgb '#444444' back \
} else { \
    unset arrow 1; set logscale y; set yrange [least / 1.5 : most * 1.5]; set format y p == 2 ? '%g' : '%.0s%c' \
}"
load folder . "/lines.gp"
