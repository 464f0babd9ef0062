#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/bench.sh [ARCH]: how fast the simulator is on this machine. `make bench` sets up, builds and calls it.
#
# Prints, with the machine's name: million simulated instructions a second on `sqlite` under the timing and the count
# model; the host's time from power on to a program's first instruction; the wall time and largest resident set of the
# whole `run`; and the same program natively under valgrind's cachegrind (user code only, no TLB) for comparison.
# Targets are those of the design; a miss is marked, not an error: a speed is not a test. Exit status 1 if something
# did not run.

set -eu
cd "$(dirname "$0")/.."

arch=${1:-monolithic}
ops=${BENCH_OPS:-10000}
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

measure() { # NAME COMMAND…: output in $work/NAME.out; sets seconds and kib
    local name=$1
    shift
    "$build/tools/measure" "$work/$name.cost" "$@" >"$work/$name.out" 2>"$work/$name.err" || {
        printf 'bench: failed: %s\n' "$*" >&2
        tail -n 5 "$work/$name.err" >&2
        exit 1
    }
    read -r seconds _ kib <"$work/$name.cost"
}

number_of() { # KEY FILE: the first number that JSON gives KEY
    grep -o "\"$1\": *[0-9.eE+-]*" "$2" | head -n 1 | sed 's/.*: *//'
}

calculate() { awk "BEGIN { printf \"$1\", $2 }"; }

line() { # WHAT VALUE UNIT [TARGET-COMPARISON TARGET]
    local verdict=
    if [ $# -gt 3 ]; then
        verdict="(target: $4 $5)"
        [ "$(awk "BEGIN { print ($2 $4 $5) }")" = 1 ] || verdict="$verdict MISSED"
    fi
    printf '  %-46s %10s %-18s %s\n' "$1" "$2" "$3" "$verdict"
}

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
printf 'Ringside on %s, %s CPUs, Linux %s\n' "${cpu:-an unnamed CPU}" "$(nproc)" "$(uname -r)"

declare -A mips
for model in timing count; do
    measure "$model" "$build/ringside" run "$arch" sqlite --ops "$ops" --model "$model" --no-cache --json
    mips[$model]=$(calculate %.0f "$(number_of mips "$work/$model.out")")
done
line "timing model, sqlite" "${mips[timing]}" "M instructions/s" ">=" 50
line "count model, sqlite" "${mips[count]}" "M instructions/s" ">=" 500

measure boot "$build/ringside" run "$arch" null --no-cache --json
line "boot to the program's first instruction" "$(calculate %.1f "$(number_of boot_seconds "$work/boot.out") * 1000")" "ms" "<" 50

measure whole "$build/ringside" run "$arch" --no-cache
line "whole run $arch" "$seconds" "s" "<" 10
line "largest resident set of it" "$((kib / 1024))" "MiB" "<" 300

# The same program natively, in a copy of the same folder. CPU seconds: the host's disk is not what is compared.
cp -a "$build/programs/root" "$work/root"
cd "$work/root"
"$OLDPWD/$build/tools/measure" "$work/native.cost" bin/sqlite "$ops" >"$work/native.out"
read -r _ native _ <"$work/native.cost"
"$OLDPWD/$build/tools/measure" "$work/grind.cost" valgrind --tool=cachegrind --cache-sim=yes --cachegrind-out-file=/dev/null \
    bin/sqlite "$ops" >"$work/grind.out" 2>"$work/grind.err"
read -r _ grind _ <"$work/grind.cost"
cmp -s "$work/native.out" "$work/grind.out" || { echo "bench: sqlite printed something else under valgrind" >&2; exit 1; }
refs=$(sed -n 's/.*I *refs: *//p' "$work/grind.err" | tr -d ,)
speed=$(calculate %.0f "$refs / $grind / 1e6")
line "the same sqlite natively" "$native" "CPU s"
line "under cachegrind, native user code only" "$speed" "M instructions/s"
line "timing model / cachegrind" "$(calculate %.2f "${mips[timing]} / $speed")" "times its speed"
line "count model / cachegrind" "$(calculate %.2f "${mips[count]} / $speed")" "times its speed"
