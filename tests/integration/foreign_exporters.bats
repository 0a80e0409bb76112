#!/usr/bin/env bats
# Goal: whatever legal form of OTLP JSON another program's file exporter writes, each record of its
# lines arrives once and as it was, with its own resource and scope, and is counted.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

# made STYLE SIGNAL NAME LINES [PER_LINE]: lines on stdout, noted in `expected`.
made() { python3 "$ROOT/tests/tools/otlp_lines.py" make "$@"; }
all_as_expected() {
    until_true 40 python3 "$ROOT/tests/tools/otlp_lines.py" check dump
}
said() { grep -q "$1" agent.log; }

# counted SIGNAL RECORDS: in the books, as delivered.
counted() {
    books "$1" "$2"
    until_true 20 nothing_waits "$1"
    [ "$(outcome "$1" delivered)" = "$2" ]
}

@test "lines as the exporters of PHP, Python, Java and the Collector write them" {
    local style
    start_sink
    for style in php python java collector odd; do
        made "$style" traces "$style" 20 40 >"spool/$style.traces.jsonl"
        made "$style" logs "$style-log" 20 40 >"spool/$style.logs.jsonl"
    done
    start_agent
    all_as_expected
    counted traces 4000
    counted logs 4000
    for style in php python java collector odd; do
        made "$style" traces "$style-later" 3 4 >>"spool/$style.traces.jsonl"
    done
    all_as_expected
    counted traces 4060
}

@test "metrics: every kind of point, counted as points" {
    start_sink
    made python metrics m 20 30 >spool/app.metrics.jsonl
    made collector metrics c 20 40 >spool/collector.metrics.jsonl
    start_agent
    all_as_expected
    counted metrics 1400
    kill_agent TERM
    start_agent
    made php metrics p 1 >>spool/app.metrics.jsonl
    all_as_expected
}

@test "lines among those of our own programs, through kills" {
    local i
    start_sink
    start_agent
    start_writer written spool traces own 100000000 2 2000
    for i in 1 2 3; do
        made collector traces "k$i" 30 40 >>spool/x.traces.jsonl
        until_true 20 grep -q "k$i-1199" dump
        kill_agent 9
        start_agent
    done
    stop_writer "$WRITER"
    until_true 30 nothing_waits traces
    [ "$(grep -o '"name": "k[123]-[0-9]*"' dump | sort -u | wc -l)" = 3600 ]
}

@test "a line of a megabyte, and of three" {
    start_sink
    made php traces big 1 900 >spool/x.traces.jsonl
    made python logs huge 1 3000 >spool/x.logs.jsonl
    [ "$(stat -c %s spool/x.traces.jsonl)" -gt 1000000 ]
    [ "$(stat -c %s spool/x.logs.jsonl)" -gt 3000000 ]
    start_agent
    all_as_expected
    counted traces 900
    counted logs 3000
}
