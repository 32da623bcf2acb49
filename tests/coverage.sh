#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines and branches of our own C the units and suites reach: builds with clang's counters in build/coverage, runs every test of
# ctest, prints a table by folder and the ten files with the most branches missed. Counters live in mapped files (%c), so
# that workers which are killed count too. Arguments go to ctest: -R unit_. Some ten minutes.
set -eu
cd "$(dirname "$0")/.."
build=build/coverage
flags='-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation'
cmake -S . -B $build -G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_FLAGS="$flags" >/dev/null
cmake --build $build >&2
rm -rf $build/profiles
mkdir $build/profiles
LLVM_PROFILE_FILE="$PWD/$build/profiles/%m%c.profraw"
export LLVM_PROFILE_FILE
ctest --test-dir $build/tests "$@" >&2 || echo "coverage.sh: tests failed; the figures are those of what ran" >&2

# -- one report over all programs, each of which has a copy of the code
llvm-profdata-19 merge $build/profiles/*.profraw -o $build/all.profdata
set -- $build/gradmill
for program in $build/libgradmill.so $build/example_train $build/tests/unit_* $build/tests/test_*; do
	[ -f "$program" ] && [ -x "$program" ] && set -- "$@" -object "$program"
done
llvm-cov-19 report "$@" -instr-profile $build/all.profdata -show-branch-summary -show-region-summary=false \
	ir runtime compiler search >$build/report.txt

# name functions missed share lines missed share branches missed share
awk '
function share(missed, all) { return all ? sprintf("%5.1f %%", 100 * (1 - missed / all)) : "      -" }
function row(name, i) { printf "%-26s %8d %s %8d %s\n", name, lines[i], share(nolines[i], lines[i]), branches[i], share(nobranches[i], branches[i]) }
function count(i) { lines[i] += $5; nolines[i] += $6; branches[i] += $8; nobranches[i] += $9 }
$1 ~ /\.[ch]$/ || $1 ~ /\.def$/ {
	folder = $1
	sub(/\/[^\/]*$/, "", folder)
	if (!(folder in lines))
		order[++folders] = folder
	count(folder)
	count("total")
	file[++files] = $1
	missed[files] = $9
	of[files] = $8
}
END {
	printf "%-26s %8s %7s %8s %7s\n", "folder", "lines", "reached", "branches", "reached"
	for (i = 1; i <= folders; i++)
		row(order[i], order[i])
	row("total", "total")
	printf "\n%-34s %8s %7s\n", "most branches missed", "missed", "reached"
	for (n = 0; n < 10 && n < files; n++) {
		worst = 1
		for (i = 2; i <= files; i++)
			if (missed[i] > missed[worst])
				worst = i
		printf "%-34s %8d %s\n", file[worst], missed[worst], share(missed[worst], of[worst])
		missed[worst] = -1
	}
}' $build/report.txt
