#!/bin/sh
# The same as import.bats with shunit2: PATH=.:$PATH ./import_shunit2.sh
# shellcheck disable=SC2317 # shunit2 calls the functions

setUp() {
    MICROTRACE_RUN_DIR=$SHUNIT_TMPDIR/run MICROTRACE_SPOOL_DIR=$SHUNIT_TMPDIR/spool
    export MICROTRACE_RUN_DIR MICROTRACE_SPOOL_DIR
    rm -rf "$MICROTRACE_RUN_DIR" "$MICROTRACE_SPOOL_DIR"
    mkdir "$MICROTRACE_RUN_DIR" "$MICROTRACE_SPOOL_DIR"
}

# expect ARGUMENT...: as microtrace has it; what it says is the message of a failure.
expect() {
    found=$(microtrace expect "$@" 2>&1)
    assertTrue "$found" $?
}

testItCounts() {
    import
    expect metric 'imported_total{kind="book"}' --eq 3
}

testItLogs() {
    import
    expect log --message import_done --field articles=3 --count 1
    expect log --level ERROR --none
}

# shellcheck source=/dev/null
. shunit2
