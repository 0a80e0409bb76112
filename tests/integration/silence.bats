#!/usr/bin/env bats
# Goal: nothing is lost or stuck in silence. `microtrace spool status` ends with 1 and says why
# within seconds while the collector can't be reached or refuses, while writers lose records, while
# nothing is sent by mistake and while no agent runs; the agent says at its start what it does.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() {
    new_spool
    export TMPDIR=$DIR
}

teardown() {
    stop_background
    [ -n "${BATS_TEST_COMPLETED:-}" ] || { cat "$AGENT_LOG" "$DIR/status" || true; }
    remove_folder
}

stop_agent() {
    kill "-$1" "$AGENT"
    wait "$AGENT" || true
}

# status_says STATUS TEXT...: what `spool status` ends with, and prints.
status_says() {
    local expected=$1 status=0
    shift
    "$BIN/microtrace" spool status >"$DIR/status" || status=$?
    [ "$status" -eq "$expected" ] || return 1
    [ "$status" -eq 0 ] || ! grep -q 'Nothing is wrong' "$DIR/status" || return 1
    for text; do
        grep -q -- "$text" "$DIR/status" || return 1
    done
}

status_json() {
    ("$BIN/microtrace" spool status --json || true) | tee "$DIR/status" | jq -e "$1" >/dev/null
}

# cgi [NAME=VALUE...]: one request to a CGI process; what it says on stderr is in $DIR/stderr.
cgi() {
    printf '{"a": 1, "b": 2}' | env REQUEST_METHOD=POST SCRIPT_NAME=/c PATH_INFO=/analyze \
        CONTENT_TYPE=application/json CONTENT_LENGTH=16 "$@" "$BIN/analyze" \
        >"$DIR/answer" 2>>"$DIR/stderr"
    grep -q '"sum": 3.0' "$DIR/answer"
}

@test "the agent says where it serves, and where it sends or that it does not" {
    start_agent OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://me:secret@127.0.0.1:9/v1/traces
    grep -q "serving /metrics and /healthz on 127.0.0.1:$AGENT_PORT; the spool is $SPOOL" \
        "$AGENT_LOG"
    grep -q 'sending traces to http://REDACTED@127.0.0.1:9/v1/traces' "$AGENT_LOG"
    grep -q 'sending logs nowhere: no endpoint is set' "$AGENT_LOG"
    refute grep -rq secret "$AGENT_LOG" "$STATE/run/agent.status.json"
    stop_agent TERM
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9 OTEL_LOGS_EXPORTER=none
    grep -q 'sending logs nowhere: OTEL_LOGS_EXPORTER is none' "$AGENT_LOG"
}

@test "the collector refuses, answers 401, 404 or nothing: status says it, and when it is over" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    wait_until status_says 0 "traces are sent to $SINK/v1/traces: nothing yet" 'Nothing is wrong'
    local answer
    for answer in 401 404 503; do
        sink_answers "{\"mode\":\"status\",\"status\":$answer}"
        put traces "t$answer" 3
        wait_until status_says 1 "wrong: traces: for .* nothing has been delivered.*HTTP $answer"
        status_json ".signals.traces.export | .code == \"$answer\" and .failing_seconds >= 0 and
            .agent == \"live\" and .age_seconds >= 0"
        stop_agent TERM
        sink_answers '{}'
        start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
        wait_until status_says 0 "traces are sent to $SINK/v1/traces: .* s ago HTTP 200"
    done
    sink_answers '{"mode":"hang"}'
    put logs l 3
    wait_until status_says 1 "wrong: logs: $SINK/v1/logs has not answered for"
    stop_agent KILL
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1
    wait_until status_says 1 'wrong: logs: for .* nothing has been delivered to http://127.0.0.1:1/'
}

@test "TLS and DNS fail: status says it" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://${SINK#http://}/v1/traces" \
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://collector.invalid:4318/v1/logs
    put traces t 3
    put logs l 3
    wait_until status_says 1 'wrong: traces: .*write http://' 'wrong: logs: .*collector.invalid'
}

@test "a name that is nearly the endpoint's: named, and wrong" {
    start_agent OTEL_EXPORTER_OTLP_ENDPIONT=http://127.0.0.1:4318
    status_says 1 'wrong: traces: nothing is sent: OTEL_EXPORTER_OTLP_ENDPIONT is no setting' \
        'do you mean OTEL_EXPORTER_OTLP_ENDPOINT'
    stop_agent TERM
    # The same where microtrace-run has started it, which has warned itself.
    start_agent MICROTRACE_PROGRAMS=/ OTEL_EXPORTER_OTLP_ENDPIONT=http://127.0.0.1:4318
    status_json '.wrong | any(test("OTEL_EXPORTER_OTLP_ENDPIONT is no setting"))'
    stop_agent TERM
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318
    status_says 1 'wrong: logs: nothing is sent: OTEL_EXPORTER_OTLP_ENDPOINT: .*no scheme'
    stop_agent TERM
    # Without an endpoint nothing is sent on purpose.
    start_agent
    status_says 0 'note: logs: nothing is sent.*no endpoint is set' 'Nothing is wrong'
}

@test "the same below microtrace-run" {
    start_instance OTEL_EXPORTER_OTLP_ENDPIONT=http://127.0.0.1:4318
    wait_until status_says 1 'wrong: logs: nothing is sent: OTEL_EXPORTER_OTLP_ENDPIONT is no setting'
    stop_instance
}

@test "no agent: never started, ended, died; one that drains is not missed" {
    status_says 1 'wrong: no agent runs on this spool; start'
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    status_says 0
    stop_agent TERM
    status_says 1 'wrong: no agent runs on this spool, the last one was ended' 'traces were sent to '
    refute grep 'are sent to' "$DIR/status"
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    status_says 0
    stop_agent KILL
    status_says 1 'wrong: no agent runs on this spool, the last one died'
    put logs l 3
    OTEL_EXPORTER_OTLP_ENDPOINT=$SINK "$BIN/metrics-agent" --drain 2>>"$AGENT_LOG"
    status_says 0 'note: no agent runs; the spool was drained' 'Nothing is wrong'
    # A drain that failed is told as such.
    put logs again 3
    sink_answers '{"mode":"status","status":503}'
    refute env OTEL_EXPORTER_OTLP_ENDPOINT="$SINK" "$BIN/metrics-agent" --drain 2>>"$AGENT_LOG"
    status_says 1 'wrong: logs: for .* nothing has been delivered.*HTTP 503'
}

@test "writers lose records: status says it within seconds, and when it is over" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    cgi
    wait_until status_says 0
    # No file may grow beyond 1024 bytes, and the spool's have: as on a full disk.
    (ulimit -f 1 && cgi)
    status_says 1 'wrong: traces: writers lose records, the last . s ago, 2 so far (no_space' \
        'wrong: logs: writers lose records'
    status_json '.signals.logs.writers_lost.no_space | .now and .records == 3 and .age_seconds < 60'
    status_json '.signals.logs.writers_lost.full.now | not'
    # The agent has seen it too: an agent that is told of nothing else looks every ten seconds.
    wait_until jq -e '.signals.logs.lost.no_space | .records == 3 and .grown_ms > 0' \
        "$STATE/run/agent.status.json"

    # What can't be opened is lost for another reason.
    wait_until status_json '.signals.logs.backlog_records == 0'
    rm -f "$SPOOL/logs.jsonl"
    mkdir "$SPOOL/logs.jsonl"
    cgi
    status_says 1 'wrong: logs: writers lose records.*unwritable'
}

@test "a spool whose limit is reached: full, and wrong" {
    start_agent
    cgi
    # Without an agent that makes room the writers stop at their limit.
    kill -STOP "$AGENT"
    put logs l 400
    cgi MICROTRACE_SPOOL_MAX_BYTES=65536
    status_says 1 'wrong: logs: writers lose records.*full'
}

@test "an agent that can't write its status file says so, and status does not trust the old one" {
    start_sink
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    rm "$STATE/run/agent.status.json"
    status_says 1 'wrong: how sending goes can.t be seen: .*agent.status.json: No such file'
    # It comes back by itself.
    wait_until status_says 0
    stop_agent TERM
    rm "$STATE/run/agent.status.json"
    mkdir "$STATE/run/agent.status.json"
    start_agent OTEL_EXPORTER_OTLP_ENDPOINT="$SINK"
    grep -q "agent.status.json can't be written" "$AGENT_LOG"
    status_says 1 'wrong: how sending goes can.t be seen'
}

# rates JQ-EXPRESSION: of two looks, a second apart.
rates() {
    ("$BIN/microtrace" spool status --rate --json || true) | tee "$DIR/status" | jq -e "$1" >/dev/null
}

@test "what is idle has no rate, and each signal's limit is on /metrics" {
    start_agent MICROTRACE_SPOOL_MAX_BYTES=1000000
    put logs l 5 1 400000
    status_json '.signals.logs | .backlog_records == 5 and .in_per_second == null'
    wait_until rates '.signals.logs.in_per_second == 0'
    [ "$(metric 'microtrace_spool_limit_bytes{signal="logs"}')" = 500000 ]
    [ "$(metric 'microtrace_spool_limit_bytes{signal="traces"}')" = 500000 ]
}

@test "CGI with missing directories: one line a minute, over all processes, that names them" {
    rm -r "$STATE"
    cgi && cgi && cgi
    [ "$(wc -l <"$DIR/stderr")" -eq 1 ]
    grep -q "analyze: metrics are lost: $STATE/run: No such file or directory; make the directory" \
        "$DIR/stderr"
    grep -q "spans and logs are lost: $SPOOL: No such file or directory; make the directory" \
        "$DIR/stderr"
    # A minute later again, once.
    touch -d '61 seconds ago' "$DIR"/.microtrace-*
    cgi && cgi
    [ "$(wc -l <"$DIR/stderr")" -eq 2 ]
    # A file that is not ours to trust silences nobody.
    rm "$DIR"/.microtrace-*
    cgi TMPDIR="$DIR/nowhere" && cgi TMPDIR="$DIR/nowhere"
    [ "$(wc -l <"$DIR/stderr")" -eq 4 ]
    # And there is nothing to say once they are there.
    mkdir -p "$STATE/run" "$SPOOL"
    : >"$DIR/stderr"
    cgi TMPDIR="$DIR/nowhere"
    [ ! -s "$DIR/stderr" ]
}

@test "CGI with directories that are in order: the line names the file and what is wrong with it" {
    mkdir -p "$STATE/run/metrics.mmap" "$SPOOL/logs.jsonl" "$SPOOL/traces.jsonl"
    cgi
    [ "$(wc -l <"$DIR/stderr")" -eq 1 ]
    grep -q "metrics are lost: $STATE/run: $STATE/run/metrics.mmap: not a metrics file" "$DIR/stderr"
    grep -q "logs are lost: $SPOOL: $SPOOL/traces.jsonl: it is a directory" "$DIR/stderr"

    rmdir "$STATE/run/metrics.mmap" "$SPOOL"/*.jsonl
    rm "$DIR"/.microtrace-*
    truncate -s 2M "$SPOOL/traces.jsonl" "$SPOOL/logs.jsonl"
    cgi MICROTRACE_SPOOL_MAX_BYTES=1M
    [ "$(tail -n +2 "$DIR/stderr")" = "analyze: spans and logs are lost: $SPOOL: a file has reached its limit; start metrics-agent, which makes room" ]
}

@test "CGI as a user who may not write: the line names the directory, the user and the remedy" {
    [ "$(id -u)" = 0 ] || skip "needs root"
    mkdir "$DIR/bin"
    cp "$BIN/analyze" "$DIR/bin/analyze"
    chmod 755 "$DIR" "$DIR/bin" "$STATE" "$STATE/run" "$SPOOL"
    printf '{"a": 1, "b": 2}' | setpriv --reuid 65534 --clear-groups env REQUEST_METHOD=POST \
        SCRIPT_NAME=/c PATH_INFO=/analyze CONTENT_TYPE=application/json CONTENT_LENGTH=16 \
        "$DIR/bin/analyze" >"$DIR/answer" 2>"$DIR/stderr"
    grep -q '"sum": 3.0' "$DIR/answer"
    [ "$(wc -l <"$DIR/stderr")" -eq 1 ]
    grep -q "$STATE/run: Permission denied; let user 65534 write there (chgrp, chmod 2770)" \
        "$DIR/stderr"
    grep -q "$SPOOL: Permission denied; let user 65534 write there" "$DIR/stderr"
}

@test "CGI below lighttpd, which passes no environment: its error log says where it looked" {
    # An instance in the default directories is hidden for this one web server.
    unshare -m mount -t tmpfs none /run 2>/dev/null || skip "no mount is permitted here"
    mkdir "$DIR/www"
    ln -s "$BIN/analyze" "$DIR/www/microtrace.cgi"
    cat >"$DIR/cgi.conf" <<CONF
server.modules = ( "mod_cgi" )
server.bind = "127.0.0.1"
server.port = $HTTP_PORT
server.document-root = "$DIR/www"
server.breakagelog = "$DIR/error.log"
cgi.assign = ( ".cgi" => "" )
CONF
    background unshare -m sh -c "mount -t tmpfs none /run && mount -t tmpfs none /var/spool &&
        exec lighttpd -D -f '$DIR/cgi.conf'"
    wait_until curl -s -o /dev/null "$URL/"
    rm -f /tmp/.microtrace-"$(id -u)"-*
    request POST /microtrace.cgi/analyze -H 'Content-Type: application/json' -d '{"a": 1, "b": 2}'
    expect 200
    request GET /microtrace.cgi/healthz
    expect 200
    [ "$(grep -c 'are lost' "$DIR/error.log")" -eq 1 ]
    grep -q '/run/microtrace (MICROTRACE_RUN_DIR is not set): No such file' "$DIR/error.log"
    grep -q '/var/spool/microtrace (MICROTRACE_SPOOL_DIR is not set): No such' "$DIR/error.log"
    rm -f /tmp/.microtrace-"$(id -u)"-*
}

@test "the metrics file has what was written, without a scrape" {
    start_agent
    put logs l 1491
    wait_until written_is 1491
}

# written_is N: by the metrics file alone, which no scrape brings up to date here.
written_is() {
    local written
    written=$("$BIN/microtrace" metrics --prometheus |
        awk '$1 == "microtrace_spool_written_records_total{signal=\"logs\"}" { print int($2) }')
    [ "$written" = "$1" ]
}
