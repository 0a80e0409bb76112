#!/usr/bin/env bats
# Goal: one trace goes through a web server, microtrace-proxy, a PHP page (examples/php/telemetry.php),
# the service that it calls, that one's downstream, and the shell script that it starts; every span
# has the right parent, every log line its span. And the proxy takes the socket that it is given, however that comes.

bats_require_minimum_version 1.5.0

load helpers
load proxy
load downstream

setup_file() {
    new_proxy
    [ -n "$(fpm_program)" ] || skip "no php-fpm"
    # The service has a web server, an agent and a port of its own, in the same instance.
    start_sink
    start_instance DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SINK_URL/analyze" DOWNSTREAM_TIMEOUT_MS=30000
    SERVICE=$URL
    read -r HTTP_PORT < <(free_ports 1)
    URL=http://127.0.0.1:$HTTP_PORT
    export SERVICE HTTP_PORT URL
    cp "$ROOT/examples/php/telemetry.php" "$DIR/site/telemetry.php"
    start_fpm "env[SERVICE_URL] = $SERVICE/analyze" "env[MICROTRACE] = $BIN/microtrace" \
        "env[MICROTRACE_RUN_DIR] = $STATE/run" "env[MICROTRACE_SPOOL_DIR] = $SPOOL"
    start_proxy
    start_lighttpd
}

teardown_file() {
    stop_sinks
    end_all
}

@test "curl, lighttpd, microtrace-proxy, a PHP page, analyze, its downstream, a shell script: one trace" {
    local trace=4bf92f3577b34da6a3ce929d0e0e4736 parent
    # The page of the examples, and a script that it runs.
    page mail.sh <<'SH'
#!/bin/sh
echo "to the shop"
echo "no stamp" >&2
"$MICROTRACE" log --name shop.mail "written" || exit
"$MICROTRACE" span stamped --attr shop.stamps=2
SH
    chmod 755 "$DIR/site/mail.sh"
    page whole.php <<'PHP'
<?php
ob_start();
require 'telemetry.php';
exec(escapeshellarg($microtrace) . ' run --name mail --log-output -- ' . escapeshellarg(__DIR__ . '/mail.sh') . ' 2>&1', $lines, $status);
header('X-Mail: ' . $status . ' ' . implode(', ', $lines));
PHP
    sink '{}'
    request GET /whole.php -H 'X-Request-ID: whole-1' -H "traceparent: 00-$trace-00f067aa0ba902b7-01" \
        -H 'tracestate: vendor=value'
    expect 200 '. == {"sum": 14, "difference": 7}'
    [ "$(header X-Request-ID)" = whole-1 ]
    [[ "$(header X-Mail)" == "0 "*"to the shop"* ]]
    spans | jq -s "map(select(.traceId == \"$trace\"))" >"$DIR/trace.json"
    expect_json 'length == 6 and all(.[]; .traceState == "vendor=value")
        and (map({(.name): .}) | add) as $by
        | $by["GET /whole.php"].parentSpanId == "00f067aa0ba902b7"
        and $by["POST /analyze"].parentSpanId == $by["GET /whole.php"].spanId
        and $by["WorkerService.analyze"].parentSpanId == $by["POST /analyze"].spanId
        and $by["POST"].parentSpanId == $by["WorkerService.analyze"].spanId
        and $by["mail"].parentSpanId == $by["GET /whole.php"].spanId
        and $by["stamped"].parentSpanId == $by["mail"].spanId
        and (map({(.name): .kind}) | add) == {"GET /whole.php": 2, "POST /analyze": 2, "WorkerService.analyze": 1,
            "POST": 3, "mail": 1, "stamped": 1}
        and $by["GET /whole.php"].attrs["http.response.status_code"].intValue == "200"
        and $by["mail"].attrs["process.exit.code"].intValue == "0"
        and ([$by["GET /whole.php"], $by["POST /analyze"] | .resource.attributes[] | select(.key == "service.name")
            | .value.stringValue] == ["microtrace-proxy", "microtrace"])
        and all(.[] | select(.kind == 2); .attrs["microtrace.request_id"].stringValue == "whole-1")' <"$DIR/trace.json"
    # What the last one in the row was told.
    parent=$(jq -r '.[] | select(.kind == 3) | .spanId' "$DIR/trace.json")
    [ "$(seen .requests)" -eq 1 ]
    [[ "$(received traceparent)" == "00-$trace-$parent-01" || "$(received traceparent)" == "00-$trace-$parent-03" ]]
    [ "$(received tracestate)" = vendor=value ]
    [ "$(received x-request-id)" = whole-1 ]
    # Each log line of the trace belongs to one of these spans.
    logs ".trace_id == \"$trace\"" | jq -s --slurpfile spans "$DIR/trace.json" \
        'map(.span_id as $id | . + {of: ([$spans[0][] | select(.spanId == $id) | .name] | first)})' >"$DIR/lines.json"
    expect_json 'all(.[]; .of != null)
        and ([.[] | select(.message == "stderr") | [.of, .line]] == [["GET /whole.php", "PHP message: asking the service"]])
        and ([.[] | select(.message == "request_completed") | .of] | sort == ["GET /whole.php", "POST /analyze"])
        and ([.[] | select(.name == "shop.page") | .of] == ["GET /whole.php"])
        and ([.[] | select(.name == "shop.mail") | .of] == ["mail"])
        and ([.[] | select(.of == "mail" and .name != "shop.mail") | [.levelname, .message, .line]]
            | (tostring | contains("to the shop") and contains("no stamp")))
        and all(.[] | select((.request_id // "") != ""); .request_id == "whole-1")' <"$DIR/lines.json"
    # The picture of it in README.
    /usr/bin/python3 "$ROOT/tests/tools/trace_picture.py" "$DIR/trace.json" "$DIR/lines.json" >"$DIR/trace.svg"
    /usr/bin/python3 - "$DIR/trace.svg" <<'PYTHON'
import sys, xml.etree.ElementTree
texts = [t.text for t in xml.etree.ElementTree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}text")]
for name in ("GET /whole.php", "POST /analyze", "WorkerService.analyze", "POST", "mail", "stamped", "shop.mail: written"):
    assert texts.count(name) == 1, (name, texts)
PYTHON
    [ -z "${TRACE_PICTURE:-}" ] || cp "$DIR/trace.svg" "$TRACE_PICTURE"
}

@test "a program that the page starts finds the trace in its environment" {
    request GET /telemetry.php -H 'X-Request-ID: whole-2'
    expect 200
    local span trace
    span=$(server_spans '.attrs["microtrace.request_id"].stringValue == "whole-2" and .name == "GET /telemetry.php"')
    trace=$(jq -r .traceId <<<"$span")
    logs ".trace_id == \"$trace\" and .name == \"shop.page\"" |
        expect_json ".span_id == \"$(jq -r .spanId <<<"$span")\" and .message == \"the service has answered\""
}

@test "a service that does not answer is the page's own failure" {
    sed "s|getenv('SERVICE_URL')|'http://127.0.0.1:1/'|" "$ROOT/examples/php/telemetry.php" >"$DIR/site/alone.php"
    request GET /alone.php -H 'X-Request-ID: alone-1'
    expect 502 '.detail == "the service has not answered"'
    server_spans '.attrs["microtrace.request_id"].stringValue == "alone-1"' |
        expect_json '.name == "GET /alone.php" and .status.code == 2 and .attrs["error.type"].stringValue == "502"'
}

# answers SOCKET: a request through the proxy there is answered.
answers() {
    PROXY_SOCKET=$1 front <<'PY'
a = ask(proxy, path=os.environ["DIR"] + "/site/plain.php")
assert a.code == 200 and a.body == b"plain", a.out
PY
}

@test "the listening socket may come from systemd, as descriptor 0, or be one of TCP" {
    echo 'plain' | tr -d '\n' | page plain.php
    local port
    begin systemd /usr/bin/python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])' "$DIR/systemd.sock" "$BIN/microtrace-proxy" --upstream "unix:$FPM_SOCKET"
    wait_until listening "$DIR/systemd.sock"
    answers "$DIR/systemd.sock"
    end systemd
    # A socket that it did not make stays.
    [ -S "$DIR/systemd.sock" ]
    port=$(free_ports 1)
    begin tcp "$BIN/microtrace-proxy" --listen "127.0.0.1:$port" --upstream "$FPM_SOCKET"
    begin twice "$BIN/microtrace-proxy" --listen "$DIR/twice.sock" --upstream "127.0.0.1:$port"
    wait_until listening "$DIR/twice.sock"
    wait_until answers "$DIR/twice.sock"
    # In front of one that does not speak FastCGI, and of one that is not there.
    end tcp
    PROXY_SOCKET=$DIR/twice.sock front <<<'assert ask(proxy).code == 502'
    end twice
    [ ! -e "$DIR/twice.sock" ]
}

@test "a stale socket is replaced, one in use is not" {
    PROXY_SOCKET=$DIR/stale.sock
    begin stale "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$FPM_SOCKET"
    wait_until listening "$PROXY_SOCKET"
    end stale KILL
    [ -S "$PROXY_SOCKET" ]
    begin stale "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$FPM_SOCKET" --mode 0600
    wait_until listening "$PROXY_SOCKET"
    [ "$(stat -c %a "$PROXY_SOCKET")" = 600 ]
    run "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$FPM_SOCKET"
    [ "$status" -eq 2 ]
    [ "$output" = "microtrace-proxy: can't listen on $PROXY_SOCKET: Address already in use" ]
    # No other file is taken away, and nobody is the upstream of its own.
    echo kept >"$DIR/file"
    run -2 "$BIN/microtrace-proxy" --listen "$DIR/file" --upstream "$FPM_SOCKET"
    [ "$(cat "$DIR/file")" = kept ]
    run -2 "$BIN/microtrace-proxy" --listen "unix:$FPM_SOCKET" --upstream "$FPM_SOCKET" --check
    [ "$output" = "microtrace-proxy: --listen and --upstream are the same socket, unix:$FPM_SOCKET" ]
    run -2 "$BIN/microtrace-proxy" --listen 127.0.0.1:9 --upstream 127.0.0.1:9 --check
    run -2 "$BIN/microtrace-proxy" --listen unix: --upstream "$FPM_SOCKET" --check
    end stale
}

@test "SIGTERM ends it once the requests under way are answered" {
    echo '<?php usleep(700000); echo "slowly";' | page slow.php
    PROXY_SOCKET=$DIR/last.sock
    begin last "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$FPM_SOCKET"
    wait_until listening "$PROXY_SOCKET"
    front <<PY
import signal
idle = connect(proxy)
c = connect(proxy)
c.send(request(path="$DIR/site/slow.php", keep=True))
time.sleep(0.2)
os.kill($(pid_of last), signal.SIGTERM)
assert idle.read() is None
a = Answer(c)
assert a.code == 200 and a.body == b"slowly" and a.ended, a.out
assert c.read() is None
PY
    wait_until gone "$(pid_of last)"
    rm "$DIR/last.pid"
}

@test "SIGTERM leaves no request in the queue of the socket that goes away" {
    echo 'plain' | tr -d '\n' | page plain.php
    PROXY_SOCKET=$DIR/queue.sock
    begin queue "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$FPM_SOCKET"
    wait_until listening "$PROXY_SOCKET"
    # It learns of the signal first, and of the requests behind it.
    front <<PY
import signal
pid = $(pid_of queue)
os.kill(pid, signal.SIGSTOP)
os.kill(pid, signal.SIGTERM)
connections = [connect(proxy) for _ in range(70)]
for c in connections:
    c.send(request(path="$DIR/site/plain.php", keep=True))
os.kill(pid, signal.SIGCONT)
for c in connections:
    a = Answer(c)
    assert a.code == 200 and a.body == b"plain" and a.ended, a.out
    assert c.read() is None
PY
    wait_until gone "$(pid_of queue)"
    rm "$DIR/queue.pid"
    [ ! -e "$PROXY_SOCKET" ]
}

@test "in front of a program with libfcgi, whose own telemetry goes on below the proxy's" {
    begin analyze /usr/bin/python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(64)
os.dup2(s.fileno(), 0); os.execv(sys.argv[2], sys.argv[2:])' "$DIR/analyze.sock" "$BIN/analyze"
    wait_until listening "$DIR/analyze.sock"
    PROXY_SOCKET=$DIR/before-analyze.sock
    begin before "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$DIR/analyze.sock"
    wait_until listening "$PROXY_SOCKET"
    # One process, which serves one connection at a time, and eight that ask.
    front <<'PY'
import threading
body, answers = b'{"a": 10.5, "b": 3.5}', []
def ask_often(name):
    for i in range(50):
        answers.append(ask(proxy, path="/analyze", method="POST", body=body, CONTENT_TYPE="application/json",
                           CONTENT_LENGTH=str(len(body)), HTTP_X_REQUEST_ID="libfcgi-%s-%d" % (name, i)))
threads = [threading.Thread(target=ask_often, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert len(answers) == 400 and all(a.code == 200 and a.body == b'{"sum": 14.0, "difference": 7.0}' for a in answers)
PY
    spans | jq -s 'map(select(.kind == 2 and (.attrs["microtrace.request_id"].stringValue | startswith("libfcgi-"))))
        | group_by(.traceId)' | expect_json 'length == 400 and all(.[]; length == 2
            and (sort_by(.parentSpanId // "") | .[1].parentSpanId == .[0].spanId))'
    end before
    end analyze
}
