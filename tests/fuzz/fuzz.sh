#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The fuzzers: fuzz.sh BUILD_DIR NAME|all SECONDS [RUNS [JOBS]]. Builds them with clang and sanitizers in BUILD_DIR, and runs each for
# so long or so many executions (0: no limit), JOBS at a time. NINJA_JOBS: of the build. Corpora grow in BUILD_DIR/corpus. A finding is left in
# BUILD_DIR/findings: cut it down (fuzz_NAME -minimize_crash=1), repair, and keep it as tests/fuzz/crashes/CORPUS-WHAT (corpus.sh).
set -eu
cd "$(dirname "$0")/../.."
usage='usage: fuzz.sh BUILD_DIR NAME|all SECONDS [RUNS [JOBS]]'
build=$(realpath -m "${1:?$usage}") which=${2:?$usage} seconds=${3:?$usage} runs=${4:-0} jobs=${5:-1}
. tests/fuzz/corpus.sh
[ "$runs" -gt 0 ] || runs=-1

build_all() {
	cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGM_FUZZ=ON -DGM_TESTS=OFF >/dev/null
	cmake --build "$build" --target fuzz ${NINJA_JOBS:+-j "$NINJA_JOBS"} >"$build/build.log" || { cat "$build/build.log"; exit 1; }
}

# One fuzzer: a line about it, and its log where it found something.
fuzz() { # name
	corpus=$build/corpus/$1 log=$build/fuzz_$1.log
	mkdir -p "$corpus" "$build/findings"
	make_dictionary "$1" >"$build/$1.dict"
	dict=
	[ ! -s "$build/$1.dict" ] || dict=-dict=$build/$1.dict
	rc=0
	# the default quarantine of 256 MiB costs half of the executions
	ASAN_OPTIONS=quarantine_size_mb=4 "$build/tests/fuzz/fuzz_$1" "$corpus" "$build/seeds/$(fuzz_corpus "$1")" $dict -max_len=4096 \
		-timeout=2 -rss_limit_mb=600 -max_total_time="$seconds" -runs="$runs" -print_final_stats=1 \
		-artifact_prefix="$build/findings/$1-" >"$log" 2>&1 || rc=$?
	awk -v name="$1" -v rc=$rc '
		/number_of_executed_units/ { n = $2 } /average_exec_per_sec/ { rate = $2 } /peak_rss_mb/ { rss = $2 }
		/ cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corp = $(i + 1) } }
		END { printf "%-12s %9d executions, %6d/s, %5d edges, %s inputs, %d MiB%s\n", name, n, rate, cov, corp, rss,
			rc ? ": FINDING" : "" }' "$log"
	[ $rc = 0 ] && return
	grep -aE '^(SUMMARY|==.*ERROR|gradmill: |artifact_prefix|[^ ]*: runtime error)|^ *#[0-9]* .* in [a-z]+_' "$log" | head -n 40
	echo "all of it: $log"
	return 1
}

if [ "$which" = --one ]; then # for xargs below
	fuzz "$FUZZ_TARGET"
	exit
fi
build_all
rm -rf "$build/seeds"
make_corpora "$build" "$build/seeds"
[ "$which" != all ] || which=$(fuzz_targets)
echo "$which" | tr ' ' '\n' | FUZZ_TARGET='' xargs -P "$jobs" -I{} env FUZZ_TARGET={} sh "$0" "$build" --one "$seconds" "$runs"
