#!/usr/bin/env bats
# Goal: whatever others do to the names in the spool while the agent runs (remove, rename, replace,
# restore, copy, forbid), it goes on, works on the right files alone, says what it can't mend, and
# needs a few descriptors for any number of segments.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

said() { grep -q "$1" agent.log; }
health() { curl -s -m 5 -o health -w '%{http_code}' "http://127.0.0.1:$AGENT_PORT/healthz"; }
health_is() { [ "$(health)" = "$1" ]; }
sent_is() { [ "$(wc -l <dump)" = "$1" ]; }
held_lock() { [ "$(stat -L -c %i "/proc/$AGENT_PID/fd/"* 2>/dev/null | grep -c "^$(stat -c %i "$1")$")" -ge 1 ]; }

# second_agent: tries to start another one on the spool, which has to refuse.
second_agent() {
    run -1 env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$(free_port)" timeout 10 "$AGENT"
    [[ "$output" == *"another metrics-agent works on"* ]]
}

# seal NUMBER NAME COUNT: a sealed segment of spans in the folder `made`.
seal() {
    rm -rf one && mkdir -p one made
    "$TOOL" one traces "$2" "$3" "$3"
    mv one/traces.jsonl "made/traces.$(printf %010d "$1").jsonl"
}

@test "the spool's directory removed and made again, under a writer: it goes on, and counts what is lost" {
    start_sink
    start_agent
    start_writer written spool traces t 100000000 2 1000
    until_true 10 sent_is_more_than 100
    stop_writer "$WRITER"
    until_true 20 nothing_waits traces
    sink_answers '{"mode":"status","status":503}'
    "$TOOL" spool traces lost 20 20 >gone
    until_true 10 backlog_is traces 20
    # The agent may make a file there meanwhile.
    until_true 10 rm -rf spool
    mkdir spool
    until_true 30 held_lock spool/agent.lock
    sink_answers '{}'
    "$TOOL" spool traces u 50 10 >>written
    until_true 30 nothing_waits traces
    until_true 10 everything_arrived --others gone
    books traces $(($(wc -l <written) + 20))
    [ "$(dropped traces deleted)" = 20 ]
    [ -s spool/agent.checkpoint ]
    second_agent
}

sent_is_more_than() { [ "$(wc -l <dump)" -gt "$1" ]; }

@test "the directory renamed, and another in its place" {
    start_sink
    start_agent
    "$TOOL" spool traces a 50 10 >>written
    until_true 20 nothing_waits traces
    mv spool elsewhere
    mkdir spool
    "$TOOL" spool traces b 50 10 >>written
    until_true 30 sent_is 100
    until_true 20 nothing_waits traces
    everything_arrived
    books traces 100
    # The other place is free again, and all of it is delivered.
    [ "$(find "/proc/$AGENT_PID/fd" -lname "$PWD/elsewhere*" | wc -l)" = 0 ]
    env MICROTRACE_RUN_DIR="$PWD/run2" MICROTRACE_SPOOL_DIR="$PWD/elsewhere" \
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$SINK_PORT" "$AGENT" --drain
    sent_is 100
}

@test "a missing directory: healthz says so, and it is made after a while" {
    start_sink
    start_agent
    health_is 200
    until_true 10 rm -rf spool
    until_true 30 health_is 503
    grep -q "$PWD/spool can't be opened" health
    said "$PWD/spool can't be opened"
    until_true 40 test -d spool
    until_true 10 health_is 200
    "$TOOL" spool traces a 50 10 >>written
    until_true 20 sent_is 50
}

@test "agent.lock removed or replaced: no second agent, and it is made anew" {
    local what
    start_sink
    start_agent
    for what in 'rm spool/agent.lock' 'mv spool/agent.lock spool/agent.lock.old' \
        'rm spool/agent.lock; : >spool/agent.lock'; do
        eval "$what"
        second_agent
        until_true 30 held_lock spool/agent.lock
    done
    "$TOOL" spool traces a 20 20 >>written
    until_true 20 nothing_waits traces
    everything_arrived
}

@test "agent.checkpoint removed: made anew, and nothing is sent twice after a restart" {
    start_sink
    start_agent
    "$TOOL" spool traces a 50 10 >>written
    until_true 20 nothing_waits traces
    rm spool/agent.checkpoint
    # It begins with two empty slots.
    until_true 30 grep -q MTSPOOL spool/agent.checkpoint
    kill_agent 9
    start_agent
    "$TOOL" spool traces b 50 10 >>written
    until_true 20 sent_is 100
    everything_arrived
    books traces 100
}

@test "a checkpoint that can't be written is said once, and sending goes on" {
    start_sink
    choose_ports
    # Too little for the two slots of a checkpoint.
    local i
    PREFIX=(prlimit --fsize=8000)
    launch_agent
    "$TOOL" spool traces a 5 5 >>written
    until_true 20 sent_is 5
    for i in 1 2 3; do
        "$TOOL" spool traces "b$i" 5 5 >>written
        until_true 20 sent_is $((5 + 5 * i))
    done
    [ "$(grep -c "checkpoint can't be written" agent.log)" = 1 ]
    everything_arrived
}

@test "a checkpoint that could not be written is written as soon as it can be: nothing is sent twice" {
    local i
    start_sink
    PREFIX=(prlimit --fsize=8000:unlimited)
    choose_ports
    launch_agent
    for i in 1 2; do
        "$TOOL" spool traces "a$i" 5 5 >>written
        until_true 20 sent_is $((5 * i))
    done
    until_true 10 grep -q "checkpoint can't be written" agent.log
    run -1 grep -q . spool/agent.checkpoint
    prlimit --pid "$AGENT_PID" --fsize=unlimited:unlimited
    until_true 20 grep -q . spool/agent.checkpoint
    until_true 10 nothing_waits traces
    kill_agent 9
    PREFIX=()
    start_agent
    "$TOOL" spool traces b 5 5 >>written
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    books traces 15
}

@test "sealed segments that others put there are sent once, whatever their numbers" {
    local i
    start_sink
    SEGMENT=4096 start_agent
    "$TOOL" spool traces a 200 20 >>written
    until_true 20 nothing_waits traces
    seal 2 low 20 >>written
    seal 5000 high 20 >>written
    mv made/* spool/
    until_true 40 sent_is 240
    "$TOOL" spool traces b 200 20 >>written
    until_true 20 sent_is 440
    everything_arrived
    until_true 20 only_the_active_is_left
    books traces 440
    said 'put there by someone else'
}

@test "a sealed segment that ends in the middle of a line longer than any record" {
    start_sink
    seal 1 whole 5 >>written
    head -c 17000000 /dev/zero | tr '\0' x >>made/traces.0000000001.jsonl
    mv made/* spool/
    start_agent
    until_true 20 only_the_active_is_left
    books traces 6
    everything_arrived --duplicate-requests 0
    [ "$(outcome traces delivered)" = 5 ]
    [ "$(outcome traces quarantined)" = 1 ]
}

@test "a sealed segment with the number that is next is not overwritten" {
    start_sink
    SEGMENT=4096 start_agent
    seal 1 others 10 >>written
    mv made/* spool/
    # Sealed before the other one is known: that may still be copied, and is left alone for 5 s.
    "$TOOL" spool traces a 200 20 >>written
    until_true 40 sent_is 210
    until_true 20 nothing_waits traces
    everything_arrived
    books traces 210
}

@test "a sealed segment that is still being copied is left alone until it is whole" {
    start_sink
    start_agent
    seal 3 slow 400 >>written
    # In pieces, for longer than the directory is read anew.
    split -n 14 made/traces.0000000003.jsonl piece.
    for piece in piece.*; do
        cat "$piece" >>spool/traces.0000000003.jsonl
        sleep 1
    done
    until_true 40 sent_is 400
    until_true 10 nothing_waits traces
    everything_arrived
    [ "$(dropped traces torn)" = 0 ]
    [ "$(outcome traces quarantined)" = 0 ]
}

@test "a copy of a delivered spool sends nothing again, and goes on with what is new" {
    local way
    start_sink
    start_agent
    # A writer that stays keeps a sealed segment from being deleted.
    start_writer stays spool traces stays 2 1 60000000
    until_true 10 test -s stays
    cat stays >>written
    "$TOOL" spool traces a 50 10 >>written
    "$TOOL" spool logs l 50 10 >>written
    until_true 20 sent_is 101
    until_true 10 nothing_waits logs
    kill_agent TERM
    mkdir b
    for way in 'cp -a spool/. b/spool' 'cp -r spool/. b/spool' 'tar -C spool -cf - . | tar -C b/spool -xf -'; do
        rm -rf b && mkdir -p b/spool
        eval "$way"
        "$TOOL" b/spool traces new 5 5 >>written
        env MICROTRACE_RUN_DIR="$PWD/b/run" MICROTRACE_SPOOL_DIR="$PWD/b/spool" \
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$SINK_PORT" "$AGENT" --drain
    done
    sent_is 116
}

@test "a file of the same number and size with other content does not pass for the one delivered" {
    start_sink
    start_agent
    "$TOOL" spool traces a 50 10 >>written
    until_true 20 nothing_waits traces
    kill_agent TERM
    sed -i 's/a-4/b-4/g' spool/traces.jsonl
    grep -o '"name":"b-4[0-9]*"' spool/traces.jsonl | cut -d'"' -f4 >>written
    start_agent
    until_true 20 sent_is 100
}

@test "a segment that can't be opened: said once, no busy loop, the others go, and it too in the end" {
    local before after
    start_sink
    for i in 1 2 3; do seal $i "s$i" 10 >>written; done
    mv made/* spool/
    "$TOOL" spool logs l 10 10 >>written
    chmod 000 spool/traces.0000000002.jsonl spool/logs.jsonl
    # Root reads all, unless it is told that it can't.
    [ "$(id -u)" != 0 ] || PREFIX=(setpriv --bounding-set "-dac_override,-dac_read_search")
    start_agent
    until_true 20 sent_is 20
    before=$(cut -d' ' -f14,15 "/proc/$AGENT_PID/stat" | tr ' ' +)
    sleep 3
    after=$(cut -d' ' -f14,15 "/proc/$AGENT_PID/stat" | tr ' ' +)
    # A busy loop takes 300 hundredths of a second.
    [ $((after - before)) -lt 100 ]
    [ "$(grep -c "traces.0000000002.jsonl can't be opened: Permission denied" agent.log)" = 1 ]
    [ "$(grep -c "logs.jsonl can't be opened: Permission denied" agent.log)" = 1 ]
    [ "$(grep -c "can't be opened" agent.log)" = 2 ]
    agent_answers
    [ "$(metric microtrace_spool_unreadable_files 'signal="traces"')" = 1 ]
    [ "$(metric microtrace_spool_unreadable_files 'signal="logs"')" = 1 ]
    chmod 660 spool/*.jsonl
    until_true 30 sent_is 40
    until_true 10 nothing_waits traces
    [ "$(metric microtrace_spool_unreadable_files 'signal="traces"')" = 0 ]
    everything_arrived
}

@test "a sealed segment deleted by others before its turn: counted, no busy loop" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    for i in 1 2 3; do seal $i "s$i" 10 >>made.names; done
    mv made/* spool/
    start_agent
    until_true 10 backlog_is traces 30
    until_true 10 said 'HTTP 503'
    rm spool/traces.0000000002.jsonl
    sink_answers '{}'
    until_true 40 sent_is 20
    until_true 20 nothing_waits traces
    books traces 30
    [ "$(dropped traces deleted)" = 10 ]
}

# hold FIRST LAST: a writer that keeps these sealed segments open and writes nothing more.
hold() {
    python3 - "$1" "$2" 3>&- <<'END' &
import fcntl, struct, sys, time
files = [open("spool/traces.%010d.jsonl" % i, "r+b") for i in range(int(sys.argv[1]), int(sys.argv[2]) + 1)]
F_OFD_SETLK = 37
for file in files:
    fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))
open("holds", "w").close()
time.sleep(3600)
END
    HOLDER=$!
    WRITERS+=("$HOLDER")
    until_true 10 test -e holds
}

@test "many segments, some held by writers: 64 descriptors are enough" {
    local n=${SEGMENTS:-2000} late
    start_sink
    seal 1 x 1 >/dev/null
    python3 - "$n" <<'END'
import sys
line = open("made/traces.0000000001.jsonl").read()
with open("written", "a") as written:
    for i in range(1, int(sys.argv[1]) + 1):
        with open("spool/traces.%010d.jsonl" % i, "w") as file:
            file.write(line.replace('"x-0"', '"m-%d"' % i))
        print("m-%d" % i, file=written)
END
    hold 101 300
    sink_answers '{"mode":"status","status":503}'
    PREFIX=(prlimit --nofile=64)
    start_agent
    until_true 30 said 'HTTP 503'
    until_true 30 backlog_is traces "$n"
    [ "$(find "/proc/$AGENT_PID/fd" -type l | wc -l)" -lt 40 ]
    sink_answers '{}'
    until_true "${PATIENCE:-120}" sent_is "$n"
    until_true 20 nothing_waits traces
    until_true 20 eval '[ "$(find spool -name "traces.0*" | wc -l)" = 200 ]'
    # What one of them still writes is delivered, and all of them go once they are let go of.
    late=$(head -n 1 spool/traces.0000000200.jsonl | sed 's/"m-200"/"late"/g')
    echo "$late" >>spool/traces.0000000200.jsonl
    echo late >>written
    until_true 20 sent_is $((n + 1))
    [ "$(find "/proc/$AGENT_PID/fd" -type l | wc -l)" -lt 40 ]
    kill -9 "$HOLDER"
    until_true 20 only_the_active_is_left
    everything_arrived
    books traces $((n + 1))
}

fate() { echo $(($(outcome traces delivered) + $(dropped traces deleted))); }
fate_is() { [ "$(fate)" = "$1" ]; }

@test "active files moved away under writers that keep them open: a bounded number is kept, the rest counted" {
    local i
    mkdir away
    start_sink
    sink_answers '{"mode":"status","status":503}'
    PREFIX=(prlimit --nofile=64)
    start_agent
    for i in $(seq 40); do
        # It writes one record and keeps the file.
        start_writer "w$i" spool traces "w$i" 2 1 600000000
        until_true 10 test -s "w$i"
        until_true 10 backlog_is_or_gone "$i"
        mv spool/traces.jsonl "away/$i"
        until_true 20 moved_away "$i"
    done
    [ "$(find "/proc/$AGENT_PID/fd" -type l | wc -l)" -lt 50 ]
    [ "$(dropped traces deleted)" -ge 20 ]
    sink_answers '{}'
    until_true 40 fate_is 40
    [ "$(outcome traces delivered)" -ge 10 ]
    books traces 40
}

backlog_is_or_gone() { [ $(($(backlog traces) + $(dropped traces deleted))) = "$1" ]; }
moved_away() { [ "$(grep -c 'moved away by someone else' agent.log)" = "$1" ]; }
