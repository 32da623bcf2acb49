#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A trained model put to use from the command line: every form of output, pictures, exported folders whose README is taken at
# its word, trainings that go on where they stopped. $1: the build folder. Needs the Fashion-MNIST package.
set -u
GM=$(cd "$1" && pwd)/gradmill
PATH=$(dirname "$GM"):$PATH # the README's commands call it gradmill
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
size() { stat -c %s "$1"; }
at() { od -An -t "$2" -j "$3" -N "$4" "$1" | tr -d ' \n'; } # file, od's type, offset, bytes

if ! [ -e /usr/share/datasets/fashion-mnist ] && ! find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	say "skipped: dataset-fashion-mnist is not installed"
	exit 77
fi

cat >"$TMP/m.gm" <<'GM'
gradmill 1
func main(x: f32[B,784]) {
  a = dense<48>(x)
  r = relu a
  z = dense<6>(r)
  w = dense<48>(z)
  b = res_dense2(w)
  o = dense<784>(b)
  y = sigmoid o
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
train() { "$GM" train "$TMP/m.gm" --data fashion-mnist --limit-train 2000 --batch 64 --seed 3 "$@"; }
train --epochs 1 --test --json --save "$TMP/m.st" >"$TMP/m.json" 2>"$TMP/log" || { fail "train"; cat "$TMP/log"; exit 1; }
apply() { "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data fashion-mnist --seed 3 "$@"; }

# -- tables
check "a table on stdout" sh -c '"$@" >"$0"' "$TMP/out.csv" "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data fashion-mnist --rows test
check "its columns" test "$(head -1 "$TMP/out.csv")" = row,z0,z1,z2,z3,z4,z5
check "its rows" test "$(wc -l <"$TMP/out.csv")" = 10001
check "named by their place in the table" test "$(sed -n 2p "$TMP/out.csv" | cut -d, -f1),$(tail -1 "$TMP/out.csv" | cut -d, -f1)" = 60000,69999
check ".csv" apply --rows test -o "$TMP/file.csv" --threads 1
check "the same, with one thread" cmp "$TMP/out.csv" "$TMP/file.csv"
check ".tsv of everything" apply --rows val --output error,latent,reconstruction -o "$TMP/all.tsv"
check "its columns" test "$(head -1 "$TMP/all.tsv" | tr '\t' '\n' | sed -n '1p;2p;7p;8p;791p;792p' | tr '\n' ' ')" = "row z0 z5 y0 y783 error "
check "all rows" apply -o "$TMP/whole.csv"
check "are those of the training file, then of the test file" sh -c 'sed 1d "$1" | tail -10000 | cmp - "$2"' - "$TMP/whole.csv" /dev/stdin <<END
$(sed 1d "$TMP/out.csv")
END
check "all of them" test "$(wc -l <"$TMP/whole.csv")" = 70001
check "training rows" apply --rows train --limit-train 2000 -o "$TMP/train.csv"
check "as many as were trained on" test "$(wc -l <"$TMP/train.csv")" = 2001

# -- arrays
check ".npy" apply --rows test -o "$TMP/z.npy"
check "its size" test "$(size "$TMP/z.npy")" = $((128 + 10000 * 6 * 4))
check "its header" env LC_ALL=C grep -aq "^.NUMPY.*{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 6), } *$" "$TMP/z.npy"
check "its first number is the table's" test "$(at "$TMP/z.npy" fF 128 4)" = "$(printf '%.8g' "$(sed -n 2p "$TMP/out.csv" | cut -d, -f2)")"
check "several arrays" apply --rows test --output latent,error,reconstruction -o "$TMP/some.npy"
check "have names of their own" test "$(cd "$TMP" && ls some*)" = "$(printf 'some.error.npy\nsome.latent.npy\nsome.reconstruction.npy')"
check "the latent is the same" cmp "$TMP/z.npy" "$TMP/some.latent.npy"
check "errors are doubles" test "$(size "$TMP/some.error.npy")" = $((128 + 10000 * 8))
check "reconstructions" test "$(size "$TMP/some.reconstruction.npy")" = $((128 + 10000 * 784 * 4))

# -- the summary
check "json" sh -c '"$@" >"$0"' "$TMP/sum.json" "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data fashion-mnist --rows test --json
check "its mean error is what training said" awk -v a="$(sed 's/.*"mean_error": \([0-9.e-]*\).*/\1/' "$TMP/sum.json")" \
	-v b="$(sed 's/.*"test_loss": \([0-9.e-]*\).*/\1/' "$TMP/m.json")" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-12 * b * b) }'
check "json names the files" sh -c '"$@" | grep -q "\"files\": \[\"$0/e.csv\", \"$0/e.png\"\]"' "$TMP" "$GM" apply "$TMP/m.gm" --weights \
	"$TMP/m.st" --data fashion-mnist --rows val --json --output error -o "$TMP/e.csv" --sheet "$TMP/e.png"

# -- pictures
png() { # file, width, height
	[ "$(at "$1" x1 0 8)" = 89504e470d0a1a0a ] && [ "$(at "$1" x1 16 8)" = "$(printf '%08x%08x' "$2" "$3")" ]
}
check "a sheet, and nothing on stdout" sh -c 'test -z "$("$@" 2>/dev/null)"' - "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data fashion-mnist \
	--rows test --sheet "$TMP/s.png"
check "is a PNG of 8 x 16 pairs" png "$TMP/s.png" 482 466
check "the worst" apply --rows test --sheet "$TMP/w.png" --worst --sheet-rows 2 --sheet-cols 5
check "2 x 5 pairs" png "$TMP/w.png" 152 118
check "the worst are others" sh -c '! cmp -s "$1" "$2"' - "$TMP/s.png" "$TMP/w.png"

# -- refused
for wrong in "--rows some" "--output codes" "-o out.txt" "--worst" "--json --output latent" "--threads 4711" "--sheet s.png --sheet-rows 1001" \
	"--study s"; do
	# shellcheck disable=SC2086 # words
	check "wrong: $wrong" code 64 apply $wrong
done
check "no weights" code 64 "$GM" apply "$TMP/m.gm" --data fashion-mnist
check "no data" code 64 "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st"
check "no model" code 64 "$GM" apply
check "no such model" code 66 "$GM" apply "$TMP/none.gm" --weights "$TMP/m.st" --data fashion-mnist
check "no such weights" code 66 "$GM" apply "$TMP/m.gm" --weights "$TMP/none.st" --data fashion-mnist
check "no such data" code 66 "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data "$TMP/none.idx"
sed 's/48/47/g' "$TMP/m.gm" >"$TMP/other.gm"
check "another model's weights" code 65 "$GM" apply "$TMP/other.gm" --weights "$TMP/m.st" --data fashion-mnist
sed 's/latent=z, //' "$TMP/m.gm" >"$TMP/blind.gm"
check "a model without a latent" code 65 "$GM" apply "$TMP/blind.gm" --weights "$TMP/m.st" --data fashion-mnist
check "it says so" grep -q "no output named 'latent'" "$TMP/said"
check "but with an error" "$GM" apply "$TMP/blind.gm" --weights "$TMP/m.st" --data fashion-mnist --rows val --output error -o "$TMP/blind.csv"
{ printf '\0\0\10\2\0\0\0\50\0\0\0\14' && head -c 480 /usr/share/dict/words 2>/dev/null || yes 0123 | head -c 480; } | head -c 492 >"$TMP/narrow.idx"
check "data of another width" code 65 "$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data "$TMP/narrow.idx"
sed 's/784/12/g' "$TMP/m.gm" >"$TMP/narrow.gm"
check "a narrow model" "$GM" train "$TMP/narrow.gm" --data "$TMP/narrow.idx" --batch 8 --epochs 1 --save "$TMP/narrow.st"
check "rows that are no pictures" code 65 "$GM" apply "$TMP/narrow.gm" --weights "$TMP/narrow.st" --data "$TMP/narrow.idx" --sheet "$TMP/n.png"
check "few rows" "$GM" apply "$TMP/narrow.gm" --weights "$TMP/narrow.st" --data "$TMP/narrow.idx" --rows test -o "$TMP/n.csv"
check "no such folder" code 74 apply -o "$TMP/no/such.csv"
check "no such folder for the sheet" code 74 apply -o "$TMP/never.csv" --sheet "$TMP/no/such.png"
check "nothing is left behind" test -z "$(cd "$TMP" && ls | grep -E 'never|n\.png|\.[0-9]+$')"

# -- interrupted: no half file
"$GM" apply "$TMP/m.gm" --weights "$TMP/m.st" --data fashion-mnist --output reconstruction -o "$TMP/long.csv" >/dev/null 2>&1 &
pid=$!
i=0
until [ -s "$TMP/long.csv.$pid.0" ] || [ $i -ge 300 ]; do
	sleep 0.05
	i=$((i + 1))
done
kill -INT $pid
wait $pid
check "^C ends with 130" test $? -eq 130
check "and leaves nothing" test -z "$(cd "$TMP" && ls | grep long)"

# -- trials, and folders of them
check "a study" "$GM" search --data fashion-mnist --limit-train 2000 --epochs 2 --latent 16 --seed 5 --trials 3 --keep 1 --db "$TMP/s.db" --quiet
check "the best trial" "$GM" apply "$TMP/s.db" best --rows test -o "$TMP/best.csv"
best=$(sqlite3 "$TMP/s.db" 'SELECT number FROM v_best LIMIT 1')
check "by number" "$GM" apply "$TMP/s.db" "$best" --rows test -o "$TMP/number.csv"
check "is the same" cmp "$TMP/best.csv" "$TMP/number.csv"
check "export" "$GM" best "$TMP/s.db" --export "$TMP/folder"
check "is the same" sh -c '"$1" apply "$2/model.gm" --weights "$2/weights.safetensors" --data fashion-mnist --rows test | cmp - "$3"' - "$GM" \
	"$TMP/folder" "$TMP/best.csv"
other=$(sqlite3 "$TMP/s.db" 'SELECT number FROM v_trials WHERE weights_file IS NULL LIMIT 1')
check "weights that were not kept are made again" "$GM" apply "$TMP/s.db" "$other" --rows val -o "$TMP/other.csv"
echo >>"$TMP/s.weights/$(ls "$TMP/s.weights")"
check "and those that are damaged" sh -c '"$@" 2>"$0"' "$TMP/said" "$GM" apply "$TMP/s.db" best --rows test -o "$TMP/again.csv"
check "with a word about it" grep -q 'missing or has other weights' "$TMP/said"
check "to the same bits" cmp "$TMP/best.csv" "$TMP/again.csv"
check "no such trial" code 66 "$GM" apply "$TMP/s.db" 3000
check "no such database" code 66 "$GM" apply "$TMP/none.db" best
check "no such study" code 66 "$GM" apply "$TMP/s.db" best --study none
check "not a trial" code 64 "$GM" apply "$TMP/s.db" first
check "two kinds of weights" code 64 "$GM" apply "$TMP/s.db" best --weights "$TMP/m.st"

grep -q '^    gradmill apply' "$TMP/folder/README.md" || fail "the README has no commands"
sed -n 's/^    \(gradmill .*\)/\1/p' "$TMP/folder/README.md" >"$TMP/commands"
check "the README's commands: six" test "$(wc -l <"$TMP/commands")" = 6
check "the README's commands, as written" sh -ec 'cd "$1" && . "$2"' - "$TMP/folder" "$TMP/commands"
for f in latent.npy reconstruction.npy error.csv sheet.png more.safetensors autoencoder.o autoencoder.h; do
	check "$f" test -s "$TMP/folder/$f"
done
check "the README has the errors" grep -Eq '^\| test rows \| 0\.[0-9]+ \| 0\.[0-9]+ \|$' "$TMP/folder/README.md"
rm -r "$TMP/s.weights"
check "export, with weights made again" "$GM" best "$TMP/s.db" --export "$TMP/folder2"
check "the same" cmp "$TMP/folder/weights.safetensors" "$TMP/folder2/weights.safetensors"
check "export again" "$GM" best "$TMP/s.db" --export "$TMP/folder"
mkdir "$TMP/mine"
echo mine >"$TMP/mine/README.md"
check "a folder of somebody's" code 65 "$GM" best "$TMP/s.db" --export "$TMP/mine"
check "stays as it is" test "$(ls "$TMP/mine")$(cat "$TMP/mine/README.md")" = README.mdmine

# -- trainings that go on
check "four epochs" train --epochs 4 --save "$TMP/four.st" --loss-log "$TMP/four.csv" --test
check "two of them" train --epochs 2 --save-state "$TMP/state.st"
check "two more" train --epochs 4 --resume "$TMP/state.st" --save "$TMP/more.st" --loss-log "$TMP/more.csv" --test
check "are the same" cmp "$TMP/four.st" "$TMP/more.st"
check "losses and all" cmp "$TMP/four.csv" "$TMP/more.csv"
check "the state is of other settings" code 65 train --epochs 4 --lr 0.01 --optimizer sgd --resume "$TMP/state.st"
check "which are named" sh -c 'grep -q -e "--lr: the state was made with 0.001, not with 0.01" "$1" && grep -q -e "--optimizer: .* adam, not with sgd" "$1"' \
	- "$TMP/said"
check "a cosine has its end" code 65 train --epochs 4 --schedule cosine --resume "$TMP/state.st"
check "weights twice" code 64 train --resume "$TMP/state.st" --init "$TMP/m.st"
check "no such state" code 66 train --resume "$TMP/none.st"
check "weights are no state" code 65 train --resume "$TMP/m.st"
check "a state is no place for a slip" code 74 train --save-state "$TMP/no/such.st"

# ^C in the middle of an epoch (of many: whenever it comes, it comes in time)
long="--epochs 2 --limit-train 54000 --batch 8 --seed 3"
check "two long epochs" "$GM" train "$TMP/m.gm" --data fashion-mnist $long --save "$TMP/long.st"
rm -f "$TMP/state.st"
"$GM" train "$TMP/m.gm" --data fashion-mnist $long --save-state "$TMP/state.st" >/dev/null 2>"$TMP/said" &
pid=$!
i=0
until grep -q '^epoch 1 ' "$TMP/said" || [ $i -ge 1500 ]; do # its state has been written
	sleep 0.02
	i=$((i + 1))
done
sleep 0.05
kill -INT $pid
wait $pid
code=$?
if [ $code -eq 0 ]; then
	say "skipped: the machine is too fast to be interrupted"
else
	check "^C ends with 130" test $code -eq 130
	check "and says how to go on" grep -q 'step [0-9]*; --resume .*state.st goes on' "$TMP/said"
	check "in the middle of the second epoch" test "$(sed -n 's/.*after step \([0-9]*\);.*/\1/p' "$TMP/said")" -gt 6750
fi
check "going on" "$GM" train "$TMP/m.gm" --data fashion-mnist $long --resume "$TMP/state.st" --save "$TMP/resumed.st"
check "is the same" cmp "$TMP/long.st" "$TMP/resumed.st"

exit $failed
