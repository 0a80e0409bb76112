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
    common_teardown
}

export_to_collector() {
    start_microtrace OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$OTLP_PORT" "$@"
}

each_record_is_right() {
    start_collector otlp-to-file.yaml "$DIR/out"
    export_to_collector "$@"
    client mixed "$SEEN"
    check mixed "$SEEN" "$DIR/out/traces.json" -- "$DIR/out/logs.json"
}

@test "spans and log records of every kind of request arrive as they should" {
    each_record_is_right
}

@test "... compressed with gzip too" {
    each_record_is_right OTEL_EXPORTER_OTLP_COMPRESSION=gzip
}

@test "10,000 requests of 16 clients: metrics, spans and log lines agree with the clients" {
    start_collector otlp-to-file.yaml "$DIR/out"
    export_to_collector
    client load "$SEEN" 10000 16
    [ "$(wc -l <"$SEEN")" -eq 10000 ]
    check counts "$SEEN" "http://127.0.0.1:$AGENT_PORT/metrics" \
        "$DIR/out/traces.json" -- "$DIR/out/logs.json"
}

@test "collector absent, then hung, then there, stopped, frozen, back: all requests succeed, all arrives" {
    export_to_collector OTEL_EXPORTER_OTLP_TIMEOUT=1000
    client load "$SEEN" 200 4

    start hung "$PYTHON" "$HERE/hung_listener.py" "$OTLP_PORT"
    hung=$STARTED
    client load "$SEEN" 200 4
    # Not before the agent has fallen for it.
    wait_until grep -q accepted "$DIR/hung.log"
    end "$hung"

    start_collector otlp-to-file.yaml "$DIR/first"
    collector=$STARTED
    check arrived "$SEEN" "$DIR/first/traces.json" -- "$DIR/first/logs.json"

    end "$collector"
    client load "$SEEN" 200 4

    start_collector otlp-to-file.yaml "$DIR/second"
    collector=$STARTED
    kill -STOP "$collector"
    client load "$SEEN" 200 4
    kill -CONT "$collector"
    [ "$(wc -l <"$SEEN")" -eq 800 ]
    check arrived "$SEEN" "$DIR"/{first,second}/traces.json -- "$DIR"/{first,second}/logs.json
}

@test "the Collector reads the span spool itself, sealed and active files, and gets the same spans" {
    start_microtrace MICROTRACE_SPOOL_SEGMENT_BYTES=131072
    client mixed "$SEEN"
    client load "$SEEN" 500 4
    wait_until test -s "$STATE/spool/traces.0000000001.jsonl"
    # The active file may have been sealed just now.
    wait_until one_more_request_is_in_the_active_file
    start_collector spool-to-file.yaml "$DIR/out"
    check span-ids "$STATE"/spool/traces*.jsonl -- "$DIR/out/traces.json"
}

one_more_request_is_in_the_active_file() {
    client load "$SEEN" 1 1
    [ -s "$STATE/spool/traces.jsonl" ]
}

@test "our test sink receives what the Collector receives" {
    start_microtrace
    client mixed "$SEEN"
    client load "$SEEN" 500 4
    stop_instance
    cp -a "$STATE" "$DIR/again"

    start_collector otlp-to-file.yaml "$DIR/out"
    collector=$STARTED
    drain "$STATE" "http://127.0.0.1:$OTLP_PORT"
    # It writes what it holds before it ends.
    end "$collector"

    start sink "$PYTHON" "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" \
        --dump "$DIR/sink.jsonl"
    wait_until test -s "$DIR/port"
    drain "$DIR/again" "http://127.0.0.1:$(cat "$DIR/port")"
    check same "$DIR/out/traces.json" "$DIR/out/logs.json" "$DIR/sink.jsonl"
}

drain() {
    MICROTRACE_RUN_DIR=$1/run MICROTRACE_SPOOL_DIR=$1/spool OTEL_EXPORTER_OTLP_ENDPOINT=$2 \
        MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT "$BIN/metrics-agent" --drain
}
