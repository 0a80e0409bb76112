#!/usr/bin/env python3
"""Lets the n-th call of each kind fail in each program, and looks whether anybody suffers.

    failing_calls.py --build DIR --library SO [--sample N] [--seed S] [--family F] [--call N] WHAT

WHAT is cgi, fastcgi, gateway, agent, commands or programs (PROGRAMS below). A run without failures
counts
the calls that the program makes (tests/tools/preload/fail_nth.c); each of them then fails once, and
once more together with all that follow, with each error that such a call can have. --sample runs
that many cases, chosen by the seed; without it all are run. --family and --call repeat one.

Never allowed: a signal, a hang, an exit without a word, a wrong answer, records lost without a
count. Allowed: 503 when memory is out; a program that ends at its start and says why; an agent
without an answer while every call goes on failing.
"""

import argparse
import contextlib
import errno
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import fastcgi_peer as fastcgi  # noqa: E402
import otlp_sink  # noqa: E402

# Further programs: name, command line (with {build}), standard input. Each is run in an instance of
# its own, has to end with 0 whatever fails, and to print what it prints when nothing does.
MICROTRACE = "{build}/bin/microtrace"
PROGRAMS = [
    ("the example of the library", ["{build}/examples/import"], ""),
    ("run", [MICROTRACE, "run", "--name", "job", "--log-output", "--", "sh", "-c", "echo out"], ""),
    ("span", [MICROTRACE, "span", "step"], ""),
    ("log", [MICROTRACE, "log", "words"], ""),
    ("count", [MICROTRACE, "count", "jobs_total", "2"], ""),
    ("gauge", [MICROTRACE, "gauge", "depth", "3"], ""),
    ("observe", [MICROTRACE, "observe", "wait_seconds", "0.5"], ""),
]

PATIENCE = 20  # seconds
ERRORS = {
    "memory": [errno.ENOMEM],
    "map": [errno.ENOMEM],
    "open": [errno.EMFILE, errno.EACCES],
    "read": [errno.EIO],
    "write": [errno.ENOSPC, errno.EIO, 0],
    "size": [errno.ENOSPC],
    "lock": [errno.ENOLCK],
    "name": [errno.EACCES, errno.ENOSPC],
    "sync": [errno.EIO],
    "stat": [errno.EACCES],
    "event": [errno.ENOMEM],
    "socket": [errno.ENOMEM],
}
FAMILIES = list(ERRORS)
BODY, ANSWER = b'{"a": 10.5, "b": 3.5}', b'{"sum": 14.0, "difference": 7.0}'


class Failed(Exception):
    pass


def need(truth, text):
    if not truth:
        raise Failed(text)


class Case:
    """Which call fails, and how; without a family none does."""

    def __init__(self, family=None, call=0, error=0, from_then_on=False):
        self.family, self.call, self.error, self.from_then_on = family, call, error, from_then_on

    def __str__(self):
        if self.family is None:
            return "nothing fails"
        name = errno.errorcode.get(self.error, "short")
        return f"{self.family} call {self.call}{' and on' if self.from_then_on else ''}: {name}"


class Trial:
    """One instance with one program in it that meets one failure."""

    def __init__(self, args, case, template=None):
        self.args, self.case = args, case
        self.dir = tempfile.mkdtemp(prefix="failing.", dir=args.scratch)
        self.run, self.spool = f"{self.dir}/run", f"{self.dir}/spool"
        for name in ("run", "spool"):
            if template is None:
                os.mkdir(f"{self.dir}/{name}")
            else:
                shutil.copytree(f"{template}/{name}", f"{self.dir}/{name}")
        self.report = f"{self.dir}/report"

    def remove(self):
        shutil.rmtree(self.dir)

    def environment(self, program=None, **more):
        """Of a program; of one that meets the failure, if it is named."""
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TMPDIR": self.dir,
               "MICROTRACE_RUN_DIR": self.run, "MICROTRACE_SPOOL_DIR": self.spool, **more}
        if program is not None:
            env.update(LD_PRELOAD=self.args.library, FAIL_NTH_PROGRAM=program,
                       FAIL_NTH_REPORT=self.report)
            if self.case.family is not None:
                env.update(FAIL_NTH_FAMILY=self.case.family, FAIL_NTH_CALL=str(self.case.call),
                           FAIL_NTH_ERRNO=str(self.case.error))
            if self.case.from_then_on:
                env["FAIL_NTH_FROM"] = "1"
        return env

    def counts(self):
        """The calls of each family, of all processes together."""
        total = dict.fromkeys(FAMILIES, 0)
        for name in os.listdir(self.dir):
            if re.fullmatch(r"report\.\d+", name):
                with open(f"{self.dir}/{name}", "rb") as file:
                    data = file.read()
                for i, family in enumerate(FAMILIES):
                    total[family] += int.from_bytes(data[8 * i:8 * i + 8], "little")
        return total

    def struck(self):
        """Where the calls that failed were made; "" if none did."""
        with contextlib.suppress(FileNotFoundError), open(self.report, encoding="utf-8") as file:
            callers = [line.split("called from ")[1].strip() for line in file
                       if "called from " in line]
            return "; ".join(dict.fromkeys(callers))
        return ""

    def clean(self, *command, **more):
        """Runs a program that meets no failure; what it printed."""
        done = subprocess.run([f"{self.args.build}/bin/{command[0]}", *command[1:]],
                              env=self.environment(**more), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=PATIENCE, check=False)
        need(done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: "
             f"{done.stderr.decode(errors='replace')}{done.stdout.decode(errors='replace')[-500:]}")
        return done.stdout

    def metrics(self):
        """Counters and gauges as they stand in the metrics file: name{label,...}, value."""
        values = {}
        for family in json.loads(self.clean("microtrace", "metrics", "--json"))["families"]:
            for series in family["series"]:
                if "value" in series:
                    key = family["name"] + "{" + ",".join(series["labels"].values()) + "}"
                    values[key] = series["value"]
        return values

    def spooled(self, signal_name):
        """Whole lines of the spool that are JSON, and what is left."""
        good = torn = 0
        for name in sorted(os.listdir(self.spool)):
            if not re.fullmatch(signal_name + r"(\.\d+)?\.jsonl", name):
                continue
            with open(f"{self.spool}/{name}", "rb") as file:
                for line in file.read().split(b"\n"):
                    try:
                        good += json.loads(line) is not None
                    except ValueError:
                        torn += line != b""
        return good, torn


def said(done, words):
    """The exit of a program, and that one which fails says something."""
    text = done.stderr if isinstance(done.stderr, bytes) else b""
    need(done.returncode >= 0, f"{words} died of {signal.Signals(-done.returncode).name}: "
         f"{text.decode(errors='replace')}" if done.returncode < 0 else "")
    need(done.returncode == 0 or text.strip() != b"", f"{words} ended with {done.returncode} "
         "and without a word")
    return done.returncode


def check_answer(answer, case):
    """200 and the result; 503 in words when memory is out. Whether it was 200."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = re.search(rb"^Status: (\d+)", head, re.M)
    need(status is not None, f"no answer: {answer[:200]!r}")
    code = int(status.group(1))
    need(re.search(rb"^X-Request-ID: \S", head, re.M | re.I) is not None, f"no id: {head!r}")
    if code == 200:
        need(body == ANSWER, f"the answer is {body!r}")
        return True
    need(case.family in ("memory", "map"), f"{code} {body!r}")
    need(code == 503 and "detail" in json.loads(body), f"{code} {body!r}")
    return False


def check_spool(trial, answered, logs=3):
    """Nothing is lost but to the failure, and no line is damaged but a torn one."""
    lost_most = answered if trial.case.from_then_on else min(answered, 1)
    for name, each in (("traces", 2), ("logs", logs)):
        good, torn = trial.spooled(name)
        if name == "traces":
            need(good >= answered - lost_most, f"{good} lines of {name}, {answered} requests")
        else:
            need(good >= each * (answered - lost_most), f"{good} lines of {name}")
        need(torn <= lost_most, f"{torn} damaged lines of {name}")


def deliver(trial):
    """An agent that meets no failure delivers what is there, and its books balance."""
    sink = trial.args.sink
    trial.clean("metrics-agent", "--drain", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    values = trial.metrics()
    for name in ("traces", "logs"):
        written = values.get(f"microtrace_spool_written_records_total{{{name}}}", 0)
        left = values.get(f"microtrace_spool_backlog_records{{{name}}}", 0)
        settled = sum(values.get(f"microtrace_export_records_total{{{name},{outcome}}}", 0)
                      for outcome in ("delivered", "rejected", "quarantined"))
        dropped = sum(values.get(f"microtrace_spool_dropped_records_total{{{name},{reason}}}", 0)
                      for reason in ("cap", "torn", "deleted"))
        need(left == 0, f"{left} {name} are left")
        need(written == settled + dropped, f"{name}: written {written}, settled {settled}, "
             f"dropped {dropped}")


class Sink:
    """The test sink, in this process."""

    def __init__(self):
        self.server = otlp_sink.Server(("127.0.0.1", 0), otlp_sink.Handler)
        self.server.state = otlp_sink.State(None)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forget(self):
        state = self.server.state
        with state.lock:
            for mine in state.signals.values():
                mine["ids"], mine["records"] = set(), 0

    def ids(self, name):
        with self.server.state.lock:
            return set(self.server.state.signals[name]["ids"])


# --- the programs --------------------------------------------------------------------------------

def cgi(trial):
    env = trial.environment(
        "analyze", REQUEST_METHOD="POST", SCRIPT_NAME="/microtrace.cgi", PATH_INFO="/analyze",
        CONTENT_LENGTH=str(len(BODY)), CONTENT_TYPE="application/json", SERVER_PROTOCOL="HTTP/1.1")
    done = subprocess.run([f"{trial.args.build}/bin/analyze"], input=BODY, env=env,
                          capture_output=True, timeout=PATIENCE, check=False)
    status = said(done, "analyze")
    if status == 0 or done.stdout != b"":
        answers = int(check_answer(done.stdout, trial.case))
    else:
        need(trial.case.family in ("memory", "map"), f"no answer; exit {status}: {done.stderr!r}")
        answers = 0
    check_spool(trial, answers)
    deliver(trial)


def gateway(trial):
    """microtrace-cgi with one script that answers and warns."""
    script = f"{trial.dir}/script.cgi"
    with open(script, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'; echo warned >&2\n")
    os.chmod(script, 0o755)
    env = trial.environment("microtrace-cgi", REQUEST_METHOD="GET", SCRIPT_NAME="/script.cgi",
                            SCRIPT_FILENAME=script, SERVER_PROTOCOL="HTTP/1.1")
    done = subprocess.run([f"{trial.args.build}/bin/microtrace-cgi"], stdin=subprocess.DEVNULL,
                          env=env, capture_output=True, timeout=PATIENCE, check=False)
    status = said(done, "microtrace-cgi")
    answers = 0
    if status == 0 or done.stdout != b"":
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        answers = int(body == b"hello\n")
        need(b"X-Request-ID: " in head, f"the answer is {done.stdout!r}")
        # What a script needs of the machine may be missing: then that is said.
        need(answers == 1 or re.search(rb"^Status: (403|404|502|503) ", head), f"{done.stdout!r}")
        check_spool(trial, answers, 2)
    else:
        need(trial.case.family in ("memory", "map"), f"no answer; exit {status}: {done.stderr!r}")
    deliver(trial)


def fastcgi_requests(trial, process, path, count):
    """How many of them were answered with 200."""
    good = 0
    for _ in range(count):
        try:
            answer = fastcgi.post(path, "/analyze", BODY, PATIENCE)
        except OSError:
            answer = b""
        if answer == b"":
            # Nothing is owed by a process that ends; how it ended is looked at below.
            process.wait(PATIENCE)
            break
        good += check_answer(answer, trial.case)
    return good


def run_fastcgi(trial):
    path = f"{trial.dir}/socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(16)
        process = subprocess.Popen([f"{trial.args.build}/bin/analyze"], stdin=listening,
                                   env=trial.environment("analyze"), stderr=subprocess.PIPE)
    try:
        good = fastcgi_requests(trial, process, path, 4)
        if process.poll() is None:
            process.terminate()
        text = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
        process.wait()
    done = subprocess.CompletedProcess([], process.returncode, b"", text)
    # libfcgi has no other way when memory is out (docs/architecture.md).
    if not (done.returncode == -signal.SIGABRT and "libfcgi" in trial.struck()):
        status = said(done, "analyze")
        need(status == 0 or trial.case.family in ("memory", "map", "socket", "open"),
             f"exit {status}: {text!r}")
    check_spool(trial, good)
    deliver(trial)


def answer_of(port, path, patience=5):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def scrape_until_good(process, port, must):
    """Whether the process still runs. Unless it `must`, it need not have an answer."""
    deadline = time.monotonic() + (PATIENCE if must else 0.2)
    last = ""
    while process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            last = answer_of(port, "/metrics")
            if last[0] == 200 and b"microtrace_build_info" in last[1]:
                return True
        if not must and time.monotonic() > deadline:
            return True
        need(time.monotonic() < deadline, f"/metrics does not answer: {str(last)[:300]}")
        time.sleep(0.01)
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


RECORDS = 40


def agent_template(args):
    trial = Trial(args, Case())
    for name in ("traces", "logs"):
        subprocess.run([f"{args.build}/tests/tools/spool_write", trial.spool, name, name,
                        str(RECORDS), "4"], check=True, capture_output=True)
    return trial.dir


def run_agent(trial):
    trial.args.sink.forget()
    port = free_port()
    process = subprocess.Popen(
        [f"{trial.args.build}/bin/metrics-agent"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=trial.environment("metrics-agent", MICROTRACE_AGENT_LISTEN=f"127.0.0.1:{port}",
                              OTEL_EXPORTER_OTLP_ENDPOINT=trial.args.sink.url))
    try:
        alive = True
        for _ in range(3):
            alive = alive and scrape_until_good(process, port, not trial.case.from_then_on)
        if alive and trial.case.family is None:
            end = time.monotonic() + PATIENCE
            while len(trial.args.sink.ids("logs")) < RECORDS and time.monotonic() < end:
                time.sleep(0.02)
        if process.poll() is None:
            process.terminate()
        text = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
        process.wait()
    # OpenSSL 3.5 aborts where memory is out as it starts, and says so.
    if not (process.returncode == -signal.SIGABRT and trial.case.family in ("memory", "map") and
            b"OpenSSL internal error" in text):
        status = said(subprocess.CompletedProcess([], process.returncode, b"", text), "the agent")
        need(status == 0 or not alive, f"exit {status}: {text!r}")
    deliver(trial)
    for name in ("traces", "logs"):
        ids = trial.args.sink.ids(name)
        need(len(ids) == RECORDS, f"{len(ids)} of {RECORDS} {name} arrived: {text!r}")


COMMANDS = [
    ["metrics"], ["metrics", "--json"], ["spool", "status"], ["spool", "status", "--json"],
    ["spool", "tail", "--no-follow"], ["spool", "verify"], ["chaos", "status"], ["chaos", "on"],
    ["breaker", "status"], ["breaker", "open"], ["view"], ["view", "--slowest"], ["top", "--once"],
    ["expect", "metric", "requests_total", "--within", "1"],
    ["expect", "span", "--name", "POST /analyze", "--within", "1"], ["doctor"],
]


def instance_template(args):
    """An instance in which a request was answered, and which an agent has seen."""
    trial = Trial(args, Case())
    cgi(trial)
    path = agent_template(args)
    for name in os.listdir(f"{path}/spool"):
        shutil.copy(f"{path}/spool/{name}", f"{trial.spool}/{name}")
    return trial.dir


def run_command(command, expected):
    def run(trial):
        done = subprocess.run([f"{trial.args.build}/bin/microtrace", *command],
                              env=trial.environment("microtrace"), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=PATIENCE, check=False)
        words = "microtrace " + " ".join(command)
        status = done.returncode
        # glob(3) of glibc aborts where memory is out.
        if command == ["doctor"] and status == -signal.SIGABRT and "libc.so" in trial.struck():
            return
        # `spool status` and `verify` end with 1 for what they print.
        need(status >= 0, f"{words} died of {signal.Signals(-status).name}" if status < 0 else "")
        need(status in (0, 1, 2), f"{words} ended with {status}")
        need(status == 0 or (done.stdout + done.stderr).strip() != b"", f"{words}: not a word")
        # These say in their text what they could not see.
        tells = command[:2] == ["spool", "status"] or command[0] in ("top", "doctor") or \
            b" not shown" in done.stdout
        lines = None if tells else done.stdout.count(b"\n")
        if trial.case.family is None:
            expected[tuple(command)] = lines
        elif status == 0:
            need(lines in (None, expected[tuple(command)]) or done.stderr != b"",
                 f"{words} ended with 0, with {lines} lines, not {expected[tuple(command)]}: "
                 f"{done.stdout[:300]!r}")
    return run


def run_program(name, command, text):
    def run(trial):
        words = [word.format(build=trial.args.build) for word in command]
        done = subprocess.run(words, env=trial.environment(os.path.basename(words[0])),
                              input=text.encode(), capture_output=True, timeout=PATIENCE,
                              check=False)
        need(done.returncode == 0, f"{name} ended with {done.returncode}: {done.stderr!r}")
        deliver(trial)
    return run


def scenarios(args):
    """(name, function, template) of what is asked for."""
    if args.what == "cgi":
        return [("cgi, new instance", cgi, None), ("cgi", cgi, instance_template(args))]
    if args.what == "gateway":
        return [("gateway, new instance", gateway, None),
                ("gateway", gateway, instance_template(args))]
    if args.what == "fastcgi":
        return [("fastcgi, new instance", run_fastcgi, None),
                ("fastcgi", run_fastcgi, instance_template(args))]
    if args.what == "agent":
        return [("agent", run_agent, agent_template(args))]
    if args.what == "commands":
        template, expected = instance_template(args), {}
        return [("microtrace " + " ".join(c), run_command(c, expected), template)
                for c in COMMANDS]
    return [(name, run_program(name, command, text), None) for name, command, text in PROGRAMS]


def cases_of(args, run, template):
    """All of them, by the counts of a run in which nothing fails."""
    trial = Trial(args, Case(), template)
    run(trial)
    counts = trial.counts()
    trial.remove()
    need(any(counts.values()), "the preload library has counted nothing")
    return [Case(family, call, error, from_then_on) for family in FAMILIES
            for call in range(1, counts[family] + 1) for error in ERRORS[family]
            for from_then_on in (False, True)
            if args.family in (None, family) and args.call in (None, call)]


def try_one(args, name, run, template, case):
    trial = Trial(args, case, template)
    try:
        run(trial)
    except (Failed, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
        print(f"{name}, {case}, at {trial.struck()}: {type(error).__name__} {error}", flush=True)
        return False
    finally:
        trial.remove()
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--call", type=int)
    parser.add_argument("what", choices=["cgi", "fastcgi", "gateway", "agent", "commands",
                                         "programs"])
    args = parser.parse_args()
    args.build, args.library = os.path.abspath(args.build), os.path.abspath(args.library)
    args.sink = Sink()
    with tempfile.TemporaryDirectory(prefix="failing.") as args.scratch:
        cases = [(name, run, template, case) for name, run, template in scenarios(args)
                 for case in cases_of(args, run, template)]
        known = len(cases)
        if args.sample is not None and args.sample < known:
            cases = random.Random(args.seed).sample(cases, args.sample)
        failed = sum(not try_one(args, *case) for case in cases)
    print(f"{args.what}: {len(cases)} of {known} cases, {failed} failed; --seed {args.seed}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
