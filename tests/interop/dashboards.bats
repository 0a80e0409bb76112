#!/usr/bin/env bats
# Goal: the dashboard and the rules are right: every query can be parsed, names series that exist, and
# has data where a real Prometheus scrapes a real instance under load, with errors, chaos, downstream
# calls and export; every alert fires on what it is for and has a runbook.

load helpers

DASHBOARD=$ROOT/dashboards/microtrace.json
TELEMETRY=$ROOT/dashboards/microtrace-telemetry.json
RULES=$ROOT/dashboards/rules

setup() {
    common_setup
}

teardown() {
    common_teardown
}

dashboards() {
    "$PYTHON" "$HERE/check_dashboards.py" "$@"
}

# start_downstream: another instance, at DOWNSTREAM_PORT.
start_downstream() {
    read -r DOWNSTREAM_PORT port < <(free_ports 2)
    start downstream env PORT="$DOWNSTREAM_PORT" AGENT_LISTEN="127.0.0.1:$port" \
        STATE_DIR="$DIR/downstream" "$BIN/microtrace-run" --config "$ROOT/lighttpd.conf"
    wait_until answers "http://127.0.0.1:$DOWNSTREAM_PORT/healthz"
}

# start_prometheus: with the rules, every half second; PROMETHEUS is its address.
start_prometheus() {
    read -r port < <(free_ports 1)
    PROMETHEUS=http://127.0.0.1:$port
    cat >"$DIR/prometheus.yml" <<EOF
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
  evaluation_interval: 1s
rule_files: ["$RULES/*.yml"]
scrape_configs:
  - job_name: microtrace
    static_configs: [{targets: ["127.0.0.1:$AGENT_PORT"]}]
EOF
    start prometheus prometheus --config.file="$DIR/prometheus.yml" \
        --storage.tsdb.path="$DIR/tsdb" --web.listen-address="127.0.0.1:$port" \
        --enable-feature=exemplar-storage
    wait_until answers "$PROMETHEUS/-/ready"
}

# start_everything: an instance with chaos, a downstream instance and a collector's stand-in, under
# load, scraped.
start_everything() {
    start sink "$PYTHON" "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port"
    wait_until test -s "$DIR/port"
    start_downstream
    start_microtrace OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:$(cat "$DIR/port")" \
        DOWNSTREAM_ENABLED=true DOWNSTREAM_URL="http://127.0.0.1:$DOWNSTREAM_PORT/analyze"
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" chaos on --probability 0.1 --delay-ms 10-50 \
        --error-rate 0.05
    SINCE=$(date +%s)
    start_prometheus
    start load "$BIN/microtrace" load --url "$URL" --rate 40 --mix 0.2
    LOAD=$STARTED
    start runs runs_on
}

# runs_program NAME: succeeds and fails, for the metrics of both.
runs_program() {
    MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$STATE/spool "$BIN/microtrace" run --name "$1" -- true
    ! MICROTRACE_RUN_DIR=$STATE/run MICROTRACE_SPOOL_DIR=$STATE/spool "$BIN/microtrace" run --name "$1" -- false
}

# runs_on: a program again and again, until the test ends.
runs_on() {
    while runs_program job; do
        sleep 0.5
    done
}

breaker() {
    MICROTRACE_RUN_DIR=$STATE/run "$BIN/microtrace" breaker "$@"
}

# answer QUERY: what Prometheus says now, the first series' value.
answer() {
    curl -fsS -m 5 --data-urlencode "query=$1" "$PROMETHEUS/api/v1/query" |
        jq -r '.data.result[0].value[1] // empty'
}

scraped() {
    [ "$(answer 'circuit_breaker_state')" = 0 ]
}

seen_open() {
    [ "$(answer 'circuit_breaker_state')" = 1 ]
}

@test "the dashboards are what Grafana can load" {
    dashboards form "$DASHBOARD"
    dashboards form "$TELEMETRY"
}

@test "scripts/check-dashboards finds nothing in them and in the rules" {
    "$PYTHON" "$ROOT/scripts/check-dashboards" "$ROOT/dashboards"
}

@test "and it notices what it is for" {
    cp -r "$ROOT/dashboards" "$DIR"
    # broken FILE SED-SCRIPT PATTERN: what it says with that file changed.
    broken() {
        cp "$DIR/dashboards/$1" "$DIR/kept"
        sed -i "$2" "$DIR/dashboards/$1"
        refute cmp -s "$DIR/dashboards/$1" "$DIR/kept"
        run "$PYTHON" "$ROOT/scripts/check-dashboards" "$DIR/dashboards"
        cp "$DIR/kept" "$DIR/dashboards/$1"
        [ "$status" -eq 1 ] && [[ $output =~ $3 ]] || {
            echo "after $2 in $1: $output"
            return 1
        }
    }
    broken microtrace.json '0,/"refresh": 2/s//"refresh": 1/' 'not asked for again'
    broken microtrace.json 's/"editable": false/"editable": true/' 'lost at the next start'
    broken microtrace.json 's/"uid": "${datasource}"/"uid": "prometheus"/' 'no variable'
    broken microtrace.json 's/"title": "Fast (5 min)"/"title": "Fast"/' 'over 5m, which neither'
    broken microtrace.json 's/"title": "Alerts (whole job)"/"title": "Firing"/' 'not on the first screen'
    broken microtrace.json 's/Queue Time p99 (all paths)/Queue Time p99/; s/request_queue_seconds_bucket/request_latency_seconds_bucket/' 'does not say .all paths.'
    broken microtrace.json 's/,instance=~\\"$instance\\",path/,path/' 'more than the chosen job and instance'
    broken microtrace.json 's/"fixedColor": "yellow"/"fixedColor": "orange"/' '4xx is not yellow'
    broken microtrace.json '0,/"unit": "reqps"/s//"unit": ""/' 'no unit'
    broken microtrace.json 's/"value": 14.4/"value": 15/' 'no lines at 1, 6 and 14.4'
    broken microtrace.json '0,/"type": "log"/s//"type": "linear"/' 'logarithmic'
    broken microtrace.json 's/histogram_quantile(0.99/histogram_quantile(0.95/' 'p95 of the requests once'
    broken microtrace.json 's/"text": "microtraceagentdown"/"text": "agentdown"/' 'runbook links'
    broken rules/alerts.yml 's/alert: MicroTraceAgentDown/alert: MicroTraceAgentGone/' 'runbook links'
    broken rules/alerts.yml '0,/severity: page/s//severity: urgent/' 'no severity'
    broken rules/alerts.yml '0,/runbook_url/s//runbook/' 'no runbook_url'
    broken rules/alerts.yml 's/by (namespace, job, instance, signal, reason)/by (instance, signal)/' 'mixes jobs'
    broken rules/alerts.yml 's/{{ $labels.reason }}/{{ $labels.cause }}/' 'has not kept'
    broken rules/alerts.yml '0,/job=~".+"/s//job="microtrace"/' 'how the job is called'
    broken rules/recording.yml 's/instance_signal:microtrace_books:imbalance/instance_signal:microtrace_books:unused/' 'nobody asks'
}

@test "promtool can read every query of the dashboards" {
    need_command promtool
    dashboards rules "$DASHBOARD" >"$DIR/queries.yml"
    [ "$(grep -c '"record"' "$DIR/queries.yml")" -ge 40 ]
    promtool check rules "$DIR/queries.yml"
    dashboards rules "$TELEMETRY" >"$DIR/queries.yml"
    [ "$(grep -c '"record"' "$DIR/queries.yml")" -ge 10 ]
    promtool check rules "$DIR/queries.yml"
}

@test "promtool finds nothing wrong with the rules, and their unit tests pass" {
    need_command promtool
    promtool check rules "$RULES"/*.yml
    promtool test rules "$RULES"/tests/*.yml
}

@test "the unit tests have each alert fire" {
    sed -n 's/^ *- alert: //p' "$RULES/alerts.yml" | sort >"$DIR/alerts"
    grep -A 2 'alertname:' "$RULES"/tests/*.yml | grep -B 2 'exp_labels' |
        sed -n 's/.*alertname: //p' | sort -u >"$DIR/fired"
    [ -s "$DIR/alerts" ]
    diff "$DIR/alerts" "$DIR/fired"
}

@test "every metric that the dashboards and the rules name is on /metrics, every alert has a runbook" {
    start_microtrace
    analyze '{"a": 1}'
    expect 422
    runs_program job
    scrape >"$DIR/metrics"
    dashboards names "$DASHBOARD" "$DIR/metrics" "$RULES"/*.yml
    dashboards names "$TELEMETRY" "$DIR/metrics" "$RULES"/*.yml
}

@test "under load every query of the dashboards and of the rules has data in Prometheus" {
    need_command prometheus
    start_everything
    # The breaker's way there and back, once Prometheus has seen it closed.
    wait_until scraped
    breaker open
    wait_until seen_open
    breaker close
    dashboards live "$PROMETHEUS" "$DASHBOARD" "$SINCE"
    dashboards live "$PROMETHEUS" "$TELEMETRY" "$SINCE"
    kill -INT "$LOAD"
    wait_until grep -q "requests in" "$DIR/load.log"
}

@test "an agent that goes away, and one that finds no process, raise their alerts in Prometheus" {
    need_command prometheus
    start_microtrace
    start_prometheus
    wait_until scraped
    stop_instance
    dashboards alert "$PROMETHEUS" MicroTraceAgentDown
    start agent env MICROTRACE_RUN_DIR="$STATE/run" MICROTRACE_SPOOL_DIR="$STATE/spool" \
        MICROTRACE_AGENT_LISTEN="127.0.0.1:$AGENT_PORT" "$BIN/metrics-agent"
    dashboards alert "$PROMETHEUS" MicroTraceNoWorkers
    runs_program job
    dashboards alert "$PROMETHEUS" MicroTraceProgramFailing
}
