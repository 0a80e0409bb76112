#!/usr/bin/env bats
# Goal: however the downstream service behaves, the answer is the right one, in bounded time and
# memory, and spans, logs and metrics say what happened; what goes over the wire is what the trace
# context rules ask for.

bats_require_minimum_version 1.5.0
load helpers
load downstream

setup_file() {
    new_folder
    start_sink proxy
    export PROXY_URL=$SINK_URL
    start_sink
    # The breaker has a file of its own; here it stays out of the way. Proxies of the environment
    # are to have no effect.
    start_instance WORKERS=1 DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SINK_URL/analyze" \
        DOWNSTREAM_TIMEOUT_MS=3000 DOWNSTREAM_BACKOFF_MS=1-20 BREAKER_FAILURES=1000 \
        http_proxy="$PROXY_URL" HTTP_PROXY="$PROXY_URL" all_proxy="$PROXY_URL" ALL_PROXY="$PROXY_URL"
}

teardown_file() {
    stop_sinks
    remove_folder
}

@test "a setting that can't be used: exit 2 and a line that names it" {
    run -2 env DOWNSTREAM_ENABLED=true "$BIN/analyze" --check
    [[ $output == *DOWNSTREAM_URL* ]]
    run -2 env DOWNSTREAM_ENABLED=true DOWNSTREAM_URL=ftp://x/ "$BIN/analyze" --check
    [[ $output == *DOWNSTREAM_URL*ftp://x/* ]]
    for url in ftp://me:hush@x/ me:hush@x/ //me:hush@x http://me:hush@x:99999/ 'http://me:hu/hush@x:1/' 'ftp://x/?key=hush'; do
        run -2 env DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$url" "$BIN/analyze" --check
        [[ $output == *'DOWNSTREAM_URL: "'*REDACTED* && $output != *hush* ]]
    done
    run -2 env DOWNSTREAM_FALLBACK=maybe "$BIN/analyze" --check
    [[ $output == *DOWNSTREAM_FALLBACK*maybe* ]]
    run -2 env BREAKER_FAILURES=0 "$BIN/analyze" --check
    [[ $output == *BREAKER_FAILURES*0* ]]
    run -0 env DOWNSTREAM_URL=ftp://x/ "$BIN/analyze" --check
}

@test "all series are there from the start" {
    scrape >"$DIR/metrics"
    for series in downstream_requests_total'{outcome="'{success,failed,timeout,breaker_open}'"}' \
        downstream_attempts_total'{outcome="'{success,connection_failed,timeout,throttled,server_error,client_error,bad_response}'"}' \
        circuit_breaker_transitions_total'{to="'{closed,open,half_open}'"}' \
        circuit_breaker_state downstream_latency_seconds_count downstream_fallbacks_total; do
        grep -qF "$series 0" "$DIR/metrics" || { echo "missing: $series" && return 1; }
    done
}

@test "its result is the answer; the connection is kept; spans and metrics" {
    local before
    before=$(metric 'downstream_attempts_total{outcome="success"}')
    sink '{"mode": "text", "text": "{\"sum\": 1.5, \"difference\": 1e300, \"more\": 1}"}'
    for i in 1 2 3 4 5; do
        analyze '{"a": 10.5, "b": 3.5}' -H "X-Request-ID: good-$i"
        expect 200
        [ "$(cat "$DIR/body")" = '{"sum": 1.5, "difference": 1e+300}' ]
    done
    seen >"$DIR/seen"
    expect_json '.requests == 5 and .connections == 1 and
        (.seen | all(.path == "/analyze" and (.body | fromjson) == {"a": 10.5, "b": 3.5}))' <"$DIR/seen"
    expect_json '.seen[4].headers | (map({(.[0]): .[1]}) | add) as $h |
        $h."x-request-id" == "good-5" and ($h."content-type" | startswith("application/json")) and
        ($h | has("expect") | not) and ([.[] | select(.[0] == "traceparent")] | length == 1)' <"$DIR/seen"
    spans_of good-5 >"$DIR/spans"
    expect_json 'length == 3 and (.[] | select(.kind == 1)) as $worker | .[] | select(.kind == 3) |
        .name == "POST" and .parentSpanId == $worker.spanId and ((.status.code // 0) == 0) and
        .attrs."http.request.method".stringValue == "POST" and
        .attrs."server.address".stringValue == "127.0.0.1" and
        (.attrs."server.port".intValue | tonumber) == (env.SINK_PORT | tonumber) and
        .attrs."url.full".stringValue == env.SINK_URL + "/analyze" and
        (.attrs."http.response.status_code".intValue | tonumber) == 200 and
        .attrs."http.request.resend_count" == null and .attrs."error.type" == null' <"$DIR/spans"
    expect_json '.[] | select(.kind == 1) | .attrs."microtrace.breaker.state".stringValue == "closed" and
        .attrs."microtrace.downstream.outcome".stringValue == "success" and
        (.attrs."microtrace.downstream.attempts".intValue | tonumber) == 1 and
        .attrs."worker.sum".doubleValue == 1.5' <"$DIR/spans"
    [ "$(received traceparent)" = "00-$(jq -r '.[] | select(.kind == 3) | "\(.traceId)-\(.spanId)-03"' "$DIR/spans")" ]
    metric_is 'downstream_attempts_total{outcome="success"}' $((before + 5))
}

# misbehaves SINK-JSON STATUS DETAIL ATTEMPTS OUTCOME ERROR-TYPE: one request to such a service.
misbehaves() {
    local how=$1 status=$2 detail=$3 attempts=$4 outcome=$5 type=$6 id exception call
    local attempts_before calls_before errors_before began took
    id=bad-$BATS_TEST_NUMBER-$((BAD_NUMBER += 1))
    case $status in 504) exception=downstream_timeout call=timeout ;; *) exception=downstream_failed call=failed ;; esac
    echo "$how"
    attempts_before=$(metric "downstream_attempts_total{outcome=\"$outcome\"}")
    calls_before=$(metric "downstream_requests_total{outcome=\"$call\"}")
    errors_before=$(metric "errors_total{method=\"POST\",path=\"/analyze\",exception=\"$exception\"}")
    sink "$how"
    began=$(date +%s%N)
    analyze '{"a": 1, "b": 2}' -H "X-Request-ID: $id"
    took=$((($(date +%s%N) - began) / 1000000))
    expect "$status" ". == {\"detail\": \"$detail\"}"
    [ "$(header X-Request-ID)" = "$id" ]
    # Three attempts of 3 s and two pauses; generous, as machines are busy.
    [ "$took" -lt 25000 ] || { echo "it took $took ms" && return 1; }
    [ "$(seen .requests)" -eq "$attempts" ]
    metric_is "downstream_attempts_total{outcome=\"$outcome\"}" $((attempts_before + attempts))
    metric_is "downstream_requests_total{outcome=\"$call\"}" $((calls_before + 1))
    metric_is "errors_total{method=\"POST\",path=\"/analyze\",exception=\"$exception\"}" $((errors_before + 1))
    spans_of "$id" >"$DIR/spans"
    expect_json "[.[] | select(.kind == 3)] | sort_by(.startTimeUnixNano) | length == $attempts and
        all(.status.code == 2 and .attrs.\"error.type\".stringValue == \"$type\") and
        (map(.attrs.\"http.request.resend_count\".intValue // 0 | tonumber) == [range(0; $attempts)])" <"$DIR/spans"
    expect_json "all(.[] | select(.kind != 3); .status.code == 2 and .attrs.\"error.type\".stringValue == \"$exception\")" <"$DIR/spans"
    [ "$(logs ".request_id == \"$id\" and .message == \"attempt_failed\" and .name == \"microtrace.downstream\" and
        .levelname == \"WARNING\" and .outcome == \"$outcome\"" | jq -s -c 'map(.attempt)')" = "$(jq -nc "[range(1; $attempts + 1)]")" ]
    # Each attempt said on the wire which span it was.
    [ "$(seen '[.seen[].headers[] | select(.[0] == "traceparent") | .[1][36:52]] | sort')" = \
        "$(jq -c '[.[] | select(.kind == 3).spanId] | sort' "$DIR/spans")" ]
}

@test "statuses of failure: 502, and again where that makes sense" {
    for status in 502 503 504; do
        misbehaves "{\"mode\": \"status\", \"status\": $status}" 502 'Downstream failed' 3 server_error $status
    done
    misbehaves '{"mode": "status", "status": 429}' 502 'Downstream failed' 3 throttled 429
    for status in 500 501; do
        misbehaves "{\"mode\": \"status\", \"status\": $status}" 502 'Downstream failed' 1 server_error $status
    done
    for status in 400 404 422; do
        misbehaves "{\"mode\": \"status\", \"status\": $status}" 502 'Downstream failed' 1 client_error $status
    done
    # A redirect is not followed.
    misbehaves '{"mode": "status", "status": 302}' 502 'Downstream failed' 1 bad_response bad_response
}

@test "connections that break: 502 after all attempts" {
    for mode in reset close partial; do
        misbehaves "{\"mode\": \"$mode\"}" 502 'Downstream failed' 3 connection_failed connection_failed
    done
}

@test "no answer, or one without end: 504" {
    misbehaves '{"mode": "hang"}' 504 'Downstream timed out' 3 timeout timeout
    misbehaves '{"mode": "drip"}' 504 'Downstream timed out' 3 timeout timeout
}

@test "garbage: 502" {
    for text in '' hello '{}' '[]' '{\"sum\": 1}' '{\"sum\": \"1\", \"difference\": 1}' '{\"sum\": 1e999, \"difference\": 1}'; do
        misbehaves "{\"mode\": \"text\", \"text\": \"$text\"}" 502 'Downstream failed' 1 bad_response bad_response
    done
    misbehaves '{"mode": "noise"}' 502 'Downstream failed' 1 bad_response bad_response
}

@test "100 MB of body, header or chunk extension: 502, and no more memory than for others" {
    local pid before after
    pid=$(analyze_pids)
    before=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status")
    for mode in huge huge_chunked huge_head huge_extension; do
        misbehaves "{\"mode\": \"$mode\"}" 502 'Downstream failed' 1 bad_response bad_response
    done
    misbehaves '{"mode": "text", "text": "'"$(head -c 60000 /dev/zero | tr '\0' '[')"'"}' 502 'Downstream failed' 1 bad_response bad_response
    after=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status")
    echo "peak memory: $before kB before, $after kB after"
    [ $((after - before)) -lt 16384 ]
}

@test "one bad answer among good ones: the retry's result is the answer" {
    sink '{"mode": "status", "status": 503, "count": 1}'
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: once-1'
    expect 200 '. == {"sum": 14, "difference": 7}'
    [ "$(seen .requests)" -eq 2 ]
    spans_of once-1 >"$DIR/spans"
    expect_json '[.[] | select(.kind == 3)] | sort_by(.startTimeUnixNano) | length == 2 and
        .[0].status.code == 2 and ((.[1].status.code // 0) == 0) and
        (.[1].attrs."http.request.resend_count".intValue | tonumber) == 1' <"$DIR/spans"
    expect_json 'all(.[] | select(.kind != 3); (.status.code // 0) == 0)' <"$DIR/spans"
}

@test "Retry-After: honoured, as seconds and as a date; beyond the budget the call ends at once" {
    local gap
    for after in 1 '{"date": 2}'; do
        sink "{\"mode\": \"status\", \"status\": 429, \"retry_after\": $after, \"count\": 1}"
        analyze '{"a": 10.5, "b": 3.5}'
        expect 200 '. == {"sum": 14, "difference": 7}'
        gap=$(seen '.seen | .[1].begin - .[0].end')
        echo "retried after $gap s"
        jq -ne "$gap > 0.9" >/dev/null
    done
    sink '{"mode": "status", "status": 503, "retry_after": 30}'
    analyze '{"a": 1, "b": 2}'
    expect 502
    [ "$(seen .requests)" -eq 1 ]
    sink '{"mode": "status", "status": 503, "retry_after": "9223372036854775807"}'
    analyze '{"a": 1, "b": 2}'
    expect 502
    [ "$(seen .requests)" -eq 1 ]
}

@test "a kept connection that the service has closed since is not a failure: a restart goes unnoticed" {
    local port=$SINK_PORT
    sink '{}'
    analyze '{"a": 1, "b": 2}'
    expect 200
    stop_sinks
    start_sink again "$port"
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: restart-1'
    expect 200
    [ "$(seen .requests)" -eq 1 ]
    expect log --request restart-1 --message attempt_failed --none
}

@test "nobody listens: 502 after all attempts, and DOWNSTREAM_FALLBACK=local computes here" {
    local port
    port=$(free_ports 1)
    stop_instance
    start_instance WORKERS=1 DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="http://127.0.0.1:$port/" DOWNSTREAM_BACKOFF_MS=1-2
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: nobody-1'
    expect 502 '. == {"detail": "Downstream failed"}'
    expect log --request nobody-1 --field outcome=connection_failed --count 3
    stop_instance
    start_instance WORKERS=1 DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="http://127.0.0.1:$port/" \
        DOWNSTREAM_BACKOFF_MS=1-2 DOWNSTREAM_FALLBACK=local BREAKER_OPEN_MS=120000
    for i in 1 2 3; do
        analyze '{"a": 10.5, "b": 3.5}' -H "X-Request-ID: local-$i"
        expect 200
        [ "$(cat "$DIR/body")" = '{"sum": 14.0, "difference": 7.0}' ]
        [ "$(header Retry-After)" = "" ]
    done
    # The first attempts failed, the last call was refused: both fall back, and say so.
    logs '.message == "fallback_used" and .name == "microtrace.downstream"' | jq -s . >"$DIR/lines"
    expect_json 'map(.reason) == ["failed", "breaker_open", "breaker_open"]' <"$DIR/lines"
    spans_of local-3 >"$DIR/spans"
    expect_json 'length == 2 and all(.[]; (.status.code // 0) == 0) and (.[] | select(.kind == 1) |
        .attrs."microtrace.downstream.fallback".stringValue == "local" and
        .attrs."microtrace.downstream.outcome".stringValue == "breaker_open" and
        .attrs."microtrace.breaker.state".stringValue == "open" and .attrs."worker.sum".doubleValue == 14)' <"$DIR/spans"
    metric_is downstream_fallbacks_total 3
}

@test "what is secret in DOWNSTREAM_URL is sent, and in no record" {
    stop_instance
    rm -rf "$STATE" # the breaker may be open
    start_instance WORKERS=1 DOWNSTREAM_ENABLED=true MICROTRACE_REDACT_QUERY=token \
        DOWNSTREAM_URL="http://me:hidden-1@127.0.0.1:$SINK_PORT/analyze?sig=hidden-2&token=hidden-3&x=1"
    sink '{}'
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: secret-1'
    expect 200
    seen | expect_json '.seen[0].path == "/analyze?sig=hidden-2&token=hidden-3&x=1"'
    spans_of secret-1 | expect_json 'any(.[]; .attrs."url.full".stringValue ==
        "http://REDACTED:REDACTED@127.0.0.1:" + env.SINK_PORT + "/analyze?sig=REDACTED&token=REDACTED&x=1")'
    refute grep -rq 'hidden-[123]' "$STATE/spool" "$LOG"
}
