#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/bench.sh [ARCH]: how fast the simulator is on this machine. `make bench` sets up, builds and calls it.
#
# Prints, with the machine's name: million simulated instructions a second on `sqlite` under the timing and the count
# model; the host's time from power on to a program's first instruction (the third of five); the wall time and largest
# resident set of the whole `run`; and the same program natively under valgrind's cachegrind (user code only, no TLB) for
# comparison.
#
# BENCH_OPS rows for the timing model (10,000: some seconds), four times as many for the count model: its first fifth of a
# second goes by with translating the program, which says nothing of its speed. Both sizes are printed for it.
#
# Targets are those of the design; a miss is marked, not an error: a speed is not a test. Exit status 1 if something
# did not run.

set -eu
cd "$(dirname "$0")/.."

arch=${1:-monolithic}
ops=${BENCH_OPS:-10000}
long=$((4 * ops))
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

simulate() { # MODEL OPS: sets mips
    measure "$1" "$build/ringside" run "$arch" sqlite --ops "$2" --model "$1" --no-cache --json
    mips=$(calculate %.0f "$(number_of mips "$work/$1.out")")
}

simulate timing "$ops"
timing=$mips
line "timing model, sqlite --ops $ops" "$timing" "M instructions/s" ">=" 50
simulate count "$long"
count_long=$mips
line "count model, sqlite --ops $long" "$count_long" "M instructions/s" ">=" 500
simulate count "$ops"
count=$mips
line "count model, sqlite --ops $ops" "$count" "M instructions/s"

for _ in 1 2 3 4 5; do
    measure boot "$build/ringside" run "$arch" null --no-cache --json
    number_of boot_seconds "$work/boot.out"
done >"$work/boots"
boot=$(sort -g "$work/boots" | sed -n 3p)
line "boot to the program's first instruction" "$(calculate %.1f "$boot * 1000")" "ms" "<" 50

measure whole "$build/ringside" run "$arch" --no-cache
line "whole run $arch" "$seconds" "s" "<" 10
line "largest resident set of it" "$((kib / 1024))" "MiB" "<" 300

# The same program natively, each time in a copy of the same folder. CPU seconds: the host's disk is not what is compared.
natively() { # OPS [COMMAND…]: sets cpu_seconds; output in $work/native.out, what the command says in native.err
    local rows=$1
    shift
    rm -rf "$work/root"
    cp -a "$build/programs/root" "$work/root"
    (cd "$work/root" && exec "$OLDPWD/$build/tools/measure" "$work/native.cost" "$@" bin/sqlite "$rows") \
        >"$work/native.out" 2>"$work/native.err"
    read -r _ cpu_seconds _ <"$work/native.cost"
}

grind() { # OPS: sets speed
    natively "$1"
    cp "$work/native.out" "$work/expected.out"
    line "sqlite $1 natively" "$cpu_seconds" "CPU s"
    natively "$1" valgrind --tool=cachegrind --cache-sim=yes --cachegrind-out-file=/dev/null
    cmp -s "$work/native.out" "$work/expected.out" || { echo "bench: sqlite printed something else under valgrind" >&2; exit 1; }
    speed=$(calculate %.0f "$(sed -n 's/.*I *refs: *//p' "$work/native.err" | tr -d ,) / $cpu_seconds / 1e6")
    line "  under cachegrind, native user code only" "$speed" "M instructions/s"
}

grind "$ops"
line "  timing model / cachegrind" "$(calculate %.2f "$timing / $speed")" "times its speed"
line "  count model / cachegrind" "$(calculate %.2f "$count / $speed")" "times its speed"
grind "$long"
line "  count model / cachegrind" "$(calculate %.2f "$count_long / $speed")" "times its speed"
