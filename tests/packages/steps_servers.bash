# The steps of other servers, of upgrading, of taking pieces away and of removing all of it.
# shellcheck shell=bash

# --- nginx, by systemd's sockets ----------------------------------------------------------------

change_to_nginx() {
    on_machine systemctl disable --now lighttpd && on_machine systemctl enable --now nginx &&
        ! on_machine systemctl -q is-active microtrace-analyze@1 &&
        typed ln -s ../sites-available/microtrace /etc/nginx/sites-enabled/ && typed systemctl reload nginx &&
        within 60 answers "$gate" && within 60 four_workers
}

# The first request has started all of them.
four_workers() {
    [ "$(on_machine pidof analyze | wc -w)" = 4 ] && [ "$(user_of analyze)" = www-data ]
}

# loaded URL PATH SECONDS COMMAND...: no request is lost while the command runs: as many answers as
# requests, and as many in the metrics.
loaded() {
    local url=$1 path=$2 seconds=$3 before load status=0 counts
    shift 3
    before=$(counted "$path")
    on_machine /root/load load --url "$url" --rate 200 --concurrency 8 --mix 0 --duration "$seconds" --timeout 60 --json >"$work/load" 2>"$work/load.err" &
    load=$!
    sleep 1
    "$@" || status=1
    wait "$load" || { cat "$work/load" "$work/load.err"; return 1; }
    counts=$(jq -r '"\(.sent) \(.answered) \(.statuses["200"]) \(.not_sent // 0)"' "$work/load")
    echo "sent, answered, answered 200, not sent: $counts; counted: $before and $(counted "$path")"
    jq -e '.sent > 0 and .answered == .sent and .statuses == {"200": .sent}' "$work/load" >/dev/null &&
        within 60 has_counted "$path" $((before + $(jq .sent "$work/load"))) && [ $status -eq 0 ]
}

has_counted() {
    [ "$(counted "$1")" = "$2" ]
}

kill_workers() {
    local unit
    # One after the other, between two requests where it can be had.
    for unit in 1 2 3 4; do
        comes_back "microtrace-analyze@$unit" || return 1
    done
    within 60 four_workers
}

restart_workers() {
    on_machine systemctl restart 'microtrace-analyze@*.service' && within 60 four_workers
}

workers_restart_unseen() {
    loaded "$gate/microtrace" /analyze 6 restart_workers
}

killed_workers_come_back() {
    kill_workers && within 60 answers "$gate"
}

more_workers() {
    on_machine systemctl enable --now microtrace-analyze@5 && [ "$(on_machine pidof analyze | wc -w)" = 5 ] &&
        on_machine systemctl disable --now microtrace-analyze@5 && within 60 four_workers
}

socket_stops_all() {
    on_machine systemctl stop microtrace-analyze.socket && ! on_machine pidof analyze && has_status 502 "$gate/microtrace/healthz" &&
        on_machine systemctl start microtrace-analyze.socket && answers "$gate" && within 60 four_workers
}

cgi_answers() {
    [ "$(fetch "$gate/cgi-bin/who.cgi")" = "www-data quiet" ]
}

cgi_serves() {
    on_machine systemctl enable --now microtrace-cgi.socket && cgi_answers && [ "$(counted /cgi-bin/who.cgi)" -ge 1 ]
}

php_answers() {
    [ "$(fetch "$gate/page.php")" = "php 55" ]
}

proxy_serves() {
    on_machine systemctl enable --now microtrace-proxy@php-fpm.socket && within 60 php_answers && [ "$(counted /page.php)" -ge 1 ]
}

# many URL COUNT COMMAND...: one request after the other while the command runs, each answered 200.
many() {
    local url=$1 count=$2 load status=0 answers
    shift 2
    on_machine sh -c "for i in \$(seq $count); do curl -sS -m 60 -o /dev/null -w '%{http_code}\n' $url; done" >"$work/many" 2>&1 &
    load=$!
    sleep 0.5
    "$@" || status=1
    wait "$load" || true
    answers=$(sort "$work/many" | uniq -c)
    echo "$answers"
    [ "$(grep -c '^200$' "$work/many")" = "$count" ] && [ $status -eq 0 ]
}

gateways_restart_unseen() {
    many "$gate/cgi-bin/who.cgi" 150 on_machine systemctl restart microtrace-cgi && cgi_answers &&
        many "$gate/page.php" 150 on_machine systemctl restart microtrace-proxy@php-fpm && php_answers
}

gateways_come_back() {
    comes_back microtrace-cgi && within 60 cgi_answers && comes_back microtrace-proxy@php-fpm && within 60 php_answers
}

nginx_reboots() {
    shut_down && boot && within 60 answers "$gate" && within 60 cgi_answers && within 60 php_answers && agent_is_microtrace
}

change_to_lighttpd() {
    on_machine systemctl disable --now nginx && on_machine systemctl enable lighttpd && on_machine systemctl disable --now microtrace-cgi.socket microtrace-proxy@php-fpm.socket &&
        on_machine systemctl stop microtrace-cgi.service microtrace-proxy@php-fpm.service &&
        on_machine systemctl stop microtrace-analyze.socket && on_machine systemctl restart lighttpd && within 60 answers "$service"
}

# --- Upgrading ----------------------------------------------------------------------------------

# install_version old|new [OPTION...]
install_version() {
    on_machine sh -c "apt-get install -y ${*:2} /root/$1/microtrace_*.deb /root/$1/microtrace-analyze_*.deb"
}

is_old() {
    [ "$(on_machine dpkg-query -W -f '${Version} ' microtrace microtrace-analyze)" = "0.0.1 0.0.1 " ]
}

# Under lighttpd, which goes on with the workers that it has.
upgrade_under_load() {
    is_old && loaded "$service" /analyze 12 install_version new && within 60 agent_serves && agent_is_microtrace && ! is_old
}

# pids: of the agent and of all workers that systemd has started.
pids() {
    local unit
    for unit in microtrace-agent microtrace-analyze@{1..4} microtrace-cgi microtrace-proxy@php-fpm; do
        pid_of "$unit"
    done
}

# Under nginx, where all processes become those of the other version.
downgrade_under_load() {
    pids >"$work/pids" && loaded "$gate/microtrace" /analyze 15 install_version old --allow-downgrades && is_old &&
        within 60 four_workers && within 60 has_status 200 http://127.0.0.1:9464/healthz && cgi_answers && php_answers &&
        pids >"$work/other" && ! grep -xFf "$work/pids" "$work/other"
}

settings_are_kept() {
    on_machine grep -qx '# kept' /etc/microtrace/microtrace.conf &&
        [ "$(on_machine stat -c '%a %U %G' /etc/microtrace/microtrace.conf)" = "640 root microtrace" ]
}

# --- Each piece is taken away -------------------------------------------------------------------

# without NAME STATUS TAKE BACK: TAKE takes it away, the web server is started anew and serves its
# other site, /readyz answers STATUS; with BACK everything is as before.
without() {
    local status=$1 take=$2 back=$3
    on_machine systemctl reset-failed lighttpd
    on_machine sh -c "$take" && on_machine systemctl restart lighttpd || return 1
    within 60 site_answers && within 60 has_status "$status" "$service/readyz" || {
        echo "readyz: $(status_of "$service/readyz")"
        on_machine sh -c "$back"
        return 1
    }
    on_machine systemctl reset-failed lighttpd
    on_machine sh -c "$back" && on_machine systemctl restart lighttpd && within 60 answers "$service" && within 60 ready &&
        within 60 agent_serves
}

pieces() {
    local library
    check "without the run directory" without 503 'until rm -rf /run/microtrace; do sleep 0.1; done' 'systemctl restart microtrace-agent'
    check "without the spool directory" without 503 'until rm -rf /var/spool/microtrace; do sleep 0.1; done' 'systemctl restart microtrace-agent'
    check "without both, with the agent stopped" without 503 'systemctl stop microtrace-agent; rm -rf /run/microtrace /var/spool/microtrace' \
        'systemctl start microtrace-agent'
    # Without an agent the spool takes what there is: nothing is lost yet.
    check "without the agent" without 200 'systemctl stop microtrace-agent; mv /usr/bin/metrics-agent /root/' \
        'mv /root/metrics-agent /usr/bin/; systemctl start microtrace-agent'
    check "without the user" without 503 \
        'cp -a /etc/passwd /etc/group /etc/shadow /etc/gshadow /root/; systemctl stop microtrace-agent; sed -i /microtrace/d /etc/passwd /etc/group /etc/shadow /etc/gshadow' \
        'cp -a /root/passwd /root/group /root/shadow /root/gshadow /etc/; systemctl start microtrace-agent'
    check "without the settings" without 200 'mv /etc/microtrace /root/; systemctl restart microtrace-agent' \
        'mv /root/microtrace /etc/; systemctl restart microtrace-agent'
    library=$(on_machine sh -c 'ldd /usr/bin/analyze | sed -n "s/.*=> \(.*libjansson[^ ]*\).*/\1/p"')
    check "without a library" without 503 "mv $(on_machine readlink -f "$library") /root/library.so" \
        "mv /root/library.so $(on_machine readlink -f "$library")"
    check "without the program" without 503 'mv /usr/bin/analyze /root/' 'mv /root/analyze /usr/bin/'
}

# --- Removing -----------------------------------------------------------------------------------

# Both web servers start, one after the other, and serve what was there.
servers_start() {
    on_machine systemctl reset-failed lighttpd
    on_machine systemctl restart lighttpd && within 60 site_answers && on_machine systemctl stop lighttpd &&
        on_machine systemctl restart nginx && within 60 site_answers && on_machine systemctl stop nginx &&
        on_machine systemctl start lighttpd && within 60 site_answers
}

remove() {
    on_machine apt-get remove -y microtrace microtrace-analyze && servers_start && ! on_machine pidof metrics-agent analyze
}

purge() {
    on_machine apt-get purge -y microtrace microtrace-analyze && servers_start &&
        ! on_machine systemctl list-units --all --plain --no-legend 'microtrace*' | grep .
}

nothing_is_left() {
    files >"$work/after"
    ! diff "$work/before" "$work/after" | grep '^[<>]'
}

all_steps() {
    local began=$SECONDS
    check "systemd boots" boot
    [ $failed -eq 0 ] || return 0
    exec 3>&1
    began=$SECONDS
    check "install the packages (apt-get install)" install_packages old
    cp "$machine/usr/bin/microtrace" "$machine/root/load"
    check "enable analyze in lighttpd and restart it: POST /analyze answers" enable_lighttpd
    say "$suite: an administrator has typed $command_count commands and waited for $((SECONDS - began)) s"
    check "/metrics counts" agent_serves
    check "the agent runs as microtrace" agent_is_microtrace
    check "/readyz is ready" ready
    check "the doctor names what is to be restarted, and nothing is wrong after that" doctor_mends
    check "the site that was there answers" site_answers
    check "units are sound (systemd-analyze verify)" units_are_sound
    check "units are exposed by at most 2.0 (systemd-analyze security)" exposures
    check "after a reboot everything is back by itself" reboots
    check "after a reboot the doctor finds nothing wrong" within 60 doctor_is_content
    check "kill -9 of the agent: it comes back" agent_comes_back
    check "kill -9 of lighttpd's workers: they come back" workers_come_back
    check "the agent tells systemd its status, and that it goes on" agent_is_watched
    check "the watchdog restarts an agent that hangs, and no other" watchdog_restarts_agent
    check "missing directories: the agent's start makes them" agent_makes_directories
    check "missing directories: a running agent takes up new ones" agent_takes_up_directories
    check "settings that can't be used keep the agent from starting, and are in the journal" bad_settings_are_said
    on_machine sh -c 'echo "# kept" >>/etc/microtrace/microtrace.conf'
    check "upgrade under load: no request is lost, counts are exact" upgrade_under_load
    check "settings are kept by the upgrade" settings_are_kept
    command_count=1 # the packages are installed
    check "nginx: a request starts four workers by the socket" change_to_nginx
    say "$suite: with nginx an administrator has typed $command_count commands, the installation among them"
    check "nginx: kill -9 of each worker: it comes back" killed_workers_come_back
    check "nginx: a restart of all workers under load is not seen" workers_restart_unseen
    check "nginx: a fifth worker, and back" more_workers
    check "nginx: the socket's end ends the workers, and they start again" socket_stops_all
    check "nginx: CGI scripts by microtrace-cgi.socket, as www-data" cgi_serves
    check "nginx: PHP-FPM behind microtrace-proxy@php-fpm.socket" proxy_serves
    check "nginx: restarts of the gateways are not seen" gateways_restart_unseen
    check "nginx: kill -9 of the gateways: they come back" gateways_come_back
    check "nginx: a downgrade under load: every process is another, no request is lost, counts are exact" downgrade_under_load
    check "nginx: after a reboot everything is back by itself" nginx_reboots
    check "back to lighttpd" change_to_lighttpd
    pieces
    check "remove: the web servers start, their sites answer" remove
    check "purge: the web servers start, their sites answer" purge
    check "nothing is left: no file, no user, no unit" nothing_is_left
    check "it shuts down" shut_down
}
