#!/usr/bin/env python3
"""Rewrites the header of a metrics file (docs/metrics-file.md) so that its index has --index bytes,
in a hole at its end, under a checksum that is right. With --series the header's limit too, so that
an index of that size may be."""
import argparse
import os
import struct

SEED, FACTOR, MASK = 0xCBF29CE484222325, 0x9E3779B97F4A7C15, (1 << 64) - 1
FILE_SIZE, MAX_SERIES, INDEX, CHECKSUM = 24, 96, 120, 184


def checksum(header):
    total = SEED
    for (word,) in struct.iter_unpack("<Q", header[:CHECKSUM]):
        total = (total ^ word) * FACTOR & MASK
        total ^= total >> 32
    return total


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file")
    arguments.add_argument("--index", type=int, required=True)
    arguments.add_argument("--series", type=int)
    options = arguments.parse_args()
    with open(options.file, "r+b") as file:
        header = bytearray(file.read(192))
        start = (os.fstat(file.fileno()).st_size + 65535) // 65536 * 65536
        struct.pack_into("<QQ", header, INDEX, start, options.index)
        struct.pack_into("<Q", header, FILE_SIZE, start + options.index)
        if options.series is not None:
            struct.pack_into("<I", header, MAX_SERIES, options.series)
        struct.pack_into("<Q", header, CHECKSUM, checksum(header))
        file.truncate(start + options.index)
        file.seek(0)
        file.write(header)


if __name__ == "__main__":
    main()
