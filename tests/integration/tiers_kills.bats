#!/usr/bin/env bats
# Goal: a segment moves from memory to the disk, and wherever kill -9 meets the agent on the way each
# of its records is sent once more at the most, none is lost, and the books balance.

bats_require_minimum_version 1.5.0
load agent_helpers

setup_file() { build_fail_nth; }

setup() {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    common_setup
    two_tiers
}

teardown() { common_teardown; }

# dies_at FAMILY CALL ERRNO: runs the agent until it is killed there, or has moved everything and is
# told to end; false then.
dies_at() {
    local status=0
    launch_agent_killed_at "$1" "$2" "$3"
    until_true 30 agent_answers_or_is_dead
    "$TOOL" -r run -m run -l 131072 spool traces "t$2" 120 40 >>written
    "$TOOL" -r run -m run -l 131072 spool logs "l$2" 60 30 >>written
    until_true 60 moved_or_dead
    kill -TERM "$AGENT_PID" 2>/dev/null || true
    wait "$AGENT_PID" || status=$?
    AGENT_PID=''
    [ "$status" = 137 ] || [ "$status" = 0 ]
    [ "$status" = 137 ]
}

is_dead() { ! kill -0 "$AGENT_PID" 2>/dev/null; }
agent_answers_or_is_dead() { agent_answers || is_dead; }
# Half of 64 KiB is what may stay.
moved_or_dead() { is_dead || [ "$(du -sb run/spool | cut -f1)" -lt 49152 ]; }

kept_or_dead() { is_dead || { agent_answers && nothing_waits traces && no_segment; }; }
no_segment() { ! compgen -G 'spool/traces.*[0-9].jsonl' && ! compgen -G 'run/spool/traces.*[0-9].jsonl'; }

killed_at_each() {
    local call=0
    choose_ports
    ENVIRONMENT=(MICROTRACE_SPOOL_MEMORY_BYTES=64K)
    while [ $((++call)) -le 60 ]; do
        dies_at "$1" "$call" "$2" || break
    done
    echo "# $1: killed at $((call - 1)) calls" >&3
    [ "$call" -ge "$3" ]
    start_sink
    start_agent
    until_true 60 nothing_waits traces
    until_true 60 nothing_waits logs
    everything_arrived --duplicate-requests 0
    books traces "$(written_by t)"
    books logs "$(written_by l)"
    [ "$(dropped traces torn)" = 0 ]
}

@test "killed before any renaming or deletion" { killed_at_each name 12 8; }
@test "killed behind any renaming or deletion" { killed_at_each name 0 8; }
@test "killed before any copy" { killed_at_each size 12 2; }
@test "killed behind any copy" { killed_at_each size 0 2; }
@test "killed before any opening" { killed_at_each open 12 20; }
# How often it writes depends on the machine: a busy one has taken 5 calls.
@test "killed in the middle of any write" { killed_at_each write 0 4; }

# What is kept takes the place of a segment that has a copy on the disk: each record is kept once.
@test "killed behind any renaming or deletion of what is kept" {
    local call=0 kept=0
    export MICROTRACE_RUN_DIR=$PWD/run MICROTRACE_SPOOL_DIR=$PWD/spool
    KEEP=1M
    mkdir sealed
    "$TOOL" sealed traces t 30 3 >>written
    choose_ports
    while [ $((++call)) -le 40 ]; do
        rm -rf run/* spool/* dump
        start_sink
        mkdir -m 2770 run/spool
        cp sealed/traces.jsonl run/spool/traces.0000000001.jsonl
        cp sealed/traces.jsonl spool/traces.0000000001.jsonl
        launch_agent_killed_at name "$call" 0
        until_true 30 kept_or_dead
        kill -TERM "$AGENT_PID" 2>/dev/null || true
        wait "$AGENT_PID" && break
        if ! cmp run/spool/traces.0000000001.jsonl spool/traces.0000000001.jsonl; then
            kept=$((kept + 1))
            start_agent
            until_true 30 nothing_waits traces
            until_true 30 no_segment
            "$BUILD/bin/microtrace" expect span --count 30 >found
            kill_agent TERM
            "$BUILD/bin/microtrace" expect span --count 30 >found
            everything_arrived --duplicate-requests 1
        fi
        stop_sink
    done
    echo "# killed at $((call - 1)) calls, $kept of them later than the first file was kept" >&3
    [ "$call" -ge 8 ] && [ "$kept" -ge 2 ]
}
