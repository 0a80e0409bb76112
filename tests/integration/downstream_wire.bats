#!/usr/bin/env bats
# Goal: what a real downstream service receives. Every rule of W3C Trace Context about what is passed
# on, one trace across a chain of instances, and no request header that turns into a proxy.

bats_require_minimum_version 1.5.0
load helpers
load downstream

TRACE=0af7651916cd43dd8448eb211c80319c
PARENT=b7ad6b7169203331

setup_file() {
    new_folder
    start_sink
    # Each attempt is looked at: none may be made again, on a busy machine too.
    start_instance WORKERS=1 DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SINK_URL/analyze" DOWNSTREAM_TIMEOUT_MS=10000
}

teardown_file() {
    stop_sinks
    remove_folder
}

# pass CURL-ARGUMENT...: one request; what the service received is in TRACEPARENT and TRACESTATE.
pass() {
    sink '{}'
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: wire-1' "$@"
    expect 200
    [ "$(seen .requests)" -eq 1 ]
    [ "$(seen '[.seen[0].headers[][0] | select(. == "traceparent")] | length')" -eq 1 ]
    [ "$(received x-request-id)" = wire-1 ]
    TRACEPARENT=$(received traceparent)
    TRACESTATE=$(received tracestate)
    echo "traceparent: $TRACEPARENT, tracestate: $TRACESTATE"
    [[ $TRACEPARENT =~ ^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$ ]]
    # The parent is a span of ours, never the caller's.
    [[ $TRACEPARENT != *-$PARENT-* && $TRACEPARENT != *-0000000000000000-* ]]
}

# continues [FLAGS]: the trace went on.
continues() {
    [[ $TRACEPARENT == 00-$TRACE-*-${1:-01} ]]
}

# starts_anew: another trace, and no tracestate.
starts_anew() {
    [[ $TRACEPARENT != *$TRACE* && $TRACEPARENT != *$PARENT* && -z $TRACESTATE ]]
    [[ $TRACEPARENT != 00-00000000000000000000000000000000-* ]]
}

@test "no traceparent: a new trace; a tracestate alone is dropped" {
    pass
    starts_anew
    pass -H 'tracestate: a=1'
    starts_anew
}

@test "a valid one is continued, with its tracestate as it is" {
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H 'tracestate: rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'
    continues
    [ "$TRACESTATE" = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE' ]
    pass -H "Traceparent: 00-$TRACE-$PARENT-01" -H 'TraceState: multi@vendor=1,a_-*/=!~'
    continues
    [ "$TRACESTATE" = 'multi@vendor=1,a_-*/=!~' ]
}

@test "flags: sampled or not, 0x02 kept, unknown ones zero" {
    pass -H "traceparent: 00-$TRACE-$PARENT-00"
    continues 00
    pass -H "traceparent: 00-$TRACE-$PARENT-02"
    continues 02
    pass -H "traceparent: 00-$TRACE-$PARENT-03"
    continues 03
    pass -H "traceparent: 00-$TRACE-$PARENT-ff"
    continues 03
    pass -H "traceparent: 00-$TRACE-$PARENT-fc"
    continues 00
}

@test "an invalid one starts a new trace and drops tracestate" {
    local bad
    for bad in "00-00000000000000000000000000000000-$PARENT-01" "00-$TRACE-0000000000000000-01" \
        "ff-$TRACE-$PARENT-01" "00-${TRACE^^}-$PARENT-01" "00-$TRACE-${PARENT^^}-01" "00-$TRACE-$PARENT-0X" \
        "00-$TRACE-$PARENT-01-what-the-future-will-be-like" "00-$TRACE-$PARENT-01-" "00-$TRACE-$PARENT-01." \
        "00-$TRACE-$PARENT" "00-$TRACE-$PARENT-1" "0-$TRACE-$PARENT-01" "00-${TRACE}0-$PARENT-01" \
        "00-${TRACE%?}-$PARENT-01" "00-$TRACE-${PARENT%?}-01" "00-$TRACE-${PARENT}0-01" "00-$TRACE-$PARENT-001" \
        "00_${TRACE}_${PARENT}_01" "00-${TRACE%?}.-$PARENT-01" "cc-$TRACE-$PARENT-01.what" "cc-$TRACE-$PARENT-0" x; do
        pass -H "traceparent: $bad" -H 'tracestate: a=1'
        starts_anew || { echo "in spite of $bad" && return 1; }
    done
}

@test "a future version: 55 characters, then the end or a dash; we send version 00" {
    pass -H "traceparent: cc-$TRACE-$PARENT-01" -H 'tracestate: a=1'
    continues
    [ "$TRACESTATE" = a=1 ]
    pass -H "traceparent: cc-$TRACE-$PARENT-01-what-the-future-will-be-like"
    continues
    pass -H "traceparent: 01-$TRACE-$PARENT-01-"
    continues
}

@test "two traceparent headers start a new trace" {
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H "traceparent: 00-1${TRACE#?}-$PARENT-01" -H 'tracestate: a=1'
    starts_anew
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H "traceparent: 00-$TRACE-$PARENT-01"
    starts_anew
}

@test "tracestate: several headers are one list, blanks and empty members go" {
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H 'tracestate: a=1,b=2' -H 'tracestate: c=3'
    continues
    [ "${TRACESTATE// /}" = a=1,b=2,c=3 ]
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H $'tracestate: a=1 \t,\t , b=2,'
    continues
    [ "$TRACESTATE" = a=1,b=2 ]
}

@test "tracestate: a key that comes again loses its later member" {
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H 'tracestate: a=1,b=2,a=3'
    continues
    [ "$TRACESTATE" = a=1,b=2 ]
}

@test "tracestate: malformed or too many members: dropped, and traceparent goes on" {
    local bad
    for bad in 'a' 'a=' '=1' 'A=1' 'a=1,b' 'a=1,b=x=y' 'a =1' "a=1,$(printf 'k%.0s' {1..257})=1" \
        "a=$(printf 'v%.0s' {1..257})" '@b=1' "$(seq -s, -f 'k%.0f=1' 33)"; do
        pass -H "traceparent: 00-$TRACE-$PARENT-01" -H "tracestate: $bad"
        continues || { echo "in spite of $bad" && return 1; }
        [ -z "$TRACESTATE" ] || { echo "in spite of $bad" && return 1; }
    done
    pass -H "traceparent: 00-$TRACE-$PARENT-01" -H "tracestate: $(seq -s, -f 'k%.0f=1' 32)"
    continues
    [ "$TRACESTATE" = "$(seq -s, -f 'k%.0f=1' 32)" ]
}

@test "an invalid request id is replaced, and the new one is passed on" {
    sink '{}'
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: not an id'
    expect 200
    [ "$(received x-request-id)" = "$(header X-Request-ID)" ]
    [[ $(received x-request-id) =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4 ]]
}

@test "a Proxy header has no effect, in FastCGI" {
    local service=$SINK_PORT
    start_sink fastcgi_proxy
    local proxy_url=$SINK_URL
    SINK_URL=http://127.0.0.1:$service
    pass -H "Proxy: $proxy_url" -H "Https-Proxy: $proxy_url" -H "All-Proxy: $proxy_url" -H "No-Proxy: x"
    [ "$(curl -sS "$proxy_url/control" | jq .requests)" -eq 0 ]
}

# cgi NAME=VALUE...: one request by hand, as plain CGI; the answer is in $DIR/answer.
cgi() {
    mkdir -p "$DIR/cgi/run" "$DIR/cgi/spool"
    printf '{"a": 10.5, "b": 3.5}' | env -i PATH="$PATH" MICROTRACE_RUN_DIR="$DIR/cgi/run" \
        MICROTRACE_SPOOL_DIR="$DIR/cgi/spool" GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
        SERVER_NAME=localhost SERVER_PORT=80 REQUEST_METHOD=POST SCRIPT_NAME=/cgi-bin/microtrace.cgi \
        PATH_INFO=/analyze CONTENT_LENGTH=21 CONTENT_TYPE=application/json DOWNSTREAM_ENABLED=true \
        DOWNSTREAM_URL="$SINK_URL/analyze" DOWNSTREAM_TIMEOUT_MS=10000 DOWNSTREAM_BACKOFF_MS=1-2 "$@" "$BIN/analyze" | tr -d '\r' >"$DIR/answer"
}

@test "a Proxy header has no effect, in CGI, nor has the environment" {
    local service=$SINK_PORT proxy_url
    start_sink cgi_proxy
    proxy_url=$SINK_URL
    SINK_URL=http://127.0.0.1:$service
    sink '{}'
    cgi HTTP_PROXY="$proxy_url" HTTP_HTTPS_PROXY="$proxy_url" HTTP_ALL_PROXY="$proxy_url" \
        http_proxy="$proxy_url" all_proxy="$proxy_url" ALL_PROXY="$proxy_url" HTTP_TRACEPARENT="00-$TRACE-$PARENT-01" \
        HTTP_X_REQUEST_ID=cgi-1
    grep -q '^Status: 200 ' "$DIR/answer"
    grep -qF '{"sum": 14.0, "difference": 7.0}' "$DIR/answer"
    [ "$(seen .requests)" -eq 1 ]
    [ "$(received x-request-id)" = cgi-1 ]
    [[ $(received traceparent) == 00-$TRACE-*-01 ]]
    [ "$(curl -sS "$proxy_url/control" | jq .requests)" -eq 0 ]
}

@test "OTEL_SDK_DISABLED: the caller's context is handed on as it is" {
    sink '{}'
    cgi OTEL_SDK_DISABLED=true HTTP_TRACEPARENT="00-$TRACE-$PARENT-01" HTTP_TRACESTATE=a=1
    grep -q '^Status: 200 ' "$DIR/answer"
    [ "$(received traceparent)" = "00-$TRACE-$PARENT-01" ]
    [ "$(received tracestate)" = a=1 ]
}

@test "CGI processes share the breaker through the file" {
    sink '{"mode": "status", "status": 500}'
    for i in 1 2 3 4 5; do
        cgi BREAKER_OPEN_MS=3600000
        grep -q '^Status: 502 ' "$DIR/answer"
    done
    cgi BREAKER_OPEN_MS=3600000
    grep -q '^Status: 503 ' "$DIR/answer"
    grep -q '^Retry-After: 3[56][0-9][0-9]$' "$DIR/answer"
    [ "$(seen .requests)" -eq 5 ]
    sink '{}'
    MICROTRACE_RUN_DIR=$DIR/cgi/run "$BIN/microtrace" breaker reset
    cgi BREAKER_OPEN_MS=3600000
    grep -q '^Status: 200 ' "$DIR/answer"
}

@test "three instances in a chain are one trace" {
    local folder=$DIR last=$STATE i next url
    export DIR STATE LOG HTTP_PORT AGENT_PORT
    next=$URL
    for i in 1 2; do
        read -r HTTP_PORT AGENT_PORT < <(free_ports 2)
        DIR=$folder/chain-$i STATE=$folder/chain-$i/state LOG=$folder/chain-$i/log
        mkdir -p "$DIR"
        start_instance WORKERS=1 DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$next/analyze" \
            DOWNSTREAM_TIMEOUT_MS=10000 OTEL_SERVICE_NAME="chain-$i"
        next=http://127.0.0.1:$HTTP_PORT
    done
    URL=$next
    sink '{}'
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: chain-1' -H "traceparent: 00-$TRACE-$PARENT-01" -H 'tracestate: a=1'
    expect 200 '. == {"sum": 14, "difference": 7}'
    [ "$(received traceparent | cut -c 1-36)" = "00-$TRACE-" ]
    [ "$(received tracestate)" = a=1 ]
    [ "$(received x-request-id)" = chain-1 ]
    for STATE in "$last" "$folder/chain-1/state" "$folder/chain-2/state"; do
        spans | jq -c 'select(.attrs."microtrace.request_id".stringValue == "chain-1" or .kind != 2)'
    done | jq -c "select(.traceId == \"$TRACE\")" >"$folder/spans.all"
    for i in 1 2; do
        DIR=$folder/chain-$i LOG=$folder/chain-$i/log
        stop_instance
    done
    # From the service's caller back to the client: nine spans, each the parent of the next.
    local id kinds=
    id=$(received traceparent | cut -c 37-52)
    while [ "$id" != $PARENT ]; do
        jq -c "select(.spanId == \"$id\")" "$folder/spans.all" >"$folder/span"
        [ "$(wc -l <"$folder/span")" -eq 1 ] || { echo "no span $id" && cat "$folder/spans.all" && return 1; }
        kinds+=$(jq .kind "$folder/span")
        id=$(jq -r .parentSpanId "$folder/span")
    done
    [ "$kinds" = 312312312 ]
}
