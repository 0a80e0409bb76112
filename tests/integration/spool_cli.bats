#!/usr/bin/env bats
# Goal: `microtrace spool` tells the truth about a spool, whatever state it is in, and changes
# nothing by looking: figures and books beside the agent's own, readable records, every damage with
# its place.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() { new_spool; }

teardown() {
    stop_background
    rm -rf "$DIR"
}

spool() {
    "$BIN/microtrace" spool "$@"
}

# status_holds JQ-EXPRESSION: of `status --json`, whatever its exit status.
status_holds() {
    (spool status --json || true) | jq -e "$1" >/dev/null
}

# All bytes and names of the spool, and its times.
fingerprint() {
    (cd "$SPOOL" && stat -c '%n %s %y %i' -- * && cat -- * | sha256sum)
}

# follow ARGUMENT...: `tail` in the background, into $DIR/out.
follow() {
    "$BIN/microtrace" spool tail "$@" >"$DIR/out" 2>"$DIR/err" </dev/null 3>&- &
    STARTED=$!
    PIDS+=("$STARTED")
}

# lines_are N FILE
lines_are() {
    [ "$(wc -l <"$2")" -eq "$1" ]
}

@test "what can't be understood is refused with exit 2, a missing spool with exit 1" {
    local arguments
    for arguments in "" "shuffle" "status --x" "status x" "verify x" "tail --x" "tail --signal" \
        "tail --signal metrics" "tail --trace" "tail --trace xyz" "tail --request" "tail -n" \
        "tail -n x" "tail -n -1" "tail -n 1000001" "tail x"; do
        # shellcheck disable=SC2086
        run spool $arguments
        [ "$status" -eq 2 ] || { echo "exit $status: $arguments" && false; }
        [[ $output == *"microtrace"* ]]
    done
    rm -r "$SPOOL"
    for arguments in status "tail --no-follow" verify; do
        # shellcheck disable=SC2086
        run spool $arguments
        [ "$status" -eq 1 ]
        [[ $output == *"$SPOOL: No such file or directory"* ]]
    done
}

@test "an empty spool with an agent is fine" {
    start_agent
    run spool status
    [ "$status" -eq 0 ]
    [[ $output == *"Nothing is wrong."* ]]
    spool verify
    [ -z "$(spool tail --no-follow)" ]
}

@test "status: a backlog without an agent is wrong, with its records, bytes and age" {
    put traces t 25
    put logs l 40
    run spool status
    [ "$status" -eq 1 ]
    [[ ${lines[0]} == *"/spool: no agent runs; no checkpoint yet" ]]
    [[ $output == *"wrong: traces: 25 records wait and no agent runs"* ]]
    [[ $output == *"wrong: logs: 40 records wait and no agent runs"* ]]
    status_holds ".agent_running == false and .checkpoint.state == \"missing\" and
        .signals.traces.backlog_records == 25 and .signals.logs.backlog_records == 40 and
        .signals.traces.backlog_bytes == $(stat -c %s "$SPOOL/traces.jsonl") and
        .signals.logs.segments == [{file: \"logs.jsonl\", number: 1, settled_bytes: 0, held: false,
            bytes: $(stat -c %s "$SPOOL/logs.jsonl"), backlog_records: 40}] and
        .signals.logs.oldest_age_seconds >= 0 and .signals.logs.oldest_age_seconds < 600"
    # An unterminated line is not a record yet.
    printf '{"asctime":' >>"$SPOOL/logs.jsonl"
    status_holds '.signals.logs.backlog_records == 40'
}

@test "status: where the checkpoint stands, books that balance, and an agent at work" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    put traces t 25
    put logs l 40
    printf 'nonsense\n' >>"$SPOOL/logs.jsonl"
    wait_until status_holds '.signals.traces.delivered == 25 and .signals.logs.delivered == 40 and
        .signals.logs.quarantined == 1'
    # The metrics file follows the books.
    wait_until metric_is 'microtrace_spool_written_records_total{signal="logs"}' 41
    status_holds ".agent_running and .wrong == [] and .checkpoint.state == \"valid\" and
        ([.signals[] | .books] | unique) == [\"balanced\"] and
        .signals.logs.written == 41 and .signals.logs.backlog_records == 0 and
        .signals.logs.quarantine_bytes == $(stat -c %s "$SPOOL/logs.quarantine.jsonl") and
        .signals.logs.segments[0].settled_bytes == $(stat -c %s "$SPOOL/logs.jsonl")"
    run spool status
    [ "$status" -eq 0 ]
    [[ $output == *"an agent runs"* ]]
}

@test "status: books that lack records, a damaged checkpoint, a file that nobody reads" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    put logs l 40
    wait_until metric_is 'microtrace_spool_written_records_total{signal="logs"}' 40
    kill -KILL "$STARTED"
    wait_until gone "$STARTED"
    status_holds '.signals.logs.books == "balanced"'
    cp "$SPOOL/agent.checkpoint" "$DIR/checkpoint"
    # What is deleted before it is delivered is missing, unless the agent has counted it.
    rm "$SPOOL/agent.checkpoint" "$SPOOL/logs.jsonl"
    put logs again 10
    run spool status
    [ "$status" -eq 1 ]
    [[ $output == *"the books lack 30 records"* ]]
    status_holds '.signals.logs.books == "missing"'

    head -c 8192 /dev/urandom >"$SPOOL/agent.checkpoint"
    touch "$SPOOL/logs.jsonl.1" "$SPOOL/traces.7.jsonl"
    run spool status
    [[ $output == *"the checkpoint is damaged"* ]]
    [[ $output == *"traces.7.jsonl is no spool file"* && $output == *"logs.jsonl.1 is no spool"* ]]
}

rates_hold() {
    (spool status --rate --json || true) | jq -e "$1" >/dev/null
}

@test "status --rate: what comes in and goes out in a second" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    background "$BUILD/tests/tools/spool_write" "$SPOOL" traces t 100000 5 2000
    wait_until status_holds '.signals.traces.delivered > 0'
    wait_until rates_hold '.signals.traces | .in_per_second > 0 and .out_per_second > 0'
}

@test "status: people and programs are told the same of the segments that writers have open" {
    background "$BUILD/tests/tools/spool_write" "$SPOOL" logs l 2 1 60000000
    wait_until status_holds '.signals.logs.segments | map(select(.held)) | length == 1'
    run spool status
    [[ $output =~ segments\ +0,\ 0\ held\ by\ writers\ +1,\ 1\ held\ by\ writers ]]
}

@test "tail: the last records, of all segments, in a readable form" {
    put logs old 5
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000001.jsonl"
    put logs mid 5
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000002.jsonl"
    put logs new 5
    [ "$(spool tail --no-follow -n 7 | grep -o ' id=[a-z0-9-]*' | tr -d '\n')" = \
        " id=mid-3 id=mid-4 id=new-0 id=new-1 id=new-2 id=new-3 id=new-4" ]
    [ "$(spool tail --no-follow | wc -l)" -eq 10 ]
    [ "$(spool tail --no-follow -n 1000 | wc -l)" -eq 15 ]
    [ -z "$(spool tail --no-follow -n 0)" ]
    run spool tail --no-follow -n 1
    [[ $output =~ ^20[0-9-]+T[0-9:.]+Z\ INFO\ microtrace\.[a-z]+\ request_completed\ .*\ id=new-4\  ]]
    # For programs: the records as they are, and no other line.
    spool tail --no-follow -n 15 --json | diff - <(cat "$SPOOL/logs.0000000001.jsonl" \
        "$SPOOL/logs.0000000002.jsonl" "$SPOOL/logs.jsonl")
    # Who wrote it is one word, not the whole resource.
    [[ $output == *" service=microtrace" && $output != *service.instance.id* ]]
}

@test "tail: a span with its time, duration, name, kind, status, ids and attributes" {
    put traces t 3
    run spool tail --signal traces --no-follow -n 1
    [[ $output =~ ^20[0-9-]+T[0-9:.]+Z\ +[0-9]+\.[0-9]{3}\ ms\ t-2\ internal\ unset\ trace=[0-9a-f]{32}\ span=[0-9a-f]{16}\ parent=[0-9a-f]{16}\ .*worker\.input_a=10\.5 ]]
}

@test "tail: no colours and no control characters, but on a terminal" {
    put logs l 2
    # C1 controls pass through JSON unescaped.
    printf '{"asctime":"2026-01-01T00:00:00.000Z","levelname":"INFO","name":"n","message":"a\xc2\x9b2Jb\x7f"}\n' \
        >>"$SPOOL/logs.jsonl"
    refute grep -q $'[\x1b\x7f\xc2]' <(spool tail --no-follow)
    spool tail --no-follow | grep -qF 'a\u009b2Jb\u007f'
    TERM=xterm script -qec "$BIN/microtrace spool tail --no-follow" /dev/null </dev/null \
        >"$DIR/tty" 3>&-
    grep -q $'\x1b\\[1m' "$DIR/tty"
    TERM=xterm NO_COLOR=1 script -qec "$BIN/microtrace spool tail --no-follow" /dev/null \
        </dev/null >"$DIR/tty" 3>&-
    refute grep -q $'\x1b' "$DIR/tty"
}

@test "tail: by request id all spans and log lines of the request, by trace id the same" {
    start_instance
    local i trace
    for i in 1 2 3 4 5 6; do
        analyze '{"a": 1, "b": 2}' -H "X-Request-ID: wanted-$i"
    done
    trace=$(logs '.request_id == "wanted-3"' | jq -r .trace_id | head -n 1)
    run spool tail --signal traces --no-follow --request wanted-3
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 2 ]
    [[ $output == *"POST /analyze server"* && $output == *"WorkerService.analyze internal"* ]]
    [ "$(grep -c "trace=$trace" <<<"$output")" -eq 2 ]
    [ "$output" = "$(spool tail --signal traces --no-follow --trace "$trace")" ]
    [ "$(spool tail --signal traces --no-follow --request wanted-3 --trace "$trace")" = "$output" ]
    run spool tail --no-follow --request wanted-3
    [ "${#lines[@]}" -eq 3 ]
    [ "$(grep -c 'request_id=wanted-3' <<<"$output")" -eq 3 ]
    [ "$output" = "$(spool tail --no-follow --trace "$trace")" ]
    [ -z "$(spool tail --no-follow --request wanted)" ]
    stop_instance
}

@test "tail: spans in every form of OTLP's JSON: names in snake_case, whole numbers" {
    local trace=4bf92f3577b34da6a3ce929d0e0e4736
    printf '{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"%s","span_id":"00f067aa0ba902b7","parent_span_id":"00f067aa0ba902b8","name":"snake","kind":2,"start_time_unix_nano":1790000000010000000,"endTimeUnixNano":"1790000000020000000"}]}]}]}\n' \
        "$trace" >"$SPOOL/traces.jsonl"
    run spool tail --signal traces --no-follow --trace "$trace"
    [ "$status" -eq 0 ]
    [[ $output == "2026-09-21T14:13:20.010Z    10.000 ms snake server unset trace=$trace span=00f067aa0ba902b7 parent=00f067aa0ba902b8"* ]]
    run spool verify
    [ "$status" -eq 0 ]
}

@test "spans that share a line are records of their own for tail, verify, status and the books" {
    start_instance
    local i
    for i in 1 2 3; do
        analyze '{"a": 1, "b": 2}' -H "X-Request-ID: shared-$i"
    done
    stop_instance
    [ "$(wc -l <"$STATE/spool/traces.jsonl")" -eq 3 ]
    [ "$(jq -s 'all(.resourceSpans | length == 1 and (.[0].scopeSpans | length) == 1 and
        (.[0].scopeSpans[0].spans | length) == 2)' "$STATE/spool/traces.jsonl")" = true ]
    [ "$(spool tail --signal traces --no-follow -n 1 | wc -l)" -eq 1 ]
    [ "$(spool tail --signal traces --no-follow -n 3 | grep -c 'WorkerService')" -eq 1 ]
    [ "$(spool tail --signal traces --no-follow -n 100 | wc -l)" -eq 6 ]
    run spool verify
    [ "$status" -eq 0 ]
    [[ $output == *"traces: 1 files, 6 good records, 0 wrong"* ]]
    (spool status --json || true) | expect_json '.signals.traces.backlog_records == 6'
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    wait_until status_holds '.signals.traces.delivered == 6 and .signals.traces.backlog_records == 0'
}

@test "tail: follows, through rotations and a file that is not there yet" {
    follow -n 1000
    put logs one 3
    wait_until grep -q 'id=one-2' "$DIR/out"
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000001.jsonl"
    put logs two 3
    # Perhaps two rotations between two looks.
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000002.jsonl"
    put logs three 3
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000003.jsonl"
    put logs four 3
    wait_until grep -q 'id=four-2' "$DIR/out"
    [ "$(wc -l <"$DIR/out")" -eq 12 ]
    [ "$(sort "$DIR/out" | uniq | wc -l)" -eq 12 ]
    refute gone "$STARTED"
}

@test "tail: while an agent rotates, each record is shown once" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK" MICROTRACE_SPOOL_SEGMENT_BYTES=262144
    put logs first 1
    follow --signal logs -n 1
    wait_until grep -q 'id=first-0' "$DIR/out"
    "$BUILD/tests/tools/spool_write" "$SPOOL" logs l 4000 5 5000 >/dev/null 2>&1
    wait_until grep -q 'id=l-3999' "$DIR/out"
    wait_until lines_are 4001 "$DIR/out"
    [ "$(grep -o ' id=[a-z0-9-]*' "$DIR/out" | sort | uniq -d | wc -l)" -eq 0 ]
}

@test "verify: names every damage with its file and offset, and writes nothing" {
    put logs good 2
    local at before
    at=$(stat -c %s "$SPOOL/logs.jsonl")
    {
        head -c 30 "$SPOOL/logs.jsonl"
        head -n 1 "$SPOOL/logs.jsonl"
        head -c 40 "$SPOOL/logs.jsonl"
        echo
        printf '{"asctime":"a\xff"}\n{"asctime":"a\x01"}\nplain text\n{"other":1}\n'
        printf '{"asctime":"a",,}\n'
        printf '{"asctime":"%*s"}\n' 5000000 x
    } >"$DIR/damage"
    cat "$DIR/damage" >>"$SPOOL/logs.jsonl"
    put logs after 2
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000001.jsonl"
    put traces t 3
    before=$(fingerprint)
    run spool verify
    [ "$status" -eq 1 ]
    [ "$(fingerprint)" = "$before" ]
    echo "$output"
    local first line
    first=$(head -n 1 "$SPOOL/logs.0000000001.jsonl" | wc -c)
    line=$((at + 30 + first))
    [[ ${lines[0]} == "traces: 1 files, 3 good records, 0 wrong" ]]
    [[ ${lines[1]} == "logs.0000000001.jsonl:$at: joined: a record torn after 30 bytes"* ]]
    [[ ${lines[2]} == "logs.0000000001.jsonl:$line: torn: 40 bytes"* ]]
    [[ ${lines[3]} == "logs.0000000001.jsonl:$((line += 41)): not UTF-8"* ]]
    [[ ${lines[4]} == "logs.0000000001.jsonl:$((line += 17)): a control character"* ]]
    [[ ${lines[5]} == "logs.0000000001.jsonl:$((line += 17)): not JSON"* ]]
    [[ ${lines[6]} == "logs.0000000001.jsonl:$((line += 11)): not a record"* ]]
    [[ ${lines[7]} == "logs.0000000001.jsonl:$((line += 12)): not JSON"* ]]
    [[ ${lines[8]} == "logs.0000000001.jsonl:$((line += 18)): oversize: 5000014 bytes"* ]]
    [[ ${lines[9]} == "logs: 1 files, 5 good records, 8 wrong" ]]
    # The same for programs, a line each.
    spool verify --json >"$DIR/json" || [ $? -eq 1 ]
    jq -r 'if .signal then "\(.signal): \(.files) files, \(.good_records) good records, \(.wrong_records) wrong"
        else "\(.file):\(.offset): \(.wrong)" end' "$DIR/json" | diff - <(echo "$output")
}

@test "tail and verify: 20 GiB of hole are not read" {
    local line='{"asctime":"2026-01-01T00:00:00.000Z","levelname":"INFO","name":"x","message":"seen","request_id":"","trace_id":"","span_id":""}'
    strace -qq -o /dev/null true 2>/dev/null || skip "no strace, or it may not trace here"
    export ASAN_OPTIONS=detect_leaks=0 # which can't look under strace
    echo "$line" >"$SPOOL/logs.jsonl"
    truncate -s 20G "$SPOOL/logs.jsonl" || skip "the file system has no such files"
    printf '\n%s\n' "$line" >>"$SPOOL/logs.jsonl"
    # What they read is told by the kernel, however fast it is.
    run strace -f -e trace=read,pread64 -o "$DIR/reads" "$BIN/microtrace" spool tail --no-follow
    [ "$status" -eq 0 ]
    [ "$(grep -c seen <<<"$output")" -eq 2 ]
    [[ $output == *oversize* ]]
    run -1 strace -f -e trace=read,pread64 -o "$DIR/more" "$BIN/microtrace" spool verify
    [[ $output == *"oversize: a line of 214748"* && $output == *"2 good records, 1 wrong"* ]]
    awk '/ = [0-9]+$/ { sum += $NF } END { exit sum > 200 * 1024 * 1024 }' "$DIR/reads" "$DIR/more"
}

@test "tail, verify and expect: room that the agent has given back is no damage" {
    put logs good 300
    mv "$SPOOL/logs.jsonl" "$SPOOL/logs.0000000001.kept.jsonl"
    fallocate -p -l 16384 "$SPOOL/logs.0000000001.kept.jsonl" || skip "the file system has no holes"
    run -0 spool verify
    [[ $output == *", 0 wrong"*", 0 wrong"* ]]
    run -0 spool tail --no-follow
    [[ $output != *"no record"* ]]
    run -1 "$BIN/microtrace" expect log --message none --within 0
    [[ $output != *"no records"* ]]
}

@test "verify: an unfinished line is wrong only when no writer is left to finish it" {
    put logs good 2
    printf '{"asctime":"x' >>"$SPOOL/logs.jsonl"
    run spool verify
    [ "$status" -eq 1 ]
    [[ $output == *"torn: 13 bytes"* ]]
    # A writer of ours, idle in between, has it open.
    background "$BUILD/tests/tools/spool_write" "$SPOOL" traces t 2 1 60000000
    wait_until test -s "$SPOOL/traces.jsonl"
    printf '{"resourceSpans":[' >>"$SPOOL/traces.jsonl"
    run spool verify
    [[ $output == *"traces: 1 files, 1 good records, 0 wrong"* ]]
}

@test "verify: a damaged checkpoint, a foreign file" {
    put logs good 1
    head -c 8192 /dev/urandom >"$SPOOL/agent.checkpoint"
    touch "$SPOOL/logs.jsonl.gz"
    run spool verify
    [ "$status" -eq 1 ]
    [[ $output == *"agent.checkpoint: damaged"* && $output == *"logs.jsonl.gz"* ]]
}

@test "the instance: --state, the environment, ./var, each named in what is said" {
    local home=$DIR/home
    mkdir -p "$home/var/run" "$home/var/spool" "$DIR/other/run" "$DIR/other/spool"
    : >"$home/var/spool/logs.jsonl"
    cd "$home"
    unset MICROTRACE_RUN_DIR MICROTRACE_SPOOL_DIR
    run -1 "$BIN/microtrace" metrics
    [[ $output == *"var/run/metrics.mmap"* ]]
    run -1 "$BIN/microtrace" metrics --state "$DIR/other"
    [[ $output == *"$DIR/other/run/metrics.mmap"* ]]
    run -1 "$BIN/microtrace" --state "$DIR/other" breaker status
    [[ $output == *"$DIR/other/run/metrics.mmap"* ]]
    run -1 "$BIN/microtrace" --state="$DIR/other" breaker status
    [[ $output == *"$DIR/other/run/metrics.mmap"* ]]
    run -1 env MICROTRACE_RUN_DIR="$DIR/other/run" "$BIN/microtrace" chaos status
    [[ $output == *"$DIR/other/run/metrics.mmap"* ]]
    run -2 "$BIN/microtrace" metrics --state "$DIR"
    [[ $output == *"no run/ and no spool/"* ]]
    # Folders of these names alone, as in /, are no instance.
    rm var/spool/logs.jsonl
    run "$BIN/microtrace" metrics
    [[ $output == *"/run/microtrace/metrics.mmap"* || $status -eq 0 ]]
}

@test "every command has --help of at most 80 columns, --version, and refuses what it does not know" {
    local command
    while read -r command; do
        # shellcheck disable=SC2086 # two words
        run -0 "$BIN/microtrace" $command --help
        [[ $output == "Usage: microtrace $command "* ]]
        [ "$(awk 'length > 80' <<<"$output")" = "" ]
        # shellcheck disable=SC2086
        run -0 "$BIN/microtrace" help $command
        [[ $output == "Usage: microtrace $command "* ]]
        # shellcheck disable=SC2086
        run -0 "$BIN/microtrace" $command --version
        [[ $output == "microtrace "[0-9]* ]]
        # shellcheck disable=SC2086
        run -2 "$BIN/microtrace" $command --no-such-option
        [[ $output == *"--no-such-option"* ]]
    done < <("$BIN/microtrace" --help | sed -n 's/^  \([a-z]\+\( [a-z]\+\)\?\)\( .*|.*\)\?$/\1/p')
    [ "$("$BIN/microtrace" --help | grep -c '^  [a-z]')" -ge 7 ]
    # The first of two words alone.
    run -0 "$BIN/microtrace" spool --help
    [[ $output == "Usage: microtrace spool COMMAND"* ]]
    [ "$(grep -c '^  spool [a-z]' <<<"$output")" -eq 3 ]
    [ "$(grep -c '^  [a-z]' <<<"$output")" -eq 3 ]
    [ "$("$BIN/microtrace" help spool)" = "$output" ]
    run -0 "$BIN/microtrace" spool --version
    [[ $output == "microtrace "[0-9]* ]]
    run -2 "$BIN/microtrace" spool --no-such-option
    [ "$("$BIN/microtrace" --help | awk 'length > 80')" = "" ]
}
