# SPDX-License-Identifier: MIT
#
# plots/relative-cycles.gp: a row for each workload, a point for each architecture: its cycles against monolithic.
# Ratios span decades, so the axis is logarithmic; a line stands at 1, where there is no difference. style.gp says the
# rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "Cycles relative to monolithic"
width = 1000; height = 190 + 30 * rows; columns = 1
rows_left = 1
load folder . "/style.gp"

p = 1
eval go_to_panel
set xlabel panel[1] . " (log scale)"
unset title
set logscale x
set format x "%g"
if (most / least < 500) { set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500) }
set xrange [(least < 1 ? least : 1) / 1.25 : (most > 1 ? most : 1) * 1.25]
set yrange [rows - 0.5 : -0.5]
set grid x y
set arrow 1 from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb "#444444" back
beside(i) = (int(i) - (series + 1) / 2.0) * 0.5 / series
plot csv skip 1 every ::first::last using (1):0:ytic(2) with points ps 0, \
    for [i in present] csv skip 1 every ::first::last using (cell(i)):(column(0) + beside(i)) \
    with points pt point[shape(i)] ps 1.1 * marker lc rgb colour[nth(i)]

eval legend
plot -1 notitle, for [i = 1:series] keyentry with points pt point[shape(i)] ps 1.2 * marker lc rgb colour[nth(i)] title serie[i]
unset multiplot
unset output
