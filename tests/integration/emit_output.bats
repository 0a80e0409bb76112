#!/usr/bin/env bats
# Goal: with `microtrace run --log-output` every line of the command is a log record of its span, and
# every byte still arrives where it would have, in order, however slow, gone or odd who reads it is.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() { new_spool; }

teardown() {
    stop_background
    rm -rf "$DIR"
}

mt() { setsid -w "$BIN/microtrace" run --log-output "$@"; }

# lines STREAM: the messages of its records.
lines_of() { logs '."log.iostream" == "'"$1"'"' | jq -r .message; }

@test "each line is a record with its stream, level, program and span" {
    mt --name job -- sh -c 'echo one; echo two >&2; echo; printf "three\r\nfour"' >"$DIR/out" 2>"$DIR/err"
    [ "$(cat "$DIR/err")" = two ]
    printf 'one\n\nthree\r\nfour' | cmp - "$DIR/out"
    [ "$(lines_of stdout)" = $'one\n\nthree\nfour' ]
    logs '."log.iostream" == "stderr"' | expect_json '.message == "two" and .levelname == "WARNING" and
        .name == "microtrace.run" and .program == "job" and .trace_id != ""'
    logs '."log.iostream" == "stdout"' | expect_json '.levelname == "INFO"'
    [ "$(logs | jq -r .span_id | sort -u)" = "$(spans | jq -r .spanId)" ]
    # Below LOG_LEVEL nothing is kept, and everything goes on.
    [ "$(LOG_LEVEL=ERROR mt echo five)" = five ]
    [ "$(lines_of stdout | grep -c five)" -eq 0 ]
}

@test "binary output, no newline at all, a NUL: byte for byte, and records that are UTF-8" {
    head -c 2000000 /dev/urandom >"$DIR/random"
    mt cat "$DIR/random" | cmp - "$DIR/random"
    iconv -f UTF-8 -t UTF-8 "$SPOOL/logs.jsonl" >/dev/null
    "$BIN/microtrace" spool verify
    [ "$(logs | wc -l)" -eq "$(($(tr -cd '\n' <"$DIR/random" | wc -c) + 1))" ]
    rm "$SPOOL/logs.jsonl"
    mt printf 'a\0b\n' | cmp - <(printf 'a\0b\n')
    logs | expect_json '.message == "a\ufffdb"'
}

@test "a line of 10 MB: all of it goes on, its record has the first 8 KiB and its length" {
    local size
    mt sh -c 'head -c 10000000 /dev/zero | tr "\0" x; echo; echo after' >"$DIR/out"
    [ "$(stat -c %s "$DIR/out")" -eq 10000007 ]
    [ "$(logs | wc -l)" -eq 2 ]
    logs | head -n 1 | expect_json '(.message | length) == 8192 and .line_bytes == 10000000'
    logs | tail -n 1 | expect_json '.message == "after" and (has("line_bytes") | not)'
    for size in 8191 8192 8193; do
        mt sh -c "head -c $size /dev/zero | tr '\\0' y; echo" | wc -c | grep -qx "$((size + 1))"
        logs | tail -n 1 | expect_json "(.message | length) == ([$size, 8192] | min)"
    done
}

@test "100,000 lines on both streams: each arrives once and in order, and the agent delivers each" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK" MICROTRACE_SPOOL_SEGMENT_BYTES=1M
    mt sh -c 'seq 50000 & seq 50001 100000 >&2; wait' >"$DIR/out" 2>"$DIR/err"
    cmp "$DIR/out" <(seq 50000)
    cmp "$DIR/err" <(seq 50001 100000)
    PATIENCE=120
    wait_until metric_is 'microtrace_export_records_total{signal="logs",outcome="delivered"}' 100000
    metric_is 'microtrace_spool_dropped_records_total{signal="logs",reason="cap"}' 0
}

@test "a reader that does not read holds the command back, and loses nothing; the timeout holds" {
    mkfifo "$DIR/pipe"
    exec 5<>"$DIR/pipe"
    setsid "$BIN/microtrace" run --log-output -- sh -c \
        'head -c 3000000 /dev/zero | tr "\0" "x"; echo; echo >'"$DIR/written" >"$DIR/pipe" 3>&- 5>&- &
    PIDS+=($!)
    wait_until test -e "/proc/$!/fd/1"
    # It has to wait: a pipe, a buffer and a pipe are 192 KiB.
    for _ in {1..20}; do
        [ ! -e "$DIR/written" ]
        sleep 0.02
    done
    [ "$(awk '/^VmRSS/ { print $2 }' "/proc/$!/status")" -lt 20000 ]
    head -c 3000001 <&5 | md5sum >"$DIR/sum"
    [ "$(cat "$DIR/sum")" = "$( (head -c 3000000 /dev/zero | tr '\0' x; echo) | md5sum)" ]
    wait "$!"
    [ -e "$DIR/written" ]
    run -124 timeout 15 setsid -w "$BIN/microtrace" run --log-output --timeout 0.3 -- \
        sh -c 'exec yes' >&5 5>&-
    exec 5>&-
}

@test "a reader that is gone ends the command as without us" {
    run -0 bash -o pipefail -c "timeout 15 '$BIN/microtrace' run --log-output -- yes | head -n 2; echo \${PIPESTATUS[*]}"
    [ "$output" = $'y\ny\n141 0' ]
    spans | expect_json '.attrs."error.type".stringValue == "SIGPIPE"'
    # A stream that is closed from the start.
    run -0 bash -c "'$BIN/microtrace' run --log-output -- sh -c 'echo lost; echo kept >&2' >&-"
    [ "$output" = kept ]
    [ "$(lines_of stdout | tail -n 1)" = lost ]
    run -0 bash -c "'$BIN/microtrace' run --log-output -- sh -c 'echo lost; echo lost >&2' >&- 2>&- <&-"
}

@test "a command that succeeds, but whose output can't be written, has failed" {
    [ -e /dev/full ] || skip "no /dev/full"
    # Without run the echo would have failed.
    run -1 bash -c "'$BIN/microtrace' run --log-output --name full -- sh -c 'echo lost' >/dev/full"
    [ "$output" = "microtrace run: stdout: No space left on device" ]
    spans | expect_json '.name == "full" and .status.code == 2 and .attrs."error.type".stringValue == "output_lost"
        and .attrs."process.exit.code".intValue == "0"'
    [ "$(lines_of stdout)" = lost ]
    expect metric 'program_runs_total{program="full",outcome="failure"}' --eq 1
    echo >"$DIR/read-only"
    # Its own status, where it has one that tells; and a descriptor that is open, but not for writing.
    run -5 bash -c "'$BIN/microtrace' run --log-output -- sh -c 'echo lost; exit 5' >/dev/full"
    run -1 bash -c "'$BIN/microtrace' run --log-output -- sh -c 'echo lost' 1<'$DIR/read-only'"
    [ "$output" = "microtrace run: stdout: Bad file descriptor" ]
    # A file that may not grow is cut, and that shows.
    run -1 bash -c "ulimit -f 1; '$BIN/microtrace' run --log-output -- dd if=/dev/zero bs=5000 count=1 status=none >'$DIR/short'"
    [[ $output == *"microtrace run: stdout: File too large"* ]]
}

@test "a grandchild that keeps stdout open is not waited for longer than a second; what was said arrives" {
    local before=$SECONDS
    mt sh -c 'sleep 30 & echo $! >'"$DIR/child"'; echo said' >"$DIR/out"
    [ $((SECONDS - before)) -lt 15 ]
    kill "$(cat "$DIR/child")"
    [ "$(cat "$DIR/out")" = said ]
    [ "$(lines_of stdout)" = said ]
    # Its own output within that second arrives too, as it would in a pipeline.
    mt sh -c '(sleep 0.1; echo late) & echo early' >"$DIR/out"
    [ "$(cat "$DIR/out")" = $'early\nlate' ]
    # One that writes for ever does not either.
    run -0 timeout 15 setsid -w "$BIN/microtrace" run --log-output -- sh -c 'yes 2>/dev/null & exit 0' >/dev/null
}

@test "a file is appended to where the shell is, and several streams share it" {
    { echo before; mt sh -c 'echo out; echo err >&2' 2>&1; echo after; } >"$DIR/file"
    [ "$(head -n 1 "$DIR/file")" = before ]
    [ "$(tail -n 1 "$DIR/file")" = after ]
    [ "$(sort "$DIR/file" | tr '\n' ' ')" = "after before err out " ]
}

@test "lines are in the spool at once, not when the command ends" {
    setsid "$BIN/microtrace" run --log-output -- sh -c 'echo now; exec sleep 60' >/dev/null 3>&- &
    PIDS+=($!)
    said() { grep -q '"message":"now"' "$SPOOL/logs.jsonl" 2>/dev/null; }
    wait_until said
    # After kill -9 they are still there.
    kill -KILL $!
    wait_until gone $!
    [ "$(lines_of stdout)" = now ]
}

@test "with room for one pipe of two the command has its own streams, and runs to its end" {
    strace -qq -o /dev/null true 2>/dev/null || skip "no strace, or it may not trace here"
    export ASAN_OPTIONS=detect_leaks=0 # which can't look under strace
    timeout 60 strace -qq -o "$DIR/calls" -e trace=pipe2 -e inject=pipe2:error=EMFILE:when=2 \
        "$BIN/microtrace" run --log-output --name narrow -- seq 1 20000 >"$DIR/out" 2>"$DIR/err"
    seq 1 20000 | cmp - "$DIR/out"
    grep -q 'log-output: Too many open files' "$DIR/err"
    spans | expect_json '.name == "narrow"'
}
