# shellcheck shell=bash
# What the integration tests share: an instance of its own for each test file, on free ports and in
# a folder of its own; requests; a look into metrics, spools and logs. Helpers poll with a deadline.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
BIN=$BUILD/bin
PATIENCE=60 # seconds that anything may take before it counts as failed

# A setting of the person who runs the tests must not decide how they end.
for _name in $(compgen -e); do
    case $_name in
    OTEL_* | MICROTRACE_* | CHAOS_* | DOWNSTREAM_* | BREAKER_* | PORT | BIND | AGENT_LISTEN | \
        WORKERS | STATE_DIR | LOG_LEVEL | MAX_BODY_BYTES | WORKER_DELAY_MS | METRICS_PUBLIC | RUN_AS | MAKE* | MFLAGS)
        unset "$_name" ;;
    esac
done
unset _name
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin

. "$ROOT/tests/integration/ports.bash"

# wait_until COMMAND...: polls until it succeeds; after PATIENCE seconds prints it and fails.
wait_until() {
    local end=$((SECONDS + PATIENCE))
    until "$@"; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "waited $PATIENCE s in vain for: $*" >&2
            return 1
        fi
        sleep 0.02
    done
}

# gone PID: whether the process has ended (a zombie has; one with threads, "Zl", still holds files).
gone() {
    local state
    state=$(ps -o stat= -p "$1") || return 0
    [[ $state == Z* && $state != *l* ]]
}

# all_gone PID...: whether all of them have.
all_gone() {
    local pid
    for pid in "$@"; do
        gone "$pid" || return 1
    done
}

# descendants PID: prints the ids of its children, their children, ...
descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        echo "$child"
        descendants "$child"
    done
}

# The folder of the test file, with the instance's ports and URL.
new_folder() {
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/microtrace.XXXXXX")
    chmod 755 "$DIR" # started by root, an instance runs as another user
    STATE=$DIR/state
    LOG=$DIR/log
    read -r HTTP_PORT AGENT_PORT < <(free_ports 2)
    URL=http://127.0.0.1:$HTTP_PORT
    AGENT_URL=http://127.0.0.1:$AGENT_PORT
    export DIR STATE LOG HTTP_PORT AGENT_PORT URL AGENT_URL
}

# start_instance [NAME=VALUE...]: starts lighttpd, analyze and agent; INSTANCE is the process id.
start_instance() {
    : >"$LOG"
    env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" "$@" \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf" >"$LOG" 2>&1 </dev/null 3>&- &
    INSTANCE=$!
    echo "$INSTANCE" >"$DIR/instance"
    wait_until started || return 1
    # microtrace-run says that it runs without an agent that takes more than 2 s to start.
    PATIENCE=10 wait_until agent_listens || true
}

agent_listens() {
    (: <"/dev/tcp/127.0.0.1/$AGENT_PORT") 2>/dev/null
}

started() {
    grep -q '^microtrace is running' "$LOG" && return 0
    ! gone "$INSTANCE" || { echo "it did not start:" && cat "$LOG" && exit 1; }
    return 1
}

# stop_instance: ends it, and checks that it ends cleanly.
stop_instance() {
    local pid status=0
    pid=$(cat "$DIR/instance" 2>/dev/null) || return 0
    rm -f "$DIR/instance"
    kill "$pid" 2>/dev/null || return 0
    wait_until gone "$pid" || kill -KILL "$pid"
    wait "$pid" 2>/dev/null || status=$?
    # bats runs setup_file and the tests in different shells: only a child's status is known.
    [ "$status" -eq 0 ] || [ "$status" -eq 127 ] || { cat "$LOG" && return 1; }
}

# For teardown_file: nothing stays behind.
remove_folder() {
    stop_instance
    rm -rf "$DIR"
}

# refute COMMAND...: fails where the command succeeds (a bare ! would not fail a bats test).
refute() {
    if "$@"; then
        echo "it should not be: $*"
        return 1
    fi
}

# request METHOD PATH [CURL-ARGUMENT...]: STATUS, and the answer in $DIR/body and $DIR/headers.
request() {
    local method=$1 path=$2
    shift 2
    STATUS=$(curl -sS -m 30 -X "$method" -o "$DIR/body" -D "$DIR/headers" -w '%{http_code}' \
        "$@" "$URL$path")
    # Of several answers (100 Continue) the last.
    awk -v RS='\r?\n' '/^HTTP\// { text = "" } { text = text $0 "\n" } END { printf "%s", text }' \
        "$DIR/headers" >"$DIR/headers.last"
}

# analyze BODY [CURL-ARGUMENT...]: a POST of JSON.
analyze() {
    local body=$1
    shift
    request POST /analyze -H 'Content-Type: application/json' --data-binary "$body" "$@"
}

# header NAME: prints its value in the last answer.
header() {
    grep -i "^$1:" "$DIR/headers.last" | sed 's/^[^:]*: *//'
}

# expect STATUS [JQ-EXPRESSION]: what the last answer has to be.
# expect metric|span|log ARGUMENT...: what the instance has to tell (microtrace expect).
expect() {
    case $1 in
    metric)
        "$BIN/microtrace" expect metric --state "$STATE" --within "$PATIENCE" "${@:2}"
        return
        ;;
    span | log)
        "$BIN/microtrace" expect "$1" --state "$STATE" "${@:2}"
        return
        ;;
    esac
    if [ "$STATUS" != "$1" ]; then
        echo "status $STATUS, expected $1; answer:"
        cat "$DIR/headers.last" "$DIR/body"
        return 1
    fi
    [ -z "${2:-}" ] || expect_json "$2" <"$DIR/body"
}

# expect_json JQ-EXPRESSION: it has to hold for the JSON on stdin. Of several results each has to
# be true; jq -e alone looks at the last.
expect_json() {
    local text
    text=$(cat)
    if ! jq -es "[.[] | ($1)] | length > 0 and all" <<<"$text" >/dev/null; then
        echo "it does not hold that $1 in:"
        printf '%s\n' "$text"
        return 1
    fi
}

# spooled SIGNAL: prints all lines of the spool.
spooled() {
    local file
    for file in "$STATE/spool/$1".*jsonl*; do
        cat "$file"
    done
}

# spans: each span of the spool as one line, with its resource beside it.
spans() {
    spooled traces | jq -c '.resourceSpans[] | .resource as $resource | .scopeSpans[].spans[] |
        . + {resource: $resource, attrs: ([.attributes[]? | {(.key): .value}] | add)}'
}

# logs [JQ-FILTER]: the log lines for which it holds.
logs() {
    spooled logs | jq -c "select(${1:-true})"
}

# set_word INDEX VALUE: writes one of the metrics file's shared words, as damage would.
set_word() {
    /usr/bin/python3 - "$STATE/run/metrics.mmap" "$1" "$2" <<'PYTHON'
import os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(fd, struct.pack("=Q", int(sys.argv[3], 0)), 960 + 8 * int(sys.argv[2]))
PYTHON
}

# scrape: prints the agent's answer.
scrape() {
    curl -sS -m 10 "$AGENT_URL/metrics"
}

# metric SERIES: prints its value (a whole number without a fraction), 0 if it does not exist.
metric() {
    scrape | awk -v series="$1" '
        index($0, series " ") == 1 { value = $NF; found = 1 }
        END { printf "%.15g\n", found ? value : 0 }'
}

# metric_is SERIES VALUE: for wait_until; compares as numbers.
metric_is() {
    local value
    value=$(metric "$1")
    awk -v a="$value" -v b="$2" 'BEGIN { exit !(a + 0 == b + 0) }'
}

# need_mounts: skips where there can be no mounts of a test's own. For the test itself: below `run` it
# would end a subshell.
need_mounts() {
    unshare -m true 2>/dev/null || skip "no right to make a mount namespace"
}

# need_other_user: skips where no other user than this one could run the programs.
need_other_user() {
    [ "$(id -u)" -eq 0 ] || skip "needs root to run as another user"
    setpriv --reuid=61234 --regid=61234 --clear-groups test -x "$BIN/analyze" ||
        skip "other users can't read the build"
}
