# SPDX-License-Identifier: MIT
#
# tools/completion/ringside.bash: completes the words of ringside in bash. `. tools/completion/ringside.bash` tries it
# without installing.
#
# Nothing is listed here: commands and options come from `ringside --help`, what they name from `ringside list`.

# Options of command $2, with their dashes.
__ringside_options() { "$1" "$2" --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'; }

__ringside_commands() { "$1" --help 2>/dev/null | sed -n 's/^  ringside \([a-z-]*\).*/\1/p'; }

# The name of a list's rows: first words of lines that are not indented.
__ringside_names() { "$1" list "$2" 2>/dev/null | sed -n 's/^\([a-z][^ ]*\).*/\1/p'; }

# KEY=VALUE of the settings of architecture $2, or of all if that is empty.
__ringside_settings() {
    "$1" list archs 2>/dev/null | awk -v arch="${2%%[:,]*}" '
        /^[^ ]/ { mine = arch == "" || $1 == arch }
        mine && $1 == "--set" {
            split($2, pair, "=")
            count = split(pair[2], value, "|")
            for (i = 1; i <= count; i++) print pair[1] "=" value[i]
        }' | sort -u
}

# WORKLOAD:KEY= of the workload that the word $2 begins with.
__ringside_parameters() { "$1" list workloads 2>/dev/null | sed -n "s/^ *\(${2%%:*}:[a-z]*=\).*/\1/p"; }

# The alternatives that --help names for option $3 of command $2, as "timing|count".
__ringside_alternatives() { "$1" "$2" --help 2>/dev/null | sed -n "s/^  $3[ =]\([a-z]*|[a-z|]*\).*/\1/p" | tr '|' '\n'; }

# The topics of list are in its usage line.
__ringside_topics() { "$1" list --help 2>/dev/null | sed -n '1s/.* list \([a-z|]*\).*/\1/p' | tr '|' '\n'; }

# Words that may stand at the end of the command line $@: one a line. The last one is the word to be completed.
__ringside_words() {
    local ringside=$1 command=$2 word=${!#} before=${*: -2:1} arch=

    if [ $# -eq 2 ]; then
        __ringside_commands "$ringside"
        return
    fi
    case $command in run | exec | trace | report-functions) [ $# -eq 3 ] || arch=$3 ;; esac
    case $before in
    --cpu) __ringside_names "$ringside" cpus ;;
    --set) __ringside_settings "$ringside" "$arch" ;;
    --workload) __ringside_names "$ringside" workloads; __ringside_parameters "$ringside" "$word" ;;
    --root | --stdin | --cwd | --save | --restore | --from | --out | --html | --output | -o | --) ;; # files
    --model | --format) __ringside_alternatives "$ringside" "$command" "$before" ;;
    --cpus | --ops | --time-limit | --seed | --jobs | --env | --inject | --cpu-set | --save-at) ;; # anything
    *)
        case $word,$command,$# in
        -*) __ringside_options "$ringside" "$command" ;;
        *,list,3) __ringside_topics "$ringside" ;;
        *,compare,*) __ringside_columns "$ringside" "$word" ;;
        *,run,3 | *,exec,3 | *,trace,3 | *,report-functions,3) __ringside_names "$ringside" archs ;;
        *,run,* | *,trace,* | *,report-functions,*)
            __ringside_names "$ringside" workloads
            __ringside_parameters "$ringside" "$word"
            ;;
        esac
        ;;
    esac
}

# ARCH[:VARIANT][,KEY=VALUE…], of which $2 is the beginning.
__ringside_columns() {
    case $2 in
    *,*) __ringside_settings "$1" "$2" | sed "s/^/${2%,*},/" ;;
    *) __ringside_names "$1" archs ;;
    esac
}

_ringside() {
    local line=${COMP_LINE:0:COMP_POINT} words word

    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    if [[ $word == --*=* ]]; then # --cpu=z is as --cpu z
        words[-1]=${word%%=*}
        word=${word#*=}
        words+=("$word")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$(__ringside_words "${words[@]}")" -- "$word")
    # Readline replaces what stands behind the last of these.
    case $word in *[:=]*) COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*[:=]}"}"}") ;; esac
    [[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -o default -F _ringside ringside
