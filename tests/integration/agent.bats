#!/usr/bin/env bats
# The agent against a sink that misbehaves: every record that a writer appended comes out exactly
# once in the books, and at least once at the sink, whatever happens in between.

bats_require_minimum_version 1.5.0

load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

@test "spans and logs arrive as they were written, and the books balance" {
    start_sink
    start_agent
    "$TOOL" spool traces t 3000 3 >>written
    "$TOOL" spool logs l 3000 1 50 once >>written
    until_true 20 nothing_waits traces
    until_true 20 nothing_waits logs
    everything_arrived --duplicate-requests 0
    books traces 3000
    books logs 3000
    [ "$(wc -l <dump)" = 6000 ]
    [ "$(sink_number signals.traces.most_open)" = 1 ]
}

@test "gzip, headers and per-signal endpoints" {
    start_sink
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_COMPRESSION=gzip
        OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:$SINK_PORT/v1/traces"
        "OTEL_EXPORTER_OTLP_HEADERS=x-tenant=a%20b,authorization=Bearer%20c")
    start_agent
    "$TOOL" spool traces t 500 5 >>written
    until_true 20 nothing_waits traces
    everything_arrived
    [ "$(sink_number headers.x-tenant)" = "a b" ]
    [ "$(sink_number headers.authorization)" = "Bearer c" ]
    [ "$(sink_number headers.Content-Encoding)" = gzip ]
}

@test "headers from a file: no secret in an environment or a message, followed when they change" {
    start_sink
    printf 'x-tenant=a%%20b\nauthorization=Bearer%%20hush-1\n' >headers
    chmod 640 headers
    ENVIRONMENT=("OTEL_EXPORTER_OTLP_HEADERS_FILE=$PWD/headers")
    start_agent
    "$TOOL" spool traces t 100 5 >>written
    until_true 20 nothing_waits traces
    [ "$(sink_number headers.x-tenant)" = "a b" ]
    [ "$(sink_number headers.authorization)" = "Bearer hush-1" ]
    ! tr '\0' '\n' <"/proc/$AGENT_PID/environ" | grep -q hush || return 1
    # Renamed into its place, as a secret is renewed; a member that can't be used is left out.
    printf 'authorization=Bearer%%20hush-2,hush-3' >headers.new
    mv headers.new headers
    "$TOOL" spool traces u 100 5 >>written
    until_true 20 nothing_waits traces
    [ "$(sink_number headers.authorization)" = "Bearer hush-2" ]
    grep -q "OTEL_EXPORTER_OTLP_HEADERS_FILE: a member can't be used" agent.log
    # Gone: the last ones stay.
    rm headers
    "$TOOL" spool traces v 100 5 >>written
    until_true 20 nothing_waits traces
    [ "$(sink_number headers.authorization)" = "Bearer hush-2" ]
    [ "$(grep -c "OTEL_EXPORTER_OTLP_HEADERS_FILE: $PWD/headers: No such file or directory; the headers read before stay" agent.log)" -eq 1 ]
    ! grep -q hush agent.log || return 1
    everything_arrived
}

@test "sink away, refusing, hanging, closing and back: nothing is lost" {
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TIMEOUT=3000)
    start_agent
    "$TOOL" spool traces down 2000 4 >>written
    until_true 10 grep -q 'trying again' agent.log
    start_sink
    until_true 30 nothing_waits traces
    local way
    for way in '{"mode":"hang","count":1}' '{"mode":"close","count":1}' \
        '{"mode":"close","keep":true,"count":1}' '{"mode":"status","status":429,"count":1}' \
        '{"mode":"status","status":503,"retry_after":"1","count":1}' \
        '{"mode":"status","status":502,"retry_after":{"date":2},"count":1}' \
        '{"mode":"oversize","count":1}' '{"mode":"malformed","count":1}' '{"mode":"slow","count":1}'; do
        sink_answers "$way"
        "$TOOL" spool traces "w$((RANDOM))-${#way}" 300 3 >>written
        until_true 30 nothing_waits traces
    done
    everything_arrived
    books traces "$(wc -l <written)"
}

@test "a partial success is counted and not sent again" {
    start_sink
    start_agent
    sink_answers '{"mode":"partial","rejected":3,"count":1}'
    "$TOOL" spool traces t 20 20 >>written
    until_true 20 nothing_waits traces
    [ "$(outcome traces rejected)" = 3 ]
    [ "$(outcome traces delivered)" = 17 ]
    [ "$(sink_number signals.traces.requests)" = 1 ]
    books traces 20
}

@test "an endpoint that answers 400 to everything keeps the records in the spool" {
    start_sink
    start_agent
    sink_answers '{"mode":"status","status":400}'
    "$TOOL" spool traces t 100 100 >>written
    until_true 20 grep -q 'keeping the records' agent.log
    [ "$(outcome traces quarantined)" -le 4 ]
    books traces 100
}

@test "401 is held and said once" {
    start_sink
    start_agent
    sink_answers '{"mode":"status","status":401,"count":1}'
    "$TOOL" spool traces t 100 10 >>written
    until_true 20 nothing_waits traces
    everything_arrived
    [ "$(grep -c 'HTTP 401' agent.log)" = 1 ]
    [ "$(grep -c 'delivering again' agent.log)" = 1 ]
}

@test "hostile lines are set aside and counted, their neighbours delivered" {
    start_sink
    "$TOOL" spool traces a 5 >>written
    {
        printf '{"resourceSpans":[{"resource":{"attr\n'
        printf 'not json\n'
        printf '{"other":1}\n'
        printf '\n\n'
        printf '{"resourceSpans":[{"x":"\xff"}]}\n'
        printf '{"resourceSpans":[{"x":"\0"}]}\n'
        head -c 17000000 /dev/zero | tr '\0' x
        printf '\n'
        printf '{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"str'
    } >>spool/traces.jsonl
    # Another writer, that had the file open, knows nothing of the torn line before its own.
    "$TOOL" other traces joined 1 >>written || true
    mkdir other
    "$TOOL" other traces joined 1 >>written
    cat other/traces.jsonl >>spool/traces.jsonl
    "$TOOL" spool traces b 5 >>written
    start_agent
    until_true 20 nothing_waits traces
    everything_arrived
    [ "$(dropped traces torn)" = 2 ]
    [ "$(outcome traces quarantined)" = 5 ]
    grep -q '"reason":"oversize","detail":"","length":17000000' spool/traces.quarantine.jsonl
    grep -q '"reason":"utf8"' spool/traces.quarantine.jsonl
    grep -q '"reason":"control"' spool/traces.quarantine.jsonl
    books traces 18
}

spool_bytes_within() {
    [ "$(find spool -name '*.jsonl' -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')" -le "$1" ]
}

@test "at the cap the oldest segments go, and are counted" {
    SINK_PORT=1
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=600000 OTEL_EXPORTER_OTLP_ENDPOINT=)
    SEGMENT=40000 start_agent
    "$TOOL" spool traces t 3000 2 2000 >>written
    until_true 20 spool_bytes_within 640000
    books traces 3000
    [ "$(dropped traces cap)" -gt 1500 ]
    until_true 20 newest_of_3000_are_left
}

# Without a gap, and no others.
newest_of_3000_are_left() {
    cat spool/traces*.jsonl | python3 -c '
import json, sys
left = sorted(int(json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"][2:])
              for line in sys.stdin)
assert left == list(range(int(sys.argv[1]), 3000)), (left[0], len(left), sys.argv)' \
        "$(dropped traces cap)"
}

@test "at the cap an active file that is all there is goes too" {
    SINK_PORT=1
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=65536 OTEL_EXPORTER_OTLP_ENDPOINT=)
    SEGMENT=16777216 start_agent
    "$TOOL" spool traces t 600 10 >>written
    until_true 20 spool_bytes_within 65536
    books traces 600
}

some_dropped_for_the_cap() { [ "$(dropped traces cap)" -gt 0 ]; }

@test "at the cap the batch in hand goes with its segment, and the next one is sent" {
    start_sink
    sink_answers '{"mode":"hang"}'
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=65536)
    SEGMENT=4096 start_agent
    "$TOOL" spool traces t 10 2 1000 >>written
    until_true 10 eval '[ "$(sink_number signals.traces.requests)" -gt 0 ]'
    # In many segments: all of it in one would go as one.
    for i in {1..10}; do
        "$TOOL" spool traces "u$i" 10 2 >>written
        until_true 20 active_is_below 4096
    done
    until_true 20 some_dropped_for_the_cap
    sink_answers '{}'
    until_true 20 nothing_waits traces
    books traces 110
    [ "$(outcome traces delivered)" -gt 10 ]
    [ "$(wc -l <dump)" = "$(outcome traces delivered)" ]
}

@test "at the cap what writers append to a segment that is gone is counted too" {
    SINK_PORT=1
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=65536 OTEL_EXPORTER_OTLP_ENDPOINT=)
    SEGMENT=4096 start_agent
    "$TOOL" spool traces t 6000 2 100 >>written
    books traces 6000
    until_true 20 what_is_left_waits
}

# It is not counted as gone.
what_is_left_waits() { [ "$(backlog traces)" = "$(cat spool/traces*.jsonl | wc -l)" ]; }

@test "deletion and truncation by others are counted and stall nothing" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    SEGMENT=16777216 start_agent
    # More than the batch in hand, which is delivered all the same.
    "$TOOL" spool traces gone 600 10 >gone
    until_true 10 backlog_is traces 600
    until_true 10 grep -q 'HTTP 503' agent.log
    : >spool/traces.jsonl
    "$TOOL" spool traces after 50 10 >>written
    sink_answers '{}'
    until_true 40 nothing_waits traces
    rm spool/traces.jsonl
    "$TOOL" spool traces later 50 10 >>written
    until_true 40 nothing_waits traces
    everything_arrived --others gone
    books traces 700
    [ "$(dropped traces deleted)" -gt 0 ]
    [ "$(dropped traces deleted)" = $((700 - $(wc -l <dump))) ]
}

@test "truncated by another, and soon larger than before: nothing new is passed over" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    SEGMENT=16777216 start_agent
    "$TOOL" spool traces gone 600 10 >gone
    until_true 10 backlog_is traces 600
    until_true 10 grep -q 'HTTP 503' agent.log
    : >spool/traces.jsonl
    "$TOOL" spool traces after 3000 100 >>written
    sink_answers '{}'
    until_true 40 nothing_waits traces
    everything_arrived --others gone
    books traces 3600
    [ "$(dropped traces torn)" = 0 ]
    [ "$(outcome traces quarantined)" = 0 ]
    [ "$(dropped traces deleted)" = $((3600 - $(wc -l <dump))) ]

    # The same with all of it delivered before.
    kill -STOP "$AGENT_PID"
    : >spool/traces.jsonl
    "$TOOL" spool traces again 5000 100 >>written
    kill -CONT "$AGENT_PID"
    until_true 40 nothing_waits traces
    everything_arrived --others gone
    books traces 8600
}

rest_of_570_waits() { [ "$(backlog traces)" = $((570 - $(outcome traces delivered))) ]; }
bytes_are() { [ "$(metric microtrace_spool_bytes 'signal="traces"')" = "$1" ]; }

@test "cut by another behind the batch in hand: what is left is counted anew before it is read" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    SEGMENT=16777216 start_agent
    "$TOOL" spool traces a 600 10 >a
    until_true 10 backlog_is traces 600
    until_true 10 grep -q 'HTTP 503' agent.log
    truncate -s "$(head -n 550 spool/traces.jsonl | wc -c)" spool/traces.jsonl
    head -n 550 a >written
    "$TOOL" spool traces b 20 10 >>written
    until_true 10 bytes_are "$(wc -c <spool/traces.jsonl)"
    # The batch in hand is taken; that with one of the last lines is not.
    sink_answers '{"poison":"\"a-540\"","poison_status":503}'
    until_true 20 grep -q 'delivering again' agent.log
    until_true 20 rest_of_570_waits
    sink_answers '{}'
    until_true 20 nothing_waits traces
    everything_arrived
    books traces 600
    [ "$(outcome traces delivered)" = 570 ]
    [ "$(dropped traces deleted)" = 30 ]
}

@test "a damaged, missing or foreign checkpoint means duplicates, never loss" {
    local damage round=0
    start_sink
    start_agent
    for damage in 'printf x | dd of=spool/agent.checkpoint bs=1 seek=40 conv=notrunc;
                   printf x | dd of=spool/agent.checkpoint bs=1 seek=4140 conv=notrunc' \
        'rm spool/agent.checkpoint' ': >spool/agent.checkpoint' \
        'head -c 9000 /dev/urandom >spool/agent.checkpoint' \
        'cp spool/traces.jsonl copy; rm spool/traces.jsonl; cp copy spool/traces.jsonl'; do
        round=$((round + 1))
        "$TOOL" spool traces "d$round" 50 10 >>written
        until_true 20 nothing_waits traces
        kill_agent TERM
        eval "$damage"
        start_agent
        "$TOOL" spool traces "e$round" 50 10 >>written
        until_true 20 nothing_waits traces
    done
    everything_arrived
}

@test "what was written before SIGTERM is sent before the agent ends" {
    start_sink
    for i in 1 2 3 4 5; do
        start_agent
        "$TOOL" spool traces "t$i" 300 3 >>written
        "$TOOL" spool logs "l$i" 300 3 >>written
        kill_agent TERM
        everything_arrived --duplicate-requests 0
    done
    stop_sink
    start_agent
    "$TOOL" spool traces t6 10 1 >>written
    until_true 10 grep -q "trying again" agent.log
    kill_agent TERM
    start_sink
    start_agent
    until_true 20 nothing_waits traces
    everything_arrived
    books traces 1510
}

@test "a second agent on the same spool refuses" {
    start_agent
    run -1 env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$(free_port)" "$AGENT"
    [[ "$output" == *"another metrics-agent works on"* ]]
}

@test "a port in use: one clear line" {
    start_agent
    mkdir spool2
    run -1 env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool2" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$AGENT"
    [[ "$output" == *"Address already in use"*"MICROTRACE_AGENT_LISTEN"* ]]
    [ "${#lines[@]}" = 1 ]
}

@test "--drain ships what is there and ends" {
    start_sink
    AGENT_PORT=1
    "$TOOL" spool traces t 5000 50 >>written
    "$TOOL" spool logs l 5000 50 >>written
    launch_agent --drain
    wait "$AGENT_PID"
    everything_arrived
    kill -9 "$SINK_PID"
    wait "$SINK_PID" 2>/dev/null || true
    "$TOOL" spool logs m 50 50 >>written
    launch_agent --drain
    local code=0
    wait "$AGENT_PID" || code=$?
    [ "$code" = 1 ]
    grep -q "can't be drained" agent.log
}

@test "options and bad settings" {
    run -0 "$AGENT" --help
    [[ "$output" == *OTEL_EXPORTER_OTLP_LOGS_ENDPOINT* ]]
    run -0 "$AGENT" --version
    run -2 "$AGENT" --nonsense
    run -2 "$AGENT" extra
    run -2 env MICROTRACE_SPOOL_SEGMENT_BYTES=abc "$AGENT"
    [[ "$output" == *MICROTRACE_SPOOL_SEGMENT_BYTES*abc* ]]
}

@test "HTTP: request ids, unknown paths and methods, gzip" {
    start_agent
    local url=http://127.0.0.1:$AGENT_PORT
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/nothing")" = 404 ]
    [ "$(curl -s "$url/nothing")" = '{"detail":"Not Found"}' ]
    run curl -si -X POST -d x "$url/metrics"
    [[ "$output" == *"405 Method Not Allowed"*"Allow: GET"* ]]
    run curl -si -H 'X-Request-ID: abc-1' "$url/healthz"
    [[ "$output" == *"X-Request-ID: abc-1"* ]]
    run curl -si -H 'X-Request-ID: a b' "$url/healthz"
    [[ "$output" =~ X-Request-ID:\ [0-9a-f]{8}-[0-9a-f]{4}-4 ]]
    [ "$(curl -s --compressed "$url/metrics" | grep -c ^microtrace_build_info)" = 1 ]
    run curl -si -H 'Accept-Encoding: gzip' -o /dev/null -D - "$url/metrics"
    [[ "$output" == *"Content-Encoding: gzip"* ]]
}
