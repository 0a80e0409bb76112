#!/usr/bin/env bats
# Goal: the page answers those who may see it, with the headers that keep it from being misused, and
# nobody else; whatever its clients, the spool or the disk do, /metrics and /healthz go on.

load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

# ask PATH [CURL-OPTION...]: the status is in STATUS, head and body are in files.
ask() {
    local path=$1
    shift
    rm -f body headers
    STATUS=$(curl -s -m 20 -o body -D headers -w '%{http_code}' --path-as-is "$@" \
        "http://127.0.0.1:$AGENT_PORT$path")
}

has_header() {
    tr -d '\r' <headers | grep -qixF "$1" || { cat headers; return 1; }
}

# Where a negated command fails, the test would go on.
lacks() { if grep -qi "$1" "$2"; then cat "$2"; return 1; fi; }

@test "local: a page where only this machine reaches the agent; elsewhere / is not found" {
    start_agent
    ask /
    [ "$STATUS" = 200 ]
    grep -qi '^<!doctype html>' body
    grep -q "the page is at http://127.0.0.1:$AGENT_PORT/" agent.log
    kill_agent TERM
    : >agent.log
    LISTEN=0.0.0.0 start_agent
    ask /
    [ "$STATUS" = 404 ]
    [ "$(cat body)" = '{"detail":"Not Found"}' ]
    ask /metrics
    [ "$STATUS" = 200 ]
    lacks 'the page is' agent.log
    kill_agent TERM
    ENVIRONMENT=(MICROTRACE_AGENT_PAGE=on)
    LISTEN=0.0.0.0 start_agent
    ask /
    [ "$STATUS" = 200 ]
}

@test "off: none of its paths is there, and no thread or timer of it" {
    ENVIRONMENT=(MICROTRACE_AGENT_PAGE=off)
    start_agent
    for path in / /live /page.css /page.js '/?by=latest'; do
        ask "$path"
        echo "$path: $STATUS"
        [ "$STATUS" = 404 ]
        [ "$(cat body)" = '{"detail":"Not Found"}' ]
    done
    # As without a page: the agent and its scraper.
    [ "$(find "/proc/$AGENT_PID/task" -mindepth 1 -maxdepth 1 | wc -l)" = 2 ]
}

@test "headers: nothing from elsewhere, no frames, no cache, a request id" {
    start_agent
    for path in / /live '/?by=latest' '/?part=traces&by=latest' '/?minutes=7'; do
        ask "$path" -H 'X-Request-ID: mine'
        echo "$path: $STATUS"
        has_header "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        has_header 'X-Content-Type-Options: nosniff'
        has_header 'Referrer-Policy: no-referrer'
        has_header 'X-Frame-Options: DENY'
        has_header 'Cross-Origin-Resource-Policy: same-origin'
        has_header 'Cache-Control: no-store'
        has_header 'X-Request-ID: mine'
        lacks '^Access-Control' headers
    done
}

@test "style and script: kept for ever, by a tag for each encoding" {
    local tag
    start_agent
    for path in /page.css /page.js '/page.js?v=0'; do
        ask "$path"
        [ "$STATUS" = 200 ]
        has_header 'Cache-Control: public, max-age=31536000, immutable'
        cp body plain
        tag=$(tr -d '\r' <headers | awk 'tolower($1) == "etag:" { print $2 }')
        [ -n "$tag" ]
        ask "$path" -H "If-None-Match: \"other\", $tag"
        [ "$STATUS" = 304 ]
        [ ! -s body ]
        ask "$path" -H 'Accept-Encoding: gzip'
        has_header 'Content-Encoding: gzip'
        has_header 'Vary: Accept-Encoding'
        lacks "^ETag: $tag" headers
        gzip -dc body | cmp - plain
        # The tag of the other encoding is another one.
        ask "$path" -H 'Accept-Encoding: gzip' -H "If-None-Match: $tag"
        [ "$STATUS" = 200 ]
    done
    ask /page.css
    has_header 'Content-Type: text/css; charset=utf-8'
    ask /page.js
    has_header 'Content-Type: text/javascript; charset=utf-8'
}

@test "methods: GET and HEAD; nothing else, and nothing changes" {
    start_agent
    for method in POST PUT DELETE PATCH OPTIONS TRACE get BREW; do
        for path in / /live /page.css; do
            ask "$path" -X "$method" -d x
            echo "$method $path: $STATUS"
            [ "$STATUS" = 405 ]
            has_header 'Allow: GET, HEAD'
        done
    done
    ask / -I
    [ "$STATUS" = 200 ]
    [ "$(tr -d '\r' <headers | awk 'tolower($1) == "content-length:" { print $2 }')" -gt 0 ]
    # It does not wait for a sample.
    ask /live -I
    [ "$STATUS" = 200 ]
}

@test "rebinding: a name of somebody else's DNS gets nothing of the page" {
    start_agent
    for host in evil.example "evil.example:$AGENT_PORT" 127.0.0.1.evil.example localhost.evil.example \
        'localhost, evil.example' ''; do
        for path in / /live '/?by=latest' /page.js; do
            ask "$path" -H "Host: $host"
            echo "$host $path: $STATUS"
            [ "$STATUS" = 421 ]
            lacks '<section' body
        done
    done
    for host in localhost "LOCALHOST:$AGENT_PORT" '[::1]' 127.0.0.1 10.1.2.3:80; do
        ask / -H "Host: $host"
        echo "$host: $STATUS"
        [ "$STATUS" = 200 ]
    done
    # A scraper may call the agent what it likes.
    ask /metrics -H 'Host: evil.example'
    [ "$STATUS" = 200 ]
    ask /healthz -H 'Host: evil.example'
    [ "$STATUS" = 200 ]
}

@test "another site's page: a link to the page works, what is embedded or fetched does not" {
    start_agent
    for site in cross-site same-site; do
        for dest in image iframe empty script; do
            for path in / /live '/?find=secret' /page.js; do
                ask "$path" -H "Sec-Fetch-Site: $site" -H "Sec-Fetch-Dest: $dest"
                echo "$site $dest $path: $STATUS"
                [ "$STATUS" = 403 ]
                lacks '<section' body
            done
        done
        ask '/?by=latest' -H "Sec-Fetch-Site: $site" -H 'Sec-Fetch-Dest: document'
        [ "$STATUS" = 200 ] || [ "$STATUS" = 404 ]
        grep -q '<section id="traces"' body
    done
    for site in none same-origin; do
        ask /live -H "Sec-Fetch-Site: $site" -H 'Sec-Fetch-Dest: empty'
        [ "$STATUS" = 200 ]
    done
    ask /metrics -H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Dest: empty'
    [ "$STATUS" = 200 ]
}

@test "paths and queries that nobody means: refused in words" {
    local long
    start_agent
    for path in /%00 /%2F // /./ /index.html /LIVE /live/ /page.css/ /page.css%00 /../page.css /%6cive; do
        ask "$path"
        echo "$path: $STATUS"
        [ "$STATUS" = 404 ]
    done
    for query in minutes=7 minutes=-5 by=all after=x 'find=%00' 'find=a%00b' 'find=%' 'find=%zz' '%00=a'; do
        ask "/?$query"
        echo "$query: $STATUS $(cat body)"
        [ "$STATUS" = 400 ]
        grep -q '^{"detail":"' body
    done
    long=$(printf '%0300d' 0)
    ask "/?find=$long"
    [ "$STATUS" = 400 ]
    long=$(printf '%04000d' 0)
    ask "/?find=$long"
    [ "$STATUS" = 414 ]
    # What libmicrohttpd refuses by itself.
    long=$(printf '%0100000d' 0)
    ask "/?find=$long"
    echo "$STATUS"
    [ "$STATUS" = 414 ] || [ "$STATUS" = 431 ] || [ "$STATUS" = 000 ]
    # A header line in what is looked for stays in the text.
    ask '/?find=%0d%0aX-Smuggled:%201'
    lacks '^X-Smuggled' headers
    lacks '<script>' body
    ask '/?find=%3Cscript%3Ealert(1)%3C/script%3E'
    lacks '<script>alert' body
    ask /
    [ "$STATUS" = 200 ]
}
