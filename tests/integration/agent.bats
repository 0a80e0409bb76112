#!/usr/bin/env bats
# The agent against a sink that misbehaves: every record that a writer appended comes out exactly
# once in the books, and at least once at the sink, whatever happens in between.

bats_require_minimum_version 1.5.0

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    BUILD=${BUILD:-$ROOT/build}
    case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
    export ROOT BUILD
    export AGENT=$BUILD/bin/metrics-agent TOOL=$BUILD/tests/tools/spool_write
    mkdir -p "$BUILD/tests/tools"
    # The library of a sanitizer build wants its runtime.
    case $BUILD in */asan) TOOL_CFLAGS='-fsanitize=address,undefined' ;; esac
    # shellcheck disable=SC2086
    ${CC:-gcc} -std=gnu11 -O1 -D_GNU_SOURCE "-I$ROOT" ${TOOL_CFLAGS:-} -o "$TOOL" \
        "$ROOT/tests/tools/spool_write.c" "$BUILD/lib/libmicrotrace.a" -lm
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir run spool
    AGENT_PID='' SINK_PID=''
    : >written
}

teardown() {
    for pid in $AGENT_PID $SINK_PID; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

# until_true SECONDS COMMAND...: polls, and prints the command if it never comes true.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >last.out 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            echo "never true: $*"
            cat last.out agent.log
            return 1
        fi
        sleep 0.05
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_sink() {
    [ -n "${SINK_PORT:-}" ] || SINK_PORT=$(free_port)
    rm -f sink.port
    python3 "$ROOT/tests/tools/otlp_sink.py" --port "$SINK_PORT" --port-file sink.port --dump dump \
        2>>sink.log 3>&- &
    SINK_PID=$!
    until_true 10 test -s sink.port
}

launch_agent() {
    env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" \
        MICROTRACE_SPOOL_SEGMENT_BYTES="${SEGMENT:-65536}" \
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$SINK_PORT" "${ENVIRONMENT[@]}" \
        "$AGENT" "$@" >>agent.log 2>&1 3>&- &
    AGENT_PID=$!
}

start_agent() {
    [ -n "${AGENT_PORT:-}" ] || AGENT_PORT=$(free_port)
    [ -n "${SINK_PORT:-}" ] || SINK_PORT=$(free_port)
    launch_agent
    until_true 10 curl -sf -o health "http://127.0.0.1:$AGENT_PORT/healthz"
}

kill_agent() {
    kill "-$1" "$AGENT_PID"
    wait "$AGENT_PID" 2>/dev/null || [ "$1" = 9 ]
    AGENT_PID=''
}

sink_answers() {
    curl -sf -o control -d "$1" "http://127.0.0.1:$SINK_PORT/control"
}

# sink_number JQ-LIKE-PATH: a number from the sink's report, signals.traces.requests, say.
sink_number() {
    curl -sf "http://127.0.0.1:$SINK_PORT/control" | python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value.get(key, 0)
print(value)' "$1"
}

# metric NAME LABELS: a sample of /metrics as a whole number; LABELS as they stand between { and }.
metric() {
    curl -sf "http://127.0.0.1:$AGENT_PORT/metrics" |
        awk -v series="$1{$2}" '$1 == series { printf "%d\n", $2; found = 1 }
                                END { if (!found) print "absent" }'
}

outcome() { metric microtrace_export_records_total "signal=\"$1\",outcome=\"$2\""; }
dropped() { metric microtrace_spool_dropped_records_total "signal=\"$1\",reason=\"$2\""; }

nothing_waits() { [ "$(metric microtrace_spool_backlog_records "signal=\"$1\"")" = 0 ]; }

# books SIGNAL WRITTEN: they balance, and written is as many as the writers appended.
books() {
    local written sum
    written=$(metric microtrace_spool_written_records_total "signal=\"$1\"")
    sum=$(($(outcome "$1" delivered) + $(outcome "$1" rejected) + $(outcome "$1" quarantined) + \
        $(dropped "$1" cap) + $(dropped "$1" torn) + $(dropped "$1" deleted) + \
        $(metric microtrace_spool_backlog_records "signal=\"$1\"")))
    echo "written $written, accounted for $sum, appended $2"
    [ "$written" = "$sum" ] && [ "$written" = "$2" ]
}

# everything_arrived: each appended name is at the sink.
everything_arrived() {
    python3 - <<'END'
import json
got = set()
for line in open("dump", encoding="utf-8"):
    entry = json.loads(line)
    got.add(entry["attributes"]["id"])
written = [line.strip() for line in open("written", encoding="utf-8")]
missing = [name for name in written if name not in got]
print(f"{len(written)} written, {len(missing)} missing, {missing[:5]}")
raise SystemExit(bool(missing) or not written)
END
}

duplicates() { echo $(($(wc -l <dump) - $(cut -d'"' -f8 dump | sort -u | wc -l))); }

@test "spans and logs arrive as they were written, and the books balance" {
    start_sink
    start_agent
    "$TOOL" spool traces t 3000 3 >>written
    "$TOOL" spool logs l 3000 1 50 once >>written
    until_true 20 nothing_waits traces
    until_true 20 nothing_waits logs
    everything_arrived
    books traces 3000
    books logs 3000
    [ "$(wc -l <dump)" = 6000 ]
    [ "$(sink_number signals.traces.most_open)" = 1 ]
    python3 - <<'END'
import json
for line in open("dump", encoding="utf-8"):
    entry = json.loads(line)
    record = entry["record"]
    assert entry["resource"]["service.name"] == "microtrace", entry
    if entry["signal"] == "traces":
        assert entry["scope"]["name"] == "microtrace", entry
        assert len(record["traceId"]) == 32 and len(record["parentSpanId"]) == 16, entry
    else:
        assert entry["scope"]["name"] in ("microtrace.request", "microtrace.api"), entry
        assert record["severityNumber"] == 9 and record["severityText"] == "INFO", entry
        assert record["body"] == {"stringValue": "request_completed"}, entry
        assert entry["attributes"]["status_code"] == 200, entry
        assert entry["attributes"]["errors"] == '[{"type":"x"}]', entry
        assert entry["attributes"]["request_id"] == entry["attributes"]["id"], entry
        assert int(record["timeUnixNano"]) == int(record["observedTimeUnixNano"]) > 1e18, entry
        assert len(record["traceId"]) == 32 and len(record["spanId"]) == 16, entry
END
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

@test "sink away, refusing, hanging, closing and back: nothing is lost" {
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TIMEOUT=300)
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

@test "Retry-After is never cut short" {
    start_sink
    start_agent
    sink_answers '{"mode":"status","status":503,"retry_after":"2","count":1}'
    "$TOOL" spool traces t 10 10 >>written
    until_true 30 nothing_waits traces
    everything_arrived
    sink_number signals.traces.times | python3 -c '
import json, sys
first, second = json.load(sys.stdin)
print(first, second)
assert second - first >= 2.0'
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

@test "one bad record in 512 is found by halving and put into quarantine" {
    start_sink
    start_agent
    sink_answers '{"poison":"\"bad-0\""}'
    kill -STOP "$AGENT_PID"
    "$TOOL" spool traces a 300 300 >>written
    "$TOOL" spool traces bad 1 >bad
    "$TOOL" spool traces b 211 211 >>written
    kill -CONT "$AGENT_PID"
    until_true 20 nothing_waits traces
    everything_arrived
    [ "$(outcome traces delivered)" = 511 ]
    [ "$(outcome traces quarantined)" = 1 ]
    grep -q '"reason":"refused"' spool/traces.quarantine.jsonl
    grep -q 'bad-0' spool/traces.quarantine.jsonl
    echo "requests: $(sink_number signals.traces.requests)"
    [ "$(sink_number signals.traces.requests)" -le 20 ]
    books traces 512
}

@test "an endpoint that answers 400 to everything keeps the records in the spool" {
    start_sink
    start_agent
    sink_answers '{"mode":"status","status":400}'
    "$TOOL" spool traces t 100 100 >>written
    until_true 20 grep -q holding agent.log
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

@test "killed at random instants under load: nothing is lost, at most one batch comes twice" {
    local i kills=${KILLS:-12} writer
    start_sink
    start_agent
    "$TOOL" spool traces k 100000000 2 300 >>written 2>writer.log 3>&- &
    writer=$!
    for ((i = 0; i < kills; i++)); do
        sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
        kill_agent 9
        launch_agent
    done
    kill "$writer"
    wait "$writer" || true
    until_true 10 curl -sf -o health "http://127.0.0.1:$AGENT_PORT/healthz"
    until_true 60 nothing_waits traces
    everything_arrived
    local appended
    appended=$(metric microtrace_spool_written_records_total 'signal="traces"')
    echo "appended $(wc -l <written), $appended in the books, $(wc -l <dump) at the sink"
    [ "$appended" -ge "$(wc -l <written)" ]
    [ "$appended" -le "$(($(wc -l <written) + 2))" ]
    books traces "$appended"
    [ "$(($(wc -l <dump) - appended))" -le "$((kills * 2048))" ]
}

@test "SIGTERM with a sink that answers sends nothing twice" {
    local i writer
    start_sink
    start_agent
    "$TOOL" spool traces k 100000000 2 300 >>written 2>writer.log 3>&- &
    writer=$!
    for i in 1 2 3 4 5; do
        sleep "0.$i"
        kill_agent TERM
        start_agent
    done
    kill "$writer"
    wait "$writer" || true
    until_true 60 nothing_waits traces
    everything_arrived
    [ "$(wc -l <dump)" = "$(outcome traces delivered)" ]
}

@test "rotation among many writers, some killed, one stopped: the rest goes on" {
    local i pids=() victim
    start_sink
    SEGMENT=8192 start_agent
    "$TOOL" spool traces stopped 50 1 2000 >>stopped.out 2>/dev/null 3>&- &
    local stopped=$!
    until_true 10 test -s stopped.out
    kill -STOP "$stopped"
    for i in 1 2 3 4 5; do
        "$TOOL" spool traces "w$i" 4000 3 >"out.$i" 2>>lost 3>&- &
        pids+=($!)
    done
    "$TOOL" spool traces cgi 1500 1 0 once >out.cgi 2>>lost 3>&- &
    pids+=($!)
    "$TOOL" spool traces victim 100000000 3 >out.victim 2>/dev/null 3>&- &
    victim=$!
    sleep 0.5
    kill -9 "$victim"
    for i in "${pids[@]}"; do wait "$i"; done
    wait "$victim" || true
    until_true 60 nothing_waits traces
    kill -CONT "$stopped"
    wait "$stopped"
    until_true 30 nothing_waits traces
    cat out.* stopped.out >written
    everything_arrived
    run ! grep -v '^lost 0$' lost
    local appended
    appended=$(metric microtrace_spool_written_records_total 'signal="traces"')
    echo "appended $(wc -l <written), $appended in the books"
    [ "$appended" -ge "$(wc -l <written)" ]
    [ "$appended" -le "$(($(wc -l <written) + 3))" ]
    [ "$(wc -l <dump)" = "$(outcome traces delivered)" ]
    books traces "$appended"
    until_true 10 only_the_active_is_left
}

only_the_active_is_left() {
    [ "$(find spool -name 'traces.0*.jsonl' | wc -l)" = 0 ]
}

@test "hostile lines are set aside and counted, their neighbours delivered" {
    start_sink
    AGENT_PORT=$(free_port)
    "$TOOL" spool traces a 5 >>written
    {
        printf '{"resourceSpans":[{"resource":{"attr\n'
        printf 'not json\n'
        printf '{"other":1}\n'
        printf '\n\n'
        printf '{"resourceSpans":[{"x":"\xff"}]}\n'
        printf '{"resourceSpans":[{"x":"\0"}]}\n'
        head -c 2097152 /dev/zero | tr '\0' x
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
    grep -q '"reason":"oversize","detail":"","length":2097152' spool/traces.quarantine.jsonl
    grep -q '"reason":"utf8"' spool/traces.quarantine.jsonl
    grep -q '"reason":"control"' spool/traces.quarantine.jsonl
    books traces 18
}

spool_bytes_within() {
    [ "$(find spool -name '*.jsonl' -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')" -le "$1" ]
}

@test "at the cap the oldest segments go, and are counted" {
    AGENT_PORT=$(free_port) SINK_PORT=1
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=600000 OTEL_EXPORTER_OTLP_ENDPOINT=)
    SEGMENT=40000 start_agent
    "$TOOL" spool traces t 3000 2 2000 >>written
    until_true 20 spool_bytes_within 640000
    until_true 20 books traces 3000
    [ "$(dropped traces cap)" -gt 1500 ]
    cat spool/*.jsonl | grep -q 't-2999"'
    cat spool/*.jsonl | grep -vq 't-0"'
}

@test "at the cap what writers append to a segment that is gone is counted too" {
    AGENT_PORT=$(free_port) SINK_PORT=1
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=65536 OTEL_EXPORTER_OTLP_ENDPOINT=)
    SEGMENT=4096 start_agent
    "$TOOL" spool traces t 6000 2 100 >>written
    until_true 20 books traces 6000
}

@test "deletion and truncation by others are counted and stall nothing" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    start_agent
    "$TOOL" spool traces gone 100 10 >gone
    until_true 10 eval '[ "$(metric microtrace_spool_backlog_records "signal=\"traces\"")" = 100 ]'
    : >spool/traces.jsonl
    "$TOOL" spool traces after 50 10 >>written
    sink_answers '{}'
    until_true 40 nothing_waits traces
    rm spool/traces.jsonl
    "$TOOL" spool traces later 50 10 >>written
    until_true 40 nothing_waits traces
    everything_arrived
    books traces "$(metric microtrace_spool_written_records_total 'signal="traces"')"
}

@test "a damaged, missing or foreign checkpoint means duplicates, never loss" {
    local damage
    start_sink
    start_agent
    for damage in 'printf x | dd of=spool/agent.checkpoint bs=1 seek=40 conv=notrunc;
                   printf x | dd of=spool/agent.checkpoint bs=1 seek=4140 conv=notrunc' \
        'rm spool/agent.checkpoint' ': >spool/agent.checkpoint' \
        'head -c 9000 /dev/urandom >spool/agent.checkpoint' \
        'cp spool/traces.jsonl copy; rm spool/traces.jsonl; cp copy spool/traces.jsonl'; do
        "$TOOL" spool traces "d${#damage}" 50 10 >>written
        until_true 20 nothing_waits traces
        kill_agent TERM
        eval "$damage"
        start_agent
        "$TOOL" spool traces "e${#damage}" 50 10 >>written
        until_true 20 nothing_waits traces
    done
    everything_arrived
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
