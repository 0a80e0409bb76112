# shellcheck shell=bash
# What the tests of downstream calls share: a service that behaves as told, and a look at what it
# has seen and at what an instance recorded of a request.

# start_sink [NAME [PORT]]: sets SINK_PORT and SINK_URL; NAME tells several of them apart.
start_sink() {
    local name=${1:-sink}
    rm -f "$DIR/$name.port"
    /usr/bin/python3 "$ROOT/tests/tools/downstream_sink.py" --port-file "$DIR/$name.port" --port "${2:-0}" \
        >"$DIR/$name.log" 2>&1 </dev/null 3>&- &
    echo $! >>"$DIR/sinks"
    disown
    wait_until [ -s "$DIR/$name.port" ] || { cat "$DIR/$name.log" && return 1; }
    SINK_PORT=$(cat "$DIR/$name.port")
    SINK_URL=http://127.0.0.1:$SINK_PORT
    export SINK_PORT SINK_URL
}

stop_sinks() {
    local pid
    for pid in $(cat "$DIR/sinks" 2>/dev/null); do
        kill -KILL "$pid" 2>/dev/null || true
        wait_until gone "$pid"
    done
    rm -f "$DIR/sinks"
}

# sink JSON: how to answer from now on; forgets what was seen.
sink() {
    curl -sS -m 10 -o /dev/null --fail-with-body --data-binary "$1" "$SINK_URL/control"
}

# seen [JQ-FILTER]: of what the sink has seen since.
seen() {
    curl -sS -m 10 "$SINK_URL/control" | jq -c "${1:-.}"
}

# received NAME: the header field of the last request that the sink has seen.
received() {
    seen ".seen[-1].headers[] | select(.[0] == \"$1\") | .[1]" | jq -r .
}

# seen_is NUMBER: for wait_until: whether the sink has seen that many requests.
seen_is() {
    [ "$(seen .requests)" -eq "$1" ]
}

# spans_of REQUEST-ID: an array of the request's spans.
spans_of() {
    local trace
    trace=$(logs ".request_id == \"$1\"" | jq -rs '.[0].trace_id')
    spans | jq -c "select(.traceId == \"$trace\")" | jq -s .
}

# many NUMBER CLIENTS [CURL-ARGUMENT...]: that many requests; their statuses in $DIR/statuses, with
# the seconds that each took.
many() {
    local number=$1 clients=$2
    shift 2
    seq "$number" | xargs -P "$clients" -I{} curl -sS -m 30 -o /dev/null \
        -w '%{http_code} %{time_total}\n' -H 'Content-Type: application/json' -d '{"a": 1, "b": 2}' \
        "$@" "$URL/analyze" >"$DIR/statuses"
    [ "$(wc -l <"$DIR/statuses")" -eq "$number" ]
}

# breaker ARGUMENT...: the command, for this instance.
breaker() {
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" breaker "$@"
}

breaker_is() {
    [[ $(breaker status) == "$1"* ]]
}

# analyze_pids: the processes that answer.
analyze_pids() {
    local pid
    for pid in $(descendants "$(cat "$DIR/instance")"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != analyze ] || echo "$pid"
    done
}
