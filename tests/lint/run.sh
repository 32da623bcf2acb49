#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Rules that no compiler knows: who may include whom, where foreign libraries live, that every row of a table has its
# files. run.sh BUILD_DIR; prints what breaks a rule, in the form FILE:LINE where there is one.
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: run.sh BUILD_DIR}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
layers='ir runtime compiler search'
sources=$(find $layers examples tests -name '*.[ch]' | LC_ALL=C sort)
own=$(find $layers -name '*.[ch]' | LC_ALL=C sort)

# Reads offending lines; prints them under a heading.
rule() { # heading
	cat >"$tmp/hits"
	[ -s "$tmp/hits" ] || return 0
	echo "== $1"
	cat "$tmp/hits"
	: >"$tmp/failed" # not a variable: a pipe's end is a subshell
}

# ---- layers: ir <- runtime <- compiler <- search -------------------------------------------------------------------

# Interface headers: what other layers may see. cmd.h is for the program's table only.
allowed() { # layer -> pattern of what it may include
	case $1 in
	ir) echo 'ir/' ;;
	runtime) echo 'runtime/|ir/ir\.h|ir/[a-z]*\.def|ir/base/' ;;
	compiler) echo 'compiler/|runtime/(rt|abi)\.h|ir/ir\.h|ir/[a-z]*\.def|ir/base/' ;;
	search) echo 'search/|compiler/(cc|cmd|model_file)\.h|runtime/(rt|abi)\.h|ir/ir\.h|ir/base/' ;;
	esac
}
for layer in $layers; do
	grep -rnE '^#include "' "$layer" --include='*.[ch]' | grep -vE "#include \"($(allowed "$layer"))" |
		rule "$layer/ may not include this"
done
grep -rnE '#include "compiler/llvm/(emit|target)\.h"' compiler --include='*.[ch]' | grep -v '^compiler/llvm/' |
	rule 'these headers are private to compiler/llvm'
grep -rnE '^#include "' search/data --include='*.[ch]' | grep -vE '#include "(search/data|runtime|ir/base)/' |
	rule 'search/data stands below models and training'
grep -rnE '#include "compiler/cmd\.h"' search | grep -v '^search/main.c:' | rule 'compiler/cmd.h is for search/main.c'
grep -nE '^#include ["<](ir|runtime|compiler|search)/' examples/*.c | rule 'examples include <gradmill.h> only'
grep -nE '^#include "|LLVM|sqlite3|[^a-z_](ir|rt|cc)_[a-z]' compiler/api/gradmill.h | rule 'the public header stands on its own'

# ---- foreign libraries have one home each --------------------------------------------------------------------------

home() { # pattern of the include, pattern of the files that may have it
	# shellcheck disable=SC2086 # a list of files
	grep -nE "^ *#include <$1" $own | grep -vE "^($2):" | rule "<$1> belongs in $2"
}
home 'llvm' 'compiler/llvm/[a-z_]*\.[ch]'
home 'sqlite3\.h' 'search/store[a-z_]*\.[ch]'
home 'omp\.h' 'runtime/par\.c'
home 'zlib\.h' 'search/data/file\.c'
home 'zip\.h' 'search/data/npz\.c'
home 'png\.h' '(search/png_write|search/data/png)\.c'
home '(lapacke|cblas)' 'search/learn/[a-z0-9]*\.c'
home 'xxhash\.h' 'ir/base/hash\.c'
home 'Random123' 'runtime/rng\.c'
home 'getopt\.h' 'ir/base/cli\.c'
# shellcheck disable=SC2086
grep -nE '^[[:space:]]*#pragma omp' $own | grep -v '^runtime/par.c:' | rule '#pragma omp belongs in runtime/par.c'

# ---- memory: small memory is ir_xmalloc's, tensors are buffer.c's ----------------------------------------------------

# shellcheck disable=SC2086
grep -nE '(^|[^a-z_])(malloc|calloc|realloc|aligned_alloc|posix_memalign|strdup|strndup|asprintf)\(' $own |
	grep -vE '^(ir/base/[a-z]*\.[ch]|runtime/buffer\.c):' | grep -vE ':[[:space:]]*(/?\*|//)' |
	rule 'allocate by ir_xmalloc, an arena, or rt_tensor_alloc'

# ---- symbols: the prefix is the layer --------------------------------------------------------------------------------

symbols() { # library, prefixes it may define, prefixes it may not need
	lib=$build/lib$1.a
	[ -f "$lib" ] || return 0
	nm -g --defined-only "$lib" 2>/dev/null | awk 'NF == 3 && $2 != "U" { print $3 }' | sort -u >"$tmp/defined"
	grep -vE "^($2)|^_|\.|^DW" "$tmp/defined" | sed "s/^/$1: /" | rule "names in $1 begin with $2"
	[ "$3" ] || return 0
	nm -gu "$lib" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u | grep -E "^($3)" | sed "s/^/$1: /" |
		rule "$1 may not need a higher layer"
}
symbols gm_ir 'ir_|ar_|sb_|shape_' 'rt_|cc_|gm_|se_|le_'
symbols gm_rt 'rt_|ev_|eval_' 'cc_|gm_|se_|le_'
symbols gm_cc 'cc_|gm_|grad_|gd_|em_|emit_' 'se_|le_'
symbols gm_se 'se_|le_' ''

# ---- headers stand alone ---------------------------------------------------------------------------------------------

llvm=$(sed -n 's/^LLVM_DIR:[A-Z]*=//p' "$build/CMakeCache.txt" 2>/dev/null)/../../../include
find $layers -name '*.h' | LC_ALL=C sort |
	xargs -P 4 -I{} sh -c 'gcc -std=gnu17 -fsyntax-only -I. -I"$1/gen" -isystem "$2" -x c "$3" >/dev/null 2>&1 || echo "$3"' \
		sh "$build" "$llvm" {} | sort | rule 'these headers do not compile alone'

# ---- every row has its files -----------------------------------------------------------------------------------------

sed -nE 's/^OP\( *([a-z_]+),.*/\1/p' ir/ops.def | while read -r op; do
	[ -f "tests/golden/op/$op.gm" ] || echo "ir/ops.def: $op needs tests/golden/op/$op.gm"
done | rule 'an op without a golden file'
sed -nE 's/^PASS\( *([a-z_]+),.*/\1/p' compiler/passes.def | while read -r pass; do
	[ "$(find "tests/golden/pass/$pass" -name '*.gm' 2>/dev/null | wc -l)" -ge 3 ] ||
		echo "compiler/passes.def: $pass needs three files in tests/golden/pass/$pass/"
done | rule 'a pass without golden files'
find tests/golden -name '*.gm' -exec sed -nE 's/^#! [0-9]+ ([a-z_]+)$/\1/p' {} + | sort -u >"$tmp/tested"
cat tests/unit/*.c >"$tmp/units"
sed -nE 's/^DIAG\( *([a-z_]+), *IR_(ERROR|WARNING),.*/\1/p' ir/base/diag.def | while read -r id; do
	grep -qx "$id" "$tmp/tested" || grep -qw "$id" "$tmp/units" || echo "ir/base/diag.def: no test names $id"
done | rule 'a message without a test'
if [ -x "$build/gradmill" ]; then
	sed -n '/^<!-- ops -->$/,/^<!-- end of ops -->$/p' ir/README.md | sed '1d;$d' >"$tmp/have"
	"$build/gradmill" ops --md | diff "$tmp/have" - | rule "ir/README.md differs from 'gradmill ops --md'"
fi

# ---- form --------------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086
wc -l $sources | awk '$1 > 700 && $2 != "total" { print $2 ": " $1 " lines" }' | rule 'a file has at most 700 lines'
# shellcheck disable=SC2086
grep -L 'SPDX-License-Identifier: Apache-2.0' $sources $(find tests -name '*.sh') | rule 'no SPDX line'
# shellcheck disable=SC2086
grep -nE '(^|[^a-z])/(work|home|root)/' $sources $(find . -name '*.md' -o -name '*.sh' -o -name '*.gm' -o -name CMakeLists.txt |
	grep -v '^./tests/lint/') | rule 'a path of one machine'

[ ! -e "$tmp/failed" ] && echo 'lint: nothing to say'
