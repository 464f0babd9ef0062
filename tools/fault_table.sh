#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/fault_table.sh: how long servers of the microkernel take to come back, as rows of a table: each kind of fault, at
# the first instruction of an operation and some blocks later (docs/faults.md). tools/book.awk calls this.

set -eu
ringside=${RINGSIDE:-${BUILD:-build}/ringside}

echo '| server | op | fault | cycles | lost |'
echo '| --- | --- | --- | --- | --- |'
for moment in fsd@op:100 fsd@op:100+5 blkd@op:100 blkd@op:100+5 ttyd@op:1 ttyd@op:1+5 procd@op:10 vmd@op:100; do
    for kind in crash wild-write hang; do
        "$ringside" run micro sqlite --ops 20 --inject "$kind=$moment" 2>/dev/null | sed -nE \
            's/^fault: (.*) of (.*) at op (.*) \(.* back after (.*) cycles, .* failed, (.*)/| \2 | \3 | \1 | \4 | \5 |/p' |
            grep . || { echo "tools/fault_table.sh: $kind=$moment: no return" >&2; exit 1; }
    done
done
