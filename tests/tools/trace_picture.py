"""Draws a trace as a waterfall, an SVG with text as text, for light and dark screens: README's picture.

usage: trace_picture.py SPANS LINES >PICTURE

SPANS and LINES are JSON lists of the trace's spans and log lines, as tests/integration/proxy_trace.bats
has them, which runs this: TRACE_PICTURE=docs/images/trace.svg bats -f 'one trace' that file.
"""
import datetime
import json
import sys
from xml.sax.saxutils import escape

# Whose span it is. One that is not here is another scenario's.
WHOSE = {
    "GET /whole.php": "microtrace-proxy, between lighttpd and PHP-FPM",
    "POST /analyze": "analyze behind lighttpd, called by the page",
    "WorkerService.analyze": "analyze, its own work",
    "POST": "analyze, a call to its downstream service",
    "mail": "microtrace run: a shell script, started by the page",
    "stamped": "microtrace span, a line of the script",
}
COLORS = {"GET /whole.php": "proxy", "mail": "script", "stamped": "script"}
WIDTH, LEFT, RIGHT, TOP = 960, 345, 24, 96
SPAN_ROW, LINE_ROW, BAR = 38, 20, 16
SMALL = 6.7  # pixels of a letter of the log lines' text, at most

STYLE = """
  text { font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .muted { font-size: 11.5px; fill: #59636e; }
  .name { font-weight: 600; }
  .inside { font-size: 11.5px; font-weight: 600; fill: #ffffff; }
  .line { font: 11px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #59636e; }
  .paper { fill: #ffffff; stroke: #d1d9e0; }
  .grid { stroke: #d1d9e0; }
  .tree { stroke: #9aa4af; fill: none; }
  .proxy { fill: #0969da; } .service { fill: #1a7f37; } .script { fill: #9a6700; }
  .dot { fill: #59636e; } .warning { fill: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .muted, .line { fill: #9198a1; }
    .inside { fill: #0d1117; }
    .paper { fill: #0d1117; stroke: #3d444d; }
    .grid { stroke: #2a313c; }
    .tree { stroke: #656c76; }
    .proxy { fill: #4493f8; } .service { fill: #3fb950; } .script { fill: #d29922; }
    .dot { fill: #9198a1; } .warning { fill: #db6d28; }
  }
"""


def text(x, y, what, css, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(what)}</text>'


def walk(spans, parent, depth=0):
    """Each span with its depth, children behind their parent by their beginning."""
    for span in sorted((s for s in spans if s.get("parentSpanId") == parent),
                       key=lambda s: int(s["startTimeUnixNano"])):
        yield span, depth
        yield from walk(spans, span["spanId"], depth + 1)


def told(line):
    """A log line in a few words."""
    if line["message"] == "request_completed":
        return f"request_completed {line['status_code']}, {line['elapsed_ms']:.1f} ms"
    return line["line"] if line["message"] == "stderr" else f"{line['name']}: {line['message']}"


def unix_ms(line):
    return datetime.datetime.fromisoformat(line["asctime"].replace("Z", "+00:00")).timestamp() * 1000


def draw(spans, lines):
    known = {span["spanId"] for span in spans}
    root, = (span for span in spans if span["parentSpanId"] not in known)
    begin = int(root["startTimeUnixNano"]) / 1e6
    whole = max(int(s["endTimeUnixNano"]) for s in spans) / 1e6 - begin
    scale = (WIDTH - LEFT - RIGHT) / whole
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000) if whole / n <= 8)
    out, at, y = [], {}, TOP

    for span, depth in walk(spans, root["parentSpanId"]):
        name, x = span["name"], 20 + 22 * depth
        start = (int(span["startTimeUnixNano"]) / 1e6 - begin) * scale
        size = max((int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6 * scale, 2)
        ms = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
        if span["parentSpanId"] in at:
            px, py = at[span["parentSpanId"]]
            out.append(f'<path class="tree" d="M{px + 6} {py + 37}V{y + 13}H{x - 5}"/>')
        at[span["spanId"]] = (x, y)
        out.append(text(x, y + 17, name, "name"))
        out.append(text(x, y + 31, WHOSE[name], "muted"))
        out.append(f'<rect class="{COLORS.get(name, "service")}" x="{LEFT + start:.1f}" y="{y + 6}" '
                   f'width="{size:.1f}" height="{BAR}" rx="3"><title>{escape(name)}, {ms:.3f} ms</title></rect>')
        fits = LEFT + start + size + 70 < WIDTH
        if fits or start > 70:
            out.append(text(LEFT + start + (size + 6 if fits else -6), y + 18, f"{ms:.1f} ms", "muted",
                            "start" if fits else "end"))
        else:
            out.append(text(LEFT + start + 8, y + 18, f"{ms:.1f} ms", "inside"))
        y += SPAN_ROW
        for line in sorted((n for n in lines if n["span_id"] == span["spanId"]), key=unix_ms):
            # Its time is cut to a millisecond.
            dot = LEFT + min(max((unix_ms(line) - begin) * scale, start), start + size)
            css = "dot" if line["levelname"] == "INFO" else "warning"
            words = told(line)
            fits = dot + 10 + SMALL * len(words) < WIDTH - 8
            out.append(f'<circle class="{css}" cx="{dot:.1f}" cy="{y + 8}" r="3.5"/>')
            out.append(text(dot + (9 if fits else -9), y + 12, words, "line", "start" if fits else "end"))
            y += LINE_ROW
        y += 4
    grid = []
    for n in range(int(whole / step) + 1):
        x = LEFT + n * step * scale
        grid.append(f'<path class="grid" d="M{x:.1f} {TOP - 8}V{y}"/>' +
                    text(x, TOP - 14, f"{n * step} ms", "muted", "middle"))
    trace = root["traceId"]
    title = "One request, one trace: curl, lighttpd, microtrace-proxy, a PHP page, analyze, its downstream, a shell script"
    height = y + 14
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
          f'height="{height}" role="img" aria-labelledby="title">\n<title id="title">{title}</title>\n'
          f'<style>{STYLE}</style>\n<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" '
          f'height="{height - 1}" rx="8"/>')
    print(text(20, 30, "One request, one trace", "title"))
    print(text(20, 50, f"trace {trace}, request {root['attrs']['microtrace.request_id']['stringValue']}: "
               f"{len(spans)} spans, {len(lines)} log lines. curl sent the traceparent, lighttpd passed it on.",
               "muted"))
    print("\n".join(filter(None, grid + out)))
    print("</svg>")


def main():
    with open(sys.argv[1], encoding="utf-8") as spans, open(sys.argv[2], encoding="utf-8") as lines:
        draw(json.load(spans), json.load(lines))


main()
