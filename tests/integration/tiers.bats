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

@test "what waits for 10 s moves to the disk, and goes on there after a restart" {
    choose_ports
    start_agent
    write traces t 300 3
    has_file run/spool/traces.jsonl
    until_true 30 has_file 'spool/traces.0*'
    until_true 10 no_file 'run/spool/traces.0*'
    backlog_is traces 300
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

