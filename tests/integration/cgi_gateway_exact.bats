#!/usr/bin/env bats
# Goal: what 16 clients have seen of scripts that fail in every way is, request by request, what
# spans, log lines and metrics say; also when processes are killed meanwhile. CGI_REQUESTS sets how
# many requests show it.

bats_require_minimum_version 1.5.0
load helpers
load cgi_gateway

setup() {
    new_site
    script exact.cgi <<'END'
#!/bin/sh
case $QUERY_STRING in
fine)
    [ ! -e lengths ] || printf 'Content-Length: 5\n'
    printf 'Content-Type: text/plain\n\nfine\n' ;;
status) printf 'Status: 500 No\nContent-Type: text/plain\n\nno\n' ;;
exit) exit 1 ;;
kill) kill -KILL $$ ;;
sleep) exec sleep 7720 ;;
half)
    [ ! -e lengths ] || printf 'Content-Length: 9\n'
    printf 'Content-Type: text/plain\n\nhalf\n'
    exec sleep 7720 ;;
garbage) echo '<html>no header</html>' ;;
esac
END
    start_gateway MICROTRACE_CGI_TIMEOUT=2 -- -c 16
    start_lighttpd
}

teardown() {
    [ -z "${KILLER:-}" ] || kill "$KILLER" 2>/dev/null || true
    end_site
}

clients() {
    /usr/bin/python3 "$ROOT/tests/tools/cgi_clients.py" "$URL" "${CGI_REQUESTS:-2000}" 16 "$STATE/spool" \
        "$BIN/microtrace --state $STATE metrics --prometheus" "$@"
}

@test "16 clients, every tenth request fails in one of five ways: all counts agree exactly" {
    clients
    expect metric requests_in_progress --eq 0
}

@test "an answer that the gateway breaks off: lighttpd takes it for whole, unless it has a length" {
    # As docs/gateways.md says it of a web server that collects answers first.
    request GET '/exact.cgi?half'
    expect 200
    [ "$(cat "$DIR/body")" = half ]
    touch "$SITE/lengths"
    run -18 curl -sS -m 20 -o "$DIR/ignored" "$URL/exact.cgi?half"
}

@test "kill -9 of processes at random: no request that was answered is missing" {
    # lighttpd takes what has come for the answer where the gateway dies before its end. With a length
    # the last byte is the end, which goes out once all is told.
    touch "$SITE/lengths"
    (
        RANDOM=7
        while sleep 0.1; do
            mapfile -t workers < <(pgrep -P "$GATEWAY")
            kill -KILL "${workers[RANDOM % ${#workers[@]}]}" 2>/dev/null || true
        done
    ) 3>&- &
    KILLER=$!
    clients --killed
    kill "$KILLER"
    unset KILLER
    expect metric requests_in_progress --eq 0
    wait_until eval '! pgrep -f "$SITE/exact.cgi" >/dev/null'
}
