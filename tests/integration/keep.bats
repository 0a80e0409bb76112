#!/usr/bin/env bats
# Goal: with MICROTRACE_TRACES_KEEP every failed and every slow request's trace is at the collector,
# of the others the share that was asked for, each whole, and nothing that is counted, logged or
# pointed to by an exemplar is any different for it; two services agree. KEEP_REQUESTS sets how many
# requests show it.

bats_require_minimum_version 1.5.0
load helpers
load downstream

RULES=error,slow:50ms,ratio:0.05

setup() {
    new_folder
}

teardown() {
    stop_second
    stop_sinks
    [ -z "${COLLECTOR:-}" ] || kill -KILL "$COLLECTOR" 2>/dev/null || true
    remove_folder
}

# A second instance in a folder of its own; SECOND_URL, SECOND_AGENT and SECOND_STATE are its.
start_second() {
    local port agent
    read -r port agent < <(free_ports 2)
    SECOND_URL=http://127.0.0.1:$port SECOND_AGENT=http://127.0.0.1:$agent SECOND_STATE=$DIR/second
    env PORT="$port" AGENT_LISTEN="127.0.0.1:$agent" STATE_DIR="$SECOND_STATE" "$@" \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf" >"$DIR/second.log" 2>&1 </dev/null 3>&- &
    SECOND=$!
    wait_until grep -q '^microtrace is running' "$DIR/second.log" || { cat "$DIR/second.log" && return 1; }
}

stop_second() {
    [ -n "${SECOND:-}" ] || return 0
    kill "$SECOND" 2>/dev/null || true
    wait_until gone "$SECOND" || kill -KILL "$SECOND"
    unset SECOND
}

start_collector() {
    /usr/bin/python3 "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" --dump "$DIR/dump" \
        2>"$DIR/sink.log" 3>&- &
    COLLECTOR=$!
    wait_until test -s "$DIR/port"
    ENDPOINT=http://127.0.0.1:$(cat "$DIR/port")
}

# delivered AGENT-URL: whether its books balance with nothing left, for wait_until.
delivered() {
    local text
    text=$(curl -sS -m 10 "$1/metrics")
    awk '/^microtrace_spool_written_records_total\{signal="traces"\}/ { written = $NF }
        /^microtrace_export_records_total\{signal="traces",outcome="delivered"\}/ { delivered = $NF }
        /^microtrace_spool_backlog_records\{signal="traces"\}/ { backlog = $NF }
        END { exit !(written > 0 && written == delivered && backlog == 0) }' <<<"$text"
}

# as_told: what the sink has agrees with what happened, once the last records are there.
as_told() {
    openmetrics "$AGENT_URL" >"$DIR/front.metrics"
    openmetrics "$SECOND_AGENT" >"$DIR/back.metrics"
    /usr/bin/python3 "$ROOT/tests/tools/keep_check.py" --slow-ms 50 --ratio 0.05 "$DIR/dump" \
        "front=$STATE/spool=$DIR/front.metrics" "back=$SECOND_STATE/spool=$DIR/back.metrics" \
        >"$DIR/found" 2>&1
}

openmetrics() {
    curl -sS -m 10 -H 'Accept: application/openmetrics-text; version=1.0.0' "$1/metrics"
}

chaos() {
    MICROTRACE_RUN_DIR=$1/run "$BIN/microtrace" chaos "${@:2}"
}

@test "two services with faults and delays: what has to be kept is there, the rest by its share" {
    local requests=${KEEP_REQUESTS:-6000}
    start_collector
    start_second WORKERS=8 MICROTRACE_TRACES_KEEP=$RULES OTEL_SERVICE_NAME=back \
        OTEL_EXPORTER_OTLP_ENDPOINT="$ENDPOINT" OTEL_LOGS_EXPORTER=none
    start_instance WORKERS=8 MICROTRACE_TRACES_KEEP=$RULES OTEL_SERVICE_NAME=front \
        OTEL_EXPORTER_OTLP_ENDPOINT="$ENDPOINT" OTEL_LOGS_EXPORTER=none BREAKER_FAILURES=1000 \
        DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SECOND_URL/analyze" DOWNSTREAM_TIMEOUT_MS=10000
    chaos "$STATE" on --probability 0.02 --delay-ms 65-75 --error-rate 0.02
    chaos "$SECOND_STATE" on --probability 0.02 --delay-ms 65-75 --error-rate 0.02
    timeout 600 "$BIN/microtrace" load --url "$URL" --rate 100000 --concurrency 16 --count "$requests" \
        --json >"$DIR/load"
    PATIENCE=60 wait_until delivered "$AGENT_URL"
    PATIENCE=60 wait_until delivered "$SECOND_AGENT"
    PATIENCE=60 wait_until as_told || { cat "$DIR/found" && false; }
    sed 's/^/# /' "$DIR/found" >&3
    grep -q "^front: $requests requests" "$DIR/found"
}

@test "an attempt that failed keeps the trace whose retry succeeded" {
    start_sink
    start_instance WORKERS=1 MICROTRACE_TRACES_KEEP=slow:1h,error DOWNSTREAM_ENABLED=true \
        DOWNSTREAM_URL="$SINK_URL/analyze" DOWNSTREAM_BACKOFF_MS=1-2 DOWNSTREAM_TIMEOUT_MS=10000
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: good-1'
    expect 200
    # Nothing is decided when the call is made: it is told that the trace is sampled.
    [[ $(received traceparent) == *-03 ]]
    sink '{"mode": "status", "status": 503, "count": 1}'
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: retried-1'
    expect 200
    spans >"$DIR/spans"
    [ "$(jq -s 'length' "$DIR/spans")" -eq 4 ]
    [ "$(jq -c 'select(.kind == 3)' "$DIR/spans" | wc -l)" -eq 2 ]
    [ "$(jq -r 'select(.kind == 2) | .attrs | ."microtrace.request_id".stringValue + " " +
        ."microtrace.keep.reason".stringValue' "$DIR/spans")" = "retried-1 error" ]
    metric_is 'microtrace_traces_kept_total{reason="error"}' 1
    metric_is microtrace_traces_discarded_total 1
    # Metrics and logs are whole, and the exemplars are those of the trace that is there.
    metric_is downstream_latency_seconds_count 3
    [ "$(logs '.request_id == "good-1"' | wc -l)" -eq 3 ]
    [ "$(openmetrics "$AGENT_URL" | grep -o 'trace_id="[0-9a-f]*"' | sort -u)" = \
        "trace_id=\"$(jq -r 'select(.kind == 2).traceId' "$DIR/spans")\"" ]
}

@test "remote keeps what the caller has sampled; what the caller has not is no trace at all" {
    local id=4bf92f3577b34da6a3ce929d0e0e4736 flag
    start_instance WORKERS=1 MICROTRACE_TRACES_KEEP=remote,error
    for flag in 00 01; do
        analyze '{"a": 1, "b": 2}' -H "traceparent: 00-$id-00f067aa0ba902b7-$flag" -H "X-Request-ID: remote-$flag"
    done
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: nobody'
    spans >"$DIR/spans"
    [ "$(jq -r 'select(.kind == 2) | .attrs | ."microtrace.request_id".stringValue + " " +
        ."microtrace.keep.reason".stringValue' "$DIR/spans")" = "remote-01 remote" ]
    [ "$(jq -s length "$DIR/spans")" -eq 2 ]
    metric_is 'microtrace_traces_kept_total{reason="remote"}' 1
    metric_is 'microtrace_traces_kept_total{reason="error"}' 0
    metric_is microtrace_traces_discarded_total 1
}

@test "a process that aborts a request has said what it was; without rules all is kept and counted" {
    start_instance WORKERS=2
    metric_is 'microtrace_traces_kept_total{reason="all"}' 0
    metric_is microtrace_traces_discarded_total 0
    analyze '{"a": 1, "b": 2}'
    request GET /nowhere
    [ "$(spans | jq -c 'select(.attrs | has("microtrace.keep.reason"))' | wc -l)" -eq 0 ]
    metric_is 'microtrace_traces_kept_total{reason="all"}' 2
    stop_instance
    start_instance WORKERS=2 MICROTRACE_TRACES_KEEP=error
    chaos "$STATE" on --abort-rate 1
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: aborted-1'
    spans | jq -s . >"$DIR/spans"
    expect_json 'any(.[]; .kind == 2 and .attrs."microtrace.request_id".stringValue == "aborted-1" and
        .attrs."microtrace.chaos.kind".stringValue == "abort" and
        .attrs."microtrace.keep.reason".stringValue == "error")' <"$DIR/spans"
    expect_json '(.[] | select(.attrs."microtrace.chaos.kind".stringValue == "abort" and .kind == 2)) as $root |
        any(.[]; .kind == 1 and .parentSpanId == $root.spanId)' <"$DIR/spans"
}

@test "a value that can't be used: exit 2 and a line that names it, in every program" {
    local program value
    for program in analyze metrics-agent; do
        "$BIN/$program" --help | grep -q MICROTRACE_TRACES_KEEP
        for value in slow ratio:2 error,error all,error; do
            MICROTRACE_TRACES_KEEP=$value run -2 "$BIN/$program" --check
            [ "${#lines[@]}" -eq 1 ]
            [[ $output == "$program: MICROTRACE_TRACES_KEEP: \"$value\" can't be used; it takes all, or a list"* ]]
        done
        MICROTRACE_TRACES_KEEP=error,slow:1.5s,ratio:0.05,remote run -0 "$BIN/$program" --check
        [ -z "$output" ]
    done
}
