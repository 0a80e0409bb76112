# shellcheck shell=bash
# What the tests of microtrace-cgi share: a lighttpd with scripts of the test's own, served by
# microtrace-cgi as a FastCGI server (/NAME.cgi), by fcgiwrap (port PLAIN_PORT), and by cgi.assign
# (/assigned/NAME.cgi).

# The instance is also for what a test starts itself; helpers.bash has made a clean environment.
name_instance() {
    export MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$STATE/spool
}
[ -z "${STATE:-}" ] || name_instance

# new_site: the folder, with $SITE for the scripts. The instance's agent is not needed.
new_site() {
    new_folder
    SITE=$DIR/site
    mkdir -p "$SITE/assigned" "$STATE/run" "$STATE/spool"
    export SITE
    name_instance
}

# script NAME: an executable script from stdin.
script() {
    cat >"$SITE/$1"
    chmod 755 "$SITE/$1"
}

# start_gateway [NAME=VALUE...] [-- OPTION...]: microtrace-cgi on $DIR/cgi.sock; GATEWAY is its pid.
start_gateway() {
    local settings=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    env "${settings[@]}" "$BIN/microtrace-cgi" -s "unix:$DIR/cgi.sock" "$@" \
        >>"$DIR/gateway.log" 2>&1 </dev/null 3>&- &
    GATEWAY=$!
    echo "$GATEWAY" >"$DIR/gateway"
    wait_until test -S "$DIR/cgi.sock"
}

# stop_gateway: ends it, and checks that it ends cleanly.
stop_gateway() {
    local pid status=0
    pid=$(cat "$DIR/gateway" 2>/dev/null) || return 0
    rm -f "$DIR/gateway"
    kill "$pid" 2>/dev/null || return 0
    wait_until gone "$pid" || kill -KILL "$pid"
    wait "$pid" 2>/dev/null || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 127 ] || { cat "$DIR/gateway.log" && return 1; }
}

# start_lighttpd [CONFIGURATION-LINE...]: before the scripts, with what a test adds.
start_lighttpd() {
    {
        cat <<END
server.port = $HTTP_PORT
server.bind = "127.0.0.1"
server.document-root = "$SITE"
server.errorlog = "$DIR/lighttpd.log"
server.upload-dirs = ( "$DIR" )
server.modules = ( "mod_fastcgi", "mod_cgi", "mod_setenv" )
index-file.names = ( "index.cgi" )
\$HTTP["url"] =~ "^/assigned/" {
    cgi.assign = ( ".cgi" => "$BIN/microtrace-cgi" )
    setenv.add-environment = ( "MICROTRACE_RUN_DIR" => "$STATE/run",
        "MICROTRACE_SPOOL_DIR" => "$STATE/spool", "MICROTRACE_CGI_TIMEOUT" => "5",
        "MICROTRACE_CGI_OUTPUT_MAX" => "3M", "PATH" => "$PATH" )
}
else \$HTTP["url"] =~ "" {
    fastcgi.server = ( ".cgi" => (( "socket" => "$DIR/cgi.sock", "disable-time" => 0,
        "max-procs" => 1 )) )
}
END
        printf '%s\n' "$@"
    } >"$DIR/lighttpd.conf"
    lighttpd -D -f "$DIR/lighttpd.conf" >>"$DIR/lighttpd.out" 2>&1 </dev/null 3>&- &
    LIGHTTPD=$!
    echo "$LIGHTTPD" >"$DIR/lighttpd"
    wait_until answers
}

answers() {
    curl -s -o "$DIR/ignored" -m 2 "$URL/"
}

# end_site: for teardown_file.
end_site() {
    local pid
    stop_gateway
    if pid=$(cat "$DIR/lighttpd" 2>/dev/null) && kill "$pid" 2>/dev/null; then
        wait_until gone "$pid"
    fi
    # What a test that failed has left behind.
    for pid in $(pgrep -f "unix:$DIR/"); do
        kill "$pid" 2>/dev/null || true
    done
    rm -rf "$DIR"
}

# counter SERIES: its value in the metrics file, 0 if it does not exist.
counter() {
    "$BIN/microtrace" --state "$STATE" metrics --prometheus | awk -v series="$1" '
        index($0, series " ") == 1 { value = $NF }
        END { printf "%.15g\n", value }'
}

# span_of ID: the server span of request ID, with plain attributes.
span_of() {
    spans | jq -c "select(.kind == 2 and .attrs.\"microtrace.request_id\".stringValue == \"$1\") |
        . + {attrs: (.attrs | map_values(.stringValue // .boolValue // .doubleValue //
            (.intValue | tonumber)))}"
}

# ask SOCKET [--body FILE] [--cut N] NAME=VALUE...: a request of our own to a FastCGI server; the
# answer in $DIR/answer, what is for the server's log in $DIR/answer.err.
ask() {
    /usr/bin/python3 "$ROOT/tests/tools/cgi_ask.py" "$@" >"$DIR/answer" 2>"$DIR/answer.err"
}

# answered PATTERN: the last answer of `ask` has a line that matches.
answered() {
    grep -qE "$1" "$DIR/answer" || { echo "no $1 in:" && cat "$DIR/answer" && return 1; }
}
