"""What the agent does with a request's records between its system calls: cut, and made a body."""
import os

import programs
from figures import spread, table
from metrics_section import figures
from spool_section import numbers

REQUESTS = 4000  # more than a window of each signal


def run(work, rounds, _seconds, _builds):
    spool = os.path.join(work, "spool")
    os.mkdir(spool)
    numbers([programs.compile_tool(work, "spool_bench"), "requests", os.path.join(work, "run"),
             spool, str(REQUESTS), "0"])
    runs = [figures(f"{programs.BUILD}/tests/bench/export_bench", spool) for _ in range(rounds)]
    rows = [[name, spread((found[name][0] / 1000 for found in runs), ".2f")]
            for name, (_, unit) in runs[0].items() if unit == "ns/op"]
    table("Records of a request in the agent, 2 spans and 3 log lines, processor time",
          ["step", "us"], rows)
