"""Reads OTLP JSON lines (a Collector's file exporter, our span spool) into flat records."""
import json

NUMBERS = {"intValue": int, "doubleValue": float}


def parse(line):
    """The Collector writes the double -0.0 as -0, which Python would take for the integer 0."""
    return json.loads(line, parse_int=lambda text: -0.0 if text == "-0" else int(text))


def value(any_value):
    """The Python value of an OTLP AnyValue."""
    for key, content in any_value.items():
        if key == "arrayValue":
            return [value(v) for v in content.get("values", [])]
        if key == "kvlistValue":
            return attributes(content.get("values", []))
        return NUMBERS.get(key, lambda same: same)(content)
    return None


def attributes(pairs):
    keys = [pair["key"] for pair in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key twice in one record: {keys}")
    return {pair["key"]: value(pair.get("value", {})) for pair in pairs}


def flat(record, scope, resource):
    return {**record, "scope": scope, "resource": resource,
            "attributes": attributes(record.get("attributes", []))}


def records(paths, resource_key, scope_key, record_key):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                for of_resource in parse(line).get(resource_key, []):
                    resource = attributes(of_resource.get("resource", {}).get("attributes", []))
                    for of_scope in of_resource.get(scope_key, []):
                        scope = of_scope.get("scope", {})
                        for record in of_scope.get(record_key, []):
                            yield flat(record, scope, resource)


def spans(*paths):
    return list(records(paths, "resourceSpans", "scopeSpans", "spans"))


def with_body(record):
    return {**record, "body": value(record.get("body", {}))}


def logs(*paths):
    return [with_body(r) for r in records(paths, "resourceLogs", "scopeLogs", "logRecords")]


def of_sink(path):
    """The spans and the log records of a dump of tests/tools/otlp_sink.py."""
    kept = {"traces": [], "logs": []}
    with open(path, encoding="utf-8") as file:
        for line in map(parse, file):
            kept[line["signal"]].append(flat(line["record"], line["scope"], line["resource"]))
    return kept["traces"], list(map(with_body, kept["logs"]))
