#!/usr/bin/env bats
# Goal: what the agent sends as http/protobuf is what it sends as JSON: for the official Python
# classes, for the real Collector, and for our own sink; and every legal form of JSON becomes the
# message that the official classes have.

load helpers

setup_file() {
    if [[ -z ${COLLECTOR:-} ]]; then
        COLLECTOR=$("$BATS_TEST_DIRNAME/collector/build") || COLLECTOR=
    fi
    export COLLECTOR
}

setup() { common_setup; }
teardown() { common_teardown; }

# official_python: prints a Python that has the official classes, from the cache, made where it is
# not there yet.
official_python() {
    local place=${XDG_CACHE_HOME:-$HOME/.cache}/microtrace/opentelemetry-proto-1.45.2
    if [[ ! -x $place/bin/python ]]; then
        mkdir -p "$(dirname "$place")"
        rm -rf "$place.new"
        "$PYTHON" -m venv "$place.new" &&
            "$place.new/bin/python" -m pip install -q 'opentelemetry-proto==1.45.2' &&
            mv "$place.new" "$place" || return 1
    fi
    echo "$place/bin/python"
}

@test "the official Python classes read what our sink reads" {
    official=$(official_python 2>"$DIR/pip.log") || absent "no opentelemetry-proto for Python"
    mkdir "$DIR/bodies"
    start sink "$PYTHON" "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" \
        --bodies "$DIR/bodies" --dump "$DIR/sink.jsonl"
    wait_until test -s "$DIR/port"
    start_microtrace OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$(cat "$DIR/port")" \
        OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
    client mixed "$SEEN"
    client load "$SEEN" 500 4
    wait_until metric_is 'microtrace_spool_backlog_records{signal="traces"}' 0
    wait_until metric_is 'microtrace_spool_backlog_records{signal="logs"}' 0
    # While the sink is counted, nobody sends what was not counted yet.
    stop_instance
    "$official" "$HERE/check_protobuf.py" "$DIR/bodies" "$(wc -l <"$DIR/sink.jsonl")"
}

@test "any message in any style of JSON becomes that message for the official Python classes" {
    official=$(official_python 2>"$DIR/pip.log") || absent "no opentelemetry-proto for Python"
    "$official" "$HERE/check_transcoder.py" "$BUILD/tests/tools/otlp_transcode" "${SEED:-1}" \
        "${MESSAGES:-2000}"
}

@test "the lines of a Collector's file exporter become the messages that it was sent" {
    [[ -n $COLLECTOR ]] || absent "no OpenTelemetry Collector: it needs Go to be built"
    official=$(official_python 2>"$DIR/pip.log") || absent "no opentelemetry-proto for Python"
    start_collector otlp-to-file.yaml "$DIR/out"
    "$official" "$HERE/check_collector_lines.py" "$BUILD/tests/tools/otlp_transcode" \
        "http://127.0.0.1:$OTLP_PORT" "$DIR/out" "${SEED:-1}" 300
}

each_record_is_right() {
    [[ -n $COLLECTOR ]] || absent "no OpenTelemetry Collector: it needs Go to be built"
    start_collector otlp-to-file.yaml "$DIR/out"
    start_microtrace OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$OTLP_PORT" \
        OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf "$@"
    client mixed "$SEEN"
    check mixed "$SEEN" "$DIR/out/traces.json" -- "$DIR/out/logs.json"
    [ "$(metric 'microtrace_export_records_total{signal="traces",outcome="rejected"}')" = 0 ]
    [ "$(metric 'microtrace_export_records_total{signal="traces",outcome="quarantined"}')" = 0 ]
}

@test "the Collector receives spans and log records of every kind of request as they should be" {
    each_record_is_right
}

@test "... compressed with gzip too" {
    each_record_is_right OTEL_EXPORTER_OTLP_COMPRESSION=gzip
}
