#!/usr/bin/env bats
# Goal: the page shows the traces that the sink received and that `microtrace view` shows, however
# large and hostile they are, in bounded memory and bytes, and says what it looked at where it finds
# nothing.

bats_require_minimum_version 1.5.0

load agent_helpers

SHOP=4bf92f3577b34da6a3ce929d0e0e4736
HOSTILE=0123456789abcdef0123456789abcdef

setup() {
    common_setup
    LOOK=$BUILD/tests/tools/page_look
    export MICROTRACE_RUN_DIR=$PWD/run MICROTRACE_SPOOL_DIR=$PWD/spool
}

teardown() { common_teardown; }

make_spool() { /usr/bin/python3 "$ROOT/tests/tools/view_spool.py" "$1" spool; }

# look STATUS WHAT [TEXT]: the section is in `section`, what is in it in `page`.
look() {
    local status=$1
    shift
    "$LOOK" run spool "$@" >section 2>figures || { echo "page_look $*: $?" && return 1; }
    /usr/bin/python3 "$ROOT/tests/tools/page_check.py" <section >page
    [ "$(cut -d' ' -f1 figures)" = "$status" ] || { echo "$*: $(cat figures)" && jq -r .text page && return 1; }
}

# page FILTER: of what is in the section.
page() { jq -e "$@" page >/dev/null || { echo "not so: $*" && jq . page && return 1; }; }

# shows TEXT...
shows() {
    local text
    for text in "$@"; do
        page --arg text "$text" '.text | contains($text)'
    done
}

# spans_of_view TRACE: the ids of its spans, as the command has them.
spans_of_view() {
    "$BUILD/bin/microtrace" view --json --trace "$1" | jq -r '.resourceSpans[]?.scopeSpans[].spans[] | .spanId // .span_id' | sort
}

@test "lists: the latest, the slowest, those that failed, with what is to be known of each" {
    make_spool shop
    make_spool many
    look 200 latest
    page '(.links | map(select(test("trace="))) | length) == 50 and .rows == 51 and (.text | contains("microtrace view --last 100"))'
    look 200 slowest
    page '.links | map(select(test("trace="))) | length == 50'
    # The slowest of all stands first, and its row says how slow.
    grep -m 1 -A 1 '<tbody>' section | tail -n 1 | grep -q 'POST /analyze</a></th><td>microtrace</td><td class="status">ok</td><td class="number">1\.0[0-9] s'
    look 200 errors
    page '.classes.failed == 11'
    shows 'GET /cart' '200, 1 span failed' 'timeout exceeded' 'error, 1 span failed' 'mailer' || shows 'shop'
    [ "$(grep -o 'trace=[0-9a-f]*' section | head -n 1)" = "$(spool_trace_of r-9999)" ]
}

# spool_trace_of REQUEST
spool_trace_of() {
    "$BUILD/bin/microtrace" view --json --request "$1" | jq -r '.resourceSpans[]?.scopeSpans[].spans[].traceId' | head -n 1 | sed 's/^/trace=/'
}

@test "search: by trace id, request id, path, name, status, and how far back" {
    make_spool shop
    make_spool many
    look 200 find "$SHOP"
    shows 'send confirmation' 'still no answer'
    look 200 find r-77
    shows 'request r-77' 'request_completed'
    look 200 find ' /cart '
    shows 'SELECT cart'
    look 200 find 'WorkerService.an'
    page '.links | map(select(test("trace="))) | length == 50'
    look 200 find 2xx
    shows 'GET /cart'
    look 200 find 200
    shows 'GET /cart'
    look 404 find 5xx
    look 404 find 404
    look 200 find error
    page '.links | map(select(test("trace="))) | length == 11'
    # All of it is some months old, or not there yet: one more is of today.
    OTEL_SERVICE_NAME=today "$BUILD/bin/microtrace" span 'the new one'
    look 200 find 'last 15m'
    shows 'the new one'
    look 200 find 'new one last 2 hours'
    shows 'today'
    look 404 find '/cart last 1 d'
    # A list of what is looked for is one of the slowest, or of those that failed, too.
    look 200 slowest WorkerService
    page '.links | map(select(test("trace="))) | length == 50'
    look 200 errors /analyze
    page '.links | map(select(test("trace="))) | length == 10'
}

@test "nothing found, and what can't be meant or read, is said in words" {
    make_spool shop
    look 404 trace 11111111111111111111111111111111
    page '.answer | contains("Nothing of the trace 11111111111111111111111111111111 in spool: 2 files")'
    look 404 find nobody
    page '.answer | contains("Nothing that fits: nobody in spool: 2 files, 0.0 MiB, the oldest last written at ")'
    look 400 trace xyz
    page '.answer | contains("32 hexadecimal digits")'
    look 400 trace 00000000000000000000000000000000
    rm spool/*
    look 404 latest
    look 404 errors
    rmdir spool
    look 503 latest
    page '.answer | contains("spool: No such file or directory")'
}

@test "a waterfall: spans, log lines and events in their order, clocks and orphans told of" {
    make_spool shop
    look 200 trace "$SHOP"
    [ "$(jq -r '.spans[]' page | sort)" = "$(spans_of_view $SHOP)" ]
    page '.classes | .span == 7 and .failed == 1 and .log == 4 and .event == 2'
    shows "microtrace view --trace $SHOP" "app1's clock is another; drawn 1h 00m earlier" 'child of ffffffffffffff00, which is not in this spool' \
        '152 ms, 7 spans of shop, microtrace, mailer, audit, 1 failed, request demo-123' 'error: timeout exceeded'
    page '.text | gsub("\n"; " ") | test("GET /cart.*SELECT cart.*item 7 is gone.*WorkerService.*cache miss.*request_completed.*send confirmation.*no answer")'
}

@test "hostile fields everywhere: they are shown, and are neither markup nor commands" {
    make_spool hostile
    # Ids and names as others may have written them, too.
    printf '%s\n' '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"'$HOSTILE'","spanId":"\"><script>","parentSpanId":"<b>","name":"</section><script src=//x>","kind":"<i>","startTimeUnixNano":"<u>","attributes":[{"key":"\" onclick=\"a()","value":{"arrayValue":{"values":[{"stringValue":"--><!--"}]}}}]}]}]}]}' >spool/x.traces.jsonl
    printf '%s\n' '{"asctime":"<b>","levelname":"</td>","name":"<style>","message":"]]>&#60;img src=x onerror=a()>","request_id":"\"\u0027><a>","trace_id":"'$HOSTILE'","span_id":"<>"}' >spool/x.logs.jsonl
    look 200 trace "$HOSTILE"
    shows '<script>' '\u001b[31m' '\u202e' '\u009b' 'ü' '...(65536 bytes)' '</section><script src=//x>' ']]>&#60;img src=x onerror=a()>' '--><!--'
    local list
    for list in latest slowest errors; do
        look 200 $list
        shows '<script>' || [ $list = slowest ]
    done
    look 404 find "\"'><script>alert(1)</script>"$'\e\xe2\x80\xae'
    shows "\"'><script>alert(1)</script>\\u001b\\u202e"
    look 404 find $'\xff\xfe'
    look 200 find '<script>'
}

# at_most KIB LIMIT: a sanitizer keeps what was freed.
at_most() {
    case $BUILD in */asan*) return 0 ;; esac
    [ "$1" -le "$2" ] || { echo "$1 KiB, more than $2" && return 1; }
}

@test "bounds: 10,000 traces, traces of 5,000 and 20,001 spans, attributes of 64 kB" {
    local kind
    for kind in many big wide huge hostile; do make_spool $kind; done
    look 200 trace 00000000000000000000000000005000
    shows '5000 spans of batch, 1 failed' 'more like this, with '
    at_most "$(cut -d' ' -f4 figures)" 12000
    # Of spans that are not alike there are so many rows, and the others are counted.
    look 200 trace 00000000000000000000000000005001
    page '.classes.span + .classes.folded >= 500 and .bytes < 3145728'
    shows 'wide import' '5000 spans of batch' 'microtrace view --json --trace 00000000000000000000000000005001'
    page '.text | test("and [0-9],[0-9]{3} more spans")'
    look 200 trace 00000000000000000000000000020001
    shows 'huge import'
    page '.text | test("and 1[0-9],[0-9]{3} more spans")'
    # What the process had in memory at most, in KiB.
    at_most "$(cut -d' ' -f4 figures)" 14000
    look 200 trace $HOSTILE
    [ "$(wc -c <section)" -lt 20000 ]
}

@test "200 looks leave no more memory behind than one, after a line of 16 MB either" {
    local kind what
    for kind in shop wide hostile; do make_spool $kind; done
    /usr/bin/python3 - <<'END'
spans = ",".join('{"traceId":"%032x","spanId":"%016x","name":"n","attributes":[{"key":"k","value":{"stringValue":"%s"}}]}' % (7, i, "x" * 30000) for i in range(1, 500))
open("spool/long.traces.jsonl", "w").write('{"resourceSpans":[{"scopeSpans":[{"spans":[' + spans + ']}]}]}\n')
END
    for what in "latest" "errors" "trace 00000000000000000000000000005001" "find nobody"; do
        # shellcheck disable=SC2086 # words
        "$LOOK" --times 100 run spool $what >section 2>figures
        read -r _ first last _ <figures
        echo "$what: $first KiB, then $last KiB"
        at_most "$last" $((first + 512))
    done
    "$LOOK" --times 200 run spool trace 00000000000000000000000000000007 >section 2>figures
    read -r _ first last _ <figures
    at_most "$last" $((first + 512))
    at_most "$last" 8000
}

@test "torn lines, other programs' files, what is not UTF-8, and what is no record" {
    make_spool shop
    printf '{"resourceSpans":[{"resource":{"attr' >>spool/traces.jsonl
    printf '\n\xff\xfe\x00 not a record\n{}\n[1,2]\n' >>spool/traces.jsonl
    printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"00f067aa0ba902ff","name":"a\xff\xc0","startTimeUnixNano":1790000000010000000,"end_time_unix_nano":"1790000000020000000"}]}]}]}\n' "$SHOP" >>spool/php.traces.jsonl
    printf '{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"%s","span_id":"00f067aa0ba902fe","name":"snake \\u2665","start_time_unix_nano":1790000000010000000,"end_time_unix_nano":"1790000000020000000"}]}]}]}' "$SHOP" >>spool/php.traces.jsonl
    cp spool/traces.jsonl spool/copy.traces.jsonl # the same spans once more
    look 200 trace "$SHOP"
    [ "$(jq -r '.spans[]' page | sort)" = "$(spans_of_view $SHOP)" ]
    page '.spans | length == 8'
    page '.classes.event == 2'
    shows 'snake'
    look 200 latest
    page '.links | map(select(test("trace="))) | length == 1'
    [[ $(cat section) == *'<td class="number">8</td>'* ]]
}

@test "files that go under the reader's eyes: each look finds what is there all the time" {
    local i
    make_spool shop
    mv spool/traces.jsonl spool/php.traces.jsonl
    for i in $(seq 1 60); do
        printf '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"%016x","name":"s"}]}]}]}\n' "$((i + 100))" "$i" >"spool/traces.$(printf %010d "$i").jsonl"
    done
    (
        while [ ! -e stop ]; do
            for i in $(seq 1 60); do
                n=$(printf %010d "$i")
                mv "spool/traces.$n.jsonl" "spool/traces.$n.kept.jsonl"
            done
            for i in $(seq 1 60); do
                n=$(printf %010d "$i")
                mv "spool/traces.$n.kept.jsonl" "spool/traces.$n.jsonl"
            done
        done
    ) 3>&- &
    WRITERS+=($!)
    for i in $(seq 1 40); do
        look 200 trace "$SHOP" || { touch stop && return 1; }
        page '.spans | length == 7' || { touch stop && return 1; }
    done
    touch stop
    wait "${WRITERS[-1]}" || true
}

@test "page, view and sink have the same spans, through kill -9 of the agent and rotation: waiting, kept and in memory" {
    two_tiers
    start_sink
    ENVIRONMENT=(MICROTRACE_SPOOL_MEMORY_BYTES=8M)
    KEEP=10M
    start_agent
    "$TOOL" -r run -m run spool traces a 90 3 1000 >>written
    kill_agent 9
    "$TOOL" -r run -m run spool traces b 30 3 >>written
    start_agent
    until_true 60 all_sent 120
    sink_answers '{"mode":"status","status":503}'
    "$TOOL" -r run -m run spool traces c 30 3 >>written
    kill_agent 9
    start_agent
    until_true 30 backlog_is traces 30
    everywhere 150
    sink_answers '{}'
    until_true 60 nothing_waits traces
    everywhere 150
    jq -r 'select(.signal == "traces") | .record.spanId' dump | sort -u >received
    diff received shown
    kill_agent TERM
    everywhere 150
}

@test "the agent answers with the same, whole or in part, and stays within 16 MiB" {
    local kind i what code
    for kind in shop hostile wide many; do make_spool $kind; done
    start_sink
    KEEP=64M
    start_agent
    until_true 60 nothing_waits traces
    ask() { curl -s -m 20 -o section -w '%{http_code}' -G "http://127.0.0.1:$AGENT_PORT/" "$@"; }
    for what in by=latest by=slowest by=errors "find=/cart" "find=r-77" "trace=$SHOP" "trace=$HOSTILE" "find=<script>"; do
        code=$(ask -d part=traces --data-urlencode "$what")
        /usr/bin/python3 "$ROOT/tests/tools/page_check.py" <section >page || { echo "$what: $code" && head -c 500 section && return 1; }
        [ "$code" = 200 ]
    done
    code=$(ask -d part=traces -d "trace=$SHOP")
    /usr/bin/python3 "$ROOT/tests/tools/page_check.py" <section >page
    [ "$(jq -r '.spans[]' page | sort)" = "$(spans_of_view $SHOP)" ]
    [ "$(ask -d part=traces -d trace=xyz)" = 400 ]
    [ "$(ask -d part=traces -d find=nobody)" = 404 ]
    # The whole document has the section, too.
    [ "$(ask -d by=slowest)" = 200 ]
    grep -q 'id="traces"' section && grep -q 'The slowest traces' section && grep -q '</html>' section
    for i in $(seq 1 30); do
        [ "$(ask -d part=traces -d trace=00000000000000000000000000005001)" = 200 ]
        [ "$(ask -d by=slowest)" = 200 ]
    done
    resident "$AGENT_PID" >figures
    cat figures
    at_most "$(cut -d' ' -f1 figures)" 16384
}

# all_sent COUNT: so many spans are in the books, and none waits.
all_sent() { [ "$(in_books traces)" = "$1" ] && nothing_waits traces; }

# everywhere COUNT: the page shows as many spans as were written, and they are those that the command
# prints; their ids are in `shown`.
everywhere() {
    local trace
    "$BUILD/bin/microtrace" view --json --last 1 >/dev/null
    cat spool/traces.*jsonl run/spool/traces.*jsonl 2>/dev/null | grep -o '"traceId":"[0-9a-f]*' | cut -d'"' -f4 | sort -u >traces
    while read -r trace; do
        "$LOOK" run spool trace "$trace" 2>/dev/null | grep -o 'id="span-[0-9a-f]*' | cut -d- -f2
    done <traces | sort >shown
    while read -r trace; do
        spans_of_view "$trace"
    done <traces | sort >printed
    diff printed shown
    [ "$(wc -l <shown)" -eq "$1" ] || { echo "shown: $(wc -l <shown) of $1" && return 1; }
}
