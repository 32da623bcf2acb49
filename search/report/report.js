/* SPDX-License-Identifier: Apache-2.0
 * search/report/report.js -- what the page does beyond standing there: hints on hover, tables that sort, copying, the theme.
 * Without it everything can still be read. Text goes into the page as text only. */
"use strict";

(() => {
	const tip = document.getElementById("tip");

	const hide = () => { tip.hidden = true; };
	const show = (target, x, y) => {
		tip.textContent = target.dataset.tip;
		tip.hidden = false;
		const w = tip.offsetWidth, h = tip.offsetHeight, room = document.documentElement.clientWidth;
		tip.style.left = Math.max(4, Math.min(x + 14, room - w - 4)) + "px";
		tip.style.top = (y - h - 12 > 4 ? y - h - 12 : y + 18) + "px";
	};
	document.addEventListener("pointermove", (e) => {
		const target = e.target instanceof Element && e.target.closest("[data-tip]");
		if (target)
			show(target, e.clientX, e.clientY);
		else
			hide();
	});
	document.addEventListener("pointerdown", (e) => {
		const target = e.target instanceof Element && e.target.closest("[data-tip]");
		if (target)
			show(target, e.clientX, e.clientY);
	});
	document.addEventListener("scroll", hide, true);
	document.addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
})();

(() => {
	/* [is it there, number or text]: what is missing comes last, whichever the direction */
	const key = (row, i) => {
		const cell = row.cells[i], text = (cell.dataset.v ?? cell.textContent).trim(), number = Number(text);
		return [text !== "", text === "" || Number.isNaN(number) ? text : number];
	};
	const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));

	const sort = (table, th) => {
		const down = th.getAttribute("aria-sort") === "ascending", i = th.cellIndex, body = table.tBodies[0];
		const rows = [...body.rows].map((row) => [row, key(row, i)]);
		rows.sort(([, a], [, b]) => a[0] !== b[0] ? (a[0] ? -1 : 1) : (down ? -1 : 1) * compare(a[1], b[1]));
		for (const other of table.tHead.rows[0].cells)
			other.removeAttribute("aria-sort");
		th.setAttribute("aria-sort", down ? "descending" : "ascending");
		body.append(...rows.map(([row]) => row));
	};
	for (const table of document.querySelectorAll("table.sort"))
		for (const th of table.tHead.rows[0].cells)
			th.querySelector("button").addEventListener("click", () => sort(table, th));
})();

(() => {
	const select = (pre) => {
		const range = document.createRange();
		range.selectNodeContents(pre);
		getSelection().removeAllRanges();
		getSelection().addRange(range);
	};
	for (const button of document.querySelectorAll(".copy")) {
		const pre = button.nextElementSibling;
		button.hidden = false;
		button.addEventListener("click", async () => {
			try {
				await navigator.clipboard.writeText(pre.textContent);
			} catch {
				select(pre); /* no clipboard for files in some browsers: ready for Ctrl-C */
				button.textContent = "selected";
				return;
			}
			button.textContent = "copied";
			setTimeout(() => { button.textContent = "copy"; }, 1500);
		});
	}
})();

(() => {
	const button = document.getElementById("theme"), themes = ["auto", "light", "dark"];
	const load = () => { try { return localStorage.getItem("gradmill-theme"); } catch { return null; } };
	const save = (theme) => { try { localStorage.setItem("gradmill-theme", theme); } catch { /* then not */ } };
	const set = (theme) => {
		if (theme === "auto")
			delete document.documentElement.dataset.theme;
		else
			document.documentElement.dataset.theme = theme;
		button.textContent = "theme: " + theme;
	};
	let at = Math.max(0, themes.indexOf(load()));
	set(themes[at]);
	button.hidden = false;
	button.addEventListener("click", () => {
		at = (at + 1) % themes.length;
		set(themes[at]);
		save(themes[at]);
	});
})();
