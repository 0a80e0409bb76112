# shellcheck shell=bash
# A Docker engine of the test's own: dockerd with all of its state in one folder, a socket in it, and
# no change to this machine's firewall or routes. docker and docker-compose talk to it alone. Sourced
# after tests/tools/progress.bash.

# engine_start FOLDER: FOLDER/engine holds it; FOLDER/engine.log is its log.
engine_start() {
    local folder=$1/engine end=$((SECONDS + 180))
    export DOCKER_HOST=unix://$folder/sock DOCKER_CONFIG=$folder/client
    mkdir -p "$folder/client"
    # Networks from a range that no other engine of these tests is likely to take at the same moment.
    echo "{\"default-address-pools\": [{\"base\": \"10.$((RANDOM % 256)).0.0/16\", \"size\": 24}]}" >"$folder/config.json"
    unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH
    dockerd --config-file "$folder/config.json" --data-root "$folder/data" --exec-root "$folder/exec" \
        --pidfile "$folder/pid" --host "$DOCKER_HOST" --bridge=none --iptables=false --ip6tables=false \
        --ip-forward=false >"$1/engine.log" 2>&1 </dev/null &
    ENGINE=$!
    ENGINE_FOLDER=$folder
    until docker info >/dev/null 2>&1; do
        if ! kill -0 "$ENGINE" 2>/dev/null || [ "$SECONDS" -ge "$end" ]; then
            tail -n 20 "$1/engine.log"
            echo "the Docker engine did not start"
            exit 1
        fi
        sleep 0.1
    done
}

# Ends the engine, what it has started, and its mounts.
engine_stop() {
    local id pid end=$((SECONDS + 30)) mount
    [ -n "${ENGINE:-}" ] || return 0
    for id in $(docker ps -aq 2>/dev/null); do
        docker rm -f "$id" >/dev/null 2>&1 || true
    done
    kill "$ENGINE" 2>/dev/null || true
    while kill -0 "$ENGINE" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do
        sleep 0.1
    done
    kill -KILL "$ENGINE" 2>/dev/null || true
    # Its containerd ends with it, unless it was killed.
    pid=$(cat "$ENGINE_FOLDER/exec/containerd/containerd.pid" 2>/dev/null) &&
        grep -qsF "$ENGINE_FOLDER" "/proc/$pid/cmdline" && kill -KILL "$pid"
    awk -v folder="$ENGINE_FOLDER/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r mount; do umount -l "$mount" || true; done
    ENGINE=
}

# engine_base_image: a Debian image like the official slim one, under the name that the Dockerfile
# has for it, which is then in BASE.
engine_base_image() {
    local suite=bookworm made mirror
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/microtrace
    local tarball=$cache/base-$suite.tar
    if [ ! -s "$tarball" ]; then
        mkdir -p "$cache"
        made=$(mktemp -d "$cache/base.XXXXXX")
        mirror=$(tests/tools/debian-mirror)
        if ! with_progress "making a $suite base image (once)" "$cache/base.log" \
            debootstrap --variant=minbase "$suite" "$made/root" ${mirror:+"$mirror"}; then
            tail -n 20 "$cache/base.log"
            rm -rf "$made"
            echo "debootstrap failed: $cache/base.log"
            exit 1
        fi
        # What the slim image leaves out.
        tar -C "$made/root" -cf "$tarball.new" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
            --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' --exclude='./usr/share/lintian/*' \
            --exclude='./var/cache/apt/*.bin' --exclude='./var/cache/apt/archives/*.deb' \
            --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' --exclude='./dev/*' .
        mv "$tarball.new" "$tarball"
        rm -rf "$made"
    fi
    BASE=$(sed -n 's/^ARG BASE=//p' Dockerfile)
    docker import -c 'CMD ["bash"]' "$tarball" "$BASE" >/dev/null
}
