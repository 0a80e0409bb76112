#!/usr/bin/env python3
"""A downstream service that answers POSTs as badly as it is told to, and keeps what it was sent.

    downstream_sink.py [--port N] [--port-file FILE]

POST /control with a JSON object sets how to answer from now on (fields left out are the defaults),
and forgets what was kept:

    mode         compute (default): {"sum", "difference"} of the {"a", "b"} that was sent
                 status: the status, with retry_after as Retry-After if it is set
                 text: 200 with `text` as the body
                 hang: nothing, until the caller goes away
                 drip: a header at once, then one byte of the body now and then
                 reset, close: the connection ends without an answer
                 partial: the connection ends in the middle of the answer
                 huge: 200 with `bytes` bytes; huge_chunked: the same without a length
                 huge_head: 200 with a header of `bytes` bytes
                 huge_extension: 200 with a chunk extension of `bytes` bytes
                 noise: bytes that are not HTTP
    count        how many requests to answer so, then compute again; 0 for all (default)
    delay_ms     pause before each answer
    status       for mode status (503)
    retry_after  for mode status; {"date": S} stands for the HTTP date in S seconds
    text, bytes  as above

GET /control tells what happened since: requests (their number), most_open (at one time), open,
connections, and seen: for each request its header fields in order (names in lower case), its body,
the port that it came from, and when it came and went (seconds since the start).
"""

import argparse
import email.utils
import json
import os
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEFAULTS = {"mode": "compute", "count": 0, "delay_ms": 0, "status": 503, "retry_after": None,
            "text": "", "bytes": 100 << 20}
KEPT = 5000  # requests


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.start = time.monotonic()
        self.control({})

    def control(self, how):
        unknown = set(how) - set(DEFAULTS)
        if unknown:
            raise ValueError(f"unknown: {unknown}")
        with self.lock:
            self.how = {**DEFAULTS, **how}
            self.left = self.how["count"]
            self.requests = self.open = self.most_open = 0
            self.seen, self.connections = [], set()

    def now(self):
        return round(time.monotonic() - self.start, 6)

    def begin(self, handler, body):
        with self.lock:
            how = self.how
            if how["count"] and self.left == 0:
                how = DEFAULTS
            elif how["count"]:
                self.left -= 1
            self.requests += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            self.connections.add(handler.client_address)
            entry = {"path": handler.path, "body": body.decode("utf-8", "replace"), "end": None,
                     "headers": [[k.lower(), v] for k, v in handler.headers.items()],
                     "begin": self.now(), "port": handler.client_address[1]}
            if len(self.seen) < KEPT:
                self.seen.append(entry)
            return how, entry

    def end(self, entry):
        with self.lock:
            self.open -= 1
            entry["end"] = self.now()

    def report(self):
        with self.lock:
            return {"requests": self.requests, "open": self.open, "most_open": self.most_open,
                    "connections": len(self.connections), "seen": self.seen}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    under_way = None  # what is kept of the request that is open

    def log_message(self, *args):
        pass

    def ends(self):
        """The request is no longer open. Called before its answer goes out: whoever has it may ask
        again, or what was seen, before this thread runs again."""
        if self.under_way is not None:
            self.server.state.end(self.under_way)
            self.under_way = None

    def answer(self, status, body, fields=()):
        self.ends()
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, json.dumps(self.server.state.report()).encode())

    def do_POST(self):
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/control":
            state.control(json.loads(body or b"{}"))
            self.answer(200, b"{}")
            return
        how, self.under_way = state.begin(self, body)
        try:
            time.sleep(how["delay_ms"] / 1000)
            getattr(self, "mode_" + how["mode"])(how, body)
        except OSError:
            self.close_connection = True
        finally:
            self.ends()

    def mode_compute(self, how, body):
        sent = json.loads(body)
        a, b = sent["a"], sent["b"]
        self.answer(200, json.dumps({"sum": a + b, "difference": a - b}).encode())

    def mode_status(self, how, body):
        after = how["retry_after"]
        if isinstance(after, dict):
            after = email.utils.formatdate(time.time() + after["date"], usegmt=True)
        fields = [] if after is None else [("Retry-After", str(after))]
        if 300 <= how["status"] < 400:
            fields.append(("Location", self.path + "-elsewhere"))
        self.answer(how["status"], b'{"detail": "as told"}', fields)

    def mode_text(self, how, body):
        self.answer(200, how["text"].encode())

    def wait_for_the_caller_to_go(self):
        self.close_connection = True
        while self.connection.recv(4096):
            pass

    def mode_hang(self, how, body):
        self.wait_for_the_caller_to_go()

    def mode_drip(self, how, body):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        while True:
            self.wfile.write(b" ")
            time.sleep(0.1)

    def mode_close(self, how, body):
        self.close_connection = True

    def mode_reset(self, how, body):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def mode_partial(self, how, body):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"sum": 1')
        self.close_connection = True

    def mode_huge(self, how, body):
        self.send_response(200)
        self.send_header("Content-Length", str(how["bytes"]))
        self.end_headers()
        for _ in range(how["bytes"] // 65536):
            self.wfile.write(b" " * 65536)

    def mode_huge_chunked(self, how, body):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(how["bytes"] // 65536):
            self.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")

    def mode_huge_extension(self, how, body):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"1;x=")
        for _ in range(how["bytes"] // 65536):
            self.wfile.write(b"y" * 65536)

    def mode_huge_head(self, how, body):
        self.send_response(200)
        self.flush_headers()
        for _ in range(how["bytes"] // 1000):
            self.wfile.write(b"x-field: " + b"x" * 989 + b"\r\n")

    def mode_noise(self, how, body):
        self.close_connection = True
        self.wfile.write(b"\x00\xff nobody said HTTP\r\n\r\n" * 10)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.state = State()
    if arguments.port_file:
        with open(arguments.port_file + ".new", "w", encoding="ascii") as f:
            f.write(str(server.server_address[1]))
        os.rename(arguments.port_file + ".new", arguments.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
