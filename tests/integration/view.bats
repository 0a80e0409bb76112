#!/usr/bin/env bats
# Goal: `microtrace view` finds a trace wherever the spool has it, shows it as a waterfall that a
# person can read at any width, and passes nothing on that a terminal obeys.

bats_require_minimum_version 1.5.0

load helpers
load spool

TRACE=4bf92f3577b34da6a3ce929d0e0e4736

setup() {
    new_spool
}

teardown() {
    stop_background
    rm -rf "$DIR"
}

make_spool() { /usr/bin/python3 "$ROOT/tests/tools/view_spool.py" "$1" "$SPOOL"; }

# view ARGUMENT...: its output is in $DIR/out, its status in $status.
view() {
    status=0
    "$BIN/microtrace" view "$@" >"$DIR/out" 2>"$DIR/err" || status=$?
}

# shows TEXT...: the output has a line with each.
shows() {
    local text
    for text in "$@"; do
        grep -qF -- "$text" "$DIR/out" || { echo "it does not show \"$text\":" && cat "$DIR/out" "$DIR/err" && return 1; }
    done
}

# line_of TEXT: number of the first line with it.
line_of() { grep -nF -- "$1" "$DIR/out" | head -n 1 | cut -d: -f1; }

# in_order TEXT...: each first stands below the one before.
in_order() {
    local text line last=0
    for text in "$@"; do
        line=$(line_of "$text")
        [ "${line:-0}" -gt "$last" ] || { echo "\"$text\" is in line ${line:-none}, after $last:" && cat "$DIR/out" && return 1; }
        last=$line
    done
}

# no_wider COLUMNS: no line of the output has more characters.
no_wider() {
    /usr/bin/python3 -c '
import sys, unicodedata
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
wide = [l for l in lines if sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in l) > int(sys.argv[2])]
print("\n".join(wide)); sys.exit(bool(wide))' "$DIR/out" "$1"
}

# harmless: nothing in the output that a terminal obeys, or that turns the text around it.
harmless() {
    LC_ALL=C grep -q . "$DIR/out"
    LC_ALL=C refute grep -P '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$DIR/out"
}

@test "a trace of several services: rows below their parents, log lines and events at their times" {
    make_spool shop
    view --trace "$TRACE"
    [ "$status" -eq 0 ]
    [ ! -s "$DIR/err" ]
    shows "trace $TRACE" "7 spans of shop, microtrace, mailer, audit, 1 failed, request demo-123"
    in_order 'shop: GET /cart' 'SELECT cart' 'ERROR shop.cart: item 7 is gone item=7' 'microtrace: POST /analyze' \
        'WorkerService.analyze' 'event cache miss cache.key=a:b' 'INFO microtrace.api: analyze_request input_a=10.5' \
        'microtrace.request: request_completed' \
        'mailer: send confirmation' 'error: timeout exceeded' 'event exception exception.type=TimeoutError'
    shows 'http.request.method=GET url.path=/cart http.response.status_code=200' 'error.type=timeout' \
        'child of ffffffffffffff00, which is not in this spool' "app1's clock is another; drawn 1h 00m earlier"
    # The clock of another host moves nothing out of the trace, which lasts as long as its root.
    shows '152 ms, 7 spans'
    harmless
}

@test "widths: no line is wider, every row has its bar, at 40, 80, 140 and 200 columns" {
    make_spool shop
    make_spool big
    local width
    for width in 40 80 140 200; do
        COLUMNS=$width view --trace "$TRACE"
        no_wider $width
        [ "$(grep -c '[━╺╸]' "$DIR/out")" -eq 7 ]
        COLUMNS=$width view --trace 00000000000000000000000000005000
        no_wider $width
        LC_ALL=C COLUMNS=$width view --trace "$TRACE"
        LC_ALL=C refute grep -P '[\x80-\xff]' "$DIR/out"
        [ "$(grep -c ' =' "$DIR/out")" -ge 7 ]
    done
}

@test "piped it is plain; on a terminal there are colours, but not with NO_COLOR; PAGER gets all of it" {
    make_spool shop
    view
    refute grep -q $'\e' "$DIR/out"
    TERM=xterm PAGER=cat script -qec "'$BIN/microtrace' view" /dev/null </dev/null >"$DIR/tty"
    grep -q $'\e\\[1m' "$DIR/tty"
    TERM=xterm PAGER=cat NO_COLOR=1 script -qec "'$BIN/microtrace' view" /dev/null </dev/null >"$DIR/tty"
    refute grep -q $'\e' "$DIR/tty"
    TERM=xterm NO_COLOR=1 PAGER="sed s/^/paged:/" script -qec "'$BIN/microtrace' view" /dev/null </dev/null >"$DIR/tty"
    grep -q "^paged:trace $TRACE" "$DIR/tty"
    refute grep -qv '^paged:' "$DIR/tty"
    # Unless it is set it is less, which ends at once where a screen holds all, or else cat.
    TERM=xterm NO_COLOR=1 script -qec "stty rows 100 cols 100; '$BIN/microtrace' view" /dev/null </dev/null >"$DIR/tty"
    grep -q "trace $TRACE" "$DIR/tty"
    mkdir "$DIR/bin"
    ln -s "$(command -v sh)" "$(command -v cat)" "$DIR/bin/"
    TERM=xterm NO_COLOR=1 script -qec "PATH=$DIR/bin '$BIN/microtrace' view" /dev/null </dev/null >"$DIR/tty"
    grep -q "^trace $TRACE" "$DIR/tty"
    # One that is not there has shown nothing.
    TERM=xterm PAGER=/no/pager run -1 script -qec "'$BIN/microtrace' view" /dev/null </dev/null
    [[ $output == *"/no/pager"*"not found"* ]]
    # A pager that is left at once is no failure.
    make_spool big
    TERM=xterm PAGER=true script -qec "'$BIN/microtrace' view" /dev/null </dev/null >"$DIR/tty"
}

@test "hostile fields are shown and not obeyed, long ones cut with a mark" {
    make_spool hostile
    view --trace 0123456789abcdef0123456789abcdef
    [ "$status" -eq 0 ]
    harmless
    shows '\u001b[31m' '\u202e' '<script>' '...(65536 bytes)' '\u009b' 'ü'
    no_wider 100
    [ "$(wc -c <"$DIR/out")" -lt 20000 ]
    view --trace 0123456789abcdef0123456789abcdef --json
    harmless
    [ "$(wc -l <"$DIR/out")" -eq 3 ]
    jq -es 'all' <"$DIR/out" >/dev/null
}

@test "one trace of 5,000 spans: bounded, alike ones folded, all of them by --json" {
    make_spool big
    view --trace 00000000000000000000000000005000
    [ "$status" -eq 0 ]
    [ "$(wc -l <"$DIR/out")" -lt 2500 ]
    shows '5000 spans of batch, 1 failed' 'more like this, with '
    grep -q 'INSERT .* error ' "$DIR/out" # what failed is not folded
    view --trace 00000000000000000000000000005000 --json
    [ "$(grep -c resourceSpans "$DIR/out")" -eq 5000 ]
    [ "$(grep -c '^{"asctime"' "$DIR/out")" -eq 500 ]
}

@test "--json: elements that can't be taken apart, at one place of two files, are both printed" {
    local id
    for id in a b; do
        # Two lists of scopes: what is around the span can't be told (docs/spool.md, "Lines").
        printf '{"resourceSpans":[{"scopeSpans":[],"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"%s","name":"%s"}]}]}]}\n' \
            "$TRACE" "000000000000000$id" "$id" >"$SPOOL/$id.traces.jsonl"
    done
    view --trace "$TRACE" --json
    [ "$(wc -l <"$DIR/out")" -eq 2 ]
    shows '"name":"a"' '"name":"b"'
}

@test "the slowest, those that failed, the last, and those of a request" {
    make_spool many
    view --slowest 3
    [ "$(grep -c '^trace ' "$DIR/out")" -eq 3 ]
    in_order 'request r-1234' 'INFO microtrace.request: request_completed'
    view --errors
    [ "$(grep -c '^trace ' "$DIR/out")" -eq 10 ]
    in_order 'request r-999' 'request r-1999' 'request r-9999'
    view --errors --last 2
    [ "$(grep -c '^trace ' "$DIR/out")" -eq 2 ]
    in_order 'request r-8999' 'request r-9999'
    view
    [ "$(grep -c '^trace ' "$DIR/out")" -eq 10 ]
    view --last 1
    [ "$(grep -c '^trace ' "$DIR/out")" -eq 1 ]
    view --request r-77
    [ "$(grep -c '^trace ' "$DIR/out")" -eq 1 ]
    shows 'request r-77' '2 spans of microtrace'
}

@test "nothing found: exit 1, and what was looked at; a command line that can't be used: 2" {
    make_spool shop
    view --trace 11111111111111111111111111111111
    [ "$status" -eq 1 ]
    grep -q "nothing of the trace 11111111111111111111111111111111 in $SPOOL: 2 files" "$DIR/err"
    [ ! -s "$DIR/out" ]
    view --request nobody
    [ "$status" -eq 1 ]
    MICROTRACE_SPOOL_DIR=$DIR/nowhere view
    [ "$status" -eq 1 ]
    grep -q "$DIR/nowhere: No such file" "$DIR/err"
    local arguments
    for arguments in "--trace xyz" "--slowest 0" "--last 101" "--errors --slowest 3" "--trace $TRACE --last 3" surplus "--request a/b?"; do
        # shellcheck disable=SC2086 # words
        view $arguments
        [ "$status" -eq 2 ] || { echo "$arguments: $status" && false; }
    done
    rm "$SPOOL"/*
    view
    [ "$status" -eq 1 ]
}

@test "what was delivered and is kept, what waits on disk and in memory, and another program's file" {
    mkdir -p "$STATE/run/spool"
    put traces old 3
    put traces mid 3
    mv "$SPOOL/traces.jsonl" "$SPOOL/traces.0000000001.jsonl"
    cp "$SPOOL/traces.0000000001.jsonl" "$STATE/other.traces.jsonl"
    put traces new 2
    mv "$SPOOL/traces.jsonl" "$STATE/run/spool/traces.jsonl"
    make_spool shop
    mv "$SPOOL/traces.jsonl" "$SPOOL/traces.0000000000.jsonl"
    mv "$SPOOL/traces.0000000000.jsonl" "$SPOOL/traces.0000000007.kept.jsonl"
    mv "$SPOOL/logs.jsonl" "$SPOOL/php.logs.jsonl"
    local name
    for name in old-1 mid-2 new-0; do
        id=$(cat "$SPOOL"/*.jsonl "$STATE/run/spool"/*.jsonl | grep -F "\"name\":\"$name\"" |
            jq -r --arg name "$name" '.resourceSpans[].scopeSpans[].spans[] | select(.name == $name) | .traceId')
        view --trace "$id"
        [ "$status" -eq 0 ]
        shows "$name"
    done
    view --trace "$TRACE"
    shows 'mailer: send confirmation' 'still no answer; the connection is closed'
    # A program's own file and the segment that it was copied to are the same spans.
    cp "$STATE/other.traces.jsonl" "$SPOOL/php.traces.jsonl"
    view --trace "$id"
    view --last 100
    [ "$(grep -c old-1 "$DIR/out")" -eq 1 ]
}

@test "--json has the spans and log records that a sink received, each once" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK" MICROTRACE_SPOOL_KEEP_BYTES=64M
    local i
    for i in 1 2 3; do
        printf '{"a":%d,"b":2}' "$i" | env REQUEST_METHOD=POST SCRIPT_NAME=/x.cgi PATH_INFO=/analyze CONTENT_LENGTH=13 \
            CONTENT_TYPE=application/json HTTP_X_REQUEST_ID="q-$i" MICROTRACE_RUN_DIR="$STATE/run" \
            MICROTRACE_SPOOL_DIR="$SPOOL" "$BIN/analyze" >/dev/null
    done
    arrived() { [ "$(curl -sf "$SINK/control" | jq '.signals.traces.distinct')" = 6 ]; }
    wait_until arrived || { curl -s "$SINK/control"; false; }
    for i in 1 2 3; do
        view --request "q-$i" --json
        [ "$status" -eq 0 ]
        expect_json '.resourceSpans[0].scopeSpans[0].spans | length == 1' < <(grep resourceSpans "$DIR/out")
        cat "$DIR/out" >>"$DIR/all"
    done
    [ "$(jq -r '.resourceSpans[]?.scopeSpans[].spans[].spanId' "$DIR/all" | sort -u | wc -l)" -eq 6 ]
    [ "$(grep -c resourceSpans "$DIR/all")" -eq 6 ]
    [ "$(grep -c '"request_completed"' "$DIR/all")" -eq 3 ]
    view --request q-2
    shows 'microtrace: POST /analyze' 'WorkerService.analyze' 'microtrace.request: request_completed'
}

@test "a script's steps are one trace, also while its root is still running" {
    OTEL_SERVICE_NAME=nightly "$BIN/microtrace" run --name job -- sh -c "
        '$BIN/microtrace' span 'a step' --status ok
        '$BIN/microtrace' log --level warning 'one file is missing'
        exit 3" || true
    view --errors
    in_order 'nightly: job' 'process.exit.code=3' 'a step' 'one file is missing' || in_order 'nightly: job' 'WARNING'
    shows 'error.type=3'
    parent=00-aaaabbbbccccddddaaaabbbbccccdddd-1111222233334444-01
    "$BIN/microtrace" span early --traceparent "$parent"
    view --trace aaaabbbbccccddddaaaabbbbccccdddd
    shows 'child of 1111222233334444, which is not in this spool'
}
