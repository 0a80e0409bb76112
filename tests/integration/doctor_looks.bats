#!/usr/bin/env bats
# Goal: `microtrace doctor` tells in words what the endpoint answers and what settings and web servers
# have wrong, says what a user can't see, shows no secret and no control character, and --fix does
# nothing outside the instance.

bats_require_minimum_version 1.5.0

load helpers
load spool
load doctor

setup() { doctor_setup; }

teardown() { doctor_teardown; }

@test "the endpoint's answer in words: refused, 401, 404, TLS, DNS, gRPC, time" {
    well_agent
    sink_answers '{"mode":"status","status":401}'
    examine
    names "traces: $SINK/v1/traces: HTTP 401" "OTEL_EXPORTER_OTLP_HEADERS="
    sink_answers '{"mode":"status","status":404}'
    examine
    names "logs: $SINK/v1/logs: HTTP 404" "OTEL_EXPORTER_OTLP_ENDPOINT="
    sink_answers '{}'
    OTEL_EXPORTER_OTLP_ENDPOINT=https${SINK#http} examine
    names "traces: https${SINK#http}/v1/traces: " "does not speak TLS"
    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.invalid:4318 examine
    names "traces: http://collector.invalid:4318/v1/traces: Could not resolve host" "OTEL_EXPORTER_OTLP_ENDPOINT="
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 examine
    names "traces: http://127.0.0.1:1/v1/traces: Failed to connect" "OTEL_EXPORTER_OTLP_ENDPOINT="
    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.invalid http_proxy=http://127.0.0.1:1 examine
    names "traces: http://collector.invalid/v1/traces: Failed to connect to 127.0.0.1 port 1" "look at the proxy in http_proxy"
    sink_answers '{"mode":"hang"}'
    OTEL_EXPORTER_OTLP_TIMEOUT=300 examine
    names "traces: $SINK/v1/traces: Operation timed out" "firewall"
    # A gRPC server begins with frames of HTTP/2.
    read -r port < <(free_ports 1)
    python3 -c '
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer, _ = server.accept()
    peer.recv(4096)
    peer.sendall(bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 64, 0]))
    peer.close()' "$port" >/dev/null 2>&1 3>&- &
    PIDS+=($!)
    wait_until bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$port examine
    names "traces: http://127.0.0.1:$port/v1/traces: " "if the port is one for gRPC (4317)"
}

@test "settings that contradict each other" {
    well_agent
    OTEL_SDK_DISABLED=true examine
    names "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OTEL_SDK_DISABLED is true" "unset OTEL_SDK_DISABLED"
    OTEL_EXPORTER_OTLP_CLIENT_KEY=/none examine
    names "OTEL_EXPORTER_OTLP_CLIENT_KEY is set without" "unset OTEL_EXPORTER_OTLP_CLIENT_KEY"
    MICROTRACE_SPOOL_SEGMENT_BYTES=much examine
    names 'MICROTRACE_SPOOL_SEGMENT_BYTES: "much" can'"'"'t be used' "unset MICROTRACE_SPOOL_SEGMENT_BYTES"
}

@test "no secret is printed, and no control character" {
    export LC_ALL=C
    well_agent
    OTEL_EXPORTER_OTLP_ENDPOINT="http://someone:s3cret@127.0.0.1:1/?key=s3cret" OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cret" \
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="someone:s3cret@127.0.0.1:1" examine
    [ "$status" = 1 ]
    grep -qF REDACTED <<<"$output"
    refute grep -F s3cret <<<"$output"
    touch "$SPOOL/traces."$'\e[31m\u202e'".jsonl.x" "$SPOOL/logs."$'\e]0;x\a'"x"
    ln -s /etc/passwd "$STATE/run/"$'\e[31m'
    LOG_LEVEL=$'\e[31m\u009b' examine
    [ "$status" = 1 ]
    grep -qF 'is no spool file' <<<"$output"
    grep -qF '\u001b' <<<"$output"
    refute grep -P '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]' <<<"$output"
    doctor --json >"$DIR/json" 2>/dev/null || true
    jq -e '.wrong | length > 0' "$DIR/json"
}

@test "--fix follows no link and leaves what is not the instance's" {
    mkdir -m 0777 "$DIR/victim"
    rm -r "$STATE/run"
    ln -s "$DIR/victim" "$STATE/run"
    examine --fix
    [ "$status" = 1 ]
    [ "$(stat -c %a "$DIR/victim")" = 777 ]
    [[ $output == *"it can't be mended from here: a symbolic link leads there"* ]]
    rm "$STATE/run"
    # Not even in the middle of the path.
    mv "$STATE" "$DIR/moved"
    ln -s "$DIR/moved" "$STATE"
    examine --fix
    [[ $output == *"a symbolic link leads there"* ]]
    [ ! -e "$DIR/moved/run" ]
}

@test "a directory that others use too keeps its mode: not even a command says otherwise" {
    local kind
    for kind in subdirectory link hidden sticky; do
        rm -rf "${DIR:?}/shared"
        mkdir -m 0755 "$DIR/shared"
        case $kind in
        subdirectory) mkdir "$DIR/shared/lock" ;;
        link) ln -s / "$DIR/shared/mail" ;;
        hidden) touch "$DIR/shared/.profile" ;;
        sticky) chmod 1777 "$DIR/shared" ;;
        esac
        before=$(stat -c %a "$DIR/shared")
        MICROTRACE_RUN_DIR=$DIR/shared examine --fix
        [ "$(stat -c %a "$DIR/shared")" = "$before" ] || { echo "$kind: $output" && false; }
        names "the run directory $DIR/shared is not MicroTrace's alone" MICROTRACE_RUN_DIR=/run/microtrace
        refute grep -F chmod <<<"$output"
    done
    # What an instance has itself, and a file system of its own.
    chmod 0755 "$STATE/run" "$SPOOL"
    mkdir -p "$STATE/run/spool" "$SPOOL/lost+found"
    chmod 2770 "$STATE/run/spool"
    examine --fix
    [[ $output == *"fixed: $STATE/run has mode 2770 now"*"fixed: $SPOOL has mode 2770 now"* ]]
}

@test "a settings file that others may write to, or that is another's" {
    export MICROTRACE_CONFIG_FILE=$DIR/conf
    echo '# ours' >"$MICROTRACE_CONFIG_FILE"
    chmod 0646 "$MICROTRACE_CONFIG_FILE"
    examine
    names "everybody may write to the settings file $DIR/conf" "chmod o-w $DIR/conf"
    mend "everybody may write to the settings file"
    examine
    refute grep -F 'settings file' <<<"$output"
    as_root
    chown 61001 "$MICROTRACE_CONFIG_FILE"
    examine
    [[ $output == *"note: the settings file $DIR/conf is user 61001's"* ]]
    # Whose instance it is, his are its settings.
    chown 61001 "$STATE/run"
    examine
    refute grep -F 'settings file' <<<"$output"
}

@test "an ordinary user is told what can't be seen, and harms nothing" {
    as_root
    cp "$BIN"/{metrics-agent,microtrace} "$DIR/"
    well_agent
    run setpriv --reuid 61001 --regid 61001 --clear-groups env PATH=/usr/bin:/bin timeout 60 "$DIR/microtrace" doctor --fix
    [[ $output == *"note: this user can't"* ]] || { echo "$output" && false; }
    refute grep -F fixed: <<<"$output"
}

@test "a program of the same name that closes its output and does not end holds nobody up" {
    well_agent
    mkdir "$DIR/bin"
    printf '#!/bin/sh\nexec sleep 300 >/dev/null 2>&1\n' >"$DIR/bin/microtrace-run"
    chmod 755 "$DIR" "$DIR/bin" "$DIR/bin/microtrace-run"
    run env PATH="$DIR/bin:$PATH" timeout 50 "$BIN/microtrace" doctor
    names "$DIR/bin/microtrace-run can't be run" "$DIR/bin/microtrace-run --version"
}

@test "settings after one that can't be used are read all the same" {
    well_agent
    MICROTRACE_SPOOL_MAX_BYTES=1X MICROTRACE_SPOOL_MEMORY_BYTES=1G examine
    names "MICROTRACE_SPOOL_MEMORY_BYTES (1073741824) is more than" "unset MICROTRACE_SPOOL_MEMORY_BYTES"
}

@test "a file of the future" {
    well_agent
    touch -d '+2 hours' "$SPOOL/logs.jsonl"
    examine
    names "$SPOOL/logs.jsonl is from the future, by 7" "touch $SPOOL/logs.jsonl"
    mend "is from the future"
    examine
    is_well
}

@test "web servers: a program that is missing, a folder that is gone, two snippets" {
    as_root
    need_mounts
    [ -d /etc/lighttpd ] || skip "lighttpd is not installed"
    well_agent
    mkdir -p "$DIR/etc/conf-enabled" "$DIR/bin"
    snippet() {
        printf 'fastcgi.server = ("/" => (("socket" => "%s", "bin-path" => "%s",\n"bin-environment" => ("MICROTRACE_RUN_DIR" => "%s"))))\n' \
            "$2" "$3" "$STATE/run" >"$DIR/etc/conf-enabled/$1"
    }
    inside() {
        run unshare -m bash -c 'mount --bind "$1" /etc/lighttpd && exec "$2" doctor' - "$DIR/etc" "$BIN/microtrace"
        output=$(grep -v '^note: the clock' <<<"$output")
    }
    snippet 50-a.conf "/run/lighttpd/a.sock" "$BIN/analyze"
    inside
    is_well
    snippet 50-a.conf "/run/lighttpd/a.sock" "$DIR/bin/analyze"
    inside
    names "lighttpd can't start what /etc/lighttpd/conf-enabled/50-a.conf names: $DIR/bin/analyze" "rm /etc/lighttpd/conf-enabled/50-a.conf && "
    snippet 50-a.conf "/run/gone/a.sock" "$BIN/analyze"
    inside
    names "wants a socket in /run/gone, which does not exist" "sed -i 's|/run/gone/a.sock|/run/lighttpd/a.sock|'"
    snippet 50-a.conf "/run/lighttpd/a.sock" "$BIN/analyze"
    snippet 50-b.conf "/run/lighttpd/b.sock" "$BIN/analyze"
    inside
    names "lighttpd has two snippets that start analyze" "rm /etc/lighttpd/conf-enabled/50-b.conf && "
    rm "$DIR/etc/conf-enabled/"*
    # The upstream of a proxy is not lighttpd's own socket.
    printf '"socket" => "/run/lighttpd/p.sock", # %s\n"bin-path" => "%s --upstream /run/none/php.sock"\n' \
        "$STATE/run" "$BIN/microtrace-proxy" >"$DIR/etc/conf-enabled/50-p.conf"
    inside
    is_well
    rm "$DIR/etc/conf-enabled/"*
    ln -s "$DIR/none" "$DIR/etc/conf-enabled/50-microtrace.conf"
    inside
    names "lighttpd does not start: /etc/lighttpd/conf-enabled/50-microtrace.conf leads to a file that is gone" "rm "
}

@test "the packages' instance: --fix makes its directories after a boot, for the user microtrace" {
    as_root
    need_mounts
    mkdir -m 755 "$DIR/etc"
    {
        grep -v '^\(microtrace\|www-data\):' /etc/passwd
        echo 'microtrace:x:61002:61002::/nonexistent:/usr/sbin/nologin'
        echo 'www-data:x:33:33::/var/www:/usr/sbin/nologin'
    } >"$DIR/etc/passwd"
    {
        grep -v '^\(microtrace\|www-data\):' /etc/group
        echo 'microtrace:x:61002:'
        echo 'www-data:x:33:'
    } >"$DIR/etc/group"
    # boot COMMAND...: with an empty /run and /var/spool.
    boot() {
        env -u MICROTRACE_RUN_DIR -u MICROTRACE_SPOOL_DIR unshare -m bash -c 'cd / &&
            mount -t tmpfs -o mode=755 none /run && mount -t tmpfs -o mode=755 none /var/spool &&
            mount --bind "$0/etc/passwd" /etc/passwd && mount --bind "$0/etc/group" /etc/group && exec "$@"' "$DIR" "$@"
    }
    run boot "$BIN/microtrace" doctor
    names "the run directory /run/microtrace does not exist" "install -d -m 2770 -o microtrace -g microtrace /run/microtrace"
    names "www-data is no member of the group microtrace" "usermod -a -G microtrace www-data"
    names "no file of tmpfiles.d names it" "echo 'd /run/microtrace 2770 microtrace microtrace' >/etc/tmpfiles.d/microtrace.conf"
    run boot bash -c '"$0" doctor --fix; stat -c "%n %a %U %G" /run/microtrace /var/spool/microtrace
        chown root:root /run/microtrace; chmod 00755 /var/spool/microtrace; "$0" doctor
        "$0" doctor --fix; stat -c "%n %a %U %G" /run/microtrace /var/spool/microtrace' "$BIN/microtrace"
    status=1 names "run directory /run/microtrace belongs to user 0 and group 0, not to microtrace:microtrace" "chown microtrace:microtrace /run/microtrace"
    status=1 names "spool directory /var/spool/microtrace has mode 0755, not 2770" "chmod 2770 /var/spool/microtrace"
    [ "$(grep -c '^/run/microtrace 2770 microtrace microtrace$' <<<"$output")" = 2 ]
    [ "$(grep -c '^/var/spool/microtrace 2770 microtrace microtrace$' <<<"$output")" = 2 ]
    [[ $output == *"fixed: /run/microtrace has mode 2770 and owner microtrace:microtrace now"* ]]
}

@test "the settings file: typos, values and lines that can't be used are mended there" {
    well_agent
    unset OTEL_EXPORTER_OTLP_ENDPOINT MICROTRACE_SPOOL_MAX_BYTES MICROTRACE_AGENT_LISTEN
    export MICROTRACE_CONFIG_FILE="$DIR/the settings.conf"
    cat >"$MICROTRACE_CONFIG_FILE" <<END
# ours
MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT"
OTEL_EXPORTER_OTLP_ENDPIONT="${SINK#http://}"
MICROTRACE_SPOOL_MAX_BYTES=plenty
MICROTRACE_MYSTERY=1
what is this
END
    examine
    names "do you mean OTEL_EXPORTER_OTLP_ENDPOINT?" "sed -i 's/^OTEL_EXPORTER_OTLP_ENDPIONT=/OTEL_EXPORTER_OTLP_ENDPOINT=/' '$DIR/the settings.conf'"
    names 'MICROTRACE_SPOOL_MAX_BYTES: "plenty"' "sed -i '/^MICROTRACE_SPOOL_MAX_BYTES=/d' '$DIR/the settings.conf'"
    names 'MICROTRACE_MYSTERY is no setting' "sed -i '/^MICROTRACE_MYSTERY=/d'"
    names "the settings.conf, line 6: " "sed -i 6d '$DIR/the settings.conf'"
    # From the end on, so that the lines' numbers stay.
    mend "line 6: "
    mend "MICROTRACE_MYSTERY"
    mend '"plenty"'
    mend "do you mean"
    MICROTRACE_SPOOL_MAX_BYTES=1M examine
    names "has no scheme" "sed -i 's|^OTEL_EXPORTER_OTLP_ENDPOINT="
    mend "has no scheme"
    [ "$(cat "$MICROTRACE_CONFIG_FILE")" = "# ours
MICROTRACE_AGENT_LISTEN=\"127.0.0.1:$AGENT_PORT\"
OTEL_EXPORTER_OTLP_ENDPOINT=\"$SINK\"" ]
    MICROTRACE_SPOOL_MAX_BYTES=1M examine
    names "the settings.conf was changed after the agent had started" "kill $AGENT; "
    touch -d '-1 hour' "$MICROTRACE_CONFIG_FILE"
    MICROTRACE_SPOOL_MAX_BYTES=1M examine
    is_well
}
