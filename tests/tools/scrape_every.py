#!/usr/bin/env python3
"""Asks http://127.0.0.1:PORT/metrics every 50 ms, each time by a new connection, until SIGTERM (and
20 answers) or for --seconds. Prints one line as JSON: how many were answered 200, 503 and not at all, and the slowest
in ms. Before the first connection it waits for the port, and tells how long that took."""
import argparse
import http.client
import json
import signal
import time

EVERY_S = 0.05
TIMEOUT_S = 60
ANSWERS_MIN = 20


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--path", default="/metrics")
    arguments.add_argument("--seconds", type=float, default=3600)
    arguments.add_argument("--started", help="a file to make when SIGTERM may come")
    options = arguments.parse_args()
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    if options.started is not None:
        with open(options.started, "w", encoding="ascii"):
            pass
    began = time.monotonic()
    counts = {"200": 0, "503": 0, "none": 0}
    slowest, slowest_at, up = 0.0, 0.0, None
    while time.monotonic() - began < options.seconds:
        if stop and sum(counts.values()) >= ANSWERS_MIN:
            break
        before = time.monotonic()
        try:
            status = str(ask(options.port, options.path))
        except OSError as error:
            if up is None and isinstance(error, ConnectionRefusedError):
                time.sleep(0.005)
                continue
            status = "none"
        took = time.monotonic() - before
        if up is None:
            up = before - began
        counts[status] = counts.get(status, 0) + 1
        if took > slowest:
            slowest, slowest_at = took, before - began
        time.sleep(max(0.0, EVERY_S - took))
    print(json.dumps({"answers": counts, "slowest_ms": round(slowest * 1000, 1),
                      "slowest_at_s": round(slowest_at, 1),
                      "up_ms": None if up is None else round(up * 1000)}))


if __name__ == "__main__":
    main()
