#!/usr/bin/env bats
# Goal: `microtrace metrics` prints the same numbers as a scrape of the agent, in the same bytes, and
# of the chosen metrics only if names are given.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
    new_folder
    start_instance WORKERS=2
    export INSTANCE
    analyze '{"a": 1, "b": 2}'
    analyze '{"a": 1}'
}

teardown_file() {
    remove_folder
}

metrics() {
    "$BIN/microtrace" metrics --state "$STATE" "$@"
}

# without_age: the age of the oldest record grows from one look to the next.
without_age() {
    grep -v '^microtrace_spool_oldest_record_age_seconds{'
}

# same_as_agent FORM ACCEPT: as soon as the agent has counted what the requests have left.
same_as_agent() {
    curl -sS -m 10 -H "Accept: $2" "$AGENT_URL/metrics" | without_age >"$DIR/agent"
    metrics "$1" | without_age >"$DIR/command"
    cmp "$DIR/agent" "$DIR/command"
}

@test "--prometheus and --openmetrics are byte for byte what the agent serves" {
    wait_until same_as_agent --prometheus '*/*'
    grep -q '^requests_total{method="POST",path="/analyze",status="200"} 1.0$' "$DIR/command"
    wait_until same_as_agent --openmetrics application/openmetrics-text
    grep -q 'request_latency_seconds_bucket.* # {trace_id="' "$DIR/command"
    [ "$(tail -n 1 "$DIR/command")" = "# EOF" ]
}

@test "NAME and patterns choose, in every form" {
    run -0 metrics requests_total
    [[ $output == "requests_total  counter"* ]]
    [[ $output != *latency* && $output != *instance* ]]
    run -0 metrics requests_total --json
    expect_json '[.families[].name] == ["requests_total"]' <<<"$output"
    run -0 metrics --prometheus 'request*' microtrace_metrics_series
    [ "$(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' <<<"$output" | grep -v '^request')" = microtrace_metrics_series ]
    # By OpenMetrics' name of a counter too.
    run -0 metrics --openmetrics requests
    [ "$(grep -c '^# TYPE' <<<"$output")" -eq 1 ]
    [[ $output == *'requests_total{'*'# EOF' ]]
}

@test "a NAME that nothing has, and two forms at once, are refused" {
    run -1 metrics requests_totals
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"$STATE/run/metrics.mmap has no metric requests_totals" ]]
    run -2 metrics --json --prometheus
    run -2 metrics --yaml
}

@test "no instance: one line says where it looked, and what to do" {
    local command
    mkdir -p "$DIR/empty/run"
    for command in metrics 'chaos status' 'breaker status' 'spool status' 'spool tail' 'spool verify'; do
        # shellcheck disable=SC2086 # two words
        run -1 "$BIN/microtrace" --state "$DIR/empty" $command
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == *"$DIR/empty/"*"; start an instance, or name the one that you mean by --state DIR" ]] ||
            { echo "$output" && false; }
    done
}

# value SERIES: what the command says, 0 if it has none.
value() {
    metrics --prometheus | awk -v series="$1" '
        index($0, series " ") == 1 { value = $NF } END { printf "%.15g\n", value }'
}

books_are() {
    [ "$(value 'microtrace_spool_written_records_total{signal="logs"}')" -eq "$1" ] &&
        [ "$(value 'microtrace_spool_backlog_records{signal="logs"}')" -eq "$1" ] &&
        [ "$(value 'microtrace_spool_bytes{signal="logs"}')" -eq "$(stat -c %s "$STATE/spool/logs.jsonl")" ]
}

older_than() {
    awk -v age="$(value 'microtrace_spool_oldest_record_age_seconds{signal="logs"}')" -v than="$1" \
        'BEGIN { exit !(age > than) }'
}

@test "the agent's own series are up to date although nobody scrapes" {
    local i
    stop_instance
    start_instance WORKERS=2
    for i in {1..20}; do
        analyze "{\"a\": $i, \"b\": 2}"
    done
    wait_until books_are "$(spooled logs | wc -l)"
    # Nothing is written any more, and what waits grows older.
    wait_until older_than "$(value 'microtrace_spool_oldest_record_age_seconds{signal="logs"}')"
}
