"""The sections of what telemetry costs a request: rate and processor time beside a bare program, and
both as the number of processes grows."""
import os
import shutil
import subprocess
import tempfile

import loads
import programs
from figures import difference, median, ratio, table, values

# The spool's pages are used again and again instead of filling all memory with files.
SMALL_SPOOL = {"MICROTRACE_SPOOL_MAX_BYTES": str(64 << 20)}
TIERS = "MICROTRACE_SPOOL_MEMORY_BYTES"
KEEP = "error,slow:100ms,ratio:0.01"
PROCESSES = (1, 2, 4, 8, 16, 32, 64)
GROWTH_CONNECTIONS = 64
NO_LINGER = "bare, no linger"


def touch_memory():
    """Has a virtual machine's host hand over 1 GiB, so that no contender waits for new pages."""
    memory = bytearray(1 << 30)
    del memory


def stop_all(running):
    for each in running:
        each.stop()


def start_wholes(work, memory, builds, sink_url, running):
    """
    Adds the whole program of each build to `running`: alone, delivering, keeping a few, and with the
    run directory in memory, as on a host with /run.
    """
    for build in builds:
        if build.has_setting(TIERS):
            name = build.name("whole, two tiers")
            running.append(programs.whole(name, memory, build,
                                          spool=programs.folder_of(work, f"{name} spool"),
                                          **SMALL_SPOOL))
        running.append(programs.whole(build.name("whole"), work, build, **SMALL_SPOOL))
        running.append(programs.whole(build.name("whole, delivering"), work, build, **SMALL_SPOOL,
                                      OTEL_EXPORTER_OTLP_ENDPOINT=sink_url))
        if build.has_setting("MICROTRACE_TRACES_KEEP"):
            running.append(programs.whole(build.name("whole, keeping 1 %"), work, build,
                                          **SMALL_SPOOL, MICROTRACE_TRACES_KEEP=KEEP))


def throughput(work, rounds, seconds, builds):
    touch_memory()
    sink = programs.Sink(programs.compile_tool(work, "sink"), work)
    memory = tempfile.mkdtemp(prefix="microtrace-bench.", dir=programs.MEMORY)
    running = []
    try:
        running += [programs.bare(work, "bare"), programs.bare_no_linger(work)]
        start_wholes(work, memory, builds, sink.url, running)
        results = loads.interleave(running, rounds, lambda p: loads.wrk(p, seconds))
    finally:
        stop_all(running)
        sink.stop()
        shutil.rmtree(memory, ignore_errors=True)
    bare, base = results["bare"], results[NO_LINGER]
    rows = [[name, values(r, "rate"), f"{median(r, 'p50'):.0f}",
             *(f"{median(r, key):.1f}" for key in ("worker_us", "lighttpd_us", "agent_us")),
             values(r, "all_us", ".1f"), difference(r, base, "all_us"), ratio(r, bare, "rate"),
             ratio(r, base, "rate"), ratio(r, base, "all_us")] for name, r in results.items()]
    table(f"Whole program and bare program: {programs.WORKERS} processes, {loads.CONNECTIONS} "
          f"connections, {rounds} rounds of {seconds} s each in turn",
          ["program", "requests/s", "p50 us", "CPU us/request: analyze", "lighttpd", "agent",
           "all", "more than no linger", "requests/s, times bare's", "times no linger's",
           "CPU, times no linger's"], rows)


def growth(work, rounds, seconds, builds):
    touch_memory()
    rows = []
    for count in PROCESSES:
        folder = os.path.join(work, f"processes-{count}")
        os.mkdir(folder)
        running = []
        try:
            running.append(programs.bare_no_linger(folder, workers=count))
            for build in builds:
                running.append(programs.whole(build.name("whole"), folder, build, workers=count,
                                              **SMALL_SPOOL))
            results = loads.interleave(running, rounds, lambda p: loads.wrk(
                p, seconds, connections=GROWTH_CONNECTIONS))
            memory = {p.name: p.private_mb("analyze") for p in running}
        finally:
            stop_all(running)
        base = results[NO_LINGER]
        rows += [[f"{count}", name, values(r, "rate"), values(r, "all_us", ".1f"),
                  ratio(r, base, "rate"), ratio(r, base, "all_us"), f"{memory[name]:.2f}"]
                 for name, r in results.items()]
    table(f"As processes grow: {GROWTH_CONNECTIONS} connections, {rounds} rounds of {seconds} s "
          "each in turn",
          ["processes", "program", "requests/s", "CPU us/request, all", "requests/s ratio",
           "CPU ratio", "MiB of its own, a process"], rows)
