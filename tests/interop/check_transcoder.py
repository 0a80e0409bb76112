"""Compares the agent's transcoder with the official classes of opentelemetry-proto.

    check_transcoder.py TOOL SEED COUNT    TOOL is otlp_transcode

Builds COUNT random messages of all signals with the official classes, writes each as OTLP JSON in
a random mixture of the legal styles, and wants the transcoded bytes to be that very message. Then
gives each kind of field many texts, legal and not, and wants TOOL to take and refuse what the
official JSON parser takes and refuses, with the same result.
"""

import base64
import json
import math
import os
import random
import subprocess
import sys

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as Field
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))
import otlp_protobuf  # noqa: E402

CLASSES = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest,
           "metrics": ExportMetricsServiceRequest}
IDS = ("trace_id", "span_id", "parent_span_id")
RANGES = {Field.TYPE_INT32: (-2**31, 2**31 - 1), Field.TYPE_SINT32: (-2**31, 2**31 - 1),
          Field.TYPE_UINT32: (0, 2**32 - 1), Field.TYPE_FIXED32: (0, 2**32 - 1),
          Field.TYPE_INT64: (-2**63, 2**63 - 1), Field.TYPE_SFIXED64: (-2**63, 2**63 - 1),
          Field.TYPE_UINT64: (0, 2**64 - 1), Field.TYPE_FIXED64: (0, 2**64 - 1)}
LONG = (Field.TYPE_INT64, Field.TYPE_SFIXED64, Field.TYPE_UINT64, Field.TYPE_FIXED64)
DOUBLES = (0.0, -0.0, 1.0, 0.1, -10.5, 1e300, 5e-324, 2.0**53, 1.7976931348623157e308, math.nan,
           math.inf, -math.inf)
CHARACTERS = "abcXYZ 019_-/\\\"{}[]:,\0\n\t\x1f\x7f\u00fc\u2028\ufffd\ufeff\U0001f600"
DEPTH_MAX = 14


class Transcoder:
    """Requests to TOOL, answered all at once."""

    def __init__(self, tool):
        self.tool, self.asked = tool, []

    def ask(self, signal, text, then):
        assert "\n" not in text
        self.asked.append((signal, text, then))

    def run(self):
        lines = "".join(f"{signal} {text}\n" for signal, text, _ in self.asked).encode()
        done = subprocess.run([self.tool], input=lines, stdout=subprocess.PIPE, check=True)
        answers = done.stdout.decode().splitlines()
        assert len(answers) == len(self.asked), f"{len(answers)} of {len(self.asked)} answers"
        for (_, text, then), answer in zip(self.asked, answers):
            verdict, rest = answer.split(" ", 1)
            then(text, bytes.fromhex(rest) if verdict == "ok" else None, rest)
        self.asked = []


# --- Random messages -----------------------------------------------------------------------------

def some_text(draw):
    return "".join(draw.choice(CHARACTERS) for _ in range(draw.choice((0, 1, 3, 10, 200))))


def some_scalar(draw, field):
    if field.type in RANGES:
        low, high = RANGES[field.type]
        return draw.choice((low, high, 0, 1, draw.randint(low, high),
                            min(high, draw.randint(0, 10**draw.randint(1, 9)) * 10**6)))
    if field.type == Field.TYPE_DOUBLE:
        return draw.choice((*DOUBLES, draw.uniform(-1e6, 1e6), float(draw.randint(-9, 9))))
    if field.type == Field.TYPE_BOOL:
        return draw.random() < 0.5
    if field.type == Field.TYPE_ENUM:
        return draw.choice([v.number for v in field.enum_type.values] + [99, -1, 2**31 - 1, -2**31])
    if field.type == Field.TYPE_BYTES:
        return draw.randbytes(draw.choice((0, 1, 2, 3, 8, 16, 200)))
    assert field.type == Field.TYPE_STRING, field.full_name
    return some_text(draw)


def fill(draw, message, depth=0):
    oneofs = {}
    for field in message.DESCRIPTOR.fields:
        real = field.containing_oneof
        if real is not None and not real.name.startswith("_"):
            oneofs.setdefault(real.name, []).append(field)
    chosen = [draw.choice(fields) for fields in oneofs.values()]
    others = [f for f in message.DESCRIPTOR.fields if not any(f in o for o in oneofs.values())]
    for field in chosen + others:
        if draw.random() < 0.25:
            continue
        count = draw.choice((0, 1, 1, 2, 3)) if field.is_repeated else 1
        if field.message_type is not None:
            if depth > DEPTH_MAX or (depth > 8 and draw.random() < 0.5):
                continue
            for _ in range(count):
                inner = getattr(message, field.name)
                inner = inner.add() if field.is_repeated else inner
                inner.SetInParent()
                fill(draw, inner, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(some_scalar(draw, field) for _ in range(count))
        else:
            setattr(message, field.name, some_scalar(draw, field))


# --- Their JSON, in any style --------------------------------------------------------------------

class Writer:
    """One message in one random style."""

    def __init__(self, draw):
        self.draw = draw
        self.odd = draw.choice((0.0, 0.05, 0.3))    # how often a form is not the plain one
        self.blanks = draw.choice((0.0, 0.0, 0.3))
        self.snake = draw.choice((0.0, 0.0, 1.0, 0.5))
        self.shuffled = draw.random() < 0.5
        self.ascii = draw.random() < 0.5

    def is_odd(self):
        return self.draw.random() < self.odd

    def blank(self):
        return "".join(self.draw.choices(" \t\r", k=self.draw.randint(1, 3))) \
            if self.draw.random() < self.blanks else ""

    def string(self, text):
        out = json.dumps(text, ensure_ascii=self.ascii)
        if not self.is_odd():
            return out
        units = text.encode("utf-16-be", "surrogatepass")
        escapes = iter(f"\\u{units[i:i + 2].hex()}" for i in range(0, len(units), 2))
        result = ""
        for c in text:
            escaped = next(escapes) + (next(escapes) if ord(c) > 0xffff else "")
            if self.draw.random() < 0.5:
                result += escaped
            else:
                result += "\\/" if c == "/" else json.dumps(c, ensure_ascii=False)[1:-1]
        return f'"{result}"'

    def whole(self, value, quoted):
        text = str(value)
        if self.is_odd():
            digits, sign = text.lstrip("-"), "-" * text.startswith("-")
            zeros = len(digits) - len(digits.rstrip("0")) if value else 0
            text = self.draw.choice((
                f"{text}.0", f"{text}.000e0", f"{text}e0", f"{text}E+00",
                f"{text}0e-1" if value else "0e-1",
                f"{sign}{digits[:len(digits) - zeros] or '0'}e{zeros}",
                f"{sign}{digits[0]}.{digits[1:] or '0'}e{max(len(digits) - 1, 0)}"))
        if self.is_odd():
            quoted = not quoted
        return self.string(text) if quoted else text

    def double(self, value):
        if math.isnan(value) or math.isinf(value):
            return self.string("NaN" if math.isnan(value) else "Infinity" if value > 0
                               else "-Infinity")
        text = repr(value)
        if self.is_odd():
            text = self.draw.choice((f"{value:.17g}", f"{value:.20e}", f"{value:E}"
                                     if float(f"{value:E}") == value else text))
        return self.string(text) if self.is_odd() else text

    def bytes(self, field, value):
        if field.name in IDS:
            return self.string(value.hex().upper() if self.is_odd() else value.hex())
        text = base64.b64encode(value).decode()
        if self.is_odd():
            text = base64.urlsafe_b64encode(value).decode()
        return self.string(text.rstrip("=") if self.is_odd() else text)

    def scalar(self, field, value):
        if field.type == Field.TYPE_BOOL:
            return "true" if value else "false"
        if field.type == Field.TYPE_DOUBLE:
            return self.double(value)
        if field.type == Field.TYPE_STRING:
            return self.string(value)
        if field.type == Field.TYPE_BYTES:
            return self.bytes(field, value)
        if field.type == Field.TYPE_ENUM:
            names = [v.name for v in field.enum_type.values if v.number == value]
            return self.string(names[0]) if names and self.is_odd() else self.whole(value, False)
        return self.whole(value, field.type not in (Field.TYPE_INT32, Field.TYPE_SINT32,
                                                    Field.TYPE_UINT32, Field.TYPE_FIXED32))

    def joined(self, opening, items, closing):
        blank = self.blank
        return opening + blank() + f"{blank()},{blank()}".join(items) + blank() + closing

    def unknown(self):
        return self.draw.choice((
            ("futureField", "null"), ("x", '[{"spans":[1,{}]},"}",-0.5e3,true]'), ("", '"\\ud83d"'),
            ("Name", "1"), ("span_Id", '"zz"'), ("trace__id", "[]"), ("_kind", "{}"),
            ("spans\0", '[{"name":"x"}]')))

    def message(self, message):
        members, given = [], set()
        for field, value in message.ListFields():
            given.add(field.name)
            if field.message_type is not None:
                items = [self.message(v) for v in (value if field.is_repeated else [value])]
            else:
                items = [self.scalar(field, v) for v in (value if field.is_repeated else [value])]
            text = self.joined("[", items, "]") if field.is_repeated else items[0]
            members.append((self.name(field), text))
        for field in message.DESCRIPTOR.fields:
            if field.name not in given and self.is_odd():
                members.append((self.name(field), "null"))
            elif field.name not in given and field.is_repeated and self.is_odd():
                members.append((self.name(field), "[]"))
        if self.is_odd():
            members.append(self.unknown())
        if self.shuffled:
            self.draw.shuffle(members)
        return self.joined("{", [f"{self.string(name)}{self.blank()}:{self.blank()}{text}"
                                 for name, text in members], "}")

    def name(self, field):
        return field.name if self.draw.random() < self.snake else field.json_name


def as_the_sink_does(message):
    """The dictionary that the test sink's own decoder makes of a message."""
    def one(field, value):
        if field.message_type is not None:
            return as_the_sink_does(value)
        if field.type == Field.TYPE_BYTES:
            return value.hex() if field.name in IDS else base64.b64encode(value).decode()
        return str(value) if field.type in LONG else value

    result = {field.json_name: [one(field, v) for v in value] if field.is_repeated
              else one(field, value) for field, value in message.ListFields()}
    top = message.DESCRIPTOR.fields[0] if type(message) in CLASSES.values() else None
    return result or ({top.json_name: []} if top is not None else {})


def round_trips(transcoder, seed, count):
    sizes = []

    def ask(signal, message):
        wanted = message.SerializeToString(deterministic=True)

        def then(text, got, why):
            assert got is not None, f"refused: {why}\n{text}"
            again = CLASSES[signal].FromString(got).SerializeToString(deterministic=True)
            assert again == wanted, f"not the same message:\n{text}\n{message}"
            theirs, ours = as_the_sink_does(message), otlp_protobuf.decode(signal, wanted)
            assert repr(theirs) == repr(ours), f"not read by the test sink:\n{theirs}\n{ours}"
            sizes.append(len(wanted))

        transcoder.ask(signal, Writer(draw).message(message), then)

    for i in range(count):
        draw = random.Random(f"{seed}/{i}")
        signal = draw.choice(list(CLASSES))
        message = CLASSES[signal]()
        fill(draw, message)
        ask(signal, message)
        if len(transcoder.asked) == 500:
            transcoder.run()
    transcoder.run()
    assert len(sizes) == count
    return sum(sizes)


# --- Texts for each kind of field ----------------------------------------------------------------

NUMBERS = ("0", "1", "-1", "1.0", "1e3", "1.5", "15e-1", "150e-1", "1e-1", "0e5", "0e99999999",
           "1E2", "1e+2", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295",
           "4294967296", "9007199254740993", "9223372036854775807", "-9223372036854775808",
           "1e9", "1.0e1", "12345678.0", "1e308", "5e-324", "2.2250738585072014e-308")
TEXTS = (*NUMBERS, *(f'"{n}"' for n in NUMBERS if "e" not in n.lower() and "." not in n),
         '"9223372036854775808"', '"-9223372036854775809"', '"18446744073709551615"',
         '"18446744073709551616"', "1e40", "-1e40", "1e309", "-1e309", '"1.5"', '""', '"a"',
         '"0x10"', '"1,5"', '"--1"', '"."', '"e"', '"1e"', '"-"', '"NaN"', '"Infinity"',
         '"-Infinity"', '"inf"', '"SPAN_KIND_CLIENT"', '"SPAN_KIND_NONE"', '"STATUS_CODE_OK"',
         '"text"', '"\\u0031"', '"\\ud83d\\ude00"', '"AQID"', '"AQ=="', '"-_-_"', '"+/+/"',
         '"\\/w=="', "false", '"true"', "null", "[1]", "{}", "[null]", "[{}]", "[{},{}]",
         "[[{}]]", "[{},null]", '["a"]', '["a",1]', "[1,2.5]", '[1,"2"]', '{"values":[]}',
         '{"values":[null]}', '{"intValue":"1","boolValue":true}',
         '{"intValue":null,"boolValue":true}', '{"values":[{},{}]}')

# What this parser takes although no such value has a place in the field.
LENIENT = {Field.TYPE_DOUBLE: ('"inf"', "false"),
           Field.TYPE_BYTES: ('"."', '"\\ud83d\\ude00"'),
           Field.TYPE_ENUM: ("false", "1.5", "15e-1", "1e-1", "5e-324", "2.2250738585072014e-308",
                             "4294967296", '"4294967296"', "9007199254740993",
                             '"9007199254740993"', "-9223372036854775808",
                             '"-9223372036854775808"'),
           Field.TYPE_MESSAGE: ('""',)}


def at(message, path):
    """JSON in which the last member of `path` is the field, each before it an object or list."""
    text, fields = "%s", []
    descriptor = message.DESCRIPTOR
    for name in path:
        fields.append(descriptor.fields_by_name[name])
        descriptor = fields[-1].message_type
    for field in reversed(fields[:-1]):
        inner = f'{{"{fields[fields.index(field) + 1].json_name}":{text}}}'
        text = f"[{inner}]" if field.is_repeated else inner
    return f'{{"{fields[0].json_name}":{text}}}', fields[-1]


def paths(descriptor, path=()):
    """A path to each field of each message, those within themselves once."""
    for field in descriptor.fields:
        yield (*path, field.name)
        if field.message_type is not None and field.message_type.full_name not in paths.seen:
            paths.seen.add(field.message_type.full_name)
            yield from paths(field.message_type, (*path, field.name))


def official(signal, text):
    message = CLASSES[signal]()
    try:
        json_format.Parse(text, message)
        return message.SerializeToString(deterministic=True)
    except (json_format.ParseError, ValueError):
        return None


def is_asked(field, text):
    """Without ids, which OTLP writes otherwise, and members that the message does not know."""
    name = text.split('"')[1] if text.startswith('{"') else None
    known = field.message_type.fields_by_camelcase_name if field.message_type is not None else {}
    return field.name not in IDS and (name is None or name in known)


def verdicts(transcoder):
    taken = []

    def ask(signal, field, text, request):
        lenient = text in LENIENT.get(field.type, ()) and not field.is_repeated
        wanted = None if lenient else official(signal, request)

        def then(_, got, why):
            assert (got is None) == (wanted is None), (
                f"{request}: {why if got is None else 'taken'}")
            if got is not None:
                again = CLASSES[signal].FromString(got)
                assert again.SerializeToString(deterministic=True) == wanted, request
                taken.append(text)

        transcoder.ask(signal, request, then)

    for signal, of in CLASSES.items():
        paths.seen = set()
        for path in paths(of.DESCRIPTOR):
            whole, field = at(of, path)
            for text in TEXTS:
                if is_asked(field, text):
                    ask(signal, field, text, whole % text)
    count = len(transcoder.asked)
    transcoder.run()
    return count, len(taken)


def nesting(transcoder):
    """Values within values: the deepest that is taken is one that the official classes take."""
    deepest = []

    def ask(depth):
        text = '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth

        def then(_, got, why):
            if got is None:
                assert why.endswith(": nested too deep"), why
                return
            CLASSES["logs"].FromString(got)
            deepest.append(depth)

        transcoder.ask("logs", '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":'
                       f"{text}}}]}}]}}]}}", then)

    for depth in range(60):
        ask(depth)
    transcoder.run()
    assert deepest == list(range(len(deepest)))
    return deepest[-1]


def main():
    transcoder = Transcoder(sys.argv[1])
    size = round_trips(transcoder, sys.argv[2], int(sys.argv[3]))
    print(f"{sys.argv[3]} messages of {size} bytes are the same")
    print("%d texts, %d of them taken, by both" % verdicts(transcoder))
    print(f"values to a depth of {nesting(transcoder)} are taken by both")


if __name__ == "__main__":
    main()
