#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A search that is killed at any moment, driver or worker, ends with the same table and the same weight files as one that
# nobody disturbs; so does one with other numbers of workers and threads.
# $1: the build folder; $2: kills, $3: trials of the study that suffers them, $4: studies over workers, threads and resume.
# Without the last three the short form for every day; the long one is "sh tests/kill/run.sh build 200 60 20".
set -u
GM=$(cd "$1" && pwd)/gradmill
KILLS=${2:-15} TRIALS=${3:-24} STUDIES=${4:-2}
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
ask() { sqlite3 -cmd '.timeout 10000' "$1" "$2"; }
repro() { ask "$1" 'SELECT * FROM v_repro'; }
files() { (cd "${1%.db}.weights" && sha256sum -- *); } # and so their names
random=20261
below() { # n: sets $n to a number below it
	random=$(((random * 1103515245 + 12345) % 2147483648))
	n=$((random / 65536 % $1))
}

if ! [ -e /usr/share/datasets/fashion-mnist ] && ! find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	say "skipped: dataset-fashion-mnist is not installed"
	exit 77
fi

OPTIONS="--data fashion-mnist --limit-train 1500 --epochs 2 --latent 16 --quiet"
study() { # db, options ..
	db=$1; shift
	"$GM" search $OPTIONS --db "$db" "$@" >/dev/null 2>"$TMP/said"
}

# -- kills over one study
KILLED="$OPTIONS --sampler evolution --seed 7 --trials $TRIALS --jobs 2 --keep 5 --db $TMP/k.db"
study "$TMP/a.db" --sampler evolution --seed 7 --trials "$TRIALS" --jobs 2 --keep 5 || { fail "search"; cat "$TMP/said"; exit 1; }
repro "$TMP/a.db" >"$TMP/a.txt"
files "$TMP/a.db" >"$TMP/a.sum"
[ "$(ask "$TMP/a.db" 'SELECT count(*) FROM v_trials WHERE parent IS NOT NULL')" -gt 0 ] || fail "nothing evolved"

kills=0 drivers=0 done=no
: >"$TMP/known.txt"
known() { # what was acknowledged before must still be there
	[ -s "$TMP/k.db" ] || return 0
	repro "$TMP/k.db" >"$TMP/now.txt" || { fail "reading after kill $kills"; return 0; }
	[ -z "$(sort "$TMP/now.txt" | comm -23 "$TMP/known.txt" -)" ] || fail "lost after kill $kills"
	sort "$TMP/now.txt" >"$TMP/known.txt"
}
start() {
	"$GM" search $KILLED >/dev/null 2>"$TMP/said" &
	pid=$!
}
start
while [ $kills -lt "$KILLS" ]; do
	below 120
	sleep "$((n / 100)).$(printf '%02d' $((n % 100)))"
	known
	below 3
	if [ "$n" -gt 0 ]; then # a worker, twice out of three times
		victim=$(ps -o pid= --ppid $pid 2>/dev/null | head -$n | tail -1 | tr -d ' ')
		[ -n "$victim" ] && kill -9 "$victim" 2>/dev/null && kills=$((kills + 1)) && continue
	fi
	if kill -9 $pid 2>/dev/null; then
		kills=$((kills + 1)) drivers=$((drivers + 1))
	fi
	wait $pid 2>/dev/null
	if [ $? -eq 0 ]; then # it came to its end: what is left of the kills hits another run of the same study
		done=yes
		repro "$TMP/k.db" | cmp -s "$TMP/a.txt" - || fail "the table after $kills kills"
		files "$TMP/k.db" | cmp -s "$TMP/a.sum" - || fail "the weight files after $kills kills"
		rm -rf "$TMP/k.db" "$TMP/k.weights"
		: >"$TMP/known.txt"
	fi
	start
done
wait $pid 2>/dev/null
"$GM" search $KILLED >/dev/null 2>"$TMP/said" || fail "the end of the killed search: $(cat "$TMP/said")"
known
say "note: $kills kills, $drivers of them of drivers; began anew: $done"
repro "$TMP/k.db" >"$TMP/k.txt"
check "after $kills kills: the same table" cmp "$TMP/a.txt" "$TMP/k.txt"
files "$TMP/k.db" >"$TMP/k.sum"
check "after $kills kills: the same weight files" diff "$TMP/a.sum" "$TMP/k.sum"
check "after kills: numbers 0..N-1" test "$(ask "$TMP/k.db" "SELECT group_concat(number) FROM (SELECT number FROM trials ORDER BY 1)")" = \
	"$(seq -s, 0 $((TRIALS - 1)))"
check "after kills: no attempt was lost" test "$(ask "$TMP/k.db" 'SELECT max(attempts) FROM v_trials')" = 0
check "after kills: integrity" test "$(ask "$TMP/k.db" 'PRAGMA integrity_check')" = ok

# -- workers, threads, resume
i=0
while [ $i -lt "$STUDIES" ]; do
	case $((i % 3)) in 0) sampler=evolution ;; 1) sampler=local ;; 2) sampler=random ;; esac
	rm -rf "$TMP"/[st]*.db "$TMP"/[st]*.weights
	study "$TMP/s.db" --sampler $sampler --seed $i --trials 20 --jobs 1 --threads 1 --keep 3
	repro "$TMP/s.db" >"$TMP/s.txt"
	files "$TMP/s.db" >"$TMP/s.sum"
	for how in "1 --threads 2" "2 --threads 1" "4 --threads 1" "auto" "resume"; do
		rm -rf "$TMP/t.db" "$TMP/t.weights"
		if [ "$how" = resume ]; then
			"$GM" search $OPTIONS --db "$TMP/t.db" --sampler $sampler --seed $i --trials 20 --keep 3 >/dev/null 2>&1 &
			pid=$!
			sleep 1
			kill -9 $pid 2>/dev/null
			wait $pid 2>/dev/null
			[ $? -eq 137 ] || fail "study $i: it ended before it was killed"
			study "$TMP/t.db" --sampler $sampler --seed $i --trials 20 --keep 3
		else
			study "$TMP/t.db" --sampler $sampler --seed $i --trials 20 --keep 3 --jobs $how
		fi
		repro "$TMP/t.db" >"$TMP/t.txt"
		files "$TMP/t.db" >"$TMP/t.sum"
		check "study $i, $sampler, jobs $how: table" cmp "$TMP/s.txt" "$TMP/t.txt"
		check "study $i, $sampler, jobs $how: weight files" diff "$TMP/s.sum" "$TMP/t.sum"
	done
	i=$((i + 1))
done
exit $failed
