#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/run_tests.sh PROGRAM…: runs CMocka test programs, two at a time, and adds up.
#
# One line a program; a failing one's whole output follows its line. The last line is `N passed, N failed`, in tests.
# A program that crashes, hangs (TEST_TIMEOUT seconds, default 1800) or runs no test counts as one failed test.
# Exit status: 0 if nothing failed, else 1. Logs stay in build/tests/logs/.

set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build}
logs=$build/tests/logs
# Tests neither see nor fill the user's cache of results.
export XDG_CACHE_HOME=$PWD/$build/tests/cache
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"

# Sum of N over lines "[  $1  ] N test(s)" of log $2. CMocka prints one such line a group; newer ones put the group's name
# before N.
sum_of() {
    sed -n "s/^\[  $1  \] \([^ ]*: \)\{0,1\}\([0-9]*\) test(s).*/\2/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'
}

# Runs program $1; prints its line; leaves "passed failed" in a file.
run_one() {
    local program=$1 name=${1#"$build"/} log start status passed failed verdict seconds
    log=$logs/run.${name//\//.}.log
    start=${EPOCHREALTIME/[.,]/}
    : >"$log"
    { timeout --kill-after=10 "${TEST_TIMEOUT:-1800}" "$program" </dev/null; } >>"$log" 2>&1
    status=$?
    seconds=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
    passed=$(sum_of PASSED "$log")
    failed=$(sum_of FAILED "$log")
    [ "$failed" -gt 0 ] || { [ "$status" -eq 0 ] && [ "$passed" -gt 0 ]; } || failed=1
    echo "$passed $failed" >"${log%.log}.sum"
    verdict=ok
    [ "$failed" -eq 0 ] || verdict=FAILED
    {
        printf '%-7s %-44s %4d passed %3d failed %4d.%d s' "$verdict" "$name" "$passed" "$failed" $((seconds / 10)) $((seconds % 10))
        [ "$failed" -eq 0 ] && echo || { printf '  (exit status %d)\n' "$status"; sed 's/^/    /' "$log"; }
    } >"${log%.log}.out"
    cat "${log%.log}.out"
}

if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit 0
fi

mkdir -p "$logs"
rm -rf "$logs"/* "$XDG_CACHE_HOME"
[ $# -eq 0 ] || printf '%s\0' "$@" | xargs -0 -n 1 -P 2 "$0" --one
totals=$(cat "$logs"/*.sum 2>/dev/null | awk '{ passed += $1; failed += $2; programs++ } END { print passed + 0, failed + 0, programs + 0 }')
read -r passed failed programs <<<"$totals"
# A worker that left no sum (killed) is a failure too.
failed=$((failed + $# - programs))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
