#!/usr/bin/python3
"""Whether several releases in one namespace keep to themselves.

usage: check_selectors.py MANIFESTS

No two objects are of the same kind and name, and whatever selects pods or Services selects only what
has its own app.kubernetes.io/instance. Prints each thing that is wrong as one line; exit status 1 if
there is any.
"""
import sys

import yaml

INSTANCE = "app.kubernetes.io/instance"

wrong = []


def selectors(item):
    """What an object selects by labels: what kind, and the labels."""
    spec = item.get("spec", {})
    kind = item["kind"]
    if kind == "Service":
        yield "Pod", spec["selector"]
    elif kind in ("Deployment", "PodDisruptionBudget"):
        yield "Pod", spec["selector"]["matchLabels"]
    elif kind == "NetworkPolicy":
        yield "Pod", spec["podSelector"]["matchLabels"]
    elif kind == "ServiceMonitor":
        yield "Service", spec["selector"]["matchLabels"]
    if kind == "Deployment":
        for spread in spec["template"]["spec"].get("topologySpreadConstraints", []):
            yield "Pod", spread["labelSelector"]["matchLabels"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        objects = [item for item in yaml.safe_load_all(file) if item]
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    wrong.extend(f"{kind} {name} is there twice" for kind, name in set(names) if names.count((kind, name)) > 1)
    selected = {
        "Pod": [i["spec"]["template"]["metadata"]["labels"] for i in objects if i["kind"] == "Deployment"],
        "Service": [i["metadata"]["labels"] for i in objects if i["kind"] == "Service"],
    }
    for item in objects:
        own = item["metadata"]["labels"][INSTANCE]
        for kind, labels in selectors(item):
            found = [other[INSTANCE] for other in selected[kind] if labels.items() <= other.items()]
            if found != [own]:
                wrong.append(f"{item['kind']} {item['metadata']['name']} of {own} selects a {kind} of {found}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(1 if wrong or len(selected["Pod"]) < 2 else 0)


main()
