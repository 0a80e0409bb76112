#!/usr/bin/env bats
# Goal: the exporter by the OTLP rules: both encodings, TLS, refused records and sizes, retries no
# earlier than the endpoint allows, and an endpoint that is away for long costs nothing but disk.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

write_both() {
    "$TOOL" spool traces "t$1" "$2" 3 >>written
    "$TOOL" spool logs "l$1" "$2" 2 >>written
}

both_are_empty() { nothing_waits traces && nothing_waits logs; }

@test "http/protobuf: spans and logs arrive as they were written" {
    start_sink
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)
    start_agent
    write_both a 3000
    until_true 30 both_are_empty
    everything_arrived --duplicate-requests 0
    books traces 3000
    books logs 3000
    [ "$(sink_number headers.Content-Type)" = application/x-protobuf ]
}

# by_service SIGNAL: of the sink's records how many came with each first letter of their id, service,
# version, instance, and for spans scope.
by_service() {
    jq -r --arg signal "$1" 'select(.signal == $signal) | [.attributes.id[:1],
        .resource["service.name"], .resource["service.version"],
        (.resource["service.instance.id"] // "none" | .[:8]),
        if $signal == "traces" then .scope.name + " " + .scope.version else empty end] | join(" ")' dump |
        LC_ALL=C sort | uniq -c | awk '{ $1 = $1; print }'
}

# told_apart PROTOCOL: two programs write side by side. Before and after them come lines of others,
# without a resource, with one in their middle, and with a field that only has its name.
told_apart() {
    local pids=() signal
    start_sink
    ENVIRONMENT=(OTEL_SERVICE_NAME=agents-own OTEL_EXPORTER_OTLP_PROTOCOL="$1")
    start_agent
    printf '%s\n' '{"asctime":"2026-01-01T00:00:00.000Z","name":"n","message":"m","id":"a-0"}' >>spool/logs.jsonl
    for signal in traces logs; do
        start_writer written -s shop -v 1.5 spool "$signal" "s$signal" 2000 3 50
        pids+=("$WRITER")
        start_writer written -s cart -v 2.5 spool "$signal" "c$signal" 1000 2 50
        pids+=("$WRITER")
    done
    wait "${pids[@]}"
    printf '%s\n' '{"asctime":"2026-01-01T00:00:00.000Z","resource":{"service.name":"foreign","service.version":7,"x":null},"name":"n","id":"f-0"}' \
        '{"asctime":"2026-01-01T00:00:00.000Z","name":"n","resource":{"type":"disk","labels":{"a":1}},"id":"o-0"}' \
        >>spool/logs.jsonl
    until_true 30 both_are_empty
    books traces 3000
    books logs 3003
    by_service traces >traces.seen
    by_service logs >logs.seen
    cat traces.seen logs.seen
    diff traces.seen - <<'END'
1000 c cart 2.5 00000000 cart 2.5
2000 s shop 1.5 00000000 shop 1.5
END
    diff logs.seen - <<END
1 a agents-own $("$AGENT" --version | cut -d' ' -f2) none
1000 c cart 2.5 00000000
1 f foreign 7 none
1 o agents-own $("$AGENT" --version | cut -d' ' -f2) none
2000 s shop 1.5 00000000
END
    # The resource is no attribute, but for the one that is none.
    [ "$(jq -r 'select(.attributes.resource) | .attributes.resource' dump)" = '{"type":"disk","labels":{"a":1}}' ]
}

@test "two programs on one spool are told apart: http/json" { told_apart http/json; }

@test "two programs on one spool are told apart: http/protobuf" { told_apart http/protobuf; }

@test "http/protobuf with gzip for logs, JSON for spans" {
    start_sink
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf
        OTEL_EXPORTER_OTLP_LOGS_COMPRESSION=gzip)
    start_agent
    write_both a 500
    until_true 30 both_are_empty
    everything_arrived --duplicate-requests 0
    curl -sf "http://127.0.0.1:$SINK_PORT/control" >report
    grep -q '"types": \["application/json", "application/x-protobuf"\]' report
    grep -q '"encodings": \["", "gzip"\]' report
}

@test "http/protobuf: partial success is counted; answers that are none cost nothing" {
    start_sink
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)
    start_agent
    sink_answers '{"mode":"partial","rejected":3,"count":1}'
    "$TOOL" spool traces a 20 20 >>written
    until_true 20 nothing_waits traces
    [ "$(outcome traces rejected)" = 3 ]
    [ "$(outcome traces delivered)" = 17 ]
    sink_answers '{"mode":"malformed","count":1}'
    "$TOOL" spool traces b 20 20 >>written
    until_true 20 nothing_waits traces
    sink_answers '{"mode":"oversize","count":1}'
    "$TOOL" spool traces c 20 20 >>written
    until_true 20 nothing_waits traces
    [ "$(outcome traces rejected)" = 3 ]
    [ "$(outcome traces delivered)" = 57 ]
    everything_arrived --duplicate-requests 0
    books traces 60
}

@test "http/protobuf: a record that can't be encoded is set aside, its neighbours arrive" {
    start_sink
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)
    "$TOOL" spool traces a 100 10 >>written
    printf '%s\n' '{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"x","name":"odd"}]}]}]}' \
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"even","flags":1.5}]}]}]}' \
        >>spool/traces.jsonl
    "$TOOL" spool traces b 100 10 >>written
    start_agent
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    [ "$(outcome traces quarantined)" = 2 ]
    grep -q '"reason":"malformed","detail":"kind: not a whole number".*odd' \
        spool/traces.quarantine.jsonl
    grep -q '"reason":"malformed","detail":"flags: not a whole number".*even' \
        spool/traces.quarantine.jsonl
    books traces 202
}

# make_certificates: two CAs, a server's and a client's certificate of the first.
make_certificates() {
    local ca name
    for ca in ca other; do
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$ca" -keyout "$ca.key" \
            -out "$ca.pem"
    done
    for name in server client; do
        openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
        printf 'subjectAltName=IP:127.0.0.1\n' >"$name.ext"
        openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile "$name.ext" -out "$name.pem"
    done
}

@test "TLS: the right CA and client certificate; all others are held, and said once" {
    make_certificates 2>openssl.log
    start_sink --tls server.pem server.key --client-ca ca.pem
    local endpoint=OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:$SINK_PORT
    local client=(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="$PWD/client.pem"
        OTEL_EXPORTER_OTLP_CLIENT_KEY="$PWD/client.key")
    "$TOOL" spool traces t 300 3 >>written

    # Whom nobody vouched for: the system's CAs, then another one.
    for authority in '' "OTEL_EXPORTER_OTLP_CERTIFICATE=$PWD/other.pem"; do
        : >agent.log
        ENVIRONMENT=("$endpoint" "${client[@]}" ${authority:+"$authority"})
        start_agent
        until_true 10 grep -q 'certificate' agent.log
        until_true 10 backlog_is traces 300
        kill_agent TERM
        [ "$(grep -c 'traces:' agent.log)" = 1 ]
    done

    # Who can't say who he is.
    : >agent.log
    ENVIRONMENT=("$endpoint" OTEL_EXPORTER_OTLP_CERTIFICATE="$PWD/ca.pem")
    start_agent
    until_true 10 grep -q 'traces: ' agent.log
    until_true 10 backlog_is traces 300
    until_true 60 eval '[ "$(metric microtrace_export_requests_total "signal=\"traces\",code=\"error\"")" -ge 5 ]'
    kill_agent TERM
    [ "$(grep -c 'traces: ' agent.log)" = 1 ]
    [ ! -s dump ]

    : >agent.log
    ENVIRONMENT=("$endpoint" OTEL_EXPORTER_OTLP_CERTIFICATE="$PWD/ca.pem" "${client[@]}")
    start_agent
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    books traces 300
    [ "$(grep -cvE ': (serving|sending|the page is) ' agent.log)" = 0 ]
}

@test "TLS: a CA bundle that is renewed while the agent runs counts from the next connection on" {
    make_certificates 2>openssl.log
    start_sink --tls server.pem server.key
    cp other.pem bundle.pem
    "$TOOL" spool traces t 300 3 >>written
    ENVIRONMENT=("OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:$SINK_PORT"
        OTEL_EXPORTER_OTLP_CERTIFICATE="$PWD/bundle.pem")
    start_agent
    until_true 10 grep -q 'certificate' agent.log
    until_true 10 backlog_is traces 300
    [ ! -s dump ]

    cp ca.pem renewed.pem
    mv renewed.pem bundle.pem
    until_true 60 nothing_waits traces
    everything_arrived --duplicate-requests 0

    # And away from a CA that no longer counts, once the connection is over.
    cp other.pem renewed.pem
    mv renewed.pem bundle.pem
    stop_sink
    start_sink --tls server.pem server.key
    : >agent.log
    "$TOOL" spool traces u 10 3 >>written
    until_true 60 grep -q 'certificate' agent.log
    until_true 10 backlog_is traces 10
}

@test "TLS: where an own CA is set, the system's are not trusted beside it" {
    # For the agent, the system trusts the CA of the server.
    local system=(unshare --user --map-root-user --mount sh -c 'mount --bind "$0" /etc/ssl/certs && exec "$@"' "$PWD/system")
    make_certificates 2>openssl.log
    mkdir system
    cp ca.pem system/ca-certificates.crt
    cp ca.pem "system/$(openssl x509 -hash -noout -in ca.pem).0"
    [ "$(id -u)" != 0 ] || system=("${system[0]}" "${system[@]:3}")
    "${system[@]}" true || skip "it takes a mount of its own"
    start_sink --tls server.pem server.key
    "$TOOL" spool traces t 30 3 >>written
    PREFIX=("${system[@]}")
    ENVIRONMENT=("OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:$SINK_PORT"
        OTEL_EXPORTER_OTLP_CERTIFICATE="$PWD/other.pem")
    start_agent
    until_true 10 grep -q 'certificate' agent.log
    until_true 10 backlog_is traces 30
    kill_agent TERM
    ENVIRONMENT=("${ENVIRONMENT[0]}")
    start_agent
    until_true 20 nothing_waits traces
    everything_arrived
}

# one_bad_record STATUS: in 512, by that status.
one_bad_record() {
    start_sink
    start_agent
    sink_answers "{\"poison\":\"\\\"bad-0\\\"\",\"poison_status\":$1}"
    kill -STOP "$AGENT_PID"
    "$TOOL" spool traces a 300 300 >>written
    "$TOOL" spool traces bad 1 >bad
    "$TOOL" spool traces b 211 211 >>written
    kill -CONT "$AGENT_PID"
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    [ "$(outcome traces delivered)" = 511 ]
    [ "$(outcome traces quarantined)" = 1 ]
    grep -q '"reason":"refused"' spool/traces.quarantine.jsonl
    grep -q 'bad-0' spool/traces.quarantine.jsonl
    books traces 512
    # The records are in two windows: one request for each, and 2*log2(512)+1 for the bad one.
    echo "requests: $(sink_number signals.traces.requests)"
    [ "$(sink_number signals.traces.requests)" -le $((2 + 2 * 9 + 1)) ]
}

@test "400 for one bad record in 512: it is found by halving and put into quarantine" {
    SEGMENT=16777216 one_bad_record 400
}

@test "413 for one bad record in 512: the same" {
    SEGMENT=16777216 one_bad_record 413
}

@test "a size that the endpoint refuses is remembered" {
    start_sink
    SEGMENT=16777216 start_agent
    sink_answers '{"max_bytes":50000}'
    local i
    for i in 1 2 3 4 5; do
        kill -STOP "$AGENT_PID"
        "$TOOL" spool traces "s$i" 300 100 >>written
        kill -CONT "$AGENT_PID"
        until_true 20 nothing_waits traces
    done
    everything_arrived --duplicate-requests 0
    books traces 1500
    [ "$(outcome traces quarantined)" = 0 ]
    # Only the first batch is refused: as a whole, its half, its quarter, and perhaps once more.
    echo "refused: $(sink_number signals.traces.statuses.413)"
    [ "$(sink_number signals.traces.statuses.413)" -ge 2 ]
    [ "$(sink_number signals.traces.statuses.413)" -le 4 ]
}

# not_before SECONDS [STEP]: it was at least that long between a request and the next one, for each
# or each STEPth request.
not_before() {
    sink_number signals.traces.times | python3 -c '
import json, sys
times = json.load(sys.stdin)
gaps = [b - a for a, b in zip(times, times[1:])][::int(sys.argv[2])]
print(gaps)
assert gaps and min(gaps) >= float(sys.argv[1])' "$1" "${2:-1}"
}

@test "429 and 503: no request before Retry-After, in seconds or as a date" {
    local form
    start_sink
    start_agent
    for form in '"2"' '{"date":3}'; do
        stop_sink
        start_sink
        sink_answers "{\"mode\":\"status\",\"status\":503,\"retry_after\":$form,\"count\":2}"
        "$TOOL" spool traces "r${#form}" 10 10 >>written
        until_true 30 nothing_waits traces
        # A date has whole seconds: one in 3 may be little more than 2 ahead.
        not_before 2.0
    done
    stop_sink
    start_sink
    sink_answers '{"mode":"status","status":429,"retry_after":"2","count":1}'
    "$TOOL" spool traces last 10 10 >>written
    until_true 30 nothing_waits traces
    not_before 2.0
    everything_arrived
}

@test "429, 502, 503, 504 without Retry-After: again, but not at once" {
    local status
    start_sink
    start_agent
    for status in 429 502 503 504; do
        sink_answers "{\"mode\":\"status\",\"status\":$status,\"count\":1}"
        "$TOOL" spool traces "s$status" 10 10 >>written
        until_true 30 nothing_waits traces
    done
    not_before 0.1 2
    everything_arrived --duplicate-requests 0
    books traces 40
}

# grew_little BEFORE AFTER: by what is its own. A sanitizer keeps what was freed.
grew_little() {
    case $BUILD in */asan*) return 0 ;; esac
    [ $((${2#* } - ${1#* })) -le 2048 ]
}

@test "away through many segments: all is kept, memory does not grow, all arrives" {
    local before after i
    start_sink
    sink_answers '{"mode":"status","status":503}'
    start_agent
    "$TOOL" spool traces first 100 10 >>written
    until_true 20 grep -q 'HTTP 503' agent.log
    before=$(resident "$AGENT_PID")
    # However late the agent is, they are as many segments.
    for i in {1..60}; do
        "$TOOL" spool traces "down$i" 500 500 >>written
        until_true 20 active_is_below 65536
    done
    until_true 30 backlog_is traces 30100
    after=$(resident "$AGENT_PID")
    echo "segments: $(find spool -name 'traces.0*' | wc -l), KiB (resident, own): $before; $after"
    [ "$(find spool -name 'traces.0*' | wc -l)" -gt 50 ]
    grew_little "$before" "$after"
    sink_answers '{}'
    until_true 60 nothing_waits traces
    after=$(resident "$AGENT_PID")
    echo "and after: $after"
    grew_little "$before" "$after"
    everything_arrived --duplicate-requests 0
    books traces 30100
    until_true 10 only_the_active_is_left
}
