"""The text of a request's records, beside the plain writer of the same bytes."""
import programs
from figures import spread, table
from metrics_section import figures


def run(_work, rounds, _seconds, _builds):
    runs = [figures(f"{programs.BUILD}/tests/bench/text_bench") for _ in range(rounds)]
    plain, ours, ratio = ([found[name][0] for found in runs] for name in (
        "the same by the plain writer", "text of a request", "ratio"))
    table("The text of a request's two spans and three log lines, processor time",
          ["writer", "us", "times the plain writer's"],
          [["plain (tests/unit/plain_records.h)", spread((ns / 1000 for ns in plain), ".2f"), ""],
           ["the library's", spread((ns / 1000 for ns in ours), ".2f"), spread(ratio, ".3f")]])
