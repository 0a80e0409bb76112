#!/usr/bin/python3
"""usage: check_formats.py METRICS_URL SEEN: both formats pass the Python client's parsers.

Both have the same samples, each bucket's exemplar lies in it and names a trace of SEEN's requests.
"""
import json
import math
import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def fetch(url, accept):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def own(families):
    """Samples of the counters that no scrape moves, comparable between the formats."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value
            for f in families for s in f.samples
            if f.name.startswith(("requests", "request_latency", "errors", "worker_latency"))}


def check_exemplars(families):
    checked = 0
    for family in families:
        lower = {}
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                continue
            series = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            below, upper = lower.get(series, -math.inf), float(sample.labels["le"])
            lower[series] = upper
            if sample.exemplar is None:
                continue
            assert below < sample.exemplar.value <= upper, f"exemplar outside: {sample}"
            assert len(sample.exemplar.labels["trace_id"]) == 32, f"no trace: {sample}"
            checked += 1
    return checked


def main():
    url, seen_path = sys.argv[1:3]
    with open(seen_path, encoding="utf-8") as file:
        seen = [json.loads(line) for line in file]

    kind, text = fetch(url, "text/plain;version=0.0.4")
    assert kind == TEXT, f"Content-Type {kind!r}"
    plain = own(list(prometheus(text)))
    posts = sum(r["method"] == "POST" for r in seen)
    series = (("method", "POST"), ("path", "/analyze"))
    assert plain[("request_latency_seconds_count", series)] == posts, plain

    kind, text = fetch(url, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert kind == OPENMETRICS, f"Content-Type {kind!r}"
    families = list(openmetrics(text))
    assert own(families) == plain, "the two formats differ"
    assert check_exemplars(families) > 0, "no exemplar at all"


if __name__ == "__main__":
    main()
