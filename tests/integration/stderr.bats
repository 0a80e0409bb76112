#!/usr/bin/env bats
# Goal: a stderr that nobody reads stops nothing: requests are answered, /metrics too, a dead agent is
# started again, and the end is a clean one. What could not be printed is counted.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
    new_folder
    mkfifo "$DIR/stderr"
    # Held open, and never read.
    sleep 600 <>"$DIR/stderr" >/dev/null 2>&1 3>&- &
    echo $! >"$DIR/holder"
    : >"$LOG"
    # An endpoint where nothing listens: the agent has something to say.
    env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" WORKERS=2 \
        MICROTRACE_LOG_STDERR=true OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf" \
        >"$LOG" 2>"$DIR/stderr" </dev/null 3>&- &
    INSTANCE=$!
    echo "$INSTANCE" >"$DIR/instance"
    wait_until started
}

teardown_file() {
    kill "$(cat "$DIR/holder")"
    remove_folder
}

# The process id of the agent.
agent() { pgrep -P "$(cat "$DIR/instance")" -x metrics-agent; }

another_agent() { agent >"$DIR/agent" && [ "$(cat "$DIR/agent")" != "$1" ] && scrape >/dev/null; }

@test "500 requests are answered and logged, health checks too" {
    local i
    for ((i = 0; i < 500; i++)); do
        [ "$i" = 0 ] || echo next
        echo "url = \"$URL/analyze\""
        echo "output = \"$DIR/answer.$i\""
        echo 'data = "{\"a\":1,\"b\":2}"'
        echo 'header = "Content-Type: application/json"'
        echo 'max-time = 10'
    done >"$DIR/requests"
    curl -sS -K "$DIR/requests"
    [ "$(cat "$DIR"/answer.* | grep -o '"sum": 3.0' | wc -l)" = 500 ]
    request GET /healthz
    expect 200
    [ "$(logs '.message == "request_completed" and .path == "/analyze"' | wc -l)" = 500 ]
}

@test "the agent answers, and counts what nobody read" {
    local dropped
    wait_until metric_is 'requests_total{method="POST",path="/analyze",status="200"}' 500
    dropped=$(metric microtrace_stderr_dropped_total)
    echo "dropped: $dropped"
    [ "$dropped" -gt 500 ]
    [ "$dropped" -le 1501 ]
}

@test "an agent that dies is started again, and answers" {
    local old
    old=$(agent)
    kill -KILL "$old"
    wait_until another_agent "$old"
}

@test "the instance ends cleanly" {
    local pid
    pid=$(cat "$DIR/instance")
    kill "$pid"
    wait_until gone "$pid"
    rm "$DIR/instance"
}
