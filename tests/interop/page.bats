#!/usr/bin/env bats
# Goal: in a real browser the agent's page is of use: figures move, a slow request is found and its
# waterfall read and shared, what is wrong is told with what mends it; by keyboard alone, on a phone,
# in light and dark; without an error on the console, a breach of its policy, or a finding of axe-core.

load helpers

setup() {
    common_setup
    need_command chromium node npm
    modules=$("$ROOT/tests/tools/playwright") || absent "Playwright can't be installed"
    export NODE_PATH=$modules
}

teardown() {
    common_teardown
}

microtrace() { "$BIN/microtrace" "$@" --state "$STATE"; }

# use WHAT [ARGUMENT...]: page_use.js on this instance's page.
use() {
    local what=$1
    shift
    timeout 400 node "$HERE/page_use.js" "$what" "http://127.0.0.1:$AGENT_PORT/" "$DIR" "$@"
}

# ask REQUEST-ID
ask() {
    curl -fsS -m 30 -o /dev/null -H "X-Request-ID: $1" -H 'Content-Type: application/json' \
        -d '{"a": 10.5, "b": 3.5}' "http://127.0.0.1:$HTTP_PORT/analyze"
}

# some_requests: fast ones, and one that chaos has delayed, more than a busy machine delays the others.
some_requests() {
    local i
    for i in 1 2 3 4 5; do ask "fast-$i"; done
    microtrace chaos on --probability 1 --delay-ms 4000-4010
    ask the-slow-one
    microtrace chaos off
    ask fast-6
}

load_for() {
    start load "$BIN/microtrace" load --url "http://127.0.0.1:$HTTP_PORT" --rate 20 --mix 0.1 --duration "$1"
}

exists() { [ -e "$1" ]; }

# status_says TEXT: with other figures, since time goes on.
status_says() {
    local text=${1#Wrong }
    microtrace spool status >"$DIR/status" || true
    sed 's/[0-9][0-9.]*/N/g' "$DIR/status" | grep -qxF "wrong: $(sed 's/[0-9][0-9.]*/N/g' <<<"$text")"
}

@test "the slow request just made is found, its waterfall read, its link sent to somebody" {
    start_microtrace
    some_requests
    use slow the-slow-one
}

@test "a request is found by its id; what is not there is said" {
    start_microtrace
    some_requests
    use search the-slow-one
}

@test "the rate moves by itself, and what is open and in focus stays so" {
    start_microtrace
    load_for 150
    use rate
}

@test "a row that comes, goes or moves is shown in its place, with the others, by every sample" {
    start_microtrace
    use rows
}

@test "by keyboard alone: skip, sort, ranges, keys, list and waterfall" {
    start_microtrace
    some_requests
    use keyboard
}

@test "neither a hidden tab nor a paused page asks for anything" {
    start_microtrace
    use quiet
}

@test "an agent that does not answer: the figures are called stale, and go on when it does" {
    start_microtrace
    agent=$(pgrep -P "$INSTANCE" -x metrics-agent)
    use stale &
    used=$!
    wait_until exists "$DIR/stop"
    kill -STOP "$agent"
    wait_until exists "$DIR/go" || { kill -CONT "$agent"; false; }
    kill -CONT "$agent"
    wait "$used"
}

@test "the collector's plug is pulled: the page says so, and what to do, in status's words" {
    start sink "$PYTHON" "$ROOT/tests/tools/otlp_sink.py" --port "$OTLP_PORT"
    sink=$STARTED
    wait_until answers "http://127.0.0.1:$OTLP_PORT/control"
    start_microtrace OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$OTLP_PORT"
    load_for 300
    use plug &
    used=$!
    wait_until exists "$DIR/pull"
    end "$sink"
    wait_until exists "$DIR/problem"
    wait_until status_says "$(head -n 1 "$DIR/problem")"
    wait_until exists "$DIR/plugged"
    start sink "$PYTHON" "$ROOT/tests/tools/otlp_sink.py" --port "$OTLP_PORT"
    wait "$used"
}

@test "hostile names, attributes and queries are text, in the list and in the waterfall" {
    start_microtrace
    microtrace span "<script>x()</script>"$'\u202e'"\"'" --status error:'<img src=x onerror=x()>' \
        --attr 'x"><b onclick=x()>=</dd><b onclick=x()>'
    use hostile
}

@test "made-up instances: well, empty, broken, hostile" {
    mkdir "$DIR/samples"
    "$BUILD/tests/tools/page_sample" "$DIR/samples"
    start samples node "$HERE/page_samples.js" "$DIR/samples" "$DIR/samples.port"
    wait_until test -s "$DIR/samples.port"
    timeout 400 node "$HERE/page_use.js" look "http://127.0.0.1:$(cat "$DIR/samples.port")" "$DIR" \
        well empty broken hostile
}
