#!/usr/bin/env python3
"""A terminal for tests: runs a command on one and talks with it.

usage: terminal.py SECONDS COMMAND... <<< "STEPS"

Each line of standard input is a step: `send TEXT` types it (\\x03 is Ctrl-C, \\r is return), `expect
TEXT` reads on until the text comes, `size COLUMNS LINES` changes the terminal's size, `kill SIGNAL`
sends the command one. Prints all that the terminal showed and ends with the command's
exit status, or with 99 if a text did not come within SECONDS.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time


def main():
    seconds, command = float(sys.argv[1]), sys.argv[2:]
    steps = [line.rstrip("\n").split(" ", 1) for line in sys.stdin if line.strip()]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    deadline, seen, missing = time.monotonic() + seconds, "", None

    def read():
        nonlocal seen
        if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(terminal, 4096)
        except OSError:  # all have closed it
            return False
        seen += data.decode(errors="replace")
        sys.stdout.write(data.decode(errors="replace"))
        return bool(data)

    for what, text in steps:
        if what == "size":
            columns, lines = map(int, text.split())
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            continue
        if what == "kill":
            os.kill(pid, signal.Signals["SIG" + text])
            continue
        text = text.encode().decode("unicode_escape")
        if what == "send":
            os.write(terminal, text.encode())
            continue
        while text not in seen:
            if not read():
                missing = text
                break
        if missing is not None:
            break
        seen = seen[seen.index(text) + len(text):]
    while missing is None and read():
        pass
    sys.stdout.flush()
    if missing is not None or time.monotonic() > deadline:
        print(f"\nterminal.py: waited in vain for {missing!r}", file=sys.stderr)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return 99
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
