#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random programs, many of them: interpreter against compiled code at pipeline level 0 and 2, on 1, 2 and 3 threads, on three
# targets, each with seeds of its own: long.sh BUILD_DIR [COUNT [SEED]], COUNT programs (100000) per target; some 40 a second
# and core. One that fails is cut down and left as diff-SEED.gm in BUILD_DIR.
set -eu
build=${1:?usage: long.sh BUILD_DIR [COUNT [SEED]]} count=${2:-100000} seed=${3:-1000000}
cd "$build"
rc=0
for target in '' x86-64-v3 x86-64; do
	left=$count
	while [ "$left" -gt 0 ]; do # in parts: a line now and then, and memory goes back
		part=$((left < 5000 ? left : 5000))
		tests/test_diff --count "$part" --seed "$seed" ${target:+--target "$target"} || rc=1
		seed=$((seed + part)) left=$((left - part))
	done
done
exit $rc
