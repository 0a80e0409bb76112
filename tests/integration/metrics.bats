#!/usr/bin/env bats
# Goal: the metrics of the interface are there under their names and labels, count exactly what
# clients saw, and are scraped from the agent whatever the analyze processes do.

load helpers

setup_file() {
    new_folder
    start_instance WORKERS=2
    export INSTANCE
}

teardown_file() {
    remove_folder
}

# grows_by N SERIES COMMAND...: runs the command; the series has to be N higher afterwards.
grows_by() {
    local by=$1 series=$2 before
    shift 2
    before=$(metric "$series")
    "$@"
    wait_until metric_is "$series" "$((before + by))"
}

bad_request() {
    analyze "$1"
    [[ $STATUS == 4* ]]
}

@test "requests_total counts by method, path and status" {
    grows_by 1 'requests_total{method="POST",path="/analyze",status="200"}' analyze '{"a": 1, "b": 2}'
    grows_by 1 'requests_total{method="POST",path="/analyze",status="422"}' analyze '{"a": 1}'
    grows_by 1 'requests_total{method="GET",path="/healthz",status="200"}' request GET /healthz
    grows_by 1 'requests_total{method="GET",path="/analyze",status="405"}' request GET /analyze
    grows_by 1 'errors_total{method="PUT",path="/metrics",exception="method_not_allowed"}' request PUT /metrics
    grows_by 2 'requests_total{method="GET",path="_OTHER",status="404"}' two_unknown_paths
}

two_unknown_paths() {
    request GET /one
    request GET '/two?x=y'
}

@test "what the objectives ask for begins at 0, not with its first event" {
    [ "$(metric 'requests_total{method="POST",path="/analyze",status="504"}')" = 0 ]
    wait_until metric_is 'microtrace_program_workers{program="analyze",state="idle"}' 2
}

# used PROGRAM: whether it has used processor time, and not more than this machine has.
used() {
    local uptime
    read -r uptime _ </proc/uptime
    metric "program_cpu_seconds_total{program=\"$1\"}" |
        awk -v most="$uptime" -v cores="$(nproc)" '{ exit !($1 > 0 && $1 < most * cores) }'
}

@test "processor time and memory of the program, and none of processes that have ended" {
    local memory
    wait_until used analyze
    memory=$(metric 'program_resident_memory_bytes{program="analyze"}')
    [ "$memory" -gt 1000000 ]
    [ "$memory" -lt 2000000000 ]
    grep -q '^# UNIT program_cpu_seconds seconds' <(curl -fsS -m 5 -H 'Accept: application/openmetrics-text' "$AGENT_URL/metrics")
    env MICROTRACE_RUN_DIR="$STATE/run" "$BIN/microtrace" metrics --json program_cpu_seconds_total |
        jq -e '.. | objects | select(.labels? == {"program": "analyze"}) | .value > 0 and .value < 100'
}

@test "an unknown method is _OTHER or refused, never a label of its own" {
    request PROPFIND /nowhere
    refute grep -q 'method="PROPFIND"' <(scrape)
}

@test "errors_total names what went wrong" {
    local type
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="missing"}' bad_request '{"a": 1}'
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="float_type"}' bad_request '{"a": "x", "b": 1}'
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="finite_number"}' bad_request '{"a": 1e308, "b": 1e308}'
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="json_invalid"}' bad_request '{'
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="model_attributes_type"}' bad_request '[]'
    grows_by 1 'errors_total{method="GET",path="_OTHER",exception="not_found"}' request GET /nowhere
    grows_by 1 'errors_total{method="PUT",path="/analyze",exception="method_not_allowed"}' request PUT /analyze
    head -c 70000 /dev/zero >"$DIR/long"
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="body_too_large"}' bad_request "@$DIR/long"
    grows_by 1 'errors_total{method="POST",path="/analyze",exception="unsupported_media_type"}' \
        request POST /analyze -H 'Content-Type: text/plain' -d '{}'
}

@test "the latency histogram has the promised buckets and counts each request" {
    grows_by 1 'request_latency_seconds_count{method="POST",path="/analyze"}' analyze '{"a": 1, "b": 2}'
    scrape >"$DIR/scrape"
    local bounds
    bounds=$(sed -n 's/^request_latency_seconds_bucket{method="POST",path="\/analyze",le="\([^"]*\)"} .*/\1/p' "$DIR/scrape" |
        awk '{ print $1 == "+Inf" ? $1 : $1 + 0 }' | tr '\n' ' ')
    [ "$bounds" = "0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf " ]
    # The buckets are cumulative, and the last is the count.
    awk '/^request_latency_seconds_bucket\{method="POST",path="\/analyze"/ {
            if ($NF < last) exit 1
            last = $NF }
        /^request_latency_seconds_count\{method="POST",path="\/analyze"/ { count = $NF }
        END { exit last != count }' "$DIR/scrape"
}

@test "the worker's own histogram counts what was computed" {
    grows_by 1 worker_latency_seconds_count analyze '{"a": 1, "b": 2}'
    grows_by 0 worker_latency_seconds_count analyze '{"a": 1}'
}

@test "gauges: in progress is 0 at rest, both workers are idle" {
    wait_until metric_is requests_in_progress 0
    wait_until metric_is 'microtrace_workers{state="idle"}' 2
    wait_until metric_is 'microtrace_workers{state="busy"}' 0
    metric_is "microtrace_build_info{version=\"$("$BIN/analyze" --version | awk '{ print $2 }')\"}" 1
}

@test "the spool's written records are counted" {
    # Those of the tests before, too: the agent counts what it finds.
    wait_until metric_is 'microtrace_spool_written_records_total{signal="traces"}' "$(spans | wc -l)"
    grows_by 2 'microtrace_spool_written_records_total{signal="traces"}' analyze '{"a": 1, "b": 2}'
    wait_until metric_is 'microtrace_spool_written_records_total{signal="logs"}' "$(logs | wc -l)"
    grows_by 3 'microtrace_spool_written_records_total{signal="logs"}' analyze '{"a": 1, "b": 2}'
}

@test "the agent's answer: content type, HELP and TYPE before each family, no series twice" {
    curl -sS -D "$DIR/headers" -o "$DIR/scrape" "$AGENT_URL/metrics"
    grep -qi '^Content-Type: text/plain; version=0.0.4; charset=utf-8' "$DIR/headers"
    awk '/^# HELP / { help[$3] = 1 }
        /^# TYPE / { if (!help[$3] || type[$3]++) exit bad = 1; family = $3 }
        /^[^#]/ { name = $1; sub(/\{.*/, "", name)
            if (index(name, family) != 1) exit bad = 1
            series = $0; sub(/ [^ ]*$/, "", series)
            if (seen[series]++) exit bad = 1 }
        END { exit bad }' "$DIR/scrape"
    request GET /metrics
    expect 200
    grep -q '^requests_total{' "$DIR/body"
}

@test "the agent's healthz, and 404 for the rest" {
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$AGENT_URL/healthz")" = 200 ]
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$AGENT_URL/nowhere")" = 404 ]
}

@test "OpenMetrics where the client prefers it" {
    curl -sS -D "$DIR/headers" -o "$DIR/scrape" -H 'Accept: application/openmetrics-text; version=1.0.0' "$AGENT_URL/metrics"
    grep -qi '^Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8' "$DIR/headers"
    [ "$(tail -n 1 "$DIR/scrape")" = '# EOF' ]
    grep -q '^# TYPE requests counter$' "$DIR/scrape"
    grep -q '^requests_total{' "$DIR/scrape"
}

@test "/metrics answers while all analyze processes are stopped" {
    local pids
    pids=$(descendants "$INSTANCE" | while read -r pid; do
        [ "$(cat "/proc/$pid/comm")" != analyze ] || echo "$pid"
    done)
    [ "$(wc -w <<<"$pids")" -eq 2 ]
    # shellcheck disable=SC2086
    kill -STOP $pids
    curl -sS -m 10 -o "$DIR/scrape" "$AGENT_URL/metrics" || true
    curl -sS -m 10 -o "$DIR/proxied" "$URL/metrics" || true
    # shellcheck disable=SC2086
    kill -CONT $pids
    grep -q '^requests_total{' "$DIR/scrape"
    grep -q '^requests_total{' "$DIR/proxied"
}

@test "the agent tells when it started" {
    local now
    now=$(date +%s)
    metric microtrace_agent_start_time_seconds | awk -v now="$now" '{ exit !($1 > now - 600 && $1 <= now + 1) }'
}

@test "a killed process takes nothing with it: counters stay, gauges return" {
    local before victims died
    analyze '{"a": 1, "b": 2}'
    before=$(metric 'requests_total{method="POST",path="/analyze",status="200"}')
    victims=$(descendants "$INSTANCE" | while read -r pid; do
        [ "$(cat "/proc/$pid/comm")" != analyze ] || echo "$pid"
    done)
    died=$(metric microtrace_processes_died_total)
    # Who is asked to end has not died.
    kill -TERM "${victims%%[!0-9]*}"
    wait_until gone "${victims%%[!0-9]*}"
    [ "$(metric microtrace_processes_died_total)" -eq "$died" ]
    wait_until metric_is 'microtrace_workers{state="idle"}' 2
    victims=$(descendants "$INSTANCE" | while read -r pid; do
        [ "$(cat "/proc/$pid/comm")" != analyze ] || echo "$pid"
    done)
    # shellcheck disable=SC2086
    kill -KILL $victims
    # shellcheck disable=SC2086
    wait_until all_gone $victims
    wait_until metric_is microtrace_processes_died_total $((died + 2))
    metric_is 'requests_total{method="POST",path="/analyze",status="200"}' "$before"
    wait_until metric_is 'microtrace_workers{state="idle"}' 2
    wait_until metric_is requests_in_progress 0
    analyze '{"a": 1, "b": 2}'
    expect 200
    metric_is 'requests_total{method="POST",path="/analyze",status="200"}' $((before + 1))
}

@test "a deleted metrics file: idle processes are in the next one without a request" {
    rm "$STATE/run/metrics.mmap"
    wait_until metric_is 'microtrace_workers{state="idle"}' 2
    metric_is 'requests_total{method="GET",path="/healthz",status="200"}' 0
}
