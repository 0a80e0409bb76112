#!/usr/bin/python3
"""A CGI script under microtrace-cgi that says more than is seen from outside.

TRACEPARENT in its environment names its request's span, and MICROTRACE_RUN_DIR and
MICROTRACE_SPOOL_DIR the instance. What it calls gets the trace from the header, what it starts
from the environment.
"""

import json
import os
import sys

length = int(os.environ.get("CONTENT_LENGTH") or 0)
try:
    order = json.loads(sys.stdin.buffer.read(length))
    count = int(order["count"])
except (ValueError, KeyError, TypeError) as error:
    # A log line of this request, with its trace: microtrace view shows it in the waterfall.
    print(f"order refused: {error!r}", file=sys.stderr)
    print("Status: 422 Unprocessable Content")
    print("Content-Type: application/json\n")
    print(json.dumps({"detail": "count is missing or no number"}))
    sys.exit()

headers = {"traceparent": os.environ.get("HTTP_TRACEPARENT", ""),
           "X-Request-ID": os.environ.get("HTTP_X_REQUEST_ID", "")}
print("Content-Type: application/json\n")
print(json.dumps({"ordered": count, "headers of what it would call": headers}))
