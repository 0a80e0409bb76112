# shellcheck shell=bash
# The ports that tests listen on.

# free_ports N: prints N free TCP ports of 127.0.0.1, below those that clients are given.
free_ports() {
    /usr/bin/python3 - "$1" <<'PYTHON'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(10000, 32000)))
        held.append(s)
    except OSError:
        s.close()
print(*(s.getsockname()[1] for s in held))
PYTHON
}
