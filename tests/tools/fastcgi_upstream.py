"""A FastCGI server that behaves as the query of each request says: well, or as badly as can be.
Usage: fastcgi_upstream.py SOCKET [one]. With `one` it serves one connection until that ends, and then
the next, as a process of PHP-FPM does. Prints a line for each event, which a test may wait for."""

import hashlib
import json
import os
import signal
import socket
import sys
import threading
import urllib.parse

import fastcgi_peer as f

HEAD = b"Content-Type: text/plain\r\n\r\n"


def say(*words):
    print(*words, flush=True)


class Request:
    def __init__(self):
        self.id, self.keep, self.params, self.body, self.aborted = None, False, b"", bytearray(), False


def read_request(c, until=None):
    """The next request with its body; `until` stops at the end of its parameters."""
    r = Request()
    while (got := c.read()) is not None:
        kind, number, content = got
        if kind == f.BEGIN:
            r.id, r.keep = number, bool(content[2] & f.KEEP_CONN)
            r.records = []
        elif kind == f.PARAMS and content:
            r.params += content
            r.records.append(content)
        elif kind == f.PARAMS:
            r.vars = {k: v.decode("latin-1") for k, v in f.pairs(r.params).items()}
            r.do = dict(urllib.parse.parse_qsl(r.vars.get("QUERY_STRING", ""), encoding="latin-1"))
            if r.do.get("read") == "no":
                return r
        elif kind == f.STDIN and content:
            r.body += content
        elif kind == f.STDIN:
            return r
        elif kind == f.ABORT:
            r.aborted = True
            return r
    return None


def out(r, content, **how):
    return f.records(f.STDOUT, r.id, content, **how)


def finish(r):
    return f.record(f.STDOUT, r.id) + f.end(r.id)


def report(r):
    """What came, in JSON."""
    return json.dumps({"vars": {k: v for k, v in r.vars.items() if len(v) < 4096},
                       "lengths": {k: len(v) for k, v in r.vars.items()}, "records": [len(x) for x in r.records],
                       "whole": all(is_whole(x) for x in r.records),
                       "body": len(r.body), "sha": hashlib.sha256(r.body).hexdigest()}).encode()


def is_whole(content):
    try:
        found = f.pairs(content)
    except (IndexError, f.struct.error, UnicodeDecodeError):
        return False
    return sum(len(f.pair(k, v)) for k, v in found.items()) == len(content)


def answer(c, r):
    """Answers; returns whether the connection goes on."""
    do, n = r.do.get("do", "ok"), int(r.do.get("n", "0"))
    if do == "ok":
        c.send(out(r, HEAD + b"hello\n") + finish(r))
    elif do == "report":
        c.send(out(r, HEAD + report(r)) + finish(r))
    elif do == "head":  # as given
        c.send(out(r, r.do["head"].encode("latin-1") + b"body") + finish(r))
    elif do == "tiny":  # a record for each byte
        c.send(out(r, HEAD + b"x" * n, size=1) + finish(r))
    elif do == "cut":  # a write for each byte, with padding
        c.send(out(r, HEAD + b"hello, cut\n", size=7, padding=5) + finish(r), cut=1)
    elif do == "padded":
        c.send(out(r, HEAD + b"x" * n, size=100, padding=255) + f.record(f.STDOUT, r.id, b"", 255) + f.end(r.id))
    elif do == "garbage":
        c.send(b"HTTP/1.0 200 OK\r\n\r\nI am no FastCGI server")
        return False
    elif do == "no-head":
        c.send(out(r, b"Fatal error, no header fields here\n" * 3) + finish(r))
    elif do == "no-end-of-head":
        c.send(out(r, b"Content-Type: text/plain\r\n") + finish(r))
    elif do == "empty":
        c.send(f.end(r.id, 7))
    elif do == "close":
        return False
    elif do == "close-in-head":
        c.send(out(r, b"Content-Type: text/pl"))
        return False
    elif do == "close-in-body":
        c.send(out(r, HEAD + b"the first half"))
        return False
    elif do == "close-in-record":
        c.send(out(r, HEAD + b"the first half")[:-7])
        return False
    elif do == "close-in-stderr":
        c.send(f.record(f.STDERR, r.id, b"about to die\nin the midd")[:-4])
        return False
    elif do == "hang":
        c.read()
        return False
    elif do == "hang-in-body":
        c.send(out(r, HEAD + b"the first half"))
        c.read()
        return False
    elif do == "long-head":
        c.send(out(r, b"X-Long: " + b"y" * n + b"\r\n" + HEAD + b"hello\n") + finish(r))
    elif do == "long-head-tiny":
        c.send(out(r, b"".join(b"A: b\r\n" for _ in range(n)) + HEAD + b"hello\n", size=1) + finish(r))
    elif do == "big":
        c.send(out(r, HEAD))
        piece = out(r, b"z" * 60000)
        for _ in range(n // 60000):
            c.send(piece)
        c.send(finish(r))
        say("sent all")
    elif do == "stderr":
        c.send(f.records(f.STDERR, r.id, bytes(r.do.get("text", ""), "latin-1") * max(n, 1)) +
               f.record(f.STDERR, r.id) + out(r, HEAD + b"hello\n") + finish(r))
    elif do == "overloaded":
        c.send(f.end(r.id, 0, f.OVERLOADED))
    elif do == "refused":
        c.send(f.end(r.id, 0, f.UNKNOWN_ROLE))
    elif do == "length":  # all that was promised, and no END_REQUEST until the peer has gone
        c.send(out(r, b"Content-Length: 6\r\n" + HEAD + b"hello\n"))
        c.read()
        return False
    elif do == "length-scattered":  # the same, and behind it what goes to nobody, in between standard error
        c.send(out(r, b"Content-Length: 6\r\n" + HEAD + b"hello\n") +
               40 * (f.record(f.STDERR, r.id, b"x\n") + f.record(f.STDOUT, r.id + 1, b"y")))
        c.read()
        return False
    elif do == "length-close":
        c.send(out(r, b"Content-Length: 6\r\n" + HEAD + b"hello\n"))
        return False
    elif do == "others":  # other requests' records, other versions' types
        c.send(f.record(99, r.id, b"?") + out(r, HEAD) + f.record(f.STDOUT, r.id + 1, b"not yours") +
               f.record(f.GET_VALUES_RESULT, 0) + out(r, b"hello\n") + f.end(r.id + 1) + finish(r))
    elif do == "after":  # more than was asked for
        c.send(out(r, HEAD + b"hello\n") + finish(r) + out(r, b"and more"))
    elif do == "status":
        c.send(out(r, HEAD + b"exit\n") + f.record(f.STDOUT, r.id) + f.end(r.id, n))
    elif do == "after-ms":
        threading.Event().wait(n / 1000)
        c.send(out(r, HEAD + b"hello\n") + finish(r))
    elif do == "slow":  # waits for a signal file, then answers
        while not os.path.exists(r.do["until"]):
            threading.Event().wait(0.01)
        c.send(out(r, HEAD + b"hello\n") + finish(r))
    elif do == "wait-abort":
        say("waiting for abort")
        got = (f.ABORT,) if r.aborted else c.read()
        say("got", "nothing" if got is None else got[0])
        if got is None:
            return False
        c.send(f.end(r.id))
    else:
        raise ValueError(do)
    return r.keep and r.do.get("keep") != "no"


def serve(sock):
    c = f.Connection(sock)
    count = 0
    try:
        while (r := read_request(c)) is not None:
            count += 1
            say("request", count, r.vars.get("REQUEST_METHOD"), r.do.get("do", "ok"))
            if not answer(c, r):
                break
    except (BrokenPipeError, ConnectionResetError):
        say("peer gone")
    c.close()
    say("closed after", count)


def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    say("listening")
    while True:
        sock, _ = listener.accept()
        if sys.argv[2:] == ["one"]:
            serve(sock)
        else:
            threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
