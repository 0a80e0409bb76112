#!/usr/bin/python3
"""usage: hung_listener.py PORT: accepts connections, reads nothing and never answers."""
import socket
import sys

server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
held = []
while True:
    held.append(server.accept())
    print("accepted", flush=True)
