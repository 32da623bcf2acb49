#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing: run by itself, those of a build; examples/quickstart.sh and tests/run.sh
# read it for need PACKAGE..., which asks for root only when something is missing.
need() {
	missing=
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
	done
	[ -z "$missing" ] && return 0
	echo "installing:$missing" >&2
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	if $sudo apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >&2; then
		return 0
	fi
	echo "could not install:$missing" >&2
	return 1
}

BUILD_PACKAGES="gcc libc6-dev cmake ninja-build llvm-19-dev clang-19 libomp-19-dev libsqlite3-dev sqlite3 librandom123-dev
	libxxhash-dev libjansson-dev zlib1g-dev libzip-dev libpng-dev liblapacke-dev libopenblas0-serial dataset-fashion-mnist pkgconf"
TEST_PACKAGES="libcmocka-dev binutils mandoc libclang-rt-19-dev chromium"

case $0 in
*setup.sh) need $BUILD_PACKAGES ;;
esac
