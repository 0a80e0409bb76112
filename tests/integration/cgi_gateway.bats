#!/usr/bin/env bats
# Goal: a CGI script of any language runs under microtrace-cgi as it does under fcgiwrap, or as
# lighttpd's own CGI program, and its request is told of as analyze's requests are.

bats_require_minimum_version 1.5.0
load helpers
load cgi_gateway

setup_file() {
    new_site
    script env.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
env
printf 'CWD=%s\nARGUMENTS=%s\n' "$(pwd -P)" "$#"
END
    script echo.cgi <<'END'
#!/bin/sh
printf 'Content-Type: application/octet-stream\r\n\r\n'
exec cat
END
    script head.cgi <<'END'
#!/bin/sh
# The answer is the body of the request.
exec cat
END
    script env.pl <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nnot executable\n'
END
    chmod 644 "$SITE/env.pl"
    mkdir "$SITE/folder.cgi"
    cp "$SITE"/*.cgi "$SITE/assigned" 2>/dev/null || true
    start_gateway MICROTRACE_ROUTES='/env.cgi/user/{id}' SOMETHING=ours CONTENT_TYPE=ours HTTP_FOO=ours -- -c 2
    start_lighttpd
    export GATEWAY
}

teardown_file() { end_site; }

@test "the script finds its request, its trace, its instance, and its own folder" {
    local prefix id trace=0af7651916cd43dd8448eb211c80319c span
    for prefix in "" /assigned; do
        id=finds$(echo "$prefix" | tr / -)
        request GET "$prefix/env.cgi/some/info?a=b" -H "X-Request-ID: $id" -H 'X-Custom: c' \
            -H "traceparent: 00-$trace-b7ad6b7169203331-01" -H 'tracestate: x=y' -H 'baggage: k=v'
        expect 200
        [ "$(header X-Request-ID)" = "$id" ]
        span=$(span_of "$id" | jq -r .spanId)
        for line in "TRACEPARENT=00-$trace-$span-0[13]" "HTTP_TRACEPARENT=00-$trace-$span-0[13]" \
            TRACESTATE=x=y HTTP_TRACESTATE=x=y BAGGAGE=k=v HTTP_BAGGAGE=k=v "HTTP_X_REQUEST_ID=$id" \
            "MICROTRACE_RUN_DIR=$STATE/run" "MICROTRACE_SPOOL_DIR=$STATE/spool" HTTP_X_CUSTOM=c \
            REQUEST_METHOD=GET "SCRIPT_NAME=$prefix/env.cgi" PATH_INFO=/some/info QUERY_STRING=a=b \
            "CWD=$SITE$prefix" ARGUMENTS=0; do
            [ "$(grep -cxE "$line" "$DIR/body")" -eq 1 ] || { echo "not once: $line" && cat "$DIR/body" && false; }
        done
        span_of "$id" | expect_json ".name == \"GET $prefix/env.cgi\" and .kind == 2 and
            .traceId == \"$trace\" and .parentSpanId == \"b7ad6b7169203331\" and
            .attrs[\"http.route\"] == \"$prefix/env.cgi\" and .attrs[\"url.path\"] == \"$prefix/env.cgi/some/info\" and
            .attrs[\"http.response.status_code\"] == 200 and .attrs[\"process.exit.code\"] == 0 and
            .attrs[\"microtrace.cgi.script\"] == \"$SITE$prefix/env.cgi\" and
            (.resource.attributes[] | select(.key == \"service.name\") | .value.stringValue) == \"microtrace-cgi\""
        logs ".request_id == \"$id\"" | jq -s . |
            expect_json "length == 1 and .[0].message == \"request_completed\" and .[0].status_code == 200 and
                .[0].trace_id == \"$trace\" and .[0].span_id == \"$span\""
    done
}

@test "of our own environment a script gets what no request may say" {
    request GET /env.cgi -H 'Proxy: evil:80'
    grep -qx SOMETHING=ours "$DIR/body"
    refute grep -qE '^(CONTENT_TYPE|HTTP_FOO)=ours|^HTTP_PROXY=' "$DIR/body"
}

@test "bodies of any size arrive as they are, and answers go back as they are" {
    local size prefix
    for size in 0 1 65536 65537 3000000; do
        head -c "$size" /dev/urandom >"$DIR/sent"
        for prefix in "" /assigned; do
            request POST "$prefix/echo.cgi" --data-binary "@$DIR/sent"
            expect 200
            cmp "$DIR/sent" "$DIR/body"
        done
    done
    request POST /echo.cgi -H 'Transfer-Encoding: chunked' --data-binary "@$DIR/sent"
    expect 200
    cmp "$DIR/sent" "$DIR/body"
}

# head_gives TEXT STATUS [HEADER-LINE]: what a script that writes TEXT makes of the answer, both ways.
head_gives() {
    local prefix
    for prefix in "" /assigned; do
        # shellcheck disable=SC2059
        printf "$1" >"$DIR/sent"
        request POST "$prefix/head.cgi" --data-binary "@$DIR/sent" -H "X-Request-ID: ${4:-head-gives}"
        [ "$STATUS" = "$2" ] || { echo "$prefix: $1 gives $STATUS, not $2" && cat "$DIR/headers" && return 1; }
        [ -z "${3:-}" ] || grep -qixF "$3" "$DIR/headers.last" || { cat "$DIR/headers" && return 1; }
        [ "$(grep -ci '^X-Request-ID:' "$DIR/headers.last")" -eq 1 ]
    done
}

@test "headers: Status, Location, status lines, line ends, and an X-Request-ID of the script's own" {
    head_gives 'Content-Type:text/plain\n\nbody' 200 'Content-Type: text/plain'
    head_gives 'Content-Type: a/b\r\nX-One: 1\r\n\r\n' 200 'X-One: 1'
    head_gives 'Status: 404 Nope\n\n' 404
    head_gives 'Status:201\nContent-Type: a/b\n\nx' 201
    head_gives 'Content-Type:a/b\nLocation: http://example.org/x\n\n' 302 'Location: http://example.org/x'
    head_gives 'Location: /local\n\n' 302
    head_gives 'Status: 307\nLocation: http://example.org/\n\n' 307
    head_gives 'HTTP/1.1 418 Tea\nContent-Type: a/b\n\nx' 418
    head_gives 'Content-Type:a/b\nX-Request-ID: mine\n folded\n\n' 200
    refute grep -q mine "$DIR/headers.last"
    head_gives 'Status: 204\n\n' 204
    head_gives 'Content-Type:a/b\nContent-Length: 3\n\nabc' 200 'Content-Length: 3'
}

@test "headers that are none are answered 502, and say why in span, log line and errors_total" {
    local before after query
    before=$(counter 'errors_total{method="POST",path="/head.cgi",exception="bad_header"}')
    for query in 'Status: 999\n\n' 'Status: rubbish\n\n' 'Status: 100\n\n' 'Status: \n\n' \
        'no header\n\n' ' Content-Type:a/b\n\n' 'Content Type:a/b\n\n' ':x\n\n' \
        'X-Only: this\n\nbody' '\nbody' 'Content-Type: a/b' 'Content-Type: a/b\nX:\0\n\n' \
        '<html>\n\n</html>' 'Content-Type: a/b\nX: y\rSet-Cookie: z\n\n'; do
        head_gives "$query" 502
    done
    after=$(counter 'errors_total{method="POST",path="/head.cgi",exception="bad_header"}')
    [ "$((after - before))" -eq 14 ]
    head_gives '' 502
    [ "$(counter 'errors_total{method="POST",path="/head.cgi",exception="no_output"}')" -eq 1 ]
    head_gives 'no header\n\n' 502 '' broken
    grep -q '502 Bad Gateway' "$DIR/body"
    span_of broken | jq -s . | expect_json 'length == 2 and all(.[]; .status.code == 2 and .attrs["error.type"] == "bad_header")'
    logs '.request_id == "broken" and .message == "script_failed"' | jq -s . |
        expect_json "length == 2 and .[0].levelname == \"ERROR\" and .[0].script == \"$SITE/head.cgi\" and
            (.[0].reason | test(\"CGI header\"))"
}

@test "HEAD is answered as GET, without a body" {
    curl -sS -m 10 -I "$URL/env.cgi" -H 'X-Request-ID: head' >"$DIR/headers"
    grep -q '^HTTP/1.1 200' "$DIR/headers"
    span_of head | expect_json '.attrs["http.request.method"] == "HEAD"'
}

# The behaviours that fcgiwrap(8) describes, by requests of our own.
@test "fcgiwrap: SCRIPT_FILENAME is run as it is, and PATH_INFO stays" {
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi" SCRIPT_NAME=/any/thing \
        PATH_INFO=/kept DOCUMENT_ROOT=/nowhere HTTP_X_REQUEST_ID=wrap-1
    answered '^PATH_INFO=/kept$'
    answered '^SCRIPT_NAME=/any/thing$'
    answered "^CWD=$SITE\$"
    # A client must not make names: the label is the file's.
    span_of wrap-1 | expect_json '.attrs["http.route"] == "/env.cgi"'
}

@test "fcgiwrap: DOCUMENT_ROOT and SCRIPT_NAME, the rest of which is PATH_INFO" {
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "DOCUMENT_ROOT=$SITE" SCRIPT_NAME=/env.cgi/more/info \
        REQUEST_URI=/env.cgi/more/info HTTP_X_REQUEST_ID=wrap-2
    answered '^PATH_INFO=/more/info$'
    answered '^SCRIPT_NAME=/env.cgi$'
    span_of wrap-2 | expect_json '.name == "GET /env.cgi"'
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "DOCUMENT_ROOT=$SITE" SCRIPT_NAME=/env.cgi
    answered '^SCRIPT_NAME=/env.cgi$'
    refute grep -q '^PATH_INFO=' "$DIR/answer"
}

@test "fcgiwrap: FCGI_CHDIR is another working directory, - is none" {
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi" FCGI_CHDIR=/usr
    answered '^CWD=/usr$'
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi" FCGI_CHDIR=-
    answered "^CWD=$(readlink "/proc/$GATEWAY/cwd")\$"
}

@test "what is no script is answered 403 or 404, and counts as _OTHER" {
    local before
    before=$(counter 'requests_total{method="GET",path="_OTHER",status="404"}')
    for name in /missing.cgi /env.cgi/x /../x; do
        ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE$name" "SCRIPT_NAME=$name"
        answered '^Status: 404 Not Found'
    done
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "DOCUMENT_ROOT=$SITE" SCRIPT_NAME=/missing.cgi
    answered '^Status: 404'
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "DOCUMENT_ROOT=$SITE" SCRIPT_NAME=/assigned/missing.cgi
    answered '^Status: 404'
    [ "$(counter 'requests_total{method="GET",path="_OTHER",status="404"}')" -eq $((before + 5)) ]
    for name in /env.pl /folder.cgi; do
        ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE$name"
        answered '^Status: 403 Forbidden'
    done
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET SCRIPT_FILENAME=env.cgi
    answered '^Status: 403'
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET
    answered '^Status: 403'
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$BIN/microtrace-cgi"
    answered '^Status: 403'
    [ "$(counter 'errors_total{method="GET",path="_OTHER",exception="forbidden"}')" -eq 5 ]
}

@test "a script that can't be started is answered 502" {
    script bad.cgi <<<'#!/no/such/interpreter'
    request GET /bad.cgi -H 'X-Request-ID: bad'
    expect 502
    span_of bad | expect_json '.attrs["error.type"] == "exec_failed"'
}

@test "an instance that is named by relative paths is the script's, too, in its own folder" {
    (cd "$STATE" && MICROTRACE_RUN_DIR=./run MICROTRACE_SPOOL_DIR=spool exec "$BIN/microtrace-cgi" \
        -s "unix:$DIR/relative.sock" >"$DIR/relative.log" 2>&1 3>&-) &
    wait_until test -S "$DIR/relative.sock"
    ask "$DIR/relative.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
    answered "^MICROTRACE_RUN_DIR=$(realpath "$STATE/run")\$"
    answered "^MICROTRACE_SPOOL_DIR=$(realpath "$STATE/spool")\$"
    kill $!
    wait $!
}

@test "more variables than there is room for: 431, and counted" {
    local i many=() long before after
    long=$(head -c 100000 /dev/zero | tr '\0' x)
    for ((i = 0; i < 1100; i++)); do many+=("HTTP_V$i=x"); done
    before=$(counter 'errors_total{method="GET",path="/env.cgi",exception="request_too_large"}')
    for i in 1 2; do
        ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi" SCRIPT_NAME=/env.cgi HTTP_X_REQUEST_ID=large \
            "${many[@]}"
        answered '^Status: 431 '
        answered '^X-Request-ID: large'
        many=("HTTP_A=$long" "HTTP_B=$long" "HTTP_C=$long" HTTP_D=small)
    done
    after=$(counter 'errors_total{method="GET",path="/env.cgi",exception="request_too_large"}')
    [ "$((after - before))" -eq 2 ]
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
    answered "^CWD=$SITE\$"
}

@test "a request that is cut anywhere is read whole" {
    head -c 70000 /dev/urandom >"$DIR/sent"
    for cut in 1 7 8192; do
        ask "$DIR/cgi.sock" --body "$DIR/sent" --cut "$cut" REQUEST_METHOD=POST "SCRIPT_FILENAME=$SITE/echo.cgi"
        tail -c 70000 "$DIR/answer" | cmp - "$DIR/sent"
    done
}

@test "-p runs only what it names, -f sends stderr to the web server, by letters and by words" {
    script noisy.cgi <<'END'
#!/bin/sh
echo "a word on stderr" >&2
printf 'Content-Type: a/b\n\n'
END
    for options in "-fc2 -p$SITE/noisy.cgi" "--stderr --processes=1 --allow $SITE/nothing --allow $SITE/noisy.cgi"; do
        # shellcheck disable=SC2086
        "$BIN/microtrace-cgi" --listen "unix:$DIR/second.sock" $options >"$DIR/second.log" 2>&1 3>&- &
        wait_until test -S "$DIR/second.sock"
        ask "$DIR/second.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
        answered '^Status: 403'
        ask "$DIR/second.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/noisy.cgi"
        answered '^Content-Type: a/b'
        grep -qx 'a word on stderr' "$DIR/answer.err"
        kill $!
        wait $!
        [ ! -e "$DIR/second.sock" ]
    done
    # Without it, where fcgiwrap sends it.
    request GET /noisy.cgi -H 'X-Request-ID: noisy'
    grep -qx 'a word on stderr' "$DIR/gateway.log"
    logs '.request_id == "noisy" and .message == "stderr"' | jq -s . |
        expect_json 'length == 1 and .[0].line == "a word on stderr" and .[0].name == "microtrace.cgi" and
            .[0].levelname == "WARNING"'
}

# started_with FD VARIABLE=VALUE...: by a process that hands it a listening socket as that number.
started_with() {
    /usr/bin/python3 - "$DIR/passed.sock" "$BIN/microtrace-cgi" "$@" <<'END' 3>&- &
import os, socket, sys
path, program, fd, *variables = sys.argv[1:]
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen(8)
os.dup2(listening.fileno(), int(fd))
os.set_inheritable(int(fd), True)
os.environ.update(one.replace("$PID", str(os.getpid())).split("=", 1) for one in variables)
os.execv(program, [program, "-c", "2"])
END
}

@test "the listening socket is descriptor 0, or the one that systemd passes" {
    for how in "0" "3 LISTEN_FDS=1 LISTEN_PID=\$PID"; do
        # shellcheck disable=SC2086
        started_with $how
        wait_until test -S "$DIR/passed.sock"
        ask "$DIR/passed.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
        answered "^CWD=$SITE\$"
        refute grep -q '^LISTEN_' "$DIR/answer"
        kill $!
        wait $!
        # It is not ours to remove.
        rm "$DIR/passed.sock"
    done
}

@test "a kept connection brings one request after the other, and makes way for another" {
    "$BIN/microtrace-cgi" -s "unix:$DIR/kept.sock" >"$DIR/kept.log" 2>&1 3>&- &
    wait_until test -S "$DIR/kept.sock"
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$ROOT/tests/tools /usr/bin/python3 - "$DIR/kept.sock" "$SITE/echo.cgi" <<'END'
import socket, struct, sys
import fastcgi_peer as fastcgi
path, script = sys.argv[1:]

def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(path)
    return connection, connection.makefile("rb")

def ask(connection, file, body):
    pairs = fastcgi.pair(b"SCRIPT_FILENAME", script.encode()) + fastcgi.pair(b"REQUEST_METHOD", b"POST")
    connection.sendall(fastcgi.request(body=body, keep=True, params=pairs))
    out = b""
    while True:
        _, kind, _, size, padding = struct.unpack("!BBHHBx", file.read(8))
        content = file.read(size + padding)
        if kind == fastcgi.END:
            assert out.endswith(b"\r\n\r\n" + body), out
            return
        out += content

one, other = connect(), None
for body in (b"first", b"second", b"third"):
    ask(*one, body)
other = connect()
ask(*other, b"another")
assert one[1].read() == b"", "the idle connection is still there"
END
    kill $!
    wait $!
}

# serves_or_ended PID ADDRESS: another program may have taken the port meanwhile.
serves_or_ended() {
    gone "$1" || ask "$2" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
}

@test "it listens on TCP, too" {
    local port form host served
    for form in "tcp 127.0.0.1 127.0.0.1" "tcp6 [::1] ::1"; do
        [ "${form%% *}" = tcp ] || [ -e /proc/net/if_inet6 ] || continue
        served=
        for _ in 1 2 3; do
            read -r port < <(free_ports 1)
            read -r form host address <<<"$form"
            "$BIN/microtrace-cgi" -s "$form:$host:$port" >"$DIR/tcp.log" 2>&1 3>&- &
            wait_until serves_or_ended $! "$address:$port" || { cat "$DIR/tcp.log" "$DIR/answer.err" && false; }
            gone $! || { served=yes && break; }
            form="$form $host $address"
        done
        [ "$served" = yes ] || { cat "$DIR/tcp.log" && false; }
        answered "^CWD=$SITE\$"
        kill $!
        wait $!
    done
}

@test "kill -9 of the process that watches: the others end, and the next one takes its socket" {
    "$BIN/microtrace-cgi" --listen "unix:$DIR/watched.sock" -c 2 >"$DIR/watched.log" 2>&1 3>&- &
    local watcher=$! workers
    wait_until eval '[ "$(pgrep -c -P '"$watcher"')" -eq 2 ]'
    mapfile -t workers < <(pgrep -P "$watcher")
    kill -KILL "$watcher"
    wait_until all_gone "${workers[@]}"
    [ -S "$DIR/watched.sock" ]
    "$BIN/microtrace-cgi" --listen "unix:$DIR/watched.sock" >"$DIR/watched.log" 2>&1 3>&- &
    watcher=$!
    wait_until ask "$DIR/watched.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
    answered "^CWD=$SITE\$"
    # One that listens is not taken away from.
    run -2 "$BIN/microtrace-cgi" --listen "unix:$DIR/watched.sock"
    [[ $output == *"Address already in use"* ]]
    kill "$watcher"
    wait "$watcher"
}

@test "with MICROTRACE_TRACES_KEEP=error only a failed request leaves its trace" {
    env MICROTRACE_TRACES_KEEP=error "$BIN/microtrace-cgi" -s "unix:$DIR/keep.sock" >"$DIR/keep.log" 2>&1 3>&- &
    wait_until test -S "$DIR/keep.sock"
    ask "$DIR/keep.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi" HTTP_X_REQUEST_ID=keep-fine
    ask "$DIR/keep.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/head.cgi" HTTP_X_REQUEST_ID=keep-failed
    [ -z "$(span_of keep-fine)" ]
    span_of keep-failed | expect_json '.attrs["error.type"] == "no_output"'
    [ "$(logs '.message == "request_completed" and (.request_id | startswith("keep-"))' | wc -l)" -eq 2 ]
    kill $!
    wait $!
}

@test "with SIGTERM each process finishes its request, and all end" {
    script slow.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
touch "$PWD/begun"
while [ ! -e "$PWD/go" ]; do sleep 0.02; done
echo finished
END
    local gateway client next
    "$BIN/microtrace-cgi" --listen "unix:$DIR/stop.sock" -c 3 >"$DIR/stop.log" 2>&1 3>&- &
    gateway=$!
    wait_until test -S "$DIR/stop.sock"
    ask "$DIR/stop.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/slow.cgi" 3>&- &
    client=$!
    wait_until test -e "$SITE/begun"
    kill "$gateway"
    wait_until eval '[ "$(pgrep -c -P '"$gateway"')" -eq 1 ]'
    # Nobody waits for it any more, and a successor can have the socket.
    wait_until test ! -e "$DIR/stop.sock"
    "$BIN/microtrace-cgi" --listen "unix:$DIR/stop.sock" >>"$DIR/stop.log" 2>&1 3>&- &
    next=$!
    wait_until test -S "$DIR/stop.sock"
    kill "$gateway"
    touch "$SITE/go"
    wait "$client"
    answered '^finished$'
    wait "$gateway"
    ask "$DIR/stop.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi"
    kill "$next"
    wait "$next"
    [ ! -s "$DIR/stop.log" ]
}

@test "MICROTRACE_ROUTES names what one script serves" {
    request GET /env.cgi/user/17 -H 'X-Request-ID: routed'
    span_of routed | expect_json '.name == "GET /env.cgi/user/{id}"'
    [ "$(counter 'requests_total{method="GET",path="/env.cgi/user/{id}",status="200"}')" -eq 1 ]
}

@test "an operand that is not the request's script is not run: a query may become one" {
    run -0 --separate-stderr env -i REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/env.cgi" "MICROTRACE_RUN_DIR=$STATE/run" \
        "MICROTRACE_SPOOL_DIR=$STATE/spool" "$BIN/microtrace-cgi" /usr/bin/id
    [[ ${lines[0]} == "Status: 403"* ]]
}

@test "the command line and the settings: what can't be used is named, exit 2" {
    run -2 "$BIN/microtrace-cgi" --nonsense
    run -2 "$BIN/microtrace-cgi" -z
    run -2 "$BIN/microtrace-cgi" -c 0
    run -2 "$BIN/microtrace-cgi" -c
    run -2 "$BIN/microtrace-cgi" operand
    run -2 "$BIN/microtrace-cgi" -s nonsense
    [[ $output == *unix:/path* ]]
    run -2 "$BIN/microtrace-cgi" -s nonsense --check
    # Only a socket that was left behind is taken away, no other file.
    echo kept >"$DIR/file"
    run -2 "$BIN/microtrace-cgi" -s "unix:$DIR/file"
    [[ $output == *"can't listen on"* ]]
    [ "$(cat "$DIR/file")" = kept ]
    run -2 env MICROTRACE_CGI_TIMEOUT=0 "$BIN/microtrace-cgi" --check
    [[ $output == *MICROTRACE_CGI_TIMEOUT* ]]
    run -0 env MICROTRACE_CGI_TIMEOUT=1.5s "$BIN/microtrace-cgi" --check
    run -2 env MICROTRACE_ROUTES=no-slash "$BIN/microtrace-cgi" --check
    [[ $output == *MICROTRACE_ROUTES* ]]
    run -0 "$BIN/microtrace-cgi" --check
    run -2 "$BIN/microtrace-cgi" </dev/null
    run -0 "$BIN/microtrace-cgi" -h
    [ "$(awk 'length > 80' <<<"$output")" = "" ]
    run -0 "$BIN/microtrace-cgi" --version
}
