#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing on a Debian 12, builds with warnings as errors, runs every test but the slow suites, and every fuzzer for
# FUZZ_SECONDS (30; 0: none).
set -eu
cd "$(dirname "$0")/.."
. examples/setup.sh
need $BUILD_PACKAGES $TEST_PACKAGES
cmake -S . -B build/tests -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGM_WERROR=ON >/dev/null
cmake --build build/tests
(cd build/tests && ctest --output-on-failure -j 2)
[ "${FUZZ_SECONDS:=30}" = 0 ] || sh tests/fuzz/fuzz.sh build/fuzz all "$FUZZ_SECONDS" 0 2
