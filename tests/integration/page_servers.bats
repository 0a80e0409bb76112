#!/usr/bin/env bats
# Goal: the configurations that docs/page.md gives for the page behind a web server work as they
# stand there: with the password the page, live and traces; without it nothing.

load agent_helpers

NAME=monitor.example.org

setup() {
    common_setup
    SERVER_PID=''
    # Where the servers' users come.
    PASSWORDS=$(mktemp -d "${TMPDIR:-/tmp}/mt-page.XXXXXX")
    printf 'me:%s\n' "$(openssl passwd -apr1 secret)" >"$PASSWORDS/htpasswd"
    chmod 755 "$PASSWORDS"
    chmod 644 "$PASSWORDS/htpasswd"
    start_agent
    PORT=$(free_port)
}

teardown() {
    if [ -n "$SERVER_PID" ]; then
        kill "$SERVER_PID" 2>/dev/null || true
        wait "$SERVER_PID" 2>/dev/null || true
    fi
    rm -rf "${PASSWORDS:?}"
    common_teardown
}

# snippet WORD: the code block behind the line that begins so, for this agent.
snippet() {
    awk -v word="$1" 'index($0, word) == 1 { inside = 1; next }
                      inside && /^    / { seen = 1; print substr($0, 5); next }
                      inside && seen && NF { exit }' "$ROOT/docs/page.md" |
        sed "s#:9464#:$AGENT_PORT#; s#\"port\" => 9464#\"port\" => $AGENT_PORT#; s#/etc/[a-z0-9]*/monitor.htpasswd#$PASSWORDS/htpasswd#"
}

# server NAME: its program, or skips.
server() {
    PROGRAM=$(PATH=$PATH:/usr/sbin command -v "$1") || skip "this needs $1"
}

# ask USER PATH
ask() {
    STATUS=$(curl -s -m 20 -o body -w '%{http_code}' -u "$1" -H "Host: $NAME" \
        "http://127.0.0.1:$PORT$2")
}

serves() { ask me:secret / && [ "$STATUS" = 200 ]; }

# works: after "$@" has been started as a server.
works() {
    "$@" >server.log 2>&1 3>&- &
    SERVER_PID=$!
    until_true 20 serves || { tail -n 3 server.log error.log; return 1; }
    grep -q '<section id="verdict"' body
    ask me:secret '/live?after=99'
    [ "$STATUS" = 200 ]
    ask me:secret '/?find=a%2Fb&part=traces'
    [ "$STATUS" = 404 ]
    grep -q '<section id="traces"' body
    local user path
    for user in me:wrong nobody:secret; do
        for path in / /live /page.js /metrics '/?by=latest'; do
            ask "$user" "$path"
            echo "$user $path: $STATUS"
            [ "$STATUS" = 401 ]
        done
    done
}

@test "lighttpd" {
    server lighttpd
    {
        echo "server.document-root = \"$PWD\""
        echo "server.bind = \"127.0.0.1\""
        echo "server.port = $PORT"
        echo 'server.modules = ("mod_auth", "mod_authn_file", "mod_proxy")'
        snippet lighttpd
    } >server.conf
    works "$PROGRAM" -D -f server.conf
}

@test "nginx" {
    server nginx
    local kind
    {
        echo "daemon off; pid $PWD/pid; error_log stderr; events {}"
        echo 'http { access_log off;'
        for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $PWD/$kind;"; done
        snippet nginx | sed "s#server {#server { listen 127.0.0.1:$PORT;#"
        echo '}'
    } >server.conf
    works "$PROGRAM" -c "$PWD/server.conf" -e stderr
}

@test "Apache" {
    server apache2
    local module
    {
        echo "ServerRoot $PWD"
        echo "PidFile $PWD/pid"
        echo "ErrorLog $PWD/error.log"
        echo "ServerName localhost"
        echo "DefaultRuntimeDir $PWD"
        echo "Listen 127.0.0.1:$PORT"
        for module in mpm_event authn_core authn_file authz_core authz_user auth_basic proxy proxy_http; do
            echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
        done
        [ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data\n'
        snippet Apache | sed "s#\*:80>#*:$PORT>#"
    } >server.conf
    works "$PROGRAM" -D FOREGROUND -f "$PWD/server.conf"
}
