#!/usr/bin/env bats
# Goal: nothing that somebody else chose (a user agent, a label, a help text) can command the
# terminal of whoever looks at it, or turn the text around it: not in the spool's lines, not on
# stderr, not in what the commands print.

bats_require_minimum_version 1.5.0
load helpers

# CSI as ESC [ and as C1, a right-to-left override, an isolate, DEL, a line separator.
HOSTILE=$'\e[31m \u009b31m \u202e \u2066 \x7f \u2028 \u00fc'

setup_file() {
    new_folder
    mkdir -p "$STATE/run" "$STATE/spool"
}

teardown_file() { rm -rf "$DIR"; }

microtrace() {
    MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$STATE/spool "$BIN/microtrace" "$@"
}

# harmless FILE: it has lines, and the letter that may pass, and nothing that may not.
harmless() {
    grep -q $'\u00fc' "$1" || { echo "$1 shows nothing of it:" && cat -v "$1" && return 1; }
    run -1 grep -P '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$1"
}

@test "a request's user agent: spool, stderr, spool tail" {
    export LC_ALL=C
    printf '{"a":1,"b":2}' | env REQUEST_METHOD=POST SCRIPT_NAME=/x.cgi PATH_INFO=/analyze \
        CONTENT_LENGTH=13 CONTENT_TYPE=application/json HTTP_USER_AGENT="$HOSTILE" \
        MICROTRACE_LOG_STDERR=true MICROTRACE_RUN_DIR="$STATE/run" \
        MICROTRACE_SPOOL_DIR="$STATE/spool" "$BIN/analyze" >"$DIR/answer" 2>"$DIR/stderr"
    grep -q '^Status: 200' "$DIR/answer"
    harmless "$DIR/stderr"
    harmless "$STATE/spool/logs.jsonl"
    harmless "$STATE/spool/traces.jsonl"
    microtrace spool tail --no-follow >"$DIR/tail"
    harmless "$DIR/tail"
    microtrace spool tail --no-follow --signal traces >"$DIR/tail"
    harmless "$DIR/tail"
}

@test "another program's line, raw: spool tail" {
    export LC_ALL=C
    printf '{"asctime":"2026-01-01T00:00:00.000Z","levelname":"INFO","name":"x","message":"%s"}\n' \
        $'\u009b31m \u202e \u2066 \x7f \u2028 \u00fc' >>"$STATE/spool/logs.jsonl"
    microtrace spool tail --no-follow -n 1 >"$DIR/tail"
    harmless "$DIR/tail"
}

@test "a metric's help text and labels: microtrace metrics" {
    export LC_ALL=C
    cat >"$DIR/hostile.c" <<'END'
#include "lib/metrics/metrics.h"

int main(int argc, char **argv)
{
    const struct metrics_family_def def = {
        .name = "hostile_total", .help = argv[1], .kind = METRICS_COUNTER, .labels = {"who"}};
    const char *const values[] = {argv[1]};
    struct metrics *metrics = metrics_open(argv[2], 0);

    (void)argc;
    metrics_add(metrics_counter(metrics_declare(metrics, &def), values), 1);
    metrics_close(metrics);
    return 0;
}
END
    local sanitize=()
    [[ $BUILD != */asan* ]] || sanitize=(-fsanitize=address -fsanitize=undefined)
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I"$ROOT" -o "$DIR/hostile" "$DIR/hostile.c" "${sanitize[@]}" \
        "$BUILD/lib/microtrace-internal.a" -lz -lm
    "$DIR/hostile" "$HOSTILE" "$STATE/run"
    microtrace metrics >"$DIR/metrics"
    grep -A 1 '^hostile_total' "$DIR/metrics" >"$DIR/hostile.text"
    harmless "$DIR/hostile.text"
    microtrace metrics --json >"$DIR/json"
    jq -e --arg hostile "$HOSTILE" \
        '.families[] | select(.name == "hostile_total") | .help == $hostile' "$DIR/json"
    harmless "$DIR/json"
    # The text formats have rules of their own, but not for a terminal.
    local format
    for format in --prometheus --openmetrics; do
        microtrace metrics $format | grep -qF "$HOSTILE"
        MICROTRACE_RUN_DIR=$STATE/run script -qec "$BIN/microtrace metrics $format" /dev/null </dev/null | tr -d '\r' >"$DIR/tty"
        [ "$(grep -c . "$DIR/tty")" = "$(microtrace metrics $format | grep -c .)" ]
        harmless "$DIR/tty"
    done
}

@test "an argument of the command line: every program" {
    export LC_ALL=C
    local program arguments
    for program in analyze metrics-agent microtrace-run microtrace 'microtrace spool' 'microtrace load' \
        'microtrace spool status --state' 'microtrace load --duration 1 --url' 'microtrace load --rate' 'microtrace metrics --json' \
        'microtrace spool tail --trace' 'microtrace chaos on --seed'; do
        read -ra arguments <<<"$program"
        MICROTRACE_RUN_DIR=$STATE/run "$BIN/${arguments[0]}" "${arguments[@]:1}" "$HOSTILE" >"$DIR/out" 2>&1 && false
        harmless "$DIR/out" || { echo "$program" && false; }
    done
    MICROTRACE_SPOOL_DIR="$DIR/$HOSTILE" "$BIN/microtrace" spool status >"$DIR/out" 2>&1 && false
    harmless "$DIR/out"
    mkdir -p "$DIR/$HOSTILE/spool"
    cp -r "$STATE/run" "$DIR/$HOSTILE/"
    "$BIN/microtrace" --state "$DIR/$HOSTILE" metrics | tail -n 2 >"$DIR/out"
    harmless "$DIR/out"
    "$BIN/microtrace" --state "$DIR/$HOSTILE" spool status >"$DIR/out" 2>&1 || true
    harmless "$DIR/out"
}

@test "STATE_DIR, where microtrace-run says that it runs" {
    STATE=$DIR/state.$HOSTILE
    start_instance WORKERS=1
    wait_until grep -aq '^metrics-agent: serving' "$LOG"
    stop_instance
    LC_ALL=C grep -E '^(microtrace is running|metrics-agent: serving)' "$LOG" >"$DIR/out"
    [ "$(wc -l <"$DIR/out")" = 2 ]
    LC_ALL=C harmless "$DIR/out"
}
