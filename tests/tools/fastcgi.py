"""A FastCGI client for tests: one request on one connection, as a web server makes it."""

import socket
import struct

BEGIN_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
RESPONDER = 1


def record(kind, content):
    return struct.pack("!BBHHBx", 1, kind, 1, len(content), 0) + content


def length(size):
    return struct.pack("!B", size) if size < 128 else struct.pack("!I", size | 1 << 31)


def pair(name, value):
    return length(len(name)) + length(len(value)) + name + value


def head(path, body, more=()):
    """BEGIN_REQUEST and the parameters of a POST of JSON; `more`: raw bytes in place of pairs."""
    variables = {"REQUEST_METHOD": "POST", "SCRIPT_NAME": path, "REQUEST_URI": path,
                 "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost",
                 "SERVER_PORT": "80", "REMOTE_ADDR": "192.0.2.1",
                 "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    pairs = b"".join(pair(k.encode(), v.encode()) for k, v in variables.items())
    return (record(BEGIN_REQUEST, struct.pack("!HB5x", RESPONDER, 0)) +
            record(PARAMS, pairs + b"".join(more)) + record(PARAMS, b""))


def answer(connection):
    """What the program writes to its STDOUT; b"" where it ends without an answer."""
    file, out = connection.makefile("rb"), b""
    while True:
        header = file.read(8)
        if len(header) < 8:
            return out
        _, kind, _, size, padding = struct.unpack("!BBHHBx", header)
        content = file.read(size)
        file.read(padding)
        if kind == END_REQUEST:
            return out
        if kind == STDOUT:
            out += content


def request(address, path, body, timeout, more=()):
    """POSTs `body`; `address` is the path of a Unix socket. Raises OSError where that fails."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        connection.sendall(head(path, body, more) + record(STDIN, body) + record(STDIN, b""))
        return answer(connection)
