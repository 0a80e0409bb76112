#!/usr/bin/env bats
# Tests what import.c tells of itself, from its files: no agent, no collector, no port.
#
#     cc -o import import.c $(pkg-config --cflags --libs microtrace)
#     PATH=.:$PATH bats import.bats

setup() {
    export MICROTRACE_RUN_DIR=$BATS_TEST_TMPDIR/run MICROTRACE_SPOOL_DIR=$BATS_TEST_TMPDIR/spool
    mkdir "$MICROTRACE_RUN_DIR" "$MICROTRACE_SPOOL_DIR"
}

@test "an import counts its articles, and how long it took" {
    import
    microtrace expect metric 'imported_total{kind="book"}' --eq 3
    microtrace expect metric 'import_seconds_bucket{le="0.5"}' --eq 1
}

@test "a second import adds to the first" {
    import
    microtrace expect metric --snapshot "$BATS_TEST_TMPDIR/before"
    import
    microtrace expect metric imported_total --increase 3 --since "$BATS_TEST_TMPDIR/before"
}

@test "it is one span, and its log record belongs to that" {
    import
    span=$(microtrace expect span --name import --attr import.articles=3 --count 1)
    trace=$(jq -r .trace_id <<<"$span")
    microtrace expect log --message import_done --field articles=3 --trace "$trace" --count 1
    microtrace expect log --level ERROR --none
}

@test "it continues the trace of the job that has started it" {
    TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 import
    microtrace expect span --name import --trace 4bf92f3577b34da6a3ce929d0e0e4736
}

@test "imports that run at the same time are all counted" {
    for _ in 1 2 3 4 5; do
        import &
    done
    microtrace expect metric imported_total --eq 15
    microtrace expect span --name import --count 5
    wait
}
