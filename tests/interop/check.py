#!/usr/bin/python3
"""Compares what a Collector wrote with what client.py saw. Prints each difference; exit 1 if any.

usage: check.py arrived SEEN TRACES... -- LOGS...    every record of every request is there (waits)
       check.py mixed SEEN TRACES... -- LOGS...      each record is right, and there is no other
       check.py counts SEEN METRICS_URL TRACES... -- LOGS...  all counts agree
       check.py same TRACES LOGS DUMP                Collector and test sink got the same records
       check.py span-ids SPOOL... -- TRACES...                the same spans in both
"""
import collections
import json
import os
import re
import sys
import time

import collected
import metrics_text

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]*=[!-+\--<>-~]+")
SERVER, INTERNAL = 2, 1
DEADLINE_S = 240

problems = []


def expect(true, *what):
    if not true:
        problems.append(" ".join(str(w) for w in what))


def equal(got, wanted, *what):
    expect(got == wanted and type(got) is type(wanted), *what,
           f"is {got!r}, expected {wanted!r}")


def read_seen(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def headers(request, name):
    return [v for n, v in request["headers"] if n.lower() == name]


def sent_parent(request):
    """(trace, span, sampled, random) that a request asks to be continued, or None."""
    sent = headers(request, "traceparent")
    match = TRACEPARENT.fullmatch(sent[0]) if len(sent) == 1 else None
    if match is None:
        return None
    version, trace, span, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not trace.strip("0") or \
            not span.strip("0"):
        return None
    return trace, span, bool(int(flags, 16) & 1)


def sent_state(request):
    sent = headers(request, "tracestate")
    if not sent or not all(MEMBER.fullmatch(m.strip()) for m in sent[0].split(",")):
        return ""
    return sent[0]


def sampled(request):
    parent = sent_parent(request)
    return parent is None or parent[2]


def route(request):
    path = request["path"].split("?")[0]
    return path if path == "/analyze" else None


def kind_of_error(request):
    named = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large",
             415: "unsupported_media_type"}
    return named.get(request["status"]) or request["answer"]["detail"][0]["type"]


def expected_messages(request):
    by_status = {200: ["analyze_request", "analyze_response"], 422: ["validation_failed"]}
    return sorted(["request_completed", *by_status.get(request["status"], [])])


def expected_spans(request):
    return (1 + (request["status"] == 200)) if sampled(request) else 0


def by_request(logs):
    found = collections.defaultdict(list)
    for log in logs:
        found[log["attributes"].get("request_id")].append(log)
    return found


def existing(paths):
    return [p for p in paths if os.path.exists(p)]


def load(traces, logs):
    return collected.spans(*existing(traces)), collected.logs(*existing(logs))


def wait_for(seen, traces, logs):
    """Reads the records until all that were expected are there, or the deadline has passed."""
    requests = {r["request_id"] for r in seen}
    wanted_spans = sum(expected_spans(r) for r in seen)
    wanted_logs = sum(len(expected_messages(r)) for r in seen)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            spans, records = load(traces, logs)
            mine = [s for s in spans if s["attributes"].get("microtrace.request_id") in requests]
            traced = {s["traceId"] for s in mine}
            ours = {s["spanId"] for s in spans if s["traceId"] in traced}
            lines = [r for r in records if r["attributes"].get("request_id") in requests]
            if len(ours) >= wanted_spans and len(lines) >= wanted_logs:
                return spans, records
        except json.JSONDecodeError:
            pass  # the Collector is in the middle of a line
        if time.monotonic() > deadline:
            return load(traces, logs)
        time.sleep(0.2)


def check_server_span(request, span, name):
    attributes = span["attributes"]
    where = f"{name}: server span:"
    parent = sent_parent(request)
    known = route(request)
    equal(span["kind"], SERVER, where, "kind")
    equal(span["name"], f"{request['method']} {known}" if known else request["method"],
          where, "name")
    equal(attributes.get("http.request.method"), request["method"], where, "http.request.method")
    equal(attributes.get("url.path"), request["path"].split("?")[0], where, "url.path")
    equal(attributes.get("url.scheme"), "http", where, "url.scheme")
    equal(attributes.get("http.route"), known, where, "http.route")
    equal(attributes.get("http.response.status_code"), request["status"], where,
          "http.response.status_code")
    equal(span.get("status", {}).get("code", 0), 0, where, "status below 500 is unset: code")
    equal(span.get("parentSpanId", ""), parent[1] if parent else "", where, "parentSpanId")
    if parent:
        equal(span["traceId"], parent[0], where, "traceId")
    equal(span.get("traceState", ""), sent_state(request) if parent else "", where, "traceState")
    expect(len(span["traceId"]) == 32 and len(span["spanId"]) == 16, where, "length of ids")
    start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    expect(request["before_ns"] - 5e6 <= start <= end <= request["after_ns"] + 5e6, where,
           "times outside those of the request")


def check_worker_span(request, server, child, name):
    where = f"{name}: worker span:"
    body = json.loads(request["body"])
    equal(child["name"], "WorkerService.analyze", where, "name")
    equal(child["kind"], INTERNAL, where, "kind")
    equal(child["parentSpanId"], server["spanId"], where, "parentSpanId")
    equal(child.get("traceState", ""), server.get("traceState", ""), where, "traceState")
    for key, wanted in {"worker.input_a": float(body["a"]), "worker.input_b": float(body["b"]),
                        "worker.sum": request["answer"]["sum"],
                        "worker.difference": request["answer"]["difference"],
                        "worker.chaos_enabled": False}.items():
        equal(child["attributes"].get(key), wanted, where, key)
    expect(int(server["startTimeUnixNano"]) <= int(child["startTimeUnixNano"]) and
           int(child["endTimeUnixNano"]) <= int(server["endTimeUnixNano"]), where,
           "times outside those of its parent")


FIELDS = {
    "request_completed": ("microtrace.request", 9, "INFO"),
    "analyze_request": ("microtrace.api", 9, "INFO"),
    "analyze_response": ("microtrace.api", 9, "INFO"),
    "validation_failed": ("microtrace.api", 13, "WARN"),
}


def check_log(request, log, span_ids, trace, name):
    where = f"{name}: log {log['body']}:"
    attributes = log["attributes"]
    scope, severity, text = FIELDS[log["body"]]
    equal(log["scope"].get("name"), scope, where, "scope name")
    equal(log.get("severityNumber"), severity, where, "severityNumber")
    expect(log.get("severityText", "").startswith(text), where, "severityText",
           log.get("severityText"))
    if trace:
        equal(log.get("traceId"), trace, where, "traceId")
    if span_ids:
        expect(log.get("spanId") in span_ids, where, "spanId is none of its request's")
    expect(re.fullmatch("[0-9a-f]{16}", log.get("spanId", "")), where, "spanId is not an id")
    moment = int(log["timeUnixNano"])
    expect(request["before_ns"] - 5e6 <= moment <= request["after_ns"] + 5e6, where,
           "time outside that of the request")
    expect(not {"asctime", "levelname", "name", "message", "trace_id", "span_id"} & set(attributes),
           where, "a field of the record again as an attribute", sorted(attributes))
    if log["body"] == "request_completed":
        equal(attributes.get("method"), request["method"], where, "method")
        equal(attributes.get("path"), request["path"].split("?")[0], where, "path")
        equal(attributes.get("status_code"), request["status"], where, "status_code")
        expect(isinstance(attributes.get("elapsed_ms"), float), where, "elapsed_ms")
    elif log["body"] == "analyze_request":
        body = json.loads(request["body"])
        equal(attributes.get("input_a"), float(body["a"]), where, "input_a")
        equal(attributes.get("input_b"), float(body["b"]), where, "input_b")
    elif log["body"] == "analyze_response":
        equal(attributes.get("sum"), request["answer"]["sum"], where, "sum")
        equal(attributes.get("difference"), request["answer"]["difference"], where, "difference")


def check_request_id(request, name):
    got = request["request_id"] or ""
    sent = headers(request, "x-request-id")
    if sent and REQUEST_ID.fullmatch(sent[0]):
        equal(got, sent[0], name, "X-Request-ID")
    else:
        expect(UUID4.fullmatch(got), name, "X-Request-ID is not a UUID version 4:", got)


def check_resource(resource, where):
    equal(resource.get("service.name"), "microtrace-interop", where, "service.name")
    equal(resource.get("team"), "a b", where, "team")
    equal(resource.get("deployment.environment.name"), "test", where, "environment")
    equal(resource.get("host.name"), os.uname().nodename, where, "host.name")
    expect(resource.get("service.version"), where, "no service.version")
    expect(UUID4.fullmatch(resource.get("service.instance.id", "")), where,
           "service.instance.id is not a UUID version 4")


def check_mixed(seen, traces, logs):
    spans, records = wait_for(seen, traces, logs)
    lines = by_request(records)
    equal(len(spans), sum(expected_spans(r) for r in seen), "number of spans")
    equal(len(records), sum(len(expected_messages(r)) for r in seen), "number of log records")
    equal(len({s["spanId"] for s in spans}), len(spans), "number of different span ids")
    resources = [json.dumps(r["resource"], sort_keys=True) for r in spans + records]
    equal(len(set(resources)), 1, "number of different resources")
    check_resource(json.loads(resources[0]) if resources else {}, "resource:")

    for request in seen:
        name = f"{request['method']} {request['path']} {request['request_id']}"
        check_request_id(request, name)
        found = [s for s in spans
                 if s["attributes"].get("microtrace.request_id") == request["request_id"]]
        equal(len(found), int(sampled(request)), name, "number of server spans")
        ids, trace = set(), (sent_parent(request) or [None])[0]
        for server in found:
            check_server_span(request, server, name)
            children = [s for s in spans if s.get("parentSpanId") == server["spanId"]]
            equal(len(children), int(request["status"] == 200), name, "number of worker spans")
            for child in children:
                equal(child["traceId"], server["traceId"], name, "worker span: traceId")
                check_worker_span(request, server, child, name)
            ids = {server["spanId"], *(c["spanId"] for c in children)}
            trace = server["traceId"]
        of_request = lines[request["request_id"]]
        equal(sorted(log["body"] for log in of_request), expected_messages(request), name,
              "log messages")
        for log in of_request:
            check_log(request, log, ids, trace, name)


def check_arrived(seen, traces, logs):
    spans, records = wait_for(seen, traces, logs)
    lines = by_request(records)
    servers = {s["attributes"].get("microtrace.request_id") for s in spans}
    parents = {s.get("parentSpanId") for s in spans}
    by_id = {s["attributes"].get("microtrace.request_id"): s["spanId"] for s in spans}
    for request in seen:
        name = request["request_id"]
        if not sampled(request):
            continue
        expect(name in servers, name, "has no server span")
        expect(request["status"] != 200 or by_id.get(name) in parents, name, "has no worker span")
        equal(sorted({log["body"] for log in lines[name]}), expected_messages(request), name,
              "log messages")


def check_counts(seen, url, traces, logs):
    text = metrics_text.fetch(url)
    spans, records = wait_for(seen, traces, logs)
    routed = [{"method": r["method"], "path": route(r) or "_OTHER"} for r in seen]

    by_series = collections.Counter((r["method"], r["path"], str(s["status"]))
                                    for r, s in zip(routed, seen))
    for (method, path, status), count in sorted(by_series.items()):
        equal(metrics_text.total(text, "requests_total", method=method, path=path, status=status),
              float(count), "requests_total", method, path, status)
    by_route = collections.Counter((r["method"], r["path"]) for r in routed)
    for (method, path), count in sorted(by_route.items()):
        equal(metrics_text.total(text, "request_latency_seconds_count", method=method, path=path),
              float(count), "request_latency_seconds_count", method, path)
    errors = collections.Counter(kind_of_error(r) for r in seen if r["status"] >= 400)
    for exception, count in sorted(errors.items()):
        equal(metrics_text.total(text, "errors_total", exception=exception), float(count),
              "errors_total", exception)
    equal(metrics_text.total(text, "errors_total"), float(sum(errors.values())), "errors_total")

    messages = collections.Counter(log["body"] for log in records)
    wanted = collections.Counter(m for r in seen for m in expected_messages(r))
    for message in sorted(wanted | messages):
        equal(messages[message], wanted[message], "log records", message)
    kinds = collections.Counter(s["kind"] for s in spans)
    equal(kinds[SERVER], len(seen), "server spans")
    equal(kinds[INTERNAL], sum(r["status"] == 200 for r in seen), "worker spans")
    equal(len({s["spanId"] for s in spans}), len(spans), "different span ids")
    servers = {s["attributes"].get("microtrace.request_id") for s in spans if s["kind"] == SERVER}
    equal(len(servers & {r["request_id"] for r in seen}), len(seen), "request ids on spans")
    statuses = collections.Counter(s["attributes"]["http.response.status_code"]
                                   for s in spans if s["kind"] == SERVER)
    equal(statuses, collections.Counter(r["status"] for r in seen), "status codes on spans")
    print(f"{len(seen)} requests, {sum(errors.values())} errors, {len(spans)} spans, "
          f"{len(records)} log records")


# Where two writers of the same OTLP record may differ: a default value written or left out.
DEFAULTS = ("", 0, [], {}, None, "0")


def canonical(record):
    return json.dumps({k: v for k, v in record.items() if v not in DEFAULTS}, sort_keys=True)


def check_same(traces, logs, dump):
    spans_a, logs_a = load([traces], [logs])
    spans_b, logs_b = collected.of_sink(dump)
    for what, a, b in (("spans", spans_a, spans_b), ("log records", logs_a, logs_b)):
        expect(a, "no", what, "at the Collector")
        left, right = collections.Counter(map(canonical, a)), collections.Counter(map(canonical, b))
        for only, side in ((left - right, "Collector"), (right - left, "sink")):
            expect(not only, sum(only.values()), what, "only at the", side, "such as",
                   next(iter(only), ""))


def check_span_ids(spool, traces):
    wanted = {s["spanId"] for s in collected.spans(*spool)}
    expect(wanted, "no spans in the spool")
    deadline = time.monotonic() + DEADLINE_S
    got = set()
    while got != wanted and time.monotonic() < deadline:
        try:
            got = {s["spanId"] for s in collected.spans(*existing(traces))}
        except json.JSONDecodeError:
            pass
        time.sleep(0.2)
    equal(len(got), len(wanted), "number of span ids")
    expect(got == wanted, len(wanted - got), "missing,", len(got - wanted), "unknown span ids")


def main():
    mode, rest = sys.argv[1], sys.argv[2:]
    split = rest.index("--") if "--" in rest else len(rest)
    before, after = rest[:split], rest[split + 1:]
    if mode == "arrived":
        check_arrived(read_seen(before[0]), before[1:], after)
    elif mode == "mixed":
        check_mixed(read_seen(before[0]), before[1:], after)
    elif mode == "counts":
        check_counts(read_seen(before[0]), before[1], before[2:], after)
    elif mode == "same":
        check_same(*before)
    elif mode == "span-ids":
        check_span_ids(before, after)
    else:
        sys.exit(__doc__)
    for problem in problems[:40]:
        print(problem)
    if len(problems) > 40:
        print(f"... and {len(problems) - 40} more")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
