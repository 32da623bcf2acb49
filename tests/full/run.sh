#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A disk that fills up while a search writes to it: the search waits, nothing committed is lost, it goes on when there is space
# again, and ends as if nothing had happened. Ctrl-C while it waits is an end like any other.
# $1: the build folder; $2: how many sizes of disks between 64 KiB and 4 MiB (default 5; the long form is
# "sh tests/full/run.sh build 25"). Needs leave to mount in a namespace of its own.
set -u
SIZES=${2:-5}
if [ "${GRADMILL_TEST_INSIDE:-}" != yes ]; then
	unshare -Urm sh -c 'mount -t tmpfs -o size=64k tmpfs /mnt' 2>/dev/null || { echo "skipped: no tmpfs may be mounted here"; exit 77; }
	GRADMILL_TEST_INSIDE=yes exec unshare -Urm sh "$0" "$@"
fi
GM=$(cd "$1" && pwd)/gradmill
TMP=$(mktemp -d)
trap 'cd /; umount "$TMP/disk" 2>/dev/null; rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0 waited=0

. tests/suite.sh
check() { # name, command ..
	name=$1; shift
	if "$@" >"$TMP/log" 2>&1; then say "ok: $name"; else fail "$name"; tail -5 "$TMP/log"; cat "$TMP/said"; fi
}
ask() { sqlite3 -cmd '.timeout 10000' "$1" "$2"; }
files() { (cd "$1" && sha256sum -- *); }

small_data "$TMP/own.idx"
OPTIONS="--data $TMP/own.idx --latent 8 --epochs 3 --seed 3 --trials 12 --jobs 2 --keep all"
"$GM" search $OPTIONS --db "$TMP/s.db" --quiet >/dev/null 2>"$TMP/said" || { fail "search"; cat "$TMP/said"; exit 1; }
ask "$TMP/s.db" 'SELECT * FROM v_repro' >"$TMP/s.txt"
files "$TMP/s.weights" >"$TMP/s.sum"
[ "$(wc -l <"$TMP/s.sum")" -eq 12 ] || fail "12 files of weights: $(wc -l <"$TMP/s.sum")"

DB="$TMP/disk/s.db"
mkdir "$TMP/disk"
start() {
	: >"$TMP/said" # not by the process itself: until_said must not read what the last one said
	"$GM" search $OPTIONS --db "$DB" --quiet >"$TMP/out" 2>>"$TMP/said" &
	pid=$!
}
until_said() { # what, or until it has ended; 60 s
	i=0
	until grep -q "$1" "$TMP/said" || ! kill -0 $pid 2>/dev/null || [ $i -ge 1200 ]; do
		sleep 0.05
		i=$((i + 1))
	done
	grep -q "$1" "$TMP/said"
}

kept() { # what had been committed as finished is what it was
	ask "$DB" 'SELECT * FROM v_repro' >"$TMP/now.txt"
	grep '|COMPLETE|' "$TMP/known.txt" | while read -r line; do
		grep -qxF "$line" "$TMP/now.txt" || echo "$line"
	done >"$TMP/lost.txt"
	[ ! -s "$TMP/lost.txt" ]
}

n=0
while [ "$n" -lt "$SIZES" ]; do # the same factor from each size to the next
	size=$(awk "BEGIN { k = 64 * 64 ^ ($n / ($SIZES - 1)); print int(k / 4 + 0.5) * 4 }")
	mount -t tmpfs -o "size=${size}k" tmpfs "$TMP/disk" || exit 77
	: >"$TMP/known.txt"
	start
	if until_said 'no space left'; then
		waited=$((waited + 1))
		sleep 1 # what runs ends
		[ -s "$DB" ] && ask "$DB" 'SELECT * FROM v_repro' >"$TMP/known.txt"
		if [ $((n % 3)) -eq 1 ]; then
			kill -INT $pid
			wait $pid
			check "$size KiB: Ctrl-C while it waits" test $? -eq 130
			[ ! -s "$DB" ] || kept || fail "$size KiB: after Ctrl-C"
			mount -o remount,size=64m "$TMP/disk"
			start
		elif [ $((n % 3)) -eq 2 ]; then
			kill -9 $pid
			wait $pid 2>/dev/null
			mount -o remount,size=64m "$TMP/disk"
			start
		else
			mount -o remount,size=64m "$TMP/disk"
			check "$size KiB: it says that it goes on" until_said 'space on the disk again'
		fi
	fi
	wait $pid
	check "$size KiB: the search ends" test $? -eq 0
	check "$size KiB: nothing is lost" kept
	check "$size KiB: the same table" cmp "$TMP/s.txt" "$TMP/now.txt"
	check "$size KiB: the same files of weights, no others" sh -c "(cd $TMP/disk/s.weights && sha256sum -- *) | diff $TMP/s.sum -"
	check "$size KiB: integrity" test "$(ask "$DB" 'PRAGMA integrity_check')" = ok
	check "$size KiB: nothing else is left" test "$(ls "$TMP/disk" | tr '\n' ' ')" = 's.db s.weights '
	umount "$TMP/disk"
	n=$((n + 1))
done
say "note: $waited of $SIZES disks were full before the end"

# -- the clock goes on while the search waits
mount -t tmpfs -o size=300k tmpfs "$TMP/disk" || exit 77
# What a small disk has left is for chance to say: weights may not fit where a commit still does, and then nothing is lost. So the
# rest is taken away, more than once, as a journal that ends gives pages back.
: >"$TMP/said"
"$GM" search $OPTIONS --db "$DB" --quiet --time 12s >"$TMP/out" 2>"$TMP/said" &
pid=$!
until [ "$(ask "$DB" 'SELECT count(*) FROM studies' 2>/dev/null)" = 1 ] || ! kill -0 $pid 2>/dev/null; do
	sleep 0.01
done
while kill -0 $pid 2>/dev/null; do
	head -c 400000 /dev/zero >>"$TMP/disk/rest" 2>/dev/null
	sleep 0.2
done
wait $pid
check "--time ends it" test $? -eq 74
check "it says what is lost" grep -q 'the last results are lost and will be made again' "$TMP/said"
exit $failed
