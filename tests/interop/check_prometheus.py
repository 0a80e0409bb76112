#!/usr/bin/python3
"""usage: check_prometheus.py PROMETHEUS_URL SEEN JOB...: each job's counts are what SEEN counted.

Asks Prometheus over its HTTP API until it has scraped them all, for four minutes at most.
"""
import json
import sys
import time
import urllib.parse
import urllib.request


def query(base, expression):
    url = f"{base}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=30) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def main():
    base, seen_path, jobs = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(seen_path, encoding="utf-8") as file:
        seen = [json.loads(line) for line in file]
    good = sum(r["status"] == 200 for r in seen)
    posts = sum(r["method"] == "POST" for r in seen)
    bad = sum(r["status"] >= 400 for r in seen)
    wanted = {}
    for job in jobs:
        labels = f'job="{job}"'
        posted = f'{labels},method="POST",path="/analyze"'
        wanted.update({
            f"up{{{labels}}}": 1,
            f'sum(requests_total{{{posted},status="200"}})': good,
            f"request_latency_seconds_count{{{posted}}}": posts,
            f'request_latency_seconds_bucket{{{posted},le="+Inf"}}': posts,
            f"sum(errors_total{{{labels}}})": bad,
        })
    deadline = time.monotonic() + 240
    while True:
        got = {expression: query(base, expression) for expression in wanted}
        if got == wanted or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    for expression, number in wanted.items():
        if got[expression] != number:
            print(f"{expression} is {got[expression]}, expected {number}")
    return 0 if got == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
