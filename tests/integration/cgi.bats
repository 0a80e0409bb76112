#!/usr/bin/env bats
# Goal: the same binary is a plain CGI program, started by hand or by a web server, with the same
# answers and the same telemetry.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
    new_folder
    mkdir -p "$STATE/run" "$STATE/spool" "$DIR/www"
    ln -s "$BIN/analyze" "$DIR/www/microtrace.cgi"
    cat >"$DIR/cgi.conf" <<CONF
server.modules = ( "mod_setenv", "mod_cgi" )
server.bind = "127.0.0.1"
server.port = $HTTP_PORT
server.document-root = "$DIR/www"
server.upload-dirs = ( "$DIR" )
cgi.assign = ( ".cgi" => "" )
setenv.set-environment = (
    "MICROTRACE_RUN_DIR" => "$STATE/run",
    "MICROTRACE_SPOOL_DIR" => "$STATE/spool"
)
CONF
    lighttpd -D -f "$DIR/cgi.conf" >"$LOG" 2>&1 </dev/null 3>&- &
    echo $! >"$DIR/instance"
    wait_until curl -s -o /dev/null "$URL/"
}

teardown() {
    [ -z "${APACHE:-}" ] || kill "$APACHE" 2>/dev/null || true
}

teardown_file() {
    stop_instance
    rm -rf "$DIR"
}

# cgi METHOD PATH BODY [NAME=VALUE...]: one request by hand; STATUS, $DIR/headers and $DIR/body.
cgi() {
    local method=$1 path=$2 body=$3
    shift 3
    printf '%s' "$body" | env -i PATH="$PATH" MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" \
        GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 SERVER_NAME=localhost SERVER_PORT=80 REMOTE_ADDR=192.0.2.1 \
        REQUEST_METHOD="$method" SCRIPT_NAME=/cgi-bin/microtrace.cgi PATH_INFO="$path" QUERY_STRING= \
        CONTENT_LENGTH=${#body} CONTENT_TYPE=application/json "$@" "$BIN/analyze" >"$DIR/answer"
    awk -v RS='\r?\n' '!body && $0 == "" { body = 1; next } !body' "$DIR/answer" | tee "$DIR/headers.last" >"$DIR/headers"
    sed '1,/^\r*$/d' "$DIR/answer" >"$DIR/body"
    STATUS=$(header Status | cut -d' ' -f1)
    STATUS=${STATUS:-200}
}

@test "by hand: the example of the README" {
    cgi POST /analyze '{"a": 10.5, "b": 3.5}' HTTP_X_REQUEST_ID=cgi-1
    expect 200
    [ "$(cat "$DIR/body")" = '{"sum": 14.0, "difference": 7.0}' ]
    [ "$(header X-Request-ID)" = cgi-1 ]
    [[ $(header Content-Type) == application/json* ]]
}

@test "by hand: errors" {
    cgi POST /analyze '{"a": 1}'
    expect 422 '.detail[0].type == "missing"'
    cgi GET /analyze ''
    expect 405 '. == {"detail": "Method Not Allowed"}'
    cgi GET /nowhere ''
    expect 404 '. == {"detail": "Not Found"}'
    cgi POST /analyze '{}' CONTENT_TYPE=text/plain
    expect 415
    cgi POST /analyze '{"a":1,"b":2}' CONTENT_LENGTH=100
    [[ $STATUS == 4* ]]
    cgi POST /analyze '{"a":1,"b":2}' CONTENT_LENGTH=x
    [[ $STATUS == 4* ]]
    cgi GET /healthz ''
    expect 200 '.status == "ok"'
}

@test "by hand: traceparent is continued, spans and log lines are in the spool" {
    cgi POST /analyze '{"a": 1, "b": 2}' HTTP_X_REQUEST_ID=cgi-2 \
        HTTP_TRACEPARENT=00-5af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
    expect 200
    expect span --trace 5af7651916cd43dd8448eb211c80319c --count 2
    expect span --request cgi-2 --name 'POST /analyze' |
        expect_json '.kind == "server" and .parent_span_id == "b7ad6b7169203331"'
    expect log --request cgi-2 --count 3
}

@test "a setting that can't be used: exit 2 and a line that names it" {
    run -2 env -i REQUEST_METHOD=GET MAX_BODY_BYTES=much "$BIN/analyze" </dev/null
    [[ $output == *MAX_BODY_BYTES*much* ]]
}

@test "by a web server: answers and request ids" {
    request POST /microtrace.cgi/analyze -H 'Content-Type: application/json' -H 'X-Request-ID: web-1' -d '{"a": 10.5, "b": 3.5}'
    expect 200 '. == {"sum": 14, "difference": 7}'
    [ "$(header X-Request-ID)" = web-1 ]
    request POST /microtrace.cgi/analyze -H 'Content-Type: application/json' -d '{"a": 1}'
    expect 422 '.detail[0].type == "missing"'
    request GET /microtrace.cgi/nowhere
    expect 404 '. == {"detail": "Not Found"}'
    request GET /microtrace.cgi/healthz
    expect 200
}

@test "by a web server: 200 requests by 8 clients are counted exactly" {
    local before
    before=$(spooled logs | grep -c '"request_completed"' || true)
    seq 200 | xargs -P 8 -I{} curl -sS -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
        -H 'X-Request-ID: many-{}' -d '{"a": 1, "b": 2}' "$URL/microtrace.cgi/analyze" >"$DIR/statuses"
    [ "$(sort "$DIR/statuses" | uniq -c | awk '{ print $1, $2 }')" = "200 200" ]
    [ "$(spooled logs | grep -c '"request_completed"')" -eq $((before + 200)) ]
    [ "$(spans | jq -r 'select(.kind == 2).attrs."microtrace.request_id".stringValue' | grep -c '^many-')" -eq 200 ]
}

# start_apache MPM MODULE: Apache, with analyze at /microtrace.cgi; a body over 70,000 bytes is too large.
start_apache() {
    local modules=/usr/lib/apache2/modules name
    APACHE_DIR=$DIR/$2
    mkdir "$APACHE_DIR" "$APACHE_DIR/run" "$APACHE_DIR/spool"
    cp "$BIN/analyze" "$APACHE_DIR/"
    read -r APACHE_PORT < <(free_ports 1)
    {
        for name in "mpm_$1" authz_core alias env "$2"; do
            echo "LoadModule ${name}_module $modules/mod_$name.so"
        done
        # As root it hands its processes to somebody else, and everything belongs to them.
        if [ "$(id -u)" -eq 0 ]; then
            echo "User nobody"
            echo "Group nogroup"
        fi
        [ "$2" != cgid ] || echo "ScriptSock $APACHE_DIR/cgid.sock"
        cat <<CONF
ServerName localhost
Listen 127.0.0.1:$APACHE_PORT
PidFile $APACHE_DIR/pid
ErrorLog $APACHE_DIR/error.log
Mutex file:$APACHE_DIR
DocumentRoot $APACHE_DIR/run
ScriptAlias /microtrace.cgi $APACHE_DIR/analyze
SetEnv MICROTRACE_RUN_DIR $APACHE_DIR/run
SetEnv MICROTRACE_SPOOL_DIR $APACHE_DIR/spool
SetEnv MAX_BODY_BYTES 70000
CONF
    } >"$APACHE_DIR/conf"
    [ "$(id -u)" -ne 0 ] || { chmod 711 "$DIR" && chown nobody:nogroup "$APACHE_DIR" "$APACHE_DIR"/run "$APACHE_DIR"/spool; }
    # At its end Apache signals its whole process group.
    setsid apache2 -d "$APACHE_DIR" -f "$APACHE_DIR/conf" -DFOREGROUND >"$APACHE_DIR/out" 2>&1 </dev/null 3>&- &
    APACHE=$!
    wait_until curl -s -o /dev/null "http://127.0.0.1:$APACHE_PORT/" || { cat "$APACHE_DIR/out" "$APACHE_DIR/error.log" && false; }
}

@test "by Apache: bodies of any framing and size are read whole or answered 413" {
    local module mpm url length framing expected
    for module in cgid cgi; do
        mpm=event
        [ "$module" = cgid ] || mpm=prefork
        start_apache "$mpm" "$module"
        url=http://127.0.0.1:$APACHE_PORT/microtrace.cgi/analyze
        for length in 100 70000 70001 200000 20000000; do
            printf '{"a":10.5,"b":3.5}%*s' $((length - 18)) '' >"$DIR/body.sent"
            expected='{"sum": 14.0, "difference": 7.0} 200'
            [ "$length" -le 70000 ] || expected='{"detail":"Request body too large"} 413'
            for framing in "Content-Length: $length" 'Transfer-Encoding: chunked'; do
                run curl -sS -m 30 -w ' %{http_code}' -H 'Content-Type: application/json' -H 'Expect:' -H "$framing" \
                    --data-binary "@$DIR/body.sent" "$url"
                [ "$output" = "$expected" ] || { echo "$module, $framing, $length: $output" && cat "$APACHE_DIR/error.log" && false; }
            done
        done
        kill "$APACHE"
        wait_until gone "$APACHE"
    done
}

@test "a program that ends with its request is missed by nobody when there is none" {
    cgi POST /analyze '{"a": 1, "b": 2}'
    expect 200
    env MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" "$BIN/microtrace" metrics --json >"$DIR/metrics"
    grep -q 'microtrace_workers' "$DIR/metrics"
    refute grep -q 'microtrace_program_workers' "$DIR/metrics"
    jq -e '[.. | objects | select(.name? == "program_cpu_seconds_total") | .series[].value] | add > 0' "$DIR/metrics"
}
