#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One-class anomaly detection: for each class of Fashion-MNIST a model is searched on that class alone, and the error of every
# test row is its anomaly score. AUROC is the chance that a row of another class scores higher than one of its own.
#   sh examples/anomaly.sh build/gradmill [TIME [CLASS ...]]      TIME of each search, 60s unless said; all ten classes
# Prints a line per class and the mean. The same scores from a PCA with 32 components reach 0.905.
set -eu
program=$(realpath "${1:-build/gradmill}")
time=${2:-60s}
[ $# -gt 2 ] && shift 2 || set -- 0 1 2 3 4 5 6 7 8 9
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# label,error per line -> AUROC by rank sums, equal scores sharing their rank
auroc() {
	sort -t, -k2,2g | awk -F, -v class="$1" '
		function flush(  i) { for (i = 0; i < tied; i++) if (other[i]) sum += rank - (tied - 1) / 2; tied = 0 }
		$2 != last { flush(); last = $2 }
		{ rank++; other[tied++] = $1 != class; n[$1 != class]++ }
		END { flush(); printf "%.4f\n", (sum - n[1] * (n[1] + 1) / 2) / (n[0] * n[1]) }'
}

for class; do
	"$program" search --data fashion-mnist --only "$class" --latent "${LATENT:-32}" --sampler evolution --db "$tmp/$class.db" \
		--time "$time" --quiet >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; exit 1; }
	score=$("$program" apply "$tmp/$class.db" best --rows test --output error,label 2>"$tmp/log" |
		awk -F, 'NR > 1 { print $3 "," $2 }' | auroc "$class")
	echo "class $class: AUROC $score"
	echo "$score" >>"$tmp/scores"
done
awk '{ sum += $1 } END { printf "mean of %d: %.4f\n", NR, sum / NR }' "$tmp/scores"
