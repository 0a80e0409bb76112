#!/usr/bin/env bats
# Goal: what `make install` puts in place works from there (the library: library.bats), and `make uninstall`
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

@test "uninstall takes all of it back" {
    : >"$DIR/machine/opt/mt/bin/other"
    make_quietly uninstall
    [ "$(find "$DIR/machine" -type f -printf '%P\n')" = opt/mt/bin/other ]
    [ -z "$(find "$DIR/machine" -name '*microtrace*')" ]
}
