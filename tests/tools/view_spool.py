#!/usr/bin/env python3
"""Traces for `microtrace view` to show: spool lines as several services and programs leave them.

    view_spool.py KIND DIR

KIND: `shop` (three services on two hosts, one with its clock an hour ahead, a failure, an orphan,
events, logs in both forms), `hostile` (controls, escape sequences and bidirectional overrides in
every field, attributes of 64 kB), `big` (one trace of 5,000 spans), `many` (10,000 traces), `wide`
(one of 5,000 spans that are not alike, with attributes), `huge` (one of 20,001, its root last).
"""
import datetime
import json
import random
import sys

T0 = 1_790_000_000_000_000_000
MS = 1_000_000
HOSTILE = "\x1b[31m \x9b31m \u202e \u2066 \x7f \u2028 \r\n\u00fc <script>"


def attributes(values):
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue", bool: "boolValue"}
    return [{"key": key, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
            for key, value in values.items()]


def spans(service, host, *list_of_spans):
    return {"resourceSpans": [{"resource": {"attributes": attributes({"service.name": service, "host.name": host})},
                               "scopeSpans": [{"scope": {"name": "view_spool"}, "spans": list(list_of_spans)}]}]}


def span(trace, ident, parent, name, start_ms, length_ms, code=0, events=(), kind=1, message=None, **values):
    status = {} if code == 0 else {"status": {"code": code, **({"message": message} if message else {})}}
    return {"traceId": trace, "spanId": ident, **({"parentSpanId": parent} if parent else {}), "name": name, "kind": kind,
            "startTimeUnixNano": str(T0 + int(start_ms * MS)), "endTimeUnixNano": str(T0 + int((start_ms + length_ms) * MS)),
            "attributes": attributes({key.replace("__", "."): value for key, value in values.items()}),
            "events": [{"timeUnixNano": str(T0 + int(at * MS)), "name": event, "attributes": attributes(more)}
                       for at, event, more in events], **status}


def log(trace, ident, at_ms, level, name, message, service="microtrace", **fields):
    ms = (T0 + int(at_ms * MS)) // MS
    when = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"
    return {"asctime": when, "levelname": level, "name": name, "message": message, "request_id": fields.pop("request", ""),
            "trace_id": trace, "span_id": ident, **fields, "resource": {"service.name": service}}


def shop():
    trace, hour = "4bf92f3577b34da6a3ce929d0e0e4736", 3_600_000
    yield "traces", spans("shop", "web1",
                          span(trace, "00f067aa0ba90200", None, "GET /cart", 0, 152.4, kind=2, http__request__method="GET", url__path="/cart",
                               http__response__status_code=200, microtrace__request_id="demo-123", user_agent__original="curl/7.88.1"),
                          span(trace, "00f067aa0ba90201", "00f067aa0ba90200", "SELECT cart", 1.5, 12.25, kind=3, db__system__name="postgresql",
                               db__query__text="SELECT item, count FROM cart WHERE customer = $1"),
                          span(trace, "00f067aa0ba90202", "00f067aa0ba90200", "POST", 20, 98.5, kind=3, http__request__method="POST",
                               url__full="http://app1/analyze", http__response__status_code=200))
    yield "traces", spans("microtrace", "app1",
                          span(trace, "00f067aa0ba90203", "00f067aa0ba90202", "POST /analyze", hour + 22, 90, kind=2, http__request__method="POST",
                               url__path="/analyze", http__response__status_code=200, microtrace__request_id="demo-123"),
                          span(trace, "00f067aa0ba90204", "00f067aa0ba90203", "WorkerService.analyze", hour + 23, 88,
                               events=[(hour + 60, "cache miss", {"cache.key": "a:b"})], worker__input_a=10.5, worker__input_b=3.5, worker__sum=14.0,
                               worker__chaos_delay_ms=0))
    yield "traces", spans("mailer", "web1",
                          span(trace, "00f067aa0ba90205", "00f067aa0ba90200", "send confirmation", 121, 30.9, code=2, message="timeout exceeded",
                               error__type="timeout", events=[(151, "exception", {"exception.type": "TimeoutError", "exception.message": "no answer within 30 ms"})]))
    yield "traces", spans("audit", "db1", span(trace, "00f067aa0ba90206", "ffffffffffffff00", "write", 130, 2.5))
    yield "logs", log(trace, "00f067aa0ba90203", hour + 24, "INFO", "microtrace.api", "analyze_request", request="demo-123", input_a=10.5, input_b=3.5)
    yield "logs", log(trace, "00f067aa0ba90203", hour + 112, "INFO", "microtrace.request", "request_completed", request="demo-123", method="POST",
                      path="/analyze", status_code=200, elapsed_ms=90.0)
    yield "logs", log(trace, "00f067aa0ba90205", 150, "WARNING", "mailer.smtp", "still no answer; the connection is closed", attempt=1)
    yield "logs", {"resourceLogs": [{"resource": {"attributes": attributes({"service.name": "shop"})}, "scopeLogs": [
        {"scope": {"name": "shop.cart"}, "logRecords": [{"timeUnixNano": str(T0 + 14 * MS), "severityNumber": 17, "severityText": "ERROR",
         "body": {"stringValue": "item 7 is gone"}, "traceId": trace.upper(), "spanId": "00f067aa0ba90200", "attributes": attributes({"item": 7})}]}]}]}


def hostile():
    trace = "0123456789abcdef0123456789abcdef"
    yield "traces", spans(HOSTILE, HOSTILE, span(trace, "aaaaaaaaaaaaaaaa", None, HOSTILE, 0, 10, code=2, message=HOSTILE,
                                                 events=[(1, HOSTILE, {HOSTILE: HOSTILE})],
                                                 **{HOSTILE: HOSTILE, "url.path": HOSTILE, "error.type": "x" * 65536, "big": "y" * 65536,
                                                    "microtrace.request_id": HOSTILE}),
                          span(trace, "bbbbbbbbbbbbbbbb", "aaaaaaaaaaaaaaaa", "z" * 65536, 1, 5))
    yield "logs", log(trace, "aaaaaaaaaaaaaaaa", 2, HOSTILE, HOSTILE, HOSTILE, **{HOSTILE: HOSTILE, "big": "w" * 65536})


def big():
    trace = "00000000000000000000000000005000"
    yield "traces", spans("batch", "h", span(trace, f"{1:016x}", None, "import", 0, 60000),
                          span(trace, f"{2:016x}", f"{1:016x}", "read", 0, 900))
    for i in range(3, 5001):
        yield "traces", spans("batch", "h", span(trace, f"{i:016x}", f"{1:016x}" if i < 4000 else f"{i - 3:016x}", "INSERT" if i < 4000 else f"step {i}",
                                                 i * 10, 7 + i % 5, code=2 if i == 2500 else 0))
        if i % 10 == 0:
            yield "logs", log(trace, f"{i:016x}", i * 10, "INFO", "batch", "row", row=i)


def wide():
    trace = "00000000000000000000000000005001"
    for i in range(2, 5001):
        yield "traces", spans("batch", "h", span(trace, f"{i:016x}", f"{1 + i % 7 if i > 8 else 1:016x}", f"step {i}", i, 5,
                                                 **{f"k{k}": f"<{i}>" * 20 for k in range(12)}))
    yield "traces", spans("batch", "h", span(trace, f"{1:016x}", None, "wide import", 0, 60000))


def huge():
    trace = "00000000000000000000000000020001"
    for i in range(2, 20002):
        yield "traces", spans("batch", "h", span(trace, f"{i:016x}", f"{1:016x}", f"step {i}", i, 5, k="v" * 100))
    yield "traces", spans("batch", "h", span(trace, f"{1:016x}", None, "huge import", 0, 60000))


def many():
    numbers = random.Random(16)
    for i in range(10000):
        trace, ident = f"{numbers.getrandbits(128):032x}", f"{numbers.getrandbits(64):016x}"
        length = 1 + numbers.random() * 50 + (1000 if i == 1234 else 0)
        start = i * 10
        request = f"r-{i}"
        yield "traces", spans("microtrace", "h",
                              span(trace, f"{numbers.getrandbits(64):016x}", ident, "WorkerService.analyze", start + 0.1, length - 0.2),
                              span(trace, ident, None, "POST /analyze", start, length, kind=2, code=2 if i % 1000 == 999 else 0,
                                   microtrace__request_id=request))
        yield "logs", log(trace, ident, start + 0.5, "INFO", "microtrace.request", "request_completed", request=request)


def main():
    kind, directory = sys.argv[1:]
    with open(f"{directory}/traces.jsonl", "a", encoding="utf-8") as traces, open(f"{directory}/logs.jsonl", "a", encoding="utf-8") as logs:
        for signal, record in {"shop": shop, "hostile": hostile, "big": big, "many": many, "wide": wide, "huge": huge}[kind]():
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            # JSON escapes C0 controls alone; the others stand raw.
            (traces if signal == "traces" else logs).write(text + "\n")


main()
