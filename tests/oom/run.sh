#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No memory: in each command, the N-th request for it fails, once or from then on. The command ends with 71 and a message (or well,
# if it can do without), no sanitizer has anything to say, no file is left half written, and what a database had it has.
# $1: the build folder, best one with sanitizers; $2: how many N of each command (default 40), or "all". $3, $4: of all, those of
# share $3 of $4. "sh tests/oom/all.sh" is the long form.
set -u
GM=$(cd "$1" && pwd)/gradmill
POINTS=${2:-40} SHARE=${3:-1} SHARES=${4:-1}
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="" ASAN_OPTIONS=detect_leaks=1:exitcode=99 UBSAN_OPTIONS=exitcode=99 # one thread less that asks, and no state
failed=0 tried=0

. tests/suite.sh
fail() { say "FAIL: $*"; failed=1; tail -20 "$TMP/said"; }
ask() { sqlite3 -cmd '.timeout 10000' "$1" "$2"; }

small_data "$TMP/own.idx"
gzip -k "$TMP/own.idx"
cat >"$TMP/m.gm" <<'GM'
gradmill 1
func main(x: f32[B,8]) {
  h = dense<16>(x)
  a = relu h
  z = dense<4>(a)
  y = dense<8>(z)
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
sed 's/relu/rleu/; s/mse(y, x)/mse(y, q)/' "$TMP/m.gm" >"$TMP/wrong.gm"
APPLY="apply $TMP/m.gm --weights $TMP/w.st --threads 1"
{ "$GM" train "$TMP/m.gm" --data "$TMP/own.idx" --epochs 1 --save "$TMP/w.st" &&
	"$GM" $APPLY --data "$TMP/own.idx" --output reconstruction -o "$TMP/own.npy" &&
	"$GM" $APPLY --data "$TMP/own.idx" --output reconstruction -o "$TMP/own.csv"; } >"$TMP/said" 2>&1 || { fail "data"; exit 1; }
SEARCH="--data $TMP/own.idx --latent 8 --epochs 3 --seed 3 --jobs 1 --threads 1 --keep 1 --finalists 1 --quiet"
"$GM" search $SEARCH --db "$TMP/s.db" --trials 2 >"$TMP/said" 2>&1 || { fail "search"; exit 1; }
ask "$TMP/s.db" "SELECT * FROM v_repro WHERE state != 'WAITING'" >"$TMP/s.txt"

# What a database had is there, the file is whole, and the folder has nothing that it should not have.
sound() {
	for db in "$TMP"/here/*.db; do
		[ -s "$db" ] || continue
		[ "$(ask "$db" 'PRAGMA integrity_check' 2>&1)" = ok ] || fail "$name, $fault: integrity of $db"
	done
	if [ -s "$TMP/here/s.db" ]; then
		ask "$TMP/here/s.db" "SELECT * FROM v_repro" | head -n 2 | cmp -s "$TMP/s.txt" - || fail "$name, $fault: trials are lost"
	fi
	left=$(ls -A "$TMP/here" "$TMP/here/s.weights" 2>/dev/null | grep -E '\.[0-9]+(\.[0-9]+|\.tmp|\.room)?$')
	[ -z "$left" ] || [ "$1" = worker ] || fail "$name, $fault: $left is left behind"
}

once() { # exit codes that may be, command ..
	codes=$1; shift
	rm -rf "$TMP/here"
	mkdir "$TMP/here"
	cp -r "$TMP/s.db" "$TMP/s.weights" "$TMP/here"
	(cd "$TMP/here" && GRADMILL_TEST_FAULT=$fault timeout 120 "$GM" "$@") >"$TMP/out" 2>"$TMP/said"
	code=$?
	tried=$((tried + 1))
	case " 0 71 $codes " in
	*" $code "*) ;;
	*) fail "$name, $fault: exit $code" ;;
	esac
	[ $code -ne 71 ] || grep -q 'memory' "$TMP/said" || fail "$name, $fault: no message"
	! grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$TMP/said" || fail "$name, $fault: a sanitizer"
	sound "${fault%%:*}"
}

scenario() { # name, further exit codes, command ..
	name=$1 codes=$2; shift 2
	fault=${PREFIX:-}alloc:0
	once "$codes" "$@"
	total=$(sed -n 's/^gradmill: \([0-9]*\) requests for memory$/\1/p' "$TMP/said" | tail -1)
	[ -n "$total" ] || total=400 # a worker's are not told
	before=$tried
	k=0 last=0
	count=$POINTS
	[ "$POINTS" != all ] && [ "$total" -ge "$POINTS" ] || count=$total
	while [ $k -lt "$count" ]; do
		n=$((1 + k * total / count))
		k=$((k + 1))
		if [ "$POINTS" = all ]; then
			[ $((k % SHARES)) -eq $((SHARE % SHARES)) ] || continue
			for fault in "${PREFIX:-}alloc:$n" "${PREFIX:-}alloc:$n+"; do once "$codes" "$@"; done
		else # both ways, in turns
			fault=${PREFIX:-}alloc:$n
			[ $((k % 2)) -eq 0 ] || fault="$fault+"
			once "$codes" "$@"
		fi
	done
	say "ok: $name: $((tried - before)) of $total"
}

scenario check "" check "$TMP/m.gm"
scenario "check of a wrong model" 65 check "$TMP/wrong.gm"
scenario opt "" opt --batch 4 -p grad,simplify,fold,cse,dce "$TMP/m.gm"
scenario "compile --emit=plan" "" compile "$TMP/m.gm" --emit=plan
scenario "compile --emit=obj,header" "" compile "$TMP/m.gm" --emit=obj,header --func encode,decode --batch 1 -o encoder
scenario train "" train "$TMP/m.gm" --data "$TMP/own.idx.gz" --epochs 1 --limit-train 256 --batch 128 --threads 1 --save w.safetensors
scenario "data: IDX, --save" "" train "$TMP/m.gm" --data "$TMP/own.idx" --epochs 0 --save w.safetensors
for kind in csv npy npz; do
	[ $kind != npz ] || (cd "$TMP" && python3 -m zipfile -c own.npz own.npy 2>/dev/null) || continue
	wide=$([ $kind = csv ] && echo --drop row)
	# shellcheck disable=SC2086 # an option or none
	scenario "data: $kind" "" $APPLY --data "$TMP/own.$kind" $wide --output error --rows test
done
scenario apply "" $APPLY --data "$TMP/own.idx" --output latent,reconstruction,error -o all.npy
scenario "search: a new study" "" search $SEARCH --db new.db --trials 2
scenario "search: going on" "" search --db s.db --trials 3 --jobs 1 --threads 1 --quiet
PREFIX=worker: # 70: three died at their start; 1: no trial is left
scenario "search: its worker" "1 70" search $SEARCH --db new.db --trials 2
PREFIX=
scenario trials "" trials s.db --best
scenario query "" query s.db "SELECT number, value, params FROM v_repro JOIN v_trials USING (study, number)"
scenario show "" show s.db 0 --ir
scenario "best --export" "" best s.db --export best
scenario "apply of a trial" "" apply s.db best -o codes.csv
scenario report "" report s.db -o report.html
scenario status "" status s.db --json
scenario backup "" backup s.db copy.db
# 1: the file of weights cannot be read
scenario replay 1 replay s.db 0
say "note: $tried commands without memory"
exit $failed
