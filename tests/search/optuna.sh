#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Optuna's tools on the file of a running search. optuna.sh BUILD_DIR [SECTION ..]; sections, all unless named:
#   live     32 readers at once and optuna-dashboard, while the search writes: nobody sees an error
#   enqueue  points that study.enqueue_trial() asks for are run by the search
# Needs a Python with optuna and optuna-dashboard (GRADMILL_TEST_PYTHON, python3 unless set) and the Fashion-MNIST package;
# some minutes, so not in ctest.
set -u
GM=$(cd "$1" && pwd)/gradmill
shift
SECTIONS=${*:-live enqueue}
PYTHON=${GRADMILL_TEST_PYTHON:-python3}
TMP=$(mktemp -d)
trap 'touch "$TMP/stop"; wait; rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

say() { printf '%s\n' "$*"; }
fail() { say "FAIL: $*"; failed=1; }
check() { # name, command ..
	name=$1; shift
	if "$@" >"$TMP/log" 2>&1; then say "ok: $name"; else fail "$name"; tail -15 "$TMP/log"; fi
}
ask() { sqlite3 -readonly -cmd '.timeout 10000' "$1" "$2"; }
count() { ask "$1" 'SELECT count(*) FROM trials'; }
begin() { # db, options ..: a search in the background, its number in $search; comes back when it has trials
	db=$1; shift
	"$GM" search --data fashion-mnist --limit-train 4000 --latent 16 --epochs 4 --seed 3 --threads 1 --quiet --db "$db" "$@" \
		>"$db.log" 2>&1 &
	search=$!
	until [ "$(sqlite3 -readonly "$db" 'SELECT count(*) > 0 FROM trials' 2>/dev/null)" = 1 ]; do
		kill -0 $search 2>/dev/null || { fail "search: $(cat "$db.log")"; return 1; }
		sleep 0.1
	done
}
end() { # db: the search is over and did not complain
	wait "$search"
	check "the search ends with 0" test $? -eq 0
	check "integrity" test "$(ask "$1" 'PRAGMA integrity_check')" = ok
}

"$PYTHON" -c 'import optuna' 2>/dev/null || { say "skipped: no optuna for $PYTHON"; exit 77; }

# ---- live: readers --------------------------------------------------------------------------------------------------

READERS=32

cat >"$TMP/reader.py" <<'PY'
import os, sys, time, optuna
db, stop = sys.argv[1:]
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = optuna.storages.RDBStorage("sqlite:///" + db, engine_kwargs={"connect_args": {"timeout": 10}})
rounds = seen = 0
while not os.path.exists(stop) or not rounds:
	study = optuna.load_study(study_name="default", storage=storage)
	trials = study.get_trials()
	assert len(trials) >= seen, (len(trials), seen)
	assert [t.number for t in trials] == list(range(len(trials)))
	seen = len(trials)
	rounds += 1
	time.sleep(0.5)
print(rounds)
PY
until_stopped() { # command ..: again and again; prints how often, fails with it
	rounds=0
	while [ ! -e "$TMP/stop" ] || [ $rounds -eq 0 ]; do
		"$@" >/dev/null || return 1
		rounds=$((rounds + 1))
		sleep 0.5
	done
	echo $rounds
}
reader() { # which of the 32, db
	case $(($1 % 8)) in
	0) "$PYTHON" "$TMP/reader.py" "$2" "$TMP/stop" ;;
	1 | 3 | 5 | 7) until_stopped "$GM" query "$2" 'SELECT state, count(*), min(value) FROM v_trials GROUP BY 1' ;;
	*) until_stopped ask "$2" 'SELECT * FROM v_curves; SELECT * FROM v_best' ;;
	esac
}
start_readers() { # db
	i=0
	readers=
	while [ $i -lt $READERS ]; do
		reader $i "$1" >"$TMP/reader.$i" 2>"$TMP/reader.$i.err" &
		readers="$readers $!"
		i=$((i + 1))
	done
}
end_readers() {
	touch "$TMP/stop"
	i=0
	bad=0
	for pid in $readers; do
		wait "$pid" || { bad=$((bad + 1)); tail -3 "$TMP/reader.$i.err"; }
		i=$((i + 1))
	done
	rm "$TMP/stop"
	check "$READERS readers, $(cat "$TMP"/reader.*[0-9] | awk '{ n += $1 } END { print n }') answers: no error" test $bad -eq 0
	check "and not a word on stderr" test -z "$(cat "$TMP"/reader.*.err)"
}

# ---- live: the dashboard --------------------------------------------------------------------------------------------

cat >"$TMP/dashboard.py" <<'PY'
import sys, optuna
from wsgiref.simple_server import WSGIRequestHandler, make_server
from optuna_dashboard import wsgi
class Quiet(WSGIRequestHandler):
	def log_message(self, *args):
		pass
server = make_server("127.0.0.1", 0, wsgi("sqlite:///" + sys.argv[1]), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
PY
cat >"$TMP/get.py" <<'PY'
import json, sys, urllib.request
url, least, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def get(path):
	with urllib.request.urlopen(url + path, timeout=60) as answer:
		return json.load(answer)
studies = get("/api/studies")["study_summaries"]
assert [s["study_name"] for s in studies] == ["default"], studies
study = get("/api/studies/%d" % studies[0]["study_id"])
assert study["directions"] == ["minimize"], study["directions"]
assert least <= len(study["trials"]) <= most, (least, len(study["trials"]), most)
PY
start_dashboard() { # db
	"$PYTHON" "$TMP/dashboard.py" "$1" >"$TMP/port" 2>"$TMP/dashboard.err" &
	dashboard=$!
	until [ -s "$TMP/port" ]; do
		kill -0 $dashboard 2>/dev/null || { fail "optuna-dashboard"; cat "$TMP/dashboard.err"; return 1; }
		sleep 0.2
	done
	url=http://127.0.0.1:$(cat "$TMP/port")
}

live() {
	db=$TMP/live.db
	begin "$db" --trials 20 --jobs 2 || return
	start_readers "$db"
	if "$PYTHON" -c 'import optuna_dashboard' 2>/dev/null; then
		start_dashboard "$db" || return
		kill -0 "$search" 2>/dev/null || fail "the search ended before the dashboard was there"
		before=$(count "$db")
		check "dashboard: the studies and trials of a live file" "$PYTHON" "$TMP/get.py" "$url" "$before" 20
	else
		say "skipped: no optuna_dashboard for $PYTHON"
		url=
	fi
	end "$db"
	end_readers
	check "20 trials" test "$(ask "$db" "SELECT count(*) FROM v_trials WHERE state = 'COMPLETE'")" -eq 20
	[ "$url" ] || return
	check "dashboard: all trials" "$PYTHON" "$TMP/get.py" "$url" 20 20
	kill $dashboard
	wait $dashboard 2>/dev/null
	check "dashboard: no error" test -z "$(grep -i error "$TMP/dashboard.err")"
}

# ---- enqueue --------------------------------------------------------------------------------------------------------
# A row that study.enqueue_trial() wrote is WAITING, with the point as the JSON object of the system attribute
# "fixed_params": names of parameters and their values as people read them. The driver that runs takes it up; what the
# point leaves open the sampler draws; a value that the space does not have is a failed trial that says which.

cat >"$TMP/enqueue.py" <<'PY'
import sys, optuna
storage = optuna.storages.RDBStorage("sqlite:///" + sys.argv[1], engine_kwargs={"connect_args": {"timeout": 60}})
study = optuna.load_study(study_name="default", storage=storage)
for point in (
	{"activation": "gelu", "stem_width": 128, "optimizer": "adam", "lr": 0.001},
	{"activation": "tanh", "blocks": 2},
	{"clip_norm": 5},
	{"activation": "swish"},
	{"optimizer": "adam", "lr": 0.75},
	{"stem_width": 100},
):
	study.enqueue_trial(point)
PY
cat >"$TMP/enqueued.py" <<'PY'
import sys, optuna
study = optuna.load_study(study_name="default", storage="sqlite:///" + sys.argv[1])
asked = [(t, t.system_attrs["fixed_params"]) for t in study.get_trials() if "fixed_params" in t.system_attrs]
assert len(asked) == 6, asked
for t, point in asked[:3]:
	assert t.state.name == "COMPLETE" and t.value > 0, t
	assert point.items() <= t.params.items(), (point, t.params)
	assert {"stem_width", "blocks", "activation", "optimizer", "schedule", "batch"} <= set(t.params), t.params
	assert len(t.intermediate_values) == 4, t.intermediate_values
for t, point in asked[3:]:
	assert t.state.name == "FAIL" and t.value is None, t
print(*(t.number for t, point in asked))
PY
enqueue() {
	db=$TMP/enqueue.db
	begin "$db" --trials 60 --jobs 1 || return
	check "enqueue: six points" "$PYTHON" "$TMP/enqueue.py" "$db"
	kill -0 "$search" 2>/dev/null || fail "the search ended before the points were there"
	end "$db"
	check "enqueue: three were run as asked, three failed" "$PYTHON" "$TMP/enqueued.py" "$db"
	[ "$(wc -w <"$TMP/log")" -eq 6 ] || return
	# shellcheck disable=SC2046 # six numbers
	set -- $(cat "$TMP/log")
	check "enqueue: their sampler" test "$(ask "$db" "SELECT count(*) FROM v_trials WHERE sampler = 'enqueued'")" -ge 3
	check "enqueue: the values as people read them" test "$(ask "$db" "SELECT activation, stem_width, lr, sampler FROM v_trials
		WHERE number = $1")" = 'gelu|128|0.001|enqueued'
	check "enqueue: what was left open was drawn" test "$(ask "$db" "SELECT count(*) FROM v_trials WHERE number = $2 AND
		activation = 'tanh' AND blocks = 2 AND stem_width > 0 AND skip IS NOT NULL AND optimizer IS NOT NULL")" = 1
	for pair in "$4 activation" "$5 lr" "$6 stem_width"; do
		check "enqueue: outside the space, the cause names ${pair#* }" test "$(ask "$db" "SELECT count(*) FROM v_trials
			WHERE number = ${pair% *} AND state = 'FAIL' AND cause LIKE '%${pair#* }%'")" = 1
	done
	check "enqueue: nothing is left waiting" test "$(ask "$db" "SELECT count(*) FROM trials
		WHERE state IN ('WAITING', 'RUNNING')")" = 0
}

for section in $SECTIONS; do
	case $section in
	live) live ;;
	enqueue) enqueue ;;
	*) fail "no section $section" ;;
	esac
done
exit $failed
