# SPDX-License-Identifier: MIT
#
# plots/lines.gp: the panels of a figure whose rows are numbers: a line for each architecture. Loaded after style.gp by
# the scripts of such figures, which set the axes; `before_panel` is text to eval before each plot.

do for [p = 1:panels] {
    eval go_to_panel
    eval before_panel
    plot for [i in present] csv skip 1 every ::first::last using 2:(cell(i)) \
        with linespoints pt point[shape(i)] dt dash[shape(i)] lw 1.6 ps marker lc rgb colour[nth(i)]
}

eval legend
plot -1 notitle, for [i = 1:series] keyentry \
    with linespoints pt point[shape(i)] dt dash[shape(i)] lw 1.6 ps marker lc rgb colour[nth(i)] title serie[i]
unset multiplot
unset output
