#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What gradmill writes must not depend on the C compiler that built it: run.sh BUILD_DIR. C leaves open in which order the arguments of
# a call are evaluated; where two of them append instructions, gcc (from the right) and clang (from the left) number these differently, and
# with the text of a step its results' hash changes. So everything below search is built once more, by the other of the two compilers;
# it must pass the golden tests, and write the same LLVM IR as the program in BUILD_DIR.
set -eu
cd "$(dirname "$0")/../.."
build=${1:?usage: run.sh BUILD_DIR}
[ -x "$build/gradmill" ] || { echo "$build/gradmill is not built"; exit 77; }
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
case $(basename "$(cached CMAKE_C_COMPILER)") in
*clang*) other=gcc ;;
*) other=$(cached CLANG) ;;
esac
command -v "$other" >/dev/null || { echo "no $other"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The flags that decide what our C means are CMakeLists.txt's; it is not optimised, which takes a third of the time.
llvm=$(cached LLVM_DIR)/../../..
find ir runtime compiler tests/order -name '*.c' ! -path 'runtime/aot/*' | sort >"$tmp/sources"
printf '%s\n' "$build/gen/stdlib_gm.c" "$build/gen/aot_bitcode.c" >>"$tmp/sources"
xargs -P 2 -n 1 sh -c 'exec "$0" -std=gnu17 -ffp-contract=off -fno-math-errno -fopenmp -w "-DCC_CODE_HASH=\"order\"" -I. -I"$1/gen" \
	-isystem "$2/include" -c "$4" -o "$3/$(echo "$4" | tr / _).o"' "$other" "$build" "$llvm" "$tmp" <"$tmp/sources"
"$other" "$tmp"/*.o -o "$tmp/gradmill" -L"$llvm/lib" -lLLVM "$(cached OMP_LIB)" "$(cached XXHASH_LIB)" -lm

sh tests/golden/run.sh "$tmp"

# A command line, by both programs: what is written, messages and the exit code.
count=0
same() {
	for p in "$build" "$tmp"; do
		code=0
		"$p/gradmill" "$@" >"$tmp/out" 2>&1 || code=$?
		echo "exit code $code" >>"$tmp/out"
		[ "$p" = "$tmp" ] || mv "$tmp/out" "$tmp/here"
	done
	diff -u "$tmp/here" "$tmp/out" >"$tmp/diff" || { echo "order: $other writes otherwise: $*"; head -40 "$tmp/diff"; exit 1; }
	count=$((count + 1))
}
for target in x86-64 x86-64-v3 znver4; do
	for options in '--func=step --clip-norm=1' '--func=step --precision=bf16' '--func=eval --batch=7'; do
		# shellcheck disable=SC2086 # a list of options
		same compile --emit=grad,plan,llvm --target $target $options examples/deep.gm
	done
done
for f in tests/golden/op/*.gm; do
	awk 'NR == 1 { next } /^#[=!?]/ { exit } { print }' "$f" >"$tmp/input.gm"
	same compile --emit=llvm --target x86-64-v3 --batch 8 --func f "$tmp/input.gm"
done
cat >"$tmp/input.gm" <<'END' # a view that has to be a copy: a kernel of its own
gradmill 1
func f(x: f32[7,37]) {
  y = transpose x, perm=[1,0]
  z = reshape y, shape=[259]
  return z
}
END
same compile --emit=llvm --target x86-64-v3 --func f "$tmp/input.gm"
echo "order: $other writes the same, $count times"
