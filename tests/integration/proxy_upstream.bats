#!/usr/bin/env bats
# Goal: whatever an application server does, microtrace-proxy answers the web server at once and in
# words, or passes on exactly what was sent, and says in span, log and metrics what happened.

load helpers
load proxy

setup_file() {
    new_proxy
    start_upstream
    start_proxy MICROTRACE_PROXY_TIMEOUT=5s
    start_agent
}

teardown_file() {
    end_all
}

# ask QUERY [PYTHON-ARGUMENT]: the answer in $DIR/answer as JSON.
ask() {
    front <<PY >"$DIR/answer"
a = ask(proxy, query="$1"${2:+, $2})
print(json.dumps({"code": a.code, "ended": a.ended, "status": a.status, "app_status": a.app_status,
    "fields": a.fields, "body": a.body.decode("latin-1"), "err": a.err.decode("latin-1"), "others": len(a.others)}))
PY
}

# answered JQ-EXPRESSION: holds for the answer.
answered() {
    expect_json "$1" <"$DIR/answer"
}

# failed CODE NAME: the answer, its span, its log line and errors_total say so.
failed() {
    local id
    answered ".code == $1 and .ended and .status == 0 and (.body | fromjson | .detail | length > 5)
        and .fields[\"content-type\"] == \"application/json\""
    id=$(jq -r '.fields["x-request-id"]' "$DIR/answer")
    server_spans ".attrs[\"microtrace.request_id\"].stringValue == \"$id\"" |
        expect_json ".attrs[\"http.response.status_code\"].intValue == \"$1\" and .status.code == 2
            and .attrs[\"error.type\"].stringValue == \"$2\""
    logs ".request_id == \"$id\" and .message == \"request_completed\"" | expect_json ".status_code == $1"
}

# errors NAME: how often errors_total has it.
errors() {
    metric "errors_total{method=\"GET\",path=\"_OTHER\",exception=\"$1\"}"
}

@test "an answer comes back as it was, with our request id" {
    ask do=ok "HTTP_X_REQUEST_ID='mine-1'"
    answered '.code == 200 and .body == "hello\n" and .ended and .fields["x-request-id"] == "mine-1"'
    server_spans '.attrs["microtrace.request_id"].stringValue == "mine-1"' |
        expect_json '.name == "GET" and .attrs["microtrace.proxy.first_byte_seconds"].doubleValue > 0
            and .attrs["microtrace.proxy.end_seconds"].doubleValue > 0
            and .attrs["microtrace.proxy.connect_seconds"].doubleValue > 0 and .status.code == null'
}

@test "records as small, as cut and as padded as can be are the same answer" {
    ask 'do=tiny&n=5000'
    answered '.code == 200 and (.body | length) == 5000'
    ask do=cut
    answered '.code == 200 and .body == "hello, cut\n"'
    ask 'do=padded&n=2000'
    answered '.code == 200 and (.body | length) == 2000'
    ask 'do=long-head&n=60000'
    answered '.code == 200 and (.fields["x-long"] | length) == 60000 and .fields["x-request-id"] != null'
    ask 'do=long-head-tiny&n=3000'
    answered '.code == 200 and .body == "hello\n" and .fields["x-request-id"] != null'
}

@test "records of other requests and of unknown types are not passed on" {
    ask do=others
    answered '.code == 200 and .body == "hello\n" and .others == 0'
}

@test "what is no FastCGI, or no answer, is a 502 that says so" {
    ask do=garbage
    failed 502 bad_record
    ask do=no-head
    failed 502 bad_header
    ask do=no-end-of-head
    failed 502 no_output
    ask do=empty
    failed 502 no_output
    ask 'do=long-head&n=1000000'
    failed 502 header_too_large
    ask 'do=long-head-tiny&n=20000'
    failed 502 header_too_large
    ask do=close
    failed 502 upstream_closed
    ask do=close-in-head
    failed 502 upstream_closed
    ask do=refused
    failed 502 upstream_refused
    ask do=overloaded
    failed 503 upstream_full
}

@test "a status that is none is a 502, any other one passes" {
    ask 'do=head&head=Status:%20999%0d%0a%0d%0a'
    failed 502 bad_header
    ask 'do=head&head=Status:%20abc%0d%0a%0d%0a'
    failed 502 bad_header
    # A CR that ends no line could end one for who reads next (RFC 9110 section 5.5).
    ask 'do=head&head=X:%20y%0dSet-Cookie:%20z%0d%0a%0d%0a'
    failed 502 bad_header
    ask 'do=head&head=Status:%20418%20Teapot%0d%0aX-Request-Id:%20theirs%0d%0a%0d%0a' "HTTP_X_REQUEST_ID='mine-2'"
    answered '.code == 418 and .body == "body" and .fields["x-request-id"] == "mine-2"'
    ask 'do=head&head=HTTP/1.1%20404%20Not%20Found%0d%0aX:%20y%0d%0a%0d%0a' "HTTP_X_REQUEST_ID='mine-3'"
    server_spans '.attrs["microtrace.request_id"].stringValue == "mine-3"' |
        expect_json '.attrs["http.response.status_code"].intValue == "404"'
    answered '.code == 404 and .fields["x"] == "y" and .body == "body"'
    ask 'do=head&head=Location:%20/elsewhere%0d%0a%0d%0a' "HTTP_X_REQUEST_ID='mine-4'"
    server_spans '.attrs["microtrace.request_id"].stringValue == "mine-4"' |
        expect_json '.attrs["http.response.status_code"].intValue == "302"'
    # Early hints come before the answer's own head.
    ask 'do=head&head=Status:%20103%0d%0aLink:%20x%0d%0a%0d%0aStatus:%20201%0d%0a%0d%0a' "HTTP_X_REQUEST_ID='mine-5'"
    answered '.body | endswith("body")'
    ask 'do=head&head=HTTP/1.1%20103%20Early%20Hints%0d%0aLink:%20x%0d%0a%0d%0aHTTP/1.1%20201%20Created%0d%0a%0d%0a'
    answered '.code == 103 and (.body | startswith("Status: 201 Created")) and (.body | endswith("body"))'
    server_spans '.attrs["microtrace.request_id"].stringValue == "mine-5"' |
        expect_json '.attrs["http.response.status_code"].intValue == "201"'
}

@test "an answer that breaks off is broken for the web server too, and the span says why" {
    for what in close-in-body close-in-record hang-in-body; do
        ask "do=$what" "HTTP_X_REQUEST_ID='broken-$what'"
        answered '.code == 200 and (.ended | not) and (.body | startswith("the fi"))'
        server_spans ".attrs[\"microtrace.request_id\"].stringValue == \"broken-$what\"" |
            expect_json '.attrs["error.type"].stringValue == (if (.attrs["url.query"].stringValue | test("hang"))
                then "gateway_timeout" else "upstream_closed" end) and .attrs["http.response.status_code"].intValue == "200"'
    done
    # What went to standard error is no part of the answer.
    ask do=close-in-stderr
    failed 502 upstream_closed
    answered '.err | startswith("about to die\nin the")'
}

@test "an upstream that says nothing: 504 after the time that is set" {
    local before
    before=$(errors gateway_timeout)
    ask do=hang
    failed 504 gateway_timeout
    wait_until metric_is 'errors_total{method="GET",path="_OTHER",exception="gateway_timeout"}' $((before + 1))
}

@test "a program that has sent all that it promised has answered, whatever it does then" {
    front <<'PY'
for do in "length", "length-scattered":
    c = connect(proxy)
    c.send(request(query="do=" + do, HTTP_X_REQUEST_ID="promised-" + do))
    assert b"\r\n\r\nhello\n" in b"".join(content for _ in range(2) for content in [c.read()[2]])
    # Told before the bytes went out, and no END_REQUEST has come yet.
    lines = "".join(open(os.environ["SPOOL"] + "/logs.jsonl"))
    assert '"request_completed","request_id":"promised-%s"' % do in lines, lines
PY
    ask do=length-close "HTTP_X_REQUEST_ID='promised-2'"
    answered '.code == 200 and .ended and .body == "hello\n"'
    server_spans '.attrs["microtrace.request_id"].stringValue == "promised-2"' |
        expect_json '.attrs["error.type"] == null and .status.code == null'
}

@test "what follows an END_REQUEST goes to nobody" {
    ask do=after
    answered '.code == 200 and .body == "hello\n"'
    ask do=ok
    answered '.code == 200 and .body == "hello\n"'
}

@test "the program's exit status is in the span" {
    ask 'do=status&n=3' "HTTP_X_REQUEST_ID='exit-3'"
    answered '.app_status == 3 and .code == 200'
    server_spans '.attrs["microtrace.request_id"].stringValue == "exit-3"' |
        expect_json '.attrs["microtrace.proxy.app_status"].intValue == "3"'
}

@test "standard error becomes log lines, whole, cut where too long, always UTF-8" {
    ask 'do=stderr&text=first%0asecond%0a' "HTTP_X_REQUEST_ID='err-1'"
    answered '.err == "first\nsecond\n" and .code == 200'
    logs '.request_id == "err-1" and .message == "stderr"' | jq -s . |
        expect_json '[.[].line] == ["first", "second"] and all(.name == "microtrace.proxy" and .levelname == "WARNING"
            and (.trace_id | length) == 32)'
    ask 'do=stderr&text=%ff%00x&n=3000' "HTTP_X_REQUEST_ID='err-2'"
    answered '(.err | length) == 9000'
    logs '.request_id == "err-2" and .message == "stderr"' | jq -s . |
        expect_json 'length == 1 and .[0].cut_bytes == 9000 - 4096'
    ask 'do=stderr&text=again%0a&n=1500' "HTTP_X_REQUEST_ID='err-4'"
    answered '(.err | length) == 9000'
    [ "$(logs '.request_id == "err-4" and .message == "stderr"' | wc -l)" -eq 1000 ]
    server_spans '.attrs["microtrace.request_id"].stringValue == "err-4"' |
        expect_json '.attrs["microtrace.proxy.stderr_lines_dropped"].intValue == "500"'
    ask 'do=stderr&text=no+end' "HTTP_X_REQUEST_ID='err-3'"
    logs '.request_id == "err-3" and .message == "stderr"' | expect_json '.line == "no end"'
}

@test "an upstream that is not there: 502; one whose queue is full: 503; both at once" {
    PROXY_SOCKET=$DIR/down.sock
    begin down env "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$DIR/nobody.sock"
    wait_until listening "$PROXY_SOCKET"
    ask do=ok
    failed 502 upstream_unreachable
    # Its queue takes two, and nobody takes them out.
    begin full_upstream /usr/bin/python3 -c "
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind('$DIR/nobody.sock'); s.listen(1); time.sleep(600)"
    wait_until listening "$DIR/nobody.sock"
    front <<'PY'
held = [connect(proxy) for _ in range(4)]
for c in held:
    c.send(request(query="do=ok"))
a = ask(proxy, query="do=ok")
assert a.code == 503 and b"queue is full" in a.body, (a.out, a.status)
PY
    end down
    end full_upstream KILL
}

@test "more requests at once than are allowed: 503 for those beyond" {
    PROXY_SOCKET=$DIR/few.sock
    begin few env MICROTRACE_PROXY_REQUESTS_MAX=2 "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$UPSTREAM"
    wait_until listening "$PROXY_SOCKET"
    front <<'PY'
until = os.environ["DIR"] + "/go"
held = [connect(proxy) for _ in range(2)]
for c in held:
    c.send(request(query="do=slow&until=" + until))
deadline = time.time() + 60
while open(os.environ["DIR"] + "/upstream.log").read().count(" slow\n") < 2 and time.time() < deadline:
    time.sleep(0.01)
a = ask(proxy, query="do=ok")
assert a.code == 503 and b"at once" in a.body, a.out
open(until, "w").close()
assert [Answer(c).code for c in held] == [200, 200]
assert ask(proxy, query="do=ok").code == 200
PY
    end few
}

@test "a process that serves one connection is not held by one that is idle while a request waits" {
    PROXY_SOCKET=$DIR/one-proxy.sock
    begin one env PYTHONPATH="$ROOT/tests/tools" /usr/bin/python3 "$UPSTREAM_TOOL" "$DIR/one.sock" one
    wait_until listening "$DIR/one.sock"
    begin one_proxy env MICROTRACE_PROXY_KEEP_TIME=1h "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$DIR/one.sock"
    wait_until listening "$PROXY_SOCKET"
    front <<'PY'
for ms in (0, 10):
    for _ in range(20):
        held = [connect(proxy) for _ in range(6)]
        for c in held:
            c.send(request(query="do=after-ms&n=%d" % ms))
        for c in held:
            assert Answer(c).body == b"hello\n"
            c.close()
PY
    end one_proxy
    end one KILL
}

@test "pages that take longer keep their connections, too: somebody reads these requests" {
    PROXY_SOCKET=$DIR/longer.sock
    begin longer env MICROTRACE_PROXY_KEEP_TIME=1h "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$UPSTREAM"
    wait_until listening "$PROXY_SOCKET"
    local kept='map(select(.attrs["microtrace.proxy.connection_kept"].boolValue)) | length' round
    # Where the upstream is slow to take a new connection, that one is not kept: on a busy machine
    # several rounds go by.
    for round in 1 2 3 4 5 6 7 8 9 10; do
        front <<'PY'
for i in range(20):
    held = [connect(proxy) for _ in range(4)]
    for c in held:
        c.send(request(query="do=after-ms&n=20", HTTP_X_REQUEST_ID="longer"))
    for c in held:
        assert Answer(c).body == b"hello\n"
        c.close()
PY
        server_spans '.attrs["microtrace.request_id"].stringValue == "longer"' | jq -s . >"$DIR/longer"
        [ "$(jq "$kept" "$DIR/longer")" -le 40 ] || break
    done
    expect_json "length == $round * 80 and ($kept) > 40" <"$DIR/longer"
    end longer
}

@test "an answer that has just left is in spans, log and metrics, though the proxy is killed in that moment" {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    local query id i=0 before
    before=$(metric 'requests_total{method="GET",path="_OTHER",status="201"}')
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o "$DIR/kill.so" "$ROOT/tests/tools/preload/kill_after_answer.c"
    # With END_REQUEST behind it, with a length and none, without a body, one of the proxy's own.
    for query in 'head=Status:%20201%20Created%0d%0a%0d%0a' 'head=Content-Length:%204%0d%0aStatus:%20201%20Made%0d%0a%0d%0a' \
        'head=Status:%20204%20Nothing%0d%0a%0d%0a' 'do=close' 'do=garbage'; do
        [[ $query == do=* ]] || query="do=head&$query"
        id=killed-$((i += 1))
        PROXY_SOCKET=$DIR/$id.sock
        begin "$id" env LD_PRELOAD="$DIR/kill.so" "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$UPSTREAM"
        wait_until listening "$PROXY_SOCKET"
        ask "$query" "HTTP_X_REQUEST_ID='$id'"
        answered ".code >= 201 and .fields[\"x-request-id\"] == \"$id\""
        wait_until gone "$(pid_of "$id")"
        rm "$DIR/$id.pid"
        server_spans ".attrs[\"microtrace.request_id\"].stringValue == \"$id\"" |
            expect_json ".attrs[\"http.response.status_code\"].intValue == \"$(jq -r .code "$DIR/answer")\""
        logs ".request_id == \"$id\" and .message == \"request_completed\"" |
            expect_json ".status_code == $(jq -r .code "$DIR/answer")"
    done
    metric_is 'requests_total{method="GET",path="_OTHER",status="201"}' $((before + 2))
    wait_until metric_is requests_in_progress 0
}

@test "a front controller's paths are no labels: the client chooses them" {
    touch "$DIR/site/index.php"
    front <<'PY'
for i in range(3):
    given = variables(path="/chosen/%d" % i, query="do=ok", HTTP_X_REQUEST_ID="chosen")
    given["SCRIPT_FILENAME"] = os.environ["DIR"] + "/site/index.php"
    a = ask(proxy, params=b"".join(pair(k, v) for k, v in given.items()))
    assert a.code == 200, a.out
PY
    server_spans '.attrs["microtrace.request_id"].stringValue == "chosen"' | jq -s . |
        expect_json 'length == 3 and all(.[]; .name == "GET /index.php" and .attrs["http.route"].stringValue == "/index.php")'
    metric_is 'requests_total{method="GET",path="/index.php",status="200"}' 3
    refute grep -q 'chosen/' <(scrape)
}

@test "MICROTRACE_ROUTES names paths that are no files here" {
    PROXY_SOCKET=$DIR/routes.sock
    begin routes env MICROTRACE_ROUTES='/user/{id},/shop/*=shop' OTEL_SERVICE_NAME=my-site "$BIN/microtrace-proxy" \
        --listen "$PROXY_SOCKET" --upstream "$UPSTREAM"
    wait_until listening "$PROXY_SOCKET"
    ask do=ok "path='/user/42', HTTP_X_REQUEST_ID='route-1'"
    ask do=ok "path='/shop/a/b', HTTP_X_REQUEST_ID='route-2'"
    ask do=ok "path='/else/42', HTTP_X_REQUEST_ID='route-3'"
    server_spans '.attrs["microtrace.request_id"].stringValue | startswith("route-")' | jq -s 'map(.name)' |
        expect_json '. == ["GET /user/{id}", "GET shop", "GET"]'
    server_spans '.attrs["microtrace.request_id"].stringValue == "route-1"' |
        expect_json '[.resource.attributes[] | select(.key == "service.name") | .value.stringValue] == ["my-site"]'
    metric_is 'requests_total{method="GET",path="/user/{id}",status="200"}' 1
    end routes
}

@test "what the web server takes while the proxy is not running is noticed: the answer goes on" {
    # Stopped within its 2 ms of grace, it finds the timer due and the socket drained at once.
    PROXY_PID=$(pid_of proxy) front <<'PY'
import signal
pid = int(os.environ["PROXY_PID"])
for i in range(150):
    c = connect(proxy)
    c.send(request(query="do=big&n=1800000"))
    c.sock.recv(1, socket.MSG_PEEK)
    time.sleep(0.0001 * (i % 12))
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.004)
    c.sock.settimeout(0)
    try:
        while got := c.sock.recv(65536):
            c.left += got
    except BlockingIOError:
        pass
    c.sock.settimeout(20)
    os.kill(pid, signal.SIGCONT)
    a = Answer(c)
    assert a.ended and len(a.body) == 1800000, (i, len(a.body))
    c.close()
PY
}
