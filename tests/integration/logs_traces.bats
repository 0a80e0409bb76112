#!/usr/bin/env bats
# Goal: one request id and one trace tie together the answer, the log lines and the spans of a
# request; a caller's trace is continued; the lines have the promised form.

load helpers

setup_file() {
    new_folder
    start_instance WORKERS=2 LOG_LEVEL=DEBUG OTEL_SERVICE_NAME=shop \
        OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test,team=a%20b
}

teardown_file() {
    remove_folder
}

# trace_of REQUEST-ID, spans_of REQUEST-ID. What has been answered is in the spool: nothing here has
# to wait.
trace_of() {
    logs ".request_id == \"$1\"" | jq -rs '.[0].trace_id'
}

spans_of() {
    spans | jq -c "select(.traceId == \"$(trace_of "$1")\")"
}

@test "a good request: its log lines, in order, with their fields" {
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: good-1' -H 'User-Agent: bats/1'
    expect 200
    logs '.request_id == "good-1"' | jq -s . >"$DIR/lines"
    expect log --request good-1 --count 4
    expect log --request good-1 --message analyze_request --level INFO --field name=microtrace.api --field input_a=10.5 --field input_b=3.5
    expect log --request good-1 --message analyze_response --field name=microtrace.api --field sum=14 --field difference=7
    expect log --request good-1 --message analysis_completed --level DEBUG --field name=microtrace.worker
    expect_json '.[-1] | .message == "request_completed" and .name == "microtrace.request" and .levelname == "INFO" and
        .method == "POST" and .path == "/analyze" and .status_code == 200 and .client == "127.0.0.1" and
        .user_agent == "bats/1" and (.elapsed_ms | type == "number" and . > 0)' <"$DIR/lines"
    expect_json 'all(.asctime | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"))' <"$DIR/lines"
    expect_json '[.[].trace_id] | unique | length == 1 and (.[0] | test("^[0-9a-f]{32}$"))' <"$DIR/lines"
    expect_json 'all(.span_id | test("^[0-9a-f]{16}$"))' <"$DIR/lines"
}

@test "the fixed keys come first, in their order" {
    logs | jq -c 'keys_unsorted[:7]' | sort -u >"$DIR/keys"
    [ "$(cat "$DIR/keys")" = '["asctime","levelname","name","message","request_id","trace_id","span_id"]' ]
}

@test "a bad request: a warning with the errors" {
    analyze '{"a": "x"}' -H 'X-Request-ID: bad-1'
    expect 422
    expect log --request bad-1 --message validation_failed --level WARNING | expect_json '.errors | length == 2'
    expect log --request bad-1 --message request_completed --field status_code=422
    expect log --request bad-1 --message analyze_response --none
}

@test "the server span and its child" {
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: span-1' -H 'User-Agent: bats/1'
    spans_of span-1 | jq -s . >"$DIR/spans"
    expect_json 'length == 2' <"$DIR/spans"
    expect_json '.[] | select(.name == "POST /analyze") | .kind == 2 and ((.parentSpanId // "") == "") and
        (.traceId | test("^[0-9a-f]{32}$")) and (.spanId | test("^[0-9a-f]{16}$")) and
        ((.status.code // 0) == 0) and
        .attrs."http.request.method".stringValue == "POST" and
        .attrs."http.route".stringValue == "/analyze" and
        .attrs."url.path".stringValue == "/analyze" and
        .attrs."url.scheme".stringValue == "http" and
        (.attrs."http.response.status_code".intValue | tonumber) == 200 and
        .attrs."microtrace.request_id".stringValue == "span-1"' <"$DIR/spans"
    expect_json '(.[] | select(.name == "POST /analyze")) as $server |
        .[] | select(.name == "WorkerService.analyze") | .kind == 1 and
        .parentSpanId == $server.spanId and .traceId == $server.traceId and
        .attrs."worker.input_a".doubleValue == 10.5 and .attrs."worker.input_b".doubleValue == 3.5 and
        .attrs."worker.sum".doubleValue == 14 and .attrs."worker.difference".doubleValue == 7 and
        .attrs."worker.chaos_enabled".boolValue == false and
        (.startTimeUnixNano | tonumber) >= ($server.startTimeUnixNano | tonumber) and
        (.endTimeUnixNano | tonumber) <= ($server.endTimeUnixNano | tonumber)' <"$DIR/spans"
}

@test "log lines name the span that was active" {
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: active-1'
    local server worker
    server=$(expect span --request active-1 --name 'POST /analyze' | jq -r .span_id)
    worker=$(expect span --request active-1 --name WorkerService.analyze | jq -r .span_id)
    expect log --request active-1 --message request_completed --field span_id="$server"
    expect log --request active-1 --message analysis_completed --field span_id="$worker"
}

@test "a caller's traceparent and tracestate are continued" {
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: joined-1' \
        -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' -H 'tracestate: vendor=x'
    local trace=0af7651916cd43dd8448eb211c80319c
    expect span --request joined-1 --trace "$trace" --count 2
    expect span --request joined-1 --name 'POST /analyze' |
        expect_json '.parent_span_id == "b7ad6b7169203331" and .trace_state == "vendor=x"'
    expect log --request joined-1 --trace "$trace" --count 4
    [ "$(header X-Request-ID)" = joined-1 ]
}

@test "a caller that does not sample: log lines, no spans" {
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: unsampled-1' \
        -H 'traceparent: 00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
    expect log --request unsampled-1 --trace 1af7651916cd43dd8448eb211c80319c --count 4
    expect span --trace 1af7651916cd43dd8448eb211c80319c --none
}

@test "an invalid traceparent starts a new trace and drops tracestate" {
    local bad n=0
    for bad in 00-00000000000000000000000000000000-b7ad6b7169203331-01 \
        00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01 \
        ff-2af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 \
        00-2AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01 \
        00-2af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x \
        00-2af7651916cd43dd8448eb211c80319c-b7ad6b7169203331 x ''; do
        n=$((n + 1))
        analyze '{"a": 1, "b": 2}' -H "X-Request-ID: new-$n" -H "traceparent: $bad" -H 'tracestate: vendor=x'
        spans_of "new-$n" | jq -s . >"$DIR/spans"
        expect_json 'length == 2 and all(.traceId != "2af7651916cd43dd8448eb211c80319c" and
            .traceId != "0af7651916cd43dd8448eb211c80319c" and ((.traceState // "") == ""))' <"$DIR/spans"
        expect_json '.[] | select(.kind == 2) | (.parentSpanId // "") == ""' <"$DIR/spans"
    done
}

@test "two traceparent headers start a new trace" {
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: two-1' \
        -H 'traceparent: 00-3af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' \
        -H 'traceparent: 00-4af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    spans_of two-1 | jq -s . >"$DIR/spans"
    expect_json 'length == 2 and all(.traceId | startswith("3af") or startswith("4af") | not)' <"$DIR/spans"
}

@test "the resource: service, version, instance, host and what the environment adds" {
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: resource-1'
    spans_of resource-1 | jq -s '[.[].resource.attributes[]] | map({(.key): .value.stringValue}) | add' >"$DIR/resource"
    expect_json '."service.name" == "shop" and ."service.version" != null and ."service.instance.id" != null and
        ."host.name" != null and ."deployment.environment" == "test" and .team == "a b"' <"$DIR/resource"
    # Each log line of the request ends with the same.
    logs '.request_id == "resource-1"' | jq -s . >"$DIR/lines"
    expect_json "length == 4 and all(keys_unsorted[-1] == \"resource\" and .resource == $(cat "$DIR/resource"))" <"$DIR/lines"
}

@test "health checks and scrapes make no spans; other errors do, with status unset" {
    request GET /healthz -H 'X-Request-ID: quiet-1'
    request GET /readyz -H 'X-Request-ID: quiet-2'
    expect span --request quiet-1 --none
    expect span --request quiet-2 --none
    expect log --request quiet-1 --message request_completed --count 1
    request GET /nowhere -H 'X-Request-ID: lost-1'
    expect span --request lost-1 --name GET --status unset --attr url.path=/nowhere --count 1 |
        expect_json '.attributes | has("http.route") | not'
}

@test "hostile paths and user agents stay valid JSON" {
    request GET '/"\%22%0d%ff' -H 'X-Request-ID: hostile-1' -H $'User-Agent: "\xff\\ \xc3(' --path-as-is
    request GET '/%ff%fe%22?q="' -H 'X-Request-ID: hostile-2' -H $'User-Agent: \xed\xa0\x80'
    spooled logs | iconv -f UTF-8 -t UTF-8 >/dev/null
    spooled traces | iconv -f UTF-8 -t UTF-8 >/dev/null
    expect log --request hostile-2 --message request_completed --field path=/%ff%fe%22 --count 1
    spans >/dev/null
}

@test "MICROTRACE_LOG_STDERR prints the lines on stderr too" {
    stop_instance
    start_instance WORKERS=1 MICROTRACE_LOG_STDERR=true LOG_LEVEL=WARNING
    analyze '{"a": 1}' -H 'X-Request-ID: stderr-1'
    wait_until grep -q '"message":"validation_failed","request_id":"stderr-1"' "$LOG"
    refute grep -q '"message":"request_completed","request_id":"stderr-1"' "$LOG"
    expect log --request stderr-1 --level INFO --none
    # The line is the spool's without who wrote it.
    spooled logs | grep '"request_id":"stderr-1"' | sed 's/,"resource":{[^{}]*}}$/}/' >"$DIR/lines"
    diff "$DIR/lines" <(grep '"request_id":"stderr-1"' "$LOG")
}

@test "chaos mode: delays, says so in metric, log and span" {
    stop_instance
    start_instance WORKERS=1 CHAOS_ENABLED=true CHAOS_PROBABILITY=1 CHAOS_DELAY_MS=30-40
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: chaos-1'
    expect 200
    expect log --request chaos-1 --message chaos_injected --field name=microtrace.chaos --field probability=1 --count 1 |
        expect_json '.delay_ms >= 30 and .delay_ms <= 40'
    expect span --request chaos-1 --name WorkerService.analyze --attr worker.chaos_enabled=true |
        expect_json '.attributes["worker.chaos_delay_ms"] >= 30 and .duration_ms >= 30'
    expect metric 'chaos_injected_total{kind=~"[a-z_]+"}' --ge 1
}

@test "OTEL_SDK_DISABLED: no spans and no log lines; metrics and the caller's context go on" {
    stop_instance
    rm -rf "$STATE/spool"
    start_instance WORKERS=1 OTEL_SDK_DISABLED=true
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: disabled-1'
    expect 200
    [ "$(header X-Request-ID)" = disabled-1 ]
    [ -z "$(find "$STATE/spool" -name '*.jsonl')" ]
    [ "$(metric 'requests_total{method="POST",path="/analyze",status="200"}')" -ge 1 ]
}

@test "only true switches chaos on; a sampler that is off makes no spans" {
    stop_instance
    start_instance WORKERS=1 CHAOS_ENABLED=1 CHAOS_PROBABILITY=1 OTEL_TRACES_SAMPLER=always_off
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: off-1'
    expect 200
    expect log --request off-1 --message chaos_injected --none
    expect span --request off-1 --none
    expect log --request off-1 --count 3
}
