#!/usr/bin/env bats
# Goal: programs and library are built with the hardening that Debian's packages have, and every
# answer tells browsers not to guess its type.

bats_require_minimum_version 1.5.0
load helpers

# of FILE: what readelf says of it.
of() { readelf --wide --file-header --program-headers --dynamic --notes "$1"; }

@test "programs and library: PIE, full RELRO, no executable stack, control-flow protection" {
    local file text
    case $BUILD in */asan*) skip "the sanitizer build is not shipped" ;; esac
    for file in "$BUILD"/bin/* "$BUILD/lib/libmicrotrace.so.0"; do
        text=$(of "$file")
        grep -q 'Type: *DYN' <<<"$text" || { echo "$file is not position-independent" && return 1; }
        grep -q 'GNU_RELRO' <<<"$text" || { echo "$file has no RELRO" && return 1; }
        grep -qE 'BIND_NOW|Flags:.* NOW' <<<"$text" || { echo "$file binds lazily" && return 1; }
        grep -q 'GNU_STACK.* RW ' <<<"$text" || { echo "$file has an executable stack" && return 1; }
    done
    # The start files of some releases lack it, so that the linker leaves it out: ours have it.
    [ "$(uname -m)" != x86_64 ] ||
        readelf --wide --notes "$BUILD/obj/lib/telemetry.o" | grep -q 'IBT, SHSTK'
}

# Otherwise the first build on a fresh machine would be another one than the second.
@test "make asks the compiler for nothing before its first compilation, as it may not be installed" {
    run -0 make -C "$ROOT" --no-print-directory help CC="$BUILD/no-compiler"
    [[ $output == make\ * && $output != *no-compiler* ]]
}

@test "programs: stack protector and fortified functions" {
    local file
    case $BUILD in */asan*) skip "the sanitizer build is not shipped" ;; esac
    for file in "$BUILD"/bin/*; do
        nm -D "$file" | grep -q '__stack_chk_fail' || { echo "$file: no stack protector" && return 1; }
        nm -D "$file" | grep -q '_chk@' || { echo "$file: nothing is fortified" && return 1; }
    done
}

@test "nosniff on answers of analyze, of errors, and of the agent" {
    new_folder
    start_instance WORKERS=1
    local path
    for path in /healthz /docs /openapi.json /nowhere /metrics; do
        request GET "$path"
        [ "$(header X-Content-Type-Options)" = nosniff ] || { echo "not on $path" && return 1; }
    done
    curl -sS -D - -o /dev/null "$AGENT_URL/healthz" | tr -d '\r' >"$DIR/headers.last"
    [ "$(header X-Content-Type-Options)" = nosniff ]
    remove_folder
}

@test "readyz writes at most once a second, however often it is asked" {
    local before after n
    new_folder
    start_instance WORKERS=1
    request GET /readyz
    expect 200
    pid=$(descendants "$(cat "$DIR/instance")" | while read -r p; do
        [ "$(cat "/proc/$p/comm")" != analyze ] || echo "$p"; done)
    before=$(awk '/^wchar/ { print $2 }' "/proc/$pid/io")
    for n in $(seq 100); do request GET /readyz; done
    expect 200
    after=$(awk '/^wchar/ { print $2 }' "/proc/$pid/io")
    # A probe writes 4096 bytes to each of two spools; 100 answers and log lines take less than that.
    echo "$((after - before)) bytes"
    [ $((after - before)) -lt $((100 * 2 * 4096 / 2)) ]
    remove_folder
}
