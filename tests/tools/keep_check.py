#!/usr/bin/env python3
"""Compares what two services under MICROTRACE_TRACES_KEEP=error,slow:...,ratio:... have sent with
what happened: their log lines, which are whole, and their metrics.

    keep_check.py --slow-ms N --ratio R DUMP FRONT BACK

DUMP is the test sink's. FRONT and BACK are each SERVICE=LOGS=METRICS: the name, a folder with its
log spool, and a file with its answer to a scrape in OpenMetrics. FRONT calls BACK. Prints what it
found; exit status 1 where one thing is not as it should be.
"""

import argparse
import collections
import glob
import json
import math
import re
import sys

SIGMAS = 5
# A log line's time begins some instructions before the span's and ends before it.
MARGIN_MS = 10
UNTRACED = ("/healthz", "/readyz", "/metrics")

faults = []


def check(holds, text):
    if not holds:
        faults.append(text)


def below(ratio, trace_id):
    """The sampler's rule (lib/trace/sampler.h): the low 56 bits of the id."""
    return int(trace_id[18:], 16) < round(ratio * 2 ** 56)


class Service:
    def __init__(self, argument, args):
        self.name, logs, metrics = argument.split("=")
        self.args = args
        self.requests = {}  # by trace id: (status, milliseconds)
        self.traces = collections.defaultdict(list)  # the spans that came, by trace id
        for path in glob.glob(f"{logs}/logs*.jsonl"):
            with open(path, encoding="utf-8") as file:
                # Empty lines mean nothing (docs/spool.md).
                for line in filter(str.strip, file):
                    self.take_log(json.loads(line))
        with open(metrics, encoding="utf-8") as file:
            self.metrics = file.read()

    def take_log(self, line):
        if line["message"] == "request_completed" and line["path"] not in UNTRACED:
            check(line["trace_id"] not in self.requests, f"{self.name}: a trace id came twice")
            self.requests[line["trace_id"]] = line["status_code"], line["elapsed_ms"]

    def value(self, series):
        found = re.search(rf"^{re.escape(series)} (\S+)", self.metrics, re.MULTILINE)
        return int(float(found.group(1))) if found else None

    def root(self, trace_id):
        return next((s for s in self.traces[trace_id] if s["record"]["kind"] == 2), None)

    def is_slow(self, root):
        record = root["record"]
        took_ns = int(record["endTimeUnixNano"]) - int(record["startTimeUnixNano"])
        return took_ns >= self.args.slow_ms * 1e6

    def reason(self, trace_id):
        if any(s["record"]["status"].get("code") == 2 for s in self.traces[trace_id]):
            return "error"
        if self.is_slow(self.root(trace_id)):
            return "slow"
        return "ratio" if below(self.args.ratio, trace_id) else "none"

    def check(self):
        requests, kept, ratio = len(self.requests), set(self.traces), self.args.ratio
        must = collections.Counter()
        for trace_id, (status, ms) in self.requests.items():
            if status >= 500:
                must["error"] += 1
                check(trace_id in kept, f"{self.name}: {trace_id} is {status} and missing")
            elif ms >= self.args.slow_ms + MARGIN_MS:
                must["slow"] += 1
                check(trace_id in kept, f"{self.name}: {trace_id} took {ms} ms and is missing")
            elif below(ratio, trace_id):
                must["ratio"] += 1
                check(trace_id in kept, f"{self.name}: {trace_id} is in the ratio and missing")
        reasons = collections.Counter()
        for trace_id in kept:
            root = self.root(trace_id)
            check(trace_id in self.requests, f"{self.name}: {trace_id} has no log line")
            if root is None:
                check(False, f"{self.name}: {trace_id} came without its root")
                continue
            reason = root["attributes"].get("microtrace.keep.reason")
            reasons[reason] += 1
            check(reason == self.reason(trace_id), f"{self.name}: {trace_id} is kept for {reason}")
            ids = {s["id"] for s in self.traces[trace_id]}
            for span in self.traces[trace_id]:
                check(span is root or span["record"].get("parentSpanId") in ids,
                      f"{self.name}: {trace_id} has a span without its parent")
        # Of those that nothing else keeps, by chance.
        rest = requests - must["error"] - must["slow"]
        sigma = math.sqrt(rest * ratio * (1 - ratio))
        check(abs(must["ratio"] - rest * ratio) <= SIGMAS * sigma,
              f"{self.name}: the ratio keeps {must['ratio']} of {rest}")
        self.check_metrics(requests, reasons)
        self.check_exemplars(kept)
        print(f"{self.name}: {requests} requests, {must['error']} of 5xx, {must['slow']} slow; of the "
              f"other {rest} the ratio keeps {must['ratio']} ({rest * ratio:.0f} +- {sigma:.0f}); at "
              f"the sink {len(kept)} traces: {dict(reasons)}")
        check(min(must["error"], must["slow"], must["ratio"]) > 0, f"{self.name}: that proves nothing")

    def check_metrics(self, requests, reasons):
        for reason in ("error", "slow", "ratio", "large"):
            value = self.value(f'microtrace_traces_kept_total{{reason="{reason}"}}')
            check(value == reasons[reason], f"{self.name}: {value} kept for {reason}, not {reasons[reason]}")
        gone = self.value("microtrace_traces_discarded_total")
        check(gone == requests - len(self.traces), f"{self.name}: {gone} discarded")
        counted = sum(int(float(n)) for n in re.findall(r"^requests_total\{.*\} (\S+)", self.metrics,
                                                        re.MULTILINE))
        check(counted == requests, f"{self.name}: {counted} requests counted, {requests} logged")

    def check_exemplars(self, kept):
        ids = re.findall(r'# \{trace_id="([0-9a-f]{32})"', self.metrics)
        check(len(ids) > 0, f"{self.name}: no exemplars")
        for trace_id in ids:
            check(trace_id in kept, f"{self.name}: an exemplar points to {trace_id}, which is gone")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("front")
    parser.add_argument("back")
    parser.add_argument("--slow-ms", type=float, required=True)
    parser.add_argument("--ratio", type=float, required=True)
    args = parser.parse_args()

    services = Service(args.front, args), Service(args.back, args)
    by_name, seen = {s.name: s for s in services}, set()
    with open(args.dump, encoding="utf-8") as file:
        for line in file:
            span = json.loads(line)
            check(span["id"] not in seen, f"span {span['id']} came twice")
            seen.add(span["id"])
            by_name[span["resource"]["service.name"]].traces[span["record"]["traceId"]].append(span)
    for service in services:
        service.check()

    front, back = services
    # Whatever the second keeps hangs below something that the first has kept ...
    spans = {s["id"] for trace in front.traces.values() for s in trace}
    for trace_id in back.traces:
        root = back.root(trace_id)
        check(root is not None and root["record"].get("parentSpanId") in spans,
              f"{trace_id} hangs in the air")
    # ... and what the ratio keeps is whole.
    for trace_id, trace in front.traces.items():
        calls = sum(s["record"]["kind"] == 3 for s in trace)
        if below(args.ratio, trace_id) and calls > 0:
            check(trace_id in back.traces, f"{trace_id} ends where the second service begins")
    for fault in faults[:20]:
        print(fault)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
