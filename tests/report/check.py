#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A page is well-formed and stands on its own: check.py PAGE. Prints what is wrong; exit 1 if anything is.
import html.parser
import re
import sys

VOID = {"meta", "link", "img", "br"}
SELF_CLOSED = {"circle", "line", "path", "rect", "image"}
ENTITIES = {"amp", "lt", "gt", "quot", "ndash", "thinsp", "omega", "sup2"}


class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.open, self.ids, self.refs, self.wrong = [], set(), [], []
        self.scripts = self.images = 0

    def say(self, text):
        self.wrong.append(f"line {self.getpos()[0]}: {text}")

    def attributes(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.say(f"<{tag}> has an attribute twice")
        for name, value in attrs:
            if name.startswith("on"):
                self.say(f"<{tag}> has a handler {name}")
            if name == "id":
                if value in self.ids:
                    self.say(f"id {value} twice")
                self.ids.add(value)
            if name == "aria-labelledby":
                self.refs += value.split()
            if name in ("src", "href") and not value.startswith(("data:", "#")):
                self.say(f"<{tag}> wants {value}")
            if name == "href" and value.startswith("#"):
                self.refs.append(value[1:])
            if re.search(r"\b(nan|inf)\b", value or "") and name != "data-tip":
                self.say(f"<{tag} {name}> is no number: {value}")

    def handle_starttag(self, tag, attrs):
        self.attributes(tag, attrs)
        if tag == "script":
            self.scripts += 1
            if not dict(attrs).get("nonce"):
                self.say("a script without the page's nonce")
        if tag == "img":
            self.images += 1
            if not dict(attrs).get("alt"):
                self.say("a picture without a text")
        if tag in SELF_CLOSED:
            self.say(f"<{tag}> is not closed")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes(tag, attrs)
        if tag not in SELF_CLOSED:
            self.say(f"<{tag}/>")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.say(f"</{tag}> closes something else")

    def handle_entityref(self, name):
        if name not in ENTITIES:
            self.say(f"&{name};")

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style") and re.search("[<>]", data):
            self.say(f"text with a bracket: {data[:60]!r}")


def main():
    text = open(sys.argv[1], encoding="utf-8", errors="strict").read()
    c = Checker()
    c.feed(text)
    c.close()
    if c.open:
        c.wrong.append(f"not closed: {c.open}")
    c.wrong += [f"no such id: {r}" for r in c.refs if r not in c.ids]
    if c.scripts != 1:
        c.wrong.append(f"{c.scripts} scripts")
    if re.search(r"https?://", re.sub(r"<pre.*?</pre>", "", text, flags=re.S)):
        c.wrong.append("an address of the network")
    if re.search("[\x00-\x08\x0b-\x1f]", text):
        c.wrong.append("a control character")
    print("\n".join(c.wrong) if c.wrong else f"ok: {len(c.ids)} ids, {c.images} pictures")
    return 1 if c.wrong else 0


sys.exit(main())
