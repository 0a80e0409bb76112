"""Reads OTLP JSON lines (a Collector's file exporter, our span spool) into flat records."""
import json

NUMBERS = {"intValue": int, "doubleValue": float}


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


def records(paths, resource_key, scope_key, record_key):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                for of_resource in json.loads(line).get(resource_key, []):
                    resource = attributes(of_resource.get("resource", {}).get("attributes", []))
                    for of_scope in of_resource.get(scope_key, []):
                        scope = of_scope.get("scope", {})
                        for record in of_scope.get(record_key, []):
                            yield {**record, "scope": scope, "resource": resource,
                                   "attributes": attributes(record.get("attributes", []))}


def spans(*paths):
    return list(records(paths, "resourceSpans", "scopeSpans", "spans"))


def logs(*paths):
    return [{**r, "body": value(r.get("body", {}))}
            for r in records(paths, "resourceLogs", "scopeLogs", "logRecords")]
