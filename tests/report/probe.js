/* SPDX-License-Identifier: Apache-2.0
 * Goes into a copy of a report (run.sh): looks at the page from inside and tells the page around it what is wrong. */
"use strict";

addEventListener("load", () => {
	const wrong = [], root = document.documentElement, color = () => getComputedStyle(document.body).backgroundColor;
	const expect = (ok, text) => { if (!ok) wrong.push(text); };

	for (const img of document.images)
		expect(img.complete && img.naturalWidth > 0, "picture: " + img.alt);
	expect(root.scrollWidth <= innerWidth, "page is " + root.scrollWidth + " wide in " + innerWidth);
	for (const e of document.querySelectorAll("section *, header *"))
		if (!e.closest(".scroll, pre, svg"))
			expect(e.getBoundingClientRect().right <= innerWidth + 1, "sticks out: " + e.tagName + "." + e.className);
	for (const figure of document.querySelectorAll("figure"))
		expect([...figure.querySelectorAll("svg[role=img]")].filter((s) => s.getBoundingClientRect().width > 0).length === 1,
		       "a figure shows one plot");
	expect(window.broken === undefined, "foreign script ran");

	const theme = document.getElementById("theme"), before = color();
	expect(matchMedia("(prefers-color-scheme: dark)").matches === (before !== "rgb(244, 246, 249)"), "colours are not the system's");
	for (let i = 0; i < 3; i++)
		theme.click();
	expect(color() === before && theme.textContent === "theme: auto", "three clicks on the theme are none");

	const board = document.querySelector("#board table");
	if (board) {
		const values = () => [...board.tBodies[0].rows].map((r) => Number(r.cells[5].dataset.v));
		const sorted = (v) => v.every((x, i) => !i || v[i - 1] <= x);
		board.tHead.rows[0].cells[5].querySelector("button").click();
		expect(sorted(values()), "sorts up");
		board.tHead.rows[0].cells[5].querySelector("button").click();
		expect(sorted(values().reverse()), "sorts down");
	}
	const point = document.querySelector("[data-tip]"), tip = document.getElementById("tip");
	if (point) {
		point.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: innerWidth - 2, clientY: 2 }));
		expect(!tip.hidden && tip.textContent === point.dataset.tip, "hint on hover");
		expect(tip.getBoundingClientRect().right <= innerWidth, "hint sticks out");
		dispatchEvent(new Event("scroll"));
	}
	parent.postMessage(wrong.length ? wrong.slice(0, 20).join("; ") : "fine, " + document.images.length + " pictures", "*");
});
