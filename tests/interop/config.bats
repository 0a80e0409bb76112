#!/usr/bin/env bats
# Goal: the files of the stack fit together and are what the programs that read them take, also
# those of the programs that no test can start. tests/stack/run starts the others.

load helpers

setup() {
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/microtrace.XXXXXX")
}

teardown() {
    rm -rf "$DIR"
}

@test "compose file, provisioning and configurations fit together" {
    "$PYTHON" "$HERE/check_config.py" "$ROOT"
}

@test "the check of that notices what does not fit" {
    local file
    for file in docker-compose.yml prometheus.yml otel-collector-config.yaml dashboards deploy docs; do
        cp -r "$ROOT/$file" "$DIR"
    done
    "$PYTHON" "$HERE/check_config.py" "$DIR"
    # broken FILE SED-SCRIPT PATTERN: what it says with that file changed.
    broken() {
        cp "$DIR/$1" "$DIR/kept"
        sed -i "$2" "$DIR/$1"
        refute cmp -s "$DIR/$1" "$DIR/kept"
        run "$PYTHON" "$HERE/check_config.py" "$DIR"
        cp "$DIR/kept" "$DIR/$1"
        [ "$status" -eq 1 ] && [[ $output =~ $3 ]] || {
            echo "after $2 in $1: $output"
            return 1
        }
    }
    broken docker-compose.yml 's|prom/prometheus:.*|prom/prometheus:latest|' 'not pinned'
    broken docker-compose.yml 's|mem_limit: 160m|mem_limit: 460m|' 'add up to'
    broken docker-compose.yml 's|/etc/grafana/provisioning:ro|/etc/grafana/elsewhere:ro|' 'not provisioned'
    broken docker-compose.yml 's|./deploy/stack/loki.yaml|./deploy/stack/lokki.yaml|' 'does not exist'
    broken prometheus.yml 's|agent:9464|agents:9464|' 'no service agents'
    broken otel-collector-config.yaml 's|tempo:4318|tempo:4319|' 'does not listen on 4319'
    broken dashboards/provisioning/datasources/datasources.yaml 's|uid: loki|uid: logs|' 'data source'
    broken dashboards/provisioning/datasources/datasources.yaml 's|\$\$|$|' 'replaced by Grafana'
    broken dashboards/provisioning/dashboards/dashboards.yaml 's|path: .*|path: /nowhere|' 'looks elsewhere'
}

@test "promtool takes prometheus.yml with the rules where the compose file mounts them" {
    need_command promtool
    cp "$ROOT/prometheus.yml" "$DIR"
    cp -r "$ROOT/dashboards/rules" "$DIR"
    run promtool check config "$DIR/prometheus.yml"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output =~ "rule files found" ]]
    [[ ! $output =~ WARN ]]
}

@test "the Collector takes otel-collector-config.yaml, and its examples once they are uncommented" {
    [[ -n ${COLLECTOR:-} ]] || absent "no Collector (tests/interop/collector/build)"
    "$COLLECTOR" validate --config "$ROOT/otel-collector-config.yaml"
    "$COLLECTOR" validate --config "$ROOT/otel-collector-config.yaml" --config "$ROOT/tests/stack/to-file.yaml"
    sed -E '/^exporters:/,/^extensions:/ s|^  # ( *[a-z_/-]+:( .*)?)$|  \1|' "$ROOT/otel-collector-config.yaml" >"$DIR/all.yaml"
    for name in debug otlp/jaeger otlphttp/honeycomb file; do
        grep -q "^  $name:" "$DIR/all.yaml"
        sed -i -E "s|^( +exporters: \[otlphttp/tempo.*)\]|\1, $name]|" "$DIR/all.yaml"
    done
    cat "$DIR/all.yaml"
    HONEYCOMB_API_KEY=key "$COLLECTOR" validate --config "$DIR/all.yaml"
}

@test "docker-compose.yml publishes on 127.0.0.1 unless told otherwise, and limits every container" {
    run "$PYTHON" -c 'import sys, yaml
with open(sys.argv[1], encoding="utf-8") as file:
    services = yaml.safe_load(file)["services"]
ports = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
print(*[f"{name}: {port}" for name, port in ports if not port.startswith("${PUBLISH:-127.0.0.1}:")], sep="\n")
print(*[f"{name}: no limit of memory" for name, service in services.items() if "mem_limit" not in service], sep="\n")
print(len(ports) > 3)' "$ROOT/docker-compose.yml"
    echo "$output"
    [ "$(grep -v '^$' <<<"$output")" = True ]
}

@test "dashboard and rules of the Helm chart are the ones of dashboards/" {
    local file
    for file in dashboards/{microtrace.json,microtrace-telemetry.json,rules/alerts.yml,rules/recording.yml}; do
        [ "$ROOT/deploy/helm/microtrace/files/${file##*/}" -ef "$ROOT/$file" ]
    done
}
