#!/usr/bin/env python3
"""Speaks to analyze processes as no web server does, and asks after each time for an answer.

    fastcgi_fuzz.py SECONDS SEED SOCKET...

Connections of records that are cut, doubled, reordered, of other types, ids, roles and versions, with
wrong lengths, padding, management records, aborts, huge parameters, and bodies after their end; some
are closed at once, some are left half open. After each one the same process, or its successor, has to
answer a good request. Prints how many of each there were, and how often a process ended; fails where
no answer comes.
"""

import random
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
import fastcgi_peer as fastcgi  # noqa: E402

BODY = b'{"a": 1, "b": 2}'
PATIENCE = 20  # seconds


def record(rng, kind, content, number=1):
    """One that is almost always as it should be."""
    padding = rng.choice((0, 0, 0, 7, 255))
    length = len(content) + rng.choice((0,) * 12 + (1, -1, 8, 65535 - len(content)))
    return struct.pack("!BBHHBB", rng.choice((1,) * 15 + (0, 2, 255)),
                       kind if rng.random() < 0.95 else rng.randrange(256),
                       number if rng.random() < 0.95 else rng.randrange(65536),
                       max(0, length) & 65535, padding, rng.randrange(2)) + content + b"p" * padding


def parameters(rng):
    named = {b"REQUEST_METHOD": rng.choice((b"POST", b"GET", b"HEAD", b"", b"X" * 300)),
             b"SCRIPT_NAME": rng.choice((b"/analyze", b"/healthz", b"/nowhere", b"/" * 5000)),
             b"REQUEST_URI": rng.choice((b"/analyze?sig=1", b"\xff\x00\n", b"")),
             b"CONTENT_LENGTH": rng.choice((b"16", b"-1", b"9" * 30, b"0", b"")),
             b"CONTENT_TYPE": rng.choice((b"application/json", b"", b"text/\x00html")),
             b"HTTP_TRACEPARENT": bytes(rng.randrange(256) for _ in range(55)),
             b"HTTP_X": b"y" * rng.choice((0, 127, 128, 65000, 300000))}
    pairs = [fastcgi.pair(k, v) for k, v in named.items() if rng.random() < 0.8]
    rng.shuffle(pairs)
    text = b"".join(pairs)
    if rng.random() < 0.2:  # a length of four bytes, of memory that is there, or is not
        text += struct.pack("!I", rng.choice((5, 70000, 1 << 24, rng.getrandbits(31))) | 1 << 31) + b"\x01a"
    return text


def conversation(rng):
    records = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        records.append(record(rng, fastcgi.BEGIN, struct.pack(
            "!HB5x", rng.choice((1, 1, 1, 1, 2, 3, 0, 65535)), rng.choice((0, 1, 255)))))
        text = parameters(rng)
        while text:
            n = min(len(text), rng.choice((1, 7, 200, 65535, 65535)))
            records.append(record(rng, fastcgi.PARAMS, text[:n]))
            text = text[n:] if len(records) < 2000 else b""
        records.append(record(rng, fastcgi.PARAMS, b""))
        records.append(record(rng, fastcgi.STDIN, rng.choice((BODY, BODY[:3], BODY * 5000, b""))[:65535]))
        records.append(record(rng, fastcgi.STDIN, b""))
        if rng.random() < 0.3:
            records.append(record(rng, fastcgi.STDIN, BODY))
        if rng.random() < 0.3:
            records.append(record(rng, fastcgi.ABORT, b""))
        if rng.random() < 0.3:
            records.append(record(rng, fastcgi.GET_VALUES, fastcgi.pair(b"FCGI_MAX_CONNS", b"") * 3, 0))
    for _ in range(rng.choice((0, 0, 1, 3))):
        at = rng.randrange(len(records))
        what = rng.randrange(3)
        if what == 0:
            del records[at]
        elif what == 1:
            records.insert(rng.randrange(len(records) + 1), records[at])
        else:
            records[at] = bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
        if not records:
            break
    text = b"".join(records)
    return text[:rng.randrange(len(text) + 1)] if rng.random() < 0.3 else text


def attack(rng, path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        try:
            connection.sendall(conversation(rng))
            if rng.random() < 0.5:
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        except (ConnectionError, FileNotFoundError):
            pass


def works(path):
    """How often a good request was tried in vain until it was answered."""
    deadline, failures = time.monotonic() + PATIENCE, 0
    while True:
        try:
            answer = fastcgi.post(path, "/analyze", BODY, PATIENCE)
            if b"200 OK" in answer and b'"sum": 3.0' in answer:
                return failures
            raise ConnectionError(f"answered {answer!r}")
        except (ConnectionError, FileNotFoundError) as error:
            failures += 1
            if time.monotonic() > deadline:
                raise SystemExit(f"{path}: no answer in {PATIENCE} s: {error}") from error
            time.sleep(0.02)


def main():
    seconds, seed, sockets = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    end, count, ended = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        rng = random.Random(f"{seed} {count}")
        path = sockets[count % len(sockets)]
        try:
            attack(rng, path)
            ended += works(path) > 0
        except BaseException:
            print(f"connection {count} of seed {seed}")
            raise
        count += 1
    print(f"seed {seed}: {count} connections, {count} answers, {ended} times of a successor")


if __name__ == "__main__":
    main()
