#!/usr/bin/python3
"""Sends requests to MicroTrace and writes what it saw, one JSON object a line.

usage: client.py PORT mixed OUT
       client.py PORT load OUT REQUESTS CLIENTS

mixed: one request of each kind, with and without trace context and request id, good and bad.
load:  REQUESTS requests by CLIENTS keep-alive clients at once, every tenth of them bad.

Ends with 1 where a request got no answer, or not the status that it should.
"""
import http.client
import json
import sys
import threading
import time

TRACE = "4bf92f3577b34da6a3ce929d0e0e47%02x"
PARENT = "00f067aa0ba902b7"
JSON_TYPE = ("Content-Type", "application/json")
GOOD = '{"a": 10.5, "b": 3.5}'

BAD = [
    ("POST", "/analyze", [JSON_TYPE], '{"b": 3.5}', 422),
    ("POST", "/analyze", [JSON_TYPE], '{"a": "ten", "b": 3.5}', 422),
    ("POST", "/analyze", [JSON_TYPE], '{"a": 10.5, ', 422),
    ("POST", "/analyze", [JSON_TYPE], '[1, 2]', 422),
    ("POST", "/analyze", [JSON_TYPE], '{"a": 1e308, "b": 1e308}', 422),
    ("POST", "/analyze", [("Content-Type", "text/plain")], GOOD, 415),
    ("POST", "/analyze", [JSON_TYPE], " " * 65537, 413),
    ("GET", "/analyze", [], None, 405),
    ("GET", "/no/such/path", [], None, 404),
    ("DELETE", "/analyze/too", [], None, 404),
]


def mixed():
    """Requests as (method, path, headers, body, expected status)."""

    def post(*headers, body=GOOD, path="/analyze"):
        return ("POST", path, [JSON_TYPE, *headers], body, 200)

    def parent(n, flags="01", version="00", rest=""):
        return ("traceparent", f"{version}-{TRACE % n}-{PARENT}-{flags}{rest}")

    yield post()
    yield post(("X-Request-ID", "demo-123"))
    yield post(parent(1))
    yield post(parent(2), ("X-Request-ID", "A.b_c:d/e+f=g@h-1"))
    yield post(parent(3), ("tracestate", "vendor=one,other@x=two"))
    yield post(parent(4), ("tracestate", "not a member list"))
    yield post(("tracestate", "vendor=alone"))
    yield post(parent(5, flags="00"), ("X-Request-ID", "unsampled"))
    yield post(parent(6, flags="03"))
    yield post(parent(7, version="cc", rest="-what-comes-later"))
    yield post(parent(8, version="ff"))
    yield post(parent(9, flags="1"))
    yield post(("traceparent", f"00-{'0' * 32}-{PARENT}-01"))
    yield post(("traceparent", f"00-{TRACE % 10}-{'0' * 16}-01"))
    yield post(("traceparent", (f"00-{TRACE % 11}-{PARENT}-01").upper()))
    yield post(parent(12), parent(13))
    yield post(("X-Request-ID", "not allowed: spaces"))
    yield post(("X-Request-ID", "x" * 129))
    yield post(("X-Request-ID", "y" * 128))
    yield post(("User-Agent", "caf\u00e9 \u2615".encode()), ("X-Request-ID", "utf8-agent"))
    yield post(("User-Agent", b"bad \xff\xfe utf8"), ("X-Request-ID", "bad-utf8-agent"))
    yield post(path="/analyze?trace=me")
    yield post(body='{"a": -0.0, "b": 1e-300}')
    yield post(body='{"a": 12345678901234567890123, "b": 1}')
    for n, (method, path, headers, body, status) in enumerate(BAD):
        headers = [*headers, parent(0x20 + n), ("X-Request-ID", f"bad-{n}")]
        yield method, path, headers, body, status


def send(connection, request):
    """Sends one request and returns the line that describes it."""
    method, path, headers, body, _ = request
    before = time.time_ns()
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    data = body.encode() if body is not None else b""
    if body is not None:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read().decode()
    return {
        "method": method,
        "path": path,
        "headers": [[n, v if isinstance(v, str) else v.decode("utf-8", "replace")]
                    for n, v in headers],
        "body": body,
        "status": answer.status,
        "request_id": answer.getheader("X-Request-ID"),
        "answer": json.loads(text),
        "before_ns": before,
        "after_ns": time.time_ns(),
    }


def run_client(port, requests, seen, failed):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for request in requests:
            line = send(connection, request)
            seen.append(line)
            if line["status"] != request[-1]:
                failed.append(f"{request[:2]}: {line['status']} instead of {request[-1]}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        failed.append(repr(error))
    finally:
        connection.close()


def main():
    port, mode, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    seen, failed = [], []
    if mode == "mixed":
        run_client(port, mixed(), seen, failed)
    else:
        total, clients = int(sys.argv[4]), int(sys.argv[5])
        plan = [BAD[n // 10 % len(BAD)] if n % 10 == 9 else
                ("POST", "/analyze", [JSON_TYPE], json.dumps({"a": n, "b": 0.5}), 200)
                for n in range(total)]
        threads = [threading.Thread(target=run_client, args=(port, plan[c::clients], seen, failed))
                   for c in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with open(out, "a", encoding="utf-8") as file:
        for line in seen:
            file.write(json.dumps(line) + "\n")
    for error in failed:
        print("client:", error, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
