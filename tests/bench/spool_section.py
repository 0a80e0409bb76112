"""The spool's section: drain rates, memory, latency to the sink, cost of an append, and a real
OpenTelemetry Collector as the forwarder of the same span spool."""
import json
import os
import shutil
import subprocess
import time

import loads
import programs
from figures import median, ratio, table, values

HERE = os.path.dirname(os.path.realpath(__file__))
CORE = "0"  # of the forwarder that is measured; the sink has another
LOG_BYTES = 64 << 20
RATE_BYTES = 128 << 20
BACKLOGS_MB = (1, 16, 256)
BACKLOG_FULL_MB = 2048
APPENDS, PROCESSES = 20000, 200
IDLE = {key: "" for key in os.environ if key.startswith(("OTEL_", "MICROTRACE_"))}


def numbers(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {name: float(value) for name, value in map(str.split, out.splitlines())}


class Filled:
    """Spool files that are written once; each run gets copies of its own of them."""

    def __init__(self, tool, work, signal, size):
        self.folder = os.path.join(work, f"filled-{signal}-{size}")
        os.mkdir(self.folder)
        self.signal, self.size = signal, size
        self.records = int(numbers([tool, "fill", self.folder, signal, str(size)])["records"])

    def copy(self, work):
        folder = os.path.join(work, f"spool-{time.monotonic_ns()}")
        os.mkdir(folder)
        for name in os.listdir(self.folder):
            shutil.copyfile(os.path.join(self.folder, name), os.path.join(folder, name))
        return folder

    def as_others_write(self):
        """The same records in another form than ours: a blank behind each colon."""
        self.size = 0
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            with open(path, "rb") as ours, open(f"{path}.new", "wb") as others:
                for line in ours:
                    self.size += others.write(line.replace(b'":', b'": '))
            os.rename(f"{path}.new", path)
        return self

    def remove(self):
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def most_memory(pid, so_far):
    """MiB of memory at the most; the kernel's own peak (ru_maxrss) would begin with ours."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            found = [int(line.split()[1]) for line in file if line.startswith("VmHWM:")]
    except OSError:
        found = []
    return max([so_far, *(kb / 1024 for kb in found)])


def wait4(process, rss_mb=0.0):
    """CPU seconds and the most memory in MiB of a process that ends."""
    while True:
        rss_mb = most_memory(process.pid, rss_mb)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_utime + usage.ru_stime, rss_mb
        time.sleep(0.01)


def result(records, seen, cpu_s, rss_mb):
    span_s = (seen["last_ns"] - seen["first_ns"]) / 1e9
    return {"rate": records / span_s, "cpu_rate": records / cpu_s, "rss": rss_mb,
            "us": cpu_s * 1e6 / records, "requests": seen["requests"]}


def agent(work, filled, sink, compression, build=programs.CURRENT):
    """The agent drains a spool, on one core."""
    spool = filled.copy(work)
    env = {**os.environ, **IDLE, "MICROTRACE_SPOOL_DIR": spool,
           "MICROTRACE_RUN_DIR": os.path.join(spool, "run"),
           "MICROTRACE_SPOOL_MAX_BYTES": str(16 << 30), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
           "OTEL_EXPORTER_OTLP_COMPRESSION": compression}
    sink.take()
    process = subprocess.Popen(["taskset", "-c", CORE, f"{build.folder}/bin/metrics-agent",
                                "--drain"], env=env, stderr=subprocess.DEVNULL)
    cpu_s, rss_mb = wait4(process)
    seen = sink.take()
    status = subprocess.run([f"{programs.BUILD}/bin/microtrace", "spool", "status", "--json"],
                            env=env, check=False, capture_output=True, text=True).stdout
    delivered = json.loads(status)["signals"][filled.signal]["delivered"]
    if process.returncode or delivered != filled.records:
        raise SystemExit(f"bench: the agent delivered {delivered} of {filled.records} records")
    if compression == "none" and seen["records"] not in (0, filled.records):
        raise SystemExit(f"bench: {seen['records']} of {filled.records} records arrived")
    return result(filled.records, seen, cpu_s, rss_mb)


def collector(work, binary, filled, sink, compression, **settings):
    """The Collector reads a spool and sends it, on one core, until the sink has all of it."""
    spool = filled.copy(work)
    storage = os.path.join(spool, "storage")
    os.mkdir(storage)
    env = {**os.environ, **IDLE, "SPOOL": spool, "STORAGE": storage, "SINK_PORT": str(sink.port),
           "COMPRESSION": compression, "ENCODING": "proto", "QUEUE_STORAGE": "file_storage",
           "GOMAXPROCS": "1", **settings}
    sink.take()
    total = {"requests": 0, "records": 0, "bytes": 0, "first_ns": 0, "last_ns": 0}
    with open(f"{spool}.log", "wb") as log:
        process = subprocess.Popen(["taskset", "-c", CORE, binary, "--config",
                                    f"{HERE}/collector-spool.yaml"], env=env, stdout=log,
                                   stderr=log)
        deadline = time.monotonic() + 300
        quiet = time.monotonic()
        while True:
            time.sleep(0.25)
            seen = sink.take()
            for key in ("requests", "records", "bytes"):
                total[key] += seen[key]
            if seen["requests"]:
                total["first_ns"] = total["first_ns"] or seen["first_ns"]
                total["last_ns"] = seen["last_ns"]
                quiet = time.monotonic()
            # Compressed bodies are not counted: then it is done when nothing has come for long.
            if total["records"] >= filled.records or (
                    compression != "none" and total["requests"] and time.monotonic() > quiet + 3):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise SystemExit(f"bench: the Collector sent {total['records']} of "
                                 f"{filled.records} records, see {spool}.log")
        rss_mb = most_memory(process.pid, 0)
        process.terminate()
        cpu_s, rss_mb = wait4(process, rss_mb)
    return result(filled.records, total, cpu_s, rss_mb)


def rates(work, tool, sink_binary, collector_binary, rounds, builds):
    spans = Filled(tool, work, "traces", RATE_BYTES)
    logs = Filled(tool, work, "logs", LOG_BYTES)
    foreign = Filled(tool, work, "traces", LOG_BYTES).as_others_write()
    sinks = [programs.Sink(sink_binary, work), programs.Sink(sink_binary, work, "count")]
    contenders = {
        "agent, spans": lambda: agent(work, spans, sinks[0], "none"),
        "agent, spans, gzip": lambda: agent(work, spans, sinks[0], "gzip"),
        "agent, spans in another form than ours": lambda: agent(work, foreign, sinks[0], "none"),
        "agent, log lines": lambda: agent(work, logs, sinks[0], "none"),
        "agent, log lines, gzip": lambda: agent(work, logs, sinks[0], "gzip"),
    }
    for old in builds[1:]:
        contenders.update({
            old.name("agent, spans"): lambda old=old: agent(work, spans, sinks[0],
                                                                  "none", old),
            old.name("agent, log lines"): lambda old=old: agent(work, logs, sinks[0],
                                                                      "none", old),
        })
    if collector_binary:
        contenders.update({
            "Collector, spans": lambda: collector(work, collector_binary, spans, sinks[1], "none"),
            "Collector, spans, gzip": lambda: collector(work, collector_binary, spans, sinks[1],
                                                        "gzip"),
            "Collector, spans as JSON": lambda: collector(work, collector_binary, spans, sinks[1],
                                                          "none", ENCODING="json"),
        })
    results = {name: [] for name in contenders}
    try:
        agent(work, spans, sinks[1], "none")  # all arrive, and the programs are in memory
        for n in range(rounds):
            for name in contenders if n % 2 == 0 else reversed(contenders):
                results[name].append(contenders[name]())
    finally:
        for sink in sinks:
            sink.stop()
    peers = {"agent, spans": "Collector, spans", "agent, spans, gzip": "Collector, spans, gzip"}
    rows = [[name, *(values([{key: n[key] / 1000} for n in r], key) for key in
                     ("rate", "cpu_rate")),
             f"{median(r, 'us'):.2f}", f"{median(r, 'rss'):.1f}",
             *(ratio(r, results[peers[name]], key, ".2f") if peers.get(name) in results else ""
               for key in ("rate", "cpu_rate"))] for name, r in results.items()]
    table(f"Draining a spool, forwarder on one core, sink on another: {spans.records} spans of "
          f"{spans.size / spans.records:.0f} B or {logs.records} log lines of "
          f"{logs.size / logs.records:.0f} B, {rounds} rounds",
          ["forwarder", "1000 records/s", "1000 records/CPU s", "CPU ms/1000 records",
           "memory MiB", "records/s, times the Collector's", "records/CPU s, the same"], rows)
    for filled in (spans, logs, foreign):
        filled.remove()


def memory(work, tool, sink_binary, full):
    sink = programs.Sink(sink_binary, work)
    rows = []
    try:
        for size in (*BACKLOGS_MB, BACKLOG_FULL_MB) if full else BACKLOGS_MB:
            filled = Filled(tool, work, "traces", size << 20)
            rows.append([f"{size}", f"{filled.records}",
                         *(f"{agent(work, filled, sink, c)['rss']:.1f}" for c in ("none", "gzip"))])
            filled.remove()
    finally:
        sink.stop()
    table("Memory of the agent by the backlog that it drains",
          ["backlog MiB", "spans", "most resident MiB", "the same with gzip"], rows)


def latency(work, sink_binary, rounds):
    sink = programs.Sink(sink_binary, work, "count", "latency")
    program = None
    rows = []
    try:
        program = programs.whole("latency", work, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
        loads.wrk(program, 1, 16)
        for n in range(rounds):
            sink.take()
            load = loads.wrk(program, 5, 16)
            time.sleep(1)
            seen = sink.take()
            rows.append([f"{n + 1}", f"{load['rate']:.0f}", f"{seen['latencies']}",
                         f"{seen['p50_ms']:.1f}", f"{seen['p99_ms']:.1f}"])
    finally:
        if program is not None:
            program.stop()
        sink.stop()
    table("From a span's end to its arrival at the sink, whole program",
          ["round", "requests/s", "spans", "p50 ms", "p99 ms"], rows)


def append(work, tool):
    folder = os.path.join(work, "append")
    os.mkdir(folder)
    held = numbers([tool, "append", folder, str(APPENDS)])
    cgi = numbers([tool, "processes", folder, str(PROCESSES)])
    table("One append of a request's two spans",
          ["writer", "us"],
          [["file held open (FastCGI)", f"{held['append_held'] / 1000:.2f}"],
           ["opened for each", f"{held['append_reopened'] / 1000:.2f}"],
           ["a process for each (CGI), with its start", f"{cgi['process_with'] / 1000:.1f}"],
           ["the same process without an append", f"{cgi['process_without'] / 1000:.1f}"],
           ["a process for each, without its start", f"{cgi['process_append'] / 1000:.1f}"]])


def run(work, rounds, _seconds, builds):
    """All of it; FULL=1 in the environment adds the backlog of 2 GiB."""
    full = os.environ.get("FULL") == "1"
    touched = bytearray(1 << 30)
    del touched
    tool = programs.compile_tool(work, "spool_bench")
    sink_binary = programs.compile_tool(work, "sink")
    build = subprocess.run([f"{programs.ROOT}/tests/interop/collector/build"],
                           stdout=subprocess.PIPE, text=True, check=False)
    rates(work, tool, sink_binary, build.stdout.strip(), rounds, builds)
    memory(work, tool, sink_binary, full)
    latency(work, sink_binary, rounds)
    append(work, tool)
