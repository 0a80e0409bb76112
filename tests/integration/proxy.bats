#!/usr/bin/env bats
# Goal: PHP-FPM behind microtrace-proxy answers what it answers without it, every request is counted,
# traced and logged, and restarts of all of them are survived.

load helpers
load proxy

setup_file() {
    new_proxy
    [ -n "$(fpm_program)" ] || skip "no php-fpm"
    page do.php <<'PHP'
<?php
switch ($_GET['do'] ?? '') {
case 'show': foreach ($_SERVER as $k => $v) if (is_string($v)) echo "$k=$v\n"; break;
case 'body': echo md5(file_get_contents('php://input')); break;
case 'long': for ($i = 0; $i < (int)$_GET['n']; $i++) echo str_repeat(chr(65 + $i % 26), 1000), "\n"; break;
case 'redirect': header('Location: /elsewhere'); break;
case 'early': header('Content-Length: 5'); echo 'early'; flush(); if (function_exists('fastcgi_finish_request')) fastcgi_finish_request(); error_log('after the end'); break;
case 'warn': error_log("one\ntwo"); break;
case '500': http_response_code(500); echo 'failed'; break;
case 'exit': echo 'bye'; exit(3);
case 'kill': exec('kill -9 ' . getmypid()); sleep(10); break;
case 'sleep': usleep(5000000); echo 'late'; break;
case 'garbage': header('X-Long: ' . str_repeat('x', 70000)); echo 'x'; break;
case 'broken': echo str_repeat('x', 100000); flush(); exec('kill -9 ' . getmypid()); sleep(10); break;
default: echo 'hello';
}
PHP
    start_fpm "pm.max_children = 16"
    # Started as spawn-fcgi does, and again whenever it has died.
    begin keeper /usr/bin/python3 -c '
import os, socket, subprocess, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1]); listener.listen(1024); os.chmod(sys.argv[1], 0o666)
while True:
    child = subprocess.Popen(sys.argv[3:], stdin=listener)
    open(sys.argv[2] + ".new", "w").write(str(child.pid)); os.rename(sys.argv[2] + ".new", sys.argv[2])
    child.wait()
' "$PROXY_SOCKET" "$DIR/proxy.pid" env MICROTRACE_PROXY_TIMEOUT=4s "$BIN/microtrace-proxy" --upstream "$FPM_SOCKET"
    wait_until test -s "$DIR/proxy.pid"
    start_lighttpd
    start_agent
}

teardown_file() {
    end keeper KILL
    end_all
}

# the_span ID: the server span of that request.
the_span() {
    server_spans ".attrs[\"microtrace.request_id\"].stringValue == \"$1\""
}

@test "a page answers as it does without the proxy" {
    start_direct
    head -c 3000000 /dev/urandom >"$DIR/upload"
    local what
    for what in "" "do=long&n=10" "do=long&n=3000" do=redirect do=500 do=exit do=early do=nothing; do
        curl -sS -i "$DIRECT/do.php?$what" | grep -vaiE '^(date|x-request-id|traceresponse):' >"$DIR/expected"
        curl -sS -i "$URL/do.php?$what" | grep -vaiE '^(date|x-request-id|traceresponse):' >"$DIR/got"
        cmp "$DIR/expected" "$DIR/got"
    done
    [ "$(curl -sS --data-binary @"$DIR/upload" "$URL/do.php?do=body")" = "$(md5sum <"$DIR/upload" | cut -d' ' -f1)" ]
    [ "$(curl -sS -H 'Transfer-Encoding: chunked' --data-binary @"$DIR/upload" "$URL/do.php?do=body")" = \
        "$(md5sum <"$DIR/upload" | cut -d' ' -f1)" ]
    [ "$(curl -sS -I -o /dev/null -w '%{http_code}' "$URL/do.php?do=long&n=3000")" = 200 ]
    end direct
}

@test "a script that exists has its own path in the metrics, PATH_INFO and others do not" {
    request GET /do.php/some/info -H 'X-Request-ID: path-1'
    expect 200
    request GET /missing.php -H 'X-Request-ID: path-2'
    expect 404
    the_span path-1 | expect_json '.name == "GET /do.php" and .attrs["http.route"].stringValue == "/do.php"'
    the_span path-2 | expect_json '.name == "GET" and .attrs["http.route"] == null'
    metric_is 'requests_total{method="GET",path="_OTHER",status="404"}' 1
    refute grep -q 'some/info\|missing' <(scrape)
}

@test "what PHP logs is logged with the request's ids" {
    request GET '/do.php?do=warn' -H 'X-Request-ID: warn-1'
    logs '.request_id == "warn-1" and .name == "microtrace.proxy"' | jq -s . |
        expect_json '[.[].line] == ["PHP message: one", "two"]'
    wait_until grep -q 'PHP message: one' "$DIR/lighttpd-error.log"
    # Also what comes when the client has its answer.
    request GET '/do.php?do=early' -H 'X-Request-ID: early-1'
    expect 200
    [ "$(cat "$DIR/body")" = early ]
}

@test "a PHP-FPM that is restarted answers again at once, in between there is a 502" {
    end fpm
    request GET /do.php
    expect 502 '.detail == "The application server is not reachable"'
    [ -n "$(header X-Request-ID)" ]
    start_fpm "pm.max_children = 16"
    for _ in 1 2 3 4 5; do
        request GET /do.php
        expect 200
    done
}

# crowd NAME [ARGUMENT...]: 2,000 requests, or PROXY_REQUESTS.
crowd() {
    local name=$1
    shift
    /usr/bin/python3 "$ROOT/tests/tools/proxy_crowd.py" "$URL" "${PROXY_REQUESTS:-2000}" --name "$name" \
        --check "$SPOOL" "$AGENT_URL/metrics" "$@"
}

@test "16 clients, every tenth request fails: what they got is in metrics, spans and logs, exactly" {
    crowd calm
}

@test "the same while PHP-FPM's processes are killed, and PHP-FPM itself" {
    crowd fpm-killed >"$DIR/crowd" 2>&1 3>&- &
    local crowd=$! i=0 child status=0
    while ! gone "$crowd"; do
        child=$(pgrep -P "$(pid_of fpm)" | shuf -n 1) && kill -KILL "$child" 2>/dev/null || true
        i=$((i + 1))
        if [ $((i % 20)) -eq 0 ]; then
            end fpm KILL
            start_fpm "pm.max_children = 16"
        fi
        sleep 0.05
    done
    wait "$crowd" || status=$?
    cat "$DIR/crowd"
    [ "$status" -eq 0 ]
    [ "$i" -gt 5 ]
}

# told: of how many requests the log has a line.
told() { spooled logs | grep -c '"request_completed"' || true; }

@test "nothing that was answered is missing when the proxy itself is killed again and again" {
    crowd proxy-killed --killed >"$DIR/crowd" 2>&1 3>&- &
    local crowd=$! i=0 status=0 before
    while ! gone "$crowd"; do
        kill -KILL "$(cat "$DIR/proxy.pid")" 2>/dev/null || true
        i=$((i + 1))
        sleep 0.2
        # However slow the machine is, the next one has told of more than are under way at a time.
        before=$(told)
        until gone "$crowd" || [ "$(told)" -gt $((before + 50)) ]; do sleep 0.05; done
    done
    wait "$crowd" || status=$?
    cat "$DIR/crowd"
    [ "$status" -eq 0 ]
    [ "$i" -gt 1 ]
    expect_json '(.answered | add) > .unanswered' <"$DIR/crowd"
    wait_until metric_is requests_in_progress 0
}
