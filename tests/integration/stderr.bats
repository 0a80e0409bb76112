#!/usr/bin/env bats
# Goal: a stderr that nobody reads stops nothing: requests are answered, /metrics too, a dead agent is
# started again, and the end is a clean one. What could not be printed is counted. One that is closed
# puts nothing into files of the instance.

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

@test "an analyze process that dies is started again: lighttpd, which says so, waits for no reader" {
    local i
    # To the last byte.
    /usr/bin/python3 - "$DIR/stderr" <<'PYTHON'
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
try:
    while os.write(fd, b"\n"):
        pass
except BlockingIOError:
    pass
PYTHON
    pkill -KILL -x analyze -P "$(pgrep -P "$(cat "$DIR/instance")" -x lighttpd)"
    answers() { request GET /healthz -m 2 && [ "$STATUS" -eq 200 ]; }
    wait_until answers
    for ((i = 0; i < 20; i++)); do
        request GET /healthz
        expect 200
    done
}

@test "the instance ends cleanly" {
    local pid
    pid=$(cat "$DIR/instance")
    kill "$pid"
    wait_until gone "$pid"
    rm "$DIR/instance"
}

# Followed by descriptors, such as "0 2", and a command: it is run without these.
CLOSED=(/usr/bin/python3 -c 'import os, sys
for fd in sys.argv[1].split():
    os.close(int(fd))
os.execvp(sys.argv[2], sys.argv[2:])')

@test "closed descriptors 0 to 2: what a program says is in no file of the instance" {
    local closed agent state=$DIR/closed
    read -r AGENT_PORT < <(free_ports 1)
    AGENT_URL=http://127.0.0.1:$AGENT_PORT
    for closed in 0 1 2 '0 1' '1 2' '0 1 2'; do
        rm -rf "$state" && mkdir -p "$state/run" "$state/spool"
        export MICROTRACE_RUN_DIR=$state/run MICROTRACE_SPOOL_DIR=$state/spool
        # The agent names what is wrong with its endpoint; the command and analyze answer and log.
        env MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 \
            "${CLOSED[@]}" "$closed" "$BIN/metrics-agent" 3>&- &
        agent=$!
        wait_until scrape
        for _ in 1 2 3; do
            env REQUEST_METHOD=GET PATH_INFO=/healthz SCRIPT_NAME= MICROTRACE_LOG_STDERR=true \
                "${CLOSED[@]}" "$closed" "$BIN/analyze" 3>&- || true
        done
        "${CLOSED[@]}" "$closed" "$BIN/microtrace" metrics 3>&- || true
        "${CLOSED[@]}" "$closed" "$BIN/microtrace" chaos off 3>&- || true
        wait_until metric_is 'requests_total{method="GET",path="/healthz",status="200"}' 3
        kill "$agent"
        wait "$agent" || true
        [ "$(head -c 8 "$state/run/metrics.mmap")" = MTMETRIC ] || { echo "closed: $closed" && return 1; }
        [ "$(jq -r .message "$state"/spool/logs*.jsonl | sort | uniq -c | xargs)" = '3 request_completed' ]
        jq -e . "$state/run/agent.status.json" >/dev/null
    done
}
