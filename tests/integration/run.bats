#!/usr/bin/env bats
# Goal: `make run` starts everything, keeps the agent alive, and ends everything, at any time and
# however it is told to, with the right exit status and nothing left behind; what can't work is said
# in one line.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
    # The first `make run` fetches these, for half a minute at most.
    make -s -C "$ROOT" docs-assets "BUILD=${BUILD#"$ROOT/"}" 3>&-
}

setup() {
    new_folder
}

teardown() {
    local pid
    for pid in $(cat "$DIR/started" 2>/dev/null); do
        kill -KILL "$pid" 2>/dev/null || true
    done
    ours | xargs -r kill -KILL
    rm -rf "$DIR"
}

# ours: the ids of all processes that belong to this test's instance.
ours() {
    grep -lzsxF "STATE_DIR=$STATE" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | grep -vx "$$" || true
}

none_of_ours() {
    [ -z "$(ours)" ]
}

no_socket_left() {
    [ -z "$(find "$STATE" -type s)" ]
}

# make_run [NAME=VALUE...]: in the background, as a job with signals as in a terminal; PID is make's.
make_run() {
    : >"$LOG"
    cd "$ROOT" || return 1
    /usr/bin/python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setpgid(0, 0)
os.execvp(sys.argv[1], sys.argv[1:])' make run "BUILD=${BUILD#"$ROOT/"}" "PORT=$HTTP_PORT" \
        "AGENT_LISTEN=127.0.0.1:$AGENT_PORT" "STATE_DIR=$STATE" "$@" >"$LOG" 2>&1 </dev/null 3>&- &
    PID=$!
    echo "$PID" >>"$DIR/started"
}

running() {
    INSTANCE=$PID started
}

# ends STATUS: make ends by itself, with that status, within the promised 5 s (20 on a busy machine).
ends() {
    local status=0
    wait_until gone "$PID"
    wait "$PID" || status=$?
    [ "$status" -eq "$1" ] || {
        echo "exit status $status, expected $1:"
        cat "$LOG"
        return 1
    }
}

nothing_is_left() {
    wait_until none_of_ours
    no_socket_left
    refute curl -s -o /dev/null "$URL/healthz"
    refute curl -s -o /dev/null "$AGENT_URL/healthz"
}

answers_metrics() {
    request GET /metrics
    [ "$STATUS" -eq 200 ]
}

child() {
    pgrep -P "$PID" -x "$1"
}

# workers: the ids of the analyze processes, which lighttpd starts once it listens.
workers() {
    pgrep -P "$(child lighttpd)" -x analyze
}

workers_are() {
    [ "$(workers | wc -l)" -eq "$1" ]
}

# counted N: so many requests, of any kind.
counted() {
    [ "$(scrape | awk '/^requests_total\{/ { n += $NF } END { print n + 0 }')" -eq "$1" ]
}

# one_line STATUS PATTERN [NAME=VALUE...]: the supervisor says what is wrong in one line and ends.
one_line() {
    local expected=$1 pattern=$2
    shift 2
    run -"$expected" env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" "$@" \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [ "${#lines[@]}" -eq 1 ] || {
        echo "more than one line: $output"
        return 1
    }
    [[ ${lines[0]} =~ $pattern ]] || {
        echo "not as expected ($pattern): $output"
        return 1
    }
}

@test "make run prints the addresses and answers; SIGTERM to make ends everything, exit 0" {
    make_run
    wait_until running
    grep -q "$URL" "$LOG"
    grep -q "$AGENT_URL/metrics" "$LOG"
    analyze '{"a": 10.5, "b": 3.5}'
    expect 200 '. == {"sum": 14, "difference": 7}'
    request GET /metrics
    expect 200
    kill -TERM "$PID"
    ends 0
    nothing_is_left
}

@test "Ctrl-C, a SIGINT to the whole process group, ends everything, exit 0" {
    make_run
    wait_until running
    kill -INT -- "-$PID"
    ends 0
    nothing_is_left
}

@test "a setting is an environment variable or a make variable" {
    export WORKERS=3
    make_run LOG_LEVEL=DEBUG
    wait_until running
    wait_until workers_are 3
    analyze '{"a": 1, "b": 2}'
    [ "$(logs '.levelname == "DEBUG"' | wc -l)" -eq 1 ]
    unset WORKERS
    kill "$PID"
    ends 0
}

@test "SIGTERM at any time while it starts: exit 0, nothing left" {
    local delay
    for delay in 0 0.005 0.01 0.02 0.03 0.05 0.1 0.2; do
        # As make hands over: with the signal blocked, so that there is no gap.
        env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" /usr/bin/python3 -c '
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.execvp(sys.argv[1], sys.argv[1:])' "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf" >"$LOG" 2>&1 </dev/null 3>&- &
        PID=$!
        wait_until grep -qs microtrace-run "/proc/$PID/comm"
        sleep "$delay" # the instants to try, not a wait
        kill -TERM "$PID"
        ends 0
        wait_until none_of_ours
        no_socket_left
    done
}

@test "SIGTERM under load: everything answered is in the spool, the next start continues" {
    local first
    make_run
    wait_until running
    "$BUILD/tests/tools/load" "$HTTP_PORT" 4 1000000 >/dev/null 2>&1 3>&- &
    echo $! >>"$DIR/started"
    wait_until sh -c "curl -s '$AGENT_URL/metrics' | grep -q '^requests_total.*status=\"200\"} [0-9][0-9][0-9]'"
    kill -TERM "$PID"
    ends 0
    nothing_is_left
    first=$(spooled logs | grep -c '"message":"request_completed"')
    [ "$first" -ge 100 ]
    spooled logs | jq -e . >/dev/null
    [ "$(spans | jq -c 'select(.kind == 2)' | wc -l)" -eq "$first" ]

    make_run
    wait_until running
    analyze '{"a": 1, "b": 2}'
    expect 200
    [ "$(spooled logs | grep -c '"message":"request_completed"')" -eq $((first + 1)) ]
    wait_until counted $((first + 1))
    kill "$PID"
    ends 0
}

@test "an agent that dies is started again; requests do not notice" {
    local agent
    make_run
    wait_until running
    agent=$(child metrics-agent)
    kill -KILL "$agent"
    analyze '{"a": 1, "b": 2}'
    expect 200
    wait_until curl -sf -o /dev/null "$AGENT_URL/metrics"
    [ "$(child metrics-agent)" != "$agent" ]
    wait_until curl -sf -o /dev/null "$URL/metrics"
    wait_until metric_is 'requests_total{method="POST",path="/analyze",status="200"}' 1
    kill "$PID"
    ends 0
    nothing_is_left
}

@test "an analyze process that dies is replaced" {
    make_run WORKERS=1
    wait_until running
    wait_until workers_are 1
    kill -KILL "$(workers)"
    wait_until curl -sf -o /dev/null "$URL/healthz"
    kill "$PID"
    ends 0
}

@test "lighttpd dying ends everything, with a line that says so" {
    make_run
    wait_until running
    kill -KILL "$(child lighttpd)"
    ends 1
    grep -q 'lighttpd ended (signal 9' "$LOG"
    nothing_is_left
}

@test "kill -9 of the supervisor takes its children along" {
    make_run
    wait_until running
    local pids
    pids=$(descendants "$PID")
    kill -KILL "$PID"
    # A process that is about to end has no environment any more, but its files.
    # shellcheck disable=SC2086 # several words
    wait_until all_gone "$PID" $pids
    wait_until none_of_ours
    make_run
    wait_until running
    kill "$PID"
    ends 0
    nothing_is_left
}

@test "two instances side by side" {
    make_run
    wait_until running
    local first=$PID first_url=$URL other=$DIR/other
    read -r HTTP_PORT AGENT_PORT < <(free_ports 2)
    URL=http://127.0.0.1:$HTTP_PORT
    LOG=$DIR/log2
    make_run "STATE_DIR=$other"
    wait_until running
    analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: second-1'
    expect 200
    URL=$first_url analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: first-1'
    [ "$(spooled logs | jq -r .request_id | sort -u)" = first-1 ]
    [ "$(STATE=$other spooled logs | jq -r .request_id | sort -u)" = second-1 ]
    kill "$PID"
    ends 0
    curl -sf -o /dev/null "$first_url/healthz"
    PID=$first
    kill "$PID"
    ends 0
}

@test "STATE_DIR is made with modes for a group, and nothing for others" {
    make_run
    wait_until running
    analyze '{"a": 1, "b": 2}'
    [ "$(stat -c %a "$STATE/run" "$STATE/spool" | sort -u)" = 2770 ]
    [ -z "$(find "$STATE" -mindepth 1 -perm /007)" ]
    [ "$(stat -c %a "$STATE/spool/logs.jsonl")" = 660 ]
    kill "$PID"
    ends 0
}

@test "a port in use" {
    make_run
    wait_until running
    local taken=$HTTP_PORT agent_taken=$AGENT_PORT
    read -r HTTP_PORT AGENT_PORT < <(free_ports 2)
    one_line 1 "PORT $taken on 127.0.0.1 is in use.*make run PORT=" PORT="$taken" STATE_DIR="$DIR/other"
    one_line 1 "AGENT_LISTEN 127.0.0.1:$agent_taken is in use.*make run AGENT_LISTEN=" \
        AGENT_LISTEN="127.0.0.1:$agent_taken" STATE_DIR="$DIR/other"
    one_line 1 "STATE_DIR .* belongs to an instance that is running"
    kill "$PID"
    ends 0
}

@test "a STATE_DIR that can't be used" {
    : >"$DIR/file"
    one_line 2 "STATE_DIR '$DIR/file' can't be used: .*Not a directory" STATE_DIR="$DIR/file"
    one_line 2 "STATE_DIR '/proc/nothing' can't be used" STATE_DIR=/proc/nothing
    one_line 2 "STATE_DIR .* is too long" STATE_DIR="$DIR/$(printf 'x%.0s' {1..120})"
    if [ "$(id -u)" -eq 0 ]; then
        chmod 755 "$DIR"
        mkdir -m 755 "$DIR/roots"
        # One who may not write there; the programs may lie where that user can't even look.
        cp "$BIN/microtrace-run" "$BIN/analyze" "$BIN/metrics-agent" "$ROOT/lighttpd.conf" "$DIR"
        run -2 setpriv --reuid=65534 --regid=65534 --clear-groups env PORT="$HTTP_PORT" \
            AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$DIR/roots" "$DIR/microtrace-run" --config "$DIR/lighttpd.conf"
        [ "${#lines[@]}" -eq 1 ]
        [[ $output =~ "STATE_DIR '$DIR/roots' can't be used: ".*"Permission denied" ]]
    fi
}

@test "a setting that can't be used" {
    one_line 2 'PORT.*"?x' PORT=x
    one_line 2 'PORT' PORT=0
    one_line 2 'PORT' PORT=65536
    one_line 2 'WORKERS' WORKERS=0
    one_line 2 'WORKERS' WORKERS=many
    one_line 2 'BIND' BIND=999.0.0.1
    one_line 2 "BIND 203.0.113.1 can't be used: this machine has no such address" BIND=203.0.113.1
    one_line 2 'AGENT_LISTEN 203.0.113.1:9464 can.t be used' AGENT_LISTEN=203.0.113.1:9464
    one_line 2 'DOWNSTREAM_ENABLED.*"1".*true or false' DOWNSTREAM_ENABLED=1
    one_line 2 'MICROTRACE_LOG_STDERR.*"yes".*true or false' MICROTRACE_LOG_STDERR=yes
    one_line 2 'AGENT_LISTEN' AGENT_LISTEN=9464
    one_line 2 'MAX_BODY_BYTES' MAX_BODY_BYTES=64x
    one_line 2 'LOG_LEVEL' LOG_LEVEL=LOUD
    one_line 2 'CHAOS_PROBABILITY' CHAOS_PROBABILITY=2
    one_line 2 'MICROTRACE_SPOOL_MAX_BYTES' MICROTRACE_SPOOL_MAX_BYTES=-1
    none_of_ours
}

@test "make run passes the exit status and the line of a bad setting on" {
    make_run WORKERS=none
    ends 2
    [ "$(grep -c WORKERS "$LOG")" -eq 1 ]
    nothing_is_left
}

@test "an option that is not known, a configuration that is not there" {
    run -2 "$BIN/microtrace-run" --nonsense
    run -2 "$BIN/microtrace-run" nonsense
    run -2 "$BIN/microtrace-run" --config "$DIR/none.conf"
    [ "${#lines[@]}" -eq 1 ]
    run -0 "$BIN/microtrace-run" --version
    run -0 "$BIN/microtrace-run" --help
    [[ $output == *WORKERS* ]]
}

@test "--no-agent: lighttpd asks an agent that someone else runs, and lives on without it" {
    env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" "$BIN/microtrace-run" \
        --no-agent --config "$ROOT/lighttpd.conf" >"$LOG" 2>&1 </dev/null 3>&- &
    PID=$!
    echo "$PID" >>"$DIR/started"
    wait_until running
    [ -z "$(child metrics-agent)" ]
    request GET /metrics
    [ "$STATUS" -ge 500 ]
    env MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$BIN/metrics-agent" >>"$LOG" 2>&1 </dev/null 3>&- &
    local agent=$!
    echo "$agent" >>"$DIR/started"
    analyze '{"a": 1, "b": 2}'
    expect 200
    wait_until metric_is 'requests_total{method="POST",path="/analyze",status="200"}' 1
    wait_until answers_metrics
    kill -TERM "$PID"
    ends 0
    refute gone "$agent"
    kill "$agent"
}

@test "a read-only STATE_DIR will do where what is written in it is there" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, for mount"
    need_mounts
    mkdir -p "$STATE"/{run,spool} "$DIR"/{runs,spools}
    unshare -m bash -c 'mount --bind "$1" "$1" && mount --bind "$2/runs" "$1/run" &&
        mount --bind "$2/spools" "$1/spool" && mount -o remount,ro,bind "$1" && shift 2 && exec "$@"' - \
        "$STATE" "$DIR" env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf" >"$LOG" 2>&1 </dev/null 3>&- &
    PID=$!
    echo "$PID" >>"$DIR/started"
    wait_until running
    analyze '{"a": 1, "b": 2}'
    expect 200
    [ -s "$DIR/spools/logs.jsonl" ]
    kill -TERM "$PID"
    ends 0
}

# is_busy_or_gone CLIENT: its request is under way, or over already where this shell was slow to look.
is_busy_or_gone() {
    gone "$1" || "$BIN/microtrace" expect metric --state "$STATE" --within 0 'microtrace_workers{state="busy"}' --eq 1 2>/dev/null
}

@test "an answer under way is given before it stops" {
    make_run WORKER_DELAY_MS=700
    wait_until running
    curl -sS -m 20 -o "$DIR/answer" -H 'Content-Type: application/json' -d '{"a": 1, "b": 2}' "$URL/analyze" 3>&- &
    local client=$!
    wait_until is_busy_or_gone "$client"
    kill -TERM "$PID"
    wait "$client"
    [ "$(cat "$DIR/answer")" = '{"sum": 3.0, "difference": -1.0}' ]
    ends 0
    nothing_is_left
}

@test "secrets: the exporter's settings are the agent's alone, those of downstream calls are not the agent's" {
    local pid name
    start_instance WORKERS=1 OTEL_EXPORTER_OTLP_HEADERS=authorization=hush-1 \
        OTEL_EXPORTER_OTLP_TRACES_HEADERS=x=hush-1 OTEL_SERVICE_NAME=shop DOWNSTREAM_URL=http://me:hush-2@127.0.0.1/
    # Then all of them are there.
    analyze '{"a": 1, "b": 2}'
    expect 200
    for pid in $(descendants "$(cat "$DIR/instance")"); do
        name=$(cat "/proc/$pid/comm")
        if [ "$name" = metrics-agent ]; then
            [ "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -c '^OTEL_EXPORTER_OTLP_.*hush-1')" = 2 ]
            [ "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -c hush-2)" = 0 ]
        else
            [ "$(tr '\0' '\n' <"/proc/$pid/environ" | grep -c hush-1)" = 0 ] || { echo "$name has it" && return 1; }
            tr '\0' '\n' <"/proc/$pid/environ" | grep -qx OTEL_SERVICE_NAME=shop
            tr '\0' '\n' <"/proc/$pid/environ" | grep -q '^DOWNSTREAM_URL=.*hush-2'
        fi
    done
    stop_instance
}
