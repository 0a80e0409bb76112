#!/usr/bin/env bats
# Goal: a piece of an instance is missing, from the start or all at once: every answer and every script
# goes on, /readyz says 503 and why, somebody is told, and all is well again once the piece is back.
# (Spool directory: agent_faults.bats. Which line names what: silence.bats.)

bats_require_minimum_version 1.5.0
load helpers
load spool

setup() {
    new_spool
    export TMPDIR=$DIR
    DEV=''
}

teardown() {
    stop_background
    [ -n "${BATS_TEST_COMPLETED:-}" ] || cat "$AGENT_LOG" || true
    remove_folder
}

# cgi METHOD PATH [COMMAND...]: one request to a CGI process; its answer.
cgi() {
    local method=$1 path=$2
    shift 2
    printf '{"a": 1, "b": 2}' | env REQUEST_METHOD="$method" SCRIPT_NAME=/c PATH_INFO="$path" SERVER_PROTOCOL=HTTP/1.1 \
        GATEWAY_INTERFACE=CGI/1.1 CONTENT_TYPE=application/json CONTENT_LENGTH=16 "$@" "$BIN/analyze"
}

# bare_host COMMAND...: runs it without any of our variables where the default folders do not exist.
bare_host() {
    # shellcheck disable=SC2016 # for the inner shell
    env -u MICROTRACE_RUN_DIR -u MICROTRACE_SPOOL_DIR unshare -m bash -euc \
        'mount -t tmpfs none /run && mount -t tmpfs none /var/spool && [ -z "$0" ] || mount --bind "$0" /dev
        cd / && exec "$@"' "$DEV" "$@"
}

answers() {
    [ "$(curl -s -m 10 -o "$DIR/answer" -w '%{http_code}' "$AGENT_URL/$1")" = "$2" ] && grep -q -- "$3" "$DIR/answer"
}

has_mode() {
    [ "$(stat -c %a "$2" 2>/dev/null)" = "$1" ]
}

counted() {
    "$BIN/microtrace" expect metric --within 0 'requests_total{path="/analyze",status="200"}' --eq "$1" >"$DIR/seen" 2>&1
}

@test "the default folders do not exist: every program answers or goes on, says so once, and is not ready" {
    need_mounts
    local lost='are lost: /run/microtrace (MICROTRACE_RUN_DIR is not set): No such file or directory; make the directory'
    run -0 --separate-stderr bare_host bash -c "$(declare -f cgi); BIN=$BIN; cgi POST /analyze; cgi POST /analyze"
    [ "$(grep -c '"sum": 3.0' <<<"$output")" -eq 2 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == "analyze: metrics $lost"*"spans and logs are lost: /var/spool/microtrace (MICROTRACE_SPOOL_DIR is not set): "* ]]
    run -0 --separate-stderr bare_host bash -c "$(declare -f cgi); BIN=$BIN; cgi GET /readyz; cgi GET /healthz"
    [[ $output == *"Status: 503 "*/run/microtrace/metrics.mmap*'{"status":"ok"}'* ]]

    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\nhello"\n' >"$DIR/hello.cgi"
    chmod 755 "$DIR/hello.cgi"
    rm -f "$DIR"/.microtrace-*
    run -0 --separate-stderr bare_host env REQUEST_METHOD=GET SCRIPT_FILENAME="$DIR/hello.cgi" SCRIPT_NAME=/h \
        SERVER_PROTOCOL=HTTP/1.1 GATEWAY_INTERFACE=CGI/1.1 "$BIN/microtrace-cgi" "$DIR/hello.cgi"
    [[ $output == *hello ]]
    [[ $stderr == "microtrace-cgi: metrics $lost"* ]]

    run -0 --separate-stderr bare_host "$BIN/microtrace" run -- echo hello
    [ "$output" = hello ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    run -0 --separate-stderr bare_host "$BIN/microtrace" count orders_total
    [ "${#stderr_lines[@]}" -eq 1 ]
    rm -f "$DIR"/.microtrace-*
    run -0 --separate-stderr bare_host "$BUILD/examples/import"
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ $stderr == "import: metrics $lost"* ]]
}

@test "stderr leads nowhere, as below a lighttpd in the background: the system's log has the line" {
    need_mounts
    DEV=$DIR/dev
    mkdir "$DEV"
    for name in null zero urandom; do
        mknod -m 666 "$DEV/$name" c 1 "$(case $name in null) echo 3 ;; zero) echo 5 ;; *) echo 9 ;; esac)" || skip "no right to make devices"
    done
    [ -c "$DEV/null" ] && : >"$DEV/null" || skip "devices can't be used here"
    background /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(20)
open(sys.argv[2], "wb").write(s.recv(8192))' "$DEV/log" "$DIR/system.log"
    wait_until test -S "$DEV/log"
    run -0 bare_host bash -c "$(declare -f cgi); BIN=$BIN; cgi POST /analyze 2>/dev/null; cgi POST /analyze 2>/dev/null"
    [ "$(grep -c '"sum": 3.0' <<<"$output")" -eq 2 ]
    wait_until test -s "$DIR/system.log"
    grep -qE '^<28>analyze\[[0-9]+\]: metrics are lost: /run/microtrace .*spans and logs are lost: /var/spool/microtrace ' "$DIR/system.log"
    # A log that is full holds nobody up.
    background /usr/bin/python3 -c '
import os, socket, sys, time
os.unlink(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
c.setblocking(False)
try:
    while True:
        c.sendto(b"x", sys.argv[1])
except BlockingIOError:
    open(sys.argv[2], "w")
time.sleep(60)' "$DEV/log" "$DIR/full"
    wait_until test -e "$DIR/full"
    rm -f "$DIR"/.microtrace-*
    run -0 bare_host timeout 20 bash -c "$(declare -f cgi); BIN=$BIN; cgi POST /analyze 2>/dev/null"
    [[ $output == *'"sum": 3.0'* ]]
}

@test "the run directory is taken away while all run: answers go on, the agent makes it again, counting goes on" {
    start_agent
    cgi POST /analyze >/dev/null
    counted 1
    # The agent would make it again within a second.
    kill -STOP "$AGENT"
    rm -rf "$STATE/run"
    run -0 cgi POST /analyze
    [[ $output == *'"sum": 3.0'* ]]
    kill -CONT "$AGENT"
    wait_until has_mode 2770 "$STATE/run"
    wait_until grep -q "MICROTRACE_RUN_DIR: $STATE/run was gone; it is made anew" "$AGENT_LOG"
    cgi POST /analyze >/dev/null
    wait_until counted 1
    wait_until answers metrics 200 '^requests_total{method="POST",path="/analyze",status="200"} 1.0'
    wait_until answers healthz 200 ok
    run -0 cgi GET /readyz
    [[ $output == *'{"status":"ready"}' ]]
}

@test "it can't be made again: the agent says so once, is not well, and goes on once it is there" {
    [ "$(id -u)" -eq 0 ] || skip "needs root, to run as another user"
    chmod 755 "$STATE"
    chown -R 65534:65534 "$STATE/run" "$SPOOL"
    mkdir "$DIR/bin"
    cp "$BIN/metrics-agent" "$DIR/bin"
    background env MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" setpriv --reuid=65534 --regid=65534 --clear-groups "$DIR/bin/metrics-agent"
    wait_until answers healthz 200 ok
    wait_until rm -rf "$STATE/run"
    wait_until answers healthz 503 "MICROTRACE_RUN_DIR: $STATE/run is gone and can't be made: Permission denied"
    wait_until answers metrics 503 missing
    install -d -m 2770 -o 65534 -g 65534 "$STATE/run"
    wait_until answers healthz 200 ok
    wait_until answers metrics 200 microtrace_build_info
    [ "$(grep -c "can't be made" "$AGENT_LOG")" -eq 1 ]
    wait_until grep -q "the metrics file is right again" "$AGENT_LOG"
}
