#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trains a small autoencoder, compiles its encoder and decoder ahead of time with their weights, and links them into
# embed_encoder.c, which needs nothing else. Works in build/embed; the program is $1 (build/gradmill).
set -eu
program=$(realpath "${1:-build/gradmill}")
cd "$(dirname "$0")/.."
mkdir -p build/embed
"$program" train examples/seed.gm --data fashion-mnist --epochs 2 --limit-train 10000 --seed 1 --save build/embed/w.safetensors
"$program" compile examples/seed.gm --emit=obj,header --func encode,decode --weights build/embed/w.safetensors --batch 1 \
	--threads 1 --target x86-64-v3 -o build/embed/encoder
cc -O2 -Wall -Ibuild/embed examples/embed_encoder.c build/embed/encoder.o -o build/embed/embed_encoder
ls -l build/embed/embed_encoder
build/embed/embed_encoder
