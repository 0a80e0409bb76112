#!/usr/bin/env bats
# Goal: whichever package is purged first, and whatever configuration of the administrator's own still
# names its files, nginx starts and serves its sites; and after the last purge nothing is left.

bats_require_minimum_version 1.5.0
load helpers
load servers

setup() {
    command -v nginx >/dev/null || skip "no nginx"
    new_machine
    export URL=http://127.0.0.1:8000
    kill_all metrics-agent
    wait_until none_runs metrics-agent
    # As systemd-sysusers makes it.
    inside usermod --home /nonexistent microtrace
    # A site outside of /etc/nginx, whose administrator has left out the "?".
    inside mkdir -p /var/sites
    inside tee /var/sites/own >/dev/null <<'END'
server {
    listen 127.0.0.1:8000;
    root   /var/www/html;
    access_log /var/log/nginx/microtrace.log microtrace;
    include snippets/microtrace-analyze.conf;
    include snippets/microtrace-cgi.conf;
}
END
    inside ln -s /var/sites/own /etc/nginx/sites-enabled/own
    starts
}

teardown() {
    end_machine
}

# starts: nginx does, without a word, and the site is there.
starts() {
    kill_all nginx QUIT
    wait_until none_runs nginx
    inside nginx -t >"$DIR/checked" 2>&1 || { cat "$DIR/checked" && return 1; }
    inside nginx >>"$DIR/background.log" 2>&1 </dev/null 3>&-
    wait_until site_answers
}

# conffiles PACKAGE: its files for web servers, as deploy/debian/rules shares them out.
conffiles() {
    {
        (cd "$ROOT/deploy/lighttpd" && find . -type f -printf '/etc/lighttpd/conf-available/%P\n')
        (cd "$ROOT/deploy/nginx" && find . -type f -printf '/etc/nginx/%P\n')
        (cd "$ROOT/deploy/apache" && find . -type f -printf '/etc/apache2/conf-available/%P\n')
    } | case $1 in
    microtrace-analyze) grep -E '/(50-)?microtrace-analyze[^/]*$' ;;
    *) grep -vE '/(50-)?microtrace-analyze[^/]*$' ;;
    esac
}

# script PACKAGE NAME ARGUMENT: as debhelper makes it.
script() {
    sed -e "s|#SNIPPETS#|$(conffiles "$1" | paste -sd' ')|" -e '/#DEBHELPER#/d' \
        "$ROOT/deploy/debian/$1.$2" >"$DIR/$1.$2"
    inside sh "$DIR/$1.$2" "$3"
}

# purge PACKAGE: dpkg takes the configuration files, then runs the script.
purge() {
    local files
    mapfile -t files < <(conffiles "$1")
    [ ${#files[@]} -gt 2 ]
    inside rm -f "${files[@]}"
    script "$1" postrm purge
}

@test "microtrace is purged while microtrace-analyze is removed only: nginx starts, and again after its purge" {
    purge microtrace
    starts
    inside grep -q '^# MicroTrace has been removed' /etc/nginx/conf.d/microtrace.conf
    # Installed again, the packages' own take their place.
    script microtrace preinst install
    inside test ! -e /etc/nginx/conf.d/microtrace.conf
    purge microtrace
    purge microtrace-analyze
    starts
    # The site that uses the format is the administrator's, and so is what goes with it now.
    inside sed -i '/microtrace/d' /var/sites/own
    inside sh -c 'rm -f /etc/nginx/snippets/microtrace-*.conf'
    script microtrace-analyze postrm purge
    starts
    [ -z "$(inside find /etc/nginx /etc/lighttpd /etc/apache2 -name '*microtrace*')" ]
}

@test "microtrace-analyze is purged first; no site uses anything: nothing is left" {
    inside sed -i '/microtrace/d' /var/sites/own
    # Enabled although they were removed.
    inside lighty-enable-mod microtrace-analyze
    inside ln -s ../conf-available/50-microtrace-cgi.conf /etc/lighttpd/conf-enabled/
    inside ln -s ../conf-available/microtrace-proxy.conf /etc/apache2/conf-enabled/
    purge microtrace-analyze
    starts
    inside lighttpd -tt -f /etc/lighttpd/lighttpd.conf
    purge microtrace
    starts
    inside lighttpd -tt -f /etc/lighttpd/lighttpd.conf
    [ -z "$(inside find /etc/nginx /etc/lighttpd /etc/apache2 -name '*microtrace*')" ]
    refute inside getent passwd microtrace
    refute inside getent group microtrace
    # These are mounts here: they are emptied, and hold up nothing.
    [ -z "$(inside find /run/microtrace /var/spool/microtrace -mindepth 1)" ]
}

@test "a login of the user's name that was there before is kept" {
    inside usermod --home /home/microtrace microtrace
    purge microtrace-analyze
    purge microtrace
    inside getent passwd microtrace
    inside getent group microtrace
}
