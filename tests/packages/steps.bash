# What is done to a machine, and what has to come of it. Each step is one function, which fails with
# what it has printed; `check` calls them, where a failing command does not end them by itself.
# shellcheck shell=bash

site=http://127.0.0.1            # lighttpd's
service=$site/microtrace         # analyze, as deploy/lighttpd has it
gate=http://127.0.0.1:8000       # the site of deploy/nginx

# command_count, command_seconds: what an administrator has typed and waited for.
command_count=0
command_began=0

# typed COMMAND...: what the administrator does.
typed() {
    command_count=$((command_count + 1))
    on_machine "$@"
}

# prepare_machine: what is there before us.
prepare_machine() {
    mkdir -p "$machine/usr/lib/cgi-bin"
    cat >"$machine/usr/lib/cgi-bin/who.cgi" <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\n\n%s %s\n' "$(id -un)" "${NOTIFY_SOCKET-quiet}"
END
    chmod +x "$machine/usr/lib/cgi-bin/who.cgi"
    printf '<?php echo "php ", strlen($_SERVER["HTTP_TRACEPARENT"]), "\n";\n' >"$machine/var/www/html/page.php"
    printf 'the site that was there\n' >"$machine/var/www/html/page.txt"
    mkdir -p "$machine/root/new" "$machine/root/old"
    cp "$work"/new/*.deb "$machine/root/new/"
    cp "$work"/old/*.deb "$machine/root/old/"
    # One web server at a time has port 80.
    "${inside[@]}" systemctl -q disable nginx apache2
}

fetch() {
    on_machine curl -sS -m 10 "$@"
}

answers() {
    [ "$(fetch -X POST "$1/analyze" -H 'Content-Type: application/json' -d '{"a": 10.5, "b": 3.5}')" = \
        '{"sum": 14.0, "difference": 7.0}' ]
}

site_answers() {
    [ "$(fetch "$site/page.txt")" = "the site that was there" ]
}

status_of() {
    fetch -o /dev/null -w '%{http_code}' "$@"
}

# has_status STATUS URL
has_status() {
    [ "$(status_of "$2")" = "$1" ]
}

# counted PATH: answers of 200, as the agent tells it.
counted() {
    fetch http://127.0.0.1:9464/metrics | awk -v path="path=\"$1\"" \
        '/^requests_total\{/ && index($0, path) && index($0, "status=\"200\"") { n += $2 } END { print n + 0 }'
}

user_of() {
    on_machine ps -o user:32= -C "$1" | sort -u | paste -sd' '
}

# --- Installing ---------------------------------------------------------------------------------

files() {
    (cd "$machine" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log \
        -o -path ./root -o -path ./var/lib/systemd -o -path ./tmp -o -path ./var/tmp -o -path ./var/backups \) -prune -o -print | sort)
    on_machine find /run -name '*microtrace*'
    on_machine getent passwd
    on_machine getent group
}

install_packages() {
    files >"$work/before"
    typed sh -c "apt-get install -y /root/$1/microtrace_*.deb /root/$1/microtrace-analyze_*.deb"
}

enable_lighttpd() {
    typed lighty-enable-mod microtrace-analyze && typed systemctl restart lighttpd && within 60 answers "$site"
}

agent_serves() {
    local before
    before=$(counted /analyze) && answers "$service" && [ "$(counted /analyze)" = $((before + 1)) ]
}

agent_is_microtrace() {
    local user
    user=$(user_of metrics-agent)
    echo "the agent runs as '$user'"
    [ "$user" = microtrace ]
}

ready() {
    [ "$(fetch "$service/readyz")" = '{"status":"ready"}' ]
}

doctor_is_content() {
    on_machine microtrace doctor
}

# What ran before www-data became a member of the group, PHP-FPM say, is named with its command.
doctor_mends() {
    local command commands
    commands=$(on_machine microtrace doctor | sed -n 's/^wrong: .*; to mend it: //p' | sort -u)
    while read -r command; do
        [ -z "$command" ] || on_machine sh -c "$command" </dev/null
    done <<<"$commands"
    within 60 doctor_is_content
}

# exposure UNIT: at most 2.0, as systemd reckons.
exposure() {
    on_machine systemd-analyze --no-pager security --threshold=20 "$1" >"$work/security" || {
        grep -vE '✓' "$work/security"
        return 1
    }
    tail -n 1 "$work/security"
}

exposures() {
    local unit status=0
    for unit in microtrace-agent microtrace-analyze@1 microtrace-cgi microtrace-proxy@php-fpm; do
        exposure "$unit.service" || status=1
        say "$suite: $unit: $(tail -n 1 "$work/security" | sed 's/.*: //')" >&3
    done
    return $status
}

units_are_sound() {
    # Its words are about other units too.
    ! on_machine systemd-analyze verify microtrace-agent.service microtrace-analyze.socket microtrace-analyze@1.service \
        microtrace-cgi.socket microtrace-cgi.service microtrace-proxy@php-fpm.socket microtrace-proxy@php-fpm.service 2>&1 |
        grep microtrace
}

# --- What dies comes back -----------------------------------------------------------------------

reboots() {
    shut_down && boot && within 60 answers "$service" && within 60 ready && agent_is_microtrace && agent_serves && site_answers
}

pid_of() {
    on_machine systemctl show -P MainPID "$1"
}

# restarted UNIT PID: runs, and is another process.
restarted() {
    local now
    now=$(pid_of "$1")
    [ "$now" != 0 ] && [ "$now" != "$2" ] && [ "$(on_machine systemctl is-active "$1")" = active ]
}

# comes_back UNIT: after SIGKILL.
comes_back() {
    local pid
    pid=$(pid_of "$1") && on_machine kill -KILL "$pid" && within 60 restarted "$1" "$pid"
}

agent_comes_back() {
    comes_back microtrace-agent && within 60 agent_serves
}

# By lighttpd, which starts them.
workers_come_back() {
    on_machine sh -c 'kill -KILL $(pidof analyze)' && within 60 answers "$service" && within 60 agent_serves
}

# The agent heals what is missing when it starts, and takes up what comes back while it runs.
agent_makes_directories() {
    on_machine systemctl stop microtrace-agent && on_machine rm -rf /run/microtrace /var/spool/microtrace &&
        on_machine systemctl start microtrace-agent &&
        [ "$(on_machine stat -c '%a %U %G' /run/microtrace /var/spool/microtrace | sort -u)" = "2770 microtrace microtrace" ] &&
        within 60 agent_serves && within 60 ready
}

agent_takes_up_directories() {
    local pid
    pid=$(pid_of microtrace-agent)
    # Whoever writes there may be in the way.
    within 60 on_machine rm -rf /run/microtrace /var/spool/microtrace && within 60 has_status 503 "$service/readyz" && answers "$service" &&
        on_machine systemd-tmpfiles --create microtrace.conf && within 60 ready && within 60 agent_serves &&
        [ "$(pid_of microtrace-agent)" = "$pid" ]
}

# The watchdog's pings are what it expects: the agent is not ended for want of them.
agent_is_watched() {
    [ "$(on_machine systemctl show -P WatchdogUSec microtrace-agent)" = 1min ] &&
        [ -n "$(on_machine systemctl show -P WatchdogTimestamp microtrace-agent)" ] &&
        on_machine systemctl show -P StatusText microtrace-agent | grep 'serves http://127.0.0.1:9464/metrics'
}

# A stopped agent is one that answers nobody.
watchdog_restarts_agent() {
    local pid
    on_machine mkdir -p /run/systemd/system/microtrace-agent.service.d &&
        printf '[Service]\nWatchdogSec=10s\n' | on_machine sh -c 'cat >/run/systemd/system/microtrace-agent.service.d/test.conf' &&
        on_machine systemctl daemon-reload && on_machine systemctl restart microtrace-agent || return 1
    pid=$(pid_of microtrace-agent)
    # Pinged, it lives on, also where a busy machine lets it wait for some seconds.
    sleep 12
    [ "$(pid_of microtrace-agent)" = "$pid" ] || { echo "ended although it pings" && return 1; }
    on_machine kill -STOP "$pid" && within 60 restarted microtrace-agent "$pid" && within 60 agent_serves || return 1
    on_machine rm -r /run/systemd/system/microtrace-agent.service.d && on_machine systemctl daemon-reload &&
        on_machine systemctl restart microtrace-agent
}

# The journal takes what a unit says a little later.
journal_has() {
    on_machine journalctl -q -o cat -u microtrace-agent | grep "$1"
}

bad_settings_are_said() {
    on_machine sh -c 'cp -a /etc/microtrace/microtrace.conf /root/ && echo MICROTRACE_SPOOL_MAX_BYTES=many >>/etc/microtrace/microtrace.conf'
    ! on_machine systemctl restart microtrace-agent || return 1
    within 60 journal_has MICROTRACE_SPOOL_MAX_BYTES &&
        on_machine sh -c 'cp -a /root/microtrace.conf /etc/microtrace/' && within 60 agent_serves
}
