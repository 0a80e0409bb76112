#!/usr/bin/python3
"""Whether Kubernetes would take manifests, and whether they fit together.

usage: check_manifests.py MANIFESTS RULES-OUT

Each object is held against the schemas of the oldest and of the newest Kubernetes that count. What
no schema knows is compared: selectors with labels, ports with names, mounts with volumes, limits of
rights. Groups of a PrometheusRule go to the file RULES-OUT, for promtool.
Prints each thing that is wrong as one line; exit status 1 if there is any.
"""
import re
import sys

import kubernetes_validate
import yaml

VERSIONS = ("1.29", kubernetes_validate.latest_version())
OPERATOR = "monitoring.coreos.com/v1"

wrong = []


def need(good, text):
    if not good:
        wrong.append(text)


def check_schema(item, what):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            wrong.append(f"{what}: Kubernetes {version}: {error.message} at {list(error.path)}")


def selects(selector, labels):
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def check_pod(spec, what):
    volumes = {volume["name"] for volume in spec["volumes"]}
    agents = {volume["name"] for volume in spec["volumes"] if volume["name"].startswith("otlp-")}
    need(len(volumes) == len(spec["volumes"]), f"{what}: a volume is there twice")
    need(spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] != 0, f"{what}: root")
    need(spec["automountServiceAccountToken"] is False, f"{what}: has a token")
    mounted = set()
    for container in spec["initContainers"] + spec["containers"]:
        name = f"{what}, {container['name']}"
        rights = container["securityContext"]
        need(rights["readOnlyRootFilesystem"] and not rights["allowPrivilegeEscalation"]
             and rights["capabilities"] == {"drop": ["ALL"]}, f"{name}: rights")
        mounts = [mount["name"] for mount in container["volumeMounts"]]
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        need({"run", "spool"} <= set(mounts) <= volumes and len(paths) == len(set(paths)), f"{name}: mounts")
        # The endpoint's secrets are the agent's alone.
        need(container["name"] == "agent" or not agents & set(mounts), f"{name}: mounts secrets")
        mounted.update(mounts)
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe"):
            need(container[probe]["httpGet"]["port"] in ports, f"{name}: {probe}")
        names = [pair["name"] for pair in container["env"]]
        need(len(names) == len(set(names)), f"{name}: a variable is there twice")
        for pair in container["env"]:
            need(not re.search("://[^/?#]*@", pair.get("value", "")), f"{name}: {pair['name']}: a password")
            # Kubernetes puts in what stands before it.
            for used in re.findall(r"\$\(([A-Z_]+)\)", pair.get("value", "")):
                need(used in names[:names.index(pair["name"])], f"{name}: {pair['name']} uses {used}, which does not come before it")
    need(mounted == volumes, f"{what}: nobody mounts {volumes - mounted}")
    memory = [v for v in spec["volumes"] if v.get("emptyDir", {}).get("medium") == "Memory"]
    need([v["name"] for v in memory] == ["run"], f"{what}: the metrics file is not in memory")


def ports_of(spec):
    return {port["name"] for c in spec["initContainers"] + spec["containers"] for port in c["ports"]}


def check_together(objects):
    by_kind = {}
    for item in objects:
        by_kind.setdefault(item["kind"], []).append(item)
    (deployment,) = by_kind["Deployment"]
    pod = deployment["spec"]["template"]
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    check_pod(spec, "Deployment")
    need(selects(deployment["spec"]["selector"]["matchLabels"], labels), "Deployment: selector")
    for account in by_kind.get("ServiceAccount", []):
        need(spec["serviceAccountName"] == account["metadata"]["name"], "ServiceAccount: not the pod's")
        need(account["automountServiceAccountToken"] is False, "ServiceAccount: mounts tokens")
    services = by_kind["Service"]
    for service in services:
        need(selects(service["spec"]["selector"], labels), f"Service {service['metadata']['name']}: selector")
        for port in service["spec"]["ports"]:
            need(port["targetPort"] in ports_of(spec), f"Service: port {port['name']}")
    for budget in by_kind.get("PodDisruptionBudget", []):
        need(selects(budget["spec"]["selector"]["matchLabels"], labels), "PodDisruptionBudget: selector")
    for policy in by_kind.get("NetworkPolicy", []):
        need(selects(policy["spec"]["podSelector"]["matchLabels"], labels), "NetworkPolicy: selector")
        allowed = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        need({"http"} <= allowed <= ports_of(spec), "NetworkPolicy: ports")
        need(all(rule.get("from") for rule in policy["spec"]["ingress"] for port in rule["ports"]
                 if port["port"] == "metrics"), "NetworkPolicy: everyone may scrape")
        need("metrics" in allowed or "ServiceMonitor" not in by_kind, "NetworkPolicy: Prometheus may not scrape")
    for scaler in by_kind.get("HorizontalPodAutoscaler", []):
        need(scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"], "HorizontalPodAutoscaler: target")
        need("replicas" not in deployment["spec"], "HorizontalPodAutoscaler: the Deployment has replicas too")
        need("cpu" in spec["containers"][0]["resources"].get("requests", {}), "HorizontalPodAutoscaler: no requested CPU")
    for ingress in by_kind.get("Ingress", []):
        names = {(s["metadata"]["name"], p["name"]) for s in services for p in s["spec"]["ports"]}
        for path in (p for rule in ingress["spec"]["rules"] for p in rule["http"]["paths"]):
            target = path["backend"]["service"]
            need((target["name"], target["port"]["name"]) in names, "Ingress: service")
    for monitor in by_kind.get("ServiceMonitor", []):
        found = [s for s in services if selects(monitor["spec"]["selector"]["matchLabels"], s["metadata"]["labels"])]
        need(len(found) == 1, f"ServiceMonitor: selects {len(found)} services")
        names = {port["name"] for service in found for port in service["spec"]["ports"]}
        need({e["port"] for e in monitor["spec"]["endpoints"]} <= names, "ServiceMonitor: port")
        job = monitor["spec"]["jobLabel"]
        jobs = {s["metadata"]["labels"].get(job) for s in found}
        need(len(jobs) == 1 and None not in jobs, "ServiceMonitor: the job's name")
        for rule in (r for p in by_kind.get("PrometheusRule", []) for g in p["spec"]["groups"] for r in g["rules"]):
            need(all(f'job="{job}"' in rule["expr"] for job in jobs),
                 f"PrometheusRule: {rule.get('record', rule.get('alert'))} asks for another job")
    for board in (c for c in by_kind.get("ConfigMap", []) if "microtrace.json" in c["data"]):
        for name in ("microtrace.json", "microtrace-telemetry.json"):
            need(yaml.safe_load(board["data"][name])["panels"], f"ConfigMap: no dashboard {name} in it")
    return [group for rule in by_kind.get("PrometheusRule", []) for group in rule["spec"]["groups"]]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        objects = [item for item in yaml.safe_load_all(file) if item]
    for item in objects:
        if item["apiVersion"] != OPERATOR:
            check_schema(item, f"{item['kind']} {item['metadata']['name']}")
    groups = check_together(objects)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        yaml.safe_dump({"groups": groups}, file)
    print(f"{len(objects)} objects:", *sorted(item["kind"] for item in objects))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)


main()
