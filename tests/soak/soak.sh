#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles, runs and releases CYCLES programs of KINDS kinds in one process that keeps KEEP unused kernels; the process may grow
# by 5 % after the first tenth. The first cycles compile, the others link what is on disk.
# Then three threads do the same on one context, as many cycles together.
#   sh tests/soak/soak.sh BUILD_DIR [CYCLES [KINDS [KEEP]]]
set -eu
build=${1:?usage: soak.sh BUILD_DIR [CYCLES [KINDS [KEEP]]]}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset GRADMILL_PERF # with it nothing is released
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=0:thread_local_quarantine_size_kb=0" # what the sanitizer holds back is no growth of ours
"$build/tests/test_soak" 20 4 0 1 "$tmp" >/dev/null # the first run of a machine: pages of libraries come and go
"$build/tests/test_soak" "${2:-20000}" "${3:-2048}" "${4:-64}" 0.05 "$tmp"
"$build/tests/test_soak" "$((${2:-20000} / 3))" "${3:-2048}" "${4:-64}" 0.05 "$tmp" 3
