# shellcheck shell=bash
# The ports that tests listen on.

# free_ports N: prints N free TCP ports of 127.0.0.1, below those that clients are given. Each hundredth of
# a second has one port: what a test has asked for and does not listen on yet, no other test of this tree
# gets for the next three minutes. Other trees begin elsewhere.
free_ports() {
    /usr/bin/python3 - "$1" "${BASH_SOURCE[0]}" <<'PYTHON'
import fcntl, socket, sys, time, zlib
LOW, SPAN = 10000, 22000
begin = zlib.crc32(sys.argv[2].encode())
held = []
with open(sys.argv[2], "rb") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    while len(held) < int(sys.argv[1]):
        now = int(time.monotonic() * 100)
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", LOW + (begin + now) % SPAN))
            held.append(s)
        except OSError:
            s.close()
        while int(time.monotonic() * 100) == now:
            time.sleep(0.001)
print(*(s.getsockname()[1] for s in held))
PYTHON
}
