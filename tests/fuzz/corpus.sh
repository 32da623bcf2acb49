# SPDX-License-Identifier: Apache-2.0
# Sourced by run.sh and fuzz.sh, in the root of the sources: where inputs come from.

fuzz_targets() { # names without fuzz_
	find tests/fuzz -name 'fuzz_*.c' | sed 's/.*fuzz_//; s/\.c$//' | LC_ALL=C sort
}

fuzz_corpus() { # target -> the folder of its first inputs
	case $1 in
	parse | print | step) echo ir ;;
	*) echo "$1" ;;
	esac
}

# Every text of the golden tests without what is expected of it, the library, the examples; files of every format; and what was
# found so far, crashes/CORPUS-WHAT.
make_corpora() { # build folder, where to
	mkdir -p "$2/ir"
	find tests/golden examples tests/bench ir/stdlib.gm -name '*.gm' | LC_ALL=C sort | while read -r f; do
		awk '/^#[=!?]/ { exit } { print }' "$f" >"$2/ir/$(echo "$f" | tr / -)"
	done
	"$1/tests/fuzz/fuzz_seeds" "$2"
	"$1/tests/test_malformed" "$2/malformed" >/dev/null
	for f in "$2"/malformed/*/*; do
		folder=$(basename "$(dirname "$f")")
		mv "$f" "$2/${folder%-*}/bad${folder##*-}"
	done
	rm -r "$2/malformed"
	for f in tests/fuzz/crashes/*; do
		corpus=${f##*/}
		cp "$f" "$2/${corpus%%-*}/"
	done
}

words() { # macro, table: the first column, as a dictionary
	sed -nE "s/^$1\( *([a-zA-Z_0-9]+),.*/\"\1\"/p" "$2"
}

make_dictionary() { # target; on stdout
	case $(fuzz_corpus "$1") in
	ir)
		words OP ir/ops.def
		words ATTR ir/attr.def | sed 's/"$/="/'
		words CMP ir/cmp.def
		words INIT ir/init.def
		sed -nE 's/^DTYPE\([^"]*("[a-z0-9]+").*/\1/p' ir/dtype.def
		sed -nE 's/^func ([a-z_0-9]+).*/"\1"/p' ir/stdlib.gm
		cat tests/fuzz/ir.dict
		;;
	*) cat "tests/fuzz/$1.dict" 2>/dev/null || : ;;
	esac
}
