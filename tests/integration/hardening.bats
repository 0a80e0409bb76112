#!/usr/bin/env bats
# Goal: programs and library are built with the hardening that Debian's packages have, and every
# answer tells browsers not to guess its type.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    case $BATS_TEST_DESCRIPTION in
    built:*) case $BUILD in */asan*) skip "the sanitizer build is not shipped" ;; esac ;;
    esac
}

# All that is shipped as machine code.
shipped() { printf '%s\n' "$BUILD"/bin/* "$BUILD/lib/libmicrotrace.so.0"; }

# of FILE: what readelf says of it.
of() { readelf --wide --file-header --program-headers --dynamic --notes "$1"; }

@test "built: programs and library are position-independent, with full RELRO and nothing to write and execute" {
    local file text
    while read -r file; do
        text=$(of "$file")
        grep -q 'Type: *DYN' <<<"$text" || { echo "$file is not position-independent" && return 1; }
        [[ $file != */bin/* ]] || grep -qE 'FLAGS_1.*PIE' <<<"$text" || { echo "$file is no PIE" && return 1; }
        grep -q 'GNU_RELRO' <<<"$text" || { echo "$file has no RELRO" && return 1; }
        grep -qE 'BIND_NOW|FLAGS_1.* NOW' <<<"$text" || { echo "$file binds lazily" && return 1; }
        grep -qE 'GNU_STACK.* RW ' <<<"$text" || { echo "$file has an executable stack" && return 1; }
        refute grep -E '^ *LOAD .* RWE ' <<<"$text" || { echo "$file has a segment to write and execute" && return 1; }
        refute grep -E 'TEXTREL|R(UN)?PATH' <<<"$text" || { echo "$file" && return 1; }
    done < <(shipped)
}

# What is in the linker's hands: it leaves the mark out where one of its inputs lacks it, as the C
# library's start files do on some releases.
@test "built: control-flow protection, in each of our objects, and in what is linked where the C library has it" {
    local file text libc=yes
    [ "$(uname -m)" = x86_64 ] || skip "CET is of x86"
    while read -r file; do
        text=$(readelf --wide --notes "$file")
        grep -q 'IBT, SHSTK' <<<"$text" || { echo "$file has no CET" && return 1; }
    done < <(find "$BUILD"/obj -path '*/tests' -prune -o -name '*.o' -print)
    for file in Scrt1.o crti.o crtbeginS.o crtendS.o crtn.o; do
        readelf --wide --notes "$(gcc -print-file-name="$file")" | grep -q 'IBT, SHSTK' || libc=no
    done
    [ "$libc" = yes ] || skip "the C library's start files have no CET"
    while read -r file; do
        readelf --wide --notes "$file" | grep -q 'IBT, SHSTK' || { echo "$file has no CET" && return 1; }
    done < <(shipped)
}

# Otherwise the first build on a fresh machine would be another one than the second.
@test "make asks the compiler for nothing before its first compilation, as it may not be installed" {
    run -0 make -C "$ROOT" --no-print-directory help CC="$BUILD/no-compiler"
    [[ $output == make\ * && $output != *no-compiler* ]]
}

@test "built: stack protector, and fortified functions of level 3, in programs and library" {
    local file
    while read -r file; do
        nm -D "$file" | grep -q '__stack_chk_fail' || { echo "$file: no stack protector" && return 1; }
        nm -D "$file" | grep -q '_chk@' || { echo "$file: nothing is fortified" && return 1; }
    done < <(shipped)
    # Which flags an object was compiled with stands in no object: make says it.
    run -0 make -C "$ROOT" --no-print-directory --always-make --dry-run V=1 BUILD=build/none build/none/obj/lib/telemetry.o
    for flag in -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=3; do
        [[ $output == *" $flag "* ]] || { echo "$flag is missing in: $output" && return 1; }
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
    local before after began n
    new_folder
    start_instance WORKERS=1
    request GET /readyz
    expect 200
    pid=$(descendants "$(cat "$DIR/instance")" | while read -r p; do
        [ "$(cat "/proc/$p/comm")" != analyze ] || echo "$p"; done)
    began=$SECONDS
    before=$(awk '/^wchar/ { print $2 }' "/proc/$pid/io")
    for n in $(seq 100); do request GET /readyz; done
    expect 200
    after=$(awk '/^wchar/ { print $2 }' "/proc/$pid/io")
    # A probe writes 4096 bytes to each of two spools; 100 answers and log lines take less than half of
    # what 100 of them would, beside the one a second.
    echo "$((after - before)) bytes in $((SECONDS - began)) s"
    [ $((after - before)) -lt $((100 * 2 * 4096 / 2 + (SECONDS - began) * 2 * 4096)) ]
    remove_folder
}
