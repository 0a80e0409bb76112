#!/usr/bin/env bats
# Goal: `microtrace expect` finds what a program has left, from the files alone, wherever it stands;
# says what came nearest where it does not; and neither waits in vain nor passes too early.

load helpers
load spool

setup() {
    new_spool
}

teardown() {
    stop_background
    rm -rf "$DIR"
}

mt() {
    "$BIN/microtrace" "$@"
}

# span_line NAME [ATTRIBUTES]: a line with one span, as another program's exporter may write it.
span_line() {
    printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"%s","traceId":"%032d","attributes":[%s]}]}]}]}\n' \
        "$1" 7 "${2:-}"
}

log_line() {
    printf '{"asctime":"2026-01-01T00:00:00.000Z","levelname":"%s","name":"n","message":"%s"}\n' "$@"
}

# after SECONDS COMMAND...: runs it in the background, that much later.
after() {
    local seconds=$1
    shift
    { sleep "$seconds" && "$@"; } >/dev/null 2>&1 3>&- &
    PIDS+=("$!")
}

# fails STATUS COMMAND...: it ends with that; its output is in $output.
fails() {
    local expected=$1
    shift
    run "$@"
    [ "$status" -eq "$expected" ] || { echo "status $status, expected $expected: $output"; return 1; }
}

# says TEXT: the output has it.
says() {
    [[ $output == *"$1"* ]] || { echo "it does not say \"$1\": $output"; return 1; }
}

import() {
    "$BUILD/examples/import"
}

# --- metric ---

@test "a series is there, has a value, or lies between two" {
    import
    import
    run mt expect metric 'imported_total{kind="book"}' --eq 6
    [ "$status" -eq 0 ]
    [ "$output" = 'imported_total{kind="book"} 6' ]
    mt expect metric imported_total
    mt expect metric 'imported_total{kind=~"b.*k",kind!="film"}' --ge 5 --le 6
    mt expect metric import_seconds_count --eq 2
    mt expect metric import_seconds_sum --eq 0.5
    mt expect metric 'import_seconds_bucket{le="1"}' --eq 2
    mt expect metric 'import_seconds_bucket{le="0.1"}' --eq 0
    mt expect metric microtrace_metrics_series_limit --ge 8192
    run mt expect metric 'import_seconds_bucket{le=~"1|5|10"}' --eq 2
    [ "$status" -eq 1 ] # the text format has 1.0
    run mt expect metric 'import_seconds_bucket{le=~"1.0|5.0"}' --eq 4
    [ "${lines[2]}" = "# 2 series, sum 4" ]
}

@test "a value that comes later is waited for, also where there is no metrics file yet" {
    after 0.3 import
    mt expect metric imported_total --eq 3 --within "$PATIENCE"
    after 0.3 import
    mt expect metric imported_total --eq 6 --within "$PATIENCE"
}

@test "an increase since a snapshot; a series that was absent counts as 0" {
    mt expect metric --snapshot "$DIR/before"
    import
    mt expect metric imported_total --increase 3 --since "$DIR/before"
    mt expect metric --snapshot "$DIR/after"
    mt expect metric imported_total --increase 0 --since "$DIR/after"
    mt expect metric 'never_total{a="b"}' --increase 0 --since "$DIR/after"
    import
    run mt expect metric imported_total --increase 3 --since "$DIR/after"
    [ "${lines[1]}" = "# increase 3, from 3 to 6" ]
    # Any text of the format will do, and a snapshot is one.
    mt metrics --prometheus >"$DIR/metrics"
    mt expect metric imported_total --increase 0 --since "$DIR/metrics"
    # A device, or what leads to one, keeps its place.
    ln -s /dev/null "$DIR/link"
    ln -s /proc/self/fd/1 "$DIR/stdout"
    mkfifo "$DIR/fifo"
    for name in link stdout fifo; do
        run mt expect metric --snapshot "$DIR/$name"
        [ "$status" -eq 1 ]
        [[ $output == *"--snapshot $DIR/$name: it is no regular file" ]]
    done
    [ -L "$DIR/link" ] && [ -L "$DIR/stdout" ] && [ -p "$DIR/fifo" ]
    [ "$(find "$DIR" -maxdepth 1 -name '*.new' | wc -l)" -eq 0 ]
}

@test "a counter that is beyond its value fails at once, a lower one after the time" {
    import
    SECONDS=0
    fails 1 mt expect metric imported_total --eq 2 --within 600
    says 'expected 2, it is 3'
    says '  imported_total{kind="book"} 3'
    fails 1 mt expect metric imported_total --le 2 --within 600
    mt expect metric --snapshot "$DIR/before"
    import
    fails 1 mt expect metric imported_total --increase 2 --since "$DIR/before" --within 600
    says 'expected an increase of 2, the increase is 3, from 3 to 6'
    [ "$SECONDS" -lt 300 ]
    fails 1 mt expect metric imported_total --ge 7 --within 50ms
    says 'expected at least 7, it is 6'
}

@test "no such series: the nearest one, and names that may have been meant" {
    import
    fails 1 mt expect metric 'imported_total{kind="film"}' --within 0
    says 'nearest: imported_total{kind="book"} 3'
    says '  kind: expected "film", it is "book"'
    fails 1 mt expect metric 'imported_total{shelf="1"}' --within 0
    says '  shelf: expected "1", there is none'
    fails 1 mt expect metric imported_totl --within 0
    says 'there is imported_total'
    fails 2 mt expect metric import_seconds --within 600
    says 'import_seconds_count'
    fails 1 mt expect metric imported_total --eq 0 --state "$STATE" --within 0
}

# --- spans and log records ---

@test "a span by name, trace, attributes and status; one line of JSON" {
    put traces s 3
    run mt expect span --name s-1 --attr worker.input_a=10.50 --attr worker.chaos_delay_ms=0 \
        --attr worker.chaos_enabled=false --attr service.name=microtrace --status unset
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    expect_json '.name == "s-1" and .kind == "internal" and .scope == "microtrace" and
        .attributes.id == "s-1" and .resource["service.version"] != null' <<<"$output"
    trace=$(jq -r .trace_id <<<"$output")
    mt expect span --trace "${trace^^}" --count 1
    mt expect span --count 3
    run mt expect span
    expect_json '.name == "s-2"' <<<"$output" # the newest
}

@test "a log record by message, level, request and fields" {
    put logs l 4
    run mt expect log --message request_completed --level info --request l-2 \
        --field status_code=200.0 --field elapsed_ms=0.25 --field 'errors=[ {"type" : "x"} ]' \
        --field name=microtrace.request --field service.name=microtrace
    [ "$status" -eq 0 ]
    expect_json '.id == "l-2"' <<<"$output"
    run mt expect log --field name=microtrace.api --count 2
    [ "${#lines[@]}" -eq 2 ]
    expect_json '.id == "l-1"' <<<"${lines[0]}"
    mt expect log --level WARNING --none
}

@test "the nearest record, and how it differs" {
    put traces s 2
    fails 1 mt expect span --name s-1 --status ok --attr worker.input_a=11 --attr none=x --within 0
    says 'expected a span, found none'
    says 'nearest, with 1 of 4:'
    says '  name: s-1, as expected'
    says '  status: expected ok, it is "unset"'
    says '  attr worker.input_a: expected 11, it is 10.5'
    says '  attr none: expected x, there is none'
    says '{"name":"s-1"'
}

@test "all spans of a request, those that were written before the one that has its id, too" {
    span_line child >"$SPOOL/traces.jsonl"
    after 0.2 eval 'span_line server "{\"key\":\"microtrace.request_id\",\"value\":{\"stringValue\":\"r1\"}}" >>"$SPOOL/traces.jsonl"'
    mt expect span --request r1 --name child --within "$PATIENCE"
    mt expect span --request r1 --count 2
    mt expect span --request r2 --none
}

# stopped_while_waiting: an expect that waits for two records to stay two; it is late for that if it
# has ended. WAITING is its pid.
stopped_while_waiting() {
    status=0
    "$BIN/microtrace" expect log --count 2 >"$DIR/out" 2>&1 3>&- &
    WAITING=$!
    PIDS+=("$WAITING")
    until gone "$WAITING" || has_open "$WAITING" "$SPOOL/logs.jsonl"; do :; done
    kill -STOP "$WAITING" 2>/dev/null
    ! gone "$WAITING"
}

# has_open PID FILE
has_open() {
    [ -n "$(find "/proc/$1/fd" -lname "$2" 2>/dev/null)" ]
}

@test "a count is exact, stays so for a moment, and fails at once if there are more" {
    put logs l 2
    after 0.2 put logs more 1
    run mt expect log --count 3 --within "$PATIENCE"
    [ "${#lines[@]}" -eq 3 ]
    SECONDS=0
    fails 1 mt expect log --count 2 --within 600
    says 'expected 2 log records, found 3'
    [ "$SECONDS" -lt 300 ]
    fails 1 mt expect log --count 4 --within 50ms
    says 'expected 4 log records, found 3'
    # The third comes while two are waited for to stay two.
    rm "$SPOOL"/*
    log_line INFO a >"$SPOOL/logs.jsonl"
    log_line INFO b >>"$SPOOL/logs.jsonl"
    wait_until stopped_while_waiting
    put logs late 1
    kill -CONT "$WAITING"
    wait "$WAITING" || status=$?
    output=$(cat "$DIR/out")
    [ "$status" -eq 1 ]
    says 'found 3'
    mt expect log --count 0 --message c
}

@test "--none looks once, and with --within watches" {
    put logs l 1
    mt expect log --request l-2 --none
    fails 1 mt expect log --request l-0 --none
    says 'expected no log record, found 1'
    says '"request_id":"l-0"'
    SECONDS=0
    after 0.2 put logs late 1
    fails 1 mt expect log --request late-0 --none --within 600
    [ "$SECONDS" -lt 300 ]
    mt expect log --request never --none --within 100ms
}

# --- where records stand ---

@test "sealed segments and the active file; what is sealed, moved and deleted meanwhile counts once" {
    put traces a 5
    mv "$SPOOL/traces.jsonl" "$SPOOL/traces.0000000001.jsonl"
    put traces b 5
    mv "$SPOOL/traces.jsonl" "$SPOOL/traces.0000000002.jsonl"
    put traces c 5
    mt expect span --count 15
    mt expect span --name a-4
    seals() {
        local i
        for i in 3 4 5 6; do
            put traces "d$i" 50
            mv "$SPOOL/traces.jsonl" "$SPOOL/traces.000000000$i.jsonl"
            # Long enough to be read, also by a process that the machine has no time for.
            sleep 1.5
            # Delivered, and deleted by the agent.
            rm -f "$SPOOL/traces.000000000$((i - 2)).jsonl"
        done
        put traces end 1
    }
    after 0.2 seals
    mt expect span --count 216 --within "$PATIENCE" >"$DIR/out"
    [ "$(jq -r .name "$DIR/out" | sort -u | wc -l)" -eq 216 ]
}

@test "what was delivered is found as long as it is there" {
    put traces a 5
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    wait_until metric_is 'microtrace_export_records_total{signal="traces",outcome="delivered"}' 5
    expect metric 'microtrace_export_records_total{signal="traces",outcome="delivered"}' --eq 5
    mt expect span --name a-3 --count 1
    mt expect span --count 5
}

@test "a segment that is copied to another place goes on where it was" {
    put traces a 5
    moves() {
        cp "$SPOOL/traces.jsonl" "$SPOOL/tmp"
        rm "$SPOOL/traces.jsonl"
        mv "$SPOOL/tmp" "$SPOOL/traces.0000000001.jsonl"
        put traces b 1
    }
    after 0.3 moves
    mt expect span --count 6 --within "$PATIENCE"
}

@test "both tiers of the spool, and what is moved from memory to the disk meanwhile" {
    local memory=$STATE/run/spool
    mkdir "$memory"
    span_line a >"$memory/traces.jsonl"
    span_line b >"$SPOOL/traces.0000000001.jsonl"
    mt expect span --count 2
    moves() {
        span_line c >>"$memory/traces.jsonl"
        mv "$memory/traces.jsonl" "$memory/traces.0000000002.jsonl"
        cp "$memory/traces.0000000002.jsonl" "$SPOOL/moved"
        mv "$SPOOL/moved" "$SPOOL/traces.0000000002.jsonl"
        rm "$memory/traces.0000000002.jsonl"
        span_line d >"$memory/traces.jsonl"
    }
    after 0.2 moves
    mt expect span --count 4 --within "$PATIENCE"
}

@test "files of other programs, in any form; what the agent has copied counts once" {
    {
        printf '\xef\xbb\xbf'
        span_line one '{"key":"n","value":{"intValue":"1"}}'
        printf '\r\n'
        printf ' {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "two", "status": {"code": "STATUS_CODE_ERROR", "message": "broken"}, "attributes": [{"key": "ok", "value": {"bool_value": true}}]}, {"name": "three"}]}]}]}\r\n'
    } >"$SPOOL/shop.traces.jsonl"
    mt expect span --name one --attr n=1
    # However its characters are written.
    printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET \\/\\u0061"}]}]}]}\n' >"$SPOOL/odd.traces.jsonl"
    mt expect span --name 'GET /a' --count 1
    rm "$SPOOL/odd.traces.jsonl"
    mt expect span --name two --attr ok=true --status error:broken
    mt expect span --count 3
    # A last line without its newline counts when the time is over.
    printf '%s' "$(span_line four)" >>"$SPOOL/shop.traces.jsonl"
    mt expect span --count 4 --within 0
    printf '\n' >>"$SPOOL/shop.traces.jsonl"
    printf '{"resourceLogs":[{"scopeLogs":[{"scope":{"name":"cart"},"logRecords":[{"severityNumber":13,"body":{"stringValue":"full"}}]}]}]}\n' \
        >"$SPOOL/shop.logs.jsonl"
    mt expect log --message full --level WARNING --field name=cart
    start_sink
    sink_answers '{"mode":"status","status":503}'
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    wait_until eval 'grep -q three "$SPOOL"/traces.0*.jsonl'
    mt expect span --count 4
    after 0.2 eval 'span_line five >>"$SPOOL/shop.traces.jsonl"'
    mt expect span --count 5 --within "$PATIENCE"
    # Rotated, and its writer goes on.
    mv "$SPOOL/shop.traces.jsonl" "$SPOOL/shop.traces.jsonl.1"
    after 0.2 eval 'span_line six >>"$SPOOL/shop.traces.jsonl"'
    mt expect span --name six --within "$PATIENCE"
}

# --- what is no record ---

@test "torn, binary, long and deep lines are passed over, and told of" {
    {
        log_line INFO good
        printf '{"asctime":"2026-01-01T00:00:00.000Z","message":"to'
        log_line INFO after
        head -c 100000 /dev/urandom | tr -d '\n{'
        printf '\n\0\0\0\n'
        printf '{"asctime":"x","message":"%s"}\n' "$(head -c 1000000 /dev/zero | tr '\0' y)"
        printf '{"asctime":"x","deep":%s}\n' "$(head -c 100000 /dev/zero | tr '\0' '[')"
        head -c 20000000 /dev/zero | tr '\0' z
        printf '\n'
        printf '{"asctime"::"x","message":"good"}\n'
        log_line INFO last
    } >"$SPOOL/logs.jsonl"
    mt expect log --message good
    mt expect log --message after
    mt expect log --message last
    mt expect log --count 4 --within 0 >"$DIR/out"
    fails 1 mt expect log --message to --within 0
    says 'pieces that are no records'
}

@test "what is no regular file is named, and no --none passes beside it" {
    put logs l 1
    mkfifo "$SPOOL/x.logs.jsonl"
    mt expect log --request l-0
    fails 1 mt expect log --request x --none
    says "not read: $SPOOL/x.logs.jsonl: it is not a regular file"
    rm "$SPOOL/x.logs.jsonl"
    ln -s /etc/passwd "$SPOOL/logs.0000000001.jsonl"
    fails 1 mt expect log --count 1 --within 0
    says "not read: $SPOOL/logs.0000000001.jsonl: it is a symbolic link"
    rm "$SPOOL/logs.0000000001.jsonl"
    mt expect log --count 1
}

@test "nothing that a terminal obeys is passed on" {
    printf '{"asctime":"2026-01-01T00:00:00.000Z","message":"a\xc2\x9bb","k":"\\u001b[2J"}\n' \
        >"$SPOOL/logs.jsonl"
    run mt expect log
    [[ $output == *'a\u009bb'* ]]
    expect_json '.k == "\u001b[2J"' <<<"$output"
    fails 1 mt expect log --message $'\e[2J' --within 0
    says 'expected \u001b[2J, it is "a\u009bb"'
    fails 1 mt expect metric $'a{b="\e[2J"}' --within 0
    [[ $output != *$'\e'* ]]
}

@test "no instance, and a command line that can't be used" {
    export MICROTRACE_RUN_DIR=$DIR/no/run MICROTRACE_SPOOL_DIR=$DIR/no/spool
    fails 1 mt expect metric a --within 0
    says "$DIR/no/run/metrics.mmap: missing; start an instance"
    fails 1 mt expect log --within 0
    says "$DIR/no/spool: No such file or directory; start an instance"
    fails 1 mt expect log --none
    fails 2 mt expect log --state "$DIR/nothing"
    # One that comes later is waited for.
    MICROTRACE_SPOOL_DIR=$DIR/later
    comes() { mkdir "$DIR/later" && log_line INFO hello >"$DIR/later/logs.jsonl"; }
    after 0.2 comes
    mt expect log --message hello --within "$PATIENCE"
    fails 2 mt expect
    fails 2 mt expect metric
    fails 2 mt expect metric 'a{b=c}'
    fails 2 mt expect metric a --increase 1
    fails 2 mt expect metric a --since "$DIR/x"
    fails 2 mt expect metric a --increase 1 --since "$DIR/x"
    fails 2 mt expect metric a --increase 1 --since /etc/passwd
    fails 2 mt expect metric a --eq many
    fails 2 mt expect metric --snapshot "$DIR/x" --eq 3
    fails 2 mt expect span --attr novalue
    fails 2 mt expect span --count -1
    fails 2 mt expect span --count 1 --none
    fails 2 mt expect span --trace abc
    fails 2 mt expect span --status fine
    fails 2 mt expect log --level LOUD
    fails 2 mt expect log --within forever
    fails 2 mt expect log extra
    fails 1 mt expect metric --snapshot "$DIR/no/such/folder/file"
}

# --- examples ---

# example COMMAND...: runs it elsewhere, with the programs on PATH, as a user would.
example() {
    (
        cd "$DIR" || exit
        unset MICROTRACE_RUN_DIR MICROTRACE_SPOOL_DIR
        PATH=$DIR/own:$BIN:$BUILD/examples:$PATH "$@"
    )
}

@test "the examples pass, and fail where the program tells nothing" {
    run example bats "$ROOT/examples/import.bats"
    [ "$status" -eq 0 ]
    says 'ok 5 '
    run example bats "$ROOT/examples/backup.bats"
    [ "$status" -eq 0 ]
    says 'ok 2 '
    run example "$ROOT/examples/import_shunit2.sh"
    [ "$status" -eq 0 ]
    says 'Ran '
    run example "$ROOT/examples/import_plain.sh"
    [ "$status" -eq 0 ]
    says 'import tells the truth'
    mkdir "$DIR/own"
    printf '#!/bin/sh\n' >"$DIR/own/import"
    chmod +x "$DIR/own/import"
    sed 's/^ *expect [a-z]* /&--within 0 /' "$ROOT/examples/import_shunit2.sh" >"$DIR/shunit2.sh"
    fails 1 example sh "$DIR/shunit2.sh"
    says 'metrics.mmap: missing'
    says 'expected 1 log record, found none'
}
