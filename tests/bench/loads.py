"""Load on a running program, and rounds of it in turn with others."""
import json
import os
import subprocess

import programs

HERE = os.path.dirname(os.path.realpath(__file__))
CONNECTIONS = 16


def wrk(program, seconds, pause_ms=0, connections=CONNECTIONS):
    """As fast as answers come: requests, requests/s, and percentiles in microseconds."""
    env = {**os.environ, "PAUSE_MS": str(pause_ms), "METHOD": program.method}
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                          f"{HERE}/post.lua", program.url],
                         env=env, check=True, capture_output=True, text=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("RESULT"))
    requests, micros, errors, p50, p90, p99, p999 = map(float, line.split()[1:])
    if errors or not requests:
        raise SystemExit(f"bench: {program.name}: {errors:.0f} of {requests:.0f} requests failed")
    return {"requests": requests, "rate": requests / micros * 1e6, "p50": p50, "p90": p90,
            "p99": p99, "p999": p999}


def paced(program, seconds, rate):
    """
    The same at a rate that no answer holds back: a request's time begins when it is due, so one
    that waits for a slow answer before it counts with its wait.
    """
    out = subprocess.run([f"{programs.BUILD}/bin/microtrace", "load", "--json", "--url",
                          program.url.removesuffix("/analyze"), "--rate", str(rate), "--mix", "0",
                          "--concurrency", str(CONNECTIONS), "--duration", str(seconds)],
                         check=False, capture_output=True, text=True).stdout
    seen = json.loads(out)
    if seen["failed"] or seen["unexpected"] or not seen["expected"]:
        raise SystemExit(f"bench: {program.name}: {out}")
    times = {name: ms * 1000 for name, ms in seen["latency_ms"].items()}
    return {"requests": seen["expected"], "rate": seen["expected"] / seen["seconds"], **times}


def measure(program, load):
    """One round of `load`, with the processor time of each part of the program."""
    before = program.cpu()
    result = load(program)
    after = program.cpu()
    used = {name: (ns - before.get(name, 0)) / 1000 / result["requests"]
            for name, ns in after.items()}
    result.update({f"{name}_us": us for name, us in used.items()})
    result["worker_us"] = used.get("analyze", 0)
    result["lighttpd_us"] = used.get("lighttpd", 0)
    result["agent_us"] = used.get("metrics-agent", 0)
    result["all_us"] = sum(used.values())
    return result


def interleave(contenders, rounds, load):
    """{name: [result of each round]}, after one short round that is not counted."""
    results = {p.name: [] for p in contenders}
    for p in contenders:
        wrk(p, 1)
    for n in range(rounds):
        # Every other round backwards, so that none always runs after the same other.
        for p in contenders if n % 2 == 0 else reversed(contenders):
            results[p.name].append(measure(p, load))
    return results
