#!/usr/bin/env bats
# Goal: a script counts, traces and logs with one command a line; counters add up over any number of
# processes; nothing that is wrong with an instance fails the script, and no mistake of its own goes
# unseen.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() { new_spool; }

teardown() {
    stop_background
    rm -rf "$DIR"
}

mt() { "$BIN/microtrace" "$@"; }

# value SERIES: by the command, which needs no agent.
value() {
    mt metrics --prometheus | SERIES=$1 awk 'index($0, ENVIRON["SERIES"] " ") == 1 { print $NF }'
}

# value_is SERIES VALUE
value_is() {
    local found
    found=$(value "$1")
    [ "$found" = "$2" ] || { echo "$1 is '$found', not $2" && return 1; }
}

# one_line: $output is one line that holds the argument, without control characters.
one_line() {
    [ "${#lines[@]}" -eq 1 ] || { echo "not one line: $output" && return 1; }
    [[ $output == *"$1"* ]] || { echo "no '$1' in: $output" && return 1; }
    [[ $output != *[[:cntrl:]]* ]]
}

@test "count adds 1 or N; labels in any order, help and unit once, are one metric" {
    mt count jobs_total
    mt count jobs_total 41
    value_is jobs_total 42.0
    mt count sent_bytes_total 7 --label to=a --label by=b --unit bytes --help-text 'What was sent.'
    mt count sent_bytes_total 5 --label by=b --label to=a
    value_is 'sent_bytes_total{by="b",to="a"}' 12.0
    mt count sent_bytes_total 1 --label 'by=x "y"' --label 'to=a=b'
    value_is 'sent_bytes_total{by="x \"y\"",to="a=b"}' 1.0
    mt metrics --prometheus | grep -qx '# HELP sent_bytes_total What was sent.'
    mt metrics --openmetrics | grep -qx '# UNIT sent_bytes bytes'
    mt count jobs_total 0
    value_is jobs_total 42.0
    mt count jobs_total 9007199254740950
    value_is jobs_total 9007199254740992.0
    value_is 'microtrace_metrics_refused_total{reason="family_conflict"}' 0.0
}

@test "16 times 500 counts at once, while an agent is scraped: the exact sum, and never less than before" {
    local each=500 i last=0 now pids=()
    [[ $BUILD != *asan* ]] || each=50
    start_agent
    for i in {1..16}; do
        (for ((n = 0; n < each; n++)); do
            "$BIN/microtrace" count crowd_total --label "by=$((i % 4))" || exit 1
        done) 3>&- &
        pids+=($!)
    done
    while kill -0 "${pids[15]}" 2>/dev/null; do
        now=$(scrape | awk '/^crowd_total/ { sum += $2 } END { print sum + 0 }')
        [ "$now" -ge "$last" ]
        last=$now
    done
    for i in "${pids[@]}"; do wait "$i"; done
    [ "$(scrape | awk '/^crowd_total/ { sum += $2 } END { print sum }')" -eq $((16 * each)) ]
    metric_is 'crowd_total{by="1"}' $((4 * each))
    metric_is microtrace_processes_died_total 0
}

@test "observe: default buckets, own buckets, those of a metric that exists; exemplars of the span" {
    local tp=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
    mt observe load_seconds 0.3 --unit seconds
    value_is 'load_seconds_bucket{le="0.25"}' 0
    value_is 'load_seconds_bucket{le="0.5"}' 1
    mt observe rows_read 1500 --buckets 1000,1e6
    mt observe rows_read 2e9
    value_is 'rows_read_bucket{le="1e+06"}' 1 || value_is 'rows_read_bucket{le="1000000.0"}' 1
    value_is 'rows_read_count' 2
    # Larger than 64 bits of nanobytes.
    mt observe dump_size_bytes 6e9 --unit bytes
    mt observe dump_size_bytes 6e9
    mt observe dump_size_bytes 1
    [ "$(value dump_size_bytes_sum)" = 12000000001.0 ] || value_is dump_size_bytes_sum 12000000001
    mt observe shift -- -2.5 --buckets 1 && false
    mt observe shift_celsius -2.5 --buckets=-5,5
    value_is 'shift_celsius_sum' -2.5
    TRACEPARENT=$tp mt observe load_seconds 7
    mt metrics --openmetrics | grep -E '^load_seconds_bucket\{le="10.0"\} 2 # \{trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7"\} 7.0'
}

@test "gauge sets, also below zero; the last value stays" {
    mt gauge temperature_celsius 21.5 --label room=a
    mt gauge temperature_celsius -3 --label room=a
    value_is 'temperature_celsius{room="a"}' -3.0
    mt gauge --label room=a temperature_celsius -- -1e-3
    value_is 'temperature_celsius{room="a"}' -0.001
    mt gauge -.5 2>/dev/null && false
    mt gauge queue_length +7
    value_is queue_length 7.0
}

@test "names by the rules of Prometheus: exit 2, and the right name where there is one" {
    local -A expected=(
        ["count jobs"]="do you mean jobs_total?"
        ["count 9_total"]="no metric's name"
        ["count a-b_total"]="no metric's name"
        ["count _total"]="no counter's name"
        ["gauge a_total 1"]="do you mean a?"
        ["observe a_total 1"]="do you mean a?"
        ["gauge a 1 --unit seconds"]="do you mean a_seconds?"
        ["count a_total --unit bytes"]="do you mean a_bytes_total?"
        ["gauge a_x-y 1 --unit x-y"]="no metric's name"
        ["gauge a 1 --unit x-y"]="no unit"
        ["count a_total --label __x=1"]="no label's name"
        ["count a_total --label x-y=1"]="no label's name"
        ["observe a 1 --label le=1"]="no label's name"
        ["count a_total --label x"]="--label: \"x\" can't be used"
        ["count a_total --label =x"]="--label: \"=x\" can't be used"
        ["count a_total -1"]="takes a whole number"
        ["count a_total 1.5"]="takes a whole number"
        ["count a_total 99999999999999999999"]="takes a whole number"
        ["count a_total 18446744073709551615"]="from 0 to 9007199254740992"
        ["count a_total 9007199254740993"]="from 0 to 9007199254740992"
        ["count a_total 1 2"]="unexpected argument 2"
        ["count"]="NAME is missing"
        ["gauge a"]="VALUE is missing"
        ["gauge a x"]="takes a decimal number"
        ["gauge a nan"]="takes a decimal number"
        ["gauge a 0x10"]="takes a decimal number"
        ["gauge a 1e999"]="takes a decimal number"
        ["observe a 1 --buckets 2,1"]="--buckets: \"2,1\" can't be used"
        ["observe a 1 --buckets 1,,2"]="can't be used"
        ["observe a 1 --buckets 1,inf"]="can't be used"
        ["log"]="one MESSAGE"
        ["log a b"]="one MESSAGE"
        ["log a --level loud"]="--level: \"loud\" can't be used"
        ["log a --field x"]="--field: \"x\" can't be used"
        ["span"]="one NAME"
        ["span a --kind x"]="--kind: \"x\" can't be used"
        ["span a --start yesterday"]="--start: \"yesterday\" can't be used"
        ["span a --status bad"]="--status: \"bad\" can't be used"
        ["span a --attr x"]="--attr: \"x\" can't be used"
        ["run"]="COMMAND is missing"
        ["run --"]="COMMAND is missing"
        ["run --timeout x -- true"]="--timeout: \"x\" can't be used"
        ["run --nonsense -- true"]="unexpected argument --nonsense"
    )
    local arguments
    for arguments in "${!expected[@]}"; do
        # shellcheck disable=SC2086
        run mt $arguments
        [ "$status" -eq 2 ] || { echo "exit $status: $arguments: $output" && false; }
        one_line "${expected[$arguments]}"
    done
    run -2 mt count a_total --label a=1 --label b=1 --label c=1 --label d=1 --label e=1 --label f=1 \
        --label g=1 --label h=1 --label i=1
    one_line "9 labels are too many"
    # Nothing of it was counted.
    [ ! -e "$STATE/run/metrics.mmap" ] || [ -z "$(mt metrics --prometheus | grep '^a')" ]
}

@test "a metric that exists as something else: one line, a refusal that is counted, exit 0" {
    local refused=0 arguments
    mt count a_total --label x=1
    mt observe lat_seconds 1 --unit seconds
    for arguments in "count a_total" "count a_total --label y=1" "count a_total --label x=1 --label y=1" \
        "gauge lat_seconds 1" "observe lat_seconds 1 --buckets 1,2"; do
        # shellcheck disable=SC2086
        run -0 --separate-stderr mt $arguments
        output=$stderr lines=("${stderr_lines[@]}")
        one_line "is not counted: it exists as a"
        refused=$((refused + 1))
        value_is 'microtrace_metrics_refused_total{reason="family_conflict"}' "$refused.0"
    done
    value_is 'a_total{x="1"}' 1.0
    run -0 mt count a_total --label "x=$(printf '%0300d' 0)"
    one_line "a_total is not counted: value_too_long"
    run -0 mt count a_total --label $'x=\xff'
    one_line "a_total is not counted: value_not_utf8"
}

@test "no room for another series: said, counted, exit 0" {
    export MICROTRACE_METRICS_MAX_SERIES=2
    mt count one_total
    mt count two_total
    run -0 mt count three_total
    one_line "three_total is not counted: series_limit"
    value_is 'microtrace_metrics_refused_total{reason="series_limit"}' 1.0
}

@test "log: level, logger, fields, the span of TRACEPARENT, the request of a CGI script" {
    mt log 'first line'
    logs | expect_json '.levelname == "INFO" and .name == "microtrace.shell" and .message == "first line" and
        .trace_id == "" and .resource."service.name" == "microtrace"'
    rm "$SPOOL"/logs.jsonl
    TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 HTTP_X_REQUEST_ID=r-1 \
        OTEL_SERVICE_NAME=backup mt log --level error --name backup.db --field rows=7 --field rows=8 \
        --field 'file=a=b' --field message=m --field field.message=n 'dump failed'
    logs | expect_json '.levelname == "ERROR" and .name == "backup.db" and .rows == "8" and
        .file == "a=b" and ."field.message" == "m" and .request_id == "r-1" and
        .trace_id == "4bf92f3577b34da6a3ce929d0e0e4736" and .span_id == "00f067aa0ba902b7" and
        .resource."service.name" == "backup"'
    LOG_LEVEL=ERROR mt log --level warning quiet
    mt log --level debug quiet
    [ "$(logs | wc -l)" -eq 1 ]
    mt log -- --level
    [ "$(logs '.message == "--level"' | wc -l)" -eq 1 ]
    mt log ''
    [ "$(logs '.message == ""' | wc -l)" -eq 1 ]
}

@test "span: parent, times, kind, status, attributes; --print gives the parent of the next" {
    local tp child
    export TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 TRACESTATE=vendor=x
    tp=$(mt span 'copy files' --start 1616620946 --end 1616620950.241980634 --kind producer \
        --attr a=1 --attr 'b=x=y' --attr a=2 --status 'error:disk full' --print)
    [[ $tp =~ ^00-4bf92f3577b34da6a3ce929d0e0e4736-([0-9a-f]{16})-0[13]$ ]]
    child=${BASH_REMATCH[1]}
    spans | expect_json '.name == "copy files" and .kind == 4 and .spanId == "'"$child"'" and
        .parentSpanId == "00f067aa0ba902b7" and .traceState == "vendor=x" and
        .startTimeUnixNano == "1616620946000000000" and .endTimeUnixNano == "1616620950241980634" and
        .attrs.a.stringValue == "2" and .attrs.b.stringValue == "x=y" and (.attributes | length) == 2 and
        .status == {"message": "disk full", "code": 2} and .resource.attributes[0].value.stringValue == "microtrace"'
    rm "$SPOOL"/traces.jsonl
    # --traceparent comes before the environment; what is none begins a new trace.
    mt span child --traceparent "$tp" --status ok
    spans | expect_json '.parentSpanId == "'"$child"'" and .status.code == 1 and (has("traceState") | not or .traceState == "")'
    rm "$SPOOL"/traces.jsonl
    mt span root --traceparent ''
    run -0 mt span root --traceparent 'GET / HTTP/1.1'
    one_line "is no traceparent"
    spans | expect_json '.traceId != "4bf92f3577b34da6a3ce929d0e0e4736" and (.parentSpanId // "") == "" and
        .startTimeUnixNano == .endTimeUnixNano'
    [ "$(spans | wc -l)" -eq 2 ]
}

@test "span: each form of a time; a clock that was put back costs a line, not the script" {
    local now form
    for form in "@1616620946.5" "1616620946.500000" "2021-03-24T21:22:26.5Z" "2021-03-24t21:22:26.50z" \
        "2021-03-24 22:22:26.5+01:00" "2021-03-24T16:52:26.5-04:30"; do
        mt span s --start "$form" --end 1616620947
        spans | tail -n 1 | expect_json '.startTimeUnixNano == "1616620946500000000"'
    done
    for form in "" "@" "-1" "1616620946." "1,5" "2021-02-29T00:00:00Z" "2021-03-24T21:22:26" \
        "2021-03-24T24:00:00Z" "2021-03-24T21:22:26Zx" "99999999999999"; do
        run -2 mt span s --start "$form"
    done
    now=$(date +%s.%N)
    mt span s --start "$now"
    spans | tail -n 1 | expect_json '(.endTimeUnixNano | tonumber) >= (.startTimeUnixNano | tonumber)'
    # 1970 is a time, too.
    run -0 mt span s --start @0 --end @0
    [ -z "$output" ]
    spans | tail -n 1 | expect_json '.startTimeUnixNano == "1" and .endTimeUnixNano == "1"'
    run -0 mt span s --start 1616620947 --end @0
    one_line "--end is before --start"
    run -0 mt span s --start 1616620947 --end 1616620946
    one_line "--end is before --start"
    spans | tail -n 1 | expect_json '.startTimeUnixNano == "1616620947000000000" and .endTimeUnixNano == .startTimeUnixNano'
}

@test "the sampler and OTEL_SDK_DISABLED hold; --print hands the decision on" {
    local tp
    tp=$(OTEL_TRACES_SAMPLER=always_off mt span s --print)
    [[ $tp == *-0[02] ]]
    tp=$(TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00 mt span s --print)
    [[ $tp == 00-4bf92f3577b34da6a3ce929d0e0e4736-*-00 ]]
    OTEL_SDK_DISABLED=true mt log quiet
    [ -z "$(cat "$SPOOL"/*.jsonl 2>/dev/null)" ]
}

@test "what is wrong with an instance costs a line and a count, and no exit status" {
    local arguments
    for arguments in "count a_total" "observe a 1" "gauge a 1" "log hello" "span s"; do
        # shellcheck disable=SC2086
        run -0 mt $arguments --state "$DIR/nowhere"
        one_line "$DIR/nowhere"
        # shellcheck disable=SC2086
        run -0 env MICROTRACE_RUN_DIR="$DIR/none" MICROTRACE_SPOOL_DIR="$DIR/none" "$BIN/microtrace" $arguments
        one_line "$DIR/none"
        # Again: whoever runs it now has not read the line before.
        # shellcheck disable=SC2086
        run -0 env MICROTRACE_RUN_DIR="$DIR/none" MICROTRACE_SPOOL_DIR="$DIR/none" "$BIN/microtrace" $arguments
        one_line "$DIR/none"
    done
    run -0 --separate-stderr mt span s --print --state "$DIR/nowhere"
    [[ $output =~ ^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$ ]]
    # A file can't grow: as on a full disk.
    mt count here_total
    run -0 bash -c "ulimit -f 0; '$BIN/microtrace' log lost"
    one_line "spans and logs are lost"
    run -0 bash -c "ulimit -f 0; '$BIN/microtrace' span lost"
    mt metrics --prometheus | grep -E '^microtrace_spool_dropped_records_total\{signal="logs",reason="[a-z_]+"\} 1.0'
    mt metrics --prometheus | grep -E '^microtrace_spool_dropped_records_total\{signal="traces",reason="[a-z_]+"\} 1.0'
    # Half of an instance is better than none.
    run -0 env MICROTRACE_RUN_DIR="$DIR/none" "$BIN/microtrace" log kept
    one_line "metrics are lost"
    [ "$(logs '.message == "kept"' | wc -l)" -eq 1 ]
    run -0 env MICROTRACE_SPOOL_MAX_BYTES=lots "$BIN/microtrace" log kept
    one_line 'MICROTRACE_SPOOL_MAX_BYTES: "lots" can'
}

@test "the instance: --state before the command or behind it, the environment, ./var" {
    local other=$DIR/other
    mkdir -p "$other/run" "$other/spool" "$DIR/here/var/run" "$DIR/here/var/spool"
    mt count a_total --state "$other"
    mt --state "$other" count a_total
    [ "$(mt metrics --state "$other" --prometheus | awk '$1 == "a_total" { print $2 }')" = 2.0 ]
    unset MICROTRACE_RUN_DIR MICROTRACE_SPOOL_DIR
    mt count a_total --state "$DIR/here/var"
    (cd "$DIR/here" && "$BIN/microtrace" count a_total)
    [ "$(mt metrics --state "$DIR/here/var" --prometheus | awk '$1 == "a_total" { print $2 }')" = 2.0 ]
}

@test "hostile names and texts: whole records, valid UTF-8, no control character on the terminal" {
    local long esc=$'\e[31m' control=$'a\tb\nc\x01\x7f\xc2\x9b\xff'
    long=$(head -c 120000 /dev/zero | tr '\0' x)
    mt log "$control" --name "$control" --field "k$esc=$control" --field "$long=x"
    mt span "$control" --attr "k$esc=$control" --status "error:$control"
    mt log "$long" --field "big=$long"
    mt span "$long" --attr "big=$long" --status "error:$long"
    run -0 mt log "$(head -c 32768 /dev/zero | tr '\0' '\1')"
    [ -z "$output" ]
    run -2 mt count "$esc"
    one_line "no metric's name"
    run -0 mt count a_total --label "x=$esc$control"
    one_line value_not_utf8
    iconv -f UTF-8 -t UTF-8 "$SPOOL"/logs.jsonl "$SPOOL"/traces.jsonl >/dev/null
    [ "$(logs | wc -l)" -eq 3 ]
    [ "$(spans | wc -l)" -eq 2 ]
    run -0 mt spool verify
    run -0 mt spool tail --no-follow
    [[ $output != *$'\e'* ]]
    # More than the kernel takes for one argument is refused by it, whoever is called.
    run bash -c "'$BIN/microtrace' log \"\$(head -c 1048576 /dev/zero | tr '\\0' x)\""
    [ "$status" -eq 126 ]
    [[ $output == *"Argument list too long"* ]]
}

@test "every emitting command: --help within 80 columns, --version, nothing but libc to load" {
    local command
    for command in run span log count observe gauge; do
        run -0 mt "$command" --help
        [[ $output == "Usage: microtrace $command "* && $output == *--state* ]]
        awk 'length > 80 { print "too wide: " $0; wide = 1 } END { exit wide }' <<<"$output"
        run -0 mt "$command" --version
        [[ $output == "microtrace "[0-9]* ]]
        mt --help | grep -q "^  $command "
    done
    [[ $BUILD != *asan* ]] || skip "the sanitizers have libraries of their own"
    run -0 ldd "$BIN/microtrace"
    refute grep -vE 'linux-vdso|lib[cm]\.so|ld-linux' <<<"$output"
}
