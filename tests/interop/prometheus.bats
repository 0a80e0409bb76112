#!/usr/bin/env bats
# Goal: Prometheus and the checkers of its formats take what /metrics says, and count what the
# clients counted.

load helpers

setup() {
    common_setup
}

teardown() {
    common_teardown
}

@test "Prometheus scrapes the agent, alone and through lighttpd, and answers PromQL with the count" {
    need_command prometheus
    read -r PROMETHEUS_PORT < <(free_ports 1)
    start_microtrace
    client load "$SEEN" 1000 8

    cat >"$DIR/prometheus.yml" <<EOF
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
scrape_configs:
  - job_name: agent
    static_configs: [{targets: ["127.0.0.1:$AGENT_PORT"]}]
  - job_name: lighttpd
    static_configs: [{targets: ["127.0.0.1:$HTTP_PORT"]}]
EOF
    start prometheus prometheus --config.file="$DIR/prometheus.yml" \
        --storage.tsdb.path="$DIR/tsdb" --web.listen-address="127.0.0.1:$PROMETHEUS_PORT" \
        --enable-feature=exemplar-storage
    wait_until answers "http://127.0.0.1:$PROMETHEUS_PORT/-/ready"
    "$PYTHON" "$HERE/check_prometheus.py" "http://127.0.0.1:$PROMETHEUS_PORT" "$SEEN" \
        agent lighttpd
}

@test "promtool finds nothing to complain of" {
    need_command promtool
    start_microtrace
    client mixed "$SEEN"
    curl -fsS "http://127.0.0.1:$AGENT_PORT/metrics" >"$DIR/metrics.txt"
    run promtool check metrics <"$DIR/metrics.txt"
    echo "$output"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "the Python client's parsers read both formats, and each exemplar lies in its bucket" {
    "$PYTHON" -c "import prometheus_client" 2>/dev/null ||
        absent "no prometheus_client for $PYTHON (python3-prometheus-client)"
    start_microtrace
    client mixed "$SEEN"
    for port in "$AGENT_PORT" "$HTTP_PORT"; do
        "$PYTHON" "$HERE/check_formats.py" "http://127.0.0.1:$port/metrics" "$SEEN"
    done
}
