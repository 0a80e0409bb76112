#!/usr/bin/env bats
# Goal: nobody waits for ever. Processes that hang cost their clients a bounded time and a 504 in JSON;
# what nobody waits for any more is not worked on; the time in front of a process is measured where a
# front end tells it.

load helpers

setup_file() {
    new_folder
    # Long enough for a busy machine to bring a request of a second or two in time.
    start_instance WORKERS=1 REQUEST_TIMEOUT=10
    export INSTANCE
}

teardown_file() {
    signal_analyze CONT
    remove_folder
}

signal_analyze() {
    local pid
    for pid in $(descendants "$INSTANCE"); do
        [ "$(cat "/proc/$pid/comm")" != analyze ] || kill "-$1" "$pid"
    done
}

abandoned() {
    metric requests_abandoned_total
}

at_least() {
    [ "$("$1")" -ge "$2" ]
}

@test "processes that hang: 504 in JSON within a bound, and they go on where they stopped" {
    signal_analyze STOP
    request GET /healthz
    signal_analyze CONT
    expect 504 '. == {"detail": "Gateway Timeout"}'
    [ "$(header Content-Type)" = application/json ]
    request GET /healthz
    expect 200
}

@test "what nobody waits for any more is dropped and counted, not worked on" {
    local before n pids=()
    before=$(abandoned)
    signal_analyze STOP
    for n in 1 2 3 4 5 6 7 8 9 10; do
        curl -sS -o /dev/null -m 30 -H "X-Request-ID: late-$n" -H 'Content-Type: application/json' -d '{"a":1,"b":2}' \
            -w '%{http_code}\n' "$URL/analyze" >"$DIR/late.$n" 3>&- &
        pids+=($!)
    done
    wait "${pids[@]}"
    signal_analyze CONT
    [ "$(cat "$DIR"/late.* | sort -u)" = 504 ]
    request GET /healthz
    expect 200
    # The one whose connection the process was just taking may be begun in vain; it is counted too.
    wait_until at_least abandoned $((before + 10))
    [ "$(logs '.message == "analyze_response" and (.request_id | startswith("late-"))' | wc -l)" -le 1 ]
    wait_until metric_is requests_in_progress 0
}

@test "the time in a front end's queue: histogram and span, in each front end's form" {
    local now before form
    before=$(metric request_queue_seconds_count)
    now=$(date +%s%3N)
    for form in "t=$((now / 1000 - 1)).500" "t=$((now - 1500))000" "t=$((now / 1000 - 1))" "$((now - 1500))"; do
        request GET /openapi.json -H "X-Request-Start: $form" -H 'X-Request-ID: queued-1'
        expect 200
    done
    [ "$(metric request_queue_seconds_count)" -eq $((before + 4)) ]
    spans | jq -c 'select(.attrs."microtrace.request_id".stringValue == "queued-1")' | jq -s . |
        expect_json 'length == 4 and all(.attrs."microtrace.queue_seconds".doubleValue | . >= 0.5 and . < 60)'
    for form in '' t= now -5 "t=$((now / 1000 + 600))" "t=5" "t=$now, t=$((now + 1))"; do
        request GET /openapi.json -H "X-Request-Start: $form"
        expect 200
    done
    request GET /openapi.json -H "X_Request_Start: $((now - 1500))"
    expect 200
    [ "$(metric request_queue_seconds_count)" -eq $((before + 4)) ]
}

@test "a request that is older than the bound when its turn comes: 504 at once" {
    local before
    before=$(abandoned)
    request GET /openapi.json -H "X-Request-Start: t=$(($(date +%s) - 30)).000"
    expect 504 '. == {"detail": "Gateway Timeout"}'
    [ "$(abandoned)" -eq $((before + 1)) ]
    [ "$(metric 'errors_total{method="GET",path="/openapi.json",exception="gateway_timeout"}')" -eq 1 ]
}

@test "a bound that can't be used is named" {
    run env REQUEST_TIMEOUT=0 "$BIN/analyze" --check
    [ "$status" -eq 2 ]
    [[ $output == *'REQUEST_TIMEOUT: "0"'* ]]
}

# Half of them are idle, the others drip: 1100 were enough once.
@test "2000 connections that ask nothing: requests are answered, and /metrics on both ports" {
    local port path line
    for port in "$HTTP_PORT" "$AGENT_PORT"; do
        for path in /healthz /metrics; do
            line=$(python3 "$ROOT/tests/tools/crowd.py" --port "$port" --path "$path" --connections 2000 --seconds 2)
            echo "# port $port, $path: $line" >&3
            [[ $line == *' failed 0 '* ]]
        done
    done
}
