#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dense workloads, each in turn with the peers that PEER_PYTHON has (pip install jax torch): step times, share of the FMA peak,
# and the median over ROUNDS rounds of how many times as fast as the fastest peer of the round we are. Absolute times drift by a
# factor from hour to hour; ratios of neighbours do not. PEERS names some of "jax eager compile" (torch.compile starts slowly).
#   PEER_PYTHON=venv/bin/python sh tests/bench/bench.sh build/gradmill [ROUNDS]
set -eu
program=$(realpath "${1:-build/gradmill}")
rounds=${2:-5}
[ -z "${PEER_PYTHON:-}" ] || PEER_PYTHON=$(realpath -s "$PEER_PYTHON")
cd "$(dirname "$0")"
median() { sort -g | awk '{v[NR] = $1} END {if (NR) printf "%.4g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
field() { sed -n "s/.*\"$1\": \([^,}]*\).*/\1/p"; }
peer() { # name of the peer, workload, batch
	case $1 in
	jax) "$PEER_PYTHON" peer_jax.py "$2" "$3" 2 ;;
	*) "$PEER_PYTHON" peer_torch.py "$1" "$2" "$3" 2 ;;
	esac
}
peers=
for p in ${PEERS:-jax eager compile}; do
	module=torch
	[ "$p" = jax ] && module=jax
	[ -n "${PEER_PYTHON:-}" ] && "$PEER_PYTHON" -c "import $module" 2>/dev/null && peers="$peers $p"
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
printf '| workload | batch | step ms | share of the FMA peak |'
for p in $peers; do printf ' %s ms |' "$p"; done
printf ' times the fastest peer |\n|---|---|---|---|---|'
for p in $peers; do printf -- '---|'; done
echo
for w in seed32:32 seed256:256 deep128:128 wide128:128 tiny32:32; do
	name=${w%:*} batch=${w#*:}
	rm -f "$tmp"/*
	for _ in $(seq "$rounds"); do
		"$program" bench "$name.gm" --batch "$batch" --seconds 2 --json >"$tmp/one"
		ours=$(field step_ms <"$tmp/one")
		echo "$ours" >>"$tmp/ours"
		field peak_fraction <"$tmp/one" >>"$tmp/share"
		: >"$tmp/round"
		for p in $peers; do
			peer "$p" "$name" "$batch" 2>/dev/null | tee -a "$tmp/round" >>"$tmp/$p"
		done
		sort -g "$tmp/round" | awk -v ours="$ours" 'NR == 1 {print $1 / ours}' >>"$tmp/ratio"
	done
	printf '| %s | %s | %s | %s |' "$name" "$batch" "$(median <"$tmp/ours")" "$(median <"$tmp/share" | awk '{printf "%.0f %%", 100 * $1}')"
	for p in $peers; do printf ' %s |' "$(median <"$tmp/$p")"; done
	printf ' %s |\n' "$(median <"$tmp/ratio")"
done
