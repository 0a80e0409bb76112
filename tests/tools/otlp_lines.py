#!/usr/bin/env python3
"""OTLP JSON lines as other programs' file exporters write them, and whether they arrived.

    otlp_lines.py make STYLE traces|logs|metrics NAME LINES [PER_LINE [BYTES]]
    otlp_lines.py check DUMP

`make` prints LINES lines of PER_LINE (1) records, which are named NAME-0, NAME-1, ..., and notes
each record with its resource and scope in the file `expected`. With BYTES each has a text of that
length. STYLE is how it is written:

    php        compact, one resource, slashes and other characters escaped
    python     a blank after each comma and colon
    java       members in another order, numbers as strings
    collector  several resources and scopes in a line, in turn; schema URLs
    odd        blanks everywhere, members that nobody knows, a carriage return and empty lines
    bare       compact, neither resource nor scope; spans without times and most other members

`check` compares `expected` with what tests/tools/otlp_sink.py has taken: each once, as it was.
"""

import json
import sys

NOW = 1700000000000000000
ATTRIBUTES = [
    {"key": "text", "value": {"stringValue": 'a "quoted" \\ / ü\u0007 \U0001f600'}},
    {"key": "true", "value": {"boolValue": True}},
    {"key": "int", "value": {"intValue": "-9223372036854775808"}},
    {"key": "double", "value": {"doubleValue": 1.5e-7}},
    {"key": "bytes", "value": {"bytesValue": "AAEC/w=="}},
    {"key": "array", "value": {"arrayValue": {"values": [{"stringValue": "]}"}, {"intValue": "1"}]}}},
    {"key": "map", "value": {"kvlistValue": {"values": [
        {"key": '"spans":[', "value": {"stringValue": '{"resourceSpans":['}}]}}},
    {"key": "empty", "value": {}},
]
WORDS = {"traces": ("resourceSpans", "scopeSpans", "spans"),
         "logs": ("resourceLogs", "scopeLogs", "logRecords"),
         "metrics": ("resourceMetrics", "scopeMetrics", "metrics")}


def span(name, i):
    return {
        "traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}", "parentSpanId": f"{i + 2:016x}",
        "traceState": "a=1", "flags": 257, "name": name, "kind": 3,
        "startTimeUnixNano": str(NOW + i), "endTimeUnixNano": str(NOW + i + 5),
        "attributes": [{"key": "id", "value": {"stringValue": name}}] + ATTRIBUTES,
        "events": [{"timeUnixNano": str(NOW), "name": "event", "attributes": ATTRIBUTES},
                   {"timeUnixNano": str(NOW), "name": "}]}"}],
        "links": [{"traceId": "0123456789abcdef" * 2, "spanId": "0123456789abcdef",
                   "attributes": ATTRIBUTES}],
        "droppedLinksCount": 1, "status": {"code": 2, "message": "no"},
    }


def log(name, i):
    return {
        "timeUnixNano": str(NOW + i), "observedTimeUnixNano": str(NOW + i), "severityNumber": 9,
        "severityText": "INFO", "body": {"kvlistValue": {"values": ATTRIBUTES}},
        "attributes": [{"key": "id", "value": {"stringValue": name}}] + ATTRIBUTES,
        "traceId": f"{i + 1:032x}", "spanId": f"{i + 1:016x}", "flags": 1,
    }


def metric(name, i):
    point = {"attributes": [{"key": "id", "value": {"stringValue": name}}],
             "startTimeUnixNano": str(NOW), "timeUnixNano": str(NOW + i)}
    sum_ = {"aggregationTemporality": 2, "isMonotonic": True,
            "dataPoints": [{**point, "asInt": str(i)}]}
    histogram = {"aggregationTemporality": 2, "dataPoints": [
        {**point, "count": "3", "sum": 4.5, "bucketCounts": ["1", "2"], "explicitBounds": [1.0],
         "min": 0.5, "max": 3}]}
    gauge = {"dataPoints": [{**point, "asDouble": 0.25}]}
    kind = ("sum", sum_), ("histogram", histogram), ("gauge", gauge)
    return {"name": name, "unit": "By", "description": "d", kind[i % 3][0]: kind[i % 3][1]}


def reduced(signal, record):
    keep = ("traceId", "spanId", "name", "body")
    if signal == "traces":
        record = {k: v for k, v in record.items() if k in keep}
    return record


RECORDS = {"traces": span, "logs": log, "metrics": metric}


def resource(k):
    return {"attributes": [{"key": "service.name", "value": {"stringValue": f"shop {k}"}},
                           {"key": "process.pid", "value": {"intValue": "4242"}}]}


def grouped(style, signal, records):
    """One line's object, and for each record the numbers of its resource and scope."""
    outer, inner, leaf = WORDS[signal]
    if style == "collector":
        groups = [[(k, s, records[k * 2 + s::4]) for s in range(2)] for k in range(2)]
    else:
        groups = [[(0, 0, records)]]
    resources = []
    for group in groups:
        scopes = []
        for _, s, some in group:
            scope = {"name": f"scope {s}", "version": "1"}
            if style == "bare":
                scopes.append({leaf: some})
            elif style == "java":
                scopes.append({leaf: some, "scope": scope})
            else:
                scopes.append({"scope": scope, leaf: some})
            if style == "collector":
                scopes[-1]["schemaUrl"] = "https://opentelemetry.io/schemas/1.26.0"
            if style == "odd":
                scopes[-1] = {"ext": [1, {leaf: [{}]}], **scopes[-1], "more": None}
        if style == "bare":
            resources.append({inner: scopes})
        elif style == "java":
            resources.append({inner: scopes, "resource": resource(group[0][0])})
        else:
            resources.append({"resource": resource(group[0][0]), inner: scopes})
    whole = {outer: resources}
    return {"before": {outer: []}, **whole, "ext": [1]} if style == "odd" else whole


def write(style, value):
    if style == "php":
        return json.dumps(value, separators=(",", ":")).replace("/", "\\/") + "\n"
    if style in ("java", "collector", "bare"):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"
    if style == "odd":
        return "\t " + json.dumps(value, separators=(" ,\t", " : ")) + " \r\n\r\n \n"
    return json.dumps(value) + "\n"


def make(style, signal, name, lines, per_line=1, size=0):
    with open("expected", "a", encoding="utf-8") as expected:
        for n in range(lines):
            records = [RECORDS[signal](f"{name}-{n * per_line + i}", n * per_line + i)
                       for i in range(per_line)]
            if style == "bare":
                records = [reduced(signal, record) for record in records]
            for record in records if size else ():
                record.setdefault("attributes", []).append(
                    {"key": "long", "value": {"stringValue": "x" * size}})
            value = grouped(style, signal, records)
            outer, inner, leaf = WORDS[signal]
            for r in value[outer]:
                for s in r[inner]:
                    for record in s[leaf]:
                        expected.write(json.dumps(
                            [signal, record, r.get("resource", {}).get("attributes", []),
                             s.get("scope", {})], sort_keys=True) + "\n")
            sys.stdout.write(write(style, value))


def arrived(entry):
    attributes = [{"key": k, "value": {"intValue" if isinstance(v, int) else "stringValue": str(v)}}
                  for k, v in entry["resource"].items()]
    return json.dumps([entry["signal"], entry["record"], attributes, entry["scope"]],
                      sort_keys=True)


def check(dump):
    with open("expected", encoding="utf-8") as file:
        wanted = sorted(line.strip() for line in file)
    with open(dump, encoding="utf-8") as file:
        found = sorted(arrived(json.loads(line)) for line in file)
    missing, more = set(wanted) - set(found), set(found) - set(wanted)
    print(f"{len(wanted)} expected, {len(found)} arrived, {len(missing)} missing, {len(more)} "
          f"unknown", *sorted(missing)[:1], *sorted(more)[:1], sep="\n")
    return 0 if wanted == found else 1


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "check":
        return check(sys.argv[2])
    if len(sys.argv) not in (6, 7, 8) or sys.argv[1] != "make":
        sys.exit(__doc__)
    make(*sys.argv[2:5], *map(int, sys.argv[5:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
