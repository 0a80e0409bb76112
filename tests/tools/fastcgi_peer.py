"""FastCGI 1.0 by hand, for tests that play the web server or the application server: records out,
records in, cut and padded as a test wants them."""

import socket
import struct

(BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT,
 UNKNOWN_TYPE) = range(1, 12)
KEEP_CONN = 1
COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = range(4)


def record(kind, request_id, content=b"", padding=0):
    return struct.pack("!BBHHBx", 1, kind, request_id, len(content), padding) + content + b"\0" * padding


def records(kind, request_id, content, size=65535, padding=0):
    """Content in records of `size` bytes; none for no content."""
    return b"".join(record(kind, request_id, content[i:i + size], padding)
                    for i in range(0, len(content), size))


def pair(name, value):
    def length(n):
        return struct.pack("!B", n) if n < 128 else struct.pack("!I", n | 1 << 31)
    name, value = (one.encode() if isinstance(one, str) else one for one in (name, value))
    return length(len(name)) + length(len(value)) + name + value


def pairs(content):
    """The dict of a stream of pairs."""
    found, at = {}, 0

    def length():
        nonlocal at
        n = content[at]
        if n < 128:
            at += 1
        else:
            n = struct.unpack_from("!I", content, at)[0] & 0x7fffffff
            at += 4
        return n
    while at < len(content):
        name_size, value_size = length(), length()
        found[content[at:at + name_size].decode()] = content[at + name_size:at + name_size + value_size]
        at += name_size + value_size
    return found


def begin(request_id=1, keep=False, role=1):
    return record(BEGIN, request_id, struct.pack("!HB5x", role, KEEP_CONN if keep else 0))


def end(request_id=1, app_status=0, status=COMPLETE):
    return record(END, request_id, struct.pack("!IB3x", app_status, status))


def variables(path="/index.php", query="", method="GET", **more):
    return {"REQUEST_METHOD": method, "SCRIPT_NAME": path, "SCRIPT_FILENAME": path, "QUERY_STRING": query,
            "REQUEST_URI": path + ("?" + query if query else ""), "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "example.test", **more}


def request(request_id=1, body=b"", keep=False, params=None, size=65535, padding=0, role=1, **what):
    """All records of one request."""
    if params is None:
        params = b"".join(pair(k, v) for k, v in variables(**what).items())
    return (begin(request_id, keep, role) + records(PARAMS, request_id, params, size, padding) +
            record(PARAMS, request_id) + records(STDIN, request_id, body, size, padding) +
            record(STDIN, request_id))


class Connection:
    """A connection, its records one by one."""

    def __init__(self, sock):
        self.sock = sock
        self.left = b""

    def send(self, data, cut=0):
        """All of it; in pieces of `cut` bytes, each of which is read before the next where the peer
        is fast enough."""
        if not cut:
            self.sock.sendall(data)
        for i in range(0, len(data) if cut else 0, cut or 1):
            self.sock.sendall(data[i:i + cut])

    def exactly(self, n):
        while len(self.left) < n:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.left += got
        taken, self.left = self.left[:n], self.left[n:]
        return taken

    def read(self):
        """(type, id, content), or None at the end of the connection."""
        header = self.exactly(8)
        if header is None:
            return None
        version, kind, request_id, length, padding = struct.unpack("!BBHHBx", header)
        assert version == 1, header
        content = self.exactly(length + padding)
        return None if content is None else (kind, request_id, content[:length])

    def close(self):
        self.sock.close()


class Answer:
    """What comes for a request: read until its END_REQUEST, or the end of the connection."""

    def __init__(self, connection, request_id=1):
        self.out, self.err = b"", b""
        self.ended = False
        self.app_status = self.status = None
        self.others = []
        while (got := connection.read()) is not None:
            kind, number, content = got
            if number != request_id:
                self.others.append(got)
            elif kind == STDOUT:
                self.out += content
            elif kind == STDERR:
                self.err += content
            elif kind == END:
                self.app_status, self.status = struct.unpack("!IB3x", content)
                self.ended = True
                break
            else:
                self.others.append(got)
        self.head, _, self.body = self.out.partition(b"\r\n\r\n")
        self.fields = {}
        for line in self.head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            self.fields.setdefault(name.decode("latin-1").lower(), value.strip().decode("latin-1"))
        self.code = int(self.fields.get("status", "200").split()[0]) if self.head else None


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(path)
    return Connection(sock)


def ask(address, cut=0, **what):
    """One request on a connection of its own."""
    connection = connect(address)
    connection.send(request(**what), cut)
    answer = Answer(connection, what.get("request_id", 1))
    connection.close()
    return answer


def post(address, path, body, timeout, more=()):
    """POSTs JSON to `analyze` and returns its STDOUT, b"" where it ends without an answer; `more`:
    raw bytes behind the parameters. Raises OSError where the connection fails."""
    params = b"".join(pair(k, v) for k, v in variables(
        path, method="POST", SERVER_NAME="localhost", SERVER_PORT="80",
        CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(body))).items())
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(address)
        sock.sendall(request(body=body, params=params + b"".join(more)))
        return Answer(Connection(sock)).out
