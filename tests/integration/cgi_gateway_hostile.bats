#!/usr/bin/env bats
# Goal: whatever a script does, its request ends within bounds and says why, nothing of it stays
# behind, and the next request is answered.

bats_require_minimum_version 1.5.0
load helpers
load cgi_gateway

setup_file() {
    new_site
    script ok.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nok\n'
END
    start_gateway MICROTRACE_CGI_TIMEOUT=5 MICROTRACE_CGI_OUTPUT_MAX=3M -- -c 2
    start_lighttpd 'server.stream-response-body = 1' 'server.stream-request-body = 1'
    export GATEWAY
}

teardown_file() { end_site; }

# After each test another request is answered as ever, and nothing of a script runs.
teardown() {
    request GET /ok.cgi
    expect 200
    wait_until no_process "$SITE/"
    [ -z "${THIRD:-}" ] || end_limited
    [ -z "${STRAY:-}" ] || kill -KILL "$STRAY" 2>/dev/null || true
}

# no_process TEXT: nothing runs whose command line has it.
no_process() {
    refute pgrep -f "$1" >"$DIR/found"
}

# fails_with STATUS ERROR ID: the last answer, and the span of its request.
fails_with() {
    expect "$1"
    span_of "$3" | jq -s . | expect_json "length == 1 and .[0].status.code == 2 and
        .[0].attrs[\"error.type\"] == \"$2\""
}

@test "a silent script is ended with all its processes: 504" {
    script silent.cgi <<'END'
#!/bin/sh
trap '' TERM
sleep 77100 &
sleep 77101
END
    request GET /silent.cgi -H 'X-Request-ID: silent'
    fails_with 504 gateway_timeout silent
    span_of silent | expect_json '.attrs["microtrace.cgi.signal"] == "SIGKILL"'
    wait_until no_process 'sleep 7710[01]'
    [ "$(counter 'errors_total{method="GET",path="/silent.cgi",exception="gateway_timeout"}')" -eq 1 ]
}

@test "MICROTRACE_CGI_TIMEOUT may be less than a second" {
    local short
    script short.cgi <<'END'
#!/bin/sh
exec sleep 77102
END
    env MICROTRACE_CGI_TIMEOUT=300ms "$BIN/microtrace-cgi" -s "unix:$DIR/short.sock" \
        >>"$DIR/gateway.log" 2>&1 </dev/null 3>&- &
    short=$!
    wait_until test -S "$DIR/short.sock"
    ask "$DIR/short.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/short.cgi" HTTP_X_REQUEST_ID=short
    answered '^Status: 504 Gateway Timeout'
    kill "$short"
    wait "$short"
    span_of short | expect_json '.attrs["error.type"] == "gateway_timeout"'
    wait_until no_process 'sleep 77102'
}

@test "started by cgi.assign it keeps the same bounds" {
    script assigned/mixed.cgi <<'END'
#!/bin/sh
case $QUERY_STRING in
silent) sleep 77108 & sleep 77109 ;;
killed) kill -SEGV $$ ;;
none) echo gone wrong >&2; exit 3 ;;
endless) printf 'Content-Type: text/plain\n\n'; exec yes "$PWD" ;;
esac
END
    request GET '/assigned/mixed.cgi?silent' -H 'X-Request-ID: assigned-1'
    fails_with 504 gateway_timeout assigned-1
    wait_until no_process 'sleep 7710[89]'
    request GET '/assigned/mixed.cgi?killed' -H 'X-Request-ID: assigned-2'
    fails_with 502 killed assigned-2
    request GET '/assigned/mixed.cgi?none' -H 'X-Request-ID: assigned-3'
    fails_with 502 no_output assigned-3
    span_of assigned-3 | expect_json '.attrs["process.exit.code"] == 3'
    logs '.request_id == "assigned-3" and .message == "stderr"' | expect_json '.line == "gone wrong"'
    grep -q 'gone wrong' "$DIR/lighttpd.log" "$DIR/lighttpd.out"
    request GET '/assigned/mixed.cgi?endless' -H 'X-Request-ID: assigned-4' || true
    fails_with 200 output_too_large assigned-4
}

@test "a script that goes silent behind its header has answered 200, and its answer is cut" {
    script half.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nhalf\n'
exec sleep 77102
END
    # The client sees that it is not whole.
    run -18 curl -sS -m 20 -o "$DIR/ignored" "$URL/half.cgi"
    request GET /half.cgi -H 'X-Request-ID: half' || true
    fails_with 200 gateway_timeout half
    [ "$(cat "$DIR/body")" = half ]
    wait_until no_process 'sleep 77102'
}

@test "output goes out while it comes, and a body goes in" {
    script clock.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
while [ ! -e "$PWD/enough" ]; do echo tick; sleep 0.05; done
END
    # The script ends only when the client has seen what it has written.
    curl -sSN -m 20 "$URL/clock.cgi" >"$DIR/ticks" 3>&- &
    wait_until grep -q tick "$DIR/ticks"
    touch "$SITE/enough"
    wait $!
    rm "$SITE/enough"
    script first.cgi <<'END'
#!/bin/sh
read -r line
touch "$PWD/seen"
cat >/dev/null
printf 'Content-Type: text/plain\n\n%s\n' "$line"
END
    # The second half of the body comes only when the script has seen the first.
    request POST /first.cgi -T - -H 'Transfer-Encoding:' -H 'Content-Length: 13' < <(echo first; wait_until test -e "$SITE/seen"; echo second)
    expect 200
    [ "$(cat "$DIR/body")" = first ]
    rm "$SITE/seen"
}

@test "endless output is cut at MICROTRACE_CGI_OUTPUT_MAX" {
    script endless.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
exec yes "$PWD"
END
    request GET /endless.cgi -H 'X-Request-ID: endless' || true
    fails_with 200 output_too_large endless
    [ "$(stat -c %s "$DIR/body")" -le 3145728 ]
    [ "$(stat -c %s "$DIR/body")" -ge 3000000 ]
}

@test "a header of 1 MB and one that never ends: 502" {
    script header.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\nX-Long: '
head -c 1048576 /dev/zero | tr '\0' a
printf '\n\nbody'
END
    request GET /header.cgi -H 'X-Request-ID: header'
    fails_with 502 header_too_large header
    script lines.cgi <<'END'
#!/bin/sh
exec yes 'X-Line: again'
END
    request GET /lines.cgi -H 'X-Request-ID: lines'
    fails_with 502 header_too_large lines
}

@test "a script ended by a signal: 502 before its header, cut behind it" {
    script killed.cgi <<'END'
#!/bin/sh
[ -z "$QUERY_STRING" ] || printf 'Content-Type: text/plain\n\nhalf\n'
kill -SEGV $$
END
    request GET /killed.cgi -H 'X-Request-ID: killed-1'
    fails_with 502 killed killed-1
    request GET '/killed.cgi?half' -H 'X-Request-ID: killed-2' || true
    fails_with 200 killed killed-2
    span_of killed-2 | expect_json '.attrs["microtrace.cgi.signal"] == "SIGSEGV"'
}

@test "an exit status is told, and is no failure of an answer that is whole" {
    script exits.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nwhole\n'
exit 7
END
    request GET /exits.cgi -H 'X-Request-ID: exits'
    expect 200
    span_of exits | expect_json '.attrs["process.exit.code"] == 7 and .status == {}'
}

@test "a process that keeps the script's stdout is waited for a little, and left alone" {
    script daemon.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nstarted\n'
sleep 77103 &
END
    request GET /daemon.cgi -H 'X-Request-ID: daemon'
    expect 200
    [ "$(cat "$DIR/body")" = started ]
    span_of daemon | expect_json '.attrs["microtrace.cgi.stdout_left_open"] == true'
    wait_until pgrep -f 'sleep 77103' >/dev/null
    STRAY=$(pgrep -f 'sleep 77103')
    kill -0 "$STRAY"
}

@test "an answer with its Content-Length does not wait for what the script does afterwards" {
    script after.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\nContent-Length: 5\n\nwhole'
exec sleep 77104
END
    request GET /after.cgi -H 'X-Request-ID: after'
    expect 200
    [ "$(cat "$DIR/body")" = whole ]
    span_of after | expect_json '.status == {} and (.attrs | has("process.exit.code") | not)'
    wait_until pgrep -f 'sleep 77104' >/dev/null
    STRAY=$(pgrep -f 'sleep 77104')
}

@test "a script that closes stdin, or does not read, gets a large body out of the way" {
    script deaf.cgi <<'END'
#!/bin/sh
exec <&-
printf 'Content-Type: text/plain\n\ndeaf\n'
END
    script lazy.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\nlazy\n'
END
    head -c 5000000 /dev/zero >"$DIR/sent"
    for name in deaf lazy; do
        request POST /$name.cgi --data-binary "@$DIR/sent"
        expect 200
        [ "$(cat "$DIR/body")" = $name ]
    done
}

@test "stderr: long and binary lines are cut and valid UTF-8, a flood of lines is bounded" {
    script stderr.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
case $QUERY_STRING in
long) head -c 10000000 /dev/zero | tr '\0' a >&2 ;;
binary) printf 'a\377\376\000b\033[31mc\n' >&2 ;;
flood) yes line | head -n 5000 >&2 ;;
esac
echo end
END
    request GET '/stderr.cgi?long' -H 'X-Request-ID: long'
    expect 200
    logs '.request_id == "long" and .message == "stderr"' | jq -s . |
        expect_json 'length == 1 and (.[0].line | length) == 4096 and .[0].cut_bytes == 9995904'
    span_of long | expect_json '.attrs["microtrace.cgi.stderr_cut_bytes"] == 9995904'
    request GET '/stderr.cgi?binary' -H 'X-Request-ID: binary'
    logs '.request_id == "binary" and .message == "stderr"' | jq -s . |
        expect_json 'length == 1 and (.[0].line | startswith("a\ufffd") and endswith("c"))'
    grep -h '"binary"' "$STATE"/spool/logs.jsonl | iconv -f UTF-8 -t UTF-8 >/dev/null
    request GET '/stderr.cgi?flood' -H 'X-Request-ID: flood'
    expect 200
    [ "$(logs '.request_id == "flood" and .message == "stderr"' | wc -l)" -eq 1000 ]
    span_of flood | expect_json '.attrs["microtrace.cgi.stderr_dropped_lines"] == 4000'
}

@test "a path with line ends and escapes is one line for the server's log, without them" {
    local path=$'/no-such\nmicrotrace-cgi: forged\033[31m'
    mkdir -p "$SITE$path"
    ask "$DIR/cgi.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE$path"
    answered '^Status: 403 '
    refute grep -aq '^microtrace-cgi: forged' "$DIR/gateway.log"
    [ "$(grep -acF 'no-such\u000amicrotrace-cgi: forged\u001b[31m: the script is no file' "$DIR/gateway.log")" -eq 1 ]
    rmdir "$SITE$path"
}

@test "a client that goes away takes its script with it, and is counted" {
    local before
    script waits.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
while sleep 0.2; do echo "$PWD"; done
END
    before=$(counter requests_abandoned_total)
    for prefix in "" /assigned; do
        cp "$SITE/waits.cgi" "$SITE/assigned/"
        : >"$DIR/body"
        curl -sSN -m 60 "$URL$prefix/waits.cgi" >"$DIR/body" 3>&- &
        wait_until test -s "$DIR/body"
        kill $!
        wait $! || true
        wait_until no_process waits.cgi
    done
    wait_until eval '[ "$(counter requests_abandoned_total)" -eq '$((before + 2))' ]'
}

@test "kill -9 of a process takes its script's whole group with it, and another one serves" {
    script group.cgi <<'END'
#!/bin/sh
sleep 77105 &
sleep 77106
END
    curl -sS -m 60 -o "$DIR/body" "$URL/group.cgi" 3>&- &
    wait_until pgrep -f 'sleep 77105' >/dev/null
    wait_until pgrep -f 'sleep 77106' >/dev/null
    worker=$(ps -o ppid= -p "$(pgrep -f "$SITE/group.cgi")")
    kill -KILL "$worker"
    wait_until no_process 'sleep 7710[56]'
    wait $! || true
    wait_until eval '[ "$(pgrep -c -P '"$GATEWAY"')" -eq 2 ]'
    expect metric requests_in_progress --eq 0
}

# start_limited PROCESSES: a gateway of a user who may have no more processes; THIRD is its pid.
start_limited() {
    mkdir -p "$DIR/limited/run" "$DIR/limited/spool"
    chmod 755 "$SITE"
    chown -R 61234:61234 "$DIR/limited"
    env MICROTRACE_RUN_DIR="$DIR/limited/run" MICROTRACE_SPOOL_DIR="$DIR/limited/spool" MICROTRACE_CGI_TIMEOUT=3 \
        setpriv --reuid=61234 --regid=61234 --clear-groups prlimit --nproc="$1:100" "$BIN/microtrace-cgi" \
        --listen "unix:$DIR/limited/sock" >"$DIR/limited.log" 2>&1 3>&- &
    THIRD=$!
    wait_until test -S "$DIR/limited/sock"
    wait_until pgrep -P "$THIRD" >/dev/null
}

end_limited() {
    kill "$THIRD"
    wait_until gone "$THIRD"
    rm -rf "$DIR/limited"
    unset THIRD
}

@test "no room for a process: 503, and the next request is served" {
    need_other_user
    start_limited 2
    ask "$DIR/limited/sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/ok.cgi" HTTP_X_REQUEST_ID=no-room
    answered '^Status: 503 Service Unavailable'
    grep -h '"no-room"' "$DIR/limited/spool/traces.jsonl" | grep -q '"spawn_failed"'
    setpriv --reuid=61234 --regid=61234 --clear-groups prlimit --nproc=20: --pid "$(pgrep -P "$THIRD")"
    ask "$DIR/limited/sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/ok.cgi"
    answered '^ok$'
    end_limited
}

@test "a fork bomb within its user's limit is ended, all of it" {
    need_other_user
    script bomb.cgi <<'END'
#!/bin/sh
bomb() { bomb 2>/dev/null | bomb 2>/dev/null & wait; }
bomb 2>/dev/null
exec sleep 77107
END
    start_limited 40
    ask "$DIR/limited/sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/bomb.cgi"
    answered '^Status: 50[24]'
    wait_until eval '[ "$(pgrep -c -u 61234)" -le 2 ]'
    ask "$DIR/limited/sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/ok.cgi"
    answered '^ok$'
    end_limited
}

@test "telemetry that can't be written fails no script" {
    mkdir "$DIR/full"
    env MICROTRACE_RUN_DIR=/nowhere MICROTRACE_SPOOL_DIR="$DIR/full" "$BIN/microtrace-cgi" \
        --listen "unix:$DIR/fourth.sock" >"$DIR/fourth.log" 2>&1 3>&- &
    wait_until test -S "$DIR/fourth.sock"
    wait_until pgrep -P $! >/dev/null
    # What a full disk gives: not a byte more can be written into any file.
    prlimit --fsize=0 --pid "$(pgrep -P $!)"
    ask "$DIR/fourth.sock" REQUEST_METHOD=GET "SCRIPT_FILENAME=$SITE/ok.cgi"
    answered '^ok$'
    kill $!
    wait $!
}
