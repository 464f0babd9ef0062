# SPDX-License-Identifier: MIT
#
# tools/book.awk: makes the book from its templates: every figure in it is taken from a run, none is typed in.
#
#     awk -v out=FOLDER -v ringside=build/ringside -v predictions=docs/predictions.def -f tools/book.awk TEMPLATE…
#
# A template is a text that can be read as it is; between double braces stands what is put there instead. LABEL is an
# architecture as `ringside compare` takes it, a figure is per operation. Within a line:
#
#     LABEL WORKLOAD COUNTER                a figure
#     ratio COUNTER WORKLOAD LABEL BASE     how many times LABEL's figure is BASE's
#
# On a line of its own:
#
#     predictions LABEL…                    the events predicted for these architectures and those counted
#     table COUNTER LABEL…                  a counter of every workload on each of them
#     section FILE [HEADING]                the section "## HEADING" of FILE, or what is between its title and the first "##"
#     $ COMMAND                             a command and what it prints, with the indentation of the line
#     | COMMAND                             what a command prints
#
# What is between the lines "<!-- template -->" and "<!-- book -->" is for readers of the template only.
#
# An error is one line on standard error, and exit status 1: what is unknown or was not measured, a prediction that does
# not hold (all in the file are checked, shown or not), a number of cycles that somebody typed. Each architecture
# runs once, and not at all if its results are in the cache.

BEGIN {
    read_predictions()
}

FNR == 1 {
    if (target != "")
        close(target)
    target = FILENAME
    sub(/.*\//, "", target)
    target = out "/" target
    printf "" > target
}

$0 == "<!-- template -->" { template = FILENAME }

template == FILENAME {
    if ($0 == "<!-- book -->")
        template = ""
    next
}

/^ *\{\{.*\}\}$/ && block($0) { next }

{
    print expand($0) > target
}

END {
    for (p = 1; p <= predicted && !failed; p++)
        check_prediction(p, predictions)
    exit failed
}

function fail(where, text)
{
    printf "%s: %s\n", where, text > "/dev/stderr"
    failed = 1
    exit 1
}

function here() { return FILENAME ":" FNR }

# ---- figures: value[label, workload, counter]

function load(where, label,    command, line, field, heading, columns, i, status)
{
    if (label in loaded)
        return
    loaded[label] = 1
    if (label !~ /^[a-z][a-z0-9:,=-]*$/)
        fail(where, "'" label "' cannot be an architecture")
    command = ringside " compare " label " --csv 2>" out "/.errors; echo status $?"
    while ((command | getline line) > 0) {
        gsub(/"/, "", line)
        columns = split(line, field, ",")
        if (line ~ /^status /)
            status = substr(line, 8)
        else if (!(3 in heading))
            split(line, heading, ",")
        else {
            known[label, field[3]] = 1
            order[label, ++rows[label]] = field[3]
            for (i = 10; i <= columns; i++)
                value[label, field[3], heading[i]] = field[i]
        }
    }
    close(command)
    for (i = 10; i in heading; i++)
        is_counter[heading[i]] = 1
    if (status != 0) {
        while ((getline line < (out "/.errors")) > 0)
            if (line !~ /warning:/)
                fail(where, line)
        fail(where, "'" ringside " compare " label " --csv' ended with status " status)
    }
}

# As it was counted; "" if it was not.
function measured(where, label, workload, counter)
{
    load(where, label)
    if (!((label, workload) in known))
        fail(where, "there is no workload '" workload "' (see 'ringside list workloads')")
    if (!(counter in is_counter))
        fail(where, "there is no counter '" counter "' (see 'ringside list counters')")
    return value[label, workload, counter]
}

function figure(where, label, workload, counter,    number)
{
    number = measured(where, label, workload, counter)
    if (number == "")
        fail(where, workload " has no " counter " on " label)
    return number
}

# Whole above a hundred, else two decimals at most; thousands parted.
function shown(number,    text, rest)
{
    if (number == "")
        return "–"
    if (number >= 100 || number == int(number))
        text = sprintf("%.0f", number)
    else {
        text = sprintf("%.2f", number)
        sub(/\.?0+$/, "", text)
    }
    for (rest = ""; text ~ /^[0-9]/ && length(text) > 3 && text !~ /\./; text = substr(text, 1, length(text) - 3))
        rest = "," substr(text, length(text) - 2) rest
    return text rest
}

# ---- predictions: prediction[p, "label"|"workload"|"counter"|"kind"|"number"]

function read_predictions(    line, field, lines)
{
    while (predictions != "" && (getline line < predictions) > 0) {
        lines++
        if (line !~ /^PREDICTION/)
            continue
        if (line !~ /^PREDICTION(_ABOUT|_LEAST)?\("[^"]+", "[^"]+", "[a-z0-9_]+", [0-9]+\)$/)
            fail(predictions ":" lines, "not a prediction: " line)
        split(line, field, "\"")
        predicted++
        prediction[predicted, "kind"] = substr(field[1], 11, length(field[1]) - 11)
        prediction[predicted, "label"] = field[2]
        prediction[predicted, "workload"] = field[4]
        prediction[predicted, "counter"] = field[6]
        prediction[predicted, "number"] = substr(field[7], 3) + 0
    }
}

function check_prediction(p, where,    counted, kind, number)
{
    kind = prediction[p, "kind"]
    number = prediction[p, "number"]
    counted = figure(where, prediction[p, "label"], prediction[p, "workload"], prediction[p, "counter"])
    if (kind == "" && counted == number || kind == "_LEAST" && counted >= number ||
        kind == "_ABOUT" && counted >= number && counted < number + 0.1)
        return counted
    fail(where, prediction[p, "label"] ", " prediction[p, "workload"] ": " prediction[p, "counter"] " predicted " \
         number ", counted " counted)
}

function print_predictions(words, count,    p, i, found, many)
{
    many = count > 2
    print (many ? "| architecture " : "") "| workload | event | predicted | counted |" > target
    print (many ? "| --- " : "") "| --- | --- | --- | --- |" > target
    for (i = 2; i <= count; i++) {
        found = 0
        for (p = 1; p <= predicted; p++) {
            if (prediction[p, "label"] != words[i])
                continue
            found = 1
            print (many ? "| `" words[i] "` " : "") "| `" prediction[p, "workload"] "` | `" prediction[p, "counter"] "` | " \
                (prediction[p, "kind"] == "_LEAST" ? "at least " : "") shown(prediction[p, "number"]) " | " \
                shown(check_prediction(p, here())) " |" > target
        }
        if (!found)
            fail(here(), "nothing is predicted for '" words[i] "'")
    }
}

# ---- other blocks

function print_table(words, count,    i, row, workload, line, base)
{
    base = words[3]
    load(here(), base)
    line = "| workload |"
    for (i = 3; i <= count; i++)
        line = line " " words[i] " |"
    print line > target
    gsub(/[^|]+/, " --- ", line)
    print line > target
    for (row = 1; row <= rows[base]; row++) {
        workload = order[base, row]
        line = "| `" workload "` |"
        for (i = 3; i <= count; i++)
            line = line " " shown(measured(here(), words[i], workload, words[2])) " |"
        print line > target
    }
}

function print_section(file, heading,    line, inside, lines, printed, blanks)
{
    inside = heading == ""
    while ((getline line < file) > 0) {
        if (line ~ /^## / || lines++ == 0)
            inside = heading == "" ? line !~ /^## / : line == "## " heading
        if (!inside || lines == 1)
            continue
        if (line == "") # those at the end are not printed
            blanks = blanks "\n"
        else {
            printf "%s%s\n", printed ? blanks : "", line > target
            blanks = ""
            printed = 1
        }
    }
    close(file)
    if (!printed)
        fail(here(), file (heading == "" ? " has no text before its first heading" : " has no section '" heading "'"))
}

function print_output(command, indent,    line, status)
{
    command = "( " command "\n) 2>&1; echo \"status $?\""
    while ((command | getline line) > 0)
        if (line ~ /^status [0-9]+$/)
            status = substr(line, 8)
        else
            print (line == "" ? "" : indent line) > target
    close(command)
    if (status != 0)
        fail(here(), "exit status " status " of: " substr(command, 3, index(command, "\n") - 3))
}

# Is the line one of those that stand alone?
function block(line,    indent, text, words, count)
{
    indent = line
    sub(/\{.*/, "", indent)
    text = substr(line, length(indent) + 3, length(line) - length(indent) - 4)
    count = split(text, words, " ")
    if (words[1] == "$") {
        print indent substr(text, 3) "\n" > target
        print_output(substr(text, 3), indent)
    } else if (words[1] == "|")
        print_output(substr(text, 3), indent)
    else if (words[1] == "predictions" && count > 1)
        print_predictions(words, count)
    else if (words[1] == "table" && count > 2)
        print_table(words, count)
    else if (words[1] == "section" && count > 1)
        print_section(words[2], count > 2 ? substr(text, length(words[1] words[2]) + 3) : "")
    else
        return 0
    return 1
}

# ---- within a line

function expand_one(text,    words, count, base)
{
    count = split(text, words, " ")
    if (words[1] == "ratio" && count == 5) {
        base = figure(here(), words[5], words[3], words[2])
        if (base + 0 == 0)
            fail(here(), words[3] " has no " words[2] " on " words[5] " to divide by")
        return sprintf("%.1f", figure(here(), words[4], words[3], words[2]) / base)
    }
    if (count != 3)
        fail(here(), "what is {{" text "}}? {{LABEL WORKLOAD COUNTER}}, or see tools/book.awk")
    return shown(figure(here(), words[1], words[2], words[3]))
}

function expand(line,    done, from, to, typed)
{
    typed = line
    gsub(/\{\{[^}]*\}\}/, "", typed)
    if (typed ~ /[0-9] *(million |thousand )?cycles?([^a-z_]|$)/)
        fail(here(), "a number of cycles is typed in; name the run that it comes from: {{LABEL WORKLOAD cycles}}")
    while ((from = index(line, "{{")) && (to = index(substr(line, from), "}}"))) {
        done = done substr(line, 1, from - 1) expand_one(substr(line, from + 2, to - 3))
        line = substr(line, from + to + 1)
    }
    return done line
}
