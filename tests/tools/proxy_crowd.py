"""Clients of a site behind microtrace-proxy, every tenth of whose requests fails in one of several
ways; what they got, and whether spans, log lines and metrics say the same.

    proxy_crowd.py URL REQUESTS [--check SPOOL METRICS-URL [--killed]] [--name NAME]

Prints the counts by status as JSON. With --check they are compared with the
telemetry: exactly, or with --killed (the proxy itself was killed on the way) so that nothing that
was answered is missing.
"""

import argparse
import collections
import glob
import http.client
import json
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

CLIENTS = 16
FAILURES = ["500", "exit", "kill", "sleep", "garbage", "broken"]


def what(number):
    return FAILURES[number // 10 % len(FAILURES)] if number % 10 == 0 else "ok"


class Crowd:
    def __init__(self, url, requests, name):
        self.name = name
        self.address = urllib.parse.urlsplit(url).netloc
        self.left = iter(range(requests))
        self.lock = threading.Lock()
        self.by_status = collections.Counter()
        self.ids = {}
        self.unanswered = 0

    def next(self):
        with self.lock:
            return next(self.left, None)

    def client(self):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        while (number := self.next()) is not None:
            own = "%s-%d" % (self.name, number)
            try:
                connection.request("GET", "/do.php?do=%s&n=%d" % (what(number), number), headers={"X-Request-ID": own})
                answer = connection.getresponse()
                seen, status = answer.getheader("X-Request-ID"), answer.status
                try:
                    answer.read()
                except (http.client.HTTPException, OSError):
                    connection.close()
            except (http.client.HTTPException, OSError):
                connection.close()
                with self.lock:
                    self.unanswered += 1
                continue
            with self.lock:
                if seen is None:  # the web server's own words: the proxy was not there
                    self.unanswered += 1
                    continue
                assert seen == own, (seen, own)
                self.by_status[status] += 1
                self.ids[own] = status

    def run(self):
        threads = [threading.Thread(target=self.client) for _ in range(CLIENTS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def lines(spool, signal):
    """What is torn, by a kill or since it is being written, tells nothing: it is found missing."""
    for name in glob.glob("%s/%s*.jsonl*" % (spool, signal)):
        with open(name, errors="replace") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue


def spans(spool):
    """Status by request id, of server spans."""
    found = collections.defaultdict(list)
    for line in lines(spool, "traces"):
        for resource in line["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    attributes = {a["key"]: a["value"] for a in span["attributes"]}
                    if span["kind"] == 2 and "http.response.status_code" in attributes:
                        found[attributes["microtrace.request_id"]["stringValue"]].append(
                            int(attributes["http.response.status_code"]["intValue"]))
    return found


def logs(spool):
    found = collections.defaultdict(list)
    for line in lines(spool, "logs"):
        if line["message"] == "request_completed":
            found[line["request_id"]].append(line["status_code"])
    return found


def metrics(url):
    text = urllib.request.urlopen(url, timeout=20).read().decode()
    counts = collections.Counter()
    for status, value in re.findall(r'^requests_total\{.*status="(\d+)"\} (\S+)$', text, re.M):
        counts[int(status)] += int(float(value))
    in_progress = [float(v) for v in re.findall(r"^requests_in_progress (\S+)$", text, re.M)]
    return counts, sum(in_progress)


def compare(crowd, spool, url, killed, before):
    """
    `killed`: the web server may ask a second time, and what was told may not have been answered. A
    page that breaks its answer off ends none: if the proxy dies before it has seen that, nobody
    tells, while the web server may take what it has for an answer.
    """
    def agrees(found, status):
        return status in found if killed else found == [status]
    ended = {i: s for i, s in crowd.ids.items() if not killed or what(int(i.rpartition("-")[2])) != "broken"}
    by_status = collections.Counter(ended.values())
    problems = []
    for name, found in (("spans", spans(spool)), ("logs", logs(spool))):
        wrong = [(i, s, found.get(i)) for i, s in ended.items() if not agrees(found.get(i, []), s)]
        more = [i for i in found if i.startswith(crowd.name + "-") and i not in crowd.ids]
        if wrong or (more and not killed):
            problems.append("%s: %d are not as answered: %s; %d more" % (name, len(wrong), wrong[:5], len(more)))
    counts, in_progress = metrics(url)
    counts.subtract(before)
    for status, n in by_status.items():
        if counts[status] < n or (counts[status] != n and not killed):
            problems.append("requests_total: %d of status %d, the clients have %d" % (counts[status], status, n))
    if not killed and sum(counts.values()) != sum(crowd.by_status.values()):
        problems.append("requests_total: %s, the clients have %s" % (dict(counts), dict(crowd.by_status)))
    if in_progress:
        problems.append("requests_in_progress is %g" % in_progress)
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("requests", type=int)
    parser.add_argument("--check", nargs=2)
    parser.add_argument("--name", default="crowd", help="what the request ids begin with")
    parser.add_argument("--killed", action="store_true")
    a = parser.parse_args()
    crowd = Crowd(a.url, a.requests, a.name)
    before = metrics(a.check[1])[0] if a.check else None
    crowd.run()
    problems = []
    if a.check:
        deadline = time.time() + 20
        while (problems := compare(crowd, *a.check, a.killed, before)) and time.time() < deadline:
            time.sleep(0.2)
    print(json.dumps({"answered": dict(crowd.by_status), "unanswered": crowd.unanswered, "problems": problems}))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
