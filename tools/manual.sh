#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/manual.sh markdown|man: every option of every command, once, as a table or as paragraphs of a man page;
# tools/manual.sh synopsis|commands: other parts of a man page.
#
# The text is what `ringside --help` and `ringside COMMAND --help` print, so that the book and the manual know what the
# program knows. Options that several commands share are one entry that names them. tools/book.awk calls this.

set -eu
ringside=${RINGSIDE:-${BUILD:-build}/ringside}

# Plain text to a line of roff.
roff() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\\&&/"; }

synopsis() {
    "$ringside" --help | sed -n 's/^  ringside //p' | roff |
        sed -e 's/^[^ ]*/.B ringside &\n/' -e '$!s/$/\n.br/' | sed -e 's/^ //' -e '/^$/d'
}

commands() {
    "$ringside" --help | sed -n 's/^  ringside \([a-z-]*\).*/.TP\n.B \1/p; s/^      \(.*\)/\1./p' |
        sed '/^\.TP/,/^\.B/!s/-/\\-/g'
}

# A line an option: its name and value, who has it, what it does; parted by tabs.
options() {
    local command
    for command in $("$ringside" --help | sed -n 's/^  ringside \([a-z-]*\).*/\1/p'); do
        "$ringside" "$command" --help | sed "s/^/$command /"
    done | awk -v widest=22 '
        { line = substr($0, length($1) + 2) }
        line ~ /^  --/ {
            key = substr(line, 3)
            at = index(key, "  ")
            if (!at) # there is but one blank before the help
                at = widest + 1
            text = substr(key, at)
            key = substr(key, 1, at - 1)
            sub(/ +$/, "", key)
            sub(/^ +/, "", text)
            if (!(key in help)) {
                order[++count] = key
                help[key] = text
                first[key] = $1
            }
            who[key] = who[key] (who[key] == "" ? "" : ", ") $1
            next
        }
        line ~ /^ +[^ ]/ && key != "" { # more of its help
            sub(/^ +/, "", line)
            if (first[key] == $1)
                help[key] = help[key] " " line
            next
        }
        { key = "" }
        END { for (i = 1; i <= count; i++) print order[i] "\t" who[order[i]] "\t" help[order[i]] }'
}

markdown() {
    printf '| option | of | |\n| --- | --- | --- |\n'
    options | sed 's/|/\\|/g' | awk -F '\t' '{ print "| `" $1 "` | " $2 " | " $3 " |" }'
}

man() {
    options | roff | awk -F '\t' '{
        value = index($1, " ") ? substr($1, index($1, " ")) : ""
        print ".TP\n\\fB" substr($1, 1, length($1) - length(value)) "\\fR\\fI" value "\\fR\n" $3 "\n(" $2 ")"
    }'
}

case ${1:-} in
synopsis | commands | markdown | man) "$1" ;;
*) echo "tools/manual.sh: what is '${1:-}'? synopsis, commands, markdown or man" >&2; exit 2 ;;
esac
