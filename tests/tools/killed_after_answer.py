#!/usr/bin/env python3
"""Asks analyze, which is killed as its answer leaves it, and prints the answer.

    killed_after_answer.py fastcgi|cgi ANALYZE LIBRARY PATH BODY REQUEST-ID

Fails unless the process was killed by the library (tests/tools/preload/kill_after_answer.c).
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fastcgi_peer as fastcgi  # noqa: E402

PATIENCE = 20


def by_fastcgi(program, environment, path, body, request_id):
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        address = os.path.join(folder, "socket")
        listening.bind(address)
        listening.listen()
        process = subprocess.Popen([program], stdin=listening, env=environment)
        try:
            return fastcgi.post(address, path, body, PATIENCE,
                                [fastcgi.pair(b"HTTP_X_REQUEST_ID", request_id)]), process
        finally:
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def by_cgi(program, environment, path, body, request_id):
    environment.update(REQUEST_METHOD="POST", SCRIPT_NAME=path, REQUEST_URI=path, QUERY_STRING="",
                       SERVER_PROTOCOL="HTTP/1.1", GATEWAY_INTERFACE="CGI/1.1",
                       CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(body)),
                       HTTP_X_REQUEST_ID=request_id.decode())
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=environment)
    return process.communicate(body, PATIENCE)[0], process


def main():
    way, program, library, path, body, request_id = sys.argv[1:]
    environment = dict(os.environ, LD_PRELOAD=library)
    ask = by_fastcgi if way == "fastcgi" else by_cgi
    answer, process = ask(program, environment, path, body.encode(), request_id.encode())
    sys.stdout.buffer.write(answer)
    assert process.returncode == -signal.SIGKILL, f"it ended with {process.returncode}"


main()
