#!/usr/bin/env bats
# Goal: faults come on demand, in all processes, as often and as long as asked for, each of them told
# by a metric, a log line and a span; they repeat with a seed, survive restarts, and touch /analyze
# only.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
    new_folder
    start_instance WORKERS=4
    export INSTANCE
}

teardown_file() {
    remove_folder
}

teardown() {
    chaos reset
}

chaos() {
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" chaos "$@"
}

injected() {
    metric "chaos_injected_total{kind=\"$1\"}"
}

# injected_by REQUEST-ID-PREFIX: prints kind and delay of each fault, in the order of the numbers
# behind the prefix, as the log has them.
# jq 1.7 prints a number as it is written, 110.0; what was computed, as 1.6 does.
injected_by() {
    logs ".message == \"chaos_injected\" and (.request_id | startswith(\"$1-\"))" |
        jq -r '[(.request_id | split("-") | last | tonumber), .kind, ((.delay_ms | numbers | . + 0) // null)] | @tsv' | sort -n
}

# serve PREFIX COUNT: that many analyses, one after the other.
serve() {
    local i
    for ((i = 0; i < $2; i++)); do
        analyze '{"a": 1, "b": 2}' -H "X-Request-ID: $1-$i"
    done
}

analyze_pids() {
    local pid
    for pid in $(descendants "$(cat "$DIR/instance")"); do
        if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = analyze ]; then echo "$pid"; fi
    done
}

workers_are() {
    [ "$(scrape | awk '/^microtrace_workers\{/ { n += $NF } END { print n }')" -eq "$1" ]
}

injects_an_error() {
    analyze '{"a": 1, "b": 2}'
    [ "$(cat "$DIR/body")" = '{"detail":"Injected error"}' ]
}

# cgi PREFIX COUNT [METHOD PATH]: the same as serve, by the plain CGI program beside the instance.
cgi() {
    local i
    for ((i = 0; i < $2; i++)); do
        printf '{"a":1,"b":2}' | env -i PATH="$PATH" MICROTRACE_RUN_DIR="$STATE/run" \
            MICROTRACE_SPOOL_DIR="$STATE/spool" GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
            REQUEST_METHOD="${3:-POST}" SCRIPT_NAME=/microtrace.cgi PATH_INFO="${4:-/analyze}" \
            CONTENT_LENGTH=13 CONTENT_TYPE=application/json HTTP_X_REQUEST_ID="$1-$i" \
            "$BIN/analyze" >"$DIR/answer"
    done
}

@test "off by default, and all series exist" {
    run -0 chaos status
    [[ ${lines[0]} == 'chaos is off, by the environment' ]]
    for kind in delay error abort; do
        [ "$(scrape | grep -c "^chaos_injected_total{kind=\"$kind\"} 0")" -eq 1 ]
    done
    serve quiet 5
    [ "$STATUS" = 200 ]
    [ -z "$(injected_by quiet)" ]
}

@test "20,000 analyses at 5 %: share and distribution; metric, spans and logs agree exactly" {
    chaos on --probability 0.05 --delay-ms 1-3
    timeout 300 "$BUILD/tests/tools/load" "$HTTP_PORT" 16 22300 >"$DIR/seen"
    chaos off
    local analyses delayed
    analyses=$(jq '."200"' "$DIR/seen")
    [ "$analyses" -ge 20000 ]
    delayed=$(injected delay)

    # Six standard deviations of the binomial and of the uniform distribution.
    logs '.message == "chaos_injected"' | jq -r .delay_ms >"$DIR/delays"
    awk -v n="$analyses" '
        function abs(x) { return x < 0 ? -x : x }
        $1 < 1 || $1 >= 3 { print "a delay of " $1 " ms"; bad = 1 }
        { k++; sum += $1; quarter[int(($1 - 1) * 2)]++ }
        END {
            if (abs(k - 0.05 * n) > 6 * sqrt(n * 0.05 * 0.95)) { print k " of " n; bad = 1 }
            if (abs(sum / k - 2) > 6 * 2 / sqrt(12 * k)) { print "mean " sum / k; bad = 1 }
            for (i = 0; i < 4; i++)
                if (abs(quarter[i] - k / 4) > 6 * sqrt(k * 0.25 * 0.75)) {
                    print "quarter " i ": " quarter[i] " of " k; bad = 1
                }
            exit bad
        }' "$DIR/delays"

    [ "$(wc -l <"$DIR/delays")" -eq "$delayed" ]
    spans >"$DIR/spans"
    [ "$(jq -c 'select(.kind == 1 and .attrs."worker.chaos_delay_ms".doubleValue > 0)' "$DIR/spans" | wc -l)" -eq "$delayed" ]
    [ "$(jq -c 'select(.kind == 1 and .attrs."microtrace.chaos.kind".stringValue == "delay")' "$DIR/spans" | wc -l)" -eq "$delayed" ]
    [ "$(jq -c 'select(.kind == 2 and .attrs."microtrace.chaos.kind".stringValue == "delay")' "$DIR/spans" | wc -l)" -eq "$delayed" ]
    [ "$(jq -c 'select(.kind == 1 and .attrs."worker.chaos_enabled".boolValue)' "$DIR/spans" | wc -l)" -eq "$analyses" ]
    # Each span's delay is its log line's, and the span lasted that long.
    jq -r 'select(.kind == 1 and .attrs."worker.chaos_delay_ms".doubleValue > 0) |
        .traceId + " " + (.attrs."worker.chaos_delay_ms".doubleValue | tostring)' "$DIR/spans" | sort >"$DIR/by_span"
    logs '.message == "chaos_injected"' | jq -r '.trace_id + " " + (.delay_ms | tostring)' | sort | diff - "$DIR/by_span"

    # The histogram has every analysis, and no delayed one below its shortest delay.
    metric_is worker_latency_seconds_count "$((analyses + 5))"
    [ "$(($(metric worker_latency_seconds_count) - $(metric 'worker_latency_seconds_bucket{le="0.001"}')))" -ge "$delayed" ]
    metric_is 'request_latency_seconds_count{method="POST",path="/analyze"}' "$((analyses + 5 + $(jq '."422"' "$DIR/seen")))"
}

@test "a delay of each analysis: the histogram's buckets show every one" {
    local below before
    below=$(metric 'worker_latency_seconds_bucket{le="0.1"}')
    before=$(metric worker_latency_seconds_count)
    chaos on --probability 1 --delay-ms 110
    serve slow 4
    [ "$STATUS" = 200 ]
    metric_is 'worker_latency_seconds_bucket{le="0.1"}' "$below"
    metric_is worker_latency_seconds_count "$((before + 4))"
    [ "$(injected_by slow | cut -f 2,3 | sort -u)" = $'delay\t110' ]
    logs '.message == "chaos_injected" and .request_id == "slow-0"' | expect_json '.name == "microtrace.chaos" and
        .levelname == "INFO" and .probability == 1 and .delay_ms == 110 and .kind == "delay"'
}

@test "an error: 500 with detail, a metric, a log line, spans with status Error" {
    local errors requests before
    errors=$(metric 'errors_total{method="POST",path="/analyze",exception="chaos_error"}')
    requests=$(metric 'requests_total{method="POST",path="/analyze",status="500"}')
    before=$(injected error)
    chaos on --error-rate 1 --probability 0
    serve failing 3
    expect 500 '. == {"detail": "Injected error"}'
    [ "$(header X-Request-ID)" = failing-2 ]
    metric_is 'chaos_injected_total{kind="error"}' $((before + 3))
    metric_is 'errors_total{method="POST",path="/analyze",exception="chaos_error"}' $((errors + 3))
    metric_is 'requests_total{method="POST",path="/analyze",status="500"}' $((requests + 3))
    [ "$(injected_by failing | cut -f 2 | grep -c error)" -eq 3 ]
    spans | jq -c 'select(.attrs."microtrace.request_id".stringValue == "failing-2")' >"$DIR/server"
    expect_json '.status.code == 2 and .attrs."error.type".stringValue == "chaos_error" and
        .attrs."microtrace.chaos.kind".stringValue == "error" and
        .attrs."http.response.status_code".intValue == "500"' <"$DIR/server"
    spans | jq -c "select(.kind == 1 and .traceId == $(jq .traceId "$DIR/server"))" |
        expect_json '.status.code == 2 and .attrs."microtrace.chaos.kind".stringValue == "error" and
            .attrs."worker.chaos_enabled".boolValue and .attrs."worker.sum" == null'
}

@test "nothing but /analyze is touched" {
    local path
    chaos on --error-rate 1 --abort-rate 1 --probability 1 --delay-ms 60000
    for path in /healthz /readyz /metrics /docs /openapi.json; do
        request GET "$path"
        expect 200
    done
    request GET /nowhere
    expect 404 '. == {"detail": "Not Found"}'
    request GET /analyze
    expect 405
    analyze '{"a": 1}'
    expect 422
}

@test "an abort: no answer from the process, but its metric, log line and spans; then all is well" {
    local before requests
    wait_until workers_are 4
    before=$(injected abort)
    requests=$(metric 'requests_total{method="POST",path="/analyze",status="200"}')
    chaos on --abort-rate 1 --probability 0
    serve dying 2
    # Another process puts the web server's failure into words.
    expect 500 '. == {"detail": "Internal Server Error"}'
    [ "$(header X-Request-ID)" = dying-1 ]
    chaos off
    metric_is 'chaos_injected_total{kind="abort"}' $((before + 2))
    [ "$(injected_by dying | cut -f 1,2)" = $'0\tabort\n1\tabort' ]
    expect log --request dying-0 --message analyze_response --none
    expect span --request dying-0 --name 'POST /analyze' --status error --attr error.type=chaos_abort \
        --attr microtrace.chaos.kind=abort | expect_json '.attributes | has("http.response.status_code") | not'
    expect span --request dying-0 --name WorkerService.analyze --attr microtrace.chaos.kind=abort
    expect metric requests_in_progress --eq 0
    wait_until workers_are 4
    serve alive 3
    expect 200
    metric_is 'requests_total{method="POST",path="/analyze",status="200"}' $((requests + 3))
}

asleep() {
    chaos status | grep -q "analyses so far: 1$" && [[ $(ps -o stat= -p "$1") == S* ]]
}

@test "a process killed in its delay has neither counted nor logged it" {
    local before shell sleeper
    before=$(injected delay)
    chaos on --probability 1 --delay-ms 60000
    cgi asleep 1 2>"$DIR/killed" 3>&- &
    shell=$!
    wait_until pgrep -P "$shell" -x analyze
    sleeper=$(pgrep -P "$shell" -x analyze)
    wait_until asleep "$sleeper"
    kill -KILL "$sleeper"
    wait_until gone "$sleeper"
    expect metric requests_in_progress --eq 0
    [ "$(injected delay)" = "$before" ]
    [ -z "$(injected_by asleep)" ]
    [ ! -s "$DIR/answer" ]
}

@test "with a seed two runs inject the same faults, another seed others" {
    local on=(on --probability 0.3 --delay-ms 1-3 --error-rate 0.2)
    chaos "${on[@]}" --seed 42
    serve first 40
    chaos "${on[@]}" --seed=42
    serve second 40
    chaos "${on[@]}" --seed 43
    serve third 40
    injected_by first >"$DIR/first"
    [ "$(wc -l <"$DIR/first")" -gt 5 ]
    injected_by second | diff "$DIR/first" -
    refute diff -q <(injected_by third) "$DIR/first"
}

@test "what was set survives the processes" {
    local pids
    chaos on --error-rate 1 --probability 0
    wait_until injects_an_error
    pids=$(analyze_pids)
    [ "$(wc -l <<<"$pids")" -eq 4 ]
    # shellcheck disable=SC2086 # one argument each
    kill -KILL $pids
    wait_until injects_an_error
    wait_until workers_are 4
    wait_until injects_an_error
    chaos status | grep -q '^chaos is on, by what was set at run time'
}

@test "plain CGI has all of it" {
    chaos on --seed 42 --probability 0.3 --delay-ms 1-3 --error-rate 0.2
    serve byfcgi 20
    chaos on --seed 42 --probability 0.3 --delay-ms 1-3 --error-rate 0.2
    cgi bycgi 20
    injected_by byfcgi >"$DIR/byfcgi"
    [ "$(wc -l <"$DIR/byfcgi")" -gt 2 ]
    injected_by bycgi | diff "$DIR/byfcgi" -

    chaos on --error-rate 1
    cgi failing-cgi 1
    grep -q '^Status: 500 ' "$DIR/answer"
    grep -q '^{"detail":"Injected error"}' "$DIR/answer"
    cgi healthy-cgi 1 GET /healthz
    grep -q '^Status: 200 ' "$DIR/answer"

    local before
    before=$(injected abort)
    chaos on --probability 0 --abort-rate 1
    refute cgi dying-cgi 1
    [ ! -s "$DIR/answer" ]
    metric_is 'chaos_injected_total{kind="abort"}' $((before + 1))
    [ "$(injected_by dying-cgi | cut -f 2 | tail -n 1)" = abort ]
}

@test "status says what holds and why" {
    chaos on --probability 0.25 --delay-ms 5-10 --error-rate 0.125 --abort-rate 0 --seed 9
    run -0 chaos status
    [ "$output" = 'chaos is on, by what was set at run time
  delay: probability 0.25, 5-10 ms
  error: rate 0.125
  abort: rate 0
  seed: 9
  analyses so far: 0
environment (CHAOS_*): off
run time wins until microtrace chaos reset' ]
    chaos status --json | expect_json '. == {
        on: true, run_time_forbidden: false, damaged: false, analyses: 0,
        run_time: {state: "on", probability: 0.25, delay_low_ms: 5, delay_high_ms: 10,
                   error_rate: 0.125, abort_rate: 0, seed: 9},
        environment: {state: "off"}}'
    run -0 chaos off
    [ "${lines[0]}" = 'chaos is off, by what was set at run time' ]
    run -0 chaos reset
    [ "$output" = 'chaos is off, by the environment
environment (CHAOS_*): off' ]
}

@test "on with error or abort rates alone delays nothing" {
    run -0 chaos on --error-rate 0.5
    [ "${lines[1]}" = '  delay: probability 0, 100-200 ms' ]
    run -0 chaos on --abort-rate 0.5 --delay-ms 1-2s
    [ "${lines[1]}" = '  delay: probability 0.05, 1000-2000 ms' ]
    run -0 chaos on
    [ "${lines[1]}" = '  delay: probability 0.05, 100-200 ms' ]
    chaos reset
}

@test "what can't be used is refused, and changes nothing" {
    local arguments
    chaos on --probability 0 --seed 5
    chaos status >"$DIR/before"
    for arguments in "" never "on 0.5" "on --probability" "on --probability 1.5" "on --probability x" "on --probability=" \
        "on --delay-ms 3-1" "on --delay-ms 60001" "on --delay-ms 1.5" "on --error-rate -1" "on --abort-rate nan" \
        "on --seed -1" "on --seed 1e3" "on --what 1" "off --seed 1" "status now"; do
        # shellcheck disable=SC2086 # one argument each
        run -2 --separate-stderr chaos $arguments
        [ -z "$output" ]
        [[ $stderr == 'microtrace chaos: '* ]]
        [ "${#stderr_lines[@]}" -eq 1 ]
    done
    run -2 chaos on --probability 1.5
    [[ $output == *--probability*1.5*'from 0 to 1'* ]]
    chaos status | diff "$DIR/before" -
}

@test "no metrics file: exit 1 and a line that says so" {
    local action
    mkdir -p "$DIR/empty"
    for action in on off reset status; do
        MICROTRACE_RUN_DIR=$DIR/empty run -1 "$BIN/microtrace" chaos "$action"
        [[ $output == "microtrace chaos: $DIR/empty/metrics.mmap: missing"* ]]
    done
    [ -z "$(ls "$DIR/empty")" ]
}

@test "damaged words switch nothing on; it is said once, and reset mends them" {
    local told
    # What would be a set of errors for every second request, but for its check.
    set_word 26 $((2 << 60 | 500000000))
    set_word 27 0
    set_word 28 7
    set_word 30 7
    set_word 31 7
    set_word 16 1000001
    serve spoilt 20
    [ -z "$(injected_by spoilt)" ]
    told=$(grep -c 'the chaos words are damaged and count as off; microtrace chaos reset mends them' "$LOG")
    [ "$told" -eq 1 ]
    run -0 chaos status
    [ "${lines[0]}" = 'chaos is off: what was set at run time is damaged' ]
    chaos reset
    run -0 chaos status
    [ "${lines[0]}" = 'chaos is off, by the environment' ]
    chaos on --error-rate 1
    injects_an_error
    # Any bytes.
    for ((i = 16; i < 32; i++)); do set_word "$i" 0xFFFFFFFFFFFFFFFF; done
    serve erased 8
    [ -z "$(injected_by erased)" ]
    chaos on --error-rate 1
    injects_an_error
}

@test "CHAOS_RUNTIME=forbid: on is refused, and what is in the words all the same has no effect" {
    chaos on --error-rate 1
    injects_an_error
    stop_instance
    start_instance WORKERS=2 CHAOS_RUNTIME=forbid
    serve forbidden 4
    expect 200
    [ -z "$(injected_by forbidden)" ]
    run -1 --separate-stderr chaos on --error-rate 1
    [ -z "$output" ]
    [ "$stderr" = "microtrace chaos: refused: CHAOS_RUNTIME=forbid is set for the instance in $STATE/run" ]
    serve forbidden 4
    [ -z "$(injected_by forbidden)" ]
    run -0 chaos status
    [ "$output" = 'chaos is off, by the environment
environment (CHAOS_*): off
run time is forbidden (CHAOS_RUNTIME)' ]
    chaos reset
    CHAOS_RUNTIME=no run -2 "$BIN/analyze" --check
    [[ $output == 'analyze: CHAOS_RUNTIME: "no" can'"'"'t be used; it takes allow or forbid' ]]
    stop_instance
    start_instance WORKERS=4
    CHAOS_RUNTIME=forbid run -1 chaos on
    [[ $output == *CHAOS_RUNTIME* ]]
    chaos on --error-rate 1
    injects_an_error
}

# Last: it starts the instance again.
@test "CHAOS_* in the environment: status, seed, and run time over it" {
    local environment=(WORKERS=3 CHAOS_ENABLED=true CHAOS_PROBABILITY=0.5 CHAOS_DELAY_MS=1-3 CHAOS_SEED=11) name
    stop_instance
    start_instance "${environment[@]}"
    serve env1 30
    chaos status >"$DIR/status"
    grep -q '^chaos is on, by the environment' "$DIR/status"
    grep -q 'analyses so far: 30' "$DIR/status"
    grep -q 'probability 0.5, 1-3 ms' "$DIR/status"
    stop_instance
    start_instance "${environment[@]}"
    serve env2 30
    injected_by env1 >"$DIR/env1"
    [ "$(wc -l <"$DIR/env1")" -gt 5 ]
    injected_by env2 | diff "$DIR/env1" -

    chaos off
    serve env3 30
    [ -z "$(injected_by env3)" ]
    chaos reset
    serve env4 30
    injected_by env4 | diff "$DIR/env1" -

    # Without a seed each process draws its own.
    for name in drawn1 drawn2; do
        stop_instance
        start_instance "${environment[@]}" CHAOS_SEED=0
        serve $name 30
        injected_by $name >"$DIR/$name"
        [ -s "$DIR/$name" ]
    done
    refute diff -q "$DIR/drawn1" "$DIR/drawn2"
}
