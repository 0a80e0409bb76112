#!/usr/bin/env bats
# Goal: delivered + rejected + quarantined + dropped + backlog = written, by an oracle that knows
# every record: whatever is killed at whatever instant, with full disks, jumping clocks, and any
# number of writers. KILLS and ROTATIONS make it longer.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

# random LEAST MOST: milliseconds, as seconds.
random() { printf '%d.%03d' $((($1 + RANDOM % ($2 - $1)) / 1000)) $((($1 + RANDOM % ($2 - $1)) % 1000)); }

both_are_empty() { nothing_waits traces && nothing_waits logs; }

start_both_writers() {
    start_writer written spool traces t 100000000 2 1000
    T_WRITER=$WRITER
    start_writer written spool logs l 100000000 3 2000
    L_WRITER=$WRITER
}

# all_is_accounted_for DUPLICATE-REQUESTS: at the end of a test with both writers.
all_is_accounted_for() {
    until_true 60 both_are_empty
    everything_arrived --duplicate-requests "$1"
    books traces "$(written_by t)"
    books logs "$(written_by l)"
    [ "$(outcome traces delivered)" = "$(written_by t)" ]
    [ "$(outcome logs delivered)" = "$(written_by l)" ]
}

@test "killed at random instants under load: nothing lost, at most a batch twice, exact books" {
    local i kills=${KILLS:-40}
    start_sink
    start_agent
    start_both_writers
    for ((i = 0; i < kills; i++)); do
        sleep "$(random 0 200)"
        kill_agent 9
        launch_agent
    done
    until_true 10 agent_answers
    stop_writer "$T_WRITER" "$L_WRITER"
    # Of each signal one batch can be under way.
    all_is_accounted_for $((2 * kills))
}

@test "SIGTERM under load, with a sink that answers: nothing is sent twice" {
    local i
    start_sink
    start_agent
    start_both_writers
    for i in 1 2 3 4 5 6 7 8; do
        sleep "$(random 20 300)"
        kill_agent TERM
        start_agent
    done
    stop_writer "$T_WRITER" "$L_WRITER"
    all_is_accounted_for 0
}

# die_at SYSCALL N: an agent that is killed as it enters that system call for the Nth time.
die_at() {
    local deadline=$((SECONDS + 20))
    PREFIX=(strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2")
    launch_agent
    PREFIX=()
    while kill -0 "$AGENT_PID" 2>/dev/null; do
        if [ $SECONDS -ge $deadline ]; then
            echo "it never came to $1 number $2"
            return 1
        fi
        sleep 0.02
    done
    wait "$AGENT_PID" 2>/dev/null || true
    AGENT_PID=''
}

@test "killed at each step around send, answer, checkpoint, sync, unlink and seal: clean restarts" {
    strace -qq -o /dev/null true 2>/dev/null || skip "no strace, or it may not trace here"
    local call n kills=0
    choose_ports
    start_sink
    start_both_writers
    until_true 10 test -s spool/logs.jsonl
    export SEGMENT=8192 ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    for call in sendto recvfrom pwrite64 pread64 fdatasync unlinkat renameat2 openat statx newfstatat; do
        for n in 1 2 3; do
            case $call$n in statx* | newfstatat[23] | pread64[23] | openat[12]) continue ;; esac
            die_at "$call" "$n"
            kills=$((kills + 1))
        done
    done
    start_agent
    stop_writer "$T_WRITER" "$L_WRITER"
    run -1 grep -v '^lost 0$' lost
    all_is_accounted_for $((2 * kills))
    until_true 15 only_the_active_is_left
}

@test "a file system that can't rename without replacing: segments are sealed all the same" {
    strace -qq -o /dev/null true 2>/dev/null || skip "no strace, or it may not trace here"
    export SEGMENT=4096 ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    start_sink
    PREFIX=(strace -D -f -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:error=EINVAL)
    start_agent
    "$TOOL" spool traces a 200 20 >>written
    until_true 20 everything_arrived --duplicate-requests 0
    until_true 20 only_the_active_is_left
    books traces 200
    until_true 20 eval '[ "$(segments_sealed traces)" -ge 1 ]'
    run -1 grep -E "can't be sealed|moved away" agent.log
}

second_half_waits() { [ "$(wc -l <dump)" = 20 ] && grep -q 'HTTP 503' agent.log; }

@test "killed between the two halves of a batch: the second alone is sent again" {
    start_sink
    "$TOOL" spool traces a 20 20 >>written
    "$TOOL" spool traces b 20 20 >>written
    # The whole is too large, the first half passes, the second is to be sent later.
    sink_answers '{"max_bytes":20000,"poison":"\"b-0\"","poison_status":503}'
    start_agent
    until_true 20 second_half_waits
    until_true 10 backlog_is traces 20
    kill_agent 9
    sink_answers '{}'
    start_agent
    until_true 20 everything_arrived --duplicate-requests 0
    books traces 40
}

@test "rotations among writers of both kinds, some killed in a write, one stopped: the rest goes on" {
    local i pids=() stopped victim victims=20 rotations=${ROTATIONS:-200} torn
    start_sink
    export SEGMENT=4096
    start_agent
    start_writer stopped.out spool traces stopped 100000000 1 5000
    stopped=$WRITER
    until_true 10 test -s stopped.out
    kill -STOP "$stopped"
    for i in 1 2 3 4 5; do
        start_writer "out.$i" spool traces "f$i" 100000000 3 5000
        pids+=("$WRITER")
    done
    for i in 6 7; do
        start_writer "out.$i" spool traces "c$i" 100000000 1 5000 once
        pids+=("$WRITER")
    done
    for ((i = 0; i < victims; i++)); do
        # Half a megabyte by one write: killed inside it, often enough.
        start_writer "victim.$i" spool traces "victim$i" 100000000 400 0
        victim=$WRITER
        POLL=0.005 until_true 10 test -s "victim.$i"
        kill -9 "$victim"
        wait "$victim" 2>/dev/null || true
    done
    until_true 120 eval '[ "$(segments_sealed traces)" -ge "$rotations" ]'
    stop_writer "${pids[@]}"
    until_true 60 nothing_waits traces
    [ "$(find spool -name 'traces.0*' | wc -l)" -ge 1 ] # the stopped writer's
    kill -CONT "$stopped"
    stop_writer "$stopped"
    until_true 30 nothing_waits traces
    run -1 grep -v '^lost 0$' lost
    cat out.* stopped.out >written
    for i in victim.*; do
        # It may have been killed while it told of a record, too.
        head -n "$(wc -l <"$i")" "$i" >>written
    done
    # Nothing twice; what the victims wrote and could not tell of is more, never less.
    everything_arrived --duplicate-requests 0 --others victim
    torn=$(dropped traces torn)
    echo "rotations $(segments_sealed traces), torn $torn of $victims"
    [ "$torn" -le "$victims" ]
    [ ! -e spool/traces.quarantine.jsonl ] || head -c 3000 spool/traces.quarantine.jsonl
    [ "$(outcome traces quarantined)" = 0 ]
    [ "$(outcome traces delivered)" = "$(wc -l <dump)" ]
    books traces $(($(wc -l <dump) + torn))
    until_true 15 only_the_active_is_left
}

no_age() { [ "$(metric microtrace_spool_oldest_record_age_seconds 'signal="traces"')" = 0 ]; }

@test "clock jumps of an hour, forth and back: no stall, no request before its time" {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o clock_jump.so \
        "$ROOT/tests/tools/preload/clock_jump.c"
    local jump
    echo 0 >jump
    start_sink
    ENVIRONMENT=(LD_PRELOAD="$PWD/clock_jump.so" CLOCK_JUMP_FILE="$PWD/jump")
    start_agent
    for jump in 3600 -3600 0; do
        sink_answers '{"mode":"status","status":503,"retry_after":{"date":2},"count":1}'
        "$TOOL" spool traces "j$jump$RANDOM" 200 10 >>written
        until_true 10 eval '[ "$(sink_number signals.traces.statuses.503)" != 0 ]'
        echo "$jump" >jump
        until_true 20 nothing_waits traces
        until_true 10 no_age
        # The same with a Retry-After that our clock would put an hour away, or into the past.
        sink_answers '{"mode":"status","status":429,"retry_after":{"date":3},"count":1}'
        "$TOOL" spool logs "k$jump$RANDOM" 200 10 >>written
        until_true 20 nothing_waits logs
    done
    everything_arrived --duplicate-requests 0
    sink_number signals.logs.times | python3 -c '
import json, sys
times = json.load(sys.stdin)
gaps = [b - a for a, b in zip(times, times[1:])][::2]
print(gaps)
assert len(gaps) == 3 and min(gaps) >= 2.0'
}

@test "restarts of everything in any order: no stall, nothing lost" {
    local i what
    start_sink
    start_agent
    start_both_writers
    for ((i = 0; i < 40; i++)); do
        what=$((RANDOM % 6))
        case $what in
        0) stop_sink && start_sink ;;
        1) kill_agent 9 && launch_agent ;;
        2) kill_agent TERM && launch_agent ;;
        3) stop_writer "$T_WRITER" && start_writer written spool traces "t$i" 100000000 2 1000 &&
            T_WRITER=$WRITER ;;
        4) stop_writer "$L_WRITER" && start_writer written spool logs "l$i" 100000000 3 2000 once &&
            L_WRITER=$WRITER ;;
        # The agent may make a file there meanwhile.
        5) until_true 10 rm -rf run && mkdir -p run && kill_agent TERM && launch_agent ;;
        esac
        # Its handlers have to be in place before the next signal.
        until_true 10 agent_answers
        sleep "$(random 0 150)"
    done
    stop_writer "$T_WRITER" "$L_WRITER"
    until_true 60 both_are_empty
    everything_arrived
    books traces "$(written_by t)"
    books logs "$(written_by l)"
}

@test "a directory that can't be written for a while: said once, nothing sent again, deleted afterwards" {
    # Root could write anyway.
    [ "$(id -u)" -ne 0 ] || PREFIX=(setpriv "--bounding-set=-dac_override,-dac_read_search")
    start_sink
    sink_answers '{"mode":"hang"}'
    start_agent
    "$TOOL" spool traces a 500 10 >>written
    until_true 20 test -e spool/traces.0000000001.jsonl
    chmod 550 spool
    "$TOOL" spool traces b 200 10 >>written
    stop_sink
    start_sink
    until_true 30 nothing_waits traces
    until_true 30 grep -q "can't be deleted" agent.log
    [ -e spool/traces.0000000001.jsonl ]
    chmod 2770 spool
    until_true 30 only_the_active_is_left
    everything_arrived --duplicate-requests 0
    books traces 700
    [ "$(outcome traces delivered)" = 700 ]
    [ "$(grep -c "can't be deleted" agent.log)" = 1 ]
    [ "$(grep -c "can't be sealed" agent.log)" = 1 ]
}
