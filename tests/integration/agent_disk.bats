#!/usr/bin/env bats
# Goal: a full disk never fails a request and costs exactly the records that it counts; when there
# is room again, all goes on by itself. With the real web program and a spool on a small tmpfs.

bats_require_minimum_version 1.5.0
load helpers

SPANS=2 LOGS=3 # of one request
PATIENCE=60    # an endpoint that has answered 503 for long is asked again after up to half a minute

setup() {
    new_folder
    SPOOL=$STATE/spool
    mkdir -p "$SPOOL"
    mount -t tmpfs -o size=768k,mode=2770 none "$SPOOL" 2>/dev/null || {
        rm -rf "$DIR"
        skip "no mount is permitted here"
    }
    SINK_PID=''
}

teardown() {
    [ -n "${SINK_PID+set}" ] || return 0
    [ -z "$SINK_PID" ] || kill -9 "$SINK_PID"
    stop_instance || true
    [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$LOG"
    umount -l "$SPOOL"
    remove_folder
}

start_sink() {
    /usr/bin/python3 "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" --dump "$DIR/dump" \
        2>"$DIR/sink.log" 3>&- &
    SINK_PID=$!
    wait_until test -s "$DIR/port"
    SINK=http://127.0.0.1:$(cat "$DIR/port")
}

sink_answers() { curl -sf -o /dev/null -d "$1" "$SINK/control"; }

# requests PREFIX N: each has to be answered with 200 and the right sum.
requests() {
    /usr/bin/python3 - "$HTTP_PORT" "$1" "$2" <<'PYTHON'
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
for i in range(int(sys.argv[3])):
    connection.request("POST", "/analyze", '{"a": 10.5, "b": 3.5}', {
        "Content-Type": "application/json", "X-Request-ID": f"{sys.argv[2]}-{i}"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200 and body["sum"] == 14.0, (i, answer.status, body)
PYTHON
}

written() { metric "microtrace_spool_written_records_total{signal=\"$1\"}"; }
dropped() { metric "microtrace_spool_dropped_records_total{signal=\"$1\",reason=\"$2\"}"; }
outcome() { metric "microtrace_export_records_total{signal=\"$1\",outcome=\"$2\"}"; }
nothing_waits() { metric_is "microtrace_spool_backlog_records{signal=\"$1\"}" 0; }

# exact SIGNAL RECORDS [UNENDED]: so many were made; each is written or dropped for lack of space,
# and what was written is delivered, torn or waits. A torn line at the end of the active file counts
# only when the next one has begun: up to UNENDED may be missing while the disk is still full. What is
# on /metrics is as of the agent's last step, so it may take a moment.
exact() {
    wait_until is_exact "$@" >"$DIR/exact" || { tail -n 1 "$DIR/exact" && return 1; }
}

is_exact() {
    local written no_space torn sum missing
    written=$(written "$1") no_space=$(dropped "$1" no_space) torn=$(dropped "$1" torn)
    sum=$(($(outcome "$1" delivered) + torn + $(metric "microtrace_spool_backlog_records{signal=\"$1\"}")))
    echo "$1: made $2, written $written, no space for $no_space, torn $torn, accounted for $sum"
    missing=$(($2 - written - no_space))
    [ "$missing" -ge 0 ] && [ "$missing" -le "${3:-0}" ] && [ "$written" -eq "$sum" ]
}

# both_are_empty: nothing waits that the agent knows of, which is all once it was `exact`.
both_are_empty() {
    wait_until nothing_waits traces
    wait_until nothing_waits logs
}

# arrived PREFIX N: each span and log line of these requests is at the sink.
arrived() {
    /usr/bin/python3 - "$DIR/dump" "$1" "$2" "$SPANS" "$LOGS" <<'PYTHON'
import collections, json, sys
dump, prefix, count, spans, logs = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
traces, lines = collections.defaultdict(set), collections.Counter()
names = {}
for line in open(dump, encoding="utf-8"):
    entry = json.loads(line)
    record, attributes = entry["record"], entry["attributes"]
    if entry["signal"] == "logs":
        lines[attributes.get("request_id")] += 1
        names[attributes.get("request_id")] = record["traceId"]
    else:
        traces[record["traceId"]].add(record["spanId"])
for i in range(count):
    name = f"{prefix}-{i}"
    assert lines[name] == logs, (name, lines[name])
    assert len(traces[names[name]]) == spans, (name, traces[names[name]])
PYTHON
}

@test "the spool's disk is full: requests succeed, drops are exact, and it recovers by itself" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    start_instance OTEL_EXPORTER_OTLP_ENDPOINT="$SINK" MICROTRACE_SPOOL_SEGMENT_BYTES=65536
    requests full 500
    [ "$(dropped traces no_space)" -gt 0 ]
    [ "$(dropped logs no_space)" -gt 0 ]
    exact traces $((500 * SPANS)) $SPANS # which share a line
    exact logs $((500 * LOGS)) 1
    request GET /readyz
    expect 503

    sink_answers '{}'
    both_are_empty
    requests after 50
    exact traces $((550 * SPANS))
    exact logs $((550 * LOGS + 1)) # the 503 of readyz is logged too
    both_are_empty
    arrived after 50
    wait_until is_ready
}

@test "full before the agent could make its checkpoint: the same" {
    start_sink
    head -c 10000000 /dev/zero >"$SPOOL/filler" 2>/dev/null || true
    start_instance OTEL_EXPORTER_OTLP_ENDPOINT="$SINK" MICROTRACE_SPOOL_SEGMENT_BYTES=65536
    requests full 20
    [ "$(dropped traces no_space)" -eq $((20 * SPANS)) ]
    [ "$(dropped logs no_space)" -eq $((20 * LOGS)) ]

    # Room for some records, and none for a checkpoint; then for all.
    truncate -s -4096 "$SPOOL/filler"
    requests little 20
    rm "$SPOOL/filler"
    requests after 50
    exact traces $((90 * SPANS))
    exact logs $((90 * LOGS))
    both_are_empty
    arrived after 50
    [ "$(stat -c %s "$SPOOL/agent.checkpoint")" -eq 8192 ]
    [ "$(grep -c "checkpoint can't be written" "$LOG")" -le 1 ]

    # And it holds: another agent knows all that.
    local before
    before=$(outcome traces delivered)
    stop_instance
    start_instance OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    requests again 10
    exact traces $((100 * SPANS))
    exact logs $((100 * LOGS))
    both_are_empty
    [ "$(outcome traces delivered)" -eq $((before + 10 * SPANS)) ]
}

is_ready() {
    request GET /readyz
    [ "$STATUS" = 200 ]
}

@test "full of what is delivered: it heals by itself, although no segment is ever full" {
    start_sink
    # The active file would be sealed at 16 MiB; the disk has 768 KiB.
    start_instance OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    requests full 500
    both_are_empty
    # Although no process of the web program writes: those that hold a sealed segment stay idle.
    wait_until has_room
    wait_until is_ready
    local traces logs
    traces=$(dropped traces no_space) logs=$(dropped logs no_space)
    requests after 50
    exact traces $((550 * SPANS))
    both_are_empty
    [ "$(dropped traces no_space)" = "$traces" ]
    [ "$(dropped logs no_space)" = "$logs" ]
    arrived after 50
}

# Enough of the 768 KiB for a request of every process.
has_room() {
    [ "$(df --output=avail "$SPOOL" | tail -n 1)" -ge 256 ]
}
