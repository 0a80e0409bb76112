#!/usr/bin/env bats
# Goal: every answer that a client has received is in the metrics, the traces and the logs. The
# process is killed in the very write that sends the answer: what it did not record before is lost.

bats_require_minimum_version 1.5.0
load helpers
load downstream

setup() {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    new_folder
    mkdir -p "$STATE/run" "$STATE/spool"
    export MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$STATE/spool
    LIBRARY=$DIR/kill_after_answer.so
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o "$LIBRARY" \
        "$ROOT/tests/tools/preload/kill_after_answer.c"
}

teardown() {
    [ -z "${DIR:-}" ] || { stop_sinks && rm -rf "$DIR"; }
}

# recorded WAY NAME PATH BODY STATUS ERROR: what a client saw, and what must have been recorded then.
recorded() {
    local id=$1-$2 path=$3 status=$5 error=$6
    /usr/bin/python3 "$ROOT/tests/tools/killed_after_answer.py" "$1" "$BIN/analyze" "$LIBRARY" \
        "$path" "$4" "$id" >"$DIR/answer"
    grep -q "^Status: $status " "$DIR/answer"
    "$BIN/microtrace" metrics --prometheus >"$DIR/metrics"
    [ "$path" = /analyze ] || path=_OTHER
    grep -qx "requests_total{method=\"POST\",path=\"$path\",status=\"$status\"} ${SAME:-1}.0" "$DIR/metrics"
    grep -qx "request_latency_seconds_count{method=\"POST\",path=\"$path\"} $COUNT" "$DIR/metrics"
    [ -z "$error" ] ||
        grep -qx "errors_total{method=\"POST\",path=\"$path\",exception=\"$error\"} 1.0" "$DIR/metrics"
    [ "$(logs ".message == \"request_completed\" and .request_id == \"$id\" and .status_code == $status" | wc -l)" = 1 ]
    [ "$(spans | jq -c "select(.kind == 2 and .attrs.\"microtrace.request_id\".stringValue == \"$id\")" | wc -l)" = 1 ]
}

killed() {
    COUNT=1 recorded "$1" good /analyze '{"a": 1, "b": 2}' 200 ''
    [ "$(logs ".message == \"analyze_response\" and .request_id == \"$1-good\"" | wc -l)" = 1 ]
    [ "$(spans | jq -c 'select(.name == "WorkerService.analyze")' | wc -l)" = 1 ]
    COUNT=2 recorded "$1" bad /analyze '{"a": 1}' 422 missing
    COUNT=3 SAME=2 recorded "$1" broken /analyze '{"a"' 422 json_invalid
    COUNT=1 recorded "$1" unknown /nowhere '' 404 not_found

    local good='{"a": 1, "b": 2}'
    "$BIN/microtrace" chaos on --error-rate 1 --probability 0 >"$DIR/chaos"
    COUNT=4 recorded "$1" injected /analyze "$good" 500 chaos_error
    "$BIN/microtrace" chaos off >"$DIR/chaos"
    start_sink
    sink '{"mode": "hang"}'
    export DOWNSTREAM_ENABLED=true DOWNSTREAM_URL=$SINK_URL/analyze DOWNSTREAM_RETRIES=0 DOWNSTREAM_TIMEOUT_MS=100
    COUNT=5 recorded "$1" late /analyze "$good" 504 downstream_timeout
    breaker open
    COUNT=6 recorded "$1" refused /analyze "$good" 503 breaker_open
}

@test "FastCGI: killed as the answer goes out, the answer is recorded" {
    killed fastcgi
}

@test "CGI: killed as the answer goes out, the answer is recorded" {
    killed cgi
}
