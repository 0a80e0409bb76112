"""The page's section: what it costs the agent at 1,000 requests/s, without a page open and with one."""
import http.client
import subprocess
import sys
import time

import loads
import programs
from figures import table, values

RATE = 1000
ANSWERS = 50
# Name, settings, pages open.
CONTENDERS = (("no page (`off`)", {"MICROTRACE_AGENT_PAGE": "off"}, 0),
              ("not used", {}, 0), ("one open", {}, 1), ("eight open", {}, 8))
ROUTES = ("/metrics", "/", "/?minutes=60", "/live", "/?by=latest", "/?by=slowest")


def agent_of(program):
    return next(pid for pid, name in programs.processes_below(program.process.pid).items()
                if name == "metrics-agent")


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def port_of(program):
    return int(program.agent_url.rsplit(":", 1)[1].split("/")[0])


def measure(program, pages, seconds):
    """One round: the agent's share of a core, and its memory at the end."""
    pid = agent_of(program)
    open_pages = None
    if pages:
        open_pages = subprocess.Popen(
            [sys.executable, f"{programs.ROOT}/tests/tools/page_open.py", "--port",
             str(port_of(program)), "--pages", str(pages), "--seconds", str(seconds + 2)],
            stdout=subprocess.DEVNULL)
        time.sleep(1)
    before, begun = programs.cpu_ns(pid), time.monotonic_ns()
    loads.paced(program, seconds, RATE)
    used, took = programs.cpu_ns(pid) - before, time.monotonic_ns() - begun
    if open_pages is not None:
        open_pages.wait()
    return {"percent": 100 * used / took, "mb": resident_mb(pid)}


def answer_ms(program, path):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(program), timeout=30)
    begun = time.monotonic_ns()
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    size = len(answer.read())
    took = (time.monotonic_ns() - begun) / 1e6
    connection.close()
    if answer.status not in (200, 404):
        raise SystemExit(f"bench: {path}: {answer.status}")
    return {"ms": took, "kb": size / 1000}


def run(work, rounds, seconds, _builds):
    started = {name: programs.whole(name, work, **env) for name, env, _ in CONTENDERS}
    results = {name: [] for name in started}
    try:
        # Samples, routes and kept records as an instance has them that runs.
        for program in started.values():
            loads.paced(program, 2, RATE)
        time.sleep(6)
        for n in range(rounds):
            for name, _, pages in CONTENDERS if n % 2 == 0 else reversed(CONTENDERS):
                results[name].append(measure(started[name], pages, seconds))
        program = started["one open"]
        routes = {path: [answer_ms(program, path) for _ in range(ANSWERS)] for path in ROUTES}
        memory = resident_mb(agent_of(program))
    finally:
        for program in started.values():
            program.stop()
    table(f"The agent at {RATE} requests/s, {rounds} rounds of {seconds} s",
          ["page", "% of a core", "more than without, % of a core", "resident MiB"],
          [[name, values(each, "percent", ".2f"),
            values([{"d": r["percent"] - b["percent"]}
                    for r, b in zip(each, results[CONTENDERS[0][0]])], "d", ".2f"),
            values(each, "mb", ".1f")] for name, each in results.items()])
    table(f"Time to an answer, of {ANSWERS}; {memory:.1f} MiB are resident afterwards",
          ["path", "ms", "kB, packed"],
          [[path, values(each, "ms", ".2f"), values(each, "kb", ".1f")]
           for path, each in routes.items()])
