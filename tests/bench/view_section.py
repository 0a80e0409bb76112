"""The section of `microtrace view` and of the page's traces: how long a look into a large spool takes."""
import json
import os
import time

import programs
from figures import table, values

SIZE = 1 << 30  # of each signal


def files_of(folder):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


def span_of(path, where):
    """Trace and request id of a request's spans, at the start or the end of a file."""
    with open(path, "rb") as file:
        if where == "end":
            file.seek(-8192, os.SEEK_END)
            file.readline()
        spans = json.loads(file.readline())["resourceSpans"][0]["scopeSpans"][0]["spans"]
        spans += json.loads(file.readline())["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for span in spans:
        for attribute in span["attributes"]:
            if attribute["key"] == "microtrace.request_id":
                return span["traceId"], attribute["value"]["stringValue"]
    raise SystemExit(f"bench: no server span in {path}")


def forget(folder):
    """Takes the files out of the page cache."""
    for path in files_of(folder):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def look(command, folder, expected=0):
    """Clock and CPU seconds."""
    env = {"PATH": os.environ["PATH"], "MICROTRACE_SPOOL_DIR": folder, "MICROTRACE_RUN_DIR": folder}
    null = os.open(os.devnull, os.O_WRONLY)
    begin = time.monotonic_ns()
    pid = os.posix_spawn(command[0], command, env,
                         file_actions=[(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)])
    _, status, usage = os.wait4(pid, 0)
    clock = time.monotonic_ns() - begin
    os.close(null)
    if os.waitstatus_to_exitcode(status) != expected:
        raise SystemExit(f"bench: {command}: status {status}")
    return {"s": clock / 1e9, "cpu": usage.ru_utime + usage.ru_stime}


def measure(rows, name, rounds, cold, *arguments):
    look(*arguments)
    results = []
    for _ in range(rounds):
        if cold:
            forget(arguments[1])
        results.append(look(*arguments))
    rows.append([name, values(results, "s", ".2f"), values(results, "cpu", ".2f")])


def run(work, rounds, _seconds, builds):
    tool = programs.compile_tool(work, "spool_bench")
    folder = os.path.join(work, "view")
    os.mkdir(folder)
    for signal in ("traces", "logs"):
        os.spawnv(os.P_WAIT, tool, [tool, "fill", folder, signal, str(SIZE)])
    traces = [path for path in files_of(folder) if "traces" in path]
    # As if each had been sealed after the one before.
    for age, path in enumerate(reversed(files_of(folder))):
        os.utime(path, (time.time() - 60 - 600 * (age % len(traces)),) * 2)
    oldest, request = span_of(traces[0], "start")
    newest, _ = span_of(traces[-1], "end")
    kinds = [("--trace, the oldest", ["--trace", oldest], 0, False),
             ("--trace, the newest", ["--trace", newest], 0, False),
             ("--trace, not there", ["--trace", "0123456789abcdef" * 2], 1, False),
             ("--request, the oldest", ["--request", request], 0, False),
             ("--last 10", ["--last", "10"], 0, False),
             ("--errors, none there", ["--errors"], 1, False),
             ("--slowest 10", ["--slowest", "10"], 0, False),
             ("--trace, not there, disk cold", ["--trace", "0123456789abcdef" * 2], 1, True),
             ("--trace, the newest, disk cold", ["--trace", newest], 0, True)]
    rows = []
    for build in builds:
        for name, arguments, expected, cold in kinds:
            measure(rows, build.name(name), rounds, cold,
                    [f"{build.folder}/bin/microtrace", "view", *arguments], folder, expected)
    title = f"in a spool of {2 * SIZE >> 20} MiB, half spans, half log lines; {rounds} rounds"
    columns = ["what is asked for", "s by the clock", "CPU s"]
    table(f"`microtrace view` {title}", columns, rows)
    asked = [("latest", []), ("slowest", []), ("errors", []), ("trace", [oldest]), ("trace", [newest]),
             ("trace", ["0123456789abcdef" * 2]), ("find", [request]), ("find", ["nobody"]), ("find", ["/analyze"]),
             ("find", ["/nowhere"]), ("find", ["5xx"]), ("find", ["last 15m"])]
    rows = []
    for build in builds:
        tool = f"{build.folder}/tests/tools/page_look"
        for what, text in asked if os.path.exists(tool) else []:
            name = " ".join([what, *text]).replace(oldest, "the oldest").replace(newest, "the newest")
            name = name.replace(request, "a request, the oldest").replace("0123456789abcdef" * 2, "not there")
            measure(rows, build.name(name), rounds, False, [tool, folder, folder, what, *text], folder)
    table(f"The page's section of traces {title}", columns, rows)
