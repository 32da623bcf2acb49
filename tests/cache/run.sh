#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Eight processes compile into one directory that is too small for them, while another damages, cuts and removes its files: every
# result is right, nothing is left over, and what is damaged is compiled again and replaced.
set -eu
soak=$1/tests/test_soak
tmp=$(mktemp -d)
trap 'kill $vandal $pids 2>/dev/null || :; wait; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM # a shell that dies of a signal leaves EXIT out
vandal=
pids=
fail() { echo "cache: $*" >&2; exit 1; }
compiled() { sed -n 's/.*kernels \([0-9]*\) compiled, \([0-9]*\) from disk.*/\1 \2/p'; }
dir=$tmp/cache
mkdir "$dir"
export GRADMILL_CACHE_MAX=1 OMP_NUM_THREADS=1

vandal() {
	n=0
	while kill -0 $$ 2>/dev/null; do # a test that is killed must not leave this behind
		f=$(find "$dir" -name '*.o' 2>/dev/null | shuf -n 1)
		[ "$f" ] || continue
		n=$((n + 1))
		case $((n % 4)) in
		0) rm -f "$f" ;;
		1) truncate -c -s "$((n * 37 % 3000))" "$f" ;;
		2) printf 'damage' | dd of="$f" bs=1 seek="$((n * 91 % 2500))" conv=notrunc,nocreat status=none ;;
		3) truncate -c -s +100 "$f" ;;
		esac 2>/dev/null || : # gone meanwhile
	done
}
vandal &
vandal=$!
for i in 1 2 3 4 5 6 7 8; do
	"$soak" 120 "$((i * 40))" 2 1 "$dir" >"$tmp/out$i" 2>&1 &
	pids="$pids $!"
done
for p in $pids; do
	ok=1
	wait "$p" || ok=
	pids=${pids#" $p"} # the number may be another's from now on
	[ "$ok" ] || fail "$(cat "$tmp"/out*)"
done
kill "$vandal"
wait "$vandal" 2>/dev/null || :
vandal=

[ "$(find "$dir" -type f ! -name '????????????????????????????????.o' | wc -l)" = 0 ] || fail "$(ls "$dir")"
kib=$(find "$dir" -type f -printf '%s\n' | awk '{n += 4 * int(($1 + 4095) / 4096)} END {print n + 0}')
[ "$kib" -le 1536 ] || fail "$kib KiB in the directory" # eight writers, each an eighth at most beyond the room for two

unset GRADMILL_CACHE_MAX
"$soak" 100 20 2 1 "$dir" >"$tmp/out"
"$soak" 100 20 2 1 "$dir" | compiled | grep -q '^0 ' || fail 'a kernel was not found again'
for f in "$dir"/*.o; do printf 'damage' | dd of="$f" bs=1 seek=500 conv=notrunc status=none; done
"$soak" 100 20 2 1 "$dir" | compiled | grep -qv '^0 ' || fail 'a damaged object was believed'
"$soak" 100 20 2 1 "$dir" | compiled | grep -q '^0 ' || fail 'a damaged object was not replaced'
