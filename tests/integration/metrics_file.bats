#!/usr/bin/env bats
# Goal: whatever becomes of the metrics file under the agent and under the programs that count in
# it, requests are answered, the agent lives, says what is wrong, and finds a good file by itself.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    new_folder
    RUN=$STATE/run
    FILE=$RUN/metrics.mmap
    mkdir -p "$RUN" "$STATE/spool"
    export MICROTRACE_RUN_DIR=$RUN MICROTRACE_SPOOL_DIR=$STATE/spool
}

teardown() {
    local pid
    if pid=$(cat "$DIR/agent" 2>/dev/null); then
        kill "$pid" 2>/dev/null && wait_until gone "$pid"
    fi
    rm -rf "$DIR"
}

# start_agent [COMMAND...]: the agent, under that command if there is one; AGENT is its pid.
start_agent() {
    MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT "$@" "$BIN/metrics-agent" >>"$LOG" 2>&1 </dev/null 3>&- &
    AGENT=$!
    echo "$AGENT" >"$DIR/agent"
    wait_until healthy
}

healthy() {
    [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$AGENT_URL/healthz")" = 200 ]
}

# for_others: programs that other users reach, wherever the build lies.
for_others() {
    install -d -m 755 "$DIR/bin"
    install -m 755 "$BIN/analyze" "$BIN/metrics-agent" "$DIR/bin"
    BIN=$DIR/bin
}

# cgi [COMMAND...]: one good request to analyze as a CGI program; fails unless it is answered.
cgi() {
    local body='{"a": 10.5, "b": 3.5}' answer
    answer=$(printf '%s' "$body" | env GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
        SERVER_NAME=localhost SERVER_PORT=80 REMOTE_ADDR=192.0.2.1 REQUEST_METHOD=POST \
        SCRIPT_NAME=/cgi-bin/a.cgi PATH_INFO=/analyze QUERY_STRING= CONTENT_LENGTH=${#body} \
        CONTENT_TYPE=application/json "$@" "$BIN/analyze") || {
        echo "analyze ended with status $?"
        return 1
    }
    [ "${answer##*$'\n'}" = '{"sum": 14.0, "difference": 7.0}' ] || {
        echo "the answer was: $answer"
        return 1
    }
}

POSTS='requests_total{method="POST",path="/analyze",status="200"}'

# answers CODE [TEXT]: whether a scrape ends with that status, and its body contains the text.
answers() {
    [ "$(curl -s -m 5 -o "$DIR/scrape" -w '%{http_code}' "$AGENT_URL/metrics")" = "$1" ] &&
        grep -qF "${2:-}" "$DIR/scrape"
}

# unusable TEXT: 503 with that reason while requests go on; then the file is removed, and the
# same agent finds the next one.
unusable() {
    wait_until answers 503 "$1"
    expect_json '.detail | contains("metrics.mmap")' <"$DIR/scrape"
    cgi
    healthy
    rm -f "$FILE"
    cgi
    wait_until answers 200 "$POSTS 1"
    refute gone "$AGENT"
}

started_with_one_request() {
    start_agent
    cgi
    wait_until answers 200 "$POSTS 1"
}

@test "a file that was replaced: the new one is found" {
    started_with_one_request
    mv "$FILE" "$DIR/old"
    cgi
    cgi
    wait_until answers 200 "$POSTS 2"
    mv "$DIR/old" "$FILE"
    wait_until answers 200 "$POSTS 1"
    refute gone "$AGENT"
}

@test "a truncated file" {
    started_with_one_request
    truncate -s 100000 "$FILE"
    unusable "shorter than its header says"
}

@test "an empty file" {
    started_with_one_request
    : >"$FILE"
    unusable "not a metrics file"
}

@test "a foreign file, in place and moved there" {
    started_with_one_request
    echo "somebody else's" >"$FILE"
    unusable "not a metrics file"
    head -c 9000000 /dev/zero >"$DIR/zeros"
    mv "$DIR/zeros" "$FILE"
    unusable "not a metrics file"
}

@test "a directory, a FIFO and a dangling link of that name" {
    started_with_one_request
    # Moved there: between a removal and what follows others make the file.
    mkfifo "$DIR/fifo"
    mv "$DIR/fifo" "$FILE"
    unusable "not a metrics file"
    ln -s /nonexistent/metrics.mmap "$DIR/link"
    mv "$DIR/link" "$FILE"
    unusable "not a metrics file"
    is_directory() {
        rm -f "$FILE"
        mkdir "$FILE" 2>/dev/null
    }
    wait_until is_directory
    wait_until answers 503 "not a metrics file"
    cgi
    rmdir "$FILE"
    cgi
    wait_until answers 200 "$POSTS 1"
}

@test "a file of a newer version is left as it is" {
    local sum
    started_with_one_request
    cp "$FILE" "$DIR/newer"
    printf '\x02' | dd of="$DIR/newer" bs=1 seek=8 conv=notrunc status=none
    mv "$DIR/newer" "$FILE"
    sum=$(sha256sum <"$FILE")
    wait_until answers 503 "of another format version"
    cgi
    [ "$(sha256sum <"$FILE")" = "$sum" ]
    unusable "of another format version"
}

@test "a damaged header" {
    started_with_one_request
    printf 'XXXX' | dd of="$FILE" bs=1 seek=136 conv=notrunc status=none
    unusable "damaged in its header"
}

@test "an unreadable file" {
    [ "$(id -u)" -eq 0 ] || skip "only root can become others"
    chmod 755 "$DIR" && chmod -R 777 "$STATE"
    for_others
    start_agent setpriv --reuid=61001 --regid=61001 --clear-groups
    wait_until test -e "$FILE"
    chown 0:0 "$FILE" && chmod 600 "$FILE"
    wait_until answers 503 "Permission denied"
    chown 61001 "$FILE"
    cgi
    wait_until answers 200 "$POSTS 1"
}

@test "damaged records are skipped and counted, the others answered" {
    cgi
    # The last series in the arena: its label values are changed behind its checksum.
    local at
    at=$(grep -obUaP 'POST\x00/analyze\x00200\x00' "$FILE" | head -n 1 | cut -d: -f1)
    printf 'G' | dd of="$FILE" bs=1 seek="$at" conv=notrunc status=none
    start_agent
    wait_until answers 200 "microtrace_metrics_damaged_records 1"
    refute grep -qF "$POSTS" "$DIR/scrape"
    grep -qF 'request_latency_seconds_count{method="POST",path="/analyze"} 1' "$DIR/scrape"
    # The next request makes the series again.
    cgi
    wait_until answers 200 "$POSTS 1"
}

@test "random damage and truncation under scrapes: an answer each time, and the agent lives" {
    local i code
    started_with_one_request
    for ((i = 0; i < 60; i++)); do
        case $((RANDOM % 4)) in
        0) truncate -s $((RANDOM * 300)) "$FILE" 2>/dev/null || true ;;
        1) rm -f "$FILE" ;;
        *) head -c $((1 + RANDOM % 2000)) /dev/urandom |
            dd of="$FILE" bs=1 seek=$((RANDOM * 40)) conv=notrunc status=none ;;
        esac
        cgi
        code=$(curl -s -m 10 -o "$DIR/scrape" -w '%{http_code}' "$AGENT_URL/metrics")
        [ "$code" = 200 ] || [ "$code" = 503 ]
    done
    refute gone "$AGENT"
    rm -f "$FILE"
    cgi
    wait_until answers 200 "$POSTS 1"
}

@test "what long-lived processes counted without a file is told once there is one" {
    start_instance WORKERS=1
    local file=$STATE/run/metrics.mmap
    analyze '{"a": 1, "b": 2}'
    head -c 100000 /dev/zero >"$DIR/foreign"
    mv "$DIR/foreign" "$file"
    wait_until answers 503 "not a metrics file"
    # The worker looks at the file once a second; until then it counts in the old one.
    local end=$((SECONDS + 3)) n=0
    while [ "$SECONDS" -lt "$end" ] || [ "$n" -lt 40 ]; do
        analyze '{"a": 1, "b": 2}'
        expect 200
        n=$((n + 1))
        sleep 0.05
    done
    rm "$file"
    analyze '{"a": 1, "b": 2}'
    wait_until no_file_told
    stop_instance
}

no_file_told() {
    analyze '{"a": 1, "b": 2}'
    [ "$(metric 'microtrace_metrics_refused_total{reason="no_file"}')" -ge 20 ]
}

# --- Space and permissions -------------------------------------------------------------------

@test "a full tmpfs, before the file is made and after: requests are answered, the loss is counted" {
    need_mounts
    export -f cgi
    export BIN RUN FILE DIR
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare -m bash -eu -c '
        mount -t tmpfs -o size=1m none "$RUN"
        # Full before: nothing is made, nothing is left, the answer is there.
        cgi
        [ -z "$(ls -A "$RUN")" ]
        # Full afterwards: no page is missing.
        mount -o remount,size=11m "$RUN"
        cgi
        [ -e "$FILE" ]
        cat /dev/zero >"$RUN/filler" 2>/dev/null || true
        [ "$(df --output=avail "$RUN" | tail -n 1)" -eq 0 ]
        for ((i = 0; i < 20; i++)); do cgi; done
        "$BIN/microtrace" metrics --json >"$DIR/metrics.json"'
    expect_json '[.families[] | select(.name == "requests_total").series[].value | select(. > 0)] == [21]' <"$DIR/metrics.json"
}

@test "the spool on a full tmpfs: the requests are counted, and so is what was dropped" {
    need_mounts
    export -f cgi
    export BIN DIR MICROTRACE_SPOOL_DIR
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare -m bash -eu -c '
        mount -t tmpfs -o size=64k none "$MICROTRACE_SPOOL_DIR"
        cat /dev/zero >"$MICROTRACE_SPOOL_DIR/filler" 2>/dev/null || true
        for ((i = 0; i < 5; i++)); do cgi; done
        "$BIN/microtrace" metrics --json >"$DIR/metrics.json"'
    expect_json '[.families[] | select(.name == "requests_total").series[].value | select(. > 0)] == [5]' <"$DIR/metrics.json"
    expect_json '[.families[] | select(.name == "microtrace_spool_dropped_records_total").series[] |
        select(.labels.reason == "no_space").value] | add >= 5' <"$DIR/metrics.json"
}

@test "writer and agent are different users of one group, with umask 077" {
    [ "$(id -u)" -eq 0 ] || skip "only root can become others"
    local writer=(setpriv --reuid=61001 --regid=62001 --groups=62000)
    chmod 755 "$DIR" "$STATE"
    for_others
    chown 0:62000 "$RUN" "$STATE/spool"
    chmod 2770 "$RUN" "$STATE/spool"
    umask 077
    cgi "${writer[@]}"
    [ "$(stat -c '%a %u %g' "$FILE")" = "660 61001 62000" ]
    start_agent setpriv --reuid=61002 --regid=62000 --clear-groups
    wait_until answers 200 "$POSTS 1"
    cgi "${writer[@]}"
    wait_until answers 200 "$POSTS 2"
    # What the agent counts itself is in the same file.
    wait_until answers 200 microtrace_agent_start_time_seconds
    grep -q '^microtrace_build_info' "$DIR/scrape"
    # Somebody outside the group counts nothing here, and is answered all the same.
    cgi setpriv --reuid=61003 --regid=61003 --clear-groups
    answers 200 "$POSTS 2"
}

@test "a limit on file sizes ends no process: the file stays unmade, requests are answered" {
    local i
    for i in 1 2 3; do
        cgi prlimit --fsize=20000
    done
    [ ! -e "$FILE" ]
    start_agent prlimit --fsize=20000
    wait_until answers 503 "missing"
    cgi
    wait_until answers 200 "$POSTS 1"
    # What the limit does not reach: a file that is there is mapped, not written.
    for i in $(seq 40); do
        cgi prlimit --fsize=20000
    done
    wait_until answers 200 "$POSTS 41"
    [ "$(wc -c <"$STATE/spool/traces.jsonl")" -le 20000 ]
    answers 200 'microtrace_spool_dropped_records_total{signal="traces",reason="no_space"}'
    refute gone "$AGENT"
}

@test "room for series: in --help, and refused where it can't be used" {
    local program
    for program in analyze metrics-agent; do
        "$BIN/$program" --help | grep -q MICROTRACE_METRICS_MAX_SERIES
        for value in banana 0 -1 10x 4194305; do
            run -2 env MICROTRACE_METRICS_MAX_SERIES=$value REQUEST_METHOD=GET "$BIN/$program" </dev/null
            [[ $output == *MICROTRACE_METRICS_MAX_SERIES*"$value"* ]]
        done
    done
    cgi MICROTRACE_METRICS_MAX_SERIES=100
    "$BIN/microtrace" metrics --json | expect_json '.file.series_limit == 100'
}

@test "gauges of processes that are killed return to 0" {
    start_instance WORKERS=4 WORKER_DELAY_MS=10000
    local i pids
    for i in 1 2 3; do
        curl -s -m 30 -o /dev/null -H 'Content-Type: application/json' -d '{"a": 1, "b": 2}' "$URL/analyze" 3>&- &
    done
    expect metric requests_in_progress --eq 3
    expect metric 'microtrace_workers{state="busy"}' --eq 3
    pids=$(descendants "$INSTANCE" | while read -r pid; do
        [ "$(cat "/proc/$pid/comm")" != analyze ] || echo "$pid"
    done)
    # shellcheck disable=SC2086
    kill -KILL $pids
    expect metric requests_in_progress --eq 0
    expect metric 'microtrace_workers{state="busy"}' --eq 0
    expect metric 'microtrace_workers{state="idle"}' --eq 4
    stop_instance
}

# --- The agent's answers ---------------------------------------------------------------------

# type_for ACCEPT: prints the Content-Type that the agent chooses.
type_for() {
    curl -s -o "$DIR/scrape" -w '%{content_type}' -H "Accept: $1" "$AGENT_URL/metrics"
}

@test "negotiation: quality values, versions, escaping, and what nobody offers" {
    local text='text/plain; version=0.0.4; charset=utf-8'
    local open='application/openmetrics-text; version=1.0.0; charset=utf-8'
    started_with_one_request
    [ "$(type_for '*/*')" = "$text" ]
    [ "$(type_for '')" = "$text" ]
    [ "$(type_for 'image/png')" = "$text" ]
    [ "$(type_for 'application/openmetrics-text; version=1.0.0')" = "$open" ]
    tail -n 1 "$DIR/scrape" | grep -qx '# EOF'
    [ "$(type_for 'application/openmetrics-text;q=0.3, text/plain;q=0.5')" = "$text" ]
    refute grep -q '# EOF' "$DIR/scrape"
    [ "$(type_for 'text/plain;q=0.3, application/openmetrics-text;version=1.0.0;q=0.5')" = "$open" ]
    [ "$(type_for 'application/openmetrics-text;version=2.0.0, */*;q=0.1')" = "$text" ]
    [ "$(type_for 'application/openmetrics-text;q=0, text/plain;q=0.1')" = "$text" ]
    # What Prometheus 3 sends.
    [ "$(type_for 'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2')" = "$open; escaping=underscores" ]
    [ "$(type_for 'text/plain;version=0.0.4;escaping=underscores')" = "$text; escaping=underscores" ]
}

@test "gzip if it is asked for, and the same text inside" {
    started_with_one_request
    curl -s -H 'Accept-Encoding: gzip' -D "$DIR/headers" -o "$DIR/packed" "$AGENT_URL/metrics"
    grep -qi '^content-encoding: gzip' "$DIR/headers"
    grep -qi '^vary: .*accept-encoding' "$DIR/headers"
    gunzip <"$DIR/packed" | grep -qF "$POSTS 1"
    [ "$(gunzip <"$DIR/packed" | wc -c)" -gt $((2 * $(wc -c <"$DIR/packed"))) ]
    for encoding in identity 'gzip;q=0' 'gzip;Q=0' 'gzip ; Q=0.000' 'br, deflate'; do
        curl -s -H "Accept-Encoding: $encoding" -D "$DIR/headers" -o "$DIR/plain" "$AGENT_URL/metrics"
        refute grep -qi '^content-encoding' "$DIR/headers"
        grep -qF "$POSTS 1" "$DIR/plain"
    done
}

@test "each exemplar lies in its bucket and is a span that was written, of a request as long" {
    start_instance WORKERS=2
    local i
    for i in {1..40}; do
        analyze '{"a": 1, "b": 2}' -H "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e47$((i + 20))-00f067aa0ba902b7-01"
        expect 200
    done
    curl -s -H 'Accept: application/openmetrics-text' -o "$DIR/scrape" "$AGENT_URL/metrics"
    spans | jq -r '"\(.traceId) \(.spanId) \((.endTimeUnixNano | tonumber) - (.startTimeUnixNano | tonumber))"' >"$DIR/spans"
    # path, bound, trace id, span id, value of each exemplar
    sed -nE 's/^request_latency_seconds_bucket\{.*path="([^"]*)",le="([^"]*)"\} [0-9]+ # \{trace_id="([0-9a-f]{32})",span_id="([0-9a-f]{16})"\} ([0-9.e+-]+) [0-9.]+$/\1 \2 \3 \4 \5/p' \
        "$DIR/scrape" >"$DIR/exemplars"
    [ -s "$DIR/exemplars" ]
    grep -c ' # {' "$DIR/scrape"
    awk -v bounds="0 0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf" '
        BEGIN { n = split(bounds, b, " "); for (i = 2; i <= n; i++) below[b[i] == "+Inf" ? "+Inf" : b[i] + 0] = b[i - 1] }
        FNR == NR { took[$1 " " $2] = $3 / 1e9; next }
        {
            exemplars++
            le = $2 == "+Inf" ? $2 : $2 + 0
            if (!(le in below) || $5 <= below[le] || (le != "+Inf" && $5 > le)) { print "outside its bucket: " $0; bad = 1 }
            if (!($3 " " $4 in took)) { print "no such span: " $0; bad = 1 }
            # The span ends a little before or after the measurement of the latency; a busy machine may
            # hold one request up between the two.
            else if ((took[$3 " " $4] - $5) ^ 2 > 0.05 ^ 2) { print "another length: " $0; held++ }
            if ($3 !~ /^4bf92f3577b34da6a3ce929d0e0e47/) { print "another trace: " $0; bad = 1 }
        }
        END { exit bad || held > 1 || held == exemplars }' "$DIR/spans" <(grep '^/analyze ' "$DIR/exemplars")
    stop_instance
}

# --- microtrace metrics ----------------------------------------------------------------------

@test "microtrace metrics: a table for people, without the agent" {
    cgi
    run -0 "$BIN/microtrace" metrics
    grep -qE '^requests_total +counter' <<<"$output"
    grep -qE '^  method="POST",path="/analyze",status="200" +1$' <<<"$output"
    grep -qE 'request_latency_seconds +histogram, seconds' <<<"$output"
    grep -qE '^  method="POST",path="/analyze" +1 ' <<<"$output"
    # Values end in one column.
    [ "$(grep -E '^  .*status="' <<<"$output" | awk '{ print length }' | sort -u | wc -l)" -eq 1 ]
    grep -qE '^[0-9]+ of [0-9]+ series' <<<"$output"
}

@test "microtrace metrics --json: the same as what the agent says" {
    start_agent
    wait_until answers 200 microtrace_agent_start_time_seconds
    cgi
    cgi
    run -0 --separate-stderr "$BIN/microtrace" metrics --json
    expect_json '.families | map(.name) | index("requests_total") != null' <<<"$output"
    expect_json '[.families[] | select(.name == "requests_total").series[] |
        select(.labels == {method: "POST", path: "/analyze", status: "200"}).value] == [2]' <<<"$output"
    expect_json '[.families[] | select(.name == "request_latency_seconds").series[] |
        select(.labels.path == "/analyze") | .count == 2 and (.buckets | length) == 17 and
        .buckets[16] == {le: "+Inf", count: 2} and (.exemplars[0].trace_id | length) == 32] == [true]' <<<"$output"
    expect_json '.file.series <= .file.series_limit and .file.damaged_records == 0 and
        (.file.refused | add) == 0 and .file.processes >= 1' <<<"$output"
}

@test "microtrace metrics: no file, a bad one, a bad option" {
    run -1 "$BIN/microtrace" metrics
    [[ "$output" == *"$FILE: missing"* ]]
    echo "somebody else's" >"$FILE"
    run -1 "$BIN/microtrace" metrics --json
    [[ "$output" == *"not a metrics file"* ]]
    run -2 "$BIN/microtrace" metrics --nonsense
}
