# SPDX-License-Identifier: MIT
#
# plots/tcb.gp: what runs in ring 0 against what an operation costs: a point for each architecture at the geometric mean
# of its cycles relative to monolithic, with the range from the workload that suits it best to the one that suits it
# least. style.gp says the rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "Size of ring 0 against cost relative to monolithic"
columns = panels
width = 340 + 420 * panels; height = 640
legend_space = 40.0
legend_lines = 1
load folder . "/style.gp"

set logscale y
set yrange [* < 0.5 : 2 < *]
set format x "%.0s%c"
do for [p = 1:panels] {
    eval go_to_panel
    unset title
    set xlabel panel[p]
    set xrange [0 : most * 1.25]
    if (p == 1) { set ylabel "cycles relative to monolithic (log scale)" } else { unset ylabel }
    plot 1 with lines lw 1.2 lc rgb "#888888", \
        csv skip 1 every ::first::last using 3:4:5:6:(point[shape(1 + int(column(0)))]):(colour[nth(1 + \
            int(column(0)))]) with yerrorbars pt variable ps 1.2 * marker lw 1.4 lc rgb variable, \
        csv skip 1 every ::first::last using 3:4:2 with labels left offset 0.9,0.5
}

eval legend
plot -1 notitle, keyentry with yerrorbars pt 6 ps 1.2 * marker lw 1.4 lc rgb "#444444" \
    title "geometric mean, least and most of the workloads that all have"
unset multiplot
unset output
