#!/usr/bin/env bats
# Goal: `microtrace top` shows how an instance does on any terminal and without one, with an agent
# and without, takes its keys, follows the terminal's size, and leaves the terminal as it was however
# it ends.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() {
    new_spool
}

teardown() {
    stop_background
    rm -rf "$DIR"
}

# count METHOD PATH STATUS N, in requests_total.
count() {
    "$BIN/microtrace" count --label "method=$1" --label "path=$2" --label "status=$3" requests_total "$4"
}

# feed: something of each kind, twice a second.
feed() {
    while :; do
        count GET /cart 200 19
        count GET /cart 500 1
        count POST /pay 404 2
        "$BIN/microtrace" count --label method=GET --label path=/cart --label exception=internal_error errors_total
        "$BIN/microtrace" observe --label method=GET --label path=/cart request_latency_seconds 0.02
        "$BIN/microtrace" run --name backup -- true
        sleep 0.5
    done
}

# shows FILE TEXT...
shows() {
    local text file=$1
    shift
    for text in "$@"; do
        grep -qF -- "$text" "$file" || { echo "$file does not show \"$text\":" && cat -v "$file" && return 1; }
    done
}

# on_terminal STEPS [ARGUMENT...]: top on a terminal of 80x24, which goes to $DIR/out.
on_terminal() {
    local steps=$1
    shift
    status=0
    env TERM=xterm LC_ALL=C.UTF-8 "$ROOT/tests/tools/terminal.py" 120 "$BIN/microtrace" top --interval 1 "$@" \
        <<<"size 80 24
$steps" >"$DIR/out" || status=$?
}

ENTER=$'\e[?1049h' LEAVE=$'\e[?1049l'

# restored: the alternate screen was left, the cursor is there, and nothing came afterwards.
restored() {
    [ "$(grep -oF "$ENTER" "$DIR/out" | wc -l)" -eq "$(grep -oF "$LEAVE" "$DIR/out" | wc -l)" ]
    [[ $(tail -c 100 "$DIR/out") == *$'\e[?25h'"$LEAVE" ]]
}

# once_shows TEXT...: two looks 3 s apart do. What feeds is slow on a busy machine: for wait_until.
once_shows() {
    "$BIN/microtrace" top --once --interval 3 >"$DIR/out" 2>"$DIR/err" && shows "$DIR/out" "$@"
}

# json_holds JQ-EXPRESSION: the same for the JSON.
json_holds() {
    "$BIN/microtrace" top --json --interval 3 >"$DIR/out" && jq -e "$1" "$DIR/out" >/dev/null
}

@test "--once prints what was counted between two looks, without agent and terminal" {
    count GET /cart 200 1000
    background feed
    LC_ALL=C wait_until once_shows "last 5 min" "requests/s" "/cart" "/pay" "internal_error" "backup" PIPELINE
    [ ! -s "$DIR/err" ]
    refute grep -q $'\e' "$DIR/out"
    # In the words of spool status.
    shows "$DIR/out" "no agent runs on this spool; start metrics-agent" "This helps: microtrace doctor"
}

@test "--json has the same for programs, and nulls for what is not known" {
    count GET /cart 200 1
    background feed
    wait_until json_holds '.now.requests_per_second > 0 and .now.busy == null and .range.seconds == 300
        and .range.known_seconds >= 3 and .range.known_seconds < 60 and .range.server_errors > 0
        and ([.routes[].path] | contains(["/cart", "/pay"])) and .errors[0].kind == "internal_error"
        and .programs[0].name == "backup" and .programs[0].runs > 0
        and (.range.lines.requests_per_second | length) == 60 and (.heat.requests[0] | length) == 17
        and .signals.traces.known == false and .breaker.state == "closed"'
    [ "$(wc -l <"$DIR/out")" -eq 1 ]
}

@test "an instance without a metrics file: that is what it says" {
    run -0 "$BIN/microtrace" top --once --interval 1
    [[ $output == *metrics.mmap* ]]
    run -0 "$BIN/microtrace" top --json --interval 1
    jq -e '(.problem | contains("metrics.mmap")) and .now.requests_per_second == null' <<<"$output"
    run -0 "$BIN/microtrace" top --once --interval 1s
    run -2 "$BIN/microtrace" top --interval 11
    run -2 "$BIN/microtrace" top now
}

@test "keys: sort, range, pause, help, quit" {
    count GET /cart 200 1
    background feed
    on_terminal 'expect /cart
expect sort: requests
send s
expect sort: 4xx
send 3
expect last 60 min
send ?
expect pause the picture
send ?
expect ROUTE
send p
expect PAUSED
send p
expect /pay
send \x1b[1;5A
send 2
expect last 15 min
send q'
    [ "$status" -eq 0 ]
    restored
}

# fits COLUMNS LINES: what was drawn last fits that screen, and has no more lines than it.
fits() {
    python3 - "$DIR/out" "$@" <<'END'
import re, sys
screens = open(sys.argv[1], encoding="utf-8", newline="").read().split("\x1b[?25h")[0].split("\x1b[H")
columns, lines = int(sys.argv[2]), int(sys.argv[3])
screen = re.sub("\x1b\\[[0-9;]*[mKJ]|\r", "", screens[-1]).split("\n")
print(*screen, sep="\n")
sys.exit(len(screen) > lines or any(len(line) > columns for line in screen))
END
}

@test "it follows the terminal's size, from 40x10 to 200x60" {
    local size columns lines
    count GET /cart 200 1
    background feed
    for size in "40 10" "200 60" "20 3"; do
        read -r columns lines <<<"$size"
        on_terminal "expect requests/s
size $size
send 3
expect 60 min
send q"
        [ "$status" -eq 0 ]
        fits "$columns" "$lines"
    done
}

@test "a signal ends it, and the terminal is as it was" {
    local name
    for name in TERM INT HUP QUIT; do
        on_terminal "expect requests/s
kill $name"
        [ "$status" -eq $((-$(kill -l "$name") & 255)) ]
        restored
    done
    # Ctrl-C, which the terminal makes a signal of.
    on_terminal 'expect requests/s
send \x03'
    [ "$status" -eq 254 ]
    restored
    # Ctrl-Z gives the screen back until the shell lets it go on.
    env TERM=xterm "$ROOT/tests/tools/terminal.py" 120 bash --norc --noprofile -i >"$DIR/out" <<END
send $BIN/microtrace top\r
expect requests/s
send \x1a
expect Stopped
expect bash-
send fg\r
expect requests/s
send q
expect bash-
send exit\r
END
    [ "$(grep -oF "$ENTER" "$DIR/out" | wc -l)" -eq 2 ]
    [ "$(grep -oF "$LEAVE" "$DIR/out" | wc -l)" -eq 2 ]
}

@test "a dumb terminal gets plain text" {
    status=0
    env TERM=dumb "$ROOT/tests/tools/terminal.py" 120 "$BIN/microtrace" top --interval 1 >"$DIR/out" <<'END' || status=$?
expect PIPELINE
expect PIPELINE
send \x03
END
    [ "$status" -eq 254 ]
    refute grep -q $'\e' "$DIR/out"
    # One that nothing is known of has the keys, too.
    status=0
    env -u TERM "$ROOT/tests/tools/terminal.py" 30 "$BIN/microtrace" top --interval 1 >"$DIR/out" <<'END' || status=$?
expect PIPELINE
send 3
expect last 60 min
send q
END
    [ "$status" -eq 0 ]
    refute grep -q $'\e' "$DIR/out"
}

feed_evil() {
    while :; do
        count GET $'/\e[31m\xe2\x80\xaeevil' 404 100
        sleep 0.5
    done
}

@test "what others have named is shown, not obeyed" {
    count GET $'/\e[31m\xe2\x80\xaeevil' 404 1
    background feed_evil
    wait_until once_shows '\u001b[31m\u202eevil'
    refute grep -q $'\e' "$DIR/out"
}

# has_looked PID: it has the metrics file.
has_looked() {
    grep -q metrics.mmap "/proc/$1/maps"
}

@test "a file that is replaced while it looks: no rate below zero" {
    count GET /cart 200 1000000
    background feed
    "$BIN/microtrace" top --json --interval 10 >"$DIR/json" 3>&- &
    PIDS+=($!)
    # Between the two looks: a second behind the first one, however late that is.
    wait_until has_looked $!
    sleep 1
    rm "$STATE/run/metrics.mmap"
    wait $!
    # Both files are so young that all of their counts were made in the range: once each.
    jq -e '[.range.lines.requests_per_second[] | select(. != null and . < 0)] == [] and
        .range.requests >= 1000000 and .range.requests < 1100000' "$DIR/json"
}

# told WORKER: what top says when the agent and another worker are there, and that one is gone.
told() {
    "$BIN/microtrace" top --json --interval 1 >"$DIR/json"
    jq -e --argjson worker "$1" '.signals.traces.known and .problem == ""
        and (.verdict.sentence | contains("no agent") | not) and .now.idle >= 2
        and ([.processes[].program] | contains(["microtrace-cgi"]))
        and ([.processes[] | select(.resident_bytes > 0)] | length) >= 2
        and ([.processes[] | select(.pid == $worker and .died == false)] == [])' "$DIR/json"
}

@test "workers, a killed one, the agent's books" {
    local worker
    AGENT_PORT=$(free_ports 1)
    AGENT_URL=http://127.0.0.1:$AGENT_PORT
    start_agent
    put traces early 30
    background "$BIN/microtrace-cgi" --listen "unix:$DIR/cgi.socket" --processes 2
    wait_until test -S "$DIR/cgi.socket"
    wait_until pgrep -P "$STARTED"
    worker=$(pgrep -P "$STARTED" | head -n 1)
    on_terminal "size 100 50
expect $worker   idle
run kill -KILL $worker
expect $worker   died
send q"
    [ "$status" -eq 0 ]
    wait_until told "$worker" || { cat "$DIR/json" && false; }
}
