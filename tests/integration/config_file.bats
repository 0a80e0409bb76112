#!/usr/bin/env bats
# Goal: /etc/microtrace/microtrace.conf holds for every program, script and library of the host's own
# instance, and for no other; the environment wins; a file that is broken, or not to be read, is named
# and ends nothing. (How lines are read: tests/unit/test_config_file.c.)

bats_require_minimum_version 1.5.0
load helpers

setup() {
    new_folder
    CONF=$DIR/conf
    # A CGI request remembers here what it has said.
    export TMPDIR=$DIR
}

teardown() {
    rm -rf "$DIR"
}

PROGRAMS="analyze metrics-agent microtrace-cgi microtrace-proxy"

# check PROGRAM [NAME=VALUE...]: its --check with $CONF as the settings file.
check() {
    local program=$1 arguments=(--check)
    shift
    [ "$program" != microtrace-proxy ] || arguments+=(--upstream 127.0.0.1:9000)
    env MICROTRACE_CONFIG_FILE="$CONF" "$@" "$BIN/$program" "${arguments[@]}"
}

# host COMMAND...: runs it where $CONF is /etc/microtrace/microtrace.conf, with nothing else in its
# environment, as mod_cgi or cron would.
host() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m bash -euc 'mount -t tmpfs none /etc && mkdir /etc/microtrace && cp -p "$0" /etc/microtrace/microtrace.conf &&
        cd / && exec env -i PATH="$PATH" TMPDIR="$TMPDIR" "$@"' "$CONF" "$@"
}

# conf [LINE...]: the settings file of an instance in $STATE.
conf() {
    mkdir -p "$STATE/run" "$STATE/spool"
    printf '%s\n' "MICROTRACE_RUN_DIR=$STATE/run" "MICROTRACE_SPOOL_DIR='$STATE/spool'" "$@" >"$CONF"
}

@test "every program reads the file, and names the line of a value that can't be used" {
    local program
    printf '# ours\n\nMICROTRACE_SPOOL_MAX_BYTES = "much"\nOTEL_TRACES_SAMPLER=sometimes\n' >"$CONF"
    for program in $PROGRAMS; do
        run -2 check "$program"
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == "$program: MICROTRACE_SPOOL_MAX_BYTES: \"much\" can't be used; "*"($CONF, line 3)" ]] || {
            echo "$output" && false; }
        run -0 check "$program" MICROTRACE_SPOOL_MAX_BYTES=1G
        [[ $output == "$program: OTEL_TRACES_SAMPLER: \"sometimes\" "*"($CONF, line 4)" ]] || { echo "$output" && false; }
        # Empty in the environment is the default, whatever the file says.
        run -0 check "$program" MICROTRACE_SPOOL_MAX_BYTES= OTEL_TRACES_SAMPLER=
        [ -z "$output" ]
    done
    echo 'PORT=none' >"$CONF"
    run -2 env MICROTRACE_CONFIG_FILE="$CONF" "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [[ $output == "microtrace-run: PORT: \"none\" can't be used; "*"($CONF, line 1)" ]]
}

@test "a broken line, a misspelled name and a file that is none: one line each, and no failure" {
    local program
    printf 'MICROTRACE_SPOOLDIR=/x\nnonsense\n' >"$CONF"
    for program in $PROGRAMS; do
        run -0 check "$program"
        [ "$output" = "$program: $CONF, line 1: MICROTRACE_SPOOLDIR is no setting: do you mean MICROTRACE_SPOOL_DIR?
$program: $CONF, line 2: it is not NAME=VALUE; it is left out" ]
    done
    rm "$CONF"
    mkfifo "$CONF"
    for program in $PROGRAMS; do
        run -0 timeout 10 bash -c "$(declare -f check); BIN=$BIN CONF=$CONF; check $program"
        [ "$output" = "$program: $CONF: it is no regular file; its settings do not hold" ]
    done
}

@test "a user who may not read it: said once, the defaults hold" {
    need_other_user
    conf "OTEL_SERVICE_NAME=secret"
    chmod 0600 "$CONF"
    run -0 setpriv --reuid=65534 --regid=65534 --clear-groups env MICROTRACE_CONFIG_FILE="$CONF" "$BIN/metrics-agent" --check
    [ "$output" = "metrics-agent: $CONF: Permission denied; its settings do not hold" ]
}

@test "the file that is shipped names every setting, with its default, and is accepted as it is" {
    local program name value said
    declare -A defaults
    for program in $PROGRAMS; do
        while IFS=$'\t' read -r name value; do
            defaults[$name]=$value
        done < <("$BIN/$program" --help | sed '1,/^Environment:/d' | awk '
            /^  [A-Z]/ { if (name) print name "\t" text; name = $1; text = ""; next }
            { sub(/^ +/, " "); text = text $0 }
            END { print name "\t" text }')
    done
    [ "${#defaults[@]}" -ge 60 ]
    for name in "${!defaults[@]}"; do
        case $name in
        # Itself, and what there is for each signal.
        MICROTRACE_CONFIG_FILE | OTEL_EXPORTER_OTLP_TRACES_* | OTEL_EXPORTER_OTLP_LOGS_* | OTEL_EXPORTER_OTLP_METRICS_*) continue ;;
        esac
        [ "$(grep -c "^#$name=" "$ROOT/deploy/microtrace.conf")" -eq 1 ] || { echo "not once: $name" && false; }
    done
    while IFS='=' read -r name value; do
        said=${defaults[${name#\#}]:-}
        [[ $said == *" Default: ${value:-none}." ]] || { echo "$name=$value, but: $said" && false; }
    done < <(grep -E '^#[A-Z_]+=' "$ROOT/deploy/microtrace.conf")
    sed -E 's/^#([A-Z_]+=)/\1/' "$ROOT/deploy/microtrace.conf" >"$CONF"
    [ "$(grep -cE '^[A-Z_]+=' "$CONF")" -ge 50 ]
    for program in $PROGRAMS; do
        run -0 check "$program"
        [ -z "$output" ]
    done
}

@test "the host's own instance: a CGI program, a cron job and the command without any environment agree" {
    need_mounts
    conf OTEL_SERVICE_NAME=shop
    run -0 host REQUEST_METHOD=GET SCRIPT_NAME=/a PATH_INFO=/healthz SERVER_PROTOCOL=HTTP/1.1 "$BIN/analyze"
    [[ $output == *'{"status":"ok"}' ]]
    run -0 host "$BIN/microtrace" span backup
    [ -z "$output" ]
    run -0 host "$BIN/microtrace" expect metric 'requests_total{path="/healthz"}' --eq 1 --within 0
    spans | expect_json '.name == "backup" and .resource.attributes[0].value.stringValue == "shop"'
    run -0 host "$BIN/microtrace" spool tail --signal traces --no-follow
    [[ $output == *backup* ]]
}

@test "another instance, by --state, ./var or the environment, has nothing of the host's file" {
    need_mounts
    conf OTEL_SERVICE_NAME=shop
    mkdir -p "$DIR/other/run" "$DIR/other/spool" "$DIR/here/var/run" "$DIR/here/var/spool"
    : >"$DIR/here/var/spool/traces.jsonl"
    run -0 host "$BIN/microtrace" --state "$DIR/other" span one
    run -0 host MICROTRACE_RUN_DIR="$DIR/other/run" MICROTRACE_SPOOL_DIR="$DIR/other/spool" "$BIN/microtrace" span two
    run -0 host bash -c "cd '$DIR/here' && '$BIN/microtrace' span three"
    STATE=$DIR/other spans | expect_json '.name | IN("one", "two")'
    STATE=$DIR/here/var spans | expect_json '.name == "three"'
    [ -z "$(cat "$DIR"/other/spool/*.jsonl "$DIR"/here/var/spool/*.jsonl | grep shop)" ]
    # What make run starts is one, too.
    echo 'PORT=none' >>"$CONF"
    run -2 host AGENT_LISTEN=none "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [[ $output == "microtrace-run: AGENT_LISTEN: "* ]]
    # But a file that is named holds for any.
    run -0 host MICROTRACE_CONFIG_FILE=/etc/microtrace/microtrace.conf "$BIN/microtrace" --state "$DIR/other" span four
    STATE=$DIR/other spans | grep -c '"shop"'
}

@test "what microtrace run starts, and a script of microtrace-cgi, find the file and the instance" {
    need_mounts
    conf OTEL_SERVICE_NAME=shop LOG_LEVEL=ERROR
    run -0 host "$BIN/microtrace" run --name outer -- "$BIN/microtrace" span inner
    spans | expect_json '.resource.attributes[0].value.stringValue == "shop"'
    [ "$(spans | jq -r .name | sort | paste -sd' ')" = "inner outer" ]
    cat >"$DIR/script.cgi" <<SCRIPT
#!/bin/sh
printf 'Content-Type: text/plain\n\n'
env | grep ^MICROTRACE_
$BIN/microtrace log --level INFO quiet
$BIN/microtrace log --level ERROR loud
SCRIPT
    chmod +x "$DIR/script.cgi"
    run -0 host REQUEST_METHOD=GET SCRIPT_NAME=/s SCRIPT_FILENAME="$DIR/script.cgi" SERVER_PROTOCOL=HTTP/1.1 GATEWAY_INTERFACE=CGI/1.1 \
        "$BIN/microtrace-cgi" "$DIR/script.cgi"
    [[ $output == *MICROTRACE_CONFIG_FILE=/etc/microtrace/microtrace.conf* ]]
    [[ $output == *"MICROTRACE_RUN_DIR=$STATE/run"* ]]
    [ "$(logs | jq -r .message)" = loud ]
    logs | expect_json '.resource["service.name"] == "shop"'
}

@test "a program with the library has the file's settings too" {
    need_mounts
    conf OTEL_RESOURCE_ATTRIBUTES=team=books
    run -0 host "$BUILD/examples/import" "$ROOT/examples/README.md"
    spans | expect_json '[.resource.attributes[] | select(.key == "team").value.stringValue] == ["books"]'
}

@test "CGI requests say what is wrong with it once a minute, not each" {
    need_mounts
    local n
    conf nonsense
    for n in 1 2 3; do
        run -0 --separate-stderr host REQUEST_METHOD=GET SCRIPT_NAME=/a PATH_INFO=/healthz SERVER_PROTOCOL=HTTP/1.1 \
            GATEWAY_INTERFACE=CGI/1.1 "$BIN/analyze"
        [ "$stderr" = "$([ "$n" -gt 1 ] || echo 'analyze: /etc/microtrace/microtrace.conf, line 3: it is not NAME=VALUE; it is left out')" ]
    done
}

@test "under systemd a worker whose settings can't be used does not try again at once" {
    local line began
    # As systemd reads it, a $ stands there twice.
    line=$(sed -n 's/^ExecStartPre=//p' "$ROOT/deploy/systemd/microtrace-analyze@.service" | sed 's/[$][$]/$/g')
    line=${line//\/usr\/bin\/analyze/$BIN/analyze}
    conf MAX_BODY_BYTES=much
    began=$SECONDS
    MICROTRACE_CONFIG_FILE=$CONF run -2 bash -c "$line"
    [ $((SECONDS - began)) -ge 4 ]
    conf
    MICROTRACE_CONFIG_FILE=$CONF run -0 bash -c "$line"
    [ -z "$output" ]
}
