#!/usr/bin/env python3
"""Many pages open at the same time, each with a long poll (/live) all the while.

    page_open.py --port N [--pages N] [--seconds S] [--answers N] [--leave] [--waiting FILE]

Each page asks again for the next sample when it has an answer. With --leave none waits for its
answer: it closes its connection, and comes back with a new one. With --answers a slow machine gets
up to ten times the seconds until there were so many. FILE is made when all of them have waited for
a second. SIGTERM ends it once those that wait have their answers. Prints one line as JSON: how
many answers there were, how many of them were not 200, how many connections were refused or
broken, how many of the pages waited for a sample at the same time at the most, and the number of
the last one.
"""
import argparse
import http.client
import json
import re
import resource
import selectors
import signal
import socket
import time

PAUSE_S = 0.2  # between a page's answer and its next question, or its coming back
SEQUENCE = re.compile(rb'data-sequence="(\d+)"')


def sequence(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    found = SEQUENCE.search(connection.getresponse().read())
    connection.close()
    return int(found.group(1))


class Page:
    def __init__(self, world):
        self.world, self.socket, self.due = world, None, 0.0

    def ask(self, now):
        self.socket = socket.socket()
        self.asked, self.due, self.text = now, None, b""
        try:
            self.socket.settimeout(10)
            self.socket.connect(("127.0.0.1", self.world.port))
            self.socket.sendall(b"GET /live?after=%d HTTP/1.1\r\nHost: localhost\r\n"
                                b"Connection: close\r\n\r\n" % self.world.sequence)
            self.socket.setblocking(False)
        except OSError:
            self.world.broken += 1
            self.close(now)
            return
        if self.world.leave:
            self.close(now)
        else:
            self.world.selector.register(self.socket, selectors.EVENT_READ, self)

    def close(self, now):
        self.socket.close()
        self.socket, self.due = None, now + PAUSE_S

    def read(self, now):
        try:
            got = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            got = b""
            self.text = b""
        self.text += got
        if got:
            return
        self.world.selector.unregister(self.socket)
        if not self.text:
            self.world.broken += 1
        else:
            self.world.answers += 1
            self.world.failed += not self.text.startswith(b"HTTP/1.1 200 ")
            found = SEQUENCE.search(self.text)
            if found:
                self.world.sequence = max(self.world.sequence, int(found.group(1)))
        self.close(now)


class World:
    def __init__(self, arguments):
        self.port, self.leave, self.waiting = arguments.port, arguments.leave, arguments.waiting
        self.ending, self.wanted = False, arguments.answers
        self.sequence = sequence(arguments.port)
        self.answers = self.failed = self.broken = self.most = 0
        self.selector = selectors.DefaultSelector()
        self.pages = [Page(self) for _ in range(arguments.pages)]

    def run(self, seconds):
        began, enough = time.monotonic(), self.wanted
        while (now := time.monotonic()) < began + seconds * (10 if self.answers < enough else 1):
            if self.ending and all(page.socket is None for page in self.pages):
                return
            for page in self.pages:
                if page.socket is None and page.due <= now and not self.ending:
                    page.ask(now)
            for key, _ in self.selector.select(0.05):
                key.data.read(time.monotonic())
            waiting = sum(page.socket is not None and time.monotonic() - page.asked > 1
                          for page in self.pages)
            self.most = max(self.most, waiting)
            if self.waiting and waiting == len(self.pages):
                open(self.waiting, "w", encoding="utf-8").close()

    def end(self, *_):
        self.ending = True


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--pages", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--answers", type=int, default=0)
    arguments.add_argument("--leave", action="store_true")
    arguments.add_argument("--waiting")
    arguments = arguments.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    world = World(arguments)
    signal.signal(signal.SIGTERM, world.end)
    world.run(arguments.seconds)
    print(json.dumps({"answers": world.answers, "failed": world.failed, "broken": world.broken,
                      "waited": world.most, "sequence": world.sequence}))


if __name__ == "__main__":
    main()
