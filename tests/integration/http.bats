#!/usr/bin/env bats
# Goal: every row of the HTTP interface answers as promised through a real lighttpd, whatever the
# client sends: the right number or a clean 4xx in JSON, with a request id, and never a crash.

load helpers

setup_file() {
    new_folder
    start_instance WORKERS=2
    wait_until both_run
    WORKER_IDS=$(analyze_processes)
    export WORKER_IDS INSTANCE
}

teardown_file() {
    remove_folder
}

analyze_processes() {
    descendants "$INSTANCE" | while read -r pid; do
        [ "$(cat "/proc/$pid/comm")" != analyze ] || echo "$pid"
    done | sort
}

both_run() {
    [ "$(analyze_processes | wc -l)" -eq 2 ]
}

# answer_is SUM DIFFERENCE: the body, to the byte.
answer_is() {
    expect 200
    [ "$(cat "$DIR/body")" = "{\"sum\": $1, \"difference\": $2}" ] || {
        cat "$DIR/body"
        return 1
    }
}

# error_is TYPE LOC: a 422 with one entry.
error_is() {
    expect 422 "(.detail | length == 1) and (.detail[0] | .type == \"$1\" and .loc == $2 and
        (.msg | type == \"string\" and length > 0) and has(\"input\"))"
}

has_request_id() {
    [[ $(header X-Request-ID) =~ ^[A-Za-z0-9._:/+=@-]{1,128}$ ]]
}

has_new_request_id() {
    [[ $(header X-Request-ID) =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
}

is_json_error() {
    [[ $(header Content-Type) == application/json* ]] && has_request_id &&
        jq -e 'has("detail")' "$DIR/body" >/dev/null
}

@test "the example of the README" {
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: demo-123'
    answer_is 14.0 7.0
    [ "$(header X-Request-ID)" = demo-123 ]
    [[ $(header Content-Type) == application/json* ]]
}

@test "numbers come as the shortest text that reads back as the same double" {
    analyze '{"a": 1, "b": 2}'
    answer_is 3.0 -1.0
    analyze '{"a": 0.1, "b": 0.2}'
    answer_is 0.30000000000000004 -0.1
    analyze '{"a": -0.0, "b": 0}'
    answer_is 0.0 -0.0
    analyze '{"a": 1e16, "b": 0}'
    answer_is 1e+16 1e+16
    analyze '{"a": 5e-324, "b": 0}'
    answer_is 5e-324 5e-324
    analyze '{"a": 1e-400, "b": 1.5}'
    answer_is 1.5 -1.5
    analyze '{"a": 1.7976931348623157e308, "b": 0}'
    answer_is 1.7976931348623157e+308 1.7976931348623157e+308
}

@test "integers beyond 64 bits are doubles" {
    analyze '{"a": 123456789012345678901234567890, "b": 0}'
    expect 200 '.sum == 1.2345678901234568e+29'
    analyze '{"a": 9007199254740993, "b": 0}'
    expect 200 '.sum == 9007199254740992'
}

@test "extra keys are ignored, of duplicate keys the last counts" {
    analyze '{"a": 1, "b": 2, "c": [{}], "d": "x"}'
    answer_is 3.0 -1.0
    analyze '{"a": 1, "a": 5, "b": 2}'
    answer_is 7.0 3.0
}

@test "a missing field" {
    analyze '{"a": 1}'
    error_is missing '["body","b"]'
    expect 422 '.detail[0] | .msg == "Field required" and .input == {"a": 1}'
    analyze '{}'
    expect 422 '[.detail[] | [.type, .loc]] == [["missing", ["body","a"]], ["missing", ["body","b"]]]'
}

@test "only JSON numbers are numbers" {
    local value
    for value in '"1"' true false null '[]' '{}' '""'; do
        analyze "{\"a\": $value, \"b\": 1}"
        error_is float_type '["body","a"]'
        expect 422 ".detail[0] | .msg == \"Input should be a valid number\" and .input == $value"
    done
    analyze '{"a": "x", "b": true}'
    expect 422 '[.detail[].type] == ["float_type", "float_type"]'
}

@test "what is not a finite double is refused" {
    analyze '{"a": 1e400, "b": 1}'
    expect 422 '.detail[0].type == "finite_number" and .detail[0].loc == ["body","a"]'
    analyze '{"a": 1, "b": -1e400}'
    expect 422 '.detail[0].type == "finite_number" and .detail[0].loc == ["body","b"]'
    analyze '{"a": 1e308, "b": 1e308}'
    expect 422 '.detail[0].type == "finite_number"'
    analyze '{"a": 1e308, "b": -1e308}'
    expect 422 '.detail[0].type == "finite_number"'
    analyze '{"a": NaN, "b": 1}'
    expect 422 '.detail[0].type == "json_invalid"'
    analyze '{"a": Infinity, "b": 1}'
    expect 422 '.detail[0].type == "json_invalid"'
}

@test "what is not JSON is refused, with the offset" {
    local body
    for body in ' ' '{' '{"a": 1, "b": 2' '{"a": 1, "b": 2}}' 'a=1&b=2' '{"a": 01, "b": 2}' "{'a': 1}"; do
        analyze "$body"
        expect 422 '(.detail | length == 1) and (.detail[0] | .type == "json_invalid" and
            .loc[0] == "body" and (.loc[1] | type == "number"))'
    done
}

@test "no body at all is refused" {
    analyze ''
    expect 422 '(.detail | length == 1) and (.detail[0] | .type == "missing" and .loc == ["body"])'
    request POST /healthz
    expect 405
}

@test "a body that is not an object is refused" {
    local body
    for body in '[]' '[1, 2]' '1' '"x"' 'null' 'true'; do
        analyze "$body"
        expect 422 '.detail[0] | .type == "model_attributes_type" and .loc == ["body"]'
    done
}

@test "hostile bodies: deep nesting, NUL bytes, invalid UTF-8" {
    head -c 60000 /dev/zero | tr '\0' '[' >"$DIR/deep"
    analyze "@$DIR/deep"
    expect 422
    { printf '{"a": 1, "b": 2, "c": ' && head -c 30000 /dev/zero | tr '\0' '[' &&
        head -c 30000 /dev/zero | tr '\0' ']' && printf '}'; } >"$DIR/deep"
    analyze "@$DIR/deep"
    [[ $STATUS == 200 || $STATUS == 422 ]]
    head -c 100000 /dev/zero | tr '\0' '[' >"$DIR/deep"
    analyze "@$DIR/deep"
    expect 413
    printf '{"a": 1, "b": 2}\0' >"$DIR/nul"
    analyze "@$DIR/nul"
    expect 422 '.detail[0].type == "json_invalid"'
    printf '\0\0\0' >"$DIR/nul"
    analyze "@$DIR/nul"
    expect 422 '.detail[0].type == "json_invalid"'
    printf '{"a": "\xff\xfe", "b": 2}' >"$DIR/utf8"
    analyze "@$DIR/utf8"
    expect 422
    printf '{"a\xc3": 1, "b": 2}' >"$DIR/utf8"
    analyze "@$DIR/utf8"
    expect 422
    analyze '{"a": "\u0000\ud800", "b": 2}'
    expect 422
    analyze '{"a": "\u0000", "b": 2}'
    expect 422
    head -c 5000 /dev/urandom >"$DIR/random"
    analyze "@$DIR/random"
    expect 422
    is_json_error
}

@test "a body of MAX_BODY_BYTES is read, one more byte is too long" {
    local empty='{"a": 1, "b": 2, "c": ""}'
    { printf '{"a": 1, "b": 2, "c": "' && head -c $((65536 - ${#empty})) /dev/zero | tr '\0' x &&
        printf '"}'; } >"$DIR/long"
    [ "$(stat -c %s "$DIR/long")" -eq 65536 ]
    analyze "@$DIR/long"
    answer_is 3.0 -1.0
    printf ' ' >>"$DIR/long"
    analyze "@$DIR/long"
    expect 413
    is_json_error
    request POST /analyze -H 'Content-Type: application/json' -H 'Transfer-Encoding: chunked' --data-binary "@$DIR/long"
    expect 413
    is_json_error
}

@test "a body of 100 MB is refused before it is on the disk" {
    truncate -s 100M "$DIR/huge"
    analyze "@$DIR/huge" -H 'Expect:' -H 'X-Request-ID: huge-1' || true
    # lighttpd answers at once; curl may see its own sending fail first.
    [ ! -s "$DIR/body" ] || {
        expect 413
        is_json_error
    }
    [ "$(du -sk "$STATE" | cut -f1)" -lt 20000 ]
    request POST /analyze -H 'Content-Type: application/json' -H 'Expect: 100-continue' --expect100-timeout 20 --data-binary "@$DIR/huge"
    expect 413
    is_json_error
}

@test "a Content-Type that is not JSON is refused, none at all passes" {
    local type
    request POST /analyze -H 'Content-Type:' --data-binary '{"a": 1, "b": 2}'
    answer_is 3.0 -1.0
    for type in 'application/json; charset=utf-8' 'APPLICATION/JSON' 'application/problem+json'; do
        request POST /analyze -H "Content-Type: $type" --data-binary '{"a": 1, "b": 2}'
        expect 200
    done
    for type in text/plain application/x-www-form-urlencoded 'multipart/form-data; boundary=x' application/jsonp json ';'; do
        request POST /analyze -H "Content-Type: $type" --data-binary '{"a": 1, "b": 2}'
        expect 415
        is_json_error
    done
}

@test "healthz and readyz" {
    request GET /healthz
    expect 200 '. == {"status": "ok"}'
    has_new_request_id
    request GET /readyz
    expect 200 '. == {"status": "ready"}'
    has_new_request_id
}

@test "readyz says why not while the spool can't be written" {
    mv "$STATE/spool" "$STATE/spool.away"
    : >"$STATE/spool"
    request GET /readyz
    rm "$STATE/spool"
    mv "$STATE/spool.away" "$STATE/spool"
    expect 503 '.reason | type == "string" and length > 0'
    is_json_error
    request GET /readyz
    expect 200
}

@test "metrics through lighttpd" {
    request GET /metrics
    expect 200
    has_request_id
    [[ $(header Content-Type) == "text/plain; version=0.0.4; charset=utf-8" ]]
    grep -q '^# TYPE requests_total counter$' "$DIR/body"
    request GET /metrics -H 'X-Request-ID: scrape-1'
    [ "$(header X-Request-ID)" = scrape-1 ]
}

@test "docs and the OpenAPI document" {
    request GET /docs
    expect 200
    [[ $(header Content-Type) == text/html* ]]
    grep -q swagger-ui "$DIR/body"
    request GET /openapi.json
    expect 200 '(.openapi | startswith("3.1")) and
        (.paths | keys == ["/analyze", "/docs", "/healthz", "/metrics", "/openapi.json", "/readyz"])'
    [[ $(header Content-Type) == application/json* ]]
    has_request_id
}

@test "an unknown path is a 404 in JSON" {
    local path
    for path in / /nowhere /analyze/ /analyze/x /ANALYZE /docs/nothing.js /docs/ '/%61nalyzer' '/a%20b?c=d' '/%c3%28' /_error //; do
        request GET "$path"
        expect 404 '. == {"detail": "Not Found"}'
        has_new_request_id || { cat "$DIR/headers.last" && false; }
    done
    request POST /nowhere -d x
    expect 404
    request DELETE /nowhere
    expect 404
}

@test "a known path with another method is a 405 with Allow" {
    local method path
    for method in GET PUT DELETE PATCH OPTIONS; do
        request $method /analyze
        expect 405 '. == {"detail": "Method Not Allowed"}'
        [ "$(header Allow)" = POST ]
        has_request_id
    done
    for path in /healthz /readyz /metrics /docs /openapi.json; do
        request POST "$path" -d '{}'
        expect 405 '. == {"detail": "Method Not Allowed"}'
        [[ $(header Allow) == GET* ]]
        has_request_id
    done
}

@test "a query does not change the route" {
    request POST '/analyze?x=1&y=%00' -H 'Content-Type: application/json' -d '{"a": 1, "b": 2}'
    [[ $STATUS == 200 || $STATUS == 400 ]]
    request POST '/analyze?x=1' -H 'Content-Type: application/json' -d '{"a": 1, "b": 2}'
    answer_is 3.0 -1.0
}

@test "the request's own id comes back if it can be used" {
    local id
    for id in x demo-123 'A.Z_a:z/0+9=@-' "$(head -c 128 /dev/zero | tr '\0' i)"; do
        request GET /healthz -H "X-Request-ID: $id"
        [ "$(header X-Request-ID)" = "$id" ]
    done
    for id in 'a b' 'a;b' 'a"b' "$(head -c 129 /dev/zero | tr '\0' i)" 'é' $'a\tb' 'a,b' '<x>' "$(head -c 8192 /dev/zero | tr '\0' i)"; do
        request GET /healthz -H "X-Request-ID: $id"
        expect 200
        has_new_request_id || { echo "for '$id':" && cat "$DIR/headers.last" && false; }
    done
    request GET /healthz -H 'X-Request-ID;'
    has_new_request_id
    request GET /healthz
    has_new_request_id
}

@test "each answer has an id of its own" {
    local n
    for n in 1 2 3 4 5 6 7 8 9 10; do
        request GET /healthz
        header X-Request-ID
    done >"$DIR/ids"
    [ "$(sort -u "$DIR/ids" | wc -l)" -eq 10 ]
}

# raw TEXT: sends bytes as they are and prints the answer.
raw() {
    /usr/bin/python3 - "$HTTP_PORT" "$1" <<'PYTHON'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
s.sendall(sys.argv[2].encode().decode("unicode_escape").encode("latin-1"))
s.shutdown(socket.SHUT_WR)
answer = b""
while chunk := s.recv(65536):
    answer += chunk
sys.stdout.buffer.write(answer)
PYTHON
}

@test "header values with CR, LF, NUL and control bytes" {
    local value answer
    for value in 'a\x00b' 'a\rb' 'a\nb' 'a\x01b' '\xff\xfe' 'a\x7fb'; do
        answer=$(raw "POST /analyze HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nX-Request-ID: $value\r\nUser-Agent: $value\r\nContent-Length: 14\r\n\r\n{\"a\":1,\"b\":2}\n" | tr -d '\0')
        [[ $answer == "HTTP/1.1 200"* || $answer == "HTTP/1.1 4"* || $answer == "HTTP/1.0 4"* ]] || {
            echo "for $value: $answer"
            return 1
        }
        # Nothing of the value comes back in a header.
        [ "$(grep -ci '^X-Request-ID: [0-9a-f-]*.$' <<<"$answer")" -le 1 ]
    done
}

@test "a smuggled header line does not get into the answer" {
    local answer
    answer=$(raw 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: a\r\n\tSet-Cookie: b\r\n\r\n')
    refute grep -qi '^set-cookie' <<<"$answer"
}

@test "header values of 8 KB" {
    local long name
    long=$(head -c 8192 /dev/zero | tr '\0' v)
    for name in X-Long User-Agent X-Request-ID traceparent tracestate Accept Cookie; do
        analyze '{"a": 1, "b": 2}' -H "$name: $long"
        answer_is 3.0 -1.0
    done
}

@test "headers beyond the server's limit are refused in JSON" {
    request GET /healthz -H "X-Long: $(head -c 60000 /dev/zero | tr '\0' v)"
    expect 431
    is_json_error
}

@test "a body that is shorter than announced is never answered 200" {
    local answer
    answer=$(raw 'POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a":1,"b":2}')
    [[ $answer != *" 200 "* ]]
}

@test "a bad Content-Length is a clean 4xx" {
    local length answer
    for length in -1 x 1e3 99999999999999999999999 '1 2'; do
        answer=$(raw "POST /analyze HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: $length\r\n\r\n{}")
        [[ $answer == HTTP/1.?" 4"* ]] || { echo "for $length: $answer" && return 1; }
    done
}

@test "the answers give no version of the server away" {
    request GET /healthz
    refute grep -qi '^server:.*lighttpd' "$DIR/headers.last"
    request GET /docs/nothing
    refute grep -qi lighttpd "$DIR/headers.last" "$DIR/body"
}

@test "after all that: the log is valid JSON in UTF-8, nothing was a 500, no process died" {
    spooled logs >"$DIR/logs"
    [ -s "$DIR/logs" ]
    iconv -f UTF-8 -t UTF-8 "$DIR/logs" >/dev/null
    jq -e -s 'all(has("asctime") and has("levelname") and has("name") and has("message") and
        has("request_id") and has("trace_id") and has("span_id"))' "$DIR/logs" >/dev/null
    [ "$(jq -c 'select(.message == "request_completed" and .status_code >= 500)' "$DIR/logs" | grep -cv '"path":"/readyz"')" -eq 0 ]
    [ "$(analyze_processes)" = "$WORKER_IDS" ]
}
