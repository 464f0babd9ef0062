# SPDX-License-Identifier: MIT
#
# workloads/data/shell.sh: what a shell script does all day: pipes, filters, loops, small files.
# Run by the workload `shell` in the root folder; data/log.txt is made by workloads/data/generate.c.

set -e

echo "== requests by status"
cut -d' ' -f4 data/log.txt | sort | uniq -c | sort -rn

echo "== busiest clients"
cut -d' ' -f2 data/log.txt | sort | uniq -c | sort -k1,1nr -k2 | head -n 5

echo "== errors"
grep ' 5[0-9][0-9] ' data/log.txt > tmp/errors
wc -l < tmp/errors
grep -c 'POST' tmp/errors || true
sed -n '1,3s/ .*\// .../p' tmp/errors

echo "== bytes by path"
awk '{ bytes[$3] += $5 } END { for (p in bytes) print bytes[p], p }' data/log.txt | sort -n | tail -n 4

echo "== sums"
for n in 1 2 3 4; do
    head -n $((n * 100)) data/log.txt | tail -n 100 | tr a-z A-Z > tmp/part.$n
done
cat tmp/part.1 tmp/part.2 tmp/part.3 tmp/part.4 | sha256sum
sha256sum data/log.txt tmp/part.?

total=0
for n in 1 2 3 4; do
    words=$(wc -w < tmp/part.$n)
    total=$((total + words))
done
echo "$total words"
rm -f tmp/errors tmp/part.?
