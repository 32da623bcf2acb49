#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every fuzz target on the inputs that its fuzzer begins with, every finding there ever was among them, in the ordinary build:
# run.sh BUILD_DIR. The fuzzers themselves are fuzz.sh.
set -eu
cd "$(dirname "$0")/../.."
build=${1:?usage: run.sh BUILD_DIR}
. tests/fuzz/corpus.sh
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
make_corpora "$build" "$tmp"
for target in $(fuzz_targets); do
	"$build/tests/fuzz/fuzz_$target" "$tmp/$(fuzz_corpus "$target")" 2>"$tmp/err" || { tail -c 2000 "$tmp/err"; exit 1; }
done
