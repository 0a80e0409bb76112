#!/usr/bin/env bats
# Goal: what a server span and the request's log line say of a request through a real lighttpd is what
# OpenTelemetry's HTTP conventions ask for, and no secret is among it.

load helpers

setup_file() {
    new_folder
    start_instance WORKERS=2 MICROTRACE_REDACT_QUERY=token MICROTRACE_TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1 \
        OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS=GET,POST,PROPFIND
    export INSTANCE
}

teardown_file() {
    remove_folder
}

# span_of ID [ARGUMENT...]: the one server span of request ID is as `expect span` is told; prints it.
span_of() {
    expect span --attr microtrace.request_id="$1" --count 1 --within 0 "${@:2}"
}

# send ID CURL-ARGUMENT...: a POST to /analyze.
send() {
    local id=$1
    shift
    analyze '{"a":1,"b":2}' -H "X-Request-ID: $id" "$@"
    expect 200
}

@test "server.address and server.port come from Host" {
    send host-1 -H 'Host: shop.example:8443'
    span_of host-1 --attr server.address=shop.example --attr server.port=8443
    send host-2 -H 'Host: [2001:db8::1]:8443'
    span_of host-2 --attr server.address=2001:db8::1 --attr server.port=8443
    send host-3 -H 'Host: shop.example'
    span_of host-3 --attr server.address=shop.example | expect_json '.attributes | has("server.port") | not'
    send host-4 -H 'Host: EXAMPLE.com:443'
    span_of host-4 --attr server.port=443 |
        expect_json '.attributes["server.address"] | ascii_downcase == "example.com"'
    send host-5 --http1.0 -H 'Host:'
    span_of host-5 | expect_json '.attributes | has("server.address") or has("server.port") | not'
}

@test "url.path is the path alone, and secrets of the query are REDACTED" {
    request POST '/analyze?color=blue&sig=abc&token=def' -H 'X-Request-ID: query-1' -H 'Content-Type: application/json' -d '{"a":1,"b":2}'
    expect 200
    span_of query-1 --attr url.path=/analyze --attr 'url.query=color=blue&sig=REDACTED&token=REDACTED'
    refute grep -rqs 'sig=abc\|token=def' "$STATE/spool"
    send absolute-1 -H 'Host: shop.example:81' --request-target "http://shop.example:81/analyze?x=1"
    span_of absolute-1 --attr url.path=/analyze --attr url.query=x=1
}

@test "methods: those of the setting by their name, others as _OTHER with the original" {
    request PROPFIND /nowhere -H 'X-Request-ID: method-1'
    expect 404
    span_of method-1 --name PROPFIND --attr http.request.method=PROPFIND
    request DELETE /analyze -H 'X-Request-ID: method-2'
    expect 405
    span_of method-2 --name 'HTTP /analyze' --attr http.request.method=_OTHER --attr http.request.method_original=DELETE
}

@test "a trusted proxy's word counts for client, server and scheme" {
    send proxied-1 -H 'Host: inner' -H 'X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.2' -H 'X-Forwarded-Proto: https' \
        -H 'X-Forwarded-Host: shop.example:444' -H 'X_Forwarded_For: 1.1.1.1'
    span_of proxied-1 --attr client.address=203.0.113.7 --attr url.scheme=https \
        --attr server.address=shop.example --attr server.port=444
    expect log --request proxied-1 --message request_completed --field client=203.0.113.7
    send proxied-2 -H 'Forwarded: for="[2001:db8::7]:4711";proto=https;host=shop.example'
    span_of proxied-2 --attr client.address=2001:db8::7 --attr client.port=4711 --attr url.scheme=https \
        --attr server.address=shop.example
}

@test "what lighttpd refused has a method in its log line" {
    head -c 2000000 /dev/zero >"$DIR/body"
    request POST /analyze --data-binary @"$DIR/body" -H 'X-Request-ID: refused-1' -H 'Expect:'
    expect 413
    expect log --request refused-1 --message request_completed --field method=_OTHER --field path=/analyze \
        --field status_code=413
}

@test "without the setting nobody's word counts; settings that can't be used are named" {
    run env REQUEST_METHOD=GET PATH_INFO=/nowhere SCRIPT_NAME=/x REMOTE_ADDR=192.0.2.1 HTTP_X_REQUEST_ID=alone-1 \
        HTTP_X_FORWARDED_FOR=6.6.6.6 MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" "$BIN/analyze"
    span_of alone-1 --attr client.address=192.0.2.1
    run env MICROTRACE_TRUSTED_PROXIES=localhost "$BIN/analyze" --check
    [ "$status" -eq 2 ]
    [[ $output == *'MICROTRACE_TRUSTED_PROXIES: "localhost"'* ]]
    run "$BIN/analyze" --help
    [[ $output == *MICROTRACE_REDACT_QUERY* && $output == *OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS* ]]
}

@test "spans name the version of the conventions, in the spool and at the endpoint, in both protocols" {
    local protocol sink
    send schema-1
    spooled traces | jq -s . >"$DIR/lines"
    expect_json 'length > 0 and all(.[].resourceSpans[].scopeSpans[];
        .schemaUrl | test("^https://opentelemetry.io/schemas/1[.][0-9]+[.][0-9]+$"))' <"$DIR/lines"
    for protocol in http/json http/protobuf; do
        mkdir -p "$DIR/copy/run" "$DIR/copy/spool"
        cp "$STATE"/spool/traces*.jsonl "$DIR/copy/spool/"
        rm -f "$DIR/port" "$DIR/dump"
        /usr/bin/python3 "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" --dump "$DIR/dump" 2>"$DIR/sink.log" 3>&- &
        sink=$!
        wait_until test -s "$DIR/port"
        MICROTRACE_RUN_DIR=$DIR/copy/run MICROTRACE_SPOOL_DIR=$DIR/copy/spool OTEL_EXPORTER_OTLP_PROTOCOL=$protocol \
            OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$(cat "$DIR/port") "$BIN/metrics-agent" --drain
        kill "$sink"
        jq -s . "$DIR/dump" >"$DIR/received"
        expect_json "length == $(jq '[.[].resourceSpans[].scopeSpans[].spans[]] | length' "$DIR/lines") and
            all(.[]; .schema_url == $(jq '.[0].resourceSpans[0].scopeSpans[0].schemaUrl' "$DIR/lines"))" <"$DIR/received"
        rm -r "$DIR/copy"
    done
}
