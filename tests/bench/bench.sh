#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dense workloads, each in turn with JAX where PEER_PYTHON names a Python that has it (pip install jax): step times, share of
# the FMA peak, and the median ratio of ROUNDS rounds. Absolute times drift by a factor from hour to hour; ratios of neighbours do not.
#   PEER_PYTHON=venv/bin/python sh tests/bench/bench.sh build/gradmill [ROUNDS]
set -eu
program=$(realpath "${1:-build/gradmill}")
rounds=${2:-5}
cd "$(dirname "$0")"
median() { sort -g | awk '{v[NR] = $1} END {printf "%.4g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
field() { sed -n "s/.*\"$1\": \([^,}]*\).*/\1/p"; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
printf '| workload | batch | step ms | share of the FMA peak | JAX step ms | times as fast as JAX |\n|---|---|---|---|---|---|\n'
for w in seed32:32 seed256:256 deep128:128 wide128:128 tiny32:32; do
	name=${w%:*} batch=${w#*:}
	rm -f "$tmp"/*
	for _ in $(seq "$rounds"); do
		"$program" bench "$name.gm" --batch "$batch" --seconds 2 --json >"$tmp/one"
		ours=$(field step_ms <"$tmp/one")
		echo "$ours" >>"$tmp/ours"
		field peak_fraction <"$tmp/one" >>"$tmp/share"
		[ -n "${PEER_PYTHON:-}" ] || continue
		theirs=$("$PEER_PYTHON" peer_jax.py "$name" "$batch" 2)
		echo "$theirs" >>"$tmp/theirs"
		awk "BEGIN {print $theirs / $ours}" >>"$tmp/ratio"
	done
	share=$(median <"$tmp/share" | awk '{printf "%.0f %%", 100 * $1}')
	if [ -n "${PEER_PYTHON:-}" ]; then
		printf '| %s | %s | %s | %s | %s | %s |\n' "$name" "$batch" "$(median <"$tmp/ours")" "$share" \
			"$(median <"$tmp/theirs")" "$(median <"$tmp/ratio")"
	else
		printf '| %s | %s | %s | %s | | |\n' "$name" "$batch" "$(median <"$tmp/ours")" "$share"
	fi
done
