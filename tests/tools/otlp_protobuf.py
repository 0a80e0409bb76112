"""An OTLP export request in protobuf as the dictionary that its JSON would be, for the test sink.

Field numbers are those of opentelemetry-proto 1.x. Raises ValueError for anything else;
fields that are not known count as such, since nobody here should send any.
"""

import struct

ANY, KEY_VALUE, ARRAY, KVLIST, SCOPE, RESOURCE, EVENT, LINK, STATUS, SPAN, LOG = (
    {} for _ in range(11))
ANY.update({1: ("stringValue", "text"), 2: ("boolValue", "bool"), 3: ("intValue", "int64"),
            4: ("doubleValue", "double"), 5: ("arrayValue", ARRAY), 6: ("kvlistValue", KVLIST),
            7: ("bytesValue", "id")})
KEY_VALUE.update({1: ("key", "text"), 2: ("value", ANY)})
ARRAY.update({1: ("values", [ANY])})
KVLIST.update({1: ("values", [KEY_VALUE])})
SCOPE.update({1: ("name", "text"), 2: ("version", "text"), 3: ("attributes", [KEY_VALUE]),
              4: ("droppedAttributesCount", "uint")})
RESOURCE.update({1: ("attributes", [KEY_VALUE]), 2: ("droppedAttributesCount", "uint")})
EVENT.update({1: ("timeUnixNano", "fixed64"), 2: ("name", "text"), 3: ("attributes", [KEY_VALUE]),
              4: ("droppedAttributesCount", "uint")})
LINK.update({1: ("traceId", "id"), 2: ("spanId", "id"), 3: ("traceState", "text"),
             4: ("attributes", [KEY_VALUE]), 5: ("droppedAttributesCount", "uint"),
             6: ("flags", "fixed32")})
STATUS.update({2: ("message", "text"), 3: ("code", "uint")})
SPAN.update({1: ("traceId", "id"), 2: ("spanId", "id"), 3: ("traceState", "text"),
             4: ("parentSpanId", "id"), 5: ("name", "text"), 6: ("kind", "uint"),
             7: ("startTimeUnixNano", "fixed64"), 8: ("endTimeUnixNano", "fixed64"),
             9: ("attributes", [KEY_VALUE]), 10: ("droppedAttributesCount", "uint"),
             11: ("events", [EVENT]), 12: ("droppedEventsCount", "uint"), 13: ("links", [LINK]),
             14: ("droppedLinksCount", "uint"), 15: ("status", STATUS), 16: ("flags", "fixed32")})
LOG.update({1: ("timeUnixNano", "fixed64"), 2: ("severityNumber", "uint"),
            3: ("severityText", "text"), 5: ("body", ANY), 6: ("attributes", [KEY_VALUE]),
            7: ("droppedAttributesCount", "uint"), 8: ("flags", "fixed32"), 9: ("traceId", "id"),
            10: ("spanId", "id"), 11: ("observedTimeUnixNano", "fixed64"),
            12: ("eventName", "text")})


def request(of_resource, of_scope, records, record):
    scope = {1: ("scope", SCOPE), 2: (records, [record]), 3: ("schemaUrl", "text")}
    resource = {1: ("resource", RESOURCE), 2: (of_scope, [scope]), 3: ("schemaUrl", "text")}
    return {1: (of_resource, [resource])}


REQUESTS = {"traces": request("resourceSpans", "scopeSpans", "spans", SPAN),
            "logs": request("resourceLogs", "scopeLogs", "logRecords", LOG)}


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a varint without an end")
        value |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            if kind == 2:
                size, at = varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError(f"wire type {kind}")
            if at + size > len(data):
                raise ValueError("a field beyond the end")
            value, at = data[at:at + size], at + size
        yield tag >> 3, kind, value


def scalar(name, kind, value):
    wanted = {"text": 2, "id": 2, "double": 1, "fixed64": 1, "fixed32": 5}.get(name, 0)
    if kind != wanted:
        raise ValueError(f"wire type {kind} where {wanted} should be")
    if name == "text":
        return value.decode("utf-8")
    if name == "id":
        return value.hex()
    if name == "double":
        return struct.unpack("<d", value)[0]
    if name == "fixed64":
        return str(struct.unpack("<Q", value)[0])
    if name == "fixed32":
        return struct.unpack("<I", value)[0]
    if name == "int64":
        return str(value - (1 << 64) if value >> 63 else value)
    return bool(value) if name == "bool" else value


def message(schema, data):
    result = {}
    for number, kind, value in fields(data):
        if number not in schema:
            raise ValueError(f"field {number}")
        name, what = schema[number]
        if isinstance(what, str):
            result[name] = scalar(what, kind, value)
        elif kind != 2:
            raise ValueError(f"wire type {kind} for the message {name}")
        elif isinstance(what, list):
            result.setdefault(name, []).append(message(what[0], value))
        else:
            result[name] = message(what, value)
    return result


def decode(signal, data):
    result = message(REQUESTS[signal], data)
    return result if result else {next(iter(REQUESTS[signal].values()))[0]: []}


def number(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out + bytearray([value]))


def partial_success(rejected, text):
    """An Export*ServiceResponse."""
    inner = b"\x08" + number(rejected) + b"\x12" + number(len(text)) + text.encode()
    return b"\x0a" + number(len(inner)) + inner
