# SPDX-License-Identifier: Apache-2.0
# What suites share; sourced in the project's root by those that have $TMP, a folder of their own, and failed=0, which they exit with.
say() { printf '%s\n' "$*"; }
fail() { say "FAIL: $*"; failed=1; }
check() { # name, command ..
	name=$1; shift
	if "$@" >"$TMP/log" 2>&1; then say "ok: $name"; else fail "$name"; tail -5 "$TMP/log"; fi
}
small_data() { # path: 1024 rows of 8 bytes, as IDX
	{ printf '\0\0\010\002\0\0\004\0\0\0\0\010'; seq 100000 | head -c 8192; } >"$1"
}
code() { # wanted exit code, command ..; what it said is in $TMP/said
	want=$1; shift
	"$@" >"$TMP/said" 2>&1
	got=$?
	cat "$TMP/said"
	[ $got -eq "$want" ] && return 0
	say "exit $got, wanted $want"
	return 1
}
