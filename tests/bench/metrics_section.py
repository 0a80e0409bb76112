"""The benchmark of the metrics file, beside its peers in the same run.

The peers are the multiprocess mode of Python's client and the C++ client, both from Debian; there
is no package of a client in C. If one is not installed its column says so.
"""
import os
import shutil
import statistics
import subprocess

import programs
from figures import spread, table

HERE = os.path.dirname(os.path.realpath(__file__))
PYTHON = "/usr/bin/python3"  # the one that Debian's python3-* packages are for
SERIES = (1000, 10000, 100000)
OPERATIONS = ("inc", "observe", "lookup + observe")
TIMES = "{}, {} processes, ratio to one"

# Row, the most it may be, unit. The bench says by how much one is missed; nothing fails by it.
TARGETS = (
    ("inc", 10, "ns/op"),
    ("observe", 30, "ns/op"),
    ("lookup + observe", 150, "ns/op"),
    (TIMES.format("inc", 2), 2, "times"),
    (TIMES.format("observe", 2), 2, "times"),
    ("scrape of 100000 series", 60, "ms"),
)
FASTER_THAN_PYTHON = 50


def figures(*command):
    """{name: (value, unit)} from lines of `name value unit`."""
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = (line.rsplit(None, 2) for line in out.splitlines() if line.strip())
    return {name.strip(): (float(value), unit) for name, value, unit in lines}


def ours(builds, rounds):
    """The figures of each round, of each build in turn; none of a commit without that program."""
    found = {build.label: [] for build in builds}
    for n in range(rounds):
        for build in builds if n % 2 == 0 else reversed(builds):
            binary = f"{build.folder}/tests/bench/metrics_bench"
            if os.path.exists(binary):
                found[build.label].append(figures(binary))
    return found


def middle(rounds):
    return {name: (statistics.median(r[name][0] for r in rounds), unit)
            for name, (_, unit) in rounds[0].items()}


def against(label, now, old):
    """Old and new beside each other, in the rounds of one run."""
    if not old:
        print(f"\n{label} has no tests/bench/metrics_bench")
        return
    names = [name for name in now[0] if name in old[0]]
    table(f"The metrics file now and at {label}, {len(now)} rounds in turn",
          ["measured", "unit", "now", label, "ratio"],
          [[name, now[0][name][1], spread((r[name][0] for r in now), ".4g"),
            spread((r[name][0] for r in old), ".4g"),
            spread((a[name][0] / b[name][0] for a, b in zip(now, old)), ".3f")] for name in names])


def client_python():
    peer = f"{HERE}/peer_client_python.py"
    if subprocess.run([PYTHON, "-c", "import prometheus_client"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        return {}
    found = figures(PYTHON, peer, "update")
    for count in SERIES:
        found.update(figures(PYTHON, peer, "scrape", str(count)))
    return found


def prometheus_cpp(work):
    binary = os.path.join(work, "peer")
    if shutil.which("g++") is None or not os.path.exists("/usr/include/prometheus/registry.h"):
        return {}
    subprocess.run(["g++", "-std=c++17", "-O2", f"{HERE}/peer_prometheus_cpp.cc", "-o", binary,
                    "-lprometheus-cpp-core"], check=True)
    return figures(binary)


def system_calls(work):
    """What strace counts while a process makes 28 million updates, as text."""
    if shutil.which("strace") is None:
        return "no strace on this machine; the torture tests count system calls too"
    trace = os.path.join(work, "trace")
    traced = subprocess.run(["strace", "-f", "-o", trace,
                             f"{programs.BUILD}/tests/bench/metrics_bench", "calls"],
                            stderr=subprocess.DEVNULL, check=False)
    if traced.returncode != 0:
        return "strace can't trace here"
    with open(trace, encoding="utf-8") as file:
        marks = [number for number, line in enumerate(file) if "--- updates" in line]
    return f"strace sees {marks[1] - marks[0] - 1} system calls in 28,000,000 updates"


def cell(peers, name, own):
    if name not in peers:
        return "-"
    value, unit = peers[name]
    return f"{value:.4g} {unit} ({value / own:.3g} times)"


def rows(own, python, cpp):
    names = (*OPERATIONS, *(f"scrape of {count} series" for count in SERIES))
    return [[name, f"{own[name][0]:.4g} {own[name][1]}", cell(python, name, own[name][0]),
             cell(cpp, name, own[name][0])] for name in names]


def print_targets(own, python):
    missed = [f"{name}: {own[name][0]:.4g} {unit}, {own[name][0] / most:.2f} times the target of "
              f"{most} {unit}" for name, most, unit in TARGETS if own[name][0] > most]
    name = "scrape of 100000 series"
    if name in python and python[name][0] < FASTER_THAN_PYTHON * own[name][0]:
        missed.append(f"{name}: {python[name][0] / own[name][0]:.1f} times faster than the Python "
                      f"client, the target is {FASTER_THAN_PYTHON}")
    print("\nTargets: " + ("all met" if not missed else "missed"))
    for line in missed:
        print(f"- {line}")


def run(work, rounds, _seconds, builds):
    found = ours(builds, rounds)
    own, python, cpp = middle(found[""]), client_python(), prometheus_cpp(work)
    bare = own["bare atomic add"][0]
    table("The metrics file and its peers, processor time; in brackets how many times ours",
          ["operation", "ours", "client_python, multiprocess" if python else "client_python (absent)",
           "prometheus-cpp, 1 process" if cpp else "prometheus-cpp (absent)"],
          rows(own, python, cpp))
    table("The metrics file, everything measured",
          ["measured", "value", "times a bare atomic add"],
          [[name, f"{value:.4g} {unit}", f"{value / bare:.3g}" if unit == "ns/op" else ""]
           for name, (value, unit) in own.items()])
    for build in builds[1:]:
        against(build.label, found[""], found[build.label])
    print(f"\n{system_calls(work)}")
    print_targets(own, python)
