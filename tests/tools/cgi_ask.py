"""Asks a FastCGI server for one answer, with exactly the variables that are given.

Usage: cgi_ask.py SOCKET|HOST:PORT [--body FILE] [--cut N] NAME=VALUE...

Prints what comes on STDOUT, and on stderr what comes on STDERR; exit status 1 where the request does
not end. --cut sends the request in pieces of N bytes.
"""

import os
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fastcgi_peer as fastcgi  # noqa: E402


def connect(address):
    if address[0] != "/":
        host, port = address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), 30)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(address)
    return connection


def main(arguments):
    address, body, cut = arguments.pop(0), b"", 0
    if arguments and arguments[0] == "--body":
        with open(arguments[1], "rb") as file:
            body = file.read()
        del arguments[:2]
    if arguments and arguments[0] == "--cut":
        cut = int(arguments[1])
        del arguments[:2]
    pairs = b"".join(fastcgi.pair(*os.fsencode(one).split(b"=", 1)) for one in arguments)
    if body:
        pairs += fastcgi.pair(b"CONTENT_LENGTH", b"%d" % len(body))
    sent = fastcgi.request(body=body, params=pairs)
    with connect(address) as sock:
        connection = fastcgi.Connection(sock)
        connection.send(sent, cut)
        while (record := connection.read()) is not None:
            kind, _, content = record
            if kind == fastcgi.END:
                return 0
            if kind == fastcgi.STDOUT:
                sys.stdout.buffer.write(content)
            elif kind == fastcgi.STDERR:
                sys.stderr.buffer.write(content)
    return 1


sys.exit(main(sys.argv[1:]))
