# shellcheck shell=bash
# The whole stack of docker-compose.yml on an engine of its own: what tests/stack/run, pictures and
# memory share. Whoever reads this file sets REPORT first. Afterwards `work` is a folder that ends with the
# script, as all that stack_start has started; compose, docker and up talk to that stack.
# Two of them run side by side: folder, engine, bridge, networks and ports are each one's own.

# shellcheck source=tests/tools/progress.bash
. tests/tools/progress.bash
# shellcheck source=tests/stack/engine.bash
. tests/stack/engine.bash
# shellcheck source=tests/stack/images.bash
. tests/stack/images.bash
# shellcheck source=tests/stack/report.bash
. tests/stack/report.bash

stack_finish() {
    local status=$?
    if [ "$status" -ne 0 ] || [ "$failed" -gt 0 ]; then
        [ -z "${ENGINE:-}" ] || compose logs --no-color --tail 15 2>&1 | cut -c1-300 || true
        tail -n 5 "$work/engine.log" 2>/dev/null || true
    fi
    # Never on an engine that is not the test's own.
    [ -z "${ENGINE:-}" ] || compose down -v -t 2 >/dev/null 2>&1 || true
    engine_stop
    ip link delete "$BRIDGE" 2>/dev/null || true
    # Never delete through a mount that is still there.
    grep -q " $work/" /proc/mounts || rm -rf "$work"
}

compose() {
    "$COMPOSE" -f docker-compose.yml -f tests/stack/docker-compose.yml "$@"
}

up() {
    compose up -d --no-build "$@" >"$work/up.log" 2>&1 || { cat "$work/up.log"; return 1; }
}

# container SERVICE: its id.
container() {
    compose ps -q "$1"
}

inspect() {
    docker inspect -f "$2" "$(container "$1")"
}

state_is() {
    [ "$(inspect "$1" '{{.State.Health.Status}}')" = healthy ]
}

# stack_start: programs, engine and images; nothing is up yet.
stack_start() {
    local program service
    [ "$(id -u)" -eq 0 ] || { say "needs root, for the engine"; exit 1; }
    need dockerd docker-compose prometheus busybox debootstrap chromium gcc jq curl
    # Before anything starts: it takes the most time, once.
    tests/interop/collector/build >/dev/null
    for program in loki tempo grafana; do
        tests/tools/build-program "$program" >/dev/null
    done
    NODE_PATH=$(tests/tools/playwright)
    export NODE_PATH

    work=$(mktemp -d "${TMPDIR:-/var/tmp}/mt-stack.XXXXXX")
    trap stack_finish EXIT
    trap 'exit 1' HUP INT TERM
    read -r PORT PROMETHEUS_PORT OTLP_GRPC_PORT OTLP_HTTP_PORT GRAFANA_PORT < <(
        bash -c ". tests/integration/helpers.bash; free_ports 5")
    export PORT PROMETHEUS_PORT OTLP_GRPC_PORT OTLP_HTTP_PORT GRAFANA_PORT
    export WORK=$work BRIDGE=mt-$$ LOAD_RATE=50 COMPOSE_PROJECT_NAME=microtrace
    export COMPOSE_DOCKER_CLI_BUILD=0 DOCKER_BUILDKIT=0
    # docker-compose gives up an engine that says nothing for a minute, as a busy machine's may.
    export COMPOSE_HTTP_TIMEOUT=600
    COMPOSE=docker-compose
    prometheus=http://127.0.0.1:$PROMETHEUS_PORT
    app=http://127.0.0.1:$PORT
    grafana=http://127.0.0.1:$GRAFANA_PORT

    engine_start "$work"
    engine_base_image
    if ! with_progress "$REPORT: building the image" "$work/build.log" compose build microtrace; then
        tail -n 30 "$work/build.log"
        say "the image can't be built"
        exit 1
    fi
    for service in prometheus otel-collector tempo loki grafana; do
        stand_in "$service" "$work" || { say "no stand-in for $service"; exit 1; }
    done
    install -d -o 10001 -g 10001 "$work/collected"
}

# stack_keep: while STACK_KEEP seconds last, the stack is there to be looked at.
stack_keep() {
    [ -z "${STACK_KEEP:-}" ] || {
        say "kept for $STACK_KEEP s: $app $prometheus $grafana DOCKER_HOST=$DOCKER_HOST"
        sleep "$STACK_KEEP"
    }
}
