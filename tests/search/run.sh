#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A search is the same to the bit for any number of workers and threads and after being killed; its file opens in
# sqlite3 and Optuna; the documented queries run. $1: the build folder. Needs the Fashion-MNIST package.
set -u
GM=$(cd "$1" && pwd)/gradmill
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
repro() { sqlite3 "$1" 'SELECT * FROM v_repro'; }
OPTIONS="--data fashion-mnist --limit-train 2000 --epochs 2 --latent 16 --seed 5 --quiet"
search() { # db, options .. (in the background call the program itself: $! must be its own number)
	db=$1; shift
	"$GM" search $OPTIONS --db "$db" "$@"
}

if ! [ -e /usr/share/datasets/fashion-mnist ] && ! find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	say "skipped: dataset-fashion-mnist is not installed"
	exit 77
fi

# -- the same table for any jobs and threads
search "$TMP/a.db" --trials 10 --jobs 1 --threads 1 --json >"$TMP/a.json" 2>"$TMP/log" || { fail "search"; cat "$TMP/log"; exit 1; }
repro "$TMP/a.db" >"$TMP/a.txt"
[ "$(wc -l <"$TMP/a.txt")" -eq 10 ] || fail "10 trials wanted: $(wc -l <"$TMP/a.txt")"
for how in "2 1" "1 2" "6 1"; do
	set -- $how
	search "$TMP/b.db" --trials 10 --jobs "$1" --threads "$2" >/dev/null 2>&1
	repro "$TMP/b.db" >"$TMP/b.txt"
	check "jobs $1, threads $2: identical" cmp "$TMP/a.txt" "$TMP/b.txt"
	rm -f "$TMP/b.db"
done

# -- the same table after kills: of the driver, and of workers
i=0
while [ $i -lt 40 ]; do
	"$GM" search $OPTIONS --db "$TMP/k.db" --trials 10 --jobs 2 >/dev/null 2>&1 &
	pid=$!
	sleep 0.$((3 + i % 7))
	kill -9 $pid 2>/dev/null || { wait $pid && break; }
	wait $pid 2>/dev/null
	i=$((i + 1))
done
search "$TMP/k.db" --trials 10 --jobs 2 >/dev/null 2>&1
repro "$TMP/k.db" >"$TMP/k.txt"
check "after $i kills: identical" cmp "$TMP/a.txt" "$TMP/k.txt"
check "after kills: integrity" test "$(sqlite3 "$TMP/k.db" 'PRAGMA integrity_check')" = ok

"$GM" search $OPTIONS --db "$TMP/w.db" --trials 10 --jobs 2 >/dev/null 2>&1 &
pid=$!
sleep 1
for worker in $(ps -o pid= --ppid $pid); do kill -9 "$worker"; done
wait $pid
repro "$TMP/w.db" >"$TMP/w.txt"
check "after killed workers: identical" cmp "$TMP/a.txt" "$TMP/w.txt"

# -- --profile changes no result, and its rows account for all of the time and all operations
search "$TMP/p.db" --trials 10 --jobs 2 --profile >/dev/null 2>&1
repro "$TMP/p.db" >"$TMP/p.txt"
check "profile: identical" cmp "$TMP/a.txt" "$TMP/p.txt"
ask() { sqlite3 "$1" "$2"; }
check "profile: every trial" test "$(ask "$TMP/p.db" 'SELECT count(DISTINCT number) FROM v_kernels')" = 10
check "profile: only when asked for" test "$(ask "$TMP/a.db" 'SELECT count(*) FROM v_kernels')" = 0
check "profile: the rows are all of the time" test "$(ask "$TMP/p.db" "SELECT count(*) FROM (SELECT 1 FROM v_kernels GROUP BY number
	HAVING abs(sum(seconds) / max(step_s * steps * threads) - 1) > 1e-9 OR abs(sum(time_share) - 1) > 1e-9)")" = 0
check "profile: the rows are all operations" test "$(ask "$TMP/p.db" "SELECT count(*) FROM v_trials t WHERE flops !=
	(SELECT sum(flops) / max(steps) FROM v_kernels k WHERE k.number = t.number)")" = 0
check "profile: limits and shares" test "$(ask "$TMP/p.db" "SELECT count(*) FROM v_kernels WHERE NOT (peak_gflops > 0 AND
	memory_gbytes > 0) OR (kernel = 'matmul' AND NOT (gflops > 0 AND peak_share > 0 AND gbytes > 0 AND memory_share > 0))")" = 0
check "profile: barriers and the rest" test "$(ask "$TMP/p.db" "SELECT count(*) FROM v_kernels WHERE shape IS NULL AND
	kernel IN ('barriers', 'between kernels') AND gflops IS NULL")" = 20

# -- going on
search "$TMP/r.db" --trials 4 >/dev/null 2>&1
check "going on" "$GM" search --db "$TMP/r.db" --trials 10 --quiet
repro "$TMP/r.db" >"$TMP/r.txt"
check "in two parts: identical" cmp "$TMP/a.txt" "$TMP/r.txt"
check "nothing left to do" "$GM" search --db "$TMP/r.db" --trials 10 --quiet
check "a new file where none can be" code 74 "$GM" search $OPTIONS --db "$TMP/no/such.db"
check "another seed is refused" code 64 "$GM" search --db "$TMP/r.db" --seed 6
cp "$TMP/said" "$TMP/said.seed"
check "the message names the option" grep -q -e --seed "$TMP/said.seed"
check "another latent is refused" code 64 "$GM" search --db "$TMP/r.db" --latent 8 --epochs 3
check "the message names both" test "$(grep -cE -e '--latent:.* 16, not with 8|--epochs:.* 2, not with 3' "$TMP/said")" = 2
"$GM" search $OPTIONS --db "$TMP/i.db" --trials 1000 --jobs 2 >/dev/null 2>&1 &
pid=$!
i=0 # a trial's row is younger than the lease
until [ "$(sqlite3 -readonly "$TMP/i.db" 'SELECT count(*) > 0 FROM trials' 2>/dev/null)" = 1 ] || [ $i -ge 300 ]; do
	sleep 0.1
	i=$((i + 1))
done
check "a second driver is refused" code 75 "$GM" search --db "$TMP/i.db" --trials 1000
kill -INT $pid
wait $pid
[ $? -eq 130 ] && say "ok: SIGINT ends with 130" || fail "SIGINT: exit code"
check "SIGINT: nothing is left running" test "$(sqlite3 "$TMP/i.db" "SELECT count(*) FROM trials WHERE state = 'RUNNING'")" = 0

"$GM" search $OPTIONS --db "$TMP/i.db" --trials 1000 --jobs 2 >/dev/null 2>&1 &
pid=$!
sleep 2
kill -INT $pid
sleep 0.05
kill -TERM $pid
wait $pid
[ $? -eq 130 ] && say "ok: two signals end with 130" || fail "two signals: exit code"

# -- a look at a running search, and a request to end it
check "status: nobody drives" sh -c '"$1" status "$2" --json | grep -q "\"driven\": false"' - "$GM" "$TMP/a.db"
check "stop: nobody drives" code 0 "$GM" stop "$TMP/a.db"
check "it says so" grep -q 'no search is running' "$TMP/said"
"$GM" search $OPTIONS --db "$TMP/st.db" --trials 10 --jobs 2 >"$TMP/st.out" 2>&1 &
pid=$!
i=0
until [ "$(sqlite3 -readonly "$TMP/st.db" "SELECT count(*) > 0 FROM trials WHERE state = 'RUNNING'" 2>/dev/null)" = 1 ] || [ $i -ge 300 ]; do
	sleep 0.05
	i=$((i + 1))
done
check "status" code 0 "$GM" status "$TMP/st.db"
check "it names the process" grep -q "^study default: running (process $pid on " "$TMP/said"
check "status --json" code 0 "$GM" status "$TMP/st.db" --json
check "it counts, and has what runs" grep -Eq '"driven": true.*"counts": \{"trials": [0-9]+.*"running": \[\{"number": [0-9]+, .*"pid": [0-9]+\}' "$TMP/said"
check "stop" code 0 "$GM" stop "$TMP/st.db"
wait $pid
check "and was not interrupted" test $? -eq 0
check "events say why it ended" test "$(ask "$TMP/st.db" "SELECT count(*) FROM v_events WHERE what = 'asked to stop'")" = 1
search "$TMP/st.db" --trials 10 >/dev/null 2>&1
repro "$TMP/st.db" >"$TMP/st.txt"
check "going on after a stop: identical" cmp "$TMP/a.txt" "$TMP/st.txt"

# -- limits
cat >"$TMP/wide.gm" <<'GM'
gradmill 1
func main(x: f32[B,784]) {
  z = dense<9000>(x)
  y = dense<784>(z)
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
check "a worker's memory" code 1 "$GM" search --data fashion-mnist --limit-train 2000 --models "$TMP/wide.gm" --db "$TMP/mem.db" \
	--trial-memory 64M --finalists 0 --quiet
check "has a limit" test "$(ask "$TMP/mem.db" "SELECT count(*) FROM v_trials WHERE state = 'FAIL' AND cause LIKE '%memory%'")" = 1
check "sizes are read" code 64 "$GM" search --db "$TMP/a.db" --trial-memory 1M
check "keep is read" code 64 "$GM" search --db "$TMP/a.db" --keep few
check "jobs are read" code 64 "$GM" search --db "$TMP/a.db" --jobs 17
check "an unknown sampler" code 64 "$GM" search --db "$TMP/a.db" --sampler annealing
check "the message names those that there are" grep -q evolution "$TMP/said"

# -- weights: the best ones, by key, and no others
search "$TMP/w2.db" --trials 10 --keep 3 >/dev/null 2>&1
check "keep 3: the best three" test "$(ask "$TMP/w2.db" "SELECT group_concat(number) FROM (SELECT number FROM v_trials WHERE weights_file IS NOT NULL
	ORDER BY number)")" = "$(ask "$TMP/w2.db" "SELECT group_concat(number) FROM (SELECT number FROM (SELECT number FROM v_best ORDER BY value, number
	LIMIT 3) ORDER BY number)")"
check "keep 3: their files" test "$(ls "$TMP/w2.weights" | sort)" = "$(ask "$TMP/w2.db" "SELECT substr(weights_file, 12) FROM v_trials
	WHERE weights_file LIKE 'w2.weights/' || trial_key || '-%' ORDER BY 1")"
rm "$TMP/w2.weights/$(ls "$TMP/w2.weights" | head -1)"
check "keep 5: what is missing is made again" "$GM" search --db "$TMP/w2.db" --trials 10 --keep 5 --quiet
check "keep 5: five files" test "$(ls "$TMP/w2.weights" | wc -l)" = 5
for number in $(ask "$TMP/w2.db" 'SELECT number FROM v_trials WHERE weights_file IS NOT NULL'); do
	check "keep 5: the file of trial $number is its own" "$GM" replay "$TMP/w2.db" "$number"
done
check "going on without --keep drops nothing" "$GM" search --db "$TMP/w2.db" --trials 11 --quiet
check "keep 5: still five" test "$(ls "$TMP/w2.weights" | wc -l)" = 5
check "keep 1: four go" "$GM" search --db "$TMP/w2.db" --trials 12 --keep 1 --quiet
check "keep 1: one file" test "$(ls "$TMP/w2.weights" | wc -l)" = 1

# -- what kills leave behind in the folder goes; what is not ours stays
file=$(ls "$TMP/w2.weights")
touch "$TMP/w2.weights/$file.4711.0" "$TMP/w2.weights/$(echo "$file" | sed 's/^......../00000000/')" "$TMP/w2.weights/mine.safetensors"
check "going on" "$GM" search --db "$TMP/w2.db" --trials 13 --quiet
check "half a file and a lost one are gone, another's is not" test "$(ls "$TMP/w2.weights" | wc -l)$(ls "$TMP/w2.weights" | grep -c mine)" = 21
rm "$TMP/w2.weights/mine.safetensors"

# -- another processor: refused, and nothing is changed; as a new study
cp -r "$TMP/w2.db" "$TMP/far.db"
cp -r "$TMP/w2.weights" "$TMP/far.weights"
ask "$TMP/far.db" "UPDATE x_study SET target = 'z80'; UPDATE x_trial SET weights_file = replace(weights_file, 'w2.', 'far.')"
repro "$TMP/far.db" >"$TMP/far.txt"
check "another processor" code 69 "$GM" search --db "$TMP/far.db" --trials 20 --keep none
check "its files are left alone" test "$(ls "$TMP/far.weights" | wc -l)" = 1
check "as new, other models" code 64 "$GM" search --db "$TMP/far.db" --as-new here --models examples/seed.gm
check "as new" "$GM" search --db "$TMP/far.db" --study default --as-new here --trials 15 --quiet
check "as new: the old study is what it was" sh -c 'sqlite3 "$1" "SELECT * FROM v_repro WHERE study = '"'default'"'" | cmp - "$2"' - "$TMP/far.db" "$TMP/far.txt"
check "as new: it goes on" test "$(ask "$TMP/far.db" "SELECT count(*) FROM v_trials WHERE study = 'here' AND state = 'COMPLETE'")" = 15

# -- a trial that another program enqueues (what Optuna's enqueue_trial writes), a gap in the numbers, a trial of theirs
ask "$TMP/w2.db" "INSERT INTO trials (number, study_id, state) VALUES (13, 1, 'WAITING');
	INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) SELECT trial_id, 'fixed_params', '{\"stem_width\": 96, \"blocks\": 0}'
	FROM trials WHERE number = 13; INSERT INTO trials (number, study_id, state) VALUES (14, 1, 'WAITING');
	INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) SELECT trial_id, 'fixed_params', '{\"stem_width\": 97}'
	FROM trials WHERE number = 14; INSERT INTO trials (number, study_id, state) VALUES (16, 1, 'RUNNING')"
check "enqueued trials" "$GM" search --db "$TMP/w2.db" --trials 21 --quiet
check "enqueued: run" test "$(ask "$TMP/w2.db" "SELECT sampler || stem_width || blocks || state FROM v_trials WHERE number = 13")" = enqueued960COMPLETE
check "enqueued: not of the space" test "$(ask "$TMP/w2.db" "SELECT cause FROM v_trials WHERE number = 14")" = "enqueued: stem_width: 97 is not one of its values (96, 128, 192, 256, 384, 512)"
check "theirs is left alone" test "$(ask "$TMP/w2.db" "SELECT state FROM trials WHERE number = 16")" = RUNNING
check "and the search went on behind it" test "$(ask "$TMP/w2.db" "SELECT group_concat(number) FROM (SELECT number FROM trials WHERE state = 'COMPLETE'
	AND number > 16 ORDER BY 1)")" = 17,18,19,20

# -- a trial that another program takes in the moment it is sent out (a trigger plays that program): the next one is
ask "$TMP/r.db" "CREATE TRIGGER taken BEFORE UPDATE OF state ON trials WHEN old.number = 10 AND new.state = 'RUNNING'
	BEGIN SELECT RAISE(IGNORE); END"
check "a taken trial" "$GM" search --db "$TMP/r.db" --trials 13 --jobs 1 --quiet
check "the others are run" test "$(ask "$TMP/r.db" "SELECT count(*) FROM trials WHERE number > 10 AND state = 'COMPLETE'")" = 2
check "events say so" test "$(ask "$TMP/r.db" "SELECT number FROM v_events WHERE what = 'taken by another program'")" = 10

# -- the rest of the commands
check "version" test "$("$GM" --version)" = "gradmill $(sed -n 's/^project(gradmill VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)"
check "unknown command" code 64 "$GM" serch
check "trials" "$GM" trials "$TMP/a.db"
check "trials --csv" "$GM" trials "$TMP/a.db" --csv
check "show" "$GM" show "$TMP/a.db" 3
check "show: no such trial" code 66 "$GM" show "$TMP/a.db" 3000
check "best" "$GM" best "$TMP/a.db"
cp "$TMP/log" "$TMP/best.txt"
check "best: the floor beside the value, six digits" grep -Eq '^value +0\.0*[1-9][0-9]{0,5}  pca_value 0\.0*[1-9][0-9]{0,5}$' "$TMP/best.txt"
check "best: the same for the test rows" grep -Eq '^test_value .*  pca_test_value [0-9.]+$' "$TMP/best.txt"
check "best: operations of what" grep -Eq '^flops per step [0-9]+$' "$TMP/best.txt"
check "best --json: every digit, the names of the table" sh -c '"$1" best "$2" --json | grep -Eq "\"value\": 0\.[0-9]{9,}.*\"flops\": "' - "$GM" "$TMP/a.db"
check "best --ir" "$GM" best "$TMP/a.db" --ir
check "best --export" "$GM" best "$TMP/a.db" --export "$TMP/best"
check "exported weights" test -s "$TMP/best/weights.safetensors"
check "replay" "$GM" replay "$TMP/a.db" 2
check "replay: no such trial" code 66 "$GM" replay "$TMP/a.db" 3000
check "no time" code 64 "$GM" search --db "$TMP/a.db" --time 0
check "no such database" code 64 "$GM" search --db "$TMP/none.db"
check "the message says so" grep -q 'no such file' "$TMP/said"
check "data: not UTF-8" code 64 "$GM" search --data "$(printf 'a\377')" --db "$TMP/none.db"
check "export: not UTF-8" code 64 "$GM" best "$TMP/a.db" --export "$TMP/$(printf 'a\377')"
check "keep: not UTF-8" code 64 "$GM" search --data fashion-mnist --keep 1 --db "$TMP/$(printf 'a\377.db')"
echo 'not IDX' >"$TMP/bad.idx"
"$GM" best "$TMP/a.db" --ir | sed 's/784/783/g' >"$TMP/narrow.gm"
check "bad data" code 65 "$GM" search --data "$TMP/bad.idx" --db "$TMP/none.db"
check "the message names the file once" test "$(grep -o bad.idx "$TMP/said" | wc -l)" = 1
check "no data" code 66 "$GM" search --data "$TMP/no.idx" --db "$TMP/none.db"
check "models that do not fit the data" code 65 "$GM" search --data fashion-mnist --models "$TMP/narrow.gm" --db "$TMP/none.db"
: >"$TMP/empty.db"
check "bad data, empty file" code 65 "$GM" search --data "$TMP/bad.idx" --db "$TMP/empty.db"
check "it is still empty" test ! -s "$TMP/empty.db"
check "none of them made a file" test ! -e "$TMP/none.db"
idx() { { printf '\0\0\010\002\0\0\001\0\0\0\0\010'; head -c 2048 /dev/urandom; } >"$1"; } # 256 rows of 8
idx "$TMP/own.idx"
check "an IDX file" "$GM" search --data "$TMP/own.idx" --db "$TMP/own.db" --trials 1 --latent 8 --epochs 3 --batch 64 --quiet
check "replay of it" "$GM" replay "$TMP/own.db" 0
idx "$TMP/own.idx"
check "other data in it are refused" code 65 "$GM" search --db "$TMP/own.db" --trials 2
check "the message says so" grep -q 'data have changed' "$TMP/said"
check "too many jobs" code 64 "$GM" search --db "$TMP/a.db" --jobs 17
check "too many threads" code 64 "$GM" search --db "$TMP/a.db" --threads 1025
check "train: too many threads" code 64 "$GM" train examples/seed.gm --data fashion-mnist --threads 1025
for option in save loss-log save-grads; do
	check "train: --$option nowhere" code 74 "$GM" train examples/seed.gm --data fashion-mnist --"$option" "$TMP/no/such"
	cp "$TMP/said" "$TMP/said.train"
	check "the message has the path, no epoch was trained" sh -c 'grep -q no/such "$1" && ! grep -q epoch "$1"' - "$TMP/said.train"
done
check "train" code 0 "$GM" train examples/seed.gm --data fashion-mnist --epochs 1 --limit-train 1000
check "train: its epoch says elapsed" grep -Eq '^epoch 1 .*  elapsed [0-9.]+ s$' "$TMP/said"
check "train: its times say what they count" awk '$1 == "elapsed" && /since the program began/ { e = $2 }
	$1 == "wall" && /training/ { w = $2 } $1 == "compile" { c = $2 / 1000 } END { exit !(e > w && w > c && c > 0) }' "$TMP/said"
check "query writes nothing" code 65 "$GM" query "$TMP/a.db" "DELETE FROM trials"
check "foreign file" code 69 "$GM" trials tests/search/run.sh
check "missing file" code 66 "$GM" trials "$TMP/none.db"
"$GM" best "$TMP/a.db" --ir >"$TMP/m.gm"
check "given models" "$GM" search --data fashion-mnist --db "$TMP/g.db" --limit-train 2000 --models "$TMP/m.gm" "$TMP/best/model.gm" --quiet
check "given models: rows" test "$(sqlite3 "$TMP/g.db" "SELECT count(*) FROM v_best WHERE pca_value > 0")" = 2
# -- a failure repeats, and has a place; the kept file is the row's
cat >"$TMP/nan.gm" <<'GM'
gradmill 1
func main(x: f32[B,784]) {
  z = dense<8>(x)
  o = dense<784>(z)
  y = log o
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
sed 's/log o/sigmoid o/' "$TMP/nan.gm" >"$TMP/fine.gm"
"$GM" search --data fashion-mnist --db "$TMP/nan.db" --limit-train 1000 --models "$TMP/nan.gm" "$TMP/fine.gm" --keep 1 --quiet >/dev/null 2>&1
check "a failure has its step" test "$(ask "$TMP/nan.db" "SELECT cause FROM v_repro WHERE state = 'FAIL'")" = "loss is not finite at step 1 (epoch 1)"
check "replay: the same failure" code 0 "$GM" replay "$TMP/nan.db" 0
check "it says which" grep -q '^trial 0: the same .* step 1 (epoch 1)$' "$TMP/said"
check "replay --check-nan" code 0 "$GM" replay "$TMP/nan.db" 0 --check-nan
check "it names operation and line" grep -q "^trial0.gm:5:7: note: log 'y', forward: .*NaN" "$TMP/said"
check "it shows the line" grep -q '^    y = log o$' "$TMP/said"
check "replay --check-nan --json" code 0 "$GM" replay "$TMP/nan.db" 0 --check-nan --json
check "it has operation and line" grep -q '"nan": {"step": 1, "epoch": 1, "op": "log", "name": "y", .*"line": 5, "column": 7, "kind": "nan"' "$TMP/said"
check "replay --check-nan: nothing to find" code 0 "$GM" replay "$TMP/nan.db" 1 --check-nan
check "it says so, and that the kept file is right" test "$(grep -cE "^no value was ever not finite$|nan.weights/.*safetensors: its hash is the row's$" "$TMP/said")" = 2
sqlite3 "$TMP/nan.db" "UPDATE x_trial SET cause = 'loss is not finite at step 2 (epoch 1)' WHERE cause IS NOT NULL"
check "replay: another cause" code 1 "$GM" replay "$TMP/nan.db" 0
mv "$TMP"/nan.weights/*.safetensors "$TMP/kept"
check "replay: the kept file is gone" code 1 "$GM" replay "$TMP/nan.db" 1
check "it says missing" grep -q 'safetensors: missing$' "$TMP/said"
cp "$TMP/best/weights.safetensors" "$TMP/$(sqlite3 "$TMP/nan.db" 'SELECT weights_file FROM v_trials WHERE number = 1')"
check "replay: other weights in the file" code 1 "$GM" replay "$TMP/nan.db" 1 --json
check "it says so" grep -q '"same": false, .*"weights_file": "differs"' "$TMP/said"
awk -v RS=';' '{ gsub(/--[^\n]*/, ""); if ($0 ~ /[A-Z]/) { gsub(/\n/, " "); print } }' examples/queries.sql | while read -r sql; do
	"$GM" query "$TMP/a.db" "$sql" >/dev/null || exit 1
done && say "ok: examples/queries.sql" || fail "examples/queries.sql"

# -- Optuna opens the same file
PYTHON=${GRADMILL_TEST_PYTHON:-python3}
if "$PYTHON" -c 'import optuna' 2>/dev/null; then
	check "optuna.load_study" "$PYTHON" - "$TMP/a.db" <<'PY'
import sys, optuna
study = optuna.load_study(study_name="default", storage="sqlite:///" + sys.argv[1])
done = [t for t in study.trials if t.state.name == "COMPLETE"]
assert len(study.trials) == 10 and done, study.trials
assert study.best_value == min(t.value for t in done)
assert all(t.params["activation"] in ("relu", "gelu", "tanh") for t in done)
assert all(len(t.intermediate_values) == 2 for t in done)
PY
else
	say "skipped: optuna.load_study (no optuna for $PYTHON)"
fi
exit $failed
