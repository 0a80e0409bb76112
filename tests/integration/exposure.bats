#!/usr/bin/env bats
# Goal: an instance shows itself to nobody by accident: /metrics on the web server's port is for this
# machine unless a setting opens it, and what root starts does not run as root.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    new_folder
}

teardown() {
    remove_folder
}

# own_address: prints an address of this machine that is not the loopback one.
own_address() {
    local address
    for address in $(hostname -I 2>/dev/null); do
        case $address in *:*) ;; *) echo "$address" && return ;; esac
    done
    return 1
}

@test "/metrics through lighttpd is for this machine: 403 for others, counted, with a request id" {
    local address path
    address=$(own_address) || skip "this machine has no other IPv4 address"
    start_instance WORKERS=1 BIND=0.0.0.0
    request GET /metrics
    expect 200
    URL=http://$address:$HTTP_PORT
    request GET /metrics -H 'X-Request-ID: outside-1'
    expect 403 '. == {"detail": "Forbidden"}'
    [ "$(header X-Request-ID)" = outside-1 ]
    request GET '/metrics?name=x'
    expect 403
    STATUS=$(curl -sS -m 10 -I -o /dev/null -w '%{http_code}' "$URL/metrics")
    expect 403
    # The rest is there for everybody.
    analyze '{"a": 1, "b": 2}'
    expect 200
    request GET /docs
    expect 200
    metric_is 'requests_total{method="GET",path="/metrics",status="403"}' 2
    metric_is 'requests_total{method="HEAD",path="/metrics",status="403"}' 1
    metric_is 'errors_total{method="GET",path="/metrics",exception="forbidden"}' 2
    # A path that is spelled in another way is the same one.
    for path in /metrics /./metrics /%6detrics //metrics /metrics/; do
        STATUS=$(curl -sS -m 10 --path-as-is -o "$DIR/body" -w '%{http_code}' "$URL$path")
        [[ $STATUS =~ ^40[34]$ ]] || { echo "$path: $STATUS" && return 1; }
        refute grep -q microtrace_build_info "$DIR/body"
    done
    stop_instance
    start_instance WORKERS=1 BIND=::1
    URL="http://[::1]:$HTTP_PORT"
    request GET /metrics
    expect 200
}

@test "METRICS_PUBLIC=true opens it; what is neither true nor false is refused" {
    local address
    run -2 timeout 20 env METRICS_PUBLIC=1 "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [[ $output == 'microtrace-run: METRICS_PUBLIC: "1" can'"'"'t be used; it takes true or false' ]]
    address=$(own_address) || skip "this machine has no other IPv4 address"
    start_instance WORKERS=1 BIND=0.0.0.0 METRICS_PUBLIC=true
    URL=http://$address:$HTTP_PORT
    request GET /metrics
    expect 200
    grep -q '^microtrace_build_info' "$DIR/body"
}

@test "lighttpd serves two files of Swagger UI, and nothing else of any file system" {
    local assets path
    mkdir "$DIR/assets"
    echo 'style' >"$DIR/assets/swagger-ui.css"
    echo 'secret' | tee "$DIR/assets/swagger-ui.css.map" "$DIR/assets/.env" "$DIR/assets/index.css" >/dev/null
    # Without a folder, as in a container, and with one.
    for assets in '' "$DIR/assets"; do
        start_instance WORKERS=1 MICROTRACE_DOCS_ASSETS="$assets"
        for path in /docs/etc/passwd /docs/proc/self/environ /docs/../etc/passwd /docs/%2e%2e/etc/passwd /docs//etc/passwd \
            /docs/swagger-ui.css/../etc/passwd /docs/swagger-ui.css.map /docs/.env /docs/index.css /docs/swagger-ui.js; do
            STATUS=$(curl -sS -m 10 --path-as-is -o "$DIR/body" -w '%{http_code}' "$URL$path")
            [[ $STATUS =~ ^40[04]$ ]] || { echo "$path: $STATUS" && cat "$DIR/body" && return 1; }
        done
        stop_instance
    done
    start_instance WORKERS=1 MICROTRACE_DOCS_ASSETS="$DIR/assets"
    request GET /docs/swagger-ui.css
    expect 200
    [ "$(cat "$DIR/body")" = style ]
    [ "$(header Content-Type)" = 'text/css; charset=utf-8' ]
    [ "$(header X-Content-Type-Options)" = nosniff ]
}

@test "where no process answers, lighttpd's words come from no file that the group can exchange" {
    start_instance WORKERS=1
    mkdir -p "$STATE/run/errors"
    echo precious >"$DIR/precious"
    ln -sf "$DIR/precious" "$STATE/run/errors/503.html"
    mv "$STATE/run/analyze.sock-0" "$STATE/run/away"
    request GET /healthz
    expect 503 '. == {"detail": "Service Unavailable"}'
    [ "$(header Content-Type)" = application/json ]
    [ "$(header X-Content-Type-Options)" = nosniff ]
    # And what it answers by itself.
    request OPTIONS / --request-target '*'
    expect 200
    [ "$(header X-Content-Type-Options)" = nosniff ]
}

# --- Root -----------------------------------------------------------------------------------------

need_root() {
    [ "$(id -u)" -eq 0 ] || skip "only root can become another user"
    USER_WANTED=$(id -nu microtrace 2>/dev/null || id -nu www-data) || skip "no user microtrace or www-data"
    setpriv --reuid="$USER_WANTED" --clear-groups test -x "$BIN/analyze" || skip "$USER_WANTED can't read the build"
}

# kinds_of_processes FIELD: each program of the instance with that field of its status.
kinds_of_processes() {
    local pid
    for pid in $(cat "$DIR/instance") $(descendants "$(cat "$DIR/instance")"); do
        awk -v field="$1:" '/^Name:/ { name = $2 } $1 == field { print name, $2 }' "/proc/$pid/status"
    done | sort -u
}

# all_run_as USER: what lighttpd starts has that one's name a moment longer.
all_run_as() {
    wait_until kinds_are "$(id -u "$1")"
}

kinds_are() {
    [ "$(kinds_of_processes Uid)" = "analyze $1
lighttpd $1
metrics-agent $1
microtrace-run $1" ]
}

# not_of USER: what in STATE is not that user's.
not_of() {
    find "$STATE" ! -user "$1"
}

@test "started by root all of it runs as another user, with what root's earlier start has left" {
    local counted='requests_total{method="POST",path="/analyze",status="200"}'
    need_root
    start_instance WORKERS=2 RUN_AS=root
    all_run_as root
    refute grep -q 'runs as root' "$LOG"
    analyze '{"a": 1, "b": 2}'
    stop_instance
    [ -z "$(not_of root)" ]
    # Another's name for a file of ours is left alone.
    echo precious >"$DIR/precious"
    ln "$DIR/precious" "$STATE/spool/precious"

    start_instance WORKERS=2
    all_run_as "$USER_WANTED"
    [ "$(kinds_of_processes CapPrm | cut -d' ' -f2 | sort -u)" = 0000000000000000 ]
    [ "$(kinds_of_processes NoNewPrivs | cut -d' ' -f2 | sort -u)" = 1 ]
    refute grep -q 'runs as root' "$LOG"
    [ "$(not_of "$USER_WANTED")" = "$STATE/spool/precious" ]
    request GET /readyz
    expect 200
    analyze '{"a": 1, "b": 2}'
    expect 200
    metric_is "$counted" 2
    [ "$(logs '.message == "analyze_response"' | wc -l)" -eq 2 ]
    # Root's command works beside it.
    "$BIN/microtrace" --state "$STATE" chaos on --probability 0
    "$BIN/microtrace" --state "$STATE" chaos reset
    stop_instance
    start_instance WORKERS=1
    all_run_as "$USER_WANTED"
    metric_is "$counted" 2
}

@test "where the user can't pass: it stays root, says why in one line, and changes nothing" {
    need_root
    chmod 700 "$DIR"
    start_instance WORKERS=1
    all_run_as root
    [ "$(grep -c "^microtrace-run: it runs as root: user $USER_WANTED can't use $STATE: Permission denied; " "$LOG")" -eq 1 ]
    analyze '{"a": 1, "b": 2}'
    expect 200
    [ -z "$(not_of root)" ]
    stop_instance
    for wrong in "$USER_WANTED" no-such-user; do
        run -2 timeout 20 env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" RUN_AS="$wrong" \
            "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == "microtrace-run: RUN_AS: "*"$wrong"* ]]
    done
    [ -z "$(not_of root)" ]
    # Nor what the agent has to read.
    chmod 755 "$DIR"
    echo 'authorization=Bearer%20hush' >"$DIR/headers"
    chmod 600 "$DIR/headers"
    start_instance WORKERS=1 OTEL_EXPORTER_OTLP_HEADERS_FILE="$DIR/headers"
    all_run_as root
    grep -q "it runs as root: user $USER_WANTED can't use $DIR/headers: Permission denied; " "$LOG"
}

@test "only what MicroTrace has made is handed over" {
    need_root
    mkdir -m 755 "$STATE"
    echo mine >"$STATE/mine"
    start_instance WORKERS=1
    all_run_as "$USER_WANTED"
    [ "$(not_of "$USER_WANTED" | sort)" = "$STATE
$STATE/mine" ]
    [ "$(stat -c %a "$STATE")" = 755 ]
    stop_instance
    # The mode is ours, but not what is in there.
    STATE=$DIR/shared
    install -d -m 2770 "$STATE"
    echo mine >"$STATE/mine"
    start_instance WORKERS=1
    all_run_as root
    [ -z "$(not_of root)" ]
    stop_instance
    # An instance that runs keeps its directories.
    STATE=$DIR/roots
    start_instance WORKERS=1 RUN_AS=root
    run -1 timeout 20 env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [[ $output == *"belongs to an instance that is running"* ]]
    [ -z "$(not_of root)" ]
}

@test "what belongs to the user since an earlier start is not used by root" {
    need_root
    start_instance WORKERS=1
    stop_instance
    chmod 700 "$DIR"
    run -2 timeout 20 env PORT="$HTTP_PORT" AGENT_LISTEN="127.0.0.1:$AGENT_PORT" STATE_DIR="$STATE" \
        "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [ "$output" = "microtrace-run: user $USER_WANTED can't use $STATE: Permission denied, and STATE_DIR is that user's: mend that, or take it back: chown -R root '$STATE'" ]
    chown -R root "$STATE"
    start_instance WORKERS=1
    all_run_as root
}

# low_port: prints a free port below 1024.
low_port() {
    /usr/bin/python3 - <<'PYTHON'
import random, socket
while True:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", random.randrange(600, 1024)))
            print(s.getsockname()[1])
            break
        except OSError as error:
            if error.errno not in (98, 13):
                raise
            if error.errno == 13:
                raise SystemExit(1)
PYTHON
}

@test "a port below 1024: the one right that this takes is kept" {
    need_root
    HTTP_PORT=$(low_port) || skip "not allowed to listen there"
    URL=http://127.0.0.1:$HTTP_PORT
    start_instance WORKERS=1
    all_run_as "$USER_WANTED"
    [ "$(kinds_of_processes CapPrm | cut -d' ' -f2 | sort -u)" = 0000000000000400 ]
    request GET /healthz
    expect 200
}
