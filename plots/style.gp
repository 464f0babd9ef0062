# SPDX-License-Identifier: MIT
#
# plots/style.gp: what the figures share. A figure is drawn by
#
#     gnuplot -d -c plots/NAME.gp CSV OUT svg|png CAPTION FOLDER PANELS ROWS SERIES NAMES
#
# FOLDER holds this file. CSV has a header and then PANELS × ROWS lines "panel,row,series…", the rows of a panel one
# after another; an empty field is a value that is not there. NAMES are those of the header and of the panels, each ended
# by a newline (gnuplot 5.4 cuts a string column at a comma, although it is quoted; tick labels it does not). A script takes its arguments (they do not reach a file that
# is loaded), sets `title`, `width`, `height` and `columns` (of panels), and loads this file, which starts the figure and
# leaves behind:
#
#     panel[p], serie[i]   names, from 1 on
#     go_to_panel          eval it to go to panel p; sets `first` and `last`, its lines for `every`; `least` and `most`,
#                          [i in present]` (text: use int(i)), and `lines`, to be used as `@lines` behind CSV
#     legend               eval it at the end, then plot a keyentry for each series (and something unseen: gnuplot wants that)
#
# Figures must be readable in grey: a series has its own point, dashes and lightness, a stacked part its own pattern.
# Names are data and never part of a command.

# Names, the longest cut: the legend has as many lines as they need.
cut(text, most) = strlen(text) > most ? text[1:most - 1] . "…" : text
set encoding utf8
longest = 0
array panel[panels]
array serie[series]
do for [i = 1:series + panels] {
    end = strstrt(names, "\n")
    if (i <= series) {
        serie[i] = cut(names[1:end - 1], 44)
        longest = strlen(serie[i]) > longest ? strlen(serie[i]) : longest
    } else {
        panel[i - series] = cut(names[1:end - 1], 60)
    }
    names = names[end + 1:*]
}
caption = cut(caption, int(width / 9))
in_line = int(width / (longest * 10.0 + 60))
in_line = in_line < 1 ? 1 : in_line
legend_lines = (series + in_line - 1) / in_line
if (!exists("legend_space")) legend_space = 30.0 + 22.0 * legend_lines
height = height + 22 * (legend_lines - 1)

if (form eq "svg") {
    set terminal svg size width,height dynamic font "DejaVu Sans,Helvetica,Arial,sans-serif,14" background "white" noenhanced linewidth 1.2
} else {
    set terminal pngcairo size width,height font "DejaVu Sans,11" background "white" noenhanced linewidth 1.4
}
set output out
set datafile separator comma
set datafile missing ""

# dark, middle and light take turns
array colour[8] = [0x000000, 0xd55e00, 0x0072b2, 0x888888, 0x7b3294, 0x009e73, 0xcc79a7, 0xb8860b]
array point[8] = [5, 7, 9, 13, 4, 6, 8, 12]
array dash[8] = [1, 2, 4, 5, 3, 1, 2, 4]
nth(i) = (int(i) - 1) % 8 + 1
cell(i) = valid(int(i) + 2) ? column(int(i) + 2) : NaN

# While there are no axes: stats looks at nothing outside of their ranges.
array has[panels]
array low[panels]
array high[panels]
do for [p = 1:panels] {
    has[p] = ""; low[p] = 1e300; high[p] = -1e300
    do for [i = 1:series] {
        count = 0
        stats csv skip 1 every ::(p - 1) * rows::p * rows - 1 using (valid(i + 2) ? (x = column(i + 2), count = count + 1, low[p] = x < low[p] ? x : low[p], high[p] = x > high[p] ? x : high[p], 0) : 0) nooutput
        if (count > 0) { has[p] = has[p] . " " . i }
    }
}

# Panels lie between a heading and the legend, left to right.
down = (panels + columns - 1) / columns
if (!exists("top_space")) top_space = 60.0
if (!exists("left_space")) left_space = 80.0
if (!exists("right_space")) right_space = 15.0
if (!exists("below_space")) below_space = 55.0
if (!exists("above_space")) above_space = 28.0
cell_width = 1.0 / columns
cell_height = (1.0 - (top_space + legend_space) / height) / down
cell_left(p) = ((p - 1) % columns) * cell_width
cell_top(p) = 1.0 - top_space / height - ((p - 1) / columns) * cell_height

go_to_panel = "\
set lmargin at screen cell_left(p) + left_space / width; \
set rmargin at screen cell_left(p) + cell_width - right_space / width; \
set tmargin at screen cell_top(p) - above_space / height; \
set bmargin at screen cell_top(p) - cell_height + below_space / height; \
set title panel[p] offset 0,-0.5; \
first = (p - 1) * rows; last = p * rows - 1; present = has[p]; least = low[p]; most = high[p]"

legend = "\
set lmargin at screen 0; set rmargin at screen 1; \
set tmargin at screen legend_space / height; set bmargin at screen 0; \
unset title; unset border; unset tics; unset xlabel; unset ylabel; unset arrow; unset grid; unset logscale; unset label; \
set xrange [0:1]; set yrange [0:1]; \
set key at screen 0.5, screen 0.55 * legend_space / height center center horizontal maxrows legend_lines reverse Left samplen 3 spacing 1.1;"

set key off
set grid lt 1 lc rgb "#d8d8d8" lw 0.6
set border 3 lc rgb "#444444"
set tics nomirror
set multiplot title title . "\n" . caption noenhanced
