#!/usr/bin/env bats
# Goal: the page is of use without a script, in a text browser: what is wrong, the figures as tables,
# lists of traces, a waterfall with its log lines, the search.

load helpers

setup_file() {
    new_folder
    start_instance
    # One that failed validation, and ten that did not.
    local i
    for i in {1..10}; do
        curl -fsS -m 10 -o /dev/null -H "X-Request-ID: text-$i" -H 'Content-Type: application/json' \
            -d '{"a": 1, "b": 2}' "$URL/analyze"
    done
    curl -sS -m 10 -o /dev/null -H 'Content-Type: application/json' -d '{"a": 1}' "$URL/analyze"
}

teardown_file() {
    remove_folder
}

# see QUERY: the page as w3m shows it, without its forms' frames.
see() {
    SEEN=$(timeout 30 w3m -dump -cols 120 -o auto_image=0 "$AGENT_URL/$1")
}

shows() {
    see "$1"
    grep -qE "$2" <<<"$SEEN"
}

@test "w3m shows the figures as tables" {
    wait_until shows '' 'POST /analyze +[0-9.,]+/s'
    echo "$SEEN"
    # The verdict first, then the headings in their order.
    grep -qE '^(✓|!|✕) ' <<<"$SEEN"
    headings=$(grep -xE 'Requests|Latency|Answers in 5 minutes|Routes|Programs|Processes|Pipeline|Chaos and breaker|Traces' <<<"$SEEN")
    diff -u - <(awk '!seen[$0]++' <<<"$headings") <<'END'
Traces
Requests
Latency
Answers in 5 minutes
Routes
Programs
Processes
Pipeline
Chaos and breaker
END
    # What a chart shows stands in a table, too, and so does each process.
    grep -qE '1m 15s ago|25 s ago' <<<"$SEEN"
    [ "$(grep -cE '^ *[0-9]+ +(microtrace|analyze)[^ ]* +(busy|idle)' <<<"$SEEN")" -ge 1 ]
    # No button that does nothing without a script.
    refute grep -qE 'Pause|Keys|Copy' <<<"$SEEN"
}

@test "w3m follows a list to a waterfall with its log lines" {
    wait_until shows '?by=latest' 'POST /analyze'
    trace=$("$BIN/microtrace" view --state "$STATE" --request text-3 --json | grep -oE '"traceId":"[0-9a-f]{32}"' |
        head -n 1 | cut -d'"' -f4)
    see "?trace=$trace"
    echo "$SEEN"
    grep -qF text-3 <<<"$SEEN"
    grep -q 'WorkerService.analyze' <<<"$SEEN"
    grep -q 'analyze_response' <<<"$SEEN"
}

@test "w3m finds a request by its id, and is told of one that is not there" {
    wait_until shows '?find=text-7' 'text-7'
    grep -qE 'POST /analyze' <<<"$SEEN"
    see '?find=no-such-request'
    echo "$SEEN"
    grep -q 'no-such-request' <<<"$SEEN"
    refute grep -q 'POST /analyze +microtrace' <<<"$SEEN"
}
