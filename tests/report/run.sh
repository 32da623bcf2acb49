#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Reports of a small study, an empty one, one that only failed, and one full of hostile texts: well-formed, on their own, and,
# where chromium is installed, looked at in both widths and both themes. $1: the build folder; $2: a folder for the pictures
# of them (none).
set -u
GM=$(cd "$1" && pwd)/gradmill
HERE=$(cd "$(dirname "$0")" && pwd)
SHOTS=${2:-}
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
export GRADMILL_CACHE="$TMP/cache"
failed=0

. tests/suite.sh
has() { grep -qF -e "$2" "$TMP/$1.html"; } # page, text
has_not() { ! has "$@"; }

if ! [ -e /usr/share/datasets/fashion-mnist ] && ! find /usr/share -name 't10k-labels-idx1-ubyte*' 2>/dev/null | grep -q .; then
	say "skipped: dataset-fashion-mnist is not installed"
	exit 77
fi

# ---- studies ----------------------------------------------------------------------------------------------------------

search() { # name, options ..
	name=$1; shift
	"$GM" search --data fashion-mnist --db "$TMP/$name.db" --limit-train 1000 --quiet "$@" >"$TMP/log" 2>&1
}
cat >"$TMP/nan.gm" <<'GM'
gradmill 1
func main(x: f32[B,784]) {
  z = dense<8>(x)
  o = dense<784>(z)
  y = log o
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
{ # two branches that meet, noise, no bias: whatever a user may write
	cat <<'GM'
gradmill 1
func main(x: f32[B,784], key: i32[2]) {
  n = noise(x, 0.1, key)
  a = dense<64>(n)
  b = relu a
  w = param f32[784,64], init=he_uniform
  c = matmul n, w
  d = concat b, c, axis=1
  z = dense<16>(d)
  h = dense<784>(z)
  y = sigmoid h
  loss = mse(y, x)
  return reconstruction=y, latent=z, loss=loss
}
GM
} >"$TMP/branches.gm"
# rows that are no pictures: 256 rows of 8
{ printf '\0\0\010\002\0\0\001\0\0\0\0\010'; seq 1 100000 | cksum | head -c 8; seq 100000 | head -c 2040; } >"$TMP/rows.idx"

search real --trials 14 --epochs 2 --seed 3 || fail "search"
search failing --models "$TMP/nan.gm" --epochs 1
search mixed --models "$TMP/nan.gm" "$TMP/branches.gm" --epochs 2
"$GM" search --data "$TMP/rows.idx" --db "$TMP/rows.db" --trials 2 --latent 8 --epochs 3 --batch 64 --quiet >"$TMP/log" 2>&1 || fail "rows"
cp "$TMP/real.db" "$TMP/empty.db"
sqlite3 "$TMP/empty.db" "DELETE FROM x_epoch; DELETE FROM x_param; DELETE FROM x_trial; DELETE FROM trial_params; DELETE FROM trial_values;
	DELETE FROM trial_intermediate_values; DELETE FROM trials"

# every text that a database holds, as an attack; and numbers that are none
cp "$TMP/real.db" "$TMP/hostile.db"
cp -r "$TMP/real.weights" "$TMP/hostile.weights"
cat >"$TMP/attack.sql" <<'SQL'
CREATE TEMP TABLE bad (t TEXT);
INSERT INTO bad VALUES ('</title></style></script><script>window.broken=1</script><img src=x onerror="window.broken=1">"''&amp;' || char(1, 10) || x'ff');
UPDATE studies SET study_name = (SELECT t FROM bad);
UPDATE x_study SET data = (SELECT t FROM bad), sampler = (SELECT t FROM bad), target = (SELECT t FROM bad), build = (SELECT t FROM bad),
	origin = (SELECT t FROM bad), created = (SELECT t FROM bad);
UPDATE x_trial SET sampler = (SELECT t FROM bad), mutation = (SELECT t FROM bad), target = (SELECT t FROM bad), ir = ir || '# ' ||
	(SELECT replace(t, char(10), ' ') FROM bad);
UPDATE x_param SET value = (SELECT t FROM bad) WHERE name = 'activation';
UPDATE x_param SET name = (SELECT t FROM bad) WHERE name = 'skip';
UPDATE trials SET state = 'FAIL' WHERE number IN (2, 3);
UPDATE x_trial SET cause = (SELECT t FROM bad) WHERE trial_id IN (SELECT trial_id FROM trials WHERE number IN (2, 3));
UPDATE trials SET state = (SELECT t FROM bad) WHERE number = 5;
UPDATE trial_values SET value = (SELECT t FROM bad) WHERE trial_id IN (SELECT trial_id FROM trials WHERE number = 4);
UPDATE trial_values SET value = -1e999 WHERE trial_id IN (SELECT trial_id FROM trials WHERE number = 6);
UPDATE trial_values SET value = 0 WHERE trial_id IN (SELECT trial_id FROM trials WHERE number = 7);
UPDATE trial_intermediate_values SET intermediate_value = (SELECT t FROM bad) WHERE trial_intermediate_value_id % 3 = 0;
INSERT INTO x_event (study_id, at, what, number) SELECT study_id, t, t, 1 FROM x_study, bad;
SQL
sqlite3 "$TMP/hostile.db" <"$TMP/attack.sql" || fail "attack"

# ---- pages ------------------------------------------------------------------------------------------------------------

PAGES="real failing mixed rows empty hostile"
for page in $PAGES; do
	check "$page: a page" "$GM" report "$TMP/$page.db" -o "$TMP/$page.html"
	command -v python3 >/dev/null && check "$page: well-formed, on its own" python3 "$HERE/check.py" "$TMP/$page.html"
	check "$page: one script" test "$(grep -c '<script' "$TMP/$page.html")" = 1
done
check "real: its sections" sh -c 'for s in progress curves size importance board architecture model pictures parameters again; do
	grep -q "<section id=\"$s\"" "$1" || { echo "no $s"; exit 1; }; done' - "$TMP/real.html"
check "real: pairs of pictures" test "$(grep -o '<img' "$TMP/real.html" | wc -l)" = 60
check "real: a map" has real 'Map of the latent'
check "real: the same again" sh -c '"$1" report "$2" | cmp - "$3"' - "$GM" "$TMP/real.db" "$TMP/real.html"
check "failing: says so" has failing 'No trial of this study has finished'
check "failing: the cause" has failing 'loss is not finite at step 1'
check "mixed: branches that meet" has mixed 'concat 128'
check "rows: two lines each" has rows 'and its reconstruction'
check "empty: says so" has empty 'This study has no trials yet'
check "hostile: attacks are text" has hostile '&lt;script&gt;window.broken=1&lt;/script&gt;'

rm -r "$TMP/real.weights"
check "without weights" "$GM" report "$TMP/real.db" -o "$TMP/bare.html"
check "it says how to get them" has bare 'report --train'
check "--train" "$GM" report "$TMP/real.db" --train -o "$TMP/again.html"
check "gives the same page" cmp "$TMP/again.html" "$TMP/real.html"
check "--no-pictures" "$GM" report "$TMP/real.db" --no-pictures --top 3 -o "$TMP/small.html"
check "leaves them out" has_not small '<section id="pictures"'
check "--top 3" test "$(sed -n '/id="board"/,/<.section>/p' "$TMP/small.html" | grep -c '^<tr')" = 3
check "no such file" code 66 "$GM" report "$TMP/none.db"
check "no such study" code 66 "$GM" report "$TMP/real.db" --study none
check "not a database of ours" code 69 "$GM" report "$0"
check "nowhere to write" code 74 "$GM" report "$TMP/real.db" --no-pictures -o "$TMP/no/such.html"
check "the message has the path" grep -q no/such.html "$TMP/said"
check "no rows at all" code 64 "$GM" report "$TMP/real.db" --top 0

"$GM" search --data fashion-mnist --db "$TMP/running.db" --limit-train 4000 --epochs 4 --trials 1000 --quiet >"$TMP/search.log" 2>&1 &
search=$!
i=0
until [ "$(sqlite3 -readonly "$TMP/running.db" "SELECT count(*) FROM trials WHERE state = 'COMPLETE'" 2>/dev/null || echo 0)" -gt 0 ] || [ $i -ge 300 ]; do
	sleep 0.1
	i=$((i + 1))
done
check "running" "$GM" report "$TMP/running.db" -o "$TMP/running.html"
check "it says so" has running 'This search is running'
kill -INT $search
wait $search

# ---- looked at -----------------------------------------------------------------------------------------------------

chromium=$(command -v chromium || command -v google-chrome) || {
	say "chromium is not installed: nobody looked at the pages"
	exit $failed
}
browse() { # theme (0 dark, 1 light), file, options ..
	theme=$1 file=$2; shift 2
	timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --user-data-dir="$TMP/profile" \
		--virtual-time-budget=4000 --blink-settings=preferredColorScheme="$theme" --enable-logging=stderr --v=0 "$@" "file://$file"
}
look() { # page, width, theme; a window is never narrower than 500, a frame is
	nonce=$(sed -n 's/^<script nonce="\([0-9a-f]*\)">.*/\1/p' "$TMP/$1.html")
	{ sed '/^<\/body>/,$d' "$TMP/$1.html"; printf '<script nonce="%s">\n' "$nonce"; cat "$HERE/probe.js"; printf '</script>\n</body>\n</html>\n'; } \
		>"$TMP/probed.html"
	printf '<!DOCTYPE html><html data-said="nothing"><link rel="icon" href="data:,"><body style="margin:0"><iframe src="probed.html" style="border:0;width:%spx;height:900px"></iframe>
<script>addEventListener("message", (e) => { document.documentElement.dataset.said = e.data; });</script>' "$2" >"$TMP/frame.html"
	browse "$3" "$TMP/frame.html" --window-size="$(($2 > 500 ? $2 : 500)),900" --dump-dom >"$TMP/dom" 2>"$TMP/console"
	sed -n 's/.*data-said="\([^"]*\)".*/said: \1/p' "$TMP/dom"
	grep CONSOLE "$TMP/console" && return 1
	grep -q 'data-said="fine' "$TMP/dom"
}
for page in $PAGES; do
	for how in "360 1" "1600 0"; do
		set -- $how
		check "$page: looked at, $1 wide, $([ "$2" = 1 ] && echo light || echo dark)" look "$page" "$1" "$2"
	done
done
check "real: looked at, 360 wide, dark" look real 360 0
check "real: looked at, 1600 wide, light" look real 1600 1
for how in "1600 1 light" "1600 0 dark" "500 1 narrow-light" "500 0 narrow-dark"; do
	set -- $how
	browse "$2" "$TMP/real.html" --window-size="$1,5200" --screenshot="$TMP/$3.png" >"$TMP/log" 2>&1
	check "a picture of it: $3" test "$(wc -c <"$TMP/$3.png")" -gt 50000
done
check "the themes differ" sh -c '! cmp -s "$1/light.png" "$1/dark.png"' - "$TMP"
[ -n "$SHOTS" ] && mkdir -p "$SHOTS" && cp "$TMP"/*.png "$TMP"/*.html "$SHOTS"
exit $failed
