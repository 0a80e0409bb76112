#!/usr/bin/env python3
"""Knows every record that was written, and compares with what the test sink took.

    agent_oracle.py WRITTEN DUMP [--duplicate-requests N] [--others PREFIX]

WRITTEN has the name of each record that a spool_write reported as appended, one a line. Fails
where one is missing at the sink, where a record is not exactly what spool_write makes, where one
came twice with different content, where a record came that nobody wrote (unless its name starts
with PREFIX: a writer that was killed could not report its last ones), or where more than N
requests brought records again. Prints what it found.
"""

import argparse
import json
import re
import sys

SPAN = {"worker.input_a": 10.5, "worker.input_b": 3.5, "worker.chaos_enabled": False,
        "worker.chaos_delay_ms": 0, "http.request.method": "POST",
        "user_agent.original": 'curl/7.88.1 "quoted" \\ \u00fc'}
LOG = {"method": "POST", "status_code": 200, "elapsed_ms": 0.25, "errors": '[{"type":"x"}]'}


def wrong(entry):
    """What is not as spool_write made it, or None."""
    record, attributes, name = entry["record"], dict(entry["attributes"]), entry["attributes"]["id"]
    del attributes["id"]
    if entry["resource"].get("service.name") != "microtrace":
        return "resource"
    if not re.fullmatch("[0-9a-f]{32}", record["traceId"]):
        return "trace id"
    if not re.fullmatch("[0-9a-f]{16}", record["spanId"]):
        return "span id"
    if entry["signal"] == "logs":
        if attributes.pop("request_id", None) != name or attributes != LOG:
            return "attributes"
        if record["body"] != {"stringValue": "request_completed"} or record["severityNumber"] != 9:
            return "body or severity"
        if entry["scope"].get("name") not in ("microtrace.request", "microtrace.api"):
            return "scope"
        return None if int(record["timeUnixNano"]) > 10 ** 18 else "time"
    if record["name"] != name or attributes != SPAN or record["kind"] != 1:
        return "name, kind or attributes"
    if entry["scope"].get("name") != "microtrace":
        return "scope"
    times = int(record["startTimeUnixNano"]), int(record["endTimeUnixNano"])
    return None if 10 ** 18 < times[0] <= times[1] else "times"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("written")
    parser.add_argument("dump")
    parser.add_argument("--duplicate-requests", type=int)
    parser.add_argument("--others", default=None)
    args = parser.parse_args()

    with open(args.written, encoding="utf-8") as file:
        written = [line.strip() for line in file]
    hashes, again, faults, copies = {}, set(), [], 0
    with open(args.dump, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            fault, name = wrong(entry), entry["attributes"]["id"]
            if fault:
                faults.append(f"{name}: {fault}: {line[:1000]}")
            if name in hashes:
                copies += 1
                again.add(entry["request"])
                if hashes[name] != entry["hash"]:
                    faults.append(f"{name} came twice, differently")
            hashes[name] = entry["hash"]
    missing = [name for name in written if name not in hashes]
    unknown = set(hashes) - set(written)
    if args.others is not None:
        unknown = {name for name in unknown if not name.startswith(args.others)}
    print(f"{len(written)} written, {len(hashes)} at the sink, {len(missing)} missing "
          f"{missing[:5]}, {len(unknown)} unknown {sorted(unknown)[:5]}, {copies} again in "
          f"{len(again)} requests, {len(faults)} faulty")
    for fault in faults[:5]:
        print(fault)
    if not written:
        print("nothing was written: that proves nothing")
    late = args.duplicate_requests is not None and len(again) > args.duplicate_requests
    sys.exit(bool(missing or unknown or faults or late or not written))


if __name__ == "__main__":
    main()
