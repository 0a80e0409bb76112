"""What tests/soak/run's clients saw, against metrics, books and collector: a table and a verdict."""

import collections
import http.client
import json
import os
import stat
import subprocess

# Reasons of microtrace_spool_dropped_records_total for records that had been written.
AFTER_WRITING = ("cap", "torn", "deleted", "quarantine_failed")
WITHIN_S = 2.0  # a scrape on a machine that does other things as well; the promise is 0.1 s on an idle one
REQUEST_S = 5.0
MEMORY_KIB = {"metrics-agent": 65536, "analyze": 32768, "lighttpd": 131072}
FILES = {"metrics-agent": 1200, "analyze": 64}


def is_counter(series):
    return series.partition("{")[0].endswith(("_total", "_count", "_sum", "_bucket"))


def parse(text):
    values = {}
    for line in text.splitlines():
        if line and line[0] != "#":
            series, _, value = line.rpartition(" ")
            values[series] = float(value)
    return values


def scrape(port, timeout):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise OSError(f"status {answer.status}: {text}")
        return parse(text)
    finally:
        connection.close()


def books(values):
    """The numbers of each signal's equation."""
    found = {}
    for signal in ("traces", "logs"):
        def get(name, labels="", signal=signal):
            return int(values.get(f'microtrace_{name}{{signal="{signal}"{labels}}}', 0))

        found[signal] = {
            "written": get("spool_written_records_total"), "backlog": get("spool_backlog_records"),
            **{o: get("export_records_total", f',outcome="{o}"') for o in ("delivered", "rejected", "quarantined")},
            **{r: get("spool_dropped_records_total", f',reason="{r}"') for r in AFTER_WRITING}}
    return found


def is_planted(path, kind):
    """Whether it is still what was planted, and not the program's own by now."""
    found = os.lstat(path)
    return {"link": stat.S_ISLNK(found.st_mode), "fifo": stat.S_ISFIFO(found.st_mode),
            "hard link": found.st_nlink > 1}.get(kind, found.st_size in (50000, 1 << 30))


class Arrived:
    """What the collector took: of each request the spans and log lines, and what came again."""

    def __init__(self, path):
        self.spans, self.logs = collections.defaultdict(set), collections.defaultdict(set)
        self.records, self.again = collections.Counter(), collections.defaultdict(set)
        self.torn = self.differing = 0
        self.seen, self.traces, self.request = {}, collections.defaultdict(set), {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    self.take(json.loads(line))
                except ValueError:  # the collector was killed in a write
                    self.torn += 1
        for trace, names in self.traces.items():
            self.spans[self.request.get(trace)] |= names

    def take(self, entry):
        signal, record, attributes = entry["signal"], entry["record"], entry["attributes"]
        # As numbers: millions of strings would be much memory.
        ident, text = hash(entry["id"] if signal == "traces" else entry["hash"]), hash(entry["hash"])
        if ident in self.seen:
            self.again[signal].add(entry["request"])
            self.differing += self.seen[ident] != text
            return
        self.seen[ident] = text
        self.records[signal] += 1
        request = attributes.get("request_id", attributes.get("microtrace.request_id"))
        if request is not None:
            self.request[record.get("traceId")] = request
        if signal == "logs":
            self.logs[request].add(record["body"].get("stringValue"))
        else:
            self.traces[record["traceId"]].add("server" if record["kind"] == 2 else record["name"])


def in_windows(windows, begin, end):
    return any(begin <= w[1] and end >= w[0] for w in windows)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0


class Verdict:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, what, detail=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok' if good else 'not ok'} - {what}" + (f": {detail}" if detail else ""))


def all_files(soak, final, build):
    """The sum over the metrics files that there were: those taken away, and the last scrape."""
    total = collections.Counter(final)
    for name in sorted(os.listdir(soak.archive)):
        folder = f"{soak.archive}/{name}"
        if os.path.exists(folder + "/metrics.mmap"):
            text = subprocess.run([build + "/bin/microtrace", "metrics", "--prometheus"], check=True,
                                  capture_output=True, text=True,
                                  env={**os.environ, "MICROTRACE_RUN_DIR": folder,
                                       "MICROTRACE_SPOOL_DIR": folder}).stdout
            for series, value in parse(text).items():
                total[series] += value
    return total


def check_clients(v, soak, total):
    tried = collections.Counter(s if s is None or s >= 0 else "wrong" for _, _, s, _, _ in soak.requests)
    unexplained = [r for r in soak.requests
                   if r[2] != r[1] and not in_windows(soak.windows["web"], r[3], r[4])]
    calm = [e - b for _, _, s, b, e in soak.requests if s and not in_windows(soak.windows["web"], b, e)]
    print(f"requests: {len(soak.requests)}, by status {dict(tried)}; of those with a web server and processes in "
          f"peace {len(calm)}: median {percentile(calm, .5) * 1e3:.1f} ms, 99 % {percentile(calm, .99) * 1e3:.1f} ms, "
          f"slowest {max(calm, default=0) * 1e3:.1f} ms")
    v.check(max(calm, default=0) < REQUEST_S, "promise 1: no request waits", f"none longer than {REQUEST_S} s")
    v.check(not unexplained and tried["wrong"] == 0, "promise 3: no request fails but by a killed process",
            f"{len(unexplained)} of {len(soak.requests)} {unexplained[:3]}")
    for path, status in (("/analyze", 200), ("/analyze", 422), ("_OTHER", 404)):
        answered = sum(1 for r in soak.requests if r[2] == status)
        unanswered = sum(1 for r in soak.requests if r[1] == status and r[2] != status)
        counted = int(total[f'requests_total{{method="POST",path="{path}",status="{status}"}}'])
        v.check(answered <= counted <= answered + unanswered, f"promise 2: metrics have each answer of {status}",
                f"{answered} answered, {unanswered} without an answer, {counted} counted")


def check_records(v, soak, total, final):
    found = Arrived(soak.folder + "/dump")
    missing, examples = collections.Counter(), []
    for ident, _, status, _, _ in soak.requests:
        if status not in (200, 422, 404):
            continue
        want_spans = {"server"} | ({"WorkerService.analyze"} if status == 200 else set())
        want_logs = {"request_completed"} | ({"analyze_request", "analyze_response"} if status == 200 else set())
        lacks = {"traces": want_spans - found.spans[ident], "logs": want_logs - found.logs[ident]}
        for signal, names in lacks.items():
            missing[signal] += len(names)
        if any(lacks.values()) and len(examples) < 3:
            examples.append((ident, lacks))
    # A span whose request is not known, since its server span and its log lines were lost.
    missing["traces"] -= len(found.spans[None])
    for signal in ("traces", "logs"):
        named = {s.partition('reason="')[2].rstrip('"}') or "quarantined": int(n) for s, n in total.items()
                 if f'signal="{signal}"' in s and n and ("spool_dropped_records_total" in s or "quarantined" in s)}
        v.check(missing[signal] <= sum(named.values()), f"promise 2: {signal} have each answer, or its loss is counted",
                f"{missing[signal]} records not at the collector, {named} in the books"
                f"{examples if missing[signal] > sum(named.values()) else ''}")
        unsure = int(sum(n for s, n in total.items() if s.startswith("microtrace_export_requests_total")
                         and f'signal="{signal}"' in s and ('"timeout"' in s or '"error"' in s)))
        deaths = soak.counts["killed: metrics-agent"] + soak.counts["killed: lighttpd"]
        v.check(len(found.again[signal]) <= unsure + deaths, f"promise 4: {signal} come once",
                f"again in {len(found.again[signal])} requests; {unsure} had no answer, the agent died {deaths} times")
        sent = sum(books(final)[signal][o] for o in ("delivered", "rejected"))
        v.check(sent <= found.records[signal] + found.torn, f"promise 4: no record of {signal} counts twice",
                f"{sent} delivered or rejected, {found.records[signal]} at the collector")
    v.check(found.differing == 0, "what comes again is the same", f"{found.differing} differ")
    print(f"the collector was killed in a write {found.torn} times")


def check_books(v, final):
    for signal, b in books(final).items():
        right = sum(b.values()) - b["written"]
        v.check(b["written"] == right and b["backlog"] == 0, f"promise 4: the books of {signal} balance", str(b))


def check_scrapes(v, soak):
    times, failures, smaller = [], [], []
    with open(soak.folder + "/scrapes", encoding="utf-8") as file:
        for line in file:
            try:
                begin, took, error, fell = json.loads(line)
            except ValueError:  # the last, when it was ended
                continue
            away = in_windows(soak.windows["agent"], begin, begin + took) or (
                # Until the file is made again the answer says that there is none.
                error and "status 503" in error and in_windows(soak.windows["metrics"], begin, begin + took))
            if not away:
                times.append(took)
                if error:
                    failures.append((round(begin, 2), error))
            if fell and not in_windows(soak.windows["metrics"], begin, begin):
                smaller.append(fell)
    print(f"scrapes while the agent was neither stopped nor dead: {len(times)}, median "
          f"{percentile(times, .5) * 1e3:.1f} ms, 99 % {percentile(times, .99) * 1e3:.1f} ms, 99.9 % "
          f"{percentile(times, .999) * 1e3:.1f} ms, slowest {max(times, default=0) * 1e3:.1f} ms, "
          f"{sum(t > 0.1 for t in times)} above 100 ms")
    v.check(times and not failures and max(times) < WITHIN_S, "promise 5: /metrics always answers",
            f"{len(failures)} did not {failures[:3]}")
    v.check(not smaller, "promise 5: no counter decreases while its file lives", f"{len(smaller)} {smaller[:3]}")


def judge(soak, final, left, build):
    """Prints the totals and each promise; returns how many checks failed."""
    v, total = Verdict(), all_files(soak, final, build)
    print(f"seed {soak.args.seed}, {soak.args.minutes:g} minutes")
    for what, count in sorted(soak.counts.items()):
        print(f"  {what:32} {count:6}")
    for what, peak in sorted(soak.peaks.items()):
        print(f"  most {what:27} {peak:6}")
    check_clients(v, soak, total)
    check_records(v, soak, total, final)
    check_books(v, final)
    check_scrapes(v, soak)
    for limits, unit in ((MEMORY_KIB, "KiB"), (FILES, "files")):
        for name, limit in limits.items():
            v.check(soak.peaks[f"{name} {unit}"] < limit, f"{name} stays below {limit} {unit}")
    with open(soak.folder + "/victim", encoding="ascii") as a, open(soak.state + "/victim", encoding="ascii") as b:
        v.check({a.read(), b.read()} == {"nobody else's\n"}, "no link was followed")
    v.check(not left, "nothing is left of it", str(left))
    v.check(not soak.problems, "the surroundings did what they should", str(soak.problems))
    print(f"{v.passed} passed, {v.failed} failed")
    return v.failed
