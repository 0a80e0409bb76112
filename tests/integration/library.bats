#!/usr/bin/env bats
# Goal: a stranger's program uses the installed library by its header and pkg-config alone: it
# counts, traces and logs under its own name, and what it flushed survives its death.

bats_require_minimum_version 1.5.0

load agent_helpers

setup_file() {
    export HOME_DIR=$BATS_FILE_TMPDIR/home SANITIZE=
    export PKG_CONFIG_PATH=$HOME_DIR/lib/pkgconfig LD_LIBRARY_PATH=$HOME_DIR/lib
    local build=${BUILD:-build}
    [[ $build != *asan ]] || SANITIZE="-fsanitize=address,undefined"
    make -s -C "$BATS_TEST_DIRNAME/../.." install BUILD="${build#"$PWD/"}" PREFIX="$HOME_DIR"
}

setup() { common_setup; }
teardown() {
    # A web server that is killed leaves the programs that it spawned.
    [ -z "${SERVER:-}" ] || { kill "$SERVER" && wait "$SERVER" || true; }
    common_teardown
}

# compile OUT SOURCE PKG-CONFIG-ARGUMENT... [-- FLAG...]
compile() {
    local out=$1 source=$2 compiler=${CC:-cc} standard=-std=c11 words=() flags
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    shift || true
    case $source in *.cc) compiler=${CXX:-c++} standard=-std=c++17 ;; esac
    flags=$(pkg-config --cflags --libs "${words[@]}" microtrace)
    # shellcheck disable=SC2086 # several words
    "$compiler" $standard -Wall -Wextra -pedantic -Werror $SANITIZE -o "$out" "$source" $flags "$@"
}

run_program() {
    MICROTRACE_RUN_DIR=$PWD/run MICROTRACE_SPOOL_DIR=$PWD/spool "$@"
}

# dumped SIGNAL: the sink's records of it, with their service as one text.
dumped() {
    jq -c --arg signal "$1" 'select(.signal == $signal) |
        . + {service: (.resource | "\(."service.name") \(."service.version")")}' dump
}

arrived() { [ "$(dumped "$1" | wc -l)" = "$2" ]; }

@test "the header compiles alone, as C11 and as C++17, by gcc and clang" {
    local compiler tried=0
    for compiler in gcc clang; do
        command -v "$compiler" >/dev/null || continue
        tried=$((tried + 1))
        echo '#include <microtrace.h>' | "$compiler" -std=c11 -pedantic -Wall -Wextra -Werror \
            "-I$HOME_DIR/include" -fsyntax-only -x c -
        echo '#include <microtrace.h>' | "$compiler" -std=c++17 -pedantic -Wall -Wextra -Werror \
            "-I$HOME_DIR/include" -fsyntax-only -x c++ -
    done
    [ "$tried" -ge 1 ]
}

@test "both libraries define the functions of the header, and no other name" {
    local declared
    declared=$(sed -n 's/^[a-z].*[ *]\(mt_[a-z_]*\)(.*/\1/p' "$HOME_DIR/include/microtrace.h" |
        grep -vxE 'mt_(string|string_n|bytes|int|double|bool)' | sort)
    [ "$(wc -l <<<"$declared")" -ge 25 ]
    diff <(echo "$declared") <(nm -D --defined-only "$HOME_DIR/lib/libmicrotrace.so" |
        awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
    diff <(echo "$declared") <(nm -g --defined-only "$HOME_DIR/lib/libmicrotrace.a" |
        awk 'NF == 3 { print $3 }' | sort)
    diff <(echo "$declared") <(sed -n 's/^ *\(mt_[a-z_]*\);/\1/p' "$ROOT/lib/microtrace.map" | sort)
    [[ $(objdump -p "$HOME_DIR/lib/libmicrotrace.so") == *"SONAME"*libmicrotrace.so.0* ]]
}

@test "the same program in C and C++, shared and static: each is told apart by its name" {
    local runs=2
    compile c "$ROOT/examples/import.c"
    compile cxx "$ROOT/examples/import.cc"
    start_sink
    start_agent
    run_program ./c
    run_program ./cxx
    if [ -z "$SANITIZE" ]; then
        runs=4
        compile c-static "$ROOT/examples/import.c" --static -- -static
        compile cxx-static "$ROOT/examples/import.cc" --static -- -static
        run_program ./c-static
        run_program ./cxx-static
        refute_shared c-static
    fi
    [ "$(metric imported_total 'kind="book"')" = $((3 * runs)) ]
    curl -sf -H 'Accept: application/openmetrics-text' "http://127.0.0.1:$AGENT_PORT/metrics" |
        grep -E '^import_seconds_bucket\{le="0.25"\} '"$runs"' # \{trace_id="[0-9a-f]{32}",span_id="[0-9a-f]{16}"\} 0.25 '
    until_true 20 arrived traces "$runs"
    until_true 20 arrived logs "$runs"
    for name in shop-import shop-import-cxx; do
        [ "$(dumped traces | jq -s --arg name "$name 1.4.2" '[.[] | select(.service == $name and
            .scope.name == ($name | split(" ")[0]) and .scope.version == "1.4.2" and
            .record.name == "import" and .attributes."import.articles" == 3)] | length')" = $((runs / 2)) ]
        [ "$(dumped logs | jq -s --arg name "$name 1.4.2" '[.[] | select(.service == $name and
            .scope.name == "shop.import" and .record.body.stringValue == "import_done" and
            .attributes.file == "books.csv" and .attributes.articles == 3)] | length')" = $((runs / 2)) ]
    done
    # Each log record belongs to its program's span.
    diff <(dumped traces | jq -r '.record | .traceId + .spanId' | sort) \
        <(dumped logs | jq -r '.record | .traceId + .spanId' | sort)
}

refute_shared() {
    if ldd "$1" 2>/dev/null | grep libmicrotrace; then
        return 1
    fi
}

# example DOCUMENT FILE: the document's first block of C, as it stands there.
example() {
    awk '/^```c$/ { inside = 1; next } /^```/ { if (inside) exit } inside' "$ROOT/$1" >"$2"
    [ -s "$2" ]
}

@test "the program in docs/library.md counts, traces and logs what it says" {
    example docs/library.md import.c
    compile ./import import.c
    run_program ./import
    run_program "$HOME_DIR/bin/microtrace" expect metric imported_total --eq 3
    run_program "$HOME_DIR/bin/microtrace" expect span --name import --attr import.articles=3 --count 1
    run_program "$HOME_DIR/bin/microtrace" expect log --message import_done --count 1
}

@test "TRACEPARENT of the environment is continued" {
    compile c "$ROOT/examples/import.c"
    run_program env TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 \
        TRACESTATE=vendor=value ./c
    jq -e '.resourceSpans[0].scopeSpans[0].spans[0] |
        .traceId == "4bf92f3577b34da6a3ce929d0e0e4736" and .parentSpanId == "00f067aa0ba902b7" and
        .traceState == "vendor=value"' spool/traces.jsonl
}

# killed_guestbook COMPILE-ARGUMENT...: the FastCGI example, linked that way, killed after its answers.
killed_guestbook() {
    local port pid i
    compile guestbook "$ROOT/examples/guestbook.c" "$@"
    start_sink
    start_agent
    port=$(free_port)
    cat >lighttpd.conf <<END
server.document-root = "$PWD"
server.bind = "127.0.0.1"
server.port = $port
server.modules = ("mod_fastcgi")
fastcgi.server = ("/" => (("socket" => "$PWD/socket", "bin-path" => "$PWD/guestbook",
    "check-local" => "disable", "max-procs" => 1, "kill-signal" => 9)))
END
    # Not by run_program: the pid would be that of a shell around it.
    env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" \
        lighttpd -D -f lighttpd.conf 2>lighttpd.log 3>&- &
    SERVER=$!
    until_true 10 curl -sf -o answer "http://127.0.0.1:$port/"
    for i in $(seq 50); do
        [ "$(curl -sf -H "X-Request-ID: visit-$i" \
            -H "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" \
            "http://127.0.0.1:$port/")" = "Welcome." ]
    done
    pid=$(pgrep -P "$SERVER")
    [ "$(readlink "/proc/$pid/exe")" = "$PWD/guestbook" ]
    kill -9 "$pid"
    until_true 20 arrived traces 51
    until_true 20 arrived logs 51
    [ "$(curl -sf "http://127.0.0.1:$AGENT_PORT/metrics" | awk '$1 == "visits_total{method=\"GET\"}" { printf "%d", $2 }')" = 51 ]
    [ "$(dumped traces | jq -s '[.[] | select(.service == "guestbook 2.0.1" and .record.kind == 2 and
        .record.traceId == "4bf92f3577b34da6a3ce929d0e0e4736" and
        .record.parentSpanId == "00f067aa0ba902b7") | .attributes."microtrace.request_id"] |
        unique | length')" = 50 ]
    [ "$(dumped logs | jq -s '[.[] | .attributes.request_id | strings | select(startswith("visit-"))] | unique | length')" = 50 ]
}

@test "a FastCGI program killed after its answers has lost nothing" {
    killed_guestbook -- -lfcgi
}

@test "nor has one that is linked statically" {
    [ -z "$SANITIZE" ] || skip "a sanitizer is no static library"
    killed_guestbook --static -- -static -lfcgi
    refute_shared guestbook
}
