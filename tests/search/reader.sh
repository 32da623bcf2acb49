#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program that holds a read transaction delays commits, never training, and nothing fails. A slow test, not in ctest:
# sh tests/search/reader.sh BUILD [SECONDS]: how long it holds (60).
set -u
GM=$(cd "$1" && pwd)/gradmill
HOLD=${2:-60}
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

say() { printf '%s\n' "$*"; }
check() { # name, command ..
	name=$1; shift
	if "$@" >"$TMP/log" 2>&1; then say "ok: $name"; else say "FAIL: $name"; failed=1; tail -5 "$TMP/log"; fi
}
ask() { sqlite3 -readonly "$TMP/s.db" "$1"; }

"$GM" search --data fashion-mnist --limit-train 2000 --epochs 3 --latent 16 --db "$TMP/s.db" --time $((HOLD + 30))s --quiet --json \
	>"$TMP/out" 2>"$TMP/err" &
pid=$!
until [ "$(ask "SELECT count(*) > 3 FROM trials WHERE state = 'COMPLETE'" 2>/dev/null)" = 1 ]; do
	kill -0 $pid 2>/dev/null || { say "FAIL: the search: $(cat "$TMP/err")"; exit 1; }
	sleep 0.2
done
(echo "BEGIN; SELECT count(*) FROM trials WHERE state = 'COMPLETE'; SELECT strftime('%Y-%m-%d %H:%M:%f', 'now');"
sleep "$HOLD"
echo "SELECT count(*) FROM trials WHERE state = 'COMPLETE'; SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'); COMMIT;") |
	sqlite3 -readonly -bail "$TMP/s.db" >"$TMP/reader" 2>"$TMP/reader.err"
check "the reader saw no error" test $? -eq 0 -a ! -s "$TMP/reader.err"
check "and the same history all the time" test "$(sed -n 1p "$TMP/reader")" = "$(sed -n 3p "$TMP/reader")"
wait $pid
check "the search ended well" test $? -eq 0
from=$(sed -n 2p "$TMP/reader") to=$(sed -n 4p "$TMP/reader")
during=$(ask "SELECT count(*) FROM trials WHERE datetime_complete BETWEEN '$from' AND '$to'")
gap=$(ask "SELECT printf('%.1f', max(gap)) FROM (SELECT 86400 * (julianday(datetime_complete) - lag(julianday(datetime_complete))
	OVER (ORDER BY datetime_complete)) AS gap FROM trials WHERE state = 'COMPLETE')")
say "note: $during trials ended while the file was held for $HOLD s; the longest pause between two ends was $gap s"
check "training went on" test "$during" -gt $((HOLD / 4))
check "without a pause" awk "BEGIN { exit !($gap < 5) }"
check "nothing is missing" test "$(ask 'SELECT count(*) = max(number) + 1 FROM trials')" = 1
check "integrity" test "$(ask 'PRAGMA integrity_check')" = ok
exit $failed
