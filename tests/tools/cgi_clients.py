"""Clients of a web server with scripts behind microtrace-cgi, and whether all that is told of their
requests is exactly what they have seen.

Usage: cgi_clients.py URL REQUESTS CLIENTS SPOOL METRICS-COMMAND [--killed]

Request N has the request id N. Every tenth fails, each in another way (exact.cgi of the test).
Compared by request id: status of answer, span and log line; by status: requests_total; by reason:
errors_total. With --killed processes die meanwhile: then an answer without X-Request-ID is the web
server's own, and of the others none may be missing.
"""

import collections
import glob
import http.client
import json
import subprocess
import sys
import threading
import urllib.parse

WAYS = {0: ("status", 500, "500"), 1: ("exit", 502, "no_output"), 2: ("kill", 502, "killed"),
        3: ("sleep", 504, "gateway_timeout"), 4: ("garbage", 502, "bad_header")}


def way(number):
    return WAYS[number // 10 % len(WAYS)] if number % 10 == 0 else ("fine", 200, None)


def reason(number, status):
    """The exception of an answer; a machine that is too busy for a script has it time out, too."""
    return "gateway_timeout" if status == 504 else way(number)[2]


def client(address, numbers, seen):
    connection = http.client.HTTPConnection(address, timeout=60)
    for number in numbers:
        try:
            connection.request("GET", "/exact.cgi?" + way(number)[0],
                               headers={"X-Request-ID": str(number)})
            answer = connection.getresponse()
            body = answer.read()
        except (http.client.HTTPException, OSError):
            connection.close()
            continue
        if answer.headers["X-Request-ID"] is not None:
            assert answer.headers["X-Request-ID"] == str(number)
            seen[number] = answer.status
            assert answer.status != 200 or body == b"fine\n", body


def lines(spool, signal):
    """What a kill has torn tells nothing: it is found missing."""
    for name in glob.glob(f"{spool}/{signal}.*jsonl*"):
        with open(name, "rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def plain(attributes):
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


def main(url, requests, clients, spool, command, killed=None):
    requests, clients = int(requests), int(clients)
    seen, problems = {}, []
    threads = [threading.Thread(target=client, args=(
        urllib.parse.urlsplit(url).netloc, range(first, requests, clients), seen))
        for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    spans, logs = collections.defaultdict(list), collections.defaultdict(list)
    for data in lines(spool, "traces"):
        for resource in data["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    told = plain(span["attributes"])
                    if "microtrace.request_id" in told and told["url.path"] == "/exact.cgi":
                        spans[told["microtrace.request_id"]].append(
                            (int(told.get("http.response.status_code", 0)), told.get("error.type"),
                             span["traceId"]))
    for line in lines(spool, "logs"):
        if line["message"] == "request_completed" and line["path"] == "/exact.cgi":
            logs[line["request_id"]].append((line["status_code"], line["trace_id"]))

    for number, status in seen.items():
        name = str(number)
        if status not in (way(number)[1], 504):
            problems.append(f"{name}: answered {status}, not {way(number)[1]}")
        if killed is None and (len(spans[name]) != 1 or len(logs[name]) != 1):
            problems.append(f"{name}: {len(spans[name])} spans, {len(logs[name])} log lines")
        if (status, reason(number, status)) not in [one[:2] for one in spans[name]]:
            problems.append(f"{name}: answered {status}, spans {spans[name]}")
        if status not in [one[0] for one in logs[name]]:
            problems.append(f"{name}: answered {status}, log lines {logs[name]}")
        if not {one[1] for one in logs[name]} <= {one[2] for one in spans[name]}:
            problems.append(f"{name}: log lines of another trace")

    by_status = collections.Counter(str(status) for status in seen.values())
    by_reason = collections.Counter(reason(*one) for one in seen.items() if reason(*one) is not None)
    counted = {}
    for line in subprocess.run(command.split(), check=True, text=True,
                               stdout=subprocess.PIPE).stdout.splitlines():
        if 'path="/exact.cgi"' in line:
            counted[line.rsplit(" ", 1)[0]] = float(line.rsplit(" ", 1)[1])
    wanted = {f'requests_total{{method="GET",path="/exact.cgi",status="{s}"}}': n
              for s, n in by_status.items()}
    wanted |= {f'errors_total{{method="GET",path="/exact.cgi",exception="{r}"}}': n
               for r, n in by_reason.items()}
    wanted['request_latency_seconds_count{method="GET",path="/exact.cgi"}'] = len(seen)
    for series, number in wanted.items():
        have = counted.get(series, 0)
        if have < number or (killed is None and have != number):
            problems.append(f"{series} is {have}, the clients have seen {number}")
    if killed is None and len(seen) != requests:
        problems.append(f"{len(seen)} answers to {requests} requests")
    print(f"{len(seen)} of {requests} answered: {dict(by_status)}")
    print("\n".join(problems[:20]))
    return 1 if problems else 0


sys.exit(main(*sys.argv[1:]))
