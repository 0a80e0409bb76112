"""The agent's section: what the agent itself costs a request, without an endpoint and with one."""
import json
import os
import subprocess
import time

import programs
from figures import ratio, table, values
from spool_section import CORE, IDLE, numbers

# Name, requests, requests a second (0: as fast as they can be written).
PACES = (("as fast as it goes", 200000, 0), ("20,000/s", 60000, 20000), ("1,000/s", 3000, 1000))
RECORDS = {"traces": 2, "logs": 3}
ENDPOINTS = ("no endpoint", "a sink")
MAX_BYTES = 64 << 20  # the pages are used again and again


def books(env):
    """What became of the records, by signal."""
    out = subprocess.run([f"{programs.BUILD}/bin/microtrace", "spool", "status", "--json"],
                         env=env, check=False, capture_output=True, text=True).stdout
    return {name: of for name, of in json.loads(out)["signals"].items() if name in RECORDS}


def all_counted(env, requests):
    """Every record is settled or waits: nothing is lost on the way to the figures."""
    for name, each in RECORDS.items():
        of = books(env)[name]
        settled = of["delivered"] + of["rejected"] + of["quarantined"] + sum(of["dropped"].values())
        if settled + of["backlog_records"] != each * requests:
            return False
    return True


def measure(work, build, tool, sink, requests, per_second):
    """The agent's CPU us a request, until all that was written is settled or waits for nobody."""
    state = os.path.join(work, f"agent-{time.monotonic_ns()}")
    spool = os.path.join(state, "spool")
    os.makedirs(spool)
    env = {**os.environ, **IDLE, "MICROTRACE_SPOOL_DIR": spool,
           "MICROTRACE_RUN_DIR": os.path.join(state, "run"),
           "MICROTRACE_SPOOL_MAX_BYTES": str(MAX_BYTES if sink is None else 8 << 30),
           "MICROTRACE_AGENT_LISTEN": f"127.0.0.1:{programs.free_ports(1)[0]}"}
    if sink is not None:
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.url
        sink.take()
    agent = subprocess.Popen(["taskset", "-c", CORE, f"{build.folder}/bin/metrics-agent"],
                             env=env, stderr=subprocess.DEVNULL)
    try:
        programs.wait_for(lambda: os.path.exists(os.path.join(spool, "agent.checkpoint")),
                          "the agent")
        time.sleep(0.3)
        before, begun = programs.cpu_ns(agent.pid), time.monotonic()
        written = numbers(["taskset", "-c", programs.SINK_CORE, tool, "requests",
                           env["MICROTRACE_RUN_DIR"], spool, str(requests), str(per_second)])
        programs.wait_for(lambda: all_counted(env, requests), "the books", 60)
        if sink is not None:
            programs.wait_for(
                lambda: all(of["delivered"] == RECORDS[name] * requests
                            for name, of in books(env).items()), "the records at the sink", 60)
        # What the agent does each second is in it, too.
        time.sleep(max(0.0, 1.2 - (time.monotonic() - begun)))
        used = programs.cpu_ns(agent.pid) - before
    finally:
        agent.terminate()
        agent.wait()
    return {"us": used / 1000 / requests, "rate": requests / written["ns"] * 1e9}


def run(work, rounds, _seconds, builds):
    touched = bytearray(1 << 30)
    del touched
    tool = programs.compile_tool(work, "spool_bench")
    sink = programs.Sink(programs.compile_tool(work, "sink"), work)
    contenders = {build.name(f"{where}, {name}"): (build, tool, sink if where == "a sink" else None,
                                                    count, pace)
                  for build in builds for where in ENDPOINTS for name, count, pace in PACES}
    results = {key: [] for key in contenders}
    try:
        for n in range(rounds):
            for key in contenders if n % 2 == 0 else reversed(contenders):
                results[key].append(measure(work, *contenders[key]))
    finally:
        sink.stop()
    # Of this commit, in the order in which the other's rows follow.
    now = list(results)[:len(results) // len(builds)] * len(builds)
    rows = [[key, values(each, "rate"), values(each, "us", ".2f"), ratio(each, results[base], "us")]
            for (key, each), base in zip(results.items(), now)]
    table(f"CPU of the agent, of requests of 2 spans and 3 log lines, {rounds} rounds",
          ["endpoint and pace", "requests/s", "CPU us/request", "times this commit's"], rows)
