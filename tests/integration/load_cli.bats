#!/usr/bin/env bats
# Goal: `microtrace load` sends what it was asked for, at the rate it was asked for, tells the truth
# about it, and leaves a server alone that is down.

load helpers

setup_file() {
    new_folder
    start_instance WORKERS=4
    export INSTANCE
}

teardown_file() {
    remove_folder
}

load_() {
    "$BIN/microtrace" load --url "$URL" "$@"
}

# start_load ARGUMENT...: in the background; its id is in LOADER.
start_load() {
    "$BIN/microtrace" load --url "$URL" "$@" >"$DIR/summary" 2>"$DIR/said" </dev/null 3>&- &
    LOADER=$!
}

# start_answering [PORT]: a server that answers 200 to everything, at SERVER_PORT; it notes each
# request in $DIR/asked.
start_answering() {
    SERVER_PORT=${1:-$(free_ports 1)}
    rm -f "$DIR/asked"
    python3 "$ROOT/tests/tools/answer_200.py" "$SERVER_PORT" "$DIR/asked" 3>&- &
    SERVER=$!
    wait_until test -e "$DIR/asked"
}

stop_answering() {
    kill "$SERVER"
    wait_until gone "$SERVER"
}

total() {
    scrape | awk '/^requests_total\{/ { n += $NF } END { printf "%d\n", n }'
}

answered_some() {
    [ "$(total)" -ge "$1" ]
}

@test "so many requests, so many of them bad, and the server has counted the same" {
    local before
    before=$(total)
    load_ --rate 1000 --count 350 --mix 0.2 --json >"$DIR/summary"
    # Only what is late by a second is skipped.
    expect_json '.sent == 350 and .answered == 350 and .expected == 350 and .bad == 70 and
        .unexpected == 0 and .failed == 0 and (.skipped == 0 or .seconds > 1) and .unfinished == 0 and
        .statuses == {"200": 280, "404": 10, "405": 10, "415": 10, "422": 40}' <"$DIR/summary"
    [ "$(total)" -eq $((before + 350)) ]
}

@test "without --url: the instance of --state, of the directories, of ./var" {
    local before
    before=$(total)
    "$BIN/microtrace" load --state "$STATE" --count 3 --mix 0 >"$DIR/summary"
    grep -q "^$URL: 3 requests" "$DIR/summary"
    "$BIN/microtrace" --state "$STATE" load --count 3 --mix 0 >"$DIR/summary"
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" load --count 3 --mix 0 >"$DIR/summary"
    mkdir "$DIR/here"
    ln -s "$STATE" "$DIR/here/var"
    (cd "$DIR/here" && "$BIN/microtrace" load --count 3 --mix 0) >"$DIR/summary"
    grep -q "^$URL: 3 requests" "$DIR/summary"
    [ "$(total)" -eq $((before + 12)) ]
}

@test "what others could write into an instance's lock is no address" {
    local text
    mkdir -p "$DIR/other/run" "$DIR/other/spool"
    for text in 'http://example.org:80' "$URL@example.org" "file:///etc/passwd" "$URL/x" '' "$URL"$'\n'"$URL"; do
        printf '%s\n' "$text" >"$DIR/other/run/lock"
        run timeout 20 "$BIN/microtrace" load --state "$DIR/other" --count 1 --timeout 0.1 --duration 0.3
        [[ $output == *http://127.0.0.1:8000* ]] || { echo "$text: $output" && false; }
    done
}

@test "the summary for people has the same numbers" {
    load_ --rate 1000 --count 40 --mix 0.5 >"$DIR/summary"
    grep -q "^$URL: 40 requests in .* 20 bad on purpose" "$DIR/summary"
    grep -q '^ *answered  *40, 0 of them' "$DIR/summary"
    grep -qE '^ *200  *20$' "$DIR/summary"
    grep -qE '^ *latency  *p50 [0-9.]+ ' "$DIR/summary"
}

@test "all good, all bad" {
    load_ --rate 1000 --count 20 --mix 0 --json | expect_json '.bad == 0 and .statuses == {"200": 20}'
    load_ --rate 1000 --count 20 --mix 1 --json | expect_json '.bad == 20 and .statuses["200"] == null'
}

@test "it is never faster than the rate, and ends with the duration" {
    load_ --rate 50 --duration 2 --json | tee "$DIR/summary" |
        expect_json '.seconds >= 2 and .sent <= 101 and .sent + .skipped >= 50'
}

@test "whole days of the daily shape have 0.55 of the busiest rate" {
    load_ --rate 100 --shape daily --period 1.5 --duration 3 --json |
        expect_json '.sent + .skipped > 80 and .sent < 200'
}

@test "latencies are those of the server: quantiles lie around the delay that it was given" {
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" chaos on --probability 1 --delay-ms 60-60
    load_ --rate 40 --count 40 --mix 0 --json >"$DIR/summary"
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" chaos reset
    expect_json '.latency_ms | .p50 >= 59 and .p50 <= .p90 and .p90 <= .p99 and .p99 <= .max and
        .mean >= 59 and .mean <= .max' <"$DIR/summary"
}

@test "an answer that is not what it should be is told from a bad request" {
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" chaos on --probability 0 --error-rate 1
    load_ --rate 1000 --count 100 --mix 0.5 --json >"$DIR/summary"
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" chaos reset
    expect_json '.statuses["500"] == 50 and .unexpected == 50 and .expected == 50' <"$DIR/summary"
}

@test "connections are used again" {
    start_answering
    "$BIN/microtrace" load --url "http://127.0.0.1:$SERVER_PORT" --rate 500 --count 100 \
        --concurrency 2 --mix 0 --json | expect_json '.expected == 100'
    stop_answering
    [ "$(wc -l <"$DIR/asked")" -eq 100 ]
    # One line a request, with its client's port.
    [ "$(awk '{ print $1 }' "$DIR/asked" | sort -u | wc -l)" -le 2 ]
}

@test "Ctrl-C and SIGTERM end it with the summary, exit 0" {
    local signal before
    for signal in INT TERM; do
        before=$(total)
        start_load --rate 50 --json
        wait_until answered_some $((before + 5))
        kill -"$signal" "$LOADER"
        wait_until gone "$LOADER"
        wait "$LOADER"
        expect_json '.sent >= 5 and .failed == 0' <"$DIR/summary"
    done
}

@test "a terminal gets a live line of rate, errors and latency, and the summary below it" {
    local before
    before=$(total)
    timeout 30 script -qec "$BIN/microtrace load --url $URL --rate 50 --count 125" /dev/null \
        >"$DIR/terminal" </dev/null
    [ "$(total)" -eq $((before + 125)) ]
    tr '\r' '\n' <"$DIR/terminal" >"$DIR/lines"
    grep -qE '0:0[1-9]  [0-9.]+/s  errors 0\.0 %  p50 [0-9.]+ ms  p95 [0-9.]+  p99 [0-9.]+  sent [0-9]+' "$DIR/lines"
    grep -q '125 requests in' "$DIR/lines"
}

@test "without a terminal there is no live line" {
    load_ --rate 50 --duration 1.5 >"$DIR/summary" 2>"$DIR/said"
    [ ! -s "$DIR/said" ]
    refute grep -q $'\r' "$DIR/summary"
}

@test "a server that is down is reported once, and used again once it is back" {
    local loader
    read -r SERVER_PORT < <(free_ports 1)
    "$BIN/microtrace" load --url "http://127.0.0.1:$SERVER_PORT" --rate 200 --json \
        >"$DIR/summary" 2>"$DIR/said" </dev/null 3>&- &
    loader=$!
    wait_until grep -q 'does not answer' "$DIR/said"
    start_answering "$SERVER_PORT"
    wait_until grep -q 'answers again after' "$DIR/said"
    wait_until many_asked
    kill -INT "$loader"
    wait_until gone "$loader"
    wait "$loader"
    stop_answering
    cat "$DIR/said"
    [ "$(wc -l <"$DIR/said")" -eq 2 ]
    expect_json '.failed >= 1 and .answered >= 30 and (.failures | keys | length == 1)' <"$DIR/summary"
}

many_asked() {
    [ "$(wc -l <"$DIR/asked")" -ge 50 ]
}

@test "nobody there at all: few requests, whatever the rate; exit 1, with the reason" {
    local port
    read -r port < <(free_ports 1)
    run "$BIN/microtrace" load --url "http://127.0.0.1:$port" --rate 1000 --duration 2 --json
    echo "$output"
    [ "$status" -eq 1 ]
    expect_json '.answered == 0 and .failed >= 1 and .failed <= 20 and .sent == .failed and
        .latency_ms == {}' <<<"$(grep '^{' <<<"$output")"
    [ "$(grep -c 'does not answer' <<<"$output")" -eq 1 ]
}

@test "what it can't use is refused with exit 2 and named" {
    local bad
    for bad in --bogus stray "--rate 0" "--rate x" "--concurrency 0" "--concurrency 1001" "--mix 1.5" \
        "--shape round" "--period 0" "--count -1" "--rate" "--url ftp://127.0.0.1" \
        "--url 127.0.0.1:8000" "--url http://127.0.0.1/?a=b"; do
        # shellcheck disable=SC2086 # two words
        run "$BIN/microtrace" load $bad
        echo "$bad: $status $output"
        [ "$status" -eq 2 ]
        grep -qF -- "${bad%% *}" <<<"$output"
    done
}

@test "libcurl is loaded by load alone; one that is missing or unfit is named" {
    local kind
    case $BUILD in *asan*) skip "the sanitizers have libraries of their own" ;; esac
    mkdir -p "$DIR/broken" "$DIR/empty"
    echo 'not a library' >"$DIR/broken/libcurl.so.4"
    ${CC:-gcc} -shared -nostdlib -Wl,-soname,libcurl.so.4 -x c -o "$DIR/empty/libcurl.so.4" /dev/null
    for kind in broken empty; do
        run env LD_LIBRARY_PATH="$DIR/$kind" "$BIN/microtrace" load --url "$URL" --count 1
        echo "$output"
        [ "$status" -eq 1 ]
        [[ $output == "microtrace load: libcurl can't be loaded: $DIR/$kind/libcurl.so.4"*"; install libcurl4" ]]
        LD_LIBRARY_PATH=$DIR/$kind "$BIN/microtrace" metrics --state "$STATE" requests_total
    done
}

@test "--help tells every option" {
    local option
    load_ --help >"$DIR/help"
    for option in url rate concurrency mix shape period count duration timeout json; do
        grep -q -- "--$option" "$DIR/help"
    done
}
