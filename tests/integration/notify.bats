#!/usr/bin/env bats
# Goal: a service manager hears of the agent, analyze and both gateways when they have started, what
# they do, that they go on, and that they end; what they start hears nothing of it.

load helpers
load proxy

setup_file() {
    new_proxy
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n%%s\\n" "${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}"\n' \
        >"$DIR/site/env.cgi"
    chmod 755 "$DIR/site/env.cgi"
}

teardown_file() {
    end_all
}

teardown() {
    end program
    end manager
}

told() {
    grep -qE "$1" "$DIR/manager.log"
}

# managed COMMAND...: under a manager that expects to hear each second that it goes on.
managed() {
    rm -f "$DIR/notify" "$DIR/manager.log" "$DIR/program.log"
    begin manager "$ROOT/tests/tools/service_manager.py" "$DIR/notify"
    wait_until told '^listening$'
    begin program env NOTIFY_SOCKET="$DIR/notify" WATCHDOG_USEC=500000 "$@"
}

# ends_well: SIGTERM is told, too.
ends_well() {
    end program
    wait_until told '^STOPPING=1 STATUS=ending$'
    [ "$(grep -c READY=1 "$DIR/manager.log")" = 1 ]
}

@test "the agent, and what is wrong with its spool" {
    managed env MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$BIN/metrics-agent"
    wait_until told "^READY=1 STATUS=serves http://127.0.0.1:$AGENT_PORT/metrics$"
    curl -sSf "$AGENT_URL/metrics" >/dev/null
    wait_until told '^WATCHDOG=1$'
    mv "$SPOOL" "$SPOOL.away"
    : >"$SPOOL"
    wait_until told '^STATUS=MICROTRACE_SPOOL_DIR: '
    rm "$SPOOL"
    mv "$SPOOL.away" "$SPOOL"
    wait_until told '^STATUS=serves '
    ends_well
}

is_stopped() {
    [[ $(ps -o stat= -p "$1") == T* ]]
}

@test "an agent that is stopped by a signal is silent" {
    local before
    managed env MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$BIN/metrics-agent"
    wait_until told '^WATCHDOG=1$'
    kill -STOP "$(pid_of program)"
    wait_until is_stopped "$(pid_of program)"
    # What it had told until then has been read when this has.
    /usr/bin/python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"MARK", sys.argv[1])' "$DIR/notify"
    wait_until told '^MARK$'
    before=$(wc -l <"$DIR/manager.log")
    sleep 1.5
    [ "$(wc -l <"$DIR/manager.log")" = "$before" ]
    kill -CONT "$(pid_of program)"
    goes_on() { [ "$(wc -l <"$DIR/manager.log")" -gt "$before" ]; }
    wait_until goes_on
    ends_well
}

@test "a drain is no service" {
    managed "$BIN/metrics-agent" --drain
    wait_until gone "$(pid_of program)"
    refute told READY
}

@test "microtrace-cgi; its scripts do not find the socket" {
    managed "$BIN/microtrace-cgi" -c 2 -s "unix:$DIR/cgi.sock"
    wait_until told '^READY=1 STATUS=2 processes serve$'
    wait_until told '^WATCHDOG=1$'
    /usr/bin/python3 "$ROOT/tests/tools/cgi_ask.py" "$DIR/cgi.sock" REQUEST_METHOD=GET SCRIPT_FILENAME="$DIR/site/env.cgi" \
        SCRIPT_NAME=/env.cgi DOCUMENT_ROOT="$DIR/site" >"$DIR/answer"
    grep -q '^none none' "$DIR/answer"
    ends_well
}

@test "microtrace-proxy" {
    managed "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" --upstream "$DIR/nobody.sock"
    wait_until told "^READY=1 STATUS=passes requests on to $DIR/nobody.sock$"
    wait_until told '^WATCHDOG=1$'
    ends_well
}

@test "analyze, with the socket as descriptor 0" {
    managed /usr/bin/python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1]); s.listen()
os.dup2(s.fileno(), 0); os.execv(sys.argv[2], sys.argv[2:])' "$DIR/analyze.sock" "$BIN/analyze"
    wait_until told '^READY=1 STATUS=serves requests$'
    end program
}
