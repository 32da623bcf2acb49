#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The worst error of every function of a float over all 2^32 floats, on every level, with the time per element: some ten
# minutes on two cores, so not in ctest. ulp.sh BUILD_DIR [NAME ..]; exit 1 if one is above its bound.
set -eu
cd "$(dirname "$0")/../.."
build=${1:?usage: ulp.sh BUILD_DIR [NAME ..]}
shift
exec "$build/tests/test_ulp" "$@"
