#!/usr/bin/env bats
# Goal: `microtrace cron` does what a running agent does, once and in bounded time: what the spool
# holds is delivered, or stays; the text for node_exporter is always a whole one. It prints nothing
# while all is well, since cron mails what is printed, and one line where not.

bats_require_minimum_version 1.5.0
load agent_helpers

setup_file() { build_fail_nth; }

setup() {
    common_setup
    BIN=$BUILD/bin TEXT=$PWD/node/microtrace.prom
    mkdir node
}

teardown() {
    umount -l "$PWD/node" 2>/dev/null || true
    common_teardown
}

# in_cron COMMAND...: with as little of an environment as cron gives, and of MicroTrace's what is set here.
in_cron() {
    env -i PATH=/usr/bin:/bin HOME="$PWD" SHELL=/bin/sh LOGNAME=user \
        MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        MICROTRACE_SPOOL_SEGMENT_BYTES=65536 MICROTRACE_SPOOL_KEEP_BYTES=0 \
        ${SINK_PORT:+OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$SINK_PORT"} "${ENVIRONMENT[@]}" "$@"
}

cron() { in_cron "${PROGRAMS:-$BIN}/microtrace" cron "$@" 3>&-; }

# says_nothing COMMAND...: all is well.
says_nothing() {
    run -0 --separate-stderr "$@"
    # shellcheck disable=SC2154 # set by run
    [ -z "$output$stderr" ] || { echo "it says: $output$stderr" && false; }
}

# says STATUS TEXT COMMAND...: one line on stderr with that text.
says() {
    local status=$1 text=$2
    shift 2
    run "-$status" --separate-stderr "$@"
    [ -z "$output" ]
    # shellcheck disable=SC2154
    [ "${#stderr_lines[@]}" -eq 1 ] && [[ $stderr == *"$text"* ]] || { echo "it says: $stderr" && false; }
}

# in_text NAME LABELS: a sample of the textfile as a whole number.
in_text() { awk -v series="$1{$2}" '$1 == series { printf "%d\n", $2 }' "$TEXT"; }

text_is_whole() {
    grep -q '^microtrace_spool_limit_bytes{signal="traces"}' "$TEXT" && [ -z "$(tail -c 1 "$TEXT")" ]
}

fill() {
    "$TOOL" -r run spool traces "t$1" "$2" 50 >>written
    "$TOOL" -r run spool logs "l$1" "$2" 50 >>written
}

@test "what is there is delivered without a word, and the text is what the agent would serve" {
    start_sink
    fill a 2000
    umask 077
    says_nothing cron --textfile "$TEXT"
    everything_arrived
    [ "$(stat -c %a "$TEXT")" = 644 ]
    "$BIN/microtrace" --state . metrics --prometheus | cmp - "$TEXT"
    [ "$(in_text microtrace_export_records_total 'signal="traces",outcome="delivered"')" = 2000 ]
    [ "$(in_text microtrace_spool_backlog_records 'signal="logs"')" = 0 ]
    # Again and again: nothing is sent twice, and no file is left over.
    find run spool node | sort >files
    for _ in 1 2 3; do
        says_nothing cron --textfile "$TEXT"
    done
    everything_arrived
    find run spool node | sort | diff files -
    run -0 "$BIN/microtrace" --state . spool status
    [[ $output == *"no agent runs; the spool was drained"* ]]
}

@test "the text is byte for byte what a running agent serves of the same file" {
    start_sink
    fill a 500
    start_agent
    until_true 10 nothing_waits traces
    until_true 10 nothing_waits logs
    says_nothing cron --textfile "$TEXT"
    until_true 20 text_is_what_is_served
}

# Each scrape renews the age of the oldest record; nothing else changes at rest, which begins a moment
# after all is delivered.
text_is_what_is_served() {
    cron --textfile "$TEXT" &&
        curl -sf "http://127.0.0.1:$AGENT_PORT/metrics" | grep -v '^microtrace_spool_oldest_record_age' >served &&
        grep -v '^microtrace_spool_oldest_record_age' "$TEXT" | diff - served
}

@test "without an endpoint: nothing is sent or said, the limit is kept, and what was cut is counted" {
    fill a 3000
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=500000)
    says_nothing cron --textfile "$TEXT"
    [ "$(du -bc spool/*.jsonl | tail -n 1 | cut -f1)" -le 500000 ]
    [ "$(in_text microtrace_spool_dropped_records_total 'signal="traces",reason="cap"')" -gt 0 ]
    [ "$(in_text microtrace_spool_written_records_total 'signal="traces"')" = 3000 ]
    [ $(($(in_text microtrace_spool_dropped_records_total 'signal="traces",reason="cap"') + \
        $(in_text microtrace_spool_backlog_records 'signal="traces"'))) = 3000 ]
}

@test "nobody listens: one line with the reason, all stays, and the next one delivers it" {
    fill a 300
    SINK_PORT=$(free_port)
    says 1 "can't be drained: 3 attempts failed; the last: Failed to connect" cron --textfile "$TEXT"
    [ "$(in_text microtrace_spool_backlog_records 'signal="traces"')" = 300 ]
    start_sink
    sink_answers '{"mode":"status","status":401}'
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TIMEOUT=5000)
    says 1 "look at OTEL_EXPORTER_OTLP_HEADERS" cron --within 6s
    sink_answers '{}'
    says_nothing cron --textfile "$TEXT"
    everything_arrived
    [ "$(in_text microtrace_spool_backlog_records 'signal="traces"')" = 0 ]
}

@test "an endpoint that hangs: it ends in time, and nothing is lost" {
    local began=$SECONDS
    start_sink
    fill a 300
    sink_answers '{"mode":"hang"}'
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TIMEOUT=300000)
    says 1 "not all could be sent in time, and stays in the spool: traces: the endpoint does not answer" \
        cron --within 6s --textfile "$TEXT"
    # 300 s by its own timeout.
    [ $((SECONDS - began)) -lt 60 ]
    [ "$(in_text microtrace_spool_backlog_records 'signal="traces"')" = 300 ]
    stop_sink
    start_sink
    says_nothing cron
    everything_arrived
}

@test "two at once: the second leaves the sending to the first, and both write a whole text" {
    local first status=0
    start_sink
    fill a 300
    sink_answers '{"mode":"slow"}'
    cron --textfile "$TEXT" >first.out 2>&1 &
    first=$!
    WRITERS+=("$first")
    until_true 10 first_has_the_spool
    says_nothing cron --textfile "$TEXT"
    text_is_whole
    sink_answers '{}'
    wait "$first" || status=$?
    [ "$status" = 0 ] && [ ! -s first.out ] || { cat first.out && false; }
    everything_arrived --duplicate-requests 0
    text_is_whole
}

first_has_the_spool() {
    curl -sf "http://127.0.0.1:$SINK_PORT/control" | jq -e '.signals.traces.requests > 0'
}

@test "many at once, on one text: it is whole at every moment" {
    local i pids=()
    start_sink
    fill a 50
    says_nothing cron --textfile "$TEXT"
    for i in 1 2 3 4 5 6; do
        (for _ in 1 2 3 4 5; do cron --textfile "$TEXT" || exit 1; done) >>crowd.out 2>&1 &
        pids+=($!)
    done
    WRITERS+=("${pids[@]}")
    for _ in {1..50}; do
        text_is_whole
        sleep 0.02
    done
    for i in "${pids[@]}"; do
        wait "$i"
    done
    [ ! -s crowd.out ] || { cat crowd.out && false; }
    text_is_whole
    [ "$(ls node)" = microtrace.prom ]
}

@test "beside a running agent: nothing is said, the agent goes on, the text is written" {
    start_sink
    start_agent
    fill a 300
    says_nothing cron --textfile "$TEXT"
    until_true 10 nothing_waits traces
    until_true 10 nothing_waits logs
    books traces 300
    everything_arrived --duplicate-requests 0
    text_is_whole
}

@test "kill -9 of cron: the agent that it started ends too, and the next one goes on" {
    local i pid
    start_sink
    for i in {1..12}; do
        fill "$i" 100
        cron --textfile "$TEXT" 2>>killed.out &
        pid=$!
        sleep "0.0$((i * 7 % 60 + 10))"
        # The shell in between is not the program.
        kill -9 $(pgrep -P "$pid") 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        [ ! -e "$TEXT" ] || text_is_whole
    done
    until_true 20 nobody_sends
    says_nothing cron --textfile "$TEXT"
    text_is_whole
    # At most the batch in hand comes twice, of each signal, for each of them.
    everything_arrived --duplicate-requests 24
    [ "$(ls node)" = microtrace.prom ]
}

# Whether the agents of crons that are gone have ended: the spool can be locked.
nobody_sends() { flock -n spool true; }

@test "killed at each of the steps that write the text: the old one or the new one is there" {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    local call family
    fill a 10
    says_nothing cron --textfile "$TEXT"
    for family in open write name; do
        for call in 1 2 3 4; do
            fill "$family$call" 10
            ENVIRONMENT=(LD_PRELOAD="$LIBRARY" FAIL_NTH_PROGRAM=microtrace FAIL_NTH_FAMILY="$family"
                FAIL_NTH_CALL="$call" FAIL_NTH_ERRNO=0 FAIL_NTH_KILL=1)
            cron --textfile "$TEXT" 2>/dev/null || true
            text_is_whole
            until_true 10 nobody_sends
        done
    done
    ENVIRONMENT=()
    says_nothing cron --textfile "$TEXT"
    [ "$(in_text microtrace_spool_written_records_total 'signal="traces"')" = 130 ]
    [ "$(ls node)" = microtrace.prom ]
}

@test "the agent killed in the middle of its work: said, and the next one goes on" {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    start_sink
    fill a 500
    ENVIRONMENT=(LD_PRELOAD="$LIBRARY" FAIL_NTH_PROGRAM=metrics-agent FAIL_NTH_FAMILY=write
        FAIL_NTH_CALL=3 FAIL_NTH_ERRNO=0 FAIL_NTH_KILL=1)
    says 1 "metrics-agent was killed by signal 9" cron
    ENVIRONMENT=()
    says_nothing cron
    everything_arrived --duplicate-requests 2
}

@test "SIGCHLD ignored by whoever starts it: the agent's end is seen all the same" {
    fill a 100
    local began=$SECONDS
    says_nothing bash -c 'trap "" CHLD && "$@"' - "$(command -v env)" -i MICROTRACE_RUN_DIR="$PWD/run" \
        MICROTRACE_SPOOL_DIR="$PWD/spool" "$BIN/microtrace" cron --within 50s
    [ $((SECONDS - began)) -lt 40 ]
}

@test "no room for the text: one line, the old text stays whole, and sending goes on" {
    mount -t tmpfs -o size=64k none node 2>/dev/null || skip "no mount is permitted here"
    start_sink
    fill a 50
    says_nothing cron --textfile "$TEXT"
    cp "$TEXT" before
    head -c 1M /dev/zero >node/filler 2>/dev/null || true
    fill b 50
    says 1 "microtrace.prom can't be written: No space left on device" cron --textfile "$TEXT"
    cmp "$TEXT" before
    everything_arrived
    [ "$(find node -name '*.new')" = "" ]
    rm node/filler
    says_nothing cron --textfile "$TEXT"
    refute cmp -s "$TEXT" before
}

refute() { ! "$@"; }

@test "no agent beside the command: one line, and the text is written all the same" {
    fill a 50
    says_nothing cron
    mkdir alone
    cp "$BIN/microtrace" alone
    PROGRAMS=$PWD/alone says 1 "$PWD/alone/metrics-agent can't be started: No such file or directory; it belongs beside microtrace" \
        cron --textfile "$TEXT"
    text_is_whole
}

@test "an agent of another version, which knows nothing of this: said in one line" {
    mkdir other
    cp "$BIN/microtrace" other
    printf '#!/bin/sh\necho "metrics-agent: unexpected argument --once; see metrics-agent --help" >&2\nexit 2\n' \
        >other/metrics-agent
    chmod +x other/metrics-agent
    PROGRAMS=$PWD/other says 1 "other/metrics-agent is of another version than this command" cron
}

@test "a setting that can't be used, a folder that is not there, a wrong option: said in one line" {
    ENVIRONMENT=(MICROTRACE_SPOOL_SEGMENT_BYTES=abc)
    says 1 'MICROTRACE_SPOOL_SEGMENT_BYTES: "abc"' cron
    ENVIRONMENT=()
    # Once, although two programs read it.
    ENVIRONMENT=(OTEL_SERVICE_NAMES=x)
    says 0 "OTEL_SERVICE_NAMES is no setting: do you mean OTEL_SERVICE_NAME?" cron
    ENVIRONMENT=()
    ln -s /dev/null node/link
    says 1 "node/link can't be written: it is no regular file" cron --textfile node/link
    [ -L node/link ]
    says 1 "nowhere/: No such file or directory" cron --textfile nowhere/microtrace.prom
    says 2 "--within" cron --within 0
    says 2 "unexpected argument" cron now
}

@test "the command itself starts without libcurl" {
    run -0 readelf -d "$BIN/microtrace"
    [[ $output != *libcurl* ]]
}
