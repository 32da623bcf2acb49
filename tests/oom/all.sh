#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every request for memory of every command in tests/oom/run.sh, once and for ever: all.sh BUILD_DIR [JOBS (the cores)]. Some 22,000
# commands: with sanitizers hours of a core.
build=${1:?usage: all.sh BUILD_DIR [JOBS]} jobs=${2:-$(nproc)}
seq "$jobs" | xargs -P "$jobs" -I{} sh "$(dirname "$0")/run.sh" "$build" all {} "$jobs"
