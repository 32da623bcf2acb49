#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trial stores that earlier versions of gradmill made (tests/search/fixtures/store_vN.sql): readers use them and leave
# them as they are, the first writer brings them up to date without touching a trial, and a newer file is refused.
# $1: the build folder. To add a version: its fixture; nothing here.
set -u
GM=$(cd "$1" && pwd)/gradmill
cd "$(dirname "$0")/../.." || exit 1
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
sum() { cksum <"$1"; }
# What no later version may change: every trial, and its results to the bit.
trials() {
	sqlite3 "$1" "SELECT t.study, t.number, t.state, t.value, t.ir_hash, t.trial_key, t.cause, t.test_value, t.weights_file,
		r.params, r.value_bits, r.weights_key, r.loss_bits FROM v_trials t LEFT JOIN v_repro r USING (study, number)
		ORDER BY t.study, t.number"
}
schema() { sqlite3 "$1" 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name, type'; }
each_view() { # command ..: with a SELECT of each view of the newest version
	for view in $views; do
		"$@" "SELECT * FROM $view" >/dev/null || return 1
	done
}

# -- the newest version, from the schema files in the order of their numbers
newest=1
cat search/schema.sql >"$TMP/newest.sql"
while [ -e search/schema_$((newest + 1)).sql ]; do
	newest=$((newest + 1))
	cat search/schema_$newest.sql >>"$TMP/newest.sql"
done
check "schema files: all are numbered in turn" test "$(ls search/schema*.sql | wc -l)" -eq "$newest"
check "schema files: a new file" sh -c 'sqlite3 "$1" <"$2"' - "$TMP/newest.db" "$TMP/newest.sql"
check "schema files: its version" test "$(sqlite3 "$TMP/newest.db" 'PRAGMA user_version')" = $newest
views=$(sqlite3 "$TMP/newest.db" "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'v\\_%' ESCAPE '\\'")
schema "$TMP/newest.db" >"$TMP/newest.txt"

reads() { # version, database
	before=$(sum "$2")
	check "version $1: trials" "$GM" trials "$2"
	check "version $1: the trials of the newest study" test "$("$GM" trials "$2" --csv | wc -l)" -eq 6
	check "version $1: best" "$GM" best "$2"
	check "version $1: best --ir" "$GM" best "$2" --ir
	check "version $1: show" "$GM" show "$2" 3
	check "version $1: show a failed trial" "$GM" show "$2" 1 --study given
	check "version $1: query" "$GM" query "$2" "SELECT number, value, ir_hash FROM v_trials"
	check "version $1: query every view of version $newest" each_view "$GM" query "$2"
	check "version $1: reading changed nothing" test "$(sum "$2")" = "$before"
	check "version $1: reading left nothing" test "$(ls "$2"*)" = "$2"
}
refused() { # version, database
	cp "$2" "$TMP/future.db"
	sqlite3 "$TMP/future.db" 'PRAGMA user_version = 999'
	before=$(sum "$TMP/future.db")
	check "version $1 as 999: refused to write" code 69 "$GM" search --db "$TMP/future.db" --study default --trials 5
	check "version $1 as 999: refused to read" code 69 "$GM" trials "$TMP/future.db"
	check "version $1 as 999: the message says so" grep -q 'newer gradmill' "$TMP/said"
	check "version $1 as 999: it was left alone" test "$(sum "$TMP/future.db")" = "$before"
	rm -f "$TMP/future.db"
}
migrates() { # version, database
	trials "$2" >"$TMP/before.txt"
	# Opened and brought up to date, but not gone on with: another build would not compute the same bits.
	check "version $1: a search is refused" code 69 "$GM" search --db "$2" --study default --trials 5
	check "version $1: the message has the way out" grep -q -e --as-new "$TMP/said"
	trials "$2" >"$TMP/after.txt"
	check "version $1: now $newest" test "$(sqlite3 "$2" 'PRAGMA user_version')" = $newest
	check "version $1: integrity" test "$(sqlite3 "$2" 'PRAGMA integrity_check')" = ok
	check "version $1: foreign keys" test -z "$(sqlite3 "$2" 'PRAGMA foreign_key_check')"
	check "version $1: every view" each_view sqlite3 "$2"
	check "version $1: 9 trials" test "$(sqlite3 "$2" 'SELECT count(*) FROM v_trials')" -eq 9
	check "version $1: they are what they were" cmp "$TMP/before.txt" "$TMP/after.txt"
	schema "$2" >"$TMP/migrated.txt"
	check "version $1: the schema is that of a new file" diff "$TMP/newest.txt" "$TMP/migrated.txt"
}
goes_on() { # version, database: as a new study, with the finished trials of the old one
	check "version $1: going on as a new study" "$GM" search --db "$2" --study cut --as-new more --trials 2 --quiet
	check "version $1: it has the old trial and another" test \
		"$(sqlite3 "$2" "SELECT count(*) FROM v_trials WHERE study = 'more' AND state = 'COMPLETE' AND value > 0")" -eq 2
	check "version $1: the old trial is what it was" test "$(sqlite3 "$2" "SELECT count(*) FROM (SELECT ir_hash, value_bits, loss_bits
		FROM v_repro WHERE study = 'cut' INTERSECT SELECT ir_hash, value_bits, loss_bits FROM v_repro WHERE study = 'more')")" -eq 1
	check "version $1: again goes on" code 0 "$GM" search --db "$2" --study cut --as-new more --trials 2
	check "version $1: another study of that name is refused" code 65 "$GM" search --db "$2" --study default --as-new more --trials 2
}
has_data() {
	[ -e /usr/share/datasets/fashion-mnist ] || find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .
}

for dump in tests/search/fixtures/store_v*.sql; do
	version=${dump##*_v}
	version=${version%.sql}
	db="$TMP/v$version.db"
	check "version $version: the fixture" sh -c 'sqlite3 -bail "$1" <"$2"' - "$db" "$dump"
	check "version $version: is one" test "$(sqlite3 "$db" 'PRAGMA user_version')" = "$version"
	refused "$version" "$db"
	reads "$version" "$db"
	migrates "$version" "$db"
	if has_data; then
		goes_on "$version" "$db"
	else
		say "skipped: going on (dataset-fashion-mnist is not installed)"
	fi
done
[ -e tests/search/fixtures/store_v$newest.sql ] || say "note: no fixture of version $newest yet"
exit $failed
