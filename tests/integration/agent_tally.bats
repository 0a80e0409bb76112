#!/usr/bin/env bats
# Goal: what the agent drops, since no endpoint is set, is not read only to be counted, for the
# writers have told how much it is; and where they could not, being killed, or do not, the books
# are right all the same.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() {
    common_setup
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_ENDPOINT= MICROTRACE_SPOOL_MAX_BYTES=16777216)
    SEGMENT=1048576
}

teardown() {
    common_teardown
}

# read_bytes: what the agent has read by system calls so far.
read_bytes() { awk '$1 == "rchar:" { print $2 }' "/proc/$AGENT_PID/io"; }

# Records that the dropped segments and the spool itself have, by reading.
in_spool() { cat spool/"$1".jsonl spool/"$1".[0-9]*.jsonl 2>/dev/null | wc -l; }

# books_are TRACES: nothing else became of the records than being dropped for the cap.
books_are() {
    [ "$(in_books traces)" = "$1" ] &&
        [ "$(($(dropped traces cap) + $(backlog traces)))" = "$1" ] &&
        [ "$(backlog traces)" = "$(in_spool traces)" ]
}

@test "dropped without having been read" {
    start_agent
    until_true 10 test -s spool/agent.checkpoint
    # 64 MB and more, four times the cap.
    "$TOOL" -r run spool traces a 60000 20 200 >written 2>lost &
    WRITERS+=($!)
    sleep 0.2
    local before
    before=$(read_bytes)
    wait "${WRITERS[0]}"
    WRITERS=()
    until_true 20 books_are 60000
    [ "$(dropped traces cap)" -gt 30000 ]
    local bytes=$(($(read_bytes) - before))
    echo "read $bytes bytes"
    # Fingerprints and the like; a reader would have read all of it.
    [ "$bytes" -lt 16000000 ]
}

@test "writers killed between an append and their tally, the agent at any time" {
    start_agent
    local i total=0
    for i in $(seq 1 12); do
        # Beside one that goes on, one that keeps no tally, and one that dies.
        start_writer out1 -r run spool traces "a$i" 2000 20 200
        local first=$WRITER
        start_writer out2 spool traces "b$i" 500 5 500
        local second=$WRITER
        "$TOOL" -r run -k $((10 + i * 7)) spool traces "c$i" 5000 10 100 >/dev/null 2>>lost || [ $? = 137 ]
        total=$((total + 2000 + 500 + 10 * (10 + i * 7)))
        [ $((i % 4)) != 2 ] || { kill_agent 9; start_agent; }
        wait "$first" "$second"
    done
    WRITERS=()
    # What a killed agent had not counted yet when it dropped it, it counts as it drops: nothing is
    # told twice and nothing is missing.
    until_true 20 books_are $total
    kill_agent TERM
    start_agent
    until_true 20 books_are $total
}

@test "a segment that grows by a tally and without one is counted once" {
    start_agent
    "$TOOL" -r run spool traces a 100 10 >/dev/null 2>lost
    until_true 10 books_are 100
    "$TOOL" spool traces b 50 10 >/dev/null 2>lost
    until_true 10 books_are 150
    "$TOOL" -r run spool traces c 30 10 >/dev/null 2>lost
    until_true 10 books_are 180
    # Another metrics file knows nothing of the records that are there.
    kill_agent TERM
    mv run/metrics.mmap run/old
    start_agent
    "$TOOL" -r run spool traces d 20 10 >/dev/null 2>lost
    until_true 10 books_are 200
}
