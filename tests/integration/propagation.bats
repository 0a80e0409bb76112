#!/usr/bin/env bats
# Goal: OTEL_PROPAGATORS decides which headers a trace is taken from, by FastCGI and plain CGI, and a
# name that is not known warns and is ignored.

bats_require_minimum_version 1.5.0
load helpers

TRACE=0af7651916cd43dd8448eb211c80319c
SPAN=b7ad6b7169203331

setup_file() {
    new_folder
    start_instance WORKERS=2 OTEL_PROPAGATORS=tracecontext,xray,b3,jaeger,b3
    export INSTANCE
}

teardown_file() {
    remove_folder
}

# server_span REQUEST-ID ARGUMENT...: as `expect span` is told.
server_span() {
    expect span --attr microtrace.request_id="$1" "${@:2}"
}

# continued REQUEST-ID [TRACE]: whether its server span is a child of SPAN.
continued() {
    server_span "$1" --trace "${2:-$TRACE}" | expect_json ".parent_span_id == \"$SPAN\""
}

# began REQUEST-ID: whether its server span is the first of a new trace.
began() {
    server_span "$1" | expect_json ".trace_id != \"$TRACE\" and .parent_span_id == null"
}

send() {
    local id=$1
    shift
    analyze '{"a": 1, "b": 2}' -H "X-Request-ID: $id" "$@"
    expect 200
}

@test "B3 in one header, in several, and Jaeger are continued" {
    send b3 -H "b3: $TRACE-$SPAN-1"
    continued b3
    send multi -H "X-B3-TraceId: $TRACE" -H "X-B3-SpanId: $SPAN" -H 'X-B3-Sampled: 1'
    continued multi
    send short -H "b3: 8448eb211c80319c-$SPAN-1"
    continued short 00000000000000008448eb211c80319c
    send jaeger -H "uber-trace-id: $TRACE:$SPAN:0:1"
    continued jaeger
    send encoded -H "uber-trace-id: $TRACE%3A$SPAN%3A0%3A1"
    continued encoded
    send w3c -H "traceparent: 00-$TRACE-$SPAN-01"
    continued w3c
}

@test "the last valid one in the list wins" {
    send both -H "traceparent: 00-1${TRACE:1}-$SPAN-01" -H "b3: $TRACE-$SPAN-1"
    continued both
    send bad -H "traceparent: 00-$TRACE-$SPAN-01" -H "b3: $TRACE-$SPAN-x"
    continued bad
}

@test "a caller's decision: not sampled, deferred, and without a trace" {
    send unsampled -H "b3: $TRACE-$SPAN-0"
    server_span unsampled --none
    expect log --request unsampled --trace $TRACE
    send deferred -H "b3: $TRACE-$SPAN"
    continued deferred
    send denied -H 'b3: 0'
    server_span denied --none
    send debug -H 'b3: d'
    began debug
}

@test "a bad header starts a new trace" {
    send bad-b3 -H "b3: $TRACE-$SPAN-1-"
    began bad-b3
    send bad-jaeger -H "uber-trace-id: $TRACE:0:0:1"
    began bad-jaeger
    send twice -H "b3: $TRACE-$SPAN-1" -H "b3: $TRACE-$SPAN-1"
    began twice
}

@test "the unknown name is warned of" {
    grep -q 'OTEL_PROPAGATORS: ".*" names unknown propagators' "$LOG"
    run -0 env OTEL_PROPAGATORS=tracecontext "$BIN/analyze" --check
    [ -z "$output" ]
}

@test "plain CGI: each list takes what it names and no more" {
    local names id=0
    for names in tracecontext b3 b3multi jaeger none ''; do
        id=$((id + 1))
        printf '{"a":1,"b":2}' | env -i PATH="$PATH" MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" \
            GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST SCRIPT_NAME=/x.cgi PATH_INFO=/analyze CONTENT_LENGTH=13 \
            OTEL_PROPAGATORS="$names" HTTP_X_REQUEST_ID="cgi-$id" HTTP_TRACEPARENT="00-${TRACE/#0a/1a}-$SPAN-01" \
            HTTP_X_B3_TRACEID="${TRACE/#0a/2a}" HTTP_X_B3_SPANID=$SPAN HTTP_X_B3_SAMPLED=1 \
            HTTP_UBER_TRACE_ID="${TRACE/#0a/3a}:$SPAN:0:1" "$BIN/analyze" | grep -q '"sum": 3.0'
    done
    continued cgi-1 "${TRACE/#0a/1a}"
    continued cgi-2 "${TRACE/#0a/2a}"
    continued cgi-3 "${TRACE/#0a/2a}"
    continued cgi-4 "${TRACE/#0a/3a}"
    server_span cgi-5 | expect_json '.parent_span_id == null'
    continued cgi-6 "${TRACE/#0a/1a}"
}
