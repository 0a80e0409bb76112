#!/usr/bin/env bats
# Goal: deploy/apache/*.conf, as packages install them, bring MicroTrace into Debian's Apache by a2enconf,
# by each of its ways to start a program, beside the sites that are there, which no broken MicroTrace
# takes down.

bats_require_minimum_version 1.5.0
load helpers
load servers

setup_file() {
    command -v a2enconf multiwatch spawn-fcgi >/dev/null || skip "no apache2, multiwatch or spawn-fcgi"
    new_machine
    inside a2enmod -q proxy_fcgi proxy_http headers unique_id fcgid cgid
    start_as_documented "$ROOT/deploy/apache/microtrace-analyze.conf"
    enable microtrace-analyze
}

teardown_file() {
    end_machine
}

start() {
    inside apache2ctl start >"$DIR/checked" 2>&1 </dev/null 3>&- || { cat "$DIR/checked" && return 1; }
    wait_until site_answers
}

stop() {
    inside apache2ctl stop >/dev/null 2>&1 3>&- || true
    wait_until none_runs apache2
}

restart_all() {
    end_service
    start_as_documented "$ROOT/deploy/apache/microtrace-analyze.conf" || true
    restart
}

reload() {
    inside apache2ctl graceful
}

# enable CONFIGURATION: that of ours alone.
enable() {
    inside a2disconf -qf "microtrace-*" >/dev/null 2>&1 || true
    inside a2enconf -q "$1"
    restart
}

# all_of_it CONFIGURATION: what is the same whatever way Apache takes.
all_of_it() {
    enable "$1"
    serves_beside_site
    serves_metrics
    drops_lookalikes
    logged_as /var/log/apache2/microtrace-analyze.log "logged-$1" /analyze
    spans | jq -c "select(.attrs[\"microtrace.request_id\"].stringValue == \"logged-$1\")" |
        expect_json '.attrs["microtrace.queue_seconds"].doubleValue < 10'
    prefixed "$1"
}

# prefixed CONFIGURATION: the same below another prefix, as its first lines say.
prefixed() {
    inside sed -i 's|/microtrace\([/"]\)|/some/prefix\1|; s/|microtrace\//|some\/prefix\//' "/etc/apache2/conf-available/$1.conf"
    restart
    serves ''
    serves_below /some/prefix
    request GET /some/prefix/metrics
    expect 200
    inside cp "$ROOT/deploy/apache/$1.conf" /etc/apache2/conf-available/
    restart
}

@test "mod_proxy_fcgi: the service at /analyze and below /microtrace/, the site as before" {
    all_of_it microtrace-analyze
}

@test "mod_proxy_fcgi: Apache's own answers have an id, too, and the log has it" {
    end_service
    post /analyze '{"a": 1, "b": 2}'
    expect 503
    has_ids
    wait_until inside grep -q "\"POST /analyze HTTP/1.1\" 503 .* $(header X-Request-ID) -\$" /var/log/apache2/microtrace-analyze.log
    site_answers
    start_as_documented "$ROOT/deploy/apache/microtrace-analyze.conf"
    wait_until answers_analyze
}

@test "mod_proxy_fcgi: killed processes come back; a reload loses no request, a restart counts all" {
    come_back analyze 4
    counts_under_load reload
    all_were_200
    counts_under_load restart
    refute grep -q '^5' "$DIR/statuses"
}

@test "mod_proxy_fcgi: whatever is missing, Apache starts, and the site and the service go on" {
    survives_without_each restart_all
    kill_all multiwatch
    kill_all analyze
}

@test "mod_fcgid: the same" {
    all_of_it microtrace-analyze-fcgid
    come_back analyze 1
    survives_without_each restart
    counts_under_load reload
}

@test "mod_cgid: the same, and 16 clients, of whom every request is there once" {
    all_of_it microtrace-analyze-cgid
    survives_without_each restart
    many cgid /analyze -H 'Content-Type: application/json' -d '{"a":1,"b":2}'
    counts_under_load reload
    # On a busy machine Apache answers 503 itself while its CGI daemon starts again.
    [ "$(awk '$1 != 200 && $1 != 503 || $1 == 503 && $2 > 16' "$DIR/statuses")" = "" ]
}

@test "CGI scripts by microtrace-cgi: behind its socket, and started by mod_fcgid" {
    new_script
    start_as_documented "$ROOT/deploy/apache/microtrace-cgi.conf"
    for way in microtrace-cgi microtrace-cgi-fcgid; do
        enable "$way"
        serves_scripts "$way"
        has_ids
        scripts_are_exact "$way"
        logged_as /var/log/apache2/microtrace-cgi.log "$way-logged" /cgi-bin/hello
    done
    inside mv /usr/bin/microtrace-cgi /usr/bin/gone
    restart
    inside mv /usr/bin/gone /usr/bin/microtrace-cgi
}

@test "PHP pages by the proxy in front of PHP-FPM" {
    start_php || skip "no php-fpm"
    start_as_documented "$ROOT/deploy/apache/microtrace-proxy.conf"
    enable microtrace-proxy
    serves_pages apache-php
    logged_as /var/log/apache2/microtrace-proxy.log apache-php-logged /page.php
}
