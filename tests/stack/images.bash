# shellcheck shell=bash
# Stand-ins for the images of docker-compose.yml that would be pulled: under the pinned names, made
# from images/*.Dockerfile and the same programs, as far as they can be had.

# image SERVICE: the name of its image.
image() {
    compose config | SERVICE=$1 /usr/bin/python3 -c '
import os, sys, yaml
print(yaml.safe_load(sys.stdin)["services"][os.environ["SERVICE"]]["image"])'
}

# stand_in SERVICE WORK: builds its image, on the engine's base image if it needs one, in WORK.
stand_in() {
    local service=$1 context=$2/$1 program
    mkdir -p "$context/empty"
    case $service in
    prometheus) cp "$(command -v prometheus)" "$context/prometheus" ;;
    otel-collector)
        program=$(tests/interop/collector/build) || return 1
        cp "$program" "$context/otelcol"
        ;;
    *)
        program=$(tests/tools/build-program "$service") || return 1
        cp -r "$program"/. "$context"
        ;;
    esac
    case $service in
    # Their health checks ask by wget.
    prometheus | grafana) cp "$(command -v busybox)" "$context/wget" ;;
    esac
    with_progress "$REPORT: building a stand-in for $service" "$2/build.log" docker build -t "$(image "$service")" --build-arg "BASE=$BASE" \
        -f "tests/stack/images/$service.Dockerfile" "$context" ||
        { cat "$2/build.log"; return 1; }
    rm -rf "$context"
}
