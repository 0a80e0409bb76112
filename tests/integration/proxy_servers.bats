#!/usr/bin/env bats
# Goal: microtrace-proxy serves nginx and Apache with the configurations of docs/gateways.md as they
# are, a page has its name whatever way a web server writes it, and an application that knows nothing
# of it answers as before.

load helpers
load proxy

setup_file() {
    new_proxy
    [ -n "$(fpm_program)" ] || skip "no php-fpm"
    page page.php <<'PHP'
<?php
header('X-Info: ' . ($_SERVER['PATH_INFO'] ?? ''));
header('X-Trace: ' . $_SERVER['HTTP_TRACEPARENT']);
echo md5(file_get_contents('php://input')), ' ', $_SERVER['SCRIPT_NAME'], "\n", str_repeat('x', 200000);
PHP
    FPM_EXTENSIONS=yes start_fpm
    start_proxy --mode 0666
}

teardown_file() {
    end_all
}

# answers ID: a page, with a body and what follows its name; its span has the page's name alone.
answers() {
    head -c 300000 /dev/urandom >"$DIR/upload"
    request POST /page.php/some/info?x=y -H "X-Request-ID: $1" --data-binary @"$DIR/upload"
    expect 200
    [ "$(head -n 1 "$DIR/body")" = "$(md5sum <"$DIR/upload" | cut -d' ' -f1) /page.php" ]
    [ "$(wc -c <"$DIR/body")" -eq 200043 ]
    [ "$(header X-Info)" = /some/info ]
    [ "$(header X-Request-ID)" = "$1" ]
    server_spans ".attrs[\"microtrace.request_id\"].stringValue == \"$1\"" |
        expect_json ".name == \"POST /page.php\" and .attrs[\"url.path\"].stringValue == \"/page.php/some/info\"
            and .attrs[\"url.query\"].stringValue == \"x=y\" and .spanId == \"$(header X-Trace | cut -d- -f3)\""
}

@test "nginx" {
    command -v nginx >/dev/null || skip "no nginx"
    local user=
    [ "$(id -u)" -ne 0 ] || user="user root;"
    cat >"$DIR/nginx.conf" <<CONF
$user
daemon off; worker_processes 1; error_log $DIR/nginx-error.log; pid $DIR/nginx.run;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $DIR/t1; proxy_temp_path $DIR/t2; fastcgi_temp_path $DIR/t3; uwsgi_temp_path $DIR/t4; scgi_temp_path $DIR/t5;
    upstream kept { server unix:$PROXY_SOCKET; keepalive 4; }
    server {
        listen 127.0.0.1:$HTTP_PORT; root $DIR/site;
        $(documented nginx)
        location = /kept.php {
            include fastcgi_params; fastcgi_param SCRIPT_FILENAME $DIR/site/page.php;
            fastcgi_pass kept; fastcgi_keep_conn on;
        }
    }
}
CONF
    sed -i "s|include  *fastcgi_params|include /etc/nginx/fastcgi_params|" "$DIR/nginx.conf"
    begin nginx nginx -e "$DIR/nginx-error.log" -c "$DIR/nginx.conf"
    wait_until curl -s -o /dev/null "$URL/"
    answers nginx-1
    # It keeps its connections if it is told to, and uses them again.
    local i
    for i in 1 2 3 4 5 6; do
        request GET /kept.php
        expect 200
    done
    end nginx
}

@test "Apache" {
    command -v apache2 >/dev/null || skip "no apache2"
    local modules=/usr/lib/apache2/modules module
    {
        for module in mpm_event authz_core proxy proxy_fcgi; do
            echo "LoadModule ${module}_module $modules/mod_$module.so"
        done
        cat <<CONF
ServerName localhost
Listen 127.0.0.1:$HTTP_PORT
PidFile $DIR/apache.run
DefaultRuntimeDir $DIR
ErrorLog $DIR/apache-error.log
DocumentRoot $DIR/site
<Directory $DIR/site>
    Require all granted
</Directory>
$(documented apache)
CONF
    } >"$DIR/apache.conf"
    # As root it hands its processes to somebody else. At its end it signals its whole process group.
    [ "$(id -u)" -ne 0 ] || printf '%s\n' "User nobody" "Group nogroup" >>"$DIR/apache.conf"
    begin apache setsid apache2 -d "$DIR" -f "$DIR/apache.conf" -DFOREGROUND
    wait_until curl -s -o /dev/null "$URL/"
    answers apache-1
    end apache
}

# visit URL: what a browser gets of a few steps in Adminer, but for what differs each time.
visit() {
    local jar=$DIR/jar page=/adminer/index.php
    rm -f "$jar"
    {
        curl -sS -i -c "$jar" -b "$jar" "$1$page"
        curl -sS -i -c "$jar" -b "$jar" "$1$page?lang=de"
        curl -sS -i -c "$jar" -b "$jar" -d 'auth[driver]=server&auth[server]=127.0.0.1:1&auth[username]=u&auth[password]=p&auth[db]=' "$1$page"
        curl -sS -i -c "$jar" -b "$jar" "$1$page?server=127.0.0.1%3A1&username=u"
        curl -sS -i -c "$jar" -b "$jar" -I "$1$page"
        curl -sS -i "$1/adminer/nothing.php"
    } | grep -vaE '^(Date|X-Request-ID|traceresponse):' |
        sed -E 's/expires=[^;]*/expires/g; s/nonce[-=]"?[A-Za-z0-9=]+/nonce/g; s/adminer_(sid|key)=[^;]*/adminer_\1/g; s/[0-9]{3,}:[0-9]{3,}/token/g; s/^(Content-Length: ).*/\1/'
}

@test "Adminer, as Debian has it: the same answers with the proxy and without" {
    [ -d /usr/share/adminer/adminer ] || skip "no adminer"
    ln -s /usr/share/adminer/adminer "$DIR/site/adminer"
    start_lighttpd
    start_direct
    visit "$DIRECT" >"$DIR/expected"
    visit "$URL" >"$DIR/got"
    diff "$DIR/expected" "$DIR/got"
    grep -q 'Location: index.php?server=127.0.0.1%3A1&username=u' "$DIR/got"
    [ "$(grep -c '^HTTP/1.1 200' "$DIR/got")" -ge 3 ]
    server_spans '.attrs["http.route"].stringValue == "/adminer/index.php"' | jq -s . | expect_json 'length == 5'
}
