#!/usr/bin/env python3
"""The page's section of traces as a browser takes it: what is on standard input has to be one
section whose tags are closed, of the elements and attributes that we write, without styles, scripts
or handlers, links to other places, control characters or what turns text around.

    page_check.py      prints JSON: text, spans (ids), rows, links, levels, answer
"""
import html.parser
import json
import re
import sys

VOID = {"input", "meta", "link", "br"}
SVG = {"svg": {"class", "width", "height", "viewbox", "preserveaspectratio", "aria-hidden", "focusable"},
       "rect": {"x", "y", "width", "height"}}
ALLOWED = {"section": {"id"}, "h2": set(), "h3": set(), "ul": {"class"}, "li": set(), "a": {"href", "class", "aria-current"},
           "form": {"action", "method", "role"}, "label": {"for"}, "button": {"type"},
           "input": {"type", "name", "value", "id", "maxlength", "autocomplete", "spellcheck"},
           "p": {"class"}, "code": set(), "div": {"class", "tabindex", "role", "aria-label"}, "table": {"class"}, "caption": set(),
           "thead": set(), "tbody": set(), "tr": {"class", "id"}, "th": {"scope", "class"}, "td": {"class", "colspan"},
           "time": {"datetime"}, "span": {"class"}, "details": set(), "summary": set(), "dl": set(), "dt": set(), "dd": set(), **SVG}
CLASS = re.compile(r"[a-z0-9 -]*\Z")
HREF = re.compile(r"/\?(minutes=(5|15|60)&by=(latest|slowest|errors)|trace=[0-9a-f]{32})\Z")
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Section(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.spans, self.links, self.rows, self.answer = [], [], [], [], 0, ""
        self.classes = {}

    def handle_starttag(self, tag, attrs):
        if not self.open and (tag != "section" or self.text):
            raise SystemExit(f"page_check: <{tag}> outside the section")
        if tag not in ALLOWED:
            raise SystemExit(f"page_check: <{tag}>")
        names = [name for name, _ in attrs]
        if set(names) - ALLOWED[tag] or len(names) != len(set(names)):
            raise SystemExit(f"page_check: <{tag} {names}>")
        values = dict(attrs)
        if not CLASS.match(values.get("class") or ""):
            raise SystemExit(f"page_check: class {values['class']!r}")
        if "href" in values:
            if not HREF.match(values["href"]):
                raise SystemExit(f"page_check: href {values['href']!r}")
            self.links.append(values["href"])
        if tag == "tr":
            self.rows += 1
            if "id" in values:
                if not re.match(r"span-[0-9a-f]{16}\Z", values["id"]):
                    raise SystemExit(f"page_check: id {values['id']!r}")
                self.spans.append(values["id"][5:])
            for word in (values.get("class") or "").split():
                self.classes[word] = self.classes.get(word, 0) + 1
        if tag not in VOID:
            self.open.append((tag, values.get("class") or ""))

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            raise SystemExit(f"page_check: </{tag}> in {self.open}")
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)
        if any(tag == "p" and "answer" in name for tag, name in self.open):
            self.answer += data

    def handle_comment(self, data):
        raise SystemExit("page_check: a comment")

    def handle_decl(self, decl):
        raise SystemExit("page_check: a declaration")

    def handle_pi(self, data):
        raise SystemExit("page_check: an instruction")


def main():
    raw = sys.stdin.buffer.read()
    if len(raw) > 4 << 20:
        raise SystemExit(f"page_check: {len(raw)} bytes")
    source = raw.decode("utf-8")  # it is UTF-8, whatever the spool holds
    found = FORBIDDEN.search(source)
    if found:
        raise SystemExit(f"page_check: {found[0]!r} at {found.start()}")
    section = Section()
    section.feed(source)
    section.close()
    if section.open:
        raise SystemExit(f"page_check: not closed: {section.open}")
    json.dump({"text": "".join(section.text), "spans": section.spans, "rows": section.rows, "links": section.links,
               "classes": section.classes, "answer": section.answer, "bytes": len(raw)}, sys.stdout)


main()
