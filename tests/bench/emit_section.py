"""The section of the emitting commands: what one line of a script costs, beside /bin/true."""
import os
import shutil
import tempfile
import time

from cgi_section import BATCH, interleave
from figures import difference, ratio, table, values

EMIT = [("count", ["jobs_total", "--label", "queue=mail"]),
        ("observe", ["job_seconds", "0.25", "--unit", "seconds"]),
        ("gauge", ["queue_length", "7"]),
        ("log", ["--field", "rows=7", "done"]),
        ("span", ["import", "--attr", "rows=7", "--start", "1732700000.25"]),
        ("run", ["--", "/bin/true"])]


class Contender:
    """A program with its arguments, run to its end."""

    def __init__(self, name, path, arguments, env):
        self.name, self.path, self.arguments, self.env = name, path, [path, *arguments], env

    def run(self, _body, _answers):
        """Microseconds by the clock, and of processor, of one process and its children."""
        begin = time.monotonic_ns()
        pid = os.posix_spawn(self.path, self.arguments, self.env)
        _, status, usage = os.wait4(pid, 0)
        clock = time.monotonic_ns() - begin
        if status != 0:
            raise SystemExit(f"bench: {self.name}: status {status}")
        return clock / 1000, (usage.ru_utime + usage.ru_stime) * 1e6


def run(work, rounds, _seconds, builds):
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="microtrace-bench.", dir=memory) as state:
        base = Contender("/bin/true", "/bin/true", [], {"PATH": os.environ["PATH"]})
        contenders = [base]
        for n, build in enumerate(builds):
            env = {"PATH": os.environ["PATH"], "MICROTRACE_RUN_DIR": f"{state}/run-{n}",
                   "MICROTRACE_SPOOL_DIR": os.path.join(work, f"spool-{n}")}
            os.mkdir(env["MICROTRACE_RUN_DIR"])
            os.mkdir(env["MICROTRACE_SPOOL_DIR"])
            contenders += [Contender(build.name(f"microtrace {command}"),
                                     f"{build.folder}/bin/microtrace", [command, *arguments], env)
                           for command, arguments in EMIT]
        # The peer, where it is installed: it has no collector here, and so connects to nobody.
        otel_cli = shutil.which("otel-cli")
        if otel_cli is not None:
            contenders.append(Contender("otel-cli span, sending nothing", otel_cli,
                                        ["span", "--name", "import"], base.env))
        results = interleave(contenders, rounds)
    first = results[base.name]
    table(f"Emitting: one process from its start to its end, on one core; `run` runs /bin/true; "
          f"{rounds} rounds of {BATCH} each in turn",
          ["program", "us by the clock", "us more than /bin/true", "CPU us", "clock ratio"],
          [[name, values(r, "clock"), difference(r, first, "clock", ".0f"), values(r, "cpu"),
            ratio(r, first, "clock")] for name, r in results.items()])
