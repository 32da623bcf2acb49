#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tour of README.md: every block that begins with ```sh is run, in their order, by one shell in a fresh folder that has
# the build, the examples and the tests; whatever ends with an error ends the tour. $1: the build folder.
# What is changed before: the program is built already, searches and trainings are cut short (below).
set -u
BUILD=$(cd "$1" && pwd)
SOURCE=$(pwd)
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
failed=0

fail() { printf 'FAIL: %s\n' "$*"; failed=1; }

# -- files and folders that the page names
# shellcheck disable=SC2016 # backquotes of Markdown
grep -oE '`[a-z]+/[A-Za-z0-9_./]+`|sh [a-z]+/[a-z_/]+\.sh' README.md | sed 's/`//g; s/^sh //' | sort -u >"$TMP/named"
[ "$(wc -l <"$TMP/named")" -ge 20 ] || fail "files named: $(wc -l <"$TMP/named")"
while read -r file; do
	case $file in
	build/* | best/* | copies/* | study.*) ;; # made by the tour or a build
	*) [ -e "$file" ] || fail "README.md names $file, which is not there" ;;
	esac
done <"$TMP/named"

# -- the tour
if grep -q '^GM_SANITIZE:STRING=.' "$BUILD/CMakeCache.txt"; then
	echo "skipped: a library with sanitizers needs them in the program"
	exit 77
fi
for need in pkg-config sqlite3 cc; do
	command -v $need >/dev/null || { echo "skipped: $need is not installed"; exit 77; }
done
if ! find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	echo "skipped: dataset-fashion-mnist is not installed"
	exit 77
fi
mkdir "$TMP/home" "$TMP/tour"
ln -s "$BUILD" "$TMP/tour/build"
ln -s "$SOURCE/examples" "$SOURCE/tests" "$TMP/tour/"
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' README.md | sed -e '/^cmake -S /d' -e '/^cmake --build /d' \
	-e 's/--time 2m/--time 4s --limit-train 2000/' -e 's/--epochs 10 /--epochs 1 --limit-train 2000 /' >"$TMP/tour.sh"
commands=$(grep -cE '^(gradmill|sqlite3|cc|sh|cmake|\./)' "$TMP/tour.sh")
[ "$commands" -ge 30 ] || fail "commands found: $commands"
if (cd "$TMP/tour" && HOME="$TMP/home" sh -ex "$TMP/tour.sh") >"$TMP/said" 2>"$TMP/log"; then
	echo "ok: $commands commands"
else
	fail "the last command that begins with '+' below"
	tail -15 "$TMP/log"
fi

# -- files that its commands are told to write
sed -nE 's/.*(-o|--save|--db|>) ?([A-Za-z0-9_.]+).*/\2/p; s/.*--export ([a-z]+).*/\1\/weights.safetensors/p' "$TMP/tour.sh" |
	sed 's/^encoder$/encoder.h/' | sort -u >"$TMP/written"
[ "$(wc -l <"$TMP/written")" -ge 8 ] || fail "files written: $(cat "$TMP/written")"
while read -r file; do
	[ -s "$TMP/tour/$file" ] || fail "the tour did not write $file"
done <"$TMP/written"

exit $failed
