#!/usr/bin/env bats
# Goal: whatever a member of the group puts under the names of an instance's files (a symbolic or a
# hard link to somebody else's file, a FIFO, a directory, a number that nobody counts to), no program
# hangs, none reads or writes elsewhere, and each says what is in its way; directories that anybody
# may write to are refused, and what is made has the documented modes whatever the umask is.

bats_require_minimum_version 1.5.0
load agent_helpers

KINDS=(symlink hardlink dangling fifo directory)

setup() {
    common_setup
    BIN=$BUILD/bin
    mkdir elsewhere
    echo 'a secret' >elsewhere/victim
    chmod 600 elsewhere/victim
}

teardown() { common_teardown; }

# plant KIND NAME: something under that name that is no file of the instance's own.
plant() {
    case $1 in
    symlink) ln -s "$PWD/elsewhere/victim" "$2" ;;
    hardlink) ln elsewhere/victim "$2" ;;
    dangling) ln -s "$PWD/elsewhere/made" "$2" ;;
    fifo) mkfifo "$2" ;;
    directory) mkdir "$2" ;;
    esac
}

# supplant KIND NAME: the same, in place of a file that the agent makes again once it is gone.
supplant() {
    until_true 10 test -e "$2"
    plant "$1" planted
    until_true 10 moved_to "$2"
}
moved_to() { mv -fT planted "$1" || { rm -f "$1" && mv -fT planted "$1"; }; }

# why KIND: what the programs say of it.
why() {
    case $1 in
    symlink | dangling) echo 'symbolic link' ;;
    hardlink) echo 'hard link' ;;
    fifo) echo 'not a regular file' ;;
    directory) echo 'is a directory' ;;
    esac
}

unharmed() {
    [ "$(cat elsewhere/victim)" = 'a secret' ]
    [ "$(stat -c %a elsewhere/victim)" = 600 ]
    [ ! -e elsewhere/made ]
}

said() { grep -q "$1.*$2" agent.log; }
unreadable_is() { [ "$(metric microtrace_spool_unreadable_files "signal=\"$1\"")" = "$2" ]; }
dropped_is() { [ "$(dropped "$1" "$2")" = "$3" ]; }
mode_is() { [ "$(stat -c %a "$2")" = "$1" ]; }
sent_is() { [ "$(wc -l <dump)" = "$1" ]; }
spool_status() {
    run env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" "$BIN/microtrace" spool status
}
health_is() { [ "$(curl -s -m 5 -o health -w '%{http_code}' "http://127.0.0.1:$AGENT_PORT/healthz")" = "$1" ]; }

# cgi RUN: one request to analyze, whose instance is run/ and spool/ here; it has to be answered.
cgi() {
    local body='{"a": 10.5, "b": 3.5}' answer
    answer=$(printf '%s' "$body" | env GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
        SERVER_NAME=localhost SERVER_PORT=80 REMOTE_ADDR=192.0.2.1 REQUEST_METHOD=POST \
        SCRIPT_NAME=/cgi-bin/a.cgi PATH_INFO=/analyze QUERY_STRING= CONTENT_LENGTH=${#body} \
        CONTENT_TYPE=application/json TMPDIR="$PWD" MICROTRACE_RUN_DIR="$PWD/$1" \
        MICROTRACE_SPOOL_DIR="$PWD/spool" timeout 10 "$BIN/analyze" 2>>cgi.log)
    [ "${answer##*$'\n'}" = '{"sum": 14.0, "difference": 7.0}' ]
}

@test "a quarantine file that is not one: the agent goes on, says so and counts the record" {
    local kind n=0
    start_sink
    start_agent
    for kind in "${KINDS[@]}"; do
        plant "$kind" spool/logs.quarantine.jsonl
        echo "no record $kind" >>spool/logs.jsonl
        n=$((n + 1))
        until_true 10 dropped_is logs quarantine_failed "$n"
        until_true 10 said 'logs.quarantine.jsonl' "$(why "$kind")"
        agent_answers
        rm -r spool/logs.quarantine.jsonl
        # With a file of its own it is quiet again, until the next time.
        echo "no record, but kept" >>spool/logs.jsonl
        until_true 10 test -s spool/logs.quarantine.jsonl
        rm spool/logs.quarantine.jsonl
    done
    until_true 10 outcome_is logs quarantined "$n"
    unharmed
}

@test "a full quarantine file that can't be put aside does not grow without end" {
    local before
    start_sink
    SEGMENT=4096 start_agent
    mkdir spool/logs.quarantine.old.jsonl
    touch spool/logs.quarantine.old.jsonl/x
    # In one write: the agent seals a file of this size, and a line without its end is torn then.
    printf '%05000d\n' 0 | tr 0 x >line
    cat line >>spool/logs.jsonl
    until_true 10 test -s spool/logs.quarantine.jsonl
    before=$(stat -c %s spool/logs.quarantine.jsonl)
    echo 'no record' >>spool/logs.jsonl
    until_true 10 dropped_is logs quarantine_failed 1
    [ "$(stat -c %s spool/logs.quarantine.jsonl)" = "$before" ]
}

@test "a checkpoint that is not one: the agent delivers, says so, and writes nowhere else" {
    local kind n=0
    start_sink
    for kind in "${KINDS[@]}"; do
        rm -rf spool && mkdir spool
        plant "$kind" spool/agent.checkpoint
        "$TOOL" spool traces "$kind" 5 5 >>written
        start_agent
        n=$((n + 5))
        until_true 20 sent_is "$n"
        until_true 10 said "checkpoint can't be written" "$(why "$kind")"
        kill_agent TERM
        unharmed
    done
    everything_arrived
}

# not_started TEXT...: an agent that starts now answers, says that it has no spool and why, and goes
# on when the test has mended it.
not_started() {
    : >agent.log
    launch_agent
    until_true 10 health_is 503
    until_true 10 said "$@"
}

@test "a lock file that is not one: the agent does not begin, and a running one reports it" {
    local kind
    start_sink
    for kind in "${KINDS[@]}"; do
        plant "$kind" spool/agent.lock
        choose_ports
        not_started "$PWD/spool/agent.lock can't be opened" "$(why "$kind")"
        unharmed
        rm -r spool/agent.lock
        until_true 30 health_is 200
        kill_agent TERM
        rm spool/agent.lock
    done
    start_agent
    for kind in "${KINDS[@]}"; do
        supplant "$kind" spool/agent.lock
        until_true 30 health_is 503
        grep -q "$(why "$kind")" health
        rm -r spool/agent.lock
        until_true 30 health_is 200
    done
    unharmed
}

@test "sealed segments that are not files of the instance: not read, said, counted, and their neighbours go" {
    local kind i=1
    start_sink
    for kind in "${KINDS[@]}"; do
        plant "$kind" "spool/traces.000000000$i.jsonl"
        i=$((i + 1))
    done
    "$TOOL" spool traces a 20 20 >>written
    start_agent
    until_true 20 sent_is 20
    until_true 10 unreadable_is traces 5
    # The first of them; the others are counted.
    until_true 10 said 'traces.0000000001.jsonl' "$(why symlink)"
    spool_status
    [ "$status" = 1 ]
    [[ "$output" == *"traces.0000000004.jsonl can't be opened"* ]]
    # One that is planted while the agent runs.
    plant fifo spool/traces.0000005000.jsonl
    until_true 30 unreadable_is traces 6
    rm -r spool/traces.0000000*
    rm spool/traces.0000005000.jsonl
    until_true 30 unreadable_is traces 0
    "$TOOL" spool traces b 20 20 >>written
    until_true 20 sent_is 40
    [ "$(outcome traces quarantined)" = 0 ]
    everything_arrived
    unharmed
}

@test "an active file that is not one: writers count their loss, the agent says why, both recover" {
    local kind lost
    start_sink
    start_agent
    for kind in "${KINDS[@]}"; do
        rm -f spool/traces.jsonl
        plant "$kind" spool/traces.jsonl
        lost=$(timeout 10 "$TOOL" spool traces "$kind" 3 3 2>&1)
        [ "$lost" = 'lost 3' ]
        until_true 20 unreadable_is traces 1
        until_true 10 said 'traces.jsonl can.t be opened' "$(why "$kind")"
        cgi run
        unharmed
        rm -r spool/traces.jsonl
        "$TOOL" spool traces "$kind" 3 3 >>written
        until_true 20 unreadable_is traces 0
        until_true 20 nothing_waits traces
    done
    unharmed
    grep -q "traces.jsonl: it .*remove" cgi.log
}

@test "a metrics file that leads elsewhere: nothing is counted there, and it is said" {
    local sum what
    start_sink
    mkdir other
    # Another instance's, valid in each byte.
    cgi other
    sum=$(sha256sum <other/metrics.mmap)
    for what in symlink hardlink fifo directory; do
        case $what in
        symlink) ln -s ../other/metrics.mmap run/metrics.mmap ;;
        hardlink) ln other/metrics.mmap run/metrics.mmap ;;
        *) plant "$what" run/metrics.mmap ;;
        esac
        rm -f .microtrace-* cgi.log
        cgi run
        [ "$(sha256sum <other/metrics.mmap)" = "$sum" ]
        grep -q "metrics are lost: .*remove" cgi.log
        run env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" timeout 10 "$BIN/microtrace" metrics
        [ "$status" = 1 ]
        [[ "$output" == *"metrics.mmap: "*remove* ]]
        rm -r run/metrics.mmap
    done
    cgi run
    # A creator that was killed between its two calls leaves a second name, which the next removes.
    ln run/metrics.mmap run/metrics.mmap.tmp.1.0000000000000000
    touch -d '2 minutes ago' run/metrics.mmap
    rm -f .microtrace-* cgi.log
    cgi run
    [ ! -s cgi.log ]
    [ "$(stat -c %h run/metrics.mmap)" = 1 ]
}

@test "the agent's status: no link is followed, in writing and in reading" {
    start_sink
    ln -s "$PWD/elsewhere/made" run/agent.status.json.new
    plant symlink run/agent.status.json
    start_agent
    until_true 10 test ! -L run/agent.status.json
    [ -f run/agent.status.json ]
    [ "$(stat -c %a run/agent.status.json)" = 640 ]
    unharmed
    kill_agent TERM
    launch_agent --drain
    wait "$AGENT_PID"
    spool_status
    [[ "$output" == *"the spool was drained"* ]]
    mv run/agent.status.json elsewhere/status
    ln -s "$PWD/elsewhere/status" run/agent.status.json
    spool_status
    [[ "$output" != *drained* ]]
    [ "$status" = 1 ]
}

@test "numbers that nobody counts to are no segments; with the highest one everything is sent once" {
    local n
    start_sink
    "$TOOL" spool traces a 20 20 >>written
    for n in 18446744073709551615 18446744073709551614 9223372036854775808 1000000000000; do
        echo '{"resourceSpans":[]}' >"spool/traces.$n.jsonl"
    done
    SEGMENT=4096 start_agent
    until_true 20 nothing_waits traces
    "$TOOL" spool traces b 200 10 >>written
    until_true 20 sent_is 220
    [ -e spool/traces.18446744073709551615.jsonl ]
    rm spool/traces.[1-9]*.jsonl
    # The highest number: after it there is none, and afterwards they begin anew.
    rm -rf one && mkdir one
    "$TOOL" one traces high 20 20 >>written
    mv one/traces.jsonl spool/traces.999999999999.jsonl
    until_true 30 sent_is 240
    "$TOOL" spool traces c 200 10 >>written
    until_true 20 sent_is 440
    until_true 20 only_the_active_is_left
    books traces 440
    kill_agent TERM
    SEGMENT=4096 start_agent
    "$TOOL" spool traces d 200 10 >>written
    until_true 20 sent_is 640
    everything_arrived
    until_true 20 nothing_waits traces
    books traces 640
    [ "$(dropped traces deleted)" = 0 ]
}

all_delivered() { [ "$(outcome traces delivered)" = "$1" ] && [ "$(outcome logs delivered)" = "$1" ]; }

@test "a higher number that appears while no agent runs: the active file goes on where it stood" {
    local kind sent=0
    start_sink
    start_agent
    for kind in segment link directory; do
        "$TOOL" spool traces "t-$kind" 20 5 >>written
        "$TOOL" spool logs "l-$kind" 20 5 >>written
        sent=$((sent + 20))
        until_true 20 all_delivered $sent
        kill_agent 9
        case $kind in
        segment) : >spool/traces.0000000800.jsonl && : >spool/logs.0000000800.jsonl ;;
        link) ln -s nowhere spool/traces.0000000900.jsonl && ln -s nowhere spool/logs.0000000900.jsonl ;;
        directory) mkdir spool/traces.0000001000.jsonl spool/logs.0000001000.jsonl ;;
        esac
        start_agent
    done
    "$TOOL" spool traces t 20 5 >>written
    "$TOOL" spool logs l 20 5 >>written
    until_true 20 all_delivered 80
    everything_arrived --duplicate-requests 0
    books traces 80
    books logs 80
}

@test "a checkpoint with a number beyond the limit: the counts stay, and the numbers begin anew" {
    start_sink
    SEGMENT=4096 start_agent
    "$TOOL" spool traces a 20 20 >>written
    until_true 20 sent_is 20
    end_agent
    # The checkpoint that the old agent left after such a name.
    python3 - <<'END'
import struct, zlib
with open("spool/agent.checkpoint", "r+b") as file:
    for slot in range(2):
        file.seek(slot * 4096)
        bytes_ = bytearray(file.read(4096))
        struct.pack_into("<Q", bytes_, 24, 2**64 - 1)
        struct.pack_into("<I", bytes_, 12, 0)
        struct.pack_into("<I", bytes_, 12, zlib.crc32(bytes_))
        file.seek(slot * 4096)
        file.write(bytes_)
END
    sink_answers '{"mode":"status","status":503}'
    SEGMENT=4096 start_agent
    "$TOOL" spool traces b 200 10 >>written
    until_true 20 backlog_is traces 200
    "$TOOL" spool traces c 200 10 >>written
    until_true 20 backlog_is traces 400
    [ "$(outcome traces delivered)" = 20 ]
    kill_agent 9
    sink_answers '{}'
    SEGMENT=4096 start_agent
    until_true 20 nothing_waits traces
    until_true 20 only_the_active_is_left
    everything_arrived
    [ "$(segments_sealed traces)" -lt 1000 ]
}

@test "umask 077: directories and files have the documented modes" {
    local file
    rmdir run spool
    umask 077
    start_sink
    start_agent
    "$TOOL" spool traces a 5 5 >>written
    echo 'no record' >>spool/logs.jsonl
    "$TOOL" spool logs a 5 5 >>written
    until_true 20 sent_is 10
    until_true 10 test -s spool/traces.jsonl
    until_true 10 test -s run/agent.status.json
    cgi run
    until_true 10 mode_is 2770 run
    until_true 10 mode_is 2770 spool
    until_true 10 mode_is 640 run/agent.status.json
    for file in run/metrics.mmap spool/traces.jsonl spool/agent.lock spool/agent.checkpoint \
        spool/logs.quarantine.jsonl; do
        until_true 10 mode_is 660 "$file"
    done
}

@test "another user's file: its mode is left alone, and outside the group it is not used" {
    [ "$(id -u)" = 0 ] || skip "only root can become others"
    chgrp 62000 spool
    chmod 2770 spool
    install -o 61001 -g 62000 -m 640 /dev/null spool/traces.jsonl
    [ "$("$TOOL" spool traces a 3 3 2>&1 >>written)" = 'lost 0' ]
    [ "$(stat -c %a spool/traces.jsonl)" = 640 ]
    # One of a user who has nothing to do with this directory was moved there.
    rm spool/traces.jsonl
    install -o 61001 -g 61001 -m 600 elsewhere/victim spool/traces.jsonl
    [ "$("$TOOL" spool traces a 3 3 2>&1)" = 'lost 3' ]
    start_sink
    start_agent
    until_true 20 unreadable_is traces 1
    until_true 10 said 'traces.jsonl' "outside the directory's group"
}

@test "a directory that everybody may write to: another user's is refused, our own is told of" {
    [ "$(id -u)" = 0 ] || skip "only root can become others"
    local dir other
    start_sink
    choose_ports
    for dir in spool run; do
        chown 61001 "$dir"
        chmod 777 "$dir"
        if [ "$dir" = spool ]; then
            not_started "MICROTRACE_SPOOL_DIR: $PWD/spool belongs to user 61001, and everybody may write there" chown
            kill_agent TERM
        else
            run -1 env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
                MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" timeout 10 "$AGENT"
            [[ "$output" == *"_RUN_DIR: $PWD/run belongs to user 61001, and everybody may write there"*chown* ]]
        fi
        chown 0 "$dir"
        launch_agent
        until_true 10 agent_answers
        until_true 10 said "everybody may write to this directory" "chmod o-w $PWD/$dir"
        kill_agent TERM
        # Sticky, or closed: nothing to say.
        for other in 1777 2777 2770; do
            chmod "$other" "$dir"
            : >agent.log
            launch_agent
            until_true 10 agent_answers
            run ! grep -q everybody agent.log
            kill_agent TERM
        done
    done
}

# refuses TEXT: `make run` there ends with one line that has the text, and nothing was made.
refuses() {
    run -2 env PORT=8000 AGENT_LISTEN=127.0.0.1:9464 STATE_DIR="$PWD/state" timeout 20 \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [ "${#lines[@]}" = 1 ]
    echo "$output"
    [[ "$output" == *"STATE_DIR '$PWD/state' can't be used: "*$1* ]]
    [[ "$output" != *"=/tmp"* ]]
    unharmed
}

@test "make run as root refuses another user's STATE_DIR, one open to everybody, and planted links" {
    [ "$(id -u)" = 0 ] || skip "only root can become others"
    mkdir -m 777 state state/run state/spool
    ln -s "$PWD/elsewhere/made" state/run/lock
    chown -R -h 61001 state
    refuses "user 61001*chown"
    chmod 755 state
    refuses "user 61001: run this as that user"
    chown 0 state
    chmod 777 state
    refuses "chmod o-w $PWD/state"
    chmod 755 state
    refuses "$PWD/state/run"
    rm -r state/run
    ln -s "$PWD/elsewhere" state/run
    chown -h 61001 state/run
    refuses "symbolic link"
    [ "$(ls elsewhere)" = victim ]
    rm state/run
    mkdir -m 2770 state/run
    chmod 2770 state/spool
    ln -s "$PWD/elsewhere/made" state/run/lock
    chown -R 0 state
    refuses "state/run/lock: it is a symbolic link"
    # Nor does what can't be used for other reasons send anybody to the shared temporary directory.
    rm -r state
    : >state
    refuses "Not a directory"
}
