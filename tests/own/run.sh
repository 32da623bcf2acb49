#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Files of the user's: a model sees the rows it is applied to as it saw those it was trained on - the same file, the same columns
# by name, gaps only where somebody asked for them - or it says why not. $1: the build folder.
set -u
GM=$(cd "$1" && pwd)/gradmill
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
said() { grep -q -e "$1" "$TMP/said"; }
refused() { # exit code, what is said, command ..
	want=$1 words=$2; shift 2
	check "refused: $words" code "$want" "$@"
	said "$words" || { fail "it said:"; cat "$TMP/said"; }
}

# id, three columns of their own scales, a class; every 50th row lacks the second
awk 'BEGIN {
	srand(3)
	print "id,temperature,pressure,volume,phase"
	for (i = 0; i < 300; i++) {
		t = 250 + 80 * rand(); v = 1 + 4 * rand()
		printf "%d,%.2f,%s,%.3f,%s\n", i, t, i % 50 ? sprintf("%.1f", 8.314 * t / v) : "", v, (t < 290 ? "cold" : "warm")
	}
}' >"$TMP/gas.csv"
cut -d, -f2-4 "$TMP/gas.csv" | sed 's/,,/,400,/' >"$TMP/full.csv"

# -- a trial's own rows
search() { "$GM" search --labels phase --drop id --latent 2 --epochs 2 --trials 2 --quiet "$@"; }
check "a study" search --data "$TMP/gas.csv" --missing mean --db "$TMP/gas.db"
check "leaves no journal" test ! -e "$TMP/gas.db-journal"
check "its best trial, on its own rows" "$GM" apply "$TMP/gas.db" best --output reconstruction,error,label -o "$TMP/own.csv"
check "columns have their names" test "$(head -1 "$TMP/own.csv")" = row,temperature,pressure,volume,error,label
check "only one class" "$GM" apply "$TMP/gas.db" best --only cold --output label -o "$TMP/cold.csv"
check "is that class" test "$(sed 1d "$TMP/cold.csv" | cut -d, -f2 | sort -u)" = cold
check "all of it" test "$(wc -l <"$TMP/cold.csv")" = "$(grep -c -e cold -e phase "$TMP/gas.csv")"
for option in "--split 80/10/10" "--labels phase" "--drop id" "--missing mean" "--scale none" "--val $TMP/full.csv" "--seed 1" "--limit-train 9"; do
	# shellcheck disable=SC2086 # words
	refused 64 "^gradmill apply: ${option%% *} is for rows that --data names" "$GM" apply "$TMP/gas.db" best $option
done
check "a study without labels" "$GM" search --data "$TMP/full.csv" --latent 2 --epochs 2 --trials 1 --quiet --db "$TMP/full.db"
refused 65 "has no labels: --labels says where they are" "$GM" apply "$TMP/full.db" best --only cold
cp "$TMP/gas.csv" "$TMP/before.csv"
sed -i '7s/^5,[0-9.]*/5,999/' "$TMP/gas.csv"
refused 65 "gas.csv: the data have changed since the study began (gradmill apply --data" "$GM" apply "$TMP/gas.db" best
refused 65 "gas.csv: the data have changed" "$GM" search --db "$TMP/gas.db" --trials 3
refused 65 "gas.csv: the data have changed" "$GM" replay "$TMP/gas.db" 0
check "the report stays away from them" "$GM" report "$TMP/gas.db" -o "$TMP/r.html"
check "and says so" grep -q "the data have changed since the study began" "$TMP/r.html"
check "named, they are rows like any others" "$GM" apply "$TMP/gas.db" best --data "$TMP/gas.csv" --output error -o "$TMP/other.csv"
cp "$TMP/before.csv" "$TMP/gas.csv"
check "as they were" "$GM" apply "$TMP/gas.db" best --output error -o "$TMP/again.csv"
check "all but the one" test "$(diff "$TMP/again.csv" "$TMP/other.csv" | grep -c '^<')" = 1

# -- columns by name
apply() { "$GM" apply "$TMP/gas.db" best "$@"; }
check "the columns of the model only" apply --data "$TMP/full.csv" --output latent -o "$TMP/a.csv"
awk -F, -v OFS=, '{ print $3, $1, $2 }' "$TMP/full.csv" >"$TMP/moved.csv"
check "in another order" apply --data "$TMP/moved.csv" --output latent -o "$TMP/b.csv"
check "are the same rows" cmp "$TMP/a.csv" "$TMP/b.csv"
sed 1d "$TMP/full.csv" >"$TMP/bare.csv"
check "without names, by their places" apply --data "$TMP/bare.csv" --output latent -o "$TMP/b.csv"
check "are the same rows" cmp "$TMP/a.csv" "$TMP/b.csv"
check "and have the model's names" apply --data "$TMP/bare.csv" --output reconstruction -o "$TMP/b.tsv"
check "in the title" test "$(head -1 "$TMP/b.tsv" | tr '\t' ,)" = row,temperature,pressure,volume
sed 1s/volume/Volume/ "$TMP/full.csv" >"$TMP/renamed.csv"
refused 65 "no column 'volume', which is one of the model's; column 'Volume' is none" apply --data "$TMP/renamed.csv"
sed 's/,.*/&,7/; 1s/7$/more/' "$TMP/full.csv" >"$TMP/more.csv"
refused 65 "column 'more' is none of the model's: --drop leaves it out" apply --data "$TMP/more.csv"
check "left out" apply --data "$TMP/more.csv" --drop more --output latent -o "$TMP/b.csv"
check "it is the same" cmp "$TMP/a.csv" "$TMP/b.csv"
cut -d, -f1,2 "$TMP/full.csv" >"$TMP/less.csv"
refused 65 "no column 'volume'" apply --data "$TMP/less.csv"
refused 65 "no column 'volume', which is one of those of --data" "$GM" search --data "$TMP/full.csv" --test-data "$TMP/renamed.csv" --db "$TMP/no.db" --trials 1
cat >"$TMP/m.gm" <<'GM'
gradmill 1
func main(x: f32[B,3]) {
  z = dense<2>(x)
  y = dense<3>(z)
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
train() { "$GM" train "$TMP/m.gm" --epochs 1 --batch 32 --json "$@"; }
check "test rows" train --data "$TMP/full.csv" --test-data "$TMP/full.csv" --test --save "$TMP/w.st"
cp "$TMP/log" "$TMP/one.json"
check "in another order" train --data "$TMP/full.csv" --test-data "$TMP/moved.csv" --test --save "$TMP/v.st"
check "are the same" test "$(grep -o '"test_loss": [^,]*' "$TMP/one.json")" = "$(grep -o '"test_loss": [^,]*' "$TMP/log")"
check "weights too" cmp "$TMP/w.st" "$TMP/v.st"
use() { "$GM" apply "$TMP/m.gm" --weights "$TMP/w.st" "$@"; }
check "a model and its weights" use --data "$TMP/full.csv" -o "$TMP/c.csv"
check "in another order" use --data "$TMP/moved.csv" -o "$TMP/d.csv"
check "the same" cmp "$TMP/c.csv" "$TMP/d.csv"
refused 65 "column 'id' is none of the model's" use --data "$TMP/gas.csv" --drop phase
check "a file without names, then one with" use --data "$TMP/bare.csv" --test-data "$TMP/moved.csv" -o "$TMP/two.csv"
check "each by its own" sh -c 'sed "1d; 301q" "$1" | cut -d, -f2- >"$1.a"; sed 1,301d "$1" | cut -d, -f2- | cmp - "$1.a"' - "$TMP/two.csv"
sed '4s/,[^,]*$/,/' "$TMP/full.csv" >"$TMP/late.csv"
refused 65 "late.csv: row 3, column 3 volume: a missing value" use --data "$TMP/full.csv" --test-data "$TMP/late.csv"

# -- in C
check "an object of standardised rows" "$GM" compile "$TMP/m.gm" --emit=obj,header --func encode --weights "$TMP/w.st" --batch 1 -o "$TMP/enc"
check "its header says so" grep -q "Rows of the input and of the reconstruction are standardised" "$TMP/enc.h"
check "and is C" cc -std=c11 -Wall -Werror -fsyntax-only -x c "$TMP/enc.h"

# -- nothing to compress, nothing to train on
check "a latent as wide as the rows" code 0 search --data "$TMP/gas.csv" --missing mean --latent 3 --db "$TMP/wide.db"
check "is warned about" said "warning: the latent has 3 elements, a row 3"
check "none of the space's own" test -z "$("$GM" search --data "$TMP/full.csv" --db "$TMP/own.db" --epochs 1 --trials 6 --quiet 2>&1 | grep latent.has)"
check "is narrower" test "$(sqlite3 "$TMP/own.db" 'SELECT max(latent) FROM v_trials')" -lt 3
sed 's/dense<2>/dense<4>/' "$TMP/m.gm" >"$TMP/wide.gm"
check "in a model" code 0 "$GM" train "$TMP/wide.gm" --data "$TMP/full.csv" --epochs 1 --batch 32
check "too, with its place" said "wide.gm:3:.*warning: the latent has 4 elements, a row 3"
refused 65 "a batch of 4611686018427387904 rows does not fit" train --data "$TMP/full.csv" --batch 4611686018427387904

# -- labels
cut -d, -f5 "$TMP/gas.csv" | sed 1d >"$TMP/labels.txt"
head -40 "$TMP/full.csv" >"$TMP/val.csv"
check "labels of the rows of --data only" "$GM" search --data "$TMP/full.csv" --labels "$TMP/labels.txt" --val "$TMP/val.csv" --latent 2 \
	--epochs 2 --trials 1 --quiet --db "$TMP/val.db"
check "a report of validation rows" "$GM" report "$TMP/val.db" -o "$TMP/val.html"
check "shows them by their errors" grep -q 'class="map q4" d="M' "$TMP/val.html"
sed 's/^\([0-9]*\),\([0-9.]*\),,/\1,\2,400,/' "$TMP/gas.csv" >"$TMP/whole.csv"
check "labels of the first file only" apply --data "$TMP/whole.csv" --test-data "$TMP/full.csv" --output label -o "$TMP/lab.csv"
check "600 rows" test "$(sed 1d "$TMP/lab.csv" | wc -l)" = 600
check "half of them without" test "$(sed 1d "$TMP/lab.csv" | tail -300 | cut -d, -f2 | sort -u | wc -l)" = 1
check "labels of the second file only" apply --data "$TMP/full.csv" --test-data "$TMP/whole.csv" --output label -o "$TMP/lab2.csv"
check "the other half" sh -c 'sed 1d "$1" | tail -300 | cut -d, -f2 >"$1.a"; sed "1d; 301q" "$2" | cut -d, -f2 | cmp - "$1.a"' - "$TMP/lab2.csv" "$TMP/lab.csv"
check "none in the first" test "$(sed '1d; 301q' "$TMP/lab2.csv" | cut -d, -f2 | sort -u | wc -l)" = 1
refused 65 "error: --only: the rows have no labels" sh -c '"$1" apply "$2/gas.db" best --data "$2/full.csv" --only cold' - "$GM" "$TMP"
check "a file with the name of a column" cp "$TMP/labels.txt" "$TMP/phase"
check "the column has it" sh -c 'cd "$1" && "$2" train m.gm --data gas.csv --labels phase --drop id --missing mean --epochs 1 --batch 32' - "$TMP" "$GM"
refused 65 "column 5 (phase): .* is not a number" sh -c 'cd "$1" && "$2" train m.gm --data gas.csv --labels ./phase --drop id' - "$TMP" "$GM"

# -- options that are wrong whatever the data are
for wrong in "--split 80" "--split 80/20" "--missing median" "--scale minmax" "--only cold"; do
	# shellcheck disable=SC2086 # words
	refused 64 "error: ${wrong%% *}:" train --data "$TMP/full.csv" $wrong
	# shellcheck disable=SC2086
	refused 64 "error: ${wrong%% *}:" "$GM" search --data "$TMP/full.csv" --db "$TMP/never.db" $wrong
	# shellcheck disable=SC2086
	refused 64 "error: ${wrong%% *}:" use --data "$TMP/full.csv" $wrong
done
refused 64 "error: --missing:" apply --data "$TMP/full.csv" --missing median
check "the study has the labels" apply --data "$TMP/gas.csv" --only cold --output label -o "$TMP/cold.csv"
check "nothing was made" test ! -e "$TMP/never.db"

# -- gaps
printf 'temperature,pressure,volume\n300,,2\n' >"$TMP/gap.csv"
refused 65 "row 1, column 2 pressure: a missing value; --missing mean" use --data "$TMP/gap.csv"
check "if they are asked for" use --data "$TMP/gap.csv" --missing mean --output reconstruction -o "$TMP/gap_out.csv"
check "as they were in training" apply --data "$TMP/gap.csv" -o "$TMP/gap_out.csv"
refused 65 "a missing value" apply --data "$TMP/gap.csv" --missing refuse
check "without scaling" train --data "$TMP/gas.csv" --drop id,phase --missing mean --scale none --lr 1e-6 --save "$TMP/u.st"
check "the means are kept" "$GM" apply "$TMP/m.gm" --weights "$TMP/u.st" --data "$TMP/gap.csv" --output error -o "$TMP/gap_out.csv"
check "an object of rows as they are" "$GM" compile "$TMP/m.gm" --emit=header --func encode --weights "$TMP/u.st" --batch 1 -o "$TMP/raw"
check "says nothing of the sort" sh -c '! grep -q standardised "$1"' - "$TMP/raw.h"
check "without means" train --data "$TMP/full.csv" --scale none --lr 1e-6 --save "$TMP/u.st"
refused 65 "know no means" "$GM" apply "$TMP/m.gm" --weights "$TMP/u.st" --data "$TMP/gap.csv" --missing mean
refused 65 "the model was trained with 'none'" "$GM" apply "$TMP/m.gm" --weights "$TMP/u.st" --data "$TMP/full.csv" --scale standard
check "the same scaling" "$GM" apply "$TMP/m.gm" --weights "$TMP/u.st" --data "$TMP/full.csv" --scale none -o "$TMP/e.csv"

# -- what is read is not written over
cd "$TMP" || exit 1
ln -s full.csv link.csv
ln full.csv hard.csv
mkdir pictures
check "pictures" "$GM" apply full.db best --data full.csv --output latent -o codes.csv
sums() { find . -path ./cache -prune -o -type f ! -name said ! -name log -exec sha256sum {} + | sort; }
before=$(sums)
kept() { # what is said, command ..
	refused 64 "$@"
	check "nothing has changed" test "$(sums)" = "$before"
}
kept "^gradmill apply: -o would write over full.csv, which is read (--data)" use --data full.csv -o full.csv
kept "over link.csv" use --data full.csv -o link.csv
kept "over ./hard.csv" use --data full.csv -o ./hard.csv
kept "over bare.csv, which is read (--test-data)" use --data full.csv --test-data bare.csv -o bare.csv
kept "over gas.csv, which is read (--labels)" use --data full.csv --labels gas.csv -o gas.csv
kept "sheet would write over w.st, which is read (--weights)" use --data full.csv --weights w.st --sheet w.st
kept "sheet would write over m.gm, which is read (MODEL.gm)" use --data full.csv --sheet m.gm
kept "sheet would write over gas.db, which is read (DB)" "$GM" apply gas.db best --sheet gas.db
kept "over .*gas.csv, which is read (--data)" "$GM" apply gas.db best -o gas.csv
kept "which is read (the trial's weights)" "$GM" apply gas.db best --sheet "$(echo gas.weights/*)"
kept "^gradmill report: -o would write over gas.db, which is read (DB)" "$GM" report gas.db -o gas.db
kept "over gas.csv, which is read (--data)" "$GM" report gas.db -o gas.csv
kept "^gradmill train: --save would write over full.csv" train --data full.csv --save full.csv
kept "save-state would write over m.gm" train --data full.csv --save-state m.gm
kept "loss-log would write over w.st, which is read (--init)" train --data full.csv --init w.st --loss-log w.st
kept "save and --save-state name one file" train --data full.csv --save x.st --save-state x.st
kept "save and --save-state name one file" train --data full.csv --save x.st --save-state ./x.st
check "weights may be those that training makes of them" train --data full.csv --init w.st --save w.st
check "a state may be a later one" train --data full.csv --save-state s.st
refused 65 "schedule: the state was made with constant, not with cosine" train --data full.csv --resume s.st --schedule cosine
check "and nothing else" test "$(grep -c error "$TMP/said")" = 1
check "in its place" train --data full.csv --epochs 2 --save-state s.st --resume s.st
printf '\211PNG\r\n\032\n' >pictures/a.png
refused 64 "over pictures/a.png, which is read (--data)" use --data pictures --sheet pictures/a.png
touch pictures/codes.csv
refused 65 "a.png" use --data pictures -o pictures/codes.csv # it is no picture; the one that there is cannot be read

exit $failed
