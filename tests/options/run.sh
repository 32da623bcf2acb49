#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What each command says to options and operands that it cannot take, and the options that no other suite uses: exit code,
# and a word of the answer or message ('': there may be none). $1: the build folder.
set -u
GM=$(cd "$1" && pwd)/gradmill
SOURCE=$(pwd)
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0
ran=0
cd "$TMP" || exit 1
cp "$SOURCE"/examples/*.gm .

says() { # exit code, pattern of the answer or message, arguments of gradmill ..
	code=$1 pattern=$2
	shift 2
	"$GM" "$@" >said 2>&1 </dev/null
	got=$?
	ran=$((ran + 1))
	[ $got -eq "$code" ] && { [ -z "$pattern" ] || grep -qE -e "$pattern" said; } && return
	printf 'FAIL: gradmill %s: exit %d, wanted %d and "%s"\n' "$*" $got "$code" "$pattern"
	head -3 said
	failed=1
}

# 600 rows of 784 bytes, as IDX, made of what everybody has
{ printf '\0\0\10\2\0\0\2\130\0\0\3\20'; awk 'BEGIN { for (i = 0; i < 600 * 784; i++) printf "%c", 32 + (i * i + i % 784) % 90 }'; } >rows.idx
cat >step.gm <<'GM'
gradmill 1
func main(x: f32[B,8]) {
  y = dense<8>(x)
  loss = mse(y, x)
  return loss
}
func plain(x: f32[4]) -> f32[4] {
  y = exp x
  return y
}
GM

# -- check
says 0 'threads +ok' check step.gm
says 0 '"ok": true, "batch": 3' check step.gm --batch 3 --json
says 0 plain check step.gm --func plain
says 65 nosuch check step.gm --func nosuch
says 64 threads check step.gm --threads 1
says 64 threads check step.gm --threads 100000
says 66 'none\.gm' check none.gm
says 65 'unexpected character' check rows.idx

# -- opt
says 0 simplify opt -p help
says 64 'unknown pass' opt step.gm -p nosuch
says 0 exp opt step.gm --func plain
says 65 nosuch opt step.gm --func nosuch
says 64 'unknown pass' opt step.gm -p cse --dump-after nosuch
says 64 'unknown pass' opt step.gm -p cse --stop-after nosuch
says 0 'after cse|cse' opt step.gm --batch 4 -p cse,dce --dump-after all
says 0 grad opt step.gm --batch 4 -p default --dump-changed
says 0 func opt step.gm --batch 4 -p simplify,fold,cse,dce --time-passes
says 64 precision opt step.gm --precision f16

# -- compile
says 64 emit compile step.gm --emit=
says 64 'emit takes' compile step.gm --emit=exe
says 64 optimizer compile step.gm --optimizer rmsprop
says 64 precision compile step.gm --precision f16
says 64 threads compile step.gm --threads 100000
says 64 'need -o' compile step.gm --emit=obj
says 64 'do not go together' compile step.gm --emit=obj,ir -o o
says 64 'is for --emit=obj' compile step.gm --weights w.safetensors
says 65 nosuch compile step.gm --func nosuch
says 0 'd_x|grad' compile step.gm --emit=grad --batch 4
says 0 'dy0|grad' compile step.gm --emit=grad --func plain
says 0 func compile step.gm --emit=ir,plan,llvm,asm --func eval --batch 4
says 0 '' compile step.gm --emit=obj,header --func plain -o plain.o
says 0 '' compile step.gm --emit=header --func plain -o only
says 66 'none' compile step.gm --emit=obj --func eval --weights none.safetensors -o o
says 74 'no/such' compile step.gm --emit=ir -o no/such/file
[ -s plain.o ] && [ -s plain.h ] && [ -s only.h ] || { echo "FAIL: objects and headers"; failed=1; }

# -- bench
says 64 precision bench step.gm --precision f16
says 64 'f32 or bf16' bench step.gm --precision f64
says 64 threads bench step.gm --threads 100000
says 0 '"precision": "bf16"|step_ms' bench step.gm --batch 8 --seconds 0.1 --precision bf16 --json

# -- train
says 64 'data' train seed.gm
says 64 precision train seed.gm --data rows.idx --precision f16
says 64 schedule train seed.gm --data rows.idx --schedule linear
says 64 optimizer train seed.gm --data rows.idx --optimizer rmsprop
says 66 none train seed.gm --data none.idx
says 66 none train seed.gm --data rows.idx --init none.safetensors
says 66 'none\.gm' train none.gm --data rows.idx
says 65 . train step.gm --data rows.idx
says 74 . train seed.gm --data rows.idx --epochs 1 --save no/such/w.safetensors
says 74 . train seed.gm --data rows.idx --epochs 1 --save .
says 0 '"train_loss": 0\.[0-9]+.*"val_loss": 0\.' train seed.gm --data rows.idx --epochs 2 --json --loss-log loss.csv --save w.safetensors \
	--save-grads g.safetensors
[ "$(head -1 loss.csv)" = step,loss ] && [ "$(wc -l <loss.csv)" -ge 5 ] && [ -s g.safetensors ] || { echo "FAIL: the log"; failed=1; }
says 0 'train loss +0' train seed.gm --data rows.idx --epochs 1 --no-shuffle --init w.safetensors --optimizer sgd --momentum 0.9
says 0 'steps +3' train seed.gm --data rows.idx --max-steps 3 --optimizer adamw --weight-decay 0.01 --clip-norm 1 --schedule cosine
says 0 'test loss +0' train seed.gm --data rows.idx --epochs 1 --precision f64 --test
says 65 'finite|NaN' train seed.gm --data rows.idx --optimizer sgd --lr 1e30

# -- the history
says 0 'finished' search --data rows.idx --models seed.gm deep.gm --epochs 1 --db s.db --quiet
says 0 'study' best s.db
says 74 . best s.db --export s.db/x
says 66 nosuch best s.db --study nosuch
says 66 nosuch trials s.db --study nosuch
says 0 'func main' best s.db --ir --export d
says 64 . show s.db x
says 0 '"number": 1' show s.db 1 --json
says 0 'func main' show s.db 1 --ir
says 0 '"rows"' trials s.db --json --limit 1
says 64 . replay s.db x
says 0 '"same": true' replay s.db 0 --json --check-nan
says 65 'SQL:1:8: error' query s.db 'SELECT nothing'
says 0 '"columns"' query s.db 'SELECT 1 AS one' --json
says 69 . best rows.idx
says 0 '"driven": false' status s.db --json

[ $failed -eq 0 ] && echo "ok: $ran commands"
exit $failed
