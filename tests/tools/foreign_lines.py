#!/usr/bin/env python3
"""Lines of OTLP JSON as other programs write them, and what of them has arrived.

    foreign_lines.py make SIGNAL NAME COUNT [--style STYLE] [--size BYTES] >>FILE
    foreign_lines.py check EXPECTED DUMP

`make` prints one line with COUNT records (spans, log records, metrics) that are told apart by their
names, NAME-0 and on, and appends to the file `expected` what is to arrive of each, one JSON object
a line. With --size each record has a text of so many bytes. The styles:

    collector   compact, schemaUrl behind the lists, as the Collector's file exporter
    python      blanks behind commas and colons, as json.dumps; attributes of every type
    scopes      two resources with two scopes each, the list of records before the scope
    unknown     members that nobody knows at each level, blanks, a carriage return at the end
    bare        neither resource nor scope nor times

`check` compares: each record once, below the resource and the scope that it had, as it was.
"""

import argparse
import json
import sys

WORDS = {"traces": ("resourceSpans", "scopeSpans", "spans"),
         "logs": ("resourceLogs", "scopeLogs", "logRecords"),
         "metrics": ("resourceMetrics", "scopeMetrics", "metrics")}
EVERY_TYPE = [
    {"key": "s", "value": {"stringValue": "\u00fc \"q\" \\ ]}]}]} \U0001f600"}},
    {"key": "b", "value": {"boolValue": True}}, {"key": "i", "value": {"intValue": "-5"}},
    {"key": "d", "value": {"doubleValue": 0.5}}, {"key": "y", "value": {"bytesValue": "AAEC"}},
    {"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "x"}]}}},
    {"key": "k", "value": {"kvlistValue": {"values": [
        {"key": "n", "value": {"stringValue": "\"spans\":[{}]"}}]}}}]


def record(signal, name, number, args):
    attributes = [{"key": "id", "value": {"stringValue": name}}]
    if args.style == "python":
        attributes += EVERY_TYPE
    if args.size:
        attributes.append({"key": "text", "value": {"stringValue": "x" * args.size}})
    time = str(1735905601234000000 + number)
    if signal == "logs":
        made = {"timeUnixNano": time, "severityNumber": 9, "severityText": "INFO",
                "body": {"stringValue": name}, "attributes": attributes}
    elif signal == "metrics":
        point = {"attributes": attributes, "startTimeUnixNano": "1", "timeUnixNano": time,
                 "asDouble": 1.5}
        made = {"name": name, "unit": "s", "sum": {
            "dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True}}
    else:
        made = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": f"{number + 1:016x}",
                "name": name, "kind": 2, "startTimeUnixNano": time, "endTimeUnixNano": time,
                "attributes": attributes, "status": {"code": 1}}
        if args.style != "bare":
            made["links"] = [{"traceId": "0af7651916cd43dd8448eb211c80319c",
                              "spanId": "b7ad6b7169203331"}]
            made["events"] = [{"timeUnixNano": time, "name": "e", "attributes": EVERY_TYPE}]
    if args.style == "bare" and signal == "traces":
        del made["startTimeUnixNano"], made["endTimeUnixNano"]
    return made


def resource(name):
    return {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]}


def lay_out(signal, records, style):
    """The line, and of each record its service and scope."""
    resources, scopes, list_name = WORDS[signal]
    if style == "bare":
        return {resources: [{scopes: [{list_name: records}]}]}, [(None, None)] * len(records)
    scope = {"name": "lib", "version": "1"}
    if style == "scopes":
        parts = [records[i::4] for i in range(4)]
        line = {resources: [
            {scopes: [{list_name: parts[2 * r + s], "scope": {"name": f"s{s}"}} for s in (0, 1)],
             "resource": resource(f"r{r}")} for r in (0, 1)]}
        return line, [(f"r{i % 4 // 2}", f"s{i % 2}") for i in range(len(records))]
    inner = {"scope": scope, list_name: records, "schemaUrl": "https://opentelemetry.io/schemas/1"}
    outer = {"resource": resource("php"), scopes: [inner], "schemaUrl": "u"}
    if style == "python":
        del inner["schemaUrl"], outer["schemaUrl"]
    line = {resources: [outer]}
    if style == "unknown":
        line = {"v": [{}], resources: [{"x": {list_name: [{}]}, **outer, "ext": [[]]}], "ext": [1]}
        outer = line[resources][0]
        outer[scopes] = [{"y": None, **inner, "z": {"a": 1}}]
    return line, [("php", "lib")] * len(records)


def make(args):
    records = [record(args.signal, f"{args.name}-{i}", i, args) for i in range(args.count)]
    line, places = lay_out(args.signal, records, args.style)
    compact = args.style in ("collector", "scopes", "bare")
    text = json.dumps(line, ensure_ascii=args.style == "python",
                      separators=(",", ":") if compact else None)
    print(text + (" \r" if args.style == "unknown" else ""))
    with open("expected", "a", encoding="utf-8") as file:
        for made, (service, scope) in zip(records, places):
            file.write(json.dumps({"record": made, "service": service, "scope": scope}) + "\n")


def name_of(made):
    if "name" in made:
        return made["name"]
    return made["body"]["stringValue"]


def check(args):
    expected, seen, wrong = {}, {}, []
    with open(args.expected, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            expected[name_of(entry["record"])] = entry
    with open(args.dump, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            name = name_of(entry["record"])
            seen[name] = seen.get(name, 0) + 1
            want = expected.get(name)
            if want is None:
                wrong.append(f"{name}: nobody wrote it")
            elif (entry["record"], entry["resource"].get("service.name"),
                  entry["scope"].get("name")) != (want["record"], want["service"], want["scope"]):
                wrong.append(f"{name}: not as it was: {line[:1000]}")
    missing = [name for name in expected if name not in seen]
    twice = [name for name, count in seen.items() if count > 1]
    print(f"{len(expected)} expected, {len(seen)} arrived, {len(missing)} missing {missing[:3]}, "
          f"{len(twice)} twice {twice[:3]}, {len(wrong)} wrong {wrong[:1]}")
    return 1 if missing or twice or wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("signal", choices=WORDS)
    maker.add_argument("name")
    maker.add_argument("count", type=int)
    maker.add_argument("--style", default="collector",
                       choices=("collector", "python", "scopes", "unknown", "bare"))
    maker.add_argument("--size", type=int, default=0)
    checker = commands.add_parser("check")
    checker.add_argument("expected")
    checker.add_argument("dump")
    args = parser.parse_args()
    return make(args) if args.command == "make" else check(args)


if __name__ == "__main__":
    sys.exit(main())
