# SPDX-License-Identifier: MIT
#
# tests/tools/shown.awk: the commands that texts show, as test_shown.c runs them: FILE:LINE, the exit status that the text
# says (0, or "exit status N" in its comment), and the command, parted by tabs.
#
# Shown is what begins with ringside, build/ringside or make: a line of a block (indented by four, or between fences; also
# what the book's generator runs there) or a span between backquotes within a line. A command is run as it stands, but:
#
#   * run and compare get `--ops 3 --model count` in front of their own options, which win
#   * ARCH WORKLOAD COMMAND PROGRAM N MS are replaced by something that fits; words with … are left out
#   * a|b|c as a word is three commands
#   * make looks what it would do (-n) and does nothing: set-up, a build and all tests are others' affair

FNR == 1 { fenced = 0 }

/^```/ {
    fenced = !fenced
    next
}

fenced || /^    / {
    line = $0
    sub(/^ +/, "", line)
    if (line ~ /^\{\{\$ .*\}\}$/)
        line = substr(line, 5, length(line) - 6)
    if (is_command(line))
        show(line)
    next
}

{
    count = split($0, span, "`")
    for (i = 2; i <= count; i += 2)
        if (is_command(span[i]))
            show(span[i])
}

function is_command(text) { return text ~ /^(build\/)?ringside [a-zA-Z-]/ || text ~ /^make( [a-z]|$)/ }

function replaced(word)
{
    if (word == "ARCH" || word == "ARCH[:VARIANT]") return "monolithic"
    if (word == "WORKLOAD") return "null"
    if (word == "COMMAND") return "run"
    if (word == "PROGRAM") return "DIR/bin/program"
    if (word == "N" || word == "MS") return "1000"
    return word
}

function show(text,    status, words, count, i, command, alternatives)
{
    status = 0
    if (match(text, /exit status [0-9]+/))
        status = substr(text, RSTART + 12, RLENGTH - 12)
    sub(/ +#.*/, "", text)
    count = split(text, words, " ")
    for (i = 1; i <= count; i++) {
        if (words[i] ~ /…/)
            continue
        if (words[i] ~ /^[a-z]+\|[a-z|]+$/) {
            alternatives = words[i]
            words[i] = "ALTERNATIVE"
        }
        command = command (i > 1 ? " " : "") replaced(words[i])
    }
    sub(/^ringside /, "build/ringside ", command)
    sub(/^build\/ringside (run|compare)/, "& --ops 3 --model count", command)
    sub(/^make/, "make -n", command)
    count = split(alternatives == "" ? "ALTERNATIVE" : alternatives, words, "|")
    for (i = 1; i <= count; i++) {
        text = command
        sub(/ALTERNATIVE/, words[i], text)
        print FILENAME ":" FNR "\t" status "\t" text
    }
}
