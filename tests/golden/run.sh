#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Golden tests: run.sh BUILD_DIR [FILE.gm ...]. One file is one test: command, input, expectation.
#   #> opt -p dce      the first line: sub-command and options; the file's name is appended
#   ...                the input, without the line above: message lines count from the second line of the file
#   #=                 what follows is what stdout must be
#   #! LINE id         or: the messages, notes included, in order (line 0: a message without a place)
#   #? CODE            the exit code, where it is not 0 and there is no error message: a check that did not hold
# A file with none of these must run without any message. The exit code must be 0 if and only if no error is expected.
# BLESS=1 rewrites expectations from what happened: read the diff before you believe it.
here=$(cd "$(dirname "$0")" && pwd)
gradmill=${1:?usage: run.sh BUILD_DIR [FILE.gm ...]}/gradmill
shift
[ -x "$gradmill" ] || { echo "$gradmill is not built"; exit 77; }
[ $# -gt 0 ] || set -- $(find "$here" -mindepth 2 -name '*.gm' | LC_ALL=C sort)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
count=0 failed=0

fail() { # file, what
	echo "FAIL ${1#"$here"/}: $2"
	failed=$((failed + 1))
}

# "input.gm:3:6: error: text [id]" -> "#! 3 id"; a message without a place has line 0
messages() {
	sed -nE -e 's/^[^ ]*input\.gm:([0-9]+):[0-9]+: (error|warning|note): .*\[([a-z_]+)\]$/#! \1 \3/p' -e t \
		-e 's/^[^ ]*input\.gm: (error|warning|note): .*\[([a-z_]+)\]$/#! 0 \2/p' -e t \
		-e 's/^[^ :]*:([0-9]+):[0-9]+: (error|warning|note): .*\[([a-z_]+)\]$/#! \1 \3/p' -e t \
		-e 's/^(error|warning|note): .*\[([a-z_]+)\]$/#! 0 \2/p' "$tmp/err"
}

run() { # file
	sed -n '1s/^#> //p' "$1" >"$tmp/cmd"
	[ -s "$tmp/cmd" ] || { fail "$1" "the first line is not '#> command'"; return; }
	awk 'NR == 1 { next } /^#[=!?]/ { exit } { print }' "$1" >"$tmp/input.gm"
	awk 'p { print } /^#=$/ { p = 1 }' "$1" >"$tmp/want"
	grep '^#! ' "$1" >"$tmp/want.msg"
	want_code=$(sed -n 's/^#? //p' "$1")
	# shellcheck disable=SC2046 # words of the command line
	"$gradmill" $(cat "$tmp/cmd") "$tmp/input.gm" >"$tmp/out" 2>"$tmp/err"
	rc=$?
	messages >"$tmp/msg"
	if [ "${BLESS:-}" ]; then
		{ sed -n 1p "$1"; cat "$tmp/input.gm" "$tmp/msg"
		  [ "$want_code" ] && echo "#? $rc"
		  if { [ $rc = 0 ] || [ "$want_code" ]; } && ! grep -q '^check' "$tmp/cmd"; then echo '#='; cat "$tmp/out"; fi; } >"$tmp/new"
		cmp -s "$tmp/new" "$1" || { cp "$tmp/new" "$1"; echo "blessed ${1#"$here"/}"; }
		return
	fi
	if grep -q '^#=$' "$1" && ! diff -u "$tmp/want" "$tmp/out"; then fail "$1" "output differs"; return; fi
	if ! diff -u "$tmp/want.msg" "$tmp/msg"; then cat "$tmp/err"; fail "$1" "messages differ"; return; fi
	grep -Eq '(^|: )error: .*\[[a-z_]+\]$' "$tmp/err" && want_rc=1 || want_rc=0
	if [ "$want_code" ]; then
		[ $rc = "$want_code" ] || fail "$1" "exit code $rc, not $want_code"
		return
	fi
	if [ $((rc != 0)) != $want_rc ] || [ $rc -ge 128 ]; then cat "$tmp/err"; fail "$1" "exit code $rc"; fi
}

for f; do
	count=$((count + 1))
	run "$f"
done
echo "$count golden files, $failed failed"
[ "$failed" = 0 ] && [ "$count" -gt 0 ]
