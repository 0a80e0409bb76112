#!/usr/bin/python3
"""What Prometheus and the Collector of a running stack know.

usage: check.py queries PROMETHEUS-URL DASHBOARD-OR-RULE-FILE...
       check.py collected FOLDER REQUEST-ID
       check.py exemplars PROMETHEUS-URL FOLDER

queries: each panel's and each recording rule's query returns data, but for the panels that are empty
while all is well; each metric that an alert
looks at exists (an alert without cause returns nothing), and Prometheus has evaluated each rule
without an error.
collected: the Collector's files hold the request's spans, parent and child, and its log records.
exemplars: Prometheus has exemplars whose traces the Collector has.
Each finding is one line, "ok WHAT" or "not ok WHAT", and the last line is "done"; exit status 1 where
anything is not.
"""
import json
import re
import sys
import time
import urllib.parse
import urllib.request

import yaml

PATIENCE = 180  # seconds that anything may take to appear

# As Grafana would fill them in.
VARIABLES = {
    "__rate_interval": "30s",
    "__interval": "15s",
    "__range": "1h",
    "__range_s": "3600",
    "__interval_ms": "15000",
}

failed = False


def report(good, what):
    global failed
    failed = failed or not good
    print("ok" if good else "not ok", what, flush=True)


def within_patience(probe):
    """Calls probe until it returns something true; returns that, or what it returned last."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found = probe()
        except OSError as error:  # no answer, this time
            print("   ", error)
            found = []
        if found or time.monotonic() > end:
            return found
        time.sleep(0.5)


def get(base, path, **parameters):
    url = base + path + "?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def query(base, text):
    answer = get(base, "/api/v1/query", query=text)
    if answer["status"] != "success":
        print("   ", answer.get("error"), "in", text)
        return []
    return answer["data"]["result"]


def panels(board):
    for panel in board.get("panels", []):
        yield panel
        yield from panels(panel)


# What there is only while something is wrong, or of a front end and hours that no short test has.
EMPTY_AT_FIRST = {"Alerts (whole job)", "Queue Time p99 (all paths)", "Dropped, Rejected, Quarantined",
                  "Error Budget Burn (whole job)", "Latency Budget Burn (whole job)", "Budget (job, 30 d)",
                  "Windows Seen (whole job)"}


def fill_in(text, board):
    values = dict(VARIABLES)
    for variable in board.get("templating", {}).get("list", []):
        values[variable["name"]] = ".*" if variable["type"] == "query" else "prometheus"
    for name in sorted(values, key=len, reverse=True):
        text = text.replace("${" + name + "}", values[name]).replace("$" + name, values[name])
    return text


KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", "by", "without", "on", "ignoring",
            "group_left", "group_right"}


def metric_names(text):
    """The names of the metrics in a PromQL expression."""
    text = re.sub(r'"(\\.|[^"\\])*"', '""', text)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(?!\s*[\w(])", text)
    return {name for name in names if name.lower() not in KEYWORDS}


def check_queries(base, files):
    for path in (path for path in files if path.endswith(".json")):
        check_panels(base, path)
    check_rules(base, [path for path in files if not path.endswith(".json")])


def check_panels(base, dashboard):
    with open(dashboard, encoding="utf-8") as file:
        board = json.load(file)
    for panel in panels(board):
        if panel["title"] in EMPTY_AT_FIRST:
            continue
        for target in panel.get("targets", []):
            if "expr" not in target or target.get("datasource", {}).get("type", "prometheus") != "prometheus":
                continue
            # That of the breaker begins with the first call.
            if target.get("legendFormat") == "Downstream breaker closed":
                continue
            text = fill_in(target["expr"], board)
            found = within_patience(lambda: query(base, text))
            report(bool(found), f"panel {panel['title']!r}, query {target.get('refId')} returns data")


def check_rules(base, rule_files):
    for path in rule_files:
        with open(path, encoding="utf-8") as file:
            groups = yaml.safe_load(file)["groups"]
        for rule in (rule for group in groups for rule in group["rules"]):
            if "record" in rule:
                found = within_patience(lambda: query(base, rule["expr"]))
                report(bool(found), f"rule {rule['record']} returns data")
                continue
            for name in sorted(metric_names(rule["expr"])):
                found = within_patience(lambda: query(base, f"count({name})"))
                report(bool(found), f"alert {rule['alert']} looks at {name}, which exists")
    check_health(base)


def check_health(base):
    def state():
        groups = get(base, "/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else []

    rules = within_patience(state)
    report(bool(rules), f"Prometheus has loaded and evaluated its rules ({len(rules)})")
    for rule in rules:
        if rule["health"] != "ok":
            report(False, f"rule {rule['name']}: {rule.get('lastError')}")


def lines(folder, name):
    try:
        with open(f"{folder}/{name}.json", encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


def spans(folder):
    for line in lines(folder, "traces"):
        for resource in line["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                yield from scope["spans"]


def records(folder):
    for line in lines(folder, "logs"):
        for resource in line["resourceLogs"]:
            for scope in resource["scopeLogs"]:
                yield from scope["logRecords"]


def attribute(item, key):
    for pair in item.get("attributes", []):
        if pair["key"] == key:
            return next(iter(pair["value"].values()))
    return None


def check_collected(folder, request_id):
    def once(wanted):
        """Each of them once: a batch that was answered late comes twice."""
        return list({s["spanId"]: s for s in spans(folder) if wanted(s)}.values())

    found = within_patience(lambda: once(lambda s: attribute(s, "microtrace.request_id") == request_id))
    report(len(found) == 1, f"the Collector has the server span of request {request_id}")
    if not found:
        return
    span = found[0]
    trace = span["traceId"]
    children = within_patience(lambda: once(lambda s: s.get("parentSpanId") == span["spanId"]))
    report([c["name"] for c in children] == ["WorkerService.analyze"], "and its worker's span below it")
    bodies = {"analyze_request", "analyze_response", "request_completed"}

    def log_bodies():
        got = {r["body"]["stringValue"] for r in records(folder) if r.get("traceId") == trace}
        return got if got >= bodies else None

    report(bool(within_patience(log_bodies)), "and its three log records, with the trace's id")


def check_exemplars(base, folder):
    def traces():
        now = time.time()
        answer = get(base, "/api/v1/query_exemplars", query="request_latency_seconds_bucket",
                     start=now - 3600, end=now)
        return {e["labels"]["trace_id"] for series in answer["data"] for e in series["exemplars"]}

    def common():
        return traces() & {s["traceId"] for s in spans(folder)}

    found = within_patience(common)
    report(bool(found), f"Prometheus has exemplars whose traces the Collector has ({len(found)})")


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "queries":
        check_queries(arguments[0], arguments[1:])
    elif what == "collected":
        check_collected(*arguments)
    elif what == "exemplars":
        check_exemplars(*arguments)
    else:
        sys.exit(__doc__)
    print("done")
    sys.exit(1 if failed else 0)


main()
