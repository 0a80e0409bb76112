#!/usr/bin/env bats
# Goal: what a real OpenTelemetry Collector receives from lighttpd, analyze and the agent is what
# the clients were answered, record for record, and requests never depend on the Collector.

load helpers

setup_file() {
    if [[ -z ${COLLECTOR:-} ]]; then
        COLLECTOR=$("$BATS_TEST_DIRNAME/collector/build") || COLLECTOR=
    fi
    export COLLECTOR
}

setup() {
    [[ -n $COLLECTOR ]] || absent "no OpenTelemetry Collector: it needs Go to be built"
    common_setup
}

teardown() {
    [[ -z ${WORK:-} ]] || common_teardown
}

export_to_collector() {
    start_microtrace OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$OTLP_PORT" "$@"
}

each_record_is_right() {
    start_collector otlp-to-file.yaml "$WORK/out"
    export_to_collector "$@"
    client mixed "$SEEN"
    check mixed "$SEEN" "$WORK/out/traces.json" -- "$WORK/out/logs.json"
}

@test "spans and log records of every kind of request arrive as they should" {
    each_record_is_right
}

@test "... compressed with gzip too" {
    each_record_is_right OTEL_EXPORTER_OTLP_COMPRESSION=gzip
}

@test "10,000 requests of 16 clients: metrics, spans and log lines agree with the clients" {
    start_collector otlp-to-file.yaml "$WORK/out"
    export_to_collector
    client load "$SEEN" 10000 16
    [ "$(wc -l <"$SEEN")" -eq 10000 ]
    check counts "$SEEN" "http://127.0.0.1:$AGENT_PORT/metrics" \
        "$WORK/out/traces.json" -- "$WORK/out/logs.json"
}

@test "collector absent, then hung, then there, stopped, frozen, back: all requests succeed, all arrives" {
    export_to_collector OTEL_EXPORTER_OTLP_TIMEOUT=1000
    client load "$SEEN" 200 4

    start hung "$PYTHON" "$HERE/hung_listener.py" "$OTLP_PORT"
    hung=$STARTED
    client load "$SEEN" 200 4
    # Not before the agent has fallen for it.
    wait_until 60 grep -q accepted "$WORK/hung.log"
    stop "$hung"

    start_collector otlp-to-file.yaml "$WORK/first"
    check arrived "$SEEN" "$WORK/first/traces.json" -- "$WORK/first/logs.json"

    stop "$COLLECTOR_PID"
    client load "$SEEN" 200 4

    start_collector otlp-to-file.yaml "$WORK/second"
    kill -STOP "$COLLECTOR_PID"
    client load "$SEEN" 200 4
    kill -CONT "$COLLECTOR_PID"
    [ "$(wc -l <"$SEEN")" -eq 800 ]
    check arrived "$SEEN" "$WORK"/{first,second}/traces.json -- "$WORK"/{first,second}/logs.json
}

@test "the Collector reads the span spool itself and gets the same spans" {
    start_microtrace
    client mixed "$SEEN"
    client load "$SEEN" 500 4
    start_collector spool-to-file.yaml "$WORK/out"
    check span-ids "$WORK"/state/spool/traces*.jsonl -- "$WORK/out/traces.json"
}

@test "our test sink receives what the Collector receives" {
    start_microtrace
    client mixed "$SEEN"
    client load "$SEEN" 500 4
    stop "$MICROTRACE"
    cp -a "$WORK/state" "$WORK/again"

    start_collector otlp-to-file.yaml "$WORK/out"
    drain "$WORK/state" "http://127.0.0.1:$OTLP_PORT"
    wait_until 30 test -s "$WORK/out/logs.json"
    stop "$COLLECTOR_PID"

    start_sink "$WORK/sink"
    drain "$WORK/again" "http://127.0.0.1:$SINK_PORT"
    check same "$WORK/out/traces.json" "$WORK/out/logs.json" "$WORK/sink"/{traces,logs}.jsonl
}
