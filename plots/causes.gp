# SPDX-License-Identifier: MIT
#
# plots/causes.gp: a panel for each workload, a bar for each architecture, stacked by the cause of each cycle. Panels
# have scales of their own: what is compared are the bars within one. style.gp says the rest.

csv = ARG1; out = ARG2; form = ARG3; caption = ARG4; folder = ARG5
panels = int(ARG6); rows = int(ARG7); series = int(ARG8); names = ARG9
title = "Cycles per operation by cause"
bars = 100 + (rows > 6 ? 32 * rows : 200)
columns = 1550 / bars
columns = columns < 1 ? 1 : columns > 5 ? 5 : columns
columns = panels < columns ? panels : columns
width = columns * bars > 600 ? columns * bars : 600
height = 90 + 190 * ((panels + columns - 1) / columns)
left_space = 75.0; rows_below = 1
load folder . "/style.gp"

# work, transition, copy… look the same in every file, also in one that lacks some of them
known = "work transition copy tlb cache schedule emulation shadow device"
looks = "3 4 1 3 5 2 6 7 0"
colours = "0xc8d4e0 0x0072b2 0xd55e00 0x333333 0x009e73 0x7b3294 0xb8860b 0xcc79a7 0x888888"
place(name) = sum [k = 1:words(known)] (word(known, k) eq name ? k : 0)
look(i) = place(serie[i]) ? int(word(looks, place(serie[i]))) : 2
shade(i) = place(serie[i]) ? int(word(colours, place(serie[i]))) : 0

set style data histograms
set style histogram rowstacked
set boxwidth 0.75
unset xtics
set grid y
set format y "%.1s%c"
set xrange [-0.6 : rows - 0.4]
set yrange [0 : *]
set ytics offset 0.5,0
do for [p = 1:panels] {
    eval go_to_panel
    if ((p - 1) % columns == 0) { set ylabel "cycles" } else { unset ylabel }
    plot csv skip 1 every ::first::last using 0:(0):2 with labels rotate by -30 left offset -0.8,-0.6, \
        csv skip 1 every ::first::last using 0:(0):(valid(3) ? "" : "n/a") with labels tc rgb "#888888" offset 0,0.6, \
        for [i in present] csv skip 1 every ::first::last using (cell(i) > 0 ? cell(i) : NaN) \
        fill pattern look(int(i)) lc rgb shade(int(i))
}

eval legend
set style data boxes
plot -1 notitle, for [i = 1:series] keyentry with boxes fill pattern look(i) lc rgb shade(i) title serie[i]
unset multiplot
unset output
