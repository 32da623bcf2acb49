#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs into a fresh prefix, moves it, and uses what is there as its users do: the C example by CMake, by pkg-config and
# by hand, the program, the manual, completion. $1: the build folder.
set -u
BUILD=$(cd "$1" && pwd)
SOURCE=$(pwd)
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache" HOME="$TMP/home"
mkdir "$HOME"
failed=0

. tests/suite.sh

if grep -q '^GM_SANITIZE:STRING=.' "$BUILD/CMakeCache.txt"; then
	say "skipped: a library with sanitizers needs them in the program"
	exit 77
fi

# -- the prefix is given here, nothing is written beside it, and it may be moved afterwards
cmake --install "$BUILD" --prefix "$TMP/first" >"$TMP/installed" 2>&1 || { cat "$TMP/installed"; exit 1; }
check "all files are below the prefix" sh -c 'grep -E "^-- (Installing|Up-to-date)" "$1" | grep -vF ": $2/"; [ $? -eq 1 ]' - "$TMP/installed" "$TMP/first"
mkdir "$TMP/moved"
mv "$TMP/first" "$TMP/moved/prefix"
P=$TMP/moved/prefix
check "no file knows where it was built or installed" sh -c '! grep -rlE "$1|$2" "$3" --include="*.cmake" --include="*.pc"' - "$BUILD" "$TMP/first" "$P"
LIB=$(dirname "$(find "$P" -name libgradmill.so -o -name libgradmill.a)")
for file in bin/gradmill include/gradmill.h share/man/man1/gradmill.1 share/bash-completion/completions/gradmill \
	share/zsh/site-functions/_gradmill share/fish/vendor_completions.d/gradmill.fish share/doc/gradmill/examples/seed.gm; do
	[ -s "$P/$file" ] || fail "$file is missing"
done

# -- what the library shows is what the header declares
if [ -f "$LIB/libgradmill.so" ]; then
	sed -nE 's/^GM_API .*[ *](gm_[a-z_]+)\(.*/\1/p' "$P/include/gradmill.h" | sort >"$TMP/declared"
	nm -D --defined-only "$LIB/libgradmill.so" | awk '$2 == "T" || $2 == "D" || $2 == "B" || $2 == "R" { sub(/@.*/, "", $3); print $3 }' |
		sort >"$TMP/shown"
	check "symbols: those of the header, all and only" diff "$TMP/declared" "$TMP/shown"
	check "a soname" sh -c 'readelf -d "$1" | grep -q "SONAME.*libgradmill\.so\.[0-9]"' - "$LIB/libgradmill.so"
fi
check "no path of a build in the program or library" sh -c '! readelf -d "$1"/bin/gradmill "$2"/libgradmill.* 2>/dev/null | grep -E "R(UN)?PATH"' - \
	"$P" "$LIB"

# -- the C example, three ways
mkdir "$TMP/cmake" "$TMP/out"
cp "$P/share/doc/gradmill/examples/train_autoencoder.c" "$TMP/cmake/"
cat >"$TMP/cmake/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(gradmill 0.1 REQUIRED)
add_executable(train train_autoencoder.c)
target_link_libraries(train gradmill::gradmill)
CMAKE
check "CMake: configure" cmake -S "$TMP/cmake" -B "$TMP/cmake/build" -DCMAKE_PREFIX_PATH="$P"
check "CMake: build" cmake --build "$TMP/cmake/build"
check "CMake: run" "$TMP/cmake/build/train"
cd "$TMP/cmake" || exit 1
if command -v pkg-config >/dev/null; then
	flags=$(PKG_CONFIG_PATH="$LIB/pkgconfig" pkg-config --cflags --libs gradmill)
	# shellcheck disable=SC2086 # a list of flags
	check "pkg-config: build" cc -Wall -Werror train_autoencoder.c $flags -o train_pc
	check "pkg-config: run" env LD_LIBRARY_PATH="$LIB" ./train_pc
	check "pkg-config: the header's version" test "$(PKG_CONFIG_PATH="$LIB/pkgconfig" pkg-config --modversion gradmill)" = \
		"$(sed -n 's/^#define GM_VERSION *"\(.*\)"/\1/p' "$P/include/gradmill.h")"
else
	say "skipped: pkg-config is not installed"
fi
if [ -f "$LIB/libgradmill.so" ]; then
	check "by hand: build" cc -I"$P/include" train_autoencoder.c -L"$LIB" -lgradmill -o train_plain
	check "by hand: run" env LD_LIBRARY_PATH="$LIB" ./train_plain
	env LD_LIBRARY_PATH="$LIB" ./train_plain >"$TMP/ours"
	"$BUILD/example_train" >"$TMP/theirs"
	check "the library computes what the build does" cmp "$TMP/ours" "$TMP/theirs"
fi
cd "$SOURCE" || exit 1

# -- the program, its workers (it starts itself), its pages
GM=$P/bin/gradmill
check "program" test "$("$GM" --version)" = "$("$BUILD/gradmill" --version)"
check "check of an installed model" "$GM" check "$P/share/doc/gradmill/examples/seed.gm"
if [ -e /usr/share/datasets/fashion-mnist ] || find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	check "a search" "$GM" search --data fashion-mnist --limit-train 1000 --trials 2 --epochs 1 --db "$TMP/s.db" --quiet
else
	say "skipped: dataset-fashion-mnist is not installed"
fi
if command -v man >/dev/null; then
	check "man" sh -c 'MANPATH="$1/share/man" man gradmill | grep -q "EXIT STATUS"' - "$P"
	check "man -l" sh -c 'man -l "$1/share/man/man1/gradmill.1" | grep -q "EXIT STATUS"' - "$P"
else
	say "skipped: man is not installed"
fi
check "completion" bash -c 'source "$1"; COMP_WORDS=(gradmill sea); COMP_CWORD=1; _gradmill; [ "${COMPREPLY[*]}" = search ]' - \
	"$P/share/bash-completion/completions/gradmill"

exit $failed
