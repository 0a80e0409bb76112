#!/usr/bin/env bats
# Goal: analyze needs libcurl for downstream calls alone. A plain CGI process loads it in a request
# that makes one; FastCGI processes load it before they serve; one that is missing or unfit is named.

bats_require_minimum_version 1.5.0
load helpers
load downstream

setup_file() {
    new_folder
    mkdir -p "$STATE/run" "$STATE/spool" "$DIR/broken" "$DIR/empty"
    echo 'not a library' >"$DIR/broken/libcurl.so.4"
    ${CC:-gcc} -shared -nostdlib -Wl,-soname,libcurl.so.4 -x c -o "$DIR/empty/libcurl.so.4" /dev/null
    start_sink
}

teardown_file() {
    stop_sinks
    rm -rf "$DIR"
}

# cgi METHOD PATH [NAME=VALUE...]: one CGI request with downstream calls enabled; its answer is in
# $DIR/answer, what it says on stderr in $DIR/stderr.
cgi() {
    local method=$1 path=$2
    shift 2
    printf '{"a": 10.5, "b": 3.5}' |
        env -i MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" REQUEST_METHOD="$method" \
            SERVER_PROTOCOL=HTTP/1.1 SCRIPT_NAME=/cgi PATH_INFO="$path" CONTENT_LENGTH=21 CONTENT_TYPE=application/json \
            DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SINK_URL/analyze" "$@" "$BIN/analyze" \
            >"$DIR/answer" 2>"$DIR/stderr"
}

# fastcgi NAME=VALUE...: a FastCGI server, until it ends; its exit status.
fastcgi() {
    env -i MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" DOWNSTREAM_ENABLED=true \
        DOWNSTREAM_URL="$SINK_URL/analyze" "$@" timeout "$PATIENCE" /usr/bin/python3 - "$BIN/analyze" <<'PYTHON'
import socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 0))
sys.exit(subprocess.run([sys.argv[1]], stdin=listener).returncode)
PYTHON
}

# has_libcurl: whether each analyze process of the instance has loaded it.
has_libcurl() {
    local pid
    for pid in $(analyze_pids); do
        grep -q '/libcurl\.so' "/proc/$pid/maps" || return 1
    done
}

@test "no libcurl among the libraries that analyze is linked with" {
    run -0 readelf -d "$BIN/analyze"
    [[ $output == *NEEDED*libfcgi* ]]
    [[ $output != *curl* ]]
}

@test "plain CGI: a request that calls nobody does not look for it" {
    cgi GET /healthz LD_LIBRARY_PATH="$DIR/broken"
    grep -q '"ok"' "$DIR/answer"
    [ ! -s "$DIR/stderr" ]
    cgi POST /analyze DOWNSTREAM_ENABLED=false LD_LIBRARY_PATH="$DIR/broken"
    grep -q '"sum": 14.0' "$DIR/answer"
    [ ! -s "$DIR/stderr" ]
}

@test "plain CGI: a request that calls loads it" {
    sink '{"mode": "text", "text": "{\"sum\": 1.5, \"difference\": 2.5}"}'
    cgi POST /analyze
    grep -q '"sum": 1.5' "$DIR/answer"
    [ ! -s "$DIR/stderr" ]
}

@test "plain CGI: a library that is unfit costs the call, says why, and leaves the breaker alone" {
    local kind why
    sink '{}'
    for kind in broken empty; do
        why=$DIR/$kind/libcurl.so.4
        [ "$kind" = broken ] || why='undefined symbol: curl_easy_cleanup'
        cgi POST /analyze LD_LIBRARY_PATH="$DIR/$kind" HTTP_X_REQUEST_ID="none-$kind"
        grep -q '^Status: 502' "$DIR/answer"
        grep -q '"Downstream failed"' "$DIR/answer"
        [ "$(wc -l <"$DIR/stderr")" -eq 1 ]
        grep -F 'DOWNSTREAM_ENABLED: "true" needs libcurl' "$DIR/stderr" | grep -F "$why" | grep -qF 'install libcurl4'
        [ "$(logs ".request_id == \"none-$kind\" and .message == \"call_impossible\"" | wc -l)" -eq 1 ]
        cgi POST /analyze LD_LIBRARY_PATH="$DIR/$kind" DOWNSTREAM_FALLBACK=local BREAKER_FAILURES=1
        grep -q '"sum": 14.0' "$DIR/answer"
    done
    [ "$(seen .requests)" -eq 0 ]
    breaker_is closed
    "$BIN/microtrace" --state "$STATE" metrics --prometheus >"$DIR/metrics"
    grep -qx 'downstream_requests_total{outcome="failed"} 4.0' "$DIR/metrics"
    grep -qx 'downstream_fallbacks_total 2.0' "$DIR/metrics"
}

@test "plain CGI: a URL that only libcurl finds wrong costs the call; its password is in no record" {
    cgi POST /analyze DOWNSTREAM_URL='http://me:hidden-1@x:99999/' HTTP_X_REQUEST_ID=wrong-1
    grep -q '^Status: 502' "$DIR/answer"
    grep -qF 'DOWNSTREAM_URL: ' "$DIR/stderr"
    [ "$(logs '.request_id == "wrong-1" and .message == "call_impossible"' | wc -l)" -eq 1 ]
    refute grep -rq hidden-1 "$STATE/spool"
}

@test "FastCGI and --check: an unfit library or URL ends the start with 2 and says so" {
    local kind
    for kind in broken empty; do
        run -2 fastcgi LD_LIBRARY_PATH="$DIR/$kind"
        [[ $output == 'analyze: DOWNSTREAM_ENABLED: "true" needs libcurl, '*'install libcurl4' ]]
        run -2 env DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SINK_URL" LD_LIBRARY_PATH="$DIR/$kind" "$BIN/analyze" --check
        [[ $output == 'analyze: DOWNSTREAM_ENABLED: "true" needs libcurl, '*'install libcurl4' ]]
        run -0 env LD_LIBRARY_PATH="$DIR/$kind" "$BIN/analyze" --check
        [ -z "$output" ]
    done
    run -2 fastcgi DOWNSTREAM_URL=http://x:99999/
    [[ $output == 'analyze: DOWNSTREAM_URL: "http://x:99999/" '* ]]
    run -2 env DOWNSTREAM_ENABLED=true DOWNSTREAM_URL=http://x:99999/ "$BIN/analyze" --check
    [[ $output == 'analyze: DOWNSTREAM_URL: "http://x:99999/" '* ]]
}

@test "FastCGI: loaded before the first request where calls are enabled, else never" {
    start_instance WORKERS=2 DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="$SINK_URL/analyze"
    wait_until eval '[ "$(analyze_pids | wc -l)" -eq 2 ]'
    wait_until has_libcurl
    stop_instance
    start_instance WORKERS=1
    analyze '{"a": 10.5, "b": 3.5}'
    expect 200
    refute has_libcurl
    stop_instance
}
