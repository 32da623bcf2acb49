#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile --emit=obj,header as a user meets it: the example links against libc alone and runs; what cannot be done is refused.
set -eu
g=$1/gradmill
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "embed: $*" >&2; exit 1; }
expect() { # exit code, text that stderr must have, command...
	want=$1 text=$2 code=0
	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err" || code=$?
	[ "$code" = "$want" ] || fail "$*: exit code $code, not $want: $(cat "$tmp/err")"
	[ -z "$text" ] || grep -q -- "$text" "$tmp/err" || fail "$*: no '$text' in: $(cat "$tmp/err")"
}

if [ -f /usr/share/dataset/fashion-mnist/train-images-idx3-ubyte.gz ] || dpkg -s dataset-fashion-mnist >/dev/null 2>&1; then
	sh examples/embed_encoder.sh "$g" >"$tmp/out" 2>&1 || fail "$(cat "$tmp/out")"
	grep -q 'mean squared error of the reconstruction: 0\.[0-2]' "$tmp/out" || fail "$(cat "$tmp/out")"
	[ "$(ldd build/embed/embed_encoder | grep -c '=>')" = 1 ] || fail "$(ldd build/embed/embed_encoder)"
fi
expect 64 'need -o' "$g" compile examples/seed.gm --emit=obj
expect 64 'do not go together' "$g" compile examples/seed.gm --emit=ir,obj -o "$tmp/m"
expect 64 'is for --emit=obj' "$g" compile examples/seed.gm --emit=ir --weights "$tmp/w"
expect 66 'w.safetensors' "$g" compile examples/seed.gm --emit=obj --weights "$tmp/w.safetensors" -o "$tmp/m"
expect 65 'unknown target' "$g" compile examples/seed.gm --emit=obj --target z80 -o "$tmp/m"
expect 65 "no function 'nothing'" "$g" compile examples/seed.gm --emit=obj --func encode,nothing -o "$tmp/m"
expect 0 '' "$g" train examples/deep.gm --data fashion-mnist --epochs 1 --limit-train 200 --save "$tmp/other.safetensors"
expect 65 'among the weights\|the weights' "$g" compile examples/seed.gm --emit=obj --weights "$tmp/other.safetensors" -o "$tmp/m"
[ ! -e "$tmp/m.o" ] && [ ! -e "$tmp/m" ] || fail "a refused export left a file"
expect 0 '' "$g" compile examples/seed.gm --emit=header --func step --batch 32 -o "$tmp/m.h"
grep -q 'void m_step(const m_weights \*weights, const m_states \*states, const float \*x' "$tmp/m.h" || fail "$(cat "$tmp/m.h")"
expect 0 '' "$g" compile examples/seed.gm --emit=obj,header --func step,eval,encode --target x86-64-v4 --threads 2 -o "$tmp/m"
[ -s "$tmp/m.o" ] || fail 'no object for a target that need not run here'
