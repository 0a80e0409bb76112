#!/usr/bin/env bats
# Goal: what an endpoint answers is taken for what it is: a success that can't be read to its end is
# one, a web page is none, an endpoint that never took anything is misconfigured, and each message
# names the variable and what to write.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

@test "a partial success is read through a message of 70 kB" {
    local protocol message
    message=$(printf '%70000s' '' | tr ' ' x)
    start_sink
    for protocol in http/json http/protobuf; do
        ENVIRONMENT=("OTEL_EXPORTER_OTLP_PROTOCOL=$protocol")
        start_agent
        sink_answers "{\"mode\":\"partial\",\"rejected\":2,\"count\":1,\"message\":\"$message\"}"
        "$TOOL" spool traces "p$((RANDOM))" 10 10 >>written
        until_true 20 nothing_waits traces
        kill_agent TERM
    done
    start_agent
    [ "$(outcome traces rejected)" = 4 ]
    [ "$(outcome traces delivered)" = 16 ]
}

@test "a success that breaks off in its body, or never ends, is delivered once, with a warning" {
    local mode
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TIMEOUT=5000)
    start_sink
    start_agent
    for mode in cut endless; do
        sink_answers "{\"mode\":\"$mode\",\"count\":1}"
        "$TOOL" spool traces "$mode" 10 10 >>written
        until_true 20 nothing_waits traces
        "$TOOL" spool traces "$mode-after" 10 10 >>written
        until_true 20 nothing_waits traces
    done
    everything_arrived --duplicate-requests 0
    books traces 40
    [ "$(outcome traces delivered)" = 40 ]
    grep -q 'could not be read to its end; taken as delivered' agent.log
    # A sanitizer keeps what was freed.
    case $BUILD in */asan*) ;; *) [ "$(resident "$AGENT_PID" | cut -d' ' -f2)" -lt 20000 ] ;; esac
}

@test "a chunk extension without an end is not read until the timeout" {
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TIMEOUT=3600000)
    start_sink
    start_agent
    sink_answers '{"mode":"extension","count":2}'
    "$TOOL" spool traces a 10 10 >>written
    "$TOOL" spool logs b 10 10 >>written
    until_true 20 nothing_waits traces
    until_true 20 nothing_waits logs
    everything_arrived --duplicate-requests 0
    [ "$(outcome traces delivered)" = 10 ]
    [ "$(outcome logs delivered)" = 10 ]
    grep -q 'could not be read to its end; taken as delivered' agent.log
}

@test "an answer that breaks off in its head is not a delivery" {
    start_sink
    start_agent
    sink_answers '{"mode":"close","count":1}'
    "$TOOL" spool traces a 10 10 >>written
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    [ "$(outcome traces delivered)" = 10 ]
}

@test "a web page with status 200 is not a delivery: the agent holds, and says so" {
    start_sink
    start_agent
    sink_answers '{"mode":"status","status":200,"type":"text/html; charset=utf-8","message":"log in"}'
    "$TOOL" spool traces a 10 10 >>written
    until_true 20 grep -q 'a web page, not an answer of OTLP' agent.log
    until_true 10 backlog_is traces 10
    [ "$(outcome traces delivered)" = 0 ]
}

@test "an endpoint that refuses everything from the start is not given one record to blame" {
    start_sink
    sink_answers '{"mode":"status","status":400,"message":"Content-Type application/json is not supported"}'
    start_agent
    "$TOOL" spool traces a 10 10 >>written
    "$TOOL" spool logs b 10 10 >>written
    until_true 20 grep -q 'traces: .*OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf' agent.log
    until_true 20 grep -q 'logs: .*OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf' agent.log
    [ "$(outcome traces quarantined)" = 0 ]
    [ "$(outcome logs quarantined)" = 0 ]
    until_true 10 backlog_is traces 10
    [ ! -e spool/traces.quarantine.jsonl ]
}

@test "one bad record among the first is still found and set apart" {
    start_sink
    sink_answers '{"poison":"a-3"}'
    start_agent
    "$TOOL" spool traces a 10 10 >>written
    until_true 20 nothing_waits traces
    [ "$(outcome traces quarantined)" = 1 ]
    [ "$(outcome traces delivered)" = 9 ]
}

@test "an endpoint that begins to refuse everything is given four records to blame" {
    start_sink
    start_agent
    "$TOOL" spool traces a 10 10 >>written
    until_true 20 nothing_waits traces
    sink_answers '{"mode":"status","status":400}'
    "$TOOL" spool traces b 20 20 >>written
    until_true 20 grep -q 'traces: HTTP 400.*; keeping the records' agent.log
    until_true 10 outcome_is traces quarantined 4
    until_true 10 backlog_is traces 16
    kill_agent TERM
    sink_answers '{}'
    start_agent
    until_true 20 outcome_is traces delivered 26
    books traces 30
}

@test "bad records among good ones raise no doubt about the endpoint" {
    local i
    start_sink
    start_agent
    "$TOOL" spool traces first 1 >>written
    until_true 20 nothing_waits traces
    sink_answers '{"poison":"\"bad-0\""}'
    kill -STOP "$AGENT_PID"
    for i in 1 2 3 4 5 6; do
        "$TOOL" spool traces bad 1 >>written
        "$TOOL" spool traces "good$i" 1 >>written
    done
    kill -CONT "$AGENT_PID"
    until_true 20 outcome_is traces quarantined 6
    until_true 20 outcome_is traces delivered 7
    run -1 grep 'an empty request' spool/traces.quarantine.jsonl
}

@test "a record that the quarantine file can't take is counted as lost, not as quarantined" {
    mkdir spool/traces.quarantine.jsonl
    start_sink
    sink_answers '{"poison":"a-3"}'
    start_agent
    "$TOOL" spool traces a 10 10 >>written
    until_true 20 nothing_waits traces
    [ "$(outcome traces quarantined)" = 0 ]
    [ "$(dropped traces quarantine_failed)" = 1 ]
    [ "$(outcome traces delivered)" = 9 ]
    [ "$(in_books traces)" = 10 ]
    kill_agent 9
    start_agent
    [ "$(dropped traces quarantine_failed)" = 1 ]
    grep -q "traces.quarantine.jsonl can't be written" agent.log
}

@test "a header with an empty value is sent; an endpoint's path goes before its query" {
    start_sink
    ENVIRONMENT=('OTEL_EXPORTER_OTLP_HEADERS=x-empty=,x-tenant=1'
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$SINK_PORT?key=1")
    start_agent
    "$TOOL" spool traces a 10 10 >>written
    until_true 20 nothing_waits traces
    [ "$(sink_number headers.x-tenant)" = 1 ]
    [ "$(sink_number headers.x-empty)" = "" ]
}

# said VARIABLE VALUE TEXT...: what an agent with that setting says at its start has all texts.
said() {
    local variable=$1 value=$2 text
    shift 2
    choose_ports
    : >agent.log
    ENVIRONMENT=("$variable=$value")
    start_agent
    kill_agent TERM
    for text in "$@"; do
        grep -F "$variable" agent.log | grep -qF -- "$text" || {
            echo "not said: $text"
            return 1
        }
    done
    [ "$(grep -c " $variable: \"" agent.log)" = 1 ]
}

@test "an endpoint that can't be one: the variable, what is wrong, what to write, no password" {
    said OTEL_EXPORTER_OTLP_ENDPOINT localhost:4318 'has no scheme' 'write http://'
    said OTEL_EXPORTER_OTLP_ENDPOINT grpc://localhost:4317 'write http://'
    said OTEL_EXPORTER_OTLP_ENDPOINT http:///v1 'has no host'
    said OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ftp://user:secret@host/x 'write http://' REDACTED
    [ "$(grep -c secret agent.log)" = 0 ]
    said OTEL_EXPORTER_OTLP_ENDPOINT //user:secret@host 'has no scheme' '"//REDACTED@host"'
    [ "$(grep -c secret agent.log)" = 0 ]
    said OTEL_EXPORTER_OTLP_PROTOCOL grpc 'http/protobuf' 4318
}

@test "https to a port that speaks http, and the other way round: what to write" {
    start_sink
    ENVIRONMENT=("OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:$SINK_PORT")
    start_agent
    "$TOOL" spool traces a 1 1 >>written
    until_true 20 grep -q 'traces: .*write http:// in OTEL_EXPORTER_OTLP_ENDPOINT' agent.log
}

@test "an endpoint that rejects more than it was sent rejects what it was sent" {
    start_sink
    start_agent
    sink_answers '{"mode":"partial","rejected":1000,"count":1}'
    "$TOOL" spool traces a 20 20 >>written
    until_true 20 nothing_waits traces
    [ "$(outcome traces rejected)" = 20 ]
    [ "$(outcome traces delivered)" = 0 ]
    books traces 20
}
