#!/usr/bin/env bats
# Goal: deploy/lighttpd/*.conf, as packages install them, bring MicroTrace into Debian's lighttpd by
# lighty-enable-mod alone, beside the sites that are there, which no broken MicroTrace takes down.

bats_require_minimum_version 1.5.0
load helpers
load servers

setup_file() {
    new_machine
    # What the default site must not lose: this is its port, too.
    inside lighty-enable-mod accesslog microtrace-analyze
    start
}

teardown_file() {
    end_machine
}

# start: as its unit does it, but in the background.
start() {
    inside lighttpd -tt -f /etc/lighttpd/lighttpd.conf 2>&1 | tee "$DIR/checked"
    inside lighttpd -f /etc/lighttpd/lighttpd.conf >>"$DIR/lighttpd.log" 2>&1 </dev/null 3>&-
    wait_until site_answers
}

stop() {
    kill_all lighttpd
    wait_until none_runs lighttpd
}

reload() {
    kill_all lighttpd USR1
    sleep 1
}

@test "the service answers on lighttpd's port at /analyze and below /microtrace/, the site as before" {
    [ ! -s "$DIR/checked" ] || { cat "$DIR/checked" && false; }
    serves_beside_site
    request GET /analyzer
    expect 404
    refute grep -qi x-request-id "$DIR/headers.last"
}

@test "metrics are for this machine alone, names with underscores are dropped, the log has both ids" {
    serves_metrics
    drops_lookalikes
    logged_as /var/log/lighttpd/access.log logged-1 /analyze
}

@test "another prefix, several segments long" {
    inside sed -i 's|^var.microtrace_prefix = .*|var.microtrace_prefix = "/some/prefix"|' /etc/lighttpd/conf-available/50-microtrace-analyze.conf
    restart
    serves ''
    serves_below /some/prefix
    request GET /some/prefix/metrics
    expect 200
    request GET /microtrace/healthz
    expect 404
    inside cp "$ROOT/deploy/lighttpd/50-microtrace-analyze.conf" /etc/lighttpd/conf-available/
    restart
}

@test "killed processes come back; a reload loses no request, a restart counts what was answered" {
    [ "$(pids_of analyze | wc -l)" -eq 4 ]
    come_back analyze 4
    counts_under_load reload
    all_were_200
    counts_under_load restart
    # Refused while lighttpd was down, but never an error.
    refute grep -q '^5' "$DIR/statuses"
}

@test "whatever is missing, lighttpd starts, and the site and the service go on" {
    survives_without_each restart
}

# refuses_analyze: 503, and for a moment 500, of a program that ends while it has the request.
refuses_analyze() {
    post /analyze '{"a": 1, "b": 2}'
    [ "$STATUS" = 503 ]
}

@test "settings that can't be used or read: lighttpd starts, the site goes on, and the service once they are mended" {
    local file=/etc/microtrace/microtrace.conf what
    inside mkdir -p "${file%/*}"
    inside lighty-enable-mod microtrace-proxy
    for what in value quote large fifo folder unreadable; do
        echo "$what"
        inside rm -rf "$file"
        case $what in
        value) inside sh -c "printf '%s=much\\n' MAX_BODY_BYTES MICROTRACE_PROXY_TIMEOUT >$file" ;;
        quote) inside sh -c "printf 'CHAOS_SEED=\"\\nMAX_BODY_BYTES=much' >$file" ;;
        large) inside sh -c "head -c 70000 /dev/zero | tr '\\0' '#' >$file" ;;
        fifo) inside mkfifo "$file" ;;
        folder) inside mkdir "$file" ;;
        unreadable) inside sh -c "echo MAX_BODY_BYTES=much >$file && chmod 600 $file" ;;
        esac
        restart
        site_answers
        if [ "$what" = value ]; then
            wait_until refuses_analyze
            request GET /page.php
            [[ $STATUS == [45]0? ]]
        else
            # It is as if there were none.
            wait_until answers_analyze
        fi
    done
    inside sh -c "rm -f $file && echo MAX_BODY_BYTES=much >$file"
    restart
    inside rm "$file"
    wait_until answers_analyze
    inside lighty-disable-mod microtrace-proxy
}

# runs_scripts MODULE
runs_scripts() {
    new_script
    inside lighty-enable-mod "$1"
    restart
    serves_scripts "$1"
    scripts_are_exact "$1"
    logged_as /var/log/lighttpd/access.log "$1-logged" /cgi-bin/hello
    site_answers
}

# without_program NAME PATH MODULE: lighttpd starts without it, and the site goes on.
without_program() {
    inside mv "/usr/bin/$1" /usr/bin/gone
    restart
    request GET "$2"
    [[ $STATUS == [45]0? ]]
    inside mv /usr/bin/gone "/usr/bin/$1"
    inside lighty-disable-mod "$3"
}

@test "CGI scripts, by a process for each request: 16 clients, and every request is there once" {
    runs_scripts microtrace-cgi
    without_program microtrace-cgi /cgi-bin/hello microtrace-cgi
}

@test "CGI scripts, by a FastCGI server behind its socket" {
    start_as_documented "$ROOT/deploy/lighttpd/50-microtrace-cgi-fastcgi.conf"
    runs_scripts microtrace-cgi-fastcgi
    kills_script_workers
    without_program microtrace-cgi /cgi-bin/nothing microtrace-cgi-fastcgi
}

@test "PHP pages, by the proxy that lighttpd starts in front of PHP-FPM" {
    start_php || skip "no php-fpm"
    inside lighty-enable-mod microtrace-proxy
    restart
    serves_pages lighttpd
    KILLED=$(pids_of microtrace-proxy)
    kill_all microtrace-proxy KILL
    wait_until answers_page
    wait_until at_least 1 microtrace-proxy
    without_program microtrace-proxy /page.php microtrace-proxy
}
