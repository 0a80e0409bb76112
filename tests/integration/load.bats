#!/usr/bin/env bats
# Goal: under load by many clients over several processes, metrics, spans and log lines each agree
# exactly with what the clients saw.

load helpers

setup_file() {
    new_folder
    start_instance WORKERS=4
    export INSTANCE
    timeout 300 "$BUILD/tests/tools/load" "$HTTP_PORT" 16 10000 >"$DIR/seen"
}

teardown_file() {
    remove_folder
}

seen() {
    jq ".\"$1\"" "$DIR/seen"
}

@test "the clients had 10,000 right answers, every tenth an error" {
    expect_json '."200" == 9000 and ."422" + ."404" == 1000 and .json_invalid > 0 and .missing > 0 and
        .float_type > 0 and .not_found > 0 and .retried == 0' <"$DIR/seen"
}

@test "requests_total agrees" {
    metric_is 'requests_total{method="POST",path="/analyze",status="200"}' "$(seen 200)"
    metric_is 'requests_total{method="POST",path="/analyze",status="422"}' "$(seen 422)"
    metric_is 'requests_total{method="POST",path="_OTHER",status="404"}' "$(seen 404)"
    [ "$(scrape | awk '/^requests_total\{/ { n += $NF } END { print n }')" -eq 10000 ]
}

@test "the histogram's counts agree" {
    metric_is 'request_latency_seconds_count{method="POST",path="/analyze"}' "$(($(seen 200) + $(seen 422)))"
    metric_is 'request_latency_seconds_count{method="POST",path="_OTHER"}' "$(seen 404)"
    metric_is worker_latency_seconds_count "$(seen 200)"
}

@test "errors_total agrees, kind by kind" {
    local kind
    for kind in json_invalid missing float_type; do
        metric_is "errors_total{method=\"POST\",path=\"/analyze\",exception=\"$kind\"}" "$(seen $kind)"
    done
    metric_is 'errors_total{method="POST",path="_OTHER",exception="not_found"}' "$(seen not_found)"
    [ "$(scrape | awk '/^errors_total\{/ { n += $NF } END { print n }')" -eq 1000 ]
}

@test "the spans agree: one server span a request, one child for each good one" {
    spans >"$DIR/spans"
    [ "$(jq -c 'select(.kind == 2)' "$DIR/spans" | wc -l)" -eq 10000 ]
    [ "$(jq -r 'select(.kind == 2).attrs."microtrace.request_id".stringValue' "$DIR/spans" | sort -u | wc -l)" -eq 10000 ]
    [ "$(jq -c 'select(.kind == 1)' "$DIR/spans" | wc -l)" -eq "$(seen 200)" ]
    [ "$(jq -r .spanId "$DIR/spans" | sort -u | wc -l)" -eq $((10000 + $(seen 200))) ]
    # Each child's parent is a server span of its trace.
    jq -r 'select(.kind == 1) | .traceId + " " + .parentSpanId' "$DIR/spans" | sort >"$DIR/parents"
    jq -r 'select(.kind == 2 and .attrs."http.response.status_code".intValue == "200") | .traceId + " " + .spanId' \
        "$DIR/spans" | sort | diff - "$DIR/parents"
}

@test "the log lines agree" {
    spooled logs >"$DIR/logs"
    [ "$(grep -c '"message":"request_completed"' "$DIR/logs")" -eq 10000 ]
    [ "$(grep -c '"message":"analyze_response"' "$DIR/logs")" -eq "$(seen 200)" ]
    [ "$(grep -c '"message":"validation_failed"' "$DIR/logs")" -eq "$(seen 422)" ]
    [ "$(jq -r 'select(.message == "request_completed").request_id' "$DIR/logs" | sort -u | wc -l)" -eq 10000 ]
}

@test "the books say the same as the spool" {
    wait_until metric_is 'microtrace_spool_written_records_total{signal="traces"}' "$((10000 + $(seen 200)))"
    wait_until metric_is 'microtrace_spool_written_records_total{signal="logs"}' "$(spooled logs | wc -l)"
}
