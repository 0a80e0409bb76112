#!/usr/bin/env bats
# Goal: the lines of files that other programs put beside the spool arrive, each once, while the
# files grow, are rotated in any way, and the agent is restarted or killed; the files are never
# changed, and no file there, however odd, costs more than a message.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() {
    common_teardown
    ! mountpoint -q spool || umount -l spool
}

# lines SIGNAL NAME COUNT: that many lines on stdout; their names go to `written`.
lines() {
    rm -rf made && mkdir made
    "$TOOL" made "$1" "$2" "$3" 100 >>written
    cat "made/$1.jsonl"
}

said() { grep -q "$1" agent.log; }
times_said() { grep -c "$1" agent.log; }
sent_is() { [ "$(wc -l <dump)" = "$1" ]; }
sent_at_least() { [ "$(wc -l <dump)" -ge "$1" ]; }
all_sent() { until_true 30 sent_is "$(wc -l <written)" && everything_arrived --duplicate-requests 0; }
unread_is() { [ "$(metric microtrace_import_unreadable_files "signal=\"$1\"")" = "$2" ]; }
processor() { awk '{ print $14 + $15 }' "/proc/$AGENT_PID/stat"; }

# grow FILE NAME COUNT: appends lines one by one, in two writes each, until it is ended.
grow() {
    lines traces "$2" "$3" >source
    python3 - "$1" <<'END' 3>&- &
import sys, time
with open("source", "rb") as source:
    for line in source:
        with open(sys.argv[1], "ab", buffering=0) as file:
            file.write(line[:len(line) // 2])
            time.sleep(0.001)
            file.write(line[len(line) // 2:])
END
    WRITERS+=($!)
    GROWER=$!
}

@test "files of both signals arrive once, also what is appended later, and stay as they are" {
    start_sink
    lines traces a 300 >spool/php.traces.jsonl
    lines logs b 200 >spool/agent.logs.jsonl
    lines traces c 10 >spool/traces.traces.jsonl
    cp -a spool before
    start_agent
    all_sent
    lines traces d 50 >>spool/php.traces.jsonl
    lines logs e 50 >>spool/agent.logs.jsonl
    all_sent
    books traces 360
    books logs 250
    cmp -n "$(stat -c %s before/php.traces.jsonl)" before/php.traces.jsonl spool/php.traces.jsonl
    cmp before/traces.traces.jsonl spool/traces.traces.jsonl
    [ "$(stat -c %a:%h:%U spool/php.traces.jsonl)" = "$(stat -c %a:%h:%U before/php.traces.jsonl)" ]
    end_agent
    start_agent
    lines traces f 5 >>spool/traces.traces.jsonl
    all_sent
}

@test "a file that grows in halves of lines, through restarts: each line once" {
    start_sink
    grow spool/x.traces.jsonl g 2000
    start_agent
    until_true 30 sent_at_least 300
    kill_agent TERM
    start_agent
    until_true 30 sent_at_least 1000
    kill_agent TERM
    start_agent
    wait "$GROWER"
    all_sent
    books traces 2000
}

@test "kill -9 again and again: each line once in the books, and no request twice but the last" {
    local i
    start_sink
    grow spool/x.traces.jsonl k 3000
    for i in 1 2 3 4 5; do
        start_agent
        until_true 30 sent_at_least $((i * 300))
        kill_agent 9
    done
    wait "$GROWER"
    start_agent
    until_true 30 nothing_waits traces
    until_true 30 everything_arrived
    until_true 30 nothing_waits traces
    everything_arrived --duplicate-requests 5
    books traces 3000
}

@test "killed between a step's append and its cursor: each line once" {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    local call
    gcc -shared -fPIC -o kill.so "$ROOT/tests/tools/preload/kill_before_rename.c"
    start_sink
    start_agent
    lines traces a 100 >spool/x.traces.jsonl
    all_sent
    end_agent
    # About three steps, and two more renames for each new segment.
    lines traces k 4000 >>spool/x.traces.jsonl
    for call in 1 2 3 1 2; do
        launch_agent_that_dies "$call"
    done
    start_agent
    books traces 4100
    until_true 30 nothing_waits traces
    everything_arrived --duplicate-requests 5
}

is_dead() { ! kill -0 "$1"; }

# launch_agent_that_dies CALL: before it writes its cursors for that time.
launch_agent_that_dies() {
    PREFIX=(env LD_PRELOAD="$PWD/kill.so" KILL_RENAME_NAME=agent.imports KILL_RENAME_CALL="$1")
    launch_agent
    PREFIX=()
    until_true 30 is_dead "$AGENT_PID"
    wait "$AGENT_PID" || [ $? = 137 ]
    AGENT_PID=''
}

@test "rotated by rename under a writer: to a name that is read, and to one that is not" {
    local i
    start_sink
    start_agent
    # The writer opens the name for each line, so it goes on in a new file.
    for i in 1 2 3; do
        grow spool/x.traces.jsonl "r$i" 200
        until_true 30 sent_at_least $((400 * (i - 1) + 50))
        mv spool/x.traces.jsonl "spool/x.$i.traces.jsonl"
        wait "$GROWER"
        all_sent
        grow spool/x.traces.jsonl "s$i" 200
        until_true 30 sent_at_least $((400 * (i - 1) + 250))
        mv spool/x.traces.jsonl "spool/x.traces.jsonl.$i"
        wait "$GROWER"
        all_sent
    done
    books traces 1200
}

@test "a renamed file is read to its end while its writer still has it open" {
    start_sink
    start_agent
    lines traces a 10 >spool/x.traces.jsonl
    all_sent
    exec 9>>spool/x.traces.jsonl
    mv spool/x.traces.jsonl spool/x.traces.jsonl.1
    lines traces b 10 >spool/x.traces.jsonl
    lines traces c 10 >&9
    all_sent
    # Moved away, and deleted.
    mkdir elsewhere
    mv spool/x.traces.jsonl.1 elsewhere
    lines traces d 10 >&9
    all_sent
    rm -r elsewhere spool/x.traces.jsonl
    lines traces e 10 >&9
    all_sent
    exec 9>&-
    books traces 50
}

@test "renamed while no agent runs: found by its inode, and the new one is read from its start" {
    start_sink
    lines traces a 20 >spool/x.traces.jsonl
    lines traces b 20 >spool/y.traces.jsonl
    start_agent
    all_sent
    end_agent
    lines traces c 20 >>spool/x.traces.jsonl
    lines traces d 20 >>spool/y.traces.jsonl
    mv spool/x.traces.jsonl spool/x.traces.jsonl.1
    mv spool/y.traces.jsonl spool/y.1.traces.jsonl
    lines traces e 20 >spool/x.traces.jsonl
    lines traces f 20 >spool/y.traces.jsonl
    start_agent
    all_sent
    # One of which nothing could be taken is known again, too.
    end_agent
    sink_answers '{"mode":"status","status":503}'
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:1 MICROTRACE_SPOOL_MAX_BYTES=1048576)
    "$TOOL" spool traces own 300 100 >>written
    lines traces g 20 >spool/z.traces.jsonl
    start_agent
    until_true 10 grep -q z.traces.jsonl spool/agent.imports
    kill_agent TERM
    mv spool/z.traces.jsonl spool/z.old
    sink_answers '{}'
    ENVIRONMENT=()
    start_agent
    all_sent
}

@test "a copy of the directory goes on where the original stood" {
    start_sink
    lines traces a 20 >spool/x.traces.jsonl
    lines traces b 20 >spool/y.traces.jsonl
    start_agent
    all_sent
    end_agent
    cp -a spool copy
    rm -r spool
    mv copy spool
    lines traces c 20 >>spool/x.traces.jsonl
    start_agent
    all_sent
}

@test "copied and truncated: read from its start, also when it has grown as long again" {
    start_sink
    start_agent
    lines traces a 50 >spool/x.traces.jsonl
    all_sent
    cp spool/x.traces.jsonl spool/x.traces.jsonl.1
    lines traces b 20 >new
    cat new >spool/x.traces.jsonl
    all_sent
    lines traces c 100 >new
    cat new >spool/x.traces.jsonl
    all_sent
    end_agent
    lines traces d 200 >new
    cat new >spool/x.traces.jsonl
    start_agent
    all_sent
    # A writer that does not append leaves a hole where it was.
    lines traces e 10 >new
    truncate -s 0 spool/x.traces.jsonl
    dd if=new of=spool/x.traces.jsonl bs=1 seek=300000 conv=notrunc 2>dd.log
    all_sent
    books traces 380
}

@test "a last line without its newline is taken when it is whole and nothing follows" {
    start_sink
    start_agent
    lines traces a 3 >three
    head -c -1 three >spool/x.traces.jsonl
    head -c 100 three >spool/half.traces.jsonl
    until_true 10 sent_is 2
    all_sent
    # The newline that comes late is none of another line.
    printf '\n' >>spool/x.traces.jsonl
    lines traces b 1 >>spool/x.traces.jsonl
    all_sent
    books traces 4
}

@test "empty lines, carriage returns and blanks around a line mean nothing" {
    start_sink
    lines traces a 4 >four
    {
        printf '\n\r\n  \n'
        sed 's/$/\r/; s/^/ \t/' four
        printf '\n\n'
    } >spool/x.traces.jsonl
    start_agent
    all_sent
    books traces 4
}

@test "pipes, links, folders, hidden and unreadable files: said once, and no busy loop" {
    local before after
    start_sink
    lines traces a 5 >outside
    lines traces b 5 >spool/good.traces.jsonl
    mkfifo spool/pipe.traces.jsonl
    mkdir spool/folder.traces.jsonl
    ln -s "$PWD/outside" spool/link.traces.jsonl
    ln -s traces.jsonl spool/own.traces.jsonl
    cp outside spool/.hidden.traces.jsonl
    cp outside spool/.traces.jsonl
    cp outside spool/plain.jsonl
    cp outside spool/two.traces.jsonl
    ln spool/two.traces.jsonl two
    sed -i '/^a-/d' written
    start_agent
    all_sent
    # A second name of the spool's own file: nobody uses it until that is gone.
    "$TOOL" spool traces own 1 100 >>written
    all_sent
    ln spool/traces.jsonl spool/evil.traces.jsonl
    until_true 20 said "evil.traces.jsonl can't be read: it has a second name"
    rm spool/evil.traces.jsonl
    lines traces c 5 >>spool/good.traces.jsonl
    all_sent
    before=$(processor)
    sleep 2
    after=$(processor)
    [ $((after - before)) -lt 50 ]
    for name in pipe folder link own; do
        [ "$(times_said "$name.traces.jsonl is not a regular file")" = 1 ]
    done
    [ "$(times_said "two.traces.jsonl can't be read: it has a second name")" = 1 ]
    [ "$(times_said "evil.traces.jsonl can't be read: it has a second name")" = 1 ]
    books traces 11
}

@test "a file that may not be read is said once, and read when it may" {
    [ "$(id -u)" = 0 ] || skip "only root can give a file to somebody else"
    start_sink
    lines traces a 5 >spool/x.traces.jsonl
    chown 65534 spool/x.traces.jsonl
    chmod 600 spool/x.traces.jsonl
    PREFIX=(setpriv "--bounding-set=-dac_override,-dac_read_search")
    start_agent
    until_true 10 said "x.traces.jsonl can't be read: Permission denied"
    lines traces b 5 >spool/y.traces.jsonl
    until_true 20 sent_is 5
    [ "$(times_said "x.traces.jsonl can't be read")" = 1 ]
    chmod 644 spool/x.traces.jsonl
    all_sent
}

few_are_open() { [ "$(ls "/proc/$AGENT_PID/fd" | wc -l)" -lt 100 ]; }

@test "more files than are read: it is said, the agent answers, and a deleted one makes room" {
    local i
    start_sink
    lines traces a 1100 >all
    split -l 1 -a 4 --additional-suffix=.traces.jsonl all spool/f
    start_agent
    until_true 60 sent_is 1024
    until_true 10 said "more than 1024 files of other programs"
    [ "$(times_said "more than 1024 files")" = 1 ]
    run ! said "agent.imports is missing" # it is the first start
    until_true 10 unread_is traces 76
    agent_answers
    until_true 20 nothing_waits traces
    until_true 20 few_are_open
    # A restart takes none of them again.
    end_agent
    start_agent
    lines traces b 1 >>spool/faaaa.traces.jsonl
    until_true 30 sent_at_least 1024
    until_true 30 nothing_waits traces
    [ "$(sort dump | uniq -d | wc -l)" = 0 ]
    [ "$(wc -l <dump)" -le 1025 ]
}

@test "while nothing can be sent the file itself waits, and the spool keeps its room" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    lines traces a 12000 >spool/x.traces.jsonl
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=16777216)
    start_agent
    until_true 20 test -s spool/agent.imports
    until_true 20 said "503"
    sleep 2
    # A sixteenth of the limit, and the line that goes beyond it.
    [ "$(du -bc spool/traces*.jsonl | awk 'END { print $1 }')" -lt 1200000 ]
    sink_answers '{}'
    until_true 60 sent_is 12000
    everything_arrived --duplicate-requests 0
    until_true 20 nothing_waits traces
    [ "$(dropped traces cap)" = 0 ]
    books traces 12000
    # The agent is a writer that lets go of the files.
    until_true 20 only_the_active_is_left
}

drain() {
    launch_agent --drain
    until_true 60 is_dead "$AGENT_PID"
    wait "$AGENT_PID"
    AGENT_PID=''
}

@test "with no endpoint nothing is taken; --drain takes what is there" {
    start_sink
    lines traces a 3000 >spool/x.traces.jsonl
    lines logs b 2000 | head -c -1 >spool/y.logs.jsonl
    touch -d '10 seconds ago' spool/y.logs.jsonl
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_ENDPOINT=)
    start_agent
    sleep 1
    [ ! -e spool/agent.imports ]
    kill_agent TERM
    ENVIRONMENT=()
    drain
    sent_is 5000
    everything_arrived --duplicate-requests 0
    drain
    sent_is 5000
}

@test "--drain: lines that wait for room in the spool, one by one, the last one too" {
    start_sink
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=1M)
    choose_ports
    python3 - >spool/x.logs.jsonl <<'END'
for i in range(4):
    print('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"%s"}}]}]}]}' % ("x" * 100000))
END
    drain
    sent_is 4
}

@test "cursors that are damaged, missing or can't be written: said; at worst twice, never lost" {
    start_sink
    lines traces a 20 >spool/x.traces.jsonl
    start_agent
    all_sent
    # Removed under the agent: made again.
    rm spool/agent.imports
    lines traces b 1 >>spool/x.traces.jsonl
    all_sent
    until_true 20 test -s spool/agent.imports
    end_agent
    printf 'x' | dd of=spool/agent.imports bs=1 seek=40 conv=notrunc 2>dd.log
    start_agent
    until_true 20 said "agent.imports is damaged; .* sent again"
    until_true 20 sent_is 42
    everything_arrived
    end_agent
    # Removed while no agent ran: as loud.
    rm spool/agent.imports
    start_agent
    until_true 20 said "agent.imports is missing; 1 files of other programs are read from their"
    until_true 20 sent_is 63
    end_agent
    # A folder in its place can't be replaced.
    mv spool/agent.imports imports
    mkdir spool/agent.imports
    start_agent
    until_true 20 said "agent.imports can't be written"
    rmdir spool/agent.imports
    lines traces c 3 >>spool/x.traces.jsonl
    until_true 20 said "other programs' files are read again"
    until_true 20 everything_arrived
    [ "$(times_said "agent.imports can't be written")" = 1 ]
}

left_out_is() { [ "$(dropped traces oversize)" = "$1" ]; }

@test "a line that is too long is left out and counted, its neighbours arrive" {
    start_sink
    start_agent
    lines traces a 2 >two
    {
        head -n 1 two
        python3 -c 'print("{\"resourceSpans\":[" + " " * (17 << 20) + "]}")'
        tail -n 1 two
    } >spool/x.traces.jsonl
    all_sent
    until_true 10 said "x.traces.jsonl has a line that is too long"
    until_true 10 left_out_is 1
    books traces 2
}

@test "a full disk: the lines wait in their file, and all arrive once when there is room" {
    mount -t tmpfs -o size=1m,mode=2770 none spool 2>/dev/null || skip "no mount is permitted here"
    start_sink
    lines traces a 200 >spool/x.traces.jsonl
    head -c 900k /dev/zero >spool/ballast 2>/dev/null || true
    start_agent
    until_true 20 said "they wait\|files wait"
    sent_is 0
    rm spool/ballast
    all_sent
    [ "$(times_said "they wait\|files wait")" = 1 ]
    books traces 200
}
