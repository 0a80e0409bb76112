#!/usr/bin/env bats
# Goal: `microtrace run` is a careful supervisor: the command's exit status, signals, terminal and
# environment are what they would be without it, or what the span needs; whatever becomes of the
# telemetry, the command runs.

bats_require_minimum_version 1.5.0

load helpers
load spool

setup() { new_spool; }

teardown() {
    stop_background
    rm -rf "$DIR"
}

# Without a terminal, whoever runs the tests, unless a test makes one.
mt() { setsid -w "$BIN/microtrace" "$@"; }

value_is() {
    local found
    found=$("$BIN/microtrace" metrics --prometheus |
        SERIES=$1 awk 'index($0, ENVIRON["SERIES"] " ") == 1 { print $NF }')
    [ "$found" = "$2" ] || { echo "$1 is '$found', not $2" && return 1; }
}

# the_span JQ-EXPRESSION: holds for the last one.
the_span() { spans | tail -n 1 | expect_json "$1"; }

# supervisor PID: the microtrace below setsid is what a signal is for.
started_run() { # COMMAND...: in the background; RUN is its pid, $DIR/out what it prints
    # A shell lets what it starts in the background ignore SIGINT.
    env --default-signal setsid "$BIN/microtrace" run "$@" >"$DIR/out" 2>"$DIR/err" </dev/null 3>&- &
    RUN=$!
    PIDS+=("$RUN")
}

printed() { grep -q "$1" "$DIR/out"; }

# ends_with STATUS: of RUN.
ends_with() {
    local status=0
    wait_until gone "$RUN"
    wait "$RUN" || status=$?
    [ "$status" -eq "$1" ] || { echo "exit status $status, not $1" && cat "$DIR/err" && return 1; }
}

@test "exit status, span and metrics of each way to end" {
    local row status type outcome line
    echo 'no program' >"$DIR/text"
    for row in '0||success|exit 0' '3|3|failure|exit 3' '255|255|failure|exit 255' \
        '143|SIGTERM|signal|kill -TERM $$' '137|SIGKILL|signal|kill -KILL $$' '134|SIGABRT|signal|kill -ABRT $$'; do
        IFS='|' read -r status type outcome line <<<"$row"
        run "-$status" mt run --name job --attr k=v -- sh -c "$line"
        [ -z "$output" ]
        the_span '.name == "job" and .kind == 1 and .attrs.k.stringValue == "v" and
            .attrs."process.executable.name".stringValue == "sh" and
            (.attrs."process.pid".intValue | tonumber) > 1 and
            .attrs."process.exit.code".intValue == "'"$status"'" and
            (.attrs."error.type".stringValue // "") == "'"$type"'" and
            (.status.code // 0) == '"$([ "$status" -eq 0 ] && echo 0 || echo 2)"
    done
    run -127 mt run -- "$DIR/nothing"
    [[ $output == "microtrace run: $DIR/nothing: No such file or directory" ]]
    the_span '.name == "nothing" and .attrs."error.type".stringValue == "ENOENT"'
    run -126 mt run "$DIR/text"
    [[ $output == "microtrace run: $DIR/text: Permission denied" ]]
    the_span '.attrs."error.type".stringValue == "EACCES" and .attrs."process.exit.code".intValue == "126"'
    value_is 'program_runs_total{program="job",outcome="success"}' 1.0
    value_is 'program_runs_total{program="job",outcome="failure"}' 2.0
    value_is 'program_runs_total{program="job",outcome="signal"}' 3.0
    value_is 'program_runs_total{program="nothing",outcome="failure"}' 1.0
    value_is 'program_runs_total{program="nothing",outcome="success"}' 0.0
    value_is 'program_run_seconds_count{program="job"}' 6
    [ "$("$BIN/microtrace" metrics --prometheus | grep -c '^program_last_success')" -eq 1 ]
    run -0 "$BIN/microtrace" metrics --prometheus
    awk -v now="$(date +%s)" '/^program_last_success_timestamp_seconds\{program="job"\}/ { found = now - $2 }
        END { exit !(found != "" && found > -2 && found < 60) }' <<<"$output"
    # The failures came after it.
    awk '/^program_last_success_timestamp_seconds\{program="job"\}/ { success = $2 }
        /^program_last_failure_timestamp_seconds\{program="job"\}/ { job = $2 }
        /^program_last_failure_timestamp_seconds\{program="nothing"\}/ { nothing = $2 }
        END { exit !(success > 0 && job > success && nothing > job && nothing < success + 60) }' <<<"$output"
    run -0 mt run --name job -- true
    run -0 "$BIN/microtrace" metrics --prometheus
    awk '/^program_last_success_timestamp_seconds\{program="job"\}/ { success = $2 }
        /^program_last_failure_timestamp_seconds\{program="job"\}/ { failure = $2 }
        END { exit !(failure > 0 && success > failure) }' <<<"$output"
}

@test "words of the command are its own, and not in the span unless asked for" {
    run -0 mt run --name x -- printf '%s|' --name -x -- ''
    [ "$output" = '--name|-x|--||' ]
    run -0 mt run printf '%s|' --help
    [ "$output" = '--help|' ]
    refute grep -q command_args "$SPOOL/traces.jsonl"
    mt run --args true --password 'x y'
    the_span '[.attributes[] | select(.key == "process.command_args").value.arrayValue.values[].stringValue]
        == ["true", "--password", "x y"]'
    # Together more than a record takes: those that fit, and the span is whole.
    local long
    long=$(head -c 9000 /dev/zero | tr '\0' '"')
    # shellcheck disable=SC2046
    mt run --args true $(yes "$long" | head -n 20)
    the_span '.name == "true" and ([.attributes[] | select(.key == "process.command_args").value.arrayValue.values[]] | length) > 3'
}

@test "the environment hands the span on: TRACEPARENT, TRACESTATE, BAGGAGE, the instance" {
    local id
    cat >"$DIR/inner" <<'END'
cd / && env && microtrace log inside && microtrace count inner_total
END
    export PATH=$BIN:$PATH
    TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 TRACESTATE=vendor=x \
        BAGGAGE='user=7,team=a' mt run -- sh "$DIR/inner" >"$DIR/out"
    the_span '.traceId == "4bf92f3577b34da6a3ce929d0e0e4736" and .parentSpanId == "00f067aa0ba902b7"'
    id=$(spans | jq -r .spanId)
    grep -qx "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-$id-0[13]" "$DIR/out"
    grep -qx TRACESTATE=vendor=x "$DIR/out"
    grep -qx BAGGAGE=user=7,team=a "$DIR/out"
    logs | expect_json '.message == "inside" and .span_id == "'"$id"'"'
    # What is another trace's, or breaks the grammar, does not go on.
    TRACEPARENT=nonsense TRACESTATE=vendor=x BAGGAGE=$'a b\x01' mt run -- env >"$DIR/out"
    refute grep -E '^(TRACESTATE|BAGGAGE)=' "$DIR/out"
    # Formats that are not ours to read stay as they are.
    TRACEPARENT=mine OTEL_PROPAGATORS=none mt run -- env >"$DIR/out"
    grep -qx TRACEPARENT=mine "$DIR/out"
    OTEL_PROPAGATORS=b3multi,jaeger mt run -- env >"$DIR/out"
    grep -qE '^X_B3_TRACEID=[0-9a-f]{32}$' "$DIR/out"
    grep -qE '^UBER_TRACE_ID=' "$DIR/out"
    # --state, given as a relative path, holds in other folders too.
    unset MICROTRACE_RUN_DIR MICROTRACE_SPOOL_DIR
    (cd "$DIR" && mt run --state state -- sh "$DIR/inner" >/dev/null)
    export MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$SPOOL
    value_is inner_total 2.0
}

@test "nested runs are one trace" {
    export PATH=$BIN:$PATH
    mt run --name outer -- microtrace run --name middle -- microtrace span inner
    [ "$(spans | jq -r .traceId | sort -u | wc -l)" -eq 1 ]
    spans | jq -sc 'map({(.name): .}) | add' | expect_json '.inner.parentSpanId == .middle.spanId and
        .middle.parentSpanId == .outer.spanId and (.outer.parentSpanId // "") == ""'
}

@test "standard input is the command's, byte for byte, and its output is not touched" {
    head -c 300000 /dev/urandom >"$DIR/random"
    mt run cat <"$DIR/random" | cmp - "$DIR/random"
    [ "$(mt run --log-output -- head -c 5 <<<'abcdefgh')" = abcde ]
    mt run -- sh -c 'echo out; echo err >&2' >"$DIR/out" 2>"$DIR/err"
    [ "$(cat "$DIR/out")" = out ]
    [ "$(cat "$DIR/err")" = err ]
}

@test "the command has the caller's descriptors, and none of ours" {
    local plain
    plain=$(bash -c "exec 9>'$DIR/nine'; ls /proc/self/fd" 3>&-)
    [ "$(bash -c "exec 9>'$DIR/nine'; '$BIN/microtrace' run ls /proc/self/fd" 3>&-)" = "$plain" ]
    [ "$(bash -c "exec 9>'$DIR/nine'; '$BIN/microtrace' run --log-output --timeout 60 ls /proc/self/fd" 3>&-)" = "$plain" ]
    bash -c "exec 9>'$DIR/nine'; '$BIN/microtrace' run sh -c 'echo nine >&9'"
    [ "$(cat "$DIR/nine")" = nine ]
}

@test "signals go to the command, each once, and those that it ignores end nobody" {
    local signal
    started_run -- bash -c '
        for s in HUP INT QUIT USR1 USR2 WINCH ALRM TERM; do trap "echo got $s" $s; done
        echo ready; while [ ! -e '"$DIR"'/enough ]; do read -r -t 0.05 <> <(:) || true; done; exit 7'
    wait_until printed ready
    for signal in HUP INT QUIT USR1 USR2 WINCH ALRM TERM; do
        kill -"$signal" "$RUN"
        wait_until printed "got $signal"
    done
    touch "$DIR/enough"
    ends_with 7
    [ "$(grep -c got "$DIR/out")" -eq 8 ]
    started_run -- sh -c 'echo asleep; exec sleep 60'
    wait_until printed asleep
    kill -TERM "$RUN"
    ends_with 143
    the_span '.attrs."error.type".stringValue == "SIGTERM"'
}

@test "ignored signals stay ignored, dispositions are the caller's" {
    # SigIgn of the command with and without us; bit 12 is SIGPIPE, bit 16 SIGCHLD, bit 24 SIGXFSZ.
    local plain
    for script in ':' 'trap "" HUP USR1 PIPE' 'trap "" CHLD'; do
        plain=$(bash -c "$script; exec grep -E 'Sig(Ign|Blk)' /proc/self/status")
        [ "$(setsid -w bash -c "$script; exec '$BIN/microtrace' run grep -E 'Sig(Ign|Blk)' /proc/self/status")" = "$plain" ]
    done
    started_run --name hup -- sh -c 'echo ready; sleep 60'
    wait_until printed ready
    kill -HUP "$RUN"
    ends_with 129
    : >"$DIR/out"
    bash -c "trap '' HUP; exec setsid '$BIN/microtrace' run sh -c 'echo ready; while [ ! -e $DIR/go ]; do :; done'" \
        >"$DIR/out" 2>"$DIR/err" 3>&- &
    RUN=$!
    PIDS+=("$RUN")
    wait_until printed ready
    kill -HUP "$RUN"
    touch "$DIR/go"
    ends_with 0
}

@test "--timeout: SIGTERM, then SIGKILL to the whole group; exit 124, whatever the command does of it" {
    run -124 mt run --timeout 100ms --name slow -- sleep 60
    the_span '.attrs."error.type".stringValue == "timeout" and .status.message == "did not end within 0.1 s"'
    run -124 mt run --timeout 0.1 --name slow -- sh -c 'trap "exit 0" TERM; sleep 60 & wait'
    value_is 'program_runs_total{program="slow",outcome="timeout"}' 2.0
    # It and its child ignore SIGTERM.
    run -124 mt run --timeout 0.2 --kill-after 0.2 -- sh -c 'trap "" TERM; sleep 61 & echo $! >'"$DIR/child"'; wait'
    wait_until gone "$(cat "$DIR/child")"
    # The child outlives its parent's SIGTERM, and has the time that it was promised.
    run -124 mt run --timeout 4 --kill-after 20 -- \
        sh -c 'sh -c "trap \"echo cleaned >'"$DIR/cleaned"'; exit\" TERM; echo \$\$ >'"$DIR/child"'; while :; do sleep 0.05; done" & wait'
    [ -e "$DIR/cleaned" ]
    run -0 mt run --timeout 60 -- true
    run -3 mt run --timeout 0 -- sh -c 'exit 3'
}

@test "kill -9 of the supervisor kills the command, and the run is counted as lost" {
    local child
    start_agent
    started_run -- sh -c 'trap "" TERM HUP; echo $$ >'"$DIR/child"'; while :; do sleep 0.1; done'
    wait_until test -s "$DIR/child"
    child=$(cat "$DIR/child")
    kill -KILL "$RUN"
    wait_until gone "$child"
    wait_until metric_is microtrace_processes_died_total 1
    [ ! -s "$SPOOL/traces.jsonl" ]
    mt run true
    the_span '.name == "true"'
}

@test "processor time of a run is its program's" {
    mt run --name burn -- sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done'
    "$BIN/microtrace" metrics --prometheus |
        awk '/^program_cpu_seconds_total\{program="burn"\}/ { found = $2 } END { exit !(found > 0.02 && found < 60) }'
}

@test "two hundred at once: every run is in spans and metrics" {
    seq 200 | xargs -P 16 -n 1 "$BIN/microtrace" run --name crowd -- sh -c 'exit $(($1 % 4 == 0))' sh ||
        [ $? -eq 123 ] # some have failed
    [ "$(spans | jq -r .spanId | sort -u | wc -l)" -eq 200 ]
    value_is 'program_runs_total{program="crowd",outcome="success"}' 150.0
    value_is 'program_runs_total{program="crowd",outcome="failure"}' 50.0
    value_is 'program_run_seconds_count{program="crowd"}' 200
}

@test "the command runs whatever is wrong with the instance: one line, its exit status" {
    run -5 mt run --state "$DIR/nowhere" -- sh -c 'echo $TRACEPARENT; exit 5'
    [ "${#lines[@]}" -eq 2 ]
    [[ $output == *"--state $DIR/nowhere"* && $output == *00-*-0[0-3]* ]]
    run -5 env MICROTRACE_RUN_DIR="$DIR/none" MICROTRACE_SPOOL_DIR="$DIR/none" setsid -w "$BIN/microtrace" run -- sh -c 'exit 5'
    [ "${#lines[@]}" -eq 1 ]
    "$BIN/microtrace" count here_total
    run -5 bash -c "ulimit -f 0; setsid -w '$BIN/microtrace' run --log-output -- sh -c 'echo hello; exit 5'"
    [ "${#lines[@]}" -eq 2 ]
    "$BIN/microtrace" metrics --prometheus | grep -E '^microtrace_spool_dropped_records_total\{signal="traces",reason="[a-z_]+"\} 1.0'
    "$BIN/microtrace" metrics --prometheus | grep -E '^microtrace_spool_dropped_records_total\{signal="logs",reason="[a-z_]+"\} 1.0'
    value_is 'program_runs_total{program="sh",outcome="failure"}' 1.0
    run -4 env OTEL_SDK_DISABLED=true setsid -w "$BIN/microtrace" run -- sh -c 'exit 4'
    [ -z "$output" ]
    # No process to be had: it becomes the command. Root has no such limit.
    local user=()
    [ "$(id -u)" -ne 0 ] || user=(setpriv --reuid 65534 --clear-groups)
    cp "$BIN/microtrace" "$DIR/microtrace"
    run -6 "${user[@]}" bash -c "ulimit -u 1; exec '$DIR/microtrace' run -- bash -c 'exit 6'"
    [[ $output == *"bash runs without a span: Resource temporarily unavailable"* ]]
}

@test "no room for its metrics: the span is there, and a line says so" {
    MICROTRACE_METRICS_MAX_SERIES=2 "$BIN/microtrace" count one_total
    run -0 mt run true
    [[ $output == "microtrace run: true is not counted: series_limit"* && ${#lines[@]} -eq 1 ]]
    the_span '.name == "true"'
}

@test "a metrics file that was replaced meanwhile gets the run" {
    started_run -- sh -c 'echo ready; while [ ! -e '"$DIR"'/go ]; do sleep 0.05; done'
    wait_until printed ready
    rm "$STATE/run/metrics.mmap"
    # It looks at most once a second.
    sleep 1.1
    touch "$DIR/go"
    ends_with 0
    value_is 'program_runs_total{program="sh",outcome="success"}' 1.0
}

@test "the wall clock jumps: the span is as long as the command ran" {
    case $BUILD in *asan*) skip "the sanitizer's runtime has to come first" ;; esac
    ${CC:-gcc} -shared -fPIC -o "$DIR/jump.so" "$ROOT/tests/tools/preload/clock_jump.c" -ldl
    echo 0 >"$DIR/jump"
    for seconds in 86400 -86400; do
        LD_PRELOAD=$DIR/jump.so CLOCK_JUMP_FILE=$DIR/jump mt run -- \
            env -u LD_PRELOAD sh -c "echo $seconds >$DIR/jump"
        the_span '(.endTimeUnixNano | tonumber) - (.startTimeUnixNano | tonumber) | . > 0 and . < 60e9'
        echo 0 >"$DIR/jump"
    done
}

@test "hostile names: a label that is printable, a span that is whole" {
    local name=$'x\e[31m\n\xff'
    mt run --name "$name" -- true
    the_span '.name == "x\\u001b[31m\\u000a\ufffd"'
    "$BIN/microtrace" metrics --prometheus | grep -q '^program_runs_total{program="x\\\\u001b\[31m\\\\u000a'
    mt run --name "$(head -c 100000 /dev/zero | tr '\0' n)" --attr "$(head -c 100000 /dev/zero | tr '\0' k)=v" -- true
    the_span '(.name | length) > 200'
    value_is 'program_runs_total{program="'"$(head -c 255 /dev/zero | tr '\0' n)"'",outcome="success"}' 1.0
    cp "$(type -P true)" "$DIR/"$'odd\tname'
    mt run "$DIR/"$'odd\tname'
    the_span '.name == "odd\\u0009name"'
}

@test "on a terminal: Ctrl-Z stops the job, fg goes on, the keyboard is the command's, Ctrl-C ends it" {
    run -0 "$ROOT/tests/tools/terminal.py" 60 bash --norc --noprofile -i <<END
send PS1=%''%; bind 'set enable-bracketed-paste off'; stty -echo\\r
expect %%
send $BIN/microtrace run --name typed -- sh -c 'echo rea""dy; exec cat'\\r
expect ready
send first\\r
expect first
send \\x1a
expect Stopped
expect %%
send fg\\r
expect run --name typed
send second\\r
expect second
send \\x03
expect %%
send echo sta''tus=\$?\\r
expect status=130
send exit 0\\r
END
    the_span '.name == "typed" and .attrs."error.type".stringValue == "SIGINT"'
    # A timeout ends what the command has started, but not the rest of the pipeline, and no daemon.
    cat >"$DIR/family" <<'END'
trap '' TERM
setsid sh -c 'trap "" TERM; echo $$ >daemon; exec sleep 62' &
(sh -c 'trap "" TERM; echo $$ >orphan; exec sleep 63' &)
sh -c 'echo $$ >child; exec sleep 64' &
wait
sleep 65
END
    cd "$DIR"
    run -0 "$ROOT/tests/tools/terminal.py" 60 bash --norc --noprofile -i <<END
send PS1=%''%; bind 'set enable-bracketed-paste off'; stty -echo\\r
expect %%
send $BIN/microtrace run --timeout 4 --kill-after 0.5 -- sh $DIR/family >/dev/null 2>&1 | (cat; echo status of cat \$?)\\r
expect status of cat 0
expect %%
send exit 0\\r
END
    wait_until all_gone "$(cat child)" "$(cat orphan)"
    refute gone "$(cat daemon)"
    kill -KILL "$(cat daemon)"
    # In a pipeline others read the terminal too.
    run -0 "$ROOT/tests/tools/terminal.py" 60 bash --norc --noprofile -i <<END
send PS1=%''%; bind 'set enable-bracketed-paste off'; stty -echo\\r
expect %%
send $BIN/microtrace run echo piped | (read -r x; echo "got \$x"; read -r y </dev/tty; echo "\$x-\$y")\\r
expect got piped
send typed\\r
expect piped-typed
send exit 0\\r
END
}
