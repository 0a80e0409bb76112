#!/usr/bin/env bats
# Goal: deploy/nginx, as packages install it, brings MicroTrace into Debian's nginx by lines "include",
# beside the sites that are there, which no broken MicroTrace takes down.

bats_require_minimum_version 1.5.0
load helpers
load servers

setup_file() {
    command -v nginx multiwatch spawn-fcgi >/dev/null || skip "no nginx, multiwatch or spawn-fcgi"
    new_machine
    URL=http://127.0.0.1:8000
    export URL
    inside ln -s ../sites-available/microtrace /etc/nginx/sites-enabled/
    # The example site is for this machine alone; clients from elsewhere are to be refused by /metrics.
    inside sed -i "s|listen 127.0.0.1:8000;|& listen $OTHER:8000;|" /etc/nginx/sites-available/microtrace
    start_service
    start
}

teardown_file() {
    end_machine
}

start_service() {
    start_as_documented "$ROOT/deploy/nginx/snippets/microtrace-analyze.conf"
}

start() {
    inside nginx -t 2>"$DIR/checked" || { cat "$DIR/checked" && return 1; }
    inside nginx >>"$DIR/background.log" 2>&1 </dev/null 3>&-
    wait_until site_answers
}

stop() {
    kill_all nginx QUIT
    wait_until none_runs nginx
}

# The service as its unit would be restarted with nginx.
restart_all() {
    end_service
    start_service || true
    restart
}

reload() {
    inside nginx -s reload
}

@test "the service answers at /analyze and below /microtrace/, the site as before" {
    refute grep -q warn "$DIR/checked"
    serves_beside_site
}

@test "metrics are for this machine alone, names with underscores are dropped, the log has both ids" {
    serves_metrics
    drops_lookalikes
    logged_as /var/log/nginx/microtrace.log logged-1 /analyze
    expect span --request logged-1 --attr microtrace.queue_seconds 2>/dev/null ||
        spans | jq -c 'select(.attrs["microtrace.request_id"].stringValue == "logged-1")' |
        expect_json '.attrs["microtrace.queue_seconds"].doubleValue < 10'
}

@test "another prefix, and one that nginx does not part from the path" {
    inside sed -i 's|/microtrace/|/some/prefix/|; s|(/microtrace)|(/some/prefix)|' /etc/nginx/snippets/microtrace-analyze.conf
    inside tee /etc/nginx/conf.d/whole.conf >/dev/null <<'END'
server {
    listen 127.0.0.1:8001;
    location /whole/path/ {
        include fastcgi_params;
        fastcgi_pass unix:/run/microtrace-analyze.sock;
    }
}
END
    restart
    serves ''
    serves_below /some/prefix
    URL=http://127.0.0.1:8001 serves /whole/path
    inside rm /etc/nginx/conf.d/whole.conf
    inside cp "$ROOT/deploy/nginx/snippets/microtrace-analyze.conf" /etc/nginx/snippets/
    restart
}

@test "nginx' own answers have an id, too, and the log has it" {
    KILLED=$(pids_of multiwatch)
    end_service
    post /analyze '{"a": 1, "b": 2}' -H 'X-Request-ID: down-1'
    expect 502 '. == {"detail": "Bad Gateway"}'
    [ "$(header X-Request-ID)" = down-1 ]
    wait_until inside grep -q '"POST /analyze HTTP/1.1" 502 .* down-1 -$' /var/log/nginx/microtrace.log
    request GET /microtrace/healthz -H 'X-Request-ID: not a valid one'
    expect 502
    has_ids
    site_answers
    start_service
    wait_until answers_analyze
    head -c 1200000 /dev/zero >"$DIR/large"
    post /analyze @"$DIR/large" -H 'Expect:'
    expect 413 '. == {"detail": "Request body too large"}'
    has_ids
}

@test "killed processes come back; a reload loses no request, a restart counts what was answered" {
    come_back analyze 4
    counts_under_load reload
    all_were_200
    counts_under_load restart
    refute grep -q '^5' "$DIR/statuses"
}

@test "whatever is missing, nginx starts, and the site and the service go on" {
    survives_without_each restart_all
    # It starts without what a purge takes away, too.
    inside bash -c 'mkdir /run/purged && mv /etc/nginx/snippets/microtrace-* /etc/nginx/conf.d/microtrace.conf /run/purged'
    restart
    site_answers
    inside bash -c 'mv /run/purged/microtrace-* /etc/nginx/snippets/ && mv /run/purged/microtrace.conf /etc/nginx/conf.d/'
    restart
    answers_analyze
}

@test "CGI scripts: 16 clients, and every request is there once" {
    new_script
    start_as_documented "$ROOT/deploy/nginx/snippets/microtrace-cgi.conf"
    serves_scripts nginx-cgi
    has_ids
    scripts_are_exact nginx-cgi
    logged_as /var/log/nginx/microtrace.log nginx-cgi-logged /cgi-bin/hello
    kills_script_workers
}

@test "PHP pages by the proxy in front of PHP-FPM" {
    start_php || skip "no php-fpm"
    start_as_documented "$ROOT/deploy/nginx/snippets/microtrace-proxy.conf"
    serves_pages nginx-php
    logged_as /var/log/nginx/microtrace.log nginx-php-logged /page.php
}
