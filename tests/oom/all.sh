#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every request for memory of every command in tests/oom/run.sh, once and for ever. $1: the build folder. About an hour, with sanitizers several.
exec sh "$(dirname "$0")/run.sh" "$1" all
