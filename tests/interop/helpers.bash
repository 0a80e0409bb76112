# What the interop tests share: starting MicroTrace and its outside peers on free ports, polling
# with a deadline, and ending all that was started.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HERE=$ROOT/tests/interop
PYTHON=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1

# need_command NAME...: skips the test, or fails it in CI, where a program is absent.
need_command() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null || absent "no $name on this machine"
    done
}

absent() {
    if [[ -n ${CI:-} ]]; then
        echo "absent, and CI is set: $1" >&2
        return 1
    fi
    skip "$1"
}

# free_ports N: N different free TCP ports on 127.0.0.1.
free_ports() {
    "$PYTHON" - "$1" <<'EOF'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))
EOF
}

# wait_until SECONDS COMMAND...: polls until the command succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            echo "waited in vain for: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# start NAME COMMAND...: runs a daemon with its output in $WORK/NAME.log; its pid is in $STARTED.
start() {
    local name=$1
    shift
    "$@" >>"$WORK/$name.log" 2>&1 3>&- &
    STARTED=$!
    echo "$STARTED" >>"$WORK/pids"
}

# stop PID: SIGTERM, then SIGKILL after 15 s.
stop() {
    kill "$1" 2>/dev/null || return 0
    wait_until 15 gone "$1" || kill -KILL "$1"
    wait "$1" 2>/dev/null || true
}

gone() {
    [[ ! -d /proc/$1 || $(ps -o stat= -p "$1") == Z* ]]
}

stop_all() {
    local pid
    if [[ -f $WORK/pids ]]; then
        while read -r pid; do
            stop "$pid"
        done < <(tac "$WORK/pids")
        rm -f "$WORK/pids"
    fi
}

common_setup() {
    WORK=$BATS_TEST_TMPDIR
    read -r PORT AGENT_PORT OTLP_PORT HEALTH_PORT < <(free_ports 4)
    export SEEN=$WORK/seen.jsonl
}

# On a failure the ends of all logs say what happened.
common_teardown() {
    stop_all
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        tail -n 20 "$WORK"/*.log 2>/dev/null || true
    fi
}

# start_microtrace [NAME=VALUE...]: the whole program with these settings, until it answers.
start_microtrace() {
    start microtrace env PORT="$PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" WORKERS=4 \
        STATE_DIR="$WORK/state" OTEL_SERVICE_NAME=microtrace-interop \
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,team=a%20b" \
        "$@" "$ROOT/build/bin/microtrace-run" --config "$ROOT/lighttpd.conf"
    MICROTRACE=$STARTED
    wait_until 60 curl -fsS "http://127.0.0.1:$PORT/readyz"
    wait_until 60 curl -fsS "http://127.0.0.1:$AGENT_PORT/healthz"
}

# start_collector CONFIG OUT: the Collector with tests/interop/collector/CONFIG, writing to OUT/.
start_collector() {
    mkdir -p "$2"
    start collector env OUT="$2" OTLP_PORT="$OTLP_PORT" HEALTH_PORT="$HEALTH_PORT" \
        SPOOL="$WORK/state/spool" "$COLLECTOR" --config "$HERE/collector/$1"
    COLLECTOR_PID=$STARTED
    wait_until 60 curl -fsS "http://127.0.0.1:$HEALTH_PORT/"
}

client() {
    "$PYTHON" "$HERE/client.py" "$PORT" "$@"
}

check() {
    "$PYTHON" "$HERE/check.py" "$@"
}
