#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Commands that write, on a disk that is full, on one that is read-only, and into /dev/full: exit 74, a message with the path and the
# reason, the old file is what it was, and no half of a new one is left. (unit_ir_file_faults has single calls of the system.)
# $1: the build folder. Needs leave to mount in a namespace of its own.
set -u
if [ "${GRADMILL_TEST_INSIDE:-}" != yes ]; then
	unshare -Urm sh -c 'mount -t tmpfs -o size=64k tmpfs /mnt' 2>/dev/null || { echo "skipped: no tmpfs may be mounted here"; exit 77; }
	GRADMILL_TEST_INSIDE=yes exec unshare -Urm sh "$0" "$@"
fi
GM=$(cd "$1" && pwd)/gradmill
TMP=$(mktemp -d)
trap 'cd /; umount "$TMP/disk" 2>/dev/null; rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
fail() { say "FAIL: $*"; failed=1; tail -5 "$TMP/said"; }

small_data "$TMP/own.idx"
cat >"$TMP/m.gm" <<'GM'
gradmill 1
func main(x: f32[B,8]) {
  h = dense<64>(x)
  a = relu h
  z = dense<4>(a)
  y = dense<8>(z)
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
"$GM" search --data "$TMP/own.idx" --latent 8 --epochs 3 --db "$TMP/s.db" --trials 2 --quiet >"$TMP/said" 2>&1 || { fail "search"; exit 1; }
"$GM" query "$TMP/s.db" "SELECT ir FROM v_trials" >/dev/null 2>"$TMP/said" || fail "query"
"$GM" train "$TMP/m.gm" --data "$TMP/own.idx" --epochs 1 --save "$TMP/w.st" >"$TMP/said" 2>&1 || { fail "train"; exit 1; }
TRAIN="--data $TMP/own.idx --epochs 1 --limit-train 256 --batch 128"

mkdir "$TMP/disk"
list() { (cd "$TMP/disk" && find . -type f -exec sha256sum {} + | sort); }
# The words that a refusal must have.
refused() { # name, what must be said, command ..
	name=$1 words=$2; shift 2
	list >"$TMP/before"
	"$GM" "$@" >"$TMP/out" 2>"$TMP/said"
	code=$?
	if [ $code -ne 74 ]; then fail "$name: exit $code"
	elif ! grep -qiE "$words" "$TMP/said"; then fail "$name: no word of $words"
	elif ! list | cmp -s "$TMP/before" -; then fail "$name: the disk has changed"; list
	else say "ok: $name"; fi
}
writers() { # how, reason, folder
	how=$1 why=$2
	refused "$how: opt -o" "old.gm.*$why" opt --batch 4 "$TMP/m.gm" -o "$TMP/disk/old.gm"
	refused "$how: compile -o" "old.gm.*$why" compile "$TMP/m.gm" --emit=llvm -o "$TMP/disk/old.gm"
	refused "$how: compile --emit=obj,header" "old.*$why" compile "$TMP/m.gm" --emit=obj,header --func encode --batch 1 -o "$TMP/disk/old"
	refused "$how: train --save" "old.gm.*$why" train "$TMP/m.gm" $TRAIN --save "$TMP/disk/old.gm"
	refused "$how: train --save-grads" "old.gm.*$why" train "$TMP/m.gm" $TRAIN --save-grads "$TMP/disk/old.gm"
	refused "$how: train --loss-log" "old.gm.*$why" train "$TMP/m.gm" $TRAIN --loss-log "$TMP/disk/old.gm"
	refused "$how: apply -o" "old.csv.*$why" apply "$TMP/m.gm" --weights "$TMP/w.st" --data "$TMP/own.idx" -o "$TMP/disk/old.csv"
	refused "$how: report" "old.gm.*$why" report "$TMP/s.db" -o "$TMP/disk/old.gm"
	refused "$how: best --export" "$why" best "$TMP/s.db" --export "$TMP/disk/folder"
	refused "$how: backup" "$why" backup "$TMP/s.db" "$TMP/disk/new.db"
}
fill() { # leaves nothing
	printf 'old\n' >"$TMP/disk/old.gm"
	printf 'old\n' >"$TMP/disk/old.o"
	printf 'old\n' >"$TMP/disk/old.h"
	printf 'old\n' >"$TMP/disk/old.csv"
	"$GM" best "$TMP/s.db" --export "$TMP/disk/folder" >"$TMP/said" 2>&1 || fail "best --export"
	cat /dev/zero >"$TMP/disk/fill" 2>/dev/null
	true
}
mount -t tmpfs -o size=8m tmpfs "$TMP/disk" || exit 77
fill
writers "full" "no space left"
mount -o remount,ro "$TMP/disk"
writers "read-only" "read-only|readonly"
umount "$TMP/disk"

printing() { # name, command ..
	name=$1; shift
	"$GM" "$@" >/dev/full 2>"$TMP/said"
	code=$?
	if [ $code -ne 74 ] || ! grep -q 'No space left' "$TMP/said"; then fail "/dev/full: $name: exit $code"; else say "ok: /dev/full: $name"; fi
}
printing version --version
printing help help
printing ops ops --md
printing opt opt --batch 4 "$TMP/m.gm"
printing check check "$TMP/m.gm" --json
printing compile compile "$TMP/m.gm" --emit=llvm
printing "compile -o" compile "$TMP/m.gm" --emit=llvm -o /dev/full
printing train train "$TMP/m.gm" $TRAIN --json
printing "train --save" train "$TMP/m.gm" $TRAIN --save /dev/full
printing trials trials "$TMP/s.db"
printing query query "$TMP/s.db" "SELECT * FROM v_repro" --csv
printing show show "$TMP/s.db" 0
printing best best "$TMP/s.db" --json
printing status status "$TMP/s.db"
printing replay replay "$TMP/s.db" 0 --json
printing apply apply "$TMP/m.gm" --weights "$TMP/w.st" --data "$TMP/own.idx"
printing report report "$TMP/s.db"
printing search search --db "$TMP/s.db" --trials 2 --json --quiet
printing backup backup "$TMP/s.db" "$TMP/copy.db" --json
exit $failed
