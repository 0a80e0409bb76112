#!/usr/bin/env bats
# Delivered records are kept for those who look, and are never in the way: not of the books, not of
# what waits, not of the disk, and not of an agent that starts again.

bats_require_minimum_version 1.5.0

load agent_helpers

setup() {
    common_setup
    KEEP=1M
    export MICROTRACE_RUN_DIR=$PWD/run MICROTRACE_SPOOL_DIR=$PWD/spool
}

teardown() {
    common_teardown
    [ -z "${SMALL_DISK:-}" ] || umount -l "$SMALL_DISK"
}

write() { "$TOOL" -r run -m run spool "$@" >>written; }
mt() { "$BUILD/bin/microtrace" "$@" >found; }
kept() { find "${1:-spool}/" -name "${2:-traces}.*.kept.jsonl" | sort; }
kept_bytes() { kept "$@" | xargs -r cat | wc -c; }
has_kept() { [ -n "$(kept "$@")" ]; }
kept_within() { [ "$(($(kept_bytes) + $(kept_bytes spool logs)))" -le "$1" ]; }
spool_within() { [ "$(du -sb spool | cut -f1)" -le "$1" ]; }
nothing_kept() { [ -z "$(kept)" ]; }
sealed() { find "${1:-spool}/" -name 'traces.0*' ! -name '*.kept.jsonl'; }
delivered_is() { [ "$(outcome "$1" delivered)" = "$2" ]; }
kept_bytes_are_told() { [ "$(metric microtrace_spool_kept_bytes 'signal="traces"')" = "$(kept_bytes)" ]; }
kept_alone() { [ "$(kept_bytes "$1")" -le "$2" ]; }
# status_has CONDITION: in jq's words, of what the status says of traces, beside what is kept.
status_has() {
    mt spool status --json || true
    jq -e --argjson bytes "$(kept_bytes)" ".signals.traces | .kept_bytes == \$bytes and ($1)" found
}
nothing_sealed() { [ -z "$(sealed "$@")" ]; }

@test "expect finds what was delivered; the oldest go; the books balance; it is not sent again" {
    start_sink
    start_agent
    write traces t 300 3
    write logs l 300 3
    until_true 20 delivered_is traces 300
    until_true 20 delivered_is logs 300
    until_true 20 nothing_sealed
    until_true 20 has_kept
    mt expect span --name t-0 --within 0
    mt expect span --count 300 --within 0
    until_true 10 kept_bytes_are_told
    until_true 10 status_has '.backlog_records == 0 and .books == "balanced" and .segment_count <= 1'
    mt spool verify
    kill_agent TERM
    start_agent
    write traces u 3000 3 1000
    until_true 20 delivered_is traces 3300
    until_true 20 nothing_sealed
    until_true 10 kept_within 1048576
    mt expect span --name u-2990 --within 0
    mt expect span --name t-0 --none
    everything_arrived --duplicate-requests 0
    books traces 3300
    books logs 300
}

@test "kept ones go before anything that waits: at the cap, and with 0" {
    start_sink
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=1M)
    KEEP=10M
    start_agent
    write traces t 700 3
    until_true 20 delivered_is traces 700
    until_true 20 has_kept
    sink_answers '{"mode":"status","status":503}'
    write traces u 700 3
    until_true 10 backlog_is traces 700
    until_true 10 spool_within 1200000
    [ "$(dropped traces cap)" = 0 ]
    sink_answers '{}'
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    kill_agent TERM
    has_kept
    KEEP=0
    start_agent
    until_true 10 nothing_kept
    books traces 1400
}

@test "two tiers: kept in memory, within half of it; an agent that ends moves them to the disk" {
    two_tiers
    start_sink
    ENVIRONMENT=(MICROTRACE_SPOOL_MEMORY_BYTES=1M)
    KEEP=10M
    start_agent
    write traces t 2000 3 1000
    until_true 20 delivered_is traces 2000
    until_true 20 nothing_sealed run/spool
    until_true 20 has_kept run/spool
    until_true 20 kept_alone run/spool 524288
    mt expect span --name t-1990 --within 0
    kill_agent TERM
    [ ! -e run/spool ]
    mt expect span --name t-1990 --within 0
    start_agent
    write traces u 3 3
    until_true 20 delivered_is traces 2003
    everything_arrived --duplicate-requests 0
    books traces 2003
}

@test "a disk that is nearly full: kept ones leave room for bursts, and no record is lost to them" {
    mount -t tmpfs -o size=3M,mode=2770 none spool 2>/dev/null || skip "no mount is permitted here"
    SMALL_DISK=$PWD/spool
    start_sink
    KEEP=64M SEGMENT=262144
    start_agent
    # Three times what there is room for, half of it in bursts that are larger than what a full file
    # system has left.
    write traces t 6000 20 20000
    until_true 20 delivered_is traces 6000
    until_true 20 has_kept
    local i
    for i in 1 2 3 4 5 6; do
        "$TOOL" -r run -m run spool traces "b$i" 300 100 >>written 2>>lost
        until_true 20 delivered_is traces $((6000 + 300 * i))
    done
    refute_lost
    everything_arrived --duplicate-requests 0
    books traces 7800
    has_kept
    mt expect span --name b6-299 --within 0
}

refute_lost() { ! grep -v 'lost 0' lost; }

@test "what is kept is found after kill -9 and a restart, and status tells it from what waits" {
    start_sink
    start_agent
    write traces t 600 3 5000
    until_true 20 delivered_is traces 600
    until_true 20 nothing_sealed
    until_true 20 has_kept
    local oldest newest
    oldest=$(kept | head -n 1) newest=$(kept | tail -n 1)
    kill_agent 9
    mt expect span --name t-0 --within 0
    sink_answers '{"mode":"status","status":503}'
    start_agent
    write traces u 10 10
    until_true 10 backlog_is traces 10
    until_true 10 kept_bytes_are_told
    until_true 10 status_has '.backlog_records == 10 and .books == "balanced"'
    mt spool status || true
    grep -q "kept, bytes *$(kept_bytes)" found
    mt expect span --name t-0 --within 0
    # With less room from now on the oldest go, and what waits stays.
    kill_agent TERM
    KEEP=192K
    start_agent
    until_true 10 kept_within 196608
    has_kept
    [ "$(kept | head -n 1)" != "$oldest" ]
    [ "$(kept | tail -n 1)" = "$newest" ]
    mt expect span --name t-0 --none
    mt expect span --name u-9 --within 0
    sink_answers '{}'
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 1
    books traces 610
}
