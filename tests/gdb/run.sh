#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# With GRADMILL_PERF, gdb names the kernel that a stopped process is in. Skipped where there is no gdb, or none that may trace.
set -eu
command -v gdb >/dev/null && command -v pgrep >/dev/null || exit 77
tmp=$(mktemp -d)
child=
gdb=
trap '[ -z "$child" ] || kill -9 "$child" 2>/dev/null || :; [ -z "$gdb" ] || kill "$gdb" 2>/dev/null || :; rm -rf "$tmp" "/tmp/perf-$child.map"' EXIT
gdb -nx -batch -ex run --args true >"$tmp/out" 2>&1 || :
grep -q 'exited normally' "$tmp/out" || exit 77

# Stops at every interrupt, and shows where.
for _ in 1 2 3 4 5 6 7 8 9 10; do printf 'continue\nbacktrace 3\n'; done >"$tmp/stops"
export GRADMILL_PERF=1 GRADMILL_CACHE=
gdb -nx -batch -ex 'set pagination off' -ex 'set breakpoint pending on' -ex 'tbreak rt_run' -ex run -x "$tmp/stops" -ex kill \
	--args "$1/gradmill" bench tests/bench/wide128.gm --batch 128 --threads 1 --seconds 60 >"$tmp/out" 2>&1 &
gdb=$!
for _ in $(seq 120); do
	sleep 0.5
	if grep -qE '^#[0-9]+ .*gm_[0-9a-f]{32}' "$tmp/out"; then
		exit 0
	fi
	found=$(pgrep -P "$gdb" -x gradmill) || continue
	child=$found
	grep -q 'hit Temporary breakpoint\|Temporary breakpoint 1, rt_run' "$tmp/out" && kill -INT "$child" || :
	kill -0 "$gdb" 2>/dev/null || break
done
echo "gdb: no kernel has a name in:" >&2
cat "$tmp/out" >&2
exit 1
