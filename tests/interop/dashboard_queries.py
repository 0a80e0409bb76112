"""The PromQL of the dashboard and of the rules, as the tests need it."""
import json
import re
import urllib.error
import urllib.parse
import urllib.request

# What stands for "All" of a variable, and for Grafana's own.
VARIABLES = {
    "job": ".*",
    "instance": ".*",
    "path": ".*",
    "__rate_interval": "10s",
    "__range": "1m",
}

WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right",
         "offset", "bool", "inf", "nan"}


def substitute(expression):
    """Replaces $name and ${name}; a variable without a value is a KeyError. ${1} is PromQL's own."""
    return re.sub(r"\$(?:\{([a-z_]\w*)\}|([a-z_]\w*))", lambda m: VARIABLES[m.group(1) or m.group(2)], expression)


def panels(dashboard):
    """All panels that show something, with those inside of rows."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", [])


def is_prometheus(source):
    return isinstance(source, dict) and source.get("type") == "prometheus"


def dashboard_queries(dashboard):
    """(title, query) of each PromQL query of panels and annotations."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            if is_prometheus(target["datasource"]):
                yield panel["title"], substitute(target["expr"])
    for annotation in dashboard["annotations"]["list"]:
        if is_prometheus(annotation["datasource"]):
            yield "annotation " + annotation["name"], substitute(annotation["expr"])


def load_dashboard(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def selectors(expression):
    """Each series selector of a query, without range and offset: metric{matchers}."""
    # Label lists of by (...) and the like hold names that are not metrics.
    expression = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ",
                        expression)
    found = []
    at = 0
    name = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\{(?:[^}\"]|\"(?:[^\"\\]|\\.)*\")*\})?")
    while at < len(expression):
        if expression[at] in "\"'":
            at = expression.index(expression[at], at + 1) + 1
            continue
        if expression[at] == "[":
            at = expression.index("]", at) + 1
            continue
        number = re.compile(r"[0-9][0-9a-zA-Z.]*").match(expression, at)
        if number:
            at = number.end()
            continue
        match = name.match(expression, at)
        if not match:
            at += 1
            continue
        at = match.end()
        is_function = not match.group(2) and expression[at:].lstrip().startswith("(")
        if match.group(1) not in WORDS and not is_function:
            found.append(match.group(0))
    return found


def ask(base, path, **parameters):
    """The `data` of an answer of Prometheus' HTTP API."""
    url = f"{base}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{path} {parameters}: {error.read().decode()}") from error


def ask_range(base, query, start, end, step):
    return ask(base, "query_range", query=query, start=start, end=end, step=step)["result"]
