# shellcheck shell=bash disable=SC2034 # what is set here is used by the tests
# What the tests of a spool without web server share: its folder, records in it, an agent and a sink
# in the background.

# new_spool: SPOOL, in a folder of its own (helpers.bash); the environment names it.
new_spool() {
    new_folder
    SPOOL=$STATE/spool AGENT_LOG=$DIR/agent.log
    mkdir -p "$SPOOL" "$STATE/run"
    export MICROTRACE_SPOOL_DIR=$SPOOL MICROTRACE_RUN_DIR=$STATE/run
    PIDS=()
}

# background COMMAND...: its pid is in STARTED.
background() {
    "$@" >>"$AGENT_LOG" 2>&1 </dev/null 3>&- &
    STARTED=$!
    PIDS+=("$STARTED")
}

# stop_background: ends all that was started so.
stop_background() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}

start_sink() {
    background /usr/bin/python3 "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port"
    wait_until test -s "$DIR/port"
    SINK=http://127.0.0.1:$(cat "$DIR/port")
}

sink_answers() {
    curl -sf -o /dev/null -d "$1" "$SINK/control"
}

# start_agent [NAME=VALUE...]: its pid is in AGENT.
start_agent() {
    background env MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$@" "$BIN/metrics-agent"
    AGENT=$STARTED
    wait_until curl -fs -m 5 -o /dev/null "$AGENT_URL/healthz"
}

# put SIGNAL NAME COUNT: appends records NAME-0 and so on.
put() {
    "$BUILD/tests/tools/spool_write" "$SPOOL" "$@" >/dev/null 2>&1
}
