#!/usr/bin/env bats
# Goal: the drop-in for an existing lighttpd brings MicroTrace in beside what is there, without an
# influence on it.

load helpers

setup_file() {
    new_folder
    local site_port
    site_port=$(free_ports 1)
    mkdir -p "$STATE/run" "$STATE/spool" "$DIR/site"
    echo "the site that was there" >"$DIR/site/page.txt"
    sed -e "s|127.0.0.1:8000|127.0.0.1:$HTTP_PORT|; s|9464|$AGENT_PORT|; s|/usr/local/bin|$BIN|" \
        -e "s|/run/microtrace|$STATE/run|; s|/var/spool/microtrace|$STATE/spool|" \
        "$ROOT/deploy/lighttpd-drop-in.conf" >"$DIR/drop-in.conf"
    cat >"$DIR/site.conf" <<CONF
server.bind = "127.0.0.1"
server.port = $site_port
server.document-root = "$DIR/site"
server.upload-dirs = ( "$DIR" )
include "$DIR/drop-in.conf"
CONF
    MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$STATE/spool MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT \
        "$BIN/metrics-agent" >"$DIR/agent.log" 2>&1 </dev/null 3>&- &
    echo $! >"$DIR/agent"
    lighttpd -D -f "$DIR/site.conf" >"$LOG" 2>&1 </dev/null 3>&- &
    echo $! >"$DIR/instance"
    export SITE=http://127.0.0.1:$site_port
    wait_until curl -s -o /dev/null "$SITE/page.txt"
    wait_until curl -s -o /dev/null "$AGENT_URL/healthz"
}

teardown_file() {
    kill "$(cat "$DIR/agent")"
    wait_until gone "$(cat "$DIR/agent")"
    remove_folder
}

@test "the site answers as before" {
    [ "$(curl -sS "$SITE/page.txt")" = "the site that was there" ]
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$SITE/nothing")" = 404 ]
    refute grep -qi x-request-id <(curl -sSi "$SITE/nothing")
}

@test "MicroTrace answers on its own port, and its metrics count it" {
    analyze '{"a": 10.5, "b": 3.5}' -H 'X-Request-ID: drop-in-1'
    expect 200 '. == {"sum": 14, "difference": 7}'
    [ "$(header X-Request-ID)" = drop-in-1 ]
    request GET /nowhere
    expect 404 '. == {"detail": "Not Found"}'
    request GET /metrics
    expect 200
    grep -q '^requests_total{method="POST",path="/analyze",status="200"} 1' "$DIR/body"
    [ "$(spans | jq -c 'select(.kind == 2)' | wc -l)" -eq 2 ]
}
