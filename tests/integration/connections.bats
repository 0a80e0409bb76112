#!/usr/bin/env bats
# Goal: clients that send nothing, or a byte now and then, keep nobody else from the agent's port,
# whatever the limit of open files is. CROWD says how many there are (2000; for 10000 the limit has
# to allow as many open files).

load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

# crowd ARGUMENT...: runs the crowd; sets CLOSED, FAILED and SLOWEST.
crowd() {
    local line
    line=$(python3 "$ROOT/tests/tools/crowd.py" --port "$AGENT_PORT" "$@")
    echo "# $line" >&3
    read -r _ _ _ CLOSED _ _ _ FAILED _ SLOWEST <<<"$line"
}

# Generous: on an idle machine the slowest answer takes some 20 ms. One that had to wait until those
# who were there first are cut off would take 15 s.
all_answered_soon() {
    [ "$FAILED" -eq 0 ] && awk -v ms="$SLOWEST" 'BEGIN { exit !(ms < 8000) }'
}

@test "idle and dripping connections: /metrics answers throughout" {
    start_agent
    crowd --connections "${CROWD:-2000}" --seconds 5
    all_answered_soon
    # It was more than there is room for.
    [ "$CLOSED" -gt 0 ]
    [ "$(find "/proc/$AGENT_PID/fd" -mindepth 1 | wc -l)" -lt 1200 ]
    crowd --connections 500 --seconds 1 --path /healthz
    all_answered_soon
}

@test "the soft limit of open files is raised; below the hard one the oldest go" {
    PREFIX=(prlimit --nofile=64:64)
    start_agent
    crowd --connections 200 --seconds 2
    all_answered_soon
    [ "$CLOSED" -gt 0 ]
    kill_agent TERM
    PREFIX=(prlimit --nofile=64:4096)
    start_agent
    crowd --connections 200 --seconds 2
    all_answered_soon
    [ "$CLOSED" -eq 0 ]
}

@test "a request that drips is cut off after its time; bytes win it none" {
    start_agent
    run python3 - "$AGENT_PORT" <<'END'
import socket, sys, time
began = time.monotonic()
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(0.5)
s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: ")
while time.monotonic() < began + 60:
    try:
        s.sendall(b"x")
        if s.recv(1000) == b"":
            break
    except socket.timeout:
        continue
    except OSError:
        break
took = time.monotonic() - began
print(f"closed after {took:.1f} s")
# Not early, and not only after the 60 s.
sys.exit(not 14 < took < 50)
END
    echo "$output"
    [ "$status" -eq 0 ]
}
