# shellcheck shell=bash disable=SC2034 # what is set here is used by the tests
# What the tests of deploy/{lighttpd,nginx,apache} share: a machine of the test file's own, made of
# namespaces, in which everything lies where packages put it, so that the snippets and the servers'
# own configurations are tried as they are. Its files are an overlay on this machine's /etc, /usr and
# /var, its /run is empty, it has no network but its loopback, and its processes end with it.

OTHER=192.0.2.1 # an address of the machine that is not the loopback one ...
GUEST=192.0.2.2 # ... and one that its clients come from

inside() {
    nsenter -t "$(cat "$DIR/machine")" -m -n -p -r -w -- "$@"
}

curl() {
    inside curl "$@"
}

# inside_at_once COMMAND...: for one that stays.
inside_at_once() {
    inside "$@" >>"$DIR/background.log" 2>&1 </dev/null 3>&- &
}

machine_is_made() {
    [ -e "$DIR/ready" ] || gone "$UNSHARE"
}

# new_machine: with MicroTrace installed as its packages do it; the agent runs.
new_machine() {
    [ "$(id -u)" -eq 0 ] || skip "only root can make a machine of namespaces"
    new_folder
    URL=http://127.0.0.1 AGENT_URL=http://127.0.0.1:9464
    export URL AGENT_URL
    mkdir -p "$DIR/layers" "$STATE/run" "$STATE/spool"
    BIN=$BIN ROOT=$ROOT unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
        bash -c "$(declare -f make_machine) && make_machine" >"$DIR/machine.log" 2>&1 </dev/null 3>&- &
    UNSHARE=$!
    echo "$UNSHARE" >"$DIR/unshare"
    disown "$UNSHARE"
    wait_until machine_is_made
    [ -e "$DIR/layers-made" ] || skip "no namespaces here: $(tail -n 1 "$DIR/machine.log")"
    [ -e "$DIR/ready" ] || { cat "$DIR/machine.log" && return 1; }
    # The machine's first process, as this one sees it.
    pgrep -P "$UNSHARE" >"$DIR/machine"
    start_agent
    echo "the site that was there" | inside tee /var/www/html/page.txt >/dev/null
}

# The first process of the machine. DIR, STATE, BIN and ROOT are set.
make_machine() {
    set -eu
    cd /
    mount -t tmpfs -o mode=755 layers "$DIR/layers"
    for folder in etc usr var; do
        mkdir -p "$DIR/layers/$folder" "$DIR/layers/work-$folder"
        mount -t overlay -o "lowerdir=/$folder,upperdir=$DIR/layers/$folder,workdir=$DIR/layers/work-$folder" overlay "/$folder"
    done
    mount -t tmpfs -o mode=755 run /run
    : >"$DIR/layers-made"
    ip link set lo up
    ip address add 192.0.2.1/32 dev lo
    ip address add 192.0.2.2/32 dev lo

    # The packages' work.
    id -u microtrace >/dev/null 2>&1 || useradd --system --user-group --no-create-home microtrace
    usermod -a -G microtrace www-data
    install -m 755 "$BIN"/* /usr/bin/
    install -d -m 2770 -o microtrace -g microtrace /run/microtrace /var/spool/microtrace
    chown microtrace:microtrace "$STATE/run" "$STATE/spool"
    chmod 2770 "$STATE/run" "$STATE/spool"
    mount --bind "$STATE/run" /run/microtrace
    mount --bind "$STATE/spool" /var/spool/microtrace
    mkdir -p /var/www/html /usr/lib/cgi-bin /run/php /run/lock
    cp "$ROOT"/deploy/lighttpd/*.conf /etc/lighttpd/conf-available/
    cp -r "$ROOT"/deploy/nginx/. /etc/nginx/
    cp "$ROOT"/deploy/apache/*.conf /etc/apache2/conf-available/

    # The servers' own: what their packages make at each boot.
    rm -f /etc/lighttpd/conf-enabled/* /etc/nginx/sites-enabled/* /etc/nginx/modules-enabled/*
    install -d -m 750 -o www-data -g www-data /run/lighttpd /var/log/lighttpd /var/cache/lighttpd/uploads
    : >"$DIR/ready"
    # bash takes care of processes whose parents have ended.
    while :; do
        sleep 3600 &
        wait $!
    done
}

end_machine() {
    local pid
    if pid=$(cat "$DIR/unshare" 2>/dev/null); then
        kill -KILL "$pid" 2>/dev/null || true
        wait_until gone "$pid"
        [ ! -s "$DIR/machine" ] || wait_until gone "$(cat "$DIR/machine")"
    fi
    rm -rf "${DIR:?}"
}

pids_of() {
    inside pgrep -x "${1:0:15}" || true
}

# kill_all NAME [SIGNAL]: the processes of that name that the machine has, none else.
kill_all() {
    local pids
    mapfile -t pids < <(pids_of "$1")
    [ ${#pids[@]} -eq 0 ] || inside kill -"${2:-TERM}" "${pids[@]}" || true
}

none_runs() {
    [ -z "$(pids_of "$1")" ]
}

# end_service: what multiwatch keeps, and itself: it holds the socket for a moment longer.
end_service() {
    kill_all multiwatch
    kill_all analyze
    wait_until none_runs analyze
    wait_until none_runs multiwatch
}

# at_least N NAME: processes of that name, none of them among KILLED.
at_least() {
    local pid count=0
    for pid in $(pids_of "$2"); do
        [[ " ${KILLED:-} " == *" $pid "* ]] || count=$((count + 1))
    done
    [ "$count" -ge "$1" ]
}

start_agent() {
    inside_at_once setpriv --reuid microtrace --regid microtrace --init-groups /usr/bin/metrics-agent
    wait_until curl -fs -m 5 -o /dev/null "$AGENT_URL/healthz"
}

# The command that the head of a snippet has for hosts without systemd: it makes the socket and starts
# what listens there.
start_as_documented() {
    local command
    command=$(sed -n '/^#   spawn-fcgi/,/[^\\]$/ s/^# *//p' "$1" | sed 's/\\$//' | paste -sd' ')
    [ -n "$command" ] || { echo "no spawn-fcgi in $1" && return 1; }
    inside bash -c "$command" >>"$DIR/background.log" 2>&1 </dev/null 3>&-
}

# --- What has to hold behind each server ----------------------------------------------------------

has_ids() {
    [[ $(header X-Request-ID) =~ ^[A-Za-z0-9._:/+=@-]{1,128}$ ]] || { cat "$DIR/headers.last" && return 1; }
    [ "$(header X-Request-ID | wc -l)" -eq 1 ]
}

# trace_of_answer: the trace id of traceresponse.
trace_of_answer() {
    header traceresponse | grep -E '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$' | cut -d- -f2
}

post() {
    request POST "$1" -H 'Content-Type: application/json' --data-binary "$2" "${@:3}"
}

# serves PREFIX: the service of the README, all of it below PREFIX.
serves() {
    local prefix=$1 id trace
    id=serves$(tr / - <<<"$prefix")-$RANDOM
    post "$prefix/analyze" '{"a": 10.5, "b": 3.5}' -H "X-Request-ID: $id"
    expect 200
    [ "$(cat "$DIR/body")" = '{"sum": 14.0, "difference": 7.0}' ]
    [ "$(header X-Request-ID)" = "$id" ]
    trace=$(trace_of_answer)
    expect span --request "$id" --trace "$trace" --name 'POST /analyze' --count 1 |
        expect_json ".attributes[\"http.route\"] == \"/analyze\" and .attributes[\"url.path\"] == \"$prefix/analyze\""
    expect log --request "$id" --message request_completed --count 1 | expect_json ".path == \"$prefix/analyze\""
    post "$prefix/analyze" '{"a": 1}'
    expect 422 '.detail[0].type == "missing"'
    has_ids
    request GET "$prefix/analyze"
    expect 405 '. == {"detail": "Method Not Allowed"}'
    [ "$(header Allow)" = POST ]
    has_ids
}

# serves_below PREFIX: the rest of it, which has no other place.
serves_below() {
    local prefix=$1 path
    serves "$prefix"
    for path in nowhere nowhere/analyze analyze/more; do
        request GET "$prefix/$path"
        expect 404 '. == {"detail": "Not Found"}'
        has_ids
    done
    request GET "$prefix/healthz"
    expect 200 '. == {"status": "ok"}'
    has_ids
    request GET "$prefix/readyz"
    expect 200 '. == {"status": "ready"}'
    request GET "$prefix/docs"
    expect 200
    grep -q 'swagger-ui' "$DIR/body"
    request GET "$prefix/openapi.json"
    expect 200 '.servers[0].url == "." and .paths["/analyze"] != null'
    head -c 70000 /dev/zero >"$DIR/large"
    post "$prefix/analyze" @"$DIR/large"
    expect 413 '. == {"detail": "Request body too large"}'
    has_ids
}

# serves_metrics: at /microtrace/metrics, for this machine alone; what all requests were counted as.
serves_metrics() {
    request GET /microtrace/metrics
    expect 200
    grep -q '^requests_total{method="POST",path="/analyze",status="200"} [1-9]' "$DIR/body"
    # Never a path that a client has chosen.
    [ -z "$(grep -oE 'path="[^"]*"' "$DIR/body" | sort -u | grep -vxE 'path="(/analyze|/healthz|/readyz|/metrics|/docs|/openapi.json|_OTHER)"')" ]
    STATUS=$(curl -sS -m 10 --interface "$GUEST" -o "$DIR/body" -D "$DIR/headers.last" -w '%{http_code}' \
        "http://$OTHER${URL#http://127.0.0.1}/microtrace/metrics")
    sed -i 's/\r$//' "$DIR/headers.last"
    expect 403
    has_ids
}

# Underscored names are not those with dashes; of two values none counts.
drops_lookalikes() {
    post /analyze '{"a": 1, "b": 2}' -H 'X_Request_ID: forged-1' -H 'X_Request-ID: forged-2' -H 'X-Request_ID: forged-3'
    expect 200
    has_ids
    [[ $(header X-Request-ID) != forged* ]]
}

# come_back NAME N: after kill -9 of all of them there are N new ones, and they answer.
come_back() {
    answers_analyze
    KILLED=$(pids_of "$1" | paste -sd' ')
    [ -n "$KILLED" ]
    kill_all "$1" KILL
    wait_until answers_analyze
    wait_until at_least "$2" "$1"
}

answers_analyze() {
    post /analyze '{"a": 1, "b": 2}'
    [ "$STATUS" = 200 ]
}

ANALYZED='requests_total{method="POST",path="/analyze",status="200"}'

# answered N: the clients have had so many good answers, at least.
answered() {
    [ "$(cat "$DIR"/statuses.? | grep -c '^200$')" -ge "$1" ]
}

# under_load COMMAND...: eight clients while it runs, and a second and ten answers before and after it;
# the statuses of their answers in $DIR/statuses, 000 for none.
under_load() {
    local clients i before
    rm -f "$DIR/stop" "$DIR"/statuses.?
    for i in 1 2 3 4 5 6 7 8; do
        inside bash -c "until [ -e '$DIR/stop' ]; do
            curl -s -m 20 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
                -d '{\"a\": 1, \"b\": 2}' $URL/analyze
        done" >"$DIR/statuses.$i" 2>/dev/null </dev/null 3>&- &
        clients+=" $!"
    done
    sleep 1
    wait_until answered 10
    "$@"
    before=$(cat "$DIR"/statuses.? | grep -c '^200$')
    sleep 1
    wait_until answered $((before + 10))
    : >"$DIR/stop"
    # shellcheck disable=SC2086 # several words
    wait $clients || true
    cat "$DIR"/statuses.? | sort | uniq -c | awk '{ print $2, $1 }' >"$DIR/statuses"
    cat "$DIR/statuses"
    [ "$(awk '$1 == 200 { print $2 }' "$DIR/statuses")" -ge 20 ]
}

# counts_under_load COMMAND...: as under_load, and each answer that a client had is counted; those that
# were made for clients that had gone may be more.
counts_under_load() {
    local before
    before=$(counter "$ANALYZED")
    under_load "$@"
    [ $((before + $(awk '$1 == 200 { print $2 }' "$DIR/statuses"))) -le "$(counter "$ANALYZED")" ]
}

all_were_200() {
    [ "$(awk '{ print $1 }' "$DIR/statuses")" = 200 ]
}

# counter SERIES: its value in the metrics file.
counter() {
    inside /usr/bin/microtrace metrics --prometheus | awk -v series="$1" '
        index($0, series " ") == 1 { value = $NF }
        END { printf "%.15g\n", value }'
}

# --- What has to hold when a piece is gone ---------------------------------------------------------

# without PIECE: takes it away. The machine is of no use afterwards but with `with PIECE`.
without() {
    case $1 in
    run) inside umount -l /run/microtrace && inside rm -r /run/microtrace ;;
    spool) inside umount -l /var/spool/microtrace && inside rm -r /var/spool/microtrace ;;
    user) inside sed -i.kept '/^microtrace:/d; s/:microtrace$/:/' /etc/passwd /etc/group ;;
    agent) kill_all metrics-agent && wait_until none_runs metrics-agent ;;
    program) inside mv /usr/bin/analyze /usr/bin/analyze.gone ;;
    library) inside bash -c 'mkdir /usr/gone && mv /usr/lib/*/libfcgi.so.0* /usr/gone/' ;;
    esac
}

with() {
    case $1 in
    run)
        inside install -d -m 2770 -o microtrace -g microtrace /run/microtrace
        inside mount --bind "$STATE/run" /run/microtrace
        ;;
    spool)
        inside install -d -m 2770 -o microtrace -g microtrace /var/spool/microtrace
        inside mount --bind "$STATE/spool" /var/spool/microtrace
        ;;
    user) inside bash -c 'for f in passwd group; do cat /etc/$f.kept >/etc/$f; done' ;;
    agent) start_agent ;;
    program) inside mv /usr/bin/analyze.gone /usr/bin/analyze ;;
    library) inside bash -c 'mv /usr/gone/* /usr/lib/*-linux-gnu/ && rmdir /usr/gone' ;;
    esac
}

site_answers() {
    [ "$(curl -sS -m 10 "$URL/page.txt")" = "the site that was there" ]
}

# survives_without_each RESTART [START]: RESTART restarts server and service; the site goes on whatever
# is missing, and the service as far as it can.
survives_without_each() {
    local piece
    for piece in run spool user agent program library; do
        echo "without $piece"
        without "$piece"
        "$@"
        site_answers
        case $piece in
        run | spool | user)
            answers_analyze
            request GET /microtrace/readyz
            expect 503 '.reason | length > 0'
            ;;
        agent)
            answers_analyze
            request GET /microtrace/metrics
            [[ $STATUS == 50[23] ]]
            ;;
        program | library)
            post /analyze '{"a": 1, "b": 2}'
            [[ $STATUS == [45]0* ]]
            ;;
        esac
        with "$piece"
    done
    "$@"
    wait_until answers_analyze
}

# --- CGI scripts and PHP pages ---------------------------------------------------------------------

# new_script: /usr/lib/cgi-bin/hello.
new_script() {
    inside tee /usr/lib/cgi-bin/hello >/dev/null <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n%s %s %s\n' "${PATH_INFO:-none}" "$HTTP_X_REQUEST_ID" "$TRACEPARENT"
END
    inside chmod 755 /usr/lib/cgi-bin/hello
}

# serves_scripts ID: /cgi-bin/hello with what follows it.
serves_scripts() {
    local trace
    request GET '/cgi-bin/hello/more/path?a=b' -H "X-Request-ID: $1"
    expect 200
    [ "$(header X-Request-ID)" = "$1" ]
    trace=$(trace_of_answer)
    [[ $(cat "$DIR/body") == "/more/path $1 00-$trace-"* ]]
    expect span --request "$1" --trace "$trace" --name 'GET /cgi-bin/hello' --count 1 |
        expect_json '.attributes["url.path"] == "/cgi-bin/hello/more/path"'
    expect log --request "$1" --message request_completed --count 1
    request GET /cgi-bin/hello -H 'X_Request_ID: forged'
    expect 200
    has_ids
    [ "$(header X-Request-ID)" != forged ]
    request GET /cgi-bin/nothing
    expect 404
}

# kills_script_workers: not the process that watches them, which was there first.
kills_script_workers() {
    KILLED=$(pids_of microtrace-cgi | sort -n | tail -n +2 | paste -sd' ')
    # shellcheck disable=SC2086 # several words
    inside kill -KILL $KILLED
    wait_until at_least 5 microtrace-cgi
    wait_until answers_script
}

answers_script() {
    request GET /cgi-bin/hello
    [ "$STATUS" = 200 ]
}

# many ID PATH [CURL-ARGUMENT...]: 400 requests by 16 clients; each is answered 200 and told of once, and
# there is no file more than before, but for one that the agent is about to rename.
many() {
    local id=$1 path=$2 files before arguments=
    shift 2
    request GET "$path" "$@"
    files=$(find "$STATE" ! -name '*.new' | wc -l)
    before=$(inside stat -c %s /run/microtrace/metrics.mmap)
    [ $# -eq 0 ] || printf -v arguments ' %q' "$@"
    inside bash -c "seq 400 | xargs -P 16 -I{} curl -s -m 30 -o /dev/null -w '%{http_code}\n' \
        -H 'X-Request-ID: $id-{}' $arguments $URL$path" >"$DIR/statuses"
    [ "$(sort "$DIR/statuses" | uniq -c | awk '{ print $1, $2 }')" = "400 200" ] || { sort "$DIR/statuses" | uniq -c | head && return 1; }
    [ "$(logs ".message == \"request_completed\" and (.request_id | startswith(\"$id-\"))" | jq -r .request_id | sort -u | wc -l)" -eq 400 ]
    [ "$(logs ".message == \"request_completed\" and (.request_id | startswith(\"$id-\"))" | wc -l)" -eq 400 ]
    [ "$(spans | jq -c "select(.kind == 2 and (.attrs[\"microtrace.request_id\"].stringValue | startswith(\"$id-\")))" | wc -l)" -eq 400 ]
    [ "$(find "$STATE" ! -name '*.new' | wc -l)" -eq "$files" ]
    [ "$(inside stat -c %s /run/microtrace/metrics.mmap)" -eq "$before" ]
}

# scripts_are_exact ID
scripts_are_exact() {
    local series='requests_total{method="GET",path="/cgi-bin/hello",status="200"}' before
    before=$(counter "$series")
    many "$1" /cgi-bin/hello
    [ "$(counter "$series")" -eq $((before + 401)) ]
}

# start_php: Debian's PHP-FPM with its own configuration, and a page.
start_php() {
    local program
    program=$(compgen -G '/usr/sbin/php-fpm*' | head -n 1) || return 1
    inside "$program" >>"$DIR/background.log" 2>&1 </dev/null 3>&-
    # Which of them it is, an alternative of Debian's says; it is made at the package's installation.
    inside bash -c 'ln -sf /run/php/php*-fpm.sock /run/php/php-fpm.sock'
    inside tee /var/www/html/page.php >/dev/null <<'END'
<?php
echo strlen(file_get_contents('php://input')), ' ', $_SERVER['HTTP_X_REQUEST_ID'], ' ', $_SERVER['PATH_INFO'] ?? '', "\n";
END
}

# serves_pages ID
serves_pages() {
    local trace
    head -c 300000 /dev/zero >"$DIR/large"
    request POST /page.php -H "X-Request-ID: $1" --data-binary @"$DIR/large"
    expect 200
    [ "$(cat "$DIR/body")" = "300000 $1 " ]
    [ "$(header X-Request-ID)" = "$1" ]
    trace=$(trace_of_answer)
    expect span --request "$1" --trace "$trace" --name 'POST /page.php' --count 1 |
        expect_json '.attributes["url.path"] == "/page.php"'
    request GET /page.php/more/path -H "X-Request-ID: $1-more"
    expect 200
    [ "$(cat "$DIR/body")" = "0 $1-more /more/path" ]
    expect span --request "$1-more" --name 'GET /page.php' --count 1
    expect log --request "$1" --message request_completed --count 1
    request GET /page.php -H 'X_Request_ID: forged'
    expect 200
    has_ids
    [[ $(header X-Request-ID) != forged ]]
}

answers_page() {
    request GET /page.php
    [ "$STATUS" = 200 ]
}

# logged_as FILE ID PATH [CURL-ARGUMENT...]: the request's line in the access log has both ids.
logged_as() {
    request GET "$3" -H "X-Request-ID: $2" "${@:4}"
    wait_until inside grep -qE " $3 .* $STATUS .* $2 .*$(trace_of_answer)" "$1"
}

# restart: by the test file's own stop and start.
restart() {
    stop
    start
}

# serves_beside_site: the service is at /analyze and below /microtrace/, every other path is the site's.
serves_beside_site() {
    serves ''
    serves_below /microtrace
    site_answers
    request GET /nothing
    expect 404
    refute grep -qi x-request-id "$DIR/headers.last"
    request GET /healthz
    expect 404
}
