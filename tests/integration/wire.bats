#!/usr/bin/env bats
# Goal: a program behind the web server sees the body and the header fields that the client sent, or
# the client is told that it does not: never a body lost on the way taken for an empty one, never one
# field taken for another.

load helpers

setup_file() {
    new_folder
    mkdir "$DIR/assets"
    echo 'body { color: red }' >"$DIR/assets/swagger-ui.css"
    start_instance WORKERS=2 MICROTRACE_DOCS_ASSETS="$DIR/assets"
    export INSTANCE
}

teardown_file() {
    remove_folder
}

# raw TEXT: sends bytes as they are, and prints the answer.
raw() {
    /usr/bin/python3 - "$HTTP_PORT" "$1" <<'PYTHON'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
s.sendall(sys.argv[2].encode().decode("unicode_escape").encode("latin-1"))
answer = b""
while chunk := s.recv(65536):
    answer += chunk
sys.stdout.buffer.write(answer.replace(b"\r", b""))
PYTHON
}

# cgi NAME=VALUE...: one request to /analyze as a plain CGI program; its body from stdin.
cgi() {
    env -i PATH="$PATH" MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" \
        SERVER_PROTOCOL=HTTP/1.1 REQUEST_METHOD=POST SCRIPT_NAME=/cgi-bin/microtrace.cgi \
        PATH_INFO=/analyze CONTENT_TYPE=application/json "$@" "$BIN/analyze" | tr -d '\r'
}

@test "a name with an underscore is never taken for the one with a dash" {
    local name
    request GET /healthz -H 'X-Request-ID: real-1' -H 'X_Request_ID: spoof-1'
    [ "$(header X-Request-ID)" = real-1 ]
    request GET /healthz -H 'X_Request_ID: spoof-1' -H 'X-Request-ID: real-1'
    [ "$(header X-Request-ID)" = real-1 ]
    for name in X_Request_ID x_request_id X-Request_ID X_Request-ID; do
        request GET /healthz -H "$name: spoof-1"
        expect 200
        [ "$(header X-Request-ID)" != spoof-1 ] || { echo "$name" && false; }
    done
    analyze '{"a":1,"b":2}' -H 'User_Agent: spoof' -H 'User-Agent: real' -H 'X-Request-ID: agent-1' \
        -H 'X_B3_TraceId: 4bf92f3577b34da6a3ce929d0e0e4736'
    expect 200
    expect span --attr microtrace.request_id=agent-1 --attr user_agent.original=real --count 1
}

@test "a field in two different values counts as none, in two equal ones as one" {
    request GET /healthz -H 'X-Request-ID: one' -H 'X-Request-ID: two'
    [[ $(header X-Request-ID) =~ ^[0-9a-f]{8}-[0-9a-f-]{27}$ ]]
    request GET /healthz -H 'X-Request-ID: one' -H 'X.Request.ID: two'
    [[ $(header X-Request-ID) =~ ^[0-9a-f]{8}-[0-9a-f-]{27}$ ]]
    request GET /healthz -H 'X-Request-ID: one' -H 'X-Request-ID: one'
    [ "$(header X-Request-ID)" = one ]
    analyze '{"a":1,"b":2}' -H 'X-Request-ID: two-parents' \
        -H 'traceparent: 00-12345678901234567890123456789011-1234567890123456-01' \
        -H 'traceparent: 00-12345678901234567890123456789012-1234567890123456-01'
    expect span --attr microtrace.request_id=two-parents --count 1 |
        expect_json '.parent_span_id == null and (.trace_id | startswith("1234567890") | not)'
}

@test "the same holds for plain CGI" {
    run cgi CONTENT_LENGTH=13 HTTP_X_REQUEST_ID=one <<<'{"a":1,"b":2}'
    [[ $output == *"X-Request-ID: one"* ]]
    # env(1) keeps one variable of a name; a server does not have to.
    run /usr/bin/python3 - "$BIN/analyze" "$STATE" <<'PYTHON'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
names = [b"REQUEST_METHOD=GET", b"PATH_INFO=/healthz", b"SCRIPT_NAME=/x.cgi",
         b"HTTP_X_REQUEST_ID=one", b"HTTP_X_REQUEST_ID=two",
         b"MICROTRACE_RUN_DIR=" + sys.argv[2].encode() + b"/run",
         b"MICROTRACE_SPOOL_DIR=" + sys.argv[2].encode() + b"/spool"]
argv = (ctypes.c_char_p * 2)(sys.argv[1].encode(), None)
envp = (ctypes.c_char_p * (len(names) + 1))(*names, None)
libc.execve(sys.argv[1].encode(), argv, envp)
PYTHON
    [[ $output == *"Status: 200"* ]]
    [[ $output != *"X-Request-ID: one"* && $output != *"X-Request-ID: two"* ]]
}

@test "a POST that does not say how long its body is: 400, and not that fields are missing" {
    local length answer said=0
    for length in 'Content-Length:\r\n' 'Content-Length: \r\n' ''; do
        answer=$(raw "POST /analyze HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n$length\r\n{\"a\":1,\"b\":2}")
        [[ $answer == "HTTP/1.1 400 "* ]] || { echo "$answer" && false; }
        if [[ $answer == *'"detail":"The request does not say how long its body is'* ]]; then
            said=$((said + 1))
        else
            # lighttpd 1.4.79 says that an empty one is malformed.
            [[ -n $length && $answer == *'{"detail":"Bad Request"}' ]] || { echo "$answer" && false; }
        fi
    done
    [ "$said" -ge 1 ]
    [ "$(metric 'errors_total{method="POST",path="/analyze",exception="length_required"}')" -eq "$said" ]
}

@test "HTTP/1.0, HTTP/1.1 and chunks: the body is read whole" {
    local answer
    answer=$(raw 'POST /analyze HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"a":1,"b":2}')
    [[ $answer == *'{"sum": 3.0, "difference": -1.0}' ]]
    answer=$(raw 'POST /analyze HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"a":1,\r\n6;x=y\r\n"b":2}\r\n0\r\nT: u\r\n\r\n')
    [[ $answer == *'{"sum": 3.0, "difference": -1.0}' ]]
    printf '{"a":1,"b":2}' | curl -sS -T - -X POST -H 'Content-Type: application/json' "$URL/analyze" >"$DIR/body"
    [ "$(cat "$DIR/body")" = '{"sum": 3.0, "difference": -1.0}' ]
}

@test "HTTP/2, over which no lighttpd carries every body, is not spoken" {
    local length answer
    for length in '' 'Content-Length: 13'; do
        answer=$(printf '{"a":1,"b":2}' | curl -sS --http2-prior-knowledge -T - -X POST -H "${length:-X-No: length}" \
            -H 'Content-Type: application/json' "$URL/analyze" 2>/dev/null) || true
        [ -z "$answer" ] || { echo "$answer" && false; }
    done
    # A client that would like to change over goes on with HTTP/1.1, and is told of too large a body.
    answer=$(curl -sS --http2 -H 'Content-Type: application/json' -d '{"a":1,"b":2}' "$URL/analyze")
    [ "$answer" = '{"sum": 3.0, "difference": -1.0}' ]
    head -c 5000000 /dev/zero | tr '\0' ' ' >"$DIR/large"
    answer=$(curl -sS --http2 -H 'Content-Type: application/json' --data-binary "@$DIR/large" \
        -w ' %{http_code} %{http_version}' "$URL/analyze")
    [ "$answer" = '{"detail":"Request body too large"} 413 1.1' ]
}

@test "plain CGI: a chunked body comes without a length and is read to its end, within bounds" {
    run cgi HTTP_TRANSFER_ENCODING=chunked < <(printf '{"a":1,' && sleep 0.1 && printf '"b":2}')
    [[ $output == *'{"sum": 3.0, "difference": -1.0}' ]]
    run cgi HTTP_TRANSFER_ENCODING=Chunked < <(head -c 70000 /dev/zero | tr '\0' ' ')
    [[ $output == *"Status: 413"* ]]
    # Without either there is no body, whatever stands on stdin.
    run cgi < <(printf '{"a":1,"b":2}')
    [[ $output == *"Status: 422"* ]]
}

@test "HEAD on every GET route answers as GET, without a body" {
    local path length
    for path in /healthz /readyz /docs /openapi.json /metrics; do
        request GET "$path"
        expect 200
        length=$(stat -c %s "$DIR/body")
        request HEAD "$path" --head
        [ "$STATUS" -eq 200 ] || { echo "$path: $STATUS" && false; }
        [ -n "$(header X-Request-ID)" ]
        [ "$path" = /metrics ] || [ "$(header Content-Length)" -eq "$length" ]
    done
    request HEAD /analyze --head
    [ "$STATUS" -eq 405 ]
    [ "$(header Allow)" = POST ]
    request DELETE /healthz
    expect 405
    [ "$(header Allow)" = "GET, HEAD" ]
    [ "$(metric 'requests_total{method="HEAD",path="/healthz",status="200"}')" -eq 1 ]
}

@test "there is nothing below a static file" {
    request GET /docs/swagger-ui.css
    expect 200
    request GET /docs/swagger-ui.css/x
    expect 404 '. == {"detail": "Not Found"}'
    request GET /docs/none.css
    expect 404 '. == {"detail": "Not Found"}'
}

@test "a member's name may hold any character" {
    analyze '{"a":1,"b":2,"x\u0000y":3}'
    expect 200
}
