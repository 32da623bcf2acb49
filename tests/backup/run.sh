#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# gradmill backup: the copy is whole and has every trial, also when a search writes meanwhile; its weights come along;
# nothing is written over, and a copy that fails leaves nothing. $1: the build folder. Needs no data set.
set -u
GM=$(cd "$1" && pwd)/gradmill
cd "$(dirname "$0")/../.." || exit 1
TMP=$(mktemp -d)
trap 'chmod -R u+w "$TMP"; rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
code() { # wanted exit code, command ..
	want=$1; shift
	"$@" >"$TMP/out" 2>"$TMP/said"
	got=$?
	cat "$TMP/out" "$TMP/said"
	[ $got -eq "$want" ] && return 0
	say "exit $got, wanted $want"
	return 1
}
ask() { sqlite3 "$1" "$2"; }
rows() { # every row of every table that has trials or their results
	for table in studies trials trial_params trial_values trial_intermediate_values x_study x_trial x_param x_epoch \
		x_floor x_event; do
		ask "$1" "SELECT '$table', * FROM $table ORDER BY 2, 3"
	done
}

# -- a file at rest, of each version
for dump in tests/search/fixtures/store_v*.sql; do
	version=${dump##*_v}
	version=${version%.sql}
	db="$TMP/v$version.db"
	to="$TMP/copy$version/copy.db"
	sqlite3 "$db" <"$dump"
	weights=$(ask "$db" "SELECT DISTINCT weights_file FROM v_trials WHERE weights_file IS NOT NULL")
	count=$(echo "$weights" | wc -l)
	weight=$(echo "$weights" | head -1)
	for file in $weights; do
		mkdir -p "$(dirname "$TMP/$file")"
		printf 'weights of version %s' "$version" >"$TMP/$file"
	done
	mkdir "$TMP/copy$version"
	before=$(cksum <"$db")
	check "version $version: backup" code 0 "$GM" backup "$db" "$to" --json
	said="{\"file\": \"$to\", \"trials\": 9, \"bytes\": $(wc -c <"$to"), \"weight_files\": $count}"
	check "version $version: one JSON object" test "$(cat "$TMP/out")" = "$said"
	check "version $version: says what was written" test "$(grep -c '^gradmill: wrote ' "$TMP/said")" -eq $((1 + count))
	check "version $version: the file was left alone" test "$(cksum <"$db")" = "$before"
	check "version $version: the same version" test "$(ask "$to" 'PRAGMA user_version')" = "$version"
	check "version $version: integrity" test "$(ask "$to" 'PRAGMA integrity_check')" = ok
	rows "$db" >"$TMP/rows"
	rows "$to" >"$TMP/rows.copy"
	check "version $version: the same rows" cmp "$TMP/rows" "$TMP/rows.copy"
	check "version $version: the weights" cmp "$TMP/$weight" "$TMP/copy$version/$weight"
	check "version $version: nothing else" test "$(find "$TMP/copy$version" -type f | wc -l)" -eq $((1 + count))
	check "version $version: best of the copy" "$GM" best "$to" --ir
done
check "a copy of the copy" code 0 "$GM" backup "$to" "$TMP/copy$version/again.db"
check "nothing on stdout" test ! -s "$TMP/out"
check "in the same folder the weights are there" test "$(find "$TMP/copy$version" -type f | wc -l)" -eq $((2 + count))

# -- nothing is written over, and nothing is left behind
before=$(cksum <"$to")
files=$(ls "$TMP" "$TMP/copy$version")
same() { test "$(ls "$TMP" "$TMP/copy$version")" = "$files"; }
check "an existing file" code 74 "$GM" backup "$db" "$to"
check "it was left alone" test "$(cksum <"$to")" = "$before"
check "the file itself" code 74 "$GM" backup "$db" "$db"
check "a folder" code 74 "$GM" backup "$db" "$TMP/copy$version"
check "no such folder" code 74 "$GM" backup "$db" "$TMP/no/such.db"
check "no such database" code 66 "$GM" backup "$TMP/none.db" "$TMP/x.db"
check "a foreign file" code 69 "$GM" backup tests/backup/run.sh "$TMP/x.db"
mkdir -p "$(dirname "$TMP/w/$weight")"
echo other >"$TMP/w/$weight"
check "other weights of that name" code 74 "$GM" backup "$db" "$TMP/w/x.db"
check "they were left alone, and no database" test "$(cat "$TMP/w/$weight")$(ls "$TMP/w" | grep -c 'x\.db')" = other0
rm -r "$TMP/w"
head -c 40000 "$db" >"$TMP/half"
files=$(ls "$TMP" "$TMP/copy$version")
check "half a database" code 74 "$GM" backup "$TMP/half" "$TMP/x.db"
check "nothing is left behind" same
for file in $weights; do rm "$TMP/$file"; done
check "lost weights" code 0 "$GM" backup "$db" "$TMP/lost.db" --json
check "are a warning" grep -q "warning: .*$weight" "$TMP/said"
check "and not counted" grep -q '"weight_files": 0' "$TMP/out"
cp "$db" "$TMP/evil.db"
mkdir "$TMP/e"
ask "$TMP/evil.db" "UPDATE x_trial SET weights_file = '../half' WHERE weights_file IS NOT NULL"
check "weights of another folder" code 0 "$GM" backup "$TMP/evil.db" "$TMP/e/evil.db" --json
check "stay there" grep -q '"weight_files": 0' "$TMP/out"

# -- while a search writes: rows of noise, as an IDX file
{
	printf '\000\000\010\003\000\000\003\350\000\000\000\034\000\000\000\034'
	head -c 784000 /dev/urandom
} >"$TMP/noise.idx"
"$GM" search --data "$TMP/noise.idx" --db "$TMP/live.db" --latent 8 --epochs 3 --trials 60 --seed 1 --jobs 2 --threads 1 --quiet \
	>"$TMP/search.log" 2>&1 &
pid=$!
n=0
last=0
while kill -0 $pid 2>/dev/null; do
	sleep 0.1
	[ "$(sqlite3 -readonly "$TMP/live.db" 'SELECT count(*) > 1 FROM trials' 2>/dev/null)" = 1 ] || continue
	code 0 "$GM" backup "$TMP/live.db" "$TMP/live$n.db" >"$TMP/log" || { fail "backup $n of a live file"; cat "$TMP/log"; break; }
	now=$(ask "$TMP/live$n.db" 'SELECT count(*) FROM trials')
	[ "$now" -ge "$last" ] || fail "backup $n has $now trials, the one before $last"
	last=$now
	n=$((n + 1))
done
wait $pid
check "the search did not mind" test $? -eq 0
check "backups while it ran: several" test $n -ge 3
broken=0
i=0
while [ $i -lt $n ]; do
	[ "$(ask "$TMP/live$i.db" 'PRAGMA integrity_check; PRAGMA foreign_key_check')" = ok ] || broken=$((broken + 1))
	i=$((i + 1))
done
check "$n backups while it ran: all are whole" test $broken -eq 0
check "an early one goes on to the same result" "$GM" search --db "$TMP/live0.db" --trials 60 --quiet
ask "$TMP/live.db" 'SELECT * FROM v_repro' >"$TMP/repro"
ask "$TMP/live0.db" 'SELECT * FROM v_repro' >"$TMP/repro.copy"
check "to the bit" cmp "$TMP/repro" "$TMP/repro.copy"
mkdir "$TMP/far"
check "weights in their folder" code 0 "$GM" backup "$TMP/live.db" "$TMP/far/copy.db" --json
check "come along" grep -q '"weight_files": 1}' "$TMP/out"
check "to the same place" diff -r "$TMP/live.weights" "$TMP/far/live.weights"
check "and are found there" code 0 "$GM" best "$TMP/far/copy.db" --export "$TMP/far/best"
check "without training again" test "$(grep -c 'training trial' "$TMP/said")" -eq 0
exit $failed
