#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Workers that crash, abort, hang, take too much memory or compute nonsense: each fault is a row with its cause, sound
# trials between them end well, the search never stops.
# $1: the build folder; $2: faults of each of the five kinds (default 2; the long form is "sh tests/faults/run.sh build 20").
set -u
GM=$(cd "$1" && pwd)/gradmill
EACH=${2:-2}
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
ask() { sqlite3 -cmd '.timeout 10000' "$TMP/f.db" "$1"; }

if ! [ -e /usr/share/datasets/fashion-mnist ] && ! find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	say "skipped: dataset-fashion-mnist is not installed"
	exit 77
fi

# Number mod 6 says what a trial is: 0 sound, 1 SIGSEGV, 2 SIGABRT, 3 hangs, 4 memory, 5 not a number. Those that wait
# for a signal are wide: they would train for longer than the time limit, so that none ends before the loop below has seen it.
model() { # hidden width, what the loss is
	printf 'gradmill 1\n\nfunc main(x: f32[B,784]) {\n  h = dense<%s>(x)\n  a = relu h\n  z = dense<8>(a)\n  y = dense<784>(z)\n  m = mse(y, x)\n%s\n' "$1" "$2"
	printf '  return reconstruction=y, latent=z, loss=loss\n}\n'
}
models=
n=0
while [ $n -lt $((6 * EACH)) ]; do
	file="$TMP/m$n.gm"
	case $((n % 6)) in
	[123]) model 2000 '  loss = mul m, 1' ;;
	4) model 30000 '  loss = mul m, 1' ;;
	5) model 64 '  s = sub m, 1e3
  loss = log s' ;;
	*) model 64 '  loss = mul m, 1' ;;
	esac >"$file"
	models="$models $file"
	n=$((n + 1))
done

# shellcheck disable=SC2086 # the list of models is one
"$GM" search --data fashion-mnist --limit-train 4000 --epochs 25 --batch 32 --db "$TMP/f.db" --models $models --jobs 2 \
	--trial-time 6s --trial-memory 256M --keep none --finalists 0 --quiet >"$TMP/out" 2>"$TMP/err" &
search=$!
while kill -0 $search 2>/dev/null; do
	[ -s "$TMP/f.db" ] && ask "SELECT number % 6, pid FROM v_trials WHERE state = 'RUNNING' AND pid > 0" 2>/dev/null |
		while IFS='|' read -r kind pid; do
			case $kind in 1) kill -SEGV "$pid" ;; 2) kill -ABRT "$pid" ;; 3) kill -STOP "$pid" ;; esac 2>/dev/null
		done
	sleep 0.05
done
wait $search
code=$?

check "the search came to its end" test $code -eq 0
check "every trial has ended" test "$(ask "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'FAIL')")" -eq $((6 * EACH))
row() { # kind, name, state, cause, attempts
	check "$2: $EACH of $EACH" test "$(ask "SELECT count(*) FROM v_trials WHERE number % 6 = $1 AND state = '$3' AND
		coalesce(cause, '') LIKE '$4' AND attempts = $5")" -eq "$EACH" ||
	ask "SELECT number, state, attempts, cause FROM v_trials WHERE number % 6 = $1"
}
row 0 "sound trials" COMPLETE '' 0
row 1 "segmentation faults" FAIL 'worker died: signal 11%' 3
row 2 "aborts" FAIL 'worker died: signal 6%' 3
row 3 "hangs" FAIL 'time limit: more than 6 s' 0
row 4 "memory" FAIL '%memory%' 0
row 5 "not a number" FAIL 'loss is not finite%' 0
check "deaths are events" test "$(ask "SELECT count(*) FROM v_events WHERE what LIKE 'worker died%'")" -eq $((6 * EACH))
for kind in 1 3 4 5; do # replayed as far as each came, or to the same end
	check "replay of a trial of kind $kind" "$GM" replay "$TMP/f.db" $kind
done
[ $failed -eq 0 ] || ask 'SELECT number % 6, state, attempts, cause, count(*) FROM v_trials GROUP BY 1, 2, 3, 4'
exit $failed
