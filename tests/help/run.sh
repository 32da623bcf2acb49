#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Overview, manual page, completion scripts and topics: made from the tables, readable by those who read them, and every
# command in them one that the program takes. $1: the build folder.
set -u
GM=$(cd "$1" && pwd)/gradmill
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
failed=0

. tests/suite.sh
have() { command -v "$1" >/dev/null || { say "skipped: $1 is not installed"; return 1; }; }

# -- the overview, and names that nobody knows
"$GM" help >"$TMP/overview" || fail "help"
check "--help is the same" sh -c '"$1" --help | cmp - "$2"' - "$GM" "$TMP/overview"
check "no argument: the same, exit 64" sh -c '"$1" 2>"$3"; [ $? -eq 64 ] && cmp "$3" "$2"' - "$GM" "$TMP/overview" "$TMP/err"
check "the hidden command is hidden" sh -c '! grep -q worker "$1"' - "$TMP/overview"
check "a typo" sh -c '"$1" help envronment 2>&1 | grep -q "did you mean .environment"' - "$GM"
check "no such page: exit 64" sh -c '"$1" help zzzzzzz 2>"$2"; [ $? -eq 64 ]' - "$GM" "$TMP/err"
commands=$(awk '/^usage/ { next } /^$/ { if (seen++) exit; next } { print $1 }' "$TMP/overview")
topics=$(sed -n 's/^TOPIC( *\([a-z]*\),.*/\1/p' search/topics.def)
[ "$(printf '%s\n' $commands | wc -l)" -ge 15 ] || fail "commands: $commands"
for name in $commands $topics; do
	"$GM" help "$name" >"$TMP/page" 2>&1 && [ -s "$TMP/page" ] || fail "help $name"
done
for file in search/help/*.txt; do
	grep -q "^TOPIC( $(basename "$file" .txt)," search/topics.def || fail "$file has no row in search/topics.def"
	awk -v file="$file" 'length > 79 { print file ":" NR ": more than 79 columns"; bad = 1 } /\t/ { print file ":" NR ": a tab"; bad = 1 }
		END { exit bad }' "$file" || failed=1
done

# -- what topics say is so: commands have these options, models check, questions run, C compiles
mkdir "$TMP/topics"
cat search/help/*.txt | sed -e ':join' -e '/\\$/ { N; s/\\\n//; b join' -e '}' | sed -n 's/^    \(gradmill .*\)/\1/p' >"$TMP/lines"
[ "$(grep -c . "$TMP/lines")" -ge 20 ] || fail "commands in topics: $(wc -l <"$TMP/lines")"
while read -r line; do
	[ "$line" = "gradmill 1" ] && continue # a model's first line
	(cd "$TMP/topics" && PATH="$(dirname "$GM"):$PATH" && eval "$line --help") >"$TMP/said" 2>&1 || { fail "$line"; tail -2 "$TMP/said"; }
done <"$TMP/lines"
sed -n '/^    gradmill 1$/,/^[^ ]/ s/^    //p' search/help/ir.txt >"$TMP/topics/model.gm"
check "ir: the model" "$GM" check "$TMP/topics/model.gm"
{
	printf '#include <gradmill.h>\n#include <stdio.h>\nint main(void)\n{\n'
	sed -n '/^    gm_ctx /,/^[^ ]/ s/^    //p' search/help/c.txt
	printf '\treturn !z;\n}\n'
} >"$TMP/topics/short.c"
check "c: the program" cc -Wall -Werror -fsyntax-only -Icompiler/api "$TMP/topics/short.c"
if GRADMILL_CACHE="" "$GM" search --data fashion-mnist --limit-train 600 --trials 3 --epochs 1 --db "$TMP/s.db" --quiet >"$TMP/log" 2>&1; then
	awk '/^    (SELECT|WITH) / { open = 1; q = "" } open { sub(/^ +/, " "); q = q $0 } open && /;$/ { print q; open = 0 }' \
		search/help/sql.txt >"$TMP/questions"
	[ "$(wc -l <"$TMP/questions")" -eq 10 ] || fail "sql: ten questions"
	while read -r question; do
		"$GM" query "$TMP/s.db" "$question" >"$TMP/said" 2>&1 || { fail "sql: $question"; cat "$TMP/said"; }
	done <"$TMP/questions"
else
	say "skipped: questions in SQL: $(tail -1 "$TMP/log")"
fi

# -- the manual page
"$GM" help --man >"$TMP/gradmill.1" || fail "help --man"
for name in $commands; do
	grep -q "^\.SS \"gradmill $name" "$TMP/gradmill.1" || fail "manual: no section about $name"
done
for heading in 'EXIT STATUS' ENVIRONMENT FILES; do
	grep -q "^\.SH \"$heading\"" "$TMP/gradmill.1" || fail "manual: no section $heading"
done
have mandoc && check "manual: mandoc has nothing to say" sh -c 'out=$(mandoc -T lint "$1"); echo "$out"; [ -z "$out" ]' - "$TMP/gradmill.1"
have man && check "manual: groff has nothing to say" sh -c 'out=$(MANWIDTH=80 man --warnings -l "$1" 2>&1 >"$2/page"); echo "$out"
	[ -z "$out" ] && grep -q "EXIT STATUS" "$2/page"' - "$TMP/gradmill.1" "$TMP"

# -- completion
for shell in bash zsh fish; do
	"$GM" completion $shell >"$TMP/complete.$shell" || fail "completion $shell"
	for name in $commands; do
		grep -qw "$name" "$TMP/complete.$shell" || fail "completion $shell: no $name"
	done
	have $shell && check "completion $shell: syntax" $shell -n "$TMP/complete.$shell"
done
touch "$TMP/model.gm" "$TMP/other.txt"
proposals() { # line; the last word is completed. Prints what bash would offer, sorted
	(cd "$TMP" && bash -c 'source ./complete.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gradmill
		printf "%s\n" "${COMPREPLY[@]}"' - "$@" | sort | tr '\n' ' ')
}
offers() { # wanted, words ..
	want=$1; shift
	got=$(proposals "$@")
	if [ "$got" = "$want" ]; then say "ok: completion of '$*'"; else fail "completion of '$*': '$got', wanted '$want'"; fi
}
if have bash; then
	offers 'search ' gradmill sea
	offers 'search show status stop ' gradmill s
	offers '--sampler ' gradmill search --sam
	offers 'evolution ' gradmill search --data fashion-mnist --sampler e
	offers 'asm grad ir llvm obj,header plan ' gradmill compile --emit = ''
	offers 'plan ' gradmill compile model.gm --emit = pl
	offers 'fashion-mnist ' gradmill search --data fash
	offers 'model.gm ' gradmill train --json mod
	offers 'model.gm ' gradmill search --models model.gm mod
	offers 'model.gm ' gradmill compile -o mod
	offers ' ' gradmill search --time ''
	offers 'bash ' gradmill completion b
	offers 'environment exit ' gradmill help e
	offers ' ' gradmill completion bash ''
fi
fish_offers() { # wanted, line
	got=$(HOME="$TMP/home" fish -c 'source $argv[1]; complete -C $argv[2]' "$TMP/complete.fish" "$2" 2>/dev/null | cut -f 1 | sort | tr '\n' ' ')
	if [ "$got" = "$1" ]; then say "ok: fish: completion of '$2'"; else fail "fish: completion of '$2': '$got', wanted '$1'"; fi
}
if have fish; then
	mkdir "$TMP/home"
	fish_offers 'status ' 'gradmill stat'
	fish_offers 'evolution local random ' 'gradmill search --sampler '
	fish_offers 'environment exit ' 'gradmill help e'
fi

exit $failed
