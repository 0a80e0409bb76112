#!/usr/bin/env python3
"""usage: answer_200.py PORT FILE: answers every request on 127.0.0.1 with 200.

FILE gets a line for each: the client's port, method, path. It exists once requests are taken.
"""
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(sys.argv[2], "a", encoding="utf-8") as file:
            file.write(f"{self.client_address[1]} {self.command} {self.path}\n")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def server_activate(self):
        super().server_activate()
        open(sys.argv[2], "a", encoding="utf-8").close()


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
