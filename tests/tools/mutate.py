#!/usr/bin/env python3
"""Small faults put into the sources, to see whether the tests notice.

    mutate.py [--files REGEX] [--limit SECONDS] SEED COUNT [COMMAND]

Draws COUNT mutations of the C sources in lib, fcgi-app and metrics-agent: a relation or a
constant changed, a condition negated, a statement removed. Without COMMAND it prints them. With it,
each one in turn is put into the file, built by `make all`, and tried by the command, which has to
fail; then the file is as it was. What does not build is left out. Run it in a copy of the tree.

    mutate.py --files lib/spool 7 20 'make unit && bats tests/integration/agent.bats'
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

RELATIONS = {"<": ("<=", ">"), "<=": ("<", ">"), ">": (">=", "<"), ">=": (">", "<"),
             "==": ("!=",), "!=": ("==",), "&&": ("||",), "||": ("&&",)}
OPAQUE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def faults(code, line):
    """Of one line: kind, where it is, and what is to stand there. `code`: without its strings."""
    for found in re.finditer(r"(?<= )(<=|>=|==|!=|<|>|&&|\|\|)(?= |$)", code):
        for other in RELATIONS[found.group()]:
            yield "relation", found.span(), other
    for found in re.finditer(r" [+-] 1\b(?!\.)", code):
        yield "off by one", found.span(), ""
    for found in re.finditer(r"(?<![\w.-])\d+(?![\w.])", code):
        yield "constant", found.span(), str(int(found.group()) + 1)
    found = re.match(r" +(?:if|while) \((.*)\)(?: \{)?$", code)
    if found and found.group(1).count("(") == found.group(1).count(")"):
        yield "negated", found.span(1), f"!({line[slice(*found.span(1))]})"
    found = re.match(r" +((?:\(void\))?[a-z_][\w.>-]*\(.*\);|[*a-z_][\w\->.\[\]]* [-+|&*]?= [^;]*;|"
                     r"[a-z_][\w\->.]*(?:\+\+|--);|continue;|return;)$", code)
    if found and found.group(1).count("(") == found.group(1).count(")"):
        yield "removed", found.span(1), ";"


def mutations(files):
    """All of them, by kind: path, number of the line, the line before and after."""
    kinds = {}
    for folder in ("lib", "fcgi-app", "metrics-agent"):
        for path in sorted(Path(folder).rglob("*.c")):
            if not re.search(files, str(path)):
                continue
            text = path.read_text()
            code = OPAQUE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)
            for number, (line, bare) in enumerate(zip(text.split("\n"), code.split("\n"))):
                if bare.startswith(" ") and "assert" not in bare and not bare.endswith("\\"):
                    for kind, (begin, end), other in faults(bare.rstrip(), line):
                        kinds.setdefault(kind, []).append(
                            (path, number, line, line[:begin] + other + line[end:]))
    return kinds


def succeeds(command, limit):
    """Whether it ends with 0 in time; whatever it started ends with it."""
    with subprocess.Popen(command, shell=True, start_new_session=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def verdict(mutation, command, limit):
    path, number, _, after = mutation
    text = path.read_text()
    lines = text.split("\n")
    lines[number] = after
    try:
        path.write_text("\n".join(lines))
        if not succeeds("make -j2 all CFLAGS='-O2 -g -Wno-error'", limit):
            return "no build"
        return "SURVIVED" if succeeds(command, limit) else "killed"
    finally:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="")
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("command", nargs="?")
    options = parser.parse_args()
    kinds, chance, counts = mutations(options.files), random.Random(options.seed), {}
    if options.command and not succeeds(options.command, options.limit):
        sys.exit("the command fails without a mutation")
    for _ in range(options.count if kinds else 0):
        kind = chance.choice(sorted(kinds))
        path, number, before, after = mutation = chance.choice(kinds[kind])
        print(f"{path}:{number + 1}: {kind}\n-{before}\n+{after}", flush=True)
        if options.command:
            result = verdict(mutation, options.command, options.limit)
            counts[result] = counts.get(result, 0) + 1
            print(result, flush=True)
    if counts:
        print(counts)


main()
