#!/usr/bin/env bats
# The two tiers of the spool: while the endpoint takes what is written nothing touches the disk; what
# can't be sent soon moves there; and whenever the agent is killed on the way, each record arrives
# and the books balance.

bats_require_minimum_version 1.5.0

load agent_helpers

setup() {
    common_setup
    two_tiers
}

teardown() { common_teardown; }

# write SIGNAL NAME COUNT [ARGUMENT...]: by a writer of two tiers.
write() { "$TOOL" -r run -m run spool "$@" >>written; }

files() { (cd "$1" && ls -A) 2>/dev/null | LC_ALL=C sort | xargs; }
has_file() { compgen -G "$1" >/dev/null; }
no_file() { ! has_file "$1"; }
# The agent's own files are there from its start.
disk_is_empty() { [ "$(files spool)" = "agent.checkpoint agent.lock" ]; }

sink_has() { [ "$(wc -l <dump)" -ge "$1" ]; }

@test "while the endpoint takes what is written, nothing of it touches the disk" {
    start_sink
    start_agent
    [ "$(stat -c %a run/spool)" = 2770 ]
    write traces t 3000 3
    write logs l 3000 3
    until_true 20 nothing_waits traces
    until_true 20 nothing_waits logs
    everything_arrived --duplicate-requests 0
    disk_is_empty
    has_file 'run/spool/agent.checkpoint'
    books traces 3000
    books logs 3000
}

@test "analyze names no file on the disk in its system calls" {
    case $BUILD in */asan*) skip "the sanitizer does not work under strace" ;; esac
    command -v strace || skip "strace is not there"
    start_sink
    start_agent
    export MICROTRACE_RUN_DIR=$PWD/run MICROTRACE_SPOOL_DIR=$PWD/spool
    for i in 1 2 3; do
        env REQUEST_METHOD=GET SCRIPT_NAME=/nothing SERVER_PROTOCOL=HTTP/1.1 \
            strace -f -o trace -e trace=file,desc "$BUILD/bin/analyze" >answer
        grep -q "404" answer
    done
    grep -q "run/spool/\|$MEMORY\|traces.jsonl" trace
    ! grep "$PWD/spool" trace || return 1
    # By another name neither: what was opened to be written is in the run directory.
    awk '/open.*O_(WRONLY|RDWR)/ && !/ENOENT/' trace | grep -v "$PWD/run\|\"traces.jsonl\"\|\"logs.jsonl\"\|/dev/" >others || true
    [ ! -s others ]
    until_true 20 nothing_waits traces
    disk_is_empty
}

# readyz STATUS: as a CGI process, which looks for itself.
readyz() {
    env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" REQUEST_METHOD=GET SCRIPT_NAME=/readyz \
        SERVER_PROTOCOL=HTTP/1.1 "$BUILD/bin/analyze" >answer
    grep -q "^Status: $1" answer
}

@test "readyz says so while the directory on the disk is missing, though memory takes records" {
    start_agent
    until_true 20 readyz 200
    mv spool away
    readyz 503
    grep -q "\"reason\":\"spool: $PWD/spool: No such file or directory\"" answer
    mv away spool
    readyz 200
}

@test "what waits for 10 s moves to the disk, and goes on there after a restart" {
    choose_ports
    start_agent
    write traces t 300 3
    has_file run/spool/traces.jsonl
    until_true 30 has_file 'spool/traces.0*'
    until_true 10 no_file 'run/spool/traces.0*'
    until_true 10 backlog_is traces 300
    kill_agent 9
    start_sink
    start_agent
    write traces u 30 3
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    until_true 20 disk_is_empty
    books traces 330
}

@test "beyond half of the memory the oldest segments move; what is found nowhere else goes to the disk" {
    choose_ports
    ENVIRONMENT=(MICROTRACE_SPOOL_MEMORY_BYTES=1M)
    start_agent
    "$TOOL" -r run -m run -l 131072 spool traces t 6000 3 >>written
    until_true 20 has_file 'spool/traces.0*'
    until_true 20 no_file 'spool/traces.jsonl'
    [ "$(du -sb run/spool/ | cut -f1)" -le 1048576 ]
    # No agent makes room: the rest goes to the disk.
    kill_agent 9
    "$TOOL" -r run -m run -l 131072 spool traces u 2000 3 >>written
    has_file spool/traces.jsonl
    [ "$(stat -c %s run/spool/traces.jsonl)" -le 131072 ]
    start_sink
    start_agent
    until_true 30 nothing_waits traces
    everything_arrived --duplicate-requests 0
    until_true 20 disk_is_empty
    books traces 8000
}

@test "an agent that ends leaves everything on the disk, and no directory in memory" {
    choose_ports
    start_agent
    write traces t 30 3
    write logs l 30 3
    kill_agent TERM
    [ ! -e run/spool ]
    has_file 'spool/traces.0*'
    # Without it writers append to the disk.
    write traces u 30 3
    has_file spool/traces.jsonl
    start_sink
    start_agent
    write traces v 30 3
    until_true 20 nothing_waits traces
    until_true 20 nothing_waits logs
    everything_arrived --duplicate-requests 0
    until_true 20 disk_is_empty
    books traces 90
}


@test "memory 0 after a killed agent: what lay in memory is sent, and its directory goes" {
    choose_ports
    start_agent
    write traces t 30 3
    kill_agent 9
    write traces u 30 3
    [ ! -e spool/traces.jsonl ]
    start_sink
    ENVIRONMENT=(MICROTRACE_SPOOL_MEMORY_BYTES=0)
    start_agent
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    until_true 20 test ! -e run/spool
    write traces v 3 3
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    books traces 63
}

@test "--drain empties both tiers" {
    choose_ports
    start_agent
    write traces t 30 3
    kill_agent 9
    start_sink
    launch_agent --drain
    wait "$AGENT_PID"
    AGENT_PID=''
    everything_arrived --duplicate-requests 0
}

@test "a backup: what an agent that was ended leaves is whole on the disk, and its copy is sent once, elsewhere" {
    start_sink
    start_agent
    write traces t 30 3
    write logs l 30 3
    until_true 20 sink_has 60
    until_true 20 nothing_waits traces
    until_true 20 nothing_waits logs
    kill_agent TERM
    # Nobody answers: it waits, in memory at first.
    ENVIRONMENT=(OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1)
    start_agent
    write traces u 30 3
    write logs m 30 3
    kill_agent TERM
    no_file 'run/spool/*.jsonl'
    mkdir -p elsewhere/run
    cp -a spool elsewhere/spool
    env MICROTRACE_RUN_DIR="$PWD/elsewhere/run" MICROTRACE_SPOOL_DIR="$PWD/elsewhere/spool" \
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$SINK_PORT" "$AGENT" --drain
    everything_arrived --duplicate-requests 0
}

@test "a writer that idles holds its segment: the disk has a copy meanwhile, and each record is sent once" {
    choose_ports
    start_agent
    # One append, then a minute of nothing.
    start_writer idle.out -m run spool traces t 6 3 60000000
    until_true 10 test -s idle.out
    until_true 30 has_file 'spool/traces.0*'
    has_file 'run/spool/traces.0*'
    until_true 10 cmp spool/traces.0* run/spool/traces.0*
    kill_agent 9
    start_sink
    start_agent
    until_true 20 nothing_waits traces
    kill -9 "$WRITER"
    cat idle.out >>written
    until_true 20 no_file 'run/spool/traces.0*'
    until_true 20 disk_is_empty
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
}

@test "the run directory's spool is taken away: said, made again, and the books balance" {
    choose_ports
    start_agent
    write traces t 30 3
    until_true 10 backlog_is traces 30
    rm -rf run/spool
    until_true 10 test -d run/spool
    grep -q "run/spool was moved away by someone else; making it anew" agent.log
    write traces u 30 3
    start_sink
    until_true 40 nothing_waits traces
    books traces 60
}

@test "a link in place of the directory: nobody follows it, and the disk serves" {
    mkdir elsewhere
    ln -s "$PWD/elsewhere" run/spool
    start_sink
    start_agent
    write traces t 30 3
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    [ -z "$(ls -A elsewhere)" ]
    grep -q "run/spool can't be used: .*; requests write to the disk" agent.log
}

@test "what is in the place of the directory is put right: the agent takes it, with what writers have there" {
    [ "$(id -u)" = 0 ] || skip "this needs root"
    mkdir run/spool
    chown 65534 run/spool
    chmod 777 run/spool
    start_sink
    start_agent
    grep -q "spool belongs to user 65534" agent.log
    write traces t 30 3
    until_true 20 books_balance traces 30
    no_file run/spool/traces.jsonl
    # What the agent asks for.
    chown 0 run/spool
    chmod o-w run/spool
    write traces u 30 3
    until_true 20 books_balance traces 60
    until_true 20 nothing_waits traces
    until_true 20 has_file run/spool/agent.checkpoint
    write traces v 30 3
    has_file run/spool/traces.jsonl
    books traces 90
    until_true 20 nothing_waits traces
    everything_arrived --duplicate-requests 0
    [ "$(grep -c 'belongs to user' agent.log)" = 1 ]
    kill_agent TERM
    [ ! -e run/spool ]
}

@test "a second agent of the same run directory leaves the memory to the first" {
    local first
    start_sink
    start_agent
    first=$AGENT_PID
    mkdir other
    AGENT_PORT=$(free_port)
    env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/other" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$AGENT" 2>second.log 3>&- &
    WRITERS+=($!)
    until_true 10 grep -q "run/spool can't be used: another metrics-agent works on it" second.log
    write traces t 30 3
    until_true 20 sink_has 30
    kill -9 "$first"
}

@test "spool status, tail and verify see one spool" {
    choose_ports
    start_agent
    write traces t 30 3
    kill_agent TERM
    start_agent
    write traces u 30 3
    until_true 10 backlog_is traces 60
    export MICROTRACE_RUN_DIR=$PWD/run MICROTRACE_SPOOL_DIR=$PWD/spool
    "$BUILD/bin/microtrace" spool status --json >status || true
    jq -e '.signals.traces | .backlog_records == 60 and .memory_bytes > 0 and .bytes > .memory_bytes
        and ([.segments[].in_memory] | any and (all | not))' status
    "$BUILD/bin/microtrace" spool status >people || true
    grep -q "bytes in memory" people
    "$BUILD/bin/microtrace" spool verify
    "$BUILD/bin/microtrace" spool tail --signal traces -n 100 --no-follow >lines
    [ "$(grep -c . lines)" = 60 ]
}
