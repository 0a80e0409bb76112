"""The section of the busy disk: what a request notices of somebody else's copies and fsyncs, with the
spool on that disk, in memory, and in two tiers."""
import os
import tempfile

import loads
import noise
import programs
from figures import ratio, table, values
from programs import MEMORY
from request_section import SMALL_SPOOL, TIERS, stop_all, touch_memory

RATE = 300
FILL_SECONDS = 60  # that the noise may take to fill the page cache
FLAT_OUT_SECONDS = 3


def file_system(path):
    """Its type, by the longest mount point that holds the path."""
    path = os.path.realpath(path)
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split()[1:3] for line in file]
    holding = [(len(point), kind) for point, kind in mounts
               if path == point or path.startswith(point.rstrip("/") + "/")]
    return max(holding)[1]


def start(builds, disk, memory, sink_url, running):
    """All that is no spool lies in memory, so that the spool's place is the only difference."""
    def add(build, text, **env):
        name = build.name(text)
        running.append(programs.whole(name, memory, build, spool=programs.folder_of(disk, name),
                                      **SMALL_SPOOL, **env))

    running.append(programs.bare_no_linger(memory))
    for build in builds:
        add(build, "spool on the disk", **{TIERS: "0"})
        running.append(programs.whole(build.name("spool in memory"), memory, build, **SMALL_SPOOL))
        if build.has_setting(TIERS):
            # Without an endpoint all that is written moves to the disk, by the agent.
            add(build, "two tiers")
            add(build, "two tiers, delivering", OTEL_EXPORTER_OTLP_ENDPOINT=sink_url)


def show(title, results):
    base = next(iter(results.values()))
    table(title, ["program", "requests/s", "p50 us", "p99 us", "p99.9 us", "p99, times bare's",
                  "p99.9, times bare's"],
          [[name, *(values(r, key) for key in ("rate", "p50", "p99", "p999")),
            ratio(r, base, "p99", ".2f"), ratio(r, base, "p999", ".2f")]
           for name, r in results.items()])


def run(_work, rounds, seconds, builds):
    os.makedirs(f"{programs.BUILD}/bench", exist_ok=True)
    kind = file_system(programs.BUILD)
    if kind == "tmpfs" or not os.access(MEMORY, os.W_OK):
        print(f"\nBeside a busy disk: skipped, since {programs.BUILD} is on a {kind}, or {MEMORY} "
              "can't be written")
        return
    touch_memory()
    with tempfile.TemporaryDirectory(prefix="disk.", dir=f"{programs.BUILD}/bench") as disk, \
            tempfile.TemporaryDirectory(prefix="microtrace-bench.", dir=MEMORY) as memory:
        sink = programs.Sink(programs.compile_tool(memory, "sink"), memory)
        running, busy = [], None
        try:
            start(builds, disk, memory, sink.url, running)
            busy = noise.Noise(disk)
            busy.wait(FILL_SECONDS)

            def paced(program):
                busy.look()
                return loads.paced(program, seconds, RATE)

            def flat_out(program):
                busy.look()
                return loads.wrk(program, min(seconds, FLAT_OUT_SECONDS))

            at_rate = loads.interleave(running, rounds, paced)
            at_most = loads.interleave(running, rounds, flat_out)
            told = busy.told()
        finally:
            if busy is not None:
                busy.stop()
            stop_all(running)
            sink.stop()
    show(f"Beside a busy disk ({kind}), at {RATE} requests/s, {rounds} rounds of {seconds} s each "
         "in turn", at_rate)
    show(f"Beside a busy disk ({kind}), as fast as answers come, {rounds} rounds of "
         f"{min(seconds, FLAT_OUT_SECONDS)} s each in turn", at_most)
    print(f"\n{told}")
