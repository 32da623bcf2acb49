#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds a release in build/, searches dense residual autoencoders on Fashion-MNIST for three
# minutes (--time in $1 changes that), and shows what one can do with the result.
set -eu
cd "$(dirname "$0")/.."
. examples/setup.sh
need $BUILD_PACKAGES
cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DGM_TESTS=OFF >/dev/null
cmake --build build

db=build/quickstart.db
rm -f "$db"
echo "== three minutes of search (Ctrl-C ends early) =="
trap : INT # Ctrl-C reaches this shell too: only the search should end
build/gradmill search --data fashion-mnist --db "$db" --latent 32 --time "${1:-3m}" --seed 1 --sampler evolution || [ $? -eq 130 ]
trap - INT

echo
echo "== leader board; pca_value is what a PCA of the same latent size reaches =="
build/gradmill best "$db"
build/gradmill trials "$db" --best --limit 10
echo
echo "== the best model =="
build/gradmill best "$db" --ir
echo
echo "== three questions in SQL (examples/queries.sql) =="
awk -v RS=';' '{ gsub(/--[^\n]*/, ""); gsub(/[ \t\n]+/, " "); sub(/^ /, "") } $0 != "" && n++ < 3' examples/queries.sql |
while read -r q; do
	echo "> $q"
	build/gradmill query "$db" "$q"
	echo
done
