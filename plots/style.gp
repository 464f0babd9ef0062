# SPDX-License-Identifier: MIT
#
# plots/style.gp: what the figures share. A figure is drawn by
#
#     gnuplot -d -c plots/NAME.gp CSV OUT svg|png CAPTION FOLDER PANELS ROWS SERIES NAMES
#
# FOLDER holds this file. CSV has a header and then PANELS × ROWS lines "panel,row,series…", the rows of a panel one
# after another; an empty field is a value that is not there. NAMES are those of series, panels and rows, each ended by
# a newline (they are in CSV too, but gnuplot 5.4 cuts a string column at a comma; labels from a column it does not).
#
# A script takes its arguments (they do not reach a file that is loaded), sets `title`, `width`, `height`, `columns` (of
# panels), and `rows_left` or `rows_below` if the rows' names stand there, and loads this file, which starts the figure
# and leaves behind:
#
#     panel[p], serie[i]   names, from 1 on
#     go_to_panel          eval it to go to panel p. It sets `first` and `last`, the panel's lines, for `every`; `least`
#                          and `most` of its values; `present`, the series that have any, for `plot for [i in present]`
#     marker               the size of a point
#     cell(i)              the value of series i in a line, NAN if it is not there
#     size_tics            eval it for an x axis of bytes, before any other axis is set
#     legend               eval it at the end, then plot a keyentry for each series (and something that is not seen:
#                          gnuplot wants it)
#
# Figures must be readable in grey: a series has its own point, dashes and lightness, a stacked part its own pattern.
# Names are data and never part of a command.

down(n) = (n + columns - 1) / columns

# Names, the longest cut: the legend has as many lines as they need.
cut(text, most) = strlen(text) > most ? text[1:most - 1] . "…" : text
set encoding utf8
longest = 0
array panel[panels]
array serie[series]
longest_row = 0
do for [i = 1:series + panels + rows] {
    end = strstrt(names, "\n")
    name = names[1:end - 1]
    names = names[end + 1:*]
    if (i <= series) {
        serie[i] = cut(name, 44)
        longest = strlen(serie[i]) > longest ? strlen(serie[i]) : longest
    }
    if (i > series && i <= series + panels) { panel[i - series] = cut(name, 60) }
    if (i > series + panels) { longest_row = strlen(name) > longest_row ? strlen(name) : longest_row }
}
longest_row = longest_row > 40 ? 40 : longest_row
if (exists("rows_left")) {
    left_space = 30.0 + 8.5 * longest_row
    width = width + (left_space > 110 ? (left_space - 110) * columns : 0)
}
if (exists("rows_below")) { below_space = 35.0 + 4.0 * longest_row; height = height + below_space * down(panels) }
caption = cut(caption, int(width / 9))
in_line = int(width / (longest * 10.0 + 60))
in_line = in_line < 1 ? 1 : in_line
legend_lines = (series + in_line - 1) / in_line
if (!exists("legend_space")) legend_space = 30.0 + 22.0 * legend_lines
height = height + 22 * (legend_lines - 1)

if (form eq "svg") {
    set terminal svg size width,height dynamic font "DejaVu Sans,Helvetica,Arial,sans-serif,13" background "white" \
        noenhanced linewidth 1.2
    marker = 0.7
} else {
    set terminal pngcairo size width,height font "DejaVu Sans,11" background "white" noenhanced linewidth 1.4
    marker = 1.0
}
set output out
set datafile separator comma
set datafile missing ""

# dark, middle and light take turns
array colour[8] = [0x000000, 0xd55e00, 0x0072b2, 0x888888, 0x7b3294, 0x009e73, 0xcc79a7, 0xb8860b]
array point[8] = [5, 7, 9, 13, 4, 6, 8, 12]
array dash[8] = [1, 2, 4, 5, 3, 1, 2, 4]
nth(i) = (int(i) - 1) % 8 + 1
shape(i) = nth(int(i) + 3 * ((int(i) - 1) / 8)) # the ninth has the colour of the first, and another point
cell(i) = valid(int(i) + 2) ? column(int(i) + 2) : NaN

# While there are no axes: stats looks at nothing outside of their ranges.
array has[panels]
array low[panels]
array high[panels]
note(x) = (count = count + 1, low[p] = x < low[p] ? x : low[p], high[p] = x > high[p] ? x : high[p], 0)
do for [p = 1:panels] {
    has[p] = ""; low[p] = 1e300; high[p] = -1e300
    do for [i = 1:series] {
        count = 0
        stats csv skip 1 every ::(p - 1) * rows::p * rows - 1 using (valid(i + 2) ? note(column(i + 2)) : 0) nooutput
        if (count > 0) { has[p] = has[p] . " " . i }
    }
}

# Panels lie between a heading and the legend, left to right.
if (!exists("top_space")) top_space = 60.0
if (!exists("left_space")) left_space = 92.0
if (!exists("right_space")) right_space = 28.0
if (!exists("below_space")) below_space = 66.0
if (!exists("above_space")) above_space = 30.0
cell_width = 1.0 / columns
cell_height = (1.0 - (top_space + legend_space) / height) / down(panels)
cell_left(p) = ((p - 1) % columns) * cell_width
cell_top(p) = 1.0 - top_space / height - ((p - 1) / columns) * cell_height

go_to_panel = "\
set lmargin at screen cell_left(p) + left_space / width; \
set rmargin at screen cell_left(p) + cell_width - right_space / width; \
set tmargin at screen cell_top(p) - above_space / height; \
set bmargin at screen cell_top(p) - cell_height + below_space / height; \
set title panel[p] offset 0,-0.5; \
first = (p - 1) * rows; last = p * rows - 1; present = has[p]; least = low[p]; most = high[p]"

# A tick for each power of two, a label for every second one.
size_tics = "\
stats csv skip 1 using 2 nooutput; \
set logscale x 2; set xrange [STATS_min / 1.25 : STATS_max * 1.25]; set xtics (); \
do for [i = 0:9] { \
    set xtics add (sprintf('%d', 2**i) 2**i i % 2); set xtics add (sprintf('%d Ki', 2**i) 2**(i + 10) i % 2); \
    set xtics add (sprintf('%d Mi', 2**i) 2**(i + 20) i % 2) \
}"

legend = "\
set lmargin at screen 0; set rmargin at screen 1; \
set tmargin at screen legend_space / height; set bmargin at screen 0; \
unset title; unset border; unset tics; unset xlabel; unset ylabel; unset arrow; unset grid; \
unset logscale; unset label; \
set xrange [0:1]; set yrange [0:1]; \
set key at screen 0.5, screen 0.55 * legend_space / height center center horizontal maxrows legend_lines \
    reverse Left samplen 3 spacing 1.1;"

set key off
set grid lt 1 lc rgb "#d8d8d8" lw 0.6
set border 3 lc rgb "#444444"
set tics nomirror
set multiplot title title . "\n" . caption noenhanced
