# shellcheck shell=bash disable=SC2034 # what is set here is used by the tests
# What the tests of microtrace-proxy share: a PHP-FPM of our own, a lighttpd in front of the proxy,
# an agent, and an upstream and a web server that do as they are told (tests/tools/).

UPSTREAM_TOOL=$ROOT/tests/tools/fastcgi_upstream.py

fpm_program() {
    local programs=(/usr/sbin/php-fpm*)
    [ -x "${programs[0]}" ] && echo "${programs[0]}"
}

# new_proxy: an instance's folder, and the site.
new_proxy() {
    new_folder
    SPOOL=$STATE/spool
    mkdir -p "$SPOOL" "$STATE/run" "$DIR/site"
    FPM_SOCKET=$DIR/fpm.sock PROXY_SOCKET=$DIR/proxy.sock
    export SPOOL FPM_SOCKET PROXY_SOCKET
}

# begin NAME COMMAND...: in the background; its output in $DIR/NAME.log, its pid in $DIR/NAME.pid.
begin() {
    local name=$1
    shift
    env MICROTRACE_SPOOL_DIR="$SPOOL" MICROTRACE_RUN_DIR="$STATE/run" "$@" >>"$DIR/$name.log" 2>&1 </dev/null 3>&- &
    echo $! >"$DIR/$name.pid"
    disown $!
}

pid_of() {
    cat "$DIR/$1.pid"
}

# end NAME [SIGNAL]: ends what `begin` began, and waits for that.
end() {
    local pid
    pid=$(cat "$DIR/$1.pid" 2>/dev/null) || return 0
    rm -f "$DIR/$1.pid"
    kill -"${2:-TERM}" "$pid" 2>/dev/null || return 0
    wait_until gone "$pid" || kill -KILL "$pid"
}

# end_all: for teardown_file.
end_all() {
    local file pids=()
    for file in "$DIR"/*.pid; do
        [ -e "$file" ] || continue
        pids+=("$(cat "$file")")
        end "$(basename "$file" .pid)"
    done
    remove_folder
}

listening() {
    [ -S "$1" ] && /usr/bin/python3 - "$1" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX)
sys.exit(s.connect_ex(sys.argv[1]) != 0)
PYTHON
}

# start_fpm [LINE...]: PHP-FPM with these lines in its pool's configuration; without the machine's
# php.ini and extensions unless FPM_EXTENSIONS is set.
start_fpm() {
    local user=() flags=(-n)
    [ -z "${FPM_EXTENSIONS:-}" ] || flags=()
    # It takes root only by this flag.
    [ "$(id -u)" -ne 0 ] || { user=("user = root" "group = root") && flags+=(-R); }
    printf '%s\n' "[global]" "error_log = $DIR/fpm-error.log" "daemonize = no" "[www]" "${user[@]}" \
        "listen = $FPM_SOCKET" "listen.mode = 0666" "pm = static" "pm.max_children = 4" \
        "clear_env = no" "catch_workers_output = no" "$@" >"$DIR/fpm.conf"
    begin fpm "$(fpm_program)" -F "${flags[@]}" -y "$DIR/fpm.conf" -d log_errors=1 \
        -d error_log= -d display_errors=0
    wait_until listening "$FPM_SOCKET"
}

# start_proxy [NAME=VALUE...] [OPTION...]
start_proxy() {
    local settings=()
    while [[ ${1:-} == *=* && ${1:-} != -* ]]; do
        settings+=("$1")
        shift
    done
    begin proxy env "${settings[@]}" "$BIN/microtrace-proxy" --listen "$PROXY_SOCKET" \
        --upstream "${UPSTREAM:-$FPM_SOCKET}" "$@"
    wait_until listening "$PROXY_SOCKET"
}

# documented LANGUAGE: the web server's configuration of docs/gateways.md for the proxy, with our socket.
documented() {
    awk -v fence='^```'"$1"'$' '$0 ~ fence { text = ""; inside = 1; next } /^```$/ { inside = 0
        if (text ~ /proxy.sock/) printf "%s", text; text = "" } inside { text = text $0 "\n" }' \
        "$ROOT/docs/gateways.md" | sed "s|/run/microtrace/proxy.sock|$PROXY_SOCKET|"
}

# start_lighttpd: in front of it, as docs/gateways.md has it.
start_lighttpd() {
    cat >"$DIR/lighttpd.conf" <<CONF
server.bind = "127.0.0.1"
server.port = $HTTP_PORT
server.document-root = "$DIR/site"
server.upload-dirs = ( "$DIR" )
server.errorlog = "$DIR/lighttpd-error.log"
$(documented lighttpd)
CONF
    grep -q "$PROXY_SOCKET" "$DIR/lighttpd.conf" || { echo "no lighttpd snippet in docs/gateways.md" && return 1; }
    begin lighttpd lighttpd -D -f "$DIR/lighttpd.conf"
    wait_until curl -s -o /dev/null "$URL/"
}

# start_direct: the same lighttpd with PHP-FPM right behind it, at DIRECT.
start_direct() {
    local port
    port=$(free_ports 1)
    DIRECT=http://127.0.0.1:$port
    sed -e "s|server.port = .*|server.port = $port|; s|$PROXY_SOCKET|$FPM_SOCKET|; s|lighttpd-error|direct-error|" \
        "$DIR/lighttpd.conf" >"$DIR/direct.conf"
    begin direct lighttpd -D -f "$DIR/direct.conf"
    wait_until curl -s -o /dev/null "$DIRECT/"
}

start_agent() {
    begin agent env MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$BIN/metrics-agent"
    wait_until curl -fs -m 5 -o /dev/null "$AGENT_URL/healthz"
}

# server_spans [JQ-FILTER]: the proxy's spans for which it holds.
server_spans() {
    spans | jq -c "select(.kind == 2) | select(${1:-true})"
}

# page NAME: a page of the site, from stdin.
page() {
    cat >"$DIR/site/$1"
}

# start_upstream: the one of tests/tools, in place of PHP-FPM.
start_upstream() {
    UPSTREAM=$DIR/upstream.sock
    export UPSTREAM
    begin upstream env PYTHONPATH="$ROOT/tests/tools" /usr/bin/python3 "$UPSTREAM_TOOL" "$UPSTREAM"
    wait_until listening "$UPSTREAM"
}

# front: the script on stdin plays the web server, with tests/tools/fastcgi_peer.py at hand and the
# proxy's socket in `proxy`.
front() {
    export PROXY_SOCKET
    { echo "from fastcgi_peer import *; import os, json, socket, time; proxy = os.environ['PROXY_SOCKET']"; cat; } |
        PYTHONPATH=$ROOT/tests/tools timeout 180 /usr/bin/python3 -
}
