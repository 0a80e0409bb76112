#!/usr/bin/python3
"""Whether the files of the stack fit together: docker-compose.yml, the provisioning of Grafana, the
configurations of Prometheus, the Collector, Tempo and Loki. What only a running program could tell
is left to that program.

usage: check_config.py FOLDER
Prints each thing that is wrong as one line; exit status 1 if there is any.
"""
import json
import os
import re
import sys
import urllib.parse

import yaml

MEMORY_MAX_MIB = 1024

# Images without any program that could check them.
NO_CHECK = {"otel-collector", "tempo"}

wrong = []


def need(good, text):
    if not good:
        wrong.append(text)


class Stack:
    def __init__(self, folder):
        self.folder = folder
        self.compose = self.load("docker-compose.yml")
        self.services = self.compose["services"]

    def path(self, name):
        return os.path.join(self.folder, name)

    def load(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return yaml.safe_load(file)

    def mounts(self, service):
        """Each bind mount and volume as (source, target)."""
        for text in self.services[service].get("volumes", []):
            source, target = text.split(":")[:2]
            yield source, target

    def mounted(self, service, target):
        """The file of this folder that the service sees at `target`, or None."""
        for source, at in self.mounts(service):
            if source.startswith("./") and (target == at or target.startswith(at + "/")):
                return source[2:] + target[len(at):]
        return None


def mib(text):
    number, unit = re.fullmatch(r"(\d+)([mg])", text).groups()
    return int(number) * {"m": 1, "g": 1024}[unit]


def check_services(stack):
    total = 0
    for name, service in stack.services.items():
        image = service["image"]
        tag = image.rpartition(":")[2]
        need(re.search(r"\d+\.\d+\.\d+$", tag), f"{name}: image {image} is not pinned to a release")
        need("mem_limit" in service, f"{name}: no memory limit")
        total += mib(service.get("mem_limit", "0m"))
        need(service.get("read_only") is True, f"{name}: its root file system is not read-only")
        need(service.get("cap_drop") == ["ALL"], f"{name}: keeps capabilities")
        need("healthcheck" in service or "build" in service or name in NO_CHECK, f"{name}: no health check")
        for other, how in service.get("depends_on", {}).items():
            need(other in stack.services, f"{name}: depends on {other}, which is not a service")
            if how["condition"] == "service_healthy":
                checked = stack.services.get(other, {})
                need("healthcheck" in checked or "build" in checked,
                     f"{name}: waits for the health of {other}, which has no check")
        for source, target in stack.mounts(name):
            if source.startswith("./"):
                need(os.path.exists(stack.path(source)), f"{name}: {source} does not exist")
            else:
                need(source in stack.compose["volumes"], f"{name}: volume {source} is not declared")
    need(total < MEMORY_MAX_MIB, f"the memory limits add up to {total} MiB")
    need(f"add up to {total} MiB" in open(stack.path("docker-compose.yml"), encoding="utf-8").read(),
         f"docker-compose.yml does not say that the memory limits add up to {total} MiB")
    need("depends_on" not in stack.services["otel-collector"], "otel-collector can't be started alone")
    shared = {source for source, _ in stack.mounts("agent")}
    need(shared == {source for source, _ in stack.mounts("microtrace")} == {"run", "spool"},
         "microtrace and agent share more or less than the run directory and the spool")


def published(stack):
    for name, service in stack.services.items():
        for text in service.get("ports", []):
            need(text.startswith("${PUBLISH:-"), f"{name}: PUBLISH does not say where {text} is")
            address, host, container = re.sub(r"\$\{\w+:-([\d.]+)\}", r"\1", text).split(":")
            need(address == "127.0.0.1", f"{name}: port {host} is published on {address}")
            need(host == container, f"{name}: port {host} is {container} inside")
            yield name, int(host)


def check_address(stack, who, address, ports):
    """`address`, HOST:PORT or a URL, is a service and a port that it listens on."""
    url = urllib.parse.urlsplit(address if "//" in address else "//" + address)
    host = url.hostname
    need(host in stack.services, f"{who}: {address}: no service {host}")
    need(url.port in ports.get(host, ()), f"{who}: {address}: {host} does not listen on {url.port}")


def check_addresses(stack):
    tempo, loki = stack.load("deploy/stack/tempo.yaml"), stack.load("deploy/stack/loki.yaml")
    collector = stack.load("otel-collector-config.yaml")
    receivers = collector["receivers"]["otlp"]["protocols"]
    for name, port in (("grpc", 4317), ("http", 4318)):
        need(receivers[name]["endpoint"] == f"0.0.0.0:{port}", f"the Collector's {name} endpoint")
    ports = {
        "microtrace": [8000],
        "agent": [9464],
        "prometheus": [9090],
        "grafana": [3000],
        "otel-collector": [4317, 4318, collector["service"]["telemetry"]["metrics"]["readers"][0]
                           ["pull"]["exporter"]["prometheus"]["port"]],
        "tempo": [tempo["server"]["http_listen_port"],
                  int(tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"].split(":")[1])],
        "loki": [loki["server"]["http_listen_port"]],
    }
    need(set(published(stack)) == {("microtrace", 8000), ("prometheus", 9090), ("grafana", 3000),
                                   ("otel-collector", 4317), ("otel-collector", 4318)}, "the published ports")
    for name, exporter in collector["exporters"].items():
        check_address(stack, f"the Collector's {name}", exporter["endpoint"], ports)
    for name, pipeline in collector["service"]["pipelines"].items():
        need(pipeline["processors"][0] == "memory_limiter", f"pipeline {name}: memory_limiter is not the first")
        need("batch" in pipeline["processors"], f"pipeline {name} does not batch")
    environment = stack.services["agent"]["environment"]
    check_address(stack, "agent", environment["OTEL_EXPORTER_OTLP_ENDPOINT"], ports)
    check_address(stack, "microtrace", stack.services["microtrace"]["environment"]["AGENT_LISTEN"], ports)
    for job in stack.load("prometheus.yml")["scrape_configs"]:
        for target in (t for c in job["static_configs"] for t in c["targets"]):
            check_address(stack, "prometheus.yml", target.replace("localhost", job["job_name"]), ports)
    need("--enable-feature=exemplar-storage" in stack.services["prometheus"]["command"], "Prometheus stores no exemplars")
    for source in stack.load("dashboards/provisioning/datasources/datasources.yaml")["datasources"]:
        check_address(stack, f"data source {source['uid']}", source["url"], ports)


def walk(item):
    """Every object in it."""
    if isinstance(item, dict):
        yield item
        for value in item.values():
            yield from walk(value)
    elif isinstance(item, list):
        for value in item:
            yield from walk(value)


def check_grafana(stack):
    provisioned = "/etc/grafana/provisioning"
    for kind in ("datasources", "dashboards"):
        name = stack.mounted("grafana", f"{provisioned}/{kind}/{kind}.yaml")
        need(name is not None and os.path.isfile(stack.path(name)), f"grafana: {kind} are not provisioned")
    sources = stack.load("dashboards/provisioning/datasources/datasources.yaml")["datasources"]
    uids = {source["uid"]: source["type"] for source in sources}
    need(uids == {"prometheus": "prometheus", "tempo": "tempo", "loki": "loki"}, f"data sources {uids}")
    links = {(source["uid"], item["datasourceUid"]) for source in sources for item in walk(source["jsonData"])
             if "datasourceUid" in item}
    need(links == {("prometheus", "tempo"), ("tempo", "loki"), ("loki", "tempo")}, f"links between data sources {links}")
    # A single $ is taken for a variable of Grafana's environment.
    for text in re.findall(r"(?<!\$)\$(?!\$)\S+", json.dumps(sources).replace("$$", "")):
        wrong.append(f"data sources: {text} would be replaced by Grafana")
    home = stack.services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    name = stack.mounted("grafana", home)
    need(name == "dashboards/microtrace.json", "grafana: the home dashboard is not mounted")
    provider = stack.load("dashboards/provisioning/dashboards/dashboards.yaml")["providers"][0]
    need(provider["options"]["path"] == os.path.dirname(home), "grafana: the provider looks elsewhere")
    for name in ("dashboards/microtrace.json", "dashboards/microtrace-telemetry.json"):
        need(stack.mounted("grafana", f"/etc/grafana/{name}") == name, f"grafana: {name} is not mounted")
        with open(stack.path(name), encoding="utf-8") as file:
            check_dashboard(name, json.load(file), uids)


def check_dashboard(name, board, uids):
    known = dict(uids)
    for variable in board["templating"]["list"]:
        if variable["type"] == "datasource":
            uid = variable.get("current", {}).get("value")
            need(uids.get(uid) == variable["query"], f"{name}: variable {variable['name']} starts as {uid}")
            known["${" + variable["name"] + "}"] = variable["query"]
    for item in walk(board):
        source = item.get("datasource")
        if isinstance(source, dict) and source.get("uid") not in ("-- Grafana --", "grafana"):
            need(known.get(source.get("uid")) == source.get("type"), f"{name}: data source {source}")
    need(board.get("uid"), f"{name}: no uid")
    need(board.get("id") is None, f"{name}: an id, which belongs to one Grafana only")


def main():
    stack = Stack(sys.argv[1])
    check_services(stack)
    check_addresses(stack)
    check_grafana(stack)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


main()
