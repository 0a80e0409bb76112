"""Reads request bodies with the official classes of opentelemetry-proto and with the test sink's
own decoder, and compares.

    check_protobuf.py DIR RECORDS    the files of otlp_sink.py --bodies, and how many records in all
"""

import base64
import os
import sys

from google.protobuf import json_format, unknown_fields
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tools"))
import otlp_protobuf  # noqa: E402

CLASSES = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest,
           "metrics": ExportMetricsServiceRequest}
PARTS = {"traces": ("resourceSpans", "scopeSpans", "spans"),
         "logs": ("resourceLogs", "scopeLogs", "logRecords"),
         "metrics": ("resourceMetrics", "scopeMetrics", "metrics")}
IDS = ("traceId", "spanId", "parentSpanId")


def official(signal, body):
    message = CLASSES[signal].FromString(body)
    assert len(unknown_fields.UnknownFieldSet(message)) == 0
    return json_format.MessageToDict(message, use_integers_for_enums=True)


def normal(value, key=""):
    """Ids in hex; scalar fields with their default left out, as the official classes do."""
    if isinstance(value, dict):
        pairs = ((k, normal(v, k)) for k, v in value.items())
        return {k: v for k, v in pairs
                if isinstance(v, (dict, list)) or k.endswith("Value") or v not in ("", "0", 0)}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if key in IDS and len(value) not in (16, 32):
        return base64.b64decode(value).hex()
    return value


def main():
    records = 0
    for name in sorted(os.listdir(sys.argv[1])):
        signal = name.split(".")[1]
        with open(os.path.join(sys.argv[1], name), "rb") as file:
            body = file.read()
        theirs, ours = normal(official(signal, body)), normal(otlp_protobuf.decode(signal, body))
        assert theirs == ours, f"{name}:\n{theirs}\n{ours}"
        resources, scopes, items = PARTS[signal]
        for resource in theirs.get(resources, []):
            records += sum(len(scope.get(items, [])) for scope in resource.get(scopes, []))
    print(f"{records} records in {len(os.listdir(sys.argv[1]))} requests")
    assert records == int(sys.argv[2]) > 0, sys.argv[2]


if __name__ == "__main__":
    main()
