#!/usr/bin/env python3
"""usage: service_manager.py SOCKET

A service manager's ear: prints each message that comes to the datagram socket SOCKET (@ for an
abstract name) on one line, its own lines joined by blanks, until it is ended."""
import socket
import sys

name = sys.argv[1]
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind("\0" + name[1:] if name.startswith("@") else name)
print("listening", flush=True)
while True:
    print(ear.recv(65536).decode().replace("\n", " "), flush=True)
