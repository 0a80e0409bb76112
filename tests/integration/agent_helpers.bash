# shellcheck shell=bash disable=SC2034 # what is set here is used by the tests
# What the tests of the agent share: a sink, an agent, writers, and what the books say. Each test
# has a folder of its own. ENVIRONMENT holds further settings of the agent, SEGMENT, KEEP (of delivered
# records: none), LISTEN (127.0.0.1) and PREFIX (a command to run it by) too.

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
AGENT=$BUILD/bin/metrics-agent TOOL=$BUILD/tests/tools/spool_write
export ROOT BUILD AGENT TOOL

. "$ROOT/tests/integration/ports.bash"

common_setup() {
    # A setting of the person who runs the tests must not decide how they end.
    local name
    for name in $(compgen -e); do
        case $name in OTEL_* | MICROTRACE_*) unset "$name" ;; esac
    done
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir run spool
    AGENT_PID='' SINK_PID='' POLL_PID='' WRITERS=()
    AGENT_PORT='' SINK_PORT='' ENVIRONMENT=() PREFIX=()
    : >written
    : >agent.log
}

common_teardown() {
    local pid
    for pid in $AGENT_PID $SINK_PID $POLL_PID "${WRITERS[@]}"; do
        kill -CONT "$pid" 2>/dev/null || true
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    [ -z "${MEMORY:-}" ] || rm -rf "$MEMORY"
    [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 30 agent.log
}

# two_tiers: the run directory is in memory, on another file system than the spool.
two_tiers() {
    MEMORY=$(mktemp -d "${MEMORY_FOLDER:-/dev/shm}/mt-tiers.XXXXXX")
    [ "$(stat -fc %T "$MEMORY")" = tmpfs ] && [ "$(stat -fc %T .)" != tmpfs ] ||
        skip "this needs a tmpfs on /dev/shm, and none for $BATS_TEST_TMPDIR"
    rmdir run
    ln -s "$MEMORY" run
}

# until_true SECONDS COMMAND...: polls, and prints the command if it never comes true.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >last.out 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            echo "never true: $*"
            cat last.out
            return 1
        fi
        sleep "${POLL:-0.05}"
    done
}

free_port() { free_ports 1; }

# start_sink [ARGUMENT...]
start_sink() {
    [ -n "$SINK_PORT" ] || SINK_PORT=$(free_port)
    rm -f sink.port
    python3 "$ROOT/tests/tools/otlp_sink.py" --port "$SINK_PORT" --port-file sink.port --dump dump \
        "$@" 2>>sink.log 3>&- &
    SINK_PID=$!
    until_true 30 test -s sink.port
}

stop_sink() {
    kill -9 "$SINK_PID"
    wait "$SINK_PID" 2>/dev/null || true
    SINK_PID=''
}

# launch_agent [ARGUMENT...]: starts it and does not wait for it.
launch_agent() {
    env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        MICROTRACE_AGENT_LISTEN="${LISTEN:-127.0.0.1}:$AGENT_PORT" \
        MICROTRACE_SPOOL_SEGMENT_BYTES="${SEGMENT:-65536}" \
        MICROTRACE_SPOOL_KEEP_BYTES="${KEEP:-0}" \
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$SINK_PORT" "${ENVIRONMENT[@]}" \
        "${PREFIX[@]}" "$AGENT" "$@" >>agent.log 2>&1 3>&- &
    AGENT_PID=$!
}

# build_fail_nth: for setup_file; LIBRARY is what launch_agent_killed_at needs.
build_fail_nth() {
    export LIBRARY=$BATS_FILE_TMPDIR/fail_nth.so
    gcc -std=gnu11 -O2 -fPIC -shared -D_GNU_SOURCE -o "$LIBRARY" "$ROOT/tests/tools/preload/fail_nth.c"
}

# launch_agent_killed_at FAMILY CALL ERRNO [ARGUMENT...]: as tests/tools/preload/fail_nth.c has them.
launch_agent_killed_at() {
    PREFIX=(env LD_PRELOAD="$LIBRARY" FAIL_NTH_PROGRAM=metrics-agent FAIL_NTH_FAMILY="$1"
        FAIL_NTH_CALL="$2" FAIL_NTH_ERRNO="$3" FAIL_NTH_KILL=1)
    launch_agent "${@:4}"
    PREFIX=()
}

choose_ports() {
    # Two, of which neither is in use yet, are not the same.
    [ -n "$AGENT_PORT$SINK_PORT" ] || read -r AGENT_PORT SINK_PORT < <(free_ports 2)
    [ -n "$AGENT_PORT" ] || AGENT_PORT=$(free_port)
    [ -n "$SINK_PORT" ] || SINK_PORT=$(free_port)
}

agent_answers() { curl -sf -m 5 -o health "http://127.0.0.1:$AGENT_PORT/healthz"; }

start_agent() {
    choose_ports
    launch_agent
    until_true 30 agent_answers
}

# kill_agent SIGNAL: and waits for its end, which is a clean one unless it is 9.
kill_agent() {
    kill "-$1" "$AGENT_PID"
    wait "$AGENT_PID" 2>/dev/null || [ "$1" = 9 ]
    AGENT_PID=''
}

# end_agent: by SIGTERM, once it knows of all that is in the dump: a request that has no answer when
# it ends is sent again. For an agent of whose records none came twice.
end_agent() {
    until_true 20 knows_what_arrived
    kill_agent TERM
}

knows_what_arrived() {
    [ $(($(outcome traces delivered) + $(outcome logs delivered))) = "$(wc -l <dump)" ]
}

# begin_scrapes [PATH]: one every 50 ms.
begin_scrapes() {
    python3 "$ROOT/tests/tools/scrape_every.py" --port "$AGENT_PORT" --path "${1:-/metrics}" \
        --started scraping >scrapes 3>&- &
    POLL_PID=$!
    until_true 30 test -e scraping
    rm scraping
}

# end_scrapes WHAT: all were answered, within BOUND_MS.
end_scrapes() {
    kill "$POLL_PID"
    wait "$POLL_PID"
    POLL_PID=''
    echo "# $1: $(cat scrapes)" >&3
    jq -e --argjson bound "$BOUND_MS" '.answers.none == 0 and (.answers | add) >= 20 and
        .slowest_ms < $bound and .up_ms < $bound' scrapes
}

# start_writer OUT ARGUMENT...: spool_write in the background; its pid is in WRITER.
start_writer() {
    local out=$1
    shift
    "$TOOL" "$@" >>"$out" 2>>lost 3>&- &
    WRITER=$!
    # A signal that came while it is still the shell would run the test's own traps, teardown too.
    while [ "$(cat "/proc/$WRITER/comm" 2>/dev/null)" = bash ]; do :; done
    WRITERS+=("$WRITER")
}

# stop_writer PID...: between two appends, so that it has told all of what it wrote. 143 is one that
# had not begun.
stop_writer() {
    local pid status
    for pid in "$@"; do
        kill "$pid" 2>/dev/null || true
        status=0
        wait "$pid" || status=$?
        [ "$status" = 0 ] || [ "$status" = 143 ] || return 1
    done
}

sink_answers() {
    curl -sf -o control -d "$1" "http://127.0.0.1:$SINK_PORT/control"
}

# sink_number PATH: a number from the sink's report, signals.traces.requests, say.
sink_number() {
    curl -sf "http://127.0.0.1:$SINK_PORT/control" | python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."):
    value = value.get(key, 0)
print(value)' "$1"
}

# metric NAME LABELS: a sample of /metrics as a whole number; LABELS as they stand between { and }.
metric() {
    curl -sf "http://127.0.0.1:$AGENT_PORT/metrics" |
        awk -v series="$1{$2}" '$1 == series { printf "%d\n", $2; found = 1 }
                                END { if (!found) print "absent" }'
}

outcome() { metric microtrace_export_records_total "signal=\"$1\",outcome=\"$2\""; }
dropped() { metric microtrace_spool_dropped_records_total "signal=\"$1\",reason=\"$2\""; }
backlog() { metric microtrace_spool_backlog_records "signal=\"$1\""; }
in_books() { metric microtrace_spool_written_records_total "signal=\"$1\""; }

# spool_bytes SIGNAL: of its files; one that is in both tiers counts once.
spool_bytes() {
    find spool run/spool -maxdepth 1 -regextype posix-extended -regex ".*/$1([.][0-9]+)?[.]jsonl" \
        -printf '%f %s\n' 2>/dev/null | awk '!/[.][0-9]/ || !seen[$1]++ { sum += $2 } END { printf "%.0f\n", sum }'
}

# nothing_waits SIGNAL: as of a look that has seen all that is in the files: where the agent is late,
# /metrics tells what was before. Files that it has given up, or leaves alone, count in one of the two
# sums only; then nothing has to wait for two seconds.
nothing_waits() {
    local since=EMPTY_SINCE_$1 result=0 bytes
    bytes=$(spool_bytes "$1")
    curl -sf "http://127.0.0.1:$AGENT_PORT/metrics" | awk -v of="{signal=\"$1\"}" -v files="$bytes" '
        $1 == "microtrace_spool_backlog_records" of { backlog = $2 }
        $1 == "microtrace_spool_bytes" of { bytes = $2 }
        END { exit backlog == "" || backlog + 0 != 0 ? 1 : bytes + 0 == files + 0 ? 0 : 2 }' || result=$?
    if [ "$result" -ne 2 ]; then
        unset "$since"
        return "$result"
    fi
    [ -n "${!since:-}" ] || printf -v "$since" %s "$SECONDS"
    [ $((SECONDS - ${!since})) -ge 2 ] && unset "$since"
}
# active_is_below BYTES: the active file of traces; it is empty while none is there.
active_is_below() { [ "$(stat -c %s spool/traces.jsonl 2>/dev/null || echo 0)" -lt "$1" ]; }
# outcome_is SIGNAL OUTCOME RECORDS
outcome_is() { [ "$(outcome "$1" "$2")" = "$3" ]; }
backlog_is() { [ "$(backlog "$1")" = "$2" ]; }

# books SIGNAL WRITTEN: they balance, and written is as many as the writers appended. What is on
# /metrics is as of the agent's last step, so it may take a moment.
books() { until_true 20 books_balance "$@"; }

books_balance() {
    local written sum
    written=$(in_books "$1")
    sum=$(($(outcome "$1" delivered) + $(outcome "$1" rejected) + $(outcome "$1" quarantined) + \
        $(dropped "$1" cap) + $(dropped "$1" torn) + $(dropped "$1" deleted) + $(backlog "$1")))
    echo "written $written, accounted for $sum, appended $2"
    [ "$written" = "$sum" ] && [ "$written" = "$2" ]
}

# written_by PREFIX: how many of the records in `written` have names that start so.
written_by() { grep -c "^$1" written; }

# everything_arrived [OPTION...]: the oracle, with its options. That nothing waits may be as of the
# agent's last step, so the rest may take a moment.
everything_arrived() {
    until_true 20 python3 "$ROOT/tests/tools/agent_oracle.py" written dump "$@"
}

only_the_active_is_left() {
    [ "$(find spool -name '*.0*.jsonl' | wc -l)" = 0 ]
}

# segments_sealed SIGNAL: how many ever were, from the checkpoint.
segments_sealed() {
    python3 - "$1" <<'END'
import struct, sys
at = {"traces": 24, "logs": 1112}[sys.argv[1]]
with open("spool/agent.checkpoint", "rb") as file:
    slots = [file.read(4096) for _ in range(2)]
newest = max(slots, key=lambda slot: struct.unpack_from("<Q", slot, 16)[0])
print(struct.unpack_from("<Q", newest, at)[0] - 1)
END
}

# resident PID: KiB in memory, and of those what is its own (not of files).
resident() { awk '/^VmRSS/ { rss = $2 } /^RssAnon/ { print rss, $2 }' "/proc/$1/status"; }
