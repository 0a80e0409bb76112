#!/usr/bin/env bats
# Goal: every program reads its command line and its settings alike: --help and --version, exit 2
# for what it does not know, --check, sizes and times with units, and a word about a variable whose
# name is misspelled.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    new_folder
}

teardown() {
    rm -rf "$DIR"
}

PROGRAMS="analyze metrics-agent microtrace microtrace-run microtrace-proxy"
# microtrace-proxy has an option that it can't do without.
UPSTREAM=(--upstream 127.0.0.1:9000)

# settings PROGRAM: prints the names under "Environment:" in its --help.
settings() {
    "$BIN/$1" --help | sed -n '/^Environment:/,$s/^  \([A-Z][A-Z0-9_]*\)$/\1/p'
}

@test "--help fits 80 columns, --version names program and version" {
    local program
    for program in $PROGRAMS; do
        run -0 --separate-stderr "$BIN/$program" --help
        [[ ${lines[0]} == "Usage: $program "* ]]
        [ -z "$stderr" ]
        [ -z "$(awk 'length > 80' <<<"$output")" ]
        grep -qx '  --version' <<<"$output" || grep -q '^  --version  ' <<<"$output"
        run -0 "$BIN/$program" --version
        [[ $output =~ ^"$program "[0-9]+\.[0-9]+\.[0-9]+$ ]]
    done
}

@test "an option or an argument that is not known: one line, exit 2" {
    local program argument
    for program in $PROGRAMS; do
        for argument in --nonsense -x nonsense --help=x; do
            run -2 "$BIN/$program" "$argument"
            [ "${#lines[@]}" -eq 1 ]
            [[ ${lines[0]} == "$program: "* ]]
        done
    done
}

@test "--check: 0 and nothing said, or 2 and the line that names variable and value" {
    local program
    for program in analyze metrics-agent microtrace-proxy; do
        arguments=(--check)
        [ "$program" != microtrace-proxy ] || arguments+=("${UPSTREAM[@]}")
        run -0 "$BIN/$program" "${arguments[@]}"
        [ -z "$output" ]
        MICROTRACE_SPOOL_MAX_BYTES=much run -2 "$BIN/$program" "${arguments[@]}"
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == "$program: MICROTRACE_SPOOL_MAX_BYTES: \"much\" can't be used; "* ]]
        [[ $output == *512M* ]]
    done
    # It only looks: no directory is made, no lock taken.
    MICROTRACE_RUN_DIR=$DIR/run MICROTRACE_SPOOL_DIR=$DIR/spool run -0 "$BIN/metrics-agent" --check
    [ -z "$(ls -A "$DIR")" ]
}

@test "a value of OTEL_* that can't be used is named with its variable, and is no failure" {
    local setting
    for setting in OTEL_SDK_DISABLED=maybe OTEL_RESOURCE_ATTRIBUTES=no-list OTEL_TRACES_SAMPLER=sometimes; do
        for program in analyze metrics-agent; do
            run -0 env "$setting" "$BIN/$program" --check
            [ "${#lines[@]}" -eq 1 ]
            [[ $output == "$program: ${setting%=*}: \"${setting#*=}\" "* ]] || { echo "$output" && false; }
        done
    done
    run -0 env OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=7 "$BIN/analyze" --check
    [[ $output == 'analyze: OTEL_TRACES_SAMPLER_ARG: "7" '* ]]
    run -0 env OTEL_PROPAGATORS=xray "$BIN/analyze" --check
    [[ $output == 'analyze: OTEL_PROPAGATORS: "xray" '* ]]
    # The same when it runs.
    run -0 env OTEL_PROPAGATORS=xray OTEL_TRACES_SAMPLER=sometimes OTEL_RESOURCE_ATTRIBUTES=no-list \
        REQUEST_METHOD=GET PATH_INFO=/healthz SCRIPT_NAME=/x MICROTRACE_RUN_DIR="$DIR" MICROTRACE_SPOOL_DIR="$DIR" "$BIN/analyze"
    [[ $output == *'OTEL_PROPAGATORS: "xray" '* ]]
    [[ $output == *'OTEL_TRACES_SAMPLER: "sometimes" '* ]]
    [[ $output == *'OTEL_RESOURCE_ATTRIBUTES: "no-list" '* ]]
}

@test "sizes and times take units" {
    env MAX_BODY_BYTES=64KiB WORKER_DELAY_MS=0.1s CHAOS_DELAY_MS=1-2s MICROTRACE_SPOOL_MAX_BYTES=512M \
        DOWNSTREAM_ENABLED=true DOWNSTREAM_URL=http://127.0.0.1:1 DOWNSTREAM_TIMEOUT_MS=1s \
        DOWNSTREAM_BACKOFF_MS=50ms-1s BREAKER_OPEN_MS=1m "$BIN/analyze" --check
    env MICROTRACE_SPOOL_SEGMENT_BYTES=16MiB OTEL_EXPORTER_OTLP_TIMEOUT=10s "$BIN/metrics-agent" --check
    run env OTEL_EXPORTER_OTLP_TIMEOUT=10s "$BIN/metrics-agent" --check
    [ -z "$output" ]
    run -2 env BREAKER_OPEN_MS=1M DOWNSTREAM_ENABLED=true DOWNSTREAM_URL=http://127.0.0.1:1 "$BIN/analyze" --check
    [[ $output == *'BREAKER_OPEN_MS: "1M"'*10s* ]]
}

@test "each setting of each program is known: its name with a letter too many is noticed" {
    local program name all=0
    for program in analyze metrics-agent microtrace-run microtrace-proxy; do
        for name in $(settings "$program"); do
            [[ $name =~ ^(MICROTRACE|OTEL|CHAOS|DOWNSTREAM|BREAKER)_ ]] || continue
            all=$((all + 1))
            run env "${name}X=" "$BIN/analyze" --check
            [ "$output" = "analyze: ${name}X is no setting: do you mean $name?" ] || {
                echo "not noticed: ${name}X (lib/base/config_names.c): $output"
                return 1
            }
            run -0 env "$name=" "$BIN/metrics-agent" --check
            [ -z "$output" ]
        done
    done
    [ "$all" -ge 50 ]
}

@test "a misspelled name is a word on stderr of every program, never a failure" {
    local wrong
    for wrong in OTEL_EXPORTER_OTLP_ENDPIONT=OTEL_EXPORTER_OTLP_ENDPOINT MICROTRACE_SPOOLDIR=MICROTRACE_SPOOL_DIR \
        MIRCOTRACE_RUN_DIRS=MICROTRACE_RUN_DIR CHAOS_ENABLE=CHAOS_ENABLED DOWNSTREAM_RETIRES=DOWNSTREAM_RETRIES; do
        run -0 --separate-stderr env "${wrong%=*}=1" "$BIN/metrics-agent" --check
        [ "$stderr" = "metrics-agent: ${wrong%=*} is no setting: do you mean ${wrong#*=}?" ]
    done
    run -0 --separate-stderr env OTEL_EXPORTER_OTLP_ENDPIONT=1 "$BIN/microtrace" --help
    [[ $stderr == "microtrace: OTEL_EXPORTER_OTLP_ENDPIONT "* ]]
    run -2 --separate-stderr env OTEL_EXPORTER_OTLP_ENDPIONT=1 PORT=x "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [[ $stderr == "microtrace-run: OTEL_EXPORTER_OTLP_ENDPIONT "*$'\n'"microtrace-run: PORT"* ]]
}

@test "others' names, far from ours, are not remarked on" {
    run -0 env PATHS=1 OTEL_METRICS_EXPORTER=none OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=x OTEL_BSP_SCHEDULE_DELAY=1 \
        OTEL_EXPORTER_OTLP_INSECURE=true MICROTRACE_OWN_THING=1 CHAOS_MONKEY=1 "$BIN/metrics-agent" --check
    [ -z "$output" ]
}

@test "below microtrace-run a misspelled name is said once, not by each process" {
    start_instance OTEL_EXPORTER_OTLP_ENDPIONT=http://127.0.0.1:1
    [ "$(grep -c ENDPIONT "$LOG")" -eq 1 ]
    stop_instance
}

@test "docs/settings.md is what the programs say" {
    "$ROOT/scripts/settings-page" "$BIN" | diff "$ROOT/docs/settings.md" -
}
