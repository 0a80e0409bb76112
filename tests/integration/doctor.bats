#!/usr/bin/env bats
# Goal: `microtrace doctor` names the ten likeliest mistakes of an installation, each in one line with
# the command that mends it, and that command mends it; where all is well it says that in one line.

bats_require_minimum_version 1.5.0

load helpers
load spool
load doctor

setup() { doctor_setup; }

teardown() { doctor_teardown; }

@test "all is well: one line, exit 0; an empty request has reached the endpoint" {
    well_agent
    examine
    is_well
    curl -s "$SINK/control" | expect_json '.signals.traces.requests == 1 and .signals.traces.records == 0 and
        .signals.logs.requests == 1'
    doctor --json >"$DIR/json"
    expect_json ".wrong == [] and .fixed == [] and .run == \"$STATE/run\" and .spool == \"$SPOOL\"" <"$DIR/json"
}

@test "no endpoint: a note, and nothing is wrong" {
    export MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT MICROTRACE_SPOOL_MAX_BYTES=1M
    start_agent
    examine
    [ "$status" = 0 ]
    [[ $output == *'note: traces: nothing is sent, the spool keeps the newest: no endpoint is set'* ]]
}

@test "wrong usage ends with 2" {
    run -2 doctor --what
    run -2 doctor operand
    run -2 doctor --state "$DIR/none"
}

@test "1: wrong modes" {
    well_agent
    chmod 00777 "$SPOOL"
    chmod 00755 "$STATE/run"
    examine
    names "spool directory $SPOOL has mode 0777, not 2770: everybody may write" "chmod 2770 $SPOOL"
    names "run directory $STATE/run has mode 0755, not 2770" "chmod 2770 $STATE/run"
    mend "has mode 0777"
    mend "has mode 0755"
    examine
    is_well
    # By --fix, which says it and is then satisfied.
    chmod 0777 "$SPOOL"
    examine --fix
    [ "$status" = 0 ]
    [[ $output == "fixed: $SPOOL has mode 2770 now"* ]]
    [ "$(stat -c %a "$SPOOL")" = 2770 ]
    examine
    is_well
}

@test "2: a missing folder" {
    rmdir "$STATE/run"
    examine
    names "the run directory $STATE/run does not exist" "install -d -m 2770 $STATE/run"
    mend "does not exist"
    [ "$(stat -c %a "$STATE/run")" = 2770 ]
    rmdir "$STATE/run"
    examine --fix
    [[ $output == *"fixed: $STATE/run was made, with mode 2770"* ]]
    [ "$(stat -c %a "$STATE/run")" = 2770 ]
}

@test "3: the port is in use by another program" {
    export MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT
    background /usr/bin/python3 -m http.server --bind 127.0.0.1 "$AGENT_PORT"
    wait_until curl -fs -o /dev/null "http://$MICROTRACE_AGENT_LISTEN/"
    examine
    names "can't listen on 127.0.0.1:$AGENT_PORT: Address already in use; python3 (pid $STARTED) has it" \
        "export MICROTRACE_AGENT_LISTEN=127.0.0.1:$((AGENT_PORT + 1))"
    mend "can't listen on"
    [ "$MICROTRACE_AGENT_LISTEN" = "127.0.0.1:$((AGENT_PORT + 1))" ]
    kill -KILL "$STARTED"
    wait_until gone "$STARTED"
    MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT examine
    refute grep -F "can't listen" <<<"$output"
}

@test "4: an endpoint without a scheme" {
    well_agent
    OTEL_EXPORTER_OTLP_ENDPOINT=${SINK#http://}
    examine
    names "OTEL_EXPORTER_OTLP_ENDPOINT: \"${SINK#http://}\" has no scheme; write http://" \
        'export OTEL_EXPORTER_OTLP_ENDPOINT="http://$OTEL_EXPORTER_OTLP_ENDPOINT"'
    mend "has no scheme"
    examine
    is_well
}

@test "5: a typo in a variable, and one that nobody knows" {
    well_agent
    export OTEL_EXPORTER_OTLP_ENDPIONT=$SINK MICROTRACE_MYSTERY=1
    unset OTEL_EXPORTER_OTLP_ENDPOINT
    examine
    names "OTEL_EXPORTER_OTLP_ENDPIONT is no setting: do you mean OTEL_EXPORTER_OTLP_ENDPOINT?" \
        'export OTEL_EXPORTER_OTLP_ENDPOINT="$OTEL_EXPORTER_OTLP_ENDPIONT"; unset OTEL_EXPORTER_OTLP_ENDPIONT'
    [[ $output == *'note: MICROTRACE_MYSTERY is no setting, and it is in the environment'* ]]
    mend "do you mean"
    unset MICROTRACE_MYSTERY
    examine
    is_well
}

@test "6: an agent as root while the server is www-data" {
    as_root
    getent passwd www-data || skip "there is no www-data"
    cp "$BIN"/{analyze,metrics-agent,microtrace} "$DIR/"
    DOCTOR=$DIR/microtrace
    well_agent
    cat >"$DIR/lighttpd.conf" <<END
server.document-root = "$DIR"
server.bind = "127.0.0.1"
server.port = $HTTP_PORT
server.username = "www-data"
server.groupname = "www-data"
server.errorlog = "$DIR/error.log"
server.modules = ("mod_fastcgi")
fastcgi.server = ("/" => (("socket" => "$DIR/analyze.sock", "bin-path" => "$DIR/analyze", "check-local" => "disable",
    "bin-environment" => ("MICROTRACE_RUN_DIR" => "$STATE/run", "MICROTRACE_SPOOL_DIR" => "$SPOOL"), "max-procs" => 1)))
END
    chmod 777 "$DIR"
    chgrp www-data "$STATE/run" "$SPOOL"
    touch "$DIR/error.log"
    chown www-data "$DIR/error.log"
    background lighttpd -D -f "$DIR/lighttpd.conf"
    wait_until curl -fs -o /dev/null "$URL/healthz"
    # A lighttpd that is killed leaves it behind.
    PIDS+=("$(pgrep -P "${PIDS[-1]}")")
    examine
    names "metrics-agent (pid $AGENT) runs as root, the web server's side as www-data" "kill $AGENT; tail --pid=$AGENT -f /dev/null; runuser -u www-data -- env"
    [ "$(grep -c '^wrong' <<<"$output")" = 1 ] || { echo "$output" && false; }
    # The command's agent is another process of this test.
    mend "runs as root" 2>>"$AGENT_LOG" 3>&-
    wait_until curl -fs -m 5 -o /dev/null "$AGENT_URL/healthz"
    wait_until status_is_fresh
    # runuser stays between us and it.
    PIDS+=("$!" "$(jq .pid "$STATE/run/agent.status.json")")
    examine
    is_well
}

@test "7: a full disk, and one that is too small for the spool" {
    as_root
    mount -t tmpfs -o size=1m,mode=2770 none "$SPOOL" 2>/dev/null || skip "no mount is permitted here"
    MOUNTED+=("$SPOOL")
    well_agent
    head -c 2000000 /dev/zero >"$SPOOL/filler" 2>/dev/null || true
    examine
    names "the file system is full to 98 %" "du -xd 3"
    rm "$SPOOL/filler"
    MICROTRACE_SPOOL_MAX_BYTES=512M examine
    names "the spool may grow to 512 MiB" "export MICROTRACE_SPOOL_MAX_BYTES="
    MICROTRACE_SPOOL_MAX_BYTES=512K examine
    is_well
    mount -o remount,nr_inodes=100 "$SPOOL"
    (cd "$SPOOL" && for i in {1..100}; do : >"x$i"; done) 2>/dev/null || true
    MICROTRACE_SPOOL_MAX_BYTES=512K examine
    names "has 0 inodes left" "du --inodes"
}

@test "8: the run directory read-only; noexec, as Debian has /run, is well" {
    as_root
    mount -t tmpfs -o size=32m,mode=2770,noexec,nodev,nosuid none "$STATE/run" 2>/dev/null || skip "no mount is permitted here"
    MOUNTED+=("$STATE/run")
    well_agent
    examine
    is_well
    kill -KILL "$AGENT"
    wait_until gone "$AGENT"
    mount -o remount,ro "$STATE/run"
    examine
    names "run directory $STATE/run is on a file system that is mounted read-only" "mount -o remount,rw"
    mend "mounted read-only"
    examine
    refute grep -F read-only <<<"$output"
}

# old_agent FILE: an agent that says that it is of version 0.0.9.
old_agent() {
    local sanitize=() objects=() object
    [[ $BUILD != */asan* ]] || sanitize=(-fsanitize=address -fsanitize=undefined)
    for object in "$BUILD"/obj/metrics-agent/{,export/,page/,scrape/}*.o "$BUILD"/obj/view/*.o; do
        [[ $object == */status_file.o ]] || objects+=("$object")
    done
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -I"$ROOT" -DMICROTRACE_VERSION='"0.0.9"' -O1 "${sanitize[@]}" -o "$1" \
        "$ROOT/metrics-agent/export/status_file.c" "${objects[@]}" "$BUILD/lib/microtrace-internal.a" \
        -lmicrohttpd -lcurl -lz -lm
}

@test "9: an agent of an older version, and one whose file was replaced" {
    mkdir "$DIR/old"
    old_agent "$DIR/old/metrics-agent"
    start_sink
    export OTEL_EXPORTER_OTLP_ENDPOINT=$SINK MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT MICROTRACE_SPOOL_MAX_BYTES=1M
    background "$DIR/old/metrics-agent"
    AGENT=$STARTED
    wait_until curl -fs -m 5 -o /dev/null "$AGENT_URL/healthz"
    examine
    names "the agent that runs (pid $AGENT) is of version 0.0.9, this program of" "kill $AGENT; tail --pid=$AGENT -f /dev/null; env MICROTRACE_RUN_DIR=$STATE/run"
    cp "$BIN/metrics-agent" "$DIR/old/new"
    mv "$DIR/old/new" "$DIR/old/metrics-agent"
    examine
    names "(pid $AGENT) runs an older file: $DIR/old/metrics-agent was replaced" "kill $AGENT; "
    mend "runs an older file" 2>>"$AGENT_LOG" >&2 3>&-
    PIDS+=($!)
    wait_until curl -fs -m 5 -o /dev/null "$AGENT_URL/healthz"
    wait_until status_is_fresh
    examine
    is_well
}

@test "9: an older program before ours on PATH" {
    well_agent
    mkdir "$DIR/old"
    LC_ALL=C sed 's/0\.1\.0/0.0.9/g' "$BIN/metrics-agent" >"$DIR/old/metrics-agent"
    chmod 755 "$DIR/old/metrics-agent"
    run -1 env PATH="$DIR/old:$PATH" "$BIN/microtrace" doctor
    names "$DIR/old/metrics-agent is of version 0.0.9, this one of" "rm $DIR/old/metrics-agent"
}

@test "9: an older program beside this one, which nobody is told to remove" {
    well_agent
    mkdir "$DIR/bin"
    cp "$BIN"/{microtrace,metrics-agent} "$DIR/bin/"
    LC_ALL=C sed 's/0\.1\.0/0.0.9/g' "$BIN/microtrace-run" >"$DIR/bin/microtrace-run"
    chmod 755 "$DIR" "$DIR/bin" "$DIR/bin/microtrace-run"
    DOCTOR=$DIR/bin/microtrace examine
    names "$DIR/bin/microtrace-run is of version 0.0.9, this one of" "$DIR/bin/microtrace-run --version"
    refute grep -F "rm $DIR" <<<"$output"
}

@test "10: a second agent on the run directory" {
    local first
    well_agent
    first=$AGENT
    mkdir -m 2770 "$DIR/other"
    read -r port < <(free_ports 1)
    background env MICROTRACE_SPOOL_DIR="$DIR/other" MICROTRACE_AGENT_LISTEN="127.0.0.1:$port" "$BIN/metrics-agent"
    wait_until curl -fs -m 5 -o /dev/null "http://127.0.0.1:$port/healthz"
    # The status file is the last writer's; the first one writes it again when something changes.
    put logs l 1
    wait_until status_is_fresh
    examine
    names "a second metrics-agent (pid $STARTED" "kill $STARTED"
    mend "a second metrics-agent"
    wait_until gone "$STARTED"
    put logs m 1
    wait_until status_is_fresh
    examine
    is_well
    [ "$first" = "$AGENT" ]
}

@test "no agent: the words of spool status, and the command that starts one" {
    put logs l 3
    examine
    names "no agent runs on this spool; start metrics-agent" \
        "env MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$SPOOL $BIN/metrics-agent &"
    # All that is wrong there is wrong here.
    ("$BIN/microtrace" spool status || true) | sed -n 's/^wrong: //p' >"$DIR/wrong"
    [ -s "$DIR/wrong" ]
    while read -r line; do
        grep -qF "wrong: $line" <<<"$output"
    done <"$DIR/wrong"
}
