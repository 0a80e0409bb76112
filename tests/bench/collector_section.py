"""The section of the collector's state: whether a request notices a collector that is down, hung or
up."""
import os
import signal
import socket
import subprocess
import urllib.request

import loads
import programs
from figures import median, ratio, table, values
from request_section import SMALL_SPOOL

PAUSE_MS = 16  # of each connection between two requests: about 1000 requests a second together


class Hung:
    """A listener that accepts by its backlog, and never reads or answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]

    def stop(self):
        self.socket.close()


class Collector:
    """The real OpenTelemetry Collector of the interop tests, its output thrown away."""

    def __init__(self, work, binary):
        self.port, health = programs.free_ports(2)
        out = os.path.join(work, "collector-out")
        os.mkdir(out)
        for name in ("traces.json", "logs.json"):
            os.symlink("/dev/null", os.path.join(out, name))
        self.log = open(os.path.join(work, "collector.log"), "wb")
        env = {**os.environ, "OUT": out, "OTLP_PORT": str(self.port), "HEALTH_PORT": str(health)}
        config = f"{programs.ROOT}/tests/interop/collector/otlp-to-file.yaml"
        self.process = subprocess.Popen([binary, "--config", config], env=env, stdout=self.log,
                                        stderr=self.log)
        programs.wait_for(lambda: programs.answers(f"http://127.0.0.1:{health}/"), "the Collector")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()


def endpoint(port):
    return {**SMALL_SPOOL, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}


def delivered(program):
    """Records delivered so far, from the agent's own metrics."""
    with urllib.request.urlopen(program.agent_url, timeout=10) as answer:
        return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines()
                   if line.startswith("microtrace_export_records_total{") and
                   'outcome="delivered"' in line)


def run(work, rounds, seconds, builds):
    build = subprocess.run([f"{programs.ROOT}/tests/interop/collector/build"],
                           stdout=subprocess.PIPE, text=True, check=False)
    servers, contenders = [Hung()], []
    try:
        states = {"no endpoint": SMALL_SPOOL, "stopped": endpoint(programs.free_ports(1)[0]),
                  "hung": endpoint(servers[0].port)}
        if build.returncode == 0:
            servers.append(Collector(work, build.stdout.strip()))
            states["up"] = endpoint(servers[1].port)
        for each in builds:
            contenders += [programs.whole(each.name(state), work, each, **env)
                           for state, env in states.items()]
        results = loads.interleave(contenders, rounds,
                                   lambda p: loads.wrk(p, seconds, PAUSE_MS))
        if not all(delivered(p) for p in contenders if p.name.startswith("up")):
            raise SystemExit("bench: nothing was delivered to the Collector that is up")
    finally:
        for each in contenders + servers:
            each.stop()
    base = results["no endpoint"]
    rows = [[name, f"{median(r, 'rate'):.0f}", *(values(r, p) for p in ("p50", "p90", "p99")),
             ratio(r, base, "p50"), ratio(r, base, "p99")] for name, r in results.items()]
    table(f"Latency by the collector's state, at about 1000 requests/s, {rounds} rounds of "
          f"{seconds} s each in turn", ["collector", "requests/s", "p50 us", "p90 us", "p99 us",
                                        "p50 ratio", "p99 ratio"], rows)
