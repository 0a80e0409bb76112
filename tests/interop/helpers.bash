# shellcheck shell=bash disable=SC2034,SC2153 # what is set here is used by the tests
# What the interop tests share beyond the integration tests' helpers: outside programs as peers, a
# client that notes what it saw, and the comparison of both.

load "$(dirname "${BASH_SOURCE[0]}")/../integration/helpers"

HERE=$ROOT/tests/interop
PYTHON=/usr/bin/python3
[[ ! -d $BUILD/swagger-ui ]] || export MICROTRACE_DOCS_ASSETS=$BUILD/swagger-ui
PATIENCE=150 # a Collector or a browser starts slowly on a busy machine
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

common_setup() {
    new_folder
    SEEN=$DIR/seen.jsonl
    read -r OTLP_PORT HEALTH_PORT < <(free_ports 2)
}

# On a failure the ends of all logs say what happened.
common_teardown() {
    local pid
    [[ -n ${DIR:-} ]] || return 0
    if [[ -f $DIR/peers ]]; then
        for pid in $(tac "$DIR/peers"); do
            end "$pid"
        done
    fi
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || tail -n 20 "$LOG" "$DIR"/*.log || true
    remove_folder
}

# start NAME COMMAND...: runs a peer with its output in $DIR/NAME.log; its pid is in STARTED.
start() {
    local name=$1
    shift
    "$@" >>"$DIR/$name.log" 2>&1 </dev/null 3>&- &
    STARTED=$!
    echo "$STARTED" >>"$DIR/peers"
}

# end PID: SIGTERM, and SIGKILL if that does not help.
end() {
    kill "$1" 2>/dev/null || return 0
    wait_until gone "$1" || kill -KILL "$1"
    wait "$1" 2>/dev/null || true
}

answers() {
    curl -fs -m 5 -o /dev/null "$1"
}

# start_microtrace [NAME=VALUE...]: an instance whose resource check.py knows.
start_microtrace() {
    start_instance OTEL_SERVICE_NAME=microtrace-interop \
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,team=a%20b" "$@"
}

# start_collector CONFIG OUT: the Collector with tests/interop/collector/CONFIG, writing to OUT/;
# its pid is in STARTED.
start_collector() {
    mkdir -p "$2"
    start collector env OUT="$2" OTLP_PORT="$OTLP_PORT" HEALTH_PORT="$HEALTH_PORT" \
        SPOOL="$STATE/spool" "$COLLECTOR" --config "$HERE/collector/$1"
    wait_until answers "http://127.0.0.1:$HEALTH_PORT/"
}

client() {
    "$PYTHON" "$HERE/client.py" "$HTTP_PORT" "$@"
}

check() {
    "$PYTHON" "$HERE/check.py" "$@"
}
