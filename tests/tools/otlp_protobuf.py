"""An OTLP export request in protobuf as the dictionary that its JSON would be, for the test sink.

Field numbers are those of opentelemetry-proto 1.x. Raises ValueError for anything else;
fields that are not known count as such, since nobody here should send any.
"""

import base64
import struct

ANY, KEY_VALUE, ARRAY, KVLIST, SCOPE, ENTITY, RESOURCE, EVENT, LINK, STATUS, SPAN, LOG = (
    {} for _ in range(12))
ANY.update({1: ("stringValue", "text"), 2: ("boolValue", "bool"), 3: ("intValue", "int64"),
            4: ("doubleValue", "double"), 5: ("arrayValue", ARRAY), 6: ("kvlistValue", KVLIST),
            7: ("bytesValue", "bytes"),
            8: ("stringValueStrindex", "int32")})
KEY_VALUE.update({1: ("key", "text"), 2: ("value", ANY), 3: ("keyStrindex", "int32")})
ARRAY.update({1: ("values", [ANY])})
KVLIST.update({1: ("values", [KEY_VALUE])})
SCOPE.update({1: ("name", "text"), 2: ("version", "text"), 3: ("attributes", [KEY_VALUE]),
              4: ("droppedAttributesCount", "uint")})
ENTITY.update({1: ("schemaUrl", "text"), 2: ("type", "text"), 3: ("idKeys", ["text"]),
               4: ("descriptionKeys", ["text"])})
RESOURCE.update({1: ("attributes", [KEY_VALUE]), 2: ("droppedAttributesCount", "uint"),
                 3: ("entityRefs", [ENTITY])})
EVENT.update({1: ("timeUnixNano", "fixed64"), 2: ("name", "text"), 3: ("attributes", [KEY_VALUE]),
              4: ("droppedAttributesCount", "uint")})
LINK.update({1: ("traceId", "id"), 2: ("spanId", "id"), 3: ("traceState", "text"),
             4: ("attributes", [KEY_VALUE]), 5: ("droppedAttributesCount", "uint"),
             6: ("flags", "fixed32")})
STATUS.update({2: ("message", "text"), 3: ("code", "int32")})
SPAN.update({1: ("traceId", "id"), 2: ("spanId", "id"), 3: ("traceState", "text"),
             4: ("parentSpanId", "id"), 5: ("name", "text"), 6: ("kind", "int32"),
             7: ("startTimeUnixNano", "fixed64"), 8: ("endTimeUnixNano", "fixed64"),
             9: ("attributes", [KEY_VALUE]), 10: ("droppedAttributesCount", "uint"),
             11: ("events", [EVENT]), 12: ("droppedEventsCount", "uint"), 13: ("links", [LINK]),
             14: ("droppedLinksCount", "uint"), 15: ("status", STATUS), 16: ("flags", "fixed32")})
LOG.update({1: ("timeUnixNano", "fixed64"), 2: ("severityNumber", "int32"),
            3: ("severityText", "text"), 5: ("body", ANY), 6: ("attributes", [KEY_VALUE]),
            7: ("droppedAttributesCount", "uint"), 8: ("flags", "fixed32"), 9: ("traceId", "id"),
            10: ("spanId", "id"), 11: ("observedTimeUnixNano", "fixed64"),
            12: ("eventName", "text")})

EXEMPLAR = {7: ("filteredAttributes", [KEY_VALUE]), 2: ("timeUnixNano", "fixed64"),
            3: ("asDouble", "double"), 6: ("asInt", "sfixed64"), 4: ("spanId", "id"),
            5: ("traceId", "id")}
BUCKETS = {1: ("offset", "sint32"), 2: ("bucketCounts", ["uint64"])}
QUANTILE = {1: ("quantile", "double"), 2: ("value", "double")}
TIMES = {2: ("startTimeUnixNano", "fixed64"), 3: ("timeUnixNano", "fixed64")}
NUMBER_POINT = {**TIMES, 7: ("attributes", [KEY_VALUE]), 4: ("asDouble", "double"),
                6: ("asInt", "sfixed64"), 5: ("exemplars", [EXEMPLAR]), 8: ("flags", "uint")}
HISTOGRAM_POINT = {**TIMES, 9: ("attributes", [KEY_VALUE]), 4: ("count", "fixed64"),
                   5: ("sum", "double"), 6: ("bucketCounts", ["fixed64"]),
                   7: ("explicitBounds", ["double"]), 8: ("exemplars", [EXEMPLAR]),
                   10: ("flags", "uint"), 11: ("min", "double"), 12: ("max", "double")}
EXPONENTIAL_POINT = {**TIMES, 1: ("attributes", [KEY_VALUE]), 4: ("count", "fixed64"),
                     5: ("sum", "double"), 6: ("scale", "sint32"), 7: ("zeroCount", "fixed64"),
                     8: ("positive", BUCKETS), 9: ("negative", BUCKETS), 10: ("flags", "uint"),
                     11: ("exemplars", [EXEMPLAR]), 12: ("min", "double"), 13: ("max", "double"),
                     14: ("zeroThreshold", "double")}
SUMMARY_POINT = {**TIMES, 7: ("attributes", [KEY_VALUE]), 4: ("count", "fixed64"),
                 5: ("sum", "double"), 6: ("quantileValues", [QUANTILE]), 8: ("flags", "uint")}


def points(of, **others):
    return {1: ("dataPoints", [of]), **{int(number[1:]): what for number, what in others.items()}}


TEMPORALITY = ("aggregationTemporality", "int32")
METRIC = {1: ("name", "text"), 2: ("description", "text"), 3: ("unit", "text"),
          5: ("gauge", points(NUMBER_POINT)),
          7: ("sum", points(NUMBER_POINT, _2=TEMPORALITY, _3=("isMonotonic", "bool"))),
          9: ("histogram", points(HISTOGRAM_POINT, _2=TEMPORALITY)),
          10: ("exponentialHistogram", points(EXPONENTIAL_POINT, _2=TEMPORALITY)),
          11: ("summary", points(SUMMARY_POINT)), 12: ("metadata", [KEY_VALUE])}


def request(of_resource, of_scope, records, record):
    scope = {1: ("scope", SCOPE), 2: (records, [record]), 3: ("schemaUrl", "text")}
    resource = {1: ("resource", RESOURCE), 2: (of_scope, [scope]), 3: ("schemaUrl", "text")}
    return {1: (of_resource, [resource])}


REQUESTS = {"traces": request("resourceSpans", "scopeSpans", "spans", SPAN),
            "logs": request("resourceLogs", "scopeLogs", "logRecords", LOG),
            "metrics": request("resourceMetrics", "scopeMetrics", "metrics", METRIC)}


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


WIRE_TYPES = {"text": 2, "id": 2, "bytes": 2, "double": 1, "fixed64": 1, "sfixed64": 1,
              "fixed32": 5}


def scalar(what, value):
    """Wire types 1, 2 and 5 come as bytes, 0 as a number."""
    if what == "text":
        return value.decode("utf-8")
    if what == "id":
        return value.hex()
    if what == "bytes":
        return base64.b64encode(value).decode()
    if what == "double":
        return struct.unpack("<d", value)[0]
    if what in ("fixed64", "sfixed64"):
        return str(struct.unpack("<Q" if what == "fixed64" else "<q", value)[0])
    if what == "fixed32":
        return struct.unpack("<I", value)[0]
    if what == "sint32":
        return value >> 1 ^ -(value & 1)
    signed = value - (1 << 64) if value >> 63 else value
    return {"int32": signed, "int64": str(signed), "uint64": str(value),
            "bool": bool(value)}.get(what, value)


def packed(what, data):
    at = 0
    while at < len(data):
        if what == "uint64":
            value, at = varint(data, at)
        else:
            value, at = data[at:at + 8], at + 8
        yield scalar(what, value)


def message(schema, data):
    result = {}
    for number, kind, value in fields(data):
        if number not in schema:
            raise ValueError(f"field {number}")
        name, what = schema[number]
        is_list = isinstance(what, list)
        what = what[0] if is_list else what
        is_packed = is_list and isinstance(what, str) and what != "text"
        wanted = WIRE_TYPES.get(what, 0) if isinstance(what, str) and not is_packed else 2
        if kind != wanted:
            raise ValueError(f"wire type {kind} for {name}")
        if is_packed:
            result.setdefault(name, []).extend(packed(what, value))
            continue
        value = scalar(what, value) if isinstance(what, str) else message(what, value)
        if is_list:
            result.setdefault(name, []).append(value)
        else:
            result[name] = value
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
