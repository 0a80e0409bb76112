#!/usr/bin/env bats
# Goal: programs are replaced while requests go, by a newer or an older version, and nothing has to
# stop: every request is answered and counted once, in metrics, spans and log lines.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    new_folder
    # What is installed, and what takes its place.
    mkdir -p "$DIR/installed" "$DIR/share"
    cp -r "$BUILD/bin" "$DIR/installed/"
    cp -r "$BUILD/share" "$DIR/installed/"
    REAL_BIN=$BIN
    VERSION=$("$REAL_BIN/analyze" --version | cut -d' ' -f2)
}

teardown() {
    [ -z "${CLIENTS:-}" ] || kill "$CLIENTS" 2>/dev/null || true
    [ -n "${BATS_TEST_COMPLETED:-}" ] || cat "$LOG" || true
    remove_folder
}

# other_version FOLDER: the programs of another version, alike but for its number; those in
# UPGRADE_WITH, if that is set: the bin folder of an earlier commit's build.
other_version() {
    local program other=${VERSION%.*}.9
    mkdir "$1"
    if [ -n "${UPGRADE_WITH:-}" ]; then
        cp "$UPGRADE_WITH"/{analyze,metrics-agent} "$1"
        return
    fi
    for program in "$REAL_BIN"/*; do
        LC_ALL=C sed "s/${VERSION//./\\.}/$other/g" "$program" >"$1/${program##*/}"
        chmod 755 "$1/${program##*/}"
    done
    [ "$("$1/analyze" --version)" = "analyze $other" ]
    [ "$("$1/metrics-agent" --version)" = "metrics-agent $other" ]
}

# replace FOLDER: puts the programs of FOLDER in place, each by a rename, as dpkg and install do.
replace() {
    local program
    for program in "$1"/*; do
        cp "$program" "$DIR/installed/bin/.new"
        mv -f "$DIR/installed/bin/.new" "$DIR/installed/bin/${program##*/}"
    done
}

# running PROGRAM: the processes of the instance that run that program.
running() {
    local pid
    for pid in $(descendants "$(cat "$DIR/instance")"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || echo "$pid"
    done
}

# are_new PROGRAM N: N processes of it run, none of them a program that was replaced.
are_new() {
    local pid n=0
    for pid in $(running "$1"); do
        [[ $(readlink "/proc/$pid/exe") != *"(deleted)" ]] || return 1
        n=$((n + 1))
    done
    [ "$n" -eq "$2" ]
}

# upgrade FOLDER: as docs/operations.md says: the programs, then the agent, then what the web server
# has started.
upgrade() {
    replace "$1"
    kill -TERM "$(running metrics-agent)"
    wait_until are_new metrics-agent 1
    kill -USR1 "$(running lighttpd)"
    wait_until are_new analyze 4
}

start_clients() {
    timeout 300 "$BUILD/tests/tools/load" "$HTTP_PORT" 8 "$1" >"$DIR/seen" 3>&- &
    CLIENTS=$!
}

# Some requests were answered since the last call.
goes_on() {
    local before now
    before=$(cat "$DIR/before" 2>/dev/null || echo 0)
    now=$("$REAL_BIN/microtrace" metrics --state "$STATE" --prometheus | awk '/^requests_total\{.*path="\/analyze"/ { n += $NF } END { print n + 0 }')
    [ "$now" -gt $((before + 200)) ] || return 1
    echo "$now" >"$DIR/before"
}

nothing_is_under_way() {
    metric_is 'requests_in_progress{method="POST",path="/analyze"}' 0 || metric_is requests_in_progress 0
}

agrees() {
    local good bad all
    good=$(jq '."200"' "$DIR/seen")
    all=$(jq '."200" + ."422" + ."404"' "$DIR/seen")
    [ "$all" -eq "$1" ]
    "$REAL_BIN/microtrace" expect metric --state "$STATE" --within 20 'requests_total{path="/analyze",status="200"}' --eq "$good"
    "$REAL_BIN/microtrace" expect metric --state "$STATE" --within 20 'request_latency_seconds_count' --eq "$all"
    [ "$(spans | jq -c 'select(.kind == 2)' | wc -l)" -eq "$all" ]
    [ "$(logs '.message == "request_completed"' | wc -l)" -eq "$all" ]
    wait_until metric_is 'microtrace_spool_written_records_total{signal="traces"}' $((all + good))
    wait_until nothing_is_under_way
}

@test "agent and analyze are replaced under load, by another version and back: no request is lost or counted twice" {
    # The pause has requests under way at each moment.
    BIN=$DIR/installed/bin start_instance WORKERS=4 WORKER_DELAY_MS=5
    other_version "$DIR/other"
    start_clients 10000
    wait_until goes_on
    upgrade "$DIR/other"
    wait_until goes_on
    wait_until metric_is "microtrace_build_info{version=\"$("$DIR/other/analyze" --version | cut -d' ' -f2)\"}" 1
    upgrade "$REAL_BIN"
    wait_until goes_on
    kill -0 "$CLIENTS"
    wait "$CLIENTS"
    CLIENTS=
    agrees 10000
    # And each span says which version made it.
    [ -n "${UPGRADE_WITH:-}" ] || [ "$(spans | jq -r '.resource.attributes[] | select(.key == "service.version").value.stringValue' | sort -u | wc -l)" -eq 2 ]
}
