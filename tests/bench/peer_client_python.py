#!/usr/bin/python3
"""usage: peer_client_python.py update|scrape N: what prometheus_client's multiprocess mode costs.

Prints lines of `name value unit`, as metrics_bench does. Eight processes have the same N series.
"""
import os
import shutil
import statistics
import sys
import tempfile
import time

ROUNDS = 7
PROCESSES = 8
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
           2.5, 5, 10)
WORK = tempfile.mkdtemp(prefix="bench-client-python.", dir=os.environ.get("TMPDIR", "/dev/shm"))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = WORK

# Its mode is chosen when it is loaded.
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402


def report(name, value, unit):
    print(f"{name:<52} {value:12.2f} {unit}", flush=True)


def measure(name, operation, count):
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(count):
            operation()
        rounds.append((time.process_time_ns() - start) / count)
    report(name, statistics.median(rounds), "ns/op")


def update():
    counter = Counter("bench_requests", "Requests.", ["method", "path", "status"])
    histogram = Histogram("bench_latency_seconds", "Latency.", ["method", "path"], buckets=BUCKETS)
    series = counter.labels("POST", "/analyze", "200")
    latency = histogram.labels("POST", "/analyze")
    measure("inc", series.inc, 20000)
    measure("observe", lambda: latency.observe(0.003), 20000)
    measure("lookup + observe", lambda: histogram.labels("POST", "/analyze").observe(0.003), 20000)


def fill(count):
    counter = Counter("bench_requests", "Requests.", ["method", "path", "status"])
    for i in range(count):
        counter.labels("POST", f"/path/{i}", "200").inc(i)


def scrape(count):
    for _ in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            fill(count)
            os._exit(0)
    for _ in range(PROCESSES):
        if os.wait()[1] != 0:
            sys.exit("a writer failed")
    size = sum(entry.stat().st_size for entry in os.scandir(WORK))
    rounds = []
    for _ in range(ROUNDS if count < 50000 else 3):
        start = time.process_time_ns()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        text = generate_latest(registry)
        rounds.append((time.process_time_ns() - start) / 1e6)
    if text.count(b"\nbench_requests_total{") != count:
        sys.exit("series are missing")
    report(f"scrape of {count} series", statistics.median(rounds), "ms")
    report(f"files for {count} series", size / count, "bytes/series")


try:
    if sys.argv[1] == "update":
        update()
    else:
        scrape(int(sys.argv[2]))
finally:
    shutil.rmtree(WORK)
