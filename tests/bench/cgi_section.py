"""The section of plain CGI: one process a request, from its start to its end."""
import os
import statistics
import tempfile
import time

import programs
from figures import ratio, table, values

BODY = b'{"a": 10.5, "b": 3.5}'
CORE = 1  # of everything that is measured: no round waits for another core
BATCH = 10  # processes of one contender in a row, so that its pages are as warm as under load


class Contender:
    """A CGI program with its environment; `run` is one request."""

    def __init__(self, name, path, **env):
        self.name, self.path = name, path
        self.env = {"PATH": os.environ["PATH"], "GATEWAY_INTERFACE": "CGI/1.1",
                    "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost",
                    "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost",
                    "REQUEST_METHOD": "POST", "REQUEST_URI": "/analyze", "SCRIPT_NAME": "",
                    "PATH_INFO": "/analyze", "QUERY_STRING": "", "CONTENT_LENGTH": str(len(BODY)),
                    "CONTENT_TYPE": "application/json", **env}

    def run(self, body, answers):
        """Microseconds by the clock, and of processor, of one process. `answers` is a pipe."""
        os.lseek(body, 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, body, 0), (os.POSIX_SPAWN_DUP2, answers[1], 1)]
        begin = time.monotonic_ns()
        pid = os.posix_spawn(self.path, [self.path], self.env, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        clock = time.monotonic_ns() - begin
        answer = os.read(answers[0], 65536) if status == 0 else b""
        if b"14.0" not in answer:
            raise SystemExit(f"bench: {self.name}: status {status}, answer {answer!r}")
        return clock / 1000, (usage.ru_utime + usage.ru_stime) * 1e6


def interleave(contenders, rounds):
    """{name: [{"clock", "cpu"} of each round]}, in microseconds, the medians of a batch."""
    body = os.memfd_create("body")
    os.write(body, BODY)
    answers = os.pipe()
    results = {c.name: [] for c in contenders}
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORE if CORE in cores else min(cores)})
    try:
        for n in range(rounds + 1):
            for c in contenders if n % 2 == 0 else reversed(contenders):
                batch = [c.run(body, answers) for _ in range(BATCH)]
                if n > 0:  # the first round warms up
                    clock, cpu = map(statistics.median, zip(*batch))
                    results[c.name].append({"clock": clock, "cpu": cpu})
    finally:
        os.sched_setaffinity(0, cores)
        for fd in (body, *answers):
            os.close(fd)
    return results


def run(work, rounds, _seconds, builds):
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="microtrace-bench.", dir=memory) as state:
        contenders = [Contender("bare", programs.compile_bare(work))]
        for n, build in enumerate(builds):
            run_dir, spool_dir = f"{state}/run-{n}", os.path.join(work, f"spool-{n}")
            os.mkdir(run_dir)
            os.mkdir(spool_dir)
            contenders.append(Contender(build.name("analyze"), f"{build.folder}/bin/analyze",
                                        MICROTRACE_RUN_DIR=run_dir,
                                        MICROTRACE_SPOOL_DIR=spool_dir))
        results = interleave(contenders, rounds)
    base = results["bare"]
    table(f"Plain CGI: a process for each request, from its start to its end, on one core; "
          f"{rounds} rounds of {BATCH} each in turn",
          ["program", "us by the clock", "CPU us", "clock ratio", "CPU ratio"],
          [[name, values(r, "clock"), values(r, "cpu"), ratio(r, base, "clock"),
            ratio(r, base, "cpu")] for name, r in results.items()])
