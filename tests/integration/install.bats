#!/usr/bin/env bats
# Goal: what `make install` puts in place works from there, the library too, and `make uninstall`
# takes all of it back.

load helpers

setup_file() {
    new_folder
    make_quietly install
}

teardown_file() {
    remove_folder
}

make_quietly() {
    make -s -C "$ROOT" "$1" BUILD="${BUILD#"$ROOT/"}" DESTDIR="$DIR/machine" PREFIX=/opt/mt >"$LOG" 2>&1 || {
        cat "$LOG"
        return 1
    }
}

@test "the programs are there and say their version" {
    local program
    for program in analyze metrics-agent microtrace microtrace-run; do
        [[ $("$DIR/machine/opt/mt/bin/$program" --version) == "$program "[0-9]* ]]
    done
}

@test "the dashboard and the rules come with them" {
    local shared=$DIR/machine/opt/mt/share/microtrace/dashboards
    expect_json '.uid == "microtrace"' <"$shared/microtrace.json"
    grep -q 'alert: MicroTraceNoWorkers' "$shared/alerts.yml"
    grep -q 'record: job:slo_latency_slow:ratio_rate1h' "$shared/recording.yml"
}

@test "the installed programs run an instance with the installed configuration" {
    BIN=$DIR/machine/opt/mt/bin ROOT=$DIR/machine/opt/mt/share/microtrace start_instance
    analyze '{"a": 10.5, "b": 3.5}'
    expect 200 '. == {"sum": 14, "difference": 7}'
    stop_instance
}

@test "a program builds against the installed library" {
    cat >"$DIR/user.c" <<'CODE'
#include "lib/base/ids.h"
#include "lib/metrics/metrics.h"
#include "lib/telemetry.h"
#include <stdio.h>
int main(void)
{
    struct trace_id id = ids_new_trace();
    puts(ids_trace_is_zero(&id) ? "zero" : "an id");
    return 0;
}
CODE
    local sanitize=
    [[ $BUILD != */asan ]] || sanitize=-fsanitize=address,undefined
    # shellcheck disable=SC2086
    "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE $sanitize -I"$DIR/machine/opt/mt/include/microtrace" -o "$DIR/user" \
        "$DIR/user.c" "$DIR/machine/opt/mt/lib/libmicrotrace.a" -lm
    [ "$("$DIR/user")" = "an id" ]
}

@test "uninstall takes all of it back" {
    : >"$DIR/machine/opt/mt/bin/other"
    make_quietly uninstall
    [ "$(find "$DIR/machine" -type f -printf '%P\n')" = opt/mt/bin/other ]
    [ -z "$(find "$DIR/machine" -name '*microtrace*')" ]
}
