#!/usr/bin/env bats
# Goal: the benchmarks run: each contender starts, answers and is measured, and nothing of it is left
# behind. What they find is nobody's test.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    case $BUILD in */asan*) skip "the bare program has no sanitizer" ;; esac
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/microtrace.XXXXXX")
}

teardown() { rm -rf "$DIR"; }

# bench ARGUMENT...: with its files in $DIR.
bench() {
    BUILD=$BUILD TMPDIR=$DIR timeout 120 "$ROOT/tests/bench/run" "$@"
}

# row NAME: of the table in $output; more than its name is in it.
row() {
    grep -qE "^\| $1 +\| [0-9]+ .* [0-9]+\.[0-9]+ .*\|$" <<<"$output" || { echo "no row '$1' in: $output" && return 1; }
}

@test "an unknown section, a number that makes no round, a commit that there is not" {
    run -2 bench nonsense
    [[ $output == *throughput*cgi* ]]
    run -2 bench --rounds 0 cgi
    run -1 bench --against nonsense cgi
    [[ $output == *nonsense* ]]
}

@test "plain CGI" {
    run -0 bench --rounds 1 cgi
    row bare
    row analyze
    [ -z "$(ls -A "$DIR")" ]
}

@test "emitting" {
    run -0 bench --rounds 1 emit
    row /bin/true
    row 'microtrace count'
    row 'microtrace run'
    [ -z "$(ls -A "$DIR")" ]
}

@test "the gateways" {
    command -v wrk >/dev/null || skip "wrk is not installed"
    run -0 bench --rounds 1 gateways
    row fcgiwrap
    row microtrace-cgi
    row 'cgi.assign, the script alone'
    row 'cgi.assign, microtrace-cgi'
    [ -z "$(ls -A "$DIR")" ]
}

@test "the agent" {
    run -0 bench --rounds 1 agent
    row 'no endpoint, 1,000/s'
    row 'a sink, as fast as it goes'
    [ -z "$(ls -A "$DIR")" ]
}

@test "throughput" {
    command -v wrk || skip "no wrk"
    run -0 bench --rounds 1 --seconds 1 throughput
    row bare
    row 'bare, no linger'
    row whole
    row 'whole, delivering'
    [ -z "$(ls -A "$DIR")" ]
    refute pgrep -f "$DIR"
}

@test "the noise ends by itself when whoever started it is gone" {
    local pids
    mkdir "$DIR/noise"
    # It waits until both have begun. The 64 MiB are of one copy.
    pids=$(/usr/bin/python3 -B - "$ROOT/tests/bench/noise.py" "$DIR/noise" "$PATIENCE" <<'PYTHON'
import os, subprocess, sys, time
for what in (["copies", str(os.getpid()), sys.argv[2], str(64 << 20)], ["files", str(os.getpid()), sys.argv[2]]):
    print(subprocess.Popen([sys.executable, sys.argv[1], *what], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL).pid, flush=True)
end = time.monotonic() + float(sys.argv[3])
while len({name.split("-")[0] for name in os.listdir(sys.argv[2])}) < 3:
    assert time.monotonic() < end
    time.sleep(0.02)
PYTHON
    )
    [ "$(wc -w <<<"$pids")" -eq 2 ]
    # shellcheck disable=SC2086 # two words
    wait_until all_gone $pids
}

@test "a PHP page through microtrace-proxy" {
    command -v wrk >/dev/null || skip "wrk is not installed"
    run -0 bench --rounds 1 proxy
    row "PHP-FPM alone"
    row "through the proxy"
    row "microtrace-proxy"
    [ -z "$(ls -A "$DIR")" ]
}
