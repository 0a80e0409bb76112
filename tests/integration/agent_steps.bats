#!/usr/bin/env bats
# Goal: whatever the spool, its disk or the metrics file do, /metrics answers at once: a scrape every
# 50 ms through each of them. The slowest one is printed; the bound is 2.8 s, since other programs
# may need this machine too; what it guards against takes 3 s or more. The books balance afterwards.

bats_require_minimum_version 1.5.0
load agent_helpers

BOUND_MS=2800

setup() { common_setup; }

teardown() {
    common_teardown
    umount -l spool 2>/dev/null || true
}

# one_line FILE NAME: a sealed segment, or the active file, of one span.
one_line() {
    "$TOOL" one traces "$2" 1 1 >>written
    cat one/traces.jsonl >>"spool/$1"
    rm one/traces.jsonl
}

line_is_quarantined() { [ "$(outcome traces quarantined)" = 1 ]; }

# hole_behind FILE [running]: it is one record that nobody can use; its neighbours are delivered.
hole_behind() {
    mkdir one
    start_sink
    sink_answers '{"mode":"status","status":503}'
    one_line traces.0000000001.jsonl a
    one_line traces.0000000002.jsonl b
    one_line traces.jsonl c
    [ -n "${2:-}" ] || truncate -s 20G "spool/$1"
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=1000G)
    choose_ports
    begin_scrapes
    SEGMENT=1000000 launch_agent
    until_true 10 agent_answers
    [ -z "${2:-}" ] || truncate -s 20G "spool/$1"
    sleep 2
    sink_answers '{}'
    until_true 30 line_is_quarantined
    until_true 30 nothing_waits traces
    end_scrapes "20 GiB of hole behind $1"
    everything_arrived
    books traces 4
    [ "$(jq -r .reason spool/traces.quarantine.jsonl)" = oversize ]
}

@test "20 GiB of hole behind a sealed segment" { hole_behind traces.0000000002.jsonl; }

@test "20 GiB of hole behind the active file" { hole_behind traces.jsonl running; }

@test "20 GiB of hole that is over the cap: dropped and counted" {
    choose_ports
    SEGMENT=1000000 launch_agent
    until_true 10 agent_answers
    mkdir one
    one_line traces.jsonl a
    until_true 10 backlog_is traces 1
    begin_scrapes
    truncate -s 20G spool/traces.jsonl
    until_true 30 nothing_waits traces
    end_scrapes "20 GiB of hole over the cap"
    [ "$(dropped traces cap)" = 2 ]
    books traces 2
}

# segments COUNT [LINE]: so many sealed ones of logs.
segments() {
    python3 - "$@" <<'END'
import sys
line = sys.argv[2] + "\n" if len(sys.argv) > 2 else ""
for i in range(1, int(sys.argv[1]) + 1):
    with open(f"spool/logs.{i:010d}.jsonl", "w") as file:
        file.write(line)
END
}

LINE='{"asctime":"2026-01-01T00:00:00.000Z","levelname":"INFO","name":"n","message":"m"}'

@test "100,000 segments: it listens at once, counts them all, and ends when told to" {
    local began
    segments 100000 "$LINE"
    choose_ports
    begin_scrapes
    OTEL_LOGS_EXPORTER=none launch_agent
    until_true 60 backlog_is logs 100000
    end_scrapes "100,000 segments"
    books logs 100000
    began=$SECONDS
    kill_agent TERM
    [ $((SECONDS - began)) -le 20 ]
}

no_segment_left() { [ "$(find spool -name 'logs.0*' | wc -l)" = 0 ]; }

@test "100,000 empty segments are deleted by and by" {
    segments 100000
    choose_ports
    begin_scrapes
    launch_agent
    until_true 60 no_segment_left
    end_scrapes "100,000 empty segments"
}

@test "a disk that takes 3 s for a call, whichever: /metrics and /healthz answer throughout" {
    local call
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o slow_calls.so \
        "$ROOT/tests/tools/preload/slow_calls.c"
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    mkdir slow
    start_sink
    ENVIRONMENT=(LD_PRELOAD="$PWD/slow_calls.so" SLOW_CALLS="$PWD/slow" SLOW_BELOW="$PWD/spool"
        MICROTRACE_SPOOL_MAX_BYTES=1M)
    start_agent
    start_writer written spool traces t 100000000 2 2000
    for call in fdatasync rename unlink open stat statvfs read write; do
        begin_scrapes
        echo 3000 >slow/$call
        sleep 4
        rm slow/$call
        end_scrapes "3 s for each $call"
    done
    begin_scrapes /healthz
    echo 3000 >slow/fdatasync
    sleep 4
    rm slow/fdatasync
    end_scrapes "/healthz, 3 s for each fdatasync"
    stop_writer "$WRITER"
    until_true 60 nothing_waits traces
    books traces "$(wc -l <written)"
}

stuck() {
    [ "$(curl -s -m 5 -o health -w '%{http_code}' "http://127.0.0.1:$AGENT_PORT/healthz")" = 503 ] &&
        grep -q 'waited for a disk for 1' health
}

@test "a disk that hangs while the agent starts: it listens, and healthz says what it waits for" {
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o slow_calls.so \
        "$ROOT/tests/tools/preload/slow_calls.c"
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    mkdir slow
    echo 14000 >slow/open
    ENVIRONMENT=(LD_PRELOAD="$PWD/slow_calls.so" SLOW_CALLS="$PWD/slow" SLOW_BELOW="$PWD/spool")
    choose_ports
    begin_scrapes
    launch_agent
    until_true 30 stuck
    rm slow/open
    until_true 30 agent_answers
    end_scrapes "a disk that hangs at the start"
}

# craft ARGUMENT...: another index in the metrics file, under the agent and a checksum that is right.
craft() {
    choose_ports
    ENVIRONMENT=("$@")
    launch_agent
    until_true 10 agent_answers
    begin_scrapes
    sleep 1
}

@test "a metrics file with an index that its series can't need is damaged" {
    craft
    python3 "$ROOT/tests/tools/metrics_craft.py" run/metrics.mmap --index $((1 << 30))
    sleep 3
    end_scrapes "1 GiB of index"
    jq -e '.answers["503"] > 10' scrapes
    curl -s "http://127.0.0.1:$AGENT_PORT/metrics" | grep -q 'damaged in its header'
}

@test "a metrics file with the largest index that may be: read by and by" {
    craft
    python3 "$ROOT/tests/tools/metrics_craft.py" run/metrics.mmap --index $((1 << 27)) \
        --series 4194304
    sleep 3
    end_scrapes "128 MiB of index"
    jq -e '.answers["503"] == 0' scrapes
}

# small_disk OPTION...: a spool on a file system of its own.
small_disk() {
    mount -t tmpfs -o "$1" none spool 2>/dev/null || skip "no mount is permitted here"
}

health_is() {
    [ "$(curl -s -m 5 -o health -w '%{http_code}' "http://127.0.0.1:$AGENT_PORT/healthz")" = "$1" ]
}

read_only() { health_is 503 && grep -q 'Read-only file system' health; }

@test "a read-only spool: it listens and says so, and goes on once it can write" {
    small_disk mode=2770
    "$TOOL" spool traces a 5 5 >>written
    mount -o remount,ro spool
    start_sink
    choose_ports
    begin_scrapes
    launch_agent
    until_true 10 read_only
    [ "$(grep -c 'Read-only file system' agent.log)" = 1 ]
    sleep 1
    end_scrapes "a read-only spool"
    mount -o remount,rw spool
    until_true 10 health_is 200
    until_true 20 nothing_waits traces
    everything_arrived
    books traces 5
}

no_space() { health_is 503 && grep -q 'No space left on device' health; }

@test "a spool without an inode left: it listens, says so, delivers, and mends itself" {
    small_disk mode=2770,nr_inodes=4
    "$TOOL" spool traces a 5 5 >>written
    touch spool/one spool/two
    run ! touch spool/three
    start_sink
    sink_answers '{"mode":"status","status":503}'
    choose_ports
    begin_scrapes
    launch_agent
    until_true 10 no_space
    # Nobody else may work there meanwhile.
    run -1 env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$(free_port)" "$AGENT"
    [[ "$output" == *"another metrics-agent works on"* ]]
    # What is delivered gives its inode back.
    sink_answers '{}'
    until_true 20 nothing_waits traces
    end_scrapes "a spool without inodes"
    until_true 20 health_is 200
    [ -e spool/agent.lock ]
    everything_arrived
    books traces 5
}
