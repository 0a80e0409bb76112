#!/usr/bin/env bats
# Goal: a line of another program's file is taken into the spool once, and one that is left out is
# counted once, wherever kill -9 meets the agent.

bats_require_minimum_version 1.5.0
load agent_helpers

setup_file() { build_fail_nth; }

setup() {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    common_setup
}
teardown() { common_teardown; }

# lines SIGNAL NAME COUNT: that many lines on stdout; their names go to `written`.
lines() {
    rm -rf made && mkdir made
    "$TOOL" made "$1" "$2" "$3" 100 >>written
    cat "made/$1.jsonl"
}

# dies_at FAMILY CALL ERRNO: runs the agent until it is killed there; false if it comes to its end,
# which it does because nothing can be sent.
dies_at() {
    local status=0
    launch_agent_killed_at "$1" "$2" "$3" --drain
    wait "$AGENT_PID" || status=$?
    AGENT_PID=''
    [ "$status" = 137 ] || [ "$status" = 1 ]
    [ "$status" = 137 ]
}

delivered_is() { [ "$(outcome traces delivered)" = "$1" ]; }

# killed_at_each FAMILY ERRNO LEAST: at each of the calls before the first request.
killed_at_each() {
    local call=0
    choose_ports
    start_sink
    # The active file stands in the checkpoint by a number, which each new segment changes.
    "$TOOL" spool traces own 10 100 >>written
    start_agent
    until_true 20 delivered_is 10
    kill_agent TERM
    sink_answers '{"mode":"status","status":503}'
    while [ $((++call)) -le 30 ]; do
        lines traces "t$call" 3 >>spool/x.traces.jsonl
        lines logs "l$call" 2 >>spool/y.logs.jsonl
        # A segment is full every few times.
        lines traces "u$call" 30 >>"spool/z$((call % 5)).traces.jsonl"
        dies_at "$1" "$call" "$2" || break
    done
    echo "# $1: killed at $((call - 1)) calls" >&3
    [ "$call" -gt "$3" ]
    sink_answers '{}'
    start_agent
    books traces "$(written_by '[otu]')"
    books logs "$(written_by l)"
    until_true 60 nothing_waits traces
    until_true 60 nothing_waits logs
    everything_arrived --duplicate-requests 0
    [ "$(dropped traces torn)" = 0 ]
}

@test "killed before any write: each line once" { killed_at_each write 12 8; }
@test "killed in the middle of any write: each line once" { killed_at_each write 0 8; }
@test "killed before any rename, deletion or change of a mode: each line once" {
    killed_at_each name 12 4
}
@test "killed behind any rename, deletion or change of a mode: each line once" {
    killed_at_each name 0 4
}
@test "killed before any opening: each line once" { killed_at_each open 12 8; }

# left_out_at_each FAMILY ERRNO LEAST: a line that is too long for this spool each time.
left_out_at_each() {
    local call=0
    choose_ports
    start_sink
    sink_answers '{"mode":"status","status":503}'
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=262144)
    while [ $((++call)) -le 30 ]; do
        {
            lines traces "t$call" 1
            python3 -c 'print("{\"resourceSpans\":[" + " " * 140000 + "]}")'
        } >>spool/x.traces.jsonl
        dies_at "$1" "$call" "$2" || break
    done
    echo "# $1: killed at $((call - 1)) calls" >&3
    [ "$call" -gt "$3" ]
    sink_answers '{}'
    start_agent
    until_true 20 counted_as_left_out "$(wc -l <written)"
    books traces "$(wc -l <written)"
    until_true 60 nothing_waits traces
    everything_arrived --duplicate-requests 0
}

counted_as_left_out() { [ "$(dropped traces oversize)" = "$1" ]; }

@test "killed in the middle of any write: each line that is left out is counted once" {
    left_out_at_each write 0 8
}
@test "killed behind any rename: each line that is left out is counted once" {
    left_out_at_each name 0 4
}
