#!/usr/bin/env python3
"""A crowd of connections that ask nothing, and somebody who asks all the while.

    crowd.py --port N [--connections N] [--seconds S] [--path PATH]

Half of the connections send nothing, the others a byte of a header that never ends now and then.
One that is closed comes back a second later. When all are there PATH is asked for 20 times a second,
on a new connection each time, from a process of its own. Prints how many connections there were,
how many of them the server closed, how many answers there were, how many were not 200, and the
slowest one in milliseconds:

    connections 2000 closed 1500 answers 100 failed 0 slowest_ms 12.3
"""

import argparse
import heapq
import http.client
import multiprocessing
import resource
import select
import socket
import time

DRIP_S = 3
BACK_S = 1
HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: "


class Crowd:
    def __init__(self, port, connections, ready, stop, closed):
        self.port, self.ready, self.stop, self.closed = port, ready, stop, closed
        self.poll = select.epoll()
        self.open = {}
        # What is due when: a connection to be made (its number), or a byte to be sent.
        self.due = [(0.0, number, None) for number in range(connections)]

    def connect(self, number):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", self.port))
        self.open[s.fileno()] = (s, number)
        self.poll.register(s.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
        if number % 2:
            heapq.heappush(self.due, (time.monotonic() + 0.1, number, (s, HEAD)))

    def leave(self, fd, now):
        s, number = self.open.pop(fd)
        self.poll.unregister(fd)
        s.close()
        self.closed.value += 1
        heapq.heappush(self.due, (now + BACK_S, number, None))

    def run(self):
        first_round = len(self.due)
        while not self.stop.is_set():
            now = time.monotonic()
            for _ in range(100):
                if not self.due or self.due[0][0] > now:
                    break
                _, number, drip = heapq.heappop(self.due)
                if drip is None:
                    self.connect(number)
                    first_round -= 1
                    continue
                s, text = drip
                if s.fileno() < 0:
                    continue
                try:
                    s.send(text)
                except OSError:
                    continue  # what comes of it the poll below sees
                heapq.heappush(self.due, (now + DRIP_S, number, (s, b"x")))
            if first_round == 0:
                self.ready.set()
            for fd, _ in self.poll.poll(0.01, 1000):
                self.leave(fd, now)


def ask(port, path):
    """Returns the seconds that an answer took, and whether it was one."""
    began = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        good = answer.status == 200 and len(answer.read()) > 0
        connection.close()
    except OSError:
        good = False
    except http.client.HTTPException:
        good = False
    return time.monotonic() - began, good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--path", default="/metrics")
    options = parser.parse_args()

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < options.connections + 100:
        parser.error(f"the limit of open files is {most}")

    ready, stop = multiprocessing.Event(), multiprocessing.Event()
    closed = multiprocessing.Value("l", 0)
    crowd = multiprocessing.Process(
        target=lambda: Crowd(options.port, options.connections, ready, stop, closed).run(), daemon=True)
    crowd.start()
    if not ready.wait(60):
        raise SystemExit("the connections were not made within 60 s")
    took, failed = [], 0
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        seconds, good = ask(options.port, options.path)
        took.append(seconds)
        failed += not good
        time.sleep(0.05)
    if not crowd.is_alive():
        raise SystemExit("the crowd has left")
    stop.set()
    crowd.join()
    print(f"connections {options.connections} closed {closed.value} answers {len(took)} "
          f"failed {failed} slowest_ms {max(took) * 1000:.1f}")


if __name__ == "__main__":
    main()
