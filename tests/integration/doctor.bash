# shellcheck shell=bash disable=SC2034 # what is set here is used by the tests
# What the tests of `microtrace doctor` share, beside helpers.bash and spool.bash: a folder in order,
# an agent that delivers, what the doctor says, and its commands run.

doctor_setup() {
    new_spool
    chmod 2770 "$SPOOL" "$STATE/run"
    MOUNTED=()
}

doctor_teardown() {
    local dir
    stop_background
    for dir in "${MOUNTED[@]}"; do
        umount -l "$dir"
    done
    rm -rf "$DIR"
}

as_root() {
    [ "$(id -u)" = 0 ] || skip "only root can become others"
}

doctor() {
    timeout 60 "${DOCTOR:-$BIN/microtrace}" doctor "$@"
}

# well_agent [NAME=VALUE...]: an agent that delivers to a sink; the doctor has the same settings.
well_agent() {
    start_sink
    export OTEL_EXPORTER_OTLP_ENDPOINT=$SINK MICROTRACE_AGENT_LISTEN=127.0.0.1:$AGENT_PORT
    export MICROTRACE_SPOOL_MAX_BYTES=1M
    start_agent "$@"
}

# examine [ARGUMENT...]: `output` without what depends on the machine: a kernel that is told of no
# clock, an installation of its own that it may have on PATH, agents of other users.
examine() {
    run env PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -c '"$0" doctor "$@" 2>&1' "${DOCTOR:-$BIN/microtrace}" "$@"
    output=$(grep -v -e '^note: the clock is synchronised by nobody' -e '^note: whether .* of other users' <<<"$output")
}

# names TEXT MEND: one line says this, with that command.
names() {
    local found
    found=$(grep -F -- "$1" <<<"$output" | grep -F -- "; to mend it: " | grep -cF -- "$2") || true
    [ "$found" = 1 ] || {
        echo "no line, or several, with: $1; to mend it: ... $2 ..."
        echo "$output"
        return 1
    }
    [ "$status" = 1 ]
}

# mend TEXT: runs the command of the line that has the text.
mend() {
    local command
    command=$(grep -F -- "$1" <<<"$output" | sed -n 's/.*; to mend it: //p')
    [ -n "$command" ]
    eval "$command"
}

# is_well: one line says that nothing is wrong.
is_well() {
    [ "$status" = 0 ] && [ "$output" = "$STATE/run and $SPOOL: nothing is wrong." ] || {
        echo "exit $status: $output"
        return 1
    }
}

status_is_fresh() {
    "$BIN/microtrace" spool status >/dev/null
}
