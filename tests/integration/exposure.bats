#!/usr/bin/env bats
# Goal: an instance shows itself to nobody by accident: /metrics on the web server's port is for this
# machine unless a setting opens it, and what root starts does not run as root.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    new_folder
}

teardown() {
    remove_folder
}

# own_address: prints an address of this machine that is not the loopback one.
own_address() {
    local address
    for address in $(hostname -I 2>/dev/null); do
        case $address in *:*) ;; *) echo "$address" && return ;; esac
    done
    return 1
}

@test "/metrics through lighttpd is for this machine: 403 for others, counted, with a request id" {
    local address path
    address=$(own_address) || skip "this machine has no other IPv4 address"
    start_instance WORKERS=1 BIND=0.0.0.0
    request GET /metrics
    expect 200
    URL=http://$address:$HTTP_PORT
    request GET /metrics -H 'X-Request-ID: outside-1'
    expect 403 '. == {"detail": "Forbidden"}'
    [ "$(header X-Request-ID)" = outside-1 ]
    request GET '/metrics?name=x'
    expect 403
    STATUS=$(curl -sS -m 10 -I -o /dev/null -w '%{http_code}' "$URL/metrics")
    expect 403
    # The rest is there for everybody.
    analyze '{"a": 1, "b": 2}'
    expect 200
    request GET /docs
    expect 200
    metric_is 'requests_total{method="GET",path="/metrics",status="403"}' 2
    metric_is 'requests_total{method="HEAD",path="/metrics",status="403"}' 1
    metric_is 'errors_total{method="GET",path="/metrics",exception="forbidden"}' 2
    # A path that is spelled in another way is the same one.
    for path in /metrics /./metrics /%6detrics //metrics /metrics/; do
        STATUS=$(curl -sS -m 10 --path-as-is -o "$DIR/body" -w '%{http_code}' "$URL$path")
        [[ $STATUS =~ ^40[34]$ ]] || { echo "$path: $STATUS" && return 1; }
        refute grep -q microtrace_build_info "$DIR/body"
    done
    stop_instance
    start_instance WORKERS=1 BIND=::1
    URL=http://[::1]:$HTTP_PORT
    request GET /metrics
    expect 200
}

@test "METRICS_PUBLIC=true opens it; what is neither true nor false is refused" {
    local address
    run -2 env METRICS_PUBLIC=1 "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    [[ $output == 'microtrace-run: METRICS_PUBLIC: "1" can'"'"'t be used; it takes true or false' ]]
    address=$(own_address) || skip "this machine has no other IPv4 address"
    start_instance WORKERS=1 BIND=0.0.0.0 METRICS_PUBLIC=true
    URL=http://$address:$HTTP_PORT
    request GET /metrics
    expect 200
    grep -q '^microtrace_build_info' "$DIR/body"
}
