"""The section of `microtrace top` and of the agent's page: what the last hour in memory costs."""
import os
import pty
import signal
import subprocess
import time

import programs
from figures import table, values
from metrics_section import figures

SECONDS = 10
CASES = (("a fresh instance", 10, "routes"),
         ("65,536 series, none of ours", 65536, "other"),
         ("65,536 series, all of them routes", 65536, "routes"))


def watch(build, folder):
    """CPU seconds a second of `top` on a terminal, once it has started."""
    env = {"PATH": os.environ["PATH"], "TERM": "xterm", "MICROTRACE_RUN_DIR": folder,
           "MICROTRACE_SPOOL_DIR": folder}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(f"{build.folder}/bin/microtrace", ["microtrace", "top"], env)
    os.set_blocking(terminal, False)

    def drain(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                os.read(terminal, 65536)
            except BlockingIOError:
                time.sleep(0.05)
    try:
        drain(3)
        before, begun = programs.cpu_ns(pid), time.monotonic()
        drain(SECONDS)
        share = (programs.cpu_ns(pid) - before) / (time.monotonic() - begun) / 1e9
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(terminal)
    return share * 100


def run(work, rounds, _seconds, builds):
    tool = programs.compile_tool(work, "history_bench", "http.a", "view.a")
    rows = []
    for name, series, kind in CASES:
        folder = os.path.join(work, f"top-{series}-{kind}")
        os.mkdir(folder)
        subprocess.run([tool, "fill", folder, str(series), kind], check=True)
        for build in builds:
            results = []
            for _ in range(rounds):
                found = figures(tool, "look", folder)
                results.append({key: value for key, (value, _) in found.items()}
                               | {"top": watch(build, folder)})
            rows.append([build.name(name), *(values(results, key, ".0f")
                                             for key in ("refresh", "sample", "overview")),
                         values(results, "top", ".2f")])
    table(f"A look at the metrics file, and `microtrace top` for {SECONDS} s; {rounds} rounds",
          ["what is in the file", "refresh us", "sample us", "overview us", "top, % of a core"],
          rows)
