# SPDX-License-Identifier: MIT
#
# plots/events.gp: a panel for each counter, a row for each workload, a point for each architecture: events per
# operation. Counts span decades and may be 0: the axis is that of log10(1 + x). style.gp says the rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "Events per operation (log scale from 0)"
columns = panels
width = 260 + 290 * panels; height = 180 + 30 * rows
rows_left = 1
load folder . "/style.gp"

set nonlinear x via log10(1 + x) inverse 10**x - 1
set yrange [rows - 0.5 : -0.5]
beside(i) = (int(i) - (series + 1) / 2.0) * 0.6 / series
do for [p = 1:panels] {
    eval go_to_panel
    if (most < 3e5) {
        set xtics ("0" 0, "1" 1, "10" 10, "100" 100, "1 k" 1e3, "10 k" 1e4, "100 k" 1e5)
    } else {
        set xtics ("0" 0, "10" 10, "1 k" 1e3, "100 k" 1e5, "10 M" 1e7, "1 G" 1e9, "100 G" 1e11)
    }
    set xrange [-0.15 : (most > 1 ? most : 1) * 2]
    plot csv skip 1 every ::first::last using (0):0:ytic(2) with points ps 0, \
        for [i in present] csv skip 1 every ::first::last using (cell(i)):(column(0) + beside(i)) \
        with points pt point[shape(i)] ps 0.9 * marker lc rgb colour[nth(i)]
}

unset nonlinear x
eval legend
plot -1 notitle, for [i = 1:series] keyentry with points pt point[shape(i)] ps 1.2 * marker lc rgb colour[nth(i)] title serie[i]
unset multiplot
unset output
