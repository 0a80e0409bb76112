#!/usr/bin/env bats
# Goal: the long steps of the test suites show that they live, and get in nobody's way.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/microtrace.XXXXXX")
    export PROGRESS_SECONDS=1
}

teardown() {
    rm -rf "${DIR:?}"
}

# with_tools COMMANDS: a shell that has progress.bash; its output and its messages in files.
with_tools() {
    bash -euc ". '$ROOT/tests/tools/progress.bash'; cd '$DIR'; $1" >"$DIR/output" 2>"$DIR/messages" 3>&-
}

@test "a long step says what it does, and again and again the end of its log" {
    # It lasts until the second sign of life is there.
    # shellcheck disable=SC2016 # for the shell in there
    with_tools 'step() {
            printf "one\n\033[32mtwo\033[0m\n"
            for _ in $(seq 600); do [ "$(grep -c "so far: two$" messages)" -lt 2 ] || return 3; sleep 0.1; done
        }
        status=0; with_progress "building it" log step || status=$?; echo "status $status"' || true
    cat "$DIR/messages"
    [ "$(cat "$DIR/output")" = "status 3" ]
    [ "$(head -n 1 "$DIR/messages")" = "building it" ]
    grep -qE '^building it: [0-9]+ s so far: two$' "$DIR/messages"
}

@test "the signs end with the step, and with a process that is killed in the midst of it" {
    # shellcheck disable=SC2016 # for the shell in there
    with_tools 'progress_begin "a" /dev/null; echo "$progress_watcher" >watcher; progress_end; kill -0 "$(cat watcher)" 2>/dev/null || echo over'
    [ "$(cat "$DIR/output")" = over ]
    # shellcheck disable=SC2016 # for the shell in there
    with_tools 'progress_begin "b" /dev/null; echo "$progress_watcher" >watcher; kill -KILL $$' || true
    wait_until gone "$(cat "$DIR/watcher")"
}

@test "who waits for another run says so, and nothing of it is in the output" {
    # shellcheck disable=SC2016 # for the shell in there
    with_tools 'exec 9>lock; (exec 8>lock; flock 8; touch held
            for _ in $(seq 600); do ! grep -q "another run is at it" messages || break; sleep 0.1; done) 9>&- &
        until [ -e held ]; do sleep 0.05; done
        lock_with_progress 9 compose; echo "has it"'
    cat "$DIR/messages"
    [ "$(cat "$DIR/output")" = "has it" ]
    grep -q '^compose: another run is at it' "$DIR/messages"
}
