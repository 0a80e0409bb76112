#!/usr/bin/python3
"""usage: check_dashboards.py rules DASHBOARD
       check_dashboards.py names DASHBOARD METRICS RULES...
       check_dashboards.py live PROMETHEUS_URL DASHBOARD SINCE
       check_dashboards.py alert PROMETHEUS_URL NAME
       check_dashboards.py form DASHBOARD

rules: prints the dashboard's queries as a file of recording rules, for promtool to read.
names: each metric that the dashboard and the rule files name is in METRICS, a scrape of /metrics,
       or made by a rule; each alert has a runbook in docs/operations.md.
live:  asks Prometheus until every query of the dashboard and of its rules has had data since SINCE
       (Unix time), for four minutes at most.
alert: waits until the alert is pending or fires.
form:  the dashboard is what Grafana can load, and each panel shows what is chosen. What else there is to
       say of it scripts/check-dashboards knows.
"""
import json
import math
import os
import re
import sys
import time

from dashboard_queries import (ask, ask_range, dashboard_queries, load_dashboard, panels, selectors)

PATIENCE = 240
# Of Prometheus itself; ALERTS only while one is pending.
ITS_OWN = {"up", "ALERTS", "ALERTS_FOR_STATE"}
# Has data only while something is wrong, which `alert` looks at, behind a front end, or after half an hour.
EMPTY_AT_FIRST = {"annotation Alerts", "Alerts (whole job)", "Dropped, Rejected, Quarantined",
                  "Queue Time p99 (all paths)", "Error Budget Burn (whole job)",
                  "Latency Budget Burn (whole job)", "Budget (job, 30 d)", "Windows Seen (whole job)"}
# What every query has, so that it holds for all programs or for those that somebody has chosen.
CHOSEN_BY = {"prometheus": 'job=~"$job"', "tempo": 'resource.service.name =~ "${service:pipe}"',
             "loki": '{service_name=~"${service:pipe}"}'}


def print_rules(path):
    rules = [{"record": f"dashboard:query:{i}", "expr": query}
             for i, (_, query) in enumerate(dashboard_queries(load_dashboard(path)))]
    # JSON is YAML.
    json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout, indent=1)
    return 0


def rule_fields(path, field):
    """The values of a field of all rules of a file, folded lines put together."""
    values, indent = [], None
    with open(path, encoding="utf-8") as file:
        for line in file:
            if indent is not None:
                if not line.strip() or len(line) - len(line.lstrip()) > indent:
                    values[-1] += " " + line.strip()
                    continue
                indent = None
            match = re.match(rf"( *)(?:- )?{field}: *(.*)$", line.rstrip("\n"))
            if match:
                values.append("" if match.group(2) == ">-" else match.group(2))
                if match.group(2) == ">-":
                    indent = len(match.group(1))
    return values


def check_names(dashboard_path, metrics_path, *rule_paths):
    bad = []
    with open(metrics_path, encoding="utf-8") as file:
        known = {re.match(r"[a-zA-Z_:][\w:]*", line).group(0)
                 for line in file if line.strip() and not line.startswith("#")}
    for path in rule_paths:
        known.update(rule_fields(path, "record"))
    queries = list(dashboard_queries(load_dashboard(dashboard_path)))
    for path in rule_paths:
        queries += [(os.path.basename(path), query) for query in rule_fields(path, "expr")]
    for where, query in queries:
        for selector in selectors(query):
            name = selector.split("{")[0].strip()
            if name not in known | ITS_OWN:
                bad.append(f"{where}: there is no {name}")
    if not any(":" in s for _, query in queries for s in selectors(query)):
        bad.append("no recorded series is asked for")

    docs = os.path.join(os.path.dirname(dashboard_path), "..", "docs", "operations.md")
    with open(docs, encoding="utf-8") as file:
        headings = {"#" + m.group(1).lower().replace(" ", "-")
                    for m in re.finditer(r"^#+ (.*)$", file.read(), re.MULTILINE)}
    for path in rule_paths:
        alerts, urls = rule_fields(path, "alert"), rule_fields(path, "runbook_url")
        if len(alerts) != len(urls):
            bad.append(f"{path}: not every alert has a runbook")
        for alert, url in zip(alerts, urls):
            if url != f"docs/operations.md#{alert.lower()}" or "#" + alert.lower() not in headings:
                bad.append(f"{alert}: its runbook {url} does not exist")
    print("\n".join(bad))
    return 1 if bad else 0


def has_data(base, query, since):
    now = time.time()
    step = max(1, int((now - since) / 1000))
    return any(math.isfinite(float(value))
               for series in ask_range(base, query, since, now, step)
               for _, value in series["values"])


def check_live(base, dashboard_path, since):
    since = float(since)
    wanted = {}
    for title, query in dashboard_queries(load_dashboard(dashboard_path)):
        if title not in EMPTY_AT_FIRST:
            wanted[f"panel {title}: {query}"] = query
    # Also by a rule that can't be evaluated.
    for group in ask(base, "rules")["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "recording":
                wanted[f"rule {rule['name']}"] = rule["name"]
                continue
            for selector in selectors(rule["query"]):
                wanted[f"alert {rule['name']}: {selector}"] = selector
    if not any(name.startswith("alert") for name in wanted):
        print("Prometheus has no rules")
        return 1
    count, deadline = len(wanted), time.monotonic() + PATIENCE
    while True:
        wanted = {name: query for name, query in wanted.items()
                  if not has_data(base, query, since)}
        unhealthy = [f"{rule['name']}: {rule.get('lastError')}"
                     for group in ask(base, "rules")["groups"] for rule in group["rules"]
                     if rule["health"] != "ok"]
        if not wanted and not unhealthy or time.monotonic() > deadline:
            break
        time.sleep(1)
    for name in wanted:
        print(f"no data: {name}")
    for text in unhealthy:
        print(f"not evaluated: {text}")
    print(f"{count - len(wanted)} of {count} queries have data")
    return 1 if wanted or unhealthy else 0


def check_alert(base, name):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        names = {alert["labels"]["alertname"] for alert in ask(base, "alerts")["alerts"]}
        if name in names:
            return 0
        time.sleep(0.2)
    print(f"{name} is not among {names}")
    return 1


def check_form(path):
    """What Grafana needs of a dashboard, as far as it can be told without it."""
    dashboard, bad = load_dashboard(path), []
    shown = list(panels(dashboard))
    ids = [panel["id"] for panel in dashboard["panels"] if panel["type"] == "row"]
    ids += [panel["id"] for panel in shown]
    if len(set(ids)) != len(ids):
        bad.append("two panels have one id")
    # The first dashboard's, which others link to.
    for title in ("Request Throughput", "Latency p95", "Requests by Path", "Error Rate (5m)"):
        if dashboard["uid"] == "microtrace" and title not in [panel["title"] for panel in shown]:
            bad.append(f"the panel {title} is missing")
    for panel in shown:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            bad.append(f"{panel['title']}: wider than the page")
        for target in panel["targets"]:
            text, wanted = target.get("expr") or target["query"], CHOSEN_BY[target["datasource"]["type"]]
            if wanted not in text and 'job=~"$job"' not in text:
                bad.append(f"{panel['title']}: not of what is chosen, without {wanted}: {text}")
    cells = [(x, y) for panel in dashboard["panels"] for p in [panel["gridPos"]]
             for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    if len(set(cells)) != len(cells):
        bad.append("panels overlap")
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    # Loki refuses a selector that an empty label would match, as .* does.
    if variables.get("service", {"allValue": ".+"}).get("allValue") != ".+":
        bad.append("All programs are not .+")
    used = set(re.findall(r"\$\{?(?!__)([a-zA-Z]\w*)", json.dumps(dashboard)))
    if used - variables.keys():
        bad.append(f"unknown variables: {used - variables.keys()}")
    if dashboard["id"] is not None or not dashboard["uid"]:
        bad.append("an id, or no uid: it can't be provisioned")
    print("\n".join(bad))
    return 1 if bad else 0


def main():
    modes = {"rules": print_rules, "names": check_names, "live": check_live, "alert": check_alert,
             "form": check_form}
    return modes[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
