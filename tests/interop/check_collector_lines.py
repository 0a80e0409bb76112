"""Sends random messages to a Collector that writes all it gets to files, as OTLP JSON lines, and
compares what the agent's transcoder makes of each line with the message that was sent.

    check_collector_lines.py TOOL URL FOLDER SEED COUNT

TOOL is otlp_transcode, FOLDER where the Collector writes traces.json, logs.json and metrics.json.
"""

import os
import random
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
from check_transcoder import CLASSES, IDS, Transcoder, fill  # noqa: E402

RECORDS = ("spans", "log_records", "data_points")
PATIENCE_S = 240


def inner(message):
    """Each field that holds messages, with those."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            yield field, list(value) if field.is_repeated else [value]


def count_records(message):
    return sum(len(messages) * (field.name in RECORDS) + sum(map(count_records, messages))
               for field, messages in inner(message))


def as_a_collector_has_it(message):
    """Ids of the right size and not all zeros, no string indices, no negative zero, and every
    message that is not one of several is there."""
    for field in message.DESCRIPTOR.fields:
        if field.name in ("key_strindex", "string_value_strindex"):
            message.ClearField(field.name)
        elif (field.message_type is not None and not field.is_repeated and
              field.containing_oneof is None):
            getattr(message, field.name).SetInParent()
    for field, value in message.ListFields():
        if field.name in IDS:
            setattr(message, field.name,
                    (value + b"\x01" * 16)[:16 if field.name == "trace_id" else 8])
        elif isinstance(value, float) and value == 0:
            setattr(message, field.name, 0)
    for _, messages in inner(message):
        for each in messages:
            as_a_collector_has_it(each)


def send(url, seed, count):
    sent = {signal: [] for signal in CLASSES}
    for i in range(count):
        draw = random.Random(f"{seed}/{i}")
        signal = draw.choice(list(CLASSES))
        message = CLASSES[signal]()
        fill(draw, message)
        as_a_collector_has_it(message)
        request = urllib.request.Request(f"{url}/v1/{signal}", message.SerializeToString(),
                                         {"Content-Type": "application/x-protobuf"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            answer.read()
        if count_records(message) > 0:  # it passes nothing else on
            sent[signal].append(message)
    return sent


def lines_of(path, count):
    """The `count` lines of a file that is being written."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = []
        if os.path.exists(path):
            with open(path, encoding="utf-8", newline="\n") as file:
                lines = file.read().split("\n")[:-1]
        if len(lines) >= count:
            assert len(lines) == count, f"{path}: {len(lines)} lines of {count}"
            return lines
        assert time.monotonic() < deadline, f"{path}: {len(lines)} lines of {count}"
        time.sleep(0.05)


def main():
    tool, url, folder, seed, count = sys.argv[1:]
    transcoder = Transcoder(tool)
    compared = 0

    def ask(signal, line, message):
        def then(text, got, why):
            assert got is not None, f"refused: {why}\n{text}"
            again = CLASSES[signal].FromString(got)
            assert (again.SerializeToString(deterministic=True) ==
                    message.SerializeToString(deterministic=True)), f"{text}\n{message}\n{again}"

        transcoder.ask(signal, line, then)

    for signal, messages in send(url, seed, int(count)).items():
        lines = lines_of(os.path.join(folder, f"{signal}.json"), len(messages))
        for line, message in zip(lines, messages):
            ask(signal, line, message)
        compared += len(messages)
    transcoder.run()
    print(f"{compared} lines are the messages that were sent")
    assert compared > 0


if __name__ == "__main__":
    main()
