#!/usr/bin/env bats
# Goal: whichever allocation or system call fails, nothing crashes or hangs, every request is
# answered, and the books balance afterwards. A sample by default, the same each time; FAILING_SEED=N
# for another one, FAILING_CALLS=full for every call.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    case $BUILD in */asan*) skip "the sanitizer wants to be loaded first" ;; esac
}

setup_file() {
    LIBRARY=$BATS_FILE_TMPDIR/fail_nth.so
    export LIBRARY
    ${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O1 -fPIC -shared -o "$LIBRARY" \
        "$ROOT/tests/tools/preload/fail_nth.c"
}

# failing_calls SAMPLE WHAT
failing_calls() {
    local arguments=(--build "$BUILD" --library "$LIBRARY")
    [ "${FAILING_CALLS:-}" = full ] || arguments+=(--sample "$1")
    [ -z "${FAILING_SEED:-}" ] || arguments+=(--seed "$FAILING_SEED")
    /usr/bin/python3 "$ROOT/tests/tools/failing_calls.py" "${arguments[@]}" "$2"
}

@test "analyze as a CGI program" { failing_calls 120 cgi; }

@test "analyze as a FastCGI server" { failing_calls 120 fastcgi; }

@test "microtrace-cgi" { failing_calls 120 gateway; }

@test "the agent" { failing_calls 60 agent; }

@test "the commands of microtrace" { failing_calls 250 commands; }

@test "further programs" { failing_calls 100 programs; }
