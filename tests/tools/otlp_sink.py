#!/usr/bin/env python3
"""An OTLP/HTTP endpoint, JSON and protobuf, that answers as badly as it is told to, and keeps what it accepts.

    otlp_sink.py [--port N] [--port-file FILE] [--dump FILE]
                 [--tls CERTIFICATE KEY [--client-ca FILE]] [--bodies DIR]

POST /v1/traces, /v1/logs and /v1/metrics are the endpoint. Each span, log record or metric of a
request that is answered with 200 becomes a JSON line in the dump: signal, id, record, hash,
attributes, scope, resource, and the number of its request. With --bodies each request body, uncompressed, becomes the file
DIR/NUMBER.SIGNAL.

POST /control with a JSON object sets how to answer from now on (fields left out are the defaults):

    mode         accept (default), status, hang, close (in the head of a 200), cut (in its body),
                 endless (trailers of a 200), extension (of a chunk of a 200, endless), partial, oversize, malformed, slow
    status       for mode status: the HTTP status
    retry_after  value of the Retry-After header; {"date": S} stands for the HTTP date in S seconds
    count        how many requests to answer so, then accept again; 0 for all (default)
    signal       traces, logs or metrics: only those; others are accepted
    max_bytes    answer 413 to each request with a larger body (uncompressed), whatever the mode
    poison       answer 400 to each other request that holds this text, whatever the mode
    poison_status  in place of 400
    rejected     for mode partial: records said to be rejected
    message      for modes partial and status: the text in the answer
    type         for modes status and malformed: the answer's Content-Type
    keep         for mode close: true takes the records before the connection is closed

GET /control tells what happened: requests by signal and status, records, distinct ids, bytes,
content types and encodings, headers of the last request, and for each signal the times of all
requests (seconds since the start).
"""

import argparse
import email.utils
import gzip
import hashlib
import json
import os
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True
import otlp_protobuf  # noqa: E402

DEFAULTS = {
    "mode": "accept", "status": 503, "retry_after": None, "count": 0, "signal": None,
    "poison": None, "poison_status": 400, "rejected": 1, "keep": False,
    "max_bytes": 0, "message": "as told", "type": None,
}


def value_of(any_value):
    for kind, value in any_value.items():
        return int(value) if kind == "intValue" else value
    return None


def attributes_of(record):
    return {a["key"]: value_of(a["value"]) for a in record.get("attributes", [])}


WORDS = {"traces": ("resourceSpans", "scopeSpans", "spans"),
         "logs": ("resourceLogs", "scopeLogs", "logRecords"),
         "metrics": ("resourceMetrics", "scopeMetrics", "metrics")}
REJECTED = {"traces": "rejectedSpans", "logs": "rejectedLogRecords",
            "metrics": "rejectedDataPoints"}


def records_of(signal, body):
    """Each record with its resource's element, its scope's, and what tells it from others."""
    resources, scopes, records = WORDS[signal]
    for resource in body[resources]:
        for scope in resource.get(scopes, []):
            for record in scope[records]:
                ident = (record.get("spanId") if signal == "traces"
                         else record.get("name") if signal == "metrics"
                         else attributes_of(record).get("id", ""))
                yield resource, scope, record, str(ident)


class State:
    def __init__(self, dump, bodies=None):
        self.lock = threading.Lock()
        self.dump, self.bodies, self.seen = dump, bodies, 0
        self.start = time.monotonic()
        self.how = dict(DEFAULTS)
        self.left = 0
        self.signals = {s: {"requests": 0, "records": 0, "bytes": 0, "statuses": {}, "times": [],
                            "ids": set(), "open": 0, "most_open": 0, "connections": set()}
                        for s in WORDS}
        self.taken = 0
        self.types, self.encodings, self.headers = set(), set(), {}
        self.errors = []
        self.stop = threading.Event()

    def answer_for(self, signal, body):
        with self.lock:
            how = dict(self.how)
            if 0 < how["max_bytes"] < len(body):
                how["mode"], how["status"] = "status", 413
                return how
            if how["poison"] is not None and how["poison"].encode() in body:
                how["mode"], how["status"] = "status", how["poison_status"]
                return how
            if how["signal"] not in (None, signal):
                how["mode"] = "accept"
            elif how["mode"] != "accept" and how["count"] > 0:
                self.left -= 1
                if self.left <= 0:
                    self.how = {**DEFAULTS, **{k: how[k] for k in
                                               ("poison", "poison_status", "max_bytes")}}
            return how

    def keep_body(self, signal, body):
        if self.bodies is None:
            return
        with self.lock:
            self.seen += 1
            name = f"{self.seen}.{signal}"
        with open(os.path.join(self.bodies, name), "wb") as file:
            file.write(body)

    def keep(self, signal, body):
        lines = []
        for resource, scope, record, ident in records_of(signal, body):
            text = json.dumps(record, sort_keys=True)
            lines.append({
                "signal": signal, "id": ident, "record": record,
                "hash": hashlib.sha256(text.encode()).hexdigest(),
                "attributes": attributes_of(record),
                "scope": scope.get("scope", {}), "schema_url": scope.get("schemaUrl", ""),
                "resource": attributes_of(resource.get("resource", {})),
            })
        with self.lock:
            mine = self.signals[signal]
            self.taken += 1
            mine["records"] += len(lines)
            mine["ids"].update(line["id"] for line in lines)
            if self.dump is not None:
                self.dump.write("".join(json.dumps({**line, "request": self.taken}) + "\n"
                                        for line in lines).encode())

    def report(self):
        with self.lock:
            return {
                "signals": {s: {**{k: v for k, v in m.items() if k not in ("ids", "connections")},
                                "distinct": len(m["ids"]), "connections": len(m["connections"])}
                            for s, m in self.signals.items()},
                "types": sorted(self.types), "encodings": sorted(self.encodings),
                "headers": self.headers, "errors": self.errors[:10], "how": self.how,
            }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    under_way = None  # the report of the signal whose request is open

    def log_message(self, *_):
        pass

    def protobuf(self):
        return self.headers.get("Content-Type") == "application/x-protobuf"

    def reply(self, status, body=b"{}", headers=(), kind="application/json"):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.ends()
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/control":
            self.reply(200, json.dumps(self.server.state.report()).encode())
        else:
            self.reply(404)

    def do_POST(self):
        state = self.server.state
        length = int(self.headers.get("Content-Length", 0))
        slow = state.how["mode"] == "slow" and self.path != "/control"
        body = self.read_slowly(length) if slow else self.rfile.read(length)
        if self.path == "/control":
            with state.lock:
                state.how = {**DEFAULTS, **json.loads(body)}
                state.left = state.how["count"]
            self.reply(200)
            return
        signal = self.path.partition("?")[0].removeprefix("/v1/")
        if signal not in WORDS:
            self.reply(404)
            return
        self.export(signal, body)

    def read_slowly(self, length):
        body = b""
        while len(body) < length and not self.server.state.stop.is_set():
            piece = self.rfile.read(min(4096, length - len(body)))
            if not piece:
                raise ConnectionError("the client has gone")
            body += piece
            time.sleep(0.002)
        return body

    def export(self, signal, body):
        state = self.server.state
        mine = state.signals[signal]
        with state.lock:
            mine["requests"] += 1
            mine["bytes"] += len(body)
            mine["times"].append(time.monotonic() - state.start)
            mine["open"] += 1
            mine["most_open"] = max(mine["most_open"], mine["open"])
            mine["connections"].add(self.client_address)
            state.types.add(self.headers.get("Content-Type", ""))
            state.encodings.add(self.headers.get("Content-Encoding", ""))
            state.headers = dict(self.headers)
        self.under_way = mine
        try:
            self.answer(signal, body)
        finally:
            self.ends()

    def ends(self):
        """The request is no longer open. Called before its answer goes out: the next request may
        come on another connection before this thread runs again."""
        if self.under_way is not None:
            with self.server.state.lock:
                self.under_way["open"] -= 1
            self.under_way = None

    def answer(self, signal, body):
        state = self.server.state
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        state.keep_body(signal, body)
        try:
            parsed = (otlp_protobuf.decode(signal, body) if self.protobuf()
                      else json.loads(body))
        except ValueError as error:
            with state.lock:
                state.errors.append(f"{signal}: {error}: {body[:200]!r}")
            self.count(signal, 400)
            self.reply(400, json.dumps({"message": str(error)}).encode())
            return
        how = state.answer_for(signal, body)
        mode = how["mode"]
        if mode == "hang":
            self.count(signal, 0)
            state.stop.wait(3600)
            self.close_connection = True
        elif mode == "close":
            if how["keep"]:
                state.keep(signal, parsed)
            self.count(signal, 0)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Len")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif mode in ("cut", "endless", "extension"):
            state.keep(signal, parsed)
            self.count(signal, 200)
            self.close_connection = True
            self.break_off(mode)
        elif mode == "status":
            self.count(signal, how["status"])
            self.reply(how["status"], json.dumps({"message": how["message"]}).encode(),
                       self.retry_after(how), how["type"] or "application/json")
        else:
            state.keep(signal, parsed)
            self.count(signal, 200)
            if self.protobuf():
                self.reply(200, self.success_in_protobuf(how), kind="application/x-protobuf")
            else:
                self.reply(200, self.success(signal, how))

    def break_off(self, mode):
        """A whole head of a 200, and then no proper end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        if mode == "cut":
            self.wfile.write(b"Content-Length: 100\r\n\r\n{")
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        endless = mode == "endless"
        self.wfile.write(b"Transfer-Encoding: chunked\r\nTrailer: x\r\n\r\n2\r\n{}\r\n" +
                         (b"0\r\n" if endless else b"1;x="))
        try:
            while not self.server.state.stop.is_set():
                self.wfile.write(b"x: " + b"y" * 4000 + (b"\r\n" if endless else b""))
        except OSError:
            pass

    @staticmethod
    def success_in_protobuf(how):
        if how["mode"] == "partial":
            return otlp_protobuf.partial_success(how["rejected"], how["message"])
        if how["mode"] == "oversize":
            return otlp_protobuf.partial_success(0, "x" * (4 << 20))
        return b"\x0a\xff\xff\xff\xff\x7f\x08\x05" if how["mode"] == "malformed" else b""

    @staticmethod
    def success(signal, how):
        if how["mode"] == "partial":
            return json.dumps({"partialSuccess": {"errorMessage": how["message"],
                                                  REJECTED[signal]: str(how["rejected"])}}).encode()
        if how["mode"] == "oversize":
            return b'{"partialSuccess":{},"x":"' + b"x" * (4 << 20) + b'"}'
        if how["mode"] == "malformed":
            return b'{"partialSuccess":{"rejectedSpans":\xff\x00[[["'
        return b'{"partialSuccess":{}}'

    @staticmethod
    def retry_after(how):
        value = how["retry_after"]
        if value is None:
            return ()
        if isinstance(value, dict):
            value = email.utils.formatdate(time.time() + value["date"], usegmt=True)
        return (("Retry-After", str(value)),)

    def count(self, signal, status):
        state = self.server.state
        with state.lock:
            statuses = state.signals[signal]["statuses"]
            statuses[str(status)] = statuses.get(str(status), 0) + 1


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    tls = None

    def get_request(self):
        connection, address = super().get_request()
        # The handshake is the connection's own thread's, which reads first.
        return (self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                if self.tls else connection), address

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def open_dump(path):
    """Whole lines alone: a sink that was killed in a write had not answered that request."""
    dump = open(path, "ab+", buffering=0)
    dump.seek(0)
    dump.truncate(dump.read().rfind(b"\n") + 1)
    return dump


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--dump")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--client-ca")
    parser.add_argument("--bodies")
    args = parser.parse_args()
    server = Server(("127.0.0.1", args.port), Handler)
    if args.tls:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(*args.tls)
        if args.client_ca:
            server.tls.load_verify_locations(args.client_ca)
            server.tls.verify_mode = ssl.CERT_REQUIRED
    server.state = State(open_dump(args.dump) if args.dump else None, args.bodies)
    if args.port_file:
        with open(args.port_file + ".new", "w", encoding="ascii") as file:
            file.write(f"{server.server_address[1]}\n")
        os.rename(args.port_file + ".new", args.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
