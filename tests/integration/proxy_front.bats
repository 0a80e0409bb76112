#!/usr/bin/env bats
# Goal: whatever a web server sends, whole, cut, in another order or too much of it, microtrace-proxy
# serves the requests that there are, refuses the others as FastCGI has it, and passes on what was
# sent byte by byte.

load helpers
load proxy

setup_file() {
    new_proxy
    start_upstream
    start_proxy MICROTRACE_PROXY_BUFFER_BYTES=4K
    start_agent
}

teardown_file() {
    end_all
}

# events PATTERN: how often the upstream has said so.
events() {
    grep -c "$1" "$DIR/upstream.log" || true
}

has_events() {
    [ "$(events "$1")" -ge "$2" ]
}

# is_traced REQUEST-ID: it has a span.
is_traced() {
    [ -n "$(server_spans ".attrs[\"microtrace.request_id\"].stringValue == \"$1\"")" ]
}

@test "a request is the same however its records are cut" {
    front <<'PY'
import hashlib
body = bytes(range(256)) * 40
seen = None
for how in ({}, {"cut": 1}, {"cut": 7}, {"size": 1}, {"size": 3, "padding": 255}, {"size": 100, "cut": 4096}):
    a = ask(proxy, query="do=report", method="POST", body=body, HTTP_X_REQUEST_ID="same", CONTENT_LENGTH=str(len(body)), **how)
    assert a.code == 200 and a.ended, (how, a.out)
    told = json.loads(a.body)
    assert told["body"] == len(body) and told["sha"] == hashlib.sha256(body).hexdigest(), how
    assert told["whole"] and len(told["records"]) == 1, (how, told["records"])
    same = {k: v for k, v in told["vars"].items() if k not in ("HTTP_TRACEPARENT", "TRACEPARENT")}
    seen = seen or same
    assert same == seen, how
PY
}

@test "the program gets the trace of our span, and what a client sends in its place is gone" {
    front <<'PY'
a = ask(proxy, query="do=report", HTTP_X_REQUEST_ID="traced-1", HTTP_TRACESTATE="vendor=1",
        HTTP_TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TRACEPARENT="forged", TRACESTATE="forged")
v = json.loads(a.body)["vars"]
assert v["HTTP_TRACEPARENT"].startswith("00-0af7651916cd43dd8448eb211c80319c-"), v
assert "b7ad6b7169203331" not in v["HTTP_TRACEPARENT"] and v["TRACEPARENT"] == v["HTTP_TRACEPARENT"], v
assert v["HTTP_TRACESTATE"] == v["TRACESTATE"] == "vendor=1" and v["HTTP_X_REQUEST_ID"] == "traced-1", v
open(os.environ["DIR"] + "/span", "w").write(v["TRACEPARENT"].split("-")[2])
# Nothing of the caller's without a valid traceparent.
v = json.loads(ask(proxy, query="do=report", HTTP_TRACESTATE="vendor=1", HTTP_X_REQUEST_ID="not valid").body)["vars"]
assert "HTTP_TRACESTATE" not in v and "TRACESTATE" not in v, v
assert len(v["HTTP_X_REQUEST_ID"]) == 36, v
# Programs take it for a setting (httpoxy).
v = json.loads(ask(proxy, query="do=report", HTTP_PROXY="http://evil:80", HTTP_PROXY_OTHER="kept").body)["vars"]
assert "HTTP_PROXY" not in v and v["HTTP_PROXY_OTHER"] == "kept", v
PY
    server_spans '.attrs["microtrace.request_id"].stringValue == "traced-1"' |
        expect_json ".spanId == \"$(cat "$DIR/span")\" and .parentSpanId == \"b7ad6b7169203331\""
}

@test "a connection that is to be kept serves one request after the other" {
    front <<'PY'
c = connect(proxy)
for i in range(1, 200):
    c.send(request(request_id=i, query="do=ok", keep=True))
    a = Answer(c, i)
    assert a.ended and a.body == b"hello\n" and not a.others, (i, a.out)
# A failure of one does not end it either.
c.send(request(request_id=7, query="do=empty", keep=True))
assert Answer(c, 7).code == 502
c.send(request(request_id=7, query="do=ok", keep=False))
assert Answer(c, 7).code == 200
assert c.read() is None
PY
}

@test "a connection that is not to be kept ends after its answer" {
    front <<'PY'
c = connect(proxy)
c.send(request(query="do=ok"))
assert Answer(c).body == b"hello\n" and c.read() is None
PY
}

@test "what a web server sends behind the end of a body does not reach the next request" {
    front <<'PY'
for evil in (record(STDIN, 1, b"evil"), record(DATA, 1, b"evil"), record(STDIN, 1)):
    # The first one leaves a kept connection to the upstream, the second one must find it as it was.
    c = connect(proxy)
    c.send(request(query="do=report", keep=True) + evil)
    told = json.loads(Answer(c).body)
    assert told["body"] == 0, told
    for i in range(2):
        told = json.loads(ask(proxy, query="do=report", method="POST", body=b"mine", CONTENT_LENGTH="4").body)
        assert told["body"] == 4, told
PY
}

@test "an Authorizer, which gets no body, is waited for no longer than others" {
    PROXY_SOCKET=$DIR/authorizer.sock
    begin authorizer env MICROTRACE_PROXY_TIMEOUT=300 "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" \
        --upstream "$UPSTREAM"
    wait_until listening "$PROXY_SOCKET"
    front <<'PY'
c = connect(proxy)
params = b"".join(pair(k, v) for k, v in variables(query="do=hang").items())
c.send(begin(1, False, 2) + records(PARAMS, 1, params) + record(PARAMS, 1))
a = Answer(c)
assert a.code == 504 and a.ended, a.out
PY
    end authorizer
}

@test "a second request on a busy connection is refused, the first goes on" {
    front <<'PY'
until = os.environ["DIR"] + "/second"
c = connect(proxy)
c.send(request(request_id=1, query="do=slow&until=" + until, keep=True))
c.send(request(request_id=2, query="do=ok", keep=True))
kind, number, content = c.read()
assert (kind, number, content[4]) == (END, 2, CANT_MPX_CONN), (kind, number, content)
open(until, "w").close()
a = Answer(c, 1)
assert a.body == b"hello\n" and not a.others, a.others
c.send(request(request_id=2, query="do=ok", keep=True))
assert Answer(c, 2).body == b"hello\n"
PY
}

@test "management records are answered, also in the middle of a request" {
    front <<'PY'
c = connect(proxy)
ask_values = record(GET_VALUES, 0, pair("FCGI_MPXS_CONNS", "") + pair("FCGI_MAX_CONNS", "") + pair("FCGI_MAX_REQS", "") + pair("X", ""))
c.send(ask_values, cut=3)
kind, number, content = c.read()
assert (kind, number) == (GET_VALUES_RESULT, 0)
values = pairs(content)
assert set(values) == {"FCGI_MPXS_CONNS", "FCGI_MAX_CONNS", "FCGI_MAX_REQS"} and values["FCGI_MPXS_CONNS"] == b"0", values
c.send(record(77, 0, b"what is this", 3))
assert c.read() == (UNKNOWN_TYPE, 0, b"M" + bytes(7))
whole = request(query="do=ok", keep=True)
c.send(whole[:40] )
c.send(b"")
time.sleep(0.05)
c.send(whole[40:])
assert Answer(c).body == b"hello\n"
c.send(begin(1, True) + ask_values + whole[16:])
assert c.read()[0] == GET_VALUES_RESULT
assert Answer(c).body == b"hello\n"
# Asked without end, and nothing read: the connection ends, not the memory.
try:
    while True:
        c.send(ask_values * 1000)
except OSError as e:
    assert not isinstance(e, TimeoutError), e
PY
}

@test "an unknown role, a short BEGIN_REQUEST, another protocol" {
    front <<'PY'
c = connect(proxy)
c.send(begin(5, True, role=9))
kind, number, content = c.read()
assert (kind, number, content[4]) == (END, 5, UNKNOWN_ROLE)
c.send(request(query="do=ok"))
assert Answer(c).body == b"hello\n"
for bad in (record(BEGIN, 1, b"1234"), b"GET / HTTP/1.1\r\n\r\n", begin() + b"\7" * 100):
    c = connect(proxy)
    c.send(bad)
    try:
        assert c.read() is None, bad
    except ConnectionResetError:
        pass
assert ask(proxy, query="do=ok").code == 200
PY
}

@test "parameters: 64 kB and more in one, very many, too many, cut, none" {
    front <<'PY'
a = ask(proxy, query="do=report", HTTP_LONG="x" * 65500, HTTP_LONGER="y" * 100000)
told = json.loads(a.body)
assert told["lengths"]["HTTP_LONG"] == 65500 and told["lengths"]["HTTP_LONGER"] == 100000, told["lengths"]
many = {"HTTP_N%d" % i: str(i) for i in range(10000)}
told = json.loads(ask(proxy, query="do=report", **many).body)
assert all(told["vars"]["HTTP_N%d" % i] == str(i) for i in range(10000)) and told["whole"], told["records"]
a = ask(proxy, query="do=report", HTTP_LONG="x" * 300000)
assert a.code == 431 and b"too large" in a.body, a.out
params = b"".join(pair(k, v) for k, v in variables(query="do=ok").items())
a = ask(proxy, params=params[:-3])
assert a.code == 400, a.out
a = ask(proxy, params=b"")
assert a.code == 200 and a.body == b"hello\n", a.out
PY
    wait_until metric_is 'requests_in_progress' 0
}

@test "a web server that goes away takes its request along" {
    local before
    before=$(metric requests_abandoned_total)
    front <<'PY'
c = connect(proxy)
c.send(request(query="do=wait-abort", HTTP_X_REQUEST_ID="gone-1"))
PY
    wait_until has_events "got nothing" 1
    wait_until is_traced gone-1
    server_spans '.attrs["microtrace.request_id"].stringValue == "gone-1"' |
        expect_json '.attrs["error.type"].stringValue == "client_gone" and .attrs["http.response.status_code"] == null'
    wait_until metric_is requests_abandoned_total $((before + 1))
    # In the middle of its parameters, of its body, of a long answer.
    front <<'PY'
whole = request(query="do=ok", body=b"x" * 1000, method="POST")
for at in range(0, len(whole) - 9, 101):
    c = connect(proxy)
    c.send(whole[:at])
    c.close()
c = connect(proxy)
c.send(request(query="do=big&n=60000000"))
c.read()
c.close()
assert ask(proxy, query="do=ok").code == 200
PY
    wait_until metric_is requests_in_progress 0
}

@test "ABORT_REQUEST is passed on, and ends the request soon also where the program does not care" {
    front <<'PY'
c = connect(proxy)
c.send(request(query="do=wait-abort", keep=True))
c.send(record(ABORT, 1))
a = Answer(c)
assert a.ended, a.out
c.send(request(query="do=hang", keep=True) + record(ABORT, 1))
a = Answer(c)
assert a.ended, a.out
c.send(begin(1, True) + record(ABORT, 1))
assert Answer(c).ended
c.send(request(query="do=ok"))
assert Answer(c).code == 200
PY
    wait_until has_events "got 2" 1
    wait_until metric_is requests_in_progress 0
}

@test "a body of 40 MB passes in bounded memory, to a program that does not read it yet, and an answer too" {
    local pid before after
    pid=$(pgrep -P "$(pid_of proxy)" || pid_of proxy)
    before=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
    front <<'PY'
import hashlib, threading
body = os.urandom(1 << 20) * 40
a = ask(proxy, query="do=report", method="POST", body=body, CONTENT_LENGTH=str(len(body)))
assert json.loads(a.body)["sha"] == hashlib.sha256(body).hexdigest()
c = connect(proxy)
c.send(request(query="do=big&n=60000000"))
time.sleep(0.3)
total = 0
while (got := c.read()) is not None and got[0] != END:
    total += len(got[2])
assert total > 60000000 - 60000, total
# The program answers at once and reads nothing: no deadlock, and the answer is whole.
c = connect(proxy)
sender = threading.Thread(target=lambda: c.send(request(query="do=ok&read=no", method="POST", body=body[:1 << 20])))
sender.start()
a = Answer(c)
assert a.code == 200 and a.body == b"hello\n" and a.ended, a.out
sender.join()
PY
    after=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
    # The sanitizer keeps what is freed.
    case $BUILD in */asan*) ;; *) [ $((after - before)) -lt 2048 ] ;; esac
}

@test "a web server that closes its half of the connection still gets its answer" {
    front <<'PY'
c = connect(proxy)
c.send(request(query="do=ok"))
c.sock.shutdown(socket.SHUT_WR)
assert Answer(c).body == b"hello\n"
PY
}

@test "a kept connection that the upstream has given up is replaced, without a failure" {
    front <<'PY'
for i in range(100):
    a = ask(proxy, query="do=ok&keep=no")
    assert a.code == 200, (i, a.out)
PY
    # It dies, and another takes its place: what was kept is worth nothing.
    front <<<'assert all(ask(proxy, query="do=ok").code == 200 for _ in range(8))'
    end upstream KILL
    start_upstream
    front <<<'assert all(ask(proxy, query="do=ok").code == 200 for _ in range(8))'
}

is_well() {
    front <<<'assert ask(proxy).code == 200'
}

@test "over TCP on both sides it is the same, also while the connection is being made" {
    local port
    port=$(free_ports 1)
    begin tcp "$BIN/microtrace-proxy" --listen "127.0.0.1:$port" --upstream "$UPSTREAM"
    begin chain env MICROTRACE_PROXY_KEEP=0 "$BIN/microtrace-proxy" --listen "$DIR/chain.sock" --upstream "127.0.0.1:$port"
    wait_until listening "$DIR/chain.sock"
    PROXY_SOCKET=$DIR/chain.sock
    wait_until is_well
    front <<'PY'
import hashlib
for size in (0, 10, 20000, 3000000):
    body = os.urandom(size)
    a = ask(proxy, query="do=report", method="POST", body=body, size=5000, CONTENT_LENGTH=str(size))
    assert a.code == 200 and json.loads(a.body)["sha"] == hashlib.sha256(body).hexdigest(), a.out
PY
    end tcp
    front <<<'assert ask(proxy).code == 502'
    end chain
}

@test "without descriptors a request waits or is answered 503, and all is well again afterwards" {
    PROXY_SOCKET=$DIR/narrow.sock
    begin narrow bash -c 'ulimit -n 24; exec "$@"' - "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$UPSTREAM"
    wait_until listening "$PROXY_SOCKET"
    front <<'PY'
held = [connect(proxy) for _ in range(60)]
for c in held:
    c.send(request(query="do=ok"))
codes = [Answer(c).code for c in held]
assert set(codes) <= {200, 503} and 200 in codes, codes
assert all(ask(proxy, query="do=ok").code == 200 for _ in range(20))
PY
    end narrow
}

@test "where connections can't be taken, and that can't even be waited for, it is tried again" {
    strace -qq -o /dev/null true 2>/dev/null || skip "no strace, or it may not trace here"
    PROXY_SOCKET=$DIR/deaf.sock
    # The fourth: after the listener's and the signals' the one that is taken out, and in again.
    begin deaf env ASAN_OPTIONS=detect_leaks=0 strace -D -qq -o "$DIR/deaf.calls" \
        -e trace=accept4,epoll_ctl -e inject=accept4:error=EMFILE:when=1 \
        -e inject=epoll_ctl:error=ENOMEM:when=4 \
        "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$UPSTREAM"
    wait_until listening "$PROXY_SOCKET"
    front <<<'assert ask(proxy, query="do=ok").code == 200'
    grep -q 'EPOLL_CTL_ADD.*ENOMEM (.*INJECTED' "$DIR/deaf.calls"
    end deaf
}
